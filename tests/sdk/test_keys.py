"""Virtual keys: who may call, which routes and models, from where keys come, and when they end."""

import json
import subprocess
import time

import pytest
from conftest import clean_environment, free_port, http
from sdks import KEY, caller
from support import DIALECTS, FAST, chat, error_message, poll, prompt, provider, route, send

CALLERS = ("openai", "anthropic", "gemini")


@pytest.fixture(scope="module")
def sim(shared_provider_sims):
    return shared_provider_sims()


@pytest.fixture(scope="module")
def expected(sim):
    return chat(sim.url, "openai", "m")[1].text


def keys(program, folder, *arguments):
    """`ringmain keys …`; what it printed."""
    command = [program, "keys", *arguments]
    ended = subprocess.run(command, cwd=folder, env=clean_environment(), capture_output=True, text=True, timeout=30)
    return ended.returncode, ended.stdout.strip(), ended.stderr


@pytest.fixture
def gateway(start_ringmain, sim, tmp_path):
    config = {
        "providers": {label: provider(sim, label, "openai") for label in "ab"},
        "routes": [
            {"name": "keyed", "match": {"key": "acme/search/*", "model": "who"}, "targets": ["b/gpt-4o"]},
            {"name": "rest", "match": {"model": "who"}, "targets": ["a/gpt-4o"]},
            route("text", "a/gpt-4o"),
        ],
        "groups": {"acme": {"models": ["text", "who", "a/*"]}, "acme/search": {"tags": {"team": "search"}}},
        "keys": [
            {"name": "written", "key": "${WRITTEN_KEY}", "routes": "text"},
            {"name": "old", "key": "${OLD_KEY}", "expires": "2020-01-01"},
        ],
        "defaults": FAST,
        "state": {"database": f"sqlite:{tmp_path}/ringmain.db"},
    }
    return start_ringmain(config, env={"WRITTEN_KEY": KEY, "OLD_KEY": "sk-old"})


def bearer(key):
    return {"authorization": f"Bearer {key}"}


def status(gateway, key, model="text"):
    path, body = prompt("openai", model=model)
    return send(gateway.url, path, body, bearer(key)).status


def test_each_dialect_has_its_place_for_a_key(gateway, sim, expected):
    for dialect in CALLERS:
        sdk = caller(dialect, gateway.url)
        assert sdk.ask("text").text == expected
        path, body = prompt(dialect, model="text")
        for headers in ({}, bearer("sk-wrong"), bearer("sk-old"), {"x-api-key": KEY[:-1]}):
            reply = send(gateway.url, path, body, headers)
            assert reply.status == 401 and error_message(dialect, reply), (dialect, headers)
            assert reply.mine("request-id")
    path, body = prompt("gemini", model="text")
    assert send(gateway.url, f"{path}?key={KEY}", body).status == 200
    path, body = prompt("openai", model="text")
    for headers in ({"x-api-key": KEY}, {"api-key": KEY}):
        assert send(gateway.url, path, body, headers).status == 200
    assert "expired" in error_message("openai", send(gateway.url, path, body, bearer("sk-old")))
    # A caller's key goes to no provider, and to no log.
    seen = json.dumps(sim.received()) + gateway.output()
    assert KEY not in seen and "sk-wrong" not in seen and "sk-old" not in seen


def test_keys_are_made_used_and_revoked_while_it_runs(gateway, ringmain_bin, tmp_path):
    database = ("--database", str(tmp_path / "ringmain.db"))
    code, text, told = keys(ringmain_bin, tmp_path, "create", "prod", "--group", "acme/search", *database)
    assert code == 0 and text.startswith("sk-rm-") and "only time" in told
    poll(lambda: status(gateway, text) == 200, "the new key lets in")
    assert status(gateway, text, "a/gpt-4o") == 200
    path, body = prompt("openai", model="who")
    assert send(gateway.url, path, body, bearer(text)).mine("route") == "keyed", "routes match keys by group and name"
    refused = send(gateway.url, *prompt("openai", model="b/gpt-4o"), bearer(text))
    assert refused.status == 403 and "acme" in error_message("openai", refused)
    assert status(gateway, KEY, "a/gpt-4o") == 403, "only the route `text`"
    assert keys(ringmain_bin, tmp_path, "create", "prod", *database)[0] == 1, "a name is taken once"
    code, listed, _ = keys(ringmain_bin, tmp_path, "list", "--json", *database)
    (key,) = json.loads(listed)["keys"]
    assert (key["name"], key["group"], key["standing"]) == ("prod", "acme/search", "in force")
    assert text not in listed and text[6:40] not in (tmp_path / "ringmain.db").read_bytes().decode("latin-1")
    began = time.monotonic()
    assert keys(ringmain_bin, tmp_path, "revoke", "prod", *database)[0] == 0
    poll(lambda: status(gateway, text) == 401, "the revoked key is refused")
    assert time.monotonic() - began < 5
    assert keys(ringmain_bin, tmp_path, "revoke", "prod", *database)[0] == 1
    assert text[6:] not in gateway.output()
    entries = json.loads(http("GET", f"{gateway.admin}/api/audit")[2])["entries"]
    told = [(entry["actor"], entry["action"], entry["subject"]) for entry in entries]
    expected = [("ringmain keys revoke", "prod"), ("ringmain keys create", key["id"])]
    assert told == [("command line", *entry) for entry in expected], "newest first"


def test_the_list_of_models_is_what_the_key_may_use(gateway):
    listed = send(gateway.url, "/v1/models", headers=bearer(KEY), method="GET").json()
    assert [model["id"] for model in listed["data"]] == ["text"]
    assert send(gateway.url, "/v1/models", method="GET").status == 401
    with_query = send(gateway.url, f"/v1beta/models?key={KEY}", method="GET").json()
    assert [model["name"] for model in with_query["models"]] == ["models/text"]


def test_keys_open_the_data_plane_beyond_loopback(ringmain_bin, start_ringmain, sim, tmp_path):
    database = tmp_path / "keys.db"
    listen = f"0.0.0.0:{free_port()}"
    config = {
        "server": {"listen": listen},
        "providers": {"a": provider(sim, "a", "openai")},
        "state": {"database": f"sqlite:{database}"},
    }
    file = tmp_path / "open.yaml"
    file.write_text(json.dumps(config))
    command = [ringmain_bin, "serve", "--config", str(file)]
    ended = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, timeout=30)
    assert ended.returncode == 1 and "ringmain keys create" in ended.stderr
    _, text, _ = keys(ringmain_bin, tmp_path, "create", "--name", "first", "--config", str(file))
    gateway = start_ringmain(config)
    assert (status(gateway, text, "a/gpt-4o"), status(gateway, "sk-none", "a/gpt-4o")) == (200, 401)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_key_that_may_not_is_told_so_in_its_dialect(gateway, dialect):
    path, body = prompt(dialect, model="b/gpt-4o")
    reply = send(gateway.url, path, body, bearer(KEY))
    assert reply.status == 403
    assert "written" in error_message(dialect, reply)

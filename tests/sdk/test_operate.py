"""Running it: without a file, checking a file, reloading, stopping, looking at it."""

import json
import re
import signal
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import clean_environment, free_port, http
from sdks import CALLERS, caller
from support import DIALECTS, FAST, chat, connect, error_message, hear, poll, prompt, provider, route, send
from support import served_properly

CANARY = "sk-canary-in-the-file"


@pytest.fixture(scope="module")
def sim(shared_provider_sims):
    return shared_provider_sims()


@pytest.fixture(scope="module")
def expected(sim):
    return chat(sim.url, "openai", "m")[1].text


def is_free(port) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


# --- two keys in the environment ---


@pytest.mark.skipif(not (is_free(8080) and is_free(8081)), reason="the default ports 8080 and 8081 are taken")
@pytest.mark.parametrize("dead", ["openai", "anthropic", "gemini", None])
def test_no_file(start_ringmain, sim, expected, dead):
    """`model: "smart"` is served by whoever lives, in every dialect."""
    roots = {vendor: f"{sim.url}/p/env-{vendor}" for vendor in DIALECTS}
    if dead:
        roots[dead] = f"http://127.0.0.1:{free_port()}"
    env = {
        "OPENAI_API_KEY": "sk-1", "OPENAI_BASE_URL": f"{roots['openai']}/v1",
        "ANTHROPIC_API_KEY": "sk-2", "ANTHROPIC_BASE_URL": roots["anthropic"],
        "GEMINI_API_KEY": "sk-3", "GOOGLE_GEMINI_BASE_URL": roots["gemini"],
    }  # fmt: skip
    gateway = start_ringmain(None, env=env)
    targets = set()
    for dialect in DIALECTS:
        for model in ("smart", "fast"):
            for stream in (False, True):
                reply, heard = chat(gateway.url, dialect, model, stream=stream)
                assert reply.status == 200, reply.body
                served_properly(dialect, heard, expected)
                assert reply.mine("route") == model
                targets.add(reply.mine("target").split("/")[0])
        assert caller(dialect, gateway.url).ask("smart").text == expected
    assert dead not in targets and targets <= set(DIALECTS)
    vectors = send(gateway.url, "/v1/embeddings", {"model": "embed", "input": "hello"})
    # Nobody stands in for the first provider's embedding model: another's vectors cannot be compared with its.
    assert (vectors.status == 200) == (dead != "gemini"), vectors.body


def test_no_file_and_no_keys(ringmain_bin, tmp_path):
    ended = run(ringmain_bin, tmp_path, "serve")
    assert ended.returncode != 0
    assert "OPENAI_API_KEY" in ended.stderr and "ANTHROPIC_API_KEY" in ended.stderr


# --- ringmain check ---


def run(program, folder, *arguments, env=None):
    return subprocess.run(
        [program, *arguments],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        cwd=folder,
        env=clean_environment(env),
    )


GOOD = """\
server: { listen: 127.0.0.1:8080, admin: 127.0.0.1:8081, max_body: 64MiB }
providers:
  openai: { keys: ["${A_KEY}"] }
  anthropic: { keys: ["${A_KEY}"] }
routes:
  - name: text
    match: { operation: chat, model: [text, gpt-4*, claude-*] }
    targets:
      - { to: anthropic/claude-sonnet-4-5, weight: 50 }
      - { to: openai/gpt-4o, weight: 50 }
"""
# What is written, the line and column of the complaint, and words that it must hold.
BAD = {
    "unknown key": ("server:\n  listne: 127.0.0.1:1\n", 2, 3, ["listne", "listen"]),
    "unknown section": ("providrs: {}\n", 1, 1, ["providrs", "providers"]),
    "duration": ("defaults:\n  timeouts:\n    connect: soon\n", 3, 14, ["soon"]),
    "size": ("server:\n  max_body: big\n", 2, 13, ["big"]),
    "kind": ("providers:\n  mine: { kind: opnai, keys: [a] }\n", 2, 17, ["opnai", "openai"]),
    "unset variable": ('providers:\n  openai: { keys: ["${NOT_SET_ANYWHERE}"] }\n', 2, 20, ["NOT_SET_ANYWHERE"]),
    "target": (
        "routes:\n  - { name: r, match: { model: r }, targets: [opnai/gpt-4o] }\n",
        2,
        None,
        ["opnai", "openai"],
    ),
    "listen": ("server: { listen: nowhere }\n", 1, 19, ["nowhere"]),
    "same key twice": ("server:\n  listen: 127.0.0.1:1\n  listen: 127.0.0.1:2\n", 3, 3, ["listen"]),
    "same route twice": (
        "routes:\n  - { name: r, targets: [openai/gpt-4o] }\n  - { name: r, targets: [openai/gpt-4o] }\n",
        3,
        None,
        ["r"],
    ),
    "balance": ("defaults: { balance: fairest }\n", 1, 22, ["fairest"]),
    "no YAML": ("server: [\n", None, None, []),
    "base URL": ("providers:\n  openai: { base_url: not-a-url, keys: [a] }\n", 2, 23, ["base_url"]),
}
PROVIDERS = "providers: { openai: { keys: [sk-canary-in-the-file] } }\n"


def written(folder, text):
    (folder / "ringmain.yaml").write_text(text)
    return "ringmain.yaml"


def test_check_takes_a_good_file(ringmain_bin, tmp_path):
    ended = run(ringmain_bin, tmp_path, "check", written(tmp_path, GOOD), env={"A_KEY": CANARY})
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "canary" not in ended.stdout + ended.stderr
    assert "error" not in ended.stdout


EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_check_takes_the_examples(ringmain_bin, tmp_path, example):
    names = re.findall(r"\$\{(\w+)", example.read_text()) + ["OPENAI_API_KEY", "ANTHROPIC_API_KEY"]
    keys = dict.fromkeys(names, CANARY)
    ended = run(ringmain_bin, tmp_path, "check", str(example), env=keys)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "canary" not in ended.stdout + ended.stderr


@pytest.mark.parametrize("case", BAD)
def test_check_says_where_and_what(ringmain_bin, tmp_path, case):
    text, line, column, words = BAD[case]
    text = text if text.startswith("provid") else text + PROVIDERS
    ended = run(ringmain_bin, tmp_path, "check", written(tmp_path, text))
    said = ended.stdout + ended.stderr
    assert ended.returncode == 1, said
    assert all(word in said for word in words), said
    places = [tuple(map(int, place)) for place in re.findall(r"ringmain\.yaml:(\d+):(\d+)", said)]
    if line:
        assert any(line == at and column in (None, place) for at, place in places), said
    assert "canary" not in said


def test_check_says_everything_at_once(ringmain_bin, tmp_path):
    text = "server:\n  listne: x\n  max_body: big\ndefaults:\n  retries: { attempts: many }\n" + PROVIDERS
    said = run(ringmain_bin, tmp_path, "check", written(tmp_path, text)).stdout
    assert all(word in said for word in ("listne", "big", "many")), said
    problems = json.loads(run(ringmain_bin, tmp_path, "check", "--json", "ringmain.yaml").stdout)
    assert {2, 3, 5} <= {problem["line"] for problem in problems}


def test_check_without_a_file(ringmain_bin, tmp_path):
    ended = run(ringmain_bin, tmp_path, "check", "nowhere.yaml")
    assert ended.returncode != 0 and "nowhere.yaml" in ended.stderr


def test_serve_refuses_a_bad_file(ringmain_bin, tmp_path):
    ended = run(ringmain_bin, tmp_path, "serve", "--config", written(tmp_path, "server: { listne: 1 }\n" + PROVIDERS))
    assert ended.returncode == 1 and "listne" in ended.stderr and "canary" not in ended.stderr


def test_models(ringmain_bin, tmp_path):
    listed = run(ringmain_bin, tmp_path, "models").stdout
    assert all(name in listed for name in ("openai/gpt-4o", "anthropic/claude-sonnet-4-6", "gemini/gemini-2.5-pro"))
    some = run(ringmain_bin, tmp_path, "models", "claude").stdout
    assert "claude" in some and "openai/gpt-4o " not in some


# --- who may come in ---


def test_beyond_loopback_it_wants_a_secret(ringmain_bin, tmp_path):
    for setting in ("listen", "admin"):
        text = f"server: {{ {setting}: '0.0.0.0:{free_port()}' }}\n" + PROVIDERS
        ended = run(ringmain_bin, tmp_path, "serve", "--config", written(tmp_path, text))
        assert ended.returncode == 1, setting
        assert "admin_secret" in ended.stderr, "it says which line to add"


def test_with_a_secret_callers_show_it(start_ringmain, sim, expected):
    server = {"listen": f"0.0.0.0:{free_port()}", "admin_secret": "sk-of-the-caller"}
    gateway = start_ringmain({"server": server, "providers": {"openai": provider(sim, "secret", "openai")}})
    for dialect in CALLERS:
        assert caller(dialect, gateway.url).ask("openai/gpt-4o").text == expected, "each SDK has its place for a key"
        path, body = prompt(dialect, model="openai/gpt-4o")
        for headers in ({}, {"authorization": "Bearer wrong"}, {"x-api-key": "sk-of-the-calle"}):
            reply = send(gateway.url, path, body, headers)
            assert (reply.status, hear(dialect, reply, False).error is not None) == (401, True)
            assert reply.mine("request-id")
    assert send(gateway.url, "/healthz", method="GET").status == 200
    assert send(gateway.admin, "/metrics", method="GET").status == 401
    assert (
        send(gateway.admin, "/metrics", headers={"authorization": "Bearer sk-of-the-caller"}, method="GET").status
        == 200
    )


# --- reload ---


def reloadable(sim, *labels):
    """A configuration whose route `r` goes to the first of these labels."""
    providers = {label: provider(sim, label, "openai") for label in labels}
    return {"providers": providers, "routes": [route("r", f"{labels[0]}/gpt-4o")], "defaults": FAST}


def rewrite(gateway, config):
    gateway.path.write_text(json.dumps({**config, "server": gateway.config["server"]}))


@pytest.mark.parametrize("by", ["SIGHUP", "change"])
def test_reload_under_load(start_ringmain, sim, expected, by):
    """Streams that began go on under the rules they began with, no request fails, new ones take the new rules."""
    old, new = f"old-{by}", f"new-{by}"
    gateway = start_ringmain(reloadable(sim, old, new))
    for label in (old, new):
        sim.behave(label, token_delay="20ms")
    stop = threading.Event()

    def stream(n):
        targets = []
        while not stop.is_set():
            reply, heard = chat(gateway.url, DIALECTS[n % 3], "r", stream=True)
            served_properly(DIALECTS[n % 3], heard, expected)
            targets.append(reply.mine("target"))
        return targets

    with ThreadPoolExecutor(6) as threads:
        streams = [threads.submit(stream, n) for n in range(6)]
        try:
            poll(lambda: len(sim.received(old)) >= 6, "load")
            rewrite(gateway, reloadable(sim, new))
            if by == "SIGHUP":
                gateway.child.send_signal(signal.SIGHUP)
            poll(lambda: len(sim.received(new)) >= 6, "the new rules", within=8)
        finally:
            stop.set()
        for each in streams:
            targets = each.result()
            assert targets == sorted(targets, reverse=True), "first the old, then the new"
    assert all(entry["ended"]["state"] == "completed" for entry in sim.received(old) + sim.received(new))


def test_a_bad_file_keeps_the_old_rules(start_ringmain, sim, expected):
    gateway = start_ringmain(reloadable(sim, "kept", "next"))
    for text, word in [
        ("providers: [", "ringmain"),
        ("{}", "providers"),
        ("server: { listne: 1 }\nproviders: { openai: { keys: [sk-canary] } }", "listne"),
    ]:
        gateway.path.write_text(text)
        before = len(gateway.output())
        gateway.child.send_signal(signal.SIGHUP)
        poll(lambda: word in gateway.output()[before:], f"it says so of {text}")  # noqa: B023
        assert "canary" not in gateway.output()
        reply, heard = chat(gateway.url, "openai", "r")
        served_properly("openai", heard, expected)
        assert reply.mine("target") == "kept/gpt-4o"
    rewrite(gateway, reloadable(sim, "next"))
    gateway.child.send_signal(signal.SIGHUP)
    poll(lambda: chat(gateway.url, "openai", "r")[0].mine("target") == "next/gpt-4o", "a good file is taken again")


def test_a_reload_asks_refused_keys_again(start_ringmain, sim, expected):
    """Whoever set something right at the provider says so with a reload, and waits for nothing."""
    sim.behave("refused", fault="unauthorized")
    gateway = start_ringmain(reloadable(sim, "refused"))
    path, body = prompt("openai", model="r")
    assert [send(gateway.url, path, body).status for _ in range(2)] == [502, 502]
    assert len(sim.received("refused")) == 1, "out"
    sim.heal("refused")
    gateway.child.send_signal(signal.SIGHUP)
    reply, heard = poll(lambda: (it := chat(gateway.url, "openai", "r"))[0].status == 200 and it, "it is asked again")
    served_properly("openai", heard, expected)


# --- drain ---


@pytest.mark.parametrize("dialect", DIALECTS)
def test_drain(start_ringmain, sim, expected, dialect):
    """SIGTERM: what runs finishes, and it ends with 0."""
    label = f"draining-{dialect}"
    sim.behave(label, token_delay="50ms")
    gateway = start_ringmain({"providers": {"openai": provider(sim, label, "openai")}})
    with ThreadPoolExecutor(2) as threads:
        running = [threads.submit(chat, gateway.url, dialect, "openai/gpt-4o", stream=it) for it in (True, False)]
        poll(lambda: len(sim.received(label)) == 2, "two requests under way")
        gateway.child.send_signal(signal.SIGTERM)
        for each in running:
            served_properly(dialect, each.result()[1], expected)
    assert gateway.child.wait(5) == 0


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_has_no_answer_yet_is_told_of_the_end(start_ringmain, sim, dialect, stream):
    label = f"silent-{dialect}-{stream}"
    sim.behave(label, fault="silence")
    gateway = start_ringmain(
        {"server": {"drain": "300ms"}, "providers": {"openai": provider(sim, label, "openai")}, "defaults": FAST}
    )
    path, body = prompt(dialect, model="openai/gpt-4o", stream=stream)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(send, gateway.url, path, body)
        poll(lambda: sim.received(label), "a request under way")
        gateway.child.send_signal(signal.SIGTERM)
        reply = waiting.result()
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")
    assert "out of service" in error_message(dialect, reply)
    assert gateway.child.wait(5) == 0


@pytest.mark.parametrize("plane", ["url", "admin"])
def test_draining_is_said(start_ringmain, sim, plane):
    """A load balancer that asks anew while streams run hears 503, not a refused connection."""
    label = f"said-{plane}"
    sim.behave(label, token_delay="100ms")
    gateway = start_ringmain({"providers": {"openai": provider(sim, label, "openai")}})
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(chat, gateway.url, "openai", "openai/gpt-4o", stream=True)
        poll(lambda: sim.received(label), "a stream under way")
        gateway.child.send_signal(signal.SIGTERM)
        poll(lambda: send(getattr(gateway, plane), "/readyz", method="GET").status == 503, "503", within=1)
        assert send(getattr(gateway, plane), "/healthz", method="GET").status == 200
        assert not running.done()


def test_a_connection_that_has_not_asked_yet_is_answered(start_ringmain, sim):
    """Its caller may have sent a request that nobody has read when the drain begins."""
    gateway = start_ringmain({"providers": {"openai": provider(sim, "fresh", "openai")}})
    fresh, draining = connect(gateway.url), lambda: send(gateway.url, "/readyz", method="GET").status == 503
    fresh.connect()
    poll(lambda: send(gateway.url, "/healthz", method="GET").status == 200, "the fresh connection is accepted")
    gateway.child.send_signal(signal.SIGTERM)
    poll(draining, "503", within=1)
    fresh.request("GET", "/healthz")
    answer = fresh.getresponse()
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert gateway.child.wait(3) == 0


def test_an_idle_connection_does_not_hold_the_drain(start_ringmain, sim):
    gateway = start_ringmain({"providers": {"openai": provider(sim, "idle", "openai")}})
    connection = connect(gateway.url)
    connection.request("GET", "/healthz")
    connection.getresponse().read()
    gateway.child.send_signal(signal.SIGTERM)
    assert gateway.child.wait(2) == 0
    connection.close()


# --- looking at it ---


def test_probes_and_metrics(start_ringmain, sim):
    sim.behave("measured-bad", fault="server-error")
    providers = {"bad": provider(sim, "measured-bad", "openai"), "good": provider(sim, "measured", "anthropic")}
    config = {"providers": providers, "routes": [route("r", "bad/gpt-4o", "good/claude-sonnet-4-6")], "defaults": FAST}
    gateway = start_ringmain(config)
    for plane in (gateway.url, gateway.admin):
        assert [http("GET", plane + path)[0] for path in ("/healthz", "/readyz")] == [200, 200]
    for stream in (False, True):
        chat(gateway.url, "openai", "r", stream=stream)
    poll(lambda: "ringmain_requests_total{" in metrics(gateway), "counted")
    text = metrics(gateway)
    for name in ("requests", "attempts", "failovers", "tokens", "cost_dollars"):
        assert re.search(rf"^ringmain_{name}_total\{{.*\}} [0-9.e-]+$", text, re.MULTILINE), (name, text)
    for name in ("time_to_first_token_seconds", "gateway_overhead_seconds"):
        assert f"# TYPE ringmain_{name} histogram" in text and f"ringmain_{name}_bucket" in text
    assert "ringmain_breaker_state" in text
    assert text.endswith("# EOF\n")
    good = 'target="good/claude-sonnet-4-6"'
    for line in (
        'ringmain_requests_total{route="r",outcome="ok"} 2',
        'ringmain_failovers_total{route="r"} 2',
        f'ringmain_attempts_total{{{good},outcome="ok"}} 2',
        f'ringmain_tokens_total{{{good},kind="input"}} 18',
        f'ringmain_tokens_total{{{good},kind="output"}} 32',
        "ringmain_requests_in_flight 0",
        f"ringmain_attempts_in_flight{{{good}}} 0",
    ):
        assert f"{line}\n" in text, (line, text)


def metrics(gateway) -> str:
    return http("GET", f"{gateway.admin}/metrics")[2].decode()

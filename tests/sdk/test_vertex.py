"""Vertex AI as a target: Google's tokens of every kind, Gemini and Claude and others behind them, and what happens when
there is no token."""

import json
import time
from urllib.parse import urlsplit

import anthropic
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google import genai
from google.genai import types
from google.oauth2.credentials import Credentials
from sdks import CALLERS, caller
from support import FAST, MODELS, chat, provider, send
from test_dialects import CASES

CLAUDE, GEMINI, OTHER = "claude-sonnet-4-6", "gemini-2.5-flash-lite", "google/gemini-2.5-flash"
# What Google's documentation says is to be sent; the SDK sends the version of its own API.
VERSION = "vertex-2023-10-16"
GRANT = b"grant_type=refresh_token&client_id=a&client_secret=b&refresh_token=c"
PLACE = "/v1/projects/my-project/locations/global"


@pytest.fixture(scope="module")
def pem():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    kind = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*kind).decode()


@pytest.fixture(scope="module")
def account(pem):
    """The file of a service account whose tokens come from a label of the simulator."""

    def file(sim, label="tokens", query=""):
        return {
            "type": "service_account",
            "project_id": "my-project",
            "private_key_id": "k1",
            "private_key": pem,
            "client_email": "ringmain@my-project.iam.gserviceaccount.com",
            "token_uri": f"{sim.url}/p/{label}/token{query}",
        }

    return file


def user(sim, label="tokens"):
    """The file that gcloud writes of a user."""
    return {
        "type": "authorized_user",
        "client_id": "id",
        "client_secret": "client-secret-canary",
        "refresh_token": "refresh-canary",
        "quota_project_id": "payer",
        "token_uri": f"{sim.url}/p/{label}/token",
    }


def vertex(sim, label="vertex", **more):
    return {"kind": "vertex", "base_url": f"{sim.url}/p/{label}", **more}


@pytest.fixture(scope="module")
def sim(shared_provider_sims):
    return shared_provider_sims()


@pytest.fixture(scope="module")
def gateway(shared_ringmains, sim, account):
    return shared_ringmains(
        {"providers": {"vertex": vertex(sim, keys=[json.dumps(account(sim))])}, "defaults": FAST}
    )


@pytest.fixture(scope="module")
def own(sim):
    """What the vendor of an SDK would have said itself, once for each case."""
    known = {}

    def ask(sdk, case, stream):
        key = (sdk, case, stream)
        if key not in known:
            turns, wish, _ = CASES[case]
            known[key] = caller(sdk, f"{sim.url}/p/{sdk}").ask(MODELS[sdk], turns, stream, **wish)
        return known[key]

    return ask


def path_of(model, stream):
    if model == CLAUDE:
        return f"{PLACE}/publishers/anthropic/models/{CLAUDE}:{'streamRawPredict' if stream else 'rawPredict'}"
    if model == GEMINI:
        verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return f"{PLACE}/publishers/google/models/{GEMINI}:{verb}"
    return f"{PLACE}/endpoints/openapi/chat/completions"


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("model", [CLAUDE, GEMINI, OTHER])
@pytest.mark.parametrize("sdk", CALLERS)
def test_every_sdk_asks_vertex(sim, gateway, own, sdk, model, case, stream):
    turns, wish, more = CASES[case]
    sim.forget()
    said = caller(sdk, gateway.url).ask(f"vertex/{model}", turns, stream, **wish)
    [entry] = sim.received("vertex")
    assert said.essence() == own(sdk, case, stream).essence()
    assert said.model == model
    assert said.finish == more.get("finish", said.finish)
    if "calls" in more:
        assert [name for name, _ in said.calls] == more["calls"]
    assert entry["path"] == "/p/vertex" + path_of(model, stream)
    assert said.headers.get("x-ringmain-target", f"vertex/{model}") == f"vertex/{model}"


def test_what_is_sent_is_what_the_vendors_sdks_send(sim, gateway):
    """The same question, by Anthropic's and Google's SDKs for Vertex AI, and through the gateway."""
    token = send(sim.url, "/p/tokens/token", GRANT).json()["access_token"]
    base = f"{sim.url}/p/direct/v1"
    direct = anthropic.AnthropicVertex(region="global", project_id="my-project", access_token=token, base_url=base)
    through = anthropic.Anthropic(base_url=gateway.url, api_key="k")
    beta = {"anthropic-beta": "context-1m-2025-08-07"}
    turns = [{"role": "user", "content": "hello"}]
    for stream in (False, True):
        sim.forget()
        for client, model in ((direct, CLAUDE), (through, f"vertex/{CLAUDE}")):
            answer = client.messages.create(
                model=model, max_tokens=50, messages=turns, stream=stream, extra_headers=beta
            )
            for _ in answer if stream else ():
                pass
        [asked] = sim.received("direct")
        [sent] = sim.received("vertex")
        assert sent["path"].removeprefix("/p/vertex") == asked["path"].removeprefix("/p/direct")
        assert json.loads(sent["body"]) == {**json.loads(asked["body"]), "anthropic_version": VERSION}
        assert dict(sent["headers"])["anthropic-beta"] == dict(asked["headers"])["anthropic-beta"]
    sim.forget()
    counts = [
        client.messages.count_tokens(model=model, messages=turns).input_tokens
        for client, model in ((direct, CLAUDE), (through, f"vertex/{CLAUDE}"))
    ]
    [asked] = sim.received("direct")
    [sent] = sim.received("vertex")
    assert counts[0] == counts[1]
    assert sent["path"].removeprefix("/p/vertex") == asked["path"].removeprefix("/p/direct")
    assert json.loads(sent["body"]) == {**json.loads(asked["body"]), "anthropic_version": VERSION}

    options = types.HttpOptions(base_url=f"{sim.url}/p/direct", api_version="v1")
    google = genai.Client(
        vertexai=True,
        project="my-project",
        location="global",
        credentials=Credentials(token),
        http_options=options,
    )
    through = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=gateway.url))
    for stream in (False, True):
        sim.forget()
        for client, model in ((google, GEMINI), (through, f"vertex/{GEMINI}")):
            verb = client.models.generate_content_stream if stream else client.models.generate_content
            for _ in verb(model=model, contents="hello") if stream else [verb(model=model, contents="hello")]:
                pass
        [asked] = sim.received("direct")
        [sent] = sim.received("vertex")
        assert sent["path"].removeprefix("/p/vertex") == asked["path"].removeprefix("/p/direct")
        assert json.loads(sent["body"]) == json.loads(asked["body"])


@pytest.mark.parametrize("where", ["file", "environment", "gcloud", "machine", "token", "key"])
def test_credentials(start_ringmain, sim, account, tmp_path, where):
    sim.forget()
    path = tmp_path / "adc.json"
    env = {"NO_GCE_CHECK": "true", "HOME": str(tmp_path)}
    config, expected, shown = vertex(sim, project="my-project"), "refresh_token", []
    if where == "file":
        path.write_text(json.dumps(account(sim), indent=2))
        config = vertex(sim, keys=[f"file:{path}"])
        expected = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    elif where == "environment":
        path.write_text(json.dumps(user(sim)))
        env["GOOGLE_APPLICATION_CREDENTIALS"] = str(path)
    elif where == "gcloud":
        (tmp_path / "application_default_credentials.json").write_text(json.dumps(user(sim)))
        env["CLOUDSDK_CONFIG"] = str(tmp_path)
    elif where == "machine":
        del env["NO_GCE_CHECK"]
        env["GCE_METADATA_HOST"] = urlsplit(sim.url).netloc
        expected = None
    elif where == "token":
        given = send(sim.url, "/token", GRANT).json()
        config["keys"], expected = [{"access_token": given["access_token"]}], None
    else:
        config = vertex(sim, keys=["AQ.an-api-key-canary"])
        expected = None
    gateway = start_ringmain({"providers": {"vertex": config}, "defaults": FAST}, env=env)
    sim.forget()
    for _ in range(3):
        reply, heard = chat(gateway.url, "gemini", f"vertex/{GEMINI}")
        assert reply.status == 200 and heard.clean, reply.body
    entries = sim.received("vertex")
    assert len(entries) == 3
    for entry in entries:
        place = "/v1" if where == "key" else PLACE
        assert entry["path"] == f"/p/vertex{place}/publishers/google/models/{GEMINI}:generateContent"
        payer = "payer" if where in ("environment", "gcloud") else None
        assert dict(entry["headers"]).get("x-goog-user-project") == payer
    # One token for all of them.
    asked = [entry["body"] for entry in sim.received("tokens")]
    assert asked == ([expected] if expected else [])
    assert len(sim.received("google")) == (1 if where == "machine" else 0)
    log = gateway.output()
    for canary in ("canary", "ya29", "PRIVATE KEY", "eyJ"):
        assert canary not in log, log


def test_without_a_file(start_ringmain, sim, account, tmp_path):
    path = tmp_path / "adc.json"
    path.write_text(json.dumps(account(sim)))
    env = {
        "GOOGLE_APPLICATION_CREDENTIALS": str(path),
        "GOOGLE_CLOUD_PROJECT": "of-the-environment",
        "GOOGLE_CLOUD_LOCATION": "europe-west4",
        "GOOGLE_VERTEX_BASE_URL": f"{sim.url}/p/vertex",
    }
    text = 'server: { listen: "{listen}", admin: "{admin}" }'
    gateway = start_ringmain(text, env=env)
    sim.forget()
    reply, heard = chat(gateway.url, "openai", "smart")
    assert reply.status == 200 and heard.clean
    [entry] = sim.received("vertex")
    assert entry["path"].startswith("/p/vertex/v1/projects/of-the-environment/locations/europe-west4/publishers/google/")


@pytest.mark.parametrize("fault", ["unauthorized", "bad-request", "unavailable", "refuse", "silence"])
def test_without_a_token_the_next_target_serves(start_ringmain, sim, account, fault):
    config = {
        "providers": {
            "vertex": vertex(sim, keys=[json.dumps(account(sim, "dead"))]),
            "openai": provider(sim, "openai", "openai"),
        },
        "routes": [{"name": "r", "targets": [f"vertex/{CLAUDE}", "openai/gpt-4o"]}],
        "defaults": FAST,
    }
    gateway = start_ringmain(config)
    sim.behave("dead", fault=fault)
    try:
        sim.forget()
        for dialect in ("openai", "anthropic", "gemini"):
            reply, heard = chat(gateway.url, dialect, "r")
            assert reply.status == 200 and heard.clean
            assert reply.mine("target") == "openai/gpt-4o"
        assert len(sim.received("dead")) == 1 and sim.received("vertex") == []
        reply, _ = chat(gateway.url, "anthropic", f"vertex/{CLAUDE}")
        error = reply.json()["error"]
        assert reply.status == 502 and "credential" in error["message"], error
    finally:
        sim.heal("dead")
    assert "canary" not in gateway.output() and "eyJ" not in gateway.output()


def test_a_refused_token_is_fetched_anew(start_ringmain, sim, account):
    gateway = start_ringmain(
        {"providers": {"vertex": vertex(sim, "fussy", keys=[json.dumps(account(sim, "again"))])}, "defaults": FAST}
    )
    assert chat(gateway.url, "gemini", f"vertex/{GEMINI}")[0].status == 200
    sim.behave("fussy", fault="unauthorized")
    # A token is given up only when it is some seconds old.
    time.sleep(5.2)
    try:
        assert chat(gateway.url, "gemini", f"vertex/{GEMINI}")[0].status == 502
    finally:
        sim.heal("fussy")
    assert len(sim.received("again")) == 1


# What Vertex AI says, in Google's shape, of a request for Claude -> what Anthropic's SDK raises.
ERRORS = {
    "model-not-found": (anthropic.NotFoundError, 404),
    "rate-limit": (anthropic.RateLimitError, 429),
    "server-error": (anthropic.InternalServerError, 500),
}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("fault", ERRORS)
def test_googles_errors_reach_anthropics_callers_in_their_own_shape(start_ringmain, sim, account, fault, stream):
    settings = {**FAST, "retries": {"attempts": 1}}
    keys = [json.dumps(account(sim))]
    gateway = start_ringmain({"providers": {"vertex": vertex(sim, "f", keys=keys)}, "defaults": settings})
    client = anthropic.Anthropic(base_url=gateway.url, api_key="k", max_retries=0)
    sim.behave("f", fault=fault)
    try:
        raised, status = ERRORS[fault]
        with pytest.raises(raised) as caught:
            client.messages.create(
                model=f"vertex/{CLAUDE}", max_tokens=9, messages=[{"role": "user", "content": "x"}], stream=stream
            )
        assert caught.value.status_code == status
        assert caught.value.body["type"] == "error" and caught.value.body["error"]["message"]
    finally:
        sim.heal("f")

"""Bedrock Converse: boto3 as a caller of every vendor, and Bedrock as a target of every SDK."""

import http.server
import json
import threading
import time

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.exceptions
import bedrock
import pytest
from conftest import free_port
from sdks import CALLERS, LENGTH, STOP, caller
from support import FAST, MODELS, poll, provider, route, send
from test_dialects import CASES, TOOLS_OFFERED, counted_upstream

MODEL = bedrock.MODEL


@pytest.fixture(scope="module")
def sim(shared_provider_sims):
    return shared_provider_sims()


@pytest.fixture(scope="module")
def gateway(shared_ringmains, sim):
    providers = {vendor: provider(sim, vendor, vendor) for vendor in MODELS}
    providers["bedrock"] = provider(sim, "bedrock", "bedrock")
    providers["signed"] = {
        **provider(sim, "signed", "bedrock"),
        "region": "eu-central-1",
        "keys": [{"access_key": "AKIDEXAMPLE", "secret_key": "wJalrXUtnFEMI"}],
    }
    return shared_ringmains({"providers": providers, "defaults": FAST})


@pytest.fixture(scope="module")
def boto(gateway):
    return bedrock.Bedrock(gateway.url)


@pytest.fixture(scope="module")
def own(sim):
    """What the vendor of an SDK would have said itself, once for each case."""
    known = {}

    def ask(sdk, case, stream):
        key = (sdk, case, stream)
        if key not in known:
            turns, wish, _ = CASES[case]
            asks = bedrock.Bedrock(f"{sim.url}/p/own") if sdk == "bedrock" else caller(sdk, f"{sim.url}/p/{sdk}")
            known[key] = asks.ask(MODEL if sdk == "bedrock" else MODELS[sdk], turns, stream, **wish)
        return known[key]

    return ask


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("vendor", [*MODELS, "bedrock"])
def test_boto3_asks_every_vendor(sim, gateway, boto, own, vendor, case, stream):
    turns, wish, more = CASES[case]
    model = MODELS.get(vendor, MODEL)
    sim.forget()
    said = boto.ask(f"{vendor}/{model}", turns, stream, **wish)
    [entry] = sim.received(vendor)
    assert said.essence() == own("bedrock", case, stream).essence()
    if vendor in MODELS:
        assert said.input == counted_upstream(sim, vendor, entry)
    assert said.finish == more.get("finish", said.finish)
    assert said.output == more.get("output", said.output)
    assert said.text.endswith(more.get("ends", ""))
    if "calls" in more:
        assert [name for name, _ in said.calls] == more["calls"]
    if "schema" in wish:
        assert set(json.loads(said.text)) == {"city", "degrees"}
    assert entry["stream"] == stream
    assert said.headers["x-ringmain-target"] == f"{vendor}/{model}"
    assert said.headers["content-type"] == ("application/vnd.amazon.eventstream" if stream else "application/json")


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("sdk", CALLERS)
def test_every_sdk_asks_bedrock(sim, gateway, own, sdk, case, stream):
    turns, wish, more = CASES[case]
    sim.forget()
    said = caller(sdk, gateway.url).ask(f"bedrock/{MODEL}", turns, stream, **wish)
    [entry] = sim.received("bedrock")
    assert said.essence() == own(sdk, case, stream).essence()
    assert said.model == MODEL
    assert said.finish == more.get("finish", said.finish)
    assert said.output == more.get("output", said.output)
    if "calls" in more:
        assert [name for name, _ in said.calls] == more["calls"]
    assert entry["stream"] == stream
    assert entry["path"].endswith(f"/model/{MODEL}/converse" + ("-stream" if stream else ""))


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_reasoning(gateway, boto, stream):
    shown = "r0 7cb9f769 r2 r3 r4 r5 r6 r7"
    for model in ("anthropic/claude-sonnet-4-6", f"bedrock/{MODEL}", "gemini/gemini-2.5-flash-lite"):
        said = boto.ask(model, "think", stream, reasoning=True)
        assert (said.reasoning, said.finish, said.output) == (shown, STOP, 16 + 8), model
    for sdk in CALLERS:
        said = caller(sdk, gateway.url).ask(f"bedrock/{MODEL}", "think", stream, reasoning=True)
        # OpenAI's SDK has no field that asks for it to be shown.
        assert said.reasoning == shown and said.output == 16 + 8, sdk


@pytest.mark.parametrize("vendor", [*MODELS, "bedrock"])
def test_calls_in_a_circle(boto, vendor):
    model = f"{vendor}/{MODELS.get(vendor, MODEL)}"
    for stream in (False, True):
        said = boto.ask(model, "call:2 in Paris", stream, tools=TOOLS_OFFERED)
        content = said.raw["output"]["message"]["content"]
        ids = [block["toolUse"]["toolUseId"] for block in content if "toolUse" in block]
        assert len(set(ids)) == 2 and all(ids)
        calls = [("call", id, name, arguments) for id, (name, arguments) in zip(ids, said.calls, strict=True)]
        results = [("result", id, name, "fine") for id, (name, _) in zip(ids, said.calls, strict=True)]
        again = boto.ask(model, [("user", "call:2 in Paris"), *calls, *results], stream, tools=TOOLS_OFFERED)
        assert (again.finish, again.calls) == (STOP, [])


# What the vendor does -> the exception boto3 raises, and whether the words are the vendor's.
ERRORS = {
    "bad-request": ("ValidationException", 400),
    "context-length": ("ValidationException", 400),
    "model-not-found": ("ResourceNotFoundException", 404),
    "rate-limit": ("ThrottlingException", 429),
}


BROKEN = ["cut=3", "error-event=3", "end-early=3", "half-event=3"]


@pytest.fixture(scope="module")
def failing(shared_ringmains, sim):
    """Providers that fail, each in one way and for one test."""
    providers = {}
    for vendor in [*MODELS, "bedrock"]:
        faults = [(f"{fault}-{stream}", fault) for fault in ERRORS for stream in (False, True)]
        for name, fault in [*faults, *((fault.split("=")[0], fault) for fault in BROKEN)]:
            label = f"{vendor}-{name}"
            sim.behave(label, fault=fault)
            providers[label] = provider(sim, label, vendor)
    settings = {**FAST, "retries": {"attempts": 1}, "resume": "off"}
    return shared_ringmains({"providers": providers, "defaults": settings})


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("fault", ERRORS)
@pytest.mark.parametrize("vendor", [*MODELS, "bedrock"])
def test_errors_raise_what_they_are(failing, vendor, fault, stream):
    client = bedrock.client(failing.url)
    asks = client.converse_stream if stream else client.converse
    name, status = ERRORS[fault]
    model = f"{vendor}-{fault}-{stream}/{MODELS.get(vendor, MODEL)}"
    with pytest.raises(getattr(client.exceptions, name)) as raised:
        asks(modelId=model, messages=[{"role": "user", "content": [{"text": "hi"}]}])
    answer = raised.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == status
    assert answer["Error"]["Message"]
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-ringmain-request-id"]


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("vendor", [*MODELS, "bedrock"])
def test_a_broken_stream_raises(failing, vendor, fault):
    model = f"{vendor}-{fault.split('=')[0]}/{MODELS.get(vendor, MODEL)}"
    with pytest.raises(botocore.exceptions.EventStreamError) as raised:
        bedrock.Bedrock(failing.url).ask(model, stream=True)
    assert raised.value.response["Error"]["Code"].endswith("Exception")
    # The same, told to another caller.
    if vendor == "bedrock":
        with pytest.raises(CALLERS["openai"].errors.APIError):
            CALLERS["openai"](failing.url).ask(model, stream=True)


@pytest.mark.parametrize("fault", ["overloaded", "malformed=2", "empty", "garbage", "headers-then-silence"])
def test_failover_and_bad_events(start_ringmain, sim, fault):
    label = f"bad-{fault.split('=')[0]}"
    sim.behave(label, fault=fault)
    providers = {"bad": provider(sim, label, "bedrock"), "good": provider(sim, "openai", "openai")}
    settings = {**FAST, "timeouts": {"race_after": "300ms", "first_token": "1s"}}
    routes = [route("r", f"bad/{MODEL}", "good/gpt-4o")]
    gateway = start_ringmain({"providers": providers, "routes": routes, "defaults": settings})
    said = bedrock.Bedrock(gateway.url).ask("r", stream=True)
    assert said.finish == STOP and said.text
    target = "bad" if fault.startswith("malformed") else "good"
    assert said.headers["x-ringmain-target"].startswith(target)


def test_hanging_up_closes_upstream(gateway, sim):
    sim.behave("bedrock", fault="drip=50ms")
    try:
        for model in (f"bedrock/{MODEL}", f"openai/{MODELS['openai']}"):
            label = model.split("/")[0]
            sim.behave(label, fault="drip=50ms")
            sim.forget()
            client = bedrock.client(gateway.url)
            message = {"role": "user", "content": [{"text": "hello"}]}
            answer = client.converse_stream(modelId=model, messages=[message])
            next(iter(answer["stream"]))
            answer["stream"].close()
            client.close()
            state = lambda: sim.received(label)[0]["ended"]["state"]  # noqa: B023
            poll(lambda: state() == "client_closed", "upstream is closed", within=2)
    finally:
        for label in ("bedrock", "openai"):
            sim.heal(label)


def test_same_dialect_is_the_same_bytes(sim, gateway):
    body = b'{ "messages":[{"role":"user","content":[{"text":"h\\u0069"}]}],  "x_new":[1.50,null]}'
    sim.forget()
    reply = send(gateway.url, f"/model/bedrock%2F{MODEL}/converse", body)
    assert reply.status == 200, reply.body
    [entry] = sim.received("bedrock")
    assert entry["body"].encode() == body


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_names_of_models(sim, boto, stream):
    """Inference profiles and ARNs go into one segment of the path, whatever they hold."""
    profile = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-6"
    table = {
        "us.amazon.nova-lite-v1:0": "us.amazon.nova-lite-v1%3A0",
        profile: profile.replace(":", "%3A").replace("/", "%2F"),
        "..x/y?z#0": "..x%2Fy%3Fz%230",
    }
    for name, escaped in table.items():
        sim.forget()
        boto.ask(f"bedrock/{name}", stream=stream)
        [entry] = sim.received("bedrock")
        assert entry["path"].split("/model/")[1].rsplit("/", 1)[0] == escaped
    sim.forget()
    with pytest.raises(botocore.exceptions.ClientError, match="nothing here serves"):
        boto.ask("bedrock/../../x", stream=stream)
    assert not sim.received("bedrock")


def test_counting_tokens(boto):
    body = {"converse": {"messages": [{"role": "user", "content": [{"text": "hello"}]}]}}
    assert boto.client.count_tokens(modelId=f"bedrock/{MODEL}", input=body)["inputTokens"] > 0


def test_what_is_lost_is_named(boto):
    asked = boto.request(f"openai/{MODELS['openai']}", [("user", "hello")])
    asked["guardrailConfig"] = {"guardrailIdentifier": "abc", "guardrailVersion": "1"}
    answer = boto.client.converse(**asked)
    assert "guardrailConfig" in answer["ResponseMetadata"]["HTTPHeaders"]["x-ringmain-loss"]


def test_the_callers_key(start_ringmain, sim, monkeypatch):
    """A user gives Ringmain's key where boto3 looks for Bedrock's own; a signature alone lets nobody in."""
    server = {"listen": f"0.0.0.0:{free_port()}", "admin_secret": "sk-of-the-caller"}
    gateway = start_ringmain({"server": server, "providers": {"openai": provider(sim, "openai", "openai")}})
    url = gateway.url.replace("0.0.0.0", "127.0.0.1")
    asked = {"modelId": "openai/gpt-4o", "messages": [{"role": "user", "content": [{"text": "hi"}]}]}
    for token, good in (("sk-of-the-caller", True), ("wrong", False), (None, False)):
        if token:
            monkeypatch.setenv(bedrock.TOKEN, token)
            client = bedrock.client(url)
        else:
            monkeypatch.delenv(bedrock.TOKEN)
            client = bedrock.client(url, aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="made-up")
        if good:
            assert client.converse(**asked)["stopReason"] == "end_turn"
            continue
        with pytest.raises(client.exceptions.AccessDeniedException) as raised:
            client.converse(**asked)
    assert bedrock.TOKEN in str(raised.value)


class Checked(http.server.BaseHTTPRequestHandler):
    """Answers as Bedrock would to a request whose signature botocore finds right too."""

    protocol_version = "HTTP/1.1"
    seen: list = []
    credentials: dict = {}

    def log_message(self, *_):
        pass

    def reply(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.seen.append(("GET", self.path, self.headers.get("authorization")))
        self.reply(200, {**self.credentials, "Expiration": "2099-01-01T00:00:00Z"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        scheme, rest = self.headers["authorization"].split(" ", 1)
        parts = dict(part.strip().split("=", 1) for part in rest.split(","))
        key, day, region, service, _ = parts["Credential"].split("/")
        names = parts["SignedHeaders"].split(";")
        credentials = botocore.credentials.Credentials(
            key, self.credentials["SecretAccessKey"], self.credentials.get("Token")
        )
        request = botocore.awsrequest.AWSRequest(
            "POST",
            f"http://{self.headers['host']}{self.path}",
            {name: self.headers[name] for name in names},
            body,
        )
        request.context["timestamp"] = self.headers["x-amz-date"]
        auth = botocore.auth.SigV4Auth(credentials, service, region)
        signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
        good = scheme == "AWS4-HMAC-SHA256" and signature == parts["Signature"]
        self.seen.append(("POST", self.path, parts["Credential"], good, self.headers.get("x-amz-security-token")))
        answer = {
            "output": {"message": {"role": "assistant", "content": [{"text": "signed"}]}},
            "stopReason": "end_turn",
            "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
            "metrics": {"latencyMs": 1},
        }
        self.reply(200 if good else 403, answer if good else {"message": "The signature does not match"})


@pytest.fixture
def aws():
    """A server that checks signatures, and plays a container's agent."""
    handler = type("Handler", (Checked,), {"seen": [], "credentials": {}})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", handler
    server.shutdown()


PAIR = {"AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": "wJalr/+XUtnFEMI", "Token": "a/session+token=="}


@pytest.mark.parametrize("where", ["written", "environment", "file", "container"])
def test_requests_are_signed(start_ringmain, aws, tmp_path, where):
    url, handler = aws
    handler.credentials = PAIR
    known = {
        "AWS_ACCESS_KEY_ID": PAIR["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": PAIR["SecretAccessKey"],
        "AWS_SESSION_TOKEN": PAIR["Token"],
    }
    env = {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    it = {"kind": "bedrock", "base_url": url, "region": "eu-west-3"}
    if where == "written":
        pair = {"access_key": known["AWS_ACCESS_KEY_ID"], "secret_key": "${S}", "session_token": "${T}"}
        it["keys"] = [pair]
        env |= {"S": PAIR["SecretAccessKey"], "T": PAIR["Token"]}
    elif where == "environment":
        env |= known
    elif where == "file":
        (tmp_path / ".aws").mkdir()
        lines = [f"{name.lower()} = {value}" for name, value in known.items()]
        (tmp_path / ".aws" / "credentials").write_text("\n".join(["[work]", *lines]))
        env["AWS_PROFILE"] = "work"
    else:
        env |= {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/creds",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": "agent-token",
        }
    gateway = start_ringmain({"providers": {"it": it}}, env=env)
    for model in ("us.amazon.nova-lite-v1:0", "arn:aws:bedrock:eu-west-3:123456789012:inference-profile/x"):
        said = CALLERS["openai"](gateway.url).ask(f"it/{model}", "hello")
        assert said.text == "signed"
    posts = [seen for seen in handler.seen if seen[0] == "POST"]
    for _, _, credential, good, token in posts:
        assert good and token == PAIR["Token"]
        assert credential.split("/")[0] == PAIR["AccessKeyId"] and credential.endswith("/eu-west-3/bedrock/aws4_request")
    gets = [seen for seen in handler.seen if seen[0] == "GET"]
    assert gets == ([("GET", "/creds", "agent-token")] if where == "container" else [])


def test_without_credentials_it_says_so(start_ringmain, aws, tmp_path):
    url, handler = aws
    env = {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    it = {"kind": "bedrock", "base_url": url, "region": "eu-west-3"}
    gateway = start_ringmain({"providers": {"it": it}}, env=env)
    started = time.monotonic()
    client = bedrock.client(gateway.url)
    with pytest.raises(botocore.exceptions.ClientError) as raised:
        client.converse(modelId="it/x", messages=[{"role": "user", "content": [{"text": "hi"}]}])
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 502
    assert "credentials" in str(raised.value) and time.monotonic() - started < 5
    assert not handler.seen


def test_limits_and_length(boto):
    said = boto.ask(f"bedrock/{MODEL}", max_tokens=3)
    assert (said.finish, said.output) == (LENGTH, 3)

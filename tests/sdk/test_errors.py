"""Errors are clear, in the caller's own dialect, of the right class for its SDK, and hold no secret."""

import json
import socket
import time
from http.server import BaseHTTPRequestHandler

import pytest
from sdks import CALLERS, caller
from support import DIALECTS, FAST, MODELS, chat, error_message, prompt, provider, route, send, serving

CANARY = "sk-canary-of-the-provider"
OF_CALLER = "sk-canary-of-the-caller"


@pytest.fixture(scope="module")
def sim(shared_provider_sims):
    return shared_provider_sims()


# What upstream faults are for the caller: its status, and each SDK's class of it.
FAULTS = {
    "bad-request": (400, "BadRequestError", "BadRequestError", "ClientError"),
    "unprocessable": (422, "UnprocessableEntityError", "UnprocessableEntityError", "ClientError"),
    "model-not-found": (404, "NotFoundError", "NotFoundError", "ClientError"),
    "rate-limit=60": (429, "RateLimitError", "RateLimitError", "ClientError"),
    "server-error": (500, "InternalServerError", "InternalServerError", "ServerError"),
    # Anthropic says so with a status of its own.
    "unavailable": ((503, 529), "InternalServerError", ("ServiceUnavailableError", "OverloadedError"), "ServerError"),
}


@pytest.fixture(scope="module")
def gateway(shared_ringmains, sim):
    providers = {vendor: provider(sim, f"errors-{vendor}", vendor, CANARY) for vendor in MODELS}
    routes = [
        route("silent", "gemini/gemini-2.5-flash-lite@silence"),
        # Reading the largest body takes a busy machine longer than the clocks of the other tests.
        route("patient", "openai/gpt-4o", timeouts={**FAST["timeouts"], "total": "60s"}),
        *(
            route(f"loss-{on_loss}", "anthropic/claude-sonnet-4-6", on_loss=on_loss)
            for on_loss in ("allow", "warn", "reject")
        ),
    ]
    for fault in FAULTS:
        for vendor in MODELS:
            label = f"{fault.split('=')[0]}-{vendor}"
            sim.behave(label, fault=fault)
            providers[label] = provider(sim, label, vendor, CANARY)
    for vendor in MODELS:
        providers[f"secret-{vendor}"] = provider(sim, f"secret-{vendor}", vendor, CANARY)
    breaker = {"failures": 1000, "error_rate": "100%"}
    timeouts = {**FAST["timeouts"], "total": "3s"}
    retries = {"attempts": 2, "backoff": "1ms..5ms"}
    settings = {**FAST, "breaker": breaker, "timeouts": timeouts, "retries": retries}
    return shared_ringmains(
        {"providers": providers, "routes": routes, "defaults": settings}, env={"RINGMAIN_LOG": "debug"}
    )


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("vendor", MODELS)
@pytest.mark.parametrize("sdk", CALLERS)
@pytest.mark.parametrize("fault", FAULTS)
def test_the_sdk_raises_its_own_exception(gateway, fault, sdk, vendor, stream):
    """The class of the status survives; each asks for a model of its own, as a missing one is not asked for twice."""
    status, *names = FAULTS[fault]
    client = caller(sdk, gateway.url)
    wanted = names[DIALECTS.index(sdk)]
    wanted = tuple(getattr(client.errors, name) for name in ([wanted] if isinstance(wanted, str) else wanted))
    with pytest.raises(wanted) as raised:
        client.ask(f"{fault.split('=')[0]}-{vendor}/model-{sdk}-{stream}", "hello", stream)
    got = getattr(raised.value, "status_code", None) or raised.value.code
    assert got in (status if isinstance(status, tuple) else (status,))
    assert client.headers["x-ringmain-request-id"] and client.headers["x-ringmain-attempts"]


@pytest.mark.parametrize("sdk", CALLERS)
def test_a_missing_model_stays_missing(gateway, sim, sdk):
    """The second question finds the target benched and asks nobody; a client that would retry a 503 is told 404 too."""
    client = caller(sdk, gateway.url)
    name = "ClientError" if sdk == "gemini" else "NotFoundError"
    sim.forget()
    for stream in (False, True):
        with pytest.raises(getattr(client.errors, name)) as raised:
            client.ask(f"model-not-found-openai/stays-{sdk}", "hello", stream)
        assert (getattr(raised.value, "status_code", None) or raised.value.code) == 404
    assert client.headers["x-ringmain-attempts"] == "0"
    assert len(sim.received("model-not-found-openai")) == 1


# --- requests that are wrong ---

BODIES = {
    "not JSON": (b'{"model": "m", ', "JSON"),
    "empty": (b"", ""),
    "a list": (b"[]", "object"),
    "a text": (b'"hello"', "object"),
    "not UTF-8": (b'{"model": "\xff\xfe"}', ""),
    "twice over": (b'{"model":"m"}{"model":"m"}', ""),
    "deep": (b'{"model":"m","messages":' + b"[" * 5000 + b"]" * 5000 + b"}", ""),
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("case", BODIES)
def test_a_body_that_is_no_request(gateway, sim, case, dialect):
    body, word = BODIES[case]
    sim.forget()
    reply = send(gateway.url, prompt(dialect, model="openai/gpt-4o")[0], body)
    assert reply.status == 400, reply.body[:300]
    assert word.lower() in error_message(dialect, reply).lower()
    assert sim.received() == []


WRONG = {
    "openai": [
        ({"messages": "hello"}, "messages"),
        ({"model": 5}, "model"),
        ({"messages": [{"role": "user", "content": 5}]}, "content"),
        ({"tools": 5}, "tools"),
        ({"stream": "yes"}, "stream"),
    ],
    "anthropic": [
        ({"messages": "hello"}, "messages"),
        ({"model": 5}, "model"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"tools": {}}, "tools"),
        ({"stream": 1}, "stream"),
    ],
    "gemini": [
        ({"contents": 5}, "contents"),
        ({"generationConfig": []}, "generationConfig"),
        ({"tools": "x"}, "tools"),
    ],
}
ROWS = [(dialect, change, word) for dialect, rows in WRONG.items() for change, word in rows]


@pytest.mark.parametrize(("dialect", "change", "word"), ROWS, ids=[f"{dialect}-{word}" for dialect, _, word in ROWS])
def test_a_wrong_type_is_named(gateway, dialect, change, word):
    """To a vendor of another dialect, so that it is the gateway that reads all of it."""
    other = DIALECTS[(DIALECTS.index(dialect) + 1) % 3]
    path, body = prompt(dialect, model=f"{other}/{MODELS[other]}")
    reply = send(gateway.url, path, {**body, **change})
    assert reply.status == 400, reply.body
    assert word in error_message(dialect, reply)


def test_a_missing_model_is_named(gateway):
    for dialect in ("openai", "anthropic"):
        path, body = prompt(dialect)
        del body["model"]
        reply = send(gateway.url, path, body)
        assert (reply.status, "model" in error_message(dialect, reply)) == (400, True)
    assert send(gateway.url, "/v1beta/models/:generateContent", {"contents": []}).status in (400, 404)


PATHS = [
    ("POST", "/v1/nonsense", 404, "openai"),
    ("GET", "/nonsense", 404, "openai"),
    ("POST", "/v1beta/nonsense", 404, "gemini"),
    ("POST", "/v1beta/models/m:predict", 404, "gemini"),
    ("GET", "/v1/chat/completions", 405, "openai"),
    ("DELETE", "/v1/messages", 405, "anthropic"),
    ("GET", "/v1beta/models/m:generateContent", 405, "gemini"),
    ("POST", "/v1/models", 405, "openai"),
    # Promised, and not there yet.
    ("POST", "/v1/responses/compact", 501, "openai"),
    ("GET", "/v1/audio/speech", 405, "openai"),
    ("POST", "/v1/audio/transcriptions", 400, "openai"),
    ("POST", "/providers/nobody/v1/files", 404, None),
]


@pytest.mark.parametrize(("method", "path", "status", "dialect"), PATHS, ids=[f"{row[0]} {row[1]}" for row in PATHS])
def test_paths(gateway, method, path, status, dialect):
    reply = send(gateway.url, path, {} if method == "POST" else None, method=method)
    assert reply.status == status, reply.body
    assert reply.mine("request-id") and reply.mine("attempts") == "0"
    if dialect:
        assert error_message(dialect, reply)
    if status == 405:
        assert reply.headers["allow"] in ("POST", "GET"), "RFC 9110 wants an Allow header"


# --- size ---


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_body_over_the_limit(start_ringmain, sim, dialect):
    providers = {"openai": provider(sim, "small", "openai")}
    gateway = start_ringmain({"server": {"max_body": "4KiB"}, "providers": providers})
    path, body = prompt(dialect, "x" * 5000, model="openai/gpt-4o")
    reply = send(gateway.url, path, body)
    assert reply.status == 413
    assert "server.max_body" in error_message(dialect, reply)
    path, body = prompt(dialect, "x" * 3000, model="openai/gpt-4o")
    assert send(gateway.url, path, body).status == 200
    # Chunked, so that nothing announces the size.
    with socket.create_connection(gateway.url.removeprefix("http://").split(":")) as caller:
        head = f"POST {path} HTTP/1.1\r\nhost: g\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
        caller.sendall(head.encode() + b"1400\r\n" + b" " * 0x1400 + b"\r\n0\r\n\r\n")
        assert b" 413 " in caller.makefile("rb").readline()


@pytest.mark.parametrize("over", [0, 1], ids=["64 MiB", "a byte more"])
def test_the_default_limit(gateway, over):
    path, _ = prompt("openai")
    text = b'{"model":"patient","messages":[{"role":"user","content":"hello"}],"user":"'
    text += b"x" * ((64 << 20) + over - len(text) - 2) + b'"}'
    reply = send(gateway.url, path, text, timeout=120)
    assert reply.status == (413 if over else 200), reply.body[:300]


@pytest.mark.parametrize(
    ("sdk", "name"), [("openai", "APIStatusError"), ("anthropic", "RequestTooLargeError"), ("gemini", "ClientError")]
)
def test_an_sdk_reads_the_413(gateway, sdk, name):
    """The answer must reach a client that is still sending."""
    client = caller(sdk, gateway.url)
    with pytest.raises(getattr(client.errors, name)) as raised:
        client.ask("openai/gpt-4o", "x" * (66 << 20))
    assert (getattr(raised.value, "status_code", None) or raised.value.code) == 413


@pytest.mark.parametrize("way", ["chunked", "expect"])
def test_ways_to_send_a_body(gateway, way):
    """In chunks, and after asking whether it may (as curl does)."""
    path, body = prompt("openai", model="openai/gpt-4o")
    text = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: g\r\nconnection: close\r\ncontent-type: application/json\r\n"
    with socket.create_connection(gateway.url.removeprefix("http://").split(":"), timeout=5) as caller:
        answer = caller.makefile("rb")
        if way == "expect":
            caller.sendall(f"{head}expect: 100-continue\r\ncontent-length: {len(text)}\r\n\r\n".encode())
            assert b" 100 " in answer.readline() and answer.readline() == b"\r\n"
            caller.sendall(text)
        else:
            caller.sendall(f"{head}transfer-encoding: chunked\r\n\r\n".encode())
            for piece in (text[:7], text[7:]):
                caller.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            caller.sendall(b"0\r\n\r\n")
        assert b" 200 " in answer.readline()


# --- clocks and losses ---


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_callers_deadline(gateway, dialect, stream):
    path, body = prompt(dialect, model="silent", stream=stream)
    began = time.monotonic()
    reply = send(gateway.url, path, body, {"x-ringmain-timeout": "300ms"})
    assert 0.3 <= time.monotonic() - began < 2
    assert reply.status in (408, 504), reply.body
    error_message(dialect, reply)


def test_a_deadline_that_is_none(gateway):
    for value in ("soon", "-1s", "0s", ""):
        reply = send(gateway.url, *prompt("openai", model="openai/gpt-4o"), {"x-ringmain-timeout": value})
        assert (reply.status, "x-ringmain-timeout" in error_message("openai", reply)) == (400, True), value


def test_losses(gateway, sim):
    ask = lambda name: send(gateway.url, *prompt("openai", model=name, logit_bias={"50256": -100}))
    warned = ask("loss-warn")
    assert (warned.status, warned.mine("loss")) == (200, "logit_bias")
    allowed = ask("loss-allow")
    assert (allowed.status, allowed.mine("loss")) == (200, None)
    sim.forget()
    rejected = ask("loss-reject")
    assert (rejected.status, "logit_bias" in error_message("openai", rejected)) == (400, True)
    assert sim.received() == []
    assert send(gateway.url, *prompt("openai", model="openai/gpt-4o", logit_bias={})).mine("loss") is None


# --- secrets and headers ---


class Upstream(BaseHTTPRequestHandler):
    """A provider that keeps what it is sent, word for word."""

    def do_POST(self):
        self.server.requests.append((self.path, self.headers))
        self.rfile.read(int(self.headers.get("content-length", 0)))
        body = b'{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop",'
        body += b'"message":{"role":"assistant","content":"hello"}}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}'
        self.send_response(200)
        for name, value in [
            ("content-type", "application/json"),
            ("content-length", len(body)),
            ("keep-alive", "timeout=5"),
            ("connection", "x-hop"),
            ("x-hop", "1"),
            ("proxy-authenticate", "Basic"),
            ("set-cookie", "session=1"),
            ("x-ringmain-target", "forged"),
        ]:
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def upstream():
    with serving(Upstream, requests=[]) as server:
        yield server


PRIVATE = {
    **{name: OF_CALLER for name in ("x-api-key", "api-key", "x-goog-api-key")},
    "authorization": f"Bearer {OF_CALLER}",
    "cookie": f"session={OF_CALLER}",
    "proxy-authorization": f"Basic {OF_CALLER}",
    "x-forwarded-for": "192.0.2.1",
}
HOPS = {
    "connection": "x-hop, keep-alive",
    "x-hop": OF_CALLER,
    "keep-alive": "timeout=9",
    "te": "trailers",
    "upgrade": "websocket",
}
ASIDES = {"x-ringmain-tag": "team=search", "x-ringmain-session": "s", "x-ringmain-timeout": "9s"}


def own_upstream(upstream):
    provider = {"kind": "openai", "base_url": f"http://127.0.0.1:{upstream.server_port}/v1", "keys": [CANARY]}
    return {"providers": {"p": provider}}


def test_nothing_private_of_the_provider_comes_down(start_ringmain, upstream):
    """Hop-by-hop headers, cookies and challenges of the provider end here."""
    gateway = start_ringmain(own_upstream(upstream))
    for dialect in DIALECTS:
        reply = send(gateway.url, *prompt(dialect, model="p/m"))
        assert (reply.status, reply.mine("target")) == (200, "p/m"), reply.body
        sent_on = {name.lower() for name in reply.headers}
        assert sent_on & {"x-hop", "proxy-authenticate", "set-cookie", "keep-alive"} == set(), dialect


def test_nothing_of_the_callers_goes_up(start_ringmain, upstream):
    gateway = start_ringmain(own_upstream(upstream))
    encoding = {"accept-encoding": "gzip, br"}
    for dialect in DIALECTS:
        path, body = prompt(dialect, model="p/m")
        path += ("&" if "?" in path else "?") + f"key={OF_CALLER}"
        assert send(gateway.url, path, body, {**PRIVATE, **HOPS, **ASIDES, **encoding}).status == 200
    assert len(upstream.requests) == 3
    for path, headers in upstream.requests:
        assert OF_CALLER not in path + str(headers)
        assert headers["authorization"] == f"Bearer {CANARY}"
        assert headers["host"] == f"127.0.0.1:{upstream.server_port}"
        assert headers["accept-encoding"] in (None, "identity"), "what comes back must be readable"
        names = {name.lower() for name in headers}
        assert not names & {*HOPS, *PRIVATE} - {"authorization", "connection"}
        assert not any(name.startswith("x-ringmain") for name in names)


def test_no_secret_is_told(gateway, sim):
    """After everything above, at log level debug, and after errors of every kind: nowhere."""
    told = []
    for fault in ("invalid-key", "server-error", "refuse", "garbage", "error-body:overloaded"):
        for dialect in DIALECTS:
            vendor = DIALECTS[(DIALECTS.index(dialect) + 1) % 3]
            path, body = prompt(dialect, model=f"secret-{vendor}/{MODELS[vendor]}@{fault}")
            told.append(
                send(gateway.url, path, body, {"authorization": f"Bearer {OF_CALLER}", "x-goog-api-key": OF_CALLER})
            )
    assert {reply.status for reply in told} != {200}
    texts = [str(reply.headers) + reply.body.decode("utf-8", "replace") for reply in told]
    texts += [gateway.output(), send(gateway.admin, "/metrics", method="GET").body.decode()]
    assert all("canary" not in text for text in texts)
    assert texts[-2] and texts[-1]


@pytest.mark.parametrize("status", [200, 400, 404])
def test_every_answer_says_how_it_came_about(gateway, status):
    path, body = prompt("openai", model={200: "openai/gpt-4o", 400: "bad-request-openai/gpt-4o", 404: "nobody"}[status])
    replies = [send(gateway.url, path, body) for _ in range(2)]
    for reply in replies:
        assert reply.status == status
        assert int(reply.mine("attempts")) == (0 if status == 404 else 1)
        assert reply.mine("cache") == "off"
        assert bool(reply.mine("target")) == (status != 404)
        assert bool(reply.mine("route")) == (status != 404)
    assert replies[0].mine("request-id") != replies[1].mine("request-id")
    assert chat(gateway.url, "anthropic", "openai/gpt-4o", stream=True)[0].mine("request-id")

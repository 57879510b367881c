"""Providers of the field that do what the simulator does not: odd but legal streams, plain answers to stream requests,
redirects, answers that hold the key."""

import gzip
import json
from http.server import BaseHTTPRequestHandler

import pytest
from support import DIALECTS, FAST, chat, error_message, prompt, send, served_properly, serving

KEY = "sk-canary-0123456789abcdef"
TEXT = "hello 東京 🚀"


def chunk(delta, finish=None, **more) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    base = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more}
    return json.dumps(base, ensure_ascii=False)


EVENTS = [
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "hello "}),
    chunk({"content": "東京"}),
    chunk({"content": " 🚀"}),
    chunk({}, "stop"),
    json.dumps(
        {
            "id": "x",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": [],
            "usage": {"prompt_tokens": 1, "completion_tokens": 3, "total_tokens": 4},
        }
    ),
    "[DONE]",
]
PLAIN = json.dumps(
    {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": TEXT}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 3, "total_tokens": 4},
    },
    ensure_ascii=False,
)
SSE = "text/event-stream"


def stream(before="data: ", after="\n\n", events=EVENTS) -> bytes:
    return "".join(before + event + after for event in events).encode()


# name -> (content type, body, bytes in a write; 0 for all at once)
STREAMS = {
    "usual": (SSE, stream(), 0),
    "carriage returns": (SSE, stream(after="\r\n\r\n"), 0),
    "no space": (SSE, stream(before="data:"), 0),
    "comments": (SSE, b": PROCESSING\n\n" + stream(before=": PROCESSING\n\ndata: "), 0),
    "names and ids": (SSE, stream(before="event: message\nid: 7\nretry: 10\ndata: "), 0),
    "byte order mark": (SSE, b"\xef\xbb\xbf" + stream(), 0),
    "data in two lines": (
        SSE,
        stream(events=[event.replace(', "object"', ',\ndata: "object"') for event in EVENTS]),
        0,
    ),
    "byte by byte": (SSE, stream(), 1),
    "seven bytes": (SSE, stream(after="\r\n\r\n"), 7),
    "type in capitals": ("Text/Event-Stream; Charset=UTF-8", stream(), 0),
    "no last blank line": (SSE, stream().rstrip(), 0),
    "a plain answer": ("application/json", PLAIN.encode(), 0),
    "finish with the last word": (SSE, stream(events=[*EVENTS[:3], chunk({"content": " 🚀"}, "stop"), "[DONE]"]), 0),
    "nulls": (
        SSE,
        stream(events=[chunk({"role": "assistant", "content": None, "tool_calls": None}, usage=None), *EVENTS[1:]]),
        0,
    ),
}


REFUSALS = [400, 401, 403, 404, 429, 500]


class Provider(BaseHTTPRequestHandler):
    """Answers as the test says."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.requests.append((self.path, self.headers, body))
        self.server.answer(self)

    do_GET = do_POST

    def head(self, status, *headers):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, str(value))
        self.end_headers()

    def whole(self, status, body: bytes, *headers):
        self.head(status, ("content-type", "application/json"), ("content-length", len(body)), *headers)
        self.wfile.write(body)

    def chunked(self, kind, body: bytes, size):
        self.head(200, ("content-type", kind), ("transfer-encoding", "chunked"))
        for at in range(0, len(body), size or len(body)):
            piece = body[at : at + (size or len(body))]
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def odd():
    with serving(Provider, requests=[]) as server:
        yield server


@pytest.fixture
def gateway(shared_gateway, odd):
    odd.requests.clear()
    return shared_gateway


@pytest.fixture(scope="module")
def shared_gateway(shared_ringmains, odd):
    root = f"http://127.0.0.1:{odd.server_port}/v1"
    provider = {"kind": "openai-compatible", "base_url": root, "keys": [KEY]}
    # Refusals of a key bench it, so each has one to itself.
    refusing = {f"refusing-{dialect}-{status}": provider for dialect in DIALECTS for status in REFUSALS}
    settings = {**FAST, "retries": {"attempts": 1}, "breaker": {"failures": 1000, "error_rate": "100%"}}
    return shared_ringmains(
        {"providers": {"odd": provider, **refusing}, "defaults": settings}, env={"RINGMAIN_LOG": "debug"}
    )


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("case", STREAMS)
def test_odd_streams(gateway, odd, case, dialect):
    kind, body, size = STREAMS[case]
    odd.answer = lambda provider: provider.chunked(kind, body, size)
    reply, heard = chat(gateway.url, dialect, f"odd/{case.replace(' ', '-')}", stream=True)
    assert reply.status == 200, reply.body
    assert reply.headers["content-type"].startswith(SSE)
    served_properly(dialect, heard, TEXT)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_stream_that_ends_with_its_connection(gateway, odd, dialect):
    def answer(provider):
        provider.head(200, ("content-type", SSE), ("connection", "close"))
        provider.wfile.write(stream())
        provider.close_connection = True

    odd.answer = answer
    _, heard = chat(gateway.url, dialect, "odd/closing", stream=True)
    served_properly(dialect, heard, TEXT)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("before", [b"", b"\n\n\n   \r\n"], ids=["nothing", "blank lines"])
def test_odd_plain_answers(gateway, odd, before, dialect):
    """Some send blank lines while they think."""
    odd.answer = lambda provider: provider.whole(200, before + PLAIN.encode())
    reply, heard = chat(gateway.url, dialect, "odd/plain")
    assert reply.status == 200, reply.body
    served_properly(dialect, heard, TEXT)


def test_hints_before_the_answer(gateway, odd):
    def answer(provider):
        provider.wfile.write(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n")
        provider.whole(200, PLAIN.encode())

    odd.answer = answer
    served_properly("openai", chat(gateway.url, "openai", "odd/hints")[1], TEXT)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_compressed_unasked(gateway, odd, dialect):
    """Whether it is read or refused: bytes the caller cannot read never go out as an answer."""
    odd.answer = lambda provider: provider.whole(200, gzip.compress(PLAIN.encode()), ("content-encoding", "gzip"))
    path, body = prompt(dialect, model="odd/zipped")
    reply = send(gateway.url, path, body)
    if reply.status == 200:
        served_properly(dialect, chat(gateway.url, dialect, "odd/zipped")[1], TEXT)
    else:
        assert reply.status == 502 and error_message(dialect, reply)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(gateway, odd, status):
    """A key goes where the configuration says, and nowhere else."""
    place = f"http://127.0.0.1:{odd.server_port}/elsewhere"
    odd.answer = lambda provider: provider.whole(status, b"", ("location", place))
    reply = send(gateway.url, *prompt("openai", model=f"odd/moved-{status}"))
    assert reply.status >= 500, reply.body
    assert error_message("openai", reply)
    assert "location" not in reply.headers
    assert [path for path, _, _ in odd.requests] == ["/v1/chat/completions"]


@pytest.mark.parametrize("status", REFUSALS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_error_that_repeats_the_key(gateway, odd, dialect, status):
    """Some providers do; the caller, who does not know the key, does not learn it."""
    error = {"error": {"message": f"Incorrect key provided: {KEY}.", "type": "invalid", "code": None, "param": KEY}}
    odd.answer = lambda provider: provider.whole(status, json.dumps(error).encode())
    logged = len(gateway.output())
    for streamed in (False, True):
        path, body = prompt(dialect, model=f"refusing-{dialect}-{status}/m", stream=streamed)
        reply = send(gateway.url, path, body)
        assert reply.status >= 400
        assert KEY not in reply.body.decode() + str(reply.headers)
    assert odd.requests
    assert KEY not in gateway.output()[logged:]
    assert KEY not in send(gateway.admin, "/metrics", method="GET").body.decode()


def test_an_error_that_is_no_json(gateway, odd):
    """A proxy's page in HTML, in the provider's stead: an error of the dialect, with its status' class."""
    for dialect in DIALECTS:
        for status in (400, 502, 503):
            page = b"<html><h1>Bad gateway</h1></html>"
            odd.answer = lambda provider: provider.whole(status, page)  # noqa: B023
            reply = send(gateway.url, *prompt(dialect, model=f"odd/page-{dialect}-{status}"))
            assert reply.status // 100 == status // 100
            error_message(dialect, reply)

"""Content encodings: callers that compress, providers that compress though nobody asked, and bombs."""

import gzip
import json
import socketserver
import threading
import zlib
from http.server import BaseHTTPRequestHandler

import pytest
from sdks import KEY, caller
from support import FAST, prompt, provider, send, sse

zstd = pytest.importorskip("zstandard")
brotli = pytest.importorskip("brotli")


def raw_deflate(data: bytes) -> bytes:
    encoder = zlib.compressobj(wbits=-15)
    return encoder.compress(data) + encoder.flush()


CODINGS = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "deflate, raw": raw_deflate,
    "br": brotli.compress,
    "zstd": zstd.ZstdCompressor().compress,
}
DIALECTS = ("openai", "anthropic", "gemini")
MAX = 1 << 20


@pytest.fixture(scope="module")
def gateway(shared_ringmains, shared_provider_sims):
    sim = shared_provider_sims()
    providers = {name: provider(sim, name, name) for name in DIALECTS}
    return shared_ringmains({"server": {"max_body": "1MiB"}, "providers": providers, "defaults": FAST})


def encoded(gateway, coding: str, body: bytes, path="/v1/chat/completions"):
    return send(gateway.url, path, body, {"content-encoding": coding.split(",")[0]})


@pytest.mark.parametrize("coding", CODINGS)
def test_a_caller_may_compress(gateway, coding):
    path, body = prompt("openai", "words " * 5000, "openai/gpt-4o")
    plain = json.dumps(body).encode()
    reply = encoded(gateway, coding, CODINGS[coding](plain))
    assert reply.status == 200, reply.body
    assert reply.json()["choices"] == send(gateway.url, path, plain).json()["choices"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_unknown_encoding(gateway, dialect):
    path, body = prompt(dialect, model=f"{dialect}/m")
    reply = send(gateway.url, path, json.dumps(body).encode(), {"content-encoding": "compress"})
    assert reply.status == 415
    assert "compress" in reply.json()["error"]["message"]
    assert "gzip" in reply.headers["accept-encoding"]


@pytest.mark.parametrize("coding", CODINGS)
def test_a_bomb_meets_the_limit_of_a_body(gateway, coding):
    bomb = CODINGS[coding](b'{"model":"openai/gpt-4o","x":"' + b"a" * (4 << 20) + b'"}')
    assert len(bomb) < MAX
    reply = encoded(gateway, coding, bomb)
    assert reply.status == 413 and "server.max_body" in reply.json()["error"]["message"]


def test_what_is_no_such_encoding(gateway):
    for body in (b"{}", gzip.compress(b'{"model":"m"}')[:-6]):
        assert encoded(gateway, "gzip", body).status == 400


class Zipping(BaseHTTPRequestHandler):
    """A provider that compresses whatever it is asked."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.accepted.append(self.headers["accept-encoding"])
        coding = asked["model"].partition("@")[0]
        if asked.get("stream"):
            return self._stream(coding)
        message = {"role": "assistant", "content": "zipped"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
        answer = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
        status = 400 if "error" in asked["model"] else 200
        value = {"error": {"message": "so it is", "type": "invalid_request_error"}} if status == 400 else answer
        self._plain(coding, json.dumps(value).encode(), status)

    def _plain(self, coding, body, status=200):
        body = CODINGS[coding](body)
        self.send_response(status)
        for name, value in {"content-type": "application/json", "content-encoding": coding, "content-length": len(body)}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, coding):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-encoding", "gzip")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        encoder = zlib.compressobj(wbits=31)
        for word in ["zip", "ped", None]:
            delta = {"content": word} if word else {}
            choice = {"index": 0, "delta": delta, "finish_reason": None if word else "stop"}
            chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
            self._chunk(encoder.compress(f"data: {json.dumps(chunk)}\n\n".encode()) + encoder.flush(zlib.Z_SYNC_FLUSH))
        self._chunk(encoder.compress(b"data: [DONE]\n\n") + encoder.flush())
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def zipping(shared_ringmains):
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Zipping)
    server.daemon_threads, server.accepted = True, []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    own = {"kind": "openai-compatible", "base_url": url, "keys": [KEY]}
    gateway = shared_ringmains({"providers": {"zip": own}, "defaults": {**FAST, "retries": {"attempts": 1}}})
    yield gateway, server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_provider_that_compresses_unasked_is_understood(zipping, dialect, coding):
    gateway, server = zipping
    path, body = prompt(dialect, model=f"zip/{coding}@m")
    reply = send(gateway.url, path, body)
    assert reply.status == 200 and b"zipped" in reply.body, reply.body
    assert reply.headers["content-encoding"] is None
    assert server.accepted[-1] == "identity"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_its_streams_too(zipping, dialect):
    gateway, _ = zipping
    path, body = prompt(dialect, model="zip/gzip@m", stream=True)
    reply = send(gateway.url, path, body)
    assert reply.status == 200 and reply.headers["content-encoding"] is None
    events = [data for _, data in sse(reply.body)]
    assert any("zip" in data for data in events) and any("ped" in data for data in events)


def test_its_errors_too(zipping):
    gateway, _ = zipping
    reply = send(gateway.url, *prompt("openai", model="zip/gzip@error"))
    assert (reply.status, reply.json()["error"]["message"]) == (400, "so it is")


def test_sdks_that_say_they_take_compressed_answers(gateway):
    """They do; the gateway's answers are small, and streams must not wait in a compressor."""
    said = caller("openai", gateway.url).client.chat.completions.with_raw_response.create(
        model="openai/gpt-4o", messages=[{"role": "user", "content": "hello"}], extra_headers={"accept-encoding": "gzip"}
    )
    assert said.headers.get("content-encoding") is None and said.parse().choices

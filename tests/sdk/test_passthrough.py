"""`/providers/{name}/…`: anything else of a provider, with its key and health, in both directions as it comes."""

import hashlib
import http.client
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import openai
import pytest
from support import poll, send
from websockets.sync.client import connect as ws_connect
from websockets.sync.server import serve as ws_serve

MINE = "sk-of-the-caller"
MEGABYTE = 1 << 20


class Provider:
    """A provider that notes what it is asked, takes any file and gives files of any size."""

    def __init__(self):
        noted = self.noted = []
        self.status = 200

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def note(self, **more):
                noted.append({"method": self.command, "path": self.path, "headers": dict(self.headers), **more})

            def answer(self, body, status=200):
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("set-cookie", "tracker=1")
                self.send_header("x-request-id", "req_7")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def chunks(self):
                if self.headers.get("transfer-encoding") == "chunked":
                    while size := int(self.rfile.readline().strip() or b"0", 16):
                        yield self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                    return
                left = int(self.headers.get("content-length", 0))
                while left > 0:
                    chunk = self.rfile.read(min(left, MEGABYTE))
                    if not chunk:
                        return
                    left -= len(chunk)
                    yield chunk

            def do_POST(self):
                digest, size = hashlib.sha256(), 0
                for chunk in self.chunks():
                    digest.update(chunk)
                    size += len(chunk)
                self.note(size=size, sha256=digest.hexdigest())
                body = {"id": "file-1", "object": "file", "bytes": size, "filename": "f", "purpose": "batch", "created_at": 1}
                if outer.status != 200:
                    body = {"error": {"message": f"no: {outer.status}", "type": "x", "code": None}}
                self.answer(json.dumps(body).encode(), outer.status)

            do_PUT = do_DELETE = do_POST

            def do_GET(self):
                self.note()
                if "/content" in self.path:
                    size = int(self.path.rsplit("/", 1)[1])
                    self.send_response(200)
                    self.send_header("content-type", "application/octet-stream")
                    self.send_header("content-length", str(size))
                    self.end_headers()
                    try:
                        while size > 0:
                            self.wfile.write(b"x" * min(size, MEGABYTE))
                            size -= MEGABYTE
                    except OSError:
                        noted.append({"path": "closed"})
                    return
                self.answer(json.dumps({"object": "list", "data": []}).encode(), outer.status)

            def log_message(self, *_):
                pass

        outer = self
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def provider():
    provider = Provider()
    yield provider
    provider.server.shutdown()


@pytest.fixture
def gateway(start_ringmain, provider):
    return start_ringmain(
        {
            "server": {"max_body": "1MiB"},
            "providers": {
                "openai": {"base_url": f"{provider.url}/v1", "keys": ["sk-openai", "sk-second"]},
                "anthropic": {"base_url": provider.url, "keys": ["sk-anthropic"]},
                "gemini": {"base_url": provider.url, "keys": ["sk-gemini"]},
            },
        }
    )


def resident(gateway) -> int:
    """The gateway's memory in bytes."""
    status = Path(f"/proc/{gateway.child.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def test_an_sdk_uses_what_the_gateway_does_not_know(gateway, provider):
    client = openai.OpenAI(base_url=f"{gateway.url}/providers/openai", api_key=MINE, max_retries=0)
    file = client.files.create(file=("a.jsonl", b'{"custom_id": "1"}'), purpose="batch")
    assert file.id == "file-1"
    assert client.files.list().data == []
    asked = provider.noted[0]
    assert asked["path"] == "/v1/files" and asked["headers"]["Authorization".lower()] == "Bearer sk-openai"
    assert MINE not in json.dumps(provider.noted)


@pytest.mark.parametrize(
    "path,arrives,key",
    [
        ("/providers/openai/v1/batches?limit=2", "/v1/batches?limit=2", ("authorization", "Bearer sk-openai")),
        ("/providers/openai/fine_tuning/jobs", "/v1/fine_tuning/jobs", ("authorization", "Bearer sk-openai")),
        ("/providers/anthropic/v1/messages/batches", "/v1/messages/batches", ("x-api-key", "sk-anthropic")),
        ("/providers/gemini/v1beta/files?key=mine&pageSize=1", "/v1beta/files?pageSize=1", ("x-goog-api-key", "sk-gemini")),
        ("/providers/gemini/v1beta/openai/files", "/v1beta/openai/files", ("authorization", "Bearer sk-gemini")),
        ("/providers/openai/models/a%2Fb", "/v1/models/a%2Fb", ("authorization", "Bearer sk-openai")),
    ],
)
def test_paths_and_keys(gateway, provider, path, arrives, key):
    mine = {"authorization": f"Bearer {MINE}", "x-api-key": MINE, "x-goog-api-key": MINE, "cookie": MINE}
    reply = send(gateway.url, path, method="GET", headers=mine)
    assert reply.status == 200, reply.body
    asked = provider.noted[-1]
    headers = {name.lower(): value for name, value in asked["headers"].items()}
    assert asked["path"] == arrives and headers[key[0]] == key[1]
    assert MINE not in json.dumps(asked) and "mine" not in asked["path"]
    assert reply.headers["x-request-id"] == "req_7" and reply.headers["set-cookie"] is None
    assert reply.mine("target").endswith("/passthrough") and reply.mine("route") == "passthrough"
    record = send(gateway.admin, f"/api/requests/{reply.mine('request-id')}", method="GET")
    assert record.status == 200 and b"passthrough" in record.body


@pytest.mark.parametrize(
    "path",
    [
        "/providers/openai/../../admin",
        "/providers/openai/%2e%2e/%2e%2e/admin",
        "/providers/openai//evil.example/x",
        "/providers/openai/http://evil.example/",
        "/providers/openai/a/..%2f..%2fb",
        "/providers/openai/..%5c..",
    ],
)
def test_a_path_leads_nowhere_else(gateway, provider, path):
    with socket.create_connection(urlsplit(gateway.url).netloc.split(":"), timeout=5) as raw:
        raw.sendall(f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
        answer = raw.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert provider.noted == []


def test_nothing_a_caller_sends_chooses_a_host(gateway, provider):
    with socket.create_connection(urlsplit(gateway.url).netloc.split(":"), timeout=5) as raw:
        # Absolute form: the host in it is nobody's business.
        request = "GET http://evil.example/providers/openai/files HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n"
        raw.sendall(request.encode())
        assert raw.makefile("rb").read().startswith(b"HTTP/1.1 200 ")
    assert provider.noted[0]["headers"]["host"] == urlsplit(provider.url).netloc
    reply = send(gateway.url, "/providers/nobody/files", method="GET")
    assert reply.status == 404 and "nobody" in reply.json()["error"]["message"]


def test_what_the_provider_says_is_said(gateway, provider):
    provider.status = 404
    for _ in range(10):
        reply = send(gateway.url, "/providers/openai/files/file-9", method="GET")
        assert reply.status == 404, "a file that is not there benches nobody"
    provider.status = 422
    reply = send(gateway.url, "/providers/openai/files", {"a": 1})
    assert reply.status == 422 and reply.json()["error"]["message"] == "no: 422"
    provider.status = 500
    reply = send(gateway.url, "/providers/openai/files", {"a": 1})
    assert reply.status == 500 and reply.json()["error"]["message"] == "no: 500"
    assert reply.mine("attempts") == "1"
    provider.status = 200
    assert send(gateway.url, "/providers/openai/files", {"a": 1}).status == 200


def test_a_limited_key_is_left_for_the_other(gateway, provider):
    provider.status = 429
    assert send(gateway.url, "/providers/openai/files", method="GET").status == 429
    provider.status = 200
    assert send(gateway.url, "/providers/openai/files", method="GET").status == 200
    keys = [asked["headers"]["authorization"] for asked in provider.noted]
    assert len(set(keys)) == 2, "the second request took the other key"


@pytest.mark.parametrize("size", [200 * MEGABYTE])
def test_large_files_flow(gateway, provider, size):
    connection = http.client.HTTPConnection(urlsplit(gateway.url).netloc, timeout=120)
    before = resident(gateway)
    peak, stop = [before], threading.Event()

    def watch():
        while not stop.wait(0.02):
            peak.append(resident(gateway))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        chunk = bytes(range(256)) * (MEGABYTE // 256)
        body = (chunk for _ in range(size // MEGABYTE))
        connection.request("POST", "/providers/openai/files", body, {"content-length": str(size)})
        assert json.loads(connection.getresponse().read())["bytes"] == size
        digest = hashlib.sha256()
        for _ in range(size // MEGABYTE):
            digest.update(chunk)
        assert provider.noted[-1]["sha256"] == digest.hexdigest()
        connection.request("GET", f"/providers/openai/files/f/content/{size}")
        answer = connection.getresponse()
        assert int(answer.headers["content-length"]) == size
        got = 0
        while chunk := answer.read(MEGABYTE):
            got += len(chunk)
        assert got == size
    finally:
        stop.set()
        watcher.join()
    grown = max(peak) - before
    print(f"{size // MEGABYTE} MiB each way: memory grew by {grown / MEGABYTE:.1f} MiB at most")
    assert grown < 8 * MEGABYTE


def test_a_body_of_unknown_length(gateway, provider):
    connection = http.client.HTTPConnection(urlsplit(gateway.url).netloc, timeout=10)
    connection.request("POST", "/providers/openai/files", iter([b"a" * 70_000, b"b"]), encode_chunked=True,
                       headers={"transfer-encoding": "chunked"})
    assert json.loads(connection.getresponse().read())["bytes"] == 70_001


def test_a_caller_who_leaves_ends_the_download(gateway, provider):
    connection = http.client.HTTPConnection(urlsplit(gateway.url).netloc, timeout=10)
    connection.request("GET", f"/providers/openai/files/f/content/{500 * MEGABYTE}")
    answer = connection.getresponse()
    answer.read(MEGABYTE)
    connection.sock.close()
    answer.close()
    poll(lambda: {"path": "closed"} in provider.noted, "the provider's connection is closed", within=3.0)


def test_a_websocket_is_tunnelled(start_ringmain):
    noted = {}

    def talk(socket):
        noted["headers"] = dict(socket.request.headers.raw_items())
        noted["path"] = socket.request.path
        for message in socket:
            socket.send(message[::-1])

    with ws_serve(talk, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.socket.getsockname()[1]
        providers = {"openai": {"base_url": f"http://127.0.0.1:{port}/v1", "keys": ["sk-openai"]}}
        gateway = start_ringmain({"providers": providers})
        url = gateway.url.replace("http", "ws") + "/providers/openai/realtime?model=gpt-realtime"
        headers = {"authorization": f"Bearer {MINE}", "openai-beta": "realtime=v1"}
        with ws_connect(url, additional_headers=headers, proxy=None) as client:
            for message in ["hello", "x" * 100_000, b"\x00\x01\x02"]:
                client.send(message)
                assert client.recv(timeout=5) == message[::-1]
        assert noted["path"] == "/v1/realtime?model=gpt-realtime"
        sent = {name.lower(): value for name, value in noted["headers"].items()}
        assert sent["authorization"] == "Bearer sk-openai" and sent["openai-beta"] == "realtime=v1"
        assert MINE not in json.dumps(noted)
        server.shutdown()

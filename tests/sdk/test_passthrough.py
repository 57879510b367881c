"""`/providers/{name}/…` with the vendor's own SDK."""

import json
from http.server import BaseHTTPRequestHandler

import openai
import pytest
from support import send, serving

MINE = "sk-of-the-caller"


@pytest.fixture
def provider():
    """A provider with files, which notes what it is asked."""
    noted = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, body):
            noted.append((self.command, self.path, dict(self.headers), body))
            file = {"id": "file-1", "object": "file", "bytes": len(body), "filename": "a.jsonl", "purpose": "batch",
                    "created_at": 1, "status": "processed"}
            reply = file if self.command == "POST" else {"object": "list", "data": [file], "has_more": False}
            if self.path.endswith("/chat/completions"):
                reply = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o", "choices": [],
                         "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}}
            data = b"a line\n" if self.path.endswith("/content") else json.dumps(reply).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_POST(self):
            self.answer(self.rfile.read(int(self.headers["content-length"])))

        def do_GET(self):
            self.answer(b"")

        def log_message(self, *_):
            pass

    with serving(Handler) as server:
        yield server.url, noted


def test_an_sdk_uses_what_the_gateway_does_not_know(start_ringmain, provider):
    url, noted = provider
    gateway = start_ringmain({"providers": {"openai": {"base_url": f"{url}/v1", "keys": ["sk-openai"]}}})
    client = openai.OpenAI(base_url=f"{gateway.url}/providers/openai/v1", api_key=MINE, max_retries=0)
    large = b'{"custom_id": "1"}\n' * 50_000
    uploaded = client.files.create(file=("a.jsonl", large), purpose="batch")
    assert uploaded.id == "file-1" and uploaded.bytes > len(large)
    assert [file.id for file in client.files.list(purpose="batch")] == ["file-1"]
    assert client.files.content("file-1").read() == b"a line\n"
    assert [(method, path) for method, path, _, _ in noted] == [
        ("POST", "/v1/files"), ("GET", "/v1/files?purpose=batch"), ("GET", "/v1/files/file-1/content")
    ]
    assert large in noted[0][3]
    for _, _, headers, _ in noted:
        assert {name.lower(): value for name, value in headers.items()}["authorization"] == "Bearer sk-openai"
        assert MINE not in json.dumps(headers)
    said = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=[])
    record = send(gateway.admin, f"/api/requests/{said.headers['x-ringmain-request-id']}", method="GET").json()
    told = [record[name] for name in ("fault", "input_tokens", "output_tokens", "cost_usd")]
    assert told == [None, 1000, 100, pytest.approx(0.0035)], "an answer with a length ends with its last byte"

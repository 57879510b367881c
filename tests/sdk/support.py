"""What the tests share: plain HTTP, callers of three dialects without an SDK, and configurations."""

import http.client
import json
import socket
import struct
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from urllib.parse import urlsplit

DIALECTS = ("openai", "anthropic", "gemini")
# A model of each vendor that the catalog knows and that does not reason unless asked to.
MODELS = {"openai": "gpt-4o", "anthropic": "claude-sonnet-4-6", "gemini": "gemini-2.5-flash-lite"}
# What the simulator says to "hello", in part; enough to see that content came.
WORDS = 16


@dataclass
class Reply:
    """One HTTP answer. `complete` is false where the connection broke before the body's end."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes
    complete: bool = True

    def json(self):
        return json.loads(self.body)

    def mine(self, name: str):
        """One of the gateway's own headers."""
        return self.headers.get(f"x-ringmain-{name}")


@contextmanager
def serving(handler, **fields):
    """A server of one's own. `fields` are set on it, for its handler to read and to note things in; `url` is where it is."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    vars(server).update(fields, url=f"http://127.0.0.1:{server.server_port}", daemon_threads=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def connect(url: str, timeout: float = 30.0) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout)


def send(url: str, path: str, body=None, headers=None, method="POST", timeout=30.0) -> Reply:
    """One request on a connection of its own. `body` is JSON unless it is bytes."""
    connection = connect(url, timeout)
    payload = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    try:
        try:
            connection.request(
                method, urlsplit(url).path + path, payload, {"content-type": "application/json", **(headers or {})}
            )
        except (BrokenPipeError, ConnectionResetError):
            pass  # The server may answer before it has read all.
        answer = connection.getresponse()
        try:
            return Reply(answer.status, answer.headers, answer.read())
        except http.client.IncompleteRead as broken:
            return Reply(answer.status, answer.headers, broken.partial, complete=False)
        except ConnectionError:
            return Reply(answer.status, answer.headers, b"", complete=False)
    finally:
        connection.close()


def hang_up(connection: http.client.HTTPConnection) -> None:
    """Closes with a reset, as a killed client does."""
    if connection.sock:
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sock.close()
    connection.close()


def poll(read, what: str, within: float = 5.0, every: float = 0.02):
    """Waits until `read()` is true and returns it."""
    deadline = time.monotonic() + within
    while True:
        value = read()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {within} s: {what}"
        time.sleep(every)


def prompt(dialect: str, text: str = "hello", model: str = "m", stream: bool = False, **more):
    """A minimal chat request: (path, body). `more` goes into the body as it is."""
    if dialect == "openai":
        messages = [{"role": "user", "content": text}]
        return "/v1/chat/completions", {"model": model, "messages": messages, "stream": stream, **more}
    if dialect == "anthropic":
        messages = [{"role": "user", "content": text}]
        return "/v1/messages", {"model": model, "max_tokens": 1000, "messages": messages, "stream": stream, **more}
    verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return f"/v1beta/models/{model}:{verb}", {"contents": [{"role": "user", "parts": [{"text": text}]}], **more}


@dataclass
class Heard:
    """A chat answer as a careful client of its dialect takes it."""

    text: str = ""
    finish: str | None = None
    # The dialect's own end of the stream came ([DONE], message_stop; Gemini: a finish reason).
    done: bool = False
    error: dict | None = None
    model: str | None = None
    usage: dict | None = None
    events: list = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """It says of itself that it is whole."""
        return self.done and self.finish is not None and self.error is None


def sse(body: bytes):
    """The (event, data) pairs of an event stream; comments are left out."""
    for block in body.decode("utf-8", "replace").replace("\r\n", "\n").split("\n\n"):
        event, data = None, []
        for line in block.split("\n"):
            if line.startswith("event:"):
                event = line[6:].strip()
            elif line.startswith("data:"):
                data.append(line[5:].lstrip())
        if data:
            yield event, "\n".join(data)


def hear(dialect: str, reply: Reply, stream: bool) -> Heard:
    """Reads an answer of status 200 (or an error body) in a dialect."""
    heard = Heard()
    if not stream or not reply.headers.get("content-type", "").startswith("text/event-stream"):
        _TAKE[dialect](heard, reply.json(), whole=True)
        heard.done = heard.error is None
        return heard
    for event, data in sse(reply.body):
        if data == "[DONE]":
            heard.done = True
            continue
        value = json.loads(data)
        heard.events.append(value)
        if event == "error" and "error" not in value:
            heard.error = value
        _TAKE[dialect](heard, value, whole=False)
    if dialect == "gemini":
        heard.done = heard.finish is not None
    return heard


def _openai(heard: Heard, value: dict, whole: bool) -> None:
    if value.get("error"):
        heard.error = value["error"]
    heard.model = value.get("model", heard.model)
    heard.usage = value.get("usage") or heard.usage
    for choice in value.get("choices", []):
        heard.text += (choice.get("message" if whole else "delta") or {}).get("content") or ""
        heard.finish = choice.get("finish_reason") or heard.finish


def _anthropic(heard: Heard, value: dict, whole: bool) -> None:
    if value.get("error"):
        heard.error = value["error"]
    kind = value.get("type")
    if whole:
        heard.text = "".join(block.get("text", "") for block in value.get("content", []))
        heard.finish, heard.model, heard.usage = value.get("stop_reason"), value.get("model"), value.get("usage")
    elif kind == "message_start":
        heard.model, heard.usage = value["message"].get("model"), dict(value["message"].get("usage") or {})
    elif kind == "content_block_delta":
        heard.text += value["delta"].get("text", "")
    elif kind == "message_delta":
        heard.finish = value["delta"].get("stop_reason") or heard.finish
        heard.usage = {**(heard.usage or {}), **(value.get("usage") or {})}
    elif kind == "message_stop":
        heard.done = True


def _gemini(heard: Heard, value: dict, whole: bool) -> None:
    if value.get("error"):
        heard.error = value["error"]
    heard.model = value.get("modelVersion", heard.model)
    heard.usage = value.get("usageMetadata") or heard.usage
    for candidate in value.get("candidates", []):
        parts = (candidate.get("content") or {}).get("parts") or []
        heard.text += "".join(part.get("text", "") for part in parts if not part.get("thought"))
        heard.finish = candidate.get("finishReason") or heard.finish


_TAKE = {"openai": _openai, "anthropic": _anthropic, "gemini": _gemini}
FINISHED = {"openai": "stop", "anthropic": "end_turn", "gemini": "STOP"}


def chat(
    url: str, dialect: str, model: str, text: str = "hello", stream: bool = False, headers=None, timeout=30.0, **more
):
    """Asks as a caller of this dialect: (reply, what was heard)."""
    path, body = prompt(dialect, text, model, stream, **more)
    reply = send(url, path, body, headers, timeout=timeout)
    return reply, hear(dialect, reply, stream)


def error_message(dialect: str, reply: Reply) -> str:
    """The message of an error answer, after a look at the shape that this dialect's SDK reads."""
    value = reply.json()
    error = value["error"]
    assert isinstance(error["message"], str) and error["message"], value
    if dialect == "openai":
        assert isinstance(error["type"], str) and "code" in error and "param" in error, value
    elif dialect == "anthropic":
        assert value["type"] == "error" and isinstance(error["type"], str), value
    else:
        assert error["code"] == reply.status and isinstance(error["status"], str), value
    return error["message"]


def served_properly(dialect: str, heard: Heard, expected: str) -> None:
    """The answer is whole, right, and ends as it should."""
    assert heard.error is None, heard.error
    assert heard.text == expected
    assert (heard.finish, heard.done) == (FINISHED[dialect], True)


def provider(sim, label: str, kind: str, key="sk-test", **more) -> dict:
    """A provider of the configuration: a label of the simulator, spoken to as `kind`."""
    root = f"{sim.url}/p/{label}"
    return {"kind": kind, "base_url": f"{root}/v1" if kind.startswith("openai") else root, "keys": [key], **more}


def route(name: str, *targets, **settings) -> dict:
    """A route that is asked for by its name."""
    return {"name": name, "match": {"model": name}, "targets": list(targets), **settings}


# Clocks of milliseconds, so that no test waits for what it does not test.
FAST = {
    "timeouts": {"connect": "2s", "race_after": "5s", "first_token": "10s", "idle": "5s"},
    "retries": {"attempts": 5, "backoff": "1ms..5ms"},
    # The sim's prompts repeat; a warm cache must not decide where a test's request goes.
    "affinity": "off",
}

"""Images across APIs that share nothing: the README's rule, as an `openai` client sees it.

Every image that comes back is decoded here, by code of this file: format, size, and each chunk's checksum.
"""

import base64
import json
import struct
import threading
import time
import zlib

import openai
import pytest
from support import connect, hang_up, poll, send

KEY = "sk-of-the-caller"


def png_size(data: bytes):
    """Width and height of a PNG that is whole: every chunk's checksum is right, and its pixels can be unpacked."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n", data[:16]
    at, pixels, size = 8, b"", None
    while True:
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length : at + 12 + length])[0] == zlib.crc32(kind + body)
        if kind == b"IHDR":
            size = struct.unpack(">II", body[:8])
        if kind == b"IDAT":
            pixels += body
        at += 12 + length
        if kind == b"IEND":
            break
    width, height = size
    assert len(zlib.decompress(pixels)) == height * (1 + (width + 7) // 8)
    return size


def image_of(item) -> bytes:
    """The bytes of one item of an answer, wherever they are."""
    if item.b64_json:
        return base64.b64decode(item.b64_json, validate=True)
    if item.url.startswith("data:"):
        return base64.b64decode(item.url.split(",", 1)[1], validate=True)
    import urllib.request

    return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(item.url, timeout=5).read()


SDK_OPTIONS = {"api_key": KEY, "max_retries": 0, "timeout": 60.0}
LABELS = ("openai", "second", "stability", "bedrock", "gemini", "bfl", "replicate", "local")


@pytest.fixture(scope="module")
def sim(shared_provider_sims):
    return shared_provider_sims()


@pytest.fixture
def provider_sim(sim):
    """The module's, as good as new."""
    for label in LABELS:
        sim.heal(label)
    sim.forget()
    return sim


@pytest.fixture
def start(start_ringmain, provider_sim):
    """The README's rule over simulated providers, with clocks a test can wait for."""

    def begin(targets=("openai/dall-e-3", "stability/stable-image-core"), **defaults):
        base = provider_sim.url
        config = {
            "providers": {
                "openai": {"base_url": f"{base}/v1", "keys": ["sk-openai"]},
                "second": {"kind": "openai-compatible", "base_url": f"{base}/p/second/v1", "keys": ["sk-second"]},
                "stability": {"base_url": f"{base}/p/stability", "keys": ["sk-stability"]},
                "bedrock": {
                    "base_url": f"{base}/p/bedrock",
                    "region": "us-east-1",
                    "keys": [{"access_key": "AKIDEXAMPLE", "secret_key": "secretsecret"}],
                },
                "gemini": {"base_url": f"{base}/p/gemini", "keys": ["sk-gemini"]},
                "bfl": {"kind": "black-forest-labs", "base_url": f"{base}/p/bfl", "keys": ["sk-bfl"]},
                "replicate": {"base_url": f"{base}/p/replicate", "keys": ["r8-replicate"]},
                "local": {"kind": "sd-webui", "base_url": f"{base}/p/local"},
            },
            "routes": [{"name": "images", "match": {"operation": ["images", "image-edits"]}, "targets": list(targets)}],
            "defaults": {"retries": {"backoff": "10ms..50ms"}, **defaults},
        }
        gateway = start_ringmain(config)
        client = openai.OpenAI(base_url=f"{gateway.url}/v1", **SDK_OPTIONS)
        return gateway, client

    return begin


def generate(client, **more):
    raw = client.images.with_raw_response.generate(**{"model": "dall-e-3", "prompt": "a cat", **more})
    return raw, raw.parse()


def test_the_primary_answers(start, provider_sim):
    _, client = start()
    raw, answer = generate(client, size="1792x1024", quality="hd", style="vivid", response_format="b64_json")
    assert png_size(image_of(answer.data[0])) == (1792, 1024)
    assert raw.headers["x-ringmain-target"] == "openai/dall-e-3"
    assert "x-ringmain-loss" not in raw.headers
    sent = json.loads(provider_sim.received("openai")[0]["body"])
    assert sent["model"] == "dall-e-3" and sent["style"] == "vivid"
    assert provider_sim.received("stability") == []


# One of each kind; `image_rule.rs` of the engine has them all.
FAULTS = ["server-error", "rate-limit=30", "invalid-key", "spoilt-image", "error-body:overloaded", "cut"]


@pytest.mark.parametrize("fault", FAULTS)
def test_the_failover_answers(start, provider_sim, fault):
    _, client = start()
    provider_sim.behave("openai", fault=fault)
    raw, answer = generate(client, size="1024x1024", quality="hd", style="vivid", response_format="b64_json")
    assert png_size(image_of(answer.data[0])) == (1024, 1024)
    assert raw.headers["x-ringmain-target"] == "stability/stable-image-core"
    assert {"quality", "style"} <= set(raw.headers["x-ringmain-loss"].split(","))
    entry = provider_sim.received("stability")[0]
    headers = dict(entry["headers"])
    assert headers["content-type"].startswith("multipart/form-data; boundary=")
    assert headers["accept"] == "application/json"
    boundary = headers["content-type"].split("boundary=")[1]
    field = 'content-disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    fields = [("prompt", "a cat"), ("aspect_ratio", "1:1"), ("output_format", "png")]
    parts = "".join(f"--{boundary}\r\n" + field.format(*one) for one in fields)
    assert entry["body"] == f"{parts}--{boundary}--\r\n", "byte for byte"
    assert KEY not in json.dumps(provider_sim.received())


@pytest.mark.parametrize("delivery", [None, "url"])
def test_a_url_is_given_for_bytes(start, provider_sim, delivery):
    _, client = start()
    provider_sim.behave("openai", fault="unavailable")
    raw, answer = generate(client, **({"response_format": delivery} if delivery else {}))
    item = answer.data[0]
    assert item.url.startswith("data:image/png;base64,"), "who wrote dall-e-3 reads `url`"
    assert png_size(base64.b64decode(item.url.split(",")[1])) == (1024, 1024)
    assert ("response_format" in raw.headers.get("x-ringmain-loss", "")) == (delivery == "url")


@pytest.mark.parametrize("fault", ["content-filter", "error-body:content-filter"])
def test_a_refusal_is_the_answer(start, provider_sim, fault):
    _, client = start()
    provider_sim.behave("openai", fault=fault)
    with pytest.raises(openai.BadRequestError) as refused:
        generate(client)
    assert refused.value.code in ("content_policy_violation", "content_filter")
    assert provider_sim.received("stability") == []


@pytest.mark.parametrize("fault", ["content-filter", "refusal"])
def test_the_others_refusals_are_refusals_too(start, provider_sim, fault):
    _, client = start()
    provider_sim.behave("openai", fault="unavailable")
    provider_sim.behave("stability", fault=fault)
    with pytest.raises(openai.BadRequestError) as refused:
        generate(client)
    assert refused.value.code in ("content_policy_violation", "content_filter")


def test_a_refusal_may_be_tried_elsewhere(start, provider_sim):
    _, client = start(on_refusal="next")
    provider_sim.behave("openai", fault="content-filter")
    raw, answer = generate(client, response_format="b64_json")
    assert raw.headers["x-ringmain-target"] == "stability/stable-image-core"
    assert png_size(image_of(answer.data[0])) == (1024, 1024)


@pytest.mark.parametrize("fault", ["silence", "headers-then-silence", "slow-headers=30s"])
def test_a_silence_is_raced(start, provider_sim, fault):
    _, client = start(timeouts={"race_after": "500ms"})
    provider_sim.behave("openai", fault=fault)
    began = time.monotonic()
    raw, answer = generate(client, response_format="b64_json")
    assert time.monotonic() - began < 10
    assert raw.headers["x-ringmain-target"] == "stability/stable-image-core"
    assert png_size(image_of(answer.data[0])) == (1024, 1024)
    poll(lambda: provider_sim.received("openai")[0]["ended"]["state"] == "client_closed", "the loser is closed")


OTHERS = {
    "bedrock/amazon.nova-canvas-v1:0": (1024, 1024),
    "bedrock/stability.sd3-5-large-v1:0": (1024, 1024),
    "gemini/gemini-2.5-flash-image": (1024, 1024),
    "gemini/imagen-4.0-generate-001": (1024, 1024),
    "bfl/flux-pro-1.1": (1024, 1024),
    "replicate/black-forest-labs/flux-1.1-pro": (1024, 1024),
    "replicate/owner/name:0123456789abcdef": (1024, 1024),
    "local/sd_xl_base_1.0": (1024, 1024),
    "stability/sd3.5-large": (1024, 1024),
}


@pytest.mark.parametrize("target", OTHERS)
def test_every_api_can_stand_in(start, provider_sim, target):
    _, client = start(targets=("openai/dall-e-3", target))
    provider_sim.behave("openai", fault="server-error")
    raw, answer = generate(client, size="1024x1024", n=2, response_format="b64_json", model="images")
    assert raw.headers["x-ringmain-target"] == target
    assert [png_size(image_of(item)) for item in answer.data] == [OTHERS[target]] * 2


@pytest.mark.parametrize("target", OTHERS)
def test_every_api_may_fail(start, provider_sim, target):
    label = target.split("/")[0]
    _, client = start(targets=(target, "stability/stable-image-core") if label != "stability" else (target, "openai/dall-e-2"))
    for fault in ["server-error", "rate-limit=30", "spoilt-image"]:
        provider_sim.behave(label, fault=fault)
        raw, answer = generate(client, response_format="b64_json", model="images")
        assert raw.headers["x-ringmain-target"] != target, fault
        assert png_size(image_of(answer.data[0])) == (1024, 1024), fault


@pytest.mark.parametrize("label,target", [("bfl", "bfl/flux-pro-1.1"), ("replicate", "replicate/black-forest-labs/flux-dev")])
def test_a_job_that_dies_is_run_elsewhere(start, provider_sim, label, target):
    _, client = start(targets=(target, "stability/stable-image-core"))
    provider_sim.behave(label, fault="job-fails")
    raw, answer = generate(client, response_format="b64_json", model="images")
    assert raw.headers["x-ringmain-target"] == "stability/stable-image-core"
    assert png_size(image_of(answer.data[0])) == (1024, 1024)
    provider_sim.behave(label, fault="refusal")
    with pytest.raises(openai.BadRequestError):
        generate(client, model="images")


def test_a_job_that_is_stuck_is_called_off(start, provider_sim):
    _, client = start(
        targets=("replicate/black-forest-labs/flux-dev", "stability/stable-image-core"), timeouts={"race_after": "1s"}
    )
    provider_sim.behave("replicate", fault="job-stuck")
    raw, _ = generate(client, model="images", response_format="b64_json")
    assert raw.headers["x-ringmain-target"] == "stability/stable-image-core"
    cancelled = lambda: any(entry["path"].endswith("/cancel") for entry in provider_sim.received("replicate"))
    poll(cancelled, "the job is called off")


def test_a_caller_who_leaves_calls_the_job_off(start, provider_sim):
    gateway, _ = start(targets=("replicate/black-forest-labs/flux-dev",))
    provider_sim.behave("replicate", fault="job-stuck")
    connection = connect(gateway.url)
    body = json.dumps({"model": "images", "prompt": "a cat"})
    connection.request("POST", "/v1/images/generations", body, {"content-type": "application/json"})
    poll(lambda: len(provider_sim.received("replicate")) >= 2, "the job is looked at")
    hang_up(connection)
    cancelled = lambda: any(entry["path"].endswith("/cancel") for entry in provider_sim.received("replicate"))
    poll(cancelled, "the job is called off")


def test_a_place_that_is_private_is_not_fetched(start_ringmain, start_provider_sim, provider_sim):
    """A provider that names a private address gets nobody to go there: its answer is a failed attempt."""
    elsewhere = start_provider_sim()
    answer = json.dumps({"created": 1, "data": [{"url": f"{elsewhere.url}/_sim/image/0000000000000007-8x8.png"}]})
    liar = _one_answer(answer)
    config = {
        "providers": {
            "liar": {"kind": "openai-compatible", "base_url": f"{liar}/v1"},
            "stability": {"base_url": f"{provider_sim.url}/p/stability", "keys": ["k"]},
        },
        "routes": [
            {"name": "images", "match": {"operation": "images"}, "targets": ["liar/m", "stability/stable-image-core"]}
        ],
    }
    client = openai.OpenAI(base_url=f"{start_ringmain(config).url}/v1", **SDK_OPTIONS)
    raw, answer = generate(client, model="images", response_format="b64_json")
    assert raw.headers["x-ringmain-target"] == "stability/stable-image-core"
    # Asked for a URL, the caller gets it: whether to go there is its own business.
    raw, answer = generate(client, model="images", response_format="url")
    assert raw.headers["x-ringmain-target"] == "liar/m" and answer.data[0].url.startswith(elsewhere.url)


def _one_answer(body: str) -> str:
    """A server that says this to everybody; its URL."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.mark.parametrize("fault", [None, "server-error", "spoilt-image"])
def test_edits(start_ringmain, provider_sim, fault):
    base = provider_sim.url
    config = {
        "providers": {
            "openai": {"base_url": f"{base}/v1", "keys": ["sk-openai"]},
            "stability": {"base_url": f"{base}/p/stability", "keys": ["sk-stability"]},
        },
        "routes": [
            {
                "name": "edits",
                "match": {"operation": "image-edits"},
                "targets": ["openai/gpt-image-1", "stability/sd3.5-large"],
            }
        ],
        "defaults": {"retries": {"backoff": "10ms..50ms"}},
    }
    client = openai.OpenAI(base_url=f"{start_ringmain(config).url}/v1", **SDK_OPTIONS)
    if fault:
        provider_sim.behave("openai", fault=fault)
    raw = client.images.with_raw_response.edit(model="edits", image=("dot.png", DOT), prompt="a hat")
    assert raw.headers["x-ringmain-target"] == ("stability/sd3.5-large" if fault else "openai/gpt-image-1")
    assert png_size(image_of(raw.parse().data[0])) == (1024, 1024)
    sent = provider_sim.received("stability" if fault else "openai")[-1]
    assert "filename=" in sent["body"] and sent["bytes"] > len(DOT)


def test_what_is_wrong_is_said_at_once(start, provider_sim):
    gateway, client = start()
    with pytest.raises(openai.BadRequestError) as refused:
        generate(client, n=11)
    assert "n: expected 1 to 10" in refused.value.message
    reply = send(gateway.url, "/v1/images/generations", {"model": "dall-e-3"})
    assert reply.status == 400 and "prompt" in reply.json()["error"]["message"]
    assert provider_sim.received() == []


def test_it_is_billed_and_recorded(start, provider_sim):
    gateway, client = start()
    raw, _ = generate(client, size="1792x1024", quality="hd", n=2, response_format="b64_json")
    record = send(gateway.admin, f"/api/requests/{raw.headers['x-ringmain-request-id']}", method="GET").json()
    assert len(provider_sim.received("openai")) == 2, "dall-e-3 makes one at a time"
    assert '"images":2' in json.dumps(record, separators=(",", ":"))


def test_without_a_model_or_a_rule(start_ringmain, provider_sim):
    config = {"providers": {"stability": {"base_url": f"{provider_sim.url}/p/stability", "keys": ["k"]}}}
    gateway = start_ringmain(config)
    reply = send(gateway.url, "/v1/images/generations", {"prompt": "a cat"})
    assert reply.status == 200, reply.body
    assert reply.mine("target") == "stability/stable-image-core" and reply.mine("route") == "image"
    assert png_size(base64.b64decode(reply.json()["data"][0]["b64_json"])) == (1024, 1024)


def test_a_stream_of_one_event(start, provider_sim):
    gateway, _ = start(targets=("stability/stable-image-core",))
    body = {"model": "images", "prompt": "a cat", "stream": True}
    reply = send(gateway.url, "/v1/images/generations", body)
    assert reply.headers["content-type"] == "text/event-stream"
    event, data = reply.body.decode().strip().split("\n", 1)
    assert event == "event: image_generation.completed"
    assert png_size(base64.b64decode(json.loads(data[len("data: ") :])["b64_json"])) == (1024, 1024)


@pytest.mark.parametrize("fault", [None, "server-error", "spoilt-image", "cut=0", "error-body:overloaded"])
def test_partial_images(start, provider_sim, fault):
    _, client = start(targets=("openai/gpt-image-1", "second/gpt-image-1", "stability/stable-image-core"))
    if fault:
        provider_sim.behave("openai", fault=fault)
    for previews in (0, 2):
        stream = client.images.generate(
            model="images", prompt="a cat", size="1024x1536", stream=True, partial_images=previews
        )
        events = list(stream)
        assert [event.type for event in events] == ["image_generation.partial_image"] * previews + [
            "image_generation.completed"
        ]
        assert [event.partial_image_index for event in events[:-1]] == list(range(previews))
        for event in events:
            assert png_size(base64.b64decode(event.b64_json, validate=True)) == (1024, 1536)
        assert events[-1].usage.total_tokens > 0
    edited = client.images.edit(model="images", image=("dot.png", DOT), prompt="a hat", stream=True, partial_images=1)
    assert [event.type for event in edited] == ["image_edit.partial_image", "image_edit.completed"]


def test_a_stream_that_breaks_off_says_so(start, provider_sim):
    _, client = start(targets=("openai/gpt-image-1", "second/gpt-image-1"))
    provider_sim.behave("openai", fault="cut=1")
    seen = []
    with pytest.raises(openai.APIError):
        for event in client.images.generate(model="images", prompt="a cat", stream=True, partial_images=2):
            seen.append(event.type)
    assert seen == ["image_generation.partial_image"]

"""A broken answer never looks finished, a running one is not held back, and whoever hangs up stops the work."""

import json
import time

import pytest
from sdks import caller
from support import (
    DIALECTS,
    FAST,
    MODELS,
    chat,
    connect,
    error_message,
    hang_up,
    hear,
    poll,
    prompt,
    provider,
    route,
    send,
    served_properly,
)

BREAKS = ["cut", "stall", "half-event", "end-early", "error-event"]
PAIRS = [(dialect, vendor) for dialect in DIALECTS for vendor in MODELS]
PAIR_IDS = [f"{dialect}-to-{vendor}" for dialect, vendor in PAIRS]


@pytest.fixture(scope="module")
def sim(shared_provider_sims):
    return shared_provider_sims()


@pytest.fixture(scope="module")
def expected(sim):
    return chat(sim.url, "openai", "m")[1].text


@pytest.fixture(scope="module")
def gateway(shared_ringmains, sim):
    """Providers that do as the model's name says, and one-target routes whose target has a fault from a word on."""
    providers = {vendor: provider(sim, vendor, vendor) for vendor in MODELS}
    providers["second"] = provider(sim, "second", "openai")
    routes = [
        route(f"then-second-{vendor}", f"{vendor}/{model}@drip=50ms", "second/gpt-4o")
        for vendor, model in MODELS.items()
    ]
    for vendor, model in MODELS.items():
        for fault in ("silence", "headers-then-silence", "slow=20s", "stall=3", "drip=50ms"):
            name = f"{fault.split('=')[0]}-{vendor}"
            routes.append(route(name, f"{vendor}/{model}@{fault}", "second/gpt-4o"))
    breaker = {"failures": 1000, "error_rate": "100%"}
    timeouts = {"race_after": "30s", "first_token": "30s", "idle": "400ms"}
    settings = {**FAST, "breaker": breaker, "timeouts": timeouts, "resume": "off"}
    return shared_ringmains({"providers": providers, "routes": routes, "defaults": settings})


def model_of(vendor, fault):
    return f"{vendor}/{MODELS[vendor]}@{fault}"


def fault_at(name, word):
    return f"{name}={word}" + (":overloaded" if name == "error-event" else "")


@pytest.mark.parametrize(("dialect", "vendor"), PAIRS, ids=PAIR_IDS)
@pytest.mark.parametrize("fault", BREAKS)
def test_a_break_after_content_is_an_error(gateway, expected, fault, dialect, vendor):
    """In the caller's dialect, after what had come, and without any sign of a good end."""
    for word in (1, 5, 15) if fault != "stall" else (5,):
        reply, heard = chat(gateway.url, dialect, model_of(vendor, fault_at(fault, word)), stream=True)
        assert reply.status == 200, reply.body
        assert not heard.clean, heard
        assert heard.finish is None and heard.error, reply.body[-300:]
        assert isinstance(heard.error.get("message"), str) and heard.error["message"]
        assert expected.startswith(heard.text) and len(heard.text.split()) >= word, "what came is not lost"
        assert reply.complete, "the stream itself ends in order"
        assert not reply.body.rstrip().endswith(b"[DONE]") or heard.error


@pytest.mark.parametrize(("sdk", "vendor"), PAIRS, ids=PAIR_IDS)
@pytest.mark.parametrize("fault", BREAKS)
def test_the_sdk_raises(gateway, fault, sdk, vendor):
    client = caller(sdk, gateway.url)
    with pytest.raises(client.errors.APIError):
        client.ask(model_of(vendor, fault_at(fault, 5)), "hello", stream=True)


@pytest.mark.parametrize("fault", ["cut", "half-event", "end-early", "error-event", "stall"])
@pytest.mark.parametrize("vendor", MODELS)
def test_a_break_inside_a_tool_call(gateway, vendor, fault):
    tools = {
        "openai": [
            {
                "type": "function",
                "function": {"name": "f", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
            }
        ],
        "anthropic": [{"name": "f", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}],
        "gemini": [
            {
                "functionDeclarations": [
                    {"name": "f", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
                ]
            }
        ],
    }
    for dialect in DIALECTS:
        reply, heard = chat(
            gateway.url, dialect, model_of(vendor, fault_at(fault, 1)), "call:2", stream=True, tools=tools[dialect]
        )
        assert not heard.clean
        assert heard.error or reply.status >= 500


@pytest.mark.parametrize(("dialect", "vendor"), PAIRS, ids=PAIR_IDS)
def test_a_malformed_event_is_skipped(gateway, expected, dialect, vendor):
    for word in (0, 1, 5):
        reply, heard = chat(gateway.url, dialect, model_of(vendor, f"malformed={word}"), stream=True)
        served_properly(dialect, heard, expected)
        assert reply.mine("attempts") == "1"
    said = caller(dialect, gateway.url).ask(model_of(vendor, "malformed=5"), "hello", stream=True)
    assert said.text == expected
    assert skipped(gateway) > 0


def skipped(gateway) -> float:
    metrics = send(gateway.admin, "/metrics", method="GET").body.decode().split("\n")
    return sum(float(line.split()[-1]) for line in metrics if "skipped" in line and line[0] != "#")


@pytest.mark.parametrize(("dialect", "vendor"), PAIRS, ids=PAIR_IDS)
def test_only_the_last_marker_is_missing(gateway, expected, dialect, vendor):
    """The finish reason came: the answer is whole, and the caller gets the marker. Anthropic always sends its own."""
    _, heard = chat(gateway.url, dialect, model_of(vendor, "no-done"), stream=True)
    if vendor == "anthropic":
        assert not heard.clean and heard.text == expected
    else:
        served_properly(dialect, heard, expected)


@pytest.mark.parametrize("vendor", MODELS)
def test_every_prefix(gateway, expected, vendor):
    """Wherever it is cut: what is said is the beginning of the answer, and never called its end."""
    for word in range(1, 16, 2):
        _, heard = chat(gateway.url, DIALECTS[word % 3], model_of(vendor, f"cut={word}"), stream=True)
        assert not heard.clean and expected.startswith(heard.text)


@pytest.mark.parametrize(("dialect", "vendor"), PAIRS, ids=PAIR_IDS)
def test_a_plain_answer_cut_in_half_is_an_error(gateway, dialect, vendor):
    reply = send(gateway.url, *prompt(dialect, model=model_of(vendor, "cut=5")))
    assert reply.status >= 500, reply.body
    error_message(dialect, reply)


# --- a stream that runs ---


@pytest.mark.parametrize(("dialect", "vendor"), PAIRS, ids=PAIR_IDS)
def test_words_are_passed_on_as_they_come(gateway, expected, dialect, vendor):
    """16 words, 50 ms apart: the first must not wait for the last."""
    path, body = prompt(dialect, model=model_of(vendor, "drip=50ms"), stream=True)
    connection = connect(gateway.url)
    began = time.monotonic()
    connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
    answer = connection.getresponse()
    seen = b""
    while expected.split()[1].encode() not in seen:
        seen += answer.read1()
    first = time.monotonic() - began
    answer.read()
    whole = time.monotonic() - began
    connection.close()
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-ringmain-target"] == f"{vendor}/{MODELS[vendor]}@drip=50ms"
    assert first < whole - 0.3, (first, whole)


@pytest.mark.parametrize("vendor", MODELS)
def test_usage_is_told_where_it_was_asked_for(gateway, vendor):
    model = f"{vendor}/{MODELS[vendor]}"
    _, plain = chat(gateway.url, "openai", model)
    for options, wanted in [
        ({}, 0),
        ({"stream_options": {"include_usage": False}}, 0),
        ({"stream_options": {"include_usage": True}}, 1),
    ]:
        _, heard = chat(gateway.url, "openai", model, stream=True, **options)
        told = [event for event in heard.events if event.get("usage")]
        assert len(told) == wanted
        assert all("choices" in event for event in heard.events)
        assert sum(event["choices"] == [] for event in heard.events) == wanted
        if wanted:
            assert heard.events[-1] == told[0], "it is the last"
            assert {key: told[0]["usage"][key] for key in USAGE} == {key: plain.usage[key] for key in USAGE}
    # The others always say it, and the same as without a stream.
    for dialect, keys in (
        ("anthropic", ["output_tokens"]),
        ("gemini", ["promptTokenCount", "candidatesTokenCount", "totalTokenCount"]),
    ):
        _, plain = chat(gateway.url, dialect, model)
        _, heard = chat(gateway.url, dialect, model, stream=True)
        assert {key: heard.usage[key] for key in keys} == {key: plain.usage[key] for key in keys}
        if dialect == "gemini":
            assert heard.usage["candidatesTokenCount"] == 16


USAGE = ("prompt_tokens", "completion_tokens", "total_tokens")


@pytest.mark.parametrize("vendor", MODELS)
def test_a_gemini_stream_as_one_array(gateway, expected, vendor):
    """Without `alt=sse` Gemini's stream is one JSON array."""
    ask = lambda model: send(gateway.url, f"/v1beta/models/{model}:streamGenerateContent", prompt("gemini")[1])
    reply = ask(f"{vendor}/{MODELS[vendor]}")
    assert reply.headers["content-type"].startswith("application/json")
    items = reply.json()
    assert len(items) > 5, "a stream, not one lump"
    text = "".join(
        part.get("text", "") for item in items for part in item["candidates"][0].get("content", {}).get("parts", [])
    )
    assert text == expected
    assert items[-1]["candidates"][0]["finishReason"] == "STOP"
    broken = ask(model_of(vendor, "cut=5"))
    try:
        items = broken.json()
    except ValueError:
        return
    assert "error" in items[-1] and not any(item.get("candidates", [{}])[0].get("finishReason") for item in items)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_error_before_content_has_its_status(gateway, dialect):
    """Not a stream of status 200 that holds only an error."""
    for vendor in MODELS:
        path, body = prompt(dialect, model=model_of(vendor, "bad-request"), stream=True)
        reply = send(gateway.url, path, body)
        assert reply.status == 400
        assert reply.headers["content-type"].startswith("application/json")
        error_message(dialect, reply)


# --- the caller hangs up ---

STAGES = {
    "before headers": ("silence", True, 0),
    "before headers, plain": ("silence", False, 0),
    "before the first token": ("headers-then-silence", True, 0),
    "before the first token, plain": ("headers-then-silence", False, 0),
    "after the opening events": ("slow", True, 0),
    "in the middle": ("drip", True, 40),
    "in the middle, plain": ("drip", False, 0),
    "while it stalls": ("stall", True, 40),
}


@pytest.mark.parametrize("how", ["reset", "close"])
@pytest.mark.parametrize("dialect", ["openai", "gemini"])
@pytest.mark.parametrize("stage", STAGES)
def test_the_caller_hangs_up(gateway, sim, stage, dialect, how):
    """Upstream is closed within a second, and nothing is tried again."""
    fault, stream, read = STAGES[stage]
    vendor = "openai" if stream else "anthropic"
    sim.forget()
    path, body = prompt(dialect, model=f"{fault}-{vendor}", stream=stream)
    connection = connect(gateway.url)
    connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
    if read:
        answer = connection.getresponse()
        assert answer.read(read)
    poll(lambda: sim.received(vendor), "it arrives")
    if not read:
        time.sleep(0.1)  # Past the head, and well before anything else happens.
    assert sim.received(vendor)[0]["ended"]["state"] == "open"
    if how == "reset":
        hang_up(connection)
    else:
        if read:
            answer.close()
        connection.close()
    poll(lambda: sim.received(vendor)[0]["ended"]["state"] == "client_closed", "upstream is closed", within=1)
    time.sleep(0.05)
    assert (len(sim.received(vendor)), len(sim.received("second"))) == (1, 0)


def ask_and_leave(gateway, sim, model, stream, label, arrived=1):
    """Asks, waits until this many requests are upstream, and is gone."""
    path, body = prompt("openai", model=model, stream=stream)
    connection = connect(gateway.url)
    connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
    poll(lambda: len(sim.received(label)) >= arrived, "it arrives")
    hang_up(connection)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_hanging_up_in_a_race_ends_both(start_ringmain, sim, stream):
    providers = {name: provider(sim, f"race-{name}-{stream}", "openai") for name in "ab"}
    for name in "ab":
        sim.behave(f"race-{name}-{stream}", fault="silence")
    settings = {**FAST, "timeouts": {"race_after": "50ms"}}
    routes = [route("r", "a/gpt-4o", "b/gpt-4o")]
    gateway = start_ringmain({"providers": providers, "routes": routes, "defaults": settings})
    ask_and_leave(gateway, sim, "r", stream, f"race-b-{stream}")
    for name in "ab":
        closed = lambda: sim.received(f"race-{name}-{stream}")[0]["ended"]["state"] == "client_closed"  # noqa: B023
        poll(closed, "upstream is closed", within=1)


def test_hanging_up_during_a_wait_ends_it(start_ringmain, sim):
    """Nobody is there to try again for."""
    faults = {"waits-rate-limit": "rate-limit=1", "waits-server-error": "server-error"}
    retries = {"attempts": 5, "backoff": "900ms..1s"}
    providers = {label: provider(sim, label, "openai") for label in faults}
    gateway = start_ringmain({"providers": providers, "defaults": {**FAST, "retries": retries}})
    for label, fault in faults.items():
        sim.behave(label, fault=fault)
        ask_and_leave(gateway, sim, f"{label}/gpt-4o", False, label)
    seen = {label: len(sim.received(label)) for label in faults}
    # The time after which it would be tried again; there is nothing to poll for.
    time.sleep(1.3)
    assert {label: len(sim.received(label)) for label in faults} == seen


def test_who_hung_up_is_nobodys_failure(gateway, sim, expected):
    """After ten of them the target is still first."""
    for _ in range(10):
        connection = connect(gateway.url)
        path, body = prompt("openai", model="then-second-openai", stream=True)
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        connection.getresponse().read(20)
        hang_up(connection)
    reply = send(gateway.url, *prompt("openai", model="then-second-openai", stream=True))
    assert reply.mine("target").startswith("openai/")
    served_properly("openai", hear("openai", reply, True), expected)

"""Every SDK against every vendor: what comes through the gateway is what the vendor itself would have said."""

import json
import struct
import zlib

import openai
import pytest
from sdks import CALLERS, LENGTH, STOP, TOOLS, caller
from support import MODELS, hear, provider, send

PAIRS = [(sdk, vendor) for sdk in CALLERS for vendor in MODELS]
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
    "required": ["city", "degrees"],
    "additionalProperties": False,
}
TOOLS_OFFERED = [
    ("get_weather", "The weather of a city", SCHEMA),
    (
        "get_time",
        "The time of a city",
        {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    ),
]


def png() -> bytes:
    """A white pixel."""
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0\xff\xff\xff")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


RESULT = [
    ("user", "call:get_weather in Paris"),
    ("call", "call_1", "get_weather", {"city": "Paris", "degrees": 0}),
    ("result", "call_1", "get_weather", "12 degrees"),
]
RESULTS = [
    ("user", "call:2 in Paris"),
    ("call", "call_1", "get_weather", {"city": "Paris", "degrees": 0}),
    ("call", "call_2", "get_time", {"city": "Paris"}),
    ("result", "call_1", "get_weather", "12 degrees"),
    ("result", "call_2", "get_time", "noon"),
]

# name -> (turns, wish, what the answer must be beyond being the vendor's own)
CASES = {
    "hello": ("hello", {}, {"finish": STOP}),
    "unicode": ('Grüße aus 東京 🚀 " \\ \u2028', {}, {"finish": STOP}),
    "system": ("hello", {"system": "Speak like a pirate."}, {"finish": STOP}),
    "several turns": ([("user", "one"), ("assistant", "Aye."), ("user", "two")], {}, {"finish": STOP}),
    "token limit": ("hello", {"max_tokens": 5}, {"finish": LENGTH, "output": 5}),
    "image": ([("user", "what is this", png())], {}, {"finish": STOP, "ends": "[images:1]"}),
    "tool": ("call: in Paris", {"tools": TOOLS_OFFERED}, {"finish": TOOLS, "calls": ["get_weather"]}),
    "parallel tools": (
        "call:2 in Paris",
        {"tools": TOOLS_OFFERED},
        {"finish": TOOLS, "calls": ["get_weather", "get_time"]},
    ),
    "tool choice any": ("hello", {"tools": TOOLS_OFFERED, "tool_choice": "any"}, {"calls": ["get_weather"]}),
    "tool choice named": ("hello", {"tools": TOOLS_OFFERED, "tool_choice": "get_time"}, {"calls": ["get_time"]}),
    "tool choice none": (
        "call: in Paris",
        {"tools": TOOLS_OFFERED, "tool_choice": "none"},
        {"calls": [], "finish": STOP},
    ),
    "tool choice auto": ("hello", {"tools": TOOLS_OFFERED, "tool_choice": "auto"}, {"calls": [], "finish": STOP}),
    "tool result": (RESULT, {"tools": TOOLS_OFFERED}, {"finish": STOP, "calls": []}),
    "tool results": (RESULTS, {"tools": TOOLS_OFFERED}, {"finish": STOP, "calls": []}),
    "schema": ("hello", {"schema": SCHEMA}, {"finish": STOP}),
}


@pytest.fixture(scope="module")
def sim(shared_provider_sims):
    return shared_provider_sims()


@pytest.fixture(scope="module")
def gateway(shared_ringmains, sim):
    providers = {vendor: provider(sim, vendor, vendor) for vendor in MODELS}
    # An OpenAI-like that shows its reasoning, as vLLM does.
    providers["local"] = provider(sim, "local", "openai-compatible")
    return shared_ringmains({"providers": providers})


@pytest.fixture(scope="module")
def own(sim):
    """Asks the vendor of an SDK itself, once for each case."""
    known = {}

    def ask(sdk, case, stream):
        key = (sdk, case, stream)
        if key not in known:
            turns, wish, _ = CASES[case]
            known[key] = caller(sdk, f"{sim.url}/p/{sdk}").ask(MODELS[sdk], turns, stream, **wish)
        return known[key]

    return ask


def counted_upstream(sim, vendor, entry) -> int:
    """The input tokens that the provider counted for a request of its log: it counts bytes, so the same are sent."""
    heard = hear(vendor, send(sim.url, entry["path"], entry["body"].encode()), entry["stream"])
    return heard.usage[{"openai": "prompt_tokens", "anthropic": "input_tokens", "gemini": "promptTokenCount"}[vendor]]


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("sdk", "vendor"), PAIRS, ids=[f"{sdk}-to-{vendor}" for sdk, vendor in PAIRS])
def test_the_answer_is_the_vendors(sim, gateway, own, sdk, vendor, case, stream):
    turns, wish, more = CASES[case]
    sim.forget()
    said = caller(sdk, gateway.url).ask(f"{vendor}/{MODELS[vendor]}", turns, stream, **wish)
    [entry] = sim.received(vendor)

    assert said.essence() == own(sdk, case, stream).essence()
    assert said.model == MODELS[vendor]
    assert said.input == counted_upstream(sim, vendor, entry)
    assert said.finish == more.get("finish", said.finish)
    assert said.output == more.get("output", said.output)
    assert said.text.endswith(more.get("ends", ""))
    if "calls" in more:
        assert [name for name, _ in said.calls] == more["calls"]
    if "schema" in wish:
        assert set(json.loads(said.text)) == {"city", "degrees"}
    assert entry["stream"] == stream, "a stream is asked for where one was asked of us"
    assert said.headers["x-ringmain-target"] == f"{vendor}/{MODELS[vendor]}"
    assert said.headers["x-ringmain-attempts"] == "1"


REASONING = {
    "openai": "openai/gpt-5.6",
    "local": "local/some-model",
    "anthropic": "anthropic/claude-sonnet-4-6",
    "gemini": "gemini/gemini-2.5-flash-lite",
}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("vendor", REASONING)
@pytest.mark.parametrize("sdk", CALLERS)
def test_reasoning(sim, gateway, sdk, vendor, stream):
    """Where the SDK can ask for it, it is asked for, shown where the vendor shows it, and counted."""
    said = caller(sdk, gateway.url).ask(REASONING[vendor], "think", stream, reasoning=True)
    plain = caller(sdk, gateway.url).ask(REASONING[vendor], "think")
    assert said.text == plain.text
    assert said.finish == STOP
    assert said.output == 16 + 8, "output counts include reasoning"
    if "anthropic" not in (sdk, vendor):
        # Anthropic's dialect has no field for the part.
        assert said.reasoning_tokens == 8
    # OpenAI itself keeps it to itself; Gemini shows it to those who ask for that, and OpenAI's dialect cannot.
    shown = vendor != "openai" and (sdk, vendor) != ("openai", "gemini")
    assert said.reasoning == ("r0 7cb9f769 r2 r3 r4 r5 r6 r7" if shown else "")


@pytest.mark.parametrize("vendor", MODELS)
def test_the_system_prompt_arrives(sim, gateway, vendor):
    for sdk in CALLERS:
        sim.forget()
        caller(sdk, gateway.url).ask(f"{vendor}/{MODELS[vendor]}", "hello", system="Speak like a pirate.")
        body = json.loads(sim.received(vendor)[0]["body"])
        place = body["messages"][0] if vendor == "openai" else body.get("system") or body.get("systemInstruction")
        assert "Speak like a pirate." in json.dumps(place), sdk


@pytest.mark.parametrize("vendor", MODELS)
@pytest.mark.parametrize("sdk", CALLERS)
def test_calls_in_a_circle(gateway, sdk, vendor):
    """The ids and names that come back can be sent again with the results, to any vendor."""
    model = f"{vendor}/{MODELS[vendor]}"
    client = caller(sdk, gateway.url)
    for stream in (False, True):
        said = client.ask(model, "call:2 in Paris", stream, tools=TOOLS_OFFERED)
        ids = call_ids(sdk, said)
        assert len(set(ids)) == 2 and all(ids)
        calls = [("call", id, name, arguments) for id, (name, arguments) in zip(ids, said.calls, strict=True)]
        results = [("result", id, name, "fine") for id, (name, _) in zip(ids, said.calls, strict=True)]
        again = client.ask(model, [("user", "call:2 in Paris"), *calls, *results], stream, tools=TOOLS_OFFERED)
        assert (again.finish, again.calls) == (STOP, [])
        assert again.text


def call_ids(sdk, said):
    if sdk == "openai":
        return [call.id for call in said.raw.choices[0].message.tool_calls]
    if sdk == "anthropic":
        return [block.id for block in said.raw.content if block.type == "tool_use"]
    parts = [part for chunk in said.raw for part in chunk.candidates[0].content.parts or [] if part.function_call]
    # Where Gemini gives none, its clients go by the order.
    return [part.function_call.id or f"n{n}" for n, part in enumerate(parts)]


def test_same_dialect_is_the_same_bytes(sim, gateway):
    """A request that needs no translation goes up as it came but for the model's name, unknown fields and all."""
    body = '{"model": "anthropic/claude-sonnet-4-6",  "max_tokens": 10, "x_new": [1.50, {"a":null}],\n "messages": [{"role":"user","content":"h\\u0069"}]}'
    sim.forget()
    reply = send(gateway.url, "/v1/messages", body.encode(), {"anthropic-version": "2023-06-01"})
    assert reply.status == 200, reply.body
    [entry] = sim.received("anthropic")
    assert entry["body"] == body.replace("anthropic/claude", "claude")


def test_the_other_operations(sim, gateway):
    """Embeddings, images, moderation and lists of models, as the SDKs ask for them."""
    client = caller("openai", gateway.url).client
    vectors = client.embeddings.create(model="openai/text-embedding-3-small", input=["a cat", "a dog"])
    assert [len(row.embedding) > 8 for row in vectors.data] == [True, True]
    image = client.images.generate(model="openai/gpt-image-1", prompt="a cat")
    assert image.data[0].b64_json or image.data[0].url
    verdict = client.moderations.create(model="openai/omni-moderation-latest", input="please flagme")
    assert verdict.results[0].flagged


@pytest.mark.parametrize("sdk", CALLERS)
def test_the_list_of_models(gateway, sdk):
    listed = list(caller(sdk, gateway.url).client.models.list())
    names = [getattr(model, "id", None) or model.name for model in listed]
    for wanted in ("anthropic/claude-sonnet-4-6", "smart"):
        assert any(name.endswith(wanted) for name in names), names[:5]


def test_parsed_answers(gateway):
    """OpenAI's own parsing of structured output, over a vendor that is not OpenAI."""
    from pydantic import BaseModel

    class Weather(BaseModel):
        city: str
        degrees: int

    client: openai.OpenAI = caller("openai", gateway.url).client
    for vendor, model in MODELS.items():
        messages = [{"role": "user", "content": "hello"}]
        parsed = client.chat.completions.parse(model=f"{vendor}/{model}", messages=messages, response_format=Weather)
        assert isinstance(parsed.choices[0].message.parsed, Weather), vendor


def test_anthropic_counts_tokens(gateway):
    client = caller("anthropic", gateway.url).client
    messages = [{"role": "user", "content": "hello"}]
    assert client.messages.count_tokens(model="anthropic/claude-sonnet-4-6", messages=messages).input_tokens > 0


def test_gemini_counts_tokens(gateway):
    client = caller("gemini", gateway.url).client
    assert client.models.count_tokens(model="gemini/gemini-2.5-flash-lite", contents="hello").total_tokens > 0

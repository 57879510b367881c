"""A provider dies in the middle of a sentence, and another goes on with it: the vendors' own SDKs must not notice."""

import json
import time

import bedrock
import pytest
from sdk_cohere import Cohere
from sdks import CALLERS, LENGTH, STOP, TOOLS, caller
from support import FAST, chat, connect, hang_up, poll, prompt, provider, route, send, sse
from test_dialects import TOOLS_OFFERED
from test_responses import responses

# A model of each vendor. Claude 4.5 takes the beginning of its answer, 4.6 refuses it; the others are told what to do.
VENDORS = {
    "openai": "gpt-4o",
    "anthropic": "claude-sonnet-4-5",
    "newer": "claude-sonnet-4-6",
    "gemini": "gemini-2.5-flash-lite",
    "cohere": "command-a-03-2025",
    "bedrock": "anthropic.claude-sonnet-4-6",
    "items": "gpt-4o",
}
KINDS = {"newer": "anthropic", "items": "openai-compatible"}
SDKS = [*CALLERS, "responses", "cohere", "bedrock"]
FAULTS = ["cut=5", "stall=5", "half-event=5", "end-early=5", "error-event=5:overloaded"]
WORDS = 16


def target(vendor):
    return f"{vendor}/{VENDORS[vendor]}"


def dies(vendor, whose, fault):
    """A target that breaks off. Each route has its own: ten failures would open its breaker."""
    return f"{vendor}/{whose}@{fault}"


def name_of(fault):
    return fault.split("=")[0]


@pytest.fixture(scope="module")
def sim(shared_provider_sims):
    return shared_provider_sims()


@pytest.fixture(scope="module")
def expected(sim):
    return chat(sim.url, "openai", "m")[1].text


def providers_of(sim):
    made = {vendor: provider(sim, vendor, KINDS.get(vendor, vendor)) for vendor in VENDORS}
    made["items"]["dialect"] = "openai-responses"
    return made


SETTINGS = {
    **FAST,
    "breaker": {"failures": 1000, "error_rate": "100%"},
    "timeouts": {**FAST["timeouts"], "idle": "400ms"},
}


@pytest.fixture(scope="module")
def gateway(shared_ringmains, sim):
    routes = []
    for first in VENDORS:
        for fault in FAULTS:
            name = f"{first}-{name_of(fault)}"
            routes.append(route(name, dies(first, name, fault), "openai/gpt-4o"))
        for second in VENDORS:
            name = f"{first}-then-{second}"
            routes.append(route(name, dies(first, name, "cut=7"), target(second)))
        for what in ("calls", "json"):
            routes.append(route(f"{first}-{what}", dies(first, what, "cut=2"), "openai/gpt-4o"))
        name = f"{first}-more"
        routes.append(route(name, dies(first, name, "cut=7"), target("anthropic")))
    firsts = dies("openai", "three", "cut=3"), dies("gemini", "three", "cut=4")
    routes.append(route("three", *firsts, target("anthropic")))
    for dialect in ("openai", "anthropic", "gemini"):
        for fault in ("cut=5", "bad-request", "prefill-rejected", "server-error", "refusal"):
            name = f"spoiled-{name_of(fault)}-{dialect}"
            second = dies("anthropic", f"{VENDORS['anthropic']}-{name}", fault)
            routes.append(route(name, dies("openai", name, "cut=5"), second))
        for name, settings in [("off", {"resume": "off"}), ("once", {"retries": {"attempts": 1}})]:
            name = f"{name}-{dialect}"
            routes.append(route(name, dies("openai", name, "cut=5"), target("anthropic"), **settings))
    return shared_ringmains({"providers": providers_of(sim), "routes": routes, "defaults": SETTINGS})


def asks(sdk, gateway):
    if sdk == "responses":
        return responses(gateway.url)
    if sdk == "cohere":
        return Cohere(gateway.url)
    if sdk == "bedrock":
        return bedrock.Bedrock(gateway.url)
    return caller(sdk, gateway.url)


def record(gateway, id):
    reply = poll(lambda: (r := send(gateway.admin, f"/api/requests/{id}", method="GET")).status == 200 and r, "record")
    return reply.json()["record"]


def each_with_one_of(others) -> list:
    """Every SDK with every first vendor, and each pair with one of the others, each as often. All of all is what the fault
    suite does (S08, S09, S14), without the SDKs."""
    others = list(others)
    return [(sdk, first, others[(i + j) % len(others)]) for i, sdk in enumerate(SDKS) for j, first in enumerate(VENDORS)]


@pytest.mark.parametrize(("sdk", "first", "second"), each_with_one_of(VENDORS))
def test_the_sdk_sees_one_answer(gateway, expected, sdk, first, second):
    """Relayed or translated, by whichever way each half comes: the SDK's own accumulator makes it one."""
    client = asks(sdk, gateway)
    said = client.ask(f"{first}-then-{second}", "hello", stream=True)
    assert (said.text, said.finish) == (expected, STOP)
    assert client.headers["x-ringmain-target"].startswith(f"{first}/"), "it began there"
    assert said.output == WORDS, "both halves, each word once"
    assert said.input > 0


@pytest.mark.parametrize(("sdk", "first", "fault"), each_with_one_of(FAULTS))
def test_however_it_breaks_off(gateway, expected, sdk, first, fault):
    said = asks(sdk, gateway).ask(f"{first}-{name_of(fault)}", "hello", stream=True)
    assert (said.text, said.finish) == (expected, STOP)


@pytest.mark.parametrize("words", [1, 2, 5])
@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
def test_what_is_said_twice_is_heard_once(start_ringmain, sim, expected, vendor, words):
    """By prefill and by instruction: models repeat what they are to go on from."""
    label = f"overlap-{vendor}-{words}"
    sim.behave(label, overlap_words=words)
    providers = {"first": provider(sim, "first", "openai"), "second": provider(sim, label, vendor)}
    cuts = [1, 4, 6, 8, 12, 15]
    routes = [route(f"at-{cut}", f"first/gpt-4o@cut={cut}", f"second/{VENDORS[vendor]}") for cut in cuts]
    gateway = start_ringmain({"providers": providers, "routes": routes, "defaults": SETTINGS})
    for cut in cuts:
        assert caller("openai", gateway.url).ask(f"at-{cut}", "hello", stream=True).text == expected


def test_how_the_rest_is_asked_for(gateway, sim, expected):
    for second in ("anthropic", "newer"):
        sim.forget()
        caller("openai", gateway.url).ask(f"openai-then-{second}", "hello", stream=True, max_tokens=100)
        asked = json.loads(sim.received(second)[-1]["body"])
        begun = expected.split()[:7]
        roles = [message["role"] for message in asked["messages"]]
        assert roles == (["user", "assistant"] if second == "anthropic" else ["user", "assistant", "user"])
        assert text_of(asked["messages"][1]).split() == begun
        assert asked["max_tokens"] == 93, "what is left of the limit"
        if second == "newer":
            assert text_of(asked["messages"][2]).endswith(" ".join(begun[-3:]))


def text_of(message):
    content = message["content"]
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


@pytest.mark.parametrize("sdk", SDKS)
def test_a_limit_holds_over_both_halves(gateway, sdk):
    limit = 10 if sdk != "responses" else 16
    said = asks(sdk, gateway).ask("anthropic-more", "hello", stream=True, max_tokens=limit)
    assert len(said.text.split()) == limit
    assert sdk == "responses" or said.finish == LENGTH


@pytest.mark.parametrize("sdk", SDKS)
def test_a_continuation_that_dies_is_continued(gateway, expected, sdk):
    said = asks(sdk, gateway).ask("three", "hello", stream=True)
    assert (said.text, said.finish, said.output) == (expected, STOP, WORDS)


def test_a_prefill_that_is_refused_is_asked_for_otherwise(gateway, expected):
    said = caller("openai", gateway.url).ask("spoiled-prefill-rejected-openai", "hello", stream=True)
    assert (said.text, said.finish) == (expected, STOP)


@pytest.mark.parametrize("model", ["spoiled-bad-request", "spoiled-server-error", "spoiled-refusal", "off", "once"])
@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini"])
def test_where_nobody_goes_on_the_error_names_the_cut(gateway, expected, dialect, model):
    """Never what befell those who tried."""
    reply, heard = chat(gateway.url, dialect, f"{model}-{dialect}", stream=True)
    assert not heard.clean and heard.finish is None
    assert "stream" in heard.error["message"], heard.error
    assert heard.text and expected.startswith(heard.text)
    told = record(gateway, reply.mine("request-id"))
    assert told["fault"]["class"] == "interrupted"


@pytest.mark.parametrize("sdk", [*CALLERS, "responses"])
@pytest.mark.parametrize("first", ["openai", "anthropic", "gemini", "items"])
def test_tool_calls_and_json_are_not_guessed_at(gateway, sim, sdk, first):
    client = asks(sdk, gateway)
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
    wishes = [
        ("calls", "call:1", {"tools": TOOLS_OFFERED, "tool_choice": "any"}),
        ("json", "hello", {"schema": schema}),
    ]
    for what, turns, wish in wishes:
        sim.forget()
        with pytest.raises((client.errors.APIError, AssertionError)):
            client.ask(f"{first}-{what}", turns, stream=True, **wish)
        assert len(sim.received()) == 1, "nobody else was asked"


def test_the_record_shows_the_seam(gateway, expected):
    reply, heard = chat(
        gateway.url, "openai", "newer-more", stream=True, stream_options={"include_usage": True}
    )
    assert heard.text == expected
    assert heard.usage["completion_tokens"] == WORDS
    told = record(gateway, reply.mine("request-id"))
    first, second = told["attempts"]
    assert first["tried"]["result"]["class"] == "interrupted" and not first["served"]
    assert first["estimated"] and first["usage"]["output"] == 7 and first.get("cost") is None
    assert second["served"] and second["resumes"]["form"] == "prefill"
    assert second["resumes"]["after"] == len(" ".join(expected.split()[:7]).encode())
    assert told["fault"] is None


def test_a_remark_says_who_goes_on(gateway):
    """Where SDKs pass over comments; Gemini's would stumble."""
    for dialect, wanted in [("openai", True), ("anthropic", True), ("gemini", False)]:
        reply, _ = chat(gateway.url, dialect, "openai-more", stream=True)
        remarks = [line for line in reply.body.decode().split("\n") if line.startswith(":")]
        assert any("anthropic/claude-sonnet-4-5" in line for line in remarks) == wanted


def test_one_id_and_one_model(gateway):
    reply, heard = chat(gateway.url, "openai", "openai-more", stream=True)
    assert len({event["id"] for event in heard.events}) == 1
    assert len({event["model"] for event in heard.events}) == 1


def test_sequence_numbers_go_on(gateway):
    client = responses(gateway.url)
    for first in ("items", "anthropic"):
        client.ask(f"{first}-more", "hello", stream=True)
        assert client.numbers == list(range(len(client.numbers)))


def test_thoughts_alone_are_answered_anew(start_ringmain, sim, expected):
    """Unsigned thoughts are no beginning of an answer: another gives it."""
    sim.behave("thinker", fault="cut=3")
    providers = {"thinker": provider(sim, "thinker", "openai-compatible"), "openai": provider(sim, "openai", "openai")}
    routes = [route("r", "thinker/thinks", "openai/gpt-5")]
    gateway = start_ringmain({"providers": providers, "routes": routes, "defaults": SETTINGS})
    said = caller("openai", gateway.url).ask("r", "hello", stream=True, reasoning=True)
    assert (said.text, said.finish) == (expected, STOP)
    assert said.reasoning.startswith("r0"), "what was thought before is not taken back"
    assert len(sim.received("thinker")) == 1


def test_a_caller_who_hangs_up_while_another_is_looked_for(start_ringmain, sim):
    sim.behave("silent", fault="silence")
    providers = {"openai": provider(sim, "openai", "openai"), "silent": provider(sim, "silent", "openai")}
    routes = [route("r", "openai/gpt-4o@cut=5", "silent/gpt-4o")]
    gateway = start_ringmain({"providers": providers, "routes": routes, "defaults": SETTINGS})
    connection = connect(gateway.url)
    path, body = prompt("openai", model="r", stream=True)
    connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
    connection.getresponse().read1()
    poll(lambda: sim.received("silent"), "another is asked")
    hang_up(connection)
    poll(lambda: sim.received("silent")[0]["ended"]["state"] == "client_closed", "upstream is closed", within=1)
    time.sleep(0.05)
    assert len(sim.received("silent")) == 1

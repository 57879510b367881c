"""Cohere's SDK to every vendor, and every SDK to Cohere."""

import base64
import json
import time

import cohere
import cohere.errors
import openai
import pytest
from cohere.core.api_error import ApiError
from sdk_cohere import Cohere
from sdks import CALLERS, STOP, TOOLS, caller
from support import FAST, MODELS, connect, hang_up, hear, poll, provider, route, send, sse
from test_dialects import CASES, SCHEMA, TOOLS_OFFERED, call_ids

# Takes images and schemas, and thinks only when asked to (here).
MODEL = "command-a-plus-05-2026"
ALL = {**MODELS, "cohere": MODEL}
PAIRS = [("cohere", vendor) for vendor in ALL] + [(sdk, "cohere") for sdk in CALLERS]
IDS = [f"{sdk}-to-{vendor}" for sdk, vendor in PAIRS]
USED = {
    "openai": "prompt_tokens",
    "anthropic": "input_tokens",
    "gemini": "promptTokenCount",
}

_clients = {}


def client_of(sdk, url):
    if sdk != "cohere":
        return caller(sdk, url)
    return _clients.setdefault(url, Cohere(url))


def target(vendor):
    return f"{vendor}/{ALL[vendor]}"


@pytest.fixture(scope="module")
def sim(shared_provider_sims):
    return shared_provider_sims()


@pytest.fixture(scope="module")
def gateway(shared_ringmains, sim):
    providers = {vendor: provider(sim, vendor, vendor) for vendor in ALL}
    routes = [route("over", "broken/m", target("cohere"))]
    providers["broken"] = provider(sim, "broken", "openai-compatible")
    sim.behave("broken", fault="unavailable")
    for fault in FAULTS:
        for vendor in ALL:
            # Each with a provider of its own: a limited key is not asked again.
            label = f"{fault.split('=')[0]}-{vendor}"
            sim.behave(label, fault=fault)
            providers[label] = provider(sim, label, vendor)
    breaker = {"failures": 1000, "error_rate": "100%"}
    retries = {"attempts": 2, "backoff": "1ms..5ms"}
    timeouts = {**FAST["timeouts"], "idle": "1s", "total": "3s"}
    defaults = {**FAST, "breaker": breaker, "retries": retries, "timeouts": timeouts}
    return shared_ringmains({"providers": providers, "routes": routes, "defaults": defaults})


@pytest.fixture(scope="module")
def own(sim):
    """Asks the vendor of an SDK itself, once for each case."""
    known = {}

    def ask(sdk, case, stream):
        key = (sdk, case, stream)
        if key not in known:
            turns, wish, _ = CASES[case]
            known[key] = client_of(sdk, f"{sim.url}/p/{sdk}").ask(ALL[sdk], turns, stream, **wish)
        return known[key]

    return ask


def counted_upstream(sim, vendor, entry) -> int:
    """The input tokens that the provider counted for a request of its log."""
    reply = send(sim.url, entry["path"], entry["body"].encode())
    if vendor != "cohere":
        return hear(vendor, reply, entry["stream"]).usage[USED[vendor]]
    if not entry["stream"]:
        return reply.json()["usage"]["tokens"]["input_tokens"]
    ends = [json.loads(data) for event, data in sse(reply.body) if event == "message-end"]
    return ends[0]["delta"]["usage"]["tokens"]["input_tokens"]


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("sdk", "vendor"), PAIRS, ids=IDS)
def test_the_answer_is_the_vendors(sim, gateway, own, sdk, vendor, case, stream):
    turns, wish, more = CASES[case]
    sim.forget()
    said = client_of(sdk, gateway.url).ask(target(vendor), turns, stream, **wish)
    [entry] = sim.received(vendor)

    assert said.essence() == own(sdk, case, stream).essence()
    # Cohere's answers do not name their model.
    assert said.model == (None if sdk == "cohere" else ALL[vendor])
    assert said.input == counted_upstream(sim, vendor, entry)
    assert said.finish == more.get("finish", said.finish)
    assert said.output == more.get("output", said.output)
    assert said.text.endswith(more.get("ends", ""))
    if "calls" in more:
        assert [name for name, _ in said.calls] == more["calls"]
    if "schema" in wish:
        assert set(json.loads(said.text)) == {"city", "degrees"}
    assert entry["stream"] == stream
    assert said.headers["x-ringmain-target"] == target(vendor)
    assert said.headers["x-ringmain-attempts"] == "1"


REASONING = {
    "openai": "openai/gpt-5.6",
    "anthropic": "anthropic/claude-sonnet-4-6",
    "gemini": "gemini/gemini-2.5-flash-lite",
    "cohere": f"cohere/{MODEL}",
}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(("sdk", "vendor"), PAIRS, ids=IDS)
def test_reasoning(gateway, sdk, vendor, stream):
    said = client_of(sdk, gateway.url).ask(REASONING[vendor], "think", stream, reasoning=True)
    plain = client_of(sdk, gateway.url).ask(REASONING[vendor], "think")
    assert (said.text, said.finish, said.output) == (plain.text, STOP, 16 + 8)
    if "anthropic" not in (sdk, vendor):
        assert said.reasoning_tokens == 8
    assert said.reasoning == ("r0 7cb9f769 r2 r3 r4 r5 r6 r7" if vendor != "openai" else "")


@pytest.mark.parametrize(("sdk", "vendor"), PAIRS, ids=IDS)
def test_calls_in_a_circle(gateway, sdk, vendor):
    """The ids and names that come back can be sent again with the results."""
    client = client_of(sdk, gateway.url)
    said = client.ask(target(vendor), "call:2 in Paris", tools=TOOLS_OFFERED)
    ids = [call.id for call in said.raw.message.tool_calls] if sdk == "cohere" else call_ids(sdk, said)
    assert len(set(ids)) == 2 and all(ids)
    calls = [("call", id, name, arguments) for id, (name, arguments) in zip(ids, said.calls, strict=True)]
    results = [("result", id, name, "fine") for id, (name, _) in zip(ids, said.calls, strict=True)]
    for stream in (False, True):
        turns = [("user", "call:2 in Paris"), *calls, *results]
        again = client.ask(target(vendor), turns, stream, tools=TOOLS_OFFERED)
        assert (again.finish, again.calls) == (STOP, []) and again.text


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("sdk", [*CALLERS, "cohere"])
def test_a_plan_is_what_the_model_says(gateway, sdk, stream):
    said = client_of(sdk, gateway.url).ask(target("cohere"), "plan: call:get_time", stream, tools=TOOLS_OFFERED)
    assert (said.text, said.finish) == ("I will use get_time.", TOOLS)


# --- errors ---

FAULTS = {
    "bad-request": "BadRequestError",
    "unprocessable": "UnprocessableEntityError",
    "model-not-found": "NotFoundError",
    "rate-limit=60": "TooManyRequestsError",
    "server-error": "InternalServerError",
    "unavailable": "ServiceUnavailableError",
    "overloaded": "ServiceUnavailableError",
    "gateway-timeout": "GatewayTimeoutError",
}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("vendor", ALL)
@pytest.mark.parametrize("fault", FAULTS)
def test_the_sdk_raises_its_own_exception(gateway, fault, vendor, stream):
    wanted = getattr(cohere.errors, FAULTS[fault])
    with pytest.raises(wanted) as raised:
        Cohere(gateway.url).ask(f"{fault.split('=')[0]}-{vendor}/m-{stream}", "hello", stream)
    assert raised.value.body["message"] and raised.value.body["id"]


@pytest.mark.parametrize("sdk", CALLERS)
def test_a_prompt_that_is_too_long(gateway, sdk):
    """Cohere says so with a code of its own."""
    with pytest.raises(Exception, match="too many tokens") as raised:
        client_of(sdk, gateway.url).ask("cohere/m@context-length", "hello")
    assert (getattr(raised.value, "status_code", None) or raised.value.code) == 400


@pytest.mark.parametrize("vendor", ALL)
@pytest.mark.parametrize("fault", ["cut=5", "end-early=5", "stall=5", "error-event=5:overloaded"])
def test_a_stream_that_breaks_does_not_look_finished(gateway, vendor, fault):
    """The dialect's own way to say it: the last event, once, with the reason."""
    stream = Cohere(gateway.url).client.chat_stream(
        model=f"{vendor}/b-{fault}@{fault}", messages=[{"role": "user", "content": "hello"}]
    )
    events = list(stream)
    assert [event.type for event in events].count("message-end") == 1
    assert events[-1].type == "message-end"
    assert events[-1].delta.finish_reason in ("ERROR", "TIMEOUT") and events[-1].delta.error
    assert sum(event.type == "content-delta" for event in events) == 5


@pytest.mark.parametrize("sdk", CALLERS)
@pytest.mark.parametrize("fault", ["cut=5", "end-early=5", "error-event=5:server-error"])
def test_a_broken_stream_of_cohere_is_an_error_elsewhere(gateway, sdk, fault):
    path, body = {
        "openai": ("/v1/chat/completions", {}),
        "anthropic": ("/v1/messages", {"max_tokens": 99}),
        "gemini": (f"/v1beta/models/cohere/e-{sdk}-{fault}@{fault}:streamGenerateContent?alt=sse", None),
    }[sdk]
    messages = [{"role": "user", "content": "hello"}]
    asked = {"model": f"cohere/e-{sdk}-{fault}@{fault}", "messages": messages, "stream": True}
    contents = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
    reply = send(gateway.url, path, contents if body is None else {**asked, **body})
    heard = hear(sdk, reply, True)
    assert heard.error and not heard.clean and heard.text


def test_without_its_last_marker_a_stream_is_whole(gateway):
    """`message-end` says it all."""
    for sdk in [*CALLERS, "cohere"]:
        said = client_of(sdk, gateway.url).ask("cohere/m@no-done", "hello", True)
        assert said.finish == STOP and said.text


def test_nothing_and_refusals(gateway):
    with pytest.raises(ApiError) as raised:
        Cohere(gateway.url).ask("cohere/m@empty", "hello")
    assert raised.value.status_code == 502, "which the SDK has no name for"
    for sdk, word in (("openai", "content_filter"), ("anthropic", "refusal"), ("gemini", "SAFETY")):
        for stream in (False, True):
            assert client_of(sdk, gateway.url).ask("cohere/m@refusal", "hello", stream).finish == word
    for vendor in ALL:
        assert Cohere(gateway.url).ask(f"{vendor}/m@refusal", "hello").finish == "ERROR_TOXIC"


def test_failover_from_another_dialect(gateway):
    for stream in (False, True):
        for sdk in [*CALLERS, "cohere"]:
            said = client_of(sdk, gateway.url).ask("over", "hello", stream)
            assert said.finish == STOP and said.headers["x-ringmain-target"] == target("cohere")


def test_a_caller_who_hangs_up(sim, gateway):
    sim.forget()
    connection = connect(gateway.url)
    body = {"model": "cohere/m@drip=50ms", "messages": [{"role": "user", "content": "hello"}], "stream": True}
    connection.request("POST", "/v2/chat", json.dumps(body), {"content-type": "application/json"})
    assert connection.getresponse().read(40)
    hang_up(connection)
    left = time.monotonic()
    poll(lambda: sim.received("cohere")[-1]["ended"] not in ("open", "completed"), "the provider is left too")
    assert time.monotonic() - left < 1.5


# --- the same dialect ---


def test_same_dialect_is_the_same_bytes(sim, gateway):
    """There and back: what Ringmain does not know goes along, the marker at the end of a stream too."""
    body = (
        '{"model": "cohere/' + MODEL + '",  "safety_mode": "OFF", "citation_options":{"mode":"FAST"},\n "stream": true,'
        ' "documents": [{"id":"d", "data":{"n":1.50}}], "messages": [{"role":"user","content":"h\\u0069"}]}'
    )
    sim.forget()
    reply = send(gateway.url, "/v2/chat", body.encode())
    assert reply.status == 200, reply.body
    [entry] = sim.received("cohere")
    assert entry["body"] == body.replace("cohere/command", "command")
    names = [event for event, _ in sse(reply.body)]
    assert names[0] == "message-start" and names[-2:] == ["message-end", None]
    assert reply.body.endswith(b"data: [DONE]\n\n")


def test_what_others_ask_for_is_said_in_cohere(sim, gateway):
    """Cohere refuses fields it does not know: nothing foreign may slip through, and what is lost is named."""
    client: openai.OpenAI = client_of("openai", gateway.url).client
    answer = client.chat.completions.with_raw_response.create(
        model=target("cohere"),
        messages=[{"role": "developer", "content": "be brief"}, {"role": "user", "content": "hello", "name": "ada"}],
        logit_bias={"1": 2},
        top_p=1,
        temperature=1.5,
        stop=["x"],
        seed=3,
        user="u",
        n=1,
        parallel_tool_calls=True,
        tools=[{"type": "function", "function": {"name": "f", "strict": True, "parameters": SCHEMA}}],
    )
    lost = set(answer.headers["x-ringmain-loss"].split(","))
    assert lost == {"messages[1].name", "temperature", "top_p", "user", "logit_bias"}
    body = json.loads(sim.received("cohere")[-1]["body"])
    assert (body["p"], body["temperature"], body["strict_tools"]) == (0.99, 1.0, True)
    assert body["messages"][0] == {"role": "system", "content": "be brief"}


def test_documents_reach_other_vendors(sim, gateway):
    """What Cohere keeps beside the conversation is before the question elsewhere."""
    for vendor in MODELS:
        answer = Cohere(gateway.url).client.chat(
            model=target(vendor),
            messages=[{"role": "user", "content": "who made it?"}],
            documents=[{"id": "d1", "data": {"title": "facts", "text": "made by Matz"}}],
        )
        assert answer.finish_reason == "COMPLETE"
        sent = sim.received(vendor)[-1]["body"]
        assert "made by Matz" in sent or base64.b64encode(b"made by Matz").decode() in sent, vendor


def test_the_list_of_models(gateway):
    names = [model.name for model in cohere.Client(api_key="k", base_url=gateway.url).models.list().models]
    assert "smart" in names and target("cohere") in names


def test_rerank_and_embed(sim, gateway):
    client = Cohere(gateway.url).client
    documents = ["Paris is in France", "Ruby is a language"]
    ranked = client.rerank(model="cohere/rerank-v3.5", query="ruby language", documents=documents, top_n=1)
    assert [result.index for result in ranked.results] == [1]
    assert json.loads(sim.received("cohere")[-1]["body"])["model"] == "rerank-v3.5"
    vectors = client.embed(
        model="cohere/embed-v4.0", texts=documents, input_type="search_document", embedding_types=["float"]
    )
    assert len(vectors.embeddings.float_) == 2
    plain = client_of("openai", gateway.url).client.embeddings.create(model="cohere/embed-v4.0", input=documents)
    assert len(plain.data) == 2
    with pytest.raises(cohere.errors.NotFoundError):
        client.rerank(model="cohere/m@model-not-found", query="x", documents=documents)
    # Another vendor's vectors, in the words of Cohere's callers.
    theirs = client.embed(
        model="openai/text-embedding-3-small", texts=documents, input_type="search_document", embedding_types=["float"]
    )
    plain = client_of("openai", gateway.url).client.embeddings.create(
        model="openai/text-embedding-3-small", input=documents, encoding_format="float"
    )
    assert theirs.embeddings.float_ == [item.embedding for item in plain.data]
    assert theirs.meta.billed_units.input_tokens == plain.usage.prompt_tokens and theirs.texts == documents

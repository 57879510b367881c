"""OpenAI's Responses API: its SDK as the caller of every vendor, and every SDK as the caller of a provider that speaks
it."""

import base64
import functools
import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import openai
import pytest
from sdks import KEY, LENGTH, STOP, TOOLS, Caller, Said, caller
from support import FAST, MODELS, connect, hang_up, poll, provider, route, send, serving, sse
from test_dialects import CASES, TOOLS_OFFERED
from test_errors import FAULTS

# The API refuses limits this small; what becomes of them is a test of its own.
CASES = {name: case for name, case in CASES.items() if name != "token limit"}
BOTH = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])


class Responses(Caller):
    name = "openai"
    errors = openai

    def _client(self, url):
        return openai.OpenAI(api_key=KEY, base_url=f"{url}/v1", http_client=self.http, max_retries=0)

    @staticmethod
    def _input(turns):
        items = []
        for turn in turns:
            kind = turn[0]
            if kind == "items":
                items += turn[1]
            elif kind == "call":
                arguments = json.dumps(turn[3])
                items.append({"type": "function_call", "call_id": turn[1], "name": turn[2], "arguments": arguments})
            elif kind == "result":
                items.append({"type": "function_call_output", "call_id": turn[1], "output": turn[3]})
            elif len(turn) == 3:
                url = "data:image/png;base64," + base64.b64encode(turn[2]).decode()
                image = {"type": "input_image", "image_url": url, "detail": "auto"}
                items.append({"role": kind, "content": [{"type": "input_text", "text": turn[1]}, image]})
            else:
                items.append({"role": kind, "content": turn[1]})
        return items

    def _ask(
        self,
        model,
        turns,
        stream,
        system=None,
        tools=None,
        tool_choice=None,
        schema=None,
        max_tokens=None,
        reasoning=False,
        **more,
    ):
        more |= {"model": model, "input": self._input(turns), "store": False}
        if system:
            more["instructions"] = system
        if tools:
            more["tools"] = [
                {"type": "function", "name": n, "description": d, "parameters": p, "strict": False} for n, d, p in tools
            ]
        if tool_choice:
            named = {"type": "function", "name": tool_choice}
            more["tool_choice"] = {"any": "required", "none": "none", "auto": "auto"}.get(tool_choice, named)
        if schema:
            more["text"] = {"format": {"type": "json_schema", "name": "answer", "schema": schema, "strict": True}}
        if max_tokens:
            more["max_output_tokens"] = max_tokens
        if reasoning:
            more |= {"reasoning": {"effort": "medium", "summary": "auto"}, "include": ["reasoning.encrypted_content"]}
        if not stream:
            return self._said(self.client.responses.create(**more))
        with self.client.responses.stream(**more) as events:
            seen = list(events)
        self.numbers = [event.sequence_number for event in seen]
        ends = [event for event in seen if event.type in ("response.completed", "response.incomplete")]
        assert len(ends) == 1 and ends[0] is seen[-1], [event.type for event in seen]
        return self._said(ends[0].response)

    def _said(self, answer):
        calls = [item for item in answer.output if item.type == "function_call"]
        thoughts = [item for item in answer.output if item.type == "reasoning"]
        if answer.status == "completed":
            finish = TOOLS if calls else STOP
        else:
            reason = answer.incomplete_details.reason
            finish = {"max_output_tokens": LENGTH}.get(reason, reason)
        return Said(
            text=answer.output_text,
            reasoning="".join(part.text for item in thoughts for part in item.summary),
            calls=[(call.name, json.loads(call.arguments)) for call in calls],
            finish=finish,
            model=answer.model,
            input=answer.usage and answer.usage.input_tokens,
            output=answer.usage and answer.usage.output_tokens,
            reasoning_tokens=answer.usage and answer.usage.output_tokens_details.reasoning_tokens,
            raw=answer,
        )


SPEC = Path(__file__).parents[3] / "shared/specs/openai/openapi.json"


@functools.cache
def validator(name: str):
    """A schema of OpenAI's own specification. Its alternatives overlap, so one that fits is enough."""
    jsonschema = pytest.importorskip("jsonschema")
    if not SPEC.exists():
        pytest.skip(f"no specification at {SPEC}")
    text = SPEC.read_text().replace('"oneOf"', '"anyOf"')
    schema = {"$ref": f"#/components/schemas/{name}", "components": json.loads(text)["components"]}
    return jsonschema.Draft202012Validator(schema)


def check_spec(name: str, value) -> None:
    problems = [f"{list(error.absolute_path)}: {error.message[:300]}" for error in validator(name).iter_errors(value)]
    assert not problems, problems[:3]


@functools.cache
def responses(url: str) -> Responses:
    return Responses(url)


@pytest.fixture(scope="module")
def sim(shared_provider_sims):
    return shared_provider_sims()


@pytest.fixture(scope="module")
def partial():
    """A server that is compatible in part: chat, and nothing at /responses."""
    asked = []

    class Server(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            asked.append(self.path)
            found = self.path.endswith("/chat/completions")
            message = {"role": "assistant", "content": "from chat"}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
            chat = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
            body = json.dumps(chat if found else {"detail": "Not Found"}).encode()
            self.send_response(200 if found else 404)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with serving(Server, asked=asked) as server:
        yield server


@pytest.fixture(scope="module")
def gateway(shared_ringmains, sim, partial):
    providers = {vendor: provider(sim, vendor, vendor) for vendor in MODELS}
    # Asked in this dialect alone, by callers of whichever.
    providers["items"] = provider(sim, "items", "openai-compatible", dialect="openai-responses")
    base = f"http://127.0.0.1:{partial.server_address[1]}/v1"
    providers["partial"] = {"kind": "openai-compatible", "base_url": base, "keys": ["sk-test"]}
    for fault in FAULTS:
        for kind in ("openai", "anthropic"):
            label = f"{fault.split('=')[0]}-{kind}"
            sim.behave(label, fault=fault)
            providers[label] = provider(sim, label, kind)
    routes = [route("fallback", "openai/gpt-4o@server-error", "anthropic/claude-sonnet-4-6")]
    breaker = {"failures": 1000, "error_rate": "100%"}
    timeouts = {**FAST["timeouts"], "total": "3s", "idle": "1s"}
    settings = {**FAST, "breaker": breaker, "timeouts": timeouts}
    return shared_ringmains({"providers": providers, "routes": routes, "defaults": settings})


@pytest.fixture
def client(gateway):
    return responses(gateway.url)


@BOTH
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("vendor", MODELS)
def test_the_answer_is_the_vendors(sim, client, vendor, case, stream):
    """Into every vendor: what comes back is what OpenAI itself would have said here."""
    turns, wish, _ = CASES[case]
    own = responses(f"{sim.url}/p/openai").ask(MODELS["openai"], turns, stream, **wish)
    said = client.ask(f"{vendor}/{MODELS[vendor]}", turns, stream, **wish)
    assert said.essence() == own.essence()
    assert said.model == MODELS[vendor]
    assert said.headers["x-ringmain-target"] == f"{vendor}/{MODELS[vendor]}"
    assert said.headers["x-ringmain-attempts"] == "1"
    if stream:
        assert client.numbers == list(range(len(client.numbers)))


@BOTH
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("sdk", MODELS)
def test_every_sdk_may_ask_a_provider_of_it(sim, gateway, sdk, case, stream):
    turns, wish, _ = CASES[case]
    own = caller(sdk, f"{sim.url}/p/{sdk}").ask(MODELS[sdk], turns, stream, **wish)
    sim.forget()
    said = caller(sdk, gateway.url).ask("items/some-model", turns, stream, **wish)
    [entry] = sim.received("items")
    assert entry["path"].endswith("/v1/responses") and entry["stream"] == stream
    assert json.loads(entry["body"])["store"] is False, "nobody agreed to have it kept"
    assert said.essence() == own.essence()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("sdk", MODELS)
def test_requests_are_what_the_specification_says(sim, gateway, sdk, case):
    turns, wish, _ = CASES[case]
    sim.forget()
    caller(sdk, gateway.url).ask("items/some-model", turns, reasoning=True, **wish)
    check_spec("CreateResponse", json.loads(sim.received("items")[0]["body"]))


@pytest.mark.parametrize("case", ["hello", "parallel tools", "schema"])
@pytest.mark.parametrize("vendor", ["anthropic", "gemini"])
def test_answers_are_what_the_specification_says(gateway, vendor, case):
    turns, wish, _ = CASES[case]
    tools = [{"type": "function", "name": n, "parameters": p, "strict": False} for n, _, p in wish.get("tools", [])]
    body = {"model": f"{vendor}/{MODELS[vendor]}", "input": turns, "tools": tools, "reasoning": {"effort": "low"}}
    check_spec("Response", send(gateway.url, "/v1/responses", body).json())
    reply = send(gateway.url, "/v1/responses", {**body, "stream": True})
    for _, data in sse(reply.body):
        check_spec("ResponseStreamEvent", json.loads(data))


@BOTH
def test_token_limits(client, gateway, stream):
    for vendor in ("anthropic", "gemini"):
        said = client.ask(f"{vendor}/{MODELS[vendor]}", stream=stream, max_tokens=5)
        assert (said.finish, said.output, said.raw.status) == (LENGTH, 5, "incomplete")
    with pytest.raises(openai.BadRequestError, match="max_output_tokens"):
        client.ask("openai/gpt-4o", stream=stream, max_tokens=5)
    # A caller of another dialect does not know that rule: the least there is, and the loss is told.
    said = caller("anthropic", gateway.url).ask("items/some-model", stream=stream, max_tokens=5)
    assert (said.output, said.headers["x-ringmain-loss"]) == (16, "max_tokens")


@BOTH
@pytest.mark.parametrize(("vendor", "model"), [("openai", "gpt-5.6"), ("anthropic", "claude-sonnet-4-6"), ("gemini", "gemini-2.5-flash-lite")])
def test_reasoning(client, vendor, model, stream):
    said = client.ask(f"{vendor}/{model}", "think", stream, reasoning=True)
    assert said.reasoning == "r0 7cb9f769 r2 r3 r4 r5 r6 r7"
    assert said.output == 16 + 8 and said.finish == STOP
    if vendor != "anthropic":
        assert said.reasoning_tokens == 8


@BOTH
def test_thinking_comes_back_to_its_model_and_to_no_other(sim, client, stream):
    """Signed thinking survives a turn through this dialect; a provider of this dialect is not shown it."""
    said = client.ask("anthropic/claude-sonnet-4-6", "call: in Paris", stream, tools=TOOLS_OFFERED, reasoning=True)
    output = [item.model_dump(exclude_none=True) for item in said.raw.output]
    call = next(item for item in output if item["type"] == "function_call")
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "fine"}
    turns = [("user", "call: in Paris"), ("items", [*output, result])]
    sim.forget()
    again = client.ask("anthropic/claude-sonnet-4-6", turns, stream, tools=TOOLS_OFFERED, reasoning=True)
    [entry] = sim.received("anthropic")
    blocks = json.loads(entry["body"])["messages"][1]["content"]
    assert [block["type"] for block in blocks] == ["thinking", "tool_use"]
    assert blocks[0]["signature"] == "EqkBCkgIChABGAIqQSIMc2ltdWxhdGVk"
    assert again.finish == STOP
    other = client.ask("openai/gpt-5.6", turns, stream, tools=TOOLS_OFFERED)
    assert other.finish == STOP and other.text == again.text
    assert "ringmain" not in sim.received("openai")[-1]["body"]


@BOTH
def test_a_failing_provider_of_it_is_followed_by_one_of_another_dialect(client, stream):
    said = client.ask("fallback", stream=stream)
    assert said.finish == STOP and said.text
    assert said.headers["x-ringmain-target"] == "anthropic/claude-sonnet-4-6"


@BOTH
@pytest.mark.parametrize("kind", ["openai", "anthropic"])
@pytest.mark.parametrize("fault", FAULTS)
def test_the_sdk_raises_its_own_exception(client, fault, kind, stream):
    status, name, *_ = FAULTS[fault]
    with pytest.raises(getattr(openai, name)) as raised:
        client.ask(f"{fault.split('=')[0]}-{kind}/model-{stream}", "hello", stream)
    assert raised.value.status_code in (status if isinstance(status, tuple) else (status,))
    assert client.headers["x-ringmain-request-id"]


@pytest.mark.parametrize("fault", ["cut=3", "error-event=3:overloaded", "stall=3"])
@pytest.mark.parametrize(("vendor", "model"), MODELS.items())
def test_a_broken_stream_never_looks_whole(gateway, vendor, model, fault):
    """After content: the pieces so far, the error that the SDK raises on, `response.failed`, and nothing after it."""
    body = {"model": f"{vendor}/{model}@{fault}", "input": "hello", "stream": True}
    reply = send(gateway.url, "/v1/responses", body)
    events = [(name, json.loads(data)) for name, data in sse(reply.body)]
    names = [name for name, _ in events]
    assert "response.output_text.delta" in names
    assert names[-2:] == ["error", "response.failed"], names
    assert not {"response.completed", "response.incomplete"} & set(names)
    assert [event["sequence_number"] for _, event in events] == list(range(len(events)))
    assert events[-1][1]["response"]["status"] == "failed" and events[-1][1]["response"]["error"]["message"]
    with pytest.raises(openai.APIError):
        responses(gateway.url).ask(body["model"], stream=True)


@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
def test_a_caller_who_hangs_up(sim, gateway, vendor):
    sim.forget()
    connection = connect(gateway.url)
    body = {"model": f"{vendor}/{MODELS[vendor]}@drip=200ms", "input": "hello", "stream": True}
    connection.request("POST", "/v1/responses", json.dumps(body), {"content-type": "application/json"})
    connection.getresponse().read(10)
    hang_up(connection)
    gone = lambda: [entry["ended"] for entry in sim.received(vendor)] not in ([], ["open"])
    poll(gone, "the provider's end of the connection closed", within=3)


def test_same_dialect_is_the_same_bytes(sim, gateway):
    body = '{"model": "openai/gpt-4o",  "x_new": [1.50, {"a":null}],\n "tools": [{"type":"web_search"}], "input": "h\\u0069"}'
    sim.forget()
    reply = send(gateway.url, "/v1/responses", body.encode())
    assert reply.status == 200, reply.body
    [entry] = sim.received("openai")
    assert entry["body"] == body.replace("openai/gpt", "gpt")
    assert reply.mine("loss") is None


def test_what_the_provider_remembers_is_asked_of_nobody_else(sim, gateway, client):
    sim.forget()
    for more in ({"previous_response_id": "resp_1"}, {"conversation": "conv_1"}):
        with pytest.raises(openai.BadRequestError, match=next(iter(more))):
            client.client.responses.create(model="anthropic/claude-sonnet-4-6", input="hi", **more)
    assert sim.received() == []
    with pytest.raises(openai.BadRequestError, match="not found"):
        client.client.responses.create(model="openai/gpt-4o", input="hi", previous_response_id="resp_1")
    [entry] = sim.received("openai")
    assert "resp_1" in entry["body"]


def test_losses_are_named(gateway):
    body = {"model": "anthropic/claude-sonnet-4-6", "input": "hi", "tools": [{"type": "web_search"}], "truncation": "auto"}
    reply = send(gateway.url, "/v1/responses", body)
    assert reply.status == 200
    assert set(reply.mine("loss").split(",")) == {"tools[0]", "truncation"}


def test_parsed_answers(gateway, client):
    from pydantic import BaseModel

    class Weather(BaseModel):
        city: str
        degrees: int

    for vendor, model in MODELS.items():
        parsed = client.client.responses.parse(model=f"{vendor}/{model}", input="hello", text_format=Weather)
        assert isinstance(parsed.output_parsed, Weather), vendor


def test_a_server_without_it_is_asked_in_chat(partial, client):
    """The first request finds out; it is served, and so are the others, at once."""
    for _ in range(2):
        said = client.ask("partial/m")
        assert (said.text, said.finish, said.headers["x-ringmain-attempts"]) == ("from chat", STOP, "1")
    assert partial.asked == ["/v1/responses", "/v1/chat/completions", "/v1/chat/completions"]

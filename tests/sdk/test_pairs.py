"""Every SDK against every dialect, where no other file has the pair: what comes back is what the SDK's own vendor would
have said, errors are its own exceptions, and structured answers are parsed by its own helpers."""

import json

import bedrock
import pytest
from pydantic import BaseModel
from sdk_cohere import Cohere
from sdks import STOP, caller
from support import FAST, MODELS, provider
from test_dialects import CASES, TOOLS_OFFERED
from test_responses import Responses

ALL = {**MODELS, "bedrock": bedrock.MODEL, "cohere": "command-a-plus-05-2026", "items": "some-model"}
CLIENTS = ("openai", "responses", "anthropic", "gemini", "cohere", "bedrock")
# The vendor whose SDK a client is.
HOME = {"responses": "openai"}
BOTH = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
FAULTS = {"bad-request": 400, "unprocessable": 422, "model-not-found": 404, "rate-limit=60": 429, "server-error": 500}
_clients = {}


def client_of(name, url):
    kinds = {"responses": Responses, "cohere": Cohere, "bedrock": bedrock.Bedrock}
    if name not in kinds:
        return caller(name, url)
    if (name, url) not in _clients:
        _clients[name, url] = kinds[name](url)
    return _clients[name, url]


def target(vendor):
    return f"{vendor}/{ALL[vendor]}"


@pytest.fixture(scope="module")
def sim(shared_provider_sims):
    return shared_provider_sims()


def offered(sim, label, vendor):
    kind = {"items": "openai-compatible"}.get(vendor, vendor)
    more = {"dialect": "openai-responses"} if vendor == "items" else {}
    return provider(sim, label, kind, **more)


@pytest.fixture(scope="module")
def gateway(shared_ringmains, sim):
    providers = {vendor: offered(sim, vendor, vendor) for vendor in ALL}
    for fault in FAULTS:
        for vendor in ALL:
            label = f"{fault.split('=')[0]}-{vendor}"
            sim.behave(label, fault=fault)
            providers[label] = offered(sim, label, vendor)
    breaker = {"failures": 1000, "error_rate": "100%"}
    settings = {**FAST, "breaker": breaker, "retries": {"attempts": 1}}
    return shared_ringmains({"providers": providers, "defaults": settings})


@pytest.fixture(scope="module")
def own(sim):
    """What the client's own vendor says, asked without a gateway, once for each case."""
    known = {}

    def ask(client, case, stream):
        key = (client, case, stream)
        if key not in known:
            turns, wish, _ = CASES[case]
            home = HOME.get(client, client)
            known[key] = client_of(client, f"{sim.url}/p/{home}").ask(ALL[home], turns, stream, **wish)
        return known[key]

    return ask


PAIRS = [
    ("cohere", "bedrock"),
    ("cohere", "items"),
    ("bedrock", "cohere"),
    ("bedrock", "items"),
    ("responses", "cohere"),
    ("responses", "bedrock"),
]


def fits(case, *dialects):
    # The Responses API refuses limits this small; test_responses.py says what becomes of them.
    return case != "token limit" or not {"responses", "items"} & set(dialects)


ROWS = [(client, vendor, case) for client, vendor in PAIRS for case in CASES if fits(case, client, vendor)]


@BOTH
@pytest.mark.parametrize(("client", "vendor", "case"), ROWS, ids=[f"{c}-to-{v}-{case}" for c, v, case in ROWS])
def test_the_answer_is_the_vendors(sim, gateway, own, client, vendor, case, stream):
    turns, wish, more = CASES[case]
    sim.forget()
    said = client_of(client, gateway.url).ask(target(vendor), turns, stream, **wish)
    [entry] = sim.received(vendor)
    assert said.essence() == own(client, case, stream).essence()
    assert said.finish == more.get("finish", said.finish)
    assert said.text.endswith(more.get("ends", ""))
    if "calls" in more:
        assert [name for name, _ in said.calls] == more["calls"]
    assert entry["stream"] == stream
    assert said.headers["x-ringmain-target"] == target(vendor)
    assert said.headers["x-ringmain-attempts"] == "1"


def call_ids(client, said):
    if client == "cohere":
        return [call.id for call in said.raw.message.tool_calls]
    if client == "responses":
        return [item.call_id for item in said.raw.output if item.type == "function_call"]
    return [block["toolUse"]["toolUseId"] for block in said.raw["output"]["message"]["content"] if "toolUse" in block]


@pytest.mark.parametrize(("client", "vendor"), PAIRS, ids=[f"{c}-to-{v}" for c, v in PAIRS])
def test_calls_in_a_circle(gateway, client, vendor):
    """The ids and names that come back can be sent again with the results."""
    asks = client_of(client, gateway.url)
    said = asks.ask(target(vendor), "call:2 in Paris", tools=TOOLS_OFFERED)
    ids = call_ids(client, said)
    assert len(set(ids)) == 2 and all(ids)
    calls = [("call", id, name, arguments) for id, (name, arguments) in zip(ids, said.calls, strict=True)]
    results = [("result", id, name, "fine") for id, (name, _) in zip(ids, said.calls, strict=True)]
    for stream in (False, True):
        again = asks.ask(target(vendor), [("user", "call:2 in Paris"), *calls, *results], stream, tools=TOOLS_OFFERED)
        assert (again.finish, again.calls) == (STOP, []) and again.text


@BOTH
@pytest.mark.parametrize("vendor", [vendor for vendor in ALL if vendor != "openai"])
def test_functions_of_old_are_called_in_their_own_form(gateway, vendor, stream):
    """Callers from before there were tools read `function_call`, and send its result under the function's name."""
    client = caller("openai", gateway.url).client
    functions = [{"name": name, "description": about, "parameters": schema} for name, about, schema in TOOLS_OFFERED]
    asked = {"model": target(vendor), "functions": functions, "function_call": {"name": "get_time"}}
    messages = [{"role": "user", "content": "hello"}]
    answer = client.chat.completions.create(messages=messages, stream=stream, **asked)
    if stream:
        choices = [chunk.choices[0] for chunk in answer if chunk.choices]
        [call] = [choice.delta.function_call for choice in choices if choice.delta.function_call]
        assert not any(choice.delta.tool_calls for choice in choices)
        reason = choices[-1].finish_reason
    else:
        [choice] = answer.choices
        call, reason = choice.message.function_call, choice.finish_reason
        assert not choice.message.tool_calls
    assert (call.name, reason) == ("get_time", "function_call")
    assert isinstance(json.loads(call.arguments), dict)
    messages.append({"role": "assistant", "content": None, "function_call": call.model_dump()})
    messages.append({"role": "function", "name": call.name, "content": "noon"})
    again = client.chat.completions.create(messages=messages, model=target(vendor), functions=functions).choices[0]
    assert (again.finish_reason, again.message.function_call) == ("stop", None) and again.message.content


# --- errors ---


def status_of(error) -> int:
    if hasattr(error, "response") and isinstance(error.response, dict):
        return error.response["ResponseMetadata"]["HTTPStatusCode"]
    return getattr(error, "status_code", None) or error.code


# The exception's name where the SDK has one for the status.
NAMES = {
    "openai": {400: "BadRequestError", 404: "NotFoundError", 422: "UnprocessableEntityError", 429: "RateLimitError", 500: "InternalServerError"},
    "cohere": {400: "BadRequestError", 404: "NotFoundError", 422: "UnprocessableEntityError", 429: "TooManyRequestsError", 500: "InternalServerError"},
    "gemini": {400: "ClientError", 404: "ClientError", 422: "ClientError", 429: "ClientError", 500: "ServerError"},
    "bedrock": {400: "ValidationException", 404: "ResourceNotFoundException", 422: "ValidationException", 429: "ThrottlingException", 500: "InternalServerException"},
}
NAMES["responses"] = NAMES["anthropic"] = NAMES["openai"]
FAILING = [(client, vendor) for client in CLIENTS for vendor in ("bedrock", "cohere", "items")]


@pytest.mark.parametrize(("client", "vendor"), FAILING, ids=[f"{c}-to-{v}" for c, v in FAILING])
@pytest.mark.parametrize("fault", FAULTS)
def test_the_sdk_raises_its_own_exception(gateway, fault, client, vendor):
    status = FAULTS[fault]
    # A model that is missing is not asked for twice.
    model = f"{fault.split('=')[0]}-{vendor}/model-{client}"
    with pytest.raises(Exception) as raised:
        client_of(client, gateway.url).ask(model)
    assert type(raised.value).__name__ == NAMES[client][status], raised.value
    # Bedrock itself has no such status; where it is the provider, its word is passed on.
    translated = client == "bedrock" and vendor != "bedrock"
    assert status_of(raised.value) == (400 if translated and status == 422 else status)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("vendor", ["openai", "anthropic", "bedrock"])
def test_an_error_can_be_asked_about(gateway, client, vendor):
    """Where the SDK looks for a name of the request, there is one, and the gateway knows it or the provider does."""
    with pytest.raises(Exception) as raised:
        client_of(client, gateway.url).ask(f"{vendor}/{ALL[vendor]}@bad-request")
    error = raised.value
    if client in ("openai", "responses", "anthropic"):
        assert error.request_id
    elif client == "bedrock":
        assert error.response["ResponseMetadata"]["RequestId"]
    elif client == "cohere":
        assert error.body["id"]
    else:
        assert error.response.headers["x-ringmain-request-id"]


@pytest.mark.parametrize("vendor", ALL)
def test_an_answer_can_be_asked_about(gateway, vendor):
    hello = [{"role": "user", "content": "hello"}]
    openai = caller("openai", gateway.url).client
    assert openai.chat.completions.create(model=target(vendor), messages=hello)._request_id
    assert openai.responses.create(model=target(vendor), input="hello")._request_id
    anthropic = caller("anthropic", gateway.url).client
    assert anthropic.messages.create(model=target(vendor), messages=hello, max_tokens=99)._request_id
    said = client_of("bedrock", gateway.url).ask(target(vendor))
    assert said.raw["ResponseMetadata"]["RequestId"]


# --- structured answers, as each SDK reads them ---


class Place(BaseModel):
    name: str
    inhabitants: int


class Weather(BaseModel):
    city: Place
    degrees: list[float]
    windy: bool


@pytest.mark.parametrize("vendor", ALL)
@pytest.mark.parametrize("client", CLIENTS)
def test_a_nested_model_is_parsed(gateway, client, vendor):
    hello = [{"role": "user", "content": "hello"}]
    sdk = client_of(client, gateway.url).client
    if client == "openai":
        answer = sdk.chat.completions.parse(model=target(vendor), messages=hello, response_format=Weather)
        parsed = answer.choices[0].message.parsed
    elif client == "responses":
        parsed = sdk.responses.parse(model=target(vendor), input="hello", text_format=Weather).output_parsed
    elif client == "anthropic":
        parsed = sdk.messages.parse(model=target(vendor), messages=hello, max_tokens=999, output_format=Weather).parsed_output
    elif client == "gemini":
        config = {"response_mime_type": "application/json", "response_schema": Weather}
        parsed = sdk.models.generate_content(model=target(vendor), contents="hello", config=config).parsed
    else:
        said = client_of(client, gateway.url).ask(target(vendor), schema=Weather.model_json_schema())
        parsed = Weather.model_validate_json(said.text)
    assert isinstance(parsed, Weather) and parsed.city.name, parsed


# --- documents ---

PDF = b"%PDF-1.4 a small document %%EOF"


@pytest.mark.parametrize("vendor", ["openai", "anthropic", "gemini", "bedrock", "items"])
@pytest.mark.parametrize("client", ["openai", "responses", "anthropic", "gemini", "bedrock"])
def test_a_document_arrives(sim, gateway, client, vendor):
    """Its bytes are in what the provider is sent, whichever way its dialect wraps them."""
    from base64 import b64encode

    data = b64encode(PDF).decode()
    url = f"data:application/pdf;base64,{data}"
    sdk = client_of(client, gateway.url).client
    sim.forget()
    if client == "openai":
        parts = [{"type": "text", "text": "hi"}, {"type": "file", "file": {"filename": "a.pdf", "file_data": url}}]
        sdk.chat.completions.create(model=target(vendor), messages=[{"role": "user", "content": parts}])
    elif client == "responses":
        parts = [{"type": "input_text", "text": "hi"}, {"type": "input_file", "filename": "a.pdf", "file_data": url}]
        sdk.responses.create(model=target(vendor), input=[{"role": "user", "content": parts}])
    elif client == "anthropic":
        source = {"type": "base64", "media_type": "application/pdf", "data": data}
        parts = [{"type": "document", "source": source}, {"type": "text", "text": "hi"}]
        sdk.messages.create(model=target(vendor), max_tokens=99, messages=[{"role": "user", "content": parts}])
    elif client == "gemini":
        from google.genai import types

        part = types.Part.from_bytes(data=PDF, mime_type="application/pdf")
        sdk.models.generate_content(model=target(vendor), contents=["hi", part])
    else:
        document = {"document": {"format": "pdf", "name": "a", "source": {"bytes": PDF}}}
        content = [{"text": "hi"}, document]
        sdk.converse(modelId=target(vendor), messages=[{"role": "user", "content": content}])
    [entry] = sim.received(vendor)
    body = json.loads(entry["body"])
    assert data in json.dumps(body), body

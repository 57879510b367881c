"""Counting tokens: each dialect that can ask, to each provider, and what is said where none can count."""

import json
from http.server import BaseHTTPRequestHandler

import openai
import pytest
from bedrock import client as boto_client
from sdks import KEY, caller
from support import FAST, poll, provider, route, send, serving

COUNTERS = ("anthropic", "gemini", "responses", "bedrock")
MODELS = {
    "anthropic": "anthropic/claude-sonnet-4-6",
    "gemini": "gemini/gemini-2.5-flash-lite",
    "responses": "openai/gpt-4o",
    "bedrock": "bedrock/us.anthropic.claude-sonnet-4-6",
}
# Where the request to count of each vendor goes.
PATHS = {
    "anthropic": "/v1/messages/count_tokens",
    "gemini": "/v1beta/models/gemini-2.5-flash-lite:countTokens",
    "responses": "/v1/responses/input_tokens",
    "bedrock": "/model/anthropic.claude-sonnet-4-6/count-tokens",
}


@pytest.fixture(scope="module")
def sim(shared_provider_sims):
    return shared_provider_sims()


@pytest.fixture(scope="module")
def gateway(shared_ringmains, sim):
    providers = {name: provider(sim, name, name) for name in ("openai", "anthropic", "gemini", "groq", "cohere")}
    providers["bedrock"] = provider(sim, "bedrock", "bedrock", region="us-east-1")
    providers["broken"] = provider(sim, "broken", "anthropic")
    providers["strict"] = provider(sim, "strict", "groq")
    routes = [
        route("over", "broken/claude-sonnet-4-6", "anthropic/claude-sonnet-4-6"),
        route("lossless", "strict/llama-3.3-70b-versatile", on_loss="reject"),
        {"name": "text", "match": {"operation": "chat", "model": "mine-*"}, "targets": ["anthropic/claude-sonnet-4-6"]},
    ]
    return shared_ringmains({"providers": providers, "routes": routes, "defaults": FAST})


def count(gateway, sdk: str, model: str, text: str = "hello there, how are you?") -> int:
    """As the vendor's own SDK asks."""
    if sdk == "anthropic":
        messages = [{"role": "user", "content": text}]
        asked = caller("anthropic", gateway.url).client.messages.count_tokens
        return asked(model=model, messages=messages, system="be kind").input_tokens
    if sdk == "gemini":
        return caller("gemini", gateway.url).client.models.count_tokens(model=model, contents=text).total_tokens
    if sdk == "responses":
        client = openai.OpenAI(api_key=KEY, base_url=f"{gateway.url}/v1", max_retries=0)
        return client.responses.input_tokens.count(model=model, input=text, instructions="be kind").input_tokens
    converse = {"messages": [{"role": "user", "content": [{"text": text}]}], "system": [{"text": "be kind"}]}
    return boto_client(gateway.url).count_tokens(modelId=model, input={"converse": converse})["inputTokens"]


@pytest.mark.parametrize("vendor", COUNTERS)
@pytest.mark.parametrize("sdk", COUNTERS)
def test_every_sdk_is_told_the_providers_own_count(sim, gateway, sdk, vendor):
    sim.forget()
    told = count(gateway, sdk, MODELS[vendor])
    [asked] = sim.received()
    assert asked["path"].endswith(PATHS[vendor]), asked["path"]
    # The simulator counts a token for every four bytes of the conversation it was sent.
    assert 3 <= told <= 60
    body = json.loads(asked["body"])
    assert "max_tokens" not in body and "stream" not in body


@pytest.mark.parametrize("vendor", ["groq/llama-3.3-70b-versatile", "cohere/command-a-03-2025"])
@pytest.mark.parametrize("sdk", COUNTERS)
def test_where_the_provider_cannot_count_the_gateway_estimates(sim, gateway, sdk, vendor):
    sim.forget()
    assert 6 <= count(gateway, sdk, vendor) <= 20
    assert sim.received() == [], "nobody is asked"


def ask(gateway, model: str, **headers):
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
    return send(gateway.url, "/v1/messages/count_tokens", body, headers)


def test_an_estimate_says_so(gateway):
    reply = ask(gateway, "groq/llama-3.3-70b-versatile")
    assert (reply.status, reply.mine("loss"), reply.mine("attempts")) == (200, "input_tokens", "0")
    assert reply.mine("target") == "groq/llama-3.3-70b-versatile"
    assert ask(gateway, "anthropic/claude-sonnet-4-6").mine("loss") is None
    refused = ask(gateway, "lossless")
    assert refused.status == 400 and "takes no estimates" in refused.json()["error"]["message"]


def test_a_failure_goes_over_and_blames_nobody(sim, gateway):
    """Counting has limits of its own: what fails there says nothing of chat."""
    sim.behave("broken", fault="overloaded")
    for _ in range(8):
        reply = ask(gateway, "over")
        assert (reply.status, reply.mine("target")) == (200, "anthropic/claude-sonnet-4-6"), reply.body
    sim.heal("broken")
    path, body = "/v1/messages", {"model": "over", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    assert send(gateway.url, path, body).mine("target") == "broken/claude-sonnet-4-6", "its breaker is closed"
    poll(lambda: sim.received("broken"), "a request")


def test_a_route_for_chat_is_for_counting_too(gateway):
    assert ask(gateway, "mine-one").mine("route") == "text"


def test_errors_are_the_callers(gateway):
    reply = send(gateway.url, "/v1/messages/count_tokens", {"model": "anthropic/claude-sonnet-4-6"})
    assert (reply.status, reply.json()["error"]["type"]) == (400, "invalid_request_error")
    reply = send(gateway.url, "/v1beta/models/nobody:countTokens", {"contents": []})
    assert (reply.status, reply.json()["error"]["status"]) == (404, "NOT_FOUND")
    reply = send(gateway.url, "/model/bedrock%2Fm/count-tokens", {"input": 3})
    assert (reply.status, reply.headers["x-amzn-errortype"]) == (400, "ValidationException")


def test_a_server_without_a_way_to_count(start_ringmain):
    """Its kind has one, it has none: the first request finds out, the others are not sent."""
    asked = []

    class Server(BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append(self.path)
            self.rfile.read(int(self.headers["content-length"]))
            self.send_error(404)

        def log_message(self, *_):
            pass

    with serving(Server) as server:
        own = {"kind": "openai", "base_url": f"{server.url}/v1", "keys": ["k"]}
        gateway = start_ringmain({"providers": {"own": own}})
        for attempts in ("1", "0", "0"):
            reply = ask(gateway, "own/gpt-4o")
            assert (reply.status, reply.mine("loss"), reply.mine("attempts")) == (200, "input_tokens", attempts), reply.body
        assert asked == ["/v1/responses/input_tokens"]

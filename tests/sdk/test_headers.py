"""Headers that cross the gateway, in both directions."""

import json

import pytest
from sdks import caller
from support import FAST, poll, prompt, provider, route, send

MODELS = {"openai": "openai/gpt-4o", "anthropic": "anthropic/claude-sonnet-4-6", "groq": "groq/llama-3.3-70b-versatile"}
CLAUDE = "bedrock/anthropic.claude-sonnet-4-6"


@pytest.fixture(scope="module")
def sim(shared_provider_sims):
    return shared_provider_sims()


@pytest.fixture(scope="module")
def gateway(shared_ringmains, sim):
    providers = {name: provider(sim, name, name) for name in ("openai", "anthropic", "gemini", "groq", "openrouter")}
    providers["bedrock"] = provider(sim, "bedrock", "bedrock", region="us-east-1")
    providers["first"] = provider(sim, "first", "openai")
    routes = [
        route("two", "first/gpt-4o", "openai/gpt-4o"),
        route("lossless", "openai/gpt-4o", on_loss="reject"),
    ]
    return shared_ringmains({"providers": providers, "routes": routes, "defaults": FAST})


def ask(gateway, sim, dialect, model, headers=None):
    """The reply, and what each provider was sent: headers with lower-case names, and the body."""
    sim.forget()
    reply = send(gateway.url, *prompt(dialect, model=model), headers)
    received = poll(sim.received, "a request")
    sent = [({name.lower(): value for name, value in entry["headers"]}, json.loads(entry["body"])) for entry in received]
    return reply, sent




@pytest.mark.parametrize(
    "dialect, model, headers, arrives, lost",
    [
        ("anthropic", MODELS["anthropic"], {"anthropic-version": "2023-01-01"}, {"anthropic-version": "2023-01-01"}, None),
        ("anthropic", MODELS["anthropic"], {}, {"anthropic-version": "2023-06-01"}, None),
        ("anthropic", MODELS["anthropic"], {"anthropic-beta": "a-1,b-2"}, {"anthropic-beta": "a-1,b-2"}, None),
        ("anthropic", MODELS["openai"], {"anthropic-beta": "a-1"}, {"anthropic-beta": None}, "anthropic-beta"),
        ("openai", MODELS["anthropic"], {"anthropic-beta": "a-1"}, {"anthropic-beta": None}, None),
        ("openai", MODELS["openai"], {"openai-beta": "x=v1"}, {"openai-beta": "x=v1"}, None),
        ("openai", MODELS["anthropic"], {"openai-beta": "x=v1"}, {"openai-beta": None}, "openai-beta"),
        ("openai", MODELS["openai"], {"openai-organization": "org-1"}, {"openai-organization": "org-1"}, None),
        ("openai", MODELS["groq"], {"openai-organization": "org-1"}, {"openai-organization": None}, None),
        ("openai", "openrouter/openai/gpt-4o-mini", {"x-title": "My app"}, {"x-title": "My app"}, None),
        ("openai", MODELS["openai"], {"x-title": "My app"}, {"x-title": None}, None),
        ("openai", MODELS["openai"], {"x-unknown": "1", "x-stainless-os": "Linux"}, {"x-unknown": None, "x-stainless-os": None}, None),
    ],
)
def test_what_reaches_whom(gateway, sim, dialect, model, headers, arrives, lost):
    reply, [(sent, _)] = ask(gateway, sim, dialect, model, headers)
    assert reply.status == 200, reply.body
    assert {name: sent.get(name) for name in arrives} == arrives
    assert reply.mine("loss") == lost


def test_betas_of_a_claude_at_aws_go_into_the_body(gateway, sim):
    reply, [(sent, body)] = ask(
        gateway, sim, "anthropic", CLAUDE, {"anthropic-beta": "context-1m-2025-08-07, claude-code-20250219"}
    )
    assert reply.status == 200, reply.body
    assert body["additionalModelRequestFields"]["anthropic_beta"] == ["context-1m-2025-08-07"]
    assert "anthropic-beta" not in sent
    assert reply.mine("loss") == "anthropic-beta", "the other is not known there"


def test_betas_through_the_sdk(gateway, sim):
    sim.forget()
    client = caller("anthropic", gateway.url).client
    messages = [{"role": "user", "content": "hello"}]
    client.beta.messages.create(model=MODELS["anthropic"], max_tokens=9, messages=messages, betas=["interleaved-thinking-2025-05-14"])
    [entry] = sim.received()
    names = {name.lower(): value for name, value in entry["headers"]}
    assert names["anthropic-beta"] == "interleaved-thinking-2025-05-14"
    assert not [name for name in names if name.startswith("x-stainless")]


def test_a_lossless_route_refuses_a_beta(gateway):
    reply = send(gateway.url, *prompt("anthropic", model="lossless"), {"anthropic-beta": "a-1"})
    assert reply.status == 400 and "anthropic-beta" in reply.json()["error"]["message"]


def test_an_idempotency_key_is_one_targets(gateway, sim):
    key = {"idempotency-key": "order-7"}
    _, [(alone, _)] = ask(gateway, sim, "openai", MODELS["openai"], key)
    assert alone["idempotency-key"] == "order-7", "nobody else could get it"
    sim.behave("first", fault="fail-first=1:server-error")
    _, sent = ask(gateway, sim, "openai", "two", key)
    sim.heal("first")
    assert len(sent) == 2
    keys = [headers["idempotency-key"] for headers, _ in sent]
    assert keys[0] == keys[1] != "order-7", "a retry at the same target is the same request"
    sim.behave("first", fault="overloaded")
    _, sent = ask(gateway, sim, "openai", "two", key)
    sim.heal("first")
    keys = [headers["idempotency-key"] for headers, _ in sent]
    assert len(set(keys)) == len(keys) == 2 and all(key.startswith("order-7-") for key in keys)


def test_what_the_provider_says_of_its_limits_comes_back_in_its_own_dialect_alone(gateway, sim):
    reply, _ = ask(gateway, sim, "openai", MODELS["openai"])
    assert reply.headers["x-request-id"].startswith("req_") and reply.headers["openai-processing-ms"]
    assert reply.headers["server"] is None and reply.headers["via"] is None
    reply, _ = ask(gateway, sim, "openai", MODELS["anthropic"])
    assert not (reply.headers.get("request-id") or "").startswith("req_")

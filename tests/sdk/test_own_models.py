"""Models that their provider knows by other names than their vendor gave: deployments, inference profiles, tuned ones."""

import json

import bedrock
import openai
import pytest
from support import FAST, poll, prompt, provider, send

PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/ab12cd"
# gpt-4o: $2.50 and $10 for a million tokens.
IN, OUT = 2.5e-6, 10e-6


@pytest.fixture(scope="module")
def sim(shared_provider_sims):
    return shared_provider_sims()


@pytest.fixture(scope="module")
def gateway(shared_ringmains, sim):
    dear = {"is": "gpt-4o", "price": {"input": "$100", "output": "$1000"}}
    providers = {
        "azure": {
            **provider(sim, "azure", "azure-openai"),
            "models": {"our-deployment": "gpt-4o", "tuned": dear, "thinker": "gpt-5.6-sol"},
        },
        "bedrock": {
            **provider(sim, "bedrock", "bedrock"),
            "region": "us-east-1",
            "models": {PROFILE: "anthropic.claude-sonnet-4-5-20250929-v1:0"},
        },
        "local": {**provider(sim, "local", "openai-compatible"), "models": {"mine": {"price": {"input": "$0"}}}},
    }
    return shared_ringmains({"providers": providers, "defaults": FAST})


def asked(gateway, model, **more):
    """The answer, and what the record says of its only attempt."""
    path, body = prompt("openai", model=model, **more)
    reply = send(gateway.url, path, body)
    assert reply.status == 200, reply.body
    record = f"/api/requests/{reply.headers['x-ringmain-request-id']}"
    found = poll(lambda: (it := send(gateway.admin, record, method="GET")).status == 200 and it.json()["record"], "the record")
    [attempt] = found["attempts"]
    return reply, attempt


@pytest.mark.parametrize(
    ("name", "price"), [("our-deployment", (IN, OUT)), ("tuned", (100e-6, 1000e-6)), ("mine", (0, 0)), ("new", None)]
)
def test_costs_what_it_is(sim, gateway, name, price):
    whose = "local" if name in ("mine", "new") else "azure"
    reply, attempt = asked(gateway, f"{whose}/{name}")
    usage = reply.json()["usage"]
    known = price and usage["prompt_tokens"] * price[0] + usage["completion_tokens"] * price[1]
    # Records count in millionths of a millionth of a dollar, and leave out what is not known.
    assert attempt.get("cost") == (None if price is None else pytest.approx(known * 1e12, abs=1)), attempt
    assert reply.headers["x-ringmain-target"] == f"{whose}/{name}"


def test_a_bare_name_finds_it(gateway):
    reply, _ = asked(gateway, "our-deployment")
    assert reply.headers["x-ringmain-target"] == "azure/our-deployment"
    listed = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="sk-any").models.list()
    names = {model.id for model in listed}
    assert {"azure/our-deployment", f"bedrock/{PROFILE}", "local/mine"} <= names


def test_it_is_asked_by_its_name_and_told_what_its_model_takes(sim, gateway):
    sim.forget()
    reply, _ = asked(gateway, "azure/thinker", max_tokens=40, temperature=0.5)
    [entry] = sim.received("azure")
    assert "/openai/deployments/thinker/chat/completions" in entry["path"]
    body = json.loads(entry["body"])
    assert body["max_completion_tokens"] == 40 and "temperature" not in body
    assert reply.headers["x-ringmain-loss"] == "temperature"


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_an_inference_profile_thinks(sim, gateway, stream):
    sim.forget()
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="sk-any")
    said = client.chat.completions.create(
        model=f"bedrock/{PROFILE}",
        messages=[{"role": "user", "content": "think"}],
        reasoning_effort="high",
        stream=stream,
    )
    if stream:
        assert "".join(chunk.choices[0].delta.content or "" for chunk in said if chunk.choices)
    else:
        assert said.model == PROFILE and said.choices[0].message.content
    [entry] = sim.received("bedrock")
    assert json.loads(entry["body"])["additionalModelRequestFields"]["thinking"]["type"] == "enabled"
    assert entry["path"].endswith("ab12cd/converse" + ("-stream" if stream else ""))


def test_boto3_names_the_profile(gateway):
    said = bedrock.Bedrock(gateway.url).ask(PROFILE, "hello", False)
    assert said.text and said.headers["x-ringmain-target"] == f"bedrock/{PROFILE}"

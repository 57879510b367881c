"""Embeddings by every API: batches split and joined, and never the vectors of two models for one."""

import base64
import json
import struct

import openai
import pytest
from support import send

# The simulator's vectors are a function of the text and their length, whichever API is asked.
TARGETS = {
    "openai/text-embedding-3-small": (2048, 1536),
    "cohere/embed-v4.0": (96, 1536),
    "gemini/gemini-embedding-001": (100, 3072),
    "bedrock/amazon.titan-embed-text-v2:0": (1, 1024),
    "bedrock/cohere.embed-english-v3": (96, 1024),
    "voyage/voyage-3.5": (1000, 1536),
    "jina/jina-embeddings-v3": (512, 1536),
}


@pytest.fixture(scope="module")
def world(shared_provider_sims, shared_ringmains):
    sim = shared_provider_sims()
    base = sim.url
    pair = {"access_key": "AKIDEXAMPLE", "secret_key": "secretsecret"}
    gateway = shared_ringmains(
        {
            "providers": {
                "openai": {"base_url": f"{base}/v1", "keys": ["k"]},
                "azure": {"kind": "openai-compatible", "base_url": f"{base}/p/azure/v1"},
                "cohere": {"base_url": f"{base}/p/cohere", "keys": ["k"]},
                "gemini": {"base_url": f"{base}/p/gemini", "keys": ["k"]},
                "bedrock": {"base_url": f"{base}/p/bedrock", "region": "us-east-1", "keys": [pair]},
                "voyage": {"base_url": f"{base}/p/voyage/v1", "keys": ["k"]},
                "jina": {"base_url": f"{base}/p/jina/v1", "keys": ["k"]},
            },
            "routes": [
                {
                    "name": "search",
                    "targets": ["openai/text-embedding-3-small", "voyage/voyage-3.5", "azure/text-embedding-3-small"],
                },
                {"name": "any", "targets": ["openai/text-embedding-3-small", "voyage/voyage-3.5"], "vectors": "mixed"},
            ],
            "defaults": {"retries": {"backoff": "10ms..50ms"}},
        }
    )
    return sim, gateway


@pytest.fixture
def client(world):
    sim, gateway = world
    for label in ("openai", "azure", "cohere", "gemini", "bedrock", "voyage", "jina"):
        sim.heal(label)
    sim.forget()
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="x", max_retries=0)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_every_api(world, client, target, encoding):
    sim, gateway = world
    _, width = TARGETS[target]
    body = {"model": target, "input": ["one text", "another text"], "encoding_format": encoding}
    reply = send(gateway.url, "/v1/embeddings", body)
    assert reply.status == 200, reply.body
    vectors = [item["embedding"] for item in reply.json()["data"]]
    if encoding == "base64":
        vectors = [struct.unpack(f"<{width}f", base64.b64decode(vector)) for vector in vectors]
    assert [len(vector) for vector in vectors] == [width, width]
    assert abs(sum(x * x for x in vectors[0]) - 1) < 1e-3 and vectors[0] != vectors[1]
    assert reply.mine("target") == target


@pytest.mark.parametrize("target", TARGETS)
def test_batches_are_split_and_joined(world, client, target):
    sim, _ = world
    most, _ = TARGETS[target]
    count = min(most * 2 + 1, 210)
    texts = [f"text number {at}" for at in range(count)]
    answer = client.embeddings.create(model=target, input=texts)
    assert [item.index for item in answer.data] == list(range(count))
    assert len(sim.received()) == -(-count // most)
    alone = client.embeddings.create(model=target, input=texts[-1])
    pairs = zip(answer.data[-1].embedding, alone.data[0].embedding, strict=True)
    assert all(abs(x - y) < 1e-6 for x, y in pairs), "each vector is for its own text"


def test_only_the_same_model_stands_in(world, client):
    sim, gateway = world
    sim.behave("openai", fault="unavailable")
    raw = client.embeddings.with_raw_response.create(model="search", input="a")
    assert raw.headers["x-ringmain-target"] == "azure/text-embedding-3-small"
    assert sim.received("voyage") == []
    sim.behave("azure", fault="unavailable")
    with pytest.raises(openai.APIStatusError):
        client.embeddings.create(model="search", input="a")
    assert sim.received("voyage") == [], "never the vectors of another model"
    raw = client.embeddings.with_raw_response.create(model="any", input="a")
    assert raw.headers["x-ringmain-target"] == "voyage/voyage-3.5", "unless the route says so"
    record = send(gateway.admin, f"/api/requests/{raw.headers['x-ringmain-request-id']}", method="GET")
    assert record.status == 200


def test_a_batch_fails_as_a_whole(world, client):
    sim, _ = world
    sim.behave("cohere", fault="fail-first=9:server-error")
    with pytest.raises(openai.APIStatusError):
        client.embeddings.create(model="cohere/embed-v4.0", input=["a"] * 200)


def test_it_is_billed(world, client):
    sim, gateway = world
    raw = client.embeddings.with_raw_response.create(model="openai/text-embedding-3-small", input="a text of some length")
    record = send(gateway.admin, f"/api/requests/{raw.headers['x-ringmain-request-id']}", method="GET").json()
    assert '"cost"' in json.dumps(record)

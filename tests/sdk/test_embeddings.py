"""Embeddings, rerank and moderation by every API, as the SDKs of OpenAI and Cohere see them: batches split and joined, never
the vectors of two models for one."""

import cohere
import openai
import pytest
from support import send

# The simulator's vectors are a function of a text and their length, whichever API is asked: how many inputs it takes at
# once, and how long its vectors are.
TARGETS = {
    "openai/text-embedding-3-small": (2048, 1536),
    "mistral/mistral-embed": (512, 1536),
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
    providers = {
        "openai": {"base_url": f"{base}/v1", "keys": ["k"]},
        "azure": {"kind": "openai-compatible", "base_url": f"{base}/p/azure/v1"},
        "bedrock": {"base_url": f"{base}/p/bedrock", "region": "us-east-1", "keys": [pair]},
    }
    for name, root in [("mistral", "/v1"), ("cohere", ""), ("gemini", ""), ("voyage", "/v1"), ("jina", "/v1")]:
        providers[name] = {"base_url": f"{base}/p/{name}{root}", "keys": ["k"]}
    small = "text-embedding-3-small"
    routes = [
        {"name": "search", "targets": [f"openai/{small}", "voyage/voyage-3.5", f"azure/{small}"]},
        {"name": "any", "targets": [f"openai/{small}", "voyage/voyage-3.5"], "mix_embeddings": True},
    ]
    gateway = shared_ringmains(
        {"providers": providers, "routes": routes, "defaults": {"retries": {"backoff": "10ms..50ms"}}}
    )
    return sim, gateway


@pytest.fixture
def client(world):
    sim, gateway = world
    for label in ("openai", "azure", "cohere", "gemini", "bedrock", "voyage", "jina", "mistral"):
        sim.heal(label)
    sim.forget()
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="x", max_retries=0)


@pytest.mark.parametrize("target", TARGETS)
def test_batches_are_split_and_joined(world, client, target):
    sim, gateway = world
    most, width = TARGETS[target]
    count = most + 1 if most <= 100 else 3
    texts = [f"text number {at}" for at in range(count)]
    raw = client.embeddings.with_raw_response.create(model=target, input=texts)
    answer = raw.parse()
    # The simulated InvokeModel of Cohere's models counts no tokens.
    lost = "usage" if "bedrock/cohere" in target else None
    assert (raw.headers["x-ringmain-target"], raw.headers.get("x-ringmain-loss")) == (target, lost)
    assert [item.index for item in answer.data] == list(range(count))
    assert {len(item.embedding) for item in answer.data} == {width}
    assert len(sim.received()) == -(-count // most)
    # The SDK asks for base64 unless it is told otherwise.
    alone = client.embeddings.create(model=target, input=texts[-1], encoding_format="float")
    pairs = zip(answer.data[-1].embedding, alone.data[0].embedding, strict=True)
    assert all(abs(x - y) < 1e-6 for x, y in pairs), "each vector is for its own text"
    assert lost or answer.usage.prompt_tokens == sum(-(-len(text) // 4) for text in texts)


def test_only_the_same_model_stands_in(world, client):
    sim, gateway = world
    sim.behave("openai", fault="unavailable")
    raw = client.embeddings.with_raw_response.create(model="search", input="a")
    assert raw.headers["x-ringmain-target"] == "azure/text-embedding-3-small"
    sim.behave("azure", fault="unavailable")
    with pytest.raises(openai.APIStatusError) as failed:
        client.embeddings.create(model="search", input="a")
    assert failed.value.status_code == 503
    assert sim.received("voyage") == [], "never the vectors of another model"
    raw = client.embeddings.with_raw_response.create(model="any", input="a")
    assert raw.headers["x-ringmain-target"] == "voyage/voyage-3.5", "unless the route says so"
    record = send(gateway.admin, f"/api/requests/{failed.value.response.headers['x-ringmain-request-id']}", method="GET")
    assert b"other-vectors" in record.body or b"cannot be compared" in record.body


RANKERS = ["cohere/rerank-v3.5", "jina/jina-reranker-v2-base-multilingual", "voyage/rerank-2.5", "bedrock/cohere.rerank-v3-5:0"]


@pytest.mark.parametrize("target", RANKERS)
def test_every_ranker(world, client, target):
    sim, gateway = world
    ranker = cohere.ClientV2(api_key="x", base_url=gateway.url)
    documents = ["Paris is in France", "Ruby is a language", "nothing of that"]
    ranked = ranker.rerank(model=target, query="ruby language", documents=documents, top_n=2)
    assert [result.index for result in ranked.results][0] == 1 and len(ranked.results) == 2
    assert ranked.results[0].relevance_score > ranked.results[1].relevance_score
    reply = send(
        gateway.url,
        "/v1/rerank",
        {"model": target, "query": "ruby", "documents": [{"text": text} for text in documents], "return_documents": True},
    )
    assert reply.json()["results"][0]["document"] == {"text": documents[1]}, reply.body


def test_both_moderators(world, client):
    for target in ("openai/omni-moderation-latest", "mistral/mistral-moderation-latest"):
        verdicts = client.moderations.create(model=target, input=["please flagme", "be nice"]).results
        assert [verdict.flagged for verdict in verdicts] == [True, False], target
        assert verdicts[0].categories.violence and not verdicts[0].categories.sexual, target
        assert verdicts[0].category_scores.violence > 0.9, target

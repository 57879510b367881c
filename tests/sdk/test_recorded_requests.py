"""Every recorded chat request, sent through the gateway: to its own dialect it arrives byte for byte but for the model's
name, to another as that provider's specification wants it, or not at all, with a 400 that names what cannot be carried."""

import collections
import json
from pathlib import Path

import pytest
import specs
from support import FAST, provider, send

RECORDINGS = Path(__file__).parents[3] / "shared/recordings"
pytestmark = pytest.mark.skipif(
    not (RECORDINGS.is_dir() and specs.available()),
    reason=f"no recordings or specifications beside the project: {RECORDINGS}",
)

MODEL = "a-model"
# Recorded APIs by dialect, as the page docs/pairs.md counts them.
DIALECTS = {
    "openai-chat": ".chat",
    "openai-responses": ".responses",
    "anthropic-messages": "anthropic.messages",
    "gemini": ("gemini.generate", "gemini.stream", "vertex.generate", "vertex.stream"),
    "bedrock-converse": ("bedrock.converse", "bedrock.converse_stream"),
    "cohere-v2": "cohere.chat",
}
# Label of the simulator -> its dialect, and the specification of what it takes. Cohere's is not free.
TARGETS = {
    "chat": ("openai-chat", "openai-chat"),
    "responses": ("openai-responses", "openai-responses"),
    "anthropic": ("anthropic-messages", "anthropic-messages"),
    "gemini": ("gemini", "gemini"),
    "bedrock": ("bedrock-converse", "bedrock-converse"),
    "cohere": ("cohere-v2", None),
    "vertex": ("gemini", "vertex"),
    "mistral": ("openai-chat", "mistral"),
}


def dialect_of(api: str) -> str | None:
    if api == "cohere.chat":
        return "cohere-v2"
    return next((name for name, apis in DIALECTS.items() if api.endswith(apis)), None)


def recorded():
    """Every chat exchange with a JSON body: (id, dialect, exchange)."""
    for folder in sorted(RECORDINGS.iterdir()):
        dialect = dialect_of(folder.name)
        for file in sorted(folder.glob("*.json")) if dialect else ():
            exchange = json.loads(file.read_text())
            if isinstance(exchange["request"].get("body"), dict):
                yield exchange["id"], dialect, exchange


def written(body) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def asked(dialect: str, exchange, target: str):
    """Path and body of the recorded request, for this target."""
    body, model = exchange["request"]["body"], f"{target}/{MODEL}"
    recorded_path = exchange["request"]["path"]
    if dialect == "gemini":
        verb = "streamGenerateContent?alt=sse" if "stream" in recorded_path else "generateContent"
        return f"/v1beta/models/{model}:{verb}", written(body)
    if dialect == "bedrock-converse":
        verb = "converse-stream" if recorded_path.endswith("stream") else "converse"
        return f"/model/{model.replace('/', '%2F')}/{verb}", written(body)
    path = {
        "openai-chat": "/v1/chat/completions",
        "openai-responses": "/v1/responses",
        "anthropic-messages": "/v1/messages",
        "cohere-v2": "/v2/chat",
    }[dialect]
    return path, written({**body, "model": model})


@pytest.fixture(scope="module")
def sim(shared_provider_sims):
    return shared_provider_sims()


@pytest.fixture(scope="module")
def gateway(shared_ringmains, sim):
    providers = {
        "chat": {**provider(sim, "chat", "openai"), "dialect": "openai-chat"},
        "responses": {**provider(sim, "responses", "openai"), "dialect": "openai-responses"},
        "vertex": {**provider(sim, "vertex", "vertex"), "project": "my-project"},
        **{kind: provider(sim, kind, kind) for kind in ("anthropic", "gemini", "bedrock", "cohere")},
        "mistral": {**provider(sim, "mistral", "mistral"), "base_url": f"{sim.url}/p/mistral/v1"},
    }
    return shared_ringmains({"providers": providers, "defaults": {**FAST, "retries": {"attempts": 1}}})


@pytest.fixture(scope="module")
def crossings(sim, gateway):
    """(id, from, target, the gateway's answer, what arrived) of every request to every target."""
    crossings = []
    for id, dialect, exchange in recorded():
        sim.forget()
        replies = {}
        for target in TARGETS:
            path, body = asked(dialect, exchange, target)
            replies[target] = send(gateway.url, path, body)
        arrived = collections.defaultdict(list)
        for entry in sim.received():
            arrived[entry["label"]].append(entry["body"])
        for target, reply in replies.items():
            assert len(arrived[target]) <= 1, f"{id} to {target}"
            crossings.append((id, dialect, target, reply, next(iter(arrived[target]), None), exchange))
    return crossings


def as_relayed(dialect: str, body: dict) -> bytes:
    """The caller's bytes with the target's model, and where it is OpenAI's to ask for, with usage in a stream."""
    if dialect in ("gemini", "bedrock-converse"):
        return written(body)
    expected = {**body, "model": MODEL}
    options = body.get("stream_options") or {}
    if dialect == "openai-chat" and body.get("stream") and not options.get("include_usage"):
        expected["stream_options"] = {**options, "include_usage": True}
    return written(expected)


def test_to_the_same_dialect_the_bytes_are_the_callers(crossings):
    wrong, right = [], 0
    for id, dialect, target, reply, arrived, exchange in crossings:
        if TARGETS[target][0] != dialect or target in ("mistral", "vertex"):
            continue
        expected = as_relayed(dialect, exchange["request"]["body"])
        if arrived is None or arrived.encode() != expected:
            wrong.append(f"{id}: {reply.status} {reply.body[:200]!r}" if arrived is None else f"{id}: other bytes")
        right += arrived is not None
    assert not wrong, f"{len(wrong)} of {right + len(wrong)}:\n" + "\n".join(wrong)


def test_to_another_dialect_it_is_what_the_specification_wants_or_a_400_that_says_why(crossings):
    wrong, counts = [], collections.Counter()
    for id, dialect, target, reply, arrived, exchange in crossings:
        spoken, spec = TARGETS[target]
        if spoken == dialect:
            continue
        if exchange["response"]["status"] >= 400:
            # What its own provider refused may be refused by another.
            counts[target, "refused at home"] += 1
            continue
        if arrived is None:
            counts[target, "refused"] += 1
            if reply.status != 400:
                wrong.append(f"{id} to {target}: {reply.status} {reply.body[:300]!r}")
            continue
        counts[target, "sent"] += 1
        said = spec and specs.wrong(spec, json.loads(arrived))
        if said:
            wrong.append(f"{id} to {target}: {said}")
    print(*(f"{target}: {what}: {count}" for (target, what), count in sorted(counts.items())), sep="\n")
    assert all(counts[target, "sent"] > 200 for target in TARGETS), counts
    assert not wrong, f"{len(wrong)}:\n" + "\n".join(wrong)

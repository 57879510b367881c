"""Which target a request gets: routes and what they match, weights, tiers, names of models."""

import collections
import json
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
from support import DIALECTS, FAST, chat, connect, error_message, prompt, provider, route, send

WEIGHTED = {
    "even": ({"a": 50, "b": 50}, "a", (0.35, 0.65)),
    "uneven": ({"a": 90, "b": 10}, "b", (0.03, 0.20)),
    "off": ({"a": 100, "b": 0}, "b", (0.0, 0.0)),
}


@pytest.fixture(scope="module")
def sim(shared_provider_sims):
    return shared_provider_sims()


def to(provider, **more):
    return {"to": f"{provider}/gpt-4o", **more}


@pytest.fixture(scope="module")
def gateway(shared_ringmains, sim):
    providers = {label: provider(sim, label, "openai") for label in "abc"}
    providers["dead"] = provider(sim, "dead", "openai")
    providers["gemini"] = provider(sim, "gemini", "gemini")
    providers["together"] = provider(sim, "together", "together")
    sim.behave("dead", fault="overloaded")
    matching = lambda name, match, target: {"name": name, "match": match, "targets": [target]}
    routes = [route(name, *(to(p, weight=w) for p, w in weights.items())) for name, (weights, _, _) in WEIGHTED.items()]
    routes += [
        route("tiers", to("a"), to("b", tier=2)),
        route("tiers-down", to("dead"), to("b", tier=2)),
        route("tiers-weighted", to("a", weight=1), to("b", weight=1), to("c", weight=1, tier=2)),
        route("order", "a/gpt-4o", "b/gpt-4o"),
        matching("by-header", {"header.x-team": "search", "model": "matched"}, "a/gpt-4o"),
        matching("by-tag", {"tag.stage": "prod", "model": "matched"}, "b/gpt-4o"),
        matching("by-stream", {"stream": True, "model": "matched"}, "c/gpt-4o"),
        matching("by-tokens", {"tokens": "> 10k", "model": "matched"}, "b/gpt-4o-mini"),
        matching("by-glob", {"model": ["text", "globbed-*"]}, "c/gpt-4o-mini"),
        matching("by-operation", {"operation": "embeddings"}, "b/text-embedding-3-small"),
        matching("otherwise", {"model": "matched"}, "a/gpt-4o-mini"),
    ]
    return shared_ringmains({"providers": providers, "routes": routes, "defaults": FAST})


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("name", WEIGHTED)
def test_weights(gateway, name, stream):
    _, counted, (least, most) = WEIGHTED[name]
    requests = 240
    ask = lambda n: chat(gateway.url, DIALECTS[n % 3], name, f"hello {n}", stream=stream)[0].mine("target")
    with ThreadPoolExecutor(8) as threads:
        shares = collections.Counter(threads.map(ask, range(requests)))
    assert least * requests <= shares[f"{counted}/gpt-4o"] <= most * requests, shares


def test_tiers(gateway):
    served = lambda name: {chat(gateway.url, "openai", name, f"hello {n}")[0].mine("target") for n in range(30)}
    assert served("tiers") == {"a/gpt-4o"}
    assert served("tiers-down") == {"b/gpt-4o"}
    assert served("tiers-weighted") == {"a/gpt-4o", "b/gpt-4o"}
    assert served("order") == {"a/gpt-4o"}


LONG = "word " * 20_000
MATCHES = {
    "header": ("by-header", {"headers": {"X-Team": "search"}}),
    "another header": ("otherwise", {"headers": {"X-Team": "ads"}}),
    "tag": ("by-tag", {"headers": {"x-ringmain-tag": "team=ads, stage=prod"}}),
    "stream": ("by-stream", {"stream": True}),
    "tokens": ("by-tokens", {"text": LONG}),
    "a short text": ("otherwise", {"text": "word"}),
    "glob": ("by-glob", {"model": "globbed-model-1"}),
    "list": ("by-glob", {"model": "text"}),
    "its own name": ("by-header", {"model": "by-header"}),
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("case", MATCHES)
def test_matches(gateway, case, dialect):
    name, asked = MATCHES[case]
    reply, heard = chat(gateway.url, dialect, **{"model": "matched", **asked})
    assert (reply.status, reply.mine("route"), heard.clean) == (200, name, True), reply.body


def test_an_operation_matches(gateway):
    reply = send(gateway.url, "/v1/embeddings", {"model": "whatever", "input": "hello"})
    assert (reply.status, reply.mine("target")) == (200, "b/text-embedding-3-small"), reply.body


NAMED = {
    "a/gpt-4o": "a/gpt-4o",
    "a/gpt-4o-2024-08-06": "a/gpt-4o-2024-08-06",
    "a/a-model-nobody-knows": "a/a-model-nobody-knows",
    "together/meta-llama/Llama-3.3-70B-Instruct-Turbo": "together/meta-llama/Llama-3.3-70B-Instruct-Turbo",
    "gemini/gemini-2.5-flash-lite": "gemini/gemini-2.5-flash-lite",
    "gemini-2.5-flash-lite": "gemini/gemini-2.5-flash-lite",
}


@pytest.mark.parametrize("escaped", [False, True], ids=["slash", "%2F"])
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("model", NAMED)
def test_names_of_models(gateway, model, dialect, escaped):
    reply, heard = chat(gateway.url, dialect, quote(model, safe="") if escaped else model)
    assert (reply.status, heard.clean) == (200, True), reply.body
    assert reply.mine("target") == NAMED[model]
    assert heard.model == NAMED[model].split("/", 1)[1]


def test_a_bare_name_goes_to_whoever_serves_it(gateway, sim):
    """Every configured provider that the catalog says has the model."""
    reply, _ = chat(gateway.url, "openai", "gpt-4o-mini")
    assert reply.mine("target") in ("a/gpt-4o-mini", "b/gpt-4o-mini", "c/gpt-4o-mini", "dead/gpt-4o-mini")


UNKNOWN = {
    "gpt-4oo": "gpt-4o",
    "gemini-2.5-flash-lita": "gemini-2.5-flash-lite",
    "tiers-dwn": "tiers-down",
    "nowhere/gpt-4o": "gpt-4o",
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("model", UNKNOWN)
def test_an_unknown_model_is_refused_with_the_nearest_names(gateway, sim, model, dialect):
    sim.forget()
    path, body = prompt(dialect, model=model)
    reply = send(gateway.url, path, body)
    assert reply.status == 404, reply.body
    message = error_message(dialect, reply)
    assert model in message and UNKNOWN[model] in message.replace(model, ""), message
    assert sim.received() == []


def test_one_connection_serves_many_requests(gateway):
    """Answers of every kind, one after the other; none breaks the connection for the next."""
    connection = connect(gateway.url)
    wanted = [("a/gpt-4o", 200), ("nobody", 404), ("tiers-down", 200), ("a/gpt-4o@bad-request", 400)]
    sockets = set()
    for n in range(24):
        model, status = wanted[n % 4]
        path, body = prompt(DIALECTS[n % 3], model=model, stream=n % 5 == 0)
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        sockets.add(connection.sock)
        answer = connection.getresponse()
        assert (answer.status, bool(answer.read())) == (status, True)
    connection.close()
    assert len(sockets) == 1


def test_images_route_of_the_readme(start_ringmain, sim):
    """For all image generation requests, DALL-E 3 is the primary, and another model the failover."""
    sim.behave("images-1", fault="overloaded")
    providers = {"openai": provider(sim, "images-1", "openai"), "other": provider(sim, "images-2", "openai")}
    images = {"name": "images", "match": {"operation": "images"}, "targets": ["openai/dall-e-3", "other/gpt-image-1"]}
    gateway = start_ringmain({"providers": providers, "routes": [images], "defaults": FAST})
    reply = send(gateway.url, "/v1/images/generations", {"model": "anything", "prompt": "a cat"})
    assert (reply.status, reply.mine("target")) == (200, "other/gpt-image-1"), reply.body
    assert reply.json()["data"]
    sim.heal("images-1")


def test_a_conversation_stays_where_its_cache_is_warm(start_ringmain, sim):
    """From the second turn on; weights hold over conversations, not turns."""
    providers = {"a": provider(sim, "warm-a", "openai"), "b": provider(sim, "warm-b", "openai")}
    routes = [route("r", to("a", weight=1), to("b", weight=1))]
    gateway = start_ringmain({"providers": providers, "routes": routes, "defaults": {**FAST, "affinity": "prefix"}})
    served = collections.Counter()
    for conversation in range(40):
        turns = [{"role": "system", "content": "One for all callers."}]
        targets = []
        for turn in range(4):
            turns.append({"role": "user", "content": f"conversation {conversation}, turn {turn}"})
            reply = send(gateway.url, "/v1/chat/completions", {"model": "r", "messages": turns})
            targets.append(reply.mine("target"))
            turns.append({"role": "assistant", "content": reply.json()["choices"][0]["message"]["content"]})
        assert len(set(targets[1:])) == 1, f"conversation {conversation} moved: {targets}"
        served[targets[1]] += 1
    assert min(served.values()) >= 8 and len(served) == 2, served

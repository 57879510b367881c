"""Limits on keys and groups: requests, tokens, places and money; what a caller is told, and what is counted."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from support import DIALECTS, FAST, connect, error_message, hang_up, poll, prompt, provider, route, send

# gpt-4o: $2.50 and $10 for a million tokens.
IN, OUT = 2.5e-6, 10e-6


@pytest.fixture(scope="module")
def sim(shared_provider_sims):
    return shared_provider_sims()


def key(name, *limits, **more):
    return {"name": name, "key": f"sk-{name}", "limits": list(limits), **more}


@pytest.fixture
def gateway(start_ringmain, sim):
    config = {
        "providers": {label: provider(sim, label, "openai") for label in ("a", "slow", "cheap")},
        "routes": [
            route("text", "a/gpt-4o"),
            route("slow", "slow/gpt-4o"),
            route("saver", "cheap/gpt-4o-mini"),
            route("either", "a/gpt-4o", "cheap/gpt-4o-mini"),
        ],
        "groups": {"acme": {"limits": "5 requests/day"}},
        "keys": [
            key("three", "3 requests/day"),
            key("place", "1 at once"),
            key("tokens", "300 tokens/24h"),
            key("poor", "$0.02/month"),
            key("saver", "$0.02/month", on_exhausted="route:saver"),
            key("both", "$0.012/month"),
            key("one", group="acme"),
            key("two", group="acme"),
            key("crowd", "$0.1/day"),
        ],
        "defaults": FAST,
    }
    return start_ringmain(config, env={})


def ask(gateway, name, model="text", dialect="openai", **more):
    path, body = prompt(dialect, model=model, **more)
    return send(gateway.url, path, body, {"authorization": f"Bearer sk-{name}"})


@pytest.mark.parametrize("dialect", DIALECTS)
def test_requests_are_counted_and_the_limit_is_named(gateway, dialect):
    replies = [ask(gateway, "three", dialect=dialect) for _ in range(4)]
    assert [reply.status for reply in replies] == [200, 200, 200, 429]
    told = error_message(dialect, replies[3])
    assert "3 requests/day" in told and "three" in told and "T00:00:00Z" in told
    assert 0 < int(replies[3].headers["retry-after"]) <= 86400
    assert replies[3].mine("attempts") == "0"


def test_a_group_shares_its_limit(gateway):
    statuses = [ask(gateway, name).status for name in ("one", "two") * 3]
    assert statuses == [200] * 5 + [429]
    assert "group `acme`" in error_message("openai", ask(gateway, "one"))


def test_a_place_is_free_again_when_the_caller_has_gone(gateway, sim):
    sim.behave("slow", first_token_delay="20s")
    path, body = prompt("openai", model="slow", stream=True)

    connection = connect(gateway.url)
    connection.request("POST", path, json.dumps(body), {"content-type": "application/json", "authorization": "Bearer sk-place"})
    poll(lambda: sim.received("slow"), "the slow request is running")
    full = ask(gateway, "place")
    assert full.status == 429 and "1 at once" in error_message("openai", full) and full.headers["retry-after"] == "1"
    hang_up(connection)
    poll(lambda: ask(gateway, "place").status == 200, "the place is free")
    assert ask(gateway, "place").status == 200


def test_tokens_are_reserved_with_the_answer(gateway):
    body = {"max_tokens": 5000}
    path, base = prompt("openai", model="text")
    too_much = send(gateway.url, path, {**base, **body}, {"authorization": "Bearer sk-tokens"})
    assert too_much.status == 429 and "300 tokens/1d" in error_message("openai", too_much)
    small = send(gateway.url, path, {**base, "max_tokens": 100}, {"authorization": "Bearer sk-tokens"})
    assert small.status == 200


def test_money_is_spent_and_then_refused(gateway, sim):
    """A request reserves 1,000 output tokens, a cent, and is billed what it used."""
    ask_for = lambda name: send(
        gateway.url,
        "/v1/chat/completions",
        {"model": "text", "max_tokens": 1000, "messages": [{"role": "user", "content": "hello"}]},
        {"authorization": f"Bearer sk-{name}"},
    )
    usage = ask_for("poor").json()["usage"]
    cost = usage["prompt_tokens"] * IN + usage["completion_tokens"] * OUT
    fits = int((0.02 - 0.01001) / cost)
    statuses = [ask_for("poor").status for _ in range(fits + 2)]
    assert statuses[: fits - 1] == [200] * (fits - 1) and statuses[-1] == 429, (cost, fits)
    for _ in range(fits + 1):
        ask_for("saver")
    saved = ask_for("saver")
    assert (saved.status, saved.mine("route"), saved.mine("target")) == (200, "saver", "cheap/gpt-4o-mini")


def test_what_is_too_dear_is_left_out(gateway):
    reply = send(
        gateway.url,
        "/v1/chat/completions",
        {"model": "either", "max_tokens": 4000, "messages": [{"role": "user", "content": "hello"}]},
        {"authorization": "Bearer sk-both"},
    )
    assert (reply.status, reply.mine("target")) == (200, "cheap/gpt-4o-mini")


def test_a_hundred_at_once_do_not_spend_a_budget_twice(gateway, sim):
    sim.behave("a", token_delay="5ms")
    body = {"model": "text", "max_tokens": 1000, "messages": [{"role": "user", "content": "hello"}]}
    ask_once = lambda _: send(gateway.url, "/v1/chat/completions", body, {"authorization": "Bearer sk-crowd"})
    with ThreadPoolExecutor(100) as threads:
        replies = list(threads.map(ask_once, range(100)))
    sim.heal("a")
    served = [reply for reply in replies if reply.status == 200]
    assert {reply.status for reply in replies} == {200, 429}
    spent = sum(r.json()["usage"]["prompt_tokens"] * IN + r.json()["usage"]["completion_tokens"] * OUT for r in served)
    assert spent <= 0.1, "the cap on output was given, so nothing goes beyond the budget"
    assert 9 <= len(served) < 100

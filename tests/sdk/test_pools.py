"""Keys pooled into one quota, and the breaker: who is benched, for how long, and how it comes back."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from support import DIALECTS, FAST, MODELS, chat, error_message, poll, prompt, provider, route, send, served_properly

ALIVE = "sk-alive"
DEAD = [f"sk-canary-dead-{n}" for n in range(4)]
DEATHS = ["invalid-key", "unauthorized", "forbidden", "insufficient-quota", "payment-required", "rate-limit=60"]


def key_hash(key: str) -> str:
    """How the simulator's log names a key (64-bit FNV-1a)."""
    hash = 0xCBF29CE484222325
    for byte in key.encode():
        hash = (hash ^ byte) * 0x100000001B3 % (1 << 64)
    return f"{hash:016x}"


def asked_with(sim, label):
    """The keys of a label's requests, in order."""
    names = {key_hash(key): key for key in [ALIVE, *DEAD, *LIMITED]}
    return [names.get(entry["key_hash"]) for entry in sim.received(label)]


LIMITED = [f"sk-limited-{n}" for n in range(3)]


def scripted() -> dict:
    """One label for each test, whose keys behave as named."""
    labels = {}
    for vendor in DIALECTS:
        for death in DEATHS:
            dead = [{"key": key, "behavior": {"fault": death}} for key in DEAD]
            labels[f"pool-{death}-{vendor}"] = {"keys": [*dead, {"key": ALIVE}]}
            labels[f"dead-{death}-{vendor}"] = {"keys": dead}
    for name in ("limited", "limited-at-once"):
        labels[name] = {"keys": [{"key": key, "limit": 3, "window": "1h"} for key in LIMITED]}
    waits = {"key": LIMITED[0], "behavior": {"fault": "fail-first=1:rate-limit=1"}}
    labels["returning"] = {"keys": [waits, {"key": LIMITED[1]}]}
    return {"providers": labels}


@pytest.fixture(scope="module")
def sim(shared_provider_sims, tmp_path_factory):
    script = tmp_path_factory.mktemp("script") / "script.yaml"
    script.write_text(json.dumps(scripted()))
    return shared_provider_sims("--script", str(script))


@pytest.fixture(scope="module")
def expected(sim):
    return chat(sim.url, "openai", "m")[1].text


def pool(sim, label, vendor, keys):
    return {**provider(sim, label, vendor), "keys": keys}


@pytest.fixture(scope="module")
def gateway(shared_ringmains, sim):
    """A provider for each label, that is a route of one target."""
    providers = {}
    for vendor in DIALECTS:
        for death in DEATHS:
            label = f"pool-{death}-{vendor}"
            providers[label.replace("=", "-")] = pool(sim, label, vendor, [*DEAD, ALIVE])
            label = f"dead-{death}-{vendor}"
            providers[label.replace("=", "-")] = pool(sim, label, vendor, DEAD)
    for label in ("limited", "limited-at-once"):
        providers[label] = pool(sim, label, "openai", LIMITED)
    providers["returning"] = pool(sim, "returning", "openai", LIMITED[:2])
    weighted = [{"key": LIMITED[0], "weight": 3}, LIMITED[1]]
    providers["weighted-keys"] = pool(sim, "weighted-keys", "openai", weighted)
    settings = {**FAST, "timeouts": {**FAST["timeouts"], "total": "4s"}}
    return shared_ringmains({"providers": providers, "defaults": settings})


@pytest.mark.parametrize("vendor", DIALECTS)
@pytest.mark.parametrize("death", DEATHS)
def test_four_of_five_keys_are_dead(sim, gateway, expected, death, vendor):
    label = f"pool-{death}-{vendor}"
    for n in range(12):
        dialect = DIALECTS[n % 3]
        reply, heard = chat(gateway.url, dialect, f"{label.replace('=', '-')}/{MODELS[vendor]}", stream=n % 2 == 0)
        assert reply.status == 200, reply.body
        served_properly(dialect, heard, expected)
    keys = asked_with(sim, label)
    assert keys.count(ALIVE) == 12
    assert all(keys.count(key) <= 1 for key in DEAD), "a refused key is benched"


@pytest.mark.parametrize("vendor", DIALECTS)
@pytest.mark.parametrize("death", DEATHS[:3])
def test_all_keys_are_dead(sim, gateway, death, vendor):
    """502 that says credentials (a 401 would send the caller to look at its own), and names none of them."""
    label = f"dead-{death}-{vendor}"
    for dialect in DIALECTS:
        for stream in (False, True):
            reply = send(gateway.url, *prompt(dialect, model=f"{label}/{MODELS[vendor]}", stream=stream))
            assert reply.status == 502, reply.body
            assert "credential" in error_message(dialect, reply).lower()
            assert b"canary" not in reply.body
    assert all(asked_with(sim, label).count(key) == 1 for key in DEAD)


def test_the_pool_is_one_quota(sim, gateway):
    """Three keys of three requests are nine, learned from the headers: nobody is asked a fourth time."""
    for _ in range(9):
        assert chat(gateway.url, "openai", "limited/gpt-4o")[0].status == 200
    reply = send(gateway.url, *prompt("openai", model="limited/gpt-4o"))
    assert reply.status == 429, reply.body
    assert int(reply.headers["retry-after"]) > 3000
    keys = asked_with(sim, "limited")
    assert sorted(keys) == sorted(LIMITED * 3)


def test_the_pool_is_one_quota_at_once(gateway):
    with ThreadPoolExecutor(9) as threads:
        replies = list(threads.map(lambda _: chat(gateway.url, "openai", "limited-at-once/gpt-4o")[0], range(9)))
    assert [reply.status for reply in replies] == [200] * 9


def test_a_limited_key_rests_and_returns(sim, gateway):
    def key_has_returned():
        assert chat(gateway.url, "openai", "returning/gpt-4o")[0].status == 200
        return asked_with(sim, "returning").count(LIMITED[0]) >= 2

    poll(key_has_returned, "the key is used again")
    first, second = [
        entry["at_ms"] for entry in sim.received("returning") if entry["key_hash"] == key_hash(LIMITED[0])
    ][:2]
    assert 1000 <= second - first < 3000


def test_keys_have_weights(sim, gateway):
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: chat(gateway.url, "openai", "weighted-keys/gpt-4o", f"hello {n}"), range(200)))
    keys = asked_with(sim, "weighted-keys")
    assert 110 <= keys.count(LIMITED[0]) <= 185, "three of four, give or take"


# --- the breaker ---


def breaker(start_ringmain, sim, name, **settings):
    """A gateway with two targets: `name` first, then a steady one."""
    providers = {"first": provider(sim, name, "openai"), "steady": provider(sim, f"{name}-steady", "anthropic")}
    defaults = {**FAST, "breaker": {"failures": 3, "open_for": "1s..2s", "ramp": "500ms"}, **settings}
    routes = [route("r", "first/gpt-4o", "steady/claude-sonnet-4-6")]
    return start_ringmain({"providers": providers, "routes": routes, "defaults": defaults})


@pytest.mark.parametrize("fault", ["server-error", "error-event=0:overloaded"])
def test_the_breaker_opens_probes_and_returns(start_ringmain, sim, expected, fault):
    label = "breaker-" + "".join(c if c.isalnum() else "-" for c in fault)
    sim.behave(label, fault=fault)
    gateway = breaker(start_ringmain, sim, label)

    def ask(n=0):
        reply, heard = chat(gateway.url, "openai", "r", f"hello {n}", stream=n % 2 == 0)
        assert (reply.status, heard.clean) == (200, True), "nobody notices"
        return reply.mine("target")

    for n in range(4):
        ask(n)
    seen = len(sim.received(label))
    assert seen >= 3
    for n in range(20):
        assert ask(n).startswith("steady/")
    # Unless the machine is so slow that the time is up.
    since = sim.received(label)[-1]["at_ms"] - sim.received(label)[0]["at_ms"]
    assert len(sim.received(label)) == seen or since >= 500, "an open breaker lets nothing through"

    poll(lambda: ask() and len(sim.received(label)) > seen, "a probe")
    probed = len(sim.received(label))
    for n in range(10):
        ask(n)
    assert len(sim.received(label)) - probed <= 1, "a failed probe opens it again"
    sim.heal(label)
    poll(lambda: all(ask(n).startswith("first/") for n in range(5)), "it serves again", within=10)


def test_one_probe_at_a_time(start_ringmain, sim):
    sim.behave("probed", fault="server-error")
    gateway = breaker(start_ringmain, sim, "probed")
    for n in range(3):
        chat(gateway.url, "openai", "r", f"hello {n}")
    failed = len(sim.received("probed"))
    sim.behave("probed", fault="slow=600ms")
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            assert chat(gateway.url, "openai", "r")[0].status == 200
            time.sleep(0.01)

    with ThreadPoolExecutor(6) as threads:
        asking = [threads.submit(ask) for _ in range(6)]
        try:
            poll(lambda: len(sim.received("probed")) > failed + 1, "a probe and what follows it", within=8)
        finally:
            stop.set()
        for each in asking:
            each.result()
    probe, after = sim.received("probed")[failed : failed + 2]
    assert after["at_ms"] - probe["at_ms"] >= 580, "nothing beside the probe until it is answered"


def test_a_streak_of_successes_is_no_failure(start_ringmain, sim):
    """One failure in four (and no row of three) leaves the breaker closed."""
    sim.behave("now-and-then", fault="flap=1of4:overloaded")
    gateway = breaker(start_ringmain, sim, "now-and-then")
    served = [chat(gateway.url, "openai", "r", f"hello {n}")[0].mine("target") for n in range(24)]
    assert sum(target.startswith("first/") for target in served) >= 16


def test_the_error_rate_opens_it_too(start_ringmain, sim):
    """Two of three fail, never five in a row: half of at least ten in 30 s is enough."""
    sim.behave("two-of-three", fault="flap=2of3:overloaded")
    settings = {"failures": 1000, "error_rate": "50%", "open_for": "20s..40s"}
    gateway = breaker(start_ringmain, sim, "two-of-three", breaker=settings)
    for n in range(40):
        assert chat(gateway.url, "openai", "r", f"hello {n}")[0].status == 200
    assert len(sim.received("two-of-three")) <= 20


def test_callers_who_hang_up_and_bad_requests_open_nothing(start_ringmain, sim):
    sim.behave("blameless", fault="bad-request")
    gateway = breaker(start_ringmain, sim, "blameless")
    for _ in range(10):
        assert send(gateway.url, *prompt("openai", model="r")).status == 400
    sim.heal("blameless")
    reply, _ = chat(gateway.url, "openai", "r")
    assert reply.mine("target") == "first/gpt-4o"


def test_one_model_out_is_not_the_provider_out(start_ringmain, sim):
    """A retired model benches its target alone."""
    providers = {"first": provider(sim, "half-out", "openai"), "steady": provider(sim, "half-out-2", "anthropic")}
    routes = [route("r", "first/gpt-4o@model-not-found", "steady/claude-sonnet-4-6")]
    gateway = start_ringmain({"providers": providers, "routes": routes, "defaults": FAST})
    for _ in range(5):
        assert chat(gateway.url, "openai", "r")[0].mine("target") == "steady/claude-sonnet-4-6"
    assert len(sim.received("half-out")) == 1
    assert chat(gateway.url, "openai", "first/gpt-4o")[0].mine("target") == "first/gpt-4o"

"""What users of gateways complain of and no other file tests; the numbers are those of docs/pains.md."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from support import (
    DIALECTS,
    FAST,
    MODELS,
    chat,
    connect,
    hang_up,
    poll,
    prompt,
    provider,
    route,
    send,
    served_properly,
)


@pytest.fixture(scope="module")
def sim(shared_provider_sims):
    return shared_provider_sims()


@pytest.fixture(scope="module")
def expected(sim):
    return chat(sim.url, "openai", "m")[1].text


def metric(gateway, name: str, **labels) -> float:
    """A counter or gauge by its labels; 0 where it has not moved yet."""
    text = send(gateway.admin, "/metrics", method="GET").body.decode()
    for line in text.split("\n"):
        found = re.match(rf"{name}\{{(.*)\}} (\S+)$", line)
        if found and all(f'{key}="{value}"' in found[1] for key, value in labels.items()):
            return float(found[2])
    return 0.0


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_fo6_a_name_that_dns_does_not_know(start_ringmain, sim, expected, stream):
    nowhere = {"kind": "openai", "base_url": "http://provider.invalid/v1", "keys": ["k"]}
    providers = {"nowhere": nowhere, "up": provider(sim, "up", "anthropic")}
    routes = [route("r", "nowhere/gpt-4o", "up/claude-sonnet-4-6")]
    gateway = start_ringmain({"providers": providers, "routes": routes, "defaults": FAST})
    reply, heard = chat(gateway.url, "openai", "r", stream=stream, timeout=20)
    served_properly("openai", heard, expected)
    assert reply.mine("target") == "up/claude-sonnet-4-6"


def test_fo18_streams_that_break_count_against_their_target(start_ringmain, sim):
    """Ten answers that break in the middle are ten failures: in the metrics, in the record, and to the breaker."""
    sim.behave("breaks", fault="cut=5")
    routes = [route("r", "breaks/gpt-4o")]
    settings = {**FAST, "resume": "off", "breaker": {"failures": 10, "open_for": "1m..1m"}}
    providers = {"breaks": provider(sim, "breaks", "openai")}
    gateway = start_ringmain({"providers": providers, "routes": routes, "defaults": settings})
    for _ in range(10):
        reply, heard = chat(gateway.url, "openai", "r", stream=True)
        assert heard.error and not heard.clean
    target = "breaks/gpt-4o"
    assert metric(gateway, "ringmain_attempts_total", target=target, outcome="interrupted") == 10
    assert metric(gateway, "ringmain_attempts_total", target=target, outcome="ok") == 0
    record = send(gateway.admin, f"/api/requests/{reply.mine('request-id')}", method="GET").json()
    assert "interrupted" in str(record["fault"]), record["fault"]
    assert metric(gateway, "ringmain_breaker_state", target=target) == 2
    before = len(sim.received("breaks"))
    reply, _ = chat(gateway.url, "openai", "r", stream=True)
    assert reply.status == 503 and int(reply.headers["retry-after"]) > 0
    assert len(sim.received("breaks")) == before, "it is left alone"


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("vendor", MODELS)
def test_st6_characters_cut_anywhere_arrive_whole(start_ringmain, sim, expected, vendor, size):
    """Words of two to four bytes a character, sent in pieces of one or three bytes."""
    label = f"bytes-{vendor}-{size}"
    sim.behave(label, chunk_bytes=size)
    routes = [route("r", f"{label}/{MODELS[vendor]}")]
    gateway = start_ringmain({"providers": {label: provider(sim, label, vendor)}, "routes": routes, "defaults": FAST})
    for dialect in DIALECTS:
        reply, heard = chat(gateway.url, dialect, "r", stream=True)
        served_properly(dialect, heard, expected)
        assert "\ufffd" not in reply.body.decode()


def test_a_request_under_way_is_counted(start_ringmain, sim):
    sim.behave("counted", token_delay="100ms")
    routes = [route("r", "counted/gpt-4o")]
    gateway = start_ringmain({"providers": {"counted": provider(sim, "counted", "openai")}, "routes": routes})
    told = lambda: send(gateway.admin, "/metrics", method="GET").body.decode()
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(chat, gateway.url, "openai", "r", stream=True)
        poll(lambda: "ringmain_requests_in_flight 1\n" in told(), "it is counted")
        running.result()
    poll(lambda: "ringmain_requests_in_flight 0\n" in told(), "it has ended")


ENDS = {"complete": {}, "failure": {"fault": "server-error"}, "timeout": {"fault": "silence"}, "cut": {"fault": "cut=3"}}


@pytest.fixture(scope="module")
def slots(shared_ringmains, sim):
    """For each end a route of its own, where two requests at a time may run."""
    settings = {
        **FAST,
        "resume": "off",
        "timeouts": {"first_token": "300ms", "race_after": "10s", "idle": "10s"},
        "retries": {"attempts": 1},
        "breaker": {"failures": 1000, "error_rate": "100%", "open_for": "10ms..20ms"},
    }
    providers, routes = {}, []
    for end in [*ENDS, "abort"]:
        for stream in (False, True):
            label = f"slots-{end}-{stream}"
            sim.behave(label, **ENDS.get(end, {"fault": "stall=2"}))
            providers[label] = provider(sim, label, "openai")
            targets = [{"to": f"{label}/gpt-4o", "max_in_flight": 2}]
            routes.append({"name": label, "match": {"model": label}, "targets": targets})
    return shared_ringmains({"providers": providers, "routes": routes, "defaults": settings})


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("end", [*ENDS, "abort"])
def test_ct3_every_end_gives_its_slot_back(slots, sim, expected, end, stream):
    """Two at a time may run there; after many that ended in this way, two still may."""
    gateway, label = slots, f"slots-{end}-{stream}"

    def once(_):
        if end != "abort":
            return chat(gateway.url, "openai", label, stream=stream)
        connection = connect(gateway.url)
        path, body = prompt("openai", model=label, stream=stream)
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        if stream:
            connection.getresponse().read(10)
        hang_up(connection)
        return None

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(once, range(24)))
    poll(lambda: metric(gateway, "ringmain_attempts_in_flight", target=f"{label}/gpt-4o") == 0, "no slot is held")
    sim.behave(label, first_token_delay="100ms")

    def both_are_served():
        """At once: the breaker, which many failures open, must first have seen that it is well."""
        with ThreadPoolExecutor(2) as threads:
            answers = list(threads.map(lambda _: chat(gateway.url, "openai", label), range(2)))
        return all(reply.status == 200 and heard.text == expected for reply, heard in answers)

    poll(both_are_served, "two slots", within=10)


def test_ct4_a_storm_stays_within_the_retry_budget(start_ringmain, sim):
    """200 callers of a target that is nearly down: one attempt each, and at most the budget's share on top."""
    settings = {**FAST, "retries": {"attempts": 5, "backoff": "1ms..5ms", "budget": "20%"}}
    settings["breaker"] = {"failures": 1000, "error_rate": "100%"}
    providers = {"storm": provider(sim, "storm", "openai")}
    gateway = start_ringmain({"providers": providers, "routes": [route("r", "storm/gpt-4o")], "defaults": settings})
    # Failures come back sooner than answers: without answers before them the first ten would be all, and open the breaker.
    for _ in range(10):
        assert chat(gateway.url, "openai", "r")[0].status == 200
    sim.forget()
    sim.behave("storm", fault="flap=9of10")
    began = time.monotonic()
    with ThreadPoolExecutor(20) as threads:
        statuses = [reply.status for reply, _ in threads.map(lambda _: chat(gateway.url, "openai", "r"), range(200))]
    took = time.monotonic() - began
    assert statuses.count(500) > 100, "most of them are told, not tried again"
    attempts = len(sim.received("storm"))
    # A fifth of recent requests, ten a second, and what a full budget holds at the start.
    assert 200 <= attempts <= 200 + 42 + 10 * (took + 10), (attempts, took)

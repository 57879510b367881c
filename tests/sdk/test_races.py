"""A target without a useful token in time is raced; the first useful token wins, and the loser is cancelled."""

import time

import pytest
from support import DIALECTS, FAST, chat, poll, prompt, provider, route, send, served_properly


@pytest.fixture(scope="module")
def sim(shared_provider_sims):
    return shared_provider_sims()


@pytest.fixture(scope="module")
def expected(sim):
    return chat(sim.url, "openai", "m")[1].text


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_a_slow_target_is_raced(start_ringmain, sim, expected, dialect, stream):
    """The second starts after `race_after`, wins, and the loser is cancelled within a second."""
    label = f"slow-{dialect}-{stream}"
    sim.behave(label, fault="slow=20s")
    providers = {"a": provider(sim, label, "openai"), "b": provider(sim, f"{label}-2", "anthropic")}
    settings = {**FAST, "timeouts": {"race_after": "200ms"}}
    gateway = start_ringmain(
        {"providers": providers, "routes": [route("r", "a/gpt-4o", "b/claude-sonnet-4-6")], "defaults": settings}
    )
    began = time.monotonic()
    reply, heard = chat(gateway.url, dialect, "r", stream=stream)
    assert 0.2 <= time.monotonic() - began < 2
    served_properly(dialect, heard, expected)
    assert (reply.mine("target"), reply.mine("attempts")) == ("b/claude-sonnet-4-6", "2")
    poll(lambda: sim.received(label)[0]["ended"]["state"] == "client_closed", "the loser is cancelled", within=1)
    loser, winner = told(gateway, reply)["attempts"]
    assert loser["estimated"] and "estimated" not in winner
    assert loser["usage"]["input"] > 0 and loser["cost"] and winner["cost"], "the loser's prompt was read"


def told(gateway, reply) -> dict:
    """The record of a request, once it is there."""
    ask = lambda: send(gateway.admin, f"/api/requests/{reply.mine('request-id')}", method="GET")
    poll(lambda: ask().status == 200, "the record")
    return ask().json()["record"]


def test_the_slow_one_may_still_win(start_ringmain, sim, expected):
    sim.behave("race-1", fault="slow=500ms")
    sim.behave("race-2", fault="silence")
    providers = {"a": provider(sim, "race-1", "openai"), "b": provider(sim, "race-2", "anthropic")}
    settings = {**FAST, "timeouts": {"race_after": "100ms"}}
    gateway = start_ringmain(
        {"providers": providers, "routes": [route("r", "a/gpt-4o", "b/claude-sonnet-4-6")], "defaults": settings}
    )
    reply, heard = chat(gateway.url, "gemini", "r", stream=True)
    served_properly("gemini", heard, expected)
    assert (reply.mine("target"), reply.mine("attempts")) == ("a/gpt-4o", "2")
    poll(lambda: sim.received("race-2")[0]["ended"]["state"] == "client_closed", "the loser is cancelled", within=1)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_a_race_against_a_failure(start_ringmain, sim, expected, stream):
    """The second fails at once: the first is still waited for."""
    sim.behave(f"patient-{stream}", fault="slow=400ms")
    sim.behave(f"hasty-{stream}", fault="overloaded")
    providers = {"a": provider(sim, f"patient-{stream}", "gemini"), "b": provider(sim, f"hasty-{stream}", "anthropic")}
    settings = {**FAST, "timeouts": {"race_after": "100ms"}}
    routes = [route("r", "a/gemini-2.5-flash-lite", "b/claude-sonnet-4-6")]
    gateway = start_ringmain({"providers": providers, "routes": routes, "defaults": settings})
    reply, heard = chat(gateway.url, "openai", "r", stream=stream)
    served_properly("openai", heard, expected)
    assert reply.mine("target") == "a/gemini-2.5-flash-lite"


def test_a_slow_target_comes_to_be_avoided(start_ringmain, sim, expected):
    """Losing races is held against a target: in the end requests do not wait for it first."""
    sim.behave("sluggish", fault="slow=10s")
    providers = {"a": provider(sim, "sluggish", "openai"), "b": provider(sim, "brisk", "openai")}
    settings = {**FAST, "timeouts": {"race_after": "100ms"}, "breaker": {"failures": 3, "open_for": "20s..40s"}}
    routes = [route("r", "a/gpt-4o", "b/gpt-4o")]
    gateway = start_ringmain({"providers": providers, "routes": routes, "defaults": settings})
    for n in range(12):
        reply, heard = chat(gateway.url, "openai", "r", f"hello {n}", stream=n % 2 == 0)
        assert (reply.status, heard.clean) == (200, True)
    assert reply.mine("attempts") == "1"
    assert len(sim.received("sluggish")) < 12


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_answer_that_flows_is_cut_by_its_caller_alone(start_ringmain, sim, expected, dialect):
    """The route's time is for getting an answer; one that is under way may take longer. The caller's caps the whole."""
    sim.behave("flowing", token_delay="50ms")
    timeouts = {**FAST["timeouts"], "total": "400ms"}
    config = {"providers": {"p": provider(sim, "flowing", "openai")}, "defaults": {**FAST, "timeouts": timeouts}}
    gateway = start_ringmain(config)
    began = time.monotonic()
    _, heard = chat(gateway.url, dialect, "p/gpt-4o", stream=True)
    served_properly(dialect, heard, expected)
    assert time.monotonic() - began > 0.6
    _, heard = chat(gateway.url, dialect, "p/gpt-4o", stream=True, headers={"x-ringmain-timeout": "400ms"})
    assert not heard.clean and heard.finish is None and heard.error, "never a clean end"
    assert heard.text and expected.startswith(heard.text) and heard.text != expected


def test_the_whole_time_is_over_all_attempts(start_ringmain, sim):
    sim.behave("whole-1", fault="silence")
    sim.behave("whole-2", fault="silence")
    providers = {"a": provider(sim, "whole-1", "openai"), "b": provider(sim, "whole-2", "openai")}
    timeouts = {"race_after": "100ms", "first_token": "300ms", "total": "800ms"}
    routes = [route("r", "a/gpt-4o", "b/gpt-4o")]
    gateway = start_ringmain({"providers": providers, "routes": routes, "defaults": {**FAST, "timeouts": timeouts}})
    began = time.monotonic()
    reply = send(gateway.url, *prompt("openai", model="r"))
    assert 0.7 <= time.monotonic() - began < 1.8
    assert reply.status in (408, 503, 504), reply.body
    for label in ("whole-1", "whole-2"):
        ended = [entry["ended"]["state"] for entry in poll(lambda: sim.received(label), "arrived")]  # noqa: B023
        assert set(ended) == {"client_closed"}

"""The ledger and what is read from it: costs, breakdowns, search; a store that is locked, a process that is killed; the
admin API held to its own document."""

import json
import os
import signal
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import http
from support import FAST, poll, prompt, provider, route, send

# gpt-4o: $2.50 and $10 for a million tokens.
IN, OUT = 2.5e-6, 10e-6


@pytest.fixture(scope="module")
def sim(shared_provider_sims):
    return shared_provider_sims()


def config(sim, database, **more):
    return {
        "providers": {label: provider(sim, label, "openai") for label in ("a", "b", "bad")},
        "routes": [route("text", "a/gpt-4o"), route("over", "bad/gpt-4o", "b/gpt-4o-mini")],
        "groups": {"acme": {"limits": "$5/month"}},
        "keys": [{"name": "prod", "key": "sk-prod", "group": "acme", "tags": {"team": "search"}}],
        "defaults": FAST,
        "state": {"database": f"sqlite:{database}"},
        **more,
    }


def ask(gateway, model="text", key="sk-prod", stream=False, timeout=30.0):
    path, body = prompt("openai", model=model, stream=stream)
    return send(gateway.url, path, body, {"authorization": f"Bearer {key}"}, timeout=timeout)


def api(gateway, path, method="GET", body=None):
    return send(gateway.admin, path, body, method=method)


def rows(gateway, query=""):
    return api(gateway, f"/api/analytics?{query}").json()["rows"]


def fits(schema, value, document, where="") -> None:
    """As much of JSON Schema as the document uses."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    for part in schema.get("allOf", ()):
        fits(part, value, document, where)
    kinds = schema.get("type")
    if kinds:
        kinds = [kinds] if isinstance(kinds, str) else kinds
        types = {
            "object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool,
            "null": type(None),
        }
        assert any(isinstance(value, types[kind]) for kind in kinds), f"{where}: {value!r} is no {kinds}"
    if "enum" in schema:
        assert value in schema["enum"], f"{where}: {value!r}"
    if isinstance(value, dict):
        for name in schema.get("required", ()):
            assert name in value, f"{where}.{name} is missing"
        for name, inner in schema.get("properties", {}).items():
            if name in value:
                fits(inner, value[name], document, f"{where}.{name}")
    if isinstance(value, list):
        for at, item in enumerate(value):
            fits(schema.get("items", {}), item, document, f"{where}[{at}]")


def test_what_was_used_is_summed_to_the_cent(start_ringmain, sim, tmp_path):
    sim.behave("bad", fault="overloaded")
    gateway = start_ringmain(config(sim, tmp_path / "ledger.db"))
    usages = [ask(gateway).json()["usage"] for _ in range(5)]
    assert ask(gateway, "over").mine("target") == "b/gpt-4o-mini"
    ask(gateway, stream=True)
    poll(lambda: sum(row["requests"] for row in rows(gateway)) == 7, "all requests are summed")
    (a,) = rows(gateway, "by=target&target=a/gpt-4o&route=text")
    each = usages[0]["prompt_tokens"] * IN + usages[0]["completion_tokens"] * OUT
    assert a["cost_usd"] == pytest.approx(each * 6, abs=1e-8) and a["unpriced_attempts"] == 0
    assert a["tokens"]["output"] == usages[0]["completion_tokens"] * 6
    assert (a["requests"], a["served"], a["success_rate"]) == (6, 6, 1.0)
    assert a["first_token_ms"]["count"] == 1 and a["total_ms"]["p50"] > 0
    by_provider = {row["name"]: row for row in rows(gateway, "by=provider")}
    assert by_provider["b"]["failovers"] == 1 and by_provider["bad"]["attempts_failed"] >= 1
    assert [row["name"] for row in rows(gateway, "by=key")] == ["acme/prod"]
    assert [row["name"] for row in rows(gateway, "by=tag")] == ["team=search"]
    assert len(rows(gateway, "step=1h&from=3h")) == 1
    csv = api(gateway, "/api/analytics?by=model&format=csv").body.decode().splitlines()
    assert csv[0].startswith("at,name,requests,") and len(csv) >= 3
    found = api(gateway, "/api/requests?target=b/gpt-4o-mini&outcome=ok").json()["requests"]
    assert [entry["route"] for entry in found] == ["over"]
    record = api(gateway, f"/api/requests/{found[0]['id']}").json()
    assert record["key"] == "acme/prod" and record["story"]
    (limit,) = api(gateway, "/api/limits").json()["limits"]
    total = sum(row["cost_usd"] for row in rows(gateway))
    assert limit["used"] == pytest.approx(total, abs=1e-8), "the budget is the ledger's sum"
    stored = sqlite3.connect(tmp_path / "ledger.db")
    assert stored.execute("SELECT count(*), sum(unpriced) FROM requests").fetchone() == (7, 0)
    assert stored.execute("SELECT count(*) FROM attempts WHERE cost_nano IS NULL AND served").fetchone() == (0,)


def test_budgets_outlive_the_process(start_ringmain, sim, tmp_path):
    settings = config(sim, tmp_path / "ledger.db")
    gateway = start_ringmain(settings)
    for _ in range(3):
        assert ask(gateway).status == 200
    used = api(gateway, "/api/limits").json()["limits"][0]["used"]
    gateway.stop()
    again = start_ringmain(settings)
    assert used > 0 and api(again, "/api/limits").json()["limits"][0]["used"] == pytest.approx(used, abs=1e-9)


def test_who_ends_has_written_down_everything(start_ringmain, sim, tmp_path):
    gateway = start_ringmain(config(sim, tmp_path / "ledger.db"))
    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(lambda _: ask(gateway).status, range(40)))
    gateway.stop()
    with sqlite3.connect(tmp_path / "ledger.db") as database:
        assert database.execute("SELECT count(*) FROM requests").fetchone() == (statuses.count(200),) == (40,)


def test_a_locked_database_holds_nobody_up(start_ringmain, sim, tmp_path):
    gateway = start_ringmain(config(sim, tmp_path / "ledger.db"))
    ask(gateway)
    other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    began = time.monotonic()
    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(lambda _: ask(gateway, timeout=3).status, range(100)))
    assert statuses == [200] * 100 and time.monotonic() - began < 10
    assert api(gateway, "/api/store").json()["behind"] > 0
    other.execute("ROLLBACK")
    poll(lambda: [row["requests"] for row in rows(gateway)] == [101], "every row is there", within=30)
    assert api(gateway, "/api/store").json() == {"kept_in": "database", "down": False, "behind": 0, "lost": 0}


@pytest.mark.parametrize("turn", range(3))
def test_a_kill_loses_no_answered_request_and_doubles_none(start_ringmain, sim, tmp_path, turn):
    """Requests answered more than 100 ms before the kill are in the ledger, each once."""
    settings = config(sim, tmp_path / "ledger.db")
    gateway = start_ringmain(settings)
    answered: list = []

    def one(_):
        try:
            reply = ask(gateway, timeout=5)
        except OSError:
            return
        if reply.status == 200:
            answered.append((time.monotonic(), reply.mine("request-id")))

    with ThreadPoolExecutor(8) as threads:
        jobs = [threads.submit(one, n) for n in range(400)]
        time.sleep(0.6 + 0.3 * turn)
        os.kill(gateway.child.pid, signal.SIGKILL)
        killed = time.monotonic()
        for job in jobs:
            job.cancel()
    due = {name for at, name in answered if at < killed - 0.15}
    assert due, "some were answered before the kill"
    start_ringmain(settings)
    stored = sqlite3.connect(tmp_path / "ledger.db")
    ids = [id.hex() for (id,) in stored.execute("SELECT id FROM requests")]
    assert len(ids) == len(set(ids)) and due <= set(ids)
    (summed,) = stored.execute("SELECT sum(requests) FROM rollups WHERE grain = 2 AND slice = ''").fetchone()
    rows_cost, sums_cost = (
        stored.execute(query).fetchone()[0]
        for query in (
            "SELECT sum(cost_nano) FROM attempts",
            "SELECT sum(cost_nano) FROM rollups WHERE grain = 2 AND slice = ''",
        )
    )
    assert (summed, sums_cost) == (len(ids), rows_cost)


def test_the_api_says_what_its_document_promises(start_ringmain, sim, tmp_path):
    gateway = start_ringmain(config(sim, tmp_path / "ledger.db"))
    request = ask(gateway).mine("request-id")
    document = api(gateway, "/api/openapi.json").json()
    made = api(gateway, "/api/keys", "POST", {"name": "new", "group": "acme", "limits": ["$1/day"], "expires": "30d"})
    token = api(gateway, "/api/tokens", "POST", {"name": "ci", "scopes": ["analytics:read"]})
    bodies = {"/api/groups/{path}": {"limits": ["5 at once"]}, "/api/keys": {"name": "other"}}
    bodies["/api/tokens"] = {"name": "other", "scopes": ["*:read"], "expires": "30d"}
    values = {"id": request, "path": "acme/web"}
    for path, methods in document["paths"].items():
        for method, told in sorted(methods.items(), reverse=True):
            if method == "delete":
                values["id"] = (token if "tokens" in path else made).json()["id"]
            where = path.format(**values)
            reply = api(gateway, where, method.upper(), bodies.get(path) if method in ("put", "post") else None)
            good = next(status for status in told["responses"] if status.startswith("2"))
            assert str(reply.status) == good, (method, path, reply.body)
            for kind, content in told["responses"][good]["content"].items():
                if kind == "text/csv":
                    reply = api(gateway, f"{where}?format=csv")
                assert reply.headers["content-type"].startswith(kind)
                if kind == "application/json":
                    fits(content["schema"], reply.json(), document, path)
        values["id"] = request
    assert made.json()["key"].startswith("sk-rm-")
    actions = [entry["action"] for entry in api(gateway, "/api/audit").json()["entries"]]
    assert "POST /api/keys" in actions and "DELETE /api/keys/{id}" in actions
    for path in ("/api/analytics?nonsense=1", "/api/analytics?from=soon", "/api/analytics?step=7s", "/api/requests/x"):
        wrong = api(gateway, path)
        assert wrong.status == 400 and wrong.json()["error"]["message"], path
    assert api(gateway, "/api/nothing").status == 404
    assert api(gateway, "/api/keys", "PUT", {}).status == 405


def test_keys_made_over_the_api_hold_at_once(start_ringmain, sim, tmp_path):
    gateway = start_ringmain(config(sim, tmp_path / "ledger.db"))
    made = api(gateway, "/api/keys", "POST", {"name": "app", "models": ["text"], "limits": ["2 requests/day"]}).json()
    assert [ask(gateway, key=made["key"]).status for _ in range(3)] == [200, 200, 429]
    assert ask(gateway, "a/gpt-4o", key=made["key"]).status == 403
    assert api(gateway, "/api/keys", "POST", {"name": "app"}).status == 409
    listed = api(gateway, "/api/keys").body.decode()
    assert made["key"] not in listed and made["key"][6:] not in gateway.output()
    assert api(gateway, f"/api/keys/{made['id']}", "DELETE").status == 200
    assert ask(gateway, key=made["key"]).status == 401
    for wrong in ({}, {"name": "a b"}, {"name": "x", "limits": ["lots"]}, {"name": "x", "typo": 1}, {"name": "x", "routes": ["["]}):
        assert api(gateway, "/api/keys", "POST", wrong).status == 400, wrong


def test_pages_of_others_cannot_ask(start_ringmain, sim, tmp_path):
    gateway = start_ringmain(config(sim, tmp_path / "ledger.db"))
    evil = {"origin": "http://evil.example"}
    assert send(gateway.admin, "/api/keys", {"name": "x"}, evil).status == 403
    assert send(gateway.admin, "/api/keys", method="GET", headers={"host": "evil.example"}).status == 403
    assert send(gateway.admin, "/api/keys", b'{"name":"x"}', {"content-type": "text/plain"}).status == 415
    assert http("GET", f"{gateway.admin}/metrics")[0] == 200

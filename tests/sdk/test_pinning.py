"""What one provider alone has: stored responses, and reasoning it has sealed. Such requests go there and nowhere else."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import openai
import pytest
from sdks import KEY
from support import FAST, provider, route, send


class Store(BaseHTTPRequestHandler):
    """A provider of Responses that remembers what it made, for each of its keys."""

    protocol_version = "HTTP/1.1"

    def _account(self):
        return self.headers["authorization"].removeprefix("Bearer ")

    def _send(self, status, value):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _refuse(self, status, message, code=None):
        self._send(status, {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}})

    def _whole(self, response_id):
        item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed"}
        item["content"] = [{"type": "output_text", "text": f"from {self.server.name}", "annotations": []}]
        sealed = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": f"gAAAA{self.server.name}{self._account()}"}
        return {
            "id": response_id, "object": "response", "created_at": 1, "status": "completed", "model": "gpt-5",
            "output": [sealed, item], "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
            "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3, "input_tokens_details": {"cached_tokens": 0},
                      "output_tokens_details": {"reasoning_tokens": 1}},
        }

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
        server, account = self.server, self._account()
        server.asked.append((account, self.path, body))
        if server.down:
            return self._refuse(503, "down")
        if self.path.endswith("/cancel"):
            return self._send(200, {**self._whole(self.path.split("/")[-2]), "status": "cancelled"})
        previous = body.get("previous_response_id")
        if previous and (account, previous) not in server.made:
            return self._refuse(400, f"Previous response with id '{previous}' not found.", "previous_response_not_found")
        for item in body["input"] if isinstance(body["input"], list) else []:
            if "encrypted_content" in item and item["encrypted_content"] != f"gAAAA{server.name}{account}":
                return self._refuse(400, "The encrypted content could not be verified.", "invalid_encrypted_content")
        response_id = f"resp_{server.name}{len(server.asked)}"
        server.made.add((account, response_id))
        whole = self._whole(response_id)
        if not body.get("stream"):
            return self._send(200, whole)
        shell = {**whole, "status": "in_progress", "output": [], "usage": None}
        events = [
            {"type": "response.created", "response": shell},
            {"type": "response.output_item.added", "output_index": 0, "item": {**whole["output"][1], "content": []}},
            {"type": "response.content_part.added", "output_index": 0, "content_index": 0, "item_id": "msg_1",
             "part": {"type": "output_text", "text": "", "annotations": []}},
            {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "item_id": "msg_1", "delta": "from"},
            {"type": "response.completed", "response": whole},
        ]
        text = "".join(
            f"event: {event['type']}\ndata: {json.dumps({**event, 'sequence_number': n})}\n\n" for n, event in enumerate(events)
        ).encode()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(text)
        self.close_connection = True

    def _stored(self):
        self.server.asked.append((self._account(), self.path, None))
        response_id = self.path.split("?")[0].split("/")[3]
        if (self._account(), response_id) not in self.server.made:
            self._refuse(404, f"Response with id '{response_id}' not found.")
            return None
        return response_id

    def do_GET(self):
        response_id = self._stored()
        if response_id and "/input_items" in self.path:
            item = {"type": "message", "id": "in_1", "role": "user", "status": "completed", "content": [{"type": "input_text", "text": "hi"}]}
            self._send(200, {"object": "list", "data": [item], "first_id": "in_1", "last_id": "in_1", "has_more": False})
        elif response_id:
            self._send(200, self._whole(response_id))

    def do_DELETE(self):
        response_id = self._stored()
        if response_id:
            self.server.made.discard((self._account(), response_id))
            self._send(200, {"id": response_id, "object": "response", "deleted": True})

    def log_message(self, *_):
        pass


@pytest.fixture
def stores():
    servers = {}
    for name in ("one", "two"):
        server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
        server.name, server.asked, server.made, server.down = name, [], set(), False
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers[name] = server
    yield servers
    for server in servers.values():
        server.shutdown()
        server.server_close()


@pytest.fixture
def gateway(start_ringmain, stores, provider_sim):
    at = lambda name: f"http://127.0.0.1:{stores[name].server_port}/v1"
    providers = {
        "one": {"kind": "openai", "base_url": at("one"), "keys": ["one-a", "one-b"]},
        "two": {"kind": "openai", "base_url": at("two"), "keys": ["two-a"]},
        "claude": provider(provider_sim, "claude", "anthropic"),
    }
    both = [{"to": "one/gpt-5", "weight": 1}, {"to": "two/gpt-5", "weight": 1}]
    routes = [route("both", *both), route("other", "two/gpt-5"), route("three", "two/gpt-5", "claude/claude-sonnet-4-6")]
    defaults = {**FAST, "retries": {"attempts": 2, "backoff": "1ms..5ms"}}
    return start_ringmain({"providers": providers, "routes": routes, "defaults": defaults})


@pytest.fixture
def client(gateway):
    return openai.OpenAI(api_key=KEY, base_url=f"{gateway.url}/v1", max_retries=0)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_a_conversation_that_is_stored_goes_on_where_it_is(client, stores, stream):
    """Two providers of equal weight, one of them with two accounts: by chance it would soon go wrong."""
    for _ in range(10):
        if stream:
            with client.responses.stream(model="both", input="hi") as events:
                said = events.get_final_response()
        else:
            said = client.responses.create(model="both", input="hi")
        for _ in range(3):
            before = said.id
            said = client.responses.create(model="both", input="and then?", previous_response_id=before)
            assert said.id.startswith(before[:8]), "the ids are the provider's own"
    accounts = {account for server in stores.values() for account, _, _ in server.asked}
    assert len(accounts) > 1, accounts


def test_sealed_reasoning_goes_back_to_its_account(client):
    ask = {"model": "both", "store": False, "include": ["reasoning.encrypted_content"]}
    for _ in range(8):
        said = client.responses.create(input="hi", **ask)
        items = [{"role": "user", "content": "hi"}]
        for _ in range(3):
            items += [item.model_dump(exclude_none=True) for item in said.output] + [{"role": "user", "content": "more"}]
            said = client.responses.create(input=items, **ask)


def test_nobody_else_is_asked(gateway, client, stores):
    said = client.responses.create(model="both", input="hi")
    maker, other = ("one", "two") if said.id.startswith("resp_one") else ("two", "one")
    stores[maker].down = True
    stores[other].asked.clear()
    body = {"model": "both", "input": "and then?", "previous_response_id": said.id}
    for _ in range(8):
        reply = send(gateway.url, "/v1/responses", body)
        assert reply.status == 503, reply.body
    message = reply.json()["error"]["message"]
    assert f"{other}/gpt-5: what the request goes on from is with another provider" in message
    assert stores[other].asked == []
    with pytest.raises(openai.InternalServerError):
        client.responses.create(**body)
    # A conversation of its own is served by the other.
    assert client.responses.create(model="both", input="hi").id.startswith(f"resp_{other}")


def test_a_route_that_does_not_lead_there(gateway, client):
    said = client.responses.create(model="one/gpt-5", input="hi")
    reply = send(gateway.url, "/v1/responses", {"model": "other", "input": "x", "previous_response_id": said.id})
    assert reply.status == 400
    assert "previous_response_id" in reply.json()["error"]["message"] and "`one`" in reply.json()["error"]["message"]


def test_what_nobody_here_has_seen_is_told_to_no_other_dialect(gateway, stores):
    body = {"model": "three", "input": "x", "previous_response_id": "resp_elsewhere"}
    reply = send(gateway.url, "/v1/responses", body)
    assert reply.status == 400 and "not found" in reply.json()["error"]["message"]
    assert len(stores["two"].asked) == 1


def test_stored_responses(client, stores):
    for model in ("one/gpt-5", "two/gpt-5"):
        said = client.responses.create(model=model, input="hi")
        assert client.responses.retrieve(said.id).output_text == f"from {model[:3]}"
        assert [item.id for item in client.responses.input_items.list(said.id)] == ["in_1"]
        assert client.responses.cancel(said.id).status == "cancelled"
        client.responses.delete(said.id)
        with pytest.raises(openai.NotFoundError) as raised:
            client.responses.retrieve(said.id)
        assert "not found" in str(raised.value)
    for server in stores.values():
        made_by = {account for account, path, _ in server.asked if path == "/v1/responses"}
        assert {account for account, *_ in server.asked} == made_by, "each with the key it was made with"


def test_stored_responses_that_are_not_known(gateway, client):
    reply = send(gateway.url, "/v1/responses/resp_unknown", method="GET")
    assert reply.status == 404 and "several providers" in reply.json()["error"]["message"]
    assert send(gateway.url, "/v1/responses/resp_unknown", {}).status == 405
    assert send(gateway.url, "/v1/responses/..%2fmodels", method="GET").status in (404, 501)


def test_with_one_provider_it_is_asked(start_ringmain, stores):
    url = f"http://127.0.0.1:{stores['one'].server_port}/v1"
    gateway = start_ringmain({"providers": {"one": {"kind": "openai", "base_url": url, "keys": ["one-a"]}}})
    stores["one"].made.add(("one-a", "resp_before"))
    client = openai.OpenAI(api_key=KEY, base_url=f"{gateway.url}/v1", max_retries=0)
    assert client.responses.retrieve("resp_before", include=["message.output_text.logprobs"]).output_text == "from one"
    assert stores["one"].asked[-1][1].startswith("/v1/responses/resp_before?include")
    for _ in range(3):
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve("resp_never")
    assert client.responses.create(model="one/gpt-5", input="hi").output_text == "from one", "nobody is to blame"

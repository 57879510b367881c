"""Reasoning that must come back to its maker: through dialects with no place for it, and never to anybody else."""

import json
from http.server import BaseHTTPRequestHandler

import anthropic
import openai
import pytest
from google import genai
from google.genai import types
from sdks import KEY
from support import FAST, serving

CLAUDE_PROOF = "EqQBCkgIARABGAIiQL8mYpW0Aw=="
GOOGLE_PROOF = "CpcBAR/MhbZHq2n5Vv4rQ8c="
THOUGHT = "The weather tool knows."
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def plain(proof: str) -> str:
    """Base64 in the plain alphabet."""
    return proof if "validator" in proof else proof.replace("-", "+").replace("_", "/")


class Maker(BaseHTTPRequestHandler):
    """Anthropic and Google in one: thinks, calls a tool, and refuses a conversation whose proofs are not its own."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        server = self.server
        server.asked.append((self.path, body))
        if "/v1/messages" in self.path:
            problem, answer = self._anthropic(body)
        else:
            problem, answer = self._gemini(body)
        if problem:
            answer = {"type": "error", "error": {"type": "invalid_request_error", "message": problem, "code": 400}}
        elif body.get("stream") or "stream" in self.path:
            return self._stream(answer)
        self._send(400 if problem else 200, "application/json", json.dumps(answer).encode())

    def _send(self, status, kind, data):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _anthropic(self, body):
        turns = body["messages"]
        for turn in turns:
            for block in turn["content"] if isinstance(turn["content"], list) else []:
                if block["type"] == "thinking" and block["signature"] != CLAUDE_PROOF:
                    return "Invalid `signature` in `thinking` block", None
        calls = [turn for turn in turns if isinstance(turn["content"], list) and any(b["type"] == "tool_use" for b in turn["content"])]
        if body.get("thinking", {}).get("type") == "enabled" and calls and calls[-1]["content"][0]["type"] != "thinking":
            return "a final assistant message must start with a thinking block", None
        usage = {"input_tokens": 5, "output_tokens": 9}
        head = {"id": f"msg_{len(self.server.asked)}", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "usage": usage}
        if calls:
            return None, {**head, "content": [{"type": "text", "text": "sunny"}], "stop_reason": "end_turn"}
        content = [
            {"type": "thinking", "thinking": THOUGHT, "signature": CLAUDE_PROOF},
            {"type": "tool_use", "id": f"toolu_{len(self.server.asked)}", "name": "weather", "input": {"city": "Brno"}},
        ]
        return None, {**head, "content": content, "stop_reason": "tool_use"}

    def _gemini(self, body):
        parts = [part for content in body["contents"] for part in content["parts"]]
        # Google's SDK writes base64 in its other alphabet.
        found = [part["thoughtSignature"] for part in parts if "thoughtSignature" in part]
        if any(proof not in (GOOGLE_PROOF, "skip_thought_signature_validator") for proof in map(plain, found)):
            return "Thought signature is not valid", None
        call = {"functionCall": {"name": "weather", "args": {"city": "Brno"}}, "thoughtSignature": GOOGLE_PROOF}
        is_answered = any("functionResponse" in part for part in parts)
        content = {"role": "model", "parts": [{"text": "sunny"}] if is_answered else [call]}
        usage = {"promptTokenCount": 5, "candidatesTokenCount": 9, "totalTokenCount": 14}
        return None, {
            "candidates": [{"content": content, "finishReason": "STOP", "index": 0}],
            "usageMetadata": usage, "modelVersion": "gemini-3-pro", "responseId": f"r{len(self.server.asked)}",
        }

    def _stream(self, answer):
        if "candidates" in answer:
            return self._send(200, "text/event-stream", f"data: {json.dumps(answer)}\n\n".encode())
        events = [{"type": "message_start", "message": {**answer, "content": [], "stop_reason": None}}]
        for index, block in enumerate(answer["content"]):
            empty = {"thinking": {"thinking": "", "signature": ""}, "tool_use": {"input": {}}, "text": {"text": ""}}[block["type"]]
            events.append({"type": "content_block_start", "index": index, "content_block": {**block, **empty}})
            deltas = {
                "thinking": [{"type": "thinking_delta", "thinking": THOUGHT}, {"type": "signature_delta", "signature": CLAUDE_PROOF}],
                "tool_use": [{"type": "input_json_delta", "partial_json": json.dumps(block.get("input"))}],
                "text": [{"type": "text_delta", "text": block.get("text")}],
            }[block["type"]]
            events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
            events.append({"type": "content_block_stop", "index": index})
        events.append({"type": "message_delta", "delta": {"stop_reason": answer["stop_reason"]}, "usage": answer["usage"]})
        events.append({"type": "message_stop"})
        text = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
        self._send(200, "text/event-stream", text.encode())

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def maker():
    with serving(Maker, asked=[]) as server:
        yield server


@pytest.fixture(scope="module")
def gateway(shared_ringmains, maker):
    providers = {name: {"kind": name, "base_url": maker.url, "keys": [KEY]} for name in ("anthropic", "gemini")}
    return shared_ringmains({"providers": providers, "defaults": {**FAST, "retries": {"attempts": 1}}})


CLAUDE, GOOGLE = "anthropic/claude-sonnet-4-5", "gemini/gemini-3-pro"
STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])


def through_chat(gateway, first: str, then: str, stream: bool) -> str:
    """A tool loop of OpenAI's chat, whose messages have no place for any proof."""
    client = openai.OpenAI(api_key=KEY, base_url=f"{gateway.url}/v1", max_retries=0)
    tools = [{"type": "function", "function": {"name": "weather", "parameters": WEATHER}}]
    messages = [{"role": "user", "content": "How is the weather?"}]
    more = {"tools": tools, "reasoning_effort": "medium"}
    if stream:
        with client.chat.completions.stream(model=first, messages=messages, **more) as events:
            for _ in events:
                pass
            call = events.get_final_completion().choices[0].message.tool_calls[0]
    else:
        call = client.chat.completions.create(model=first, messages=messages, **more).choices[0].message.tool_calls[0]
    function = {"name": call.function.name, "arguments": call.function.arguments}
    messages.append({"role": "assistant", "tool_calls": [{"id": call.id, "type": "function", "function": function}]})
    messages.append({"role": "tool", "tool_call_id": call.id, "content": "sun"})
    return client.chat.completions.create(model=then, messages=messages, **more).choices[0].message.content


def through_messages(gateway, first: str, then: str, stream: bool) -> str:
    client = anthropic.Anthropic(api_key=KEY, base_url=gateway.url, max_retries=0)
    more = {
        "max_tokens": 4096,
        "tools": [{"name": "weather", "input_schema": WEATHER}],
        "thinking": {"type": "enabled", "budget_tokens": 2000},
    }
    messages = [{"role": "user", "content": "How is the weather?"}]
    if stream:
        with client.messages.stream(model=first, messages=messages, **more) as events:
            said = events.get_final_message()
    else:
        said = client.messages.create(model=first, messages=messages, **more)
    call = next(block for block in said.content if block.type == "tool_use")
    messages.append({"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in said.content]})
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "sun"}
    messages.append({"role": "user", "content": [result]})
    return client.messages.create(model=then, messages=messages, **more).content[-1].text


def through_gemini(gateway, first: str, then: str, stream: bool) -> str:
    client = genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=gateway.url))
    tool = types.Tool(function_declarations=[types.FunctionDeclaration(name="weather", parameters_json_schema=WEATHER)])
    config = types.GenerateContentConfig(tools=[tool], thinking_config=types.ThinkingConfig(thinking_budget=2000))
    contents = [types.Content(role="user", parts=[types.Part.from_text(text="How is the weather?")])]
    if stream:
        parts = []
        for chunk in client.models.generate_content_stream(model=first, contents=contents, config=config):
            for candidate in chunk.candidates or []:
                parts += (candidate.content and candidate.content.parts) or []
        said = types.Content(role="model", parts=parts)
    else:
        said = client.models.generate_content(model=first, contents=contents, config=config).candidates[0].content
    call = next(part.function_call for part in said.parts if part.function_call)
    response = types.FunctionResponse(id=call.id, name=call.name, response={"result": "sun"})
    contents += [said, types.Content(role="user", parts=[types.Part(function_response=response)])]
    return client.models.generate_content(model=then, contents=contents, config=config).text


def through_responses(gateway, first: str, then: str, stream: bool) -> str:
    client = openai.OpenAI(api_key=KEY, base_url=f"{gateway.url}/v1", max_retries=0)
    tools = [{"type": "function", "name": "weather", "parameters": WEATHER, "strict": False}]
    more = {"tools": tools, "reasoning": {"effort": "medium"}, "store": False, "include": ["reasoning.encrypted_content"]}
    items = [{"role": "user", "content": "How is the weather?"}]
    if stream:
        with client.responses.stream(model=first, input=items, **more) as events:
            said = events.get_final_response()
    else:
        said = client.responses.create(model=first, input=items, **more)
    call = next(item for item in said.output if item.type == "function_call")
    items += [item.model_dump(exclude_none=True) for item in said.output]
    items.append({"type": "function_call_output", "call_id": call.call_id, "output": "sun"})
    return client.responses.create(model=then, input=items, **more).output_text


THROUGH = {"chat": through_chat, "messages": through_messages, "gemini": through_gemini, "responses": through_responses}


def proofs(body) -> set:
    """The proofs anywhere in a request."""
    found = set()
    if isinstance(body, dict):
        found |= {plain(value) for name, value in body.items() if name in ("signature", "thoughtSignature")}
        return found.union(*(proofs(value) for value in body.values()))
    return found.union(*(proofs(value) for value in body)) if isinstance(body, list) else found


@STREAMED
@pytest.mark.parametrize("model, proof", [(CLAUDE, CLAUDE_PROOF), (GOOGLE, GOOGLE_PROOF)], ids=["claude", "google"])
@pytest.mark.parametrize("dialect", THROUGH)
def test_a_tool_loop_keeps_its_makers_proof(gateway, maker, dialect, model, proof, stream):
    maker.asked.clear()
    assert THROUGH[dialect](gateway, model, model, stream) == "sunny"
    assert proofs(maker.asked[-1][1]) == {proof}, "as it was made, and put back where it was dropped"
    if model == CLAUDE:
        assert maker.asked[-1][1]["thinking"]["type"] == "enabled", "so it goes on thinking"


@STREAMED
@pytest.mark.parametrize("first, then", [(CLAUDE, GOOGLE), (GOOGLE, CLAUDE)], ids=["claude first", "google first"])
@pytest.mark.parametrize("dialect", THROUGH)
def test_another_maker_is_not_shown_it(gateway, maker, dialect, first, then, stream):
    """In the middle of the loop the other takes over: the conversation goes on."""
    maker.asked.clear()
    assert THROUGH[dialect](gateway, first, then, stream) == "sunny"
    assert proofs(maker.asked[-1][1]) <= {"skip_thought_signature_validator"}


def test_what_one_caller_left_another_does_not_find(gateway, maker):
    tools = [{"type": "function", "function": {"name": "weather", "parameters": WEATHER}}]
    ask = {"model": CLAUDE, "tools": tools, "reasoning_effort": "medium"}
    messages = [{"role": "user", "content": "How is the weather?"}]
    mine, other = (openai.OpenAI(api_key=key, base_url=f"{gateway.url}/v1", max_retries=0) for key in ("mine", "other"))
    call = mine.chat.completions.create(messages=messages, **ask).choices[0].message.tool_calls[0]
    messages.append({"role": "assistant", "tool_calls": [call.model_dump(exclude_none=True)]})
    messages.append({"role": "tool", "tool_call_id": call.id, "content": "sun"})
    other.chat.completions.create(messages=messages, **ask)
    assert proofs(maker.asked[-1][1]) == set()
    mine.chat.completions.create(messages=messages, **ask)
    assert proofs(maker.asked[-1][1]) == {CLAUDE_PROOF}

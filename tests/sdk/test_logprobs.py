"""How likely the tokens were: asked for and read with each SDK whose dialect knows it, from providers of the others."""

import json
from http.server import BaseHTTPRequestHandler

import cohere
import httpx
import openai
import pytest
from google import genai
from google.genai import types
from sdks import KEY
from support import FAST, serving

# The tokens of the answer, and what else could have stood there.
TOKENS = [("Hi", -0.25), ("!", -1.5)]
OTHER = ("Yo", -3.0)
TEXT = "".join(token for token, _ in TOKENS)


def openai_tokens(tokens, alternatives):
    def one(token, logprob):
        return {"token": token, "logprob": logprob, "bytes": list(token.encode())}

    return [{**one(*token), "top_logprobs": [one(*other) for other in (token, OTHER)][: alternatives]} for token in tokens]


def gemini_result(tokens, alternatives):
    def one(token, logprob):
        return {"token": token, "tokenId": 7, "logProbability": logprob}

    result = {"chosenCandidates": [one(*token) for token in tokens]}
    if alternatives:
        result["topCandidates"] = [{"candidates": [one(*token), one(*OTHER)]} for token in tokens]
    return result


class Provider(BaseHTTPRequestHandler):
    """Four dialects in one. Tells how likely its tokens were to whoever asks for it in the dialect's own words."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append(body)
        if "generateContent" in self.path or "streamGenerateContent" in self.path:
            events = self._gemini(body)
        elif self.path.endswith("/responses"):
            events = self._responses(body)
        elif self.path.endswith("/chat/completions"):
            events = self._chat(body)
        else:
            events = self._cohere(body)
        if isinstance(events, dict):
            return self._send("application/json", json.dumps(events))
        self._send("text/event-stream", "".join(f"event: {name}\ndata: {data}\n\n" if name else f"data: {data}\n\n" for name, data in events))

    def _send(self, kind, text):
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def _chat(self, body):
        asked, alternatives = body.get("logprobs") is True, body.get("top_logprobs", 0)
        usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}

        def choice(tokens, **more):
            told = {"content": openai_tokens(tokens, alternatives), "refusal": None} if asked else None
            return {"index": 0, "logprobs": told, "finish_reason": None, **more}

        head = {"id": "c", "created": 1, "model": body["model"]}
        if not body.get("stream"):
            whole = choice(TOKENS, message={"role": "assistant", "content": TEXT}, finish_reason="stop")
            return {**head, "object": "chat.completion", "choices": [whole], "usage": usage}
        head["object"] = "chat.completion.chunk"
        chunks = [{**head, "choices": [choice([token], delta={"content": token[0]})]} for token in TOKENS]
        chunks.append({**head, "choices": [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}]})
        chunks.append({**head, "choices": [], "usage": usage})
        return [(None, json.dumps(chunk)) for chunk in chunks] + [(None, "[DONE]")]

    def _responses(self, body):
        asked, alternatives = "message.output_text.logprobs" in (body.get("include") or []), body.get("top_logprobs", 0)

        def told(tokens):
            return openai_tokens(tokens, alternatives) if asked else []

        part = {"type": "output_text", "text": TEXT, "annotations": [], "logprobs": told(TOKENS)}
        message = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [part]}
        usage = {
            "input_tokens": 3, "output_tokens": 2, "total_tokens": 5,
            "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0},
        }
        shell = {
            "id": "resp_1", "object": "response", "created_at": 1, "model": body["model"], "error": None, "tools": [],
            "incomplete_details": None, "parallel_tool_calls": True, "tool_choice": "auto",
        }
        whole = {**shell, "status": "completed", "output": [message], "usage": usage}
        if not body.get("stream"):
            return whole
        place = {"item_id": "m", "output_index": 0, "content_index": 0}
        empty = {**part, "text": "", "logprobs": []}
        events = [
            {"type": "response.created", "response": {**shell, "status": "in_progress", "output": []}},
            {"type": "response.output_item.added", "output_index": 0, "item": {**message, "status": "in_progress", "content": []}},
            {"type": "response.content_part.added", **place, "part": empty},
        ]
        for token in TOKENS:
            events.append({"type": "response.output_text.delta", **place, "delta": token[0], "logprobs": told([token])})
        events += [
            {"type": "response.output_text.done", **place, "text": TEXT, "logprobs": told(TOKENS)},
            {"type": "response.content_part.done", **place, "part": part},
            {"type": "response.output_item.done", "output_index": 0, "item": message},
            {"type": "response.completed", "response": whole},
        ]
        return [(event["type"], json.dumps({**event, "sequence_number": nth})) for nth, event in enumerate(events)]

    def _gemini(self, body):
        config = body.get("generationConfig", {})
        asked, alternatives = config.get("responseLogprobs") is True, config.get("logprobs", 0)
        usage = {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}

        def answer(tokens, **more):
            text = "".join(token for token, _ in tokens)
            candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0, **more}
            if asked:
                candidate["logprobsResult"] = gemini_result(tokens, alternatives)
            return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "g", "responseId": "r"}

        if "stream" not in self.path:
            return answer(TOKENS, finishReason="STOP")
        first, last = TOKENS
        return [(None, json.dumps(answer([first]))), (None, json.dumps(answer([last], finishReason="STOP")))]

    def _cohere(self, body):
        def told(token):
            return {"text": token[0], "token_ids": [7], "logprobs": [token[1]]} if body.get("logprobs") else None

        usage = {"tokens": {"input_tokens": 3, "output_tokens": 2}}
        content = [{"type": "text", "text": TEXT}]
        if not body.get("stream"):
            answer = {"id": "r", "finish_reason": "COMPLETE", "message": {"role": "assistant", "content": content}, "usage": usage}
            return {**answer, "logprobs": [told(token) for token in TOKENS]} if body.get("logprobs") else answer
        events = [
            {"type": "message-start", "id": "r", "delta": {"message": {"role": "assistant", "content": []}}},
            {"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text", "text": ""}}}},
        ]
        for token in TOKENS:
            delta = {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": token[0]}}}}
            events.append({**delta, "logprobs": told(token)} if body.get("logprobs") else delta)
        events.append({"type": "content-end", "index": 0})
        events.append({"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": usage}})
        return [(event["type"], json.dumps(event)) for event in events]

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def provider():
    with serving(Provider, asked=[]) as server:
        yield server


@pytest.fixture(scope="module")
def gateway(shared_ringmains, provider):
    kinds = {
        "chat": {"kind": "openai-compatible"},
        "responses": {"kind": "openai-compatible", "dialect": "openai-responses"},
        "gemini": {"kind": "gemini"},
        "cohere": {"kind": "cohere"},
    }
    providers = {name: {**kind, "base_url": provider.url, "keys": [KEY]} for name, kind in kinds.items()}
    return shared_ringmains({"providers": providers, "defaults": {**FAST, "retries": {"attempts": 1}}})


def chat(gateway, model, alternatives, stream):
    client = openai.OpenAI(api_key=KEY, base_url=f"{gateway.url}/v1", max_retries=0)
    more = {"model": model, "messages": [{"role": "user", "content": "x"}], "logprobs": True, "top_logprobs": alternatives}
    if stream:
        with client.chat.completions.stream(**more) as events:
            for _ in events:
                pass
            choice = events.get_final_completion().choices[0]
    else:
        choice = client.chat.completions.create(**more).choices[0]
    assert choice.message.content == TEXT
    return openai_said(choice.logprobs.content)


def responses(gateway, model, alternatives, stream):
    client = openai.OpenAI(api_key=KEY, base_url=f"{gateway.url}/v1", max_retries=0)
    include = ["message.output_text.logprobs"]
    more = {"model": model, "input": "x", "include": include, "top_logprobs": alternatives}
    if stream:
        with client.responses.stream(**more) as events:
            deltas = [event for event in events if event.type == "response.output_text.delta"]
            part = events.get_final_response().output[0].content[0]
        heard = [(token.token, token.logprob) for delta in deltas for token in delta.logprobs]
        assert heard == [(token.token, token.logprob) for token in part.logprobs]
    else:
        part = client.responses.create(**more).output[0].content[0]
    assert part.text == TEXT
    return openai_said(part.logprobs)


def openai_said(tokens):
    assert [bytes(token.bytes).decode() for token in tokens] == [token.token for token in tokens]
    return [((t.token, t.logprob), [(other.token, other.logprob) for other in t.top_logprobs]) for t in tokens]


def gemini(gateway, model, alternatives, stream):
    client = genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=gateway.url))
    config = types.GenerateContentConfig(response_logprobs=True, logprobs=alternatives)
    more = {"model": model, "contents": "x", "config": config}
    answers = list(client.models.generate_content_stream(**more)) if stream else [client.models.generate_content(**more)]
    assert "".join(answer.text or "" for answer in answers) == TEXT
    said = []
    for result in [answer.candidates[0].logprobs_result for answer in answers]:
        chosen = (result and result.chosen_candidates) or []
        top = (result and result.top_candidates) or [None] * len(chosen)
        for token, others in zip(chosen, top, strict=True):
            others = [(other.token, other.log_probability) for other in (others.candidates if others else [])]
            said.append(((token.token, token.log_probability), others))
    return said


def of_cohere(gateway, model, alternatives, stream):
    http = httpx.Client(trust_env=False, timeout=30)
    client = cohere.ClientV2(api_key=KEY, base_url=gateway.url, httpx_client=http)
    more = {"model": model, "messages": [{"role": "user", "content": "x"}], "logprobs": True}
    if stream:
        events = [event for event in client.chat_stream(**more) if event.type == "content-delta"]
        assert "".join(event.delta.message.content.text for event in events) == TEXT
        items = [event.logprobs for event in events if event.logprobs]
    else:
        answer = client.chat(**more)
        assert answer.message.content[0].text == TEXT
        items = answer.logprobs
    return [((item.text, item.logprobs[0]), []) for item in items]


CLIENTS = {"chat": chat, "responses": responses, "gemini": gemini, "cohere": of_cohere}
MODELS = {"gemini": "gemini/gemini-2.5-flash-lite", "cohere": "cohere/command-a-03-2025"}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("target", CLIENTS)
@pytest.mark.parametrize("client", CLIENTS)
def test_every_sdk_reads_them_from_every_provider_that_gives_them(gateway, client, target, stream):
    said = CLIENTS[client](gateway, MODELS.get(target, f"{target}/some-model"), 2, stream)
    assert [token for token, _ in said] == TOKENS
    # Cohere's dialect has no alternatives to give, nor to read.
    wanted = [] if "cohere" in (client, target) else [[token, OTHER] for token in TOKENS]
    assert [others for _, others in said if others] == wanted


def test_a_provider_without_them_is_not_asked_and_the_caller_hears_of_it(shared_ringmains, shared_provider_sims):
    sim = shared_provider_sims()
    claude = {"anthropic": {"kind": "anthropic", "base_url": f"{sim.url}/p/anthropic", "keys": [KEY]}}
    running = shared_ringmains({"providers": claude, "defaults": FAST})
    client = openai.OpenAI(api_key=KEY, base_url=f"{running.url}/v1", max_retries=0)
    more = {"model": "anthropic/claude-sonnet-4-6", "messages": [{"role": "user", "content": "hello"}]}
    raw = client.chat.completions.with_raw_response.create(**more, logprobs=True, top_logprobs=2)
    assert raw.parse().choices[0].logprobs is None
    assert raw.headers["x-ringmain-loss"] == "logprobs,top_logprobs"

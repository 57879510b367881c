"""The three vendors' SDKs behind one small interface, so that a test says once what it asks of each of them.

A conversation is a list of turns: `("user", text)`, `("user", text, png)`, `("assistant", text)`,
`("call", id, name, arguments)`, `("result", id, name, text)`. What comes back is [`Said`].
"""

import base64
import functools
import json
from dataclasses import dataclass, field

import anthropic
import httpx2
import openai
from google import genai
from google.genai import types

STOP, LENGTH, TOOLS = "stop", "length", "tools"
KEY = "sk-of-the-caller"


@dataclass
class Said:
    """An answer, in words all dialects share."""

    text: str = ""
    reasoning: str = ""
    calls: list = field(default_factory=list)
    finish: str | None = None
    model: str | None = None
    input: int | None = None
    # Reasoning included, whatever the dialect's own field counts.
    output: int | None = None
    reasoning_tokens: int | None = None
    headers: dict = field(default_factory=dict)
    raw: object = None

    def essence(self):
        """What must be the same whichever way it came."""
        return self.text, self.calls, self.finish, self.output


class Caller:
    """One SDK as a caller of the server at `url`, which is the root above `/v1`."""

    name = ""

    def __init__(self, url: str, **headers):
        self.headers: dict = {}
        self.http = httpx2.Client(
            trust_env=False, verify=False, timeout=30, headers=headers, event_hooks={"response": [self._note]}
        )
        self.client = self._client(url)

    def _note(self, response):
        self.headers = dict(response.headers)

    def ask(self, model, turns="hello", stream=False, **wish) -> Said:
        """`wish`: system, tools, tool_choice, schema, max_tokens, reasoning."""
        turns = [("user", turns)] if isinstance(turns, str) else turns
        said = self._ask(model, turns, stream, **wish)
        said.headers = self.headers
        return said


def _grouped(turns):
    """Calls that stand together are one message, and so are results."""
    groups = []
    for turn in turns:
        kind = turn[0]
        if groups and kind in ("call", "result") and groups[-1][0] == kind:
            groups[-1][1].append(turn)
        else:
            groups.append((kind, [turn]))
    return groups


def chat_messages(turns, system):
    """Turns as messages of Chat Completions, which Cohere's v2 took over."""
    messages = [{"role": "system", "content": system}] if system else []
    for kind, group in _grouped(turns):
        if kind == "call":
            function = lambda t: {"name": t[2], "arguments": json.dumps(t[3])}
            calls = [{"id": t[1], "type": "function", "function": function(t)} for t in group]
            messages.append({"role": "assistant", "tool_calls": calls})
        elif kind == "result":
            messages += [{"role": "tool", "tool_call_id": t[1], "content": t[3]} for t in group]
        elif len(group[0]) == 3:
            url = "data:image/png;base64," + base64.b64encode(group[0][2]).decode()
            image = {"type": "image_url", "image_url": {"url": url}}
            messages.append({"role": kind, "content": [{"type": "text", "text": group[0][1]}, image]})
        else:
            messages.append({"role": kind, "content": group[0][1]})
    return messages


class OpenAi(Caller):
    name = "openai"
    errors = openai

    def _client(self, url):
        return openai.OpenAI(api_key=KEY, base_url=f"{url}/v1", http_client=self.http, max_retries=0)

    def _ask(
        self,
        model,
        turns,
        stream,
        system=None,
        tools=None,
        tool_choice=None,
        schema=None,
        max_tokens=None,
        reasoning=False,
    ):
        more = {}
        if tools:
            more["tools"] = [
                {"type": "function", "function": {"name": n, "description": d, "parameters": p}} for n, d, p in tools
            ]
        if tool_choice:
            named = {"type": "function", "function": {"name": tool_choice}}
            more["tool_choice"] = {"any": "required", "none": "none", "auto": "auto"}.get(tool_choice, named)
        if schema:
            form = {"name": "answer", "schema": schema, "strict": True}
            more["response_format"] = {"type": "json_schema", "json_schema": form}
        if max_tokens:
            more["max_completion_tokens"] = max_tokens
        if reasoning:
            more["reasoning_effort"] = "medium"
        more |= {"model": model, "messages": chat_messages(turns, system)}
        if stream:
            with self.client.chat.completions.stream(stream_options={"include_usage": True}, **more) as events:
                for _ in events:
                    pass
                return self._said(self._final(events))
        return self._said(self.client.chat.completions.create(**more))

    @staticmethod
    def _final(events):
        # The helper raises for an answer cut by a length limit; the snapshot is what it has accumulated.
        return events.current_completion_snapshot

    def _said(self, answer):
        message, usage = answer.choices[0].message, answer.usage
        details = usage.completion_tokens_details if usage else None
        finish = {"stop": STOP, "length": LENGTH, "tool_calls": TOOLS}.get(
            answer.choices[0].finish_reason, answer.choices[0].finish_reason
        )
        return Said(
            text=message.content or "",
            reasoning=getattr(message, "reasoning_content", None) or "",
            calls=[(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or []],
            finish=finish,
            model=answer.model,
            input=usage and usage.prompt_tokens,
            output=usage and usage.completion_tokens,
            reasoning_tokens=(details and details.reasoning_tokens) or 0,
            raw=answer,
        )


class Anthropic(Caller):
    name = "anthropic"
    errors = anthropic

    def _client(self, url):
        return anthropic.Anthropic(api_key=KEY, base_url=url, http_client=self.http, max_retries=0)

    def _messages(self, turns):
        messages = []
        for kind, group in _grouped(turns):
            if kind == "call":
                blocks = [{"type": "tool_use", "id": t[1], "name": t[2], "input": t[3]} for t in group]
                messages.append({"role": "assistant", "content": blocks})
            elif kind == "result":
                blocks = [{"type": "tool_result", "tool_use_id": t[1], "content": t[3]} for t in group]
                messages.append({"role": "user", "content": blocks})
            elif len(group[0]) == 3:
                data = base64.b64encode(group[0][2]).decode()
                image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
                messages.append({"role": kind, "content": [{"type": "text", "text": group[0][1]}, image]})
            else:
                messages.append({"role": kind, "content": group[0][1]})
        return messages

    def _ask(
        self,
        model,
        turns,
        stream,
        system=None,
        tools=None,
        tool_choice=None,
        schema=None,
        max_tokens=None,
        reasoning=False,
    ):
        more = {"model": model, "messages": self._messages(turns), "max_tokens": max_tokens or 4096}
        if system:
            more["system"] = system
        if tools:
            more["tools"] = [{"name": n, "description": d, "input_schema": p} for n, d, p in tools]
        if tool_choice:
            plain = tool_choice in ("any", "none", "auto")
            more["tool_choice"] = {"type": tool_choice} if plain else {"type": "tool", "name": tool_choice}
        if schema:
            more["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        if reasoning:
            more["thinking"] = {"type": "enabled", "budget_tokens": 2000}
        if stream:
            with self.client.messages.stream(**more) as events:
                return self._said(events.get_final_message())
        return self._said(self.client.messages.create(**more))

    def _said(self, answer):
        finish = {"end_turn": STOP, "max_tokens": LENGTH, "tool_use": TOOLS}.get(answer.stop_reason, answer.stop_reason)
        usage = answer.usage
        cached = (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
        return Said(
            text="".join(block.text for block in answer.content if block.type == "text"),
            reasoning="".join(block.thinking for block in answer.content if block.type == "thinking"),
            calls=[(block.name, block.input) for block in answer.content if block.type == "tool_use"],
            finish=finish,
            model=answer.model,
            input=usage.input_tokens + cached,
            output=usage.output_tokens,
            raw=answer,
        )


class Gemini(Caller):
    name = "gemini"
    errors = genai.errors

    def _client(self, url):
        options = types.HttpOptions(
            base_url=url, httpx_client=self.http, retry_options=types.HttpRetryOptions(attempts=1)
        )
        return genai.Client(api_key=KEY, http_options=options)

    def _contents(self, turns):
        contents = []
        for kind, group in _grouped(turns):
            if kind == "call":
                parts = [types.Part(function_call=types.FunctionCall(id=t[1], name=t[2], args=t[3])) for t in group]
            elif kind == "result":
                answer = lambda t: types.FunctionResponse(id=t[1], name=t[2], response={"result": t[3]})
                parts = [types.Part(function_response=answer(t)) for t in group]
            else:
                parts = [types.Part.from_text(text=group[0][1])]
                parts += [types.Part.from_bytes(data=png, mime_type="image/png") for png in group[0][2:]]
            contents.append(types.Content(role="model" if kind in ("call", "assistant") else "user", parts=parts))
        return contents

    def _ask(
        self,
        model,
        turns,
        stream,
        system=None,
        tools=None,
        tool_choice=None,
        schema=None,
        max_tokens=None,
        reasoning=False,
    ):
        config = types.GenerateContentConfig(system_instruction=system, max_output_tokens=max_tokens)
        config.automatic_function_calling = types.AutomaticFunctionCallingConfig(disable=True)
        if tools:
            declared = [types.FunctionDeclaration(name=n, description=d, parameters_json_schema=p) for n, d, p in tools]
            config.tools = [types.Tool(function_declarations=declared)]
        if tool_choice:
            mode = {"any": "ANY", "none": "NONE", "auto": "AUTO"}.get(tool_choice)
            choice = types.FunctionCallingConfig(
                mode=mode or "ANY", allowed_function_names=None if mode else [tool_choice]
            )
            config.tool_config = types.ToolConfig(function_calling_config=choice)
        if schema:
            config.response_mime_type, config.response_json_schema = "application/json", schema
        if reasoning:
            config.thinking_config = types.ThinkingConfig(include_thoughts=True, thinking_budget=2000)
        asked = {"model": model, "contents": self._contents(turns), "config": config}
        if stream:
            return self._said(list(self.client.models.generate_content_stream(**asked)))
        return self._said([self.client.models.generate_content(**asked)])

    def _said(self, chunks):
        said = Said(raw=chunks)
        for chunk in chunks:
            said.model = chunk.model_version or said.model
            usage = chunk.usage_metadata
            if usage:
                said.input = usage.prompt_token_count
                said.reasoning_tokens = usage.thoughts_token_count or 0
                said.output = (usage.candidates_token_count or 0) + said.reasoning_tokens
            for candidate in chunk.candidates or []:
                for part in (candidate.content and candidate.content.parts) or []:
                    if part.function_call:
                        said.calls.append((part.function_call.name, dict(part.function_call.args or {})))
                    elif part.thought:
                        said.reasoning += part.text or ""
                    else:
                        said.text += part.text or ""
                said.finish = candidate.finish_reason.name if candidate.finish_reason else said.finish
        # Gemini has no finish reason of its own for calls.
        said.finish = TOOLS if said.calls and said.finish == "STOP" else said.finish
        said.finish = {"STOP": STOP, "MAX_TOKENS": LENGTH}.get(said.finish, said.finish)
        return said


CALLERS = {caller.name: caller for caller in (OpenAi, Anthropic, Gemini)}


@functools.cache
def caller(sdk: str, url: str) -> Caller:
    """One of them for each server: an SDK takes its time to begin."""
    return CALLERS[sdk](url)

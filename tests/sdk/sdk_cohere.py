"""Cohere's SDK behind the interface of `sdks.py`."""

import json

import cohere
import cohere.errors
import httpx
from sdks import KEY, LENGTH, STOP, TOOLS, Caller, Said, chat_messages


class Cohere(Caller):
    """`ClientV2` as a caller. It cannot demand one tool of many, so it offers that one alone."""

    name = "cohere"
    errors = cohere.errors

    def __init__(self, url: str, **headers):
        self.headers: dict = {}
        hooks = {"response": [self._note]}
        self.http = httpx.Client(trust_env=False, timeout=30, headers=headers, event_hooks=hooks)
        self.client = self._client(url)

    def _client(self, url):
        # Retries are off: the tests count what arrives.
        return cohere.ClientV2(api_key=KEY, base_url=url, httpx_client=self.http, max_retries=0)

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
        more = {"model": model, "messages": chat_messages(turns, system)}
        if tools:
            named = tool_choice if tool_choice not in (None, "any", "none", "auto") else None
            declared = [{"name": n, "description": d, "parameters": p} for n, d, p in tools if named in (None, n)]
            more["tools"] = [{"type": "function", "function": function} for function in declared]
        if tool_choice and tool_choice != "auto":
            more["tool_choice"] = "NONE" if tool_choice == "none" else "REQUIRED"
        if schema:
            more["response_format"] = {"type": "json_object", "json_schema": schema}
        if max_tokens:
            more["max_tokens"] = max_tokens
        if reasoning:
            more["thinking"] = {"type": "enabled", "token_budget": 2000}
        if stream:
            return self._heard(list(self.client.chat_stream(**more)))
        return self._said(self.client.chat(**more))

    def _said(self, answer):
        message = answer.message
        calls = message.tool_calls or []
        said = Said(
            text="".join(part.text for part in message.content or [] if part.type == "text") or message.tool_plan or "",
            reasoning="".join(part.thinking for part in message.content or [] if part.type == "thinking"),
            calls=[(call.function.name, json.loads(call.function.arguments)) for call in calls],
            raw=answer,
        )
        self._end(said, answer.finish_reason, answer.usage)
        return said

    def _heard(self, events):
        """What a careful reader makes of a stream: everything in its place, and nothing after the end."""
        said, arguments, begun = Said(raw=events), {}, set()
        kinds = [event.type for event in events]
        assert kinds[0] == "message-start" and kinds.count("message-start") == 1, kinds
        assert kinds[-1] == "message-end" and kinds.count("message-end") == 1, kinds
        for event in events:
            part = getattr(getattr(event, "delta", None), "message", None)
            if event.type == "content-start":
                assert event.index == len(begun), "content is counted from 0"
                begun.add(event.index)
            if event.type in ("content-start", "content-delta"):
                assert event.index in begun
                said.text += part.content.text or ""
                said.reasoning += part.content.thinking or ""
            elif event.type == "tool-plan-delta":
                said.text += part.tool_plan
            elif event.type == "tool-call-start":
                assert event.index == len(arguments) and part.tool_calls.id
                arguments[event.index] = [part.tool_calls.function.name, part.tool_calls.function.arguments or ""]
            elif event.type == "tool-call-delta":
                arguments[event.index][1] += part.tool_calls.function.arguments
            elif event.type == "message-end":
                self._end(said, event.delta.finish_reason, event.delta.usage)
        said.calls = [(name, json.loads(text or "{}")) for name, text in arguments.values()]
        return said

    @staticmethod
    def _end(said, reason, usage):
        said.finish = {"COMPLETE": STOP, "MAX_TOKENS": LENGTH, "TOOL_CALL": TOOLS}.get(reason, reason)
        if usage and usage.tokens:
            said.input, said.output = int(usage.tokens.input_tokens), int(usage.tokens.output_tokens)
            said.reasoning_tokens = int(getattr(usage.tokens, "reasoning_tokens", None) or 0)

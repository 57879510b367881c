"""boto3's bedrock-runtime client behind the interface of `sdks`."""

import json
import os

import boto3
import botocore.config
from sdks import KEY, LENGTH, STOP, TOOLS, Caller, Said, _grouped

MODEL = "anthropic.claude-sonnet-4-6"


# Where every AWS SDK looks for a bearer token; read when the first request is sent.
TOKEN = "AWS_BEARER_TOKEN_BEDROCK"
os.environ[TOKEN] = KEY
# Shared: it keeps the descriptions of services, which take a second to read.
_session = boto3.session.Session(region_name="us-east-1")


def client(url: str, **pair):
    """A client that sends a bearer token; with a key pair it signs."""
    config = botocore.config.Config(retries={"total_max_attempts": 1}, read_timeout=30, proxies={})
    return _session.client("bedrock-runtime", endpoint_url=url, config=config, **pair)


class Bedrock(Caller):
    name = "bedrock"

    def __init__(self, url: str):
        self.headers = {}
        self.client = client(url)

    def _messages(self, turns):
        messages = []
        for kind, group in _grouped(turns):
            if kind == "call":
                blocks = [{"toolUse": {"toolUseId": t[1], "name": t[2], "input": t[3]}} for t in group]
                messages.append({"role": "assistant", "content": blocks})
            elif kind == "result":
                blocks = [{"toolResult": {"toolUseId": t[1], "content": [{"text": t[3]}]}} for t in group]
                messages.append({"role": "user", "content": blocks})
            else:
                blocks = [{"text": group[0][1]}]
                blocks += [{"image": {"format": "png", "source": {"bytes": png}}} for png in group[0][2:]]
                messages.append({"role": kind, "content": blocks})
        return messages

    def request(
        self,
        model,
        turns,
        system=None,
        tools=None,
        tool_choice=None,
        schema=None,
        max_tokens=None,
        reasoning=False,
    ):
        more = {"modelId": model, "messages": self._messages(turns)}
        if system:
            more["system"] = [{"text": system}]
        # There is no word for "none": without tools there is none to call.
        if tools and tool_choice != "none":
            spec = lambda n, d, p: {"toolSpec": {"name": n, "description": d, "inputSchema": {"json": p}}}
            more["toolConfig"] = {"tools": [spec(*tool) for tool in tools]}
            if tool_choice:
                plain = tool_choice in ("any", "auto")
                choice = {tool_choice: {}} if plain else {"tool": {"name": tool_choice}}
                more["toolConfig"]["toolChoice"] = choice
        if schema:
            definition = {"name": "answer", "schema": json.dumps(schema)}
            format = {"type": "json_schema", "structure": {"jsonSchema": definition}}
            more["outputConfig"] = {"textFormat": format}
        if max_tokens:
            more["inferenceConfig"] = {"maxTokens": max_tokens}
        if reasoning:
            more["additionalModelRequestFields"] = {"thinking": {"type": "enabled", "budget_tokens": 2000}}
        return more

    def _ask(self, model, turns, stream, **wish):
        asked = self.request(model, turns, **wish)
        if not stream:
            answer = self.client.converse(**asked)
            self.headers = answer["ResponseMetadata"]["HTTPHeaders"]
            return self.said(answer)
        answer = self.client.converse_stream(**asked)
        self.headers = answer["ResponseMetadata"]["HTTPHeaders"]
        return self.said(folded(answer["stream"]))

    def said(self, answer):
        content, usage = answer["output"]["message"]["content"], answer["usage"]
        thoughts = [block["reasoningContent"] for block in content if "reasoningContent" in block]
        calls = [block["toolUse"] for block in content if "toolUse" in block]
        cached = usage.get("cacheReadInputTokens", 0) + usage.get("cacheWriteInputTokens", 0)
        finish = {"end_turn": STOP, "max_tokens": LENGTH, "tool_use": TOOLS}
        assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"] + cached
        return Said(
            text="".join(block["text"] for block in content if "text" in block),
            reasoning="".join(thought["reasoningText"]["text"] for thought in thoughts if "reasoningText" in thought),
            calls=[(call["name"], call["input"]) for call in calls],
            finish=finish.get(answer["stopReason"], answer["stopReason"]),
            input=usage["inputTokens"] + cached,
            output=usage["outputTokens"],
            raw=answer,
        )


def folded(events):
    """The answer that a stream spells, after a look at its grammar: one block at a time, one end."""
    content, usage, stop, open_at, started = [], None, None, None, False
    for event in events:
        [(kind, value)] = event.items()
        assert usage is None, f"{kind} after the end"
        assert started or kind == "messageStart"
        if kind == "messageStart":
            assert not started and value == {"role": "assistant"}
            started = True
            continue
        if kind == "messageStop":
            assert open_at is None
            stop = value["stopReason"]
            continue
        if kind == "metadata":
            assert stop and "latencyMs" in value["metrics"]
            usage = value["usage"]
            continue
        at = value["contentBlockIndex"]
        if kind == "contentBlockStart":
            assert open_at is None and at == len(content)
            open_at = at
            content.append({"toolUse": {**value["start"]["toolUse"], "input": ""}})
        elif kind == "contentBlockDelta":
            if open_at is None:
                assert at == len(content)
                open_at = at
                content.append({})
            assert at == open_at
            block, delta = content[at], value["delta"]
            if "text" in delta:
                block["text"] = block.get("text", "") + delta["text"]
            elif "toolUse" in delta:
                block["toolUse"]["input"] += delta["toolUse"]["input"]
            else:
                thought = block.setdefault("reasoningContent", {}).setdefault("reasoningText", {"text": ""})
                for name, piece in delta["reasoningContent"].items():
                    thought[name] = thought.get(name, "") + piece
        else:
            assert kind == "contentBlockStop" and at == open_at
            open_at = None
    assert usage and stop, "cut short"
    for block in content:
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"])
    return {"output": {"message": {"role": "assistant", "content": content}}, "stopReason": stop, "usage": usage}

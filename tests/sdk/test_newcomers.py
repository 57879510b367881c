"""What somebody tries who has an SDK and a base URL: the ways round that the SDKs offer."""

import asyncio

import anthropic
import cohere
import openai
import pytest
from google import genai
from google.genai import types
from sdks import KEY, caller
from support import FAST, MODELS, chat, provider, send

ALL = {**MODELS, "bedrock": "anthropic.claude-sonnet-4-6", "cohere": "command-a-plus-05-2026"}
HELLO = [{"role": "user", "content": "hello"}]
WORDS = 16


@pytest.fixture(scope="module")
def gateway(shared_ringmains, shared_provider_sims):
    sim = shared_provider_sims()
    return shared_ringmains({"providers": {vendor: provider(sim, vendor, vendor) for vendor in ALL}, "defaults": FAST})


def target(vendor):
    return f"{vendor}/{ALL[vendor]}"


def words(text: str) -> int:
    return len(text.split(" "))


# --- base URLs ---

ENDS = ["", "/", "/v1", "/v1/"]


@pytest.mark.parametrize("end", ENDS)
def test_any_base_url_will_do(gateway, end):
    """With a version or without, and with a slash at the end: each SDK adds what it adds."""
    url = gateway.url + end
    model = target("anthropic")
    answer = openai.OpenAI(api_key=KEY, base_url=url).chat.completions.create(model=model, messages=HELLO)
    assert words(answer.choices[0].message.content) == WORDS
    assert openai.OpenAI(api_key=KEY, base_url=url).responses.create(model=model, input="hello").status == "completed"
    message = anthropic.Anthropic(api_key=KEY, base_url=url).messages.create(model=model, messages=HELLO, max_tokens=99)
    assert words(message.content[0].text) == WORDS
    for url in (url, f"{gateway.url}/v1beta"):
        google = genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=url))
        assert words(google.models.generate_content(model=model, contents="hello").text) == WORDS
    for url in (gateway.url + end, f"{gateway.url}/v2"):
        assert cohere.ClientV2(api_key=KEY, base_url=url).chat(model=model, messages=HELLO).finish_reason == "COMPLETE"


@pytest.mark.parametrize("end", ENDS)
def test_lists_of_models_too(gateway, end):
    url = gateway.url + end
    assert target("gemini") in [model.id for model in openai.OpenAI(api_key=KEY, base_url=url).models.list()]
    assert target("gemini") in [model.id for model in anthropic.Anthropic(api_key=KEY, base_url=url).models.list()]


def test_a_path_that_is_none_is_said_as_it_came(gateway):
    reply = send(gateway.url, "/v1/v1/nonsense", {})
    assert reply.status == 404 and "/v1/v1/nonsense" in reply.json()["error"]["message"]


# --- the SDKs' other ways to ask ---


@pytest.mark.parametrize("vendor", ALL)
def test_raw_and_streaming_responses(gateway, vendor):
    client = caller("openai", gateway.url).client
    raw = client.chat.completions.with_raw_response.create(model=target(vendor), messages=HELLO)
    assert raw.headers["x-ringmain-target"] == target(vendor)
    assert words(raw.parse().choices[0].message.content) == WORDS
    with client.chat.completions.with_streaming_response.create(model=target(vendor), messages=HELLO) as answer:
        assert words(answer.parse().choices[0].message.content) == WORDS
    client = caller("anthropic", gateway.url).client
    raw = client.messages.with_raw_response.create(model=target(vendor), messages=HELLO, max_tokens=99)
    assert words(raw.parse().content[0].text) == WORDS
    beta = client.beta.messages.create(model=target(vendor), messages=HELLO, max_tokens=99, betas=["some-beta-2026-01-01"])
    assert words(beta.content[0].text) == WORDS


@pytest.mark.parametrize("vendor", ALL)
def test_pieces_come_one_by_one(gateway, vendor):
    """The helpers for streams: text as it comes, and the whole at the end."""
    client = caller("anthropic", gateway.url).client
    with client.messages.stream(model=target(vendor), messages=HELLO, max_tokens=99) as stream:
        pieces = list(stream.text_stream)
        assert len(pieces) == WORDS and "".join(pieces) == stream.get_final_text()
    client = caller("openai", gateway.url).client
    with client.chat.completions.stream(model=target(vendor), messages=HELLO) as stream:
        pieces = [event.delta for event in stream if event.type == "content.delta"]
        assert "".join(pieces) == stream.get_final_completion().choices[0].message.content
    with client.responses.stream(model=target(vendor), input="hello") as stream:
        pieces = [event.delta for event in stream if event.type == "response.output_text.delta"]
        assert len(pieces) == WORDS and "".join(pieces) == stream.get_final_response().output_text


@pytest.mark.parametrize("vendor", ALL)
def test_anthropics_tool_runner(gateway, vendor):
    asked = []

    @anthropic.beta_tool
    def get_time(city: str) -> str:
        """The time of a city.

        Args:
            city: Its name.
        """
        asked.append(city)
        return "noon"

    client = caller("anthropic", gateway.url).client
    messages = [{"role": "user", "content": "call:get_time in Paris"}]
    for stream in (False, True):
        asked.clear()
        more = {"model": target(vendor), "max_tokens": 999, "tools": [get_time], "messages": messages, "stream": stream}
        last = client.beta.messages.tool_runner(**more).until_done()
        assert len(asked) == 1 and words(last.content[-1].text) == WORDS and last.stop_reason == "end_turn"


@pytest.mark.parametrize("vendor", ALL)
def test_googles_chats_call_functions_by_themselves(gateway, vendor):
    asked = []

    def get_time(city: str) -> str:
        """The time of a city."""
        asked.append(city)
        return "noon"

    client = caller("gemini", gateway.url).client
    conversation = client.chats.create(model=target(vendor), config=types.GenerateContentConfig(tools=[get_time]))
    answer = conversation.send_message("call:get_time in Paris")
    assert len(asked) == 1 and words(answer.text) == WORDS
    roles = [content.role for content in conversation.get_history()]
    assert roles == ["user", "model", "user", "model"]
    assert words("".join(chunk.text or "" for chunk in conversation.send_message_stream("and now?"))) == WORDS
    assert len(asked) == 1


async def _at_once(gateway, vendor):
    client = openai.AsyncOpenAI(api_key=KEY, base_url=f"{gateway.url}/v1")
    asks = [client.chat.completions.create(model=target(vendor), messages=HELLO) for _ in range(8)]
    for answer in await asyncio.gather(*asks):
        assert words(answer.choices[0].message.content) == WORDS
    stream = await client.chat.completions.create(model=target(vendor), messages=HELLO, stream=True)
    text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])
    assert words(text) == WORDS
    other = anthropic.AsyncAnthropic(api_key=KEY, base_url=gateway.url)
    async with other.messages.stream(model=target(vendor), messages=HELLO, max_tokens=99) as events:
        assert words(await events.get_final_text()) == WORDS
    google = genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=gateway.url))
    stream = await google.aio.models.generate_content_stream(model=target(vendor), contents="hello")
    assert words("".join([chunk.text or "" async for chunk in stream])) == WORDS
    third = cohere.AsyncClientV2(api_key=KEY, base_url=gateway.url)
    assert (await third.chat(model=target(vendor), messages=HELLO)).finish_reason == "COMPLETE"


@pytest.mark.parametrize("vendor", ALL)
def test_async_clients(gateway, vendor):
    asyncio.run(_at_once(gateway, vendor))


def test_no_key_at_all(gateway):
    """On loopback without a secret nobody asks for one; a key of any shape is as good as none."""
    for headers in ({}, {"authorization": "Bearer x"}, {"x-api-key": "x"}, {"x-goog-api-key": "x"}):
        reply, heard = chat(gateway.url, "openai", target("anthropic"), headers=headers)
        assert reply.status == 200 and heard.clean


def test_a_name_that_nobody_serves(gateway):
    """A model's name with a slip in it: what it says helps."""
    with pytest.raises(openai.NotFoundError) as raised:
        openai.OpenAI(api_key=KEY, base_url=f"{gateway.url}/v1", max_retries=0).chat.completions.create(
            model="claude-sonet-4-6", messages=HELLO
        )
    assert "claude-sonnet-4-6" in str(raised.value)

"""Lists of models, and one of them, as each vendor's SDK reads them."""

import anthropic
import cohere
import openai
import pytest
from google import genai
from google.genai import types
from sdks import KEY, caller
from support import provider, route, send

LOCAL = "openai/llama3.3:70b"


@pytest.fixture(scope="module")
def gateway(shared_ringmains, shared_provider_sims):
    sim = shared_provider_sims()
    providers = {name: provider(sim, name, name) for name in ("openai", "anthropic", "gemini", "cohere")}
    routes = [route("text", "anthropic/claude-sonnet-4-5", "openai/gpt-4o"), route("house", LOCAL)]
    return shared_ringmains({"providers": providers, "routes": routes})


def client(sdk: str, gateway):
    if sdk == "cohere":
        return cohere.Client(api_key=KEY, base_url=gateway.url)
    return caller(sdk, gateway.url).client


def listed(sdk: str, gateway) -> list[str]:
    if sdk == "cohere":
        names, token = [], None
        while True:
            page = client(sdk, gateway).models.list(page_size=30, page_token=token)
            names += [model.name for model in page.models]
            token = page.next_page_token
            if not token:
                return names
    # These follow the pages by themselves.
    found = list(client(sdk, gateway).models.list())
    return [getattr(model, "id", None) or model.name.removeprefix("models/") for model in found]


@pytest.mark.parametrize("sdk", ["openai", "anthropic", "gemini", "cohere"])
def test_the_whole_list_through_every_page(gateway, sdk):
    names = listed(sdk, gateway)
    assert len(names) == len(set(names)) > 60
    assert {"text", "house", "smart", "openai/gpt-4o", "anthropic/claude-sonnet-4-5", LOCAL} <= set(names)
    images = {"image", "openai/gpt-image-2"} & set(names)
    assert bool(images) == (sdk == "openai"), "what this dialect cannot ask for is left out"


def test_pages_of_anthropic(gateway):
    models = client("anthropic", gateway).models
    first = models.list(limit=5)
    assert (len(first.data), first.has_more, first.first_id) == (5, True, first.data[0].id)
    second = models.list(limit=5, after_id=first.last_id)
    assert second.data[0].id not in {model.id for model in first.data}
    back = models.list(limit=5, before_id=second.first_id)
    assert [model.id for model in back.data] == [model.id for model in first.data]
    with pytest.raises(anthropic.BadRequestError):
        models.list(limit=0)


def test_pages_of_gemini(gateway):
    pager = client("gemini", gateway).models.list(config=types.ListModelsConfig(page_size=7))
    assert len(pager.page) == 7
    before = [model.name for model in pager.page]
    assert pager.next_page()[0].name not in before


def test_facts_of_the_catalog(gateway):
    found = client("anthropic", gateway).models.retrieve("anthropic/claude-sonnet-4-5")
    assert (found.type, found.id, found.max_tokens) == ("model", "anthropic/claude-sonnet-4-5", 64000)
    assert found.max_input_tokens >= 200000
    assert client("anthropic", gateway).models.retrieve("anthropic/claude-sonnet-5").lifecycle == "active"
    dated = client("anthropic", gateway).models.retrieve("claude-sonnet-4-5-20250929")
    assert dated.created_at.date().isoformat() == "2025-09-29"
    found = client("gemini", gateway).models.get(model="gemini/gemini-2.5-flash")
    assert (found.name, found.output_token_limit) == ("models/gemini/gemini-2.5-flash", 65536)
    assert found.input_token_limit > 900_000
    assert found.supported_actions == ["generateContent", "streamGenerateContent", "countTokens"]
    found = client("openai", gateway).models.retrieve("openai/gpt-4o")
    assert (found.id, found.object, found.owned_by, found.context_window) == ("openai/gpt-4o", "model", "openai", 128000)
    found = client("cohere", gateway).models.get("cohere/embed-v4.0")
    assert (found.name, found.endpoints) == ("cohere/embed-v4.0", ["embed"])


@pytest.mark.parametrize("name", ["text", "gpt-4o", LOCAL, "openai/gpt-4o"])
def test_one_by_any_name_it_may_be_asked_for_by(gateway, name):
    assert client("openai", gateway).models.retrieve(name).id == name
    assert client("gemini", gateway).models.get(model=name).name == f"models/{name}"
    assert client("anthropic", gateway).models.retrieve(name).id == name
    assert client("cohere", gateway).models.get(name).name == name


def test_nobody_serves_it(gateway):
    with pytest.raises(openai.NotFoundError) as raised:
        client("openai", gateway).models.retrieve("gpt-4p")
    assert "gpt-4o" in str(raised.value)
    with pytest.raises(anthropic.NotFoundError):
        client("anthropic", gateway).models.retrieve("gpt-4p")
    with pytest.raises(genai.errors.ClientError) as raised:
        client("gemini", gateway).models.get(model="gpt-4p")
    assert raised.value.code == 404
    with pytest.raises(cohere.errors.NotFoundError):
        client("cohere", gateway).models.get("gpt-4p")


def test_nothing_is_asked_of_providers_and_none_is_hidden(gateway):
    reply = send(gateway.url, "/v1/models", method="GET")
    assert (reply.status, reply.mine("attempts"), reply.mine("target")) == (200, "0", None)
    owners = {model["owned_by"] for model in reply.json()["data"]}
    assert owners == {"ringmain", "openai", "anthropic", "gemini", "cohere"}

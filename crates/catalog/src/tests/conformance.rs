//! Every embedded file keeps the house's rules. A new provider or model is covered by being a file.

use ringmain_core::{Capabilities, Dialect, Money, Operation};

use super::catalog;
use crate::{Auth, Model, ModelKind, Provider, TokenPrices};

/// Kinds of servers that run beside the gateway.
const LOCAL: [&str; 4] = ["lm-studio", "ollama", "sd-webui", "vllm"];

/// Kinds whose base URL depends on the account, so that the configuration must say it.
const NO_BASE_URL: [&str; 3] = ["azure-openai", "openai-compatible", "vertex"];

#[test]
fn there_is_enough_of_it() {
    let catalog = catalog();
    let (providers, models) = (catalog.providers().count(), catalog.models().count());
    assert!(providers >= 23, "{providers} providers");
    assert!(models >= 150, "{models} models");
    let promised = [
        "openai anthropic gemini azure-openai mistral groq deepseek xai openrouter together fireworks cerebras",
        "perplexity nvidia deepinfra sambanova moonshot zhipu tokenmix ollama vllm lm-studio openai-compatible",
        "cohere bedrock vertex stability voyage jina",
    ];
    for id in promised.iter().flat_map(|line| line.split(' ')) {
        assert!(catalog.provider(id).is_some(), "{id}");
    }
}

#[test]
fn providers_can_be_reached() {
    for provider in catalog().providers() {
        let id = &provider.id;
        assert!(!provider.name.is_empty(), "{id}");
        match &provider.base_url {
            None => assert!(NO_BASE_URL.contains(&id.as_str()), "{id} has no base URL"),
            Some(url) if LOCAL.contains(&id.as_str()) => assert!(url.starts_with("http://localhost:"), "{id}: {url}"),
            Some(url) => assert!(url.starts_with("https://"), "{id}: {url}"),
        }
        assert_ne!(
            provider.key_optional,
            !provider.env.is_empty(),
            "{id}: a key comes from the environment or is optional"
        );
        assert!(provider.auth != Auth::None || provider.key_optional, "{id}");
        for name in provider.env.iter().chain(&provider.base_url_env) {
            assert!(name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_'), "{id}: {name}");
        }
        for (name, value) in &provider.headers {
            assert!(http_token(name) && !value.is_empty(), "{id}: {name}");
        }
        assert!(provider.unavailable.as_ref().is_none_or(|why| !why.is_empty() && !why.contains('\n')), "{id}");
        endpoints_are_right(provider);
    }
}

fn endpoints_are_right(provider: &Provider) {
    let id = &provider.id;
    assert!(!provider.endpoints.is_empty() || !provider.is_available(), "{id}");
    for (index, endpoint) in provider.endpoints.iter().enumerate() {
        let same =
            |other: &&crate::Endpoint| (other.operation, other.dialect) == (endpoint.operation, endpoint.dialect);
        assert!(!provider.endpoints[..index].iter().any(|other| same(&other)), "{id}: {endpoint:?} twice");
        let path = endpoint.path_for("m", true);
        assert!(!path.contains('{') && !path.to_ascii_lowercase().contains("key="), "{id}: {path}");
        if endpoint.operation == Operation::Images {
            assert!(endpoint.dialect.is_none(), "{id}");
        }
    }
}

fn http_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[test]
fn quirks_of_one_dialect_stay_with_it() {
    for provider in catalog().providers() {
        let quirks = &provider.quirks;
        let chat_only =
            quirks.max_tokens_field.is_some() || quirks.system_role.is_some() || quirks.stream_usage.is_some();
        assert!(!chat_only || provider.dialects().any(|d| d == Dialect::OpenAiChat), "{}", provider.id);
    }
}

#[test]
fn pools_hold_models_that_serve_the_route() {
    let catalog = catalog();
    for provider in catalog.providers() {
        let kinds = [ModelKind::Chat, ModelKind::Chat, ModelKind::Image, ModelKind::Embedding];
        for ((route, names), kind) in provider.pools.named().into_iter().zip(kinds) {
            for name in names {
                let model = catalog.model(&provider.id, name).unwrap();
                assert_eq!(model.kind, kind, "{}/{name} in {route}", provider.id);
                assert!(
                    model.retires.as_ref().is_none_or(|day| *day > model.as_of),
                    "{}/{name} in {route}",
                    provider.id
                );
                let chat = provider.endpoint(Operation::Chat, None).is_some();
                assert!(kind != ModelKind::Chat || chat, "{}/{name} in {route}", provider.id);
            }
        }
    }
}

#[test]
fn models_are_sane() {
    for model in catalog().models() {
        let name = format!("{}/{}", model.provider, model.name);
        assert!(model.source.starts_with("https://"), "{name}");
        assert!(model.as_of.as_str() >= "2026-01-01", "{name}");
        if let (Some(window), ModelKind::Chat) = (model.context_window, model.kind) {
            assert!((4_096..=20_000_000).contains(&window), "{name}: {window}");
        }
        if let Some(tokens) = model.price.as_ref().and_then(|price| price.tokens) {
            prices_are_sane(model, &tokens, &name);
        }
        assert!(model.kind == ModelKind::Chat || model.capabilities.is_empty(), "{name}");
        assert!(!model.reasons_by_default || model.capabilities.contains(Capabilities::REASONING), "{name}");
    }
}

fn prices_are_sane(model: &Model, price: &TokenPrices, name: &str) {
    let dollar = |amount: f64| Money::from_dollars(amount);
    // Given away: small models, and moderation.
    let free = *price == TokenPrices::default();
    assert!(free || price.input > Money::ZERO, "{name}");
    assert!(price.input < dollar(200.0) && price.output < dollar(700.0), "{name}: a price per token, not per million?");
    if model.kind == ModelKind::Chat {
        assert!(price.input <= price.output, "{name}");
    }
    if let Some(read) = price.cache_read {
        assert!(read > Money::ZERO && read <= price.input, "{name}");
    }
    if let (Some(short), Some(long)) = (price.cache_write, price.cache_write_1h) {
        assert!(short <= long, "{name}");
    }
    if let Some(long) = price.long {
        assert!(long.above >= 100_000 && long.input > price.input && long.output >= price.output, "{name}");
    }
    assert_eq!(
        price.cache_read.is_some() && model.kind == ModelKind::Chat,
        model.capabilities.contains(Capabilities::PROMPT_CACHE),
        "{name}"
    );
}

#[test]
fn prefill_is_where_it_is_known_to_work() {
    let catalog = catalog();
    let table = [
        ("anthropic", "claude-opus-4-5", true),
        ("anthropic", "claude-sonnet-4-5", true),
        ("anthropic", "claude-haiku-4-5", true),
        ("anthropic", "claude-opus-4-6", false),
        ("anthropic", "claude-sonnet-4-6", false),
        ("anthropic", "claude-opus-5", false),
        ("mistral", "mistral-large-latest", true),
        ("openai", "gpt-4o", false),
        ("deepseek", "deepseek-v4-flash", false),
    ];
    for (provider, name, takes) in table {
        let model = catalog.model(provider, name).unwrap();
        assert_eq!(model.capabilities.contains(Capabilities::PREFILL), takes, "{provider}/{name}");
    }
    assert!(catalog.provider("vllm").unwrap().capabilities.contains(Capabilities::PREFILL));
}

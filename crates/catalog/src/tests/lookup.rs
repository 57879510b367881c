//! Names, dates, suggestions, paths, quirks and error rules.

use ringmain_core::{Dialect, FaultClass, FaultScope, Operation};

use super::catalog;
use crate::{Auth, MaxTokensField, Pointer, Prefill, StreamUsage, SystemRole, ToolIds};

#[test]
fn models_by_name_alias_and_date() {
    let catalog = catalog();
    let table = [
        ("openai", "gpt-4o", Some("gpt-4o")),
        ("openai", "gpt-4o-2024-08-06", Some("gpt-4o")),
        ("openai", "gpt-4o-2024-05-13", Some("gpt-4o-2024-05-13")),
        ("openai", "gpt-4o-mini-2024-07-18", Some("gpt-4o-mini")),
        ("openai", "gpt-5.6", Some("gpt-5.6-sol")),
        ("openai", "gpt-9", None),
        ("openai", "claude-sonnet-4-5", None),
        ("anthropic", "claude-sonnet-4-5-20250929", Some("claude-sonnet-4-5")),
        ("anthropic", "claude-3-5-haiku-latest", Some("claude-3-5-haiku-20241022")),
        ("anthropic", "claude-sonnet-4-20250514", Some("claude-sonnet-4-0")),
        ("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo", Some("meta-llama/Llama-3.3-70B-Instruct-Turbo")),
        ("stability", "stable-image-core", Some("stable-image-core")),
        ("nobody", "gpt-4o", None),
    ];
    for (provider, asked, found) in table {
        assert_eq!(catalog.model(provider, asked).map(|m| m.name.as_str()), found, "{provider}/{asked}");
    }
}

#[test]
fn bare_names() {
    let catalog = catalog();
    let table = [
        ("claude-sonnet-4-5", vec!["anthropic", "vertex"]),
        ("claude-sonnet-4-5-20250929", vec!["anthropic", "vertex"]),
        ("gpt-4o-2024-08-06", vec!["azure-openai", "openai"]),
        ("gpt-oss-120b", vec!["cerebras", "fireworks", "sambanova", "together"]),
        ("dall-e-3", vec!["openai"]),
        ("gpt-9", vec![]),
    ];
    for (name, providers) in table {
        let found: Vec<_> = catalog.serving(name).map(|(provider, _)| provider).collect();
        assert_eq!(found, providers, "{name}");
    }
}

#[test]
fn suggestions() {
    let catalog = catalog();
    let table = [
        ("gpt4o", "gpt-4o"),
        ("claude-sonet-4-5", "claude-sonnet-4-5"),
        ("Gemini-2.5-Pro", "gemini-2.5-pro"),
        ("openai/gpt-4oo", "openai/gpt-4o"),
        ("groq/llama-3.3-70b-versatlie", "groq/llama-3.3-70b-versatile"),
    ];
    for (wrong, right) in table {
        let found = catalog.nearest(wrong, 3);
        assert_eq!(found.first().map(String::as_str), Some(right), "{wrong}: {found:?}");
        assert!(found.len() <= 3);
    }
    assert_eq!(catalog.nearest("zzzzzzzz", 3), Vec::<String>::new());
}

#[test]
fn paths() {
    let catalog = catalog();
    let path = |provider: &str, operation, model: &str, stream| {
        catalog.provider(provider).unwrap().endpoint(operation, None).unwrap().path_for(model, stream)
    };
    let chat = Operation::Chat;
    assert_eq!(path("openai", chat, "gpt-4o", true), "/chat/completions");
    assert_eq!(path("gemini", chat, "gemini-2.5-pro", false), "/v1beta/models/gemini-2.5-pro:generateContent");
    assert_eq!(
        path("gemini", chat, "gemini-2.5-pro", true),
        "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse"
    );
    assert_eq!(path("bedrock", chat, "amazon.nova-lite-v1:0", true), "/model/amazon.nova-lite-v1%3A0/converse-stream");
    assert_eq!(path("bedrock", chat, "arn:aws:x/y", false), "/model/arn%3Aaws%3Ax%2Fy/converse");
    let count = Operation::CountTokens;
    assert_eq!(
        path("bedrock", count, "us.anthropic.claude-x-v1:0", false),
        "/model/anthropic.claude-x-v1%3A0/count-tokens"
    );
    assert_eq!(path("bedrock", chat, "..", false), "/model/%2E%2E/converse");
    // A caller's model name cannot leave its place in the path.
    assert_eq!(
        path("gemini", chat, "../files?x=1#y é", false),
        "/v1beta/models/%2E%2E/files%3Fx=1%23y%20%C3%A9:generateContent"
    );
}

#[test]
fn a_model_that_endpoints_name_is_for_those_alone() {
    let vertex = catalog().provider("vertex").unwrap().placed(Some("p"), Some("global"));
    let of = |operation, model: &str| {
        let paths = vertex.endpoints_for(operation, model).map(|endpoint| endpoint.path_for(model, true));
        let short = |path: String| path.strip_prefix("/v1/projects/p/locations/global/").unwrap().to_owned();
        paths.map(short).collect::<Vec<_>>()
    };
    let chat = Operation::Chat;
    assert_eq!(of(chat, "gemini-x"), ["publishers/google/models/gemini-x:streamGenerateContent?alt=sse"]);
    assert_eq!(of(chat, "claude-x@1"), ["publishers/anthropic/models/claude-x@1:streamRawPredict"]);
    assert_eq!(of(chat, "meta/llama-x"), ["endpoints/openapi/chat/completions"]);
    assert_eq!(of(Operation::CountTokens, "claude-x"), ["publishers/anthropic/models/count-tokens:rawPredict"]);
    assert_eq!(of(Operation::CountTokens, "meta/llama-x"), ["publishers/google/models/meta/llama-x:countTokens"]);
    // Without a project it is an account that is known by its key.
    let alone = catalog().provider("vertex").unwrap().placed(None, Some("global"));
    let path = alone.endpoints_for(chat, "gemini-x").next().unwrap().path_for("gemini-x", false);
    assert_eq!(path, "/v1/publishers/google/models/gemini-x:generateContent");
}

#[test]
fn endpoints_and_keys() {
    let catalog = catalog();
    let openai = catalog.provider("openai").unwrap();
    assert_eq!(openai.dialects().collect::<Vec<_>>(), [Dialect::OpenAiChat, Dialect::OpenAiResponses]);
    let responses = openai.endpoint(Operation::Chat, Some(Dialect::OpenAiResponses)).unwrap();
    assert_eq!(responses.path, "/responses");
    assert!(openai.endpoint(Operation::Chat, Some(Dialect::Gemini)).is_none());
    let gemini = catalog.provider("gemini").unwrap();
    let header = Auth::Header { name: "x-goog-api-key".to_owned() };
    assert_eq!(gemini.auth_at(gemini.endpoint(Operation::Chat, None).unwrap()), &header);
    assert_eq!(gemini.auth_at(gemini.endpoint(Operation::Embeddings, None).unwrap()), &header);
    let anthropic = catalog.provider("anthropic").unwrap();
    assert_eq!(anthropic.headers, [("anthropic-version".to_owned(), "2023-06-01".to_owned())]);
    let cohere = catalog.provider("cohere").unwrap();
    assert!(cohere.is_available());
    assert_eq!(cohere.dialects().collect::<Vec<_>>(), [Dialect::CohereV2]);
    assert_eq!(cohere.endpoint(Operation::Embeddings, None).unwrap().dialect, Some(Dialect::CohereV2));
}

#[test]
fn quirks_of_a_model_stand_on_its_providers() {
    let catalog = catalog();
    let quirks =
        |provider: &str, model: &str| catalog.provider(provider).unwrap().quirks_for(catalog.model(provider, model));
    assert!(quirks("openai", "gpt-4o").is_empty());
    let reasoning = quirks("openai", "o3-mini");
    assert_eq!(reasoning.max_tokens_field(), Some(MaxTokensField::MaxCompletionTokens));
    assert!(reasoning.remove.contains(&Pointer::parse("/temperature").unwrap()));
    let mistral = quirks("mistral", "mistral-small-latest");
    assert_eq!(mistral.tool_ids(), ToolIds::NineAlphanumeric);
    assert_eq!((mistral.stream_usage(), mistral.prefill()), (StreamUsage::Always, Prefill::Prefix));
    assert!(mistral.assistant_after_tool() && mistral.refuses_reasoning());
    assert_eq!(mistral.rename, [(Pointer::parse("/seed").unwrap(), "random_seed".to_owned())]);
    assert!(mistral.only.unwrap().iter().any(|key| key == "random_seed"));
    let grok = quirks("xai", "grok-4.6");
    assert_eq!(grok.system_role(), SystemRole::System);
    assert!(grok.remove.contains(&Pointer::parse("/stop").unwrap()));
    assert!(!quirks("xai", "grok-4.20-non-reasoning").remove.contains(&Pointer::parse("/stop").unwrap()));
    assert!(quirks("perplexity", "sonar").ends_without_done());
}

#[test]
fn error_rules() {
    let catalog = catalog();
    let gone = Some((FaultClass::Gone, FaultScope::Target));
    let table = [
        ("zhipu", Some("1113"), "", Some((FaultClass::Billing, FaultScope::Key))),
        ("zhipu", Some("1311"), "", Some((FaultClass::Auth, FaultScope::KeyModel))),
        ("moonshot", Some("engine_overloaded_error"), "", Some((FaultClass::Overloaded, FaultScope::Target))),
        ("groq", Some("tool_use_failed"), "", Some((FaultClass::Server, FaultScope::Request))),
        ("azure-openai", Some("deploymentnotfound"), "", Some((FaultClass::Gone, FaultScope::Target))),
        ("xai", Some("invalid-argument"), "Incorrect API key provided.", Some((FaultClass::Auth, FaultScope::Key))),
        ("xai", Some("invalid-argument"), "something else", None),
        ("xai", Some("invalid-argument"), "Invalid value: 'Incorrect API key'", None),
        ("anthropic", None, "Your Credit balance is too low to …", Some((FaultClass::Billing, FaultScope::Key))),
        ("anthropic", None, "system: unexpected 'your credit balance is too low'", None),
        ("gemini", None, "API key not valid. Please pass a valid API key.", Some((FaultClass::Auth, FaultScope::Key))),
        ("gemini", None, "Invalid value at 'x': api key not valid", None),
        ("bedrock", None, "You don't have access to the model with the specified model ID.", gone),
        ("bedrock", None, "#/x: access to the model with the specified model ID", None),
        ("vertex", None, "Project `p` is not allowed to use Publisher Model `m`.", gone),
        ("vertex", None, "Publisher Model `m` is not servable in region us-east5.", gone),
        ("vertex", None, "Invalid value: 'not servable in region'", None),
        ("nvidia", None, "Function 'f': Not found for account 'a'", gone),
        ("openrouter", None, "No endpoints found for a/b.", gone),
        ("openrouter", None, "No endpoints found that support tool use.", None),
        ("moonshot", Some("rate_limit_reached_error"), "", Some((FaultClass::RateLimit, FaultScope::Key))),
        ("zhipu", Some("1302"), "", Some((FaultClass::RateLimit, FaultScope::KeyModel))),
        ("zhipu", Some("1310"), "", Some((FaultClass::RateLimit, FaultScope::Key))),
        ("openai", Some("1113"), "", None),
    ];
    for (provider, code, message, expected) in table {
        let rule = catalog.provider(provider).unwrap().error_rule(code, message);
        assert_eq!(rule.map(|rule| (rule.class, rule.scope)), expected, "{provider} {code:?} {message}");
    }
}

#[test]
fn pointers() {
    for wrong in ["", "/", "a", "a/b", "/a//b", "/a/", "/a~", "/a~2"] {
        assert_eq!(Pointer::parse(wrong), None, "{wrong}");
    }
    let steps: Vec<_> = Pointer::parse("/a~1b/c~0d/0").unwrap().steps().collect();
    assert_eq!(steps, ["a/b", "c~d", "0"]);
}

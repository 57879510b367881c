//! Requests to count tokens: whose provider is asked how, and what is said where it cannot be asked.

use std::sync::Arc;

use ringmain_config::OnLoss;
use ringmain_core::{Dialect, Operation};

use super::{rendered, text};
use crate::count::{estimate, is_estimated};
use crate::exchange::{Answer, Plain};
use crate::inspect::Inspected;
use crate::render::render;
use crate::testing::{inspected, route, target};

use Dialect::{AnthropicMessages, BedrockConverse, Gemini, OpenAiResponses};

const HI: &str = r#"{"model":"smart","system":"S","messages":[{"role":"user","content":"hi"}]}"#;

fn count(dialect: Dialect, body: &str) -> Inspected {
    inspected(Operation::CountTokens, dialect, body)
}

#[test]
fn the_same_dialect_is_relayed() {
    let body = r#"{ "model":"smart","messages":[{"role":"user","content":"hi"}] }"#;
    let expected = r#"{ "model":"claude-sonnet-4-5","messages":[{"role":"user","content":"hi"}] }"#;
    let target = target("anthropic/claude-sonnet-4-5");
    let asked = count(AnthropicMessages, body);
    assert_eq!(rendered(&asked, &target), (expected.to_owned(), Vec::new()));
    assert_eq!(render(&asked, &target).unwrap().uri, "/v1/messages/count_tokens");
}

#[test]
fn geminis_envelope_names_the_targets_model_too() {
    let target = target("gemini/gemini-2.5-flash");
    for name in ["generateContentRequest", "generate_content_request"] {
        let body = format!(r#"{{"{name}":{{"model":"models/smart","contents":[]}}}}"#);
        let (text, _) = rendered(&count(Gemini, &body), &target);
        assert_eq!(text, body.replace("models/smart", "models/gemini-2.5-flash"));
    }
    let bare = r#"{"contents": [{"parts":[{"text":"hi"}]}]}"#;
    let asked = count(Gemini, bare);
    let rendered = render(&asked, &target).unwrap();
    assert_eq!((text(&rendered).as_str(), rendered.relayed), (bare, true));
}

#[test]
fn another_dialect_is_translated() {
    let asked = count(AnthropicMessages, HI);
    let table = [
        ("openai/gpt-4o", "/responses/input_tokens", r#"{"model":"gpt-4o","instructions":"S","input":"#),
        (
            "gemini/gemini-2.5-flash",
            "/v1beta/models/gemini-2.5-flash:countTokens",
            r#"{"generateContentRequest":{"model":"models/gemini-2.5-flash","#,
        ),
        (
            "bedrock/us.anthropic.claude-sonnet-4-20250514-v1:0",
            "/model/anthropic.claude-sonnet-4-20250514-v1%3A0/count-tokens",
            r#"{"input":{"converse":{"messages":"#,
        ),
    ];
    for (name, uri, begins) in table {
        let target = target(name);
        let rendered = render(&asked, &target).unwrap();
        assert!(!is_estimated(&asked, &target) && !rendered.relayed, "{name}");
        assert_eq!((rendered.uri.path(), rendered.losses.len()), (uri, 0), "{name}");
        assert!(text(&rendered).starts_with(begins), "{name}: {}", text(&rendered));
    }
}

fn estimated(request: &Inspected) -> (String, Vec<String>) {
    let target = target("groq/llama-3.3-70b-versatile");
    assert!(is_estimated(request, &target) && target.serves(Operation::CountTokens, request.facts.dialect));
    let arrived = estimate(request, &target).unwrap();
    let Answer::Plain(Plain { bytes, usage: None, .. }) = arrived.body else { panic!("a plain answer without usage") };
    (String::from_utf8(bytes.unwrap().to_vec()).unwrap(), arrived.losses.iter().map(ToString::to_string).collect())
}

#[test]
fn whose_provider_cannot_count_is_estimated_and_it_is_said() {
    let table = [
        (AnthropicMessages, HI, r#"{"input_tokens":5}"#, "input_tokens"),
        (Gemini, r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#, r#"{"totalTokens":5}"#, "totalTokens"),
        (
            BedrockConverse,
            r#"{"input":{"converse":{"messages":[{"role":"user","content":[{"text":"hi"}]}]}}}"#,
            r#"{"inputTokens":5}"#,
            "inputTokens",
        ),
        (
            OpenAiResponses,
            r#"{"model":"m","input":"hi"}"#,
            r#"{"object":"response.input_tokens","input_tokens":5}"#,
            "input_tokens",
        ),
    ];
    for (dialect, body, answer, loss) in table {
        assert_eq!(estimated(&count(dialect, body)), (answer.to_owned(), vec![loss.to_owned()]), "{dialect}");
    }
}

#[test]
fn a_route_without_losses_takes_no_estimate() {
    let mut asked = count(AnthropicMessages, HI);
    // Where losses are allowed the caller is not told of it, and the record is.
    asked.route = Arc::new(route(Vec::new(), OnLoss::Allow));
    assert_eq!(estimated(&asked).1, vec!["input_tokens".to_owned()]);
    asked.route = Arc::new(route(Vec::new(), OnLoss::Reject));
    let refused = estimate(&asked, &target("groq/llama-3.3-70b-versatile")).err().unwrap();
    assert_eq!(refused.status, Some(400));
    let remembered = count(OpenAiResponses, r#"{"model":"m","input":"hi","previous_response_id":"resp_1"}"#);
    let refused = estimate(&remembered, &target("groq/llama-3.3-70b-versatile")).err().unwrap();
    assert!(refused.message.starts_with("previous_response_id cannot be counted"), "{}", refused.message);
}

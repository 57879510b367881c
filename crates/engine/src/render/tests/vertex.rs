//! Claude on Vertex AI: Anthropic's Messages, but for what stands elsewhere.

use ringmain_catalog::Catalog;
use ringmain_core::{Dialect, Operation};
use serde_json::Value;

use super::{rendered, text};
use crate::render::render;
use crate::target::Target;
use crate::testing::{inspected, link, request, target_of};

fn vertex(model: &str) -> Target {
    let kind = Catalog::embedded().unwrap().provider("vertex").unwrap().placed(Some("p"), Some("us-east5"));
    target_of(link(kind, None), model, None)
}

#[test]
fn a_callers_messages_keep_their_bytes_but_for_model_and_version() {
    let body =
        r#"{ "model":"smart", "max_tokens":10,"messages":[{"role":"user","content":"h\u00e9"}] , "stream":true}"#;
    let request = request(Dialect::AnthropicMessages, body);
    let rendered = render(&request, &vertex("claude-sonnet-4-5@20250929")).unwrap();
    let expected = r#"{ "max_tokens":10,"messages":[{"role":"user","content":"h\u00e9"}] , "stream":true,"anthropic_version":"vertex-2023-10-16"}"#;
    assert_eq!(text(&rendered), expected);
    let path =
        "/v1/projects/p/locations/us-east5/publishers/anthropic/models/claude-sonnet-4-5@20250929:streamRawPredict";
    assert_eq!(rendered.uri.path(), path);
    assert!(rendered.relayed && rendered.losses.is_empty());
}

#[test]
fn another_dialect_becomes_the_same() {
    let body = r#"{"model":"smart","max_tokens":10,"messages":[{"role":"user","content":"hi"}]}"#;
    let (body, losses) = rendered(&request(Dialect::OpenAiChat, body), &vertex("claude-sonnet-4-5"));
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((body.get("model"), &body["anthropic_version"]), (None, &Value::from("vertex-2023-10-16")));
    assert_eq!(losses, Vec::<String>::new());
}

#[test]
fn tokens_are_counted_where_the_model_stands_in_the_body() {
    let body = r#"{"model":"smart","messages":[{"role":"user","content":"hi"}]}"#;
    let request = inspected(Operation::CountTokens, Dialect::AnthropicMessages, body);
    let rendered = render(&request, &vertex("claude-sonnet-4-5")).unwrap();
    let expected = r#"{"model":"claude-sonnet-4-5","messages":[{"role":"user","content":"hi"}],"anthropic_version":"vertex-2023-10-16"}"#;
    assert_eq!(text(&rendered), expected);
    assert!(rendered.uri.path().ends_with("/publishers/anthropic/models/count-tokens:rawPredict"));
}

#[test]
fn the_other_publishers_are_asked_in_their_own_dialects() {
    let of =
        |model: &str, caller| vertex(model).endpoint(Operation::Chat, caller).and_then(|endpoint| endpoint.dialect);
    for caller in Dialect::ALL {
        assert_eq!(of("gemini-2.5-flash", caller), Some(Dialect::Gemini), "{caller}");
        assert_eq!(of("claude-sonnet-4-5", caller), Some(Dialect::AnthropicMessages), "{caller}");
        assert_eq!(of("meta/llama-3.3-70b-instruct-maas", caller), Some(Dialect::OpenAiChat), "{caller}");
    }
}

#[test]
fn what_is_counted_of_a_gemini_there_has_no_envelope() {
    let envelope = r#"{"generateContentRequest": {"model":"models/x","contents":[{"role":"user","parts":[{"text":"h\u00e9"}]}], "systemInstruction":{"parts":[{"text":"s"}]},"toolConfig":{} } }"#;
    let flat =
        r#"{"contents":[{"role":"user","parts":[{"text":"h\u00e9"}]}], "systemInstruction":{"parts":[{"text":"s"}]} }"#;
    for body in [envelope, flat] {
        let rendered = render(&inspected(Operation::CountTokens, Dialect::Gemini, body), &vertex("gemini-2.5-pro"));
        assert_eq!(text(&rendered.unwrap()), flat, "{body}");
    }
    let messages = r#"{"model":"m","system":"s","messages":[{"role":"user","content":"hi"}]}"#;
    let request = inspected(Operation::CountTokens, Dialect::AnthropicMessages, messages);
    let body: Value = serde_json::from_str(&text(&render(&request, &vertex("gemini-2.5-pro")).unwrap())).unwrap();
    let names: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["systemInstruction", "contents"]);
}

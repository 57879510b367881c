//! Which endpoint, which path, which model.

use std::sync::Arc;

use ringmain_catalog::{Quirks, SystemRole};
use ringmain_config::OnLoss;
use ringmain_core::{Dialect, FaultClass, Operation};
use ringmain_dialects::registry;

use super::{pointer, rendered, text, with};
use crate::render::render;
use crate::testing::{chat, inspected, kind, link, other, request, route, target, target_at, target_of};

use Dialect::{AnthropicMessages, Gemini, OpenAiChat, OpenAiResponses};

#[test]
fn the_callers_dialect_then_the_preferred_one_then_the_pinned_one_alone() {
    let both = || kind(vec![chat(OpenAiResponses), chat(OpenAiChat), chat(AnthropicMessages)], Quirks::default());
    let first = if registry::codec(OpenAiResponses).is_some() { OpenAiResponses } else { OpenAiChat };
    let table = [
        (None, AnthropicMessages, Some(AnthropicMessages)),
        (None, OpenAiChat, Some(OpenAiChat)),
        (None, Gemini, Some(first)),
        (Some(OpenAiChat), AnthropicMessages, Some(OpenAiChat)),
        (Some(AnthropicMessages), OpenAiChat, Some(AnthropicMessages)),
        (Some(Gemini), OpenAiChat, None),
    ];
    for (pinned, caller, expected) in table {
        let target = target_of(link(both(), pinned), "m", None);
        let found = target.endpoint(Operation::Chat, caller).map(|endpoint| endpoint.dialect);
        assert_eq!(found, expected.map(Some), "{pinned:?} {caller}");
    }
}

#[test]
fn other_operations_are_not_translated_but_counts_are() {
    let mut count = chat(AnthropicMessages);
    count.operation = Operation::CountTokens;
    let endpoints = vec![chat(AnthropicMessages), count, other(Operation::Embeddings)];
    let served = |pinned, operation, caller| {
        let target = target_of(link(kind(endpoints.clone(), Quirks::default()), pinned), "m", None);
        target.endpoint(operation, caller).is_some()
    };
    assert!(served(None, Operation::CountTokens, AnthropicMessages));
    assert!(served(None, Operation::CountTokens, Gemini), "asked for a count in another dialect");
    assert!(served(Some(AnthropicMessages), Operation::Embeddings, OpenAiChat));
    assert!(!served(Some(OpenAiChat), Operation::CountTokens, AnthropicMessages));
    assert!(!served(None, Operation::Images, OpenAiChat));
    let fault = render(&inspected(Operation::Images, OpenAiChat, r#"{"model":"m"}"#), &with(Quirks::default()));
    assert_eq!(fault.unwrap_err().message, "acme/m does not serve images");
}

#[test]
fn the_body_names_the_targets_model() {
    let table = [
        (
            "smart",
            "gpt-4o",
            r#"{"messages":[], "model" : "smart","n":1}"#,
            r#"{"messages":[], "model" : "gpt-4o","n":1}"#,
        ),
        ("direct", "gpt-4o", r#"{"model":"openai/gpt-4o"}"#, r#"{"model":"gpt-4o"}"#),
        ("same", "a/b", r#"{"model": "a/b" }"#, r#"{"model": "a/b" }"#),
        ("escaped by the caller", "a/b", r#"{"model":"a\/b"}"#, r#"{"model":"a\/b"}"#),
        ("escaped by us", "q\"\\\n\u{e9}", r#"{"model":"smart"}"#, "{\"model\":\"q\\\"\\\\\\n\u{e9}\"}"),
        ("its key is escaped", "gpt-4o", r#"{"mod\u0065l":"smart"}"#, r#"{"mod\u0065l":"gpt-4o"}"#),
    ];
    for (name, model, body, expected) in table {
        let target = target_at(kind(vec![chat(OpenAiChat)], Quirks::default()), model);
        assert_eq!(rendered(&request(OpenAiChat, body), &target).0, expected, "{name}");
    }
}

#[test]
fn a_model_in_the_path_stays_out_of_the_body() {
    let target = target_at(kind(vec![chat(Gemini)], Quirks::default()), "tuned/g?#é");
    let body = r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#;
    let mut request = request(Gemini, body);
    let plain = render(&request, &target).unwrap();
    assert_eq!(plain.uri, "/v1beta/models/tuned/g%3F%23%C3%A9:generateContent");
    assert_eq!((text(&plain).as_str(), plain.strip_usage), (body, false));
    request.facts.stream = true;
    let streamed = render(&request, &target).unwrap();
    assert_eq!(streamed.uri, "/v1beta/models/tuned/g%3F%23%C3%A9:streamGenerateContent?alt=sse");
    assert_eq!(text(&streamed), body);
}

#[test]
fn a_translated_request_gets_the_quirks_too() {
    let quirks = Quirks {
        system_role: Some(SystemRole::System),
        rename: vec![(pointer("/max_completion_tokens"), "max_new_tokens".to_owned())],
        remove: vec![pointer("/temperature")],
        ..Quirks::default()
    };
    let body = r#"{"model":"smart","max_tokens":5,"temperature":0.5,"stream":true,"top_k":3,"system":"S","messages":[{"role":"user","content":"hi"}]}"#;
    let anthropic = request(AnthropicMessages, body);
    let (text, losses) = rendered(&anthropic, &with(quirks));
    let expected = r#"{"model":"m","messages":[{"role":"system","content":"S"},{"role":"user","content":"hi"}],"max_new_tokens":5,"stream":true,"stream_options":{"include_usage":true}}"#;
    assert_eq!(text, expected);
    assert_eq!(losses, ["top_k", "temperature"]);
    let rendered = render(&anthropic, &with(Quirks::default())).unwrap();
    assert_eq!((rendered.uri.path(), rendered.dialect), ("/chat/completions", Some(OpenAiChat)));
    assert!(!rendered.relayed && !rendered.strip_usage);
}

#[test]
fn a_model_from_the_path_is_named_in_a_body_that_wants_it() {
    let mut gemini = request(Gemini, r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#);
    gemini.facts.stream = true;
    let expected = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true,"stream_options":{"include_usage":true}}"#;
    assert_eq!(rendered(&gemini, &with(Quirks::default())), (expected.to_owned(), Vec::new()));
}

#[test]
fn losses_by_quirk_are_refused_where_losses_are() {
    let target = || with(Quirks { remove: vec![pointer("/user"), pointer("/store")], ..Quirks::default() });
    let mut request = request(OpenAiChat, r#"{"model":"m","user":"u","store":true}"#);
    request.route = Arc::new(route(vec![target()], OnLoss::Reject));
    let fault = render(&request, &target()).unwrap_err();
    assert_eq!((fault.class, fault.status), (FaultClass::BadRequest, Some(400)));
    assert_eq!(fault.message, "user, store cannot be carried to acme/m");
    request.route = Arc::new(route(vec![target()], OnLoss::Allow));
    // The header says nothing then; the record and the counter do all the same.
    assert_eq!(render(&request, &target()).unwrap().losses.len(), 2);
}

#[test]
fn what_is_added_is_no_loss() {
    let target = with(Quirks { assistant_after_tool: Some(true), ..Quirks::default() });
    let body = r#"{"model":"m","messages":[{"role":"tool","content":"1"},{"role":"user","content":"B"}]}"#;
    let mut request = request(OpenAiChat, body);
    request.route = Arc::new(route(Vec::new(), OnLoss::Reject));
    assert!(text(&render(&request, &target).unwrap()).contains("OK."));
}

#[test]
fn mistral_takes_what_openai_takes() {
    let body = r#"{"model":"smart","seed":1,"max_completion_tokens":9,"logit_bias":{"1":1},"stream":true,"messages":[{"role":"developer","content":"S"},{"role":"user","content":"a"},{"role":"assistant","content":null,"tool_calls":[{"id":"abcDEF123","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"abcDEF123","content":"1"},{"role":"user","content":"b"}]}"#;
    let expected = r#"{"model":"mistral-large-latest","random_seed":1,"max_tokens":9,"stream":true,"messages":[{"role":"system","content":"S"},{"role":"user","content":"a"},{"role":"assistant","content":null,"tool_calls":[{"id":"abcDEF123","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"abcDEF123","content":"1"},{"role":"assistant","content":"OK."},{"role":"user","content":"b"}]}"#;
    let (text, losses) = rendered(&request(OpenAiChat, body), &target("mistral/mistral-large-latest"));
    assert_eq!((text.as_str(), losses), (expected, vec!["logit_bias".to_owned()]));
}

#[test]
fn what_only_its_provider_remembers_is_told_to_nobody_else() {
    let asked = request(OpenAiResponses, r#"{"model":"m","input":"x","previous_response_id":"resp_1"}"#);
    let at = |dialect| target_at(kind(vec![chat(dialect)], Quirks::default()), "m");
    let fault = render(&asked, &at(AnthropicMessages)).unwrap_err();
    assert_eq!(fault.status, Some(400));
    assert!(fault.message.starts_with("previous_response_id cannot be carried"), "{}", fault.message);
    assert_eq!(fault.code, None);
    let thread =
        r#"{"model":"m","max_tokens":9,"messages":[],"thread":{"type":"continue","previous_message_id":"msg_1"}}"#;
    let fault = render(&request(AnthropicMessages, thread), &at(OpenAiResponses)).unwrap_err();
    assert!(fault.message.starts_with("thread cannot be carried"), "{}", fault.message);
    // What the vendor's SDK looks for, to send the whole conversation.
    assert_eq!((fault.status, fault.code.as_deref()), (Some(400), Some("thread_unsupported_request")));
    assert_eq!(text(&render(&asked, &at(OpenAiResponses)).unwrap()), text_of(&asked));
}

fn text_of(request: &crate::inspect::Inspected) -> String {
    String::from_utf8(request.document.body().to_vec()).unwrap()
}

#[test]
fn proofs_of_models_elsewhere_stay_out_of_a_relayed_request() {
    let body = r#"{"model":"m","input":[{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"ringmain:signature:E"},{"role":"user","content":"x"}]}"#;
    let target = target_at(kind(vec![chat(OpenAiResponses)], Quirks::default()), "m");
    let rendered = render(&request(OpenAiResponses, body), &target).unwrap();
    assert!(rendered.relayed, "the answer is the caller's as it comes");
    assert!(!text(&rendered).contains("ringmain"), "{}", text(&rendered));
    assert_eq!(rendered.losses.iter().map(|loss| loss.field.as_str()).collect::<Vec<_>>(), ["input[0]"]);
}

#[test]
fn thinking_of_models_elsewhere_stays_out_of_a_relayed_request() {
    let claude = r#"{"model":"m","max_tokens":9,"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature": ""},{"type":"text","text":"hi"}]}]}"#;
    let gpt = r#"{"model":"m","input":[{"type":"reasoning","id":"rs_chatcmpl-1_1","summary":[{"type":"summary_text","text":"hm"}]},{"role":"user","content":"x"}]}"#;
    let cases = [
        (AnthropicMessages, claude, "claude-sonnet-4-5", Some("messages[0].content[0]")),
        // Servers of the dialect with models of their own sign nothing, and want their thinking back.
        (AnthropicMessages, claude, "deepseek-v4-pro", None),
        (OpenAiResponses, gpt, "gpt-5", Some("input[0]")),
    ];
    for (dialect, body, model, lost) in cases {
        let target = target_at(kind(vec![chat(dialect)], Quirks::default()), model);
        let rendered = render(&request(dialect, body), &target).unwrap();
        assert!(rendered.relayed, "the answer is the caller's as it comes");
        assert_eq!(text(&rendered).contains("hm"), lost.is_none(), "{}", text(&rendered));
        assert_eq!(rendered.losses.first().map(|loss| loss.field.as_str()), lost);
    }
}

#[test]
fn a_server_without_the_callers_dialect_is_asked_in_the_preferred_one() {
    let both = || kind(vec![chat(OpenAiChat), chat(OpenAiResponses)], Quirks::default());
    let spoken = |target: &crate::target::Target| target.endpoint(Operation::Chat, OpenAiResponses)?.dialect;
    let target = target_at(both(), "m");
    assert_eq!(spoken(&target), Some(OpenAiResponses));
    assert!(!target.forgo(Operation::Chat, OpenAiChat), "every server has the preferred one");
    assert!(target.forgo(Operation::Chat, OpenAiResponses));
    assert_eq!(spoken(&target), Some(OpenAiChat));
    let pinned = target_of(link(both(), Some(OpenAiResponses)), "m", None);
    assert!(!pinned.forgo(Operation::Chat, OpenAiResponses));
    assert_eq!(spoken(&pinned), Some(OpenAiResponses));
}

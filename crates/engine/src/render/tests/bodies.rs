//! Quirks about single members.

use ringmain_catalog::{MaxTokensField, Prefill, Quirks, StreamUsage};
use ringmain_core::{Dialect, Operation};
use serde_json::json;

use super::{hold, pointer, rendered, with};
use crate::render::render;
use crate::testing::{chat, inspected, kind, other, request, target_at};

fn removing(pointers: &[&str]) -> Quirks {
    Quirks { remove: pointers.iter().map(|text| pointer(text)).collect(), ..Quirks::default() }
}

fn seed() -> Quirks {
    Quirks { rename: vec![(pointer("/seed"), "random_seed".to_owned())], ..Quirks::default() }
}

fn capped(field: MaxTokensField) -> Quirks {
    Quirks { max_tokens_field: Some(field), ..Quirks::default() }
}

fn usage(usage: StreamUsage) -> Quirks {
    Quirks { stream_usage: Some(usage), ..Quirks::default() }
}

fn only(names: &[&str]) -> Quirks {
    Quirks { only: Some(names.iter().map(|name| (*name).to_owned()).collect()), ..Quirks::default() }
}

#[test]
fn members_are_removed_and_renamed() {
    hold(vec![
        (
            "removed where there",
            removing(&["/logit_bias", "/top_k"]),
            r#"{ "model": "m", "logit_bias": {"1": 2}, "temperature": 1.50 }"#,
            r#"{ "model": "m", "temperature": 1.50 }"#,
            &["logit_bias"],
        ),
        (
            "nested, and the field has dots",
            removing(&["/response_format/json_schema/strict"]),
            r#"{"model":"m","response_format":{"type":"x", "json_schema":{"strict":true,"name":"a"}}}"#,
            r#"{"model":"m","response_format":{"type":"x", "json_schema":{"name":"a"}}}"#,
            &["response_format.json_schema.strict"],
        ),
        (
            "null says nothing, so nothing is lost",
            removing(&["/logprobs"]),
            r#"{"model":"m","logprobs":null}"#,
            r#"{"model":"m"}"#,
            &[],
        ),
        ("renamed", seed(), r#"{"seed" : 7,"model":"m"}"#, r#"{"random_seed" : 7,"model":"m"}"#, &[]),
        (
            "the provider's own name wins",
            seed(),
            r#"{"seed":7,"random_seed":8,"model":"m"}"#,
            r#"{"random_seed":8,"model":"m"}"#,
            &["seed"],
        ),
        (
            "unless it says nothing",
            seed(),
            r#"{"seed":7,"random_seed":null,"model":"m"}"#,
            r#"{"random_seed":7,"model":"m"}"#,
            &[],
        ),
        (
            "nested",
            Quirks { rename: vec![(pointer("/a/b~1c"), "d".to_owned())], ..Quirks::default() },
            r#"{"model":"m","a":{"b/c":1}}"#,
            r#"{"model":"m","a":{"d":1}}"#,
            &[],
        ),
        (
            "removed under its new name, lost under its old one",
            Quirks { remove: vec![pointer("/random_seed")], ..seed() },
            r#"{"model":"m","seed":7}"#,
            r#"{"model":"m"}"#,
            &["seed"],
        ),
        (
            "renamed away before it could be removed",
            Quirks { remove: vec![pointer("/seed")], ..seed() },
            r#"{"model":"m","seed":7}"#,
            r#"{"model":"m","random_seed":7}"#,
            &[],
        ),
    ]);
}

#[test]
fn the_cap_has_one_name() {
    use MaxTokensField::{MaxCompletionTokens as Newer, MaxTokens as Older};
    hold(vec![
        ("old", capped(Older), r#"{"model":"m","max_completion_tokens":9}"#, r#"{"model":"m","max_tokens":9}"#, &[]),
        ("new", capped(Newer), r#"{"model":"m","max_tokens":9}"#, r#"{"model":"m","max_completion_tokens":9}"#, &[]),
        ("as it should be", capped(Older), r#"{"model":"m","max_tokens":9}"#, r#"{"model":"m","max_tokens":9}"#, &[]),
        (
            "both: the newer counts",
            capped(Older),
            r#"{"model":"m","max_tokens":9,"max_completion_tokens":8}"#,
            r#"{"model":"m","max_tokens":8}"#,
            &["max_tokens"],
        ),
        (
            "both, for the newer",
            capped(Newer),
            r#"{"model":"m","max_tokens":9,"max_completion_tokens":8}"#,
            r#"{"model":"m","max_completion_tokens":8}"#,
            &["max_tokens"],
        ),
        (
            "both the same",
            capped(Newer),
            r#"{"model":"m","max_tokens":8,"max_completion_tokens":8}"#,
            r#"{"model":"m","max_completion_tokens":8}"#,
            &[],
        ),
        (
            "one is null",
            capped(Older),
            r#"{"model":"m","max_tokens":9,"max_completion_tokens":null}"#,
            r#"{"model":"m","max_tokens":9}"#,
            &[],
        ),
    ]);
}

#[test]
fn unknown_members_are_taken_out() {
    let names = ["model", "messages", "max_tokens", "random_seed", "stream"];
    let mistral = || Quirks {
        max_tokens_field: Some(MaxTokensField::MaxTokens),
        stream_usage: Some(StreamUsage::Always),
        remove: vec![pointer("/user")],
        ..Quirks { rename: seed().rename, ..only(&names) }
    };
    hold(vec![
        (
            "each is lost, but null",
            only(&names),
            r#"{"model":"m", "logit_bias":{}, "store":null, "a/b~c":1, "stream":false}"#,
            r#"{"model":"m", "stream":false}"#,
            &["logit_bias", "a/b~c"],
        ),
        (
            "other quirks come first, and nothing is lost twice",
            mistral(),
            r#"{"model":"m","seed":1,"max_completion_tokens":2,"user":"u","stream":true,"stream_options":{"include_usage":true},"x":1}"#,
            r#"{"model":"m","random_seed":1,"max_tokens":2,"stream":true}"#,
            &["user", "x"],
        ),
        ("all known", only(&names), r#"{"model":"m","messages":[]}"#, r#"{"model":"m","messages":[]}"#, &[]),
    ]);
}

#[test]
fn defaults_are_set_where_nothing_is() {
    let defaults = || Quirks {
        default: vec![(pointer("/safe/mode"), json!("strict")), (pointer("/n"), json!(1.0))],
        ..Quirks::default()
    };
    hold(vec![
        ("set", defaults(), r#"{"model":"m"}"#, r#"{"model":"m","safe":{"mode":"strict"},"n":1.0}"#, &[]),
        (
            "the caller's stay, null too",
            defaults(),
            r#"{"model":"m","safe":{"mode":"off"},"n":null}"#,
            r#"{"model":"m","safe":{"mode":"off"},"n":null}"#,
            &[],
        ),
    ]);
}

#[test]
fn lists_made_for_chat_say_nothing_of_embeddings() {
    let quirks =
        Quirks { default: vec![(pointer("/max_tokens"), json!(9))], ..only(&["model", "messages", "max_tokens"]) };
    let mistral = kind(vec![chat(Dialect::OpenAiChat), other(Operation::Embeddings)], quirks);
    let body = r#"{"model":"m","input":"x"}"#;
    let embed = inspected(Operation::Embeddings, Dialect::OpenAiChat, body);
    assert_eq!(rendered(&embed, &target_at(mistral, "m")), (body.to_owned(), Vec::new()));
    let voyage = kind(vec![other(Operation::Embeddings)], only(&["model"]));
    let (text, losses) = rendered(&embed, &target_at(voyage, "m"));
    assert_eq!((text.as_str(), losses), (r#"{"model":"m"}"#, vec!["input".to_owned()]));
}

#[test]
fn usage_is_asked_for_where_asking_is_understood() {
    use StreamUsage::{Always, Never, OnRequest};
    let asked = r#"{"model":"m","stream":true,"stream_options":{"include_usage":true,"x":1}}"#;
    let unasked = r#"{"model":"m","stream":true}"#;
    let plain = r#"{"model":"m","stream_options":null}"#;
    let cases: [(StreamUsage, &str, &str, &[&str], bool); 7] = [
        (OnRequest, asked, asked, &[], false),
        (OnRequest, unasked, r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#, &[], true),
        (OnRequest, plain, plain, &[], false),
        (Always, asked, unasked, &["stream_options.x"], false),
        (Always, unasked, unasked, &[], true),
        (Never, asked, unasked, &["stream_options.include_usage", "stream_options.x"], false),
        (Always, plain, r#"{"model":"m"}"#, &[], false),
    ];
    for (word, body, expected, losses, strip) in cases {
        let (request, target) = (request(Dialect::OpenAiChat, body), with(usage(word)));
        assert_eq!(
            rendered(&request, &target),
            (expected.to_owned(), losses.iter().map(|l| (*l).to_owned()).collect())
        );
        assert_eq!(render(&request, &target).unwrap().strip_usage, strip, "{word:?} {body}");
    }
}

#[test]
fn a_prefill_is_marked_by_members_of_the_request() {
    let vllm = || Quirks { prefill: Some(Prefill::ContinueFinalMessage), ..Quirks::default() };
    let body = r#"{"model":"m","messages":[{"role":"assistant","content":"1,"}]}"#;
    let marked = r#"{"model":"m","messages":[{"role":"assistant","content":"1,"}],"continue_final_message":true,"add_generation_prompt":false}"#;
    let chosen = r#"{"model":"m","add_generation_prompt":true,"messages":[{"role":"assistant","content":"1,"}]}"#;
    let user = r#"{"model":"m","messages":[{"role":"user","content":"1,"}]}"#;
    hold(vec![
        ("marked", vllm(), body, marked, &[]),
        ("the caller chose", vllm(), chosen, chosen, &[]),
        ("none", vllm(), user, user, &[]),
    ]);
}

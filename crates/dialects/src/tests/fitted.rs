//! What is asked of a target is within what its model takes; and what nobody could be asked about is refused.

use ringmain_core::{Capabilities, Dialect, Effort, Efforts};
use serde_json::{Value, json};

use crate::codec::{Encoded, TargetProfile, Unsupported};
use crate::ir::Request;
use crate::registry::codec;
use Dialect::{AnthropicMessages, BedrockConverse, CohereV2, Gemini, OpenAiChat, OpenAiResponses};

fn read(dialect: Dialect, body: &Value) -> Request {
    codec(dialect).unwrap().decode_request(body.to_string().as_bytes()).unwrap()
}

fn encode(request: &Request, to: Dialect, profile: &TargetProfile) -> Result<Encoded, Unsupported> {
    codec(to).unwrap().encode_request(request, profile)
}

/// The body for the target, and what it does not carry.
fn written(request: &Request, to: Dialect, profile: &TargetProfile) -> (Value, Vec<String>) {
    let Encoded { body, losses } = encode(request, to, profile).unwrap();
    (serde_json::from_slice(&body).unwrap(), losses.into_iter().map(|loss| loss.field).collect())
}

fn claude(more: &Value) -> Request {
    let mut body = json!({ "model": "m", "max_tokens": 64_000, "messages": [{ "role": "user", "content": "hi" }] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    read(AnthropicMessages, &body)
}

fn efforts(names: &str) -> Efforts {
    names.split(' ').filter_map(Effort::from_name).fold(Efforts::UNKNOWN, Efforts::with)
}

fn thinking(efforts: Efforts) -> TargetProfile {
    TargetProfile { capabilities: Capabilities::REASONING, efforts, ..TargetProfile::default() }
}

#[test]
fn no_more_tokens_than_the_model_gives() {
    let small = TargetProfile { max_output_tokens: Some(8_000), ..TargetProfile::default() };
    let asked = claude(&json!({}));
    for (to, place) in [
        (OpenAiChat, "/max_completion_tokens"),
        (OpenAiResponses, "/max_output_tokens"),
        (Gemini, "/generationConfig/maxOutputTokens"),
        (BedrockConverse, "/inferenceConfig/maxTokens"),
        (CohereV2, "/max_tokens"),
    ] {
        let (body, losses) = written(&asked, to, &small);
        assert_eq!(body.pointer(place), Some(&json!(8_000)), "{to}");
        assert!(losses.contains(&"max_tokens".to_owned()), "{to}: {losses:?}");
        let (body, losses) = written(&asked, to, &TargetProfile::default());
        assert_eq!(body.pointer(place), Some(&json!(64_000)), "{to}");
        assert!(!losses.contains(&"max_tokens".to_owned()), "{to}: {losses:?}");
    }
    // A caller of the dialect hears in the provider's words that it is too much.
    let (body, losses) = written(&asked, AnthropicMessages, &small);
    assert_eq!((body["max_tokens"].as_u64(), losses), (Some(64_000), Vec::new()));
}

#[test]
fn an_effort_that_the_model_knows() {
    let budget = |tokens: u64| claude(&json!({ "thinking": { "type": "enabled", "budget_tokens": tokens } }));
    let off = claude(&json!({ "thinking": { "type": "disabled" } }));
    let most = read(OpenAiResponses, &json!({ "model": "m", "input": "hi", "reasoning": { "effort": "xhigh" } }));
    let table = [
        (&budget(10_000), "minimal low medium high", "high"),
        (&budget(10_000), "none low medium high xhigh", "xhigh"),
        (&budget(10_000), "", "high"),
        (&off, "minimal low medium high", "minimal"),
        (&off, "none low medium high", "none"),
        (&off, "", "none"),
        (&most, "low medium high", "high"),
        (&most, "", "xhigh"),
    ];
    for (asked, known, told) in table {
        let (body, losses) = written(asked, OpenAiChat, &thinking(efforts(known)));
        assert_eq!(body["reasoning_effort"], told, "{known}: {losses:?}");
        if asked.dialect != OpenAiResponses {
            let (body, _) = written(asked, OpenAiResponses, &thinking(efforts(known)));
            assert_eq!(body["reasoning"]["effort"], told, "{known}");
        }
        // What it is told is what was asked, or that is said.
        let exact = asked.reasoning.as_ref().and_then(|wanted| wanted.effort).is_some_and(|one| one.as_str() == told);
        assert_eq!(exact, losses.is_empty(), "{known}: {losses:?}");
    }
    let third = TargetProfile { model: "gemini-3-pro-preview".to_owned(), ..thinking(efforts("low high")) };
    let messages = json!([{ "role": "user", "content": "hi" }]);
    let medium = read(OpenAiChat, &json!({ "model": "m", "messages": messages, "reasoning_effort": "medium" }));
    let (body, losses) = written(&medium, Gemini, &third);
    assert_eq!(body.pointer("/generationConfig/thinkingConfig/thinkingLevel"), Some(&json!("LOW")));
    assert_eq!(losses, ["reasoning_effort"]);
}

#[test]
fn what_gemini_takes() {
    let flash = TargetProfile {
        model: "gemini-2.5-flash".to_owned(),
        max_thinking_tokens: Some(24_576),
        ..thinking(Efforts::UNKNOWN)
    };
    let asked = claude(&json!({
        "thinking": { "type": "enabled", "budget_tokens": 31_999 }, "stop_sequences": ["a", "b", "c", "d", "e", "f"]
    }));
    let (body, losses) = written(&asked, Gemini, &flash);
    assert_eq!(body.pointer("/generationConfig/thinkingConfig/thinkingBudget"), Some(&json!(24_576)));
    assert_eq!(body.pointer("/generationConfig/stopSequences"), Some(&json!(["a", "b", "c", "d", "e"])));
    assert_eq!(losses, ["stop_sequences", "thinking.budget_tokens"]);
}

#[test]
fn names_of_tools_that_openai_takes() {
    for (length, chat, responses) in [(64, true, true), (65, false, true), (129, false, false)] {
        let asked = claude(&json!({ "tools": [{ "name": "x".repeat(length), "input_schema": {} }] }));
        for (to, taken) in [(OpenAiChat, chat), (OpenAiResponses, responses)] {
            let refused = encode(&asked, to, &TargetProfile::default()).err().map(|why| why.field);
            assert_eq!(refused, (!taken).then(|| "tools[0].name".to_owned()), "{to}: {length}");
        }
    }
}

#[test]
fn media_without_a_place_are_not_asked_about() {
    let video = json!({ "contents": [{ "role": "user", "parts": [
        { "text": "What happens?" }, { "inlineData": { "mimeType": "video/mp4", "data": "AAAA" } }] }] });
    let upload = json!({ "model": "m", "max_tokens": 9, "messages": [{ "role": "user", "content": [
        { "type": "text", "text": "What happens?" }, { "type": "container_upload", "file_id": "f" }] }] });
    let url = json!({ "model": "m", "messages": [{ "role": "user", "content": [
        { "type": "text", "text": "What happens?" }, { "type": "video_url", "video_url": { "url": "https://a" } }] }] });
    let in_messages = "messages[0].content[1]";
    for (from, body, place) in [
        (Gemini, video, "contents[0].parts[1]"),
        (AnthropicMessages, upload, in_messages),
        (OpenAiChat, url, in_messages),
    ] {
        let asked = read(from, &body);
        for to in Dialect::ALL {
            let refused = encode(&asked, to, &TargetProfile::default()).err().map(|why| why.field);
            let expected = (to != from).then(|| place.to_owned());
            assert_eq!(refused, expected, "{from} to {to}");
        }
    }
}

#[test]
fn what_a_provider_keeps_it_alone_remembers() {
    for (field, value) in [("cachedContent", "cachedContents/a"), ("continuationToken", "t")] {
        let asked =
            read(Gemini, &json!({ field: value, "contents": [{ "parts": [{ "text": "What of clause 7?" }] }] }));
        assert_eq!(asked.remembered, [field]);
        assert_eq!(written(&asked, Gemini, &TargetProfile::default()).0[field], value);
    }
    let thread = json!({ "type": "continue", "previous_message_id": "msg_1" });
    let asked = claude(&json!({ "thread": thread }));
    assert_eq!(asked.remembered, ["thread"]);
    assert_eq!(written(&asked, AnthropicMessages, &TargetProfile::default()).0["thread"], thread);
    // One that begins has all of it in the request.
    let asked = claude(&json!({ "thread": { "type": "create" } }));
    assert_eq!(
        (&asked.remembered, written(&asked, OpenAiChat, &TargetProfile::default()).1),
        (&vec![], vec!["thread".to_owned()])
    );
}

#[test]
fn what_stands_for_the_conversation_before_is_carried() {
    let compaction = json!({ "type": "compaction", "content": "They spoke of clause 7.", "encrypted_content": "E", "signature": "s" });
    let asked = |block: &Value| {
        claude(&json!({ "messages": [
        { "role": "assistant", "content": [block] }, { "role": "user", "content": "And 8?" }] }))
    };
    let request = asked(&compaction);
    assert_eq!(request.remembered, Vec::<String>::new());
    let (body, losses) = written(&request, AnthropicMessages, &TargetProfile::default());
    assert_eq!((body["messages"][1]["content"][0].clone(), losses), (compaction, vec!["messages".to_owned()]));
    for to in [OpenAiChat, OpenAiResponses, Gemini, BedrockConverse, CohereV2] {
        let (body, losses) = written(&request, to, &TargetProfile::default());
        let place = "messages[0].content[0].";
        assert!(body.to_string().contains("clause 7"), "{to}: {body}");
        assert!(losses.iter().any(|field| field.starts_with(place)), "{to}: {losses:?}");
    }
    // What its provider alone can read; and one that failed, which says nothing.
    let sealed = json!({ "type": "compaction", "content": null, "encrypted_content": "E" });
    assert_eq!(asked(&sealed).remembered, ["messages[0].content[0]"]);
    let failed = asked(&json!({ "type": "compaction", "content": null }));
    assert_eq!(failed.remembered, Vec::<String>::new());
    let (body, losses) = written(&failed, OpenAiChat, &TargetProfile::default());
    assert_eq!((body["messages"].as_array().unwrap().len(), losses), (1, vec!["messages[0].content[0]".to_owned()]));
}

#[test]
fn what_a_search_found_is_text_to_others() {
    let found = json!({ "type": "search_result", "source": "https://a", "title": "Seven", "citations": { "enabled": true },
        "content": [{ "type": "text", "text": "clause" }, { "type": "text", "text": "seven" }] });
    let document = json!({ "type": "document", "title": "Eight", "source": { "type": "content",
        "content": [{ "type": "text", "text": "clause" }, { "type": "text", "text": "eight" }] } });
    let asked = claude(&json!({ "messages": [{ "role": "user", "content": [
        { "type": "tool_result", "tool_use_id": "c", "content": [found] }, found, document] }] }));
    let (body, losses) = written(&asked, AnthropicMessages, &TargetProfile::default());
    assert_eq!((&body["messages"][0]["content"][1], losses), (&found, Vec::new()));
    assert_eq!(body["messages"][0]["content"][2], document);
    assert_eq!(body["messages"][0]["content"][0]["content"], json!([found]));
    for to in [OpenAiChat, OpenAiResponses, Gemini, BedrockConverse, CohereV2] {
        let (body, losses) = written(&asked, to, &TargetProfile::default());
        let body = body.to_string();
        assert_eq!(body.matches("seven").count(), 2, "{to}: {body}");
        assert!(!losses.is_empty(), "{to}");
    }
}

//! Requests, recorded and not.

use ringmain_core::{Capabilities, Dialect};
use ringmain_wire::json::Object;
use serde_json::{Value, json};

use crate::codec::{Codec, TargetProfile};
use crate::ir::{Block, BlockKind, CacheMark, Effort, Media, MediaSource, Request, Role, Tool, ToolChoice, Turn};
use crate::loss::{Loss, LossKind};
use crate::openai_chat::OpenAiChat;

use super::all;

fn profile() -> TargetProfile {
    TargetProfile::default()
}

fn encoded(request: &Request) -> (Value, Vec<Loss>) {
    let encoded = OpenAiChat.encode_request(request, &profile()).unwrap();
    (serde_json::from_slice(&encoded.body).unwrap(), encoded.losses)
}

fn decoded(body: &Value) -> Request {
    OpenAiChat.decode_request(body.to_string().as_bytes()).unwrap_or_else(|problem| panic!("{problem}: {body}"))
}

/// What encoding is known to change: instructions are one text, a turn's marks, names of results and thinking go, a
/// budget of thinking becomes a word, and fields inside fields that nobody knows are not put back.
fn normal(mut request: Request) -> Request {
    let texts: Vec<String> = request.system.iter().filter_map(text).collect();
    request.system = if texts.is_empty() { Vec::new() } else { vec![Block::text(texts.join("\n\n"))] };
    for turn in &mut request.turns {
        turn.blocks.retain(|block| !matches!(block.kind, BlockKind::Reasoning { .. }));
        for block in &mut turn.blocks {
            block.cache = None;
            match &mut block.kind {
                BlockKind::ToolResult { name, .. } => *name = None,
                BlockKind::ToolCall { arguments, .. } if arguments.is_empty() => "{}".clone_into(arguments),
                _ => {}
            }
        }
        if turn.role == Role::Assistant {
            turn.blocks.sort_by_key(|block| matches!(block.kind, BlockKind::ToolCall { .. }));
        }
    }
    if request.reasoning.as_ref().is_some_and(|reasoning| reasoning.effort.is_none()) {
        request.reasoning = None;
    }
    if request.tools.is_empty() {
        request.tool_choice = None;
        request.parallel_tools = None;
    }
    request.include_usage &= request.stream;
    request.extras.retain(|extra| !extra.field.contains(['.', '[']));
    request
}

fn text(block: &Block) -> Option<String> {
    match &block.kind {
        BlockKind::Text { text, .. } => Some(text.clone()),
        _ => None,
    }
}

#[test]
fn recorded_requests_survive_a_round() {
    for recording in all() {
        let Some(body) = recording.request else { continue };
        let request = decoded(&body);
        let (again, losses) = encoded(&request);
        assert_eq!(normal(decoded(&again)), normal(request.clone()), "{}", recording.id);
        // What is in neither the new body nor the losses has another name there.
        for (field, value) in body.as_object().unwrap() {
            let renamed = matches!(
                field.as_str(),
                "max_tokens" | "functions" | "function_call" | "reasoning" | "stream" | "stream_options"
            );
            let format = field == "response_format" && value["type"] == "text";
            let lost = losses.iter().any(|loss| loss.field.starts_with(field.as_str()));
            assert!(
                renamed || format || lost || value.is_null() || !again[field].is_null() || value == &json!([]),
                "{}: {field}",
                recording.id
            );
        }
        let bytes = body.to_string();
        let facts = OpenAiChat.inspect(&Object::parse(bytes.as_bytes()).unwrap()).unwrap();
        assert_eq!(facts.model.as_deref(), Some(request.model.as_str()));
        assert_eq!((facts.stream, facts.include_usage), (request.stream, request.include_usage));
        assert_eq!(facts.max_output_tokens, request.sampling.max_output_tokens);
        let tools = facts.needs.contains(Capabilities::TOOLS);
        assert_eq!(tools, !request.tools.is_empty(), "{}", recording.id);
        assert!(facts.input_tokens > 0);
    }
}

#[test]
fn everything_at_once() {
    let exact: Value = serde_json::from_str("0.70").unwrap();
    let request = decoded(&json!({
        "model": "m",
        "messages": [
            { "role": "developer", "content": "be brief" },
            { "role": "user", "content": [{ "type": "text", "text": "look" }, { "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA" } }] },
            { "role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": [
                { "id": "a", "type": "function", "function": { "name": "f", "arguments": "" } },
                { "id": "b", "type": "function", "function": { "name": "g", "arguments": "{}" } } ] },
            { "role": "tool", "tool_call_id": "a", "content": "1" },
            { "role": "tool", "tool_call_id": "b", "content": [{ "type": "text", "text": "2" }] },
            { "role": "system", "content": "now briefer" },
        ],
        "tools": [{ "type": "function", "function": { "name": "f" } }, { "type": "custom", "custom": { "name": "g" } }],
        "tool_choice": { "type": "function", "function": { "name": "f" } },
        "max_tokens": 5, "temperature": exact, "stop": "x", "user": "u", "reasoning": { "max_tokens": 2000, "exclude": true },
        "logit_bias": { "1": 2 }, "stream": true, "stream_options": { "include_usage": true, "include_obfuscation": false },
    }));
    assert_eq!(request.system, [Block::text("be brief")]);
    let roles: Vec<Role> = request.turns.iter().map(|turn| turn.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::User, Role::System]);
    assert_eq!(request.turns[2].blocks.len(), 2);
    assert_eq!(request.tools.len(), 2);
    assert!(matches!(request.tools[1], Tool::Opaque { dialect: Dialect::OpenAiChat, .. }));
    assert_eq!(request.tool_choice, Some(ToolChoice::Named("f".into())));
    assert_eq!(request.sampling.max_output_tokens, Some(5));
    assert!(request.stream && request.include_usage);
    let (body, losses) = encoded(&request);
    assert_eq!(body["max_completion_tokens"], 5);
    assert_eq!(body["temperature"].to_string(), "0.70");
    assert_eq!(body["messages"][0]["role"], "system");
    assert_eq!(body["messages"][2]["tool_calls"][0]["function"]["arguments"], "{}");
    assert_eq!(body["reasoning_effort"], Effort::Medium.as_str());
    assert_eq!(body["logit_bias"], json!({ "1": 2 }));
    let mut lost: Vec<String> = losses.iter().map(ToString::to_string).collect();
    lost.sort();
    assert_eq!(lost, ["messages[2].reasoning_content", "reasoning.max_tokens", "stream_options.include_obfuscation"]);
}

#[test]
fn a_legacy_call_and_its_result_belong_together() {
    let request = decoded(&json!({
        "model": "m", "functions": [{ "name": "f" }], "function_call": { "name": "f" },
        "messages": [
            { "role": "user", "content": "go" },
            { "role": "assistant", "content": null, "function_call": { "name": "f", "arguments": "{}" } },
            { "role": "function", "name": "f", "content": "1" },
        ],
    }));
    assert_eq!(request.tool_choice, Some(ToolChoice::Named("f".into())));
    let (body, _) = encoded(&request);
    assert_eq!(body["messages"][1]["tool_calls"][0]["id"], body["messages"][2]["tool_call_id"]);
    assert_eq!(body["tools"][0]["function"]["name"], "f");
}

#[test]
fn a_foreign_request() {
    let image = Media {
        source: MediaSource::Base64("/9j/AAAAAAAAAAAAAAAA".into()),
        media_type: None,
        name: None,
        detail: None,
    };
    let result = |id: &str, content, is_error| -> Block {
        BlockKind::ToolResult { id: id.into(), name: None, content, is_error }.into()
    };
    let mut request = Request::new(Dialect::AnthropicMessages);
    request.model = "m".into();
    request.system = vec![Block::text("a"), Block { cache: Some(CacheMark::default()), ..Block::text("b") }];
    request.turns = vec![Turn::new(
        Role::User,
        vec![
            Block::text("and now?"),
            result("x", vec![Block::text("see"), BlockKind::Image(image.clone()).into()], false),
            result("y", vec![Block::text("no")], true),
        ],
    )];
    request.sampling.stop = (0..6).map(|nth| nth.to_string()).collect();
    request.sampling.top_k = Some(3);
    let (body, losses) = encoded(&request);
    let roles: Vec<&Value> = body["messages"].as_array().unwrap().iter().map(|message| &message["role"]).collect();
    assert_eq!(roles, ["system", "tool", "tool", "user"]);
    assert_eq!(body["messages"][0]["content"], "a\n\nb");
    assert_eq!(body["messages"][3]["content"][0]["image_url"]["url"], "data:image/jpeg;base64,/9j/AAAAAAAAAAAAAAAA");
    assert_eq!(body["stop"].as_array().unwrap().len(), 4);
    let found = |field: &str, kind| losses.iter().any(|loss| loss.field == field && loss.kind == kind);
    assert!(found("system[1].cache_control", LossKind::Dropped), "{losses:?}");
    assert!(found("messages[0].content[1].content[1]", LossKind::Approximated), "{losses:?}");
    assert!(found("messages[0].content[2].is_error", LossKind::Dropped), "{losses:?}");
    assert!(found("top_k", LossKind::Dropped) && found("stop", LossKind::Approximated), "{losses:?}");
    let elsewhere = MediaSource::File { dialect: Dialect::Gemini, id: "f".into() };
    request.turns = vec![Turn::new(Role::User, vec![BlockKind::Document(Media { source: elsewhere, ..image }).into()])];
    let refused = OpenAiChat.encode_request(&request, &profile()).unwrap_err();
    assert_eq!(refused.field, "messages[0].content[0]");
}

#[test]
fn what_is_not_a_request() {
    let table = [
        (json!({ "messages": [] }), "model"),
        (json!({ "model": "m" }), "messages"),
        (json!({ "model": "m", "messages": [{ "role": "user", "content": 1 }] }), "messages[0].content"),
        (json!({ "model": "m", "messages": [{ "role": "judge", "content": "" }] }), "messages[0].role"),
        (json!({ "model": "m", "messages": [{ "role": "tool", "content": "" }] }), "messages[0].tool_call_id"),
        (
            json!({ "model": "m", "messages": [{ "role": "user", "content": [{ "type": "image_url" }] }] }),
            "messages[0].content[0].image_url",
        ),
        (json!({ "model": "m", "messages": [], "stream": "yes" }), "stream"),
    ];
    for (body, field) in table {
        let problem = OpenAiChat.decode_request(body.to_string().as_bytes()).unwrap_err();
        assert_eq!(problem.field, field, "{body}");
    }
    let odd = Object::parse(br#"{"model":"m","stream":"yes"}"#).map(|body| OpenAiChat.inspect(&body));
    assert_eq!(odd.unwrap().unwrap_err().field, "stream");
}

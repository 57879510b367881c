//! Requests that no recording holds.

use ringmain_core::{Capabilities, Dialect};
use ringmain_wire::json::Object;
use serde_json::{Value, json};

use super::{CohereV2, encoded, profile};
use crate::LossKind;
use crate::codec::{Codec as _, TargetProfile};
use crate::ir::{
    Block, BlockKind, Effort, Media, MediaSource, OutputFormat, Reasoning, Request, Role, Tool, ToolChoice, Turn,
};
use crate::shared::media::media;

fn asked(fields: &Value) -> Value {
    let mut body = json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

/// A request of a caller of some other dialect.
fn foreign() -> Request {
    let mut request = Request::new(Dialect::OpenAiChat);
    request.model = "m".into();
    request.turns = vec![Turn::new(Role::User, vec![Block::text("hi")])];
    request
}

fn function(name: &str, strict: Option<bool>, required: &[&str]) -> Tool {
    let parameters = Some(json!({ "type": "object", "properties": {}, "required": required }));
    Tool::Function { name: name.into(), description: None, parameters, strict, cache: None }
}

#[test]
fn every_field_of_the_dialect_comes_back() {
    let all = json!({
        "stream": true,
        "tools": [{ "type": "function", "function": { "name": "f", "description": "d", "parameters": { "type": "object" } } }],
        "strict_tools": true,
        "tool_choice": "REQUIRED",
        "documents": [{ "id": "a", "data": { "title": "t", "text": "x" } }, { "data": { "text": "y" } }],
        "citation_options": { "mode": "ACCURATE" },
        "response_format": { "type": "json_object", "json_schema": { "type": "object" } },
        "safety_mode": "STRICT",
        "max_tokens": 100,
        "stop_sequences": ["a", "b", "c", "d", "e", "f"],
        "temperature": 0.30,
        "seed": 7,
        "frequency_penalty": 0.5,
        "presence_penalty": 0.25,
        "k": 40,
        "p": 0.75,
        "logprobs": true,
        "thinking": { "type": "enabled", "token_budget": 500 },
        "priority": 2,
        "raw_prompting": false,
    });
    let body = asked(&all);
    let request = CohereV2.decode_request(body.to_string().as_bytes()).unwrap();
    let profile = TargetProfile { model: "m".into(), ..TargetProfile::default() };
    let (again, losses) = encoded(&request, &profile);
    assert_eq!(losses, Vec::<String>::new());
    assert_eq!(again, body);
    // Another dialect has no word for these; each is named.
    let names: Vec<&str> = request.extras.iter().map(|extra| extra.field.as_str()).collect();
    assert_eq!(names, ["citation_options", "safety_mode", "priority", "raw_prompting", "documents[0].id"]);
}

#[test]
fn a_conversation_there_and_back() {
    let messages = json!([
        { "role": "system", "content": "be brief" },
        { "role": "user", "content": [
            { "type": "text", "text": "look" },
            { "type": "image_url", "image_url": { "url": "https://a/b.png", "detail": "low" } },
        ] },
        { "role": "assistant", "tool_plan": "I will.", "tool_calls": [
            { "id": "a", "type": "function", "function": { "name": "f", "arguments": "{}" } },
            { "id": "b", "type": "function", "function": { "name": "f", "arguments": "{\"x\":1}" } },
        ] },
        { "role": "tool", "tool_call_id": "a", "content": "1" },
        { "role": "tool", "tool_call_id": "b", "content": [{ "type": "text", "text": "2" }, { "type": "text", "text": "3" }] },
        { "role": "assistant", "content": [{ "type": "thinking", "thinking": "hm" }, { "type": "text", "text": "so" }] },
        { "role": "system", "content": "be briefer" },
        { "role": "user", "content": "and?" },
    ]);
    let body = json!({ "model": "command-a-03-2025", "messages": messages });
    let request = CohereV2.decode_request(body.to_string().as_bytes()).unwrap();
    assert_eq!(request.turns.len(), 6);
    let (again, losses) = encoded(&request, &profile());
    assert_eq!((again, losses), (body, Vec::new()));
}

#[test]
fn what_others_say_is_brought_within_the_rules() {
    let mut request = foreign();
    let number = |n: f64| Some(serde_json::Number::from_f64(n).unwrap());
    request.sampling.temperature = number(1.5);
    request.sampling.top_p = number(1.0);
    request.sampling.frequency_penalty = number(-1.0);
    request.sampling.presence_penalty = number(0.5);
    request.sampling.stop = (0..7).map(|nth| nth.to_string()).collect();
    request.sampling.n = Some(2);
    request.sampling.top_logprobs = Some(3);
    request.end_user = Some("u".into());
    request.parallel_tools = Some(false);
    request.tools = vec![function("f", None, &[]), function("g", None, &["x"])];
    request.tool_choice = Some(ToolChoice::Named("g".into()));
    request.output = OutputFormat::Json;
    request.extras = vec![crate::ir::Extra { field: "logit_bias".into(), value: json!({}) }];
    let (body, losses) = encoded(&request, &profile());
    assert_eq!(body["temperature"], json!(1.0));
    assert_eq!(body["p"], json!(0.99));
    assert_eq!(body["frequency_penalty"], json!(0.0));
    assert_eq!(body["presence_penalty"], json!(0.5));
    assert_eq!(body["stop_sequences"].as_array().unwrap().len(), 5);
    assert_eq!(body["tools"].as_array().unwrap().len(), 1);
    assert_eq!((&body["tools"][0]["function"]["name"], &body["tool_choice"]), (&json!("g"), &json!("REQUIRED")));
    let known = ["model", "messages", "tools", "tool_choice", "temperature", "p", "frequency_penalty"];
    let known = [&known[..], &["presence_penalty", "stop_sequences"]].concat();
    assert!(body.as_object().unwrap().keys().all(|key| known.contains(&key.as_str())), "{body}");
    let expected = [
        "tool_choice",
        "parallel_tool_calls",
        "n",
        "temperature",
        "top_p",
        "frequency_penalty",
        "stop",
        "top_logprobs",
        "response_format",
        "user",
        "logit_bias",
    ];
    assert_eq!(losses, expected);
}

#[test]
fn tools_are_strict_together_or_not_at_all() {
    let table = [
        (vec![function("f", Some(true), &["x"])], Some(true), false),
        (vec![function("f", Some(true), &["x"]), function("g", Some(true), &["x"])], Some(true), false),
        (vec![function("f", Some(true), &["x"]), function("g", None, &["x"])], None, true),
        (vec![function("f", Some(true), &[])], None, true),
        (vec![function("f", Some(false), &["x"])], None, false),
    ];
    for (tools, strict, lossy) in table {
        let request = Request { tools, ..foreign() };
        let (body, losses) = encoded(&request, &profile());
        assert_eq!(body.get("strict_tools").and_then(Value::as_bool), strict, "{body}");
        assert_eq!(losses == ["tools[0].strict"], lossy, "{body}");
        assert!(body["tools"][0]["function"].get("strict").is_none());
    }
}

#[test]
fn thinking_for_models_that_think() {
    let model = |can| TargetProfile { capabilities: can, ..profile() };
    let thinks = model(Capabilities::REASONING);
    let other = model(Capabilities::TOOLS);
    let effort = |effort| Reasoning { effort: Some(effort), ..Reasoning::default() };
    let budget = |tokens| Reasoning { budget_tokens: Some(tokens), ..Reasoning::default() };
    let table = [
        (effort(Effort::Low), &thinks, json!({ "type": "enabled", "token_budget": 1024 }), vec!["reasoning_effort"]),
        (budget(300), &thinks, json!({ "type": "enabled", "token_budget": 300 }), vec![]),
        (Reasoning::default(), &thinks, json!({ "type": "enabled" }), vec![]),
        (effort(Effort::None), &thinks, json!({ "type": "disabled" }), vec![]),
        (effort(Effort::None), &other, Value::Null, vec![]),
        (effort(Effort::High), &other, Value::Null, vec!["reasoning_effort"]),
    ];
    for (reasoning, profile, thinking, expected) in table {
        let request = Request { reasoning: Some(reasoning), ..foreign() };
        let (body, losses) = encoded(&request, profile);
        assert_eq!(body["thinking"], thinking);
        assert_eq!(losses, expected);
    }
    let thought = BlockKind::Reasoning { text: "hm".into(), signature: None, redacted: None };
    let mut request = foreign();
    request.turns.insert(0, Turn::new(Role::Assistant, vec![thought.into(), Block::text("so")]));
    let (body, losses) = encoded(&request, &thinks);
    assert_eq!((body["messages"][0]["content"][0]["thinking"].as_str(), losses.len()), (Some("hm"), 0));
    let (body, losses) = encoded(&request, &other);
    assert_eq!((&body["messages"][0]["content"], losses.len()), (&json!("so"), 1));
}

#[test]
fn documents_and_pictures_find_a_place() {
    let text = media(MediaSource::Text("x".into()), Some("text/plain".into()));
    let named = Media { name: Some("t".into()), ..text };
    let picture = media(MediaSource::Base64("/9j/AAAAAAAAAAAAAAAA".into()), None);
    let result = BlockKind::ToolResult {
        id: "a".into(),
        name: None,
        content: vec![Block::text("see"), BlockKind::Image(picture).into(), BlockKind::Document(named.clone()).into()],
        is_error: true,
    };
    let mut request = foreign();
    request.turns =
        vec![Turn::new(Role::User, vec![Block::text("and?"), BlockKind::Document(named).into(), result.into()])];
    request.turns.push(Turn::new(Role::Assistant, vec![Block::text("so")]));
    let encoded_request = CohereV2.encode_request(&request, &profile()).unwrap();
    let body: Value = serde_json::from_slice(&encoded_request.body).unwrap();
    let document = json!({ "data": { "title": "t", "text": "x" } });
    assert_eq!(body["documents"], json!([document]));
    let roles: Vec<&Value> = body["messages"].as_array().unwrap().iter().map(|message| &message["role"]).collect();
    assert_eq!(roles, ["tool", "user", "assistant"]);
    assert_eq!(body["messages"][0]["content"][2], json!({ "type": "document", "document": document }));
    let url = &body["messages"][1]["content"][0]["image_url"]["url"];
    assert_eq!(url, "data:image/jpeg;base64,/9j/AAAAAAAAAAAAAAAA");
    let losses: Vec<(&str, LossKind)> =
        encoded_request.losses.iter().map(|loss| (loss.field.as_str(), loss.kind)).collect();
    let expected = [
        ("messages[0].content[1]", LossKind::Approximated),
        ("messages[0].content[2].content[1]", LossKind::Approximated),
        ("messages[0].content[2].is_error", LossKind::Dropped),
        ("messages[1]", LossKind::Approximated),
    ];
    assert_eq!(losses, expected);
    for (block, field) in [
        (BlockKind::Audio(media(MediaSource::Base64("AAAA".into()), None)), "messages[0].content[0]"),
        (BlockKind::Document(media(MediaSource::Base64("AAAA".into()), None)), "messages[0].content[0]"),
    ] {
        request.turns = vec![Turn::new(Role::User, vec![block.into()])];
        assert_eq!(CohereV2.encode_request(&request, &profile()).unwrap_err().field, field);
    }
}

#[test]
fn documents_stand_before_the_question() {
    let body = asked(&json!({ "documents": ["x", { "data": "y" }] }));
    let request = CohereV2.decode_request(body.to_string().as_bytes()).unwrap();
    let kinds: Vec<bool> =
        request.turns[0].blocks.iter().map(|block| matches!(block.kind, BlockKind::Document(_))).collect();
    assert_eq!(kinds, [true, true, false]);
}

#[test]
fn what_a_request_needs() {
    use Capabilities as C;
    let image = json!([{ "role": "user", "content": [{ "type": "image_url", "image_url": { "url": "u" } }] }]);
    let table = [
        (json!({}), C::NONE),
        (json!({ "tools": [{}] }), C::TOOLS),
        (json!({ "tools": [] }), C::NONE),
        (json!({ "messages": image }), C::VISION),
        (json!({ "response_format": { "type": "json_object" } }), C::NONE),
        (json!({ "response_format": { "type": "json_object", "schema": {} } }), C::JSON_SCHEMA),
    ];
    for (fields, needs) in table {
        let body = asked(&fields).to_string();
        assert_eq!(CohereV2.inspect(&Object::parse(body.as_bytes()).unwrap()).unwrap().needs, needs, "{body}");
    }
}

#[test]
fn what_is_not_a_request() {
    let table = [
        (json!({ "messages": [] }), "model"),
        (json!({ "model": "m" }), "messages"),
        (json!({ "model": "m", "messages": [{ "role": "judge", "content": "" }] }), "messages[0].role"),
        (json!({ "model": "m", "messages": [{ "role": "user", "content": 1 }] }), "messages[0].content"),
        (json!({ "model": "m", "messages": [{ "role": "tool", "content": "" }] }), "messages[0].tool_call_id"),
        (asked(&json!({ "tools": [{ "type": "function" }] })), "tools[0].function"),
        (asked(&json!({ "tool_choice": "SOME" })), "tool_choice"),
        (asked(&json!({ "documents": [1] })), "documents[0]"),
        (asked(&json!({ "response_format": { "type": "xml" } })), "response_format.type"),
        (asked(&json!({ "thinking": { "type": "maybe" } })), "thinking.type"),
    ];
    for (body, field) in table {
        assert_eq!(CohereV2.decode_request(body.to_string().as_bytes()).unwrap_err().field, field, "{body}");
    }
}

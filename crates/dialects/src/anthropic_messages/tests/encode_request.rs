//! Requests of callers of other dialects, and the API's rules.

use ringmain_core::{Capabilities, Dialect};
use serde_json::{Value, json};

use super::{encoded, profile};
use crate::anthropic_messages::AnthropicMessages;
use crate::codec::{Codec as _, TargetProfile};
use crate::ir::{
    Block, BlockKind, Effort, Extra, Media, MediaSource, OutputFormat, Reasoning, Request, Role, Tool, ToolChoice, Turn,
};

/// A caller of some other dialect.
fn foreign(turns: Vec<Turn>) -> Request {
    Request { turns, ..Request::new(Dialect::Gemini) }
}

fn hello() -> Request {
    let mut request = foreign(vec![says(Role::User, "hi")]);
    request.sampling.max_output_tokens = Some(100);
    request
}

fn says(role: Role, text: &str) -> Turn {
    Turn::new(role, vec![Block::text(text)])
}

fn call(id: &str) -> Block {
    BlockKind::ToolCall { id: id.into(), name: "f".into(), arguments: "{}".into(), signature: None }.into()
}

fn result(id: &str) -> Block {
    BlockKind::ToolResult { id: id.into(), name: None, content: vec![Block::text("42")], is_error: false }.into()
}

fn tool(name: &str) -> Tool {
    Tool::Function { name: name.into(), description: None, parameters: None, strict: None, cache: None }
}

/// Roles and, in short, contents.
fn sketch(body: &Value) -> Vec<String> {
    let block = |block: &Value| match block["type"].as_str() {
        Some("text") => block["text"].as_str().unwrap_or_default().to_owned(),
        kind => kind.unwrap_or_default().to_owned(),
    };
    let messages = body["messages"].as_array().unwrap().iter();
    let line = |message: &Value| match &message["content"] {
        Value::String(text) => text.clone(),
        content => content.as_array().unwrap().iter().map(block).collect::<Vec<_>>().join("+"),
    };
    messages.map(|message| format!("{}: {}", message["role"].as_str().unwrap_or_default(), line(message))).collect()
}

#[test]
fn turns_alternate_and_results_come_first() {
    use Role::{Assistant as A, System as S, User as U};
    let unsigned = || Block::from(BlockKind::Reasoning { text: "hm".into(), signature: None, redacted: None });
    let cases: Vec<(Vec<Turn>, &[&str], &[&str])> = vec![
        (
            vec![says(U, "a"), says(U, "b"), says(A, "c"), says(A, "d"), says(U, "e")],
            &["user: a+b", "assistant: c+d", "user: e"],
            &[],
        ),
        (
            vec![
                says(U, "a"),
                Turn::new(A, vec![call("x"), call("y")]),
                says(U, "late"),
                Turn::new(U, vec![result("x")]),
                Turn::new(U, vec![result("y")]),
            ],
            &["user: a", "assistant: tool_use+tool_use", "user: tool_result+tool_result+late"],
            &[],
        ),
        (vec![says(A, "a"), says(U, "b")], &["user: .", "assistant: a", "user: b"], &["messages"]),
        (vec![], &["user: ."], &["messages"]),
        (vec![says(U, "a"), says(S, "rule"), says(U, "b")], &["user: a+b"], &["messages[1]"]),
        (vec![says(U, "a"), says(A, "begin \n")], &["user: a", "assistant: begin"], &["messages[1].content"]),
        (vec![says(U, "a"), says(A, ""), says(U, "b")], &["user: a+b"], &[]),
        (
            vec![says(U, "a"), Turn::new(A, vec![unsigned(), Block::text("b")]), says(U, "c")],
            &["user: a", "assistant: b", "user: c"],
            &["messages[1].content[0]"],
        ),
    ];
    for (turns, messages, lost) in cases {
        let mut request = foreign(turns);
        request.sampling.max_output_tokens = Some(9);
        let (body, losses) = encoded(&request, &profile("claude-sonnet-4-5"));
        assert_eq!(sketch(&body), messages);
        assert_eq!(losses, lost, "{messages:?}");
    }
}

#[test]
fn instructions_are_gathered() {
    let mut request = foreign(vec![says(Role::User, "a"), says(Role::System, "later")]);
    request.system = vec![Block::text("first")];
    let (body, _) = encoded(&request, &profile("claude-sonnet-4-5"));
    assert_eq!(body["system"], json!([{ "type": "text", "text": "first" }, { "type": "text", "text": "later" }]));
}

#[test]
fn a_limit_is_always_sent() {
    let mut request = hello();
    request.sampling.max_output_tokens = None;
    let known = TargetProfile { max_output_tokens: Some(64_000), ..profile("m") };
    for (profile, limit) in [(profile("m"), 4096), (known, 64_000)] {
        let (body, losses) = encoded(&request, &profile);
        assert_eq!((body["max_tokens"].as_u64(), losses), (Some(limit), vec!["max_tokens".to_owned()]));
    }
    request.sampling.max_output_tokens = Some(9000);
    let small = TargetProfile { max_output_tokens: Some(8192), ..profile("m") };
    for (profile, limit, lost) in [(profile("m"), 9000, 0), (small, 8192, 1)] {
        let (body, losses) = encoded(&request, &profile);
        assert_eq!((body["max_tokens"].as_u64(), losses), (Some(limit), vec!["max_tokens".to_owned(); lost]));
    }
}

#[test]
fn sampling_within_what_the_model_takes() {
    let number = |text: &str| serde_json::from_str(text).ok();
    // Model, temperature, top_p, top_k -> what is sent, what is lost.
    let table = [
        (
            "claude-3-haiku-20240307",
            "0.70",
            "0.9",
            40,
            json!({ "temperature": 0.7, "top_p": 0.9, "top_k": 40 }),
            vec![],
        ),
        ("claude-3-haiku-20240307", "1.5", "1", 40, json!({ "temperature": 1, "top_k": 40 }), vec!["temperature"]),
        ("claude-sonnet-4-5", "0.2", "0.9", 40, json!({ "temperature": 0.2, "top_k": 40 }), vec!["top_p"]),
        ("claude-sonnet-4-5", "1", "0.9", 40, json!({ "top_p": 0.9, "top_k": 40 }), vec![]),
        ("claude-opus-4-7", "0.2", "0.9", 40, json!({}), vec!["temperature", "top_p", "top_k"]),
    ];
    for (model, temperature, top_p, top_k, sent, lost) in table {
        let mut request = hello();
        request.sampling.temperature = number(temperature);
        request.sampling.top_p = number(top_p);
        request.sampling.top_k = Some(top_k);
        let (body, losses) = encoded(&request, &profile(model));
        let fields = ["temperature", "top_p", "top_k"];
        let got = fields.map(|field| body.get(field).and_then(Value::as_f64));
        assert_eq!(got, fields.map(|field| sent.get(field).and_then(Value::as_f64)), "{model} {temperature}");
        assert_eq!(losses, lost, "{model} {temperature}");
    }
    let mut request = hello();
    request.sampling.stop = vec!["END".into(), "\n\n".into()];
    request.sampling.seed = number("7");
    request.sampling.n = Some(1);
    let (body, losses) = encoded(&request, &profile("m"));
    assert_eq!((&body["stop_sequences"], losses), (&json!(["END"]), vec!["seed".to_owned(), "stop".to_owned()]));
}

#[test]
fn tools_and_choice() {
    let mut request = hello();
    request.tools = vec![tool("f")];
    let table = [
        (None, None, Value::Null),
        (None, Some(false), json!({ "type": "auto", "disable_parallel_tool_use": true })),
        (Some(ToolChoice::Required), None, json!({ "type": "any" })),
        (Some(ToolChoice::None), Some(false), json!({ "type": "none" })),
        (Some(ToolChoice::Named("f".into())), Some(true), json!({ "type": "tool", "name": "f" })),
    ];
    for (choice, parallel, sent) in table {
        request.tool_choice = choice;
        request.parallel_tools = parallel;
        let (body, losses) = encoded(&request, &profile("m"));
        assert_eq!((&body["tool_choice"], losses.len()), (&sent, 0));
        assert_eq!(body["tools"][0]["input_schema"], json!({ "type": "object", "properties": {} }));
    }
    request.tools = vec![tool("a.b")];
    let refused = AnthropicMessages.encode_request(&request, &profile("m")).unwrap_err();
    assert_eq!(refused.field, "tools[0].name");
}

#[test]
fn a_call_and_its_result_keep_one_id() {
    let turns = vec![
        says(Role::User, "a"),
        Turn::new(Role::Assistant, vec![call("c:1")]),
        Turn::new(Role::User, vec![result("c:1")]),
    ];
    let (body, _) = encoded(&foreign(turns), &profile("m"));
    let id = body["messages"][1]["content"][0]["id"].as_str().unwrap();
    assert!(id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'), "{id}");
    assert_eq!(body["messages"][2]["content"][0]["tool_use_id"], id);
}

fn reasons(effort: Effort) -> Option<Reasoning> {
    Some(Reasoning { effort: Some(effort), ..Reasoning::default() })
}

#[test]
fn thinking_by_budget_or_by_effort() {
    let budget = |tokens: u64| json!({ "type": "enabled", "budget_tokens": tokens });
    let adaptive = || json!({ "type": "adaptive" });
    let (old, new) = ("claude-sonnet-4-5", "claude-opus-4-7");
    // Model, effort, limit -> `thinking`, `output_config.effort`, losses.
    let table = [
        (old, Effort::High, 9000, budget(4096), Value::Null, 1),
        (old, Effort::Minimal, 9000, budget(1024), Value::Null, 1),
        (old, Effort::High, 4096, budget(2048), Value::Null, 1),
        (old, Effort::High, 1000, Value::Null, Value::Null, 1),
        (old, Effort::None, 9000, Value::Null, Value::Null, 0),
        (new, Effort::High, 9000, adaptive(), json!("high"), 0),
        (new, Effort::Minimal, 9000, adaptive(), json!("low"), 1),
        (new, Effort::Highest, 9000, adaptive(), json!("xhigh"), 0),
        ("claude-opus-4-6", Effort::Highest, 9000, adaptive(), json!("high"), 1),
    ];
    for (model, effort, limit, thinking, word, lost) in table {
        let mut request = hello();
        request.reasoning = reasons(effort);
        request.sampling.max_output_tokens = Some(limit);
        let (body, losses) = encoded(&request, &profile(model));
        assert_eq!((&body["thinking"], &body["output_config"]["effort"]), (&thinking, &word), "{model} {effort:?}");
        assert_eq!(losses, vec!["reasoning_effort"; lost], "{model} {effort:?}");
    }
}

#[test]
fn thinking_gives_way() {
    let signed = BlockKind::Reasoning { text: "hm".into(), signature: Some("Ep".into()), redacted: None };
    let history = |first: Option<Block>| {
        let asked = first.into_iter().chain([call("x")]).collect();
        vec![says(Role::User, "a"), Turn::new(Role::Assistant, asked), Turn::new(Role::User, vec![result("x")])]
    };
    let request = |turns, choice: Option<ToolChoice>| {
        let mut request = Request { reasoning: reasons(Effort::High), tools: vec![tool("f")], ..foreign(turns) };
        request.sampling.max_output_tokens = Some(9000);
        request.tool_choice = choice;
        request
    };
    let simple = || vec![says(Role::User, "a")];
    let table = [
        (request(simple(), None), Capabilities::NONE, true),
        (request(simple(), None), Capabilities::TOOLS, false),
        (request(simple(), Some(ToolChoice::Required)), Capabilities::NONE, false),
        (request(history(Some(signed.into())), None), Capabilities::NONE, true),
        (request(history(None), None), Capabilities::NONE, false),
        (request(vec![says(Role::User, "a"), says(Role::Assistant, "b")], None), Capabilities::NONE, false),
    ];
    for (nth, (request, capabilities, thinks)) in table.into_iter().enumerate() {
        let profile = TargetProfile { capabilities, ..profile("claude-sonnet-4-5") };
        let (body, losses) = encoded(&request, &profile);
        assert_eq!(body.get("thinking").is_some(), thinks, "case {nth}");
        assert!(losses.contains(&"reasoning_effort".to_owned()), "case {nth}: {losses:?}");
    }
    let mut request = request(simple(), None);
    request.sampling.temperature = serde_json::from_str("0.5").ok();
    request.sampling.top_k = Some(5);
    let (body, losses) = encoded(&request, &profile("claude-sonnet-4-5"));
    assert_eq!((body.get("temperature"), body.get("top_k")), (None, None));
    assert_eq!(losses, ["reasoning_effort", "temperature", "top_k"]);
}

#[test]
fn structured_output() {
    let schema = json!({ "type": "object", "properties": { "a": { "type": "object", "properties": {} } } });
    let output = OutputFormat::JsonSchema { name: None, description: None, schema, strict: None };
    let mut request = Request { output, ..hello() };
    let (body, losses) = encoded(&request, &profile("claude-sonnet-4-5"));
    let format = &body["output_config"]["format"];
    assert_eq!((&format["type"], losses), (&json!("json_schema"), vec!["response_format".to_owned()]));
    assert_eq!(format["schema"]["properties"]["a"]["additionalProperties"], false);
    let without = TargetProfile { capabilities: Capabilities::TOOLS, ..profile("claude-sonnet-4-5") };
    assert_eq!(encoded(&request, &without).1, ["response_format"]);
    request.output = OutputFormat::Json;
    let (body, losses) = encoded(&request, &profile("claude-sonnet-4-5"));
    assert_eq!((body.get("output_config"), losses), (None, vec!["response_format".to_owned()]));
}

fn media(source: MediaSource, media_type: Option<&str>) -> Media {
    Media { source, media_type: media_type.map(str::to_owned), name: None, detail: None }
}

#[test]
fn pictures_documents_and_sound() {
    use {BlockKind as K, MediaSource as M};
    let url = || M::Url("https://example.com/a".into());
    let file = |dialect| M::File { dialect, id: "file_1".into() };
    let base64 = |data: &str| M::Base64(data.into());
    let table = [
        (K::Image(media(url(), None)), Some(json!({ "type": "url", "url": "https://example.com/a" }))),
        (
            K::Image(media(base64("iVBORw0"), None)),
            Some(json!({ "type": "base64", "media_type": "image/png", "data": "iVBORw0" })),
        ),
        (K::Image(media(base64("AAAA"), Some("image/tiff"))), None),
        (K::Image(media(M::Url("gs://bucket/a".into()), None)), None),
        (K::Image(media(file(Dialect::AnthropicMessages), None)), Some(json!({ "type": "file", "file_id": "file_1" }))),
        (K::Image(media(file(Dialect::Gemini), None)), None),
        (K::Document(media(url(), None)), Some(json!({ "type": "url", "url": "https://example.com/a" }))),
        (
            K::Document(media(base64("aGk="), Some("text/csv"))),
            Some(json!({ "type": "text", "media_type": "text/plain", "data": "hi" })),
        ),
        (K::Document(media(base64("aGk="), Some("application/msword"))), None),
        (K::Audio(media(base64("aGk="), Some("audio/wav"))), None),
    ];
    for (kind, source) in table {
        let request = foreign(vec![Turn::new(Role::User, vec![kind.clone().into()])]);
        let got = AnthropicMessages.encode_request(&request, &profile("m"));
        match source {
            None => assert_eq!(got.unwrap_err().field, "messages[0].content[0]", "{kind:?}"),
            Some(source) => {
                let body: Value = serde_json::from_slice(&got.unwrap().body).unwrap();
                assert_eq!(body["messages"][0]["content"][0]["source"], source, "{kind:?}");
            }
        }
    }
}

#[test]
fn what_another_dialect_alone_knows_is_reported() {
    let mut request = hello();
    request.extras = vec![Extra { field: "logit_bias".into(), value: json!({}) }];
    request.end_user = Some("u".into());
    let opaque = BlockKind::Opaque { dialect: Dialect::Gemini, value: json!({}) };
    request.turns[0].blocks.push(opaque.into());
    let (body, losses) = encoded(&request, &profile("m"));
    assert_eq!(losses, ["messages[0].content[1]", "logit_bias"]);
    assert_eq!(body["metadata"], json!({ "user_id": "u" }));
}

#[test]
fn a_token_of_another_vendor_stays_behind() {
    let reasoning =
        |redacted: &str| BlockKind::Reasoning { text: String::new(), signature: None, redacted: Some(redacted.into()) };
    let turn =
        Turn::new(Role::Assistant, vec![reasoning("gAAAAABo").into(), reasoning("EqcCCk").into(), Block::text("b")]);
    let request = foreign(vec![says(Role::User, "a"), turn, says(Role::User, "c")]);
    let (body, losses) = encoded(&request, &profile("m"));
    assert_eq!(sketch(&body)[1], "assistant: redacted_thinking+b");
    assert!(losses.contains(&"messages[1].content[0]".to_owned()), "{losses:?}");
}

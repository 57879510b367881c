//! Requests of other dialects, as the API's rules want them.

use ringmain_core::{Capabilities, Dialect};
use serde_json::{Value, json};

use super::{encoded, profile};
use crate::bedrock_converse::BedrockConverse;
use crate::codec::Codec as _;
use crate::ir::{
    Block, BlockKind, CacheMark, Effort, Extra, Media, MediaSource, OutputFormat, Reasoning, Request, Role, Tool,
    ToolChoice, Turn,
};

const OLD: &str = "us.anthropic.claude-3-7-sonnet-20250219-v1:0";
const NEW: &str = "us.anthropic.claude-opus-4-7-v1:0";
const NOVA: &str = "amazon.nova-2-lite-v1:0";
const OSS: &str = "openai.gpt-oss-120b-1:0";
const LLAMA: &str = "meta.llama3-3-70b-instruct-v1:0";

fn asked(text: &str) -> Request {
    let mut request = Request::new(Dialect::OpenAiChat);
    request.turns.push(Turn::new(Role::User, vec![Block::text(text)]));
    request
}

fn call(id: &str) -> Block {
    BlockKind::ToolCall { id: id.into(), name: "f".into(), arguments: "{}".into(), signature: None }.into()
}

fn result(id: &str, content: Vec<Block>) -> Block {
    BlockKind::ToolResult { id: id.into(), name: None, content, is_error: true }.into()
}

fn media(source: MediaSource, media_type: Option<&str>, name: Option<&str>) -> Media {
    Media { source, media_type: media_type.map(str::to_owned), name: name.map(str::to_owned), detail: None }
}

#[test]
fn reasoning_in_each_vendors_words() {
    let effort = |effort| Reasoning { effort: Some(effort), ..Reasoning::default() };
    let budget = |tokens| Reasoning { budget_tokens: Some(tokens), ..Reasoning::default() };
    let table: [(&str, Reasoning, Value, Value, &[&str]); 9] = [
        (OLD, budget(4000), json!({"thinking": {"type": "enabled", "budget_tokens": 4000}}), Value::Null, &[]),
        (
            OLD,
            effort(Effort::High),
            json!({"thinking": {"type": "enabled", "budget_tokens": 4096}}),
            Value::Null,
            &["reasoning_effort"],
        ),
        (NEW, effort(Effort::High), json!({"thinking": {"type": "adaptive"}}), json!({"effort": "high"}), &[]),
        (
            NOVA,
            effort(Effort::Low),
            json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}),
            Value::Null,
            &[],
        ),
        (NOVA, effort(Effort::None), json!({"reasoningConfig": {"type": "disabled"}}), Value::Null, &[]),
        (OSS, effort(Effort::Medium), json!({"reasoning_effort": "medium"}), Value::Null, &[]),
        (OSS, effort(Effort::Highest), json!({"reasoning_effort": "high"}), Value::Null, &["reasoning_effort"]),
        (LLAMA, effort(Effort::High), Value::Null, Value::Null, &["reasoning_effort"]),
        (LLAMA, effort(Effort::None), Value::Null, Value::Null, &[]),
    ];
    for (model, reasoning, fields, output, lost) in table {
        let mut request = asked("hi");
        request.reasoning = Some(reasoning);
        let (body, losses) = encoded(&request, &profile(model));
        assert_eq!(body["additionalModelRequestFields"], fields, "{model}");
        assert_eq!(body["outputConfig"], output, "{model}");
        assert_eq!(losses, lost, "{model}");
    }
}

#[test]
fn top_k_in_each_vendors_words() {
    let table = [
        (OLD, json!({"top_k": 5}), 0),
        (NOVA, json!({"inferenceConfig": {"topK": 5}}), 0),
        ("cohere.command-r-v1:0", json!({"k": 5}), 0),
        (LLAMA, Value::Null, 1),
        (NEW, Value::Null, 1),
    ];
    for (model, fields, lost) in table {
        let mut request = asked("hi");
        request.sampling.top_k = Some(5);
        let (body, losses) = encoded(&request, &profile(model));
        assert_eq!((&body["additionalModelRequestFields"], losses.len()), (&fields, lost), "{model}");
    }
}

#[test]
fn the_conversation_keeps_the_rules() {
    let mut request = asked("one");
    request.turns.push(Turn::new(Role::System, vec![Block::text("be brief")]));
    request.turns.push(Turn::new(Role::User, vec![Block::text("two"), Block::text(" ")]));
    request.turns.push(Turn::new(Role::Assistant, vec![call("call/1"), call("c2")]));
    let png = media(MediaSource::Base64("iVBORw0".into()), None, None);
    request
        .turns
        .push(Turn::new(Role::User, vec![Block::text("there"), result("call/1", vec![BlockKind::Image(png).into()])]));
    request.turns.push(Turn::new(Role::User, vec![result("c2", Vec::new())]));
    let (body, losses) = encoded(&request, &profile(LLAMA));
    let id = body["messages"][1]["content"][0]["toolUse"]["toolUseId"].clone();
    assert_eq!(
        body["messages"],
        json!([
            {"role": "user", "content": [{"text": "one"}, {"text": "two"}]},
            {"role": "assistant", "content": [
                {"toolUse": {"toolUseId": id, "name": "f", "input": {}}},
                {"toolUse": {"toolUseId": "c2", "name": "f", "input": {}}},
            ]},
            {"role": "user", "content": [
                {"toolResult": {"toolUseId": id, "content": [{"image": {"format": "png", "source": {"bytes": "iVBORw0"}}}], "status": "error"}},
                {"toolResult": {"toolUseId": "c2", "content": [{"json": {}}], "status": "error"}},
                {"text": "there"},
            ]},
        ])
    );
    assert_eq!(body["system"], json!([{"text": "be brief"}]));
    // Calls must be declared, though the caller declared no tool.
    assert_eq!(body["toolConfig"]["tools"][0]["toolSpec"]["name"], "f");
    assert_eq!(losses, ["messages[1]", "messages[2].content[1]", "tools"]);
}

#[test]
fn a_conversation_begins_with_the_user() {
    let mut request = Request::new(Dialect::OpenAiChat);
    request.turns.push(Turn::new(Role::Assistant, vec![Block::text("so \n")]));
    let (body, losses) = encoded(&request, &profile(OLD));
    assert_eq!(body["messages"][0]["role"], "user");
    assert_eq!(body["messages"][1]["content"], json!([{"text": "so"}]));
    assert_eq!(losses, ["messages[0].content", "messages"]);
}

#[test]
fn documents_have_names_and_company() {
    let mut request = Request::new(Dialect::OpenAiChat);
    let pdf =
        |name| BlockKind::Document(media(MediaSource::Base64("JVBE".into()), Some("application/pdf"), name)).into();
    let text = BlockKind::Document(media(MediaSource::Text("hi".into()), None, None)).into();
    request.turns.push(Turn::new(Role::User, vec![pdf(Some("a_b.pdf")), pdf(Some("a b.pdf")), text]));
    let (body, _) = encoded(&request, &profile(OLD));
    let content = body["messages"][0]["content"].as_array().unwrap();
    let names: Vec<_> = content.iter().filter_map(|block| block["document"]["name"].as_str()).collect();
    assert_eq!(names, ["a b pdf", "a b pdf (2)", "Document 3"]);
    assert_eq!(content[2]["document"]["format"], "txt");
    assert_eq!(content[2]["document"]["source"], json!({"bytes": "aGk="}));
    assert_eq!(content[3], json!({"text": "."}));
}

#[test]
fn tools_and_the_choice_among_them() {
    let mut request = asked("hi");
    request.tools.push(Tool::Function {
        name: "f".into(),
        description: Some(String::new()),
        parameters: Some(json!({"properties": {}})),
        strict: Some(false),
        cache: Some(CacheMark::default()),
    });
    let table = [
        (None, Value::Null),
        (Some(ToolChoice::Auto), json!({"auto": {}})),
        (Some(ToolChoice::Required), json!({"any": {}})),
        (Some(ToolChoice::Named("f".into())), json!({"tool": {"name": "f"}})),
    ];
    for (choice, written) in table {
        request.tool_choice = choice;
        let (body, losses) = encoded(&request, &profile(OLD));
        assert_eq!(body["toolConfig"]["toolChoice"], written);
        let spec = json!({"name": "f", "inputSchema": {"json": {"properties": {}, "type": "object"}}});
        assert_eq!(body["toolConfig"]["tools"], json!([{"toolSpec": spec}, {"cachePoint": {"type": "default"}}]));
        assert_eq!(losses, Vec::<String>::new());
    }
    request.tool_choice = Some(ToolChoice::None);
    let (body, losses) = encoded(&request, &profile(OLD));
    assert_eq!((&body["toolConfig"], losses), (&Value::Null, vec!["tool_choice".to_owned()]));
    request.turns.push(Turn::new(Role::Assistant, vec![call("a")]));
    request.turns.push(Turn::new(Role::User, vec![result("a", Vec::new())]));
    let (body, losses) = encoded(&request, &profile(OLD));
    assert!(body["toolConfig"]["tools"].is_array());
    assert_eq!(losses, ["tool_choice"]);
}

#[test]
fn cache_breakpoints_where_the_model_takes_them() {
    let mut request = asked("hi");
    request.turns[0].blocks[0].cache = Some(CacheMark { ttl: Some("1h".into()), ..CacheMark::default() });
    let point =
        |ttl: Value| if ttl.is_null() { json!({"type": "default"}) } else { json!({"type": "default", "ttl": ttl}) };
    let known = |capabilities| crate::codec::TargetProfile { capabilities, ..profile(LLAMA) };
    let table = [
        (profile(OLD), json!([{"text": "hi"}, {"cachePoint": point("1h".into())}]), 0),
        (profile(NOVA), json!([{"text": "hi"}, {"cachePoint": point(Value::Null)}]), 1),
        (profile(LLAMA), json!([{"text": "hi"}]), 1),
        (known(Capabilities::PROMPT_CACHE), json!([{"text": "hi"}, {"cachePoint": point(Value::Null)}]), 1),
    ];
    for (profile, content, lost) in table {
        let (body, losses) = encoded(&request, &profile);
        assert_eq!((&body["messages"][0]["content"], losses.len()), (&content, lost), "{}", profile.model);
    }
}

#[test]
fn structured_output_and_what_is_adopted() {
    let mut request = asked("hi");
    let schema = json!({"type": "object", "properties": {"a": {"type": "object"}}});
    request.output = OutputFormat::JsonSchema { name: Some("x".into()), description: None, schema, strict: Some(true) };
    request.end_user = Some("u".into());
    request.extras.push(Extra { field: "service_tier".into(), value: "flex".into() });
    request.extras.push(Extra { field: "metadata".into(), value: json!({"team": "search"}) });
    request.extras.push(Extra { field: "store".into(), value: true.into() });
    let (body, losses) = encoded(&request, &profile(NEW));
    let format = &body["outputConfig"]["textFormat"];
    let written: Value = serde_json::from_str(format["structure"]["jsonSchema"]["schema"].as_str().unwrap()).unwrap();
    assert_eq!(written["properties"]["a"]["additionalProperties"], false);
    assert_eq!(format["structure"]["jsonSchema"]["name"], "x");
    assert_eq!(body["serviceTier"], json!({"type": "flex"}));
    assert_eq!(body["requestMetadata"], json!({"team": "search"}));
    assert_eq!(losses, ["response_format", "user", "store"]);
    // An older model refuses the field.
    assert_eq!(encoded(&request, &profile(OLD)).0["outputConfig"], Value::Null);
}

#[test]
fn what_cannot_be_said_is_refused_by_name() {
    let image = |source, kind| BlockKind::Image(media(source, kind, None));
    let cases = [
        image(MediaSource::Url("https://example.com/a.png".into()), None),
        image(MediaSource::Base64("AAAA".into()), Some("image/tiff")),
        image(MediaSource::File { dialect: Dialect::OpenAiChat, id: "file-1".into() }, Some("image/png")),
        BlockKind::Document(media(MediaSource::Base64("AAAA".into()), Some("application/zip"), None)),
    ];
    for kind in cases {
        let mut request = asked("hi");
        request.turns[0].blocks.push(kind.into());
        let refused = BedrockConverse.encode_request(&request, &profile(OLD)).unwrap_err();
        assert_eq!(refused.field, "messages[0].content[1]");
    }
    let mut request = asked("hi");
    let bucket = image(MediaSource::Url("s3://bucket/a.jpg".into()), None);
    request.turns[0].blocks.push(bucket.into());
    let (body, _) = encoded(&request, &profile(NOVA));
    let written = &body["messages"][0]["content"][1]["image"];
    assert_eq!(*written, json!({"format": "jpeg", "source": {"s3Location": {"uri": "s3://bucket/a.jpg"}}}));
}

#[test]
fn thinking_goes_back_with_its_proof_alone() {
    let thought = |signature: Option<&str>, redacted: Option<&str>| {
        let [signature, redacted] = [signature, redacted].map(|token| token.map(str::to_owned));
        Block::from(BlockKind::Reasoning { text: "hm".into(), signature, redacted })
    };
    let mut request = asked("hi");
    let blocks = vec![
        thought(None, None),
        thought(Some("Esig"), None),
        thought(None, Some("Esealed")),
        thought(Some("gAAA"), None),
        Block::text("so"),
    ];
    request.turns.push(Turn::new(Role::Assistant, blocks));
    request.turns.push(Turn::new(Role::User, vec![Block::text("go on")]));
    let (body, losses) = encoded(&request, &profile(OLD));
    assert_eq!(
        body["messages"][1]["content"],
        json!([
            {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "Esig"}}},
            {"reasoningContent": {"redactedContent": "RXNlYWxlZA=="}},
            {"text": "so"},
        ])
    );
    assert_eq!(losses, ["messages[1].content[0]", "messages[1].content[3]"]);
}

//! Every recorded request, plain answer and stream, there and back.

use ringmain_core::Capabilities;
use ringmain_wire::json::Object;
use serde_json::{Map, Value, json};

use super::{APIS, encoded, frames, profile, written};
use crate::bedrock_converse::BedrockConverse;
use crate::codec::{Codec as _, Framing, Malformed};
use crate::ir::{BlockKind, Response, fold};
use crate::tests::{Dice, Recording, decode, folded, frames_as, recordings};

fn all() -> impl Iterator<Item = Recording> {
    APIS.into_iter().flat_map(recordings)
}

/// The same request in one way of writing: what an encoder may choose freely is chosen here.
/// - nothing in place of empty lists and objects, `status: success` and `type: tool_use`
/// - results as text; a schema in text as JSON; the older name of thinking
fn normal(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(normal).collect(),
        Value::Object(map) => {
            let mut map: Map<String, Value> = map.into_iter().map(|(key, value)| (key, normal(value))).collect();
            map.retain(|key, value| match key.as_str() {
                "status" => value != "success",
                "type" => value != "tool_use",
                "system" | "inferenceConfig" | "additionalModelRequestFields" => {
                    *value != json!([]) && *value != json!({})
                }
                _ => true,
            });
            if let Some(thinking) = map.shift_remove("reasoning_config") {
                map.insert("thinking".to_owned(), thinking);
            }
            if let Some(Value::String(schema)) = map.get("schema") {
                let schema = serde_json::from_str(schema).unwrap();
                map.insert("schema".to_owned(), schema);
            }
            if let Some(Value::Array(content)) = map.get_mut("content") {
                for item in content.iter_mut().filter(|item| item.get("json").is_some()) {
                    *item = json!({ "text": item["json"].to_string() });
                }
            }
            Value::Object(map)
        }
        other => other,
    }
}

#[test]
fn requests_there_and_back_are_the_same() {
    for recording in all() {
        let Some(body) = recording.request else { continue };
        let request = BedrockConverse.decode_request(body.to_string().as_bytes()).unwrap();
        let (again, losses) = encoded(&request, &profile("us.anthropic.claude-sonnet-4-5-20250929-v1:0"));
        assert_eq!(normal(again.clone()), normal(body), "{}", recording.id);
        assert_eq!(losses, Vec::<String>::new(), "{}", recording.id);
        let twice = BedrockConverse.decode_request(again.to_string().as_bytes()).unwrap();
        assert_eq!(twice, request, "{}", recording.id);
    }
}

#[test]
fn inspection_agrees_with_the_decoder() {
    for recording in all() {
        let Some(body) = recording.request else { continue };
        let text = body.to_string();
        let facts = BedrockConverse.inspect(&Object::parse(text.as_bytes()).unwrap()).unwrap();
        let request = BedrockConverse.decode_request(text.as_bytes()).unwrap();
        assert_eq!((facts.model, facts.stream), (None, false), "{}", recording.id);
        assert_eq!(facts.max_output_tokens, request.sampling.max_output_tokens, "{}", recording.id);
        assert!(facts.input_tokens > 0, "{}", recording.id);
    }
}

#[test]
fn what_a_request_needs() {
    use Capabilities as C;
    let user = |content: &str| format!(r#"{{"messages":[{{"role":"user","content":[{content}]}}]}}"#);
    let table = [
        (user(r#"{"text":"hi"}"#), C::NONE),
        (user(r#"{"image":{"format":"png"}}"#), C::VISION),
        (user(r#"{"audio":{"format":"mp3"}}"#), C::AUDIO_IN),
        (user(r#"{"toolResult":{"content":[{"document":{}}]}}"#), C::DOCUMENTS),
        (user(r#"{"document":{"name":"a","source":{"bytes":"AA=="}}}"#), C::DOCUMENTS),
        (user(r#"{"document":{"name":"a","source":{"text":"x"}}}"#), C::NONE),
        (user(r#"{"document":{"name":"a","source":{"content":[{"text":"x"}]}}}"#), C::NONE),
        (r#"{"messages":[],"toolConfig":{"tools":[{}]}}"#.to_owned(), C::TOOLS),
        (r#"{"messages":[],"outputConfig":{"effort":"low"}}"#.to_owned(), C::NONE),
        (r#"{"messages":[],"outputConfig":{"textFormat":{}}}"#.to_owned(), C::JSON_SCHEMA),
        (r#"{"messages":[{"role":"assistant","content":[{"text":"so"}]}]}"#.to_owned(), C::PREFILL),
        (r#"{"input":{"converse":{"messages":[]}}}"#.to_owned(), C::NONE),
    ];
    for (body, needs) in table {
        let facts = BedrockConverse.inspect(&Object::parse(body.as_bytes()).unwrap()).unwrap();
        assert_eq!(facts.needs, needs, "{body}");
    }
}

#[test]
fn answers_there_and_back_are_the_same() {
    let mut seen = 0;
    for recording in all().filter(|recording| recording.status == 200) {
        let Some(body) = recording.body.map(|body| body.to_string()) else { continue };
        let response = BedrockConverse.decode_response(body.as_bytes()).unwrap();
        assert!(!response.blocks.is_empty() && response.usage.is_some(), "{}", recording.id);
        let again = BedrockConverse.encode_response(&response);
        assert_eq!(again.losses, response.losses, "{}", recording.id);
        same(BedrockConverse.decode_response(&again.body).unwrap(), &response, &recording.id);
        let streamed = folded(decode(BedrockConverse.stream_decoder(), &written(&fold::unfold(&response))));
        same(streamed, &response, &recording.id);

        let glance = BedrockConverse.tap().body(body.as_bytes());
        assert_eq!(glance.usage, response.usage, "{}", recording.id);
        assert!(glance.useful && glance.finished && glance.terminal && !glance.malformed, "{}", recording.id);
        seen += 1;
    }
    assert!(seen == 0 || seen >= 20, "{seen}");
}

/// The losses of reading are not written, and an object's spaces are free.
fn same(mut found: Response, response: &Response, id: &str) {
    let mut response = response.clone();
    found.losses.clone_from(&response.losses);
    for block in found.blocks.iter_mut().chain(&mut response.blocks) {
        if let BlockKind::ToolCall { arguments, .. } = &mut block.kind {
            *arguments = serde_json::from_str::<Value>(arguments).unwrap().to_string();
        }
    }
    assert_eq!(found, response, "{id}");
}

#[test]
fn streams_there_and_back_are_the_same() {
    for recording in all() {
        let Some(stream) = recording.binary else { continue };
        let events = decode(BedrockConverse.stream_decoder(), &frames(&stream));
        let response = folded(events.clone());
        assert!(!response.blocks.is_empty() && response.usage.is_some(), "{}", recording.id);
        assert_eq!(folded(decode(BedrockConverse.stream_decoder(), &written(&events))), response, "{}", recording.id);
        let plain = BedrockConverse.encode_response(&response);
        same(BedrockConverse.decode_response(&plain.body).unwrap(), &response, &recording.id);
        let mut dice = Dice::new(7);
        for _ in 0..20 {
            let (left, right) = stream.split_at(dice.below(stream.len()));
            let cut = decode(BedrockConverse.stream_decoder(), &frames_as(Framing::EventStream, [left, right]));
            assert_eq!(cut, events, "{} cut at {}", recording.id, left.len());
        }
    }
}

#[test]
fn the_tap_agrees_with_the_decoder() {
    for recording in all() {
        let Some(stream) = recording.binary else { continue };
        let mut tap = BedrockConverse.tap();
        let mut decoder = BedrockConverse.stream_decoder();
        let (mut useful, mut usage, mut terminal) = (false, None, false);
        let mut events = Vec::new();
        for (name, data) in frames(&stream) {
            assert!(!terminal, "{} goes on after its end", recording.id);
            let glance = tap.event(name.as_deref(), &data);
            assert!(!glance.malformed && glance.error.is_none(), "{}", recording.id);
            let before = events.len();
            decoder.event(name.as_deref(), &data, &mut events).unwrap();
            useful |= glance.useful;
            usage = glance.usage.or(usage);
            terminal = glance.terminal;
            let finished = events[before..].iter().any(crate::ir::Event::is_terminal);
            assert_eq!(finished, terminal, "{}", recording.id);
        }
        assert_eq!(usage, folded(events).usage, "{}", recording.id);
        assert!(useful && terminal && tap.is_whole(false), "{}", recording.id);
    }
}

#[test]
fn usage_counts_the_cache_in_the_total() {
    let body = br#"{"output":{"message":{"role":"assistant","content":[]}},"stopReason":"end_turn","metrics":{"latencyMs":1},
        "usage":{"inputTokens":10,"outputTokens":7,"totalTokens":247,"cacheReadInputTokens":200,"cacheWriteInputTokens":30,
        "cacheDetails":[{"ttl":"1h","inputTokens":20},{"ttl":"5m","inputTokens":10}]}}"#;
    let response = BedrockConverse.decode_response(body).unwrap();
    let usage = response.usage.unwrap();
    assert_eq!((usage.input, usage.cache_read, usage.cache_write, usage.cache_write_1h), (240, 200, 10, 20));
    let again: Value = serde_json::from_slice(&BedrockConverse.encode_response(&response).body).unwrap();
    assert_eq!(again["usage"]["totalTokens"], 247);
    assert_eq!(again["usage"]["inputTokens"], 10);
    assert_eq!(again["usage"]["cacheWriteInputTokens"], 30);
}

#[test]
fn what_cannot_be_read_names_its_place() {
    let cases: [(&str, &str); 7] = [
        (r#"{"messages":[{"role":"robot","content":[]}]}"#, "messages[0].role"),
        (r#"{"messages":[{"role":"user"}]}"#, "messages[0].content"),
        (r#"{"messages":[{"role":"user","content":[{"text":1}]}]}"#, "messages[0].content[0].text"),
        (r#"{"messages":[{"role":"user","content":[{"text":"a","image":{}}]}]}"#, "messages[0].content[0]"),
        (r#"{"toolConfig":{"tools":[{"toolSpec":{}}]}}"#, "toolConfig.tools[0].toolSpec.name"),
        (r#"{"toolConfig":{"toolChoice":{"maybe":{}}}}"#, "toolConfig.toolChoice"),
        (r#"{"inferenceConfig":{"maxTokens":-1}}"#, "inferenceConfig.maxTokens"),
    ];
    for (body, field) in cases {
        let found: Result<_, Malformed> = BedrockConverse.decode_request(body.as_bytes());
        assert_eq!(found.unwrap_err().field, field, "{body}");
    }
}

//! Every recorded request and plain answer, there and back.

use serde_json::{Map, Value};

use super::{API, encoded, profile};
use crate::anthropic_messages::AnthropicMessages;
use crate::codec::{Codec as _, StreamStart};
use crate::ir::fold;
use crate::tests::{decode, encode, folded, frames, recordings};
use ringmain_core::Capabilities;
use ringmain_wire::json::Object;

/// The same request in one way of writing: what an encoder may choose freely is chosen here.
/// - a text in place of a list with one text block; nothing in place of `null`, no instructions or tools, `is_error: false` and
///   `stream: false`
/// - neighbouring turns of one role as one; a direct `caller`; the older place of the output format
/// - thinking that adapts and says nothing of its display: shown
fn normal(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(normal).collect(),
        Value::Object(map) => {
            let mut map: Map<String, Value> = map.into_iter().map(|(k, v)| (k, normal(v))).collect();
            map.retain(|key, value| {
                !(value.is_null() || matches!(key.as_str(), "is_error" | "stream") && value == false)
            });
            for key in ["content", "system", "tools"] {
                if map.get(key).is_some_and(|value| value == &serde_json::json!([])) {
                    map.shift_remove(key);
                }
                if let Some(Value::String(text)) = map.get(key) {
                    let block = serde_json::json!([{ "type": "text", "text": text }]);
                    map.insert(key.to_owned(), block);
                }
            }
            if map.get("caller").is_some_and(|caller| caller["type"] == "direct") {
                map.shift_remove("caller");
            }
            if let Some(format) = map.shift_remove("output_format") {
                map.insert("output_config".to_owned(), serde_json::json!({ "format": format }));
            }
            if map.get("type").is_some_and(|kind| kind == "adaptive") && !map.contains_key("display") {
                map.insert("display".to_owned(), "summarized".into());
            }
            if let Some(Value::Array(messages)) = map.get_mut("messages") {
                merge(messages);
            }
            Value::Object(map)
        }
        other => other,
    }
}

fn merge(messages: &mut Vec<Value>) {
    messages.dedup_by(|later, earlier| {
        let same = later["role"] == earlier["role"];
        if let (true, Some(more), Some(blocks)) = (same, later["content"].as_array(), earlier["content"].as_array_mut())
        {
            blocks.extend(more.iter().cloned());
        }
        same
    });
}

#[test]
fn requests_there_and_back_are_the_same() {
    for recording in recordings(API) {
        let Some(body) = recording.request else { continue };
        let request = AnthropicMessages.decode_request(body.to_string().as_bytes()).unwrap();
        let (again, losses) = encoded(&request, &profile(&request.model));
        assert_eq!(normal(again.clone()), normal(body), "{}", recording.id);
        assert_eq!(losses, Vec::<String>::new(), "{}", recording.id);
        let twice = AnthropicMessages.decode_request(again.to_string().as_bytes()).unwrap();
        assert_eq!(encoded(&twice, &profile(&twice.model)).0, again, "{}", recording.id);
    }
}

#[test]
fn inspection_agrees_with_the_decoder() {
    for recording in recordings(API) {
        let Some(body) = recording.request else { continue };
        let text = body.to_string();
        let facts = AnthropicMessages.inspect(&Object::parse(text.as_bytes()).unwrap()).unwrap();
        let request = AnthropicMessages.decode_request(text.as_bytes()).unwrap();
        assert_eq!(facts.model.as_deref(), Some(request.model.as_str()), "{}", recording.id);
        assert_eq!(facts.stream, request.stream, "{}", recording.id);
        assert_eq!(facts.max_output_tokens, request.sampling.max_output_tokens, "{}", recording.id);
        assert!(facts.input_tokens > 0, "{}", recording.id);
    }
}

#[test]
fn what_a_request_needs() {
    use Capabilities as C;
    let user = |content: &str| format!(r#"{{"messages":[{{"role":"user","content":{content}}}]}}"#);
    let table = [
        (user(r#""hi""#), C::NONE),
        (user(r#"[{"type":"image","source":{}}]"#), C::VISION),
        (user(r#"[{"type":"tool_result","content":[{"type":"document"}]}]"#), C::DOCUMENTS),
        (user(r#"[{"type":"document","source":{"type":"base64","data":"AA=="}}]"#), C::DOCUMENTS),
        (user(r#"[{"type":"document","source":{"type":"text","data":"x"}}]"#), C::NONE),
        (user(r#"[{"type":"document","source":{"type":"content","content":"x"}}]"#), C::NONE),
        (user(r#"[{"type":"document","source":{"type":"content","content":[{"type":"text","text":"x"}]}}]"#), C::NONE),
        (user(r#"[{"type":"document","source":{"type":"content","content":[{"type":"image"}]}}]"#), C::DOCUMENTS),
        (r#"{"messages":[],"tools":[{}]}"#.to_owned(), C::TOOLS),
        (r#"{"messages":[],"tools":[],"output_config":{"effort":"low"}}"#.to_owned(), C::NONE),
        (r#"{"messages":[],"output_config":{"format":{}}}"#.to_owned(), C::JSON_SCHEMA),
        (r#"{"messages":[{"role":"assistant","content":"so"}]}"#.to_owned(), C::PREFILL),
    ];
    for (body, needs) in table {
        let facts = AnthropicMessages.inspect(&Object::parse(body.as_bytes()).unwrap()).unwrap();
        assert_eq!(facts.needs, needs, "{body}");
    }
}

#[test]
fn answers_there_and_back_are_the_same() {
    for recording in recordings(API).into_iter().filter(|recording| recording.status == 200) {
        let Some(body) = recording.body.map(|body| body.to_string()) else { continue };
        let response = AnthropicMessages.decode_response(body.as_bytes()).unwrap();
        assert!(!response.blocks.is_empty() && response.usage.is_some(), "{}", recording.id);
        let again = AnthropicMessages.encode_response(&response);
        assert_eq!(again.losses, response.losses, "{}", recording.id);
        let mut twice = AnthropicMessages.decode_response(&again.body).unwrap();
        twice.losses.clone_from(&response.losses);
        assert_eq!(twice, response, "{}", recording.id);
        let stream = encode(AnthropicMessages.stream_encoder(&StreamStart::default()), &fold::unfold(&response));
        let mut streamed = folded(decode(AnthropicMessages.stream_decoder(), &frames(&stream)));
        streamed.losses.clone_from(&response.losses);
        assert_eq!(streamed, response, "{}", recording.id);

        let glance = AnthropicMessages.tap().body(body.as_bytes());
        assert_eq!(glance.usage, response.usage, "{}", recording.id);
        assert!(glance.useful && glance.finished && glance.terminal && !glance.malformed, "{}", recording.id);
    }
}

#[test]
fn usage_counts_the_cache_in_both_totals() {
    let body = br#"{"type":"message","id":"m","model":"x","content":[],"stop_reason":"end_turn","usage":{
        "input_tokens":10,"cache_read_input_tokens":200,"cache_creation_input_tokens":30,"output_tokens":7,
        "cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20},
        "output_tokens_details":{"thinking_tokens":5}}}"#;
    let usage = AnthropicMessages.decode_response(body).unwrap().usage.unwrap();
    assert_eq!((usage.input, usage.cache_read, usage.cache_write, usage.cache_write_1h), (240, 200, 10, 20));
    assert_eq!((usage.output, usage.reasoning, usage.fresh_input()), (7, 5, 10));
}

#[test]
fn what_cannot_be_read_names_its_place() {
    let cases: [(&str, &str); 7] = [
        (r#"{"model":"m"}"#, "messages"),
        (r#"{"messages":[{"role":"robot","content":"x"}]}"#, "messages[0].role"),
        (r#"{"messages":[{"role":"user"}]}"#, "messages[0].content"),
        (r#"{"messages":[{"role":"user","content":[{"type":"text"}]}]}"#, "messages[0].content[0].text"),
        (r#"{"messages":[],"tools":[{"description":"d"}]}"#, "tools[0].name"),
        (r#"{"messages":[],"tool_choice":{"type":"maybe"}}"#, "tool_choice.type"),
        (r#"{"messages":[],"max_tokens":-1}"#, "max_tokens"),
    ];
    for (body, field) in cases {
        assert_eq!(AnthropicMessages.decode_request(body.as_bytes()).unwrap_err().field, field, "{body}");
    }
}

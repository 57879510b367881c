//! Streams that no recording holds.

use serde_json::{Value, json};

use super::CohereV2;
use crate::codec::{Codec as _, StreamStart};
use crate::ir::{Block, BlockHead, BlockKind, Delta, Event, Finish};
use crate::tests::{Frame, decode, encode, folded, frames};

fn event(kind: &str, index: u64, message: &Value) -> Frame {
    let data = json!({ "type": kind, "index": index, "delta": { "message": message } });
    (Some(kind.to_owned()), data.to_string().into_bytes())
}

fn stream(middle: Vec<Frame>, reason: &str) -> Vec<Frame> {
    let start = json!({ "type": "message-start", "id": "r", "delta": { "message": { "role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": [] } } });
    let end = json!({ "type": "message-end", "delta": { "finish_reason": reason, "usage": { "tokens": { "input_tokens": 3.0, "output_tokens": 4 } } } });
    let mut all = vec![(None, start.to_string().into_bytes())];
    all.extend(middle);
    all.push((None, end.to_string().into_bytes()));
    all
}

fn text(text: &str) -> Value {
    json!({ "content": { "type": "text", "text": text } })
}

fn call(id: &str, name: &str, arguments: &str) -> Value {
    json!({ "tool_calls": { "id": id, "type": "function", "function": { "name": name, "arguments": arguments } } })
}

fn tool(id: &str, name: &str, arguments: &str) -> Block {
    let (id, name) = (id.to_owned(), name.to_owned());
    BlockKind::ToolCall { id, name, arguments: arguments.to_owned(), signature: None }.into()
}

#[test]
fn thinking_then_a_plan_then_calls() {
    let middle = vec![
        event("content-start", 0, &json!({ "content": { "type": "thinking", "thinking": "" } })),
        event("content-delta", 0, &json!({ "content": { "thinking": "hm" } })),
        event("content-end", 0, &Value::Null),
        event("tool-plan-delta", 0, &json!({ "tool_plan": "I will " })),
        event("tool-plan-delta", 0, &json!({ "tool_plan": "look." })),
        event("tool-call-start", 0, &call("a", "f", "")),
        event("tool-call-start", 1, &call("", "g", "{}")),
        event("tool-call-delta", 0, &json!({ "tool_calls": { "function": { "arguments": "{\"x\":1}" } } })),
        event("tool-call-end", 0, &Value::Null),
    ];
    let response = folded(decode(CohereV2.stream_decoder(), &stream(middle, "TOOL_CALL")));
    let thinking = BlockKind::Reasoning { text: "hm".into(), signature: None, redacted: None };
    let blocks = [thinking.into(), Block::text("I will look."), tool("a", "f", "{\"x\":1}"), tool("call_1", "g", "{}")];
    assert_eq!(response.blocks, blocks);
    assert_eq!((response.finish, response.usage.unwrap().input), (Finish::ToolUse, 3));
}

#[test]
fn citations_find_their_text_even_behind_its_end() {
    let citation = |fields: Value| {
        let mut citation = json!({ "start": 0, "end": 1, "text": "a", "sources": [] });
        citation.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        event("citation-start", 0, &json!({ "citations": citation }))
    };
    let table = [
        (citation(json!({ "content_index": 1 })), Ok(1)),
        (citation(json!({})), Ok(1)),
        (citation(json!({ "content_index": 0, "type": "THINKING_CONTENT" })), Ok(0)),
        (citation(json!({ "content_index": 7 })), Err(())),
    ];
    for (cited, expected) in table {
        let middle = [
            event("content-start", 0, &json!({ "content": { "type": "thinking", "thinking": "hm" } })),
            event("content-start", 1, &text("a")),
            event("content-end", 1, &Value::Null),
        ];
        let mut decoder = CohereV2.stream_decoder();
        let mut events = Vec::new();
        for (name, data) in &middle {
            decoder.event(name.as_deref(), data, &mut events).unwrap();
        }
        let read = decoder.event(cited.0.as_deref(), &cited.1, &mut events);
        let found = events.iter().filter(|event| matches!(event, Event::Delta { delta: Delta::Citation(_), .. }));
        assert_eq!(read.map(|()| found.count()).map_err(drop), expected, "{}", String::from_utf8_lossy(&cited.1));
    }
}

#[test]
fn when_an_answer_is_whole() {
    let said = || vec![event("content-start", 0, &text("a"))];
    let whole = stream(said(), "COMPLETE");
    for (count, ends) in [(whole.len(), true), (whole.len() - 1, false), (1, false), (0, false)] {
        let mut decoder = CohereV2.stream_decoder();
        let mut tap = CohereV2.tap();
        let mut events = Vec::new();
        for (name, data) in &whole[..count] {
            decoder.event(name.as_deref(), data, &mut events).unwrap();
            tap.event(name.as_deref(), data);
        }
        assert_eq!(decoder.end(true, &mut events).is_ok(), ends, "{count}");
        assert_eq!(tap.is_whole(true), ends, "{count}");
    }
    // The marker alone proves nothing, and nothing may follow the end but the marker.
    let mut tap = CohereV2.tap();
    assert!(!tap.event(None, b"[DONE]").terminal && !tap.is_whole(false));
    for (name, data) in &whole {
        tap.event(name.as_deref(), data);
    }
    assert!(tap.event(None, &whole[1].1).malformed);
    assert!(tap.event(None, b"[DONE]").terminal);
}

#[test]
fn what_cannot_be_read_is_skipped() {
    let odd = [
        b"{\"type\":".to_vec(),
        b"[1]".to_vec(),
        br#"{"type":"content-delta","index":0}"#.to_vec(),
        event("tool-call-start", 0, &call("a", "", "")).1,
    ];
    for data in odd {
        let mut events = Vec::new();
        assert!(CohereV2.stream_decoder().event(None, &data, &mut events).is_err());
        assert_eq!(events, []);
        assert!(CohereV2.tap().event(None, &data).malformed, "{}", String::from_utf8_lossy(&data));
    }
    for known in [r#"{"type":"debug","prompt":"x"}"#, r#"{"type":"tomorrow"}"#] {
        assert!(CohereV2.stream_decoder().event(None, known.as_bytes(), &mut Vec::new()).is_ok());
        assert!(!CohereV2.tap().event(None, known.as_bytes()).malformed);
    }
}

#[test]
fn what_a_caller_reads() {
    let sealed = BlockKind::Reasoning { text: String::new(), signature: None, redacted: Some("x".into()) };
    let events = [
        Event::Start { id: String::new(), model: "m".into(), created: None },
        Event::BlockStart { index: 0, head: BlockHead::Whole(Box::new(sealed.into())) },
        Event::BlockStop { index: 0 },
        Event::BlockStart { index: 1, head: BlockHead::Reasoning },
        Event::Delta { index: 1, delta: Delta::Signature("s".into()) },
        Event::Delta { index: 1, delta: Delta::Reasoning("hm".into()) },
        Event::BlockStop { index: 1 },
        Event::BlockStart { index: 2, head: BlockHead::Text },
        Event::Delta { index: 2, delta: Delta::Text("so".into()) },
        Event::Delta { index: 2, delta: Delta::Citation(json!({ "url": "https://x", "title": "t" })) },
        Event::Delta { index: 2, delta: Delta::Citation(json!({ "page": 3 })) },
        Event::BlockStop { index: 2 },
        Event::BlockStart { index: 3, head: BlockHead::ToolCall { id: "a".into(), name: "f".into() } },
        Event::BlockStart { index: 4, head: BlockHead::ToolCall { id: "b".into(), name: "g".into() } },
        Event::Delta { index: 4, delta: Delta::Arguments("{\"x\":1}".into()) },
        Event::BlockStop { index: 4 },
        Event::BlockStop { index: 3 },
        Event::Usage(ringmain_core::Usage { input: 3, output: 4, ..Default::default() }),
        Event::Finish(Finish::ToolUse),
    ];
    let start = StreamStart { id: "i".into(), ..StreamStart::default() };
    let cut = frames(&encode(CohereV2.stream_encoder(&start), &events));
    let names: Vec<&str> = cut.iter().map(|(name, _)| name.as_deref().unwrap()).collect();
    let expected = [
        "message-start",
        "content-start",
        "content-delta",
        "content-end",
        "content-start",
        "content-delta",
        "citation-start",
        "citation-end",
        "content-end",
        "tool-call-start",
        "tool-call-delta",
        "tool-call-end",
        "tool-call-start",
        "tool-call-delta",
        "tool-call-end",
        "message-end",
    ];
    assert_eq!(names, expected);
    let data: Vec<Value> = cut.iter().map(|(_, data)| serde_json::from_slice(data).unwrap()).collect();
    assert!(data.iter().zip(&names).all(|(data, name)| data["type"] == *name));
    assert_eq!(data[0]["id"], "i");
    assert_eq!(data[2]["delta"]["message"]["content"], json!({ "thinking": "hm" }));
    assert_eq!((&data[5]["index"], &data[5]["delta"]["message"]["content"]), (&json!(1), &json!({ "text": "so" })));
    assert_eq!(data[6]["delta"]["message"]["citations"]["content_index"], 1);
    assert_eq!(data[10]["delta"]["message"]["tool_calls"]["function"]["arguments"], "{}");
    assert_eq!((&data[12]["index"], &data[12]["delta"]["message"]["tool_calls"]["id"]), (&json!(1), &json!("b")));
    assert_eq!(data[15]["delta"]["finish_reason"], "TOOL_CALL");
    assert_eq!(data[15]["delta"]["usage"]["billed_units"]["output_tokens"], 4);
}

//! Streams that no recording holds.

use serde_json::{Value, json};

use crate::codec::{Codec, Cut, StreamStart};
use crate::continuation::Said;
use crate::ir::grammar::Checker;
use crate::ir::{Block, BlockHead, BlockKind, Delta, Event, Finish};
use crate::openai_chat::OpenAiChat;
use crate::tests::{decode, encode, folded, frames};

fn chunk(delta: &Value, reason: &Value) -> String {
    let choice = json!({ "index": 0, "delta": delta, "finish_reason": reason });
    format!("data: {}\n\n", json!({ "id": "r", "model": "m", "created": 7, "choices": [choice] }))
}

fn stream(deltas: &[Value], reason: &str) -> String {
    let mut text: String = deltas.iter().map(|delta| chunk(delta, &Value::Null)).collect();
    text.push_str(&chunk(&json!({}), &reason.into()));
    text + "data: [DONE]\n\n"
}

fn events(deltas: &[Value], reason: &str) -> Vec<Event> {
    decode(OpenAiChat.stream_decoder(), &frames(stream(deltas, reason).as_bytes()))
}

fn call(id: &str, name: &str, arguments: &str) -> Block {
    let (id, name) = (id.to_owned(), name.to_owned());
    BlockKind::ToolCall { id, name, arguments: arguments.to_owned(), signature: None }.into()
}

fn tool(index: Option<u32>, id: Option<&str>, name: Option<&str>, arguments: &Value) -> Value {
    json!({ "tool_calls": [{ "index": index, "id": id, "function": { "name": name, "arguments": arguments } }] })
}

#[test]
fn tool_calls_in_every_form() {
    let two = vec![call("a", "f", r#"{"x":1}"#), call("b", "g", "{}")];
    let again = |index| tool(index, Some("a"), Some("f"), &json!(":1}"));
    let table = [
        (
            "interleaved",
            vec![
                tool(Some(0), Some("a"), Some("f"), &json!("")),
                tool(Some(1), Some("b"), Some("g"), &json!("{")),
                tool(Some(0), None, None, &json!("{\"x\"")),
                tool(Some(1), None, None, &json!("}")),
                tool(Some(0), None, None, &json!(":1}")),
            ],
        ),
        (
            "id and name repeated",
            vec![
                tool(Some(0), Some("a"), Some("f"), &json!("{\"x\"")),
                again(Some(0)),
                tool(Some(1), Some("b"), Some("g"), &json!("{}")),
            ],
        ),
        (
            "no index",
            vec![
                tool(None, Some("a"), Some("f"), &json!("{\"x\"")),
                tool(None, None, None, &json!(":1}")),
                tool(None, Some("b"), Some("g"), &json!("{}")),
            ],
        ),
        (
            "every index 0, objects",
            vec![
                tool(Some(0), Some("a"), Some("f"), &json!({ "x": 1 })),
                tool(Some(0), Some("b"), Some("g"), &json!({})),
            ],
        ),
        (
            "the name later",
            vec![
                tool(Some(0), Some("a"), None, &json!("{\"x\"")),
                again(Some(0)),
                tool(Some(1), Some("b"), Some("g"), &json!("{}")),
            ],
        ),
    ];
    for (form, deltas) in table {
        let response = folded(events(&deltas, "stop"));
        assert_eq!((&response.blocks, response.finish), (&two, Finish::ToolUse), "{form}");
    }
    let nameless = [tool(None, None, Some("f"), &json!("{}")), tool(None, None, Some("f"), &json!("{}"))];
    assert_eq!(folded(events(&nameless, "stop")).blocks, [call("call_r_1", "f", "{}"), call("call_r_2", "f", "{}")]);
}

#[test]
fn an_earlier_call_closes_when_it_is_complete() {
    let deltas = [tool(Some(0), Some("a"), Some("f"), &json!("{}")), tool(Some(1), Some("b"), Some("g"), &json!("{}"))];
    let stop = Event::BlockStop { index: 0 };
    let events = events(&deltas, "tool_calls");
    let at = |wanted: &dyn Fn(&Event) -> bool| events.iter().position(wanted).unwrap();
    assert!(at(&|event| *event == stop) < at(&|event| matches!(event, Event::BlockStart { index: 1, .. })));
}

#[test]
fn reasoning_then_text_then_a_free_form_call() {
    let deltas = [
        json!({ "role": "assistant", "content": "", "reasoning": "hm", "reasoning_content": "hm" }),
        json!({ "reasoning_content": "!" }),
        json!({ "content": [{ "type": "thinking", "thinking": [{ "type": "text", "text": "?" }] }] }),
        json!({ "content": "so" }),
        json!({ "tool_calls": [{ "index": 0, "id": "a", "type": "custom", "custom": { "name": "f", "input": "x" } }] }),
        json!({ "tool_calls": [{ "index": 0, "custom": { "input": "y" } }] }),
    ];
    let response = folded(events(&deltas, "tool_calls"));
    let reasoning = BlockKind::Reasoning { text: "hm!?".into(), signature: None, redacted: None };
    let value = json!({ "id": "a", "type": "custom", "custom": { "name": "f", "input": "xy" } });
    let custom = BlockKind::Opaque { dialect: ringmain_core::Dialect::OpenAiChat, value };
    assert_eq!(response.blocks, [reasoning.into(), Block::text("so"), custom.into()]);
}

#[test]
fn when_an_answer_is_whole() {
    let text = chunk(&json!({ "content": "a" }), &Value::Null);
    let torn = chunk(&tool(Some(0), Some("a"), Some("f"), &json!("{\"x")), &Value::Null);
    let reason = chunk(&json!({}), &"stop".into());
    let done = "data: [DONE]\n\n".to_owned();
    // What came, whole?, whole where leniency is known to be due?
    let table = [
        (vec![&text, &reason, &done], true, true),
        (vec![&text, &reason], true, true),
        (vec![&text, &done], false, true),
        (vec![&text], false, true),
        (vec![&torn], false, false),
        (vec![&done], false, false),
        (vec![], false, false),
    ];
    for (parts, strict, lenient) in table {
        let stream: String = parts.into_iter().cloned().collect();
        for (mode, whole) in [(false, strict), (true, lenient)] {
            let mut decoder = OpenAiChat.stream_decoder();
            let mut events = Vec::new();
            for (name, data) in frames(stream.as_bytes()) {
                decoder.event(name.as_deref(), &data, &mut events).unwrap();
            }
            assert_eq!(decoder.end(mode, &mut events), if whole { Ok(()) } else { Err(Cut) }, "{stream}");
            assert_eq!(Checker::check(&events).is_ok(), whole, "{stream}");
        }
    }
}

#[test]
fn usage_has_a_chunk_of_its_own() {
    let usage = json!({ "prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7 });
    let mut tap = OpenAiChat.tap();
    let glance = tap.event(None, json!({ "choices": [], "usage": usage }).to_string().as_bytes());
    assert!(glance.usage_only && glance.usage.is_some());
    let filters = json!({ "id": "", "model": "", "choices": [], "prompt_filter_results": [] }).to_string();
    let glance = tap.event(None, filters.as_bytes());
    assert!(!glance.usage_only && !glance.useful);
    let mut decoder = OpenAiChat.stream_decoder();
    let mut events = Vec::new();
    decoder.event(None, filters.as_bytes(), &mut events).unwrap();
    assert_eq!(events, []);
    assert!(tap.event(None, b"{\"choices\":").malformed);
}

#[test]
fn a_mark_of_the_end_alone_does_not_make_a_whole() {
    let text = r#"{"choices":[{"index":0,"delta":{"content":"hi"}}]}"#;
    let role = r#"{"choices":[{"index":0,"delta":{"role":"assistant"}}]}"#;
    let stop = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    let second = r#"{"choices":[{"index":1,"delta":{"content":"hi"}}]}"#;
    let usage = r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#;
    let table = [
        (vec![role, text, stop], true),
        (vec![role, text], false),
        (vec![role, text, usage], true),
        (vec![role, usage], false),
        (vec![text, second, stop], false),
        (vec![], false),
    ];
    for (events, whole) in table {
        let mut tap = OpenAiChat.tap();
        events.iter().for_each(|event| drop(tap.event(None, event.as_bytes())));
        let last = tap.event(None, b"[DONE]");
        assert_eq!((last.terminal, last.premature, tap.is_whole(false)), (whole, !whole, whole), "{events:?}");
    }
}

#[test]
fn an_answer_without_a_message_is_none() {
    for (body, malformed) in [
        (r#"{"choices":[],"usage":{"completion_tokens":4}}"#, true),
        (r#"{"usage":{"completion_tokens":4}}"#, true),
        (r#"{"choices":[{"index":0,"finish_reason":"stop"}]}"#, true),
        (r#"{"choices":[{"index":0,"finish_reason":"content_filter"}]}"#, false),
        (r#"{"choices":[{"index":0,"message":{"content":"hi"},"finish_reason":null}]}"#, false),
    ] {
        assert_eq!(OpenAiChat.tap().body(body.as_bytes()).malformed, malformed, "{body}");
    }
}

#[test]
fn what_a_caller_reads() {
    let start =
        |include_usage| StreamStart { id: "i".into(), model: "m".into(), include_usage, ..StreamStart::default() };
    let begin = Event::Start { id: String::new(), model: String::new(), created: None };
    let events = [
        begin,
        Event::BlockStart { index: 0, head: BlockHead::Reasoning },
        Event::Delta { index: 0, delta: Delta::Reasoning("hm".into()) },
        Event::Delta { index: 0, delta: Delta::Signature("s".into()) },
        Event::BlockStop { index: 0 },
        Event::BlockStart { index: 1, head: BlockHead::ToolCall { id: "a".into(), name: "f".into() } },
        Event::BlockStop { index: 1 },
        Event::BlockStart { index: 2, head: BlockHead::ToolCall { id: "b".into(), name: "g".into() } },
        Event::Delta { index: 2, delta: Delta::Arguments("{\"x\":1}".into()) },
        Event::BlockStop { index: 2 },
        Event::Usage(ringmain_core::Usage { input: 3, output: 4, ..Default::default() }),
        Event::Finish(Finish::ToolUse),
    ];
    let text = encode(OpenAiChat.stream_encoder(&start(true)), &events);
    let chunks: Vec<Value> = frames(&text).iter().filter_map(|(_, data)| serde_json::from_slice(data).ok()).collect();
    assert!(chunks.iter().all(|chunk| chunk["id"] == "i" && chunk["model"] == "m"));
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(chunks[1]["choices"][0]["delta"], json!({ "reasoning_content": "hm" }));
    let pieces: Vec<&Value> = chunks[2..6].iter().map(|chunk| &chunk["choices"][0]["delta"]["tool_calls"][0]).collect();
    assert_eq!(pieces.iter().map(|piece| &piece["index"]).collect::<Vec<_>>(), [0, 0, 1, 1]);
    assert_eq!(pieces[1]["function"]["arguments"], "{}");
    assert_eq!(chunks[6]["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!((&chunks[7]["choices"], &chunks[7]["usage"]["total_tokens"]), (&json!([]), &json!(7)));
    let without = encode(OpenAiChat.stream_encoder(&start(false)), &events);
    assert!(!String::from_utf8(without).unwrap().contains("usage"));
    let mut ping = Vec::new();
    OpenAiChat.stream_encoder(&start(true)).keep_alive(&mut ping);
    assert_eq!(ping, b": ping\n\n");
}

#[test]
fn chunks_that_are_written_alike_are_told_from_others() {
    let around = |delta: &str| {
        format!(r#"{{"id":"r","choices":[{{"index":0,"delta":{{{delta}}},"finish_reason":null}}],"created":7}}"#)
    };
    let says = |text: &str| around(&format!(r#""content":"{text}""#));
    let mut tap = OpenAiChat.tap();
    tap.so_far().keep();
    let mut glance = |data: &[u8]| tap.event(None, data);
    for text in ["Caf", "é ", "漢", r"\n", r#"\"so\""#, r"\u00e9", "", " it is"] {
        let glance = glance(says(text).as_bytes());
        assert!(!glance.malformed && glance.error.is_none(), "{text}");
    }
    // The same around it, and no text that JSON could hold between.
    let [mut latin, torn] = [says("?").into_bytes(), says("\n").into_bytes()];
    let at = latin.iter().position(|byte| *byte == b'?').unwrap();
    latin[at] = 0xE9;
    for (what, data) in [("latin", latin), ("a line break", torn), ("a quote", says("a\"b").into_bytes())] {
        assert!(glance(&data).malformed, "{what}");
    }
    // And what only begins or ends alike.
    assert!(!glance(around(r#""reasoning_content":"hm""#).as_bytes()).malformed);
    assert!(!glance(says("!").as_bytes()).malformed);
    let last = glance(says(".").replace("null", r#""stop""#).as_bytes());
    assert!(last.finished && last.useful);
    assert_eq!(tap.so_far().said(), Ok(Said::Text("Café 漢\n\"so\"é it is!.")));
}

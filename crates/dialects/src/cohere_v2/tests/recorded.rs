//! Every recorded request and answer, there and back.

use ringmain_wire::json::Object;
use serde_json::{Map, Value, json};

use super::{API, encoded};
use crate::codec::{Codec as _, Glance, StreamStart, TargetProfile};
use crate::cohere_v2::CohereV2;
use crate::ir::{BlockKind, fold};
use crate::tests::{Dice, decode, encode, folded, frames, recordings};

/// The same request in one way of writing: what an encoder may choose freely is chosen here.
/// - a text in place of a list with one text part; nothing in place of `null`, empty text and `stream: false`
/// - a document in a tool's result as its text
fn normal(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(normal).collect(),
        Value::Object(map) => {
            let mut map: Map<String, Value> = map.into_iter().map(|(key, value)| (key, normal(value))).collect();
            if map.get("type").is_some_and(|kind| kind == "document") {
                let data = map["document"]["data"].to_string();
                return json!({ "type": "text", "text": data });
            }
            if let Some([part]) = map.get("content").and_then(Value::as_array).map(Vec::as_slice)
                && part["type"] == "text"
            {
                let text = part["text"].clone();
                map.insert("content".to_owned(), text);
            }
            map.retain(|key, value| {
                !(value.is_null() || key == "stream" && value == false || key == "content" && value == "")
            });
            Value::Object(map)
        }
        other => other,
    }
}

#[test]
fn requests_there_and_back_are_the_same() {
    for recording in recordings(API) {
        let Some(body) = recording.request else { continue };
        let request = CohereV2.decode_request(body.to_string().as_bytes()).unwrap();
        let profile = TargetProfile { model: request.model.clone(), ..TargetProfile::default() };
        let (again, losses) = encoded(&request, &profile);
        assert_eq!(normal(again.clone()), normal(body), "{}", recording.id);
        // A result's document is told as its text, and what it was called is not.
        assert!(losses.iter().all(|loss| loss.ends_with("document.id")), "{}: {losses:?}", recording.id);
        let twice = CohereV2.decode_request(again.to_string().as_bytes()).unwrap();
        assert_eq!(encoded(&twice, &profile).0, again, "{}", recording.id);
    }
}

#[test]
fn inspection_agrees_with_the_decoder() {
    for recording in recordings(API) {
        let Some(body) = recording.request else { continue };
        let text = body.to_string();
        let facts = CohereV2.inspect(&Object::parse(text.as_bytes()).unwrap()).unwrap();
        let request = CohereV2.decode_request(text.as_bytes()).unwrap();
        assert_eq!(facts.model.as_deref(), Some(request.model.as_str()), "{}", recording.id);
        assert_eq!(facts.stream, request.stream, "{}", recording.id);
        assert_eq!(facts.max_output_tokens, request.sampling.max_output_tokens, "{}", recording.id);
        assert!(facts.input_tokens > 0, "{}", recording.id);
    }
}

#[test]
fn answers_there_and_back_are_the_same() {
    for recording in recordings(API).into_iter().filter(|recording| recording.status == 200) {
        let Some(body) = recording.body else { continue };
        let text = body.to_string();
        let response = CohereV2.decode_response(text.as_bytes()).unwrap();
        assert!(!response.blocks.is_empty() && response.usage.is_some(), "{}", recording.id);
        assert_eq!(response.losses, [], "{}", recording.id);
        let again = CohereV2.encode_response(&response);
        assert_eq!(again.losses, [], "{}", recording.id);
        let written: Value = serde_json::from_slice(&again.body).unwrap();
        for field in ["id", "finish_reason"] {
            assert_eq!(written[field], body[field], "{}", recording.id);
        }
        assert_eq!(written["usage"]["tokens"], body["usage"]["tokens"], "{}", recording.id);
        assert_eq!(written["message"]["content"], body["message"]["content"], "{}", recording.id);
        let twice = CohereV2.decode_response(&again.body).unwrap();
        let stream = encode(CohereV2.stream_encoder(&StreamStart::default()), &fold::unfold(&response));
        let streamed = folded(decode(CohereV2.stream_decoder(), &frames(&stream)));
        for (way, mut back) in [("plain", twice), ("streamed", streamed)] {
            place_citations(&mut back.blocks);
            let mut expected = response.clone();
            place_citations(&mut expected.blocks);
            assert_eq!(back, expected, "{} {way}", recording.id);
        }

        let glance = CohereV2.tap().body(text.as_bytes());
        assert_eq!(glance.usage, response.usage, "{}", recording.id);
        assert!(glance.useful && glance.finished && !glance.malformed, "{}", recording.id);
    }
}

/// Older models leave out which block a citation is in; we never do.
fn place_citations(blocks: &mut [crate::ir::Block]) {
    for block in blocks {
        if let BlockKind::Text { citations, .. } = &mut block.kind {
            for citation in citations {
                citation.as_object_mut().unwrap().shift_remove("content_index");
            }
        }
    }
}

#[test]
fn streams_fold_and_agree_with_the_tap() {
    let mut streams = 0;
    for recording in recordings(API) {
        let Some(text) = recording.text else { continue };
        let cut = frames(text.as_bytes());
        let events = decode(CohereV2.stream_decoder(), &cut);
        let response = folded(events.clone());
        assert!(!response.id.is_empty() && !response.blocks.is_empty(), "{}", recording.id);
        let stream = encode(CohereV2.stream_encoder(&StreamStart::default()), &events);
        let mut again = folded(decode(CohereV2.stream_decoder(), &frames(&stream)));
        let mut expected = response.clone();
        place_citations(&mut again.blocks);
        place_citations(&mut expected.blocks);
        // A call without arguments is told an empty object, which programs can read.
        for block in &mut expected.blocks {
            if let BlockKind::ToolCall { arguments, .. } = &mut block.kind
                && arguments.is_empty()
            {
                "{}".clone_into(arguments);
            }
        }
        assert_eq!(again, expected, "{}", recording.id);

        let mut tap = CohereV2.tap();
        let glances: Vec<Glance> = cut.iter().map(|(name, data)| tap.event(name.as_deref(), data)).collect();
        assert!(glances.iter().all(|glance| !glance.malformed && glance.error.is_none()), "{}", recording.id);
        assert_eq!(glances.iter().filter(|glance| glance.finished).count(), 1, "{}", recording.id);
        assert_eq!(glances.iter().find_map(|glance| glance.usage), response.usage, "{}", recording.id);
        let useful = events.iter().filter(|event| event.is_useful()).count();
        assert_eq!(glances.iter().filter(|glance| glance.useful).count(), useful, "{}", recording.id);
        assert!(tap.is_whole(false) && glances.last().unwrap().terminal, "{}", recording.id);
        streams += 1;
    }
    assert!(streams == 0 || streams >= 6);
}

/// Whatever is lost on the way, what the decoder says is a sentence, or a part of one.
#[test]
fn torn_streams_stay_sentences() {
    let mut dice = Dice::new(7);
    for recording in recordings(API) {
        let Some(text) = recording.text else { continue };
        let whole = frames(text.as_bytes());
        for _ in 0..200 {
            let mut decoder = CohereV2.stream_decoder();
            let mut events = Vec::new();
            for (name, data) in &whole {
                if dice.below(10) > 0 {
                    let _skipped = decoder.event(name.as_deref(), data, &mut events);
                }
            }
            let ended = decoder.end(false, &mut events).is_ok();
            let mut checker = crate::ir::grammar::Checker::default();
            for event in &events {
                checker.event(event).unwrap();
            }
            assert_eq!(checker.end().is_ok(), ended, "{}", recording.id);
        }
    }
}

//! Where in the text a source is, as callers of each dialect are told.

use ringmain_core::Dialect;
use serde_json::{Value, json};

use super::{decode, encode, folded, frames_as};
use crate::codec::{Framing, StreamStart};
use crate::ir::fold::unfold;
use crate::ir::{Block, BlockKind, Response};
use crate::registry::codec;

fn cited(text: &str, citation: Value) -> Block {
    BlockKind::Text { text: text.to_owned(), citations: vec![citation] }.into()
}

/// An answer of Claude's is cut into blocks, each of which is what its source is about.
fn answer() -> Response {
    let found =
        json!({ "type": "web_search_result_location", "url": "https://x", "title": "X", "cited_text": "Of the page." });
    let placed = json!({ "type": "url_citation", "url": "https://y", "title": "Y", "start_index": 0, "end_index": 2 });
    Response {
        id: "a".into(),
        blocks: vec![Block::text("Só: "), cited("it rains.", found), cited(" Or not.", placed)],
        ..Response::default()
    }
}

#[test]
fn a_source_is_where_it_was() {
    let whole = |dialect: Dialect| -> Value {
        serde_json::from_slice(&codec(dialect).unwrap().encode_response(&answer()).body).unwrap()
    };
    let span = |value: &Value| (value["start_index"].as_u64().unwrap(), value["end_index"].as_u64().unwrap());
    // One text of the whole message, of which the blocks are parts.
    let body = whole(Dialect::OpenAiChat);
    let annotations = body["choices"][0]["message"]["annotations"].as_array().unwrap();
    let spans: Vec<_> = annotations.iter().map(|one| span(&one["url_citation"])).collect();
    assert_eq!(spans, [(4, 13), (13, 15)]);
    let body = whole(Dialect::OpenAiResponses);
    let parts = body["output"][0]["content"].as_array().unwrap();
    let spans: Vec<_> = parts.iter().filter_map(|part| part["annotations"].get(0)).map(span).collect();
    assert_eq!(spans, [(0, 9), (0, 2)]);
    let body = whole(Dialect::CohereV2);
    let citations = body["message"]["citations"].as_array().unwrap();
    let texts: Vec<_> = citations.iter().map(|one| one["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["it rains.", " O"]);
    assert_eq!((&citations[0]["end"], &citations[1]["end"]), (&json!(9), &json!(2)));
}

#[test]
fn a_stream_says_the_same() {
    for dialect in [Dialect::OpenAiChat, Dialect::OpenAiResponses, Dialect::CohereV2] {
        let codec = codec(dialect).unwrap();
        let whole = codec.decode_response(&codec.encode_response(&answer()).body).unwrap();
        let framing = Framing::of_provider(dialect);
        let bytes =
            encode(codec.stream_encoder(&StreamStart { framing, ..StreamStart::default() }), &unfold(&answer()));
        let streamed = folded(decode(codec.stream_decoder(), &frames_as(framing, [bytes.as_slice()])));
        let sources = |response: &Response| -> Vec<Value> {
            let of = |block: &Block| match &block.kind {
                BlockKind::Text { citations, .. } => citations.clone(),
                _ => Vec::new(),
            };
            response.blocks.iter().flat_map(of).collect()
        };
        assert_eq!(sources(&streamed), sources(&whole), "{dialect}");
    }
}

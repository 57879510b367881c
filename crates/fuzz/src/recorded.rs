//! Recorded exchanges as inputs to begin with, where they lie beside the project.

use std::path::Path;

use ringmain_core::Dialect;
use ringmain_pairs::Recordings;
use ringmain_pairs::recordings::{Answer, Exchange};
use ringmain_wire::sse;
use serde_json::Value;

use crate::codecs::{ANSWER, ERROR, REQUEST, STREAM};
use crate::seeds::as_sse;

/// One input for each recorded body, with the target it is for; none where there are no recordings.
#[must_use]
pub fn recorded(folder: &Path) -> Vec<(&'static str, Vec<u8>)> {
    let recordings = Recordings::load(folder).unwrap_or_default();
    recordings.chat.iter().flat_map(inputs).collect()
}

fn inputs(exchange: &Exchange) -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    let request = exchange.request.as_ref().map(|body| [&[REQUEST], body.to_string().as_bytes()].concat());
    let answer = answer(exchange);
    let target = exchange.dialect.as_str();
    request.into_iter().chain(answer).map(move |input| (target, input))
}

fn answer(exchange: &Exchange) -> Option<Vec<u8>> {
    let failed = exchange.status.checked_sub(400).and_then(|above| u8::try_from(above).ok());
    match (&exchange.answer, failed) {
        (Answer::Plain(body), Some(above)) => Some([&[ERROR, above], body.to_string().as_bytes()].concat()),
        (Answer::Bytes(words), Some(above)) => Some([&[ERROR, above], words.as_slice()].concat()),
        (Answer::Plain(Value::Array(elements)), None) => {
            let mut text = vec![STREAM, b'1'];
            elements.iter().for_each(|element| sse::encode(None, element.to_string().as_bytes(), &mut text));
            Some(text)
        }
        (Answer::Plain(body), None) => Some([&[ANSWER], body.to_string().as_bytes()].concat()),
        (Answer::Bytes(bytes), None) => {
            let is_binary = exchange.dialect == Dialect::BedrockConverse;
            let text = if is_binary { as_sse(bytes.clone())? } else { bytes.clone() };
            Some([&[STREAM, b'1'], text.as_slice()].concat())
        }
        (Answer::Nothing, _) => None,
    }
}

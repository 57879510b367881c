//! The codec against recorded traffic and tables of cases.

mod faults;
mod recorded;
mod requests;
mod streams;

use ringmain_core::Capabilities;
use serde_json::Value;

use super::Gemini;
use crate::codec::{Codec as _, TargetProfile};
use crate::ir::Request;
use crate::tests::{Frame, Recording, frames, recordings};

/// Plain and streamed, on both of Google's APIs.
const APIS: [&str; 4] = ["gemini.generate", "vertex.generate", "gemini.stream", "vertex.stream"];

fn all() -> Vec<Recording> {
    APIS.into_iter().flat_map(recordings).collect()
}

/// Recorded streams, whichever way they are framed.
fn streams() -> Vec<(String, Vec<Frame>)> {
    let streamed = APIS[2..].iter().flat_map(|api| recordings(api)).filter(|recording| recording.status == 200);
    let framed = streamed.map(|recording| match (recording.text, recording.body) {
        (Some(text), _) => (recording.id, frames(text.as_bytes())),
        (None, body) => {
            let elements = body.as_ref().and_then(Value::as_array).unwrap();
            (recording.id, elements.iter().map(|element| (None, element.to_string().into_bytes())).collect())
        }
    });
    framed.collect()
}

fn profile(model: &str) -> TargetProfile {
    TargetProfile {
        model: model.to_owned(),
        capabilities: Capabilities::NONE,
        max_output_tokens: None,
        ..TargetProfile::default()
    }
}

fn encoded(request: &Request, profile: &TargetProfile) -> (Value, Vec<String>) {
    let encoded = Gemini.encode_request(request, profile).unwrap();
    let losses = encoded.losses.iter().map(ToString::to_string).collect();
    (serde_json::from_slice(&encoded.body).unwrap(), losses)
}

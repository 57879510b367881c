//! The codec against recorded traffic and against the API's rules.

mod encode_request;
mod faults;
mod recorded;
mod streams;

use serde_json::Value;

use super::BedrockConverse;
use crate::codec::{Codec as _, Framing, StreamStart, TargetProfile};
use crate::ir::{Event, Request};
use crate::tests::{Frame, encode, frames_as};

/// The recorded APIs that speak the dialect.
const APIS: [&str; 2] = ["bedrock.converse", "bedrock.converse_stream"];

fn profile(model: &str) -> TargetProfile {
    TargetProfile { model: model.to_owned(), ..TargetProfile::default() }
}

/// Encodes for a model, and gives the body and the losses by name.
fn encoded(request: &Request, profile: &TargetProfile) -> (Value, Vec<String>) {
    let encoded = BedrockConverse.encode_request(request, profile).unwrap();
    let losses = encoded.losses.iter().map(ToString::to_string).collect();
    (serde_json::from_slice(&encoded.body).unwrap(), losses)
}

fn frames(stream: &[u8]) -> Vec<Frame> {
    frames_as(Framing::EventStream, [stream])
}

/// The messages these events are written as.
fn written(events: &[Event]) -> Vec<Frame> {
    frames(&encode(BedrockConverse.stream_encoder(&StreamStart::default()), events))
}

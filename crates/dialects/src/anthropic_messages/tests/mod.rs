//! The codec against recorded traffic and against the API's rules.

mod encode_request;
mod faults;
mod recorded;
mod streams;

use serde_json::Value;

use super::AnthropicMessages;
use crate::codec::{Codec as _, TargetProfile};
use crate::ir::Request;

const API: &str = "anthropic.messages";

fn profile(model: &str) -> TargetProfile {
    TargetProfile { model: model.to_owned(), ..TargetProfile::default() }
}

/// Encodes for a model, and gives the body and the losses by name.
fn encoded(request: &Request, profile: &TargetProfile) -> (Value, Vec<String>) {
    let encoded = AnthropicMessages.encode_request(request, profile).unwrap();
    let losses = encoded.losses.iter().map(ToString::to_string).collect();
    (serde_json::from_slice(&encoded.body).unwrap(), losses)
}

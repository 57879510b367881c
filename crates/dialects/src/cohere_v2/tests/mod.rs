//! The codec against recorded traffic and against the API's rules.

mod faults;
mod recorded;
mod requests;
mod streams;

use serde_json::Value;

use super::CohereV2;
use crate::codec::{Codec as _, TargetProfile};
use crate::ir::Request;

const API: &str = "cohere.chat";

fn profile() -> TargetProfile {
    TargetProfile { model: "command-a-03-2025".to_owned(), ..TargetProfile::default() }
}

/// Encodes, and gives the body and the losses by name.
fn encoded(request: &Request, profile: &TargetProfile) -> (Value, Vec<String>) {
    let encoded = CohereV2.encode_request(request, profile).unwrap();
    let losses = encoded.losses.iter().map(ToString::to_string).collect();
    (serde_json::from_slice(&encoded.body).unwrap(), losses)
}

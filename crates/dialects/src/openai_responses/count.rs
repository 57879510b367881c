//! `/responses/input_tokens`: a request as for an answer, less what shapes the answer.

use ringmain_wire::json::Object;
use serde_json::json;

use super::{OWN, OpenAiResponses, inspect, request_decode, request_encode};
use crate::codec::{BodyFacts, Encoded, Malformed, TargetProfile, Unsupported};
use crate::counting::{Counting, of_input, only};
use crate::ir;

/// The members that are taken there.
const COUNTED: [&str; 11] = [
    "model",
    "instructions",
    "input",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "text",
    "reasoning",
    "truncation",
    "previous_response_id",
    "conversation",
];

impl Counting for OpenAiResponses {
    fn inspect(&self, body: &Object<'_>) -> Result<BodyFacts, Malformed> {
        inspect::inspect(body)
    }

    fn decode(&self, body: &[u8]) -> Result<ir::Request, Malformed> {
        request_decode::decode(body)
    }

    fn encode(&self, request: &ir::Request, profile: &TargetProfile) -> Result<Encoded, Unsupported> {
        Ok(only(request_encode::encode(&of_input(request, OWN), profile)?, &COUNTED))
    }

    fn field(&self) -> &'static str {
        "input_tokens"
    }

    fn write(&self, tokens: u64) -> Vec<u8> {
        json!({ "object": "response.input_tokens", "input_tokens": tokens }).to_string().into_bytes()
    }
}

//! `/v1/messages/count_tokens`: a request as for an answer, less what shapes the answer.

use ringmain_wire::json::Object;

use super::{AnthropicMessages, OWN, inspect, request_decode, request_encode};
use crate::codec::{BodyFacts, Encoded, Malformed, TargetProfile, Unsupported};
use crate::counting::{Counting, of_input, only};
use crate::ir;

/// The members that are taken there.
const COUNTED: [&str; 7] = ["model", "system", "messages", "tools", "tool_choice", "thinking", "output_config"];

impl Counting for AnthropicMessages {
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
}

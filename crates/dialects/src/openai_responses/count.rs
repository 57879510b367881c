//! `/responses/input_tokens`.

use super::{OWN, inspect, request_decode, request_encode};
use crate::counting::Bare;

pub(crate) static COUNTING: Bare = Bare {
    own: OWN,
    inspect: inspect::inspect,
    decode: request_decode::decode,
    encode: request_encode::encode,
    members: &[
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
    ],
    object: Some("response.input_tokens"),
};

//! `/v1/messages/count_tokens`.

use super::{OWN, inspect, request_decode, request_encode};
use crate::counting::Bare;

pub(crate) static COUNTING: Bare = Bare {
    own: OWN,
    inspect: inspect::inspect,
    decode: request_decode::decode,
    encode: request_encode::encode,
    members: &["model", "system", "messages", "tools", "tool_choice", "thinking", "output_config"],
    object: None,
};

//! Anthropic Messages.
//!
//! What is particular here: the conversation alternates, so consecutive turns of one role are merged and tool results
//! stand first in the turn after the call; `max_tokens` is demanded; input tokens are counted without the cached ones;
//! thinking carries a signature that must come back unchanged; a stream has one open block at a time.

mod block_decode;
mod block_encode;
mod conversation;
mod count;
mod fault;
mod inspect;
mod request_decode;
mod request_encode;
mod response_decode;
mod response_encode;
mod sampling;
mod stop_reason;
mod stream_decode;
mod stream_encode;
mod tap;
#[cfg(test)]
mod tests;
mod thinking;
mod tools;
mod usage;
mod wire;
mod words;

pub(crate) use count::COUNTING;
use http::HeaderMap;
use ringmain_core::{Dialect, Fault};
use ringmain_wire::json::Object;

use crate::codec::{
    BodyFacts, Codec, Encoded, ErrorReply, Malformed, StreamDecoder, StreamEncoder, StreamStart, Tap, TargetProfile,
    Turns, Unsupported,
};
use crate::ir;
use crate::shared::told::told;

/// This folder's dialect.
const OWN: Dialect = Dialect::AnthropicMessages;

/// Does a request hold a tool loop that the API would refuse to go on with, as a model elsewhere began it, or thinking
/// that nobody signed, which only Anthropic's own models refuse?
pub(crate) fn holds_foreign(model: &str, body: &[u8]) -> bool {
    thinking::is_stuck(body) || (model.contains("claude") && thinking::is_unsigned(body))
}

/// The code of a refusal to go on from what this field points to, where clients have one for it.
pub(crate) fn forgotten(field: &str) -> Option<&'static str> {
    (field == request_decode::THREAD).then_some(fault::NO_THREAD)
}

/// Anthropic Messages, also as other hosts speak it.
#[derive(Debug, Clone, Copy, Default)]
pub struct AnthropicMessages;

impl Codec for AnthropicMessages {
    fn dialect(&self) -> Dialect {
        OWN
    }

    fn inspect(&self, body: &Object<'_>) -> Result<BodyFacts, Malformed> {
        inspect::inspect(body)
    }

    fn turns(&self) -> Turns {
        Turns { before: &["system"], list: "messages", by_model: &["assistant"] }
    }

    fn decode_request(&self, body: &[u8]) -> Result<ir::Request, Malformed> {
        request_decode::decode(body)
    }

    fn encode_request(&self, request: &ir::Request, profile: &TargetProfile) -> Result<Encoded, Unsupported> {
        told(request, request_encode::encode(request, profile))
    }

    fn decode_response(&self, body: &[u8]) -> Result<ir::Response, Malformed> {
        response_decode::decode(body)
    }

    fn encode_response(&self, response: &ir::Response) -> Encoded {
        response_encode::encode(response)
    }

    fn decode_fault(&self, status: u16, _headers: &HeaderMap, body: &[u8]) -> Fault {
        fault::decode(status, body)
    }

    fn encode_fault(&self, fault: &Fault, request_id: &str) -> ErrorReply {
        fault::encode(fault, request_id)
    }

    fn stream_decoder(&self) -> Box<dyn StreamDecoder> {
        Box::<stream_decode::Decoder>::default()
    }

    fn stream_encoder(&self, start: &StreamStart) -> Box<dyn StreamEncoder> {
        Box::new(stream_encode::Encoder::new(start))
    }

    fn tap(&self) -> Box<dyn Tap> {
        Box::<tap::MessagesTap>::default()
    }
}

/// See [`crate::registry::is_own_fault`].
pub(crate) fn is_own_fault(body: &[u8]) -> bool {
    fault::is_own(body)
}

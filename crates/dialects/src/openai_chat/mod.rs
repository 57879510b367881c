//! OpenAI Chat Completions, as OpenAI defines it and as the many providers that follow it speak it.
//!
//! Decoders take every known deviation (listed where each is read); encoders write what OpenAI's own reference says,
//! with `max_completion_tokens` for the cap on tokens. Where a provider wants older words, its catalog file renames them.
//! What this dialect cannot say: signatures and redacted thinking, cache breakpoints, a failed tool; each is a loss.

mod calls;
mod chunk;
mod finish;
mod inspect;
mod messages_decode;
mod messages_encode;
mod parts;
mod request_decode;
mod request_encode;
mod response_decode;
mod response_encode;
mod stream_decode;
mod stream_encode;
mod tap;
mod usage;
mod words;

#[cfg(test)]
mod tests;

use http::HeaderMap;
use ringmain_core::{Dialect, Fault};
use ringmain_wire::json::Object;

use crate::codec::{
    BodyFacts, Codec, Encoded, ErrorReply, Malformed, StreamDecoder, StreamEncoder, StreamStart, Tap, TargetProfile,
    Turns, Unsupported,
};
use crate::ir;
use crate::shared::openai_errors as fault;
use crate::shared::told::told;

/// What a `usage` object of this dialect counts. `None` where it holds no counts.
#[must_use]
pub fn usage_of(value: serde_json::Value) -> Option<ringmain_core::Usage> {
    usage::of_value(value)
}

/// The codec of [`Dialect::OpenAiChat`].
#[derive(Debug, Clone, Copy)]
pub struct OpenAiChat;

impl Codec for OpenAiChat {
    fn dialect(&self) -> Dialect {
        Dialect::OpenAiChat
    }

    fn inspect(&self, body: &Object<'_>) -> Result<BodyFacts, Malformed> {
        inspect::inspect(body)
    }

    fn turns(&self) -> Turns {
        Turns { before: &[], list: "messages", by_model: &["assistant"] }
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

    fn encode_fault(&self, found: &Fault, request_id: &str) -> ErrorReply {
        fault::encode(found, request_id)
    }

    fn stream_decoder(&self) -> Box<dyn StreamDecoder> {
        Box::<stream_decode::Decoder>::default()
    }

    fn stream_encoder(&self, start: &StreamStart) -> Box<dyn StreamEncoder> {
        Box::new(stream_encode::Encoder::new(start))
    }

    fn tap(&self) -> Box<dyn Tap> {
        Box::<tap::Reader>::default()
    }
}

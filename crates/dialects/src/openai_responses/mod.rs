//! OpenAI Responses, as OpenAI defines it and as the providers that follow it speak it.
//!
//! Input and output are flat lists of items; a turn of the conversation is a run of items of one speaker. Instructions are
//! `instructions`, thinking is a `reasoning` item with a readable summary and `encrypted_content`, which also holds, behind
//! a mark ([`seal`]), the signatures of models elsewhere. Items of the provider's own tools are opaque.
//! What this dialect cannot say: stop texts, a seed, penalties, a failed tool, audio; each is a loss or a refusal by name.
//! `previous_response_id` and its like point to what only their provider remembers: see `Request::remembered`.

mod count;
mod fault;
mod finish;
mod inspect;
mod items_decode;
mod items_encode;
mod output;
mod parts;
mod request_decode;
mod request_encode;
mod response_decode;
mod response_encode;
mod seal;
mod stream_decode;
mod stream_encode;
mod tap;
mod usage;
mod wire;
mod words;

#[cfg(test)]
mod tests;

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

/// The dialect whose opaque blocks go back as they are.
const OWN: Dialect = Dialect::OpenAiResponses;

/// Does a request hold proofs of models elsewhere, which an earlier answer had in its reasoning items, or thinking of
/// models elsewhere that have none?
pub(crate) fn holds_foreign(body: &[u8]) -> bool {
    seal::is_in(body) || seal::is_unsealed(body)
}

/// The codec of [`Dialect::OpenAiResponses`].
#[derive(Debug, Clone, Copy)]
pub struct OpenAiResponses;

impl Codec for OpenAiResponses {
    fn dialect(&self) -> Dialect {
        OWN
    }

    fn inspect(&self, body: &Object<'_>) -> Result<BodyFacts, Malformed> {
        inspect::inspect(body)
    }

    fn turns(&self) -> Turns {
        Turns { before: &["instructions"], list: "input", by_model: &["assistant", "function_call", "reasoning"] }
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

//! Gemini `generateContent` and `streamGenerateContent`, as the Gemini API and Vertex AI speak it.
//!
//! The model and whether to stream are in the path. Objects are read with camelCase and snake_case names, as the API
//! does, and written with camelCase.
//!
//! Thought signatures: on a function call it is the call's own; on a thought it is the reasoning block's; on any other
//! part it becomes a reasoning block without text behind that part's block, and goes back onto the part.
//!
//! Ids of function calls are optional here and demanded elsewhere: see [`parts::made_up_id`].

mod count;
mod fault;
mod finish;
mod inspect;
mod logprobs;
mod media;
mod names;
mod parts;
mod plain_chunk;
mod request_decode;
mod request_encode;
mod response_decode;
mod response_encode;
mod schema;
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
use crate::shared::told::told;

/// The codec.
#[derive(Debug, Clone, Copy, Default)]
pub struct Gemini;

impl Codec for Gemini {
    fn dialect(&self) -> Dialect {
        Dialect::Gemini
    }

    fn inspect(&self, body: &Object<'_>) -> Result<BodyFacts, Malformed> {
        inspect::inspect(body)
    }

    fn turns(&self) -> Turns {
        Turns { before: &["systemInstruction", "system_instruction"], list: "contents", by_model: &["model"] }
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
        Box::new(stream_decode::Decoder::default())
    }

    fn stream_encoder(&self, start: &StreamStart) -> Box<dyn StreamEncoder> {
        Box::new(stream_encode::Encoder::new(start))
    }

    fn tap(&self) -> Box<dyn Tap> {
        Box::new(tap::GeminiTap::default())
    }
}

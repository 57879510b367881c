//! Cohere v2 chat.
//!
//! What is particular here: unknown fields are refused, so nothing foreign may slip through; the words before a tool call
//! are a `tool_plan` of their own; citations stand beside the content and name their block by index; content, tool
//! calls and citations of a stream are each counted from 0; an answer does not name its model; a stream that fails says
//! so in its last event. Tokens are counted twice: `tokens` is what went through the model, which is what we count,
//! `billed_units` leaves out the prompt that Cohere adds.

mod citations;
mod content;
mod fault;
mod finish;
mod inspect;
mod logprobs;
mod messages_decode;
mod messages_encode;
mod request_decode;
mod request_encode;
mod response_decode;
mod response_encode;
mod sampling;
mod stream_decode;
mod stream_encode;
mod tap;
mod usage;
mod wire;
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

/// This folder's dialect.
const OWN: Dialect = Dialect::CohereV2;

/// The codec of [`Dialect::CohereV2`].
#[derive(Debug, Clone, Copy, Default)]
pub struct CohereV2;

impl Codec for CohereV2 {
    fn dialect(&self) -> Dialect {
        OWN
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
        Box::<tap::ChatTap>::default()
    }
}

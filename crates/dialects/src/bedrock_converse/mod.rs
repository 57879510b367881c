//! AWS Bedrock Converse: one form for the models of many vendors.
//!
//! What is particular here: the model and whether it streams are in the path; a block is an object with one member, whose
//! name is its kind; cache breakpoints are blocks of their own; what only some models know goes under
//! `additionalModelRequestFields`, in that model's words; input tokens are counted without the cached ones; a stream is
//! binary ([`ringmain_wire::event_stream`]), tells its stop reason before its usage, and opens text without saying so.

mod block_decode;
mod block_encode;
mod conversation;
mod count;
mod family;
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
const OWN: Dialect = Dialect::BedrockConverse;

/// AWS Bedrock Converse.
#[derive(Debug, Clone, Copy, Default)]
pub struct BedrockConverse;

impl Codec for BedrockConverse {
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
        let encoded = request_encode::encode(request, profile);
        // Of its own callers' requests the places are the callers' already.
        if request.dialect == OWN { encoded } else { told(request, encoded) }
    }

    fn decode_response(&self, body: &[u8]) -> Result<ir::Response, Malformed> {
        response_decode::decode(body)
    }

    fn encode_response(&self, response: &ir::Response) -> Encoded {
        response_encode::encode(response)
    }

    fn decode_fault(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Fault {
        fault::decode(status, headers, body)
    }

    fn encode_fault(&self, fault: &Fault, request_id: &str) -> ErrorReply {
        fault::encode(fault, request_id)
    }

    fn stream_decoder(&self) -> Box<dyn StreamDecoder> {
        Box::<stream_decode::Decoder>::default()
    }

    fn stream_encoder(&self, _start: &StreamStart) -> Box<dyn StreamEncoder> {
        Box::<stream_encode::Encoder>::default()
    }

    fn tap(&self) -> Box<dyn Tap> {
        Box::<tap::ConverseTap>::default()
    }
}

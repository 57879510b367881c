//! One codec for each provider dialect, all meeting in one intermediate representation.
//!
//! ```text
//! caller bytes --decode_request--> ir::Request --encode_request--> provider bytes
//! caller bytes <--encode_response-- ir::Response <--decode_response-- provider bytes
//! caller SSE   <--stream_encoder--- ir::Event*   <--stream_decoder--- provider SSE
//! ```
//!
//! There are N codecs and never a pair: no codec knows another, and [`registry`] is the only list. Where the caller's
//! and the provider's dialect are the same nothing is decoded: bytes are relayed, and a [`codec::Tap`] reads a copy.
//! What a dialect cannot carry becomes a [`Loss`], never silence.

pub mod anthropic_messages;
pub mod bedrock_converse;
pub mod codec;
pub mod cohere_v2;
pub mod continuation;
pub mod counting;
pub mod freeform;
pub mod gemini;
pub mod ir;
pub mod loss;
pub mod openai_chat;
pub mod openai_responses;
pub mod provenance;
pub mod registry;
pub mod shared;
#[cfg(test)]
mod tests;

pub use codec::{
    BodyFacts, Codec, Cut, Encoded, ErrorReply, Framing, Glance, Malformed, StreamStart, TargetProfile, Turns,
};
pub use codec::{StreamDecoder, StreamEncoder, Tap, Unsupported};
pub use counting::Counting;
pub use loss::{Loss, LossKind, Losses};

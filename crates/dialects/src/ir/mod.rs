//! The intermediate representation: a superset of what the dialects can say.
//!
//! Blocks are typed, numbers keep their text ([`serde_json::Number`] with arbitrary precision), and what a decoder does
//! not know is kept with its dialect's name, to be put back where the dialect is the same and reported as a loss where
//! it is not.

pub mod content;
pub mod event;
pub mod fold;
pub mod grammar;
pub mod logprobs;
pub mod request;
pub mod response;
pub mod words;

pub use content::{Block, BlockKind, CacheMark, Media, MediaSource, Role, Turn};
pub use event::{BlockHead, Delta, Event};
pub use logprobs::{Candidate, TokenLogprob};
pub use request::{Extra, OutputFormat, Reasoning, Request, Sampling, Signatures, Tool, ToolChoice};
pub use response::{Finish, Response};
pub use ringmain_core::Effort;
pub use words::{Named, Place, Words};

/// A number as it was written.
pub use serde_json::Number;
/// A JSON value whose numbers keep their text and whose objects keep their order.
pub use serde_json::Value;

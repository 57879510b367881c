//! The caller's side of every dialect, for tests: a request as a client writes it, and an answer as its SDK would read
//! it, only stricter: an SDK forgives much that a gateway must not do.
//!
//! ```text
//! Ask { dialect, model, text, stream } -> a request
//! heard(dialect, stream, head, body)   -> Heard: whole, refused, broken, unfinished, unreadable
//! ```

mod ask;
mod frames;
mod heard;
mod strict;
#[cfg(test)]
mod tests;

pub use ask::Ask;
pub use frames::{Frame, Frames};
pub use heard::{Heard, heard};

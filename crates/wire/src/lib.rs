//! Sans-IO framers for streamed answers, and the JSON span index with byte splices.
//!
//! Nothing here reads a socket, a clock or a file: bytes go in, slices of the same bytes come out.
//!
//! * [`sse`]: [`SseFramer`](sse::SseFramer) cuts a byte stream into server-sent events. A frame inside one pushed chunk
//!   is a slice of that chunk; the frames of a stream and what is pending, joined, are the stream, byte for byte.
//!   [`sse::encode`] and [`sse::encode_comment`] write events.
//! * [`event_stream`]: the same for the binary messages in which AWS streams; their checksums are verified.
//! * [`json_array`]: the same for a JSON array that arrives element by element (Gemini without `alt=sse`).
//! * [`json`]: [`Object`](json::Object) validates a body in one pass and finds its members;
//!   [`splice`](json::splice) edits a body by JSON pointer and leaves every other byte alone.
//! * [`multipart`]: [`Form`](multipart::Form) takes a form's body apart without a copy, and writes one.
//!
//! Every buffer is bounded by a limit that its owner names: a frame or element over it is an error, never a larger buffer.

mod carry;
pub mod event_stream;
pub mod json;
pub mod json_array;
pub mod multipart;
pub mod sse;

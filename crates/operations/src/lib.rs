//! Operations other than chat: for each an intermediate representation, and a codec for each shape a provider speaks.
//!
//! ```text
//! caller's request --images::Request::read--> images::Request --codec.plan--> talks
//! talk: Call -> (the engine sends it) -> Reply -> Call … -> images::Made
//! caller's answer  <--images::answer::write-- images::Made, joined
//! ```
//!
//! A provider may want one request or a whole exchange of them (submit, poll, fetch, cancel): a [`talk::Talk`] is that
//! exchange without IO, and whoever holds it sends what it says. See `docs/adr/0013-operations-other-than-chat.md`.

pub mod counts;
pub mod fault;
pub mod images;
pub mod talk;

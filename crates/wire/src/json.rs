//! JSON by its bytes: where the members of a body are, and edits that leave the rest of it alone.
//!
//! A gateway that parses a body into values and prints it again changes number text, key order and what it does not know.
//! Here a body stays the bytes that came in: [`Object`] says where things are, [`splice`] cuts and pastes.

mod document;
mod edit;
mod error;
mod object;
mod scalar;
mod spliced;
mod tree;

#[cfg(test)]
mod tests;

pub use document::{Document, splice};
pub use edit::Edit;
pub use error::{JsonError, JsonErrorKind, Position};
pub use object::Object;
pub use scalar::{as_bool, as_str, as_u64};
pub use serde_json::value::RawValue;
pub use spliced::Spliced;

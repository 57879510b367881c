//! What several codecs need.

pub mod absent;
pub(crate) mod answers;
pub mod arguments;
pub(crate) mod asked_about;
pub mod billed;
pub mod borrowed;
pub(crate) mod calls;
pub(crate) mod claude_schema;
pub mod claude_version;
pub mod estimate;
pub mod fields;
pub(crate) mod logprobs;
pub mod media;
pub(crate) mod openai_errors;
pub mod put_back;
pub(crate) mod said;
pub mod sequencer;
pub(crate) mod sources;
pub mod status;
pub(crate) mod structured;
pub mod told;
pub(crate) mod tool_choice;
pub(crate) mod tool_names;
pub(crate) mod whereabouts;

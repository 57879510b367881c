//! What several codecs need.

pub mod estimate;
pub mod fields;
pub mod sequencer;
pub mod status;

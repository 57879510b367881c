//! What several codecs need.

pub mod borrowed;
pub mod estimate;
pub mod fields;
pub mod media;
pub mod sequencer;
pub mod status;

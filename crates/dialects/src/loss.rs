//! What a translation could not carry.

pub use ringmain_core::loss::{Loss, LossKind, Losses};

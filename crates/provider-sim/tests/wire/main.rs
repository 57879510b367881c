//! The simulator as a client sees it on the wire.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod audio;
mod faults;
mod healthy;
mod steering;
mod support;

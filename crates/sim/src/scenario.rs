//! A scenario file: what callers and providers do. With a configuration it becomes a [`crate::events::World`].
//!
//! ```text
//! Scenario::read(text)              -> Scenario    the file, every key known, every value a value     file.rs, values.rs
//! world(config, scenario, seed)     -> World       the names of both brought together                 setup.rs
//! ```

mod file;
mod setup;
mod sources;
mod values;

pub use file::{Expect, Scenario};
pub use setup::{plain_retry, world};
pub use sources::PlaceholderKeys;
pub use values::{Count, Part, Span};

//! Recorded traffic of every provider through every pair of dialects: what a person or a program reads of it is the same
//! on the other side. `cargo xtask pairs` prints the table and keeps `docs/pairs.md`.

pub mod check;
pub mod costs;
pub mod costs_page;
mod gist;
pub mod recordings;
pub mod scope;
mod stream;
pub mod table;

use std::path::PathBuf;

use anyhow::Result;

pub use check::{Crossing, Outcome, Part, Splits};
pub use recordings::Recordings;

/// Where recordings are looked for: in `shared/recordings` beside the project.
#[must_use]
pub fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/recordings"))
}

/// The page that holds the table.
#[must_use]
pub fn page() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/pairs.md"))
}

/// The page of costs.
#[must_use]
pub fn costs_file() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/costs.md"))
}

/// Every exchange below a folder through every pair.
///
/// # Errors
/// The recordings cannot be read.
pub fn cross(folder: &std::path::Path, splits: Splits) -> Result<(Recordings, Vec<Crossing>)> {
    let recordings = Recordings::load(folder)?;
    let crossings = recordings.chat.iter().flat_map(|exchange| check::crossings(exchange, splits)).collect();
    Ok((recordings, crossings))
}

//! Files that hold credentials.

use std::path::Path;

/// The largest that is read, in bytes.
const FILE_MAX: u64 = 1024 * 1024;

/// A small text file; empty where it is not there.
pub(crate) fn small_file(path: &Path) -> String {
    let small = std::fs::metadata(path).is_ok_and(|metadata| metadata.len() <= FILE_MAX);
    if small { std::fs::read_to_string(path).unwrap_or_default() } else { String::new() }
}

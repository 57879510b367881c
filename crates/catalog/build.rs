//! Rebuilds the crate when a catalog file changes: `include_dir!` alone does not tell cargo what it read.

fn main() {
    for folder in ["providers", "models"] {
        println!("cargo::rerun-if-changed=../../{folder}");
        // A folder's time does not move when a file inside is edited in place.
        let Ok(entries) = std::fs::read_dir(format!("../../{folder}")) else { continue };
        for entry in entries.flatten() {
            println!("cargo::rerun-if-changed={}", entry.path().display());
        }
    }
}

//! Makes one JSON text of the catalog's files: to read 150 KB of YAML takes longer than all else a start does.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use serde_json::{Map, Value};

fn main() -> Result<(), Box<dyn Error>> {
    let mut files = Map::new();
    for folder in ["providers", "models"] {
        let place = Path::new("../..").join(folder);
        println!("cargo::rerun-if-changed={}", place.display());
        let paths = fs::read_dir(&place)?.map(|entry| entry.map(|entry| entry.path()));
        let mut paths = paths.collect::<Result<Vec<PathBuf>, _>>()?;
        // The same files make the same program.
        paths.sort();
        for path in paths {
            // A folder's time does not move when a file inside is edited in place.
            println!("cargo::rerun-if-changed={}", path.display());
            let name = format!("{folder}/{}", path.file_name().unwrap_or_default().display());
            // Where nothing says that a text is wanted, `n` would be `false`.
            let options = serde_saphyr::options! { strict_booleans: true };
            let file: Value = serde_saphyr::from_str_with_options(&fs::read_to_string(&path)?, options)
                .map_err(|error| format!("{name}: {error}"))?;
            files.insert(name, file);
        }
    }
    fs::write(Path::new(&env::var("OUT_DIR")?).join("catalog.json"), Value::Object(files).to_string())?;
    Ok(())
}

//! What is built into the program is what the files say.

use std::fs;
use std::path::Path;

use super::catalog;
use crate::load::{Loader, Written};

#[test]
fn the_built_in_catalog_says_what_the_files_say() {
    let mut loader = Loader::default();
    for folder in ["providers", "models"] {
        for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{folder}/{}", path.file_name().unwrap().display());
            loader.read(&name, Written::Yaml(&fs::read_to_string(&path).unwrap()));
        }
    }
    // With the line of each problem, which what is built in has no more.
    let (providers, models) = loader.finish().unwrap_or_else(|problems| panic!("{problems}"));
    let built_in = catalog();
    assert_eq!(built_in.providers().count(), providers.len());
    for provider in providers {
        assert_eq!(built_in.provider(&provider.id), Some(&provider));
    }
    assert_eq!(built_in.models().collect::<Vec<_>>(), models.iter().collect::<Vec<_>>());
}

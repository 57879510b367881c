//! What the rules read: the repository's sources and documents, and what Cargo knows.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use super::source::RustFile;
use crate::workspace;

/// A text file; paths are relative to the root, with forward slashes.
pub(super) struct Document {
    pub(super) path: String,
    pub(super) text: String,
}

/// Everything the rules look at, read once.
pub(super) struct Tree {
    pub(super) root: PathBuf,
    pub(super) rust: Vec<RustFile>,
    /// `*.md` at the root and below `docs/`.
    pub(super) docs: Vec<Document>,
    pub(super) manifests: Vec<Document>,
    pub(super) lock: String,
    pub(super) metadata: Value,
    /// Names of the packages that are built for some platform with the features that are on.
    pub(super) built: BTreeSet<String>,
}

impl Tree {
    /// Reads this repository.
    pub(super) fn load() -> Result<Self> {
        let root = workspace::root();
        let mut files = Vec::new();
        walk(&root, &root, &mut files)?;
        files.sort();
        let read = |path: &String| -> Result<Document> {
            let text = fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"))?;
            Ok(Document { path: path.clone(), text })
        };
        let pick = |wanted: fn(&str) -> bool| files.iter().filter(|path| wanted(path)).map(read).collect();
        let rust: Result<Vec<Document>> = pick(|path| path.ends_with(".rs"));
        Ok(Self {
            rust: rust?.into_iter().map(|file| RustFile::new(&file.path, &file.text)).collect(),
            docs: {
                let docs: Result<Vec<Document>> =
                    pick(|path| path.ends_with(".md") && (path.starts_with("docs/") || !path.contains('/')));
                docs?
            },
            manifests: {
                let manifests: Result<Vec<Document>> = pick(|path| path.ends_with("/Cargo.toml"));
                manifests?
            },
            lock: fs::read_to_string(root.join("Cargo.lock")).context("cannot read Cargo.lock")?,
            metadata: workspace::metadata()?,
            built: workspace::built_packages()?,
            root,
        })
    }
}

/// Lists files below `dir`, leaving out build output, installed packages and hidden folders.
fn walk(root: &Path, dir: &Path, files: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || name == "target" || name == "node_modules" {
            continue;
        }
        let path = entry.path();
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(root, &path, files)?;
        } else if kind.is_file() {
            let relative = path.strip_prefix(root).unwrap_or(&path);
            files.push(relative.to_string_lossy().replace('\\', "/"));
        }
    }
    Ok(())
}

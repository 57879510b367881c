//! Pure crates take time, chance and input as arguments; only `upstream` opens outbound sockets.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Finding;
use super::edges::{dependencies, manifest_path, members};
use super::source::{RustFile, word_starts};
use super::tree::Tree;

/// Crates (folders under `crates/`) that decide and translate without doing.
const PURE: &[&str] = &["core", "wire", "dialects", "operations", "catalog", "routing", "config"];

/// Packages that bring a runtime, a socket or chance with them.
const EFFECTFUL: &[&str] = &["tokio", "hyper", "rand"];

/// Words that read a clock, a file or another thread.
const EFFECTS: &[&str] = &["Instant::now", "SystemTime::now", "std::fs", "tokio::", "thread::", "Mutex"];

/// The places whose shipped code may open outbound connections. `state`: to the servers that things are kept on, as the
/// libraries for these do.
const DIALLERS: &[&str] = &["upstream", "state", "provider-sim", "blackbox", "xtask"];

const DIALS: &[&str] = &["TcpStream::connect", "hyper::client"];

/// The line of a manifest that names the dependency; 1 when it is named elsewhere.
pub(super) fn manifest_line(tree: &Tree, manifest: &str, dependency: &str) -> usize {
    let document = tree.manifests.iter().find(|document| document.path == manifest);
    let names = |line: &str| {
        let rest = line.trim_start().strip_prefix(dependency);
        rest.is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
    };
    document.and_then(|document| document.text.lines().position(names)).map_or(1, |index| index + 1)
}

/// Pure crates neither name an effectful package nor reach one through a normal dependency.
pub(super) fn check_dependencies(tree: &Tree, found: &mut Vec<Finding>) {
    let nodes = resolved(&tree.metadata);
    for package in members(&tree.metadata) {
        let manifest = manifest_path(tree, package);
        if !PURE.iter().any(|name| manifest == format!("crates/{name}/Cargo.toml")) {
            continue;
        }
        let hint = "pass what it needs in as an argument, or move the code to a running crate";
        let direct: BTreeSet<&str> = dependencies(package).filter(|name| EFFECTFUL.contains(name)).collect();
        for name in &direct {
            let line = manifest_line(tree, &manifest, name);
            found.push(Finding::new(&manifest, line, format!("a pure crate may not depend on `{name}`"), hint));
        }
        for (name, path) in reached(&nodes, package["id"].as_str().unwrap_or_default()) {
            if EFFECTFUL.contains(&name.as_str()) && !direct.contains(name.as_str()) {
                let what = format!("a pure crate reaches `{name}` through {}", path.join(" -> "));
                found.push(Finding::new(&manifest, 1, what, "turn that dependency's default features off, or drop it"));
            }
        }
    }
}

/// A resolved package: its name and the ids of its normal dependencies.
type Node<'a> = (&'a str, Vec<&'a str>);

fn resolved(metadata: &Value) -> BTreeMap<&str, Node<'_>> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let names: BTreeMap<&str, &str> =
        packages.filter_map(|package| Some((package["id"].as_str()?, package["name"].as_str()?))).collect();
    let is_normal = |dependency: &&Value| {
        let kinds = dependency["dep_kinds"].as_array();
        kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"].is_null()))
    };
    let nodes = metadata["resolve"]["nodes"].as_array().into_iter().flatten();
    nodes
        .filter_map(|node| {
            let id = node["id"].as_str()?;
            let below = node["deps"].as_array().into_iter().flatten().filter(is_normal);
            Some((id, (*names.get(id)?, below.filter_map(|dependency| dependency["pkg"].as_str()).collect())))
        })
        .collect()
}

/// Every package below `start`, each with the names on the way to it.
fn reached<'a>(nodes: &BTreeMap<&'a str, Node<'a>>, start: &str) -> BTreeMap<String, Vec<String>> {
    let mut paths: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut open: Vec<(&str, Vec<String>)> =
        nodes.get_key_value(start).map(|(id, _)| (*id, Vec::new())).into_iter().collect();
    while let Some((id, path)) = open.pop() {
        let Some((_, below)) = nodes.get(id) else { continue };
        for next in below {
            let Some((name, _)) = nodes.get(next) else { continue };
            if !paths.contains_key(*name) {
                let mut path = path.clone();
                path.push((*name).to_owned());
                paths.insert((*name).to_owned(), path.clone());
                open.push((next, path));
            }
        }
    }
    paths
}

/// Shipped code of the pure crates does not mention an effect.
pub(super) fn check_sources(tree: &Tree, found: &mut Vec<Finding>) {
    let hint =
        "take the value as an argument (time is `core::time`, chance is `core::seed`); effects live in running crates";
    // A build script runs at build time: what it reads is not what the crate reads.
    let pure = |file: &&RustFile| {
        file.path.starts_with("crates/") && PURE.contains(&file.krate()) && !file.path.ends_with("/build.rs")
    };
    for file in tree.rust.iter().filter(pure) {
        for (line, word) in mentions(file, EFFECTS) {
            found.push(Finding::new(&file.path, line, format!("a pure crate may not mention `{word}`"), hint));
        }
    }
}

/// Only the crates that may dial mention a way to do it.
pub(super) fn check_sockets(tree: &Tree, found: &mut Vec<Finding>) {
    let hint = "go through `ringmain-upstream`, the one crate that opens outbound sockets";
    for file in tree.rust.iter().filter(|file| !DIALLERS.contains(&file.krate())) {
        for (line, word) in mentions(file, DIALS) {
            found.push(Finding::new(&file.path, line, format!("only `upstream` may mention `{word}`"), hint));
        }
    }
}

/// Where shipped code names one of the words, plainly or inside a grouped import.
fn mentions(file: &RustFile, words: &[&'static str]) -> BTreeSet<(usize, &'static str)> {
    let mut seen = BTreeSet::new();
    for (line, text) in file.shipped_lines() {
        seen.extend(words.iter().filter(|word| !word_starts(text, word).is_empty()).map(|word| (line, *word)));
    }
    for (line, path) in file.imports() {
        let path = format!("{path}::");
        if !file.is_test_line(line) {
            seen.extend(words.iter().filter(|word| !word_starts(&path, word).is_empty()).map(|word| (line, *word)));
        }
    }
    seen
}

use std::collections::BTreeSet;

use serde_json::json;

use super::source::{RustFile, mask};
use super::tree::{Document, Tree};
use super::*;

/// A tree with these files; Rust by its ending, `Cargo.lock` by its name, anything else a document.
fn tree(files: &[(&str, &str)]) -> Tree {
    let document = |(path, text): &(&str, &str)| Document { path: (*path).to_owned(), text: (*text).to_owned() };
    let ending = |end: &'static str| files.iter().filter(move |(path, _)| path.ends_with(end));
    Tree {
        root: crate::workspace::root(),
        rust: ending(".rs").map(|(path, text)| RustFile::new(path, text)).collect(),
        docs: ending(".md").map(document).collect(),
        manifests: ending("Cargo.toml").map(document).collect(),
        lock: ending("Cargo.lock").map(|(_, text)| *text).collect(),
        metadata: json!({}),
        built: BTreeSet::from(["ring".to_owned(), "rustls".to_owned()]),
    }
}

/// What a rule says about the files, as `line: what`.
fn said(rule: fn(&Tree, &mut Vec<Finding>), files: &[(&str, &str)]) -> Vec<String> {
    let mut found = Vec::new();
    rule(&tree(files), &mut found);
    found.iter().map(|finding| format!("{}: {}", finding.line, finding.what)).collect()
}

#[test]
fn this_repository_is_tidy() {
    let found: Vec<String> = findings(&Tree::load().unwrap()).iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn mask_leaves_only_code() {
    for (text, masked) in [
        ("a // {x}\nb", "a       \nb"),
        ("a /* { /* } */ */ b", "a                 b"),
        (r#"f("{\"}", 'x', '{', '\'')"#, "f(______, ___, ___, ____)"),
        ("r#\"a\"{\"# + br\"}\" + b'}'", "________ + b____ + b___"),
        ("fn f<'a>(x: &'a str, r#fn: u8)", "fn f<'a>(x: &'a str, r#fn: u8)"),
        ("'é' + \"ü{\"", "____ + _____"),
        ("for x in attr", "for x in attr"),
    ] {
        assert_eq!(mask(text), masked, "{text}");
    }
}

#[test]
fn pure_crates_mention_no_effect() {
    let file = |text| [("crates/routing/src/a.rs", text)];
    for (text, expected) in [
        ("fn f() { Instant::now(); }", vec!["1: a pure crate may not mention `Instant::now`"]),
        ("use std::{fs, io};", vec!["1: a pure crate may not mention `std::fs`"]),
        (
            "use std::sync::{Arc,\n  Mutex};",
            vec!["1: a pure crate may not mention `Mutex`", "2: a pure crate may not mention `Mutex`"],
        ),
        ("// Instant::now\nlet a = \"std::fs\"; MyMutexed::x();", vec![]),
        (
            "#[cfg(test)]\nmod tests {\n  use std::fs;\n}\nuse std::fs;",
            vec!["5: a pure crate may not mention `std::fs`"],
        ),
    ] {
        assert_eq!(said(purity::check_sources, &file(text)), expected, "{text}");
    }
    assert!(said(purity::check_sources, &[("crates/routing/tests/a.rs", "use std::fs;")]).is_empty());
    assert!(said(purity::check_sources, &[("crates/engine/src/a.rs", "use std::fs;")]).is_empty());
}

#[test]
fn only_upstream_dials() {
    let text = "use hyper::client::conn::http1;\nasync fn f() { TcpStream::connect(a).await }";
    assert_eq!(said(purity::check_sockets, &[("crates/engine/src/a.rs", text)]).len(), 2);
    assert!(said(purity::check_sockets, &[("crates/upstream/src/a.rs", text)]).is_empty());
    assert!(said(purity::check_sockets, &[("crates/engine/src/a/tests.rs", text)]).is_empty());
}

#[test]
fn codecs_do_not_know_each_other() {
    let files = |text| {
        [
            ("crates/dialects/src/gemini/a.rs", text),
            ("crates/dialects/src/cohere_v2/mod.rs", ""),
            ("crates/dialects/src/ir/mod.rs", ""),
        ]
    };
    for (text, expected) in [
        ("use crate::ir::Block;\nuse crate::gemini::x;", 0),
        ("use crate::{ir, cohere_v2::b};", 1),
        ("let a = super::super::cohere_v2::f();", 1),
        ("let cohere_v2 = 1; // crate::cohere_v2::f", 0),
    ] {
        assert_eq!(said(codecs::check, &files(text)).len(), expected, "{text}");
    }
}

#[test]
fn functions_fit_a_screen() {
    let body = |lines: usize| "    let x = \"}\";\n\n    // why\n".repeat(lines);
    let file = |before: &str, lines| format!("{before}fn long(a: [u8; 4]) -> u8 {{\n{}}}\nfn next();\n", body(lines));
    let excuse = "#[expect(clippy::too_many_lines, reason = \"one table\")]\n";
    for (before, lines, expected) in [("", 70, 0), ("", 71, 1), (excuse, 71, 0), (excuse, 151, 1)] {
        let text = file(before, lines);
        assert_eq!(said(length::check_functions, &[("xtask/src/a.rs", &text)]).len(), expected, "{before}{lines}");
    }
}

#[test]
fn files_are_small() {
    assert!(said(length::check_files, &[("xtask/src/a.rs", &"x\n".repeat(600))]).is_empty());
    assert_eq!(said(length::check_files, &[("xtask/src/a.rs", &"x\n".repeat(601))]), ["601: 601 lines, 600 at most"]);
    assert_eq!(length::long_files(&tree(&[("xtask/src/a.rs", &"x\n".repeat(401))])).len(), 1);
}

#[test]
fn names_in_documents_exist() {
    let main = (
        "crates/ringmain/src/main.rs",
        "#[derive(Subcommand)]\nenum Command {\n    /// Run\n    Serve(Serve),\n    DryRun { a: u8 },\n}",
    );
    for (text, expected) in [
        ("`xtask/src/main.rs` `crates/*/src` `xtask/src/main.rs:3`", vec![]),
        ("`crates/nowhere`", vec!["1: `crates/nowhere` does not exist"]),
        ("`cargo xtask tidy`\n```\n$ cargo xtask fly --fast\n```", vec!["3: no task `cargo xtask fly`"]),
        ("```\nA=b ringmain serve\nringmain dry-run x\nringmain --help\n```\nringmain rocks", vec![]),
        ("`ringmain replay`", vec!["1: the binary has no command `ringmain replay`"]),
        ("`ringmain replay` is not available yet\n# Not yet\n`ringmain keys`", vec![]),
    ] {
        assert_eq!(said(docs::check, &[main, ("README.md", text)]), expected, "{text}");
    }
}

#[test]
fn decision_records_have_one_shape() {
    let good = "# 1. T\n## Status\n## Context\n## Decision\n## Consequences\n";
    let long = format!("{good}{}", "x\n".repeat(76));
    for (files, expected) in [
        (vec![("docs/adr/0001-a.md", good), ("docs/adr/0002-b.md", good)], 0),
        (vec![("docs/adr/0001-a.md", good), ("docs/adr/0003-b.md", good)], 1),
        (vec![("docs/adr/0001-a.md", good), ("docs/adr/0001-b.md", good)], 1),
        (vec![("docs/adr/0002-a.md", good)], 1),
        (vec![("docs/adr/a.md", good)], 1),
        (vec![("docs/adr/0001-a.md", "## Status")], 3),
        (vec![("docs/adr/0001-a.md", long.as_str())], 1),
    ] {
        assert_eq!(said(adr::check, &files).len(), expected, "{files:?}");
    }
}

#[test]
fn the_lock_file_holds_one_tls_stack() {
    let lock = "name = \"rustls\"\nname = \"ring\"\nname = \"reqwest\"\nname = \"rustls\"\n";
    assert_eq!(
        said(lock::check, &[("Cargo.lock", lock)]),
        ["2: `ring` must not be a dependency", "4: `rustls` is there more than once"]
    );
}

#[test]
fn edges_outside_the_table_are_found() {
    let package = |name: &str, below: &[&str]| {
        let below: Vec<_> = below.iter().map(|name| json!({ "name": name })).collect();
        json!({ "id": name, "name": name, "dependencies": below, "manifest_path": format!("/r/{name}/Cargo.toml") })
    };
    let mut tree = tree(&[("ringmain-core/Cargo.toml", "[dependencies]\nbytes = 1\nringmain-wire.workspace = true\n")]);
    tree.root = "/r".into();
    tree.metadata = json!({
        "workspace_members": ["ringmain-core", "ringmain-wire", "ringmain-new"],
        "packages": [package("ringmain-core", &["ringmain-wire"]), package("ringmain-wire", &["ringmain-core"]), package("ringmain-new", &[])],
    });
    let mut found = Vec::new();
    edges::check(&tree, &mut found);
    let found: Vec<String> =
        found.iter().filter(|finding| finding.file != "xtask/src/tidy/edges.rs").map(ToString::to_string).collect();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("ringmain-core/Cargo.toml:3: `ringmain-core` may not depend on `ringmain-wire`"));
    assert!(found[1].contains("`ringmain-new` has no row"));
}

//! Which workspace crate may depend on which. Arrows only go down (DESIGN section 5).

use serde_json::Value;

use super::tree::Tree;
use super::{Finding, purity};

/// A crate's package name and the workspace packages it may name in any of its dependency tables.
pub(super) type Row = (&'static str, &'static [&'static str]);

/// The whole direction of the code, lowest first.
pub(super) const EDGES: &[Row] = &[
    ("ringmain-core", &[]),
    ("ringmain-wire", &["ringmain-core"]),
    ("ringmain-dialects", &["ringmain-core", "ringmain-wire"]),
    ("ringmain-operations", &["ringmain-core", "ringmain-wire", "ringmain-dialects"]),
    ("ringmain-catalog", &["ringmain-core", "ringmain-wire", "ringmain-dialects"]),
    ("ringmain-routing", &["ringmain-core"]),
    ("ringmain-config", &["ringmain-core", "ringmain-catalog", "ringmain-routing"]),
    ("ringmain-state", &["ringmain-core", "ringmain-routing"]),
    ("ringmain-upstream", &["ringmain-core", "ringmain-wire", "ringmain-catalog"]),
    ("ringmain-telemetry", &["ringmain-core", "ringmain-routing"]),
    (
        "ringmain-engine",
        &[
            "ringmain-core",
            "ringmain-wire",
            "ringmain-dialects",
            "ringmain-operations",
            "ringmain-catalog",
            "ringmain-routing",
            "ringmain-config",
            "ringmain-state",
            "ringmain-upstream",
            "ringmain-telemetry",
        ],
    ),
    (
        "ringmain-admin",
        &[
            "ringmain-core",
            "ringmain-catalog",
            "ringmain-routing",
            "ringmain-config",
            "ringmain-state",
            "ringmain-engine",
        ],
    ),
    ("ringmain-provider-sim", &["ringmain-core", "ringmain-wire"]),
    ("ringmain-caller", &["ringmain-core", "ringmain-wire", "ringmain-dialects"]),
    ("ringmain-sim", &["ringmain-core", "ringmain-catalog", "ringmain-routing", "ringmain-config"]),
    (
        "ringmain",
        &[
            "ringmain-core",
            "ringmain-wire",
            "ringmain-dialects",
            "ringmain-catalog",
            "ringmain-routing",
            "ringmain-config",
            "ringmain-state",
            "ringmain-upstream",
            "ringmain-telemetry",
            "ringmain-engine",
            "ringmain-admin",
            "ringmain-provider-sim",
            "ringmain-sim",
        ],
    ),
    (
        "ringmain-worlds",
        &[
            "ringmain-core",
            "ringmain-caller",
            "ringmain-catalog",
            "ringmain-routing",
            "ringmain-config",
            "ringmain-upstream",
            "ringmain-engine",
            "ringmain-provider-sim",
        ],
    ),
    (
        "ringmain-fuzz",
        &[
            "ringmain-core",
            "ringmain-wire",
            "ringmain-dialects",
            "ringmain-catalog",
            "ringmain-config",
            "ringmain-pairs",
        ],
    ),
    ("ringmain-blackbox", &["ringmain-core", "ringmain-caller", "ringmain-provider-sim"]),
    (
        "ringmain-pairs",
        &["ringmain-core", "ringmain-wire", "ringmain-dialects", "ringmain-operations", "ringmain-catalog"],
    ),
    ("xtask", &[]),
];

const TABLE: &str = "xtask/src/tidy/edges.rs";

/// Every dependency between workspace crates is in the table, and every row of the table is a crate.
pub(super) fn check(tree: &Tree, found: &mut Vec<Finding>) {
    let members = members(&tree.metadata);
    let names: Vec<&str> = members.iter().filter_map(|package| package["name"].as_str()).collect();
    for package in &members {
        let name = package["name"].as_str().unwrap_or_default();
        let manifest = manifest_path(tree, package);
        let Some((_, allowed)) = EDGES.iter().find(|(row, _)| *row == name) else {
            let hint = format!("add its row to EDGES in {TABLE}, as low as its dependencies allow");
            found.push(Finding::new(&manifest, 1, format!("crate `{name}` has no row in the table of edges"), hint));
            continue;
        };
        for dependency in dependencies(package) {
            if names.contains(&dependency) && dependency != name && !allowed.contains(&dependency) {
                let what = format!("`{name}` may not depend on `{dependency}`");
                let hint = format!("move the shared part down, or change EDGES in {TABLE} and say why in an ADR");
                found.push(Finding::new(&manifest, purity::manifest_line(tree, &manifest, dependency), what, hint));
            }
        }
    }
    for (row, _) in EDGES.iter().filter(|(row, _)| !names.contains(row)) {
        found.push(Finding::new(TABLE, 1, format!("`{row}` is in the table but not a crate"), "take the row out"));
    }
}

/// The packages of this workspace.
pub(super) fn members(metadata: &Value) -> Vec<&Value> {
    let ids: Vec<&Value> = metadata["workspace_members"].as_array().into_iter().flatten().collect();
    metadata["packages"].as_array().into_iter().flatten().filter(|package| ids.contains(&&package["id"])).collect()
}

/// Names of the direct dependencies of every kind.
pub(super) fn dependencies(package: &Value) -> impl Iterator<Item = &str> {
    package["dependencies"].as_array().into_iter().flatten().filter_map(|dependency| dependency["name"].as_str())
}

/// The package's manifest, relative to the root.
pub(super) fn manifest_path(tree: &Tree, package: &Value) -> String {
    let path = package["manifest_path"].as_str().unwrap_or_default();
    let root = tree.root.to_string_lossy();
    path.strip_prefix(root.as_ref()).unwrap_or(path).trim_start_matches('/').to_owned()
}

//! One TLS stack, one HTTP client: what the lock file may hold.

use super::Finding;
use super::tree::Tree;

/// Packages that must not be there, and what stands in their place.
const BANNED: &[(&str, &str)] = &[
    ("openssl", "TLS is `rustls`"),
    ("openssl-sys", "TLS is `rustls`"),
    ("native-tls", "TLS is `rustls`"),
    ("reqwest", "outbound HTTP is `ringmain-upstream`"),
    ("ring", "cryptography is `aws-lc-rs`; turn the feature that asks for `ring` off"),
];

/// Packages of which one version is built.
const SINGLE: &[&str] = &["rustls"];

/// Checks the names in `Cargo.lock`.
///
/// A banned package counts as present when something would build it: the lock file (and `cargo metadata`) also
/// list what only an optional feature would bring that nobody turns on.
pub(super) fn check(tree: &Tree, found: &mut Vec<Finding>) {
    let mut single: Vec<(&str, usize)> = SINGLE.iter().map(|name| (*name, 0)).collect();
    for (index, line) in tree.lock.lines().enumerate() {
        let Some(name) = line.strip_prefix("name = \"").and_then(|rest| rest.strip_suffix('"')) else { continue };
        if let Some((_, instead)) = BANNED.iter().find(|(banned, _)| *banned == name)
            && tree.built.contains(name)
        {
            let hint = format!("{instead}; `cargo tree -i {name} --target all` shows who brought it");
            found.push(Finding::new("Cargo.lock", index + 1, format!("`{name}` must not be a dependency"), hint));
        }
        if let Some((_, count)) = single.iter_mut().find(|(wanted, _)| *wanted == name) {
            *count += 1;
            if *count > 1 {
                let hint = format!("agree on one version; `cargo tree -d -i {name}` shows both");
                found.push(Finding::new("Cargo.lock", index + 1, format!("`{name}` is there more than once"), hint));
            }
        }
    }
}

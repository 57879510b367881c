//! The table as a page of the documentation.

use std::fmt::Write as _;

use super::walk;
use crate::Code;

/// The reference of settings and of problem codes, in Markdown, as `docs/configuration.md` shows it.
#[must_use]
pub fn reference() -> String {
    let mut out = String::from("| setting | takes | default | what it does |\n|---|---|---|---|\n");
    walk(&mut |path, setting| {
        let default = if setting.default.is_empty() { String::new() } else { format!("`{}`", setting.default) };
        let takes = setting.shape.describe().replace('|', "\\|");
        let mut doc = match setting.later {
            Some(will) => format!("*Not available yet:* {will}."),
            None => setting.doc.to_owned(),
        };
        if let super::Shape::Words(words) = &setting.shape {
            let unready: Vec<String> =
                words.iter().filter(|word| word.later.is_some()).map(|word| format!("`{}`", word.name)).collect();
            if !unready.is_empty() {
                let _ = write!(doc, " *Not available yet:* {}.", unready.join(", "));
            }
        }
        let _ = writeln!(out, "| `{path}` | {takes} | {default} | {doc} |");
    });
    out.push_str("\nA route takes, besides its own, every setting of `defaults`.\n\n| code | problem |\n|---|---|\n");
    for code in Code::ALL {
        let _ = writeln!(out, "| {} | {} |", code.as_str(), code.about());
    }
    out
}

//! Whatever is written, nothing breaks.

use proptest::prelude::*;

use super::{env, read};

/// Pieces that make something like a configuration.
const PIECES: &[&str] = &[
    "server",
    "providers",
    "routes",
    "defaults",
    "name",
    "targets",
    "match",
    "keys",
    "openai",
    "weight",
    "timeouts",
    "idle",
    ": ",
    ":\n",
    "\n",
    "  ",
    "    ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    ", ",
    "\"",
    "'",
    "${OPENAI_API_KEY}",
    "${",
    "$${",
    "}",
    "&a ",
    "*a",
    "<<",
    "openai/gpt-4o",
    "file:/x",
    "5%",
    "250ms..8s",
    "> 50k",
    "0",
    "-1",
    "1e999",
    "|",
    ">",
    "#",
    "!x ",
    "? ",
    "---\n",
    "header.x",
    "ü",
    "\u{0}",
    "\t",
    "off",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_text(text in ".{0,200}") {
        let loaded = read(&text, &env());
        let _ = loaded.diagnostics.render("x", &text, true);
    }

    #[test]
    fn any_pieces(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..60)) {
        let text = pieces.concat();
        let loaded = read(&text, &env());
        let _ = loaded.diagnostics.render("x", &text, false);
        prop_assert!(loaded.config.is_some() != loaded.diagnostics.has_errors());
    }
}

//! What this dialect calls the fields that all share.

use crate::ir::Words;

/// The table.
pub(super) static WORDS: Words = Words {
    fields: &[
        ("top_p", "p"),
        ("top_k", "k"),
        ("stop", "stop_sequences"),
        ("reasoning.effort", "thinking.type"),
        ("reasoning.visible", "thinking.type"),
        ("reasoning.budget_tokens", "thinking.token_budget"),
    ],
    members: &[("detail", "image_url.detail"), ("filename", "data.title"), ("citations", "^citations")],
    tools: &[("name", "function.name"), ("strict", "/strict_tools")],
};

//! Rules: any text is a configuration or a list of problems, each with a place in it.

use std::sync::{Arc, OnceLock};

use ringmain_catalog::Catalog;
use ringmain_config::{Sources, load};

/// Nothing in the environment but what the seeds name.
struct Fixed;

impl Sources for Fixed {
    fn var(&self, name: &str) -> Option<String> {
        name.ends_with("_KEY").then(|| "sk-fuzz-3f9a1c".to_owned())
    }

    fn file(&self, _path: &str) -> Result<String, String> {
        Err("no such file".to_owned())
    }
}

pub(crate) fn rules(data: &[u8]) {
    static CATALOG: OnceLock<Arc<Catalog>> = OnceLock::new();
    let catalog = CATALOG.get_or_init(|| Catalog::embedded().expect("the built-in catalog loads"));
    let Ok(text) = std::str::from_utf8(data) else { return };
    let loaded = load(text, &Fixed, catalog);
    assert!(loaded.config.is_some() || loaded.diagnostics.has_errors(), "neither rules nor a reason");
    let printed = loaded.diagnostics.render("rules.yaml", text, false);
    assert!(!printed.contains("sk-fuzz-3f9a1c"), "a secret in a diagnostic");
}

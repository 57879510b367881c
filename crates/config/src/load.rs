//! The ways in: a file's text, or the environment alone.

use std::sync::Arc;

use ringmain_catalog::Catalog;

use crate::{Config, Diagnostics, Sources};

/// What came of reading a configuration.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration; `None` where there are errors.
    pub config: Option<Config>,
    /// Every problem, by its place in the text.
    pub diagnostics: Diagnostics,
}

/// Reads a configuration file's text (YAML 1.2, and so JSON).
pub fn load(text: &str, sources: &dyn Sources, catalog: &Arc<Catalog>) -> Loaded {
    let _ = (text, sources, catalog);
    Loaded { config: None, diagnostics: Diagnostics::default() }
}

/// The configuration without a file: the providers whose keys are in the environment, and every default.
pub fn from_environment(sources: &dyn Sources, catalog: &Arc<Catalog>) -> Loaded {
    load("", sources, catalog)
}

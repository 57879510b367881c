//! The ways in: a file's text, or the environment alone.

use std::collections::HashMap;
use std::sync::Arc;

use ringmain_catalog::Catalog;

use crate::raw::{self, Reader, Section};
use crate::resolve::Resolver;
use crate::{Config, Diagnostics, Sources};

/// What came of reading a configuration.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration; `None` where there are errors.
    pub config: Option<Config>,
    /// Every problem, by its place in the text.
    pub diagnostics: Diagnostics,
}

/// Reads a configuration file's text (YAML 1.2, and so JSON). An empty text is every default and the environment's keys.
pub fn load(text: &str, sources: &dyn Sources, catalog: &Arc<Catalog>) -> Loaded {
    let mut problems = Diagnostics::default();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let tree = raw::parse(text, &mut problems);
    let broken = tree.is_none() && problems.has_errors();
    let root = match &tree {
        Some(node) => Reader { sources, problems: &mut problems }.root(node),
        None => Section::default(),
    };
    // What follows from a text that cannot be read is no problem of its own.
    let config = if broken { None } else { resolve(&root, sources, catalog, &mut problems) };
    problems.sort();
    Loaded { config, diagnostics: problems }
}

/// The configuration without a file: the providers whose keys are in the environment, and every default.
pub fn from_environment(sources: &dyn Sources, catalog: &Arc<Catalog>) -> Loaded {
    load("", sources, catalog)
}

fn resolve(
    root: &Section,
    sources: &dyn Sources,
    catalog: &Arc<Catalog>,
    problems: &mut Diagnostics,
) -> Option<Config> {
    Resolver { sources, catalog, problems, providers: Vec::new(), known: HashMap::new() }.resolve(root)
}

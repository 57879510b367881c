//! Reading configuration and catalog from disk, for every command that needs them.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use ringmain_catalog::Catalog;
use ringmain_config::{Config, Diagnostic, Loaded, Sources};
use ringmain_sim::scenario::PlaceholderKeys;
use ringmain_upstream::Roots;

use crate::commands::{colour, complain};

/// The process's environment and the disk.
pub(crate) struct Machine;

impl Sources for Machine {
    fn var(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &str) -> Result<String, String> {
        fs::read_to_string(path).map_err(|error| error.kind().to_string())
    }
}

/// What the configuration's own checks cannot tell: certificates that no TLS library reads.
pub(crate) fn unreadable_certificates(config: &Config) -> Option<String> {
    let of_providers = config.providers.iter().map(|it| (format!("providers.{}", it.name), it.ca_file.as_ref()));
    let mut all = of_providers.chain([("state".to_owned(), config.state.ca_file.as_ref())]);
    all.find_map(|(whose, ca)| {
        let ca = ca?;
        let problem = Roots::from_pem(&ca.pem).err()?;
        Some(format!("{whose}.ca_file: {} cannot be used: {problem}", ca.path))
    })
}

/// The machine as far as it goes, for commands that call no provider: a key that the rules need and that is not there is
/// made up, so that rules can be looked at anywhere.
pub(crate) struct Rehearsal(PlaceholderKeys);

impl Rehearsal {
    /// For the rules of this text.
    pub(crate) fn of(text: &str, catalog: &Catalog) -> Self {
        Self(PlaceholderKeys::of(text, catalog))
    }
}

impl Sources for Rehearsal {
    fn var(&self, name: &str) -> Option<String> {
        Machine.var(name).or_else(|| self.0.var(name))
    }

    fn file(&self, path: &str) -> Result<String, String> {
        Machine.file(path).or_else(|_| self.0.file(path))
    }
}

/// Rules that can be looked at.
pub(crate) struct Rules {
    pub(crate) config: Config,
    /// Targets that are written and cannot be used, each with the reason.
    pub(crate) left_out: Vec<String>,
}

/// The rules of a file, for a command that calls no provider. `None`: there are errors, and they have been shown.
pub(crate) fn rehearsed(file: &Path, text: &str, sources: &dyn Sources, catalog: &Arc<Catalog>) -> Option<Rules> {
    let loaded = ringmain_config::load(text, sources, catalog);
    if loaded.config.is_none() {
        let shown = loaded.diagnostics.render(&file.display().to_string(), text, colour());
        complain(&format!("these rules have errors\n{}", shown.trim_end()));
    }
    let left_out = |problem: &&Diagnostic| problem.message.contains("is left out");
    let left_out = loaded.diagnostics.iter().filter(left_out).map(|problem| problem.message.clone()).collect();
    loaded.config.map(|config| Rules { config, left_out })
}

/// The built-in catalog, with a folder's files over it.
pub(crate) fn catalog(folder: Option<&Path>) -> anyhow::Result<Arc<Catalog>> {
    let Some(folder) = folder else {
        return Catalog::embedded().map_err(|problems| anyhow::anyhow!("the built-in catalog: {problems}"));
    };
    let mut files = Vec::new();
    for part in ["providers", "models"] {
        let part_folder = folder.join(part);
        if !part_folder.is_dir() {
            continue;
        }
        let entries = fs::read_dir(&part_folder).with_context(|| format!("reading {}", part_folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == "yaml") {
                let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                files.push((format!("{part}/{name}"), text));
            }
        }
    }
    if files.is_empty() {
        bail!("{} holds neither providers/*.yaml nor models/*.yaml", folder.display());
    }
    let problems = |problems| anyhow::anyhow!("the catalog in {}:\n{problems}", folder.display());
    Ok(Arc::new(Catalog::with_overrides(files).map_err(problems)?))
}

/// The text of a configuration file.
pub(crate) fn text(file: &Path) -> anyhow::Result<String> {
    fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))
}

/// Reads a configuration: the file's, or the environment's without one. The text comes back for showing problems in it.
pub(crate) fn load(file: Option<&Path>, catalog: &Arc<Catalog>) -> anyhow::Result<(String, Loaded)> {
    Ok(match file {
        Some(file) => {
            let text = text(file)?;
            let loaded = ringmain_config::load(&text, &Machine, catalog);
            (text, loaded)
        }
        None => (String::new(), ringmain_config::from_environment(&Machine, catalog)),
    })
}

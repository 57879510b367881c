//! `ringmain check`: every problem of a configuration at once.

use std::process::ExitCode;

use anyhow::{Context, bail};
use ringmain_state::redis;
use secrecy::ExposeSecret;

use crate::base::Base;
use crate::cli::Check;
use crate::commands::{colour, say};
use crate::rules_file;

/// Prints the problems; exit 1 if any of them is an error.
pub(crate) fn run(arguments: &Check) -> anyhow::Result<ExitCode> {
    let catalog = rules_file::catalog(arguments.catalog.as_deref())?;
    let (text, loaded) = rules_file::load(Some(&arguments.config), &catalog)?;
    let name = arguments.config.display().to_string();
    if arguments.json {
        say(&serde_json::to_string_pretty(loaded.diagnostics.as_slice())?);
    } else {
        let shown = loaded.diagnostics.render(&name, &text, colour());
        if !shown.is_empty() {
            say(shown.trim_end());
        }
    }
    let Some(config) = loaded.config else { return Ok(ExitCode::FAILURE) };
    if let Some(problem) = rules_file::unreadable_certificates(&config) {
        bail!(problem);
    }
    Base::of(&config.state)?;
    if let Some(url) = &config.state.shared {
        redis::Quotas::check(url.expose_secret()).context("state.shared")?;
    }
    if !arguments.json {
        let written = config.routes.iter().filter(|route| !route.builtin).count();
        say(&format!("{name}: ok: {} providers, {written} routes", config.providers.len()));
    }
    Ok(ExitCode::SUCCESS)
}

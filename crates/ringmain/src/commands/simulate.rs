//! `ringmain simulate`: what the rules would do in an outage, under virtual time.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use ringmain_catalog::Catalog;
use ringmain_config::Config;
use ringmain_sim::events::{self, Memory};
use ringmain_sim::report::{self, Comparison, Summary};
use ringmain_sim::scenario::{self, PlaceholderKeys, Scenario};

use crate::cli::Simulate;
use crate::commands::say;
use crate::rules_file;

/// Prints what came out. The exit status says only whether it could be simulated.
pub(crate) fn run(arguments: &Simulate) -> anyhow::Result<ExitCode> {
    let catalog = rules_file::catalog(arguments.catalog.as_deref())?;
    let file = &arguments.scenario;
    let text = rules_file::text(file)?;
    let scenario = Scenario::read(&text).with_context(|| file.display().to_string())?;
    let Some(config) = config(&arguments.config, &catalog)? else { return Ok(ExitCode::FAILURE) };
    let place = |config: &Path| format!("{} under the rules of {}", file.display(), config.display());
    let world = scenario::world(&config, &scenario, arguments.seed).with_context(|| place(&arguments.config))?;
    let tally = events::run(&world, Memory::Keeps).tally;
    let rules = |file: &Path| file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
    let mut runs = vec![Summary::of(&rules(&arguments.config), &tally)];
    match arguments.against.as_str() {
        "none" => {}
        "order" => {
            let plain = events::run(&scenario::plain_retry(&world), Memory::Forgets);
            runs.push(Summary::of("plain ordered retry", &plain.tally));
        }
        other => {
            let other = Path::new(other);
            let Some(config) = self::config(other, &catalog)? else { return Ok(ExitCode::FAILURE) };
            let world = scenario::world(&config, &scenario, arguments.seed).with_context(|| place(other))?;
            runs.push(Summary::of(&rules(other), &events::run(&world, Memory::Keeps).tally));
        }
    }
    let comparison = Comparison { title: scenario.title, length: scenario.length.0, tally, runs };
    if let Some(chart) = &arguments.chart {
        fs::write(chart, report::chart(&comparison)).with_context(|| format!("writing {}", chart.display()))?;
    }
    if arguments.json {
        say(&serde_json::to_string_pretty(&report::json(&comparison))?);
    } else {
        say(report::table(&comparison).trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

/// The rules of a file. No key is needed: none is used. `None`: there are errors, and they have been shown.
fn config(file: &Path, catalog: &Arc<Catalog>) -> anyhow::Result<Option<Config>> {
    let text = rules_file::text(file)?;
    let rules = rules_file::rehearsed(file, &text, &PlaceholderKeys::of(&text, catalog), catalog);
    let config = rules.map(|rules| rules.config);
    if config.as_ref().is_some_and(|config| config.providers.is_empty()) {
        bail!("{} configures no provider", file.display());
    }
    Ok(config)
}

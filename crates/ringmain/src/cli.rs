//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// One endpoint in front of every AI provider, which keeps answering while providers fail.
#[derive(Debug, Parser)]
#[command(name = "ringmain", version, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the gateway. Without a configuration file: providers from the environment (OPENAI_API_KEY,
    /// ANTHROPIC_API_KEY, GEMINI_API_KEY, …)
    Serve(Serve),
    /// Run the gateway with simulated providers, traffic and a scripted outage, and print what happened
    Demo(Demo),
    /// Say everything that is wrong with a configuration file, with line, column and a suggestion
    Check(Check),
    /// List the catalog: models, prices, context windows, capabilities
    Models(Models),
    /// Say which targets a request would get, in which order, and why the others not (not available yet)
    Explain(Later),
    /// Say what the rules would do in an outage: success, latency, cost, attempts, under virtual time
    Simulate(Simulate),
    /// Decide recorded traffic again under other rules (not available yet)
    Replay(Later),
    /// Create, list and revoke virtual keys (not available yet)
    Keys(Later),
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people; the default on a terminal.
    Text,
    /// One JSON object a line; the default elsewhere.
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The configuration file (YAML); without it, providers come from the environment
    #[arg(long, value_name = "FILE", env = "RINGMAIN_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// A folder with `providers/*.yaml` and `models/*.yaml` that override the built-in catalog
    #[arg(long, value_name = "FOLDER", env = "RINGMAIN_CATALOG")]
    pub(crate) catalog: Option<PathBuf>,
    /// How log lines are written
    #[arg(long, value_enum, value_name = "FORMAT", env = "RINGMAIN_LOG_FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
    /// What is logged, in the form of RUST_LOG: `info`, `debug`, `warn,ringmain_engine=debug`
    #[arg(long, value_name = "FILTER", env = "RINGMAIN_LOG")]
    pub(crate) log: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// How long the demo runs, such as 60s or 2m
    #[arg(long = "for", value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub(crate) length: Duration,
    /// Do not open the dashboard in a browser (there is none yet; accepted for later)
    #[arg(long)]
    pub(crate) no_browser: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The configuration file
    pub(crate) config: PathBuf,
    /// A folder with `providers/*.yaml` and `models/*.yaml` that override the built-in catalog
    #[arg(long, value_name = "FOLDER", env = "RINGMAIN_CATALOG")]
    pub(crate) catalog: Option<PathBuf>,
    /// Print the problems as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Models {
    /// Only models whose provider or name contains this text
    pub(crate) filter: Option<String>,
    /// A folder with `providers/*.yaml` and `models/*.yaml` that override the built-in catalog
    #[arg(long, value_name = "FOLDER", env = "RINGMAIN_CATALOG")]
    pub(crate) catalog: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// The configuration file; its keys need not be real
    pub(crate) config: PathBuf,
    /// What callers and providers do (YAML); see scenarios/
    #[arg(long, value_name = "FILE")]
    pub(crate) scenario: PathBuf,
    /// All chance comes from it: the same seed, the same numbers
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Write a picture (SVG)
    #[arg(long, value_name = "FILE")]
    pub(crate) chart: Option<PathBuf>,
    /// Print the numbers as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// What to compare with: `order` (plain ordered retry), `none`, or another configuration file
    #[arg(long, value_name = "RULES", default_value = "order")]
    pub(crate) against: String,
    /// A folder with `providers/*.yaml` and `models/*.yaml` that override the built-in catalog
    #[arg(long, value_name = "FOLDER", env = "RINGMAIN_CATALOG")]
    pub(crate) catalog: Option<PathBuf>,
}

/// A command that is promised and not there yet takes whatever it will take.
#[derive(Debug, Args)]
pub(crate) struct Later {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    pub(crate) _arguments: Vec<String>,
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed = ringmain_core::time::parse_duration(text).filter(|duration| !duration.is_zero());
    parsed.ok_or_else(|| "expected a duration such as 30s or 2m".to_owned())
}

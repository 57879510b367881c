//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ringmain_core::{Dialect, Limit, Operation, Scope};

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
    /// Say in words what the rules will do: for every route, or which targets one request gets, in which order, and why
    /// the others not
    Explain(Box<Explain>),
    /// Say what the rules would do in an outage: success, latency, cost, attempts, under virtual time
    Simulate(Simulate),
    /// Decide recorded traffic again under other rules, and say what would have gone elsewhere
    Replay(Replay),
    /// Create, list and revoke virtual keys
    #[command(subcommand)]
    Keys(Keys),
    /// Create, list and revoke tokens of machines for the admin API
    #[command(subcommand)]
    Tokens(Tokens),
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

/// Without a request: every route. With `--model` or `--request`: that request. Keys need not be there.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The configuration file
    pub(crate) config: PathBuf,
    /// A file with the body of a request, as it would be sent; what its targets would not see of it is told too
    #[arg(long, value_name = "FILE", conflicts_with_all = ["model", "operation", "dialect", "stream", "tokens", "needs"])]
    pub(crate) request: Option<PathBuf>,
    /// The path it would be sent to
    #[arg(long, value_name = "PATH", default_value = "/v1/chat/completions", requires = "request")]
    pub(crate) path: String,
    /// The model the request asks for
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// What it asks: chat, embeddings, images, …; chat if not said
    #[arg(long)]
    pub(crate) operation: Option<Operation>,
    /// The caller's dialect: openai-chat, anthropic-messages, gemini, …; openai-chat if not said
    #[arg(long)]
    pub(crate) dialect: Option<Dialect>,
    /// It asks for a stream
    #[arg(long)]
    pub(crate) stream: bool,
    /// Its input tokens, such as 1200 or 60k
    #[arg(long, value_name = "COUNT", default_value = "0", value_parser = count)]
    pub(crate) tokens: u64,
    /// The most output tokens it allows
    #[arg(long, value_name = "COUNT", value_parser = count)]
    pub(crate) max_output: Option<u64>,
    /// What it needs of a model: tools, vision, json_schema, …
    #[arg(long, value_name = "CAPABILITY", value_delimiter = ',')]
    pub(crate) needs: Vec<String>,
    /// A header it carries
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) header: Vec<(String, String)>,
    /// The virtual key it comes with, by its name in the file
    #[arg(long, value_name = "NAME")]
    pub(crate) key: Option<String>,
    /// A tag it carries in x-ringmain-tag
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) tag: Vec<(String, String)>,
    /// The time its caller gives it, as in x-ringmain-timeout
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// A folder with `providers/*.yaml` and `models/*.yaml` that override the built-in catalog
    #[arg(long, value_name = "FOLDER", env = "RINGMAIN_CATALOG")]
    pub(crate) catalog: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The configuration file with the rules to try
    pub(crate) config: PathBuf,
    /// How far back, such as 1h or 7d
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = duration)]
    pub(crate) since: Duration,
    /// The database with the records, a SQLite file or `postgres://…`; if not said, `state.database` of the configuration
    #[arg(long, value_name = "DATABASE")]
    pub(crate) records: Option<String>,
    /// A folder with `providers/*.yaml` and `models/*.yaml` that override the built-in catalog
    #[arg(long, value_name = "FOLDER", env = "RINGMAIN_CATALOG")]
    pub(crate) catalog: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Models {
    /// Only models whose provider or name contains this text
    pub(crate) filter: Option<String>,
    /// List the providers instead: their kinds, and the environment variables that are read for each
    #[arg(long)]
    pub(crate) providers: bool,
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

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Make a key, and show it this once
    Create(CreateKey),
    /// List every key: names, groups, limits, and whether it is in force
    List(ListKeys),
    /// Revoke a key; gateways that run refuse it within 5 seconds
    Revoke(RevokeKey),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Tokens {
    /// Make a token, and show it this once
    Create(CreateToken),
    /// List every token: names, scopes, and whether it is in force
    List(ListKeys),
    /// Revoke a token; it is refused at once
    Revoke(RevokeToken),
}

#[derive(Debug, Args)]
pub(crate) struct CreateToken {
    /// What to call it; the audit log names it so
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// What it may ask (may be repeated): `analytics:read`, `keys:write`, `*:read`
    #[arg(long, value_name = "AREA:read|write", required = true)]
    pub(crate) scope: Vec<Scope>,
    /// When it ends: a duration such as 30d, or a date such as 2027-01-31
    #[arg(long, value_name = "WHEN")]
    pub(crate) expires: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) database: Database,
}

#[derive(Debug, Args)]
pub(crate) struct RevokeToken {
    /// Its name or id
    #[arg(value_name = "NAME")]
    pub(crate) token: String,
    #[command(flatten)]
    pub(crate) database: Database,
}

/// Where keys are kept.
#[derive(Debug, Args)]
pub(crate) struct Database {
    /// The configuration file, whose `state.database` holds the keys
    #[arg(long, value_name = "FILE", env = "RINGMAIN_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// The database itself: a SQLite file, or `postgres://…` (whose password other users of this machine may see here)
    #[arg(long, value_name = "DATABASE")]
    pub(crate) database: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct CreateKey {
    /// What to call it
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The same, as an option
    #[arg(long = "name", value_name = "NAME", conflicts_with = "name", hide = true)]
    pub(crate) named: Option<String>,
    /// The group it belongs to, such as acme/search
    #[arg(long, value_name = "PATH")]
    pub(crate) group: Option<String>,
    /// When it ends: a duration such as 30d, or a date such as 2027-01-31
    #[arg(long, value_name = "WHEN")]
    pub(crate) expires: Option<String>,
    /// A route it may take (name or glob; may be repeated); any if none is said
    #[arg(long, value_name = "ROUTE")]
    pub(crate) route: Vec<String>,
    /// A model it may ask for (name or glob; may be repeated); any if none is said
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Vec<String>,
    /// A tag its requests carry (may be repeated)
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) tag: Vec<(String, String)>,
    /// What it may use (may be repeated): "60 requests/minute", "2M tokens/day", "$50/month", "10 at once"
    #[arg(long, value_name = "LIMIT")]
    pub(crate) limit: Vec<Limit>,
    /// Once a limit on money or tokens is used up: `error` (429), or `route:NAME`
    #[arg(long, value_name = "WHAT")]
    pub(crate) on_exhausted: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) database: Database,
}

#[derive(Debug, Args)]
pub(crate) struct ListKeys {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) database: Database,
}

#[derive(Debug, Args)]
pub(crate) struct RevokeKey {
    /// Its name or id
    #[arg(value_name = "NAME")]
    pub(crate) key: String,
    #[command(flatten)]
    pub(crate) database: Database,
}

/// `1200`, `60k`, `1.5m`
fn count(text: &str) -> Result<u64, String> {
    let (number, scale) = match text.trim().to_ascii_lowercase() {
        text if text.ends_with('k') => (text.trim_end_matches('k').to_owned(), 1e3),
        text if text.ends_with('m') => (text.trim_end_matches('m').to_owned(), 1e6),
        text => (text, 1.0),
    };
    let parsed = number.parse::<f64>().ok().map(|number| (number * scale).round());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the range that is checked")]
    let whole = parsed.filter(|number| (0.0..=1e12).contains(number)).map(|number| number as u64);
    whole.ok_or_else(|| "expected a number such as 1200 or 60k".to_owned())
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| "expected NAME=VALUE".to_owned())?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed = ringmain_core::time::parse_duration(text).filter(|duration| !duration.is_zero());
    parsed.ok_or_else(|| "expected a duration such as 30s or 2m".to_owned())
}

//! Where log lines go.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Sends log lines to standard error: text on a terminal and JSON elsewhere, unless `format` says otherwise. `filter`
/// is in the form of `RUST_LOG`; `info` if absent. Does nothing when logging is already set up.
pub fn init(format: Option<Format>, filter: Option<&str>) {
    let filter = EnvFilter::try_new(filter.unwrap_or("info")).unwrap_or_else(|_| EnvFilter::new("info"));
    let terminal = std::io::stderr().is_terminal();
    let format = format.unwrap_or(if terminal { Format::Text } else { Format::Json });
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let _ = match format {
        Format::Text => builder.with_ansi(terminal).try_init(),
        Format::Json => builder.json().flatten_event(true).try_init(),
    };
}

//! One command of a longer run: its output goes on as it comes, and its test summaries are counted.

use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result};

use crate::tally::Tally;

/// What a command came to.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Ran {
    pub(crate) success: bool,
    pub(crate) tally: Tally,
    /// Whether a test summary was printed; without one, a failed test run did not get as far as running tests.
    pub(crate) summarised: bool,
}

/// Runs a command to its end.
///
/// # Errors
/// The program cannot be started.
pub(crate) fn run(command: &mut Command) -> Result<Ran> {
    let program = command.get_program().to_string_lossy().into_owned();
    if std::io::stdout().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot run {program}"))?;
    let errors = child.stderr.take().map(|pipe| thread::spawn(move || pass_on(pipe, &mut std::io::stderr())));
    let mut ran = child.stdout.take().map(|pipe| pass_on(pipe, &mut std::io::stdout())).unwrap_or_default();
    if let Some(errors) = errors.and_then(|thread| thread.join().ok()) {
        ran.tally += errors.tally;
        ran.summarised |= errors.summarised;
    }
    ran.success = child.wait().with_context(|| format!("lost {program}"))?.success();
    Ok(ran)
}

/// Copies lines through and counts the summaries among them. A line that cannot be written is still counted.
fn pass_on(pipe: impl Read, out: &mut impl Write) -> Ran {
    let mut ran = Ran::default();
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        let _ = out.write_all(&line).and_then(|()| out.flush());
        if let Some(tally) = Tally::of_line(&String::from_utf8_lossy(&line)) {
            ran.tally += tally;
            ran.summarised = true;
        }
        line.clear();
    }
    ran
}

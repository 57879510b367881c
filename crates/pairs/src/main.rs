//! Prints the table, and writes the page.
#![expect(clippy::print_stdout, reason = "a command line tool speaks on its standard streams")]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use ringmain_pairs::{Outcome, Splits, cross, folder, page, table};

#[derive(Parser)]
#[command(about = "Recorded traffic through every pair of dialects")]
struct Arguments {
    /// The folder of recordings
    #[arg(long)]
    recordings: Option<PathBuf>,
    /// Cut every stream at every byte, however long that takes
    #[arg(long)]
    every_split: bool,
    /// Write docs/pairs.md
    #[arg(long)]
    write: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let splits = if arguments.every_split { Splits::Every } else { Splits::Some };
    let (recordings, crossings) = cross(&arguments.recordings.unwrap_or_else(folder), splits)?;
    let text = table::page(&recordings, &crossings);
    println!("{text}");
    if arguments.write {
        std::fs::write(page(), &text)?;
    }
    let failed = crossings.iter().any(|crossing| matches!(crossing.outcome, Outcome::Failed(_)));
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

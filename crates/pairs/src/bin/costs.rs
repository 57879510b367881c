//! Prints what recorded traffic costs, and writes the page.
#![expect(clippy::print_stdout, reason = "a command line tool speaks on its standard streams")]

use std::path::PathBuf;

use clap::Parser;
use ringmain_pairs::{costs, costs_page, folder};

#[derive(Parser)]
#[command(about = "What recorded traffic costs")]
struct Arguments {
    /// The folder of recordings
    #[arg(long)]
    recordings: Option<PathBuf>,
    /// Each exchange on a line of its own: name, target, cost in dollars
    #[arg(long)]
    each: bool,
    /// Write docs/costs.md
    #[arg(long)]
    write: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let bills = costs::bills(&arguments.recordings.unwrap_or_else(folder))?;
    if arguments.each {
        for bill in &bills {
            let cost = match bill.outcome {
                costs::Outcome::Priced(cost) | costs::Outcome::Told(cost) => format!("{:.12}", cost.as_dollars()),
                costs::Outcome::Unpriced(why) => why.words(),
            };
            println!("{}\t{}\t{cost}", bill.id, bill.target);
        }
        return Ok(());
    }
    let text = costs_page::page(&bills);
    println!("{text}");
    if arguments.write {
        std::fs::write(ringmain_pairs::costs_file(), &text)?;
    }
    Ok(())
}

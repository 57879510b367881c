//! The `provider-sim` command.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use ringmain_provider_sim::{FAULTS, Script, Sim, SimConfig};

/// Play OpenAI, Anthropic, Gemini and Cohere servers on this machine, with faults on demand.
///
/// Give a client http://ADDRESS/p/LABEL (OpenAI clients: http://ADDRESS/p/LABEL/v1) as its base URL; each LABEL is a
/// provider of its own in the script, the log and the control API under /_sim/. Without /p/LABEL the label is the
/// vendor's name. A model named `sim-FAULT` or `anything@FAULT` fails in that way; `--faults` lists them.
#[derive(Debug, Parser)]
#[command(name = "provider-sim", version)]
struct Args {
    /// Where to listen; only loopback addresses are accepted
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9000")]
    listen: SocketAddr,

    /// A YAML script: what each provider does when, and the keys it accepts
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,

    /// A folder of recorded exchanges to answer from before making answers up
    #[arg(long, value_name = "DIR")]
    recordings: Option<PathBuf>,

    /// Worker threads; one per processor by default
    #[arg(long, value_name = "N")]
    workers: Option<usize>,

    /// Requests kept in the log under /_sim/log; 0 for none, which a bench wants
    #[arg(long, value_name = "N", default_value_t = 4096)]
    log: usize,

    /// Print the table of faults and leave
    #[arg(long)]
    faults: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let result = if args.faults { print_faults() } else { run(args) };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "provider-sim: {error}");
            ExitCode::FAILURE
        }
    }
}

fn print_faults() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for row in FAULTS {
        writeln!(out, "{:<28} {}", row.example, row.what)?;
    }
    Ok(())
}

fn run(args: Args) -> io::Result<()> {
    let script = match &args.script {
        Some(path) => {
            let in_file = |error: &dyn std::fmt::Display| io::Error::other(format!("{}: {error}", path.display()));
            let text = std::fs::read_to_string(path).map_err(|error| in_file(&error))?;
            Script::parse(&text).map_err(|error| in_file(&error))?
        }
        None => Script::default(),
    };
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(workers) = args.workers {
        builder.worker_threads(workers.clamp(1, 1024));
    }
    let missing = args.recordings.clone().filter(|folder| !folder.is_dir());
    let config = SimConfig {
        listen: args.listen,
        script,
        recordings: args.recordings,
        log_capacity: args.log,
        ..SimConfig::default()
    };
    builder.enable_all().build()?.block_on(async {
        let sim = Sim::start(config).await?;
        let mut out = io::stdout();
        if let Some(folder) = missing {
            writeln!(out, "no recordings: {} is not a folder", folder.display())?;
        }
        if sim.recordings() > 0 {
            writeln!(out, "{} recordings", sim.recordings())?;
        }
        writeln!(out, "listening on http://{}", sim.address())?;
        tokio::select! {
            () = sim.run() => Ok(()),
            signal = tokio::signal::ctrl_c() => signal,
        }
    })
}

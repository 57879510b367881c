//! A fleet: three gateways that share a real Redis and a real PostgreSQL, under load, while each of the two is frozen,
//! killed, slow or full. No request may fail, none may be slower than it was by more than 5 ms in a hundred, an alarm must
//! be raised, and afterwards every limit and every row must be right without a restart.

mod cases;
mod crash;
mod load;
mod proxy;
mod servers;
mod world;

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;

#[derive(Args)]
pub(crate) struct Options {
    /// The built gateway
    #[arg(long, value_name = "PATH")]
    ringmain: PathBuf,
    /// How long each part of a case lasts, in seconds
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// How often the crash test kills the gateway; 200 in a whole run
    #[arg(long, default_value_t = 10)]
    kills: u64,
    /// Only cases whose name holds this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

impl Options {
    /// How long each part of a case lasts.
    const fn part(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

type Case<'a> = (&'static str, Pin<Box<dyn Future<Output = Result<String>> + 'a>>);

/// Runs every case; true when all passed.
///
/// # Errors
/// The runtime does not start.
pub(crate) fn command(options: &Options) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(options))
}

async fn run(options: &Options) -> Result<bool> {
    let start = Instant::now();
    if let Some(missing) = servers::missing() {
        println!("skipped: there is no {missing} here");
        println!("test result: ok. 0 passed; 0 failed; finished in 0.0 s");
        return Ok(true);
    }
    let (mut passed, mut failed) = (0, 0);
    for (name, case) in cases(options) {
        if options.only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        let began = Instant::now();
        let outcome = case.await;
        let took = began.elapsed().as_secs_f64();
        match outcome {
            Ok(said) => {
                passed += 1;
                println!("ok      {name} ({took:.1} s): {said}");
            }
            Err(error) => {
                failed += 1;
                println!("FAILED  {name} ({took:.1} s): {error:#}");
            }
        }
    }
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "test result: {word}. {passed} passed; {failed} failed; finished in {:.1} s",
        start.elapsed().as_secs_f64()
    );
    Ok(failed == 0)
}

fn cases(options: &Options) -> Vec<Case<'_>> {
    use servers::Fault::{Frozen, Full, Killed, Slow};
    let mut all: Vec<Case<'_>> = vec![
        ("three processes hold one limit", Box::pin(cases::one_limit(options))),
        ("a revoked key is refused everywhere", Box::pin(cases::revoked(options))),
        ("an outage is learned once", Box::pin(cases::outage_once(options))),
    ];
    let redis = |fault| cases::redis_out(options, fault);
    all.push(("Redis frozen", Box::pin(redis(Frozen))));
    all.push(("Redis killed", Box::pin(redis(Killed))));
    all.push(("Redis slow by 2 s", Box::pin(redis(Slow))));
    all.push(("Redis full", Box::pin(redis(Full))));
    let postgres = |fault| cases::postgres_out(options, fault);
    all.push(("PostgreSQL frozen", Box::pin(postgres(Frozen))));
    all.push(("PostgreSQL killed", Box::pin(postgres(Killed))));
    all.push(("PostgreSQL slow by 2 s", Box::pin(postgres(Slow))));
    all.push(("PostgreSQL full", Box::pin(postgres(Full))));
    all.push(("killed over and over on PostgreSQL", Box::pin(crash::on_postgres(options))));
    all
}

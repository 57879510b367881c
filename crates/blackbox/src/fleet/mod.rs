//! A fleet: three gateways that share a real Redis and a real PostgreSQL, under load, while each of the two is frozen,
//! killed, slow or full. No request may fail, none may be slower than it was by more than 5 ms in a hundred, an alarm must
//! be raised, and afterwards every limit and every row must be right without a restart.

mod calm;
mod cases;
mod crash;
mod ledger;
mod load;
mod proxy;
mod rounds;
mod servers;
mod tls;
mod world;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;

use load::Load;
use servers::Fault;
use world::World;

#[derive(Args)]
pub(crate) struct Options {
    /// The built gateway
    #[arg(long, value_name = "PATH")]
    ringmain: PathBuf,
    /// These are release builds, whose figures are to be judged: parts are long enough for a p99 of thousands
    #[arg(long)]
    release: bool,
    /// How long each part of a case lasts, in seconds: 3, of release builds 12
    #[arg(long)]
    seconds: Option<u64>,
    /// Requests a second over all gateways: 90, of release builds 200
    #[arg(long)]
    rate: Option<u64>,
    /// Old rows that are taken out, and as many sums that are asked about: 20,000, of release builds 200,000
    #[arg(long)]
    rows: Option<u64>,
    /// How often the crash test kills the gateway; 200 in a whole run
    #[arg(long, default_value_t = 10)]
    kills: u64,
    /// Only cases whose name holds this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

impl Options {
    /// What is asked in each part of a case.
    fn load(&self) -> Load {
        let (seconds, rate) = if self.release { (12, 200) } else { (3, 90) };
        Load { rate: self.rate.unwrap_or(rate), time: Duration::from_secs(self.seconds.unwrap_or(seconds)) }
    }

    fn rows(&self) -> u64 {
        self.rows.unwrap_or(if self.release { 200_000 } else { 20_000 })
    }

    fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.contains(only.as_str()))
    }
}

/// What is tried, one after the other with the same three gateways.
#[derive(Clone, Copy)]
enum Case {
    OneLimit,
    Revoked,
    RevokedAlone,
    Redis(Fault),
    Postgres(Fault),
    BothOut,
    OutageOnce,
    Tls,
    CalmOnSqlite,
    CalmOnPostgres,
    Crash,
}

/// All of them. A provider that is out stays so: the case that needs one comes after those with load.
const CASES: [(&str, Case); 17] = [
    ("three processes hold one limit", Case::OneLimit),
    ("a revoked key is refused everywhere", Case::Revoked),
    ("a revoked key is refused everywhere without Redis", Case::RevokedAlone),
    ("Redis frozen", Case::Redis(Fault::Frozen)),
    ("Redis killed", Case::Redis(Fault::Killed)),
    ("Redis slow by 2 s", Case::Redis(Fault::Slow)),
    ("Redis full", Case::Redis(Fault::Full)),
    ("PostgreSQL frozen", Case::Postgres(Fault::Frozen)),
    ("PostgreSQL killed", Case::Postgres(Fault::Killed)),
    ("PostgreSQL slow by 2 s", Case::Postgres(Fault::Slow)),
    ("PostgreSQL full", Case::Postgres(Fault::Full)),
    ("Redis and PostgreSQL killed", Case::BothOut),
    ("an outage is learned once", Case::OutageOnce),
    ("TLS to both, or nothing", Case::Tls),
    ("heavy questions and retention are not noticed, SQLite", Case::CalmOnSqlite),
    ("heavy questions and retention are not noticed, PostgreSQL", Case::CalmOnPostgres),
    ("killed over and over on PostgreSQL", Case::Crash),
];

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
    let mut world = World::start(options).await?;
    println!("three gateways are up after {:.1} s", start.elapsed().as_secs_f64());
    let (mut passed, mut failed) = (0, 0);
    for (name, case) in CASES.into_iter().filter(|(name, _)| options.wants(name)) {
        let began = Instant::now();
        let outcome = one(case, options, &mut world).await;
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

async fn one(case: Case, options: &Options, world: &mut World) -> Result<String> {
    match case {
        Case::OneLimit => cases::one_limit(world).await,
        Case::Revoked => cases::revoked(world).await,
        Case::RevokedAlone => cases::revoked_alone(world).await,
        Case::BothOut => cases::both_out(options, world).await,
        Case::Redis(fault) => cases::redis_out(options, world, fault).await,
        Case::Postgres(fault) => cases::postgres_out(options, world, fault).await,
        Case::OutageOnce => cases::outage_once(world).await,
        Case::Tls => tls::both(options, world).await,
        Case::CalmOnSqlite => calm::on_sqlite(options).await,
        Case::CalmOnPostgres => calm::on_postgres(options).await,
        Case::Crash => crash::on_postgres(options).await,
    }
}

//! What must hold of a fleet.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ringmain_provider_sim::Behavior;

use super::Options;
use super::load::{self, Part};
use super::rounds::Rounds;
use super::servers::Fault;
use super::world::{FEW, KEY, World, metric};
use crate::client;

/// Requests in the ledger, and in its sums.
pub(super) const ROWS: &str = "SELECT count(*) FROM ringmain.requests";
pub(super) const SUMMED: &str =
    "SELECT coalesce(sum(requests), 0)::bigint FROM ringmain.sums WHERE grain = 2 AND slice = ''";
/// What three processes may serve of a limit of thirty on a machine that is too busy for them to hear Redis: it gave all of
/// it away, and two that had not heard of that used a third each. Whoever heard the last of it knows that nothing is left.
const SERVED_AT_MOST: usize = 50;
/// How often a gateway is asked what all have used.
const TELLINGS: i64 = 20;
/// How soon a revoked key must be refused everywhere.
const REVOKED_WITHIN: Duration = Duration::from_secs(5);

/// Ninety requests at once through three gateways, where thirty are allowed.
pub(super) async fn one_limit(world: &World) -> Result<String> {
    let mut asked = tokio::task::JoinSet::new();
    for address in world.addresses().into_iter().cycle().take(90) {
        asked.spawn(load::one(address, FEW));
    }
    let (mut served, mut limited) = (0, 0);
    while let Some(got) = asked.join_next().await {
        let got = got??;
        match got.status.as_u16() {
            200 => served += 1,
            429 => limited += 1,
            other => anyhow::bail!("{other}: {}", String::from_utf8_lossy(&got.body)),
        }
    }
    let mut alone = 0;
    for gateway in &world.gateways {
        alone += metric(gateway.admin, "ringmain_shared_unanswered_questions").await?;
    }
    let said = format!("{served} served, {limited} refused, {alone} questions unanswered");
    let right = if alone == 0 { served == 30 } else { (30..=SERVED_AT_MOST).contains(&served) };
    ensure!(right && served + limited == 90, "{said}");
    Ok(said)
}

/// A key made through one gateway is served by all, and revoked through one is refused by all.
pub(super) async fn revoked(world: &World) -> Result<String> {
    let admin = world.first()?;
    let made = client::post(admin, "/api/keys", r#"{"name":"passing"}"#.to_owned()).await?;
    let made: serde_json::Value = serde_json::from_slice(&made.body)?;
    let key = made["key"].as_str().with_context(|| format!("no key in {made}"))?;
    let took = until_all(world, key, 200).await?;
    let path = format!("/api/keys/{}", made["id"].as_str().unwrap_or("passing"));
    let gone = client::delete(admin, &path).await?;
    ensure!(gone.status.is_success(), "{}: {}", gone.status, String::from_utf8_lossy(&gone.body));
    let refused = until_all(world, key, 401).await?;
    ensure!(refused < REVOKED_WITHIN, "refused everywhere after {refused:?}");
    Ok(format!("known everywhere after {took:.1?}, refused everywhere after {refused:.1?}"))
}

/// The same while Redis is gone: keys are followed by asking the database.
pub(super) async fn revoked_alone(world: &mut World) -> Result<String> {
    world.redis.befall(Fault::Killed).await?;
    world.everywhere("ringmain_shared_down", 1).await?;
    let outcome = revoked(world).await;
    world.redis.recover(Fault::Killed).await?;
    world.everywhere("ringmain_shared_down", 0).await?;
    outcome
}

async fn until_all(world: &World, key: &str, status: u16) -> Result<Duration> {
    let began = Instant::now();
    for address in world.addresses() {
        while load::one(address, key).await?.status.as_u16() != status {
            ensure!(began.elapsed() < 2 * REVOKED_WITHIN, "no {status} within {:?}", 2 * REVOKED_WITHIN);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(began.elapsed())
}

/// One gateway finds out that a provider is out; the others never ask it.
pub(super) async fn outage_once(world: &World) -> Result<String> {
    let fault = "overloaded".parse().map_err(|error| anyhow::anyhow!("{error}"))?;
    let asked_before = world.sim.received("a");
    world.sim.set("a", Behavior::failing(fault));
    let addresses = world.addresses();
    let (first, others) = addresses.split_first().context("no gateway")?;
    let attempts = async |address| {
        let got = load::one(address, KEY).await?;
        ensure!(got.status.is_success(), "{}: {}", got.status, String::from_utf8_lossy(&got.body));
        anyhow::Ok(got.mine("attempts") == Some("1"))
    };
    let began = Instant::now();
    while !attempts(*first).await? {
        ensure!(began.elapsed() < Duration::from_secs(20), "the first never found out");
    }
    let asked = world.sim.received("a");
    tokio::time::sleep(Duration::from_secs(1)).await;
    for address in others.iter().cycle().take(20) {
        ensure!(attempts(*address).await?, "another gateway asked the provider that is out");
    }
    ensure!(world.sim.received("a") == asked, "the provider that is out was asked again");
    Ok(format!("asked {} times by one gateway, never by the others", asked - asked_before))
}

/// Redis is out for a while: nobody fails or waits, an alarm is raised, and afterwards all that was used is counted.
pub(super) async fn redis_out(options: &Options, world: &mut World, fault: Fault) -> Result<String> {
    let gateways = world.addresses();
    let (used_before, _) = told(world, &gateways).await?;
    let (said, answered) = in_turns(options, &gateways, async || {
        world.redis.befall(fault).await?;
        let during = load::run(&gateways, KEY, options.load()).await;
        world.everywhere("ringmain_shared_down", 1).await?;
        world.redis.recover(fault).await?;
        world.everywhere("ringmain_shared_down", 0).await?;
        Ok(during)
    })
    .await?;
    world.everywhere("ringmain_shared_untold_settlements", 0).await?;
    // Those that asked for it are counted too.
    let (used, asked) = told(world, &gateways).await?;
    let used = used - used_before - asked;
    ensure!(used == answered, "{answered} were answered, and {used} are counted");
    for gateway in &world.gateways {
        ensure!(metric(gateway.admin, "ringmain_shared_lost_settlements").await? == 0, "settlements are lost");
    }
    Ok(format!("{said}, {used} counted"))
}

/// Something befalls the fleet while it is asked, until it is plain whether anybody waited for it; what is said of that, and
/// how many were answered. `trouble`: the requests of one time, after which all is as it was.
async fn in_turns(
    options: &Options,
    gateways: &[SocketAddr],
    mut trouble: impl AsyncFnMut() -> Result<Part>,
) -> Result<(String, i64)> {
    let mut rounds = Rounds::new(load::run(gateways, KEY, options.load()).await)?;
    loop {
        let during = trouble().await?;
        rounds.add(during, load::run(gateways, KEY, options.load()).await)?;
        if let Some(said) = rounds.verdict()? {
            return Ok((said, rounds.answered()));
        }
    }
}

/// What all have used, as the first gateway hears with a request of its own; and how many it took, which are counted too.
async fn told(world: &World, gateways: &[SocketAddr]) -> Result<(i64, i64)> {
    let [first, ..] = gateways else { anyhow::bail!("no gateway") };
    world.everywhere("ringmain_shared_untold_settlements", 0).await?;
    for asked in 1..=TELLINGS {
        let before = unanswered(world).await?;
        let got = load::one(*first, KEY).await?;
        ensure!(got.status.is_success(), "{}: {}", got.status, String::from_utf8_lossy(&got.body));
        // On a machine that is too busy to hear Redis in time, it heard nothing.
        if metric(world.first()?, "ringmain_shared_down").await? == 0 && unanswered(world).await? == before {
            return Ok((world.used().await?, asked));
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    anyhow::bail!("Redis never answered the first gateway in time")
}

async fn unanswered(world: &World) -> Result<i64> {
    metric(world.first()?, "ringmain_shared_unanswered_questions").await
}

/// PostgreSQL is out for a while: the same, and afterwards every request has its row, once.
pub(super) async fn postgres_out(options: &Options, world: &mut World, fault: Fault) -> Result<String> {
    let gateways = world.addresses();
    written(world).await?;
    let (rows_before, summed_before) = (world.postgres.count(ROWS).await?, world.postgres.count(SUMMED).await?);
    let (said, answered) = in_turns(options, &gateways, async || {
        written(world).await?;
        world.postgres.befall(fault).await?;
        let during = load::run(&gateways, KEY, options.load()).await;
        world.everywhere("ringmain_ledger_down", 1).await?;
        world.postgres.recover(fault).await?;
        Ok(during)
    })
    .await?;
    written(world).await?;
    let rows = world.postgres.count(ROWS).await? - rows_before;
    let summed = world.postgres.count(SUMMED).await? - summed_before;
    ensure!(rows == answered && summed == answered, "{answered} were answered; {rows} rows, {summed} summed");
    for gateway in &world.gateways {
        ensure!(metric(gateway.admin, "ringmain_ledger_lost_records").await? == 0, "records are lost");
    }
    Ok(format!("{said}, {rows} rows"))
}

/// Waits until the database is there and has everything.
async fn written(world: &World) -> Result<()> {
    world.everywhere("ringmain_ledger_down", 0).await?;
    world.everywhere("ringmain_ledger_behind_records", 0).await
}

/// Both are gone: every process serves with the keys it knows, its part of each limit, and its journal.
pub(super) async fn both_out(options: &Options, world: &mut World) -> Result<String> {
    let gateways = world.addresses();
    written(world).await?;
    let rows_before = world.postgres.count(ROWS).await?;
    let (said, answered) = in_turns(options, &gateways, async || {
        written(world).await?;
        world.redis.befall(Fault::Killed).await?;
        world.postgres.befall(Fault::Killed).await?;
        let during = load::run(&gateways, KEY, options.load()).await;
        world.everywhere("ringmain_shared_down", 1).await?;
        world.everywhere("ringmain_ledger_down", 1).await?;
        let stranger = load::one(*gateways.first().context("no gateway")?, "sk-nobody").await?;
        ensure!(stranger.status == 401, "a key that nobody knows got {}", stranger.status);
        world.redis.recover(Fault::Killed).await?;
        world.postgres.recover(Fault::Killed).await?;
        world.everywhere("ringmain_shared_down", 0).await?;
        Ok(during)
    })
    .await?;
    written(world).await?;
    let rows = world.postgres.count(ROWS).await? - rows_before;
    ensure!(rows == answered, "{answered} were answered; {rows} rows");
    Ok(format!("{said}, {rows} rows"))
}

//! Limits of several processes in a real Redis: what memory cannot show.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ringmain_core::{WallTime, calendar::parse_date};

use super::servers::{Redis, until};
use crate::quota::{Amounts, Exhausted, Grant, LimitId};
use crate::redis::{Quotas, Settings};
use crate::shared::{HealthShare, Limits, Outage, Remote};
use crate::tls::Trust;

fn connect(url: &str, process: u64, settings: Settings) -> (Arc<Quotas>, Limits) {
    let quotas = Arc::new(Quotas::start(url, &Trust::default(), settings, process).unwrap());
    until("Redis answers", || !quotas.gauges().down);
    let limits = Limits::default();
    limits.share(Arc::clone(&quotas) as _);
    (quotas, limits)
}

/// A machine under load may take longer than the 20 ms that a request would wait.
fn patient() -> Settings {
    Settings { patience: Duration::from_secs(2), ..Settings::default() }
}

fn limit(text: &str) -> LimitId {
    LimitId::new("group:acme".into(), text.parse().unwrap())
}

fn noon(second: u64) -> WallTime {
    WallTime(parse_date("2026-11-29T12:00:00Z").unwrap().0 + second * 1000)
}

const fn tokens(tokens: u64) -> Amounts {
    Amounts { tokens, nanos: 0 }
}

fn ask(limits: &Limits, ids: &[LimitId], amount: Amounts, second: u64) -> Result<Grant, Exhausted> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(limits.reserve(&ids.into(), amount, false, noon(second)))
}

fn told(quotas: &Quotas) {
    until("all settlements are told", || quotas.gauges().untold == 0);
}

#[test]
fn processes_hold_one_limit_together() {
    let Some(server) = Redis::start() else { return };
    let (quotas, one) = connect(&server.url(), 1, patient());
    let (_, two) = connect(&server.url(), 2, patient());
    let ids = [limit("100 tokens/day"), limit("3 at once"), limit("10 requests/60s")];
    let first = ask(&one, &ids, tokens(60), 0).unwrap();
    let full = ask(&two, &ids, tokens(50), 0).unwrap_err();
    assert_eq!((full.at, full.returns), (0, Some(Duration::from_secs(1))), "what is reserved may come back");
    one.settle(first, tokens(10), noon(1));
    told(&quotas);
    let rest = ask(&two, &ids[..1], tokens(90), 1).unwrap();
    assert_eq!(two.standing(&ids[0], noon(1)).used, 10, "it heard what the other had used");
    let full = ask(&one, &ids[..1], tokens(1), 2).unwrap_err();
    assert_eq!(full.returns, Some(Duration::from_secs(12 * 3600 - 2)), "with the next day at the latest");
    let next_day = ask(&one, &ids[..1], tokens(10), 12 * 3600).unwrap();
    assert_eq!(ask(&one, &ids[..1], tokens(101), 0).unwrap_err().returns, None, "it is larger than the limit");
    let running: Vec<_> = [1, 2, 3].map(|second| ask(&two, &ids[1..], tokens(0), second).unwrap()).into();
    let full = ask(&one, &ids[1..], tokens(0), 4).unwrap_err();
    assert_eq!((full.at, full.returns), (0, Some(Duration::from_secs(1))), "three are running");
    assert!(ask(&one, &ids[1..2], tokens(0), 3600).is_ok(), "leases of the dead end");
    drop((rest, next_day, running));
}

#[test]
fn a_store_that_knows_nothing_begins_with_what_a_process_knows() {
    let Some(server) = Redis::start() else { return };
    let (_, one) = connect(&server.url(), 1, patient());
    let ids = [limit("$1/month")];
    let money = |nanos| Amounts { tokens: 0, nanos };
    one.seed(&ids[0], &[(noon(0), 600_000_000)], noon(0));
    assert!(ask(&one, &ids, money(500_000_000), 0).is_err());
    assert!(ask(&one, &ids, money(400_000_000), 0).is_ok());
}

/// How long Redis keeps the keys that end so, in milliseconds: the shortest.
fn kept(server: &Redis, end: &str) -> u64 {
    let life = |name: &str| {
        let said = server.say(&format!("PTTL \"{name}\""));
        said.lines().find_map(|line| line.strip_prefix(':')?.parse().ok()).unwrap_or_default()
    };
    names(server, end).iter().map(|name| life(name)).min().unwrap_or_default()
}

fn names(server: &Redis, end: &str) -> Vec<String> {
    let said = server.say(&format!("KEYS *:{end}"));
    said.lines().filter(|line| line.starts_with("{ringmain}")).map(ToOwned::to_owned).collect()
}

fn each(server: &Redis, end: &str, command: &str, rest: &str) {
    for name in names(server, end) {
        server.say(&format!("{command} \"{name}\" {rest}"));
    }
}

/// A limit of which everything is held, while nobody settles and all are refused: its leases must be there when they end.
#[test]
fn what_is_held_is_known_until_its_leases_have_ended() {
    const LEASE: u64 = 15 * 60;
    let Some(server) = Redis::start() else { return };
    let (quotas, one) = connect(&server.url(), 1, patient());
    let ids = [limit("2 at once"), limit("100 tokens/minute")];
    let held = [(); 2].map(|()| ask(&one, &ids, tokens(50), 0).unwrap());
    let expect_kept = |what| {
        for end in ["used", "held"] {
            let kept = kept(&server, end);
            assert!(kept > LEASE * 1000 + 10_000, "{what}: `{end}` is kept for {kept} ms");
            each(&server, end, "PEXPIRE", "60000");
        }
    };
    expect_kept("reserved");
    for ids in [&ids[..1], &ids[1..]] {
        assert!(ask(&one, ids, tokens(50), 1).is_err());
    }
    expect_kept("refused");
    let [settled, leaked] = held;
    one.settle(settled, tokens(50), noon(2));
    told(&quotas);
    expect_kept("settled");
    assert!(ask(&one, &ids[..1], tokens(0), 3).is_ok());
    assert!(ask(&one, &ids[..1], tokens(0), 3).is_err());
    assert!(ask(&one, &ids, tokens(100), LEASE + 1).is_ok(), "the leaked one has ended");
    drop(leaked);
}

/// Redis may lose either key of a limit and keep the other: nothing is locked out for good, and no place is given twice.
#[test]
fn half_of_a_limit_is_no_limit_for_ever() {
    let Some(server) = Redis::start() else { return };
    let (quotas, one) = connect(&server.url(), 1, patient());
    let ids = [limit("2 at once")];
    let take = || ask(&one, &ids, tokens(0), 0);
    let leaked = [take().unwrap(), take().unwrap()];
    assert!(take().is_err());
    each(&server, "held", "DEL", "");
    let running = [take().unwrap(), take().unwrap()];
    let full = take().unwrap_err();
    assert_eq!(full.returns, Some(Duration::from_secs(1)));
    each(&server, "used", "DEL", "");
    for grant in running {
        one.settle(grant, tokens(0), noon(1));
    }
    told(&quotas);
    let again = [take().unwrap(), take().unwrap()];
    assert!(take().is_err(), "what was given back is not there twice");
    drop((leaked, again));
}

#[test]
fn a_caller_that_leaves_while_redis_is_asked_holds_nothing() {
    let Some(server) = Redis::start() else { return };
    let (quotas, one) = connect(&server.url(), 1, patient());
    let ids = [limit("100 tokens/day"), limit("2 requests/day")].into();
    server.program.signal("-STOP");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let asking = one.reserve(&ids, tokens(100), false, noon(0));
        assert!(tokio::time::timeout(Duration::from_millis(50), asking).await.is_err());
    });
    server.program.signal("-CONT");
    told(&quotas);
    assert!(ask(&one, &ids, tokens(100), 1).is_ok());
}

/// Frozen, it is waited for once; nobody else waits; each keeps to its part; and all is told when it is back, once.
#[test]
fn a_frozen_store_is_waited_for_once_and_told_afterwards() {
    let Some(server) = Redis::start() else { return };
    let settings = Settings { patience: Duration::from_millis(300), ..Settings::default() };
    let (quotas, one) = connect(&server.url(), 1, settings);
    let (_, two) = connect(&server.url(), 2, settings);
    let ids = [limit("100 tokens/day"), limit("8 requests/day")];
    let known = ask(&one, &ids, tokens(20), 0).unwrap();
    until("both are counted", || quotas.gauges().processes == 2);
    server.program.signal("-STOP");
    let began = Instant::now();
    let unsure = ask(&one, &ids, tokens(10), 0).unwrap();
    assert!(quotas.gauges().down && quotas.gauges().unanswered > 0);
    let alone = ask(&one, &ids, tokens(10), 0).unwrap();
    for _ in 0..100 {
        let full = ask(&one, &ids[..1], tokens(21), 0).unwrap_err();
        assert!(full.alone, "80 were left for two: {full:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(3), "nobody else waits");
    for (grant, used) in [(known, 20), (unsure, 10), (alone, 20)] {
        one.settle(grant, tokens(used), noon(1));
    }
    server.program.signal("-CONT");
    until("it is back", || !quotas.gauges().down);
    told(&quotas);
    let asked = Instant::now();
    let rest = loop {
        match ask(&two, &ids[..1], tokens(50), 2) {
            Ok(grant) => break grant,
            Err(full) if full.alone && asked.elapsed() < Duration::from_secs(5) => {}
            Err(full) => panic!("50 tokens have been told, and no more: {full:?}"),
        }
    };
    assert!(ask(&two, &ids[..1], tokens(1), 2).is_err());
    let five: Vec<_> = (0..5).map(|_| ask(&two, &ids[1..], tokens(0), 2).unwrap()).collect();
    assert!(ask(&two, &ids[1..], tokens(0), 2).is_err(), "three requests had been told");
    drop((rest, five));
}

#[test]
fn a_store_that_lost_its_memory_is_told_what_was_known() {
    let Some(server) = Redis::start() else { return };
    let (port, url) = (server.port, server.url());
    let (quotas, one) = connect(&url, 1, patient());
    let ids = [limit("100 tokens/day")];
    let grant = ask(&one, &ids, tokens(70), 0).unwrap();
    one.settle(grant, tokens(70), noon(0));
    told(&quotas);
    drop(server);
    let until_gone = Instant::now();
    while !quotas.gauges().down && until_gone.elapsed() < Duration::from_secs(10) {
        let _ = ask(&one, &ids, tokens(0), 0);
    }
    assert!(quotas.gauges().down);
    let _server = Redis::on(port).unwrap();
    until("it is back", || !quotas.gauges().down);
    assert!(ask(&one, &ids, tokens(31), 1).is_err(), "30 are left");
    assert!(ask(&one, &ids, tokens(30), 1).is_ok());
}

/// A burst on a new connection is no time to find out what Redis has to be told first.
#[test]
fn redis_knows_every_script_before_it_is_asked() {
    let Some(server) = Redis::start() else { return };
    let (quotas, one) = connect(&server.url(), 1, patient());
    let ids = [limit("100 tokens/day")];
    let grant = ask(&one, &ids, tokens(60), 0).unwrap();
    one.settle(grant, tokens(10), noon(1));
    told(&quotas);
    let said = server.say("INFO commandstats");
    let asked = said.lines().find(|line| line.starts_with("cmdstat_evalsha:")).unwrap_or_default();
    assert!(asked.contains("failed_calls=0"), "{said}");
}

#[test]
fn an_address_is_never_repeated() {
    let refused = Quotas::start("redis://:secret@[nowhere", &Trust::default(), Settings::default(), 1).unwrap_err();
    assert!(!format!("{refused} {refused:?}").contains("secret"));
}

#[test]
fn what_one_process_finds_out_the_others_hear_once() {
    let Some(server) = Redis::start() else { return };
    let (one, _) = connect(&server.url(), 1, patient());
    let (two, _) = connect(&server.url(), 2, patient());
    one.tell(Outage { target: "openai/gpt-4o".to_owned(), host: true, length: Duration::from_secs(3) });
    let mut heard = Vec::new();
    until("the other hears", || {
        heard.extend(two.heard());
        !heard.is_empty()
    });
    std::thread::sleep(Duration::from_millis(600));
    assert!(two.heard().is_empty(), "once");
    assert!(one.heard().is_empty(), "not its own");
    let [Outage { target, host: true, length }] = &heard[..] else { panic!("{heard:?}") };
    assert!(target == "openai/gpt-4o" && *length <= Duration::from_secs(3), "{heard:?}");
    two.tell(Outage { target: "openai/gpt-4o".to_owned(), host: true, length: Duration::from_secs(9) });
    until("what is new is heard", || one.heard().iter().any(|outage| outage.length > Duration::from_secs(3)));
}

//! Every store of quotas, held to the same.

use std::sync::Arc;
use std::time::Duration;

use super::servers::{Redis, until};

use ringmain_core::{WallTime, calendar::parse_date};

use crate::quota::{Amounts, Exhausted, Grant, LimitId, LimitIds, QuotaStore, Standing};
use crate::shared::{Heard, Known, Question, Remote, Settlement, Ticket};
use crate::{memory, redis};

fn stores() -> Vec<(&'static str, Arc<dyn QuotaStore>)> {
    let mut stores: Vec<(&'static str, Arc<dyn QuotaStore>)> = vec![("memory", Arc::new(memory::Quotas::default()))];
    stores.extend(Redis::start().map(|server| ("redis", Arc::new(InRedis::of(server)) as _)));
    stores
}

/// The store in Redis, asked one step after the other.
#[derive(Debug)]
struct InRedis {
    quotas: redis::Quotas,
    runtime: tokio::runtime::Runtime,
    _server: Redis,
}

impl InRedis {
    fn of(server: Redis) -> Self {
        let settings = redis::Settings { patience: Duration::from_secs(5), ..redis::Settings::default() };
        let quotas = redis::Quotas::start(&server.url(), &crate::tls::Trust::default(), settings, 1).unwrap();
        until("Redis answers", || !quotas.gauges().down);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { quotas, runtime, _server: server }
    }

    fn ask(
        &self,
        limits: &LimitIds,
        ask: Amounts,
        seeds: &[u64],
        force: bool,
        now: WallTime,
    ) -> Result<Grant, Exhausted> {
        let ticket = self.quotas.ticket().unwrap();
        let question = Question { ticket: &ticket, limits, ask, seeds, force, now };
        match self.runtime.block_on(self.quotas.reserve(question)) {
            Heard::Granted(_) => {
                Ok(Grant { limits: Arc::clone(limits), reserved: ask, ticket: Some(ticket.sure()), aside: None })
            }
            Heard::Full(full, _) => Err(full),
            Heard::Unsure => panic!("Redis does not answer"),
        }
    }
}

impl QuotaStore for InRedis {
    fn reserve(&self, limits: &LimitIds, ask: Amounts, now: WallTime) -> Result<Grant, Exhausted> {
        self.ask(limits, ask, &vec![0; limits.len()], false, now)
    }

    fn force(&self, limits: &LimitIds, ask: Amounts, now: WallTime) -> Result<Grant, Exhausted> {
        self.ask(limits, ask, &vec![0; limits.len()], true, now)
    }

    fn settle(&self, grant: Grant, used: Amounts, now: WallTime) {
        let Grant { limits, reserved, ticket, aside: _ } = grant;
        let ticket: Option<Ticket> = ticket.map(Into::into);
        self.quotas.settle(Settlement { ticket, known: Known::Granted, limits, reserved, used, now, aside: None });
        until("it is told", || self.quotas.gauges().untold == 0);
    }

    fn seed(&self, limit: &LimitId, used: &[(WallTime, u64)], now: WallTime) {
        let begin = limit.limit.per.map_or(now, |period| period.begin(now));
        let sum = used.iter().filter(|(at, _)| *at >= begin).map(|(_, amount)| amount).sum();
        let grant = self.ask(&[limit.clone()].into(), Amounts::default(), &[sum], true, now).unwrap();
        self.settle(grant, Amounts::default(), now);
    }

    fn standing(&self, limit: &LimitId, now: WallTime) -> Standing {
        self.runtime.block_on(self.quotas.standing(limit, now)).unwrap()
    }
}

fn limit(scope: &str, text: &str) -> LimitId {
    LimitId::new(scope.into(), text.parse().unwrap())
}

const fn tokens(tokens: u64) -> Amounts {
    Amounts { tokens, nanos: 0 }
}

const fn nanos(nanos: u64) -> Amounts {
    Amounts { tokens: 0, nanos }
}

fn noon(second: u64) -> WallTime {
    WallTime(parse_date("2026-11-29T12:00:00Z").unwrap().0 + second * 1000)
}

#[test]
fn a_calendar_limit_is_free_again_when_the_next_period_begins() {
    for (name, store) in stores() {
        let limits: LimitIds = [limit("key:a", "2 requests/minute")].into();
        let mut grants: Vec<Grant> = Vec::new();
        for second in [3, 50] {
            grants.push(store.reserve(&limits, Amounts::default(), noon(second)).unwrap());
        }
        let full = store.reserve(&limits, Amounts::default(), noon(51)).unwrap_err();
        assert_eq!((full.at, full.returns), (0, Some(Duration::from_secs(9))), "{name}");
        for grant in grants {
            store.settle(grant, Amounts::default(), noon(52));
        }
        assert!(store.reserve(&limits, Amounts::default(), noon(53)).is_err(), "{name}: an ended request counts too");
        store.settle(store.reserve(&limits, Amounts::default(), noon(60)).unwrap(), Amounts::default(), noon(61));
        assert_eq!(store.standing(&limits[0], noon(62)), Standing { used: 1, reserved: 0 }, "{name}");
    }
}

#[test]
fn a_rolling_limit_comes_back_bit_by_bit() {
    for (name, store) in stores() {
        let limits: LimitIds = [limit("key:a", "100 tokens/60s")].into();
        for (second, used) in [(0, 60), (30, 40)] {
            let grant = store.reserve(&limits, tokens(used), noon(second)).unwrap();
            store.settle(grant, tokens(used), noon(second));
        }
        let full = store.reserve(&limits, tokens(10), noon(40)).unwrap_err();
        assert_eq!(full.returns, Some(Duration::from_secs(21)), "{name}: when the first bucket has left");
        assert!(store.reserve(&limits, tokens(61), noon(61)).is_err(), "{name}: 40 still count");
        assert_eq!(store.reserve(&limits, tokens(101), noon(62)).unwrap_err().returns, None, "{name}: never fits");
        let grant = store.reserve(&limits, tokens(60), noon(61)).unwrap();
        store.settle(grant, tokens(60), noon(61));
    }
}

#[test]
fn what_is_reserved_counts_until_it_is_settled() {
    for (name, store) in stores() {
        let limits: LimitIds = [limit("group:acme", "$1/month"), limit("key:a", "2 at once")].into();
        let half = store.reserve(&limits, nanos(500_000_000), noon(0)).unwrap();
        let other = store.reserve(&limits, nanos(400_000_000), noon(0)).unwrap();
        let full = store.reserve(&limits, nanos(200_000_000), noon(0)).unwrap_err();
        assert_eq!((full.at, full.returns), (0, Some(Duration::from_secs(1))), "{name}: the first without room");
        let full = store.reserve(&limits, nanos(1), noon(0)).unwrap_err();
        assert_eq!((full.at, full.returns), (1, Some(Duration::from_secs(1))), "{name}");
        assert_eq!(store.standing(&limits[0], noon(0)), Standing { used: 0, reserved: 900_000_000 }, "{name}");
        store.settle(half, nanos(1_000_000), noon(1));
        store.settle(other, nanos(600_000_000), noon(1));
        assert_eq!(store.standing(&limits[0], noon(1)), Standing { used: 601_000_000, reserved: 0 }, "{name}");
        let over = store.reserve(&limits, nanos(400_000_000), noon(2)).unwrap_err();
        let december = parse_date("2026-12-01").unwrap().0 - noon(2).0;
        assert_eq!(over.returns, Some(Duration::from_millis(december)), "{name}");
        let forced = store.force(&limits, nanos(400_000_000), noon(2)).unwrap();
        store.settle(forced, nanos(400_000_000), noon(2));
        assert_eq!(store.standing(&limits[0], noon(3)).used, 1_001_000_000, "{name}: counted all the same");
    }
}

#[test]
fn what_budgets_do_not_hold_back_other_limits_do() {
    for (name, store) in stores() {
        let limits: LimitIds =
            [limit("key:a", "$1/day"), limit("key:a", "10 tokens/day"), limit("group:acme", "1 at once")]
                .into_iter()
                .chain([limit("group:acme", "2 requests/hour")])
                .collect();
        let ask = Amounts { tokens: 20, nanos: 2_000_000_000 };
        let first = store.force(&limits, ask, noon(0)).unwrap();
        assert_eq!(store.reserve(&limits, Amounts::default(), noon(0)).unwrap_err().at, 0, "{name}");
        let full = store.force(&limits, ask, noon(0)).unwrap_err();
        assert_eq!((full.at, full.returns), (2, Some(Duration::from_secs(1))), "{name}");
        store.settle(first, ask, noon(1));
        store.settle(store.force(&limits, ask, noon(1)).unwrap(), ask, noon(2));
        let full = store.force(&limits, ask, noon(2)).unwrap_err();
        assert_eq!((full.at, full.returns), (3, Some(Duration::from_secs(3598))), "{name}");
        let used = limits.iter().map(|id| store.standing(id, noon(3))).collect::<Vec<_>>();
        let expected = [4_000_000_000, 40, 0, 2].map(|used| Standing { used, reserved: 0 });
        assert_eq!(used, expected, "{name}: what was refused holds nothing");
    }
}

#[test]
fn a_limit_that_changes_keeps_what_was_used() {
    for (name, store) in stores() {
        let limits = |texts: [&str; 3]| -> LimitIds { texts.map(|text| limit("key:a", text)).into() };
        let (before, after) = (
            limits(["2 at once", "100 tokens/day", "9 requests/hour"]),
            limits(["1 at once", "200 tokens/day", "8 requests/hour"]),
        );
        let running = [(); 2].map(|()| store.reserve(&before, tokens(40), noon(0)).unwrap());
        let full = store.reserve(&after, tokens(1), noon(1)).unwrap_err();
        assert_eq!(full.at, 0, "{name}: two are running");
        for grant in running {
            store.settle(grant, tokens(45), noon(2));
        }
        let more = store.reserve(&after, tokens(110), noon(3)).unwrap();
        store.settle(more, tokens(110), noon(4));
        assert_eq!(store.reserve(&before, tokens(1), noon(5)).unwrap_err().at, 1, "{name}: back to 100");
        let used = before.iter().map(|id| store.standing(id, noon(6)).used).collect::<Vec<_>>();
        assert_eq!(used, [0, 200, 3], "{name}");
        assert_eq!(store.standing(&limit("key:a", "100 tokens/week"), noon(6)).used, 0, "{name}: another period");
    }
}

#[test]
fn a_store_begins_with_what_was_used_before() {
    for (name, store) in stores() {
        let month = limit("key:a", "$1/month");
        let november = [(parse_date("2026-10-31").unwrap(), 5), (noon(0), 7), (parse_date("2026-11-01").unwrap(), 8)];
        store.seed(&month, &november, noon(5));
        assert_eq!(store.standing(&month, noon(5)).used, 15, "{name}: this month's alone");
        let day = limit("key:a", "100 tokens/24h");
        store.seed(&day, &[(noon(0), 1), (WallTime(noon(0).0 - 3_600_000), 2), (WallTime(0), 9)], noon(5));
        assert_eq!(store.standing(&day, noon(5)).used, 3, "{name}");
        assert_eq!(store.standing(&limit("key:b", "$1/month"), noon(5)), Standing::default(), "{name}");
    }
}

/// A hundred at once on a limit that holds for ten.
#[test]
fn at_one_time_no_more_is_reserved_than_there_is() {
    for (name, store) in stores() {
        let limits: LimitIds = [limit("group:acme", "$1/day"), limit("key:a", "50 requests/day")].into();
        let taken = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..100).map(|_| scope.spawn(|| store.reserve(&limits, nanos(100_000_000), noon(0)))).collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap().ok()).collect::<Vec<_>>()
        });
        assert_eq!(taken.len(), 10, "{name}");
        assert_eq!(store.standing(&limits[1], noon(0)).used, 10, "{name}: who was refused counts nowhere");
        for grant in taken {
            store.settle(grant, nanos(50_000_000), noon(1));
        }
        assert_eq!(store.standing(&limits[0], noon(1)), Standing { used: 500_000_000, reserved: 0 }, "{name}");
    }
}

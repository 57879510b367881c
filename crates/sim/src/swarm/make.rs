//! A random world.

use std::time::Duration;

use ringmain_core::{Capabilities, Dialect, FaultClass, Marks, Operation, RequestFacts, Seed, Tick};
use ringmain_routing::Candidate;

use super::rules::{between, chance, common, one, route, targets};
use crate::events::Spread;
use crate::events::world::{Effect, Episode, Failure, How, Kind, Limits, Pace, Surge, Target, Traffic, Way, World};

/// Requests of one world, about.
const REQUESTS: f64 = 1500.0;
/// How likely a kind of fault is in a world at all.
const SWARM: f64 = 0.35;

/// The ways targets fail.
const WAYS: [How; 12] = [
    How::Status(500, FaultClass::Server),
    How::Status(503, FaultClass::Overloaded),
    How::Status(429, FaultClass::RateLimit),
    How::Status(401, FaultClass::Auth),
    How::Status(402, FaultClass::Billing),
    How::Status(404, FaultClass::Gone),
    How::Status(400, FaultClass::BadRequest),
    How::Refused,
    How::Reset,
    How::Silent,
    How::Empty,
    How::Cut,
];

/// The world of this number.
#[must_use]
pub fn world(seed: u64, number: u64) -> World {
    let seed = Seed(seed).nth("world", number);
    let candidates = targets(seed.draw("targets"));
    let common = common(seed.draw("common"));
    let count = between(seed.draw("routes"), 1, 2);
    let routes: Vec<_> =
        (0_usize..).zip(0..count).map(|(at, n)| route(seed.nth("route", n), at, &candidates, common)).collect();
    let rate = one(seed.draw("rate"), &[2.0, 10.0, 50.0, 300.0]).unwrap_or(10.0);
    let length = Duration::from_secs_f64(REQUESTS / rate);
    let ways: Vec<How> =
        (0..).zip(WAYS).filter(|(n, _)| chance(seed.nth("way", *n), SWARM)).map(|(_, way)| way).collect();
    let targets = candidates.iter().map(|candidate| target(seed, candidate, &ways, length)).collect();
    let kinds = (0..routes.len()).map(|at| kind(seed.nth("kind", at as u64), at)).collect();
    let surge = chance(seed.draw("surge"), 0.3).then(|| Surge {
        from: Tick::ZERO + length.mul_f64(0.4),
        until: Tick::ZERO + length.mul_f64(0.5),
        times: 8.0,
    });
    let traffic = Traffic {
        rate,
        random: chance(seed.draw("random"), 0.8),
        steps: Vec::new(),
        surges: surge.into_iter().collect(),
        wave: None,
    };
    World { seed: seed.draw("run").0, routes, targets, traffic, kinds, length }
}

/// Some targets are never anything but well: by them liveness is judged.
fn target(seed: Seed, candidate: &Candidate, ways: &[How], length: Duration) -> Target {
    let own = seed.nth("behaves", u64::from(candidate.target.0));
    let name = candidate.name.clone();
    let mut target = Target { name, pace: Pace::default(), episodes: Vec::new(), limits: None };
    if chance(own.draw("well"), 0.3) {
        return target;
    }
    let slow = one(own.draw("slow"), &[1.0, 1.0, 3.0, 10.0]).unwrap_or(1.0);
    target.pace.first_token = Spread { median: 0.4 * slow, p95: 1.5 * slow };
    if chance(seed.draw("loads"), SWARM) {
        let capacity = u32::try_from(between(own.draw("capacity"), 2, 40)).unwrap_or(10);
        target.pace.capacity = Some(capacity);
        target.pace.refuses_above = chance(own.draw("refuses"), 0.5).then_some(capacity * 3);
    }
    if chance(seed.draw("limits"), SWARM) {
        let rpm = between(own.draw("rpm"), 20, 2_000);
        target.limits = Some(Limits { rpm: Some(rpm), tpm: chance(own.draw("tpm"), 0.5).then_some(rpm * 500) });
    }
    for n in 0..between(own.draw("episodes"), 0, 4) {
        let seed = own.nth("episode", n);
        let from = length.mul_f64(seed.draw("from").unit());
        let part = one(seed.draw("length"), &[0.02, 0.1, 0.4]).unwrap_or(0.1);
        let key = candidate.keys.get(usize::try_from(seed.draw("key").below(4)).unwrap_or(0)).map(|key| key.key);
        let effect = match one(seed.draw("way"), ways) {
            Some(how) if chance(seed.draw("fails"), 0.85) => Effect::Fails(failure(seed, how)),
            _ => Effect::Slow(one(seed.draw("times"), &[3.0, 20.0]).unwrap_or(3.0)),
        };
        target.episodes.push(Episode {
            from: Tick::ZERO + from,
            until: Tick::ZERO + from + length.mul_f64(part),
            share: one(seed.draw("share"), &[0.1, 0.5, 1.0, 1.0]).unwrap_or(1.0),
            key: key.filter(|_| chance(seed.draw("by key"), 0.3)),
            effect,
        });
    }
    target
}

fn failure(seed: Seed, how: How) -> Failure {
    let asks = matches!(how, How::Status(429 | 503, _)) && chance(seed.draw("asks"), 0.5);
    let wait = one(seed.draw("wait"), &[200, 2_000, 40_000]).map(Duration::from_millis);
    Failure { how, retry_after: wait.filter(|_| asks), after: None }
}

fn kind(seed: Seed, route: usize) -> Kind {
    let facts = RequestFacts {
        operation: Operation::Chat,
        dialect: Dialect::OpenAiChat,
        model: format!("route-{route}"),
        stream: true,
        needs: Capabilities::NONE,
        input_tokens: 0,
        max_output_tokens: chance(seed.draw("capped"), 0.5).then_some(500),
        timeout: one(seed.draw("timeout"), &[None, None, Some(1), Some(10)]).flatten().map(Duration::from_secs),
        tags: Vec::new(),
        marks: Marks::default(),
        key: None,
    };
    Kind {
        share: 1.0,
        facts,
        streams: one(seed.draw("streams"), &[0.0, 0.5, 1.0]).unwrap_or(1.0),
        input: Spread { median: 500.0, p95: 3000.0 },
        output: Spread { median: 80.0, p95: 400.0 },
        patience: one(seed.draw("patience"), &[None, None, Some(3)]).flatten().map(Duration::from_secs),
        routes: vec![Way { from: 0, route, unserved: Vec::new() }],
    }
}

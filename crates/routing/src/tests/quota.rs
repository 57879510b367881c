//! The keys of a pool are one quota.

use std::time::Duration;

use ringmain_core::{FaultClass, Usage};

use super::crowd::{Fate, Provider, crowd, tell};
use super::{End, World, asks, fault, policy, secs};
use crate::{Caps, Limits, Reason, Seen, Standing, Step, Stop, Window, next, view};

fn rpm(rpm: u64) -> Caps {
    Caps { rpm: Some(rpm), ..Caps::default() }
}

fn tpm(tpm: u64) -> Caps {
    Caps { tpm: Some(tpm), ..Caps::default() }
}

/// One target with so many keys, each with this cap.
fn capped(keys: usize, caps: Caps) -> World {
    let mut policy = policy(&[keys]);
    for key in &mut policy.candidates[0].keys {
        key.caps = caps;
    }
    World::new(policy)
}

fn requests(limit: u64, remaining: u64, reset: Duration) -> Limits {
    let requests = Window { limit: Some(limit), remaining: Some(remaining), reset: Some(reset) };
    Limits { requests, ..Limits::default() }
}

fn is_429(fate: &Fate) -> Option<Duration> {
    match fate {
        Fate::Stopped(Stop::Exhausted { all_limited: true, retry_after, .. }, _) => *retry_after,
        _ => None,
    }
}

fn begun(fates: &[Fate]) -> Vec<ringmain_core::Tick> {
    let begun = fates.iter().map(|fate| match fate {
        Fate::Served(at) => *at,
        Fate::Stopped(stop, at) => panic!("{stop:?} at {at:?}"),
    });
    begun.collect()
}

/// Two keys of ten requests a minute and twenty requests at once: all served at once, ten by each key, none refused. The
/// twenty-first is told when the first is over, and where it may wait, waits.
#[test]
fn two_keys_of_ten_are_twenty() {
    let mut world = capped(2, rpm(10));
    let mut provider = Provider { tells: false, ..Provider::new(10, secs(60)) };
    world.time = secs(30);
    let fates = crowd(&mut world, &[Duration::ZERO; 21], &mut provider);
    assert!(begun(&fates[..20]).iter().all(|at| at.0 == secs(1000).as_nanos() as u64), "at once");
    assert_eq!((provider.served_by(0), provider.served_by(1), provider.refused.len()), (10, 10, 0));
    let after = is_429(&fates[20]).unwrap();
    assert!(after >= secs(60) && after <= secs(61), "{after:?}");

    world.time = secs(90);
    let begin = world.now;
    let fates = crowd(&mut world, &[Duration::ZERO], &mut provider);
    let waited = begun(&fates)[0].since(begin);
    assert!(waited > secs(59) && waited < secs(62), "{waited:?}");
    assert_eq!(provider.refused.len(), 0);
}

/// Three times what the pool allows, with time to wait: all served, in the order they came, none refused upstream.
#[test]
fn a_surge_is_served_in_order() {
    for is_bucket in [false, true] {
        let mut world = World::new(policy(&[2]));
        let window = if is_bucket { secs(60) } else { secs(20) };
        let mut provider = Provider { is_bucket, ..Provider::new(if is_bucket { 60 } else { 10 }, window) };
        world.time = secs(60);
        // What the limits are is known from earlier, and of which kind.
        for _ in 0..10 {
            let _ = crowd(&mut world, &[Duration::ZERO; 2], &mut provider);
            world.pass(secs(3));
        }
        world.pass(secs(60));
        provider.refused.clear();
        let surge = usize::try_from(provider.limit).unwrap() * 2 * if is_bucket { 1 } else { 3 };
        let surge = if is_bucket { surge + surge / 2 } else { surge };
        let arrivals: Vec<_> = (0..surge as u64).map(|n| Duration::from_millis(n * 5)).collect();
        let fates = crowd(&mut world, &arrivals, &mut provider);
        let begun = begun(&fates);
        let late = begun.windows(2).filter(|two| two[0] > two[1]).count();
        assert_eq!(provider.refused.len(), 0, "bucket: {is_bucket}");
        // Where one comes free each moment, one that arrives just then may be before one that was about to wake.
        assert!(late <= if is_bucket { surge / 100 } else { 0 }, "bucket: {is_bucket}, {late}");
        let last = begun.last().unwrap().since(begun[0]);
        assert!(last <= secs(42), "bucket: {is_bucket}, {last:?}");
    }
}

/// A pool of which nothing is known yet learns from its first answers: few are refused, and no caller sees it.
#[test]
fn an_unknown_pool_is_learned() {
    let mut world = World::new(policy(&[3]));
    let mut provider = Provider::new(20, secs(10));
    let arrivals: Vec<_> = (0..150).map(|n| Duration::from_millis(n * 20)).collect();
    world.time = secs(60);
    let _ = begun(&crowd(&mut world, &arrivals, &mut provider));
    assert!(provider.refused.len() <= 3, "{:?}", provider.refused);
}

/// One key is used up: the others take over, and no caller notices. When all are, one answer says until when.
#[test]
fn keys_are_used_up_one_by_one() {
    let mut world = World::new(policy(&[3]));
    let mut provider = Provider::new(3, secs(3600));
    world.time = secs(4);
    for turn in 0..9 {
        let fates = crowd(&mut world, &[Duration::ZERO], &mut provider);
        assert!(matches!(fates[0], Fate::Served(_)), "{turn}: {fates:?}");
        world.pass(secs(1));
    }
    let served = [0, 1, 2].map(|key| provider.served_by(key));
    assert_eq!((served, provider.refused.len()), ([3, 3, 3], 0));
    let now = world.now;
    let after = is_429(&crowd(&mut world, &[Duration::ZERO], &mut provider)[0]).unwrap();
    let soonest = provider.served[0].1 + secs(3600);
    assert!(after.abs_diff(soonest.since(now)) < secs(1), "{after:?}");
    assert_eq!((provider.served.len(), provider.refused.len()), (9, 0), "the provider was not asked");
}

/// Nothing left for 300 ms is a short wait, and with another target of the tier not even that.
#[test]
fn a_short_reset_is_a_short_wait() {
    let wait = |targets: &[usize]| {
        let mut world = World::new(policy(targets));
        tell(&mut world, &requests(10, 0, Duration::from_millis(300)));
        let begin = world.now;
        let told = world.request(|_, _| Ok(()));
        (told.order(), told.at[0].since(begin))
    };
    let (order, waited) = wait(&[1]);
    assert_eq!(order, [0]);
    assert!(waited >= Duration::from_millis(300) && waited < Duration::from_millis(600), "{waited:?}");
    assert_eq!(wait(&[1, 1]), (vec![1], Duration::ZERO));
}

/// "Nothing left, whole in a minute" of a bucket of 6,000 a minute: the next fits in 10 ms, and is not kept for a minute.
#[test]
fn a_bucket_is_not_waited_full() {
    let mut world = World::new(policy(&[1]));
    let mut provider = Provider { is_bucket: true, ..Provider::new(6_000, secs(60)) };
    for _ in 0..10 {
        let _ = crowd(&mut world, &[Duration::ZERO; 3], &mut provider);
        world.pass(secs(1));
    }
    tell(&mut world, &requests(6_000, 0, secs(60)));
    let begin = world.now;
    let told = world.request(|_, _| Ok(()));
    assert!(told.at[0].since(begin) < Duration::from_millis(300), "{told:?}");
    // A window that runs down is not taken for one.
    let mut world = World::new(policy(&[1]));
    for second in 0..20 {
        tell(&mut world, &requests(6_000, 6_000 - second, secs(60 - second)));
        world.pass(secs(1));
    }
    tell(&mut world, &requests(6_000, 0, secs(40)));
    let begin = world.now;
    let told = world.request(|_, _| Ok(()));
    assert!(told.at[0].since(begin) >= secs(40), "{told:?}");
}

/// An answer may use another amount than expected: what was too much is given back, what was too little is charged.
#[test]
fn tokens_are_settled() {
    let used = |tokens: u64| {
        let mut world = capped(1, tpm(1_000));
        world.facts.max_output_tokens = Some(300);
        world.time = secs(5);
        let attempt = try_now(&world).unwrap();
        assert_eq!((attempt.tokens, attempt.input), (400, 100));
        let started = world.begin(&attempt, true);
        let usage = Some(Usage { input: 100, output: tokens - 100, ..Usage::default() });
        world.end(attempt, started, Seen::Success { timings: Default::default(), usage, cost: None, streamed: true });
        let left = view(&world.health, &world.policy, Some(&world.facts), world.now()).keys(0)[0].left;
        (left, try_now(&world).is_some())
    };
    assert_eq!(used(100), (0.9, true));
    assert_eq!(used(600), (0.4, true));
    assert!(!used(601).1);
    assert_eq!(used(5_000), (0.0, false));
    // What is never sent is no request; a refusal uses no tokens; of what is given up, the prompt was read.
    let before_sent = ringmain_core::Fault { phase: ringmain_core::Phase::Connect, ..fault(FaultClass::Network) };
    let table = [
        (Seen::Failed(before_sent), 1.0),
        (Seen::Failed(fault(FaultClass::Overloaded)), 0.9),
        (Seen::Cancelled { first_token: None }, 0.75),
        (Seen::Failed(fault(FaultClass::Timeout)), 0.75),
    ];
    for (seen, left) in table {
        let mut world = capped(1, Caps { rpm: Some(10), tpm: Some(400), in_flight: None });
        let attempt = try_now(&world).unwrap();
        let started = world.begin(&attempt, true);
        world.end(attempt, started, seen.clone());
        assert_eq!(view(&world.health, &world.policy, None, world.now()).keys(0)[0].left, left, "{seen:?}");
    }
}

fn try_now(world: &World) -> Option<crate::Try> {
    let known = view(&world.health, &world.policy, Some(&world.facts), world.now());
    match next(&world.policy, &world.plan(), &[], &known, world.now(), world.now + world.time, world.seed()) {
        Step::Try(attempt) => Some(attempt),
        Step::Wait { .. } | Step::Stop(_) => None,
    }
}

/// A request larger than a whole window goes where a window holds it, else where nothing is used; and never twice at once.
#[test]
fn a_request_larger_than_the_window_is_let_through_when_it_is_idle() {
    let mut world = World::new(policy(&[1, 1]));
    world.facts.input_tokens = 50_000;
    world.policy.candidates[0].keys[0].caps = tpm(10_000);
    world.policy.candidates[1].keys[0].caps = tpm(200_000);
    assert_eq!(try_now(&world).unwrap().candidate, 1);
    world.policy.candidates.truncate(1);
    let attempt = try_now(&world).unwrap();
    assert_eq!(attempt.candidate, 0);
    let _ = world.begin(&attempt, true);
    assert_eq!(try_now(&world), None);
    world.pass(secs(61));
    assert!(try_now(&world).is_some());
}

/// What a provider says is left may be too little by our estimate; that alone refuses nobody who cannot wait.
#[test]
fn an_estimate_does_not_refuse() {
    let mut world = World::new(policy(&[1]));
    let tokens = Window { limit: Some(10_000), remaining: Some(300), reset: Some(secs(40)) };
    tell(&mut world, &Limits { tokens, ..Limits::default() });
    world.time = secs(10);
    assert_eq!(world.request(|_, _| Ok(())).order(), [0], "500 tokens of output are only a guess");
    tell_again(&mut world, &Limits { tokens, ..Limits::default() });
    world.time = secs(60);
    let begin = world.now;
    let told = world.request(|_, _| Ok(()));
    assert!(told.at[0].since(begin) > secs(30), "but who can wait does");
}

/// An attempt runs, whatever is known, and its answer says this.
fn tell_again(world: &mut World, limits: &Limits) {
    let place = &world.policy.candidates[0];
    let (target, host, key) = (place.target, place.host, place.keys[0].key);
    let attempt =
        crate::Try { candidate: 0, target, host, key, probe: false, warm: false, tokens: 0, input: 0, hedge: false };
    let started = world.begin(&attempt, true);
    world.limits = Some(*limits);
    world.end(attempt, started, super::success());
    world.limits = None;
}

/// No header, no cap: nothing is short, however much is sent.
#[test]
fn no_limit_is_invented() {
    let mut world = World::new(policy(&[1]));
    for _ in 0..2_000 {
        let attempt = try_now(&world).unwrap();
        let _ = world.begin(&attempt, true);
    }
    assert_eq!(view(&world.health, &world.policy, None, world.now()).keys(0)[0].left, 1.0);
    // A count without a reset only moves traffic.
    let mut world = World::new(policy(&[2]));
    let requests = Window { limit: None, remaining: Some(0), reset: None };
    tell(&mut world, &Limits { requests, ..Limits::default() });
    let known = view(&world.health, &world.policy, Some(&world.facts), world.now());
    assert!(known.keys(0).iter().all(|key| key.standing == Standing::Ready));
    let emptied = known.keys(0).iter().position(|key| key.left == 0.0).unwrap();
    for _ in 0..100 {
        assert_ne!(world.request(|_, _| Ok(())).attempts[0].1 as usize, emptied);
    }
}

/// What a provider says of one model is not held against another of the same key; the operator's cap of a key is.
#[test]
fn limits_are_of_the_model_and_caps_of_the_key() {
    let mut policy = policy(&[1, 1]);
    policy.candidates[1].keys = policy.candidates[0].keys.clone();
    let mut world = World::new(policy);
    tell(&mut world, &requests(10, 0, secs(60)));
    assert_eq!(world.request(|_, _| Ok(())).order(), [1]);
    let mut policy = world.policy.clone();
    policy.candidates.iter_mut().for_each(|candidate| candidate.keys[0].caps = rpm(1));
    let mut world = World::new(policy);
    let _ = world.request(|_, _| Ok(()));
    let known = view(&world.health, &world.policy, Some(&world.facts), world.now());
    assert!(known.rows().iter().all(|row| matches!(row.standing, Standing::Out(Reason::Capped { .. }))));
}

/// With little of a window left, the rest is spread: a short wait, or a peer with room; a retry never waits for it.
#[test]
fn the_rest_of_a_window_is_spread() {
    let pace = |targets: &[usize], left: u64, time| {
        let mut world = World::new(policy(targets));
        world.time = time;
        tell(&mut world, &requests(600, left, secs(30)));
        let begin = world.now;
        let told = world.request(|_, _| Ok(()));
        (told.order()[0], told.at[0].since(begin).as_millis())
    };
    assert_eq!(pace(&[1], 300, secs(60)), (0, 0), "half is left");
    let (_, waited) = pace(&[1], 60, secs(60));
    assert!((490..=520).contains(&waited), "30 s for 60 requests: {waited}");
    assert_eq!(pace(&[1], 10, secs(60)), (0, 0), "three seconds between requests are no pace but a stall");
    assert_eq!(pace(&[1], 60, Duration::from_millis(400)), (0, 0), "no time to wait");
    assert_eq!(pace(&[1, 1], 60, secs(60)), (1, 0));
}

/// A 429 says when the limit ends, and the headers are believed over our own count.
#[test]
fn headers_stand_above_our_count() {
    let mut world = World::new(policy(&[1]));
    tell(&mut world, &requests(100, 5, secs(30)));
    for _ in 0..5 {
        let attempt = try_now(&world).unwrap();
        let _ = world.begin(&attempt, true);
    }
    assert_eq!(try_now(&world), None, "five are on their way");
    // The window began anew: the provider says so with the answer to one that began after all of these.
    world.pass(secs(2));
    tell_again(&mut world, &requests(100, 80, secs(60)));
    assert!(try_now(&world).is_some());
    world.time = secs(60);
    let told = world.request(|_, _| Err(asks(FaultClass::RateLimit, secs(700))));
    assert!(matches!(told.end, End::Stopped(Stop::Exhausted { all_limited: true, .. })), "{told:?}");
}

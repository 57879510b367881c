//! A target far worse than its peers loses share before its breaker trips, and gets it back by itself.

use ringmain_core::{FaultClass, Seed, Tick};

use super::traffic::{Answer, Traffic, after, fails, millis, share};
use super::{World, fault, policy, secs};
use crate::{Balance, Peers, view};

fn weighted(targets: usize) -> Traffic {
    let mut policy = policy(&vec![1; targets]);
    policy.balance = Balance::Weighted;
    Traffic::new(World::new(policy))
}

fn peers(traffic: &Traffic) -> Vec<Peers> {
    let world = &traffic.world;
    view(&world.health, &world.policy, None, world.now()).rows().iter().map(|row| row.peers).collect()
}

fn is_untouched(traffic: &Traffic) -> bool {
    peers(traffic).iter().all(|peers| *peers == Peers::default())
}

/// Fails this share of the time, and never so often in a row that a breaker opens.
fn failing(share: f64) -> impl Fn(usize, Tick) -> Answer {
    move |at, now| match at {
        0 if Seed(now.0).unit() < share => fails(100, fault(FaultClass::Server)),
        _ => after(300),
    }
}

#[test]
fn who_fails_more_than_the_others_loses_share() {
    for targets in [2, 3] {
        let mut traffic = weighted(targets);
        traffic.world.policy.breaker.failures = 1_000;
        let asked = traffic.run(1_000, millis(200), failing(0.4));
        let fair = 1.0 / targets as f64;
        assert!(share(&asked[500..], 0) < 0.75 * fair, "{targets}: {}", share(&asked[500..], 0));
        assert!(share(&asked[500..], 0) > 0.15 * fair, "{targets}: it is still seen");
        assert!(peers(&traffic)[1..].iter().all(|peers| *peers == Peers::default()), "{:?}", peers(&traffic));
        // It heals, and gets its share back.
        let _ = traffic.run(1_000, millis(200), failing(0.0));
        assert!(is_untouched(&traffic), "{targets}: {:?}", peers(&traffic));
        // All of them fail: that is no reason to prefer any.
        let everybody = |_, now: Tick| failing(0.4)(0, now);
        traffic.world.policy.breaker.min_requests = 1_000_000;
        let asked = traffic.run(1_000, millis(200), everybody);
        assert!((share(&asked[200..], 0) - fair).abs() < 0.15, "{targets}: {}", share(&asked[200..], 0));
    }
}

#[test]
fn who_turns_slow_loses_share() {
    let mut traffic = weighted(2);
    let _ = traffic.run(2_000, millis(200), |_, _| after(300));
    // Three times slower is nothing: below a second. Ten times is.
    let _ = traffic.run(500, millis(200), |at, _| after(if at == 0 { 900 } else { 300 }));
    assert!(is_untouched(&traffic), "{:?}", peers(&traffic));
    let slow = |at, _| after(if at == 0 { 4_000 } else { 300 });
    let asked = traffic.run(500, millis(200), slow);
    assert!(share(&asked[300..], 0) < 0.42, "{}", share(&asked[300..], 0));
    assert!(peers(&traffic)[0].slow >= 0.2 && peers(&traffic)[0].failing == 1.0);
    let _ = traffic.run(1_500, millis(200), |_, _| after(300));
    assert!(is_untouched(&traffic), "{:?}", peers(&traffic));
    // Who was told to be first stays first though slow; who fails does not.
    traffic.world.policy.balance = Balance::Order;
    let asked = traffic.run(500, millis(200), slow);
    assert_eq!(share(&asked, 0), 1.0);
    let _ = traffic.run(100, millis(200), |_, _| after(300));
    traffic.world.policy.breaker.failures = 1_000;
    let mut reserve = traffic.world.policy.clone();
    reserve.balance = Balance::LeastBusy;
    let order = std::mem::replace(&mut traffic.world.policy, reserve);
    let _ = traffic.run(200, millis(200), failing(0.45));
    traffic.world.policy = order;
    assert!(peers(&traffic)[0].failing < 1.0, "{:?}", peers(&traffic));
    let asked = traffic.run(200, millis(200), failing(0.45));
    assert!((0.1..0.95).contains(&share(&asked, 0)), "{}", share(&asked, 0));
}

#[test]
fn slow_by_nature_is_not_worse() {
    let mut traffic = weighted(2);
    let asked = traffic.run(3_000, millis(200), |at, _| after(if at == 0 { 6_000 } else { 300 }));
    assert!(is_untouched(&traffic) && (share(&asked, 0) - 0.5).abs() < 0.01, "{:?}", peers(&traffic));
    // Who thinks first is not compared, whatever happens.
    let mut traffic = weighted(2);
    traffic.world.policy.candidates[0].race_after = Some(secs(60));
    let _ = traffic.run(500, millis(200), |_, _| after(300));
    let _ = traffic.run(500, millis(200), |at, _| after(if at == 0 { 20_000 } else { 300 }));
    assert!(is_untouched(&traffic), "{:?}", peers(&traffic));
}

#[test]
fn one_blip_demotes_nobody() {
    let blips: [fn(Tick) -> Answer; 4] = [
        |_| fails(10, fault(FaultClass::Server)),
        |_| fails(120_000, fault(FaultClass::Timeout)),
        |_| after(60_000),
        |_| fails(30_000, fault(FaultClass::Interrupted)),
    ];
    for (n, blip) in blips.iter().enumerate() {
        for before in [0, 1, 6, 300] {
            let mut traffic = weighted(2);
            let _ = traffic.run(before, millis(500), |_, _| after(300));
            let mut hit = false;
            while !hit {
                hit = traffic.run(1, millis(500), |at, now| if at == 0 { blip(now) } else { after(300) }) == [0];
            }
            for _ in 0..300 {
                assert!(is_untouched(&traffic), "blip {n} after {before}: {:?}", peers(&traffic));
                let _ = traffic.run(1, millis(500), |_, _| after(300));
            }
        }
    }
}

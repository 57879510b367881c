//! `shift`, asked for its promises: a stream of requests under virtual time, whose answers take as long as a test says.

use std::collections::BTreeMap;
use std::time::Duration;

use ringmain_core::{FaultClass, Money, Seed, Tick, Timings};

use super::{World, fault, policy, secs};
use crate::{
    Balance, Measure, Observation, Policy, Seen, Shift, Stat, Step, Try, Verdict, begin, first_token, next, observe,
    view,
};

/// `p95(ttft) > 2s`, over a minute, with a floor of 5 %.
pub(crate) fn rule() -> Shift {
    let (measure, stat) = (Measure::FirstToken, Stat::Percentile(95));
    Shift { measure, stat, above: true, bound: 2.0, over: secs(60), floor: 0.05 }
}

fn shifting(weights: &[f64], shift: Shift) -> Policy {
    let mut policy = policy(&vec![1; weights.len()]);
    policy.balance = Balance::Weighted;
    policy.shift = Some(shift);
    for (candidate, weight) in policy.candidates.iter_mut().zip(weights) {
        candidate.weight = *weight;
    }
    policy
}

/// What a target answers: after how long, and what.
#[derive(Debug, Clone)]
struct Answer {
    takes: f64,
    class: Option<FaultClass>,
    dollars: f64,
}

fn takes(seconds: f64) -> Answer {
    Answer { takes: seconds, class: None, dollars: 0.01 }
}

/// One request as the answering side sees it.
struct Asked {
    at: usize,
    /// Seconds since the start.
    time: f64,
    /// Its chance, 0 to 1, and another.
    draw: f64,
    other: f64,
    /// The target's share of the last hundred requests.
    share: f64,
}

/// Requests at a steady rate.
struct Traffic {
    world: World,
    began: Tick,
    every: Duration,
    arriving: Tick,
    running: BTreeMap<(Tick, u64), (Try, Tick, Answer, bool)>,
    latest: Vec<usize>,
    /// Requests whose draw is not below this are answered plainly.
    plain_beyond: f64,
}

impl Traffic {
    fn new(policy: Policy, per_second: f64) -> Self {
        let world = World::new(policy);
        let began = world.now;
        let every = Duration::from_secs_f64(1.0 / per_second);
        Self { began, every, arriving: began, world, running: BTreeMap::new(), latest: Vec::new(), plain_beyond: 1.0 }
    }

    fn time(&self) -> f64 {
        self.world.now.since(self.began).as_secs_f64()
    }

    /// Goes on for so many seconds; gives the share of each target of the requests that began.
    fn run(&mut self, seconds: f64, answer: impl Fn(&Asked) -> Answer) -> Vec<f64> {
        let until = self.world.now + Duration::from_secs_f64(seconds);
        let mut began = vec![0_u32; self.world.policy.candidates.len()];
        loop {
            let ended = self.running.keys().next().map(|(tick, _)| *tick);
            let due = ended.map_or(self.arriving, |ended| ended.min(self.arriving));
            if due >= until {
                break;
            }
            self.world.now = self.world.now.max(due);
            if ended == Some(due) {
                self.end();
            } else {
                began[self.ask(&answer)] += 1;
                self.arriving = self.arriving + self.every;
            }
        }
        self.world.now = until;
        let all: u32 = began.iter().sum();
        began.iter().map(|n| f64::from(*n) / f64::from(all.max(1))).collect()
    }

    fn ask(&mut self, answer: &impl Fn(&Asked) -> Answer) -> usize {
        self.world.requests += 1;
        let (now, seed) = (self.world.now(), self.world.seed());
        let plan = self.world.plan();
        let known = view(&self.world.health, &self.world.policy, Some(&self.world.facts), now);
        let step = next(&self.world.policy, &plan, &[], &known, now, now.mono + secs(600), seed);
        let Step::Try(attempt) = step else { panic!("{step:?}") };
        begin(&mut self.world.health, &self.world.policy, &attempt, true, now);
        let at = attempt.candidate;
        self.latest.push(at);
        let recent = &self.latest[self.latest.len().saturating_sub(100)..];
        let share = recent.iter().filter(|it| **it == at).count() as f64 / recent.len() as f64;
        let (draw, other) = (seed.draw("time").unit(), seed.draw("other").unit());
        let answer = answer(&Asked { at, time: self.time(), draw, other, share });
        let ends = now.mono + Duration::from_secs_f64(answer.takes);
        self.running.insert((ends, self.world.requests), (attempt, now.mono, answer, draw < self.plain_beyond));
        at
    }

    fn end(&mut self) {
        let Some((_, (attempt, started, answer, streamed))) = self.running.pop_first() else { return };
        let now = self.world.now();
        let time = Some(now.mono.since(started));
        let seen = match answer.class {
            Some(FaultClass::Cancelled) => Seen::Cancelled { first_token: None },
            Some(class) => Seen::Failed(fault(class)),
            None => {
                if streamed {
                    first_token(&mut self.world.health, &attempt, started, now);
                }
                let timings = Timings { head: time, first_token: time, total: now.mono.since(started) };
                let cost = Some(Money::from_dollars(answer.dollars));
                Seen::Success { timings, usage: None, cost, streamed }
            }
        };
        let observation = Observation { attempt, started, seen, limits: None, marks: Default::default() };
        observe(&mut self.world.health, &self.world.policy, &observation, now, Seed(self.world.requests));
    }

    /// What `shift` leaves of each weight.
    fn left(&self) -> Vec<f64> {
        let known = view(&self.world.health, &self.world.policy, None, self.world.now());
        known.rows().iter().map(|row| row.shifted).collect()
    }

    /// Runs in steps of a second until a share of first attempts, as planned, is reached. How long that took.
    fn until(&mut self, most: f64, answer: impl Fn(&Asked) -> Answer, reached: impl Fn(&[f64]) -> bool) -> f64 {
        let began = self.time();
        while self.time() - began < most {
            if reached(&self.left()) {
                return self.time() - began;
            }
            let _ = self.run(1.0, &answer);
        }
        panic!("not within {most} s: {:?}", self.left())
    }

    /// The share of the first target, as planned.
    fn share(&self) -> f64 {
        match self.world.plan().verdicts[0] {
            Verdict::Chosen { share, .. } | Verdict::Eligible { share, .. } => share,
            Verdict::Excluded(_) => 0.0,
        }
    }

    /// How often the share of the first target, as planned, turned by more than five points, looked at each second;
    /// and the least it was.
    fn turns(&mut self, seconds: f64, answer: impl Fn(&Asked) -> Answer) -> (usize, f64) {
        let (mut turns, mut extreme, mut least) = (0, self.share(), 1.0_f64);
        let mut rises = None;
        let until = self.time() + seconds;
        while self.time() < until {
            let _ = self.run(1.0, &answer);
            let now = self.share();
            least = least.min(now);
            match rises {
                Some(true) if now < extreme - 0.05 => (turns, rises, extreme) = (turns + 1, Some(false), now),
                Some(false) if now > extreme + 0.05 => (turns, rises, extreme) = (turns + 1, Some(true), now),
                Some(true) => extreme = extreme.max(now),
                Some(false) => extreme = extreme.min(now),
                None if (now - extreme).abs() > 0.05 => (rises, extreme) = (Some(now > extreme), now),
                None => {}
            }
        }
        (turns, least)
    }
}

/// Lognormal with this median; the 95th percentile is at 1.8 times that.
fn spread(median: f64, asked: &Asked) -> f64 {
    let normal = (-2.0 * (1.0 - asked.draw).ln()).sqrt() * (std::f64::consts::TAU * asked.other).cos();
    median * (0.36 * normal).exp()
}

fn near(shares: &[f64], expected: &[f64], within: f64) -> bool {
    shares.len() == expected.len() && shares.iter().zip(expected).all(|(a, b)| (a - b).abs() <= within)
}

fn slow_first(asked: &Asked) -> Answer {
    takes(spread(if asked.at == 0 { 3.0 } else { 0.5 }, asked))
}

fn all_well(asked: &Asked) -> Answer {
    takes(spread(0.5, asked))
}

/// From the first slow answer on: moved within a window, whatever the traffic; then the floor is kept; and when it is
/// well again it comes back, sooner where there is more to see.
#[test]
fn weight_moves_within_one_window_and_comes_back() {
    // (requests a second, windows until it has its weight back)
    for (rate, windows) in [(0.2, 12.0), (1.0, 6.5), (5.0, 5.0), (20.0, 5.0)] {
        let mut traffic = Traffic::new(shifting(&[1.0, 1.0], rule()), rate);
        let shares = traffic.run(300.0, all_well);
        assert!(near(&shares, &[0.5, 0.5], 0.02), "{rate}: {shares:?}");
        let moved = traffic.until(120.0, slow_first, |left| left[0] <= 0.0);
        assert!(moved <= 60.0, "{rate}: moved after {moved} s");
        let shares = traffic.run(900.0, slow_first);
        assert!(near(&shares, &[0.05, 0.95], 0.01), "{rate}: {shares:?}");
        let back = traffic.until(windows * 60.0, all_well, |left| left[0] >= 1.0);
        let shares = traffic.run(300.0, all_well);
        assert!(near(&shares, &[0.5, 0.5], 0.02), "{rate}: {shares:?} after {back}");
    }
}

/// It comes back little by little: nobody gets more than a tenth of the traffic more within ten seconds, or ever more
/// than its written share.
#[test]
fn a_return_is_no_herd() {
    let mut traffic = Traffic::new(shifting(&[1.0, 1.0], rule()), 20.0);
    let _ = traffic.run(300.0, slow_first);
    let mut before = traffic.share();
    for _ in 0..40 {
        let _ = traffic.run(10.0, all_well);
        let share = traffic.share();
        assert!(share <= 0.5 + 1e-9 && share - before <= 0.1, "{before} then {share}");
        before = share;
    }
    assert!(before > 0.49);
}

/// A target whose latency wanders by a tenth about the bound, for thirty minutes: at most two turns of its share by more
/// than five points, whatever the traffic and however fast it wanders.
#[test]
fn a_target_on_the_threshold_does_not_flap() {
    for rate in [0.2, 1.0, 5.0] {
        for period in [20.0, 173.0, 600.0] {
            let mut traffic = Traffic::new(shifting(&[1.0, 1.0], rule()), rate);
            let (turns, _) = traffic.turns(1800.0, |asked| {
                let wander = 1.0 + 0.1 * (asked.time * std::f64::consts::TAU / period).sin();
                takes(if asked.at == 0 { spread(2.0 / 1.8 * wander, asked) } else { spread(0.5, asked) })
            });
            assert!(turns <= 2, "{rate} a second, {period} s: {turns} turns");
        }
        let mut traffic = Traffic::new(shifting(&[1.0, 1.0], rule()), rate);
        let (turns, _) = traffic.turns(1800.0, |asked| takes(1.8 + 0.4 * asked.draw - 0.5 * asked.at as f64));
        assert!(turns <= 1, "evenly between 1.8 and 2.2 s: {turns} turns");
    }
}

/// A target that is slow under half of the load and fast under little: it ends somewhere between, and stays there.
#[test]
fn latency_that_follows_the_load_settles() {
    for rate in [0.2, 1.0, 20.0] {
        let mut traffic = Traffic::new(shifting(&[1.0, 1.0], rule()), rate);
        let load = |asked: &Asked| takes(spread(if asked.at == 0 { 0.4 + 2.0 * asked.share } else { 0.5 }, asked));
        let (turns, _) = traffic.turns(1800.0, load);
        let share = traffic.run(600.0, load)[0];
        assert!(turns <= 3 && (0.05..0.45).contains(&share), "{rate}: {turns} turns, {share}");
    }
}

#[test]
fn if_all_are_slow_the_faster_gets_more_and_equals_keep_their_weights() {
    // (seconds of each, the shares)
    let table: [(&[f64], &[f64]); 6] = [
        (&[6.0, 3.0], &[0.05, 0.95]),
        (&[4.0, 4.0], &[0.5, 0.5]),
        (&[1.9, 0.5], &[0.5, 0.5]),
        (&[3.0, 0.5, 0.5], &[0.05, 0.475, 0.475]),
        (&[3.0, 5.0, 0.5], &[0.05, 0.05, 0.9]),
        (&[5.0, 5.0, 5.0], &[1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0]),
    ];
    for (seconds, expected) in table {
        let mut traffic = Traffic::new(shifting(&vec![1.0; seconds.len()], rule()), 5.0);
        let answer = |asked: &Asked| takes(seconds[asked.at]);
        let _ = traffic.run(120.0, answer);
        let shares = traffic.run(300.0, answer);
        assert!(near(&shares, expected, 0.01), "{seconds:?}: {shares:?}");
    }
}

/// Weights and floors: a floor gives nobody more than is written, and floors that leave nothing to move move nothing.
#[test]
fn floors_hold_within_what_is_written() {
    let table: [(&[f64], f64, &[f64]); 5] = [
        (&[90.0, 10.0], 0.05, &[0.05, 0.95]),
        (&[3.0, 97.0], 0.05, &[0.03, 0.97]),
        (&[1.0, 1.0, 1.0], 0.4, &[1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0]),
        (&[1.0, 1.0], 0.2, &[0.2, 0.8]),
        (&[1.0, 1.0], 0.0, &[0.0, 1.0]),
    ];
    for (weights, floor, expected) in table {
        let mut traffic = Traffic::new(shifting(weights, Shift { floor, ..rule() }), 10.0);
        let answer = |asked: &Asked| takes(if asked.at == 0 { 5.0 } else { 0.5 });
        let _ = traffic.run(120.0, answer);
        let shares = traffic.run(if floor > 0.0 { 300.0 } else { 30.0 }, answer);
        assert!(near(&shares, expected, 0.012), "{weights:?} {floor}: {shares:?}");
    }
}

/// One request in five seconds, so that a target that is held back is hardly heard: it is not given up, and one that
/// stays slow gets little of the traffic.
#[test]
fn with_little_traffic_nobody_is_locked_out() {
    let mut traffic = Traffic::new(shifting(&[1.0, 1.0], Shift { floor: 0.0, ..rule() }), 0.2);
    let _ = traffic.run(300.0, slow_first);
    let shares = traffic.run(7200.0, slow_first);
    assert!(shares[0] > 0.0 && shares[0] < 0.1, "{shares:?}");
    let back = traffic.until(3600.0, all_well, |left| left[0] >= 1.0);
    assert!(back > 60.0);
    // Nobody asks for an hour: what was is forgotten step by step.
    let _ = traffic.run(60.0, slow_first);
    let _ = traffic.run(300.0, slow_first);
    traffic.world.pass(secs(3600));
    traffic.arriving = traffic.world.now;
    let _ = traffic.until(3600.0, all_well, |left| left[0] >= 1.0);
}

#[test]
fn a_blip_moves_nothing() {
    let mut traffic = Traffic::new(shifting(&[1.0, 1.0], rule()), 0.2);
    let _ = traffic.run(300.0, all_well);
    for _ in 0..10 {
        let began = traffic.time();
        let _ = traffic.run(120.0, |asked| takes(if asked.time - began < 11.0 { 20.0 } else { 0.5 }));
        assert_eq!(traffic.left(), [1.0, 1.0]);
    }
}

/// While the primary is slow most requests start at the next one, of which nothing was known.
#[test]
fn in_order_the_next_one_takes_over() {
    let mut policy = shifting(&[1.0, 1.0, 1.0], rule());
    policy.balance = Balance::Order;
    let mut traffic = Traffic::new(policy, 2.0);
    let shares = traffic.run(300.0, all_well);
    assert!(near(&shares, &[1.0, 0.0, 0.0], 0.0), "{shares:?}");
    let _ = traffic.run(60.0, slow_first);
    let shares = traffic.run(600.0, slow_first);
    assert!(near(&shares, &[0.05, 0.95, 0.0], 0.02), "{shares:?}");
    // The second is slow as well: the third takes over, and each of the two is still seen.
    let both = |asked: &Asked| takes(spread(if asked.at < 2 { 3.0 } else { 0.5 }, asked));
    let _ = traffic.run(60.0, both);
    let shares = traffic.run(600.0, both);
    assert!(near(&shares, &[0.05, 0.05, 0.9], 0.03), "{shares:?}");
    let _ = traffic.run(420.0, all_well);
    let shares = traffic.run(300.0, all_well);
    assert!(near(&shares, &[1.0, 0.0, 0.0], 0.0), "{shares:?}");
}

/// Failures, costs, means, medians, and bounds from below.
#[test]
fn every_measure_moves_weight() {
    let shift = |measure, stat, bound| Shift { measure, stat, bound, ..rule() };
    let dollars = |dollars| Answer { dollars, ..takes(0.5) };
    let errors =
        |rate: f64, asked: &Asked| Answer { class: (asked.draw < rate).then_some(FaultClass::Server), ..takes(0.5) };
    type Make = Box<dyn Fn(&Asked) -> Answer>;
    let table: Vec<(Shift, Make)> = vec![
        (
            shift(Measure::ErrorRate, Stat::Mean, 0.1),
            Box::new(move |it| errors(if it.at == 0 { 0.25 } else { 0.02 }, it)),
        ),
        (shift(Measure::Cost, Stat::Mean, 0.05), Box::new(move |it| dollars(if it.at == 0 { 0.08 } else { 0.03 }))),
        (
            Shift { above: false, ..shift(Measure::Cost, Stat::Mean, 0.05) },
            Box::new(move |it| dollars(if it.at == 0 { 0.03 } else { 0.08 })),
        ),
        (shift(Measure::Latency, Stat::Percentile(50), 2.0), Box::new(slow_first)),
        (shift(Measure::FirstToken, Stat::Mean, 2.0), Box::new(slow_first)),
    ];
    for (shift, answer) in table {
        let mut traffic = Traffic::new(shifting(&[1.0, 1.0], shift), 5.0);
        traffic.world.policy.breaker.error_rate = 2.0;
        let _ = traffic.run(120.0, &answer);
        let shares = traffic.run(300.0, &answer);
        assert!(near(&shares, &[0.05, 0.95], 0.01), "{shift:?}: {shares:?}");
        let _ = traffic.run(480.0, |_| Answer { dollars: if shift.above { 0.01 } else { 0.1 }, ..takes(0.5) });
        assert_eq!(traffic.left(), [1.0, 1.0], "{shift:?}");
    }
}

/// A target that fails at once is not fast: held back for its latency, it is not brought back by failures; and alone they
/// do not hold it back, since it is not slow.
#[test]
fn a_failure_is_never_fast() {
    let mut policy = shifting(&[1.0, 1.0], rule());
    (policy.breaker.error_rate, policy.breaker.failures) = (2.0, u32::MAX);
    let failing = |asked: &Asked| match asked.at {
        0 => Answer { class: Some(FaultClass::Server), ..takes(0.01) },
        _ => takes(0.5),
    };
    let mut traffic = Traffic::new(policy.clone(), 5.0);
    let _ = traffic.run(300.0, failing);
    assert_eq!(traffic.left(), [1.0, 1.0]);
    let _ = traffic.run(120.0, slow_first);
    let _ = traffic.run(1200.0, failing);
    assert!(traffic.left()[0] < 0.06, "{:?}", traffic.left());
}

/// Callers who leave after four seconds see a target that takes ten as slow; those who leave at once say nothing.
#[test]
fn who_left_waiting_counts() {
    for (patience, share) in [(4.0, 0.05), (0.1, 0.5)] {
        let mut traffic = Traffic::new(shifting(&[1.0, 1.0], rule()), 5.0);
        let answer = |asked: &Asked| match asked.at {
            0 => Answer { class: Some(FaultClass::Cancelled), ..takes(patience) },
            _ => takes(0.5),
        };
        let _ = traffic.run(120.0, answer);
        let shares = traffic.run(300.0, answer);
        assert!((shares[0] - share).abs() < 0.01, "{patience}: {shares:?}");
    }
}

/// A reload that adds a target, changes the order, or ends the rule: what is held back stays so.
#[test]
fn a_reload_keeps_the_state() {
    let mut traffic = Traffic::new(shifting(&[1.0, 1.0], rule()), 5.0);
    let _ = traffic.run(300.0, slow_first);
    let mut policy = shifting(&[1.0, 1.0, 1.0], Shift { bound: 1.8, ..rule() });
    policy.candidates.rotate_left(1);
    traffic.world.policy = policy;
    assert_eq!(traffic.left(), [1.0, 1.0, 0.0], "the first is the last now");
    // A new bound is a new window: nothing is known in it yet, and so hardly anything moves.
    let shares = traffic.run(60.0, |asked| takes(spread(if asked.at == 2 { 3.0 } else { 0.5 }, asked)));
    assert!(near(&shares, &[0.475, 0.475, 0.05], 0.02), "{shares:?}");
    let back = traffic.until(480.0, all_well, |left| left[2] >= 1.0);
    assert!(back > 60.0);
    traffic.world.policy.shift = None;
    assert_eq!(traffic.left(), [1.0, 1.0, 1.0]);
}

/// What another route learns of the target counts; what is held back there is that route's own.
#[test]
fn windows_belong_to_targets() {
    let mut traffic = Traffic::new(shifting(&[1.0, 1.0], rule()), 1.0);
    let _ = traffic.run(30.0, all_well);
    let text = traffic.world.policy.clone();
    traffic.world.policy = Policy { route: "other".to_owned(), shift: None, ..text.clone() };
    let _ = traffic.run(60.0, slow_first);
    traffic.world.policy = text;
    let known = view(&traffic.world.health, &traffic.world.policy, None, traffic.world.now());
    assert_eq!(known.rows()[0].shift.map(|row| row.since), Some(None));
    let _ = traffic.run(30.0, all_well);
    let known = view(&traffic.world.health, &traffic.world.policy, None, traffic.world.now());
    let row = known.rows()[0].shift.unwrap();
    assert!(row.since.is_some() && row.value.unwrap() > 3.0 && row.samples >= 20, "{row:?}");
}

/// Plain answers have no first token to see: they count whole, and only where streams are few.
#[test]
fn plain_answers_count_where_there_are_no_streams() {
    for (streams, share) in [(0.0, 0.05), (0.5, 0.5)] {
        let mut traffic = Traffic::new(shifting(&[1.0, 1.0], rule()), 5.0);
        traffic.plain_beyond = streams;
        let answer = |asked: &Asked| takes(if asked.at == 0 && asked.draw >= streams { 4.0 } else { 0.5 });
        let _ = traffic.run(120.0, answer);
        let shares = traffic.run(300.0, answer);
        assert!((shares[0] - share).abs() < 0.01, "{streams}: {shares:?}");
    }
}

//! A target beside the others of its tier.
//!
//! **What is not known is taken from them.** A new target is expected to be as its peers are on average: a better guess
//! than "fast", which would flood it, and than "slow", which would never ask it. What was learned long ago counts less
//! and less beside them, with a time constant of half an hour. It approaches them and never passes them, so that the slower
//! of two does not become the faster by being forgotten.
//!
//! **Far worse than its peers.** *What an operator expects:* a target that has begun to fail or to crawl loses share
//! before a breaker trips, keeps enough of it to be seen to recover, and gets it back by itself; one blip does nothing.
//! Statistical outlier detection as in Envoy wants five hosts and a hundred requests each, and a route has two or three
//! targets. So the bounds are plain:
//! - *Fails:* its share of failures, of about fifty answers or five minutes, is above 20 % and above three times the
//!   median of its peers. Ten answers like the peers' are counted in beside its own, so that it takes several failures
//!   to show, and few answers let go again as they fade. Its factor falls from 1 at the bound to the floor 20 points
//!   above it.
//! - *Crawls:* its mean first token over the last minute is above one second, above three times the median of its
//!   peers, and above twice what is normal for itself. Without the last, a large model beside a small one would lose
//!   the weight the operator gave it; to leave a target for being slow by nature is what `fastest` and `shift` are for.
//!   For the same reason models that think before they speak are not compared. Its factor is the bound over the mean.
//!
//! Either needs five answers within about five minutes, of the target and of a peer; and neither falls below a fifth.

use crate::health::pace::UNPROVEN;
use crate::{Pace, Policy, Row, Standing};

/// Time constant in seconds of how old knowledge yields to what the peers show.
const STALE: f64 = 1800.0;
/// Ten seconds, as a power of that: what only failures are known of is a peak, and falls as one.
const PEAK: i32 = 180;
/// Answers it takes to judge, of the target and of each peer.
const ENOUGH: f64 = 5.0;
/// Answers like the peers' that are counted in beside the target's own.
const PRIOR: f64 = 10.0;
/// Of whom nothing is known fails no more often than this, however its peers do: else the way out of an outage would look
/// as bad as the outage.
const HEALTHY: f64 = 0.02;
/// Times the median of the peers.
const FAR: f64 = 3.0;
/// The share of failures from which on a target may do far worse.
const FAILING: f64 = 0.2;
/// So far above the bound the floor is reached.
const FAILING_SPAN: f64 = 0.2;
/// The mean first token in seconds from which on a target may do far worse.
const SLOW: f64 = 1.0;
/// Times what is normal for itself.
const UNUSUAL: f64 = 2.0;
/// The least factor.
const FLOOR: f64 = 0.2;

/// Compares the candidates of each tier: sets [`Row::peers`], and completes [`Row::pace`].
pub(crate) fn compare(policy: &Policy, rows: &mut [Row]) {
    if rows.len() < 2 || rows.iter().all(|row| row.pace.idle.is_none() && row.pace.answers <= 0.0) {
        return;
    }
    let mut next = policy.candidates.iter().map(|candidate| candidate.tier).min();
    while let Some(tier) = next {
        judge(policy, tier, rows);
        complete(policy, tier, rows);
        next = policy.candidates.iter().map(|candidate| candidate.tier).filter(|other| *other > tier).min();
    }
}

fn of_tier<'a>(policy: &'a Policy, tier: u8, rows: &'a mut [Row]) -> impl Iterator<Item = (&'a mut Row, bool)> {
    let candidates = policy.candidates.iter();
    rows.iter_mut()
        .zip(candidates)
        .filter(move |(_, it)| it.tier == tier)
        .map(|(row, it)| (row, it.race_after.is_some()))
}

/// The median of sorted values without one of them.
fn median_of_others(sorted: &[f64], own: f64) -> Option<f64> {
    let at = sorted.partition_point(|value| *value < own);
    let others = sorted.len().checked_sub(1)?;
    let other = |n: usize| sorted.get(if n < at { n } else { n + 1 }).copied();
    match others {
        0 => None,
        _ if others % 2 == 1 => other(others / 2),
        _ => Some(f64::midpoint(other(others / 2 - 1)?, other(others / 2)?)),
    }
}

fn judge(policy: &Policy, tier: u8, rows: &mut [Row]) {
    let is_judged = |row: &Row| row.pace.answers >= ENOUGH;
    // One that waits for its probe is the breaker's: exactly one request is to find out.
    let may_lose = |row: &Row| is_judged(row) && row.place == Standing::Ready;
    if of_tier(policy, tier, rows).any(|(row, _)| is_judged(row) && row.pace.failing > FAILING) {
        let peers = of_tier(policy, tier, rows).filter(|(row, _)| is_judged(row));
        let mut sorted: Vec<f64> = peers.map(|(row, _)| row.pace.failing).collect();
        sorted.sort_by(f64::total_cmp);
        for (row, _) in of_tier(policy, tier, rows).filter(|(row, _)| may_lose(row)) {
            if let Some(median) = median_of_others(&sorted, row.pace.failing) {
                let share = mix(row.pace.failing, row.pace.answers, median);
                let above = share - FAILING.max(FAR * median);
                row.peers.failing = (1.0 - above / FAILING_SPAN * (1.0 - FLOOR)).clamp(FLOOR, 1.0);
            }
        }
    }
    let is_unusual = |pace: &Pace| match (pace.recent, pace.normal) {
        (Some(recent), Some(normal)) => recent > SLOW && recent > UNUSUAL * normal,
        _ => false,
    };
    if of_tier(policy, tier, rows).any(|(row, thinks)| !thinks && is_judged(row) && is_unusual(&row.pace)) {
        let peers = of_tier(policy, tier, rows).filter(|(row, thinks)| !thinks && is_judged(row));
        let mut sorted: Vec<f64> = peers.filter_map(|(row, _)| row.pace.recent).collect();
        sorted.sort_by(f64::total_cmp);
        for (row, _) in of_tier(policy, tier, rows).filter(|(row, thinks)| !thinks && may_lose(row)) {
            if let (Some(recent), Some(normal)) = (row.pace.recent, row.pace.normal)
                && let Some(median) = median_of_others(&sorted, recent)
            {
                row.peers.slow = (SLOW.max(FAR * median).max(UNUSUAL * normal) / recent).clamp(FLOOR, 1.0);
            }
        }
    }
}

/// The mean of what was seen of it, and of what is like its peers.
fn mix(own: f64, answers: f64, like: f64) -> f64 {
    (own * answers + like * PRIOR) / (answers + PRIOR)
}

/// A weighted mean.
#[derive(Default)]
struct Sum {
    sum: f64,
    weight: f64,
}

impl Sum {
    fn add(&mut self, value: Option<f64>, weight: f64) {
        if let Some(value) = value {
            self.sum += value * weight;
            self.weight += weight;
        }
    }

    fn mean(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }
}

fn freshness(pace: &Pace) -> f64 {
    pace.idle.map_or(0.0, |idle| (-idle / STALE).exp())
}

fn complete(policy: &Policy, tier: u8, rows: &mut [Row]) {
    let (mut first, mut per_token, mut output, mut failing) = Default::default();
    for (row, _) in of_tier(policy, tier, rows) {
        let (pace, fresh): (&Pace, f64) = (&row.pace, freshness(&row.pace));
        Sum::add(&mut first, pace.recent, fresh);
        Sum::add(&mut per_token, pace.per_token, fresh);
        Sum::add(&mut output, pace.output, fresh);
        Sum::add(&mut failing, Some(pace.failing), pace.answers);
    }
    for (row, _) in of_tier(policy, tier, rows) {
        let pace = &mut row.pace;
        let fresh = freshness(pace);
        // Where plain answers are all that is known, the time of the tokens is in that of the first.
        if pace.recent.is_none() {
            pace.per_token = per_token.mean();
        }
        if let Some(mean) = first.mean() {
            let left = if pace.recent.is_some() { fresh } else { fresh.powi(PEAK) };
            let mean = if pace.in_a_row > 0 { mean * UNPROVEN } else { mean };
            pace.first_token = Some(pace.first_token.map_or(mean, |own| mean + (own - mean) * left));
        }
        if let Some(like) = output.mean() {
            pace.output = Some(pace.output.map_or(like, |own| mix(own, pace.answers, like)));
        }
        if let Some(like) = failing.mean() {
            pace.failing = mix(pace.failing, pace.answers, like.min(HEALTHY));
        }
    }
}

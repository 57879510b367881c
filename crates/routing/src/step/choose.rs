//! Which candidate and key this request may use now, later, or not again.

use std::time::Duration;

use ringmain_core::{Fault, FaultClass, FaultScope, Phase, Seed, Tick};

use super::{Tried, Try};
use crate::health::quota::PACED_MOST;
use crate::{KeyIx, KeyRow, Plan, Policy, Reason, Standing, View};

/// A slot comes free when an attempt ends, and no one knows when: this long at least, and a jitter, until the next look.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// One request at one moment.
pub(super) struct Request<'a> {
    pub(super) policy: &'a Policy,
    pub(super) plan: &'a Plan,
    pub(super) tried: &'a [Tried],
    pub(super) view: &'a View,
    pub(super) now: Tick,
    pub(super) deadline: Tick,
    pub(super) seed: Seed,
}

/// By which of its keys?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keys {
    All,
    /// Only those this request has not used for the candidate.
    Unused,
}

/// Can a candidate be used?
#[derive(Debug, Clone, Copy)]
pub(super) enum Use {
    Now(Try),
    /// By our estimate there is not room enough: only when nothing else can be used now.
    Last(Try),
    /// Its limit ends then.
    At(Tick),
    No,
}

/// Can a key be used?
#[derive(Debug, Clone, Copy)]
enum Rank {
    Now(usize),
    At(Tick),
    Never,
}

const FREE: usize = 0;
const PACED: usize = 1;
const USED: usize = 2;
const STRAINED: usize = 3;
const RANKS: usize = 4;

impl Request<'_> {
    /// Every candidate this request may still use at some time: as planned, then those that were out when it was
    /// planned and may be back.
    pub(super) fn candidates(&self) -> impl Iterator<Item = usize> {
        let was_out = |at: &usize| {
            let reason = self.plan.verdicts.get(*at).and_then(crate::Verdict::reason);
            reason.is_some_and(|reason| !reason.is_lasting())
        };
        let all = 0..self.policy.candidates.len();
        self.plan.order.iter().copied().chain(all.filter(was_out)).filter(|at| !self.is_ruled_out(*at))
    }

    /// Did an attempt of this request show that this candidate cannot serve it? A target that is listed twice is one
    /// target: what is to be tried again is the place that was tried.
    fn is_ruled_out(&self, at: usize) -> bool {
        let target = |at: usize| self.policy.candidates.get(at).map(|candidate| candidate.target);
        if self.tried.iter().any(|tried| tried.candidate != at && target(tried.candidate) == target(at)) {
            return true;
        }
        let window = |at: usize| self.policy.candidates.get(at).and_then(|candidate| candidate.context_window);
        self.faults().any(|(tried, fault)| match fault.class {
            // Who died in the middle of an answer is not the one to go on with it.
            _ if fault.phase == Phase::AfterCommit => tried.candidate == at,
            FaultClass::Gone | FaultClass::Refusal | FaultClass::Unroutable => tried.candidate == at,
            FaultClass::Context => {
                tried.candidate == at
                    || match (window(at), window(tried.candidate)) {
                        (Some(this), Some(too_small)) => this <= too_small,
                        _ => true,
                    }
            }
            _ => false,
        })
    }

    /// The attempts that failed, with their failures.
    pub(super) fn faults(&self) -> impl Iterator<Item = (&Tried, &Fault)> {
        self.tried.iter().filter_map(|tried| tried.result.as_ref().map(|fault| (tried, fault)))
    }

    /// How often this request has tried a candidate.
    pub(super) fn times(&self, at: usize) -> usize {
        self.tried.iter().filter(|tried| tried.candidate == at).count()
    }

    /// May this request use the candidate?
    pub(super) fn usable(&self, at: usize) -> Use {
        self.usable_by(at, Keys::All)
    }

    /// May this request use the candidate in a way it has not yet: at all, or, where the last failure blamed the key
    /// alone, by another key?
    pub(super) fn fresh(&self, at: usize) -> Use {
        match self.tried.iter().rev().find(|tried| tried.candidate == at) {
            None => self.usable(at),
            Some(Tried { result: Some(fault), .. }) if blames_key(fault) => self.usable_by(at, Keys::Unused),
            Some(_) => Use::No,
        }
    }

    fn usable_by(&self, at: usize, keys: Keys) -> Use {
        let (Some(row), Some(candidate)) = (self.view.rows.get(at), self.policy.candidates.get(at)) else {
            return Use::No;
        };
        let place = match row.place {
            Standing::Out(Reason::Busy) => Some(self.now + LOOK_AGAIN + self.jitter(at, 1)),
            Standing::Out(reason) => match reason.worth_waiting_for() {
                Some(until) => Some(until),
                None => return Use::No,
            },
            Standing::Ready | Standing::Probe => None,
        };
        match (self.key(at, keys), place) {
            (Ok((key, strained)), None) => {
                let attempt = Try {
                    candidate: at,
                    target: candidate.target,
                    host: candidate.host,
                    key: key.key,
                    probe: row.place == Standing::Probe || key.standing == Standing::Probe,
                    warm: self.tried.is_empty() && self.plan.warm == Some(at),
                    tokens: row.need.tokens(),
                    input: row.need.input,
                    hedge: false,
                };
                if strained || row.strained { Use::Last(attempt) } else { Use::Now(attempt) }
            }
            (Ok(_), Some(until)) => Use::At(until),
            (Err(Some(key)), place) => Use::At(place.map_or(key, |place| place.max(key))),
            (Err(None), _) => Use::No,
        }
    }

    /// A key by weight times what is left of it, one that this request has not used here if there is one, and rather one
    /// that need not be paced; else when one is back, if ever. True: it does not fit by our estimate of the tokens, but
    /// the limit that it would have to wait for ends too late.
    fn key(&self, at: usize, which: Keys) -> Result<(KeyRow, bool), Option<Tick>> {
        let keys = self.view.keys(at);
        if let [only] = keys
            && self.tried.is_empty()
            && !only.strained
            && !matches!(only.standing, Standing::Out(_))
        {
            return Ok((*only, false));
        }
        let used = |key: KeyIx| self.tried.iter().any(|tried| tried.candidate == at && tried.key == key);
        let (mut shares, mut back) = ([0.0; RANKS], None::<Tick>);
        let allowed = || keys.iter().filter(|key| which == Keys::All || !used(key.key));
        for key in allowed() {
            match self.rank(at, key, used(key.key)) {
                Rank::Now(rank) => shares[rank] += share(key),
                Rank::At(until) => back = Some(back.map_or(until, |back| back.min(until))),
                Rank::Never => {}
            }
        }
        let Some(best) = shares.iter().position(|share| *share > 0.0) else { return Err(back) };
        let mut point = self.seed.nth("key", self.tried.len() as u64).unit() * shares[best];
        let mut picked = None;
        for key in allowed().filter(|key| matches!(self.rank(at, key, used(key.key)), Rank::Now(rank) if rank == best))
        {
            picked = Some((*key, best == STRAINED));
            point -= share(key);
            if point < 0.0 {
                break;
            }
        }
        picked.ok_or(back)
    }

    /// The lower the better.
    fn rank(&self, at: usize, key: &KeyRow, used: bool) -> Rank {
        match self.key_back(at, key) {
            None => Rank::Never,
            Some(until) if until > self.now && (until < self.deadline || !key.strained) => Rank::At(until),
            Some(_) if key.strained => Rank::Now(STRAINED),
            Some(_) if used => Rank::Now(USED),
            Some(_) if key.paced.is_some_and(|until| until > self.now) => Rank::Now(PACED),
            Some(_) => Rank::Now(FREE),
        }
    }

    /// When this request may use the key for this candidate: at once if that is past, `None` if never.
    fn key_back(&self, at: usize, key: &KeyRow) -> Option<Tick> {
        let mut back = match key.standing {
            Standing::Ready | Standing::Probe => Tick::ZERO,
            Standing::Out(reason) => reason.worth_waiting_for()?,
        };
        for (tried, fault) in self.faults() {
            let blames_this = tried.key == key.key && (tried.candidate == at || fault.scope == FaultScope::Key);
            match fault.class {
                FaultClass::Auth | FaultClass::Billing if blames_this => return None,
                FaultClass::RateLimit if blames_this => back = back.max(asked_until(tried, fault)),
                _ => {}
            }
        }
        Some(back)
    }

    /// The end of the wait before trying a candidate again: a jittered backoff, or what the provider asked. What it
    /// asked of a key alone holds for that key: see `key_back`.
    pub(super) fn again_at(&self, at: usize) -> Tick {
        let times = self.times(at);
        let mut until = Tick::ZERO;
        for (tried, fault) in self.faults().filter(|(tried, _)| tried.candidate == at) {
            let ended = tried.ended.unwrap_or(tried.started);
            let asked = if blames_key(fault) { ended } else { asked_until(tried, fault) };
            until = until.max(asked).max(ended + self.jitter(at, times));
        }
        until
    }

    /// Full jitter below `min(max, base * 2^(times - 1))`.
    pub(super) fn jitter(&self, at: usize, times: usize) -> Duration {
        let backoff = self.policy.backoff;
        let doublings = u32::try_from(times.saturating_sub(1)).unwrap_or(u32::MAX).min(31);
        let ceiling = backoff.base.saturating_mul(1 << doublings).min(backoff.max);
        ceiling.mul_f64(self.seed.nth("backoff", at as u64).nth("times", times as u64).unit())
    }

    /// Would this attempt need the budget? See `health/retry_budget.rs`.
    pub(super) fn is_paid(&self, at: usize) -> bool {
        let suspect = self.view.rows.get(at).is_some_and(|row| row.suspect || row.place == Standing::Probe);
        !self.tried.is_empty() && (suspect || self.times(at) > 0)
    }

    /// Is there budget for it, if it needs any?
    pub(super) fn is_covered(&self, at: usize) -> bool {
        !self.is_paid(at) || self.view.budget >= 1.0
    }

    /// Is there budget for its use in a way not tried yet? Another key in place of one that was refused is free.
    pub(super) fn is_fresh_covered(&self, at: usize) -> bool {
        self.times(at) > 0 || self.is_covered(at)
    }

    /// The first way not tried yet that is open now, in the order of the plan.
    pub(super) fn untried(&self) -> Option<Try> {
        let mut allowed = self.candidates().filter(|at| self.has_attempt_for(*at) && self.is_fresh_covered(*at));
        allowed.find_map(|at| match self.fresh(at) {
            Use::Now(attempt) => Some(attempt),
            Use::Last(_) | Use::At(_) | Use::No => None,
        })
    }

    /// Until when the attempt is better not begun, for an even pace; never long, and only before any other.
    pub(super) fn paced(&self, attempt: &Try) -> Option<Tick> {
        let row = self.view.rows.get(attempt.candidate)?;
        let key = self.view.keys(attempt.candidate).iter().find(|key| key.key == attempt.key)?;
        let until = row.paced.max(key.paced)?;
        let latest = self.deadline.min(self.plan.made + PACED_MOST);
        (until > self.now && until < latest && self.attempts() > 1).then_some(until)
    }

    /// Another candidate of the tier that can be used at once.
    pub(super) fn unpaced_peer(&self, at: usize) -> Option<Try> {
        let tier = |at: usize| self.policy.candidates.get(at).map(|candidate| candidate.tier);
        let mut peers = self.candidates().filter(|peer| *peer != at && tier(*peer) == tier(at));
        peers.find_map(|peer| match self.fresh(peer) {
            Use::Now(attempt) if self.paced(&attempt).is_none() => Some(attempt),
            _ => None,
        })
    }

    /// How long after a limit's end this request comes back: who has waited longer, sooner. With one lock around the
    /// decision, that is all the queue there has to be.
    pub(super) fn place_in_line(&self, until: Tick) -> Duration {
        self.policy.backoff.base.div_f64(1.0 + until.since(self.plan.made).as_secs_f64())
    }
}

/// Does the failure say something of the key alone, so that another key may serve?
fn blames_key(fault: &Fault) -> bool {
    matches!(fault.class, FaultClass::RateLimit | FaultClass::Billing | FaultClass::Auth)
        && matches!(fault.scope, FaultScope::Key | FaultScope::KeyModel)
}

/// When the time that the provider asked for ends; the end of the attempt if it asked for none.
fn asked_until(tried: &Tried, fault: &Fault) -> Tick {
    tried.ended.unwrap_or(tried.started) + fault.retry_after.unwrap_or(Duration::ZERO)
}

/// A key of weight 0 is used when nothing else is left, and so is one of which nothing seems left.
fn share(key: &KeyRow) -> f64 {
    let share = key.weight * key.left;
    if share.is_finite() { share.max(1e-9) } else { 1e-9 }
}

//! Heartbeats: the gateway asks a provider by itself, so that no request has to find out whether what is out is back.
//!
//! What an operator expects: while a target, its host or a key is out, somebody looks after it; when it is well again
//! it is used again, without a caller paying for the discovery; when it is not, it stays out for longer and longer; and
//! while all is well nothing is asked, unless that is wanted.
//!
//! Two questions can be asked, and they prove different things.
//!
//! **A request for one token** is a request like any other: what comes of it goes into the fold as a probe does. A good
//! one closes the breaker into its ramp, a bad one keeps it open for twice as long.
//!
//! **The list of models** is free, and proves that the host answers and the key is accepted, not that the model does. So
//! a host that was down is back with it. A target whose own breaker is open is only made ready for its probe, at once
//! instead of when its doubled time is over; whether it answers, one request finds out. And only if the list is *news*:
//! it is the first look since the breaker opened, or the last list had failed. A list that works all along while the
//! model fails says nothing of the model, and would otherwise undo the doubling every half minute. The same holds for a
//! key that was refused: many servers show their list to anybody, so the first good list allows one try, and only a key
//! that the list had refused before and takes now is good outright.
//!
//! A heartbeat takes the probe of whatever it asks about, before its time if need be: then neither a request nor another
//! heartbeat is sent meanwhile. What a provider has named a time for (429, Retry-After) is never asked earlier.

use std::time::Duration;

use ringmain_core::{Fault, FaultClass, Now, Seed, Tick};

use crate::observe::End;
use crate::{BreakerPolicy, Health, HostIx, KeyIx, TargetIx, Try};

/// What the last heartbeats said of something that is out. Forgotten when it is back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum News {
    #[default]
    None,
    Good,
    Bad,
}

/// What a heartbeat asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// The list of models.
    Models,
    /// One token of a model.
    Token,
}

/// One heartbeat: what it asks, and whom the answer concerns.
#[derive(Debug, Clone, PartialEq)]
pub struct Beat {
    /// What for.
    pub asks: Asks,
    /// With which key.
    pub key: KeyIx,
    /// Of whom.
    pub about: About,
    /// How long a probe that nothing is heard of holds: that of requests.
    pub lease: Duration,
}

/// Of whom something is to be known.
#[derive(Debug, Clone, PartialEq)]
pub enum About {
    /// The host and targets on it: all of the provider for the list of models, one for a token.
    Place {
        /// The host.
        host: HostIx,
        /// The host's breaker.
        breaker: BreakerPolicy,
        /// The targets, and their breakers.
        targets: Vec<(TargetIx, BreakerPolicy)>,
    },
    /// The key, by the target that is asked for a token.
    Key {
        /// Where the token is asked for; `None` for the list of models.
        target: Option<(HostIx, TargetIx, BreakerPolicy)>,
    },
}

/// How those it is about stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulse {
    /// Nothing is out that the answer could bring back.
    Well,
    /// Something is out.
    Out {
        /// When a request would be let through to find out, if the answer can still tell anything before.
        until: Option<Tick>,
    },
    /// It is being found out already, or the provider has named a time that is not over.
    Busy,
}

/// What came of a heartbeat.
#[derive(Debug, Clone, Copy)]
pub enum Heard<'a> {
    /// A good answer.
    Well,
    /// A failure.
    Failed(&'a Fault),
    /// Nothing: it was broken off.
    Nothing,
}

/// Is the key out because the provider does not accept it, or has no credit for it?
#[must_use]
pub fn is_refused(health: &Health, key: KeyIx) -> bool {
    health.keys.get(key.0).is_some_and(|key| key.out.is_refused())
}

/// How those the heartbeat is about stand now.
#[must_use]
pub fn pulse(health: &Health, beat: &Beat, now: Now) -> Pulse {
    let (now, lease) = (now.mono, beat.lease);
    match &beat.about {
        About::Key { .. } => {
            let out = health.keys.get(beat.key.0).map(|key| &key.out);
            out.map_or(Pulse::Well, |out| out.pulse(beat.asks, lease, now))
        }
        About::Place { host, targets, .. } => {
            let mut all = health.hosts.get(host.0).map_or(Pulse::Well, |host| host.pulse(Asks::Token, lease, now));
            for (target, _) in targets {
                let Some(known) = health.targets.get(target.0) else { continue };
                let mut one = known.breaker.pulse(beat.asks, lease, now);
                if beat.asks == Asks::Token {
                    one = one.and(known.out.pulse(beat.asks, lease, now));
                    let pair = health.pairs.get(&(beat.key, *target));
                    one = one.and(pair.map_or(Pulse::Well, |pair| pair.out.pulse(beat.asks, lease, now)));
                }
                // Of many targets, one that is being probed keeps nobody from asking for the others.
                all = if beat.asks == Asks::Token { all.and(one) } else { all.or(one) };
            }
            all
        }
    }
}

/// A heartbeat is sent. What it asks about is probed by nobody else until [`heard`].
pub fn begin(health: &mut Health, beat: &Beat, now: Now) {
    let (now, lease) = (now.mono, beat.lease);
    match &beat.about {
        About::Key { .. } => {
            if let Some(key) = health.key(beat.key) {
                key.out.take_early(lease, now);
            }
        }
        About::Place { host, targets, .. } => {
            if let Some(host) = health.host(*host) {
                host.take_early(lease, now);
            }
            for (target, _) in targets {
                let Some(known) = health.target(*target) else { continue };
                match beat.asks {
                    Asks::Token => {
                        known.breaker.take_early(lease, now);
                        known.out.take_early(lease, now);
                        if let Some(pair) = health.pairs.get_mut(&(beat.key, *target)) {
                            pair.out.take_early(lease, now);
                        }
                    }
                    // Where another good list would be no news, requests need not wait for it.
                    Asks::Models if known.breaker.news() == News::Good => {}
                    Asks::Models => known.breaker.take_early(lease, now),
                }
            }
        }
    }
}

/// What came of it. Must be called once for each [`begin`]; `started` is when that was told. Says whether something that
/// was out is back, or ready for its probe.
pub fn heard(health: &mut Health, beat: &Beat, started: Tick, heard: Heard<'_>, now: Now, seed: Seed) -> bool {
    let before = pulse(health, beat, now);
    let answer = Answer { beat, started, now: now.mono, seed };
    let moved = match (beat.asks, heard) {
        (Asks::Token, Heard::Well) => {
            answer.token(health, |end, health| end.served(health));
            before != Pulse::Well && pulse(health, beat, now) == Pulse::Well
        }
        // The model was reached, and refused what was asked: so small an answer, for one.
        (Asks::Token, Heard::Failed(fault)) if is_refusal(fault.class) => answer.listed(health),
        (Asks::Token, Heard::Failed(fault)) => {
            answer.token(health, |end, health| end.failed(health, fault, None));
            false
        }
        (Asks::Models, Heard::Well) => answer.listed(health),
        (Asks::Models, Heard::Failed(fault)) => {
            answer.not_listed(health, fault);
            false
        }
        (_, Heard::Nothing) => false,
    };
    answer.release(health);
    moved
}

const fn is_refusal(class: FaultClass) -> bool {
    matches!(class, FaultClass::BadRequest | FaultClass::Context | FaultClass::Refusal)
}

/// The end of one heartbeat.
struct Answer<'a> {
    beat: &'a Beat,
    started: Tick,
    now: Tick,
    seed: Seed,
}

impl Answer<'_> {
    /// What was asked is a request, and its end that of one.
    fn token(&self, health: &mut Health, end: impl Fn(&End<'_>, &mut Health)) {
        let asked = match &self.beat.about {
            About::Place { host, targets, .. } => targets.first().map(|(target, breaker)| (*host, *target, breaker)),
            About::Key { target } => target.as_ref().map(|(host, target, breaker)| (*host, *target, breaker)),
        };
        let Some((host, target, breaker)) = asked else { return };
        let key = self.beat.key;
        let attempt =
            Try { candidate: 0, target, host, key, probe: true, warm: false, tokens: 0, input: 0, hedge: false };
        end(&End { breaker, attempt: &attempt, started: self.started, now: self.now, seed: self.seed }, health);
    }

    /// Host and key are well; of the targets it is said that they may be tried. Says whether that was news.
    fn listed(&self, health: &mut Health) -> bool {
        match &self.beat.about {
            About::Key { .. } => health.key(self.beat.key).is_some_and(|key| key.out.listed(self.now)),
            About::Place { host, breaker, targets } => {
                let mut moved = false;
                if let Some(host) = health.host(*host) {
                    moved = host.committed(self.started, self.now);
                    host.succeeded(breaker, self.started, self.now);
                }
                for (target, _) in targets {
                    moved |= health.target(*target).is_some_and(|known| known.breaker.listed(self.now));
                }
                moved
            }
        }
    }

    fn not_listed(&self, health: &mut Health, fault: &Fault) {
        match &self.beat.about {
            About::Key { .. } => {
                // 403 may only say that the key may not list: some may do nothing but chat.
                let key = health.key(self.beat.key).filter(|key| key.out.is_refused());
                if let Some(key) = key.filter(|_| fault.status == Some(401)) {
                    key.out.mark(FaultClass::Auth, None, self.started, self.now);
                    key.out.not_listed();
                }
            }
            About::Place { host, breaker, targets } => {
                if let Some(known) = health.host(*host) {
                    if fault.status.is_some() {
                        known.succeeded(breaker, self.started, self.now);
                    } else if fault.class == FaultClass::Network {
                        known.failed(breaker, self.started, self.now, self.seed.draw("host"));
                    }
                }
                // What answers with something else than a list is no witness against the models.
                let speaks = matches!(
                    fault.class,
                    FaultClass::Network
                        | FaultClass::Server
                        | FaultClass::Overloaded
                        | FaultClass::Timeout
                        | FaultClass::Interrupted
                );
                for (target, breaker) in targets.iter().filter(|_| speaks) {
                    let seed = self.seed.nth("target", u64::from(target.0));
                    if let Some(known) = health.target(*target) {
                        known.breaker.not_listed(breaker, self.started, self.now, seed);
                    }
                }
            }
        }
    }

    /// Gives back every probe it still holds.
    fn release(&self, health: &mut Health) {
        match &self.beat.about {
            About::Key { .. } => {
                if let Some(key) = health.key(self.beat.key) {
                    key.out.release(self.started);
                }
            }
            About::Place { host, targets, .. } => {
                if let Some(host) = health.host(*host) {
                    host.release(self.started);
                }
                for (target, _) in targets {
                    if let Some(known) = health.target(*target) {
                        known.breaker.release(self.started);
                        known.out.release(self.started);
                    }
                    if let Some(pair) = health.pairs.get_mut(&(self.beat.key, *target)) {
                        pair.out.release(self.started);
                    }
                }
            }
        }
    }
}

impl Pulse {
    /// Both of one target: what keeps from asking for either keeps from asking.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Busy, _) | (_, Self::Busy) => Self::Busy,
            (either, Self::Well) | (Self::Well, either) => either,
            (Self::Out { until: a }, Self::Out { until: b }) => Self::Out { until: a.max(b) },
        }
    }

    /// Either of many: one that is out is enough to ask.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Out { until: a }, Self::Out { until: b }) => Self::Out { until: a.into_iter().chain(b).min() },
            (out @ Self::Out { .. }, _) | (_, out @ Self::Out { .. }) => out,
            (Self::Busy, _) | (_, Self::Busy) => Self::Busy,
            (Self::Well, Self::Well) => Self::Well,
        }
    }
}

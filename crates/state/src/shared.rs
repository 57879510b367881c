//! Limits as a request meets them: counted in this process, and together with others where there is a store for that.
//!
//! The store is asked, for milliseconds at most. While it does not answer, a process may use its part of what was left when
//! it last did: the rest, divided by the processes there were, beside what it had been granted. So all of them together stay
//! within a limit of which all knew the standing; who had not asked for it for a while may take its part of an older rest,
//! and the store may give away the whole rest to those that it still answers. So what goes beyond the limit is at most the
//! sum of the parts of those that are alone: less than the limit once more, where each of them knew how many they are.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use ringmain_core::{Metered, WallTime};

use crate::aside::{Aside, Untold};
use crate::memory;
use crate::quota::{Amounts, Exhausted, Grant, LimitId, LimitIds, QuotaStore, Standing};

/// What a store that is shared knows a reservation by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ticket(pub String);

/// What a grant holds in a shared store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    ticket: Ticket,
    /// It did not say so: perhaps it does not.
    unsure: bool,
}

#[cfg(test)]
impl Ticket {
    pub(crate) const fn sure(self) -> Held {
        Held { ticket: self, unsure: false }
    }
}

#[cfg(test)]
impl From<Held> for Ticket {
    fn from(held: Held) -> Self {
        held.ticket
    }
}

/// What a shared store says to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// It is reserved; how each limit stands with it.
    Granted(Vec<Standing>),
    /// A limit has no room; how it stands.
    Full(Exhausted, Standing),
    /// No answer in time: nobody knows whether it heard.
    Unsure,
}

/// How a reservation ended that a shared store is to be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// It was reserved.
    Granted,
    /// It was asked, and did not answer.
    Unsure,
    /// It was asked, and nothing came of it: what it may have reserved is to be given back.
    Void,
    /// It was not asked.
    Never,
}

/// What was used in place of what was reserved.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// Of which reservation. `None`: the store was not asked.
    pub ticket: Option<Ticket>,
    /// What is known of that.
    pub known: Known,
    /// From which limits.
    pub limits: LimitIds,
    /// How much was reserved.
    pub reserved: Amounts,
    /// How much was used.
    pub used: Amounts,
    /// When.
    pub now: WallTime,
    /// Counted as unknown to the store for as long as this is held.
    #[expect(dead_code, reason = "it is held, and not read")]
    pub(crate) aside: Option<Arc<Aside>>,
}

/// What a request asks of a shared store.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// What the reservation is to be known by.
    pub ticket: &'a Ticket,
    /// From all of these, or from none.
    pub limits: &'a [LimitId],
    /// So much.
    pub ask: Amounts,
    /// What all processes have used of each, as far as this one knows: for a store that knows nothing of a limit.
    pub seeds: &'a [u64],
    /// Whether budgets have room or not.
    pub force: bool,
    /// The time.
    pub now: WallTime,
}

/// An answer to come.
pub type Asking<'a> = Pin<Box<dyn Future<Output = Heard> + Send + 'a>>;

/// Counts what several processes use together.
pub trait Remote: fmt::Debug + Send + Sync {
    /// A ticket to ask with. `None`: it is not to be asked now, for it did not answer lately.
    fn ticket(&self) -> Option<Ticket>;

    /// Asks; waits for milliseconds at most.
    fn reserve<'a>(&'a self, question: Question<'a>) -> Asking<'a>;

    /// Tells it what was used, now or when it next listens. Never waits.
    fn settle(&self, settlement: Settlement);

    /// The processes that share it, as last counted; at least one.
    fn processes(&self) -> u64;

    /// How it does, for whoever watches.
    fn gauges(&self) -> Gauges;
}

/// Something that a process found to be out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// `provider/model`.
    pub target: String,
    /// All that is on its host, not the one model.
    pub host: bool,
    /// For how long nobody is to ask there.
    pub length: Duration,
}

/// Tells other processes what is out, and hears it from them. Never waits.
pub trait HealthShare: fmt::Debug + Send + Sync {
    /// This process found something out.
    fn tell(&self, outage: Outage);

    /// What others have found since the last call.
    fn heard(&self) -> Vec<Outage>;
}

/// How a shared store does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gauges {
    /// It is not asked, for it did not answer.
    pub down: bool,
    /// Questions without an answer in time, since the start.
    pub unanswered: u64,
    /// Settlements that it has not been told of yet.
    pub untold: u64,
    /// Settlements that it will never be told of, since the start.
    pub lost: u64,
    /// The processes that share it.
    pub processes: u64,
}

/// How a limit stood when the shared store last said so.
#[derive(Debug, Clone, Copy)]
struct LastHeard {
    /// Of which question that was the answer.
    number: u64,
    at: WallTime,
    all: Standing,
    /// What was used here, with or without its knowledge.
    own: Standing,
    /// What of that it did not know.
    untold: u64,
}

impl LastHeard {
    /// It was in a period that still counts.
    fn counts(&self, limit: &LimitId, now: WallTime) -> bool {
        limit.limit.per.is_none_or(|period| self.at >= period.begin(now))
    }
}

/// The limits of a process.
#[derive(Debug, Default)]
pub struct Limits {
    own: memory::Quotas,
    remote: OnceLock<Arc<dyn Remote>>,
    heard: Mutex<HashMap<LimitId, LastHeard>>,
    questions: AtomicU64,
    untold: Arc<Untold>,
}

impl Limits {
    /// From now on they are held together with other processes.
    pub fn share(&self, remote: Arc<dyn Remote>) {
        let _ = self.remote.set(remote);
    }

    /// The store they are shared in.
    #[must_use]
    pub fn remote(&self) -> Option<&Arc<dyn Remote>> {
        self.remote.get()
    }

    /// Reserves from all of the limits, or from none; `force`: whether budgets ([`LimitId::is_budget`]) have room or not.
    ///
    /// # Errors
    /// The first limit that has no room, and when it will.
    pub async fn reserve(
        &self,
        limits: &LimitIds,
        ask: Amounts,
        force: bool,
        now: WallTime,
    ) -> Result<Grant, Exhausted> {
        let Some(remote) = self.remote.get() else { return self.own.reserve_within(limits, &[], ask, force, now) };
        let Some(ticket) = remote.ticket() else {
            return self.alone(limits, remote.processes(), ask, force, now);
        };
        let seeds: Vec<u64> = limits.iter().map(|id| self.standing(id, now).used).collect();
        let number = self.questions.fetch_add(1, Ordering::Relaxed);
        let asked = Asked { remote, ticket: Some(ticket.clone()), limits, ask, now };
        match remote.reserve(Question { ticket: &ticket, limits, ask, seeds: &seeds, force, now }).await {
            Heard::Granted(standings) => {
                let mut grant = self.granted(number, limits, &standings, ask, now);
                grant.ticket = asked.taken(false);
                Ok(grant)
            }
            Heard::Full(full, standing) => {
                asked.taken(false);
                // Who is alone afterwards has nothing of it to use.
                if let Some(id) = limits.get(full.at) {
                    self.take_in(&mut self.last_heard(), number, id, standing, None, now);
                }
                Err(full)
            }
            Heard::Unsure => {
                let mut grant = self.alone(limits, remote.processes(), ask, force, now)?;
                grant.ticket = asked.taken(true);
                Ok(grant)
            }
        }
    }

    /// Reserves here what the store may not know of.
    fn alone(
        &self,
        limits: &LimitIds,
        processes: u64,
        ask: Amounts,
        force: bool,
        now: WallTime,
    ) -> Result<Grant, Exhausted> {
        let caps = self.caps(limits, processes, now);
        // Put aside first: whoever hears of a limit meanwhile takes too little of it for known, and never too much.
        let aside = Aside::new(&self.untold, limits, ask);
        let mut grant = self.own.reserve_within(limits, &caps, ask, force, now)?;
        grant.aside = Some(aside);
        Ok(grant)
    }

    /// Puts what was used in place of what was reserved. Never waits.
    pub fn settle(&self, mut grant: Grant, used: Amounts, now: WallTime) {
        if let Some(remote) = self.remote.get() {
            let held = grant.ticket.take();
            let known = match &held {
                None => Known::Never,
                Some(Held { unsure: true, .. }) => Known::Unsure,
                Some(Held { unsure: false, .. }) => Known::Granted,
            };
            let (limits, reserved) = (Arc::clone(&grant.limits), grant.reserved);
            let ticket = held.map(|held| held.ticket);
            let aside = grant.aside.take().map(|aside| Arc::new(aside.settled(used)));
            remote.settle(Settlement { ticket, known, limits, reserved, used, now, aside });
        }
        self.own.settle(grant, used, now);
    }

    /// What has been used by whomever: moments and amounts, in any order. What this process counted already is in it, and
    /// is not counted again.
    pub fn seed(&self, limit: &LimitId, used: &[(WallTime, u64)], now: WallTime) {
        let mut counted = self.own.standing(limit, now).used;
        let mut before = used.to_vec();
        before.sort_unstable_by_key(|(at, _)| std::cmp::Reverse(*at));
        for (_, amount) in &mut before {
            let known = counted.min(*amount);
            (counted, *amount) = (counted - known, *amount - known);
        }
        self.own.seed(limit, &before, now);
        let own = self.own.standing(limit, now);
        let number = self.questions.load(Ordering::Relaxed);
        self.last_heard().insert(limit.clone(), LastHeard { number, at: now, all: own, own, untold: 0 });
    }

    /// How a limit stands: by what the others were last known to use, and what this process has used since.
    #[must_use]
    pub fn standing(&self, limit: &LimitId, now: WallTime) -> Standing {
        let own = self.own.standing(limit, now);
        if self.remote.get().is_none() {
            return own;
        }
        let Some(last) = self.last_of(limit, now) else { return own };
        let since = |all: u64, then: u64, now: u64| all.saturating_sub(then).saturating_add(now);
        Standing {
            used: since(last.all.used, last.own.used, own.used),
            reserved: since(last.all.reserved, last.own.reserved, own.reserved),
        }
    }

    /// What this process may use of each limit while nobody answers.
    fn caps(&self, limits: &[LimitId], processes: u64, now: WallTime) -> Vec<u64> {
        let processes = processes.max(1);
        let cap = |id: &LimitId| {
            let most = id.limit.most;
            if id.limit.of == Metered::Concurrency {
                return (most / processes).max(1);
            }
            let Some(LastHeard { all, own, untold, .. }) = self.last_of(id, now) else {
                return most.div_ceil(processes);
            };
            let rest = most.saturating_sub(all.sum());
            own.sum().saturating_sub(untold).saturating_add(rest.div_ceil(processes))
        };
        limits.iter().map(cap).collect()
    }

    /// Counts what the store has reserved.
    fn granted(&self, number: u64, limits: &LimitIds, standings: &[Standing], ask: Amounts, now: WallTime) -> Grant {
        let mut heard = self.last_heard();
        let grant = self.own.granted(limits, ask, now);
        for (id, all) in limits.iter().zip(standings) {
            self.take_in(&mut heard, number, id, *all, Some(ask), now);
        }
        grant
    }

    /// Keeps the latest that was said of a limit. Answers are taken in by many threads, in any order.
    fn take_in(
        &self,
        heard: &mut HashMap<LimitId, LastHeard>,
        number: u64,
        id: &LimitId,
        all: Standing,
        granted: Option<Amounts>,
        now: WallTime,
    ) {
        match heard.get_mut(id).filter(|last| last.number > number && last.counts(id, now)) {
            // It was said when this had been granted already.
            Some(LastHeard { own, .. }) => {
                let place = if id.limit.of == Metered::Requests { &mut own.used } else { &mut own.reserved };
                *place = place.saturating_add(granted.map_or(0, |granted| granted.of(id.limit.of)));
            }
            None => {
                let own = self.own.standing(id, now);
                let untold = self.untold.of(id);
                heard.insert(id.clone(), LastHeard { number, at: now, all, own, untold });
            }
        }
    }

    /// What was last heard of a limit, if that still counts.
    fn last_of(&self, limit: &LimitId, now: WallTime) -> Option<LastHeard> {
        self.last_heard().get(limit).copied().filter(|last| last.counts(limit, now))
    }

    fn last_heard(&self) -> MutexGuard<'_, HashMap<LimitId, LastHeard>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question under way. If its caller leaves meanwhile, what the store may have reserved is given back.
struct Asked<'a> {
    remote: &'a Arc<dyn Remote>,
    ticket: Option<Ticket>,
    limits: &'a LimitIds,
    ask: Amounts,
    now: WallTime,
}

impl Asked<'_> {
    /// It has an answer, or none in time: whoever holds the grant settles it.
    fn taken(mut self, unsure: bool) -> Option<Held> {
        self.ticket.take().map(|ticket| Held { ticket, unsure })
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if self.ticket.is_some() {
            self.remote.settle(Settlement {
                ticket: self.ticket.take(),
                known: Known::Void,
                limits: Arc::clone(self.limits),
                reserved: self.ask,
                used: Amounts::default(),
                now: self.now,
                aside: None,
            });
        }
    }
}

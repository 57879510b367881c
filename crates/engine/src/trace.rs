//! What is decided and done for one request, as it happens; its record when it has ended.

use std::fmt::Write as _;
use std::sync::Arc;

use http::HeaderValue;
use ringmain_core::{Fault, Loss, Money, Now, Tick, Timings, Usage};
use ringmain_dialects::continuation::Form;
use ringmain_routing::record::{self, Attempt, Decision, Lost, Record, Resumes, Unfit};
use ringmain_routing::{Plan, Step, Tried, Try, View};

use crate::inspect::Inspected;
use crate::route::Route;

/// Failures that a reply header tells; the record tells all.
const TOLD: usize = 4;

/// The beginnings of a record. Nearly every request makes one decision and one attempt, and thousands of records are kept:
/// the lists begin with room for one.
#[derive(Debug)]
pub struct Trace {
    decisions: Vec<Decision>,
    attempts: Vec<Attempt>,
    lost: Lost,
}

impl Default for Trace {
    fn default() -> Self {
        Self { decisions: Vec::with_capacity(1), attempts: Vec::with_capacity(1), lost: Lost::default() }
    }
}

/// How an attempt ended, as its guard knows it.
#[derive(Debug, Clone)]
pub struct Settled<'a> {
    /// The attempt.
    pub attempt: &'a Try,
    /// When it began.
    pub started: Tick,
    /// When it ended.
    pub ended: Tick,
    /// Where its time went.
    pub timings: Timings,
    /// What it used.
    pub usage: Option<Usage>,
    /// Nobody said so: it is an estimate.
    pub estimated: bool,
    /// What that cost.
    pub cost: Option<Money>,
    /// By which price, in words.
    pub price: Option<Arc<str>>,
    /// What a prompt cache saved of it.
    pub saved: Option<Money>,
    /// How it failed, if it did.
    pub fault: Option<&'a Fault>,
    /// It brought the whole answer.
    pub served: bool,
}

impl Trace {
    /// A decision was made; `plan` where it was made anew. `begun`: attempts that had begun.
    pub fn decided(&mut self, now: Now, view: View, plan: Option<&Plan>, begun: usize, step: &Step) {
        self.decisions.push(Decision { now, view, plan: plan.cloned(), begun, step: step.clone() });
    }

    /// An attempt began.
    pub fn began(&mut self, tried: Tried) {
        self.attempts.push(Attempt::begun(tried));
    }

    /// The attempt at `index` failed, and the decisions from here on see it.
    pub fn failed(&mut self, index: usize, fault: &Fault, now: Tick) {
        let next = self.decisions.len();
        if let Some(attempt) = self.attempts.get_mut(index) {
            attempt.tried.result = Some(fault.clone());
            attempt.tried.ended = Some(now);
            attempt.seen_by = Some(next);
        }
    }

    /// A candidate cannot be told the request, and is not asked.
    pub fn unfit(&mut self, candidate: usize, why: &Fault) {
        self.lost.unfit.push(Unfit { candidate, why: why.message.clone() });
    }

    /// The translation for the answer that was won lost these: of the request, and of the answer so far.
    pub fn lost(&mut self, of_request: Vec<Loss>, of_answer: Vec<Loss>) {
        self.lost.request.extend(of_request);
        self.lost.answer.extend(of_answer);
    }

    /// The attempt at `index` goes on with an answer that broke off after so many bytes of text.
    pub fn resumed(&mut self, index: usize, after: usize, form: Form) {
        if let Some(attempt) = self.attempts.get_mut(index) {
            attempt.resumes = Some(Resumes { after: after as u64, form: form.as_str().to_owned() });
        }
    }

    /// An attempt ended.
    pub fn settled(&mut self, end: Settled<'_>) {
        let is_it = |made: &&mut Attempt| {
            let tried = &made.tried;
            (tried.candidate, tried.key, tried.started) == (end.attempt.candidate, end.attempt.key, end.started)
        };
        let Some(made) = self.attempts.iter_mut().rev().find(is_it) else { return };
        made.first_token = end.timings.first_token;
        (made.usage, made.cost, made.served) = (end.usage, end.cost, end.served);
        made.estimated = end.estimated;
        (made.price, made.saved) = (end.price, end.saved);
        // What a decision has seen of it stays as it was seen.
        if made.seen_by.is_none() {
            made.tried.ended = Some(end.ended);
            made.tried.result = end.fault.cloned();
        }
    }

    /// In short, for the caller: what chose the first target, and what became of those that failed.
    #[must_use]
    pub fn why(&self, route: &Route) -> HeaderValue {
        let plan = self.decisions.iter().rev().find_map(|decision| decision.plan.as_ref());
        let first = self.attempts.first().map(|made| made.tried.candidate);
        let is_warm = plan.is_some_and(|plan| plan.warm.is_some() && plan.warm == first);
        let chosen = if is_warm { "warm" } else { route.policy.balance.as_str() };
        let failed = self.attempts.iter().filter_map(|made| Some((made.tried.candidate, made.tried.result.as_ref()?)));
        let mut told = String::new();
        for (candidate, fault) in failed.take(TOLD) {
            if let Some(known) = route.known.get(candidate) {
                let _ = write!(told, "; {} {}", known.name, fault.class);
            }
        }
        if told.is_empty() {
            return HeaderValue::from_static(chosen);
        }
        let printable = format!("{chosen}{told}").replace(|c: char| !(' '..='~').contains(&c), "?");
        HeaderValue::try_from(printable).unwrap_or_else(|_| HeaderValue::from_static(chosen))
    }

    /// The record of the request that ended now.
    #[must_use]
    pub fn record(&mut self, request: &Inspected, now: Now, fault: Option<&Fault>) -> Record {
        let since = u64::try_from(now.mono.since(request.started).as_millis()).unwrap_or(u64::MAX);
        Record {
            version: record::VERSION,
            id: request.id,
            at: ringmain_core::WallTime(now.wall.0.saturating_sub(since)),
            started: request.started,
            route: Arc::clone(&request.route.name),
            why: Arc::clone(&request.why),
            facts: request.facts.clone(),
            headers: request.asked_headers(),
            candidates: Arc::clone(&request.route.known),
            seed: request.seed,
            deadline: request.patience(),
            decisions: std::mem::take(&mut self.decisions),
            attempts: std::mem::take(&mut self.attempts),
            lost: std::mem::take(&mut self.lost),
            ended: Some(now.mono),
            fault: fault.cloned(),
        }
    }
}

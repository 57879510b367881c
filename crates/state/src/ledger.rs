//! The ledger: what each request used and cost, as rows that can be summed. Made of records, and of nothing else.

use std::sync::Arc;
use std::time::Duration;

use ringmain_core::{Dialect, KeyName, Money, Operation, RequestId, Usage, WallTime};
use ringmain_routing::Record;
use ringmain_routing::record::Attempt;

/// One attempt of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptRow {
    /// When it began.
    pub at: WallTime,
    /// `provider/model`.
    pub target: String,
    /// The provider's key it went with: `openai#2`. Empty: it went with none.
    pub credential: String,
    /// It was made beside one that was slower than usual.
    pub hedge: bool,
    /// It brought the answer.
    pub served: bool,
    /// The class of its failure. `None`: it did not fail, or was called off.
    pub fault: Option<&'static str>,
    /// To its first useful token.
    pub first_token: Option<Duration>,
    /// To its end.
    pub total: Option<Duration>,
    /// What the provider says it used.
    pub usage: Option<Usage>,
    /// What that cost; `None` where the price or the use is not known.
    pub cost: Option<Money>,
    /// By which price, in words; `None` where it is not known.
    pub price: Option<Arc<str>>,
    /// What the provider's prompt cache saved; negative where writing it cost more.
    pub saved: Option<Money>,
}

/// One request: its attempts summed.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Which request.
    pub id: RequestId,
    /// When it began.
    pub at: WallTime,
    /// The route it took.
    pub route: Arc<str>,
    /// Why that one.
    pub why: Arc<str>,
    /// What was asked for.
    pub operation: Operation,
    /// The caller's dialect.
    pub dialect: Dialect,
    /// The model as the caller wrote it.
    pub model: String,
    /// The answer was to be streamed.
    pub stream: bool,
    /// Whose key it came with.
    pub key: Option<KeyName>,
    /// Name and value, the caller's and the key's.
    pub tags: Vec<(String, String)>,
    /// Who served it, or was tried last. `None`: nobody was tried.
    pub target: Option<String>,
    /// The class of its failure. `None`: a whole answer.
    pub fault: Option<&'static str>,
    /// Attempts that failed before another target served it.
    pub failovers: u32,
    /// To its first useful token, failed attempts included.
    pub first_token: Option<Duration>,
    /// To its end.
    pub total: Option<Duration>,
    /// For each output token after the first, where there are enough to tell.
    pub per_token: Option<Duration>,
    /// What all attempts used.
    pub usage: Usage,
    /// What all attempts cost, as far as that is known.
    pub cost: Money,
    /// Attempts that used something whose cost is not known.
    pub unpriced: u32,
    /// Each attempt, in order.
    pub attempts: Vec<AttemptRow>,
}

/// Fewer output tokens say nothing of the time for each.
const TELLING: u64 = 8;

impl Entry {
    /// The rows of a record.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        let attempts: Vec<AttemptRow> = record.attempts.iter().map(|attempt| row(record, attempt)).collect();
        let last = attempts.iter().find(|row| row.served).or(attempts.last());
        let served = record.attempts.iter().find(|attempt| attempt.served);
        let mut usage = Usage::default();
        for row in &attempts {
            usage += row.usage.unwrap_or_default();
        }
        // One that failed where the next was served was tried again, and nothing failed over.
        let elsewhere = |row: &&AttemptRow| last.is_some_and(|last| last.target != row.target);
        let failed = attempts.iter().filter(|row| row.fault.is_some() && !row.served).filter(elsewhere).count();
        let answered = served.is_some();
        let facts = &record.facts;
        Self {
            id: record.id,
            at: record.at,
            route: Arc::clone(&record.route),
            why: Arc::clone(&record.why),
            operation: facts.operation,
            dialect: facts.dialect,
            model: facts.model.clone(),
            stream: facts.stream,
            key: facts.key.clone(),
            tags: facts.tags.clone(),
            target: last.map(|row| row.target.clone()),
            fault: record.fault.as_ref().map(|fault| fault.class.as_str()),
            failovers: if answered { u32::try_from(failed).unwrap_or(u32::MAX) } else { 0 },
            first_token: served.and_then(|attempt| {
                attempt.first_token.map(|first| attempt.tried.started.since(record.started) + first)
            }),
            total: record.ended.map(|ended| ended.since(record.started)),
            per_token: served.and_then(per_token),
            usage,
            cost: attempts.iter().filter_map(|row| row.cost).sum(),
            unpriced: u32::try_from(attempts.iter().filter(|row| row.is_unpriced()).count()).unwrap_or(u32::MAX),
            attempts,
        }
    }

    /// Its tags in a form that is searched by a part of it: `|team=search|stage=prod|`.
    #[must_use]
    pub fn tag_text(&self) -> String {
        self.tags.iter().fold("|".to_owned(), |all, (name, value)| format!("{all}{name}={value}|"))
    }

    /// What it cost. `None`: nothing is known to have cost anything, which is not the same as nothing.
    #[must_use]
    pub fn known_cost(&self) -> Option<Money> {
        (self.unpriced == 0 || self.cost != Money::ZERO).then_some(self.cost)
    }
}

impl AttemptRow {
    /// It used something, or answered, and nobody knows what that costs.
    #[must_use]
    pub const fn is_unpriced(&self) -> bool {
        self.cost.is_none() && (self.usage.is_some() || self.first_token.is_some() || self.served)
    }
}

fn row(record: &Record, attempt: &Attempt) -> AttemptRow {
    let known = record.candidates.get(attempt.tried.candidate);
    let key = |known: &ringmain_routing::record::Known| {
        known.keys.iter().find(|(key, _)| *key == attempt.tried.key).map(|(_, label)| label.clone())
    };
    let since = u64::try_from(attempt.tried.started.since(record.started).as_millis()).unwrap_or(u64::MAX);
    AttemptRow {
        at: WallTime(record.at.0.saturating_add(since)),
        target: known.map(|known| known.name.clone()).unwrap_or_default(),
        credential: known.and_then(key).unwrap_or_default(),
        hedge: attempt.tried.hedge,
        served: attempt.served,
        fault: attempt.tried.result.as_ref().map(|fault| fault.class.as_str()),
        first_token: attempt.first_token,
        total: attempt.tried.ended.map(|ended| ended.since(attempt.tried.started)),
        usage: attempt.usage,
        cost: attempt.cost,
        price: attempt.price.clone(),
        saved: attempt.saved,
    }
}

fn per_token(attempt: &Attempt) -> Option<Duration> {
    let output = attempt.usage?.output;
    let flowing = attempt.tried.ended?.since(attempt.tried.started).checked_sub(attempt.first_token?)?;
    let rest = u32::try_from(output.checked_sub(1)?).ok().filter(|_| output >= TELLING)?;
    (!flowing.is_zero()).then(|| flowing / rest)
}

/// As databases hold it.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// As databases hold it: whole microseconds.
pub(crate) fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

//! A request as a trace, made of its record: one span for the request, below it one for each attempt. Nothing of what was
//! said is in a record, and so nothing of it is in a span.

use ringmain_core::{Tick, Usage};
use ringmain_routing::Record;
use ringmain_routing::record::Attempt;

use super::message::{AnyValue, KeyValue, Kind, Span, Status};
use super::names;

const SERVER: i32 = 2;
const CLIENT: i32 = 3;
const ERROR: i32 = 2;

/// Attributes being put together.
#[derive(Debug, Default, Clone)]
pub(super) struct Attributes(pub(super) Vec<KeyValue>);

impl Attributes {
    fn put(&mut self, key: &str, kind: Kind) -> &mut Self {
        self.0.push(KeyValue { key: key.to_owned(), value: Some(AnyValue { kind: Some(kind) }) });
        self
    }

    pub(super) fn text(&mut self, key: &str, text: &str) -> &mut Self {
        self.put(key, Kind::Text(text.to_owned()))
    }

    fn count(&mut self, key: &str, count: u64) -> &mut Self {
        self.put(key, Kind::Whole(i64::try_from(count).unwrap_or(i64::MAX)))
    }

    fn some(&mut self, key: &str, count: u64) -> &mut Self {
        if count == 0 { self } else { self.count(key, count) }
    }

    fn usage(&mut self, usage: &Usage) -> &mut Self {
        self.count(names::INPUT_TOKENS, usage.input).count(names::OUTPUT_TOKENS, usage.output);
        self.some(names::CACHE_READ, usage.cache_read);
        self.some(names::CACHE_WRITE, usage.cache_written())
    }
}

/// Whose trace a request belongs to, as its caller says: `traceparent` of W3C's Trace Context.
struct Parent {
    trace: [u8; 16],
    span: [u8; 8],
    sampled: bool,
}

impl Parent {
    /// `00-<32 hex>-<16 hex>-<2 hex>`; later versions may go on.
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let fits = version.len() == 2 && version != "ff" && flags.len() == 2;
        let (trace, span) = (u128_of(trace)?, u64_of(span)?);
        let flags = u8::from_str_radix(flags, 16).ok()?;
        (fits && trace != 0 && span != 0).then(|| Self {
            trace: trace.to_be_bytes(),
            span: span.to_be_bytes(),
            sampled: flags & 1 == 1,
        })
    }
}

fn u128_of(hex: &str) -> Option<u128> {
    u128::from_str_radix(hex, 16).ok().filter(|_| hex.len() == 32 && !hex.starts_with('+'))
}

fn u64_of(hex: &str) -> Option<u64> {
    u64::from_str_radix(hex, 16).ok().filter(|_| hex.len() == 16 && !hex.starts_with('+'))
}

/// The spans of a request. None where its caller's trace is one that is not written down. `kind` is the catalog's name of
/// a configured provider.
pub(super) fn of(record: &Record, kind: &dyn Fn(&str) -> Option<String>) -> Vec<Span> {
    let parent = record.headers.iter().find(|(name, _)| name == super::TRACEPARENT);
    let parent = parent.and_then(|(_, value)| Parent::read(value));
    if parent.as_ref().is_some_and(|parent| !parent.sampled) {
        return Vec::new();
    }
    let trace_id = parent.as_ref().map_or(record.id.0.to_be_bytes(), |parent| parent.trace);
    let id = |number: u64| record.seed.nth("span", number).0.max(1).to_be_bytes().to_vec();
    let operation = names::operation(record.facts.operation);
    let mut root = Attributes::default();
    root.text(names::OPERATION, operation)
        .text(names::REQUEST_MODEL, &record.facts.model)
        .text(names::ROUTE, &record.route)
        .text(names::REQUEST_ID, &record.id.to_string())
        .count(names::ATTEMPTS, record.attempts.len() as u64);
    if let Some(most) = record.facts.max_output_tokens {
        root.count(names::MAX_TOKENS, most);
    }
    if let Some(key) = &record.facts.key {
        root.text(names::KEY, &key.to_string());
    }
    for (name, value) in &record.facts.tags {
        root.text(&format!("{}{name}", names::TAG), value);
    }
    if let Some(served) = record.attempts.iter().find(|attempt| attempt.served) {
        whose(&mut root, record, served, kind);
    }
    if let Some(usage) = record.usage() {
        root.usage(&usage);
    }
    if let Some(cost) = record.cost() {
        root.put(names::COST, Kind::Number(cost.as_dollars()));
    }
    let status = record.fault.as_ref().map(|fault| {
        root.text(names::ERROR, fault.class.as_str());
        Status { code: ERROR }
    });
    let mut spans = vec![Span {
        trace_id: trace_id.to_vec(),
        span_id: id(0),
        parent_span_id: parent.map(|parent| parent.span.to_vec()).unwrap_or_default(),
        name: format!("{operation} {}", record.facts.model),
        kind: SERVER,
        start: moment(record, record.started),
        end: moment(record, record.ended.unwrap_or(record.started)),
        attributes: root.0,
        status,
    }];
    for (number, attempt) in (1..).zip(&record.attempts) {
        let span = of_attempt(record, attempt, operation, kind);
        spans.push(Span { trace_id: trace_id.to_vec(), span_id: id(number), parent_span_id: id(0), ..span });
    }
    spans
}

fn of_attempt(record: &Record, attempt: &Attempt, operation: &str, kind: &dyn Fn(&str) -> Option<String>) -> Span {
    let mut attributes = Attributes::default();
    attributes.text(names::OPERATION, operation);
    let model = whose(&mut attributes, record, attempt, kind);
    attributes.put(names::SERVED, Kind::Bool(attempt.served));
    if attempt.tried.hedge {
        attributes.put(names::HEDGE, Kind::Bool(true));
    }
    if let Some(first) = attempt.first_token {
        attributes.put(names::FIRST_TOKEN, Kind::Number(first.as_secs_f64()));
    }
    if let Some(usage) = &attempt.usage {
        attributes.usage(usage);
    }
    if let Some(cost) = attempt.cost {
        attributes.put(names::COST, Kind::Number(cost.as_dollars()));
    }
    let status = attempt.tried.result.as_ref().map(|fault| {
        attributes.text(names::ERROR, fault.class.as_str());
        Status { code: ERROR }
    });
    let start = attempt.tried.started;
    Span {
        name: format!("{operation} {model}"),
        kind: CLIENT,
        start: moment(record, start),
        end: moment(record, attempt.tried.ended.unwrap_or(start)),
        attributes: attributes.0,
        status,
        ..Span::default()
    }
}

/// Whom an attempt went to; the model.
fn whose(
    attributes: &mut Attributes,
    record: &Record,
    attempt: &Attempt,
    kind: &dyn Fn(&str) -> Option<String>,
) -> String {
    let name = super::target(record, attempt);
    let (provider, model) = name.split_once('/').unwrap_or((name, ""));
    let kind = kind(provider);
    attributes.text(names::PROVIDER, names::provider(kind.as_deref().unwrap_or(provider)));
    attributes.text(names::RESPONSE_MODEL, model).text(names::TARGET, name);
    model.to_owned()
}

/// A moment of the request on the wall's clock, in nanoseconds since 1970.
fn moment(record: &Record, at: Tick) -> u64 {
    let since = u64::try_from(at.since(record.started).as_nanos()).unwrap_or(u64::MAX);
    record.at.0.saturating_mul(1_000_000).saturating_add(since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_are_read_with_care() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let read = |text: String| Parent::read(&text).map(|parent| parent.sampled);
        assert_eq!(read(format!("00-{trace}-00f067aa0ba902b7-01")), Some(true));
        assert_eq!(read(format!("00-{trace}-00f067aa0ba902b7-00")), Some(false));
        assert_eq!(read(format!("01-{trace}-00f067aa0ba902b7-03-more")), Some(true));
        for none in [
            format!("ff-{trace}-00f067aa0ba902b7-01"),
            format!("00-{trace}-0000000000000000-01"),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{trace}-00f067aa0ba902b7"),
            "00-short-00f067aa0ba902b7-01".to_owned(),
            String::new(),
        ] {
            assert_eq!(read(none.clone()), None, "{none}");
        }
    }
}

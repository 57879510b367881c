//! The conventions' metrics, gathered from records: distributions since the start of the process.

use std::collections::BTreeMap;
use std::time::Duration;

use ringmain_core::WallTime;
use ringmain_routing::Record;

use super::message::{Histogram, HistogramPoint, Metric};
use super::names;
use super::spans::Attributes;

/// Sets of attributes of one metric, at most; a value of another is not counted there.
const SERIES_MAX: usize = 2000;
/// Since the start of the process.
const CUMULATIVE: i32 = 2;
/// Fewer output tokens say nothing of the time for each.
const TELLING: u64 = 8;

/// Every metric.
#[derive(Debug)]
pub(super) struct Meters {
    start: WallTime,
    tokens: Meter,
    duration: Meter,
    first: Meter,
    each: Meter,
    /// Values that found no place.
    pub(super) left_out: u64,
}

/// One metric.
#[derive(Debug)]
struct Meter {
    /// Name, unit, what it says.
    of: (&'static str, &'static str, &'static str),
    bounds: &'static [f64],
    series: BTreeMap<Vec<(&'static str, String)>, Series>,
}

#[derive(Debug)]
struct Series {
    count: u64,
    sum: f64,
    buckets: Vec<u64>,
}

impl Meter {
    const fn new(of: (&'static str, &'static str, &'static str), bounds: &'static [f64]) -> Self {
        Self { of, bounds, series: BTreeMap::new() }
    }

    /// Counts a value; false where there is no room for its attributes.
    fn add(&mut self, attributes: &[(&'static str, String)], value: f64) -> bool {
        if self.series.len() >= SERIES_MAX && !self.series.contains_key(attributes) {
            return false;
        }
        let bounds = self.bounds;
        let series = self.series.entry(attributes.to_vec());
        let series = series.or_insert_with(|| Series { count: 0, sum: 0.0, buckets: vec![0; bounds.len() + 1] });
        series.count += 1;
        series.sum += value;
        let at = bounds.partition_point(|bound| *bound < value);
        if let Some(bucket) = series.buckets.get_mut(at) {
            *bucket += 1;
        }
        true
    }

    fn told(&self, start: u64, time: u64) -> Metric {
        let points = self.series.iter().map(|(attributes, series)| {
            let mut told = Attributes::default();
            attributes.iter().for_each(|(name, value)| _ = told.text(name, value));
            HistogramPoint {
                start,
                time,
                count: series.count,
                sum: Some(series.sum),
                buckets: series.buckets.clone(),
                bounds: self.bounds.to_vec(),
                attributes: told.0,
            }
        });
        let (name, unit, description) = self.of;
        Metric {
            name: name.to_owned(),
            description: description.to_owned(),
            unit: unit.to_owned(),
            histogram: Some(Histogram { points: points.collect(), temporality: CUMULATIVE }),
        }
    }
}

impl Meters {
    pub(super) const fn new(start: WallTime) -> Self {
        Self {
            start,
            tokens: Meter::new(names::TOKENS, names::TOKEN_BOUNDS),
            duration: Meter::new(names::DURATION, names::DURATION_BOUNDS),
            first: Meter::new(names::FIRST, names::FIRST_BOUNDS),
            each: Meter::new(names::EACH, names::EACH_BOUNDS),
            left_out: 0,
        }
    }

    /// Counts a request.
    #[expect(clippy::cast_precision_loss, reason = "tokens of an answer")]
    pub(super) fn add(&mut self, record: &Record, kind: &dyn Fn(&str) -> Option<String>) {
        let operation = names::operation(record.facts.operation);
        for attempt in &record.attempts {
            let (provider, model) = super::target(record, attempt).split_once('/').unwrap_or_default();
            let kind = kind(provider);
            let mut of = vec![
                (names::OPERATION, operation.to_owned()),
                (names::PROVIDER, names::provider(kind.as_deref().unwrap_or(provider)).to_owned()),
                (names::RESPONSE_MODEL, model.to_owned()),
            ];
            if let Some(usage) = attempt.usage.filter(|_| !attempt.estimated) {
                for (kind, tokens) in [(names::INPUT, usage.input), (names::OUTPUT, usage.output)] {
                    let typed = [of.clone(), vec![(names::TOKEN_TYPE, kind.to_owned())]].concat();
                    self.left_out += u64::from(!self.tokens.add(&typed, tokens as f64));
                }
            }
            let took = attempt.tried.ended.map(|ended| ended.since(attempt.tried.started));
            if let (true, true, Some(first)) = (record.facts.stream, attempt.served, attempt.first_token) {
                let waited = attempt.tried.started.since(record.started) + first;
                self.left_out += u64::from(!self.first.add(&of, waited.as_secs_f64()));
                let output = attempt.usage.map_or(0, |usage| usage.output);
                if let Some(each) = took.and_then(|took| each(took, first, output)) {
                    self.left_out += u64::from(!self.each.add(&of, each));
                }
            }
            if let Some(fault) = &attempt.tried.result {
                of.push((names::ERROR, fault.class.as_str().to_owned()));
            }
            if let Some(took) = took {
                self.left_out += u64::from(!self.duration.add(&of, took.as_secs_f64()));
            }
        }
    }

    pub(super) fn told(&self, now: WallTime) -> Vec<Metric> {
        let nanos = |time: WallTime| time.0.saturating_mul(1_000_000);
        let meters = [&self.tokens, &self.duration, &self.first, &self.each];
        let used = meters.into_iter().filter(|meter| !meter.series.is_empty());
        used.map(|meter| meter.told(nanos(self.start), nanos(now))).collect()
    }
}

/// Seconds for each token after the first.
#[expect(clippy::cast_precision_loss, reason = "tokens of an answer")]
fn each(took: Duration, first: Duration, output: u64) -> Option<f64> {
    let flowing = took.checked_sub(first)?;
    (output >= TELLING).then(|| flowing.as_secs_f64() / (output - 1) as f64)
}

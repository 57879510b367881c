//! `GET /api/analytics`: series and breakdowns.

use std::sync::Arc;

use ringmain_core::usage::UNIT_KINDS;
use ringmain_core::{Money, time};
use ringmain_state::analytics::{By, Line, Question};
use ringmain_state::histogram::Histogram;
use serde_json::{Value, json};

use crate::Ask;
use crate::answer::{self, Answer, Problem};
use crate::csv::{self, Table, cell};
use crate::window::Query;

const FILTERS: [&str; 7] = ["provider", "target", "model", "route", "key", "group", "tag"];
const KNOWN: [&str; 12] =
    ["from", "to", "step", "by", "format", "provider", "target", "model", "route", "key", "group", "tag"];

/// Sums over a window, by step and breakdown.
pub(crate) async fn ask(ask: Ask<'_>) -> Result<Answer, Problem> {
    let query = Query::read(ask.query, &KNOWN)?;
    let question = question(&query, ask.admin.gateway.clock.now().wall)?;
    let as_table = csv::is_asked(&query)?;
    let gateway = Arc::clone(&ask.admin.gateway);
    answer::question(move || {
        let lines = gateway.records.ask(&question)?;
        Ok(if as_table { Answer::Csv(table(&lines)) } else { Answer::Json(told(&question, &lines)) })
    })
    .await
}

fn question(query: &Query, now: ringmain_core::WallTime) -> Result<Question, Problem> {
    let (from, to) = query.window(now, "24h")?;
    let step = match query.get("step") {
        None => None,
        Some(text) => {
            let length = time::parse_duration(text).and_then(|length| u64::try_from(length.as_millis()).ok());
            let whole = length.filter(|length| *length >= 60_000 && length.is_multiple_of(60_000));
            Some(whole.ok_or_else(|| Problem::bad("`step` takes whole minutes, such as 1m, 1h or 7d"))?)
        }
    };
    let by = query.get("by").map(str::parse).transpose().map_err(|all| Problem::bad(format!("`by` is {all}")))?;
    let mut only = Vec::new();
    for name in FILTERS {
        if let (Some(value), Ok(by)) = (query.owned(name), name.parse::<By>()) {
            only.push((by, value));
        }
    }
    let question = Question { from, to, step, by: by.unwrap_or(By::Nothing), only, now };
    question.check().map_err(Problem::bad)?;
    Ok(question)
}

fn told(question: &Question, lines: &[Line]) -> Value {
    json!({
        "from": question.from.to_string(),
        "to": question.to.to_string(),
        "step_s": question.step.map(|step| step / 1000),
        "resolution_s": question.grain().millis() / 1000,
        "rows": lines.iter().map(row).collect::<Vec<_>>(),
    })
}

fn row(line: &Line) -> Value {
    let sums = &line.sums;
    let usage = &sums.usage;
    json!({
        "at": line.at.to_string(),
        "name": line.name,
        "requests": sums.requests,
        "served": sums.served,
        "limited": sums.limited,
        "cancelled": sums.cancelled,
        "rejected": sums.rejected,
        "failed": failed(line),
        "success_rate": success_rate(line),
        "failovers": sums.failovers,
        "attempts": sums.attempts,
        "attempts_failed": sums.attempts_failed,
        "first_token_ms": quantiles(&sums.first_token),
        "per_token_ms": quantiles(&sums.per_token),
        "total_ms": quantiles(&sums.total),
        "tokens": {
            "input": usage.input,
            "cache_read": usage.cache_read,
            "cache_write": usage.cache_write,
            "cache_write_1h": usage.cache_write_1h,
            "output": usage.output,
            "reasoning": usage.reasoning,
            "audio_input": usage.audio_input,
            "audio_output": usage.audio_output,
            "image_input": usage.image_input,
            "image_output": usage.image_output,
        },
        "units": units(line),
        "cost_usd": dollars(sums.nanos),
        "unpriced_attempts": sums.unpriced,
        "cache_saved_usd": dollars(sums.saved_nanos),
    })
}

/// What is billed otherwise than by the token, by kind.
fn units(line: &Line) -> Value {
    let counts = line.sums.usage.units.counts();
    UNIT_KINDS.into_iter().zip(counts).map(|(kind, count)| (kind.to_owned(), Value::from(count))).collect()
}

/// Requests that failed, aside from those of callers who left, those over a limit, and those refused for what they say.
const fn failed(line: &Line) -> u64 {
    let sums = &line.sums;
    sums.requests.saturating_sub(sums.served + sums.limited + sums.cancelled + sums.rejected)
}

/// Of the requests that were for the providers to serve. `None` without any.
#[expect(clippy::cast_precision_loss, reason = "a share of counts")]
fn success_rate(line: &Line) -> Option<f64> {
    let asked = line.sums.served + failed(line);
    (asked > 0).then(|| line.sums.served as f64 / asked as f64)
}

fn quantiles(times: &Histogram) -> Value {
    let told = |share| times.quantile(share).map(|time| (time.as_secs_f64() * 1e5).round() / 100.0);
    json!({ "count": times.count(), "p50": told(0.5), "p90": told(0.9), "p95": told(0.95), "p99": told(0.99) })
}

fn dollars(nanos: i64) -> f64 {
    Money::from_nanos(nanos).as_dollars()
}

/// What a line of the table holds; after it come the units, by kind.
const COLUMNS: [&str; 25] = [
    "at",
    "name",
    "requests",
    "served",
    "limited",
    "cancelled",
    "rejected",
    "failed",
    "failovers",
    "attempts",
    "attempts_failed",
    "first_token_p50_ms",
    "first_token_p95_ms",
    "per_token_p50_ms",
    "total_p50_ms",
    "total_p95_ms",
    "input",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "output",
    "reasoning",
    "cost_usd",
    "unpriced_attempts",
    "cache_saved_usd",
];

/// The same as a table, for spreadsheets.
fn table(lines: &[Line]) -> String {
    let mut table = Table::new(COLUMNS.into_iter().chain(UNIT_KINDS));
    for line in lines {
        let (sums, usage) = (&line.sums, &line.sums.usage);
        let time = |times: &Histogram, share| {
            times.quantile(share).map_or_else(String::new, |time| format!("{:.2}", time.as_secs_f64() * 1000.0))
        };
        let mut cells = vec![
            line.at.to_string(),
            cell(&line.name),
            sums.requests.to_string(),
            sums.served.to_string(),
            sums.limited.to_string(),
            sums.cancelled.to_string(),
            sums.rejected.to_string(),
            failed(line).to_string(),
            sums.failovers.to_string(),
            sums.attempts.to_string(),
            sums.attempts_failed.to_string(),
            time(&sums.first_token, 0.5),
            time(&sums.first_token, 0.95),
            time(&sums.per_token, 0.5),
            time(&sums.total, 0.5),
            time(&sums.total, 0.95),
            usage.input.to_string(),
            usage.cache_read.to_string(),
            usage.cache_write.to_string(),
            usage.cache_write_1h.to_string(),
            usage.output.to_string(),
            usage.reasoning.to_string(),
            format!("{:.9}", dollars(sums.nanos)),
            sums.unpriced.to_string(),
            format!("{:.9}", dollars(sums.saved_nanos)),
        ];
        cells.extend(usage.units.counts().map(|count| count.to_string()));
        table.line(cells.iter().map(String::as_str));
    }
    table.text()
}

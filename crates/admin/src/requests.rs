//! `GET /api/requests` and `/api/requests/{id}`: looking requests up; what was decided for one, in words and whole.

use std::sync::Arc;

use ringmain_core::{RequestId, WallTime};
use ringmain_routing::{Record, explain};
use ringmain_state::StateError;
use ringmain_state::analytics::Search;
use serde_json::{Value, json};

use crate::Ask;
use crate::answer::{self, Answer, Problem, blocking};
use crate::csv::{self, Table, cell};
use crate::window::Query;

/// How many requests a list holds: at most, and where nobody says.
const LISTED_MAX: usize = 500;
const LISTED: usize = 50;
/// And a table, at most and where nobody says: a short line for each.
const TABLED_MAX: usize = 10_000;
const KNOWN: [&str; 10] = ["from", "to", "limit", "format", "route", "target", "model", "key", "tag", "outcome"];

/// The latest requests, or those that fit.
pub(crate) async fn list(ask: Ask<'_>) -> Result<Answer, Problem> {
    let query = Query::read(ask.query, &KNOWN)?;
    let as_table = csv::is_asked(&query)?;
    let (usual, most) = if as_table { (TABLED_MAX, TABLED_MAX) } else { (LISTED, LISTED_MAX) };
    let most = query.count("limit", usual, most)?;
    let gateway = Arc::clone(&ask.admin.gateway);
    // What is in memory is there at once; a store is up to 250 ms behind, and has all of a table.
    if !as_table && KNOWN.iter().all(|name| ["limit", "format"].contains(name) || query.get(name).is_none()) {
        let found: Vec<Value> = gateway.records.latest(most).iter().map(|record| brief(record)).collect();
        return Ok(Answer::Json(json!({ "requests": found })));
    }
    let (from, to) = query.window(gateway.clock.now().wall, "24h")?;
    let owned = |name: &str| query.owned(name);
    let search = Search {
        from,
        to,
        route: owned("route"),
        target: owned("target"),
        model: owned("model"),
        key: owned("key"),
        tag: owned("tag"),
        outcome: owned("outcome"),
        most,
    };
    answer::question(move || {
        let ids = gateway.records.search(&search)?;
        let records = ids.into_iter().filter_map(|id| gateway.records.get(id).transpose());
        if as_table {
            let mut table = Table::new(COLUMNS);
            for record in records {
                table.line(cells(&brief(&*record?)).iter().map(String::as_str));
            }
            return Ok(Answer::Csv(table.text()));
        }
        let found = records.map(|record| Ok(brief(&*record?))).collect::<Result<Vec<_>, StateError>>()?;
        Ok(Answer::Json(json!({ "requests": found })))
    })
    .await
}

/// One request, whole.
pub(crate) async fn one(ask: Ask<'_>) -> Result<Answer, Problem> {
    let Some(id) = RequestId::parse(ask.rest.trim_matches('/')) else {
        return Err(Problem::bad("a request id has 32 hex digits: see x-ringmain-request-id"));
    };
    let gateway = Arc::clone(&ask.admin.gateway);
    let found = blocking(move || gateway.records.get(id)).await?;
    let record = found.ok_or_else(|| Problem::missing("no such request is kept, or no longer"))?;
    Ok(Answer::Json(whole(&record)))
}

/// One line of a list.
fn brief(record: &Record) -> Value {
    let served = record.attempts.iter().find(|made| made.served).or(record.attempts.last());
    let target = served.and_then(|made| record.candidates.get(made.tried.candidate)).map(|known| known.name.as_str());
    let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    json!({
        "id": record.id,
        "at_ms": record.at,
        "route": record.route,
        "operation": record.facts.operation,
        "dialect": record.facts.dialect,
        "model": record.facts.model,
        "stream": record.facts.stream,
        "key": record.facts.key.as_ref().map(ToString::to_string),
        "target": target,
        "attempts": record.attempts.len(),
        "fault": record.fault.as_ref().map(|fault| json!({ "class": fault.class, "message": fault.message })),
        "total_ms": record.ended.map(|ended| millis(ended.since(record.started))),
        "first_token_ms": served.and_then(|made| made.first_token).map(millis),
        "input_tokens": record.usage().map(|usage| usage.input),
        "output_tokens": record.usage().map(|usage| usage.output),
        "cost_usd": record.cost().map(ringmain_core::Money::as_dollars),
    })
}

/// What a line of a table holds: the same, in cells.
const COLUMNS: [&str; 18] = [
    "at",
    "id",
    "route",
    "operation",
    "dialect",
    "model",
    "stream",
    "key",
    "target",
    "attempts",
    "fault",
    "message",
    "total_ms",
    "first_token_ms",
    "input_tokens",
    "output_tokens",
    "cost_usd",
    "at_ms",
];

fn cells(brief: &Value) -> Vec<String> {
    let told = |name: &str| match name {
        "at" => Value::from(WallTime(brief["at_ms"].as_u64().unwrap_or_default()).to_string()),
        "fault" => brief["fault"]["class"].clone(),
        "message" => brief["fault"]["message"].clone(),
        "cost_usd" => brief[name].as_f64().map_or(Value::Null, |cost| Value::from(format!("{cost:.9}"))),
        name => brief[name].clone(),
    };
    let written = |value| match value {
        Value::Null => String::new(),
        Value::String(text) => cell(&text),
        other => other.to_string(),
    };
    COLUMNS.into_iter().map(told).map(written).collect()
}

/// All of it: in words, and as it can be decided again.
fn whole(record: &Record) -> Value {
    // Where a target could not be told the request another plan was made without it: the last one held.
    let last = record.decisions.iter().rev().find_map(|decision| Some((decision.now, decision.plan.as_ref()?)));
    let verdicts = last.map(|(now, plan)| explain::verdicts(&record.candidates, plan, now)).unwrap_or_default();
    let mut value = brief(record);
    if let Value::Object(members) = &mut value {
        members.insert("why".to_owned(), json!(record.why));
        members.insert("verdicts".to_owned(), json!(verdicts));
        members.insert("story".to_owned(), json!(explain::story(record)));
        members.insert("record".to_owned(), json!(record));
    }
    value
}

//! `GET /api/requests` and `/api/requests/{id}`: what was decided for a request, in words and whole.

use std::sync::Arc;

use http::StatusCode;
use ringmain_core::RequestId;
use ringmain_engine::Gateway;
use ringmain_routing::{Record, explain};
use serde_json::{Value, json};

/// How many requests a list holds, at most.
const LISTED_MAX: usize = 500;
const LISTED: usize = 50;

/// The answer to a path below `/api/requests`; `rest` is what follows it.
pub(super) async fn answer(gateway: &Arc<Gateway>, rest: &str, query: Option<&str>) -> (StatusCode, Value) {
    let rest = rest.trim_matches('/');
    if rest.is_empty() {
        return (StatusCode::OK, list(gateway, limit(query)));
    }
    let Some(id) = RequestId::parse(rest) else {
        return error(StatusCode::BAD_REQUEST, "a request id has 32 hex digits: see x-ringmain-request-id");
    };
    // A store may have to be read from disk, which is not for the thread that answers everybody.
    let records = Arc::clone(gateway);
    match tokio::task::spawn_blocking(move || records.records.get(id)).await {
        Ok(Ok(Some(record))) => (StatusCode::OK, whole(&record)),
        Ok(Ok(None)) => error(StatusCode::NOT_FOUND, "no such request is kept, or no longer"),
        Ok(Err(problem)) => error(StatusCode::SERVICE_UNAVAILABLE, &problem.to_string()),
        Err(_) => error(StatusCode::INTERNAL_SERVER_ERROR, "the store could not be asked"),
    }
}

fn error(status: StatusCode, message: &str) -> (StatusCode, Value) {
    (status, json!({ "error": { "message": message } }))
}

fn limit(query: Option<&str>) -> usize {
    let pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let limit = pairs.filter(|(name, _)| *name == "limit").find_map(|(_, value)| value.parse().ok());
    limit.unwrap_or(LISTED).min(LISTED_MAX)
}

fn list(gateway: &Gateway, most: usize) -> Value {
    json!({ "requests": gateway.records.latest(most).iter().map(|record| brief(record)).collect::<Vec<_>>() })
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

/// All of it: in words, and as it can be decided again.
fn whole(record: &Record) -> Value {
    let first = record.decisions.iter().find_map(|decision| Some((decision.now, decision.plan.as_ref()?)));
    let verdicts = first.map(|(now, plan)| explain::verdicts(&record.candidates, plan, now)).unwrap_or_default();
    let mut value = brief(record);
    if let Value::Object(members) = &mut value {
        members.insert("why".to_owned(), json!(record.why));
        members.insert("verdicts".to_owned(), json!(verdicts));
        members.insert("story".to_owned(), json!(explain::story(record)));
        members.insert("record".to_owned(), json!(record));
    }
    value
}

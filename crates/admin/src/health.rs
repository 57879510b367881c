//! `/api/endpoints`: how every target stands now; `/api/store`: how the ledger does; `/metrics`.

use ringmain_routing::Standing;
use serde_json::{Value, json};

use crate::Ask;
use crate::answer::{Answer, Problem};
use crate::window::Query;

/// What is known of every target of every route, now.
pub(crate) async fn endpoints(ask: Ask<'_>) -> Result<Answer, Problem> {
    Query::read(ask.query, &[])?;
    let gateway = &ask.admin.gateway;
    let now = gateway.clock.now();
    let rules = gateway.rules();
    let mut endpoints: Vec<Value> = Vec::new();
    for route in rules.routes() {
        let view = ringmain_routing::view(&gateway.health(), &route.policy, None, now);
        for (row, candidate) in view.rows().iter().zip(&route.policy.candidates) {
            let (standing, why) = match row.standing {
                Standing::Ready => ("ready", None),
                Standing::Probe => ("probe", None),
                Standing::Out(reason) => ("out", Some(reason)),
            };
            let left = why.and_then(ringmain_routing::Reason::until).map(|until| until.since(now.mono).as_secs_f64());
            endpoints.push(json!({
                "route": &*route.name,
                "target": candidate.name,
                "tier": candidate.tier,
                "standing": standing,
                "reason": why.map(ringmain_routing::Reason::as_str),
                "reason_text": why.map(|why| why.to_string()),
                "back_in_s": left,
                "suspect": row.suspect,
                "ramp": row.ramp,
                "in_flight": row.in_flight,
                "expected_first_token_s": row.pace.first_token,
                "recent_first_token_s": row.pace.recent,
                "weight_left_by_shift": row.shifted,
            }));
        }
    }
    Ok(Answer::Json(json!({ "endpoints": endpoints })))
}

/// How the ledger's store does.
pub(crate) async fn store(ask: Ask<'_>) -> Result<Answer, Problem> {
    Query::read(ask.query, &[])?;
    let store = ask.admin.gateway.records.store();
    Ok(Answer::Json(json!({
        "kept_in": if store.is_some() { "database" } else { "memory" },
        "down": store.as_ref().is_some_and(|store| store.sink.is_down()),
        "behind": store.as_ref().map_or(0, |store| store.sink.behind()),
        "lost": store.as_ref().map_or(0, |store| store.sink.lost()),
    })))
}

/// For Prometheus.
pub(crate) async fn metrics(ask: Ask<'_>) -> Result<Answer, Problem> {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(Answer::Text(kind, ask.admin.gateway.expose_metrics()))
}

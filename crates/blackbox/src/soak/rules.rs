//! The rules of the soak, and their versions.

use ringmain_core::Dialect;
use ringmain_provider_sim::Sim;
use serde_json::{Value, json};

use crate::targets::{after, model, provider};

/// What a reload changes; the targets stay.
const BALANCE: [&str; 4] = ["order", "weighted", "least-busy", "adaptive"];

/// Routes: `all`, to every provider, and one for each dialect, to its provider and the next two.
pub(super) fn rules(sim: &Sim, version: u64) -> Value {
    let target = |dialect: Dialect| format!("{dialect}/{}", model(dialect).0);
    let balance = BALANCE[(version % BALANCE.len() as u64) as usize];
    let mut rules = json!({
        "defaults": {
            "timeouts": {
                "connect": "1s", "race_after": "1s", "first_token": "4s", "idle": "1500ms", "total": "30s"
            },
            "retries": {"backoff": "10ms..300ms"},
            "breaker": {"open_for": "300ms..3s", "ramp": "1s"},
            "balance": balance,
            "affinity": if version.is_multiple_of(2) { "off" } else { "prefix" },
            "hedge": {"after": "p95", "budget": "5%"}
        },
        "providers": {}, "routes": []
    });
    for dialect in Dialect::ALL {
        rules["providers"][dialect.as_str()] = provider(sim, dialect, dialect.as_str());
    }
    let mut routes = vec![json!({
        "name": "all", "match": {"model": "all"}, "targets": Dialect::ALL.map(target)
    })];
    routes.extend(Dialect::ALL.map(|dialect| {
        let targets = [dialect, after(dialect, 1), after(dialect, 2)].map(target);
        json!({"name": format!("via-{dialect}"), "match": {"model": format!("via-{dialect}")}, "targets": targets})
    }));
    rules["routes"] = Value::Array(routes);
    rules
}

//! `GET /api/limits`: how every limit stands.

use std::collections::BTreeMap;

use ringmain_core::{Metered, Money};
use serde_json::{Value, json};

use crate::Ask;
use crate::answer::{Answer, Problem};
use crate::window::Query;

/// Every limit that holds for some key: what is used, what is reserved.
pub(crate) async fn list(ask: Ask<'_>) -> Result<Answer, Problem> {
    Query::read(ask.query, &[])?;
    let gateway = &ask.admin.gateway;
    let now = gateway.clock.now().wall;
    let ring = gateway.keys.ring();
    let held = ring.keys().flat_map(|key| key.limits.iter());
    let limits: BTreeMap<_, _> = held.map(|held| ((held.whose.to_string(), held.limit), held.id())).collect();
    let told = limits.iter().map(|((whose, limit), id)| {
        let standing = gateway.limits.standing(id, now);
        let amount = |number: u64| match limit.of {
            Metered::Money => json!(Money::from_nanos(i64::try_from(number).unwrap_or(i64::MAX)).as_dollars()),
            _ => json!(number),
        };
        json!({
            "whose": whose,
            "limit": limit,
            "of": limit.of.as_str(),
            "most": amount(limit.most),
            "used": amount(standing.used),
            "reserved": amount(standing.reserved),
            "since": limit.per.map(|period| period.begin(now).to_string()),
        })
    });
    Ok(Answer::Json(json!({ "limits": told.collect::<Vec<Value>>() })))
}

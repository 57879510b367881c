//! Questions about the ledger, answered from the sums and by looking through its rows.

use ringmain_core::{Metered, Units, Usage, WallTime};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::ledger::signed;
use super::session::Session;
use crate::StateError;
use crate::analytics::{Fold, Line, Question, Search, amount, grain_since, is_in_scope};
use crate::histogram::Histogram;
use crate::sums::{Grain, Of, Sums};

const COLUMNS: &str = "at_ms, slice, route, target, key_id, key_path, requests, served, limited, cancelled, failovers, \
    attempts, attempts_failed, input, cache_read, cache_write, cache_write_1h, output, reasoning, audio_input, \
    audio_output, cost_nano, unpriced, saved_nano, first_token, per_token, total";

pub(super) fn ask(session: &Session, question: &Question) -> Result<Vec<Line>, StateError> {
    let mut fold = Fold::new(question);
    let grain = question.grain();
    let sliced = if question.is_of_tags() { "slice <> ''" } else { "slice = ''" };
    let sql = format!("SELECT {COLUMNS} FROM sums WHERE grain = $1 AND at_ms >= $2 AND at_ms < $3 AND {sliced}");
    let (from, to) = (signed(grain.begin(question.from).0), signed(question.to.0));
    let rows = session
        .run(move |client| Box::pin(async move { client.query(sql.as_str(), &[&grain.number(), &from, &to]).await }))?;
    for row in &rows {
        let (of, sums) = read(grain, row);
        fold.add(&of, &sums);
    }
    Ok(fold.done())
}

pub(super) fn used(
    session: &Session,
    scope: &str,
    of: Metered,
    since: WallTime,
    now: WallTime,
) -> Result<Vec<(WallTime, u64)>, StateError> {
    let grain = grain_since(since, now);
    let sql = format!("SELECT {COLUMNS} FROM sums WHERE grain = $1 AND at_ms >= $2 AND slice = '' AND key_id <> ''");
    let from = signed(grain.begin(since).0);
    let rows = session
        .run(move |client| Box::pin(async move { client.query(sql.as_str(), &[&grain.number(), &from]).await }))?;
    let counts = rows.iter().map(|row| read(grain, row)).filter(|(what, _)| is_in_scope(what, scope));
    Ok(counts.map(|(what, sums)| (what.at, amount(&sums, of))).collect())
}

pub(super) fn search(session: &Session, search: &Search) -> Result<Vec<Row>, StateError> {
    let mut sql = "SELECT id FROM requests WHERE at_ms >= $1 AND at_ms < $2".to_owned();
    let mut values: Vec<Box<dyn ToSql + Send + Sync>> =
        vec![Box::new(signed(search.from.0)), Box::new(signed(search.to.0))];
    let mut with = |condition: &str, value: Option<String>| {
        if let Some(value) = value {
            values.push(Box::new(value));
            sql.push_str(" AND ");
            sql.push_str(&condition.replace('?', &format!("${}", values.len())));
        }
    };
    with("route = ?", search.route.clone());
    with("target = ?", search.target.clone());
    with("model = ?", search.model.clone());
    with("(key_id = ? OR key_path = ?)", search.key.clone());
    with("strpos(tags, ?) > 0", search.tag.as_ref().map(|tag| format!("|{tag}|")));
    match search.outcome.as_deref() {
        Some("ok") => sql.push_str(" AND fault IS NULL"),
        Some("failed") => sql.push_str(" AND fault IS NOT NULL"),
        other => with("fault = ?", other.map(ToOwned::to_owned)),
    }
    sql.push_str(" ORDER BY at_ms DESC, id DESC LIMIT ");
    sql.push_str(&search.most.to_string());
    session.run(move |client| {
        Box::pin(async move {
            let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect();
            client.query(sql.as_str(), &values).await
        })
    })
}

fn read(grain: Grain, row: &Row) -> (Of, Sums) {
    let count = |at: usize| row.get::<_, i64>(at).cast_unsigned();
    let times = |at: usize| {
        let counts: Vec<i64> = row.get(at);
        Histogram::of_counts(counts.into_iter().map(i64::cast_unsigned).collect())
    };
    let of = Of {
        grain,
        at: WallTime(count(0)),
        slice: row.get(1),
        route: row.get(2),
        target: row.get(3),
        key: row.get(4),
        key_path: row.get(5),
    };
    let sums = Sums {
        requests: count(6),
        served: count(7),
        limited: count(8),
        cancelled: count(9),
        failovers: count(10),
        attempts: count(11),
        attempts_failed: count(12),
        usage: Usage {
            input: count(13),
            cache_read: count(14),
            cache_write: count(15),
            cache_write_1h: count(16),
            output: count(17),
            reasoning: count(18),
            audio_input: count(19),
            audio_output: count(20),
            // What is billed otherwise is in the records; sums of pictures and minutes would say nothing.
            units: Units::default(),
        },
        nanos: row.get(21),
        unpriced: count(22),
        saved_nanos: row.get(23),
        first_token: times(24),
        per_token: times(25),
        total: times(26),
    };
    (of, sums)
}

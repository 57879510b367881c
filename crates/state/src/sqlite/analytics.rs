//! Questions about the ledger, answered from the sums and by looking through its rows.

use ringmain_core::{Metered, RequestId, Units, Usage, WallTime};
use rusqlite::{Connection, Row, params, params_from_iter, types::Value};

use super::ledger::signed;
use crate::StateError;
use crate::analytics::{Fold, Line, Question, Search, amount, grain_since, is_in_scope};
use crate::histogram::Histogram;
use crate::sums::{Grain, Of, Sums};

const COLUMNS: &str = "at_ms, slice, route, target, key_id, key_path, requests, served, limited, cancelled, failovers, \
    attempts, attempts_failed, input, cache_read, cache_write, cache_write_1h, output, reasoning, audio_input, \
    audio_output, cost_nano, unpriced, saved_nano, first_token, per_token, total";

pub(super) fn ask(connection: &Connection, question: &Question) -> Result<Vec<Line>, StateError> {
    let mut fold = Fold::new(question);
    let grain = question.grain();
    let sliced = if question.is_of_tags() { "slice <> ''" } else { "slice = ''" };
    let sql = format!("SELECT {COLUMNS} FROM sums WHERE grain = ?1 AND at_ms >= ?2 AND at_ms < ?3 AND {sliced}");
    let mut rows = connection.prepare_cached(&sql)?;
    let from = signed(grain.begin(question.from).0);
    let mut found = rows.query(params![grain.number(), from, signed(question.to.0)])?;
    while let Some(row) = found.next()? {
        let (of, sums) = read(grain, row)?;
        fold.add(&of, &sums);
    }
    Ok(fold.done())
}

pub(super) fn used(
    connection: &Connection,
    scope: &str,
    of: Metered,
    since: WallTime,
    now: WallTime,
) -> Result<Vec<(WallTime, u64)>, StateError> {
    let grain = grain_since(since, now);
    let sql = format!("SELECT {COLUMNS} FROM sums WHERE grain = ?1 AND at_ms >= ?2 AND slice = '' AND key_id <> ''");
    let mut rows = connection.prepare_cached(&sql)?;
    let mut found = rows.query(params![grain.number(), signed(grain.begin(since).0)])?;
    let mut used = Vec::new();
    while let Some(row) = found.next()? {
        let (what, sums) = read(grain, row)?;
        if is_in_scope(&what, scope) {
            used.push((what.at, amount(&sums, of)));
        }
    }
    Ok(used)
}

pub(super) fn search(connection: &Connection, search: &Search) -> Result<Vec<RequestId>, StateError> {
    let mut sql = "SELECT id FROM requests WHERE at_ms >= ?1 AND at_ms < ?2".to_owned();
    let mut values: Vec<Value> = vec![signed(search.from.0).into(), signed(search.to.0).into()];
    let mut with = |condition: &str, value: Option<String>| {
        if let Some(value) = value {
            values.push(value.into());
            sql.push_str(" AND ");
            sql.push_str(&condition.replace('?', &format!("?{}", values.len())));
        }
    };
    with("route = ?", search.route.clone());
    with("target = ?", search.target.clone());
    with("model = ?", search.model.clone());
    with("(key_id = ? OR key_path = ?)", search.key.clone());
    with("instr(tags, ?) > 0", search.tag.as_ref().map(|tag| format!("|{tag}|")));
    match search.outcome.as_deref() {
        Some("ok") => sql.push_str(" AND fault IS NULL"),
        Some("failed") => sql.push_str(" AND fault IS NOT NULL"),
        other => with("fault = ?", other.map(ToOwned::to_owned)),
    }
    sql.push_str(" ORDER BY at_ms DESC, id DESC LIMIT ");
    sql.push_str(&search.most.to_string());
    let mut rows = connection.prepare_cached(&sql)?;
    let ids = rows.query_map(params_from_iter(values), |row| row.get::<_, [u8; 16]>(0))?;
    ids.map(|id| Ok(RequestId(u128::from_be_bytes(id?)))).collect()
}

fn read(grain: Grain, row: &Row<'_>) -> rusqlite::Result<(Of, Sums)> {
    let count = |at: usize| row.get::<_, i64>(at).map(i64::cast_unsigned);
    let times =
        |at: usize| Ok::<_, rusqlite::Error>(Histogram::from_bytes(row.get_ref(at)?.as_blob().unwrap_or_default()));
    let of = Of {
        grain,
        at: WallTime(count(0)?),
        slice: row.get(1)?,
        route: row.get(2)?,
        target: row.get(3)?,
        key: row.get(4)?,
        key_path: row.get(5)?,
    };
    let sums = Sums {
        requests: count(6)?,
        served: count(7)?,
        limited: count(8)?,
        cancelled: count(9)?,
        failovers: count(10)?,
        attempts: count(11)?,
        attempts_failed: count(12)?,
        usage: Usage {
            input: count(13)?,
            cache_read: count(14)?,
            cache_write: count(15)?,
            cache_write_1h: count(16)?,
            output: count(17)?,
            reasoning: count(18)?,
            audio_input: count(19)?,
            audio_output: count(20)?,
            // What is billed otherwise is in the records; sums of pictures and minutes would say nothing.
            units: Units::default(),
        },
        nanos: row.get(21)?,
        unpriced: count(22)?,
        saved_nanos: row.get(23)?,
        first_token: times(24)?,
        per_token: times(25)?,
        total: times(26)?,
    };
    Ok((of, sums))
}

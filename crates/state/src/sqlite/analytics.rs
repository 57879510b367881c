//! Questions about the ledger, answered from the sums and by looking through its rows.

use std::sync::LazyLock;

use ringmain_core::{Metered, RequestId, WallTime};
use rusqlite::{Connection, Row, params_from_iter, types::Value};

use crate::StateError;
use crate::analytics::{By, Fold, Line, Names, Question, Search, amount, grain_since, is_in_scope};
use crate::ledger::signed;
use crate::sums::{Of, Slice, Sums};

/// What a sum is of, what it counts, and its times: the columns that [`place`] and [`times`] read.
pub(super) static COLUMNS: LazyLock<String> = LazyLock::new(|| {
    let counts = Sums::COUNTS.join(", ");
    format!("at_ms, slice, route, target, key_id, key_path, {counts}, first_token, per_token, total")
});
/// Columns before the counts.
const NAMES: usize = 6;

pub(super) fn ask(connection: &Connection, question: &Question) -> Result<Vec<Line>, StateError> {
    let mut fold = Fold::new(question);
    let grain = question.grain();
    let mut values: Vec<Value> =
        vec![grain.number().into(), signed(grain.begin(question.from).0).into(), signed(question.to.0).into()];
    let mut sql = format!("SELECT {} FROM rollups WHERE grain = ?1 AND at_ms >= ?2 AND at_ms < ?3", *COLUMNS);
    let mut with = |condition: &str, value: &str| {
        values.push(value.to_owned().into());
        sql.push_str(&format!(" AND {condition} = ?{}", values.len()));
    };
    // What is not one of these is left out by the fold.
    let tag = question.only.iter().find(|(by, _)| *by == By::Tag).map(|(_, tag)| tag.as_str());
    match (question.slice(), tag) {
        (Slice::Tags, Some(tag)) => with("slice", tag),
        (Slice::Tags, None) => {}
        (slice, _) => with("slice", slice.name()),
    }
    for (by, value) in &question.only {
        match by {
            By::Target => with("target", value),
            By::Route => with("route", value),
            By::Key => with("key_path", value),
            By::Nothing | By::Provider | By::Model | By::Group | By::Tag => {}
        }
    }
    let mut rows = connection.prepare_cached(&sql)?;
    let mut found = rows.query(params_from_iter(values))?;
    while let Some(row) = found.next()? {
        let (at, names) = names(row)?;
        if let Some(place) = fold.place(at, names) {
            place.merge(&counts(row)?);
            times(row, place)?;
        }
    }
    fold.done()
}

pub(super) fn used(
    connection: &Connection,
    scope: &str,
    of: Metered,
    since: WallTime,
    now: WallTime,
) -> Result<Vec<(WallTime, u64)>, StateError> {
    let grain = grain_since(since, now);
    let sql = format!("SELECT {} FROM rollups WHERE grain = ?1 AND slice = ?2 AND at_ms >= ?3", *COLUMNS);
    let mut rows = connection.prepare_cached(&sql)?;
    let since = signed(grain.begin(since).0);
    let mut found = rows.query((grain.number(), Slice::Key.name(), since))?;
    let mut used = Vec::new();
    while let Some(row) = found.next()? {
        let (at, names) = names(row)?;
        let what = Of {
            grain,
            at,
            slice: names.slice.to_owned(),
            route: String::new(),
            target: String::new(),
            key: row.get(4)?,
            key_path: names.key_path.to_owned(),
        };
        if is_in_scope(&what, scope) {
            used.push((at, amount(&counts(row)?, of)));
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

/// What a sum is of, as it lies in the database's memory.
fn names<'r>(row: &'r Row<'_>) -> rusqlite::Result<(WallTime, Names<'r>)> {
    let text = |at: usize| row.get_ref(at).map(|value| value.as_str().unwrap_or_default());
    let at = WallTime(u64::try_from(row.get::<_, i64>(0)?).unwrap_or_default());
    Ok((at, Names { slice: text(1)?, route: text(2)?, target: text(3)?, key_path: text(5)? }))
}

pub(super) fn counts(row: &Row<'_>) -> rusqlite::Result<Sums> {
    let mut counts = [0; Sums::COUNTS.len()];
    for (at, count) in counts.iter_mut().enumerate() {
        *count = row.get(NAMES + at)?;
    }
    Ok(Sums::of_counts(counts))
}

pub(super) fn times(row: &Row<'_>, into: &mut Sums) -> rusqlite::Result<()> {
    let first = NAMES + Sums::COUNTS.len();
    for (at, times) in [&mut into.first_token, &mut into.per_token, &mut into.total].into_iter().enumerate() {
        times.merge_bytes(row.get_ref(first + at)?.as_blob().unwrap_or_default());
    }
    Ok(())
}

//! Questions about the ledger, answered from the sums and by looking through its rows.

use std::sync::LazyLock;

use ringmain_core::{Metered, WallTime};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::ledger::signed;
use super::session::Session;
use crate::StateError;
use crate::analytics::{Fold, Line, Question, Search, amount, grain_since, is_in_scope};
use crate::histogram::Histogram;
use crate::sums::{Grain, Of, Slice, Sums};

/// What a sum is of, what it counts, and its times: the columns that [`read`] takes.
static COLUMNS: LazyLock<String> = LazyLock::new(|| {
    let counts = Sums::COUNTS.join(", ");
    format!("at_ms, slice, route, target, key_id, key_path, {counts}, first_token, per_token, total")
});
/// Columns before the counts.
const NAMES: usize = 6;

pub(super) fn ask(session: &Session, question: &Question) -> Result<Vec<Line>, StateError> {
    let mut fold = Fold::new(question);
    let grain = question.grain();
    // Tags are told from the names of slices by their form; what is not asked for is left out by the fold.
    let (condition, slice) = match question.slice() {
        Slice::Tags => ("strpos(slice, $4) > 0", Slice::Tags.name()),
        slice => ("slice = $4", slice.name()),
    };
    let sql = format!("SELECT {} FROM sums WHERE grain = $1 AND at_ms >= $2 AND at_ms < $3 AND {condition}", *COLUMNS);
    let (from, to) = (signed(grain.begin(question.from).0), signed(question.to.0));
    let rows = session.run(move |client| {
        Box::pin(async move { client.query(sql.as_str(), &[&grain.number(), &from, &to, &slice]).await })
    })?;
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
    let sql = format!("SELECT {} FROM sums WHERE grain = $1 AND at_ms >= $2 AND slice = $3 AND key_id <> ''", *COLUMNS);
    let from = signed(grain.begin(since).0);
    let rows = session.run(move |client| {
        Box::pin(async move { client.query(sql.as_str(), &[&grain.number(), &from, &Slice::Key.name()]).await })
    })?;
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
    let mut counts = [0; Sums::COUNTS.len()];
    for (at, count) in counts.iter_mut().enumerate() {
        *count = row.get(NAMES + at);
    }
    let first = NAMES + Sums::COUNTS.len();
    let (first_token, per_token, total) = (times(first), times(first + 1), times(first + 2));
    (of, Sums { first_token, per_token, total, ..Sums::of_counts(counts) })
}

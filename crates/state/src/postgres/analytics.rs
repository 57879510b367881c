//! Questions about the ledger, answered from the sums and by looking through its rows.

use std::sync::LazyLock;

use ringmain_core::{Metered, WallTime};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Row};

use super::session::Session;
use crate::StateError;
use crate::analytics::{By, Fold, Line, Names, Question, Search, amount, grain_since, is_in_scope};
use crate::histogram::Histogram;
use crate::ledger::signed;
use crate::sums::{Grain, Of, Slice, Sums};

/// What a sum is of, what it counts, and its times: the columns that [`read`] takes.
static COLUMNS: LazyLock<String> = LazyLock::new(|| {
    let counts = Sums::COUNTS.join(", ");
    format!("at_ms, slice, route, target, key_id, key_path, {counts}, first_token, per_token, total")
});
/// Columns before the counts.
const NAMES: usize = 6;

/// Rows of sums that are read at once.
const PAGE: i32 = 5000;

pub(super) fn ask(session: &Session, question: &Question) -> Result<Vec<Line>, StateError> {
    let question = question.clone();
    session.run(move |client| Box::pin(answer(client, question)))?
}

/// A page at a time: a year can be a million rows.
async fn answer(client: &mut Client, question: Question) -> Result<Result<Vec<Line>, StateError>, Error> {
    let (sql, values) = asked(&question);
    let mut fold = Fold::new(&question);
    let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect();
    let transaction = client.transaction().await?;
    let portal = transaction.bind(&sql, &values).await?;
    loop {
        let rows = transaction.query_portal(&portal, PAGE).await?;
        for row in &rows {
            let (at, names) = names(row);
            if let Some(place) = fold.place(at, names) {
                place.merge(&sums(row));
            }
        }
        if rows.is_empty() {
            break;
        }
    }
    transaction.commit().await?;
    Ok(fold.done())
}

/// The sums that a question is about, and none that its answer leaves out, as far as that can be told there.
fn asked(question: &Question) -> (String, Vec<Box<dyn ToSql + Send + Sync>>) {
    let grain = question.grain();
    let mut sql = format!("SELECT {} FROM sums WHERE grain = $1 AND at_ms >= $2 AND at_ms < $3", *COLUMNS);
    let mut values: Vec<Box<dyn ToSql + Send + Sync>> =
        vec![Box::new(grain.number()), Box::new(signed(grain.begin(question.from).0)), Box::new(signed(question.to.0))];
    let mut with = |condition: &str, value: &str| {
        values.push(Box::new(value.to_owned()));
        sql.push_str(" AND ");
        sql.push_str(&condition.replace('?', &format!("${}", values.len())));
    };
    let tag = question.only.iter().find(|(by, _)| *by == By::Tag).map(|(_, tag)| tag.as_str());
    match (question.slice(), tag) {
        (Slice::Tags, Some(tag)) => with("slice = ?", tag),
        // Tags are told from the names of slices by their form.
        (Slice::Tags, None) => with("strpos(slice, ?) > 0", Slice::Tags.name()),
        (slice, _) => with("slice = ?", slice.name()),
    }
    for (by, value) in &question.only {
        match by {
            By::Target => with("target = ?", value),
            By::Route => with("route = ?", value),
            By::Key => with("key_path = ?", value),
            By::Provider => with("starts_with(target, ?)", &format!("{value}/")),
            By::Group if !value.is_empty() => with("starts_with(key_path, ?)", &format!("{value}/")),
            // The fold leaves out what is of another model.
            By::Nothing | By::Model | By::Group | By::Tag => {}
        }
    }
    (sql, values)
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

/// What a sum is of, as it lies in the row.
fn names(row: &Row) -> (WallTime, Names<'_>) {
    (WallTime(count(row, 0)), Names { slice: row.get(1), route: row.get(2), target: row.get(3), key_path: row.get(5) })
}

fn count(row: &Row, at: usize) -> u64 {
    row.get::<_, i64>(at).cast_unsigned()
}

fn sums(row: &Row) -> Sums {
    let times = |at: usize| {
        let counts: Vec<i64> = row.get(at);
        Histogram::of_counts(counts.into_iter().map(i64::cast_unsigned).collect())
    };
    let mut counts = [0; Sums::COUNTS.len()];
    for (at, count) in counts.iter_mut().enumerate() {
        // Null: an older version wrote the row.
        *count = row.get::<_, Option<i64>>(NAMES + at).unwrap_or_default();
    }
    let first = NAMES + Sums::COUNTS.len();
    let (first_token, per_token, total) = (times(first), times(first + 1), times(first + 2));
    Sums { first_token, per_token, total, ..Sums::of_counts(counts) }
}

fn read(grain: Grain, row: &Row) -> (Of, Sums) {
    let (at, names) = names(row);
    let of = Of {
        grain,
        at,
        slice: names.slice.to_owned(),
        route: names.route.to_owned(),
        target: names.target.to_owned(),
        key: row.get(4),
        key_path: names.key_path.to_owned(),
    };
    (of, sums(row))
}

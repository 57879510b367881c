//! What an older version's file lacks: columns that came later, and sums by one thing each; and what it has too much of.

use ringmain_core::WallTime;
use rusqlite::{Connection, Row, Transaction, TransactionBehavior};

use super::ledger::add;
use crate::StateError;
use crate::histogram::Histogram;
use crate::sums::{Grain, Of, Slice, Sums};

const COLUMNS: [&str; 6] = ["image_input", "image_output", "images", "audio_ms", "characters", "searches"];
/// What the table of sums was called while it had only those by everything and by tag, and what it counted.
const OLD: &str = "sums";
const COUNTED: [&str; 18] = [
    "requests",
    "served",
    "limited",
    "cancelled",
    "failovers",
    "attempts",
    "attempts_failed",
    "input",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "output",
    "reasoning",
    "audio_input",
    "audio_output",
    "cost_nano",
    "unpriced",
    "saved_nano",
];

/// Brings a file up to date, or finds that it is.
pub(super) fn upgrade(connection: &mut Connection) -> Result<(), StateError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (table, kind) in [("requests", "INTEGER NOT NULL DEFAULT 0"), ("attempts", "INTEGER")] {
        for column in COLUMNS {
            add_column(&transaction, table, column, kind)?;
        }
    }
    add_column(&transaction, "rollups", "rejected", "INTEGER NOT NULL DEFAULT 0")?;
    if has(&transaction, "table", OLD)? {
        tracing::info!("sums of an older version are written anew");
        take_over(&transaction)?;
        transaction.execute_batch(&format!("DROP TABLE {OLD}"))?;
    }
    if has(&transaction, "index", "records_by_time")? {
        // Of before there was a ledger: nothing would find them any more, nor take them out.
        transaction.execute_batch("DELETE FROM records WHERE id NOT IN (SELECT id FROM requests)")?;
        transaction.execute_batch("DROP INDEX records_by_time; DROP INDEX IF EXISTS attempts_by_time")?;
    }
    transaction.commit()?;
    Ok(())
}

fn add_column(transaction: &Transaction<'_>, table: &str, column: &str, kind: &str) -> rusqlite::Result<()> {
    let found = "SELECT count(*) FROM pragma_table_info(?1) WHERE name = ?2";
    if transaction.query_row(found, [table, column], |row| row.get::<_, i64>(0))? == 0 {
        transaction.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN {column} {kind}"))?;
    }
    Ok(())
}

fn has(transaction: &Transaction<'_>, kind: &str, name: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) FROM sqlite_master WHERE type = ?1 AND name = ?2";
    transaction.query_row(sql, [kind, name], |row| Ok(row.get::<_, i64>(0)? > 0))
}

fn take_over(transaction: &Transaction<'_>) -> Result<(), StateError> {
    let sql = format!(
        "SELECT grain, at_ms, slice, route, target, key_id, key_path, first_token, per_token, total, {} FROM {OLD}",
        COUNTED.join(", ")
    );
    let mut rows = transaction.prepare(&sql)?;
    let mut found = rows.query([])?;
    while let Some(row) = found.next()? {
        let Some((of, sums)) = read(row)? else { continue };
        add(transaction, &of, &sums)?;
        if Slice::Tags.holds(&of.slice) {
            continue;
        }
        for slice in [Slice::Whole, Slice::Route, Slice::Target, Slice::Key] {
            add(transaction, &of.narrowed(slice), &sums)?;
        }
    }
    Ok(())
}

fn read(row: &Row<'_>) -> Result<Option<(Of, Sums)>, StateError> {
    let number: i64 = row.get(0)?;
    let Some(grain) = Grain::ALL.into_iter().find(|grain| grain.number() == number) else { return Ok(None) };
    let of = Of {
        grain,
        at: WallTime(row.get::<_, i64>(1)?.cast_unsigned()),
        slice: row.get(2)?,
        route: row.get(3)?,
        target: row.get(4)?,
        key: row.get(5)?,
        key_path: row.get(6)?,
    };
    let mut counts = [0; Sums::COUNTS.len()];
    for (at, name) in COUNTED.iter().enumerate() {
        if let Some(place) = Sums::COUNTS.iter().position(|known| known == name) {
            counts[place] = row.get(10 + at)?;
        }
    }
    let times = |at: usize| Ok::<_, StateError>(Histogram::from_bytes(row.get_ref(at)?.as_blob().unwrap_or_default()));
    let sums = Sums { first_token: times(7)?, per_token: times(8)?, total: times(9)?, ..Sums::of_counts(counts) };
    Ok(Some((of, sums)))
}

//! The rows of the ledger, and the sums over them, written in one transaction.

use std::sync::LazyLock;

use ringmain_core::WallTime;
use rusqlite::{Connection, ToSql, Transaction, params};

use crate::StateError;
use crate::distinct::Distinct;
use crate::histogram::Histogram;
use crate::journaled::{Line, Store};
use crate::ledger::signed;
use crate::sums::{Batch, Grain, Of, Sums};

use super::insert::insert;
use super::open;
use super::upgrade::upgrade;

/// How many old rows of a table are taken out at once, so that a sweep holds the writer for some ten milliseconds.
const SWEEP_MAX: u32 = 500;

/// KiB that a transaction may change before it begins to write: a thousand requests.
const CACHE: i32 = 4096;

fn writing(path: &std::path::Path) -> Result<Connection, StateError> {
    let connection = open(path)?;
    // Below zero it is KiB, above it would be pages.
    connection.pragma_update(None, "cache_size", -CACHE)?;
    Ok(connection)
}

/// The writing side of a file.
pub(super) struct Writer {
    path: std::path::PathBuf,
    connection: Connection,
    keep_ms: u64,
    distinct: Distinct,
}

impl Writer {
    pub(super) fn open(path: &std::path::Path, keep_ms: u64) -> Result<Self, StateError> {
        let mut connection = writing(path)?;
        upgrade(&mut connection)?;
        Ok(Self { connection, path: path.to_owned(), keep_ms, distinct: Distinct::default() })
    }
}

impl Store for Writer {
    fn write(&mut self, lines: &[Line]) -> Result<(), StateError> {
        let transaction = self.connection.transaction()?;
        let fresh = insert(&transaction, lines)?;
        let mut sums = Batch::default();
        fresh.iter().for_each(|entry| sums.add(entry, &mut self.distinct));
        for (of, sum) in sums.sums() {
            add(&transaction, &of, &sum)?;
        }
        transaction.commit()?;
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), StateError> {
        self.connection = writing(&self.path)?;
        Ok(())
    }

    /// By the time of the newest.
    fn sweep(&mut self, newest: WallTime) -> Result<bool, StateError> {
        let mut is_more = self.sweep_requests(signed(newest.0.saturating_sub(self.keep_ms)))?;
        for grain in Grain::ALL {
            let Some(kept) = grain.kept() else { continue };
            is_more |= self.sweep_sums(grain, signed(newest.0.saturating_sub(kept)))?;
        }
        Ok(is_more)
    }
}

impl Writer {
    /// Takes out requests that began before then, with what belongs to them; true if there are more.
    fn sweep_requests(&mut self, before: i64) -> Result<bool, StateError> {
        let transaction = self.connection.transaction()?;
        let mut taken = 0;
        // Requests last, for the others are found through them.
        for (table, request) in [("records", "id"), ("attempts", "request"), ("requests", "id")] {
            let sql = format!(
                "DELETE FROM {table} WHERE {request} IN (SELECT id FROM requests WHERE at_ms < ?1 ORDER BY at_ms LIMIT ?2)"
            );
            taken = count(transaction.prepare_cached(&sql)?.execute(params![before, SWEEP_MAX])?);
        }
        transaction.commit()?;
        Ok(taken == SWEEP_MAX)
    }

    /// Takes out sums of a grain that begin before then; true if there are more. From one slice to the next by the key, for
    /// rows lie in order of it: what is kept is not read.
    fn sweep_sums(&self, grain: Grain, before: i64) -> Result<bool, StateError> {
        let mut next =
            self.connection.prepare_cached("SELECT min(slice) FROM rollups WHERE grain = ?1 AND slice > ?2")?;
        let mut delete = self.connection.prepare_cached(
            "DELETE FROM rollups WHERE grain = ?1 AND slice = ?2 AND (at_ms, route, target, key_id) IN (SELECT at_ms, route,
             target, key_id FROM rollups WHERE grain = ?1 AND slice = ?2 AND at_ms < ?3 ORDER BY at_ms LIMIT ?4)",
        )?;
        let (mut slice, mut left) = (Some(String::new()), SWEEP_MAX);
        while let Some(name) = slice {
            left -= count(delete.execute(params![grain.number(), name, before, left])?).min(left);
            if left == 0 {
                return Ok(true);
            }
            slice = next.query_row(params![grain.number(), name], |row| row.get(0))?;
        }
        Ok(false)
    }
}

fn count(rows: usize) -> u32 {
    u32::try_from(rows).unwrap_or(u32::MAX)
}

/// Adds sums of another ledger to those of this file.
///
/// # Errors
/// The file cannot be written.
pub fn add_sums(path: &std::path::Path, sums: &mut dyn Iterator<Item = (Of, Sums)>) -> Result<(), StateError> {
    let mut connection = Writer::open(path, 0)?.connection;
    let transaction = connection.transaction()?;
    for (of, sums) in sums {
        add(&transaction, &of, &sums)?;
    }
    transaction.commit()?;
    Ok(())
}

/// Adds sums to those that are stored.
pub(super) fn add(to: &Transaction<'_>, of: &Of, sums: &Sums) -> Result<(), StateError> {
    static UPSERT: LazyLock<String> = LazyLock::new(|| {
        let columns = &*super::analytics::COLUMNS;
        let values: Vec<String> = (1..=columns.split(',').count() + 1).map(|at| format!("?{at}")).collect();
        let added: Vec<String> = Sums::COUNTS.iter().map(|name| format!("{name} = {name} + excluded.{name}")).collect();
        format!(
            "INSERT INTO rollups (grain, {columns}) VALUES ({})
             ON CONFLICT DO UPDATE SET key_path = excluded.key_path, {},
             first_token = times_add(first_token, excluded.first_token),
             per_token = times_add(per_token, excluded.per_token), total = times_add(total, excluded.total)",
            values.join(", "),
            added.join(", ")
        )
    });
    let mut upsert = to.prepare_cached(&UPSERT)?;
    let mut at = 0;
    let mut bind = |value: &dyn ToSql| {
        at += 1;
        upsert.raw_bind_parameter(at, value)
    };
    bind(&of.grain.number())?;
    bind(&signed(of.at.0))?;
    for text in [&of.slice, &of.route, &of.target, &of.key, &of.key_path] {
        bind(text)?;
    }
    for count in sums.counts() {
        bind(&count)?;
    }
    for times in [&sums.first_token, &sums.per_token, &sums.total] {
        bind(&times.to_bytes())?;
    }
    upsert.raw_execute()?;
    Ok(())
}

/// Two stored histograms as one: the function `times_add` of our statements.
pub(super) fn times_add(one: &[u8], other: &[u8]) -> Vec<u8> {
    if other.is_empty() {
        return one.to_vec();
    }
    let mut sum = Histogram::from_bytes(one);
    sum.merge(&Histogram::from_bytes(other));
    sum.to_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Entry;
    use crate::tests::records::record;

    #[test]
    fn what_is_old_goes_in_parts_and_all_that_belongs_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(&folder.path().join("ledger.db"), 1000).unwrap();
        let old = u64::from(SWEEP_MAX) + 1;
        let lines: Vec<Line> = (0..old + 2)
            .map(|id| Line { entry: Entry::of(&record(id.into(), id)), doc: "{}".to_owned().into() })
            .collect();
        writer.write(&lines).unwrap();
        writer
            .connection
            .execute_batch(
                "INSERT INTO attempts SELECT id, 0, at_ms, '', '', 0, 1, NULL, NULL, NULL, NULL, NULL,
            NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM requests",
            )
            .unwrap();
        let newest = WallTime(old + 1000);
        assert!(writer.sweep(newest).unwrap(), "there are more");
        assert!(!writer.sweep(newest).unwrap());
        for table in ["records", "attempts", "requests"] {
            let left = format!("SELECT count(*) FROM {table}");
            assert_eq!(writer.connection.query_row(&left, [], |row| row.get::<_, u32>(0)).unwrap(), 2, "{table}");
        }
    }
}

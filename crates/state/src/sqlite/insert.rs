//! Rows of records, requests and attempts, put in as cheaply as SQLite takes them.

use std::sync::LazyLock;

use ringmain_core::{Money, RequestId, Usage};
use rusqlite::{CachedStatement, ToSql, Transaction, params};

use crate::StateError;
use crate::journaled::Line;
use crate::ledger::{AttemptRow, Entry, micros, signed};

/// A column, and what it counts.
type Count = (&'static str, fn(&Usage) -> u64);

/// What is counted seldom: a row without any of it is put in by a statement that has zeros in its text, for each value that
/// is handed to SQLite costs more than one it was compiled with.
const RARE: [Count; 12] = [
    ("cache_read", |usage| usage.cache_read),
    ("cache_write", |usage| usage.cache_write),
    ("cache_write_1h", |usage| usage.cache_write_1h),
    ("reasoning", |usage| usage.reasoning),
    ("audio_input", |usage| usage.audio_input),
    ("audio_output", |usage| usage.audio_output),
    ("image_input", |usage| usage.image_input),
    ("image_output", |usage| usage.image_output),
    ("images", |usage| usage.units.images.into()),
    ("audio_ms", |usage| usage.units.audio_ms),
    ("characters", |usage| usage.units.characters),
    ("searches", |usage| usage.units.searches),
];

/// The statements that put a row into a table: with what is rare, and without.
struct Insert {
    rare: String,
    usual: String,
}

static REQUEST: LazyLock<Insert> = LazyLock::new(|| {
    Insert::new(
        "INSERT OR REPLACE INTO requests (id, at_ms, route, why, operation, dialect, model, stream, key_id, key_path, tags,
         target, fault, attempts, failovers, first_token_us, per_token_us, total_us, cost_nano, unpriced, input, output",
        22,
    )
});
static ATTEMPT: LazyLock<Insert> = LazyLock::new(|| {
    Insert::new(
        "INSERT INTO attempts (request, number, at_ms, target, credential, hedge, served, fault, first_token_us, total_us,
         cost_nano, price, input, output",
        14,
    )
});

impl Insert {
    /// A statement without its end, and how many columns it names.
    fn new(begin: &str, columns: usize) -> Self {
        let usual: Vec<String> = (1..=columns).map(|at| format!("?{at}")).collect();
        let rare = (1..=RARE.len()).map(|at| format!("?{}", columns + at));
        let zeros = RARE.map(|_| "0".to_owned());
        let whole = |rest: Vec<String>| {
            let names = RARE.map(|(name, _)| name).join(", ");
            format!("{begin}, {names}) VALUES ({})", [usual.clone(), rest].concat().join(", "))
        };
        Self { rare: whole(rare.collect()), usual: whole(zeros.to_vec()) }
    }

    fn prepare<'t>(&self, to: &'t Transaction<'_>) -> Result<Prepared<'t>, StateError> {
        Ok(Prepared { rare: to.prepare_cached(&self.rare)?, usual: to.prepare_cached(&self.usual)? })
    }
}

struct Prepared<'t> {
    rare: CachedStatement<'t>,
    usual: CachedStatement<'t>,
}

impl Prepared<'_> {
    /// Puts a row in. What was used is null where nobody told it.
    fn execute(&mut self, row: &[&dyn ToSql], used: Option<&Usage>) -> Result<(), StateError> {
        let rare = used.map(|usage| RARE.map(|(_, of)| signed(of(usage))));
        let (insert, rest) = match rare {
            None => (&mut self.rare, [None; RARE.len()]),
            Some(counts) if counts == [0; RARE.len()] => (&mut self.usual, [None; RARE.len()]),
            Some(counts) => (&mut self.rare, counts.map(Some)),
        };
        let named = insert.parameter_count();
        for (at, value) in (1..).zip(row) {
            insert.raw_bind_parameter(at, value)?;
        }
        for (at, count) in (row.len() + 1..=named).zip(rest) {
            insert.raw_bind_parameter(at, count)?;
        }
        insert.raw_execute()?;
        Ok(())
    }
}

/// Puts in what is not there yet: a record that is was summed with its rows.
pub(super) fn insert<'l>(to: &Transaction<'_>, lines: &'l [Line]) -> Result<Vec<&'l Entry>, StateError> {
    let mut records =
        to.prepare_cached("INSERT OR IGNORE INTO records (id, at_ms, route, doc) VALUES (?1, ?2, ?3, ?4)")?;
    let (mut requests, mut attempts) = (REQUEST.prepare(to)?, ATTEMPT.prepare(to)?);
    let mut fresh = Vec::with_capacity(lines.len());
    for Line { entry, doc } in lines {
        let row = params![entry.id.0.to_be_bytes(), signed(entry.at.0), &*entry.route, &**doc];
        if records.execute(row)? == 0 {
            continue;
        }
        insert_request(&mut requests, entry)?;
        for (number, row) in entry.attempts.iter().enumerate() {
            insert_attempt(&mut attempts, entry.id, number, row)?;
        }
        fresh.push(entry);
    }
    Ok(fresh)
}

fn insert_request(requests: &mut Prepared<'_>, entry: &Entry) -> Result<(), StateError> {
    let key = entry.key.as_ref();
    requests.execute(
        params![
            entry.id.0.to_be_bytes(),
            signed(entry.at.0),
            &*entry.route,
            &*entry.why,
            entry.operation.as_str(),
            entry.dialect.as_str(),
            entry.model,
            entry.stream,
            key.map(|key| &*key.id),
            key.map(ToString::to_string),
            entry.tag_text(),
            entry.target,
            entry.fault,
            signed(entry.attempts.len() as u64),
            entry.failovers,
            entry.first_token.map(micros),
            entry.per_token.map(micros),
            entry.total.map(micros),
            entry.known_cost().map(Money::nanos),
            entry.unpriced,
            signed(entry.usage.input),
            signed(entry.usage.output),
        ],
        Some(&entry.usage),
    )
}

fn insert_attempt(
    attempts: &mut Prepared<'_>,
    request: RequestId,
    number: usize,
    row: &AttemptRow,
) -> Result<(), StateError> {
    let used = |of: fn(&Usage) -> u64| row.usage.as_ref().map(|usage| signed(of(usage)));
    attempts.execute(
        params![
            request.0.to_be_bytes(),
            signed(number as u64),
            signed(row.at.0),
            row.target,
            row.credential,
            row.hedge,
            row.served,
            row.fault,
            row.first_token.map(micros),
            row.total.map(micros),
            row.cost.map(Money::nanos),
            row.price.as_deref(),
            used(|usage| usage.input),
            used(|usage| usage.output),
        ],
        row.usage.as_ref(),
    )
}

#[cfg(test)]
mod tests {
    use ringmain_core::{Tick, Units};
    use ringmain_routing::record::Attempt;
    use ringmain_routing::{KeyIx, Tried};

    use super::*;
    use crate::sqlite::open;
    use crate::tests::records::record;

    fn line(id: u64, usage: Option<Usage>) -> Line {
        let mut made = (*record(id.into(), id)).clone();
        let tried =
            Tried { candidate: 0, key: KeyIx(0), result: None, started: Tick(7), ended: Some(Tick(9)), hedge: false };
        made.attempts.push(Attempt { usage, ..Attempt::begun(tried) });
        Line { entry: Entry::of(&made), doc: "{}".to_owned().into() }
    }

    /// Each count is in the column of its name, whichever statement put it there; what nobody told is null.
    #[test]
    fn counts_are_in_their_columns() {
        let units = Units { images: 9, audio_ms: 10, characters: 11, searches: 12, ..Units::default() };
        let rare = Usage {
            input: 101,
            output: 102,
            cache_read: 1,
            cache_write: 2,
            cache_write_1h: 3,
            reasoning: 4,
            audio_input: 5,
            audio_output: 6,
            image_input: 7,
            image_output: 8,
            units,
            ..Usage::default()
        };
        let usual = Usage { input: 101, output: 102, ..Usage::default() };
        let folder = tempfile::tempdir().unwrap();
        let mut connection = open(&folder.path().join("ledger.db")).unwrap();
        let lines = [line(1, Some(rare)), line(2, Some(usual)), line(3, None)];
        let transaction = connection.transaction().unwrap();
        assert_eq!(insert(&transaction, &lines).unwrap().len(), 3);
        assert_eq!(insert(&transaction, &lines).unwrap().len(), 0, "each once");
        transaction.commit().unwrap();
        let columns = ["input", "output"].into_iter().chain(RARE.map(|(name, _)| name)).collect::<Vec<_>>().join(", ");
        let counts = |table: &str, id: &str, number: u64| -> Vec<Option<i64>> {
            let sql = format!("SELECT {columns} FROM {table} WHERE {id} = ?1");
            let read = |row: &rusqlite::Row<'_>| (0..2 + RARE.len()).map(|at| row.get(at)).collect();
            connection.query_row(&sql, [u128::from(number).to_be_bytes()], read).unwrap()
        };
        let told = |rest: fn(i64) -> i64| -> Vec<Option<i64>> {
            [101, 102].into_iter().chain((1..=12).map(rest)).map(Some).collect()
        };
        for (table, id) in [("requests", "id"), ("attempts", "request")] {
            assert_eq!(counts(table, id, 1), told(|nth| nth), "{table}");
            assert_eq!(counts(table, id, 2), told(|_| 0), "{table}");
        }
        assert_eq!(counts("attempts", "request", 3), [None; 14]);
        assert_eq!(counts("requests", "id", 3), [Some(0); 14]);
    }
}

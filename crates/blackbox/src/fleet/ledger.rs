//! A ledger with the rows of a long time in it, made by multiplying those of one request.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rusqlite::Connection;

use super::servers::Server;

/// A day, in milliseconds.
const DAY: u64 = 86_400_000;
/// Sums of a day: ten targets of twenty keys.
const COMBINATIONS: u64 = 200;

/// Where a gateway keeps things.
pub(super) enum Ledger {
    File(PathBuf),
    Server(Server),
}

impl Ledger {
    pub(super) fn sqlite(folder: &Path) -> Self {
        Self::File(folder.join("ringmain.db"))
    }

    pub(super) async fn postgres() -> Result<Self> {
        let server = Server::postgres().await?;
        server.give_way()?;
        Ok(Self::Server(server))
    }

    /// What a gateway is told.
    pub(super) fn url(&self) -> String {
        match self {
            Self::File(file) => format!("sqlite:{}", file.display()),
            Self::Server(server) => server.url(),
        }
    }

    /// Multiplies the request that is there: so many that are older than a day, and as many sums of the days before.
    pub(super) async fn fill(&self, rows: u64) -> Result<()> {
        let (sums, id) = match self {
            Self::File(_) => ("rollups", "randomblob(16)".to_owned()),
            Self::Server(_) => ("sums", "decode(md5(random()::text || i), 'hex')".to_owned()),
        };
        let old = format!("at_ms - {} - i", 2 * DAY);
        for (table, key) in [("records", "id"), ("requests", "id"), ("attempts", "request")] {
            self.multiply(table, "", &[(key, &id), ("at_ms", &old)], rows).await?;
        }
        let told_apart = [
            ("at_ms", &*format!("at_ms - (i / {COMBINATIONS} + 1) * {DAY}")),
            ("target", "'a/model-' || (i % 10)"),
            ("key_id", "'key_' || (i / 10 % 20)"),
            ("key_path", "'acme/key-' || (i / 10 % 20)"),
        ];
        self.multiply(sums, "WHERE grain = 2 AND slice = ''", &told_apart, rows).await
    }

    /// Inserts so many rows like the first of a table, except for these columns; `i` is the number of the row.
    async fn multiply(&self, table: &str, first: &str, except: &[(&str, &str)], rows: u64) -> Result<()> {
        let insert = |table: &str, columns: &[String], numbers: &str| {
            let values = columns.iter().map(|column| {
                except.iter().find(|(name, _)| name == column).map_or(column.as_str(), |(_, value)| value)
            });
            let (values, columns) = (values.collect::<Vec<_>>().join(", "), columns.join(", "));
            format!(
                "INSERT INTO {table} ({columns}) SELECT {values} FROM (SELECT * FROM {table} {first} LIMIT 1) AS one, {numbers}"
            )
        };
        match self {
            Self::File(file) => {
                let connection = Connection::open(file)?;
                connection.busy_timeout(Duration::from_secs(10))?;
                let mut named = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
                let columns: Vec<String> = named.query_map([table], |row| row.get(0))?.collect::<Result<_, _>>()?;
                let numbers = format!(
                    "(WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {rows}) SELECT i FROM n)"
                );
                connection.execute_batch(&insert(table, &columns, &numbers))?;
            }
            Self::Server(server) => {
                let named = "SELECT column_name::text FROM information_schema.columns WHERE table_schema = 'ringmain' AND \
                             table_name = $1";
                let (client, _driver) = server.client().await?;
                let columns = client.query(named, &[&table]).await?;
                let columns: Vec<String> = columns.iter().map(|row| row.get(0)).collect();
                let numbers = format!("generate_series(0::bigint, {rows} - 1) AS n(i)");
                let table = format!("ringmain.{table}");
                client.batch_execute(&insert(&table, &columns, &numbers)).await?;
                client.batch_execute(&format!("ANALYZE {table}")).await?;
            }
        }
        Ok(())
    }

    /// Requests there that are older than a day.
    pub(super) async fn old(&self) -> Result<i64> {
        let sql =
            |table| format!("SELECT count(*) FROM {table} WHERE at_ms < (SELECT max(at_ms) FROM {table}) - {DAY}");
        match self {
            Self::File(file) => {
                let connection = Connection::open(file)?;
                connection.busy_timeout(Duration::from_secs(10))?;
                connection.query_row(&sql("requests"), [], |row| row.get(0)).context("the old rows")
            }
            Self::Server(server) => server.count(&sql("ringmain.requests")).await,
        }
    }
}

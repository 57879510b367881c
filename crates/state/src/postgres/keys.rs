//! Keys and groups in tables, and who changed what.

use ringmain_core::WallTime;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use super::session::Session;
use super::{Database, KEYS_WITHIN};
use crate::audit::{AuditEntry, AuditLog};
use crate::keys::{Group, KeyHash, KeySet, KeyStore, VirtualKey};
use crate::{StateError, name_taken};

/// Keys in a database, which other processes read and write too.
#[derive(Debug)]
pub struct Keys(pub(super) Session);

impl Keys {
    /// Keys of this database; asks for nothing yet.
    #[must_use]
    pub fn new(database: &Database) -> Self {
        Self(database.session(KEYS_WITHIN))
    }
}

impl KeyStore for Keys {
    fn revision(&self) -> Result<u64, StateError> {
        let asked = self.0.run(|client| Box::pin(client.query_one("SELECT revision FROM keys_revision", &[])))?;
        Ok(asked.get::<_, i64>(0).cast_unsigned())
    }

    fn load(&self) -> Result<KeySet, StateError> {
        let (keys, groups) = self.0.run(|client| {
            Box::pin(async move {
                // Both of one moment.
                let at_once =
                    client.build_transaction().isolation_level(tokio_postgres::IsolationLevel::RepeatableRead).start();
                let reading = at_once.await?;
                let keys = reading
                    .query(
                        "SELECT id, name, hash, hint, expires_ms, created_ms, revoked_ms, grants FROM keys
                         ORDER BY created_ms, id",
                        &[],
                    )
                    .await?;
                let groups = reading.query("SELECT path, grants FROM groups ORDER BY path COLLATE \"C\"", &[]).await?;
                Ok((keys, groups))
            })
        })?;
        let group = |row: &Row| {
            Ok::<_, StateError>(Group { path: row.get(0), grants: serde_json::from_str(row.get::<_, &str>(1))? })
        };
        Ok(KeySet {
            keys: keys.iter().map(key).collect::<Result<_, _>>()?,
            groups: groups.iter().map(group).collect::<Result<_, _>>()?,
        })
    }

    fn add(&self, key: &VirtualKey) -> Result<(), StateError> {
        let (grants, added) = (serde_json::to_string(&key.grants)?, key.clone());
        let taken = self.0.run(move |client| {
            Box::pin(async move {
                let added = client
                    .execute(
                        "INSERT INTO keys (id, name, hash, hint, expires_ms, created_ms, revoked_ms, grants)
                         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                        &[
                            &added.id,
                            &added.name,
                            &&added.hash.0[..],
                            &added.hint,
                            &added.expires.map(stored),
                            &stored(added.created),
                            &added.revoked.map(stored),
                            &grants,
                        ],
                    )
                    .await;
                match added {
                    Ok(_) => Ok(false),
                    Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => Ok(true),
                    Err(error) => Err(error),
                }
            })
        })?;
        if taken { Err(name_taken(&key.name)) } else { Ok(()) }
    }

    fn revoke(&self, id_or_name: &str, at: WallTime) -> Result<bool, StateError> {
        let (which, at) = (id_or_name.to_owned(), stored(at));
        let revoked = self.0.run(move |client| {
            Box::pin(async move {
                let revoke = "UPDATE keys SET revoked_ms = $2 WHERE revoked_ms IS NULL AND (id = $1 OR name = $1)";
                client.execute(revoke, &[&which, &at]).await
            })
        })?;
        Ok(revoked > 0)
    }

    fn put_group(&self, group: &Group) -> Result<(), StateError> {
        let (path, grants) = (group.path.clone(), serde_json::to_string(&group.grants)?);
        self.0.run(move |client| {
            Box::pin(async move {
                let put = "INSERT INTO groups (path, grants) VALUES ($1, $2)
                           ON CONFLICT (path) DO UPDATE SET grants = excluded.grants";
                client.execute(put, &[&path, &grants]).await
            })
        })?;
        Ok(())
    }

    fn remove_group(&self, path: &str) -> Result<bool, StateError> {
        let path = path.to_owned();
        let removed = self.0.run(move |client| {
            Box::pin(async move { client.execute("DELETE FROM groups WHERE path = $1", &[&path]).await })
        })?;
        Ok(removed > 0)
    }
}

impl AuditLog for Keys {
    fn append(&self, entry: &AuditEntry) -> Result<(), StateError> {
        let AuditEntry { at, actor, action, subject, status } = entry.clone();
        self.0.run(move |client| {
            Box::pin(async move {
                let append = "INSERT INTO audit (at_ms, actor, action, subject, status) VALUES ($1, $2, $3, $4, $5)";
                client.execute(append, &[&stored(at), &actor, &action, &subject, &i64::from(status)]).await
            })
        })?;
        Ok(())
    }

    fn latest(&self, most: usize) -> Result<Vec<AuditEntry>, StateError> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let rows = self.0.run(move |client| {
            Box::pin(async move {
                let latest = "SELECT at_ms, actor, action, subject, status FROM audit ORDER BY number DESC LIMIT $1";
                client.query(latest, &[&most]).await
            })
        })?;
        let entry = |row: &Row| AuditEntry {
            at: WallTime(row.get::<_, i64>(0).cast_unsigned()),
            actor: row.get(1),
            action: row.get(2),
            subject: row.get(3),
            status: u16::try_from(row.get::<_, i64>(4)).unwrap_or_default(),
        };
        Ok(rows.iter().map(entry).collect())
    }
}

pub(super) fn stored(time: WallTime) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

/// The hash of a key or token in a column.
pub(super) fn hash(row: &Row, at: usize, of: &str) -> Result<KeyHash, StateError> {
    let stored = row.get::<_, &[u8]>(at).try_into();
    stored.map(KeyHash).map_err(|_| StateError::Refused(format!("a stored {of} has no SHA-256")))
}

fn key(row: &Row) -> Result<VirtualKey, StateError> {
    let time = |at: usize| row.get::<_, Option<i64>>(at).map(|time| WallTime(time.cast_unsigned()));
    Ok(VirtualKey {
        id: row.get(0),
        name: row.get(1),
        hash: hash(row, 2, "key")?,
        hint: row.get(3),
        expires: time(4),
        created: time(5).unwrap_or_default(),
        revoked: time(6),
        grants: serde_json::from_str(row.get::<_, &str>(7))?,
    })
}

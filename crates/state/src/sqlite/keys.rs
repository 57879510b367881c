//! Keys and groups in tables.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ringmain_core::WallTime;
use rusqlite::{Connection, ErrorCode, Row, params};

use super::open;
use crate::audit::{AuditEntry, AuditLog};
use crate::keys::{Group, KeyHash, KeySet, KeyStore, VirtualKey};
use crate::{StateError, name_taken};

/// Keys in a file, which other processes may read and write too.
#[derive(Debug)]
pub struct Keys(Mutex<Connection>);

impl Keys {
    /// Opens the file, made if it is not there.
    ///
    /// # Errors
    /// It cannot be opened, or is not a database of ours.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        Ok(Self(Mutex::new(open(path)?)))
    }

    pub(super) fn connection(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyStore for Keys {
    fn revision(&self) -> Result<u64, StateError> {
        let connection = self.connection();
        let mut found = connection.prepare_cached("SELECT revision FROM keys_revision")?;
        let revision: i64 = found.query_row([], |row| row.get(0))?;
        Ok(revision.cast_unsigned())
    }

    fn load(&self) -> Result<KeySet, StateError> {
        let connection = self.connection();
        let mut rows = connection.prepare_cached(
            "SELECT id, name, hash, hint, expires_ms, created_ms, revoked_ms, grants FROM keys ORDER BY created_ms, id",
        )?;
        let keys = rows.query_map([], |row| Ok((key(row)?, row.get::<_, String>(7)?)))?;
        let keys = keys.map(|found| {
            let (key, grants) = found?;
            Ok(VirtualKey { grants: serde_json::from_str(&grants)?, ..key })
        });
        let mut rows = connection.prepare_cached("SELECT path, grants FROM groups ORDER BY path")?;
        let groups = rows.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        let groups = groups.map(|found| {
            let (path, grants) = found?;
            Ok(Group { path, grants: serde_json::from_str(&grants)? })
        });
        Ok(KeySet {
            keys: keys.collect::<Result<_, StateError>>()?,
            groups: groups.collect::<Result<_, StateError>>()?,
        })
    }

    fn add(&self, key: &VirtualKey) -> Result<(), StateError> {
        let grants = serde_json::to_string(&key.grants)?;
        let added = self.connection().execute(
            "INSERT INTO keys (id, name, hash, hint, expires_ms, created_ms, revoked_ms, grants)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                key.id,
                key.name,
                key.hash.0,
                key.hint,
                key.expires.map(stored),
                stored(key.created),
                key.revoked.map(stored),
                grants
            ],
        );
        match added {
            Ok(_) => Ok(()),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                Err(name_taken(&key.name))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn revoke(&self, id_or_name: &str, at: WallTime) -> Result<bool, StateError> {
        let revoked = self.connection().execute(
            "UPDATE keys SET revoked_ms = ?2 WHERE revoked_ms IS NULL AND (id = ?1 OR name = ?1)",
            params![id_or_name, stored(at)],
        )?;
        Ok(revoked > 0)
    }

    fn put_group(&self, group: &Group) -> Result<(), StateError> {
        let grants = serde_json::to_string(&group.grants)?;
        self.connection().execute(
            "INSERT INTO groups (path, grants) VALUES (?1, ?2) ON CONFLICT (path) DO UPDATE SET grants = excluded.grants",
            params![group.path, grants],
        )?;
        Ok(())
    }

    fn remove_group(&self, path: &str) -> Result<bool, StateError> {
        Ok(self.connection().execute("DELETE FROM groups WHERE path = ?1", [path])? > 0)
    }
}

impl AuditLog for Keys {
    fn append(&self, entry: &AuditEntry) -> Result<(), StateError> {
        self.connection().execute(
            "INSERT INTO audit (at_ms, actor, action, subject, status) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![stored(entry.at), entry.actor, entry.action, entry.subject, entry.status],
        )?;
        Ok(())
    }

    fn latest(&self, most: usize) -> Result<Vec<AuditEntry>, StateError> {
        let connection = self.connection();
        let mut rows = connection
            .prepare_cached("SELECT at_ms, actor, action, subject, status FROM audit ORDER BY rowid DESC LIMIT ?1")?;
        let entries = rows.query_map([i64::try_from(most).unwrap_or(i64::MAX)], |row| {
            let at = WallTime(row.get::<_, i64>(0)?.cast_unsigned());
            let (actor, action, subject, status) = (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
            Ok(AuditEntry { at, actor, action, subject, status })
        })?;
        Ok(entries.collect::<Result<_, _>>()?)
    }
}

pub(super) fn stored(time: WallTime) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

fn key(row: &Row<'_>) -> rusqlite::Result<VirtualKey> {
    let time = |at: usize| row.get::<_, Option<i64>>(at).map(|time| time.map(|time| WallTime(time.cast_unsigned())));
    Ok(VirtualKey {
        id: row.get(0)?,
        name: row.get(1)?,
        hash: KeyHash(row.get(2)?),
        hint: row.get(3)?,
        expires: time(4)?,
        created: time(5)?.unwrap_or_default(),
        revoked: time(6)?,
        grants: Default::default(),
    })
}

//! Tokens of the admin plane in a table.

use ringmain_core::WallTime;
use rusqlite::{ErrorCode, OptionalExtension, Row, params};

use super::Keys;
use super::keys::stored;
use crate::StateError;
use crate::keys::KeyHash;
use crate::tokens::{Token, TokenStore, name_taken, read, written};

const COLUMNS: &str = "id, name, hash, hint, scopes, expires_ms, created_ms, revoked_ms";

impl TokenStore for Keys {
    fn tokens(&self) -> Result<Vec<Token>, StateError> {
        let connection = self.connection();
        let mut rows = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM tokens ORDER BY created_ms, id"))?;
        let tokens = rows.query_map([], token)?;
        Ok(tokens.collect::<Result<_, _>>()?)
    }

    fn token(&self, hash: &KeyHash) -> Result<Option<Token>, StateError> {
        let connection = self.connection();
        let mut rows = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM tokens WHERE hash = ?1"))?;
        Ok(rows.query_row([hash.0], token).optional()?)
    }

    fn add_token(&self, token: &Token) -> Result<(), StateError> {
        let added = self.connection().execute(
            &format!("INSERT INTO tokens ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"),
            params![
                token.id,
                token.name,
                token.hash.0,
                token.hint,
                written(&token.scopes),
                token.expires.map(stored),
                stored(token.created),
                token.revoked.map(stored),
            ],
        );
        match added {
            Ok(_) => Ok(()),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                Err(name_taken(&token.name))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn revoke_token(&self, id_or_name: &str, at: WallTime) -> Result<bool, StateError> {
        let sql = "UPDATE tokens SET revoked_ms = ?2 WHERE revoked_ms IS NULL AND (id = ?1 OR name = ?1)";
        Ok(self.connection().execute(sql, params![id_or_name, stored(at)])? > 0)
    }
}

fn token(row: &Row<'_>) -> rusqlite::Result<Token> {
    let time = |at: usize| row.get::<_, Option<i64>>(at).map(|time| time.map(|time| WallTime(time.cast_unsigned())));
    Ok(Token {
        id: row.get(0)?,
        name: row.get(1)?,
        hash: KeyHash(row.get(2)?),
        hint: row.get(3)?,
        scopes: read(&row.get::<_, String>(4)?),
        expires: time(5)?,
        created: time(6)?.unwrap_or_default(),
        revoked: time(7)?,
    })
}

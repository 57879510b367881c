//! Tokens of the admin plane in a table.

use ringmain_core::WallTime;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use super::Keys;
use super::keys::{hash, stored};
use crate::StateError;
use crate::keys::KeyHash;
use crate::tokens::{Token, TokenStore, name_taken, read, written};

const COLUMNS: &str = "id, name, hash, hint, scopes, expires_ms, created_ms, revoked_ms";

impl TokenStore for Keys {
    fn tokens(&self) -> Result<Vec<Token>, StateError> {
        let sql = format!("SELECT {COLUMNS} FROM tokens ORDER BY created_ms, id COLLATE \"C\"");
        let rows = self.0.run(move |client| Box::pin(async move { client.query(sql.as_str(), &[]).await }))?;
        rows.iter().map(token).collect()
    }

    fn token(&self, hash: &KeyHash) -> Result<Option<Token>, StateError> {
        let (sql, hash) = (format!("SELECT {COLUMNS} FROM tokens WHERE hash = $1"), hash.0.to_vec());
        let row = self.0.run(move |client| Box::pin(async move { client.query_opt(sql.as_str(), &[&hash]).await }))?;
        row.as_ref().map(token).transpose()
    }

    fn add_token(&self, token: &Token) -> Result<(), StateError> {
        let sql = format!("INSERT INTO tokens ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
        let added = token.clone();
        let taken = self.0.run(move |client| {
            Box::pin(async move {
                let added = client
                    .execute(
                        sql.as_str(),
                        &[
                            &added.id,
                            &added.name,
                            &&added.hash.0[..],
                            &added.hint,
                            &written(&added.scopes),
                            &added.expires.map(stored),
                            &stored(added.created),
                            &added.revoked.map(stored),
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
        if taken { Err(name_taken(&token.name)) } else { Ok(()) }
    }

    fn revoke_token(&self, id_or_name: &str, at: WallTime) -> Result<bool, StateError> {
        let (which, at) = (id_or_name.to_owned(), stored(at));
        let revoked = self.0.run(move |client| {
            Box::pin(async move {
                let revoke = "UPDATE tokens SET revoked_ms = $2 WHERE revoked_ms IS NULL AND (id = $1 OR name = $1)";
                client.execute(revoke, &[&which, &at]).await
            })
        })?;
        Ok(revoked > 0)
    }
}

fn token(row: &Row) -> Result<Token, StateError> {
    let time = |at: usize| row.get::<_, Option<i64>>(at).map(|time| WallTime(time.cast_unsigned()));
    Ok(Token {
        id: row.get(0),
        name: row.get(1),
        hash: hash(row, 2, "token")?,
        hint: row.get(3),
        scopes: read(row.get(4)),
        expires: time(5),
        created: time(6).unwrap_or_default(),
        revoked: time(7),
    })
}

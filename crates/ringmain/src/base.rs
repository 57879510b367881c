//! The database that `state.database` names, for every command that opens it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use ringmain_config::{Database, State};
use ringmain_engine::records::Store;
use ringmain_state::tls::Trust;
use ringmain_state::{AuditLog, KeyStore, RecordQuery, StateError, TokenStore, postgres, sqlite};
use ringmain_upstream::Roots;
use secrecy::ExposeSecret;

/// A database that can be opened.
#[derive(Debug, Clone)]
pub(crate) enum Base {
    /// A file of this machine.
    Sqlite(PathBuf),
    /// On a server.
    Postgres(postgres::Database),
}

/// The virtual keys of a database, the tokens of its admin plane, and who changed what.
#[derive(Clone)]
pub(crate) struct StoredKeys {
    pub(crate) keys: Arc<dyn KeyStore>,
    pub(crate) tokens: Arc<dyn TokenStore>,
    pub(crate) audit: Arc<dyn AuditLog>,
}

impl Base {
    /// The database of a configuration, if it has one. Opens nothing yet.
    pub(crate) fn of(state: &State) -> anyhow::Result<Option<Self>> {
        let database = state.database.as_ref().map(|database| Self::at(database, &trust(state)?));
        database.transpose().context("state.database")
    }

    fn at(database: &Database, trust: &Trust) -> anyhow::Result<Self> {
        Ok(match database {
            Database::Sqlite(file) => Self::Sqlite(file.clone()),
            Database::Postgres(url) => Self::Postgres(postgres::Database::new(url.expose_secret(), trust)?),
        })
    }

    /// The database that somebody names on the command line: a file, or what a configuration would say.
    pub(crate) fn named(text: &str) -> anyhow::Result<Self> {
        let database = match Database::parse(text) {
            Some(database) => database,
            // What has a scheme is no file, and may hold a password.
            None if has_scheme(text) => {
                bail!(
                    "this is no database: write a file (`./a:b` or `sqlite:a:b` where it has a colon), or `postgres://…`"
                )
            }
            None => Database::Sqlite(text.into()),
        };
        Self::at(&database, &trusted_beside(None)).context("the database")
    }

    /// Is it there, as far as that can be told without asking it? A file that is not is made by opening it.
    pub(crate) fn is_there(&self) -> bool {
        match self {
            Self::Sqlite(file) => file.exists(),
            Self::Postgres(_) => true,
        }
    }

    /// For people: without a password.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Sqlite(file) => file.display().to_string(),
            Self::Postgres(_) => "the Postgres database".to_owned(),
        }
    }

    /// Its keys.
    pub(crate) fn keys(&self) -> Result<StoredKeys, StateError> {
        Ok(match self {
            Self::Sqlite(file) => {
                let both = Arc::new(sqlite::Keys::open(file)?);
                StoredKeys { keys: Arc::clone(&both) as _, tokens: Arc::clone(&both) as _, audit: both }
            }
            Self::Postgres(database) => {
                let both = Arc::new(postgres::Keys::new(database));
                StoredKeys { keys: Arc::clone(&both) as _, tokens: Arc::clone(&both) as _, audit: both }
            }
        })
    }

    /// Where requests are written down. `journal`: where they wait for a server.
    pub(crate) fn records(&self, journal: &Path, keep: Duration) -> Result<Store, StateError> {
        Ok(match self {
            Self::Sqlite(file) => {
                let all = Arc::new(sqlite::Records::open(file, keep)?);
                Store { sink: Arc::clone(&all) as _, query: Arc::clone(&all) as _, analytics: all }
            }
            Self::Postgres(database) => {
                let all = Arc::new(journaled(database, journal, keep)?);
                Store { sink: Arc::clone(&all) as _, query: Arc::clone(&all) as _, analytics: all }
            }
        })
    }

    /// What was written down, to be read.
    pub(crate) fn read(&self) -> Result<Arc<dyn RecordQuery>, StateError> {
        Ok(match self {
            Self::Sqlite(file) => Arc::new(sqlite::Records::read(file)?),
            Self::Postgres(database) => Arc::new(postgres::Records::read(database)),
        })
    }
}

/// Does it begin as a URL does, or as one that is misspelt?
fn has_scheme(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, _)| !scheme.contains(['/', '.']))
}

/// Whom to trust at the servers that things are kept on.
pub(crate) fn trust(state: &State) -> anyhow::Result<Trust> {
    let Some(ca) = &state.ca_file else { return Ok(trusted_beside(None)) };
    let read =
        Roots::from_pem(&ca.pem).map_err(|problem| anyhow!("state.ca_file: {} cannot be used: {problem}", ca.path));
    Ok(trusted_beside(Some(read?)))
}

/// Those that providers are trusted by, and these.
fn trusted_beside(roots: Option<Roots>) -> Trust {
    Trust::of(move || ringmain_upstream::root_store(roots.as_ref()))
}

/// A folder that cannot be written to is no reason to keep nothing: the system's folder for passing files is there for all.
fn journaled(database: &postgres::Database, journal: &Path, keep: Duration) -> Result<postgres::Records, StateError> {
    let opened = postgres::Records::open(database, journal, keep);
    let Err(error) = opened else { return opened };
    let other = std::env::temp_dir().join("ringmain.spill");
    tracing::warn!(%error, journal = %journal.display(), instead = %other.display(), "state.journal cannot be used");
    postgres::Records::open(database, &other, keep)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_in_what_is_said_of_a_database() {
        for text in ["postgres:/u:hunter2@h/x", "postgres:u:hunter2@h/x", "mysql://u:hunter2@h/x", "u:hunter2@h/x"] {
            let said = format!("{:#}", Base::named(text).unwrap_err());
            assert!(said.contains("no database") && !said.contains("hunter2"), "{said}");
        }
        for file in ["ringmain.db", "/var/lib/a:b.db", "./a:b", "sqlite:a:b"] {
            assert!(matches!(Base::named(file), Ok(Base::Sqlite(_))), "{file}");
        }
    }
}

//! Who changed what: written down once for each change, never changed itself.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use ringmain_core::WallTime;

use crate::StateError;

/// One change, or an attempt at one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// When.
    pub at: WallTime,
    /// Who: never a secret.
    pub actor: String,
    /// What was asked: `POST /api/keys`.
    pub action: String,
    /// Of what: an id or a path.
    pub subject: String,
    /// How it was answered, as an HTTP status.
    pub status: u16,
}

/// Keeps changes. Calls may wait for a disk or a server.
pub trait AuditLog: fmt::Debug + Send + Sync {
    /// Writes one down.
    ///
    /// # Errors
    /// The store cannot be written.
    fn append(&self, entry: &AuditEntry) -> Result<(), StateError>;

    /// The latest, newest first.
    ///
    /// # Errors
    /// The store cannot be read.
    fn latest(&self, most: usize) -> Result<Vec<AuditEntry>, StateError>;
}

/// The latest thousand, for as long as the process lives.
#[derive(Debug, Default)]
pub struct MemoryAudit(Mutex<Vec<AuditEntry>>);

const MOST: usize = 1000;

impl AuditLog for MemoryAudit {
    fn append(&self, entry: &AuditEntry) -> Result<(), StateError> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MOST {
            entries.remove(0);
        }
        entries.push(entry.clone());
        Ok(())
    }

    fn latest(&self, most: usize) -> Result<Vec<AuditEntry>, StateError> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(entries.iter().rev().take(most).cloned().collect())
    }
}

//! Tokens of machines for the admin plane: made like virtual keys, shown once, kept as a hash, each with what it may ask.

use std::fmt;

use ringmain_core::{Scope, WallTime};

use crate::keys::KeyHash;
use crate::{NewKey, StateError};

/// What a token's text begins with, so that people and scanners of leaked secrets know it.
pub const PREFIX: &str = "adm-rm-";
/// What its id begins with.
const ID: &str = "tok_";

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is known by for ever: the audit log names it so.
    pub id: String,
    /// What people call it; no two that are in force have one name.
    pub name: String,
    /// The hash of its text.
    pub hash: KeyHash,
    /// The end of its text.
    pub hint: String,
    /// What it may ask.
    pub scopes: Vec<Scope>,
    /// From when on it lets nobody in.
    pub expires: Option<WallTime>,
    /// When it was made.
    pub created: WallTime,
    /// When it was revoked.
    pub revoked: Option<WallTime>,
}

impl Token {
    /// The text and the beginnings of a new one.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn make() -> Result<NewKey, StateError> {
        NewKey::make_as(PREFIX, ID)
    }

    /// In a word: `in force`, `expired` or `revoked`.
    #[must_use]
    pub fn standing(&self, now: WallTime) -> &'static str {
        match (self.revoked, self.expires) {
            (Some(_), _) => "revoked",
            (None, Some(expires)) if now >= expires => "expired",
            (None, _) => "in force",
        }
    }
}

/// Keeps tokens. Calls may wait for a disk or a server.
pub trait TokenStore: fmt::Debug + Send + Sync {
    /// Every token, in the order they were made.
    ///
    /// # Errors
    /// The store cannot be read.
    fn tokens(&self) -> Result<Vec<Token>, StateError>;

    /// The token with this hash, revoked or not.
    ///
    /// # Errors
    /// The store cannot be read.
    fn token(&self, hash: &KeyHash) -> Result<Option<Token>, StateError>;

    /// Adds a token.
    ///
    /// # Errors
    /// [`StateError::Refused`]: one in force has its name. Or the store cannot be written.
    fn add_token(&self, token: &Token) -> Result<(), StateError>;

    /// Revokes the token of this id, or the one in force of this name. False where there is none.
    ///
    /// # Errors
    /// The store cannot be written.
    fn revoke_token(&self, id_or_name: &str, at: WallTime) -> Result<bool, StateError>;
}

/// Scopes as one text, for a database.
pub(crate) fn written(scopes: &[Scope]) -> String {
    scopes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// The same back. What is not known allows nothing.
pub(crate) fn read(text: &str) -> Vec<Scope> {
    text.split(' ').filter_map(|scope| scope.parse().ok()).collect()
}

/// A token in force has this name already.
pub(crate) fn name_taken(name: &str) -> StateError {
    StateError::Refused(format!("there is a token `{name}` already: revoke it, or take another name"))
}

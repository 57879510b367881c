//! Tokens for as long as the process lives.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ringmain_core::WallTime;

use crate::StateError;
use crate::keys::KeyHash;
use crate::tokens::{Token, TokenStore, name_taken};

/// Tokens in memory.
#[derive(Debug, Default)]
pub struct Tokens(Mutex<Vec<Token>>);

impl Tokens {
    fn all(&self) -> MutexGuard<'_, Vec<Token>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TokenStore for Tokens {
    fn tokens(&self) -> Result<Vec<Token>, StateError> {
        Ok(self.all().clone())
    }

    fn token(&self, hash: &KeyHash) -> Result<Option<Token>, StateError> {
        Ok(self.all().iter().find(|token| token.hash == *hash).cloned())
    }

    fn add_token(&self, token: &Token) -> Result<(), StateError> {
        let mut all = self.all();
        if all.iter().any(|known| known.revoked.is_none() && known.name == token.name) {
            return Err(name_taken(&token.name));
        }
        all.push(token.clone());
        Ok(())
    }

    fn revoke_token(&self, id_or_name: &str, at: WallTime) -> Result<bool, StateError> {
        let is_it =
            |token: &&mut Token| token.revoked.is_none() && (token.id == id_or_name || token.name == id_or_name);
        let mut all = self.all();
        let found = all.iter_mut().find(is_it);
        let is_there = found.is_some();
        if let Some(token) = found {
            token.revoked = Some(at);
        }
        Ok(is_there)
    }
}

//! Keys for as long as the process lives.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ringmain_core::WallTime;

use crate::keys::{Group, KeySet, KeyStore, VirtualKey};
use crate::{StateError, name_taken};

/// Keys and groups in memory.
#[derive(Debug, Default)]
pub struct Keys(Mutex<(u64, KeySet)>);

impl Keys {
    fn set(&self) -> MutexGuard<'_, (u64, KeySet)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyStore for Keys {
    fn revision(&self) -> Result<u64, StateError> {
        Ok(self.set().0)
    }

    fn load(&self) -> Result<KeySet, StateError> {
        Ok(self.set().1.clone())
    }

    fn add(&self, key: &VirtualKey) -> Result<(), StateError> {
        let mut guard = self.set();
        let (revision, set) = &mut *guard;
        if set.keys.iter().any(|known| known.revoked.is_none() && known.name == key.name) {
            return Err(name_taken(&key.name));
        }
        set.keys.push(key.clone());
        *revision += 1;
        Ok(())
    }

    fn revoke(&self, id_or_name: &str, at: WallTime) -> Result<bool, StateError> {
        let mut guard = self.set();
        let (revision, set) = &mut *guard;
        let is_it = |key: &&mut VirtualKey| key.revoked.is_none() && (key.id == id_or_name || key.name == id_or_name);
        let Some(key) = set.keys.iter_mut().find(is_it) else { return Ok(false) };
        key.revoked = Some(at);
        *revision += 1;
        Ok(true)
    }

    fn put_group(&self, group: &Group) -> Result<(), StateError> {
        let mut guard = self.set();
        let (revision, set) = &mut *guard;
        set.groups.retain(|known| known.path != group.path);
        set.groups.push(group.clone());
        set.groups.sort_by(|left, right| left.path.cmp(&right.path));
        *revision += 1;
        Ok(())
    }

    fn remove_group(&self, path: &str) -> Result<bool, StateError> {
        let mut guard = self.set();
        let (revision, set) = &mut *guard;
        let before = set.groups.len();
        set.groups.retain(|known| known.path != path);
        *revision += 1;
        Ok(set.groups.len() < before)
    }
}

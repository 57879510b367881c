//! Virtual keys and the groups they belong to: written by people now and then, read whole into a snapshot that requests
//! are checked against.
//!
//! A key's text is shown once and kept nowhere: what is stored is its SHA-256. The text has 192 bits of chance, so that
//! no slower hash and no salt is needed, and a key is found by its hash: how long that takes tells nothing of the text.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::{digest, rand};
use ringmain_core::{Limit, WallTime, calendar, time};
use serde::{Deserialize, Serialize};

use crate::StateError;

/// What a key's text begins with, so that people and scanners of leaked secrets know it.
pub const PREFIX: &str = "sk-rm-";
/// Bytes of chance in a key's text.
const CHANCE: usize = 24;
/// The last characters of a key's text that are kept, to tell keys apart in lists.
const HINT: usize = 4;

/// The SHA-256 of a key's text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    /// The hash of a key's text.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, text).as_ref());
        Self(hash)
    }

    /// 64 hex digits.
    #[must_use]
    pub fn to_hex(self) -> String {
        hex(&self.0)
    }

    /// Reads 64 hex digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut hash = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (at, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).ok()?;
        }
        Some(Self(hash))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A guess could be tested with more.
        write!(f, "KeyHash({}…)", &self.to_hex()[..8])
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
        text
    })
}

/// The text of a new key: shown once, then forgotten.
pub struct NewKey {
    /// The text.
    pub text: String,
    /// Its hash.
    pub hash: KeyHash,
    /// Its end, for lists.
    pub hint: String,
    /// An id to go with it.
    pub id: String,
}

impl NewKey {
    /// Makes one by the system's chance.
    ///
    /// # Errors
    /// The system has none.
    pub fn make() -> Result<Self, StateError> {
        Self::make_as(PREFIX, "key_")
    }

    /// The same for a secret of another kind, whose text and id begin so.
    pub(crate) fn make_as(prefix: &str, of_id: &str) -> Result<Self, StateError> {
        let mut chance = [0; CHANCE + 8];
        rand::fill(&mut chance).map_err(|_| StateError::Refused("the system gives no random numbers".to_owned()))?;
        let (secret, id) = chance.split_at(CHANCE);
        let text = format!("{prefix}{}", hex(secret));
        let hint = text[text.len() - HINT..].to_owned();
        Ok(Self { hash: KeyHash::of(text.as_bytes()), hint, id: format!("{of_id}{}", hex(id)), text })
    }
}

/// A virtual key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualKey {
    /// What it is known by for ever: records name it so.
    pub id: String,
    /// What people call it; no two keys that are in force have one name.
    pub name: String,
    /// The hash of its text.
    pub hash: KeyHash,
    /// The end of its text.
    pub hint: String,
    /// From when on it lets nobody in.
    pub expires: Option<WallTime>,
    /// When it was made.
    pub created: WallTime,
    /// When it was revoked.
    pub revoked: Option<WallTime>,
    /// What it may do.
    pub grants: Grants,
}

impl VirtualKey {
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

/// What a key or a group may do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grants {
    /// The group it belongs to, from the outermost in: `acme/search`. A group's own is the beginning of its path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Names or globs of the routes it may take. Empty: any.
    pub routes: Vec<String>,
    /// Names or globs of the models it may ask for. Empty: any.
    pub models: Vec<String>,
    /// Tags its requests carry, whatever the caller says.
    pub tags: Vec<(String, String)>,
    /// What it may use. Those of its groups hold besides.
    pub limits: Vec<Limit>,
    /// The route that serves its requests once a limit is used up. `None`: they are refused with 429.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_exhausted: Option<String>,
}

/// A group of keys, and of groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// From the outermost in: `acme/search`.
    pub path: String,
    /// What its keys may do together.
    pub grants: Grants,
}

/// All that is stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeySet {
    /// Every key, revoked ones too, in the order they were made.
    pub keys: Vec<VirtualKey>,
    /// Every group, by path.
    pub groups: Vec<Group>,
}

/// Keeps keys and groups. Calls may wait for a disk or a server: they are for whoever follows the store, never for a
/// request.
pub trait KeyStore: fmt::Debug + Send + Sync {
    /// A number that is another one after each change. Cheap enough to be asked every second.
    ///
    /// # Errors
    /// The store cannot be read.
    fn revision(&self) -> Result<u64, StateError>;

    /// Everything.
    ///
    /// # Errors
    /// The store cannot be read.
    fn load(&self) -> Result<KeySet, StateError>;

    /// Adds a key.
    ///
    /// # Errors
    /// [`StateError::Refused`]: a key in force has its name. Or the store cannot be written.
    fn add(&self, key: &VirtualKey) -> Result<(), StateError>;

    /// Revokes the key of this id, or the one in force of this name. False where there is none.
    ///
    /// # Errors
    /// The store cannot be written.
    fn revoke(&self, id_or_name: &str, at: WallTime) -> Result<bool, StateError>;

    /// Adds a group, or puts what it may do anew.
    ///
    /// # Errors
    /// The store cannot be written.
    fn put_group(&self, group: &Group) -> Result<(), StateError>;

    /// Takes a group out; its keys stay, and are then of a group without limits. False where there is none.
    ///
    /// # Errors
    /// The store cannot be written.
    fn remove_group(&self, path: &str) -> Result<bool, StateError>;
}

/// The path of a group and of every group around it, outermost first: `acme`, `acme/search`.
pub fn around(path: &str) -> impl Iterator<Item = &str> {
    let ends = path.match_indices('/').map(|(at, _)| at).chain(std::iter::once(path.len()));
    ends.map(|end| &path[..end]).filter(|part| !part.is_empty())
}

/// Can it be a key's name, or a step in a group's path?
#[must_use]
pub fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@:".contains(c);
    !text.is_empty() && text.len() <= 100 && text.chars().all(plain)
}

/// Can it be the path of a group?
#[must_use]
pub fn is_path(text: &str) -> bool {
    text.split('/').count() <= 8 && text.split('/').all(is_name)
}

/// The last moment that a date with a year of four digits can say, in milliseconds since 1970.
const LAST: u64 = 253_402_300_799_999;

/// When something ends that somebody gives `30d`, from now on, or a date. `None` for what is neither, and for a time that no
/// date can say.
#[must_use]
pub fn expiry(text: &str, now: WallTime) -> Option<WallTime> {
    let after = |length: Duration| u64::try_from(length.as_millis()).ok()?.checked_add(now.0).map(WallTime);
    let moment = match time::parse_duration(text) {
        Some(length) => after(length),
        None => calendar::parse_date(text),
    };
    moment.filter(|moment| moment.0 <= LAST)
}

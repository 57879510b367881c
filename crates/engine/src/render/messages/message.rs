//! One message: its bytes until something changes it.

use std::borrow::Cow;

use ringmain_dialects::Loss;
use ringmain_wire::json::{Object, RawValue, as_str};
use serde_json::{Map, Value, json};

use super::united;

/// A message of the request, or one that is added.
pub(super) struct Message<'a> {
    /// Its place in the caller's list.
    at: usize,
    pub(super) role: Cow<'a, str>,
    /// It was an instruction of the developer.
    pub(super) instructs: bool,
    raw: &'a str,
    /// In place of the bytes, once it was changed.
    changed: Option<Map<String, Value>>,
}

impl<'a> Message<'a> {
    /// `None` for what is no message.
    pub(super) fn read(at: usize, raw: &'a RawValue) -> Option<Self> {
        let role = Object::from_raw(raw).ok()?.get("role").and_then(as_str)?;
        Some(Self { at, role, instructs: false, raw: raw.get(), changed: None })
    }

    /// A message that the caller did not write.
    pub(super) fn assistant(text: &str) -> Self {
        let map = [("role", "assistant"), ("content", text)].map(|(key, value)| (key.to_owned(), value.into()));
        let changed = Some(Map::from_iter(map));
        Self { at: 0, role: "assistant".into(), instructs: false, raw: "", changed }
    }

    pub(super) const fn is_changed(&self) -> bool {
        self.changed.is_some()
    }

    /// A member of it, as losses name it.
    pub(super) fn field(&self, name: &str) -> String {
        format!("messages[{}].{name}", self.at)
    }

    /// Lets `change` at the members; its answer says whether it did anything. A message that cannot be read stays.
    pub(super) fn edit(&mut self, change: impl FnOnce(&mut Map<String, Value>) -> bool) {
        if let Some(map) = &mut self.changed {
            change(map);
        } else if let Ok(mut map) = serde_json::from_str(self.raw)
            && change(&mut map)
        {
            self.changed = Some(map);
        }
    }

    pub(super) fn set_role(&mut self, role: &'static str) {
        let mut set = false;
        self.edit(|map| {
            map.insert("role".to_owned(), role.into());
            set = true;
            set
        });
        if set {
            self.role = role.into();
        }
    }

    /// Content, a call, or anything else beside who speaks?
    pub(super) fn says_something(&self) -> bool {
        let empty = |value: &Value| value.is_null() || *value == "" || *value == json!([]);
        self.changed
            .as_ref()
            .is_none_or(|map| map.iter().any(|(key, value)| !matches!(key.as_str(), "role" | "name") && !empty(value)))
    }

    /// Takes the message behind it in; gives it back where one of the two cannot be read.
    pub(super) fn absorb(&mut self, other: Self, losses: &mut Vec<Loss>) -> Option<Self> {
        let (first, second) = (self.map(), other.map());
        let (Some(mut first), Some(second)) = (first, second) else { return Some(other) };
        losses.extend(united(&mut first, second).iter().map(|name| Loss::dropped(other.field(name))));
        self.changed = Some(first);
        self.instructs = other.instructs;
        None
    }

    fn map(&self) -> Option<Map<String, Value>> {
        self.changed.clone().or_else(|| serde_json::from_str(self.raw).ok())
    }

    /// The list as JSON text.
    pub(super) fn array(list: &[Self]) -> String {
        let size: usize = list.iter().map(|message| message.raw.len() + 1).sum();
        let mut text = String::with_capacity(size + 1);
        for (at, message) in list.iter().enumerate() {
            text.push(if at == 0 { '[' } else { ',' });
            match &message.changed {
                None => text.push_str(message.raw),
                Some(map) => text.push_str(&json!(map).to_string()),
            }
        }
        text.push_str(if list.is_empty() { "[]" } else { "]" });
        text
    }
}

//! One pass over a body: is it JSON, and where are its members?

use std::borrow::Cow;
use std::ops::Range;

use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use super::error::{JsonError, JsonErrorKind};
use super::scalar::unquote;

/// An object's members as slices of the body. The body is known to be well-formed JSON throughout; what is inside the
/// members has not been looked at otherwise, so nesting may be deep and nested keys may repeat.
#[derive(Debug)]
pub struct Object<'a> {
    text: &'a str,
    members: Vec<Member<'a>>,
}

#[derive(Debug)]
pub(super) struct Member<'a> {
    name: Cow<'a, str>,
    /// The name as written, quotes included.
    token: &'a RawValue,
    value: &'a RawValue,
}

impl<'a> Object<'a> {
    /// Reads a whole document.
    ///
    /// # Errors
    /// Not UTF-8, not well-formed JSON, not an object, or a key that the object has twice.
    pub fn parse(body: &'a [u8]) -> Result<Self, JsonError> {
        if let Ok(text) = simdutf8::basic::from_utf8(body) {
            return Self::parse_text(text);
        }
        // The quick check does not say where; this one does.
        let offset = simdutf8::compat::from_utf8(body).err().map_or(0, |error| error.valid_up_to());
        Err(JsonError::at(JsonErrorKind::NotUtf8, body, offset))
    }

    /// Reads a nested object.
    ///
    /// # Errors
    /// Not an object, or a key that the object has twice. Positions count from the start of `value`.
    pub fn from_raw(value: &'a RawValue) -> Result<Self, JsonError> {
        Self::parse_text(value.get())
    }

    pub(super) fn parse_text(text: &'a str) -> Result<Self, JsonError> {
        let start = text.len() - text.trim_ascii_start().len();
        if !text[start..].starts_with('{') {
            let empty = start == text.len();
            let kind = if empty { JsonErrorKind::Syntax("it is empty".into()) } else { JsonErrorKind::NotAnObject };
            return Err(JsonError::at(kind, text.as_bytes(), start));
        }
        let mut reader = serde_json::Deserializer::from_str(text);
        let members = reader
            .deserialize_map(Members)
            .and_then(|members| reader.end().map(|()| members))
            .map_err(|error| JsonError::syntax(text, &error))?;
        let object = Self { text, members };
        match object.duplicate() {
            None => Ok(object),
            Some(member) => {
                let kind = JsonErrorKind::DuplicateKey(member.name.as_ref().into());
                Err(JsonError::at(kind, text.as_bytes(), object.place(member.token).start))
            }
        }
    }

    /// The value of this member.
    pub fn get(&self, key: &str) -> Option<&'a RawValue> {
        self.members.iter().find(|member| member.name == key).map(|member| member.value)
    }

    /// Where the value of this member is, in bytes of what was parsed.
    pub fn span(&self, key: &str) -> Option<Range<usize>> {
        self.get(key).map(|value| self.place(value))
    }

    /// All members, in the order of the body.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.members.iter().map(|member| (member.name.as_ref(), member.value))
    }

    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// The places of each member's name (with its quotes) and value.
    pub(super) fn places(&self) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
        self.members.iter().map(|member| (self.place(member.token), self.place(member.value)))
    }

    fn place(&self, part: &RawValue) -> Range<usize> {
        place(self.text, part)
    }

    /// A member whose key an earlier one has.
    fn duplicate(&self) -> Option<&Member<'a>> {
        /// Up to here comparing each with each is cheaper than sorting.
        const FEW: usize = 16;
        let members = &self.members;
        if members.len() <= FEW {
            let repeats = |(i, member): &(usize, &Member<'a>)| members[..*i].iter().any(|m| m.name == member.name);
            return members.iter().enumerate().find(repeats).map(|(_, member)| member);
        }
        let mut sorted: Vec<_> = members.iter().collect();
        sorted.sort_by(|a, b| a.name.cmp(&b.name));
        sorted.array_windows().find(|[a, b]| a.name == b.name).map(|[_, b]| *b)
    }
}

/// Where a value borrowed from `text` lies in it.
pub(super) fn place(text: &str, part: &RawValue) -> Range<usize> {
    let start = part.get().as_ptr() as usize - text.as_ptr() as usize;
    start..start + part.get().len()
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<Member<'de>>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(16);
        while let Some((token, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            let name = unquote(token.get()).ok_or_else(|| serde::de::Error::custom("unreadable key"))?;
            members.push(Member { name, token, value });
        }
        Ok(members)
    }
}

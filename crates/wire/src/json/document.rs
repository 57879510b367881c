//! A body with the places of its members, ready to be edited.

use std::ops::Range;

use bytes::Bytes;

use super::edit::Edit;
use super::error::JsonError;
use super::object::Object;
use super::spliced::Spliced;
use super::tree::Tree;

/// A body and its index, owned: parsed once, edited for each attempt.
#[derive(Debug, Clone)]
pub struct Document {
    body: Bytes,
    /// Names (with quotes) and values of the members of the root.
    members: Vec<(Range<usize>, Range<usize>)>,
}

impl Document {
    /// Reads a whole document.
    ///
    /// # Errors
    /// As [`Object::parse`].
    pub fn parse(body: Bytes) -> Result<Self, JsonError> {
        let members = Object::parse(&body)?.places().collect();
        Ok(Self { body, members })
    }

    /// The document of which `object` is the root, without reading it again; `None` if it was not parsed from `body`.
    pub fn from_object(body: &Bytes, object: &Object<'_>) -> Option<Self> {
        let same = std::ptr::eq(body.as_ref(), object.text().as_bytes());
        same.then(|| Self { body: body.clone(), members: object.places().collect() })
    }

    /// The body as it came.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Is there a member at this pointer (RFC 6901)? `null` is a member too.
    pub fn has(&self, pointer: &str) -> bool {
        let Some(path) = pointer.strip_prefix('/') else { return false };
        let (first, rest) = path.split_once('/').map_or((path, None), |(first, rest)| (first, Some(rest)));
        let name = format!("\"{}\"", first.replace("~1", "/").replace("~0", "~"));
        let member = self.members.iter().find(|(found, _)| self.body.get(found.clone()) == Some(name.as_bytes()));
        match (member, rest) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some((_, value)), Some(rest)) => {
                let value = self.body.get(value.clone()).unwrap_or_default();
                let value: Option<serde_json::Value> = serde_json::from_slice(value).ok();
                value.is_some_and(|value| value.pointer(&format!("/{rest}")).is_some())
            }
        }
    }

    /// Applies the edits in order, each to the result of those before; what they do not touch stays byte for byte.
    /// If nothing changes, the result is the body itself.
    ///
    /// # Errors
    /// An edit that cannot be: a bad pointer, a value that is not JSON, a `Set` or `Default` through a scalar or past
    /// the end of an array; and a repeated key in an object that an edit goes into.
    pub fn splice(&self, edits: &[Edit]) -> Result<Spliced, JsonError> {
        if edits.is_empty() {
            return Ok(Spliced::whole(self.body.clone()));
        }
        let mut tree = Tree::new(&self.body, &self.members);
        for edit in edits {
            tree.apply(edit)?;
        }
        Ok(tree.finish())
    }
}

/// [`Document::splice`] for a body that is edited once. Without edits the body is not read at all.
///
/// # Errors
/// As [`Document::parse`] and [`Document::splice`].
pub fn splice(body: &Bytes, edits: &[Edit]) -> Result<Spliced, JsonError> {
    if edits.is_empty() {
        return Ok(Spliced::whole(body.clone()));
    }
    Document::parse(body.clone())?.splice(edits)
}

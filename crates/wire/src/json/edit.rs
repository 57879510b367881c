//! The four edits, and reading their pointers.

use std::borrow::Cow;

use bytes::Bytes;

use super::error::{JsonError, JsonErrorKind};

/// One change to a document, at a JSON pointer (RFC 6901: `/stream_options/include_usage`, `/messages/0`).
///
/// `value` is JSON text. A pointer names something inside the document, never the whole of it (`""`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Puts `value` there, in place of what is there. A missing member is added at the end of its object, a missing
    /// object on the way is made, and a `null` on the way counts as a missing object. In an array, `-` appends.
    Set {
        /// Where.
        pointer: Cow<'static, str>,
        /// JSON text.
        value: Bytes,
    },
    /// As `Set`, but only if nothing is there (`null` is something).
    Default {
        /// Where.
        pointer: Cow<'static, str>,
        /// JSON text.
        value: Bytes,
    },
    /// Removes the member or array element, if it is there.
    Remove {
        /// Where.
        pointer: Cow<'static, str>,
    },
    /// Gives the member, if it is there, another name, in its place. A member that has that name already is removed.
    Rename {
        /// Which.
        pointer: Cow<'static, str>,
        /// The new key: a plain name, not a pointer.
        to: Cow<'static, str>,
    },
}

impl Edit {
    /// [`Edit::Set`].
    pub fn set(pointer: impl Into<Cow<'static, str>>, value: impl Into<Bytes>) -> Self {
        Self::Set { pointer: pointer.into(), value: value.into() }
    }

    /// [`Edit::Default`].
    pub fn default(pointer: impl Into<Cow<'static, str>>, value: impl Into<Bytes>) -> Self {
        Self::Default { pointer: pointer.into(), value: value.into() }
    }

    /// [`Edit::Remove`].
    pub fn remove(pointer: impl Into<Cow<'static, str>>) -> Self {
        Self::Remove { pointer: pointer.into() }
    }

    /// [`Edit::Rename`].
    pub fn rename(pointer: impl Into<Cow<'static, str>>, to: impl Into<Cow<'static, str>>) -> Self {
        Self::Rename { pointer: pointer.into(), to: to.into() }
    }

    /// The pointer of the edit.
    pub fn pointer(&self) -> &str {
        match self {
            Self::Set { pointer, .. }
            | Self::Default { pointer, .. }
            | Self::Remove { pointer }
            | Self::Rename { pointer, .. } => pointer,
        }
    }
}

/// How deep a pointer may go: the tree of opened containers is as deep, and is walked by recursion.
const MAX_DEPTH: usize = 64;

/// The reference tokens of a pointer, never none.
pub(super) fn tokens(pointer: &str) -> Result<Vec<Cow<'_, str>>, JsonError> {
    let bad = || JsonError::of_edit(JsonErrorKind::BadPointer(pointer.into()));
    let path = pointer.strip_prefix('/').ok_or_else(bad)?;
    let tokens: Vec<_> = path.split('/').map(|token| unescape(token).ok_or_else(bad)).collect::<Result<_, _>>()?;
    if tokens.len() > MAX_DEPTH { Err(bad()) } else { Ok(tokens) }
}

/// `~1` is a slash, `~0` a tilde, and no other tilde may be there.
fn unescape(token: &str) -> Option<Cow<'_, str>> {
    if !token.contains('~') {
        return Some(Cow::Borrowed(token));
    }
    let mut parts = token.split('~');
    let mut out = parts.next()?.to_owned();
    for part in parts {
        let (tilde, slash) = (part.strip_prefix('0'), part.strip_prefix('1'));
        out.push(if tilde.is_some() { '~' } else { '/' });
        out.push_str(tilde.or(slash)?);
    }
    Some(Cow::Owned(out))
}

/// An array index: digits without a leading zero.
pub(super) fn index(token: &str) -> Option<usize> {
    let digits = token.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || (token.len() > 1 && token.starts_with('0')) { None } else { token.parse().ok() }
}

//! An opened object or array: the spans of all its bytes.

use bytes::Bytes;
use std::ops::Range;

use super::super::edit::index;
use super::super::error::JsonError;
use super::super::object::{Object, place};
use super::super::scalar::unquote;
use super::{COMMA, Node, Sources, Span, key_text, write, write_node};
use serde_json::value::RawValue;

#[derive(Debug)]
pub(super) struct Container {
    is_object: bool,
    open: Span,
    pub(super) items: Vec<Item>,
    /// Space before the closing bracket.
    tail: Span,
    close: Span,
}

/// A member or element, from the comma before it to the space before the comma after it.
#[derive(Debug)]
pub(super) struct Item {
    /// The comma before it in its source; it is written where it is not the first, and where missing, one is made.
    comma: Span,
    lead: Span,
    pub(super) key: Option<Key>,
    pub(super) value: Node,
    trail: Span,
}

#[derive(Debug)]
pub(super) struct Key {
    /// With its quotes.
    pub(super) name: Span,
    /// With the space around it.
    colon: Span,
}

const NOTHING: Span = Span { source: COMMA.source, start: 0, end: 0 };

impl Item {
    /// A new item, of a key text that ends in a colon.
    pub(super) fn added(key: Option<Span>, value: Node) -> Self {
        let key =
            key.map(|span| Key { name: span.part(span.start, span.end - 1), colon: span.part(span.end - 1, span.end) });
        Self { comma: COMMA, lead: NOTHING, key, value, trail: NOTHING }
    }
}

impl Container {
    /// Opens the value at `span`, which is JSON; `None` if it is a scalar.
    pub(super) fn parse(span: Span, sources: &Sources) -> Result<Option<Self>, JsonError> {
        let whole = &sources.0[span.source];
        let bytes = sources.text(span);
        let shift = |range: Range<usize>| range.start + span.start..range.end + span.start;
        match bytes.first() {
            Some(b'{') => {
                let object = Object::parse(bytes).map_err(|error| error.inside(whole, span.start))?;
                let parts = object.places().map(|(name, value)| (Some(shift(name)), shift(value)));
                Ok(Some(Self::new(span, parts, sources)))
            }
            Some(b'[') => {
                let text = std::str::from_utf8(bytes).unwrap_or_default();
                let elements: Vec<&RawValue> = serde_json::from_str(text)
                    .map_err(|error| JsonError::syntax(text, &error).inside(whole, span.start))?;
                let parts = elements.iter().map(|element| (None, shift(place(text, element))));
                Ok(Some(Self::new(span, parts, sources)))
            }
            _ => Ok(None),
        }
    }

    /// The container at `span`, of which the places of the names and values in its source are known.
    pub(super) fn new(
        span: Span,
        parts: impl Iterator<Item = (Option<Range<usize>>, Range<usize>)>,
        sources: &Sources,
    ) -> Self {
        let source = &sources.0[span.source];
        let mut items: Vec<Item> = Vec::with_capacity(parts.size_hint().0 + 1);
        let mut done = span.start + 1;
        for (name, value) in parts {
            let start = name.as_ref().map_or(value.start, |name| name.start);
            let mut comma = COMMA;
            if let Some(before) = items.last_mut() {
                // Between two items there is nothing but space and one comma.
                let at = done + memchr::memchr(b',', &source[done..start]).unwrap_or(0);
                before.trail = span.part(done, at);
                comma = span.part(at, at + 1);
                done = at + 1;
            }
            let lead = span.part(done, start);
            let key =
                name.map(|name| Key { colon: span.part(name.end, value.start), name: span.part(name.start, name.end) });
            done = value.end;
            let value = Node::Text(span.part(value.start, value.end));
            items.push(Item { comma, lead, key, value, trail: NOTHING });
        }
        Self {
            is_object: source[span.start] == b'{',
            open: span.part(span.start, span.start + 1),
            items,
            tail: span.part(done, span.end - 1),
            close: span.part(span.end - 1, span.end),
        }
    }

    /// Where the item is that a reference token names.
    pub(super) fn position(&self, token: &str, sources: &Sources) -> Option<usize> {
        if !self.is_object {
            return index(token).filter(|&at| at < self.items.len());
        }
        self.items.iter().position(|item| {
            let name = item.key.as_ref().map_or(&[][..], |key| sources.text(key.name));
            let name = std::str::from_utf8(name).unwrap_or_default();
            unquote(name).is_some_and(|name| name == token)
        })
    }

    /// The key text (with colon) under which a missing item would be added: none in an array. `None` if the token
    /// cannot be added here.
    pub(super) fn key_for(&self, token: &str) -> Option<Option<Bytes>> {
        match (self.is_object, token) {
            (true, _) => Some(Some(key_text(token, true))),
            (false, "-") => Some(None),
            (false, _) => None,
        }
    }

    pub(super) fn write(&self, spans: &mut Vec<Span>) {
        write(spans, self.open);
        for (i, item) in self.items.iter().enumerate() {
            if i > 0 {
                write(spans, item.comma);
            }
            write(spans, item.lead);
            if let Some(key) = &item.key {
                write(spans, key.name);
                write(spans, key.colon);
            }
            write_node(spans, &item.value);
            write(spans, item.trail);
        }
        write(spans, self.tail);
        write(spans, self.close);
    }
}

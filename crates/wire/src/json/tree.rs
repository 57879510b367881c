//! Editing: a document as text, of which only the containers on an edit's way are opened.
//!
//! Everything is a span of a source: the body, an edit's value, or a small text made here. An opened container keeps
//! the spans of all its bytes, space and punctuation too, so writing it out untouched gives back the same run of bytes.

mod container;

use bytes::Bytes;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::ops::Range;

use super::edit::{Edit, tokens};
use super::error::{JsonError, JsonErrorKind};
use super::spliced::Spliced;
use container::{Container, Item};

/// Bytes of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    source: usize,
    start: usize,
    end: usize,
}

impl Span {
    fn part(self, start: usize, end: usize) -> Self {
        Self { source: self.source, start, end }
    }
}

const BODY: usize = 0;
const COMMA: Span = Span { source: 1, start: 0, end: 1 };

/// All texts that spans can point into. Only added to.
#[derive(Debug)]
struct Sources(Vec<Bytes>);

impl Sources {
    fn text(&self, span: Span) -> &[u8] {
        &self.0[span.source][span.start..span.end]
    }

    fn add(&mut self, text: Bytes) -> Span {
        let span = Span { source: self.0.len(), start: 0, end: text.len() };
        self.0.push(text);
        span
    }
}

#[derive(Debug)]
enum Node {
    /// A value as text, without space around it.
    Text(Span),
    Open(Box<Container>),
}

/// What a pointer can find on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Container,
    Null,
    Scalar,
}

impl Node {
    fn sort(&self, sources: &Sources) -> Sort {
        match self {
            Self::Open(_) => Sort::Container,
            Self::Text(span) => match sources.text(*span).first() {
                Some(b'{' | b'[') => Sort::Container,
                Some(b'n') => Sort::Null,
                _ => Sort::Scalar,
            },
        }
    }

    /// The container, opened if it was not; `None` for a scalar.
    fn open(&mut self, sources: &Sources) -> Result<Option<&mut Container>, JsonError> {
        if let Self::Text(span) = self {
            let Some(container) = Container::parse(*span, sources)? else { return Ok(None) };
            *self = Self::Open(Box::new(container));
        }
        match self {
            Self::Open(container) => Ok(Some(container)),
            Self::Text(_) => Ok(None),
        }
    }
}

#[derive(Debug)]
pub(super) struct Tree {
    sources: Sources,
    before: Span,
    root: Node,
    after: Span,
}

impl Tree {
    /// The tree of a body whose root is an object with these members (name with quotes, value).
    pub(super) fn new(body: &Bytes, members: &[(Range<usize>, Range<usize>)]) -> Self {
        let sources = Sources(vec![body.clone(), Bytes::from_static(b",")]);
        let end = body.trim_ascii_end().len();
        let start = body.len() - body.trim_ascii_start().len();
        let whole = Span { source: BODY, start, end };
        let parts = members.iter().map(|(name, value)| (Some(name.clone()), value.clone()));
        let root = Node::Open(Box::new(Container::new(whole, parts, &sources)));
        Self { sources, before: whole.part(0, start), root, after: whole.part(end, body.len()) }
    }

    pub(super) fn apply(&mut self, edit: &Edit) -> Result<(), JsonError> {
        let pointer = edit.pointer();
        let path = tokens(pointer)?;
        match edit {
            Edit::Set { value, .. } => self.put(pointer, &path, value, true),
            Edit::Default { value, .. } => self.put(pointer, &path, value, false),
            Edit::Remove { .. } => {
                if let Some((container, at)) = self.find(&path)? {
                    container.items.remove(at);
                }
                Ok(())
            }
            Edit::Rename { to, .. } => self.rename(pointer, &path, to),
        }
    }

    /// The container that holds what the path names, and its place in there.
    fn find(&mut self, path: &[Cow<'_, str>]) -> Result<Option<(&mut Container, usize)>, JsonError> {
        let Some((last, parents)) = path.split_last() else { return Ok(None) };
        let mut node = &mut self.root;
        for token in parents {
            let Some(container) = node.open(&self.sources)? else { return Ok(None) };
            let Some(at) = container.position(token, &self.sources) else { return Ok(None) };
            node = &mut container.items[at].value;
        }
        let Some(container) = node.open(&self.sources)? else { return Ok(None) };
        Ok(container.position(last, &self.sources).map(|at| (container, at)))
    }

    fn put(&mut self, pointer: &str, path: &[Cow<'_, str>], value: &Bytes, overwrite: bool) -> Result<(), JsonError> {
        let value = json_text(value).ok_or_else(|| JsonError::of_edit(JsonErrorKind::BadValue(pointer.into())))?;
        let mut node = &mut self.root;
        for (depth, token) in path.iter().enumerate() {
            match node.sort(&self.sources) {
                Sort::Container => {}
                Sort::Null => {
                    *node = Node::Text(self.sources.add(nested(&path[depth..], value)));
                    return Ok(());
                }
                Sort::Scalar => return Err(JsonError::of_edit(JsonErrorKind::NotAContainer(pointer.into()))),
            }
            let Some(container) = node.open(&self.sources)? else { return Ok(()) };
            let Some(at) = container.position(token, &self.sources) else {
                let name = container.key_for(token);
                let name = name.ok_or_else(|| JsonError::of_edit(JsonErrorKind::BadPointer(pointer.into())))?;
                let key = name.map(|name| self.sources.add(name));
                let value = Node::Text(self.sources.add(nested(&path[depth + 1..], value)));
                container.items.push(Item::added(key, value));
                return Ok(());
            };
            node = &mut container.items[at].value;
        }
        let same = matches!(node, Node::Text(span) if self.sources.text(*span) == value);
        if overwrite && !same {
            *node = Node::Text(self.sources.add(value));
        }
        Ok(())
    }

    fn rename(&mut self, pointer: &str, path: &[Cow<'_, str>], to: &str) -> Result<(), JsonError> {
        if path.last().is_some_and(|name| name == to) {
            return Ok(());
        }
        let added = self.sources.0.len();
        self.sources.0.push(key_text(to, false));
        let name = Span { source: added, start: 0, end: self.sources.0[added].len() };
        let taken = match path.split_last() {
            Some((_, parents)) => {
                let beside: Vec<_> = parents.iter().cloned().chain([Cow::Borrowed(to)]).collect();
                self.find(&beside)?.map(|(_, at)| at)
            }
            None => None,
        };
        let Some((container, at)) = self.find(path)? else { return Ok(()) };
        let Some(key) = &mut container.items[at].key else {
            return Err(JsonError::of_edit(JsonErrorKind::BadPointer(pointer.into())));
        };
        key.name = name;
        if let Some(taken) = taken {
            container.items.remove(taken);
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Spliced {
        let mut spans = Vec::with_capacity(8);
        write(&mut spans, self.before);
        write_node(&mut spans, &self.root);
        write(&mut spans, self.after);
        let body = &self.sources.0[BODY];
        if let [Span { source: BODY, start: 0, end }] = spans[..]
            && end == body.len()
        {
            return Spliced::whole(body.clone());
        }
        let pieces: Vec<_> = spans.iter().map(|span| (&self.sources.0[span.source], span.start, span.end)).collect();
        Spliced::join(&pieces)
    }
}

/// Appends a span, as one with the span before where it goes on from there.
fn write(spans: &mut Vec<Span>, span: Span) {
    match spans.last_mut() {
        _ if span.start == span.end => {}
        Some(last) if last.source == span.source && last.end == span.start => last.end = span.end,
        _ => spans.push(span),
    }
}

fn write_node(spans: &mut Vec<Span>, node: &Node) {
    match node {
        Node::Text(span) => write(spans, *span),
        Node::Open(container) => container.write(spans),
    }
}

/// An edit's value without space around it, if it is JSON.
fn json_text(value: &Bytes) -> Option<Bytes> {
    let raw: &RawValue = serde_json::from_slice(value).ok()?;
    Some(value.slice_ref(raw.get().as_bytes()))
}

/// The value inside new objects, one for each token.
fn nested(path: &[Cow<'_, str>], value: Bytes) -> Bytes {
    if path.is_empty() {
        return value;
    }
    let mut text = Vec::new();
    for token in path {
        text.push(b'{');
        text.extend_from_slice(&key_text(token, true));
    }
    text.extend_from_slice(&value);
    text.resize(text.len() + path.len(), b'}');
    text.into()
}

/// A key as JSON text, with the colon after it if asked for.
fn key_text(name: &str, colon: bool) -> Bytes {
    let mut text = serde_json::Value::from(name).to_string();
    if colon {
        text.push(':');
    }
    text.into()
}

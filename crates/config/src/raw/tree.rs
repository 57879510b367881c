//! YAML text to a tree of nodes that know their place.

use std::collections::HashMap;

use granit_parser::{Event, Marker, Parser, ScalarStyle, ScanError, StrInput};

use super::quoted;
use crate::diagnostic::{Code, Diagnostics, Span};

/// The longest text that is read, in bytes.
const MAX_TEXT: usize = 4 << 20;
/// The most nodes, aliases counted as what they stand for.
const MAX_NODES: usize = 200_000;
/// The deepest nesting. The grammar needs nine.
const MAX_DEPTH: usize = 32;

/// A value and its place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// Nothing was written: an empty value, `null` or `~`.
    Null,
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) span: Span,
    pub(crate) value: Node,
}

impl Kind {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Scalar(_) => "a single value",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// Reads the first document. `None`: it is no YAML, and the problem says where; or it is empty.
pub(crate) fn parse(text: &str, problems: &mut Diagnostics) -> Option<Node> {
    if text.len() > MAX_TEXT {
        let message = format!("the file is longer than {} MiB", MAX_TEXT >> 20);
        problems.error(Code::Syntax, Span::default(), "", message);
        return None;
    }
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: 2 * MAX_DEPTH,
        block_nesting_limit: 2 * MAX_DEPTH,
    };
    let mut builder = Builder {
        events: Parser::new_from_str_with_options(text, options),
        anchors: HashMap::new(),
        nodes: 0,
        problems,
    };
    match builder.document() {
        Ok(node) => node,
        Err(stop) => {
            let span = stop.span;
            let problem = problems.error(Code::Syntax, span, "", stop.message);
            let line = text.split('\n').nth(span.line.saturating_sub(1)).unwrap_or_default();
            if line.contains("${") {
                problem.help("inside `[ ]` and `{ }`, put a variable in quotes: \"${NAME}\"");
            } else if line.contains('\t') {
                problem.help("YAML is indented with spaces, not tabs");
            }
            None
        }
    }
}

/// Why reading cannot go on.
struct Stop {
    span: Span,
    message: String,
}

impl From<ScanError> for Stop {
    fn from(error: ScanError) -> Self {
        Self { span: point(*error.marker()), message: format!("this is not YAML: {}", error.info()) }
    }
}

struct Builder<'t, 'd> {
    events: Parser<'t, StrInput<'t>>,
    /// Nodes with an anchor, and how deep they are.
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    problems: &'d mut Diagnostics,
}

impl<'t> Builder<'t, '_> {
    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, Stop> {
        loop {
            let Some(event) = self.events.next_event() else { return Ok(None) };
            let (event, span) = event?;
            if !matches!(event, Event::StreamStart | Event::DocumentStart(..)) {
                return Ok(Some((event, between(span.start, span.end))));
            }
        }
    }

    fn document(&mut self) -> Result<Option<Node>, Stop> {
        let Some((event, span)) = self.next()? else { return Ok(None) };
        if matches!(event, Event::StreamEnd | Event::DocumentEnd) {
            return Ok(None);
        }
        let (node, _) = self.node(event, span, 0)?;
        // One document: what follows its end is checked to be YAML, and refused if it is another document.
        while let Some((event, span)) = self.next()? {
            if !matches!(event, Event::StreamEnd | Event::DocumentEnd) {
                return Err(Stop { span, message: "a second document begins here; the file holds one".to_owned() });
            }
        }
        Ok(Some(node))
    }

    /// The node that begins with this event, and how deep it is.
    fn node(&mut self, event: Event<'t>, mut span: Span, depth: usize) -> Result<(Node, usize), Stop> {
        self.count(1, span)?;
        if depth >= MAX_DEPTH {
            return Err(Stop { span, message: format!("nested more than {MAX_DEPTH} deep") });
        }
        let (anchor, kind, deep) = match event {
            Event::Scalar(text, style, anchor, _) => {
                let null = style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                (anchor, if null { Kind::Null } else { Kind::Scalar(text.into_owned()) }, 1)
            }
            Event::SequenceStart(_, anchor, _) => {
                let (items, deep) = self.items(depth, &mut span)?;
                (anchor, Kind::List(items), deep)
            }
            Event::MappingStart(_, anchor, _) => {
                let (entries, deep) = self.entries(depth, &mut span)?;
                (anchor, Kind::Map(entries), deep)
            }
            Event::Alias(anchor) => return self.alias(anchor, span, depth),
            _ => return Err(Stop { span, message: "this is not YAML: a value was expected here".to_owned() }),
        };
        let node = Node { span, kind };
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), deep));
        }
        Ok((node, deep))
    }

    fn items(&mut self, depth: usize, whole: &mut Span) -> Result<(Vec<Node>, usize), Stop> {
        let (mut items, mut deepest) = (Vec::new(), 0);
        while let Some((event, span)) = self.next()? {
            if matches!(event, Event::SequenceEnd) {
                whole.extend(span);
                break;
            }
            let (item, deep) = self.node(event, span, depth + 1)?;
            deepest = deepest.max(deep);
            items.push(item);
        }
        Ok((items, deepest + 1))
    }

    fn entries(&mut self, depth: usize, whole: &mut Span) -> Result<(Vec<Entry>, usize), Stop> {
        let (mut entries, mut merged, mut deepest) = (Vec::<Entry>::new(), Vec::new(), 0);
        while let Some((event, span)) = self.next()? {
            if matches!(event, Event::MappingEnd) {
                whole.extend(span);
                break;
            }
            let (key, _) = self.node(event, span, depth + 1)?;
            let key = match key.kind {
                Kind::Scalar(key) => key,
                Kind::Null => String::new(),
                Kind::List(_) | Kind::Map(_) => {
                    return Err(Stop { span, message: "a key is a single word".to_owned() });
                }
            };
            let Some((event, value_span)) = self.next()? else { break };
            let (value, deep) = self.node(event, value_span, depth + 1)?;
            deepest = deepest.max(deep);
            if key == "<<" {
                merged.push(value);
            } else if let Some(first) = entries.iter().find(|entry| entry.key == key) {
                let message = format!("`{}` stands here a second time", quoted(&key));
                let help = format!("it is first on line {}; keep one of the two", first.span.line);
                self.problems.error(Code::DuplicateKey, span, &quoted(&key), message).help(help);
            } else {
                entries.push(Entry { key, span, value });
            }
        }
        merge(&mut entries, merged);
        Ok((entries, deepest + 1))
    }

    fn alias(&mut self, anchor: usize, span: Span, depth: usize) -> Result<(Node, usize), Stop> {
        let Some((node, deep)) = self.anchors.get(&anchor).cloned() else {
            return Err(Stop { span, message: "an alias to what is not finished yet".to_owned() });
        };
        if depth + deep > MAX_DEPTH {
            return Err(Stop { span, message: format!("nested more than {MAX_DEPTH} deep") });
        }
        self.count(size(&node), span)?;
        Ok((node, deep))
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), Stop> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            return Err(Stop { span, message: format!("more than {MAX_NODES} values") });
        }
        Ok(())
    }
}

/// `<<`: the entries of other mappings, where this one has none of that key.
fn merge(entries: &mut Vec<Entry>, merged: Vec<Node>) {
    let mut maps = merged;
    while let Some(node) = maps.pop() {
        match node.kind {
            Kind::List(nodes) => maps.extend(nodes.into_iter().rev()),
            Kind::Map(others) => {
                for other in others {
                    if entries.iter().all(|entry| entry.key != other.key) {
                        entries.push(other);
                    }
                }
            }
            Kind::Null | Kind::Scalar(_) => {}
        }
    }
}

fn size(node: &Node) -> usize {
    1 + match &node.kind {
        Kind::Null | Kind::Scalar(_) => 0,
        Kind::List(items) => items.iter().map(size).sum(),
        Kind::Map(entries) => entries.iter().map(|entry| 1 + size(&entry.value)).sum(),
    }
}

fn between(start: Marker, end: Marker) -> Span {
    Span { line: start.line(), column: start.col() + 1, end_line: end.line(), end_column: end.col() + 1 }
}

fn point(at: Marker) -> Span {
    Span { end_column: at.col() + 2, ..between(at, at) }
}

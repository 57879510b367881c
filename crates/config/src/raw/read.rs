//! The walk over the tree by the schema: every key known, every value read, every problem noted.

use secrecy::SecretString;

use super::interpolate::{Filled, Trouble, fill};
use super::{Data, Field, Kind, Node, Section, value};
use crate::Sources;
use crate::diagnostic::{Code, Diagnostics, Span};
use crate::schema::{self, Setting, Shape};

/// The most characters of the file that a message repeats.
const QUOTED: usize = 60;

/// Reads nodes by their shapes.
pub(crate) struct Reader<'a> {
    pub(crate) sources: &'a dyn Sources,
    pub(crate) problems: &'a mut Diagnostics,
}

/// Where in the file the walk is.
struct At<'a> {
    key: &'a str,
    key_span: Span,
    path: String,
}

impl Reader<'_> {
    /// The whole file.
    pub(crate) fn root(&mut self, node: &Node) -> Section {
        let at = At { key: "", key_span: node.span, path: String::new() };
        match self.read(node, &Shape::Section(schema::ROOT), &at).map(|field| field.data) {
            Some(Data::Section(section)) => section,
            _ => Section::default(),
        }
    }

    fn read(&mut self, node: &Node, shape: &Shape, at: &At<'_>) -> Option<Field> {
        let data = match (shape, &node.kind) {
            (_, Kind::Null) => return None,
            (Shape::Section(groups), Kind::Map(_)) => self.section(node, groups, &at.path),
            (Shape::Named(of), Kind::Map(entries)) => {
                let mut section = Section::default();
                for entry in entries {
                    let path = join(&at.path, &entry.key);
                    let at = At { key: &entry.key, key_span: entry.span, path };
                    // A name alone (`anthropic:`) is an empty section.
                    let empty = Node { span: entry.span, kind: Kind::Map(Vec::new()) };
                    let node = if matches!(entry.value.kind, Kind::Null) { &empty } else { &entry.value };
                    section.fields.extend(self.read(node, of, &at));
                }
                Data::Section(section)
            }
            (Shape::List(of) | Shape::OneOrMany(of), Kind::List(items)) => self.list(items, of, at),
            (Shape::OneOrMany(of), _) => {
                Data::List(self.list_item(node, of, at, at.path.clone()).into_iter().collect())
            }
            (Shape::Either(single, _), Kind::Scalar(_)) => return self.read(node, single, at),
            (Shape::Either(_, many), _) => return self.read(node, many, at),
            (Shape::Secret, Kind::Scalar(raw)) => {
                self.secret(raw, node.span, &at.path).map_or(Data::Invalid, Data::Secret)
            }
            (_, Kind::Scalar(raw)) if shape.is_single() => {
                self.single(raw, shape, node.span, &at.path).unwrap_or(Data::Invalid)
            }
            (_, kind) => {
                let what = if at.path.is_empty() { "the file".to_owned() } else { format!("`{}`", at.path) };
                let message = format!("{what} takes {}, and this is {}", shape.describe(), kind.name());
                let problem = self.problems.error(Code::BadValue, node.span, &at.path, message);
                if matches!((shape, kind), (Shape::List(_), Kind::Scalar(_))) {
                    problem.help("put it in brackets: `[…]`");
                }
                if shape.holds_secrets() {
                    self.problems.hide(node.span);
                }
                Data::Invalid
            }
        };
        let raw = match &node.kind {
            Kind::Scalar(raw) => raw.as_str(),
            Kind::Null | Kind::List(_) | Kind::Map(_) => "",
        };
        Some(Field {
            key: at.key.to_owned(),
            key_span: at.key_span,
            span: node.span,
            path: at.path.clone(),
            written: quoted(raw),
            outside: raw.contains("${"),
            data,
        })
    }

    fn list(&mut self, items: &[Node], of: &Shape, at: &At<'_>) -> Data {
        let fields = items.iter().enumerate();
        let fields = fields.filter_map(|(index, item)| self.list_item(item, of, at, format!("{}[{index}]", at.path)));
        Data::List(fields.collect())
    }

    fn list_item(&mut self, node: &Node, of: &Shape, at: &At<'_>, path: String) -> Option<Field> {
        if matches!(node.kind, Kind::Null) {
            let message = format!("`{path}` is empty");
            self.problems.error(Code::BadValue, node.span, &path, message).help("write a value, or take the line out");
            return None;
        }
        self.read(node, of, &At { key: at.key, key_span: node.span, path })
    }

    fn section(&mut self, node: &Node, groups: &'static [&'static [Setting]], path: &str) -> Data {
        let Kind::Map(entries) = &node.kind else { return Data::Section(Section::default()) };
        let mut section = Section::default();
        for entry in entries {
            let path = join(path, &entry.key);
            let Some(setting) = schema::find(groups, &entry.key) else {
                self.unknown(groups, &entry.key, entry.span, &path);
                if holds_scalar(&entry.value) {
                    self.problems.hide(entry.value.span);
                }
                continue;
            };
            let at = At { key: &entry.key, key_span: entry.span, path };
            let field = self.read(&entry.value, &setting.shape, &at);
            if let (Some(later), false) = (setting.later, matches!(entry.value.kind, Kind::Null)) {
                self.later(&entry.value, setting, later, &at);
            }
            section.fields.extend(field);
        }
        Data::Section(section)
    }

    /// A setting without effect yet: one line, unless it says what is the case anyway.
    fn later(&mut self, node: &Node, setting: &Setting, will: &str, at: &At<'_>) {
        if let Kind::Scalar(raw) = &node.kind {
            let value = fill(raw, self.sources).map(|filled| filled.text).unwrap_or_default();
            // Other defaults name what will be, and whoever writes them down expects it.
            if value.trim() == setting.default && matches!(setting.default, "off" | "memory" | "database") {
                return;
            }
        }
        let message = format!("`{}` is not available yet: {will}", at.path);
        self.problems.warning(Code::NotAvailable, at.key_span, &at.path, message);
    }

    fn unknown(&mut self, groups: &'static [&'static [Setting]], key: &str, span: Span, path: &str) {
        let shown = quoted(key);
        let problem =
            self.problems.error(Code::UnknownKey, span, &quoted(path), format!("there is no setting `{shown}` here"));
        let here = groups.iter().flat_map(|group| group.iter()).map(|setting| setting.key);
        if let Some(name) = nearest(key, here.clone()) {
            problem.help(format!("did you mean `{name}`?"));
        } else if let Some(elsewhere) = schema::elsewhere(key) {
            problem.help(format!("it belongs under `{elsewhere}`"));
        } else {
            problem.help(format!("the settings here are `{}`", here.collect::<Vec<_>>().join("`, `")));
        }
    }

    fn filled(&mut self, raw: &str, span: Span, path: &str) -> Option<Filled> {
        match fill(raw, self.sources) {
            Ok(filled) => Some(filled),
            Err(Trouble::Unset(name)) => {
                let message = format!("the environment variable `{name}` is not set");
                let help = format!("set it, or write `${{{name}:-…}}` with a value for when it is not");
                self.problems.error(Code::Unset, span, path, message).help(help);
                None
            }
            Err(Trouble::Malformed) => {
                let message = "`${` begins the name of an environment variable, and this is none";
                let help = "write `${NAME}`, or `$${` for the two characters themselves";
                self.problems.error(Code::BadValue, span, path, message).help(help);
                None
            }
        }
    }

    fn single(&mut self, raw: &str, shape: &Shape, span: Span, path: &str) -> Option<Data> {
        let filled = self.filled(raw, span, path)?;
        match value::parse(shape, &filled.text) {
            Ok(Data::Word(name)) => self.word(shape, name, span, path),
            Ok(data) => Some(data),
            Err(refused) => {
                let shown = quoted(raw);
                let message = match filled.outside {
                    true => format!("what `{shown}` stands for is not {}", refused.what),
                    false => format!("`{shown}` is not {}", refused.what),
                };
                let problem = self.problems.error(Code::BadValue, span, path, message);
                // A suggestion is near to the value, and the value may not be shown.
                if let (Some(help), false) = (refused.help, filled.outside) {
                    problem.help(help);
                }
                None
            }
        }
    }

    fn word(&mut self, shape: &Shape, name: &'static str, span: Span, path: &str) -> Option<Data> {
        let Shape::Words(words) = shape else { return Some(Data::Word(name)) };
        let later = words.iter().find(|word| word.name == name).and_then(|word| word.later);
        let Some(will) = later else { return Some(Data::Word(name)) };
        let message = format!("`{path}: {name}` is not available yet: {will}");
        self.problems.warning(Code::NotAvailable, span, path, message);
        None
    }

    fn secret(&mut self, raw: &str, span: Span, path: &str) -> Option<SecretString> {
        let written = raw.trim();
        if let Some(file) = written.strip_prefix("file:") {
            let file = self.filled(file, span, path)?;
            let shown = quoted(written.strip_prefix("file:").unwrap_or_default());
            return match self.sources.file(&file.text) {
                Ok(text) if !text.trim().is_empty() && (is_sendable(text.trim()) || is_object(text.trim())) => {
                    Some(SecretString::from(text.trim()))
                }
                Ok(_) => {
                    self.problems.error(
                        Code::Unset,
                        span,
                        path,
                        format!("the file `{shown}` does not hold one key and nothing else"),
                    );
                    None
                }
                Err(reason) => {
                    let message = format!("the file `{shown}` cannot be read: {reason}");
                    self.problems.error(Code::Unset, span, path, message);
                    None
                }
            };
        }
        if written.contains(":-") {
            self.problems.hide(span);
        }
        if !written.contains("${") {
            self.problems.hide(span);
            let message = format!("`{path}` is a secret written into the file");
            let help = "keep it out of the file: `${NAME}` reads the environment, `file:/path` a file";
            self.problems.warning(Code::LiteralSecret, span, path, message).help(help);
        }
        let filled = self.filled(written, span, path)?;
        let value = filled.text.trim();
        let sendable = is_sendable(value) || is_object(value);
        let message = match (value.is_empty(), filled.outside) {
            (true, true) => format!("what `{}` stands for is empty", quoted(written)),
            (true, false) => format!("`{path}` is empty"),
            (false, _) if !sendable => format!("`{path}` holds a space, a line break or another character no key has"),
            (false, _) => return Some(SecretString::from(value)),
        };
        self.problems.error(Code::Unset, span, path, message);
        None
    }
}

/// Can a header carry it? A client that tried would say no with the value in its message.
fn is_sendable(value: &str) -> bool {
    value.bytes().all(|byte| (0x21..0x7f).contains(&byte))
}

/// May it be a file of credentials? Those are never sent; whether the provider takes them is not known here.
fn is_object(value: &str) -> bool {
    value.starts_with('{') && value.ends_with('}')
}

/// A path one step further. Names that are no plain words stay readable: `match.header.x-team`.
fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn holds_scalar(node: &Node) -> bool {
    match &node.kind {
        Kind::Null => false,
        Kind::Scalar(text) => !text.contains("${") && text.len() > 12,
        Kind::List(items) => items.iter().any(holds_scalar),
        Kind::Map(_) => false,
    }
}

/// A part of the file for a message: short, on one line, and without what looks like a key.
pub(crate) fn quoted(raw: &str) -> String {
    let mut chars: Vec<char> = raw.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
    crate::render::mask_lookalikes(&mut chars);
    if chars.len() > QUOTED {
        chars.truncate(QUOTED);
        chars.push('…');
    }
    chars.into_iter().collect()
}

/// The name most like this one, if any is.
pub(crate) fn nearest<'n>(word: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let word: String = word.chars().take(QUOTED).collect::<String>().to_ascii_lowercase();
    let mut best: Option<(f64, &str)> = None;
    for name in names {
        let lower = name.to_ascii_lowercase();
        let slip = strsim::damerau_levenshtein(&word, &lower);
        let near =
            slip <= 1 + lower.len() / 4 || (word.len() >= 3 && (lower.starts_with(&word) || word.starts_with(&lower)));
        let alike = strsim::jaro_winkler(&word, &lower);
        if (near || alike >= 0.88) && best.is_none_or(|(other, _)| alike > other) {
            best = Some((alike, name));
        }
    }
    best.map(|(_, name)| name)
}

//! A provider's departures from its dialect: read from the catalog once for each target, made edits for each request.
//!
//! Words about single members are edits of bytes, so what they do not name stays as it came. Rules about messages live in
//! [`super::messages`]. All of it is skipped for a target without departures, which is most of them.

use bytes::Bytes;
use ringmain_catalog::{Endpoint, MaxTokensField, Model, Pointer, Prefill, Provider, Quirks, StreamUsage, ToolSubset};
use ringmain_core::{Capabilities, Dialect, Operation};
use ringmain_dialects::Loss;
use ringmain_wire::json::{Document, Edit, Object, as_bool};

use super::body::Body;
use super::messages::MessageRules;
use super::tools;

/// A member of the request, as quirks name it.
#[derive(Debug, PartialEq)]
struct Member {
    pointer: String,
    /// The same in a loss: `stream_options.include_usage`.
    field: String,
}

impl Member {
    fn new(pointer: &Pointer) -> Self {
        Self { pointer: pointer.as_str().to_owned(), field: pointer.steps().collect::<Vec<_>>().join(".") }
    }

    fn top(name: &str) -> Self {
        Self { pointer: format!("/{}", name.replace('~', "~0").replace('/', "~1")), field: name.to_owned() }
    }

    /// The member beside this one with another name.
    fn beside(&self, name: &str) -> Self {
        let (pointer, field) = (Self::top(name).pointer, name);
        let parent = self.pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
        let of = self.field.rsplit_once('.').map_or(String::new(), |(of, _)| format!("{of}."));
        Self { pointer: format!("{parent}{pointer}"), field: format!("{of}{field}") }
    }
}

/// A member the provider knows by another name.
#[derive(Debug, PartialEq)]
struct Rename {
    from: Member,
    onto: Member,
    to: String,
    /// Of a request that has both, this value stays; else the one that has the provider's name already.
    wins: bool,
}

/// The request that a list of members describes: a list made for chat says nothing of embeddings.
type Place = (Operation, Option<Dialect>);

/// The departures of one target, ready for requests.
#[derive(Debug, PartialEq)]
pub struct Departures {
    any: bool,
    renames: Vec<Rename>,
    cap: Option<Rename>,
    usage: StreamUsage,
    messages: MessageRules,
    tool_subset: ToolSubset,
    /// A last assistant message is marked by members of the request.
    continues: bool,
    defaults: Vec<(Member, Bytes, Option<Place>)>,
    removes: Vec<Member>,
    only: Option<(Vec<String>, Place)>,
}

/// What the edits of one request depend on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) document: &'a Document,
    pub(super) endpoint: &'a Endpoint,
    /// The last message is the assistant's: the beginning of the answer.
    pub(super) prefill: bool,
    /// The caller wrote the document; else an encoder did.
    pub(super) relayed: bool,
}

impl Departures {
    /// Those of a model at a provider of this kind.
    #[must_use]
    pub fn of(kind: &Provider, model: Option<&Model>) -> Self {
        let quirks = kind.quirks_for(model);
        let first = kind.endpoints.first();
        let own =
            kind.endpoints.iter().find(|endpoint| model.is_some_and(|model| model.kind.serves(endpoint.operation)));
        let place = |of: Option<&Endpoint>| of.map(|endpoint| (endpoint.operation, endpoint.dialect));
        // A list of the provider's is about what it mainly serves, a model's about what the model does.
        let place_of = |models: bool| if models { place(own.or(first)) } else { place(first) };
        let default = |(pointer, value): &(Pointer, serde_json::Value)| {
            let at = place_of(!kind.quirks.default.iter().any(|(known, _)| known == pointer));
            (Member::new(pointer), Bytes::from(value.to_string()), at)
        };
        let only_at = place_of(model.is_some_and(|model| model.quirks.only.is_some()));
        let capabilities = model.map_or(Capabilities::NONE, |model| model.capabilities).with(kind.capabilities);
        let prefills = model.is_none() || capabilities.contains(Capabilities::PREFILL);
        let mut made = Self {
            any: false,
            renames: quirks.rename.iter().map(|(from, to)| rename(Member::new(from), to)).collect(),
            cap: quirks.max_tokens_field().map(cap),
            usage: quirks.stream_usage(),
            messages: MessageRules::of(&quirks, prefills),
            tool_subset: quirks.tool_subset(),
            continues: prefills && quirks.prefill() == Prefill::ContinueFinalMessage,
            defaults: quirks.default.iter().map(default).collect(),
            removes: quirks.remove.iter().map(Member::new).collect(),
            only: quirks.only.zip(only_at),
        };
        made.any = made != Self::none();
        made
    }

    fn none() -> Self {
        Self {
            any: false,
            renames: Vec::new(),
            cap: None,
            usage: Quirks::default().stream_usage(),
            messages: MessageRules::of(&Quirks::default(), false),
            tool_subset: Quirks::default().tool_subset(),
            continues: false,
            defaults: Vec::new(),
            removes: Vec::new(),
            only: None,
        }
    }

    /// When a stream tells its usage.
    #[must_use]
    pub const fn stream_usage(&self) -> StreamUsage {
        self.usage
    }

    /// The edits that make a rendered body the provider's, in the order the catalog promises.
    pub(super) fn edits(&self, asked: &Asked<'_>, losses: &mut Vec<Loss>) -> Vec<Edit> {
        if !self.any {
            return Vec::new();
        }
        let mut work = Work { body: Body::new(asked.document), edits: Vec::new(), renamed: Vec::new(), losses };
        for rename in &self.renames {
            work.rename(rename);
        }
        if asked.endpoint.dialect == Some(Dialect::OpenAiChat) {
            self.chat(asked, &mut work);
        }
        let here = (asked.endpoint.operation, asked.endpoint.dialect);
        for (member, value, _) in self.defaults.iter().filter(|(_, _, at)| at.is_none_or(|at| at == here)) {
            work.edits.push(Edit::default(member.pointer.clone(), value.clone()));
        }
        for member in &self.removes {
            work.remove(member);
        }
        if let Some((names, _)) = self.only.as_ref().filter(|(_, at)| *at == here) {
            work.only(names);
        }
        work.edits
    }

    /// The words that are about OpenAI Chat alone.
    fn chat<'a>(&'a self, asked: &Asked<'_>, work: &mut Work<'a, '_>) {
        if let Some(cap) = &self.cap {
            work.rename(cap);
        }
        if self.usage != StreamUsage::OnRequest && work.body.has("/stream_options") {
            // What an encoder wrote there is the account's wish, not the caller's.
            if asked.relayed {
                work.stream_options(self.usage);
            }
            work.edits.push(Edit::remove("/stream_options"));
        }
        let prefill = asked.prefill;
        if self.messages.may_concern(asked.document.body(), prefill)
            && let Some(messages) = work.body.get("messages")
            && let Some(text) = self.messages.rewrite(messages, prefill, work.losses)
        {
            work.edits.push(Edit::set("/messages", text));
        }
        if self.tool_subset == ToolSubset::List {
            work.edits.extend(tools::only_allowed(&work.body));
        }
        let (continues, generates) = ("/continue_final_message", "/add_generation_prompt");
        if prefill && self.continues && !work.body.has(continues) && !work.body.has(generates) {
            work.edits.push(Edit::set(continues, "true"));
            work.edits.push(Edit::set(generates, "false"));
        }
    }
}

fn rename(from: Member, to: &str) -> Rename {
    Rename { onto: from.beside(to), to: to.to_owned(), from, wins: false }
}

/// Callers write either name, encoders the newer. Of a request with both, the newer counts, as in its facts.
fn cap(wanted: MaxTokensField) -> Rename {
    let from = match wanted {
        MaxTokensField::MaxTokens => MaxTokensField::MaxCompletionTokens,
        MaxTokensField::MaxCompletionTokens => MaxTokensField::MaxTokens,
    };
    let wins = from == MaxTokensField::MaxCompletionTokens;
    Rename { wins, ..rename(Member::top(from.as_str()), wanted.as_str()) }
}

/// The edits of one request in the making.
struct Work<'q, 'r> {
    body: Body<'r>,
    edits: Vec<Edit>,
    renamed: Vec<&'q Rename>,
    losses: &'r mut Vec<Loss>,
}

impl<'q> Work<'q, '_> {
    fn rename(&mut self, rename: &'q Rename) {
        if !self.body.has(&rename.from.pointer) {
            return;
        }
        if self.body.has(&rename.onto.pointer) {
            let (from, onto) = (self.body.text(&rename.from.pointer), self.body.text(&rename.onto.pointer));
            let says = |text: Option<&str>| text.is_some_and(|text| text != "null");
            let from_stays = says(from) && (rename.wins || !says(onto));
            if from != onto && says(from) && says(onto) {
                self.lost(if from_stays { &rename.onto.field } else { &rename.from.field });
            }
            if !from_stays {
                self.edits.push(Edit::remove(rename.from.pointer.clone()));
                return;
            }
        }
        self.edits.push(Edit::rename(rename.from.pointer.clone(), rename.to.clone()));
        self.renamed.push(rename);
    }

    fn remove(&mut self, member: &Member) {
        let source = self.renamed.iter().find(|rename| rename.onto == *member).map_or(member, |rename| &rename.from);
        let moved = source == member && self.renamed.iter().any(|rename| rename.from == *member);
        if moved || !self.body.has(&source.pointer) {
            return;
        }
        self.edits.push(Edit::remove(member.pointer.clone()));
        if self.body.text(&source.pointer) != Some("null") {
            self.lost(&source.field);
        }
    }

    fn only(&mut self, names: &[String]) {
        let Some(root) = self.body.root() else { return };
        let mut unknown = Vec::new();
        for (name, value) in root.entries() {
            let member = Member::top(name);
            let renamed = self.renamed.iter().find(|rename| rename.from == member);
            let name = renamed.map_or(name, |rename| rename.to.as_str());
            if !names.iter().any(|known| known == name) {
                unknown.push((member, value.get() == "null"));
            }
        }
        for (member, null) in unknown {
            let removed = |edit: &Edit| matches!(edit, Edit::Remove { pointer } if *pointer == member.pointer);
            if self.edits.iter().any(removed) {
                continue;
            }
            let now = self.renamed.iter().find(|rename| rename.from == member).map_or(&member, |rename| &rename.onto);
            self.edits.push(Edit::remove(now.pointer.clone()));
            if !null {
                self.lost(&member.field);
            }
        }
    }

    /// Options of a stream that go with the member that holds them.
    fn stream_options(&mut self, usage: StreamUsage) {
        let options = self.body.get("stream_options").and_then(|value| Object::from_raw(value).ok());
        for (name, value) in options.iter().flat_map(Object::entries) {
            let lost = match name {
                "include_usage" => usage == StreamUsage::Never && as_bool(value) == Some(true),
                _ => value.get() != "null",
            };
            if lost {
                self.lost(&format!("stream_options.{name}"));
            }
        }
    }

    fn lost(&mut self, field: &str) {
        let loss = Loss::dropped(field);
        if !self.losses.contains(&loss) {
            self.losses.push(loss);
        }
    }
}

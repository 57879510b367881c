//! Quirks about the messages of OpenAI Chat. A message that no rule changes keeps its bytes.

mod message;

use memchr::memmem;
use ringmain_catalog::{Documents, Prefill, Quirks, SystemRole, ToolIds};
use ringmain_core::Seed;
use ringmain_dialects::Loss;
use ringmain_wire::json::RawValue;
use serde_json::{Map, Value, json};

use message::Message;

/// What the assistant says between a tool's result and the user's next word, where somebody must say something. Mistral
/// refuses an empty message.
const BETWEEN: &str = "OK.";

/// The rules of one target. All are about the request alone: ids and roles of an answer are the provider's own, and the
/// caller gets them as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MessageRules {
    /// `reasoning_content` is taken out.
    reasoning: bool,
    instructions: SystemRole,
    tool_ids: ToolIds,
    assistant_after_tool: bool,
    alternate: bool,
    /// A last assistant message gets `prefix: true`.
    prefix: bool,
    documents: Documents,
}

impl MessageRules {
    /// `prefills`: the model takes a beginning of its answer.
    pub(super) fn of(quirks: &Quirks, prefills: bool) -> Self {
        Self {
            reasoning: quirks.refuses_reasoning(),
            instructions: quirks.system_role(),
            tool_ids: quirks.tool_ids(),
            assistant_after_tool: quirks.assistant_after_tool(),
            alternate: quirks.alternate_roles(),
            prefix: prefills && quirks.prefill() == Prefill::Prefix,
            documents: quirks.documents(),
        }
    }

    /// Could a rule concern this body? Looks for words alone, so that most bodies are not opened. (A word spelled with
    /// escapes is not found; no client writes ASCII letters so.)
    pub(super) fn may_concern(&self, body: &[u8], prefill: bool) -> bool {
        let says = |word: &str| memmem::find(body, word.as_bytes()).is_some();
        let instructions = match self.instructions {
            SystemRole::Either => false,
            SystemRole::System => says("\"developer\""),
            SystemRole::User => says("\"system\"") || says("\"developer\""),
        };
        let ids = match self.tool_ids {
            ToolIds::Any => false,
            ToolIds::NineAlphanumeric => says("\"tool_calls\"") || says("\"tool_call_id\""),
        };
        instructions
            || ids
            || self.alternate
            || (self.reasoning && says("\"reasoning_content\""))
            || (self.assistant_after_tool && says("\"tool\""))
            || (self.prefix && prefill)
            || (self.documents == Documents::DocumentUrl && says("\"file_data\""))
    }

    /// The messages as the provider takes them, as JSON text. `None`: as they are, or they are not messages, which the
    /// provider will say in its own words.
    pub(super) fn rewrite(&self, messages: &RawValue, prefill: bool, losses: &mut Vec<Loss>) -> Option<String> {
        let raw: Vec<&RawValue> = serde_json::from_str(messages.get()).ok()?;
        let mut list: Vec<_> = raw.iter().enumerate().map(|(at, raw)| Message::read(at, raw)).collect::<Option<_>>()?;
        if self.reasoning {
            drop_reasoning(&mut list, losses);
        }
        match self.instructions {
            SystemRole::Either => {}
            SystemRole::System => system_for_developer(&mut list),
            SystemRole::User => instructions_to_user(&mut list, losses),
        }
        match self.tool_ids {
            ToolIds::Any => {}
            ToolIds::NineAlphanumeric => list.iter_mut().for_each(nine_alphanumeric_ids),
        }
        if self.alternate {
            let same = |a: &Message<'_>, b: &Message<'_>| a.role == b.role && matches!(&*a.role, "user" | "assistant");
            merge(&mut list, losses, same);
        }
        if self.assistant_after_tool {
            answer_tools(&mut list, losses);
        }
        match self.documents {
            Documents::File => {}
            Documents::DocumentUrl => list.iter_mut().for_each(documents_by_url),
        }
        if let Some(last) = list.last_mut().filter(|last| self.prefix && prefill && last.role == "assistant") {
            mark_prefix(last);
        }
        let changed = list.len() != raw.len() || list.iter().any(Message::is_changed);
        changed.then(|| Message::array(&list))
    }
}

/// `{"type": "file", "file": {"file_data": "data:…", "filename": …}}` as a document at that URL.
fn documents_by_url(message: &mut Message<'_>) {
    message.edit(|map| {
        let parts = map.get_mut("content").and_then(Value::as_array_mut);
        let mut changed = false;
        for part in parts.into_iter().flatten() {
            let data = part.pointer("/file/file_data").filter(|data| data.is_string()).cloned();
            let Some(data) = data else { continue };
            let name = part.pointer("/file/filename").filter(|name| name.is_string()).cloned();
            *part = json!({ "type": "document_url", "document_url": data });
            if let Some(name) = name {
                part["document_name"] = name;
            }
            changed = true;
        }
        changed
    });
}

fn drop_reasoning(list: &mut Vec<Message<'_>>, losses: &mut Vec<Loss>) {
    list.retain_mut(|message| {
        if message.role != "assistant" {
            return true;
        }
        let mut dropped = None;
        message.edit(|map| {
            dropped = map.shift_remove("reasoning_content");
            dropped.is_some()
        });
        if dropped.is_some_and(|value| !matches!(value, Value::Null) && value != "") {
            losses.push(Loss::dropped(message.field("reasoning_content")));
            // Nothing but thought: what is left is no message.
            return message.says_something();
        }
        true
    });
}

fn system_for_developer(list: &mut [Message<'_>]) {
    for message in list.iter_mut().filter(|message| message.role == "developer") {
        message.set_role("system");
    }
}

/// Instructions become the beginning of the user's message behind them; the first ones that of the first.
fn instructions_to_user(list: &mut Vec<Message<'_>>, losses: &mut Vec<Loss>) {
    for message in list.iter_mut().filter(|message| matches!(&*message.role, "system" | "developer")) {
        losses.push(Loss::approximated(message.field("role")));
        message.instructs = true;
        message.set_role("user");
    }
    merge(list, losses, |before, after| before.instructs && after.role == "user");
}

/// Merges neighbours.
fn merge(list: &mut Vec<Message<'_>>, losses: &mut Vec<Loss>, together: impl Fn(&Message<'_>, &Message<'_>) -> bool) {
    let mut merged: Vec<Message<'_>> = Vec::with_capacity(list.len());
    for message in list.drain(..) {
        match merged.last_mut() {
            Some(before) if together(before, &message) => {
                if let Some(apart) = before.absorb(message, losses) {
                    merged.push(apart);
                }
            }
            _ => merged.push(message),
        }
    }
    *list = merged;
}

fn answer_tools(list: &mut Vec<Message<'_>>, losses: &mut Vec<Loss>) {
    let mut answered: Vec<Message<'_>> = Vec::with_capacity(list.len());
    for message in list.drain(..) {
        if message.role == "user" && answered.last().is_some_and(|before| before.role == "tool") {
            losses.push(Loss::defaulted("messages"));
            answered.push(Message::assistant(BETWEEN));
        }
        answered.push(message);
    }
    *list = answered;
}

fn mark_prefix(message: &mut Message<'_>) {
    message.edit(|map| {
        let whole = map.contains_key("prefix") || map.get("tool_calls").is_some_and(|calls| !calls.is_null());
        if !whole {
            map.insert("prefix".to_owned(), true.into());
        }
        !whole
    });
}

fn nine_alphanumeric_ids(message: &mut Message<'_>) {
    message.edit(|map| {
        let calls = map.get_mut("tool_calls").and_then(Value::as_array_mut);
        let ids = calls.into_iter().flatten().filter_map(|call| call.get_mut("id"));
        let mut changed = ids.fold(false, |changed, id| fit(id) | changed);
        if let Some(id) = map.get_mut("tool_call_id") {
            changed |= fit(id);
        }
        changed
    });
}

fn fit(id: &mut Value) -> bool {
    let Value::String(text) = id else { return false };
    let fits = text.len() == 9 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !fits {
        *text = nine_alphanumeric(text);
    }
    !fits
}

/// The same nine characters for an id in every request, so that call and result stay together and the provider's cache
/// of the conversation stays warm. 62^9 of them: two ids of one conversation will not meet.
fn nine_alphanumeric(id: &str) -> String {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut left = Seed(0).draw(id).0;
    let mut next = || {
        let digit = left % 62;
        left /= 62;
        usize::try_from(digit).ok().and_then(|digit| ALPHABET.get(digit)).map_or('0', |byte| char::from(*byte))
    };
    (0..9).map(|_| next()).collect()
}

/// Two contents as one: text as a paragraph each, parts in a row.
fn joined(first: Value, second: Value) -> Value {
    match (first, second) {
        (Value::Null, content) | (content, Value::Null) => content,
        (Value::String(first), Value::String(second)) if first.is_empty() || second.is_empty() => {
            (first + &second).into()
        }
        (Value::String(first), Value::String(second)) => format!("{first}\n\n{second}").into(),
        (first, second) => parts(first).into_iter().chain(parts(second)).collect(),
    }
}

fn parts(content: Value) -> Vec<Value> {
    match content {
        Value::Array(parts) => parts,
        Value::String(text) if text.is_empty() => Vec::new(),
        Value::String(text) => vec![json!({ "type": "text", "text": text })],
        other => vec![other],
    }
}

/// Puts the members of `second` into `first`. What both say differently and cannot be joined is named.
fn united(first: &mut Map<String, Value>, second: Map<String, Value>) -> Vec<String> {
    let mut lost = Vec::new();
    for (key, value) in second {
        let before = first.get_mut(&key).filter(|before| !before.is_null());
        match (key.as_str(), before) {
            ("role", _) => {}
            (_, None) => {
                first.insert(key, value);
            }
            ("content", Some(before)) => *before = joined(before.take(), value),
            ("tool_calls", Some(Value::Array(before))) if value.is_array() => before.extend(parts(value)),
            (_, Some(before)) if *before == value || value.is_null() => {}
            (_, Some(_)) => lost.push(key),
        }
    }
    lost
}

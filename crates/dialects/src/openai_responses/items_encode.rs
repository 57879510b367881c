//! Instructions and turns as the items of a request's input.

use serde_json::{Value, json};

use super::{OWN, parts, seal};
use crate::codec::Unsupported;
use crate::ir::{Block, BlockKind, Media, MediaSource, Request, Role, Turn};
use crate::loss::Loss;
use crate::shared::whereabouts::Whereabouts;

/// A call's id may be this long.
const MAX_CALL_ID: usize = 64;
/// How OpenAI's sealed thinking begins (a Fernet token). What came back through another dialect and begins otherwise is
/// another vendor's, and would be refused with the request.
const SEALED: &str = "gAAAA";

/// Writes the leading instructions as one text.
pub(super) fn instructions(request: &Request, losses: &mut Vec<Loss>) -> String {
    let mut out = Out::new(request, losses);
    out.text_only(&request.system)
}

/// Writes the turns.
///
/// # Errors
/// Media that this dialect has no place for.
pub(super) fn encode(request: &Request, losses: &mut Vec<Loss>) -> Result<Vec<Value>, Unsupported> {
    let mut out = Out::new(request, losses);
    for (nth, turn) in request.turns.iter().enumerate() {
        out.at = Whereabouts::turn(nth);
        if turn.name.is_some() {
            out.dropped("name");
        }
        match turn.role {
            Role::System => {
                let text = out.text_only(&turn.blocks);
                out.items.push(json!({ "role": "system", "content": text }));
            }
            Role::User => out.user(turn)?,
            Role::Assistant => out.assistant(turn),
        }
    }
    Ok(out.items)
}

struct Out<'a> {
    items: Vec<Value>,
    losses: &'a mut Vec<Loss>,
    /// The caller wrote in this dialect.
    own: bool,
    /// Whose a seal is, is known: the target takes each that is left.
    proven: bool,
    /// Thinking of models elsewhere has been taken out of the caller's own dialect.
    claimed: bool,
    /// What is being written, for losses.
    at: Whereabouts,
}

impl<'a> Out<'a> {
    fn new(request: &Request, losses: &'a mut Vec<Loss>) -> Self {
        let own = request.dialect == OWN;
        let claimed = request.signatures.are_targets();
        Self { items: Vec::new(), losses, own, proven: own || claimed, claimed, at: Whereabouts::default() }
    }

    fn dropped(&mut self, what: &str) {
        self.losses.push(Loss::dropped(self.at.member(what)));
    }

    /// The whole block has no place.
    fn lost(&mut self) {
        self.losses.push(Loss::dropped(self.at.to_string()));
    }

    /// The block is there in another form.
    fn near(&mut self) {
        self.losses.push(Loss::approximated(self.at.to_string()));
    }

    /// Breakpoints are for the newest models alone, and caching needs none here. Sources elsewhere have another form.
    fn mark(&mut self, block: &Block) {
        if block.cache.is_some() && !self.own {
            self.dropped("cache_control");
        }
        if let BlockKind::Text { citations, .. } = &block.kind
            && !citations.is_empty()
            && !self.own
        {
            self.dropped("citations");
        }
    }

    /// The text of blocks, for places that hold nothing else.
    fn text_only(&mut self, blocks: &[Block]) -> String {
        let mut texts = Vec::new();
        for (nth, block) in blocks.iter().enumerate() {
            self.at.enter(nth);
            self.mark(block);
            match &block.kind {
                BlockKind::Text { text, .. } | BlockKind::Refusal { text } => texts.push(text.as_str()),
                BlockKind::Document(Media { source: MediaSource::Text(text), .. }) => {
                    self.near();
                    texts.push(text.as_str());
                }
                _ => self.lost(),
            }
        }
        texts.join("\n\n")
    }

    /// A user's turn: results are items of their own, and come before what is said, as the calls they answer do.
    fn user(&mut self, turn: &Turn) -> Result<(), Unsupported> {
        let mut said = Vec::new();
        let mut any_item = false;
        for (nth, block) in turn.blocks.iter().enumerate() {
            self.at.enter(nth);
            self.mark(block);
            match &block.kind {
                BlockKind::ToolResult { id, content, is_error, .. } => {
                    any_item = true;
                    let output = self.content(content)?;
                    self.items.push(json!({
                        "type": "function_call_output",
                        "call_id": call_id(id),
                        "output": plain(output),
                    }));
                    if *is_error {
                        self.dropped("is_error");
                    }
                }
                BlockKind::Opaque { dialect, value } if *dialect == OWN && is_item(block, value) => {
                    any_item = true;
                    self.items.push(value.clone());
                }
                _ => said.extend(self.part(block)?),
            }
        }
        if !said.is_empty() || !any_item {
            self.items.push(json!({ "role": "user", "content": plain(said) }));
        }
        Ok(())
    }

    fn content(&mut self, blocks: &[Block]) -> Result<Vec<Value>, Unsupported> {
        let mut parts = Vec::new();
        for (nth, block) in blocks.iter().enumerate() {
            self.at.inner = Some(nth);
            self.mark(block);
            parts.extend(self.part(block)?);
        }
        self.at.inner = None;
        Ok(parts)
    }

    /// A part of what the user says, or of a result; `None` where it is a loss.
    fn part(&mut self, block: &Block) -> Result<Option<Value>, Unsupported> {
        let mut part = match &block.kind {
            BlockKind::Text { text, .. } | BlockKind::Refusal { text } => {
                Some(json!({ "type": "input_text", "text": text }))
            }
            kind => parts::write(kind, self.own, &self.at)?,
        };
        match (&mut part, &block.kind) {
            (None, _) => self.lost(),
            (_, BlockKind::Document(Media { source: MediaSource::Text(_), .. })) => {
                self.near();
            }
            (_, BlockKind::Document(Media { source: MediaSource::Base64(_), name: None, .. })) if !self.own => {
                self.losses.push(Loss::defaulted(self.at.member("filename")));
            }
            (Some(part), _) if self.own && block.cache.is_some() => {
                part["prompt_cache_breakpoint"] = json!({ "mode": "explicit" });
            }
            _ => {}
        }
        Ok(part)
    }

    fn assistant(&mut self, turn: &Turn) {
        let mut said = Vec::new();
        for (nth, block) in turn.blocks.iter().enumerate() {
            self.at.enter(nth);
            self.mark(block);
            match &block.kind {
                BlockKind::Text { text, .. } if text.is_empty() => {}
                BlockKind::Text { text, citations } => {
                    let mut part = json!({ "type": "output_text", "text": text });
                    if self.own && !citations.is_empty() {
                        part["annotations"] = citations.clone().into();
                    }
                    said.push(part);
                }
                BlockKind::Refusal { text } => said.push(json!({ "type": "refusal", "refusal": text })),
                BlockKind::Opaque { dialect, value } if *dialect == OWN && !is_item(block, value) => {
                    said.push(value.clone());
                }
                _ => {
                    self.say(&mut said);
                    self.assistant_item(block);
                }
            }
        }
        self.say(&mut said);
    }

    /// Writes what was said so far as one message.
    fn say(&mut self, said: &mut Vec<Value>) {
        if !said.is_empty() {
            let mut content = plain(std::mem::take(said));
            // A part that says nothing of its sources is none of the specification's.
            for part in content.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
                if part.contains_key("text") && !part.contains_key("annotations") {
                    part.insert("annotations".to_owned(), json!([]));
                }
            }
            self.items.push(json!({ "role": "assistant", "content": content }));
        }
    }

    fn assistant_item(&mut self, block: &Block) {
        match &block.kind {
            BlockKind::ToolCall { id, name, arguments, signature } => {
                let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
                self.items.push(json!({
                    "type": "function_call",
                    "call_id": call_id(id),
                    "name": name,
                    "arguments": arguments,
                }));
                if signature.is_some() {
                    self.dropped("signature");
                }
            }
            // Proven by another vendor's token: nothing a provider of this dialect would take.
            BlockKind::Reasoning { signature: Some(_), redacted: None, .. } => self.lost(),
            BlockKind::Reasoning { text, redacted, .. } => {
                let sealed = redacted.as_deref().filter(|content| self.proven || content.starts_with(SEALED));
                let text = Some(text).filter(|text| !text.is_empty());
                // Thinking without its seal proves nothing, and only the caller's own dialect may have a use for it, where
                // it is not of a model elsewhere.
                if sealed.is_none() && (self.claimed || !self.own || text.is_none()) {
                    return self.lost();
                }
                let summary: Vec<_> =
                    text.map(|text| json!({ "type": "summary_text", "text": text })).into_iter().collect();
                let mut item = json!({ "type": "reasoning", "summary": summary });
                if let Some(content) = seal::of_reasoning(None, sealed) {
                    item["encrypted_content"] = content.into();
                }
                self.items.push(item);
            }
            BlockKind::Opaque { dialect, value } if *dialect == OWN => self.items.push(value.clone()),
            _ => self.lost(),
        }
    }
}

/// An item of the input, not a part of one: `input[2]`, where its place is known, and else what is not called a part.
fn is_item(block: &Block, value: &Value) -> bool {
    if let Some(path) = block.place.path() {
        return !path.contains('.');
    }
    !value.get("type").and_then(Value::as_str).is_some_and(|kind| kind.starts_with("input_"))
}

/// The shorter form where there is only text.
fn plain(mut parts: Vec<Value>) -> Value {
    let is_text = |part: &Value| part.get("type").is_some_and(|kind| kind == "input_text" || kind == "output_text");
    let text = |part: &Value| is_text(part) && part.as_object().is_some_and(|part| part.len() == 2);
    match parts.as_mut_slice() {
        [] => "".into(),
        [part] if text(part) => part.get_mut("text").map_or(Value::Null, Value::take),
        _ => parts.into(),
    }
}

/// An id as the API takes it. A longer one is shortened, the same always to the same, so that a call and its result
/// still meet.
fn call_id(id: &str) -> String {
    if (1..=MAX_CALL_ID).contains(&id.len()) {
        return id.to_owned();
    }
    // FNV-1a: two ids that begin alike stay apart.
    let hash = id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let room = MAX_CALL_ID - 17;
    format!("{}_{hash:016x}", &id[..id.floor_char_boundary(room)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_ids_are_shortened_apart() {
        let (one, other) = (format!("{}1", "x".repeat(90)), format!("{}2", "x".repeat(90)));
        assert_eq!(call_id("call_1"), "call_1");
        assert_eq!(call_id(&one).len(), 64);
        assert_eq!(call_id(&one), call_id(&one));
        assert_ne!(call_id(&one), call_id(&other));
        assert!(!call_id("").is_empty());
    }
}

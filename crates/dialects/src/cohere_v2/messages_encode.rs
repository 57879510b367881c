//! Instructions and turns as messages.

use serde_json::{Map, Value, json};

use super::{OWN, citations, content};
use crate::codec::Unsupported;
use crate::ir::{Block, BlockKind, Media, MediaSource, Request, Role, Turn};
use crate::loss::Loss;
use crate::shared::media::image_url;
use crate::shared::whereabouts::Whereabouts;

/// What stands in a tool's result for pictures, which follow in a message of the user.
const MOVED: &str = "(attached below)";

/// What a request's turns become.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) messages: Vec<Value>,
    /// What the model may cite, beside the conversation.
    pub(super) documents: Vec<Value>,
}

/// Writes the messages. `thinks`: the target's model may be given its thinking back.
///
/// # Errors
/// Media that this dialect has no place for.
pub(super) fn encode(request: &Request, thinks: bool, losses: &mut Vec<Loss>) -> Result<Written, Unsupported> {
    let own = request.dialect == OWN;
    let mut out = Out { messages: Vec::new(), documents: Vec::new(), losses, own, thinks, at: Whereabouts::default() };
    if !request.system.is_empty() {
        out.instructions(&request.system);
    }
    for (nth, turn) in request.turns.iter().enumerate() {
        out.at = Whereabouts::turn(nth);
        if turn.name.is_some() {
            out.dropped("name");
        }
        match turn.role {
            Role::System => out.instructions(&turn.blocks),
            Role::User => out.user(turn)?,
            Role::Assistant => out.assistant(turn),
        }
    }
    if !own && request.turns.last().is_some_and(|turn| turn.role == Role::Assistant) {
        // It is taken as said, not continued.
        out.at.block = None;
        out.near();
    }
    Ok(Written { messages: out.messages, documents: out.documents })
}

struct Out<'a> {
    messages: Vec<Value>,
    documents: Vec<Value>,
    losses: &'a mut Vec<Loss>,
    /// The caller wrote in this dialect.
    own: bool,
    thinks: bool,
    /// What is being written, for losses.
    at: Whereabouts,
}

impl Out<'_> {
    fn dropped(&mut self, what: &str) {
        self.losses.push(Loss::dropped(self.at.member(what)));
    }

    /// The whole block has no place.
    fn lost(&mut self) {
        self.losses.push(Loss::dropped(self.at.to_string()));
    }

    /// What is here is there in another form.
    fn near(&mut self) {
        self.losses.push(Loss::approximated(self.at.to_string()));
    }

    /// Breakpoints mean nothing here: the API caches by itself. Sources it was not given, it cannot cite.
    fn mark(&mut self, block: &Block) {
        if block.cache.is_some() {
            self.dropped("cache_control");
        }
        if let BlockKind::Text { citations, .. } = &block.kind
            && !citations.is_empty()
            && !self.own
        {
            self.dropped("citations");
        }
    }

    /// Instructions, which are text alone.
    fn instructions(&mut self, blocks: &[Block]) {
        let mut parts = Vec::new();
        for (nth, block) in blocks.iter().enumerate() {
            self.at.enter(nth);
            self.mark(block);
            match &block.kind {
                BlockKind::Text { text, .. } => parts.push(text_part(text)),
                BlockKind::Document(Media { source: MediaSource::Text(text), .. }) => {
                    self.near();
                    parts.push(text_part(text));
                }
                _ => self.lost(),
            }
        }
        if !parts.is_empty() {
            self.messages.push(json!({ "role": "system", "content": plain(parts) }));
        }
    }

    /// A user's turn: results first, since they must follow the calls at once.
    fn user(&mut self, turn: &Turn) -> Result<(), Unsupported> {
        let (mut attached, mut said) = (Vec::new(), Vec::new());
        for (nth, block) in turn.blocks.iter().enumerate() {
            self.at.enter(nth);
            self.mark(block);
            if let BlockKind::ToolResult { id, content, is_error, .. } = &block.kind {
                let content = self.result(content, &mut attached)?;
                self.messages.push(json!({ "role": "tool", "tool_call_id": id, "content": content }));
                if *is_error {
                    self.dropped("is_error");
                }
            } else {
                said.extend(self.part(block)?);
            }
        }
        attached.append(&mut said);
        if !attached.is_empty() {
            self.messages.push(json!({ "role": "user", "content": plain(attached) }));
        }
        Ok(())
    }

    /// A result holds texts and documents. Its pictures go to the user's message behind it.
    fn result(&mut self, content: &[Block], attached: &mut Vec<Value>) -> Result<Value, Unsupported> {
        let mut parts = Vec::new();
        for (nth, block) in content.iter().enumerate() {
            self.at.inner = Some(nth);
            self.mark(block);
            match &block.kind {
                BlockKind::Text { text, .. } => parts.push(text_part(text)),
                BlockKind::Document(Media { source: MediaSource::Text(text), name, .. }) => {
                    let document = content::write_document(name.as_deref(), text);
                    parts.push(json!({ "type": "document", "document": document }));
                }
                _ => {
                    if let Some(part) = self.part(block)? {
                        self.near();
                        parts.push(text_part(MOVED));
                        attached.push(part);
                    }
                }
            }
        }
        self.at.inner = None;
        Ok(plain(parts))
    }

    /// A part of a user's message; `None` where it is a document, which stands elsewhere, or a loss.
    fn part(&mut self, block: &Block) -> Result<Option<Value>, Unsupported> {
        Ok(match &block.kind {
            BlockKind::Text { text, .. } => Some(text_part(text)),
            BlockKind::Image(media) => Some(self.image(media)?),
            BlockKind::Document(Media { source: MediaSource::Text(text), name, .. }) => {
                self.documents.push(content::write_document(name.as_deref(), text));
                if !self.own {
                    self.near();
                }
                None
            }
            BlockKind::Document(_) => {
                return Err(self.unsupported("the target takes documents as text only"));
            }
            BlockKind::Audio(_) => return Err(self.unsupported("the target takes no audio")),
            BlockKind::Opaque { dialect, value } if *dialect == OWN => Some(value.clone()),
            BlockKind::Refusal { .. }
            | BlockKind::Reasoning { .. }
            | BlockKind::ToolCall { .. }
            | BlockKind::ToolResult { .. }
            | BlockKind::Opaque { .. } => {
                self.lost();
                None
            }
        })
    }

    fn unsupported(&self, reason: &str) -> Unsupported {
        Unsupported { field: self.at.to_string(), reason: reason.to_owned() }
    }

    fn image(&self, media: &Media) -> Result<Value, Unsupported> {
        let mut image = json!({ "url": image_url(media)
            .ok_or_else(|| self.unsupported("the target takes images by URL or inline only"))? });
        if let Some(detail) = &media.detail {
            image["detail"] = detail.as_str().into();
        }
        Ok(json!({ "type": "image_url", "image_url": image }))
    }

    fn assistant(&mut self, turn: &Turn) {
        let mut said = Said::default();
        for (nth, block) in turn.blocks.iter().enumerate() {
            self.at.enter(nth);
            self.mark(block);
            match &block.kind {
                BlockKind::Text { text, citations } => {
                    said.plan.push_str(text);
                    said.parts.push(text_part(text));
                    self.sources(citations, &mut said);
                }
                BlockKind::Refusal { text } => {
                    said.plan.push_str(text);
                    said.parts.push(text_part(text));
                }
                BlockKind::ToolCall { id, name, arguments, signature } => {
                    let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
                    let function = json!({ "name": name, "arguments": arguments });
                    said.calls.push(json!({ "id": id, "type": "function", "function": function }));
                    if signature.is_some() {
                        self.dropped("signature");
                    }
                }
                BlockKind::Reasoning { text, signature, redacted } => {
                    if self.thinks && !text.is_empty() {
                        said.thinking.push(json!({ "type": "thinking", "thinking": text }));
                    }
                    if !self.thinks || signature.is_some() || redacted.is_some() {
                        self.lost();
                    }
                }
                BlockKind::Opaque { dialect, value } if *dialect == OWN => said.parts.push(value.clone()),
                BlockKind::Image(_)
                | BlockKind::Document(_)
                | BlockKind::Audio(_)
                | BlockKind::ToolResult { .. }
                | BlockKind::Opaque { .. } => self.lost(),
            }
        }
        self.messages.extend(said.message());
    }

    fn sources(&mut self, citations: &[Value], said: &mut Said) {
        let at = u32::try_from(said.thinking.len() + said.parts.len()).unwrap_or(1) - 1;
        let ours = if self.own { citations } else { &[] };
        for citation in ours {
            match citations::write(citation, at, "") {
                Some(citation) => said.citations.push(citation),
                None => self.dropped("citations"),
            }
        }
    }
}

/// What the model said in one turn.
#[derive(Default)]
struct Said {
    thinking: Vec<Value>,
    parts: Vec<Value>,
    citations: Vec<Value>,
    /// The text again: beside calls it is what the model planned to do with them.
    plan: String,
    calls: Vec<Value>,
}

impl Said {
    fn message(self) -> Option<Value> {
        let mut message = Map::from_iter([("role".to_owned(), "assistant".into())]);
        let mut parts = self.thinking;
        if self.calls.is_empty() {
            parts.extend(self.parts);
        } else {
            if !self.plan.is_empty() {
                message.insert("tool_plan".to_owned(), self.plan.into());
            }
            message.insert("tool_calls".to_owned(), self.calls.into());
        }
        if !parts.is_empty() {
            message.insert("content".to_owned(), plain(parts));
        }
        if !self.citations.is_empty() {
            message.insert("citations".to_owned(), self.citations.into());
        }
        // A turn of which nothing can be told is none.
        (message.len() > 1).then_some(Value::Object(message))
    }
}

fn text_part(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

/// The shorter form where there is only text.
fn plain(mut parts: Vec<Value>) -> Value {
    let only_text = parts.len() == 1 && parts[0].get("type").is_some_and(|kind| kind == "text");
    match parts.first_mut() {
        None => "".into(),
        Some(part) if only_text => part.get_mut("text").map_or(Value::Null, Value::take),
        Some(_) => parts.into(),
    }
}

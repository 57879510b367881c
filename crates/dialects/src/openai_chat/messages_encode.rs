//! Instructions and turns as messages.

use ringmain_core::Dialect;
use serde_json::{Map, Value, json};

use crate::codec::Unsupported;
use crate::ir::{Block, BlockKind, Media, MediaSource, Request, Role, Turn};
use crate::loss::Loss;
use crate::shared::media::{image_url, titled};
use crate::shared::whereabouts::Whereabouts;

/// The dialect whose opaque blocks go back as they are.
pub(super) const OWN: Dialect = Dialect::OpenAiChat;
/// A file's name where the caller gave none; one is demanded.
const FILE_NAME: &str = "document.pdf";
/// What stands in a tool's result for media, which follow in a message of the user.
const MOVED: &str = "(attached below)";

/// Writes the messages.
///
/// # Errors
/// Media that this dialect has no place for.
pub(super) fn encode(request: &Request, losses: &mut Vec<Loss>) -> Result<Vec<Value>, Unsupported> {
    let mut out = Out { messages: Vec::new(), losses, own: request.dialect == OWN, at: Whereabouts::default() };
    if !request.system.is_empty() {
        let content = out.text_only(&request.system, "\n\n");
        out.messages.push(json!({ "role": "system", "content": content }));
    }
    for (nth, turn) in request.turns.iter().enumerate() {
        out.at = Whereabouts::turn(nth);
        match turn.role {
            Role::System => {
                let content = out.text_only(&turn.blocks, "\n\n");
                out.push("system", content.into(), turn, Vec::new());
            }
            Role::User => out.user(turn)?,
            Role::Assistant => out.assistant(turn),
        }
    }
    Ok(out.messages)
}

struct Out<'a> {
    messages: Vec<Value>,
    losses: &'a mut Vec<Loss>,
    /// The caller wrote in this dialect.
    own: bool,
    /// What is being written, for losses.
    at: Whereabouts,
}

impl Out<'_> {
    fn push(&mut self, role: &str, content: Value, turn: &Turn, more: Vec<(&str, Value)>) {
        let mut message = Map::new();
        message.insert("role".to_owned(), role.into());
        message.insert("content".to_owned(), content);
        if let Some(name) = &turn.name {
            message.insert("name".to_owned(), name.as_str().into());
        }
        message.extend(more.into_iter().map(|(field, value)| (field.to_owned(), value)));
        self.messages.push(message.into());
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

    /// Breakpoints mean nothing here: OpenAI caches by itself. Nor do sources of what was said before.
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

    /// The text of blocks, for places that hold nothing else.
    fn text_only(&mut self, blocks: &[Block], between: &str) -> String {
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
        texts.join(between)
    }

    /// A user's turn: results first, since they must follow the calls at once.
    fn user(&mut self, turn: &Turn) -> Result<(), Unsupported> {
        let mut attached = Vec::new();
        let mut said = Vec::new();
        let mut any_result = false;
        for (nth, block) in turn.blocks.iter().enumerate() {
            self.at.enter(nth);
            if let BlockKind::ToolResult { id, content, is_error, .. } = &block.kind {
                any_result = true;
                self.mark(block);
                let text = self.result(content, &mut attached)?;
                self.messages.push(json!({ "role": "tool", "tool_call_id": id, "content": text }));
                if *is_error {
                    self.dropped("is_error");
                }
            } else {
                self.mark(block);
                said.extend(self.part(block)?);
            }
        }
        attached.append(&mut said);
        if !attached.is_empty() || !any_result {
            let content = plain(attached);
            self.push("user", content, turn, Vec::new());
        }
        Ok(())
    }

    /// A result's text. Its media go to the user's message behind it: the nearest place that takes them.
    fn result(&mut self, content: &[Block], attached: &mut Vec<Value>) -> Result<String, Unsupported> {
        let mut texts = Vec::new();
        for (nth, block) in content.iter().enumerate() {
            self.at.inner = Some(nth);
            self.mark(block);
            if let BlockKind::Text { text, .. } = &block.kind {
                texts.push(text.clone());
            } else {
                let part = self.part(block)?;
                if part.is_some() {
                    self.near();
                    texts.push(MOVED.to_owned());
                }
                attached.extend(part);
            }
        }
        self.at.inner = None;
        Ok(texts.join("\n"))
    }

    /// A part of a user's message; `None` where it is a loss.
    fn part(&mut self, block: &Block) -> Result<Option<Value>, Unsupported> {
        Ok(match &block.kind {
            BlockKind::Text { text, .. } => Some(json!({ "type": "text", "text": text })),
            BlockKind::Image(media) => Some(self.image(media)?),
            BlockKind::Audio(media) => Some(self.audio(media)?),
            BlockKind::Document(media) => Some(self.document(media)?),
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

    fn audio(&self, media: &Media) -> Result<Value, Unsupported> {
        let data = match &media.source {
            MediaSource::Base64(data) => data,
            MediaSource::Url(url) if self.own => url,
            _ => return Err(self.unsupported("the target takes audio inline only")),
        };
        let subtype = media.media_type.as_deref().and_then(|kind| kind.split('/').nth(1)).unwrap_or("wav");
        let format = match subtype {
            "mpeg" | "mp3" => "mp3",
            "wav" | "x-wav" | "wave" => "wav",
            other => other,
        };
        Ok(json!({ "type": "input_audio", "input_audio": { "data": data, "format": format } }))
    }

    fn document(&mut self, media: &Media) -> Result<Value, Unsupported> {
        let mut file = Map::new();
        match &media.source {
            MediaSource::File { dialect, id } if *dialect == OWN => {
                file.insert("file_id".to_owned(), id.as_str().into());
            }
            MediaSource::File { .. } => {
                return Err(self.unsupported("the file was uploaded to another provider"));
            }
            // Not OpenAI's, but some servers' of this dialect: for callers who wrote it in this dialect.
            MediaSource::Url(url) if self.own => {
                file.insert("file_data".to_owned(), url.as_str().into());
            }
            MediaSource::Url(_) => {
                return Err(self.unsupported("the target takes documents inline only"));
            }
            MediaSource::Text(text) => {
                self.near();
                return Ok(json!({ "type": "text", "text": titled(media.name.as_deref(), text) }));
            }
            MediaSource::Base64(data) => {
                let kind = media.media_type.as_deref().unwrap_or("application/pdf");
                file.insert("file_data".to_owned(), format!("data:{kind};base64,{data}").into());
                if media.name.is_none() && !self.own {
                    self.losses.push(Loss::defaulted(self.at.member("filename")));
                    file.insert("filename".to_owned(), FILE_NAME.into());
                }
            }
        }
        if let Some(name) = &media.name {
            file.insert("filename".to_owned(), name.as_str().into());
        }
        Ok(json!({ "type": "file", "file": file }))
    }

    fn assistant(&mut self, turn: &Turn) {
        let (mut text, mut refusal, mut calls) = (String::new(), String::new(), Vec::new());
        for (nth, block) in turn.blocks.iter().enumerate() {
            self.at.enter(nth);
            self.mark(block);
            match &block.kind {
                BlockKind::Text { text: more, .. } => text.push_str(more),
                BlockKind::Refusal { text: more } => refusal.push_str(more),
                BlockKind::ToolCall { id, name, arguments, signature } => {
                    let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
                    let function = json!({ "name": name, "arguments": arguments });
                    calls.push(json!({ "id": id, "type": "function", "function": function }));
                    if signature.is_some() {
                        self.dropped("signature");
                    }
                }
                BlockKind::Opaque { dialect, value } if *dialect == OWN && value.get("custom").is_some() => {
                    calls.push(value.clone());
                }
                // Most servers of this dialect refuse thinking that comes back, and none can check it.
                BlockKind::Reasoning { .. } => self.lost(),
                BlockKind::Image(_)
                | BlockKind::Document(_)
                | BlockKind::Audio(_)
                | BlockKind::ToolResult { .. }
                | BlockKind::Opaque { .. } => self.lost(),
            }
        }
        let silent = text.is_empty() && (!calls.is_empty() || !refusal.is_empty());
        if text.is_empty() && !silent && !self.own {
            // A turn of which nothing can be told is none.
            return;
        }
        let content = if silent { Value::Null } else { text.into() };
        let mut more: Vec<(&str, Value)> = Vec::new();
        if !refusal.is_empty() {
            more.push(("refusal", refusal.into()));
        }
        if !calls.is_empty() {
            more.push(("tool_calls", calls.into()));
        }
        self.push("assistant", content, turn, more);
    }
}

/// The shorter form where there is only text: every server takes it.
fn plain(mut parts: Vec<Value>) -> Value {
    let only_text = parts.len() == 1 && parts[0].as_object().is_some_and(|part| part.len() == 2);
    match parts.first_mut() {
        None => "".into(),
        Some(part) if only_text && part.get("type").is_some_and(|kind| kind == "text") => {
            part.get_mut("text").map_or(Value::Null, Value::take)
        }
        Some(_) => parts.into(),
    }
}

//! A whole answer.

use serde_json::{Value, json};

use super::names::{document, elements, field};
use super::parts::{Piece, made_up_id, read, signature_block};
use super::{finish, logprobs, usage};
use crate::codec::Malformed;
use crate::ir::{Block, BlockKind, Extra, Finish, Response};
use crate::loss::Loss;
use crate::shared::fields::Fields;

pub(super) fn decode(body: &[u8]) -> Result<Response, Malformed> {
    let mut fields = document(body)?;
    if fields.peek("error").is_some() {
        return Err(Malformed::new("error", "an error with a success status"));
    }
    let mut response = Response {
        id: fields.string("responseId")?.unwrap_or_default(),
        model: fields.string("modelVersion")?.unwrap_or_default(),
        usage: fields.value("usageMetadata").as_ref().and_then(usage::decode),
        finish: Finish::Other(finish::UNSPECIFIED.to_owned()),
        ..Response::default()
    };
    if is_blocked(&mut fields)? {
        response.finish = Finish::Refusal;
    }
    let mut rest = Vec::new();
    let mut candidates = elements(&mut fields, "candidates")?.into_iter();
    if let Some((path, candidate)) = candidates.next() {
        read_candidate(&mut response, super::names::object(path, candidate)?, &mut rest)?;
    }
    if candidates.next().is_some() {
        response.losses.push(Loss::dropped("candidates[1]"));
    }
    rest.extend(fields.rest());
    let carried = |field: &Extra| !is_bookkeeping(&field.field);
    response.losses.extend(rest.into_iter().filter(carried).map(|extra| Loss::dropped(extra.field)));
    Ok(response)
}

/// Did a filter stop the prompt, so that there is no candidate?
pub(super) fn is_blocked(fields: &mut Fields) -> Result<bool, Malformed> {
    let Some(mut feedback) = field(fields, "promptFeedback")? else { return Ok(false) };
    Ok(feedback.value("blockReason").is_some_and(|reason| reason != 0))
}

/// Says nothing of the answer.
pub(super) fn is_bookkeeping(field: &str) -> bool {
    matches!(
        field.rsplit('.').next().unwrap_or_default(),
        "createTime"
            | "index"
            | "role"
            | "modelStatus"
            | "tokenCount"
            | "finishMessage"
            | "safetyRatings"
            | "avgLogprobs"
    )
}

fn read_candidate(response: &mut Response, mut candidate: Fields, rest: &mut Vec<Extra>) -> Result<(), Malformed> {
    let mut gather = Gather { scope: response.id.clone(), ..Gather::default() };
    if let Some(mut content) = field(&mut candidate, "content")? {
        for (path, part) in elements(&mut content, "parts")? {
            gather.take(read(&path, part, rest)?);
        }
    }
    for citation in sources(&mut candidate) {
        gather.cite(citation);
    }
    response.logprobs = logprobs::take(&mut candidate, rest);
    if let Some(word) = candidate.value("finishReason").as_ref().and_then(finish::word) {
        response.finish = finish::decode(&word, gather.calls > 0);
    }
    response.blocks = gather.blocks;
    rest.extend(candidate.rest());
    Ok(())
}

/// The sources a candidate names, each under its field's name.
pub(super) fn sources(candidate: &mut Fields) -> Vec<Value> {
    let mut sources = Vec::new();
    for name in ["groundingMetadata", "citationMetadata", "urlContextMetadata"] {
        if let Some(Value::Object(metadata)) = candidate.value(name)
            && !metadata.is_empty()
        {
            sources.push(json!({ name: metadata }));
        }
    }
    sources
}

/// Parts becoming blocks. Text parts that follow each other are one block: streams cut text anywhere.
#[derive(Default)]
struct Gather {
    blocks: Vec<Block>,
    scope: String,
    calls: usize,
    /// The last block is a text or thought that goes on.
    open: bool,
}

impl Gather {
    fn take(&mut self, piece: Piece) {
        match piece {
            Piece::Text { text, thought: false, signature } => {
                self.text(text);
                if let Some(signature) = signature {
                    self.push(signature_block(signature), false);
                }
            }
            Piece::Text { text, thought: true, signature } => self.thought(text, signature),
            Piece::Call { id, name, arguments, signature } => {
                let id = id.unwrap_or_else(|| made_up_id(&self.scope, self.calls));
                self.calls += 1;
                self.push(BlockKind::ToolCall { id, name, arguments, signature }.into(), false);
            }
            Piece::Whole { block, signature } => {
                self.push(block, false);
                self.blocks.extend(signature.map(signature_block));
            }
            // Only a request can hold it.
            Piece::Result { .. } => {}
        }
    }

    fn push(&mut self, block: Block, open: bool) {
        self.blocks.push(block);
        self.open = open;
    }

    fn last(&mut self) -> Option<&mut BlockKind> {
        if self.open { self.blocks.last_mut().map(|block| &mut block.kind) } else { None }
    }

    fn text(&mut self, more: String) {
        match self.last() {
            _ if more.is_empty() => {}
            Some(BlockKind::Text { text, .. }) => text.push_str(&more),
            _ => self.push(Block::text(more), true),
        }
    }

    fn thought(&mut self, more: String, signed: Option<String>) {
        let is_signed = signed.is_some();
        match self.last() {
            _ if more.is_empty() && !is_signed => return,
            Some(BlockKind::Reasoning { text, signature, .. }) => {
                text.push_str(&more);
                *signature = signed;
            }
            _ => self.push(BlockKind::Reasoning { text: more, signature: signed, redacted: None }.into(), true),
        }
        // A signed part may not grow.
        self.open = !is_signed;
    }

    fn cite(&mut self, citation: Value) {
        let text = self.blocks.iter_mut().rev().find_map(|block| match &mut block.kind {
            BlockKind::Text { citations, .. } => Some(citations),
            _ => None,
        });
        if let Some(citations) = text {
            citations.push(citation);
        } else {
            let kind = BlockKind::Opaque { dialect: ringmain_core::Dialect::Gemini, value: citation };
            self.push(kind.into(), false);
        }
    }
}

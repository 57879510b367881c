//! A streamed answer: each chunk is an answer of its own, with more parts of the same candidate.

use serde_json::Value;

use super::names::{document, elements, field, object};
use super::parts::{Piece, made_up_id, read, signature_block};
use super::plain_chunk::PlainChunk;
use super::response_decode::{is_blocked, is_bookkeeping, sources};
use super::usage::Counts;
use super::{fault, finish, logprobs, usage};
use crate::codec::{Cut, Malformed, StreamDecoder};
use crate::ir::{Block, BlockHead, BlockKind, Delta, Event, Extra, Finish, TokenLogprob};
use crate::loss::{Loss, Losses};
use crate::shared::borrowed::Text;
use crate::shared::fields::Fields;

#[derive(Debug, Default)]
pub(super) struct Decoder {
    started: bool,
    ended: bool,
    /// The answer's id, for ids of calls.
    scope: String,
    /// The index of the next block.
    next: u32,
    open: Option<Open>,
    calls: usize,
    /// The reason to stop. Usage may follow it, so the answer ends when the stream does.
    reason: Option<String>,
    refused: bool,
    useful: bool,
    losses: Losses,
}

/// The block that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Text,
    Thought,
}

impl StreamDecoder for Decoder {
    fn event(&mut self, _name: Option<&str>, data: &[u8], out: &mut Vec<Event>) -> Result<(), Malformed> {
        if self.ended {
            return Ok(());
        }
        if let Some(chunk) = PlainChunk::read(data) {
            self.plain(&chunk, out);
            return Ok(());
        }
        let mut chunk = document(data)?;
        if let Some(error) = chunk.value("error") {
            self.ended = true;
            out.push(Event::Error(Box::new(fault::of_chunk(&error))));
            return Ok(());
        }
        // All of the chunk is read before any of it is told: a chunk that is not readable leaves no trace.
        let (id, model) = (chunk.string("responseId")?, chunk.string("modelVersion")?);
        let blocked = is_blocked(&mut chunk)?;
        let used = chunk.value("usageMetadata").as_ref().and_then(usage::decode);
        let (first, others): (Vec<_>, Vec<_>) =
            elements(&mut chunk, "candidates")?.into_iter().partition(|(_, candidate)| is_first(candidate));
        let first = first.into_iter().next();
        let candidate = first.map(|(path, candidate)| Candidate::read(object(path, candidate)?)).transpose()?;
        self.losses.extend((!others.is_empty()).then(|| Loss::dropped("candidates[1]")));
        self.losses.extend(unsaid(chunk.rest()));

        self.start(id, model, out);
        self.refused |= blocked;
        if let Some(candidate) = candidate {
            self.candidate(candidate, out);
        }
        out.extend(used.map(Event::Usage));
        Ok(())
    }

    fn end(&mut self, lenient: bool, out: &mut Vec<Event>) -> Result<(), Cut> {
        if self.ended {
            return Ok(());
        }
        let finish = match &self.reason {
            _ if self.refused => Finish::Refusal,
            Some(word) => finish::decode(word, self.calls > 0),
            None if lenient && self.useful => finish::decode("STOP", self.calls > 0),
            None => return Err(Cut),
        };
        self.close(out);
        self.ended = true;
        out.push(Event::Finish(finish));
        Ok(())
    }

    fn take_losses(&mut self) -> Vec<Loss> {
        self.losses.take()
    }
}

/// What is left of a chunk and says something.
fn unsaid(rest: Vec<Extra>) -> impl Iterator<Item = Loss> {
    rest.into_iter().filter(|extra| !is_bookkeeping(&extra.field)).map(|extra| Loss::dropped(extra.field))
}

fn is_first(candidate: &Value) -> bool {
    candidate.get("index").is_none_or(|index| *index == 0)
}

/// What a chunk says of the first candidate.
struct Candidate {
    pieces: Vec<Piece>,
    sources: Vec<Value>,
    reason: Option<String>,
    logprobs: Vec<TokenLogprob>,
    /// What no event has a place for.
    rest: Vec<Extra>,
}

impl Candidate {
    fn read(mut fields: Fields) -> Result<Self, Malformed> {
        let (mut pieces, mut rest) = (Vec::new(), Vec::new());
        if let Some(mut content) = field(&mut fields, "content")? {
            for (path, part) in elements(&mut content, "parts")? {
                pieces.push(read(&path, part, &mut rest)?);
            }
        }
        let sources = sources(&mut fields);
        let reason = fields.value("finishReason").as_ref().and_then(finish::word);
        let logprobs = logprobs::take(&mut fields, &mut rest);
        rest.extend(fields.rest());
        Ok(Self { pieces, sources, reason, logprobs, rest })
    }
}

impl Decoder {
    fn start(&mut self, id: Option<String>, model: Option<String>, out: &mut Vec<Event>) {
        if !self.started {
            self.started = true;
            self.scope = id.unwrap_or_default();
            out.push(Event::Start { id: self.scope.clone(), model: model.unwrap_or_default(), created: None });
        }
    }

    fn plain(&mut self, chunk: &PlainChunk<'_>, out: &mut Vec<Event>) {
        if !self.started {
            let said = |text: &Option<Text<'_>>| text.as_ref().map(|text| text.0.clone().into_owned());
            self.start(said(&chunk.response_id), said(&chunk.model_version), out);
        }
        self.text(chunk.text().to_owned(), false, None, &mut Vec::new(), out);
        out.extend(chunk.usage_metadata.as_ref().and_then(Counts::usage).map(Event::Usage));
    }

    fn candidate(&mut self, mut candidate: Candidate, out: &mut Vec<Event>) {
        self.losses.extend(unsaid(candidate.rest));
        if !candidate.logprobs.is_empty() {
            out.push(Event::Logprobs(candidate.logprobs));
        }
        for piece in candidate.pieces {
            self.piece(piece, &mut candidate.sources, out);
        }
        for source in candidate.sources {
            self.cite(source, out);
        }
        // Zero is the number of no reason.
        self.reason = candidate.reason.filter(|word| word != finish::UNSPECIFIED).or_else(|| self.reason.take());
    }

    fn piece(&mut self, piece: Piece, sources: &mut Vec<Value>, out: &mut Vec<Event>) {
        match piece {
            Piece::Text { text, thought, signature } => self.text(text, thought, signature, sources, out),
            Piece::Call { id, name, arguments, signature } => {
                self.close(out);
                let id = id.unwrap_or_else(|| made_up_id(&self.scope, self.calls));
                self.calls += 1;
                self.useful = true;
                let index = self.begin(BlockHead::ToolCall { id, name }, out);
                let signature = signature.map(Delta::Signature);
                let deltas = signature.into_iter().chain([Delta::Arguments(arguments)]);
                out.extend(deltas.map(|delta| Event::Delta { index, delta }));
                out.push(Event::BlockStop { index });
            }
            Piece::Whole { block, signature } => {
                self.close(out);
                self.whole(block, out);
                if let Some(signature) = signature {
                    self.whole(signature_block(signature), out);
                }
            }
            // Only a request can hold it.
            Piece::Result { .. } => {}
        }
    }

    fn text(
        &mut self,
        text: String,
        thought: bool,
        signature: Option<String>,
        sources: &mut Vec<Value>,
        out: &mut Vec<Event>,
    ) {
        self.useful |= !text.is_empty();
        if !text.is_empty() || (thought && signature.is_some()) {
            let (kind, head) =
                if thought { (Open::Thought, BlockHead::Reasoning) } else { (Open::Text, BlockHead::Text) };
            if self.open != Some(kind) {
                self.close(out);
                self.begin(head, out);
                self.open = Some(kind);
            }
            let index = self.next - 1;
            if !text.is_empty() {
                let delta = if thought { Delta::Reasoning(text) } else { Delta::Text(text) };
                out.push(Event::Delta { index, delta });
            }
            if let Some(signature) = signature.as_ref().filter(|_| thought) {
                out.push(Event::Delta { index, delta: Delta::Signature(signature.clone()) });
                self.close(out);
            }
        }
        if let Some(signature) = signature.filter(|_| !thought) {
            // The sources belong to the text before the signature that ends it.
            if self.open == Some(Open::Text) {
                for source in sources.drain(..) {
                    self.cite(source, out);
                }
            }
            self.close(out);
            let index = self.begin(BlockHead::Reasoning, out);
            out.push(Event::Delta { index, delta: Delta::Signature(signature) });
            out.push(Event::BlockStop { index });
        }
    }

    fn cite(&mut self, source: Value, out: &mut Vec<Event>) {
        if self.open == Some(Open::Text) {
            out.push(Event::Delta { index: self.next - 1, delta: Delta::Citation(source) });
        } else {
            self.close(out);
            let kind = BlockKind::Opaque { dialect: ringmain_core::Dialect::Gemini, value: source };
            self.whole(kind.into(), out);
        }
    }

    fn begin(&mut self, head: BlockHead, out: &mut Vec<Event>) -> u32 {
        let index = self.next;
        self.next += 1;
        out.push(Event::BlockStart { index, head });
        index
    }

    fn whole(&mut self, block: Block, out: &mut Vec<Event>) {
        self.useful |= !matches!(block.kind, BlockKind::Reasoning { .. });
        let index = self.begin(BlockHead::Whole(Box::new(block)), out);
        out.push(Event::BlockStop { index });
    }

    fn close(&mut self, out: &mut Vec<Event>) {
        if self.open.take().is_some() {
            out.push(Event::BlockStop { index: self.next - 1 });
        }
    }
}

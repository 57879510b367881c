//! A provider's stream to events.

use std::borrow::Cow;

use ringmain_core::{Fault, FaultClass, Loss, Losses, Origin, Phase, Usage};
use serde_json::value::RawValue;

use crate::codec::{Cut, Malformed, StreamDecoder};
use crate::ir::{Block, BlockHead, BlockKind, Delta, Event, Finish, Value};

use super::calls::{Blocks, Calls};
use super::chunk::{self, Choice, Chunk};
use super::{fault, finish, parts, response_decode};

/// The end of every whole stream.
pub(super) const DONE: &[u8] = b"[DONE]";

/// Reads one stream.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    started: bool,
    ended: bool,
    id: String,
    next_index: u32,
    /// The block that text of its kind goes to; tool calls have their own book.
    open: Option<(u32, Kind)>,
    calls: Calls,
    usage: Option<Usage>,
    finish: Option<Finish>,
    /// The chunk came that has nothing but the usage.
    counted: bool,
    /// Sources named beside the answer, for its text.
    sources: Vec<Value>,
    losses: Losses,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Reasoning,
    Refusal,
}

impl StreamDecoder for Decoder {
    fn event(&mut self, name: Option<&str>, data: &[u8], out: &mut Vec<Event>) -> Result<(), Malformed> {
        let data = data.trim_ascii();
        if self.ended || data.is_empty() {
            return Ok(());
        }
        if data == DONE {
            // Without a reason to stop the marker proves nothing: some servers write it after a cut too. But none of
            // them counts tokens first; Snowflake does, and gives no reason.
            let whole = self.finish.is_some() || self.counted && self.presumed_whole();
            return if whole { self.finish(out) } else { Ok(()) };
        }
        let chunk = Chunk::parse(data)?;
        if chunk.error.is_some() || name == Some("error") {
            self.usage(&chunk, out);
            self.fail(fault::of_stream(data, self.phase()), out);
            return Ok(());
        }
        let choices = chunk.choices.as_deref().unwrap_or_default();
        if !choices.is_empty() {
            self.start(&chunk, out);
        }
        if self.sources.is_empty() && (chunk.search_results.is_some() || chunk.citations.is_some()) {
            self.sources =
                response_decode::sources(chunk.search_results.map(chunk::value), chunk.citations.map(chunk::value));
        }
        if choices.iter().any(|choice| choice.index.unwrap_or(0) != 0) {
            self.losses.add(Loss::dropped("choices[1]"));
        }
        let read = choices.iter().filter(|choice| choice.index.unwrap_or(0) == 0).try_for_each(|choice| {
            // A chunk may hold several pieces of the answer, and one of them its end.
            if self.ended {
                return Ok(());
            }
            let read = self.choice(choice, out);
            self.reason(choice, out);
            read
        });
        if !self.ended {
            self.usage(&chunk, out);
            self.counted |= choices.is_empty() && self.usage.is_some();
        }
        read
    }

    fn end(&mut self, lenient: bool, out: &mut Vec<Event>) -> Result<(), Cut> {
        if self.ended {
            return Ok(());
        }
        if self.finish.is_none() && !(lenient && self.presumed_whole()) {
            return Err(Cut);
        }
        // A call without a name has become an error event by then: terminal as well.
        let _reported = self.finish(out);
        Ok(())
    }

    fn take_losses(&mut self) -> Vec<Loss> {
        self.losses.take()
    }
}

impl Decoder {
    fn start(&mut self, chunk: &Chunk<'_>, out: &mut Vec<Event>) {
        if self.started {
            return;
        }
        self.started = true;
        let word = |raw: Option<&RawValue>| {
            raw.and_then(|raw| chunk::text_or_json(raw).ok()).map(Cow::into_owned).unwrap_or_default()
        };
        self.id = word(chunk.id);
        let created = chunk.created.and_then(|raw| response_decode::seconds(raw.get()));
        out.push(Event::Start { id: self.id.clone(), model: word(chunk.model), created });
    }

    fn choice(&mut self, choice: &Choice<'_>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        if let Some((tokens, lost)) = choice.logprobs.map(chunk::logprobs) {
            self.losses.extend(lost);
            out.extend((!tokens.is_empty()).then_some(Event::Logprobs(tokens)));
        }
        let Some(delta) = choice.delta() else { return Ok(()) };
        self.losses.extend(delta.unsaid().map(|name| Loss::dropped(format!("choices[0].message.{name}"))));
        self.text(Kind::Reasoning, &delta.reasoning()?, out);
        if let Some(content) = delta.content {
            self.content(content, out)?;
        }
        if let Some(refusal) = delta.refusal {
            self.text(Kind::Refusal, &chunk::text_or_json(refusal)?, out);
        }
        if let Some(audio) = delta.audio {
            self.text(Kind::Text, &chunk::transcript(audio), out);
        }
        for annotation in response_decode::items(delta.annotations) {
            let index = self.open(Kind::Text, out);
            out.push(Event::Delta { index, delta: Delta::Citation(annotation) });
        }
        for image in response_decode::items(delta.images) {
            if let Some(block) = parts::image(image) {
                self.whole(block, out);
            }
        }
        for call in delta.tool_calls.as_deref().unwrap_or_default() {
            self.close_text(out);
            let mut blocks = Blocks { next_index: &mut self.next_index, response_id: &self.id, out };
            self.calls.piece(call, &mut blocks)?;
        }
        if let Some(function) = delta.function_call.as_ref().filter(|call| !call.is_blank()) {
            self.close_text(out);
            let mut blocks = Blocks { next_index: &mut self.next_index, response_id: &self.id, out };
            self.calls.function(function, &mut blocks)?;
        }
        Ok(())
    }

    fn content(&mut self, content: &RawValue, out: &mut Vec<Event>) -> Result<(), Malformed> {
        if !content.get().starts_with('[') {
            self.text(Kind::Text, &chunk::text_or_json(content)?, out);
            return Ok(());
        }
        let mut rest = Vec::new();
        let blocks = parts::read(chunk::value(content), "choices[0].message.content", &mut rest)?;
        self.losses.extend(rest.into_iter().map(|extra| Loss::dropped(extra.field)));
        for block in blocks {
            match block.kind {
                BlockKind::Text { text, citations } => {
                    self.text(Kind::Text, &text, out);
                    for citation in citations {
                        let index = self.open(Kind::Text, out);
                        out.push(Event::Delta { index, delta: Delta::Citation(citation) });
                    }
                }
                BlockKind::Reasoning { text, .. } => self.text(Kind::Reasoning, &text, out),
                BlockKind::Refusal { text } => self.text(Kind::Refusal, &text, out),
                _ => self.whole(block, out),
            }
        }
        Ok(())
    }

    fn text(&mut self, kind: Kind, text: &str, out: &mut Vec<Event>) {
        if text.is_empty() {
            return;
        }
        let index = self.open(kind, out);
        let text = text.to_owned();
        let delta = match kind {
            Kind::Text => Delta::Text(text),
            Kind::Reasoning => Delta::Reasoning(text),
            Kind::Refusal => Delta::Refusal(text),
        };
        out.push(Event::Delta { index, delta });
    }

    /// The open block of this kind; another one is closed for it.
    fn open(&mut self, kind: Kind, out: &mut Vec<Event>) -> u32 {
        if let Some((index, _)) = self.open.filter(|(_, open)| *open == kind) {
            return index;
        }
        self.close_text(out);
        let mut blocks = Blocks { next_index: &mut self.next_index, response_id: &self.id, out };
        self.calls.close_complete(&mut blocks);
        let head = match kind {
            Kind::Text => BlockHead::Text,
            Kind::Reasoning => BlockHead::Reasoning,
            Kind::Refusal => BlockHead::Refusal,
        };
        let index = self.begin(head, out);
        self.open = Some((index, kind));
        index
    }

    fn close_text(&mut self, out: &mut Vec<Event>) {
        if let Some((index, _)) = self.open.take() {
            out.push(Event::BlockStop { index });
        }
    }

    fn whole(&mut self, block: Block, out: &mut Vec<Event>) {
        self.close_text(out);
        let index = self.begin(BlockHead::Whole(Box::new(block)), out);
        out.push(Event::BlockStop { index });
    }

    fn begin(&mut self, head: BlockHead, out: &mut Vec<Event>) -> u32 {
        let index = self.next_index;
        self.next_index += 1;
        out.push(Event::BlockStart { index, head });
        index
    }

    fn reason(&mut self, choice: &Choice<'_>, out: &mut Vec<Event>) {
        match choice.finish_reason() {
            None => {}
            Some(finish::BROKEN) => self.fail(broken(self.phase()), out),
            Some(word) => self.finish = Some(finish::read(word)),
        }
    }

    fn usage(&mut self, chunk: &Chunk<'_>, out: &mut Vec<Event>) {
        let usage = chunk.usage();
        if usage.is_some() && usage != self.usage {
            self.start(chunk, out);
            self.usage = usage;
            out.extend(usage.map(Event::Usage));
        }
    }

    fn finish(&mut self, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let sources = std::mem::take(&mut self.sources);
        if let Some((index, Kind::Text)) = self.open {
            out.extend(sources.into_iter().map(|source| Event::Delta { index, delta: Delta::Citation(source) }));
        }
        self.close_text(out);
        let mut blocks = Blocks { next_index: &mut self.next_index, response_id: &self.id, out };
        if let Err(problem) = self.calls.close_all(&mut blocks) {
            let fault = Fault::new(FaultClass::Protocol, Origin::Provider, self.phase(), problem.to_string());
            self.fail(fault, out);
            return Err(problem);
        }
        let finish = finish::with_calls(self.finish.take().unwrap_or_default(), !self.calls.is_empty());
        out.push(Event::Finish(finish));
        self.ended = true;
        Ok(())
    }

    fn fail(&mut self, fault: Fault, out: &mut Vec<Event>) {
        out.push(Event::Error(Box::new(fault)));
        self.ended = true;
    }

    /// Something came, and nothing shows that it is cut.
    fn presumed_whole(&self) -> bool {
        self.next_index > 0 && !self.calls.any_torn()
    }

    const fn phase(&self) -> Phase {
        if self.next_index > 0 { Phase::AfterCommit } else { Phase::BeforeCommit }
    }
}

/// The fault of an answer whose reason to stop is an error that nothing describes.
pub(super) fn broken(phase: Phase) -> Fault {
    Fault::new(FaultClass::Server, Origin::Provider, phase, "the provider broke off with an error it did not describe")
}

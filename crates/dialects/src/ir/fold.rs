//! From events to a whole answer and back.
//!
//! The law every codec keeps: an answer encoded as a stream, decoded and folded, is the answer.

use ringmain_core::Fault;

use super::content::{Block, BlockKind};
use super::event::{BlockHead, Delta, Event};
use super::logprobs::{TokenLogprob, of_text};
use super::response::Response;

/// Gathers events into the answer they spell. Assumes sentences of [`super::grammar`].
#[derive(Debug, Default)]
pub struct Fold {
    response: Response,
    ended: Option<Result<(), Box<Fault>>>,
}

impl Fold {
    /// Takes the next event.
    pub fn event(&mut self, event: Event) {
        match event {
            Event::Start { id, model, created } => {
                self.response.id = id;
                self.response.model = model;
                self.response.created = created;
            }
            Event::BlockStart { head, .. } => self.response.blocks.push(open_block(head)),
            Event::Delta { index, delta } => {
                if let Some(block) = self.response.blocks.get_mut(index as usize) {
                    extend(&mut block.kind, delta);
                }
            }
            Event::BlockStop { .. } => {}
            Event::Logprobs(more) => self.response.logprobs.extend(more),
            Event::Usage(usage) => self.response.usage = Some(usage),
            Event::Finish(finish) => {
                self.response.finish = finish;
                self.ended = Some(Ok(()));
            }
            Event::Error(fault) => self.ended = Some(Err(fault)),
        }
    }

    /// What has been gathered so far.
    #[must_use]
    pub const fn so_far(&self) -> &Response {
        &self.response
    }

    /// The whole answer; `None` if no terminal event came.
    ///
    /// # Errors
    /// The fault the stream broke off with.
    pub fn finish(self) -> Option<Result<Response, Box<Fault>>> {
        self.ended.map(|end| end.map(|()| self.response))
    }
}

fn open_block(head: BlockHead) -> Block {
    match head {
        BlockHead::Text => Block::text(""),
        BlockHead::Reasoning => BlockKind::Reasoning { text: String::new(), signature: None, redacted: None }.into(),
        BlockHead::Refusal => BlockKind::Refusal { text: String::new() }.into(),
        BlockHead::ToolCall { id, name } => {
            BlockKind::ToolCall { id, name, arguments: String::new(), signature: None }.into()
        }
        BlockHead::Whole(block) => *block,
    }
}

fn extend(kind: &mut BlockKind, delta: Delta) {
    match (kind, delta) {
        (BlockKind::Text { text, .. }, Delta::Text(more))
        | (BlockKind::Reasoning { text, .. }, Delta::Reasoning(more))
        | (BlockKind::Refusal { text }, Delta::Refusal(more))
        | (BlockKind::ToolCall { arguments: text, .. }, Delta::Arguments(more)) => text.push_str(&more),
        (BlockKind::Text { citations, .. }, Delta::Citation(citation)) => citations.push(citation),
        (BlockKind::Reasoning { signature, .. } | BlockKind::ToolCall { signature, .. }, Delta::Signature(more)) => {
            signature.get_or_insert_default().push_str(&more);
        }
        (BlockKind::Reasoning { redacted, .. }, Delta::Redacted(more)) => {
            redacted.get_or_insert_default().push_str(&more);
        }
        // Not a sentence of the grammar; the checker reports it, and production drops it.
        _ => {}
    }
}

/// The shortest event sequence that spells a whole answer: one delta a block.
#[must_use]
pub fn unfold(response: &Response) -> Vec<Event> {
    let mut events =
        vec![Event::Start { id: response.id.clone(), model: response.model.clone(), created: response.created }];
    let mut logprobs = response.logprobs.as_slice();
    for (index, block) in (0..).zip(&response.blocks) {
        let (head, deltas) = take_apart(block);
        events.push(Event::BlockStart { index, head });
        if let BlockKind::Text { text, .. } = &block.kind {
            events.extend(told(of_text(&mut logprobs, text)));
        }
        events.extend(deltas.into_iter().map(|delta| Event::Delta { index, delta }));
        events.push(Event::BlockStop { index });
    }
    events.extend(told(logprobs));
    events.extend(response.usage.map(Event::Usage));
    events.push(Event::Finish(response.finish.clone()));
    events
}

fn told(logprobs: &[TokenLogprob]) -> Option<Event> {
    (!logprobs.is_empty()).then(|| Event::Logprobs(logprobs.to_vec()))
}

fn take_apart(block: &Block) -> (BlockHead, Vec<Delta>) {
    let some = |text: &String, delta: fn(String) -> Delta| (!text.is_empty()).then(|| delta(text.clone()));
    match &block.kind {
        BlockKind::Text { text, citations } => {
            let citations = citations.iter().cloned().map(Delta::Citation);
            (BlockHead::Text, some(text, Delta::Text).into_iter().chain(citations).collect())
        }
        BlockKind::Reasoning { text, signature, redacted } if redacted.is_none() || !text.is_empty() => {
            let tokens = [signature.clone().map(Delta::Signature), redacted.clone().map(Delta::Redacted)];
            let deltas = some(text, Delta::Reasoning).into_iter().chain(tokens.into_iter().flatten());
            (BlockHead::Reasoning, deltas.collect())
        }
        BlockKind::Refusal { text } => (BlockHead::Refusal, some(text, Delta::Refusal).into_iter().collect()),
        BlockKind::ToolCall { id, name, arguments, signature } => {
            let head = BlockHead::ToolCall { id: id.clone(), name: name.clone() };
            let signature = signature.clone().map(Delta::Signature);
            (head, signature.into_iter().chain(some(arguments, Delta::Arguments)).collect())
        }
        BlockKind::Reasoning { .. }
        | BlockKind::Image(_)
        | BlockKind::Document(_)
        | BlockKind::Audio(_)
        | BlockKind::ToolResult { .. }
        | BlockKind::Opaque { .. } => (BlockHead::Whole(Box::new(block.clone())), Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use ringmain_core::Usage;

    use super::super::grammar::Checker;
    use super::super::logprobs::Candidate;
    use super::super::response::Finish;
    use super::*;

    fn likely(token: &str) -> TokenLogprob {
        let chosen = Candidate { token: token.into(), bytes: token.into(), id: None, logprob: 0.into() };
        TokenLogprob { chosen, top: Vec::new() }
    }

    #[test]
    fn an_answer_unfolded_and_folded_is_the_answer() {
        let response = Response {
            id: "r1".into(),
            model: "m".into(),
            created: Some(7),
            blocks: vec![
                BlockKind::Reasoning { text: "hm".into(), signature: Some("sig".into()), redacted: None }.into(),
                BlockKind::Reasoning { text: String::new(), signature: None, redacted: Some("x".into()) }.into(),
                BlockKind::Reasoning { text: "so".into(), signature: None, redacted: Some("y".into()) }.into(),
                Block::text("čau"),
                BlockKind::ToolCall {
                    id: "c".into(),
                    name: "f".into(),
                    arguments: "{}".into(),
                    signature: Some("s".into()),
                }
                .into(),
            ],
            logprobs: ["č", "au", "!"].map(likely).into(),
            finish: Finish::ToolUse,
            usage: Some(Usage { input: 3, output: 4, ..Usage::default() }),
            losses: Vec::new(),
        };
        let events = unfold(&response);
        assert_eq!(Checker::check(&events), Ok(()));
        let mut fold = Fold::default();
        events.into_iter().for_each(|event| fold.event(event));
        assert_eq!(fold.finish(), Some(Ok(response)));
    }
}

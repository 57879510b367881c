//! Reasoning that a caller's dialect has no place for, kept for its next turn: the thinking before a tool call, its proofs,
//! and the call's own. A client of OpenAI's chat, say, sends a call of a Claude back without the thinking that must stand
//! before it; here it is put back. See `docs/adr/0008-reasoning-that-survives.md`.
//!
//! A small table of this process, keyed by caller and id of the call. What is not in it (another instance answered, the
//! process was restarted, it is too long ago) is missing as it would be without it.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::quality::RandomState;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use ringmain_core::{Dialect, Tick};
use ringmain_dialects::ir::{Block, BlockHead, BlockKind, Delta, Event, Request, Response, Role, Turn};
use ringmain_dialects::provenance::{Maker, Sealer};

use crate::keys::Caller;

/// Calls that are remembered, at most; the oldest go first.
const CALLS_MAX: usize = 16 * 1024;
/// Bytes of thinking that are remembered, at most; the oldest go first.
const BYTES_MAX: usize = 32 * 1024 * 1024;
/// The thinking of one answer, at most; more is not kept.
const ANSWER_MAX: usize = 512 * 1024;
/// How long the next turn may be in coming.
const KEEP: Duration = Duration::from_secs(6 * 60 * 60);
/// Where callers show who they are.
const CREDENTIALS: [&str; 3] = ["x-api-key", "api-key", "x-goog-api-key"];

/// The table.
#[derive(Debug, Default)]
pub struct Kept {
    table: Mutex<Table>,
    calls: AtomicUsize,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Table {
    calls: HashMap<u64, Entry>,
    /// In the order in which they came; one whose number is no longer its entry's has been replaced.
    order: VecDeque<(u64, u64)>,
    bytes: usize,
    count: u64,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    at: Tick,
    bytes: usize,
    call: Arc<Call>,
}

/// A call, and the thinking since the call before it in the same answer.
#[derive(Debug, PartialEq, Eq)]
struct Call {
    caller: u64,
    id: String,
    before: Vec<Block>,
    signature: Option<String>,
}

impl Call {
    fn bytes(&self) -> usize {
        let thoughts = self.before.iter().map(bytes_of).sum::<usize>();
        size_of::<Entry>() + self.id.len() + thoughts + self.signature.as_ref().map_or(0, String::len)
    }
}

fn bytes_of(block: &Block) -> usize {
    match &block.kind {
        BlockKind::Reasoning { text, signature, redacted } => {
            let tokens = [signature, redacted].into_iter().flatten().map(String::len).sum::<usize>();
            size_of::<Block>() + text.len() + tokens
        }
        _ => size_of::<Block>(),
    }
}

/// The table as one request sees it.
#[derive(Debug, Clone, Default)]
pub struct Keeping {
    kept: Arc<Kept>,
    /// Whose request it is: nobody finds what another caller left.
    caller: u64,
    /// When it came.
    at: Tick,
}

impl Keeping {
    /// For a request of this caller, with these headers, that came at `at`. Who shows no key of ours is told apart by what
    /// they show.
    #[must_use]
    pub fn new(kept: &Arc<Kept>, caller: &Caller, headers: &HeaderMap, at: Tick) -> Self {
        let mut hasher = kept.hasher.build_hasher();
        match caller {
            Caller::Key(key) => hasher.write(key.name.id.as_bytes()),
            Caller::Anyone | Caller::Admin => {
                let shown = CREDENTIALS.iter().filter_map(|name| headers.get(*name)).chain(headers.get(AUTHORIZATION));
                shown.for_each(|value| hasher.write(value.as_bytes()));
            }
        }
        Self { kept: Arc::clone(kept), caller: hasher.finish(), at }
    }

    /// Puts back what the caller's dialect or client left out.
    pub fn restore(&self, request: &mut Request) {
        if self.kept.calls.load(Ordering::Relaxed) == 0 || !has_a_place(request.dialect).any_missing {
            return;
        }
        for turn in request.turns.iter_mut().filter(|turn| turn.role == Role::Assistant) {
            self.restore_turn(turn);
        }
    }

    fn restore_turn(&self, turn: &mut Turn) {
        let is_call = |block: &Block| matches!(block.kind, BlockKind::ToolCall { .. });
        if !turn.blocks.iter().any(is_call) {
            return;
        }
        let proven = turn.blocks.iter().any(|block| {
            matches!(&block.kind, BlockKind::Reasoning { signature, redacted, .. } if signature.is_some() || redacted.is_some())
        });
        let mut at = 0;
        let mut first = true;
        while at < turn.blocks.len() {
            let Some(Block { kind: BlockKind::ToolCall { id, signature, .. }, .. }) = turn.blocks.get_mut(at) else {
                at += 1;
                continue;
            };
            if let Some(call) = self.kept.find(self.caller, id, self.at) {
                if signature.is_none() {
                    signature.clone_from(&call.signature);
                }
                if !proven && !call.before.is_empty() {
                    if first {
                        // Its readable text alone would say the same twice.
                        let before = turn.blocks.len();
                        turn.blocks.retain(|block| !matches!(block.kind, BlockKind::Reasoning { .. }));
                        at -= before - turn.blocks.len();
                    }
                    // A turn begins with its thinking.
                    let place = if first { 0 } else { at };
                    turn.blocks.splice(place..place, call.before.iter().cloned());
                    at += call.before.len();
                }
            }
            first = false;
            at += 1;
        }
    }

    /// What is to be done with an answer in `from` for a caller of `to`; `None` where the caller's dialect has a place for
    /// all that one says.
    #[must_use]
    pub fn recorder(&self, from: Dialect, to: Dialect) -> Option<Recorder> {
        let place = has_a_place(to);
        let makes = match from {
            Dialect::OpenAiChat | Dialect::CohereV2 => false,
            Dialect::Gemini => !place.calls,
            Dialect::AnthropicMessages | Dialect::BedrockConverse => !place.thoughts || !place.sealed,
            Dialect::OpenAiResponses => !place.sealed,
        };
        makes.then(|| Recorder { keeping: self.clone(), blocks: Vec::new(), open: Vec::new(), bytes: 0 })
    }
}

/// What is done with the proofs of an answer on its way to a caller of another dialect: they are marked, and what has no
/// place there is kept.
#[derive(Debug)]
pub struct Seal {
    sealer: Sealer,
    recorder: Option<Recorder>,
}

impl Seal {
    /// For an answer in `from` of this maker to a caller of `to`. `None`: answers in that dialect prove nothing.
    #[must_use]
    pub fn new(keeping: &Keeping, maker: &Maker, from: Dialect, to: Dialect) -> Option<Self> {
        let proves = !matches!(from, Dialect::OpenAiChat | Dialect::CohereV2);
        proves.then(|| Self { sealer: Sealer::new(maker, to), recorder: keeping.recorder(from, to) })
    }

    /// A whole answer.
    pub fn response(self, response: &mut Response) {
        self.sealer.response(response);
        if let Some(recorder) = self.recorder {
            recorder.response(response);
        }
    }

    /// The next event of a stream.
    pub fn event(&mut self, event: &mut Event) {
        self.sealer.event(event);
        if let Some(recorder) = &mut self.recorder {
            recorder.event(event);
        }
    }
}

/// For which proofs there is a place in a dialect.
struct Place {
    thoughts: bool,
    sealed: bool,
    calls: bool,
    any_missing: bool,
}

const fn has_a_place(dialect: Dialect) -> Place {
    let (thoughts, sealed, calls) = match dialect {
        Dialect::OpenAiChat | Dialect::CohereV2 => (false, false, false),
        Dialect::OpenAiResponses => (true, true, true),
        Dialect::AnthropicMessages | Dialect::BedrockConverse => (true, true, false),
        Dialect::Gemini => (true, false, true),
    };
    Place { thoughts, sealed, calls, any_missing: !(thoughts && sealed && calls) }
}

/// Gathers the thinking of one answer.
#[derive(Debug)]
pub struct Recorder {
    keeping: Keeping,
    /// Thoughts and calls, in order.
    blocks: Vec<Block>,
    /// Which of a stream's blocks is which of them.
    open: Vec<(u32, usize)>,
    bytes: usize,
}

impl Recorder {
    /// A whole answer.
    pub fn response(mut self, response: &Response) {
        let told = |block: &&Block| matches!(block.kind, BlockKind::Reasoning { .. } | BlockKind::ToolCall { .. });
        self.blocks = response.blocks.iter().filter(told).cloned().collect();
        self.bytes = self.blocks.iter().map(bytes_of).sum();
        self.keep();
    }

    /// The next event of a stream; at its end what was gathered is kept.
    pub fn event(&mut self, event: &Event) {
        if self.bytes > ANSWER_MAX {
            self.blocks.clear();
            return;
        }
        match event {
            Event::BlockStart { index, head } => self.begin(*index, head),
            Event::Delta { index, delta } => self.add(*index, delta),
            Event::Finish(_) => self.keep(),
            Event::Start { .. } | Event::BlockStop { .. } | Event::Logprobs(_) | Event::Usage(_) | Event::Error(_) => {}
        }
    }

    fn begin(&mut self, index: u32, head: &BlockHead) {
        let block: Block = match head {
            BlockHead::Reasoning => {
                BlockKind::Reasoning { text: String::new(), signature: None, redacted: None }.into()
            }
            BlockHead::ToolCall { id, name } => {
                let (id, name) = (id.clone(), name.clone());
                BlockKind::ToolCall { id, name, arguments: String::new(), signature: None }.into()
            }
            BlockHead::Whole(block) if matches!(block.kind, BlockKind::Reasoning { .. }) => (**block).clone(),
            BlockHead::Whole(_) | BlockHead::Text | BlockHead::Refusal => return,
        };
        self.bytes += bytes_of(&block);
        self.open.push((index, self.blocks.len()));
        self.blocks.push(block);
    }

    fn add(&mut self, index: u32, delta: &Delta) {
        let (Delta::Reasoning(more) | Delta::Signature(more) | Delta::Redacted(more)) = delta else { return };
        let at = self.open.iter().rev().find(|(open, _)| *open == index).map(|(_, at)| *at);
        let Some(block) = at.and_then(|at| self.blocks.get_mut(at)) else { return };
        self.bytes += more.len();
        match (&mut block.kind, delta) {
            (BlockKind::Reasoning { text, .. }, Delta::Reasoning(_)) => text.push_str(more),
            (BlockKind::Reasoning { signature, .. } | BlockKind::ToolCall { signature, .. }, Delta::Signature(_)) => {
                signature.get_or_insert_default().push_str(more);
            }
            (BlockKind::Reasoning { redacted, .. }, Delta::Redacted(_)) => {
                redacted.get_or_insert_default().push_str(more);
            }
            _ => {}
        }
    }

    fn keep(&mut self) {
        let mut before = Vec::new();
        for block in std::mem::take(&mut self.blocks) {
            match block.kind {
                BlockKind::Reasoning { .. } => before.push(block),
                BlockKind::ToolCall { id, signature, .. } => {
                    let before = std::mem::take(&mut before);
                    let is_proven = |block: &Block| matches!(&block.kind, BlockKind::Reasoning { signature, redacted, .. } if signature.is_some() || redacted.is_some());
                    if signature.is_some() || before.iter().any(is_proven) {
                        let Keeping { kept, caller, at } = &self.keeping;
                        kept.keep(Call { caller: *caller, id, before, signature }, *at);
                    }
                }
                _ => {}
            }
        }
    }
}

impl Kept {
    fn table(&self) -> MutexGuard<'_, Table> {
        // Each change leaves it whole.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self, caller: u64, id: &str) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u64(caller);
        hasher.write(id.as_bytes());
        hasher.finish()
    }

    fn find(&self, caller: u64, id: &str, now: Tick) -> Option<Arc<Call>> {
        let table = self.table();
        let entry = table.calls.get(&self.key(caller, id))?;
        let is_it = entry.call.caller == caller && entry.call.id == id && now.since(entry.at) < KEEP;
        is_it.then(|| Arc::clone(&entry.call))
    }

    fn keep(&self, call: Call, at: Tick) {
        let bytes = call.bytes();
        if bytes > ANSWER_MAX {
            return;
        }
        let key = self.key(call.caller, &call.id);
        let mut table = self.table();
        table.count += 1;
        let number = table.count;
        table.bytes += bytes;
        table.order.push_back((key, number));
        if let Some(replaced) = table.calls.insert(key, Entry { number, at, bytes, call: Arc::new(call) }) {
            table.bytes -= replaced.bytes;
        }
        while table.calls.len() > CALLS_MAX || table.bytes > BYTES_MAX || table.order.len() > 2 * CALLS_MAX {
            let Some((key, number)) = table.order.pop_front() else { break };
            if table.calls.get(&key).is_some_and(|entry| entry.number == number)
                && let Some(oldest) = table.calls.remove(&key)
            {
                table.bytes -= oldest.bytes;
            }
        }
        self.calls.store(table.calls.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use ringmain_dialects::ir::fold::unfold;

    use super::*;
    use Dialect::{AnthropicMessages, Gemini, OpenAiChat, OpenAiResponses};

    fn thought(text: &str, signature: &str) -> Block {
        BlockKind::Reasoning { text: text.into(), signature: Some(signature.into()), redacted: None }.into()
    }

    fn call(id: &str, signature: Option<&str>) -> Block {
        let signature = signature.map(str::to_owned);
        BlockKind::ToolCall { id: id.into(), name: "f".into(), arguments: "{}".into(), signature }.into()
    }

    fn keeping(kept: &Arc<Kept>, key: &str, at: Duration) -> Keeping {
        let mut headers = HeaderMap::new();
        headers.insert("x-api-key", key.parse().unwrap());
        Keeping::new(kept, &Caller::Anyone, &headers, Tick::ZERO + at)
    }

    fn answer() -> Response {
        let blocks = vec![
            thought("a", "s1"),
            Block::text("I look"),
            call("c1", None),
            thought("b", "s2"),
            call("c2", Some("t")),
        ];
        Response { blocks, ..Response::default() }
    }

    /// What a client without a place for thinking sends back.
    fn bare() -> Vec<Block> {
        let unsigned = BlockKind::Reasoning { text: "a".into(), signature: None, redacted: None };
        vec![unsigned.into(), Block::text("I look"), call("c1", None), call("c2", None)]
    }

    fn restored(keeping: &Keeping, blocks: Vec<Block>) -> Vec<Block> {
        let mut request = Request::new(OpenAiChat);
        request.turns = vec![Turn::new(Role::User, vec![Block::text("hi")]), Turn::new(Role::Assistant, blocks)];
        keeping.restore(&mut request);
        request.turns.pop().unwrap().blocks
    }

    #[test]
    fn what_was_left_out_is_put_back_where_it_was() {
        let expected = vec![
            thought("a", "s1"),
            Block::text("I look"),
            call("c1", None),
            thought("b", "s2"),
            call("c2", Some("t")),
        ];
        for streamed in [false, true] {
            let kept = Arc::default();
            let keeping = keeping(&kept, "k", Duration::ZERO);
            let mut recorder = keeping.recorder(AnthropicMessages, OpenAiChat).unwrap();
            if streamed {
                unfold(&answer()).iter().for_each(|event| recorder.event(event));
            } else {
                recorder.response(&answer());
            }
            assert_eq!(restored(&keeping, bare()), expected, "streamed: {streamed}");
            let whole = answer().blocks;
            assert_eq!(restored(&keeping, whole.clone()), whole, "nothing is put back twice");
        }
    }

    #[test]
    fn nobody_finds_what_another_caller_left_nor_what_is_long_ago() {
        let kept = Arc::default();
        keeping(&kept, "k", Duration::ZERO).recorder(AnthropicMessages, OpenAiChat).unwrap().response(&answer());
        assert_eq!(restored(&keeping(&kept, "other", Duration::ZERO), bare()), bare());
        assert_eq!(restored(&keeping(&kept, "k", KEEP), bare()), bare());
        assert_ne!(restored(&keeping(&kept, "k", KEEP - Duration::from_secs(1)), bare()), bare());
    }

    #[test]
    fn it_is_bounded() {
        let kept: Arc<Kept> = Arc::default();
        let large = "x".repeat(ANSWER_MAX / 2);
        for nth in 0..200 {
            let call = Call { caller: 1, id: nth.to_string(), before: vec![thought(&large, "s")], signature: None };
            kept.keep(call, Tick::ZERO);
            assert!(kept.table().bytes <= BYTES_MAX);
        }
        assert!(kept.find(1, "0", Tick::ZERO).is_none() && kept.find(1, "199", Tick::ZERO).is_some());
        for nth in 0..3 * CALLS_MAX {
            let id = (nth % (CALLS_MAX + 10)).to_string();
            kept.keep(Call { caller: 1, id, before: Vec::new(), signature: Some("s".into()) }, Tick::ZERO);
        }
        let table = kept.table();
        assert!(table.calls.len() <= CALLS_MAX && table.order.len() <= 2 * CALLS_MAX);
        assert_eq!(table.bytes, table.calls.values().map(|entry| entry.bytes).sum::<usize>());
        drop(table);
        let huge =
            Call { caller: 1, id: "h".into(), before: vec![thought(&"x".repeat(ANSWER_MAX), "s")], signature: None };
        kept.keep(huge, Tick::ZERO);
        assert!(kept.find(1, "h", Tick::ZERO).is_none());
    }

    #[test]
    fn only_what_has_no_place_is_kept() {
        let keeping = Keeping::default();
        let kept = |from, to| keeping.recorder(from, to).is_some();
        assert!(kept(AnthropicMessages, OpenAiChat) && kept(OpenAiResponses, OpenAiChat) && kept(Gemini, OpenAiChat));
        assert!(kept(Gemini, AnthropicMessages), "a call's own proof has no place there");
        assert!(kept(AnthropicMessages, Gemini), "sealed thinking has none");
        assert!(!kept(AnthropicMessages, OpenAiResponses) && !kept(OpenAiChat, AnthropicMessages));
        assert!(!kept(OpenAiResponses, AnthropicMessages));
    }
}

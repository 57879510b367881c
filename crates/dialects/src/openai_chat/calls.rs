//! Tool calls on their way in: whose piece is this, and is its call complete?

use crate::codec::Malformed;
use crate::ir::{Block, BlockHead, BlockKind, Delta, Event};
use crate::shared::calls::made_up_id;

use super::chunk::{CallChunk, FunctionChunk};

/// More calls than any answer has; further ones are not read.
const MAX_CALLS: usize = 1024;
/// What may be held back of a call whose name is not known yet, and of a free-form call. In bytes.
const MAX_HELD: usize = 1 << 20;

/// All calls of one answer, in the order they began.
#[derive(Debug, Default)]
pub(super) struct Calls {
    calls: Vec<Call>,
}

#[derive(Debug, Default)]
struct Call {
    /// The provider's index, where it has one.
    key: Option<u32>,
    /// As the provider wrote it; may be empty.
    id: String,
    name: String,
    /// The block, once it has begun.
    block: Option<u32>,
    closed: bool,
    /// A free-form call: held until it is complete.
    custom: bool,
    held: String,
    progress: Progress,
}

/// One piece, whatever form the provider gave it.
struct Piece<'a> {
    key: Option<u32>,
    id: &'a str,
    name: &'a str,
    text: &'a str,
    custom: bool,
}

/// What the calls need of the stream they are part of.
pub(super) struct Blocks<'a> {
    pub(super) next_index: &'a mut u32,
    /// The answer's id, to make call ids from.
    pub(super) response_id: &'a str,
    pub(super) out: &'a mut Vec<Event>,
}

impl Blocks<'_> {
    fn begin(&mut self, head: BlockHead) -> u32 {
        let index = *self.next_index;
        *self.next_index += 1;
        self.out.push(Event::BlockStart { index, head });
        index
    }
}

impl Calls {
    /// No call yet?
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Does a call end in the middle of its arguments?
    pub(super) fn any_torn(&self) -> bool {
        self.calls.iter().any(|call| call.progress.begun && !call.progress.complete())
    }

    /// Takes a piece of a call.
    ///
    /// # Errors
    /// A piece that belongs to no call, or to one that is complete, or more than is held.
    pub(super) fn piece(&mut self, chunk: &CallChunk<'_>, blocks: &mut Blocks<'_>) -> Result<(), Malformed> {
        let id = chunk.id.as_ref().map_or("", |id| id.0.as_ref());
        let custom = chunk.custom.as_ref().filter(|_| chunk.function.is_none());
        if let Some(custom) = custom {
            let name = custom.name.as_ref().map_or("", |name| name.0.as_ref());
            let text = custom.input.as_ref().map_or("", |input| input.0.as_ref());
            return self.take(&Piece { key: chunk.index, id, name, text, custom: true }, blocks);
        }
        let function = chunk.function.as_ref();
        let text = function.map_or(Ok("".into()), FunctionChunk::arguments)?;
        let name = function.map_or("", FunctionChunk::name);
        self.take(&Piece { key: chunk.index, id, name, text: &text, custom: false }, blocks)
    }

    /// Takes a piece of a call in the form from before tools: there is one, without id or index.
    ///
    /// # Errors
    /// As [`Self::piece`].
    pub(super) fn function(&mut self, chunk: &FunctionChunk<'_>, blocks: &mut Blocks<'_>) -> Result<(), Malformed> {
        let text = chunk.arguments()?;
        let again = self.calls.iter().any(|call| call.name == chunk.name());
        let name = if again { "" } else { chunk.name() };
        self.take(&Piece { key: Some(0), id: "", name, text: &text, custom: false }, blocks)
    }

    fn take(&mut self, piece: &Piece<'_>, blocks: &mut Blocks<'_>) -> Result<(), Malformed> {
        let at = match self.find(piece) {
            Some(at) => at,
            None => self.begin(piece, blocks)?,
        };
        let nth = at + 1;
        let Some(call) = self.calls.get_mut(at) else { return Ok(()) };
        if call.id.is_empty() {
            piece.id.clone_into(&mut call.id);
        }
        if call.name.is_empty() {
            piece.name.clone_into(&mut call.name);
        }
        if call.closed {
            let blank = piece.text.trim().is_empty();
            return if blank { Ok(()) } else { Err(Malformed::new("tool_calls", "more of a complete call")) };
        }
        call.progress.push(piece.text);
        call.add(piece.text, nth, blocks)
    }

    /// The call a piece belongs to; `None` for a new one.
    fn find(&self, piece: &Piece<'_>) -> Option<usize> {
        let last = self.calls.len().checked_sub(1);
        let at = match (piece.key, piece.id) {
            // Without an index and an id a piece goes to the last call, unless it begins one.
            (None, "") => last,
            (None, id) => self.calls.iter().rposition(|call| call.id == id),
            (Some(key), _) => self.calls.iter().rposition(|call| call.key == Some(key)),
        }?;
        let call = self.calls.get(at)?;
        // Some providers give every call the index 0, or none: another id, or a name after a complete call, is another call.
        let other_id = !piece.id.is_empty() && !call.id.is_empty() && piece.id != call.id;
        let again = piece.id.is_empty() && !piece.name.is_empty() && call.progress.complete();
        (!other_id && !again).then_some(at)
    }

    fn begin(&mut self, piece: &Piece<'_>, blocks: &mut Blocks<'_>) -> Result<usize, Malformed> {
        if piece.id.is_empty() && piece.name.is_empty() && piece.key.is_none() {
            return Err(Malformed::new("tool_calls", "a piece of no call"));
        }
        if self.calls.len() >= MAX_CALLS {
            return Err(Malformed::new("tool_calls", "too many"));
        }
        self.close_complete(blocks);
        self.calls.push(Call { key: piece.key, custom: piece.custom, ..Call::default() });
        Ok(self.calls.len() - 1)
    }

    /// Closes the calls whose arguments are complete; the others stay open, since their pieces may interleave.
    pub(super) fn close_complete(&mut self, blocks: &mut Blocks<'_>) {
        for call in self.calls.iter_mut().filter(|call| call.progress.complete()) {
            call.close(blocks);
        }
    }

    /// Closes what is open: the answer is whole.
    ///
    /// # Errors
    /// A call without a name: nothing can be run, and the answer must not look whole.
    pub(super) fn close_all(&mut self, blocks: &mut Blocks<'_>) -> Result<(), Malformed> {
        for (nth, call) in (1..).zip(&mut self.calls) {
            if call.custom && !call.closed {
                call.flush_custom(nth, blocks);
            }
            if call.block.is_none() && !call.closed {
                return Err(Malformed::new("tool_calls", "a call without a name"));
            }
            call.close(blocks);
        }
        Ok(())
    }
}

impl Call {
    fn add(&mut self, text: &str, nth: usize, blocks: &mut Blocks<'_>) -> Result<(), Malformed> {
        if self.custom || self.name.is_empty() {
            if self.held.len() + text.len() > MAX_HELD {
                return Err(Malformed::new("tool_calls", "too long to be held back"));
            }
            self.held.push_str(text);
            return Ok(());
        }
        let index = if let Some(index) = self.block {
            index
        } else {
            let head = BlockHead::ToolCall { id: self.public_id(nth, blocks), name: self.name.clone() };
            let index = blocks.begin(head);
            self.block = Some(index);
            index
        };
        let mut arguments = std::mem::take(&mut self.held);
        arguments.push_str(text);
        if !arguments.is_empty() {
            blocks.out.push(Event::Delta { index, delta: Delta::Arguments(arguments) });
        }
        Ok(())
    }

    fn flush_custom(&mut self, nth: usize, blocks: &mut Blocks<'_>) {
        let id = self.public_id(nth, blocks);
        let block = custom(&id, &self.name, &std::mem::take(&mut self.held));
        let index = blocks.begin(BlockHead::Whole(Box::new(block)));
        self.block = Some(index);
    }

    fn close(&mut self, blocks: &mut Blocks<'_>) {
        if let Some(index) = self.block.filter(|_| !self.closed) {
            blocks.out.push(Event::BlockStop { index });
            self.closed = true;
        }
    }

    fn public_id(&self, nth: usize, blocks: &Blocks<'_>) -> String {
        if self.id.is_empty() { made_up_id(blocks.response_id, nth) } else { self.id.clone() }
    }
}

/// A call of a free-form tool.
pub(super) fn custom(id: &str, name: &str, input: &str) -> Block {
    let value = serde_json::json!({ "id": id, "type": "custom", "custom": { "name": name, "input": input } });
    BlockKind::Opaque { dialect: ringmain_core::Dialect::OpenAiChat, value }.into()
}

/// Follows a JSON text far enough to know when its object is closed.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Progress {
    depth: u32,
    begun: bool,
    in_string: bool,
    escaped: bool,
}

impl Progress {
    fn push(&mut self, text: &str) {
        for byte in text.bytes() {
            if self.escaped {
                self.escaped = false;
            } else if self.in_string {
                match byte {
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
            } else {
                match byte {
                    b'"' => self.in_string = true,
                    b'{' | b'[' => {
                        self.begun = true;
                        self.depth += 1;
                    }
                    b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
            }
        }
    }

    const fn complete(self) -> bool {
        self.begun && self.depth == 0 && !self.in_string
    }
}

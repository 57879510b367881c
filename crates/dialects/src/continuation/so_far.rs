//! What an answer has said so far, as far as that matters for going on with it.

use std::fmt;

use crate::ir::{BlockHead, Delta, Event};

/// Text kept of one answer, at most, in bytes: about 64,000 tokens, more than most models give. An answer beyond it is
/// not continued.
const TEXT_MAX: usize = 256 * 1024;
/// Bytes in a token, where pieces are larger than tokens.
const BYTES_PER_TOKEN: u64 = 4;
/// Pieces that are no larger than this on average are tokens, one each.
const PIECE_OF_ONE_TOKEN: u64 = 8;

/// Why nobody can go on with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Barrier {
    /// A call of a tool is begun or made.
    ToolCall,
    /// Thinking that its provider is still to sign.
    SignedReasoning,
    /// JSON that is to satisfy a schema, or at least be JSON.
    Structured,
    /// Its text was said to the end: only the end of the answer itself is missing, and nobody else knows it.
    Complete,
    /// More text than is kept.
    TooLong,
    /// Pictures, sources, a provider's own tools: what text cannot take up again.
    NotText,
    /// The model declines.
    Refusal,
    /// Several answers at once.
    Several,
    /// Something is told of each token.
    Logprobs,
    /// The relayed stream is of a form that cannot be taken up.
    Unknown,
}

impl fmt::Display for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ToolCall => "it holds a tool call",
            Self::SignedReasoning => "it was in the midst of signed reasoning",
            Self::Structured => "it is to be JSON",
            Self::Complete => "its text was complete",
            Self::TooLong => "it is too long",
            Self::NotText => "it holds more than text",
            Self::Refusal => "it is a refusal",
            Self::Several => "it is one of several",
            Self::Logprobs => "log probabilities were asked for",
            Self::Unknown => "its stream has a form of its own",
        })
    }
}

/// What can be taken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said<'a> {
    /// This text.
    Text(&'a str),
    /// Nothing that another answer could not follow: thoughts, or white space.
    Nothing,
}

/// The kinds of block that may be open where an answer is taken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// Thinking.
    Reasoning,
}

/// Where an answer stands, in the numbers of its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// The block that is open.
    pub open: Option<(u32, Kind)>,
    /// The number of the next block.
    pub next: u32,
}

/// Follows an answer on its way to the caller.
#[derive(Debug, Clone, Default)]
pub struct SoFar {
    keeps: bool,
    text: String,
    pieces: u64,
    bytes: u64,
    place: Place,
    barred: Option<Barrier>,
    /// As `barred`, until the open block is closed.
    inside: Option<Barrier>,
}

impl SoFar {
    /// Counts, and where `keeps`, keeps the text, so that somebody can go on with it.
    #[must_use]
    pub fn new(keeps: bool) -> Self {
        Self { keeps, ..Self::default() }
    }

    /// From now on the text is kept. For the beginning of an answer.
    pub const fn keep(&mut self) {
        self.keeps = true;
    }

    /// More text.
    pub fn text(&mut self, more: &str) {
        if more.is_empty() {
            return;
        }
        self.piece(more.len());
        if !self.keeps || self.barred.is_some() {
            return;
        }
        if self.text.len() + more.len() > TEXT_MAX {
            self.bar(Barrier::TooLong);
        } else {
            self.text.push_str(more);
        }
    }

    /// More text, as it stands between the quotes of a JSON string that is known to be one.
    pub fn json_text(&mut self, raw: &[u8]) {
        if !self.keeps || self.barred.is_some() {
            self.piece(raw.len());
        } else if let (Ok(plain), None) = (std::str::from_utf8(raw), memchr::memchr(b'\\', raw)) {
            self.text(plain);
        } else {
            let quoted = [b"\"", raw, b"\""].concat();
            // A string that is one can be read.
            self.text(&serde_json::from_slice::<String>(&quoted).unwrap_or_default());
        }
    }

    /// More thinking that can be read.
    pub fn thought(&mut self, more: &str) {
        if !more.is_empty() {
            self.piece(more.len());
        }
    }

    /// The same of thinking.
    pub const fn json_thought(&mut self, raw: &[u8]) {
        self.piece(raw.len());
    }

    const fn piece(&mut self, bytes: usize) {
        self.pieces += 1;
        self.bytes += bytes as u64;
    }

    /// It holds something that nobody else could go on with.
    pub fn bar(&mut self, why: Barrier) {
        if self.barred.is_none() {
            self.barred = Some(why);
            self.text = String::new();
        }
    }

    /// The same, until [`Self::leave`].
    pub const fn enter(&mut self, why: Barrier) {
        self.inside = Some(why);
    }

    /// The block that was entered is closed.
    pub const fn leave(&mut self) {
        self.inside = None;
    }

    /// A block is open, the only one that there is to whoever takes the stream over.
    pub const fn stands_in(&mut self, kind: Kind) {
        self.place = Place { open: Some((0, kind)), next: 1 };
        self.inside = None;
    }

    /// The open block is closed.
    pub const fn close(&mut self) {
        self.inside = match self.place.open {
            Some((_, Kind::Text)) => Some(Barrier::Complete),
            Some((_, Kind::Reasoning)) | None => None,
        };
        self.place.open = None;
    }

    /// Takes an event of it. `signs`: its thinking will be signed, and the caller sees the signature.
    pub fn event(&mut self, event: &Event, signs: bool) {
        match event {
            Event::BlockStart { index, head } => {
                self.place.next = index + 1;
                self.leave();
                match head {
                    BlockHead::Text => self.place.open = Some((*index, Kind::Text)),
                    BlockHead::Reasoning => {
                        self.place.open = Some((*index, Kind::Reasoning));
                        if signs {
                            self.enter(Barrier::SignedReasoning);
                        }
                    }
                    BlockHead::Refusal => self.bar(Barrier::Refusal),
                    BlockHead::ToolCall { .. } => self.bar(Barrier::ToolCall),
                    BlockHead::Whole(block) => self.whole(&block.kind),
                }
            }
            Event::Delta { delta, .. } => match delta {
                Delta::Text(text) => self.text(text),
                Delta::Reasoning(text) | Delta::Refusal(text) | Delta::Arguments(text) => self.thought(text),
                Delta::Citation(_) => self.bar(Barrier::NotText),
                Delta::Signature(_) | Delta::Redacted(_) => {}
            },
            Event::BlockStop { index } if self.place.open.is_some_and(|(open, _)| open == *index) => {
                self.close();
            }
            Event::BlockStop { .. }
            | Event::Start { .. }
            | Event::Logprobs(_)
            | Event::Usage(_)
            | Event::Finish(_)
            | Event::Error(_) => {}
        }
    }

    fn whole(&mut self, kind: &crate::ir::BlockKind) {
        match kind {
            // Sealed thinking comes whole or not at all.
            crate::ir::BlockKind::Reasoning { .. } => {}
            crate::ir::BlockKind::ToolCall { .. } => self.bar(Barrier::ToolCall),
            _ => self.bar(Barrier::NotText),
        }
    }

    /// Is all kept that somebody would need, to go on?
    #[must_use]
    pub const fn keeps(&self) -> bool {
        self.keeps && self.barred.is_none()
    }

    /// Bytes of text that are kept.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.text.len()
    }

    /// Is no text kept?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The text from this byte on.
    #[must_use]
    pub fn text_from(&self, at: usize) -> &str {
        self.text.get(at..).unwrap_or_default()
    }

    /// Where it stands.
    #[must_use]
    pub const fn place(&self) -> Place {
        self.place
    }

    /// What can be taken up.
    ///
    /// # Errors
    /// Nothing can, and why.
    pub fn said(&self) -> Result<Said<'_>, Barrier> {
        if let Some(barrier) = self.barred.or(self.inside) {
            return Err(barrier);
        }
        if self.text.trim().is_empty() { Ok(Said::Nothing) } else { Ok(Said::Text(&self.text)) }
    }

    /// Output tokens, about: nobody says, of an answer that broke off. Most streams hold one in each piece; where pieces
    /// are larger, they are measured.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        if self.bytes <= self.pieces * PIECE_OF_ONE_TOKEN {
            self.pieces
        } else {
            self.pieces.max(self.bytes / BYTES_PER_TOKEN)
        }
    }
}

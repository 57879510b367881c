//! A streamed answer as events. Which sequences are sentences: [`super::grammar`].

use ringmain_core::{Fault, Usage};

use super::Value;
use super::content::{Block, BlockKind};
use super::logprobs::TokenLogprob;
use super::response::Finish;

/// One step of a streamed answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The answer begins. First, once.
    Start {
        /// As in [`super::Response`].
        id: String,
        /// As in [`super::Response`].
        model: String,
        /// As in [`super::Response`].
        created: Option<u64>,
    },
    /// A block begins. Indices are dense: 0, 1, 2, … in order of their beginning. Several may be open at once
    /// (parallel tool calls whose arguments interleave).
    BlockStart {
        /// Which block.
        index: u32,
        /// Its kind, and what is known at once.
        head: BlockHead,
    },
    /// More of an open block.
    Delta {
        /// Which block.
        index: u32,
        /// What is added.
        delta: Delta,
    },
    /// A block is complete.
    BlockStop {
        /// Which block.
        index: u32,
    },
    /// How likely tokens of the answer's text are, in order: before the text they are of, or after all text. At least one.
    Logprobs(Vec<TokenLogprob>),
    /// What was used so far; a later one replaces an earlier one.
    Usage(Usage),
    /// The whole answer is there. Terminal; every block is closed.
    Finish(Finish),
    /// The answer broke off. Terminal; blocks may be open.
    Error(Box<Fault>),
}

/// The kind of a block that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockHead {
    /// Text follows.
    Text,
    /// Thinking follows.
    Reasoning,
    /// A refusal follows.
    Refusal,
    /// Arguments follow.
    ToolCall {
        /// Ties the result to the call.
        id: String,
        /// The tool.
        name: String,
    },
    /// The whole block; no deltas follow (media, redacted thinking, opaque blocks).
    Whole(Box<Block>),
}

/// More of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delta {
    /// Of a text block.
    Text(String),
    /// A source of a text block.
    Citation(Value),
    /// Of a reasoning block.
    Reasoning(String),
    /// The signature of a reasoning block or a tool call; pieces concatenate.
    Signature(String),
    /// What only the provider can read of a reasoning block (`encrypted_content`); pieces concatenate. Readable text of
    /// the same block may have come before it.
    Redacted(String),
    /// Of a refusal.
    Refusal(String),
    /// Of a tool call's arguments; pieces concatenate to one JSON text.
    Arguments(String),
}

impl Event {
    /// Does it hold something a person or a program waits for? The commit point is the first such event.
    #[must_use]
    pub fn is_useful(&self) -> bool {
        match self {
            Self::BlockStart { head, .. } => match head {
                BlockHead::ToolCall { .. } => true,
                BlockHead::Whole(block) => !matches!(block.kind, BlockKind::Reasoning { .. }),
                BlockHead::Text | BlockHead::Reasoning | BlockHead::Refusal => false,
            },
            Self::Delta { delta, .. } => match delta {
                Delta::Text(text) | Delta::Reasoning(text) | Delta::Refusal(text) | Delta::Arguments(text) => {
                    !text.is_empty()
                }
                Delta::Citation(_) => true,
                Delta::Signature(_) | Delta::Redacted(_) => false,
            },
            Self::Start { .. }
            | Self::BlockStop { .. }
            | Self::Logprobs(_)
            | Self::Usage(_)
            | Self::Finish(_)
            | Self::Error(_) => false,
        }
    }

    /// Nothing may follow it.
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        matches!(self, Self::Finish(_) | Self::Error(_))
    }
}

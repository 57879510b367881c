//! A whole chat answer.

use ringmain_core::Usage;

use super::content::Block;
use super::logprobs::TokenLogprob;

/// A whole answer in any dialect. Where a provider gave several (`n` above 1), the first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Response {
    /// The provider's id of the answer; empty where it gave none.
    pub id: String,
    /// The model that answered, in the provider's words; empty where it did not say.
    pub model: String,
    /// Seconds since 1970, where the dialect says.
    pub created: Option<u64>,
    /// The answer. Dense, in order; only kinds a model can produce.
    pub blocks: Vec<Block>,
    /// How likely the tokens of its text are, through all its blocks; empty where nobody asked.
    pub logprobs: Vec<TokenLogprob>,
    /// Why it stopped.
    pub finish: Finish,
    /// What it used; `None` where the provider did not say.
    pub usage: Option<Usage>,
    /// What the decoder saw and this representation has no word for, in the source dialect's words.
    pub losses: Vec<crate::Loss>,
}

/// Why an answer stopped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Finish {
    /// It was done.
    #[default]
    Stop,
    /// A stop sequence was met; which, where the provider says.
    StopSequence(Option<String>),
    /// The token limit.
    Length,
    /// It waits for tool results.
    ToolUse,
    /// A content filter, or the model declined.
    Refusal,
    /// The provider paused a long turn, to be sent back as it is (Anthropic `pause_turn`).
    Pause,
    /// The model's context window is full.
    ContextFull,
    /// A reason of the dialect's own (`MALFORMED_FUNCTION_CALL`, `RECITATION`).
    Other(String),
}

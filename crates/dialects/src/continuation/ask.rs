//! The request for the rest of an answer.

use crate::ir::{Block, BlockKind, OutputFormat, Request, Role, Turn};

use super::{Barrier, Said};

/// How many bytes of the answer's end are quoted to the model, at most.
const QUOTED: usize = 80;

/// How a model is asked for the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The answer so far stands last: the model writes on where it ends.
    Prefill,
    /// The answer so far, and a turn of ours that asks for the rest.
    Instruction,
    /// Nothing was said yet: the request as it was.
    Anew,
}

impl Form {
    /// Its name in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prefill => "prefill",
            Self::Instruction => "instruction",
            Self::Anew => "anew",
        }
    }
}

/// What in a request forbids that somebody else goes on with its answer.
#[must_use]
pub fn barred(request: &Request) -> Option<Barrier> {
    let sampling = &request.sampling;
    match request.output {
        OutputFormat::Json | OutputFormat::JsonSchema { .. } => Some(Barrier::Structured),
        OutputFormat::Text if sampling.n.is_some_and(|n| n > 1) => Some(Barrier::Several),
        OutputFormat::Text if sampling.logprobs == Some(true) || sampling.top_logprobs.is_some_and(|n| n > 0) => {
            Some(Barrier::Logprobs)
        }
        OutputFormat::Text => None,
    }
}

/// The request for the rest of an answer to `request`, of which `said` and `tokens` are with the caller already.
#[must_use]
pub fn ask(request: &Request, said: Said<'_>, tokens: u64, form: Form) -> Request {
    let mut asked = request.clone();
    asked.stream = true;
    asked.include_usage = true;
    let (Said::Text(text), Form::Prefill | Form::Instruction) = (said, form) else { return asked };
    if let Some(most) = &mut asked.sampling.max_output_tokens {
        *most = most.saturating_sub(tokens).max(1);
    }
    // Models do not think between the halves of a word, and where they must, a beginning of the answer is refused.
    if form == Form::Prefill {
        asked.reasoning = None;
    }
    // The white space at its end comes again: some providers refuse a beginning that ends with it.
    append(&mut asked.turns, text.trim_end());
    if form == Form::Instruction {
        asked.turns.push(Turn::new(Role::User, vec![Block::text(instruction(text))]));
    }
    asked
}

/// The answer so far as the last turn. What the caller had begun of it stays its beginning.
fn append(turns: &mut Vec<Turn>, text: &str) {
    let last = turns.last_mut().filter(|turn| turn.role == Role::Assistant);
    match last {
        Some(turn) => match turn.blocks.last_mut().map(|block| &mut block.kind) {
            Some(BlockKind::Text { text: begun, .. }) => begun.push_str(text),
            _ => turn.blocks.push(Block::text(text)),
        },
        None => turns.push(Turn::new(Role::Assistant, vec![Block::text(text)])),
    }
}

/// To say its last words again is asked for: where they meet shows whether a space or half a word is due.
fn instruction(text: &str) -> String {
    format!(
        "The connection broke in the middle of your answer above. Continue it from where it stops, so that both parts \
         read as one: begin by repeating its last words exactly as quoted below, go straight on from there, say nothing \
         else twice, do not mention the interruption, and end where the answer would have ended.\n\n{}",
        last_words(text)
    )
}

/// The end of `text`, from the beginning of a word where there is one.
fn last_words(text: &str) -> &str {
    let text = text.trim_end();
    let from = text.len().saturating_sub(QUOTED);
    let from = (from..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let tail = &text[from..];
    match tail.find(char::is_whitespace) {
        Some(space) if from > 0 => tail[space..].trim_start(),
        _ => tail,
    }
}

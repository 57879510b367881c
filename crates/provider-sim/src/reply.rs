//! Answers: what is said ([`Answer`]), and its rendering in each dialect ([`Template`]), rendered once per shape.

mod anthropic;
mod bedrock;
mod cache;
mod cohere;
mod extras;
mod gemini;
mod message;
mod openai;
mod png;
mod responses;
mod template;
mod vectors;

use crate::api::Vendor;
use crate::ask::{Ask, Begun, Call, Reasoning, Structured};
use crate::text::{answer_words, reasoning_words};

pub(crate) use cache::Templates;
pub(crate) use extras::{
    bedrock_count_tokens, count_tokens, gemini_count_tokens, images, models, moderations, responses_count_tokens,
    spoil_images,
};
pub(crate) use message::{event, exception};
pub(crate) use png::rectangle as png;
pub(crate) use template::{Kind, Reply, Template};
pub(crate) use vectors::{bedrock_invoke, cohere_embed, embeddings, gemini_embed, rerank};

/// How a chat answer is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Ending {
    Normal,
    /// In good order, with nothing said and nothing counted.
    Empty,
    /// As a refusal of the model.
    Refusal,
}

/// Everything an answer's bytes depend on, but its id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Shape {
    pub(crate) ask: Ask,
    pub(crate) words: usize,
    pub(crate) overlap: usize,
    /// Said instead of the usual text; beside calls too.
    pub(crate) said: Option<String>,
    pub(crate) ending: Ending,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finish {
    Stop,
    Length,
    Calls,
    Refusal,
}

/// What is said.
#[derive(Debug)]
struct Answer {
    reasoning: Vec<String>,
    /// Whether the reasoning is shown, or only counted.
    shows: bool,
    /// Pieces of text; a stream sends each in its own event.
    pieces: Vec<String>,
    calls: Vec<Call>,
    finish: Finish,
    input: u64,
    /// Tokens of text and calls.
    output: u64,
}

impl Answer {
    fn of(shape: &Shape) -> Self {
        let ask = &shape.ask;
        let mut answer = Self {
            reasoning: Vec::new(),
            shows: ask.reasoning == Reasoning::Shown,
            pieces: Vec::new(),
            calls: Vec::new(),
            finish: Finish::Stop,
            input: ask.input_tokens,
            output: 0,
        };
        match shape.ending {
            Ending::Empty => {
                answer.input = 0;
                return answer;
            }
            Ending::Refusal => {
                answer.finish = Finish::Refusal;
                return answer;
            }
            Ending::Normal => {}
        }
        if ask.reasoning != Reasoning::None {
            answer.reasoning = spaced(reasoning_words(&ask.text));
        }
        if ask.calls.is_empty() || shape.said.is_some() {
            answer.pieces = pieces(shape);
        }
        if ask.calls.is_empty() {
            if ask.max_tokens.is_some_and(|most| most < answer.pieces.len()) {
                answer.pieces.truncate(ask.max_tokens.unwrap_or_default());
                answer.finish = Finish::Length;
            }
        } else {
            answer.calls.clone_from(&ask.calls);
            answer.finish = Finish::Calls;
        }
        answer.output = (answer.pieces.len() + answer.calls.len() * 8) as u64;
        answer
    }

    fn text(&self) -> String {
        self.pieces.concat()
    }

    fn reasoning_text(&self) -> String {
        self.reasoning.concat()
    }

    fn reasoning_tokens(&self) -> u64 {
        self.reasoning.len() as u64
    }
}

/// Words with the space that stands before each but the first.
fn spaced(words: Vec<String>) -> Vec<String> {
    words.into_iter().enumerate().map(|(i, word)| if i == 0 { word } else { format!(" {word}") }).collect()
}

fn pieces(shape: &Shape) -> Vec<String> {
    let ask = &shape.ask;
    if let Some(said) = &shape.said {
        return spaced(said.split(' ').map(str::to_owned).collect());
    }
    let whole = |text: &str, images| spaced(answer_words(text, shape.words, images));
    match &ask.json {
        Some(Structured::Instance(json)) => return chunks(json, 8),
        Some(Structured::Object) => {
            let text = whole(&ask.text, ask.images).concat();
            return chunks(&serde_json::json!({"answer": text}).to_string(), 8);
        }
        None => {}
    }
    let begun = ask.begun.as_ref();
    let rest = begun.and_then(|begun| rest(begun, &ask.text, &whole(&begun.user, begun.images), shape.overlap));
    rest.unwrap_or_else(|| whole(&ask.text, ask.images))
}

/// What is missing from an answer begun earlier, now that this was asked; None where what was begun is not the start of this
/// one. Where all of it was said, a model that is quoted its last word says it again, one that writes on has no more to
/// say, and anything else is a new question.
fn rest(begun: &Begun, asked: &str, whole: &[String], overlap: usize) -> Option<Vec<String>> {
    let partial = begun.partial.trim_end();
    let full = whole.concat();
    let missing = full.strip_prefix(partial).filter(|_| !partial.is_empty())?;
    let is_quoted = || partial.rsplit(' ').next().is_some_and(|last| asked.contains(last));
    let overlap = match (missing.is_empty(), begun.last) {
        (true, false) if is_quoted() => overlap.max(1),
        (true, false) => return None,
        _ => overlap,
    };
    let spent = begun.partial.len() - partial.len();
    let missing = if spent > 0 { missing.trim_start() } else { missing };
    let again: Vec<&str> = partial.split(' ').rev().take(overlap).collect();
    let mut pieces: Vec<String> = again.into_iter().rev().map(|word| format!("{word} ")).collect();
    if let (Some(last), false) = (pieces.last_mut(), spent > 0) {
        last.pop();
    }
    let mut start = 0;
    for (at, _) in missing.char_indices().filter(|(at, c)| *at > 0 && *c == ' ') {
        pieces.push(missing[start..at].to_owned());
        start = at;
    }
    if !missing.is_empty() {
        pieces.push(missing[start..].to_owned());
    }
    Some(pieces)
}

/// Pieces of at most `size` characters.
fn chunks(text: &str, size: usize) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(size).map(|piece| piece.iter().collect()).collect()
}

/// Renders a chat answer.
pub(crate) fn render(shape: &Shape) -> Template {
    let answer = Answer::of(shape);
    let ask = &shape.ask;
    match (ask.vendor, ask.stream) {
        (Vendor::OpenAi, false) if ask.items => responses::plain(ask, &answer),
        (Vendor::OpenAi, true) if ask.items => responses::stream(ask, &answer),
        (Vendor::OpenAi, false) => openai::plain(ask, &answer),
        (Vendor::OpenAi, true) => openai::stream(ask, &answer),
        (Vendor::Anthropic, false) => anthropic::plain(ask, &answer),
        (Vendor::Anthropic, true) => anthropic::stream(ask, &answer),
        (Vendor::Gemini, false) => gemini::plain(ask, &answer),
        (Vendor::Gemini, true) => gemini::stream(ask, &answer),
        (Vendor::Cohere, false) => cohere::plain(ask, &answer),
        (Vendor::Cohere, true) => cohere::stream(ask, &answer),
        (Vendor::Bedrock, false) => bedrock::plain(&answer),
        (Vendor::Bedrock, true) => bedrock::stream(&answer),
    }
}

#[cfg(test)]
mod tests;

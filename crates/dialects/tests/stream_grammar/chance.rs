//! Answers by chance: every kind of block, in pieces, calls interleaved, usage told early, late, twice or never.

use ringmain_core::{Dialect, Usage};
use ringmain_dialects::ir::{
    Block, BlockHead, BlockKind, Candidate, Delta, Event, Finish, Media, MediaSource, TokenLogprob,
};
use serde_json::json;

/// Numbers that look random and are the same in every run (`xorshift64*`).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }

    fn text(&mut self) -> String {
        const WORDS: [&str; 8] = ["", "a", "Grüße ", "\n\n", "\"quoted\" \\", "世界 🌍", "data: x\n", "more"];
        let at = usize::try_from(self.below(WORDS_COUNT)).unwrap();
        WORDS[at].to_owned()
    }
}

const WORDS_COUNT: u64 = 8;

struct Made {
    dice: Dice,
    events: Vec<Event>,
    next: u32,
    calls: u32,
}

/// The events of one answer.
pub(crate) fn answer(seed: u64) -> Vec<Event> {
    let mut made =
        Made { dice: Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1), events: Vec::new(), next: 0, calls: 0 };
    let id = if made.dice.below(4) == 0 { String::new() } else { format!("id_{seed}") };
    made.events.push(Event::Start { id, model: "model".to_owned(), created: Some(1) });
    made.maybe_usage(4);
    for _ in 0..made.dice.below(5) {
        match made.dice.below(8) {
            0..=2 => made.text(),
            3 => made.reasoning(),
            4 => made.refusal(),
            5 | 6 => made.calls(),
            _ => made.whole(),
        }
    }
    made.maybe_usage(2);
    let finish = match made.dice.below(9) {
        _ if made.calls > 0 => Finish::ToolUse,
        0..=3 => Finish::Stop,
        4 => Finish::StopSequence(Some("x".to_owned())),
        5 => Finish::Length,
        6 => Finish::Refusal,
        7 => Finish::ContextFull,
        _ => Finish::Other("ODD".to_owned()),
    };
    made.events.push(Event::Finish(finish));
    made.events
}

impl Made {
    fn maybe_usage(&mut self, one_in: u64) {
        if self.dice.below(one_in) > 0 {
            return;
        }
        let (input, output) = (self.dice.below(100) + 1, self.dice.below(100));
        self.events.push(Event::Usage(Usage { input, output, ..Usage::default() }));
    }

    /// How likely a text was: now and then, and not always of the text that comes next.
    fn maybe_logprobs(&mut self, text: &str) {
        if text.is_empty() || self.dice.below(5) > 0 {
            return;
        }
        let candidate = |token: &str| Candidate {
            token: token.to_owned(),
            bytes: token.as_bytes().to_vec(),
            id: None,
            logprob: (-1).into(),
        };
        let tokens = text.split_inclusive(' ');
        let tokens =
            tokens.map(|token| TokenLogprob { chosen: candidate(token), top: vec![candidate("or")] }).collect();
        self.events.push(Event::Logprobs(tokens));
    }

    fn begin(&mut self, head: BlockHead) -> u32 {
        let index = self.next;
        self.next += 1;
        self.events.push(Event::BlockStart { index, head });
        index
    }

    fn pieces(&mut self, index: u32, delta: fn(String) -> Delta) {
        for _ in 0..self.dice.below(4) {
            let text = self.dice.text();
            self.events.push(Event::Delta { index, delta: delta(text) });
        }
    }

    fn stop(&mut self, index: u32) {
        self.events.push(Event::BlockStop { index });
    }

    fn text(&mut self) {
        let index = self.begin(BlockHead::Text);
        for _ in 0..self.dice.below(4) {
            let text = self.dice.text();
            self.maybe_logprobs(&text);
            self.events.push(Event::Delta { index, delta: Delta::Text(text) });
        }
        if self.dice.below(3) == 0 {
            let sources = [
                json!({ "type": "url_citation", "url_citation": { "url": "https://a", "title": "t", "start_index": 0, "end_index": 1 } }),
                json!({ "type": "char_location", "cited_text": "a", "document_index": 0, "start_char_index": 0, "end_char_index": 1 }),
                json!({ "nothing": "known" }),
            ];
            let nth = usize::try_from(self.dice.below(3)).unwrap();
            self.events.push(Event::Delta { index, delta: Delta::Citation(sources[nth].clone()) });
        }
        self.stop(index);
    }

    fn reasoning(&mut self) {
        let index = self.begin(BlockHead::Reasoning);
        self.pieces(index, Delta::Reasoning);
        if self.dice.below(2) == 0 {
            self.events.push(Event::Delta { index, delta: Delta::Signature("Eq".to_owned()) });
        } else if self.dice.below(2) == 0 {
            self.events.push(Event::Delta { index, delta: Delta::Redacted("gAAAA".to_owned()) });
        }
        self.stop(index);
    }

    fn refusal(&mut self) {
        let index = self.begin(BlockHead::Refusal);
        self.pieces(index, Delta::Refusal);
        self.stop(index);
    }

    /// One to three calls whose arguments interleave, in pieces cut anywhere.
    fn calls(&mut self) {
        let mut open: Vec<(u32, Vec<&str>)> = Vec::new();
        for _ in 0..=self.dice.below(3) {
            self.calls += 1;
            let id = format!("call_{}", self.calls);
            let index = self.begin(BlockHead::ToolCall { id, name: "f".to_owned() });
            if self.dice.below(4) == 0 {
                self.events.push(Event::Delta { index, delta: Delta::Signature("Ci".to_owned()) });
            }
            let pieces = match self.dice.below(4) {
                0 => vec![],
                1 => vec!["{}"],
                2 => vec!["{\"x\":", "", "1}"],
                _ => vec!["{\"city\"", ":\"Par", "is 🌍\"", "}"],
            };
            open.push((index, pieces));
        }
        while !open.is_empty() {
            let at = usize::try_from(self.dice.below(open.len() as u64)).unwrap();
            let (index, pieces) = &mut open[at];
            let index = *index;
            if pieces.is_empty() {
                open.remove(at);
                self.stop(index);
            } else {
                let piece = pieces.remove(0).to_owned();
                self.events.push(Event::Delta { index, delta: Delta::Arguments(piece) });
            }
        }
    }

    fn whole(&mut self) {
        let image = Media {
            source: MediaSource::Base64("iVBORw0K".to_owned()),
            media_type: Some("image/png".to_owned()),
            name: None,
            detail: None,
        };
        let kinds = [
            BlockKind::Image(image),
            BlockKind::Reasoning { text: String::new(), signature: None, redacted: Some("gAAAA".to_owned()) },
            BlockKind::Opaque {
                dialect: Dialect::AnthropicMessages,
                value: json!({ "type": "server_tool_use", "id": "s", "name": "web_search", "input": { "q": "x" } }),
            },
            BlockKind::Opaque {
                dialect: Dialect::OpenAiResponses,
                value: json!({ "type": "web_search_call", "id": "ws_1", "status": "completed" }),
            },
            BlockKind::Text { text: "at once".to_owned(), citations: Vec::new() },
        ];
        let nth = usize::try_from(self.dice.below(5)).unwrap();
        let index = self.begin(BlockHead::Whole(Box::new(Block::from(kinds[nth].clone()))));
        self.stop(index);
    }
}

//! Which sequences of events are sentences.
//!
//! ```text
//! stream = Start ( BlockStart | Delta | BlockStop | Logprobs | Usage )* ( Finish | Error )
//! ```
//! Block indices are dense in order of beginning; a delta goes to an open block and fits its kind; each block is closed
//! once; at `Finish` none is open. A decoder may emit only sentences, an encoder may assume them: so each side is proven
//! alone, and every pair follows.

use std::collections::BTreeMap;

use super::event::{BlockHead, Delta, Event};

/// Follows a stream and says what is not a sentence. For tests and simulation.
#[derive(Debug, Default)]
pub struct Checker {
    started: bool,
    ended: bool,
    next_index: u32,
    open: BTreeMap<u32, Kind>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Reasoning,
    Refusal,
    ToolCall,
    Whole,
}

impl Checker {
    /// Takes the next event.
    ///
    /// # Errors
    /// What is wrong with it here.
    pub fn event(&mut self, event: &Event) -> Result<(), String> {
        if self.ended {
            return Err(format!("{event:?} after the terminal event"));
        }
        if !self.started && !matches!(event, Event::Start { .. } | Event::Error(_)) {
            return Err(format!("{event:?} before Start"));
        }
        match event {
            Event::Start { .. } if self.started => return Err("a second Start".to_owned()),
            Event::Start { .. } => self.started = true,
            Event::BlockStart { index, head } => self.block_start(*index, head)?,
            Event::Delta { index, delta } => self.delta(*index, delta)?,
            Event::BlockStop { index } => {
                self.open.remove(index).ok_or_else(|| format!("BlockStop of block {index}, which is not open"))?;
            }
            Event::Logprobs(tokens) if tokens.is_empty() => return Err("log probabilities of nothing".to_owned()),
            Event::Logprobs(_) | Event::Usage(_) => {}
            Event::Finish(_) => {
                if !self.open.is_empty() {
                    return Err(format!("Finish with open blocks {:?}", self.open));
                }
                self.ended = true;
            }
            Event::Error(_) => self.ended = true,
        }
        Ok(())
    }

    /// The stream is over: did it have its terminal event?
    ///
    /// # Errors
    /// It had not.
    pub fn end(&self) -> Result<(), String> {
        if self.ended { Ok(()) } else { Err("no terminal event".to_owned()) }
    }

    /// Checks a whole stream.
    ///
    /// # Errors
    /// The position and what is wrong there.
    pub fn check(events: &[Event]) -> Result<(), String> {
        let mut checker = Self::default();
        for (at, event) in events.iter().enumerate() {
            checker.event(event).map_err(|problem| format!("event {at}: {problem}"))?;
        }
        checker.end()
    }

    fn block_start(&mut self, index: u32, head: &BlockHead) -> Result<(), String> {
        if index != self.next_index {
            return Err(format!("block {index} begins where {} is due", self.next_index));
        }
        self.next_index += 1;
        let kind = match head {
            BlockHead::Text => Kind::Text,
            BlockHead::Reasoning => Kind::Reasoning,
            BlockHead::Refusal => Kind::Refusal,
            BlockHead::ToolCall { id, name } if id.is_empty() || name.is_empty() => {
                return Err(format!("tool call {index} without id or name"));
            }
            BlockHead::ToolCall { .. } => Kind::ToolCall,
            BlockHead::Whole(_) => Kind::Whole,
        };
        self.open.insert(index, kind);
        Ok(())
    }

    fn delta(&self, index: u32, delta: &Delta) -> Result<(), String> {
        let kind = self.open.get(&index).ok_or_else(|| format!("a delta to block {index}, which is not open"))?;
        let fits = match delta {
            Delta::Text(_) | Delta::Citation(_) => *kind == Kind::Text,
            Delta::Reasoning(_) | Delta::Redacted(_) => *kind == Kind::Reasoning,
            Delta::Signature(_) => matches!(kind, Kind::Reasoning | Kind::ToolCall),
            Delta::Refusal(_) => *kind == Kind::Refusal,
            Delta::Arguments(_) => *kind == Kind::ToolCall,
        };
        if fits { Ok(()) } else { Err(format!("{delta:?} in a {kind:?} block")) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::response::Finish;
    use super::*;

    fn start() -> Event {
        Event::Start { id: "a".into(), model: "m".into(), created: None }
    }

    fn call(index: u32) -> Event {
        Event::BlockStart { index, head: BlockHead::ToolCall { id: format!("c{index}"), name: "f".into() } }
    }

    fn arguments(index: u32) -> Event {
        Event::Delta { index, delta: Delta::Arguments("{".into()) }
    }

    #[test]
    fn interleaved_tool_calls_are_a_sentence() {
        let events = [
            start(),
            call(0),
            arguments(0),
            call(1),
            arguments(0),
            arguments(1),
            Event::BlockStop { index: 1 },
            Event::BlockStop { index: 0 },
            Event::Finish(Finish::ToolUse),
        ];
        assert_eq!(Checker::check(&events), Ok(()));
    }

    #[test]
    fn what_is_not_a_sentence() {
        let text = |index| Event::BlockStart { index, head: BlockHead::Text };
        let cases: [(&str, Vec<Event>); 7] = [
            ("before Start", vec![text(0)]),
            ("a second Start", vec![start(), start()]),
            ("begins where 0 is due", vec![start(), text(1)]),
            ("not open", vec![start(), arguments(0)]),
            ("in a Text block", vec![start(), text(0), arguments(0)]),
            ("open blocks", vec![start(), text(0), Event::Finish(Finish::Stop)]),
            ("no terminal event", vec![start()]),
        ];
        for (problem, events) in cases {
            let found = Checker::check(&events).expect_err(problem);
            assert!(found.contains(problem), "{found} should say {problem}");
        }
    }
}

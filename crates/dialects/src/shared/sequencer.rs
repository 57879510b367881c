//! One block at a time, for dialects whose streams close a block before they open the next.

use std::collections::BTreeMap;

use crate::ir::Event;

/// Puts the blocks of a stream one after the other. The lowest open block passes straight through; what belongs to later
/// ones waits until its turn comes. Holds at most what the answer holds, which its reader bounds.
#[derive(Debug, Default)]
pub struct Sequencer {
    current: Option<u32>,
    waiting: BTreeMap<u32, Vec<Event>>,
}

impl Sequencer {
    /// Takes the next event and passes on, in order, what may go now.
    pub fn event(&mut self, event: &Event, pass: &mut dyn FnMut(&Event)) {
        let index = match event {
            Event::BlockStart { index, .. } | Event::Delta { index, .. } | Event::BlockStop { index } => *index,
            Event::Start { .. } | Event::Logprobs(_) | Event::Usage(_) | Event::Finish(_) | Event::Error(_) => {
                return pass(event);
            }
        };
        if *self.current.get_or_insert(index) != index {
            self.waiting.entry(index).or_default().push(event.clone());
            return;
        }
        pass(event);
        if matches!(event, Event::BlockStop { .. }) {
            self.advance(pass);
        }
    }

    /// Goes on with the next block, and past those that are complete already.
    fn advance(&mut self, pass: &mut dyn FnMut(&Event)) {
        self.current = None;
        while let Some((index, events)) = self.waiting.pop_first() {
            events.iter().for_each(&mut *pass);
            if !matches!(events.last(), Some(Event::BlockStop { .. })) {
                self.current = Some(index);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{BlockHead, Delta};

    #[test]
    fn interleaved_blocks_come_out_in_order() {
        let start = |index| Event::BlockStart { index, head: BlockHead::Text };
        let text = |index| Event::Delta { index, delta: Delta::Text(index.to_string()) };
        let stop = |index| Event::BlockStop { index };
        let mixed =
            [start(0), start(1), text(1), start(2), text(0), stop(1), text(2), stop(0), text(2), stop(2), start(3)];
        let mut out = Vec::new();
        let mut sequencer = Sequencer::default();
        mixed.iter().for_each(|event| sequencer.event(event, &mut |event| out.push(event.clone())));
        let ordered =
            [start(0), text(0), stop(0), start(1), text(1), stop(1), start(2), text(2), text(2), stop(2), start(3)];
        assert_eq!(out, ordered);
    }
}

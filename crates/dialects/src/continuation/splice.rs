//! The events of a second answer as events of the first.

use std::collections::BTreeMap;

use ringmain_core::Usage;

use super::{Diverged, Form, Kind, Place, Seam};
use crate::ir::{BlockHead, Delta, Event};

/// Makes one answer of two.
#[derive(Debug)]
pub struct Splice {
    place: Place,
    seam: Seam,
    form: Form,
    /// What the first half used.
    used: Usage,
    /// What became of each block of the second half.
    blocks: BTreeMap<u32, Fate>,
    joined: bool,
    /// It said what it used.
    counted: bool,
}

#[derive(Debug, Clone, Copy)]
enum Fate {
    /// It goes on with the text of the first half.
    Joined,
    /// It is a block of its own, of this number.
    Own(u32),
    /// It is not passed on: the thoughts of one who goes on with a sentence.
    Left,
}

impl Splice {
    /// After a first half that stands there and used so much.
    #[must_use]
    pub const fn new(place: Place, seam: Seam, form: Form, used: Usage) -> Self {
        Self { place, seam, form, used, blocks: BTreeMap::new(), joined: false, counted: false }
    }

    /// Bytes of the second half that were said before.
    #[must_use]
    pub const fn trimmed(&self) -> usize {
        self.seam.trimmed()
    }

    /// Takes an event of the second answer; what it is to the caller is appended.
    ///
    /// # Errors
    /// It is another answer: nothing more of it is to be passed on.
    pub fn event(&mut self, event: Event, out: &mut Vec<Event>) -> Result<(), Diverged> {
        match event {
            Event::Start { .. } => {}
            Event::BlockStart { index, head } => self.begin(index, head, out)?,
            Event::Delta { index, delta } => self.delta(index, delta, out)?,
            Event::BlockStop { index } => match self.blocks.get(&index) {
                Some(Fate::Joined) => self.close(out)?,
                Some(Fate::Own(own)) => {
                    if self.place.open.is_some_and(|(open, _)| open == *own) {
                        self.place.open = None;
                    }
                    out.push(Event::BlockStop { index: *own });
                }
                Some(Fate::Left) | None => {}
            },
            Event::Usage(usage) => {
                self.counted = true;
                out.push(Event::Usage(self.used + usage));
            }
            Event::Finish(finish) => {
                self.close(out)?;
                if !self.counted {
                    out.push(Event::Usage(self.used));
                }
                out.push(Event::Finish(finish));
            }
            event @ (Event::Logprobs(_) | Event::Error(_)) => out.push(event),
        }
        Ok(())
    }

    fn begin(&mut self, index: u32, head: BlockHead, out: &mut Vec<Event>) -> Result<(), Diverged> {
        let fate = match head {
            BlockHead::Text if !self.joined => {
                self.joined = true;
                if !matches!(self.place.open, Some((_, Kind::Text))) {
                    self.close(out)?;
                    let own = self.own(BlockHead::Text, out);
                    self.place.open = Some((own, Kind::Text));
                }
                Fate::Joined
            }
            BlockHead::Reasoning if self.form != Form::Anew => Fate::Left,
            BlockHead::Whole(block) if self.form != Form::Anew && is_thought(&block.kind) => Fate::Left,
            head => {
                self.close(out)?;
                Fate::Own(self.own(head, out))
            }
        };
        self.blocks.insert(index, fate);
        Ok(())
    }

    fn own(&mut self, head: BlockHead, out: &mut Vec<Event>) -> u32 {
        let index = self.place.next;
        self.place.next += 1;
        out.push(Event::BlockStart { index, head });
        index
    }

    fn delta(&mut self, index: u32, delta: Delta, out: &mut Vec<Event>) -> Result<(), Diverged> {
        match (self.blocks.get(&index), delta) {
            (Some(Fate::Joined), Delta::Text(text)) => {
                let text = self.seam.push(&text)?;
                self.say(text, out);
            }
            // Their places are counted in the second half.
            (Some(Fate::Joined), _) | (Some(Fate::Left) | None, _) => {}
            (Some(Fate::Own(own)), delta) => out.push(Event::Delta { index: *own, delta }),
        }
        Ok(())
    }

    fn say(&self, text: String, out: &mut Vec<Event>) {
        if let Some((index, Kind::Text)) = self.place.open.filter(|_| !text.is_empty()) {
            out.push(Event::Delta { index, delta: Delta::Text(text) });
        }
    }

    /// Closes the block of the first half, or the one that goes on with it.
    fn close(&mut self, out: &mut Vec<Event>) -> Result<(), Diverged> {
        let Some((index, kind)) = self.place.open else { return Ok(()) };
        if kind == Kind::Text {
            let text = self.seam.end()?;
            self.say(text, out);
        }
        out.push(Event::BlockStop { index });
        self.place.open = None;
        Ok(())
    }
}

const fn is_thought(kind: &crate::ir::BlockKind) -> bool {
    matches!(kind, crate::ir::BlockKind::Reasoning { .. })
}

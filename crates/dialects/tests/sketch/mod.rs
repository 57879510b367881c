//! Decoders that know just enough of each dialect to ask: does its stream fit the grammar?

pub(crate) mod anthropic;
pub(crate) mod bedrock;
pub(crate) mod chat;
pub(crate) mod cohere;
pub(crate) mod gemini;
pub(crate) mod responses;

use std::collections::HashMap;

use ringmain_dialects::ir::{Block, BlockHead, BlockKind, Delta, Event, Finish};
use serde_json::Value;

/// Gathers events; keeps the dense indices and what is open.
#[derive(Default)]
pub(crate) struct Sink {
    pub(crate) events: Vec<Event>,
    next: u32,
    open: HashMap<String, u32>,
}

impl Sink {
    pub(crate) fn start(&mut self, id: &Value, model: &Value) {
        if self.events.is_empty() {
            self.events.push(Event::Start { id: text(id), model: text(model), created: None });
        }
    }

    /// Opens the block that the dialect knows by this name, if it is not open yet.
    pub(crate) fn open(&mut self, name: &str, head: BlockHead) {
        if !self.open.contains_key(name) {
            self.open.insert(name.to_owned(), self.next);
            self.events.push(Event::BlockStart { index: self.next, head });
            self.next += 1;
        }
    }

    pub(crate) fn delta(&mut self, name: &str, delta: Delta) {
        let index = *self.open.get(name).unwrap_or_else(|| panic!("{delta:?} to {name}, which is not open"));
        self.events.push(Event::Delta { index, delta });
    }

    pub(crate) fn close(&mut self, name: &str) {
        if let Some(index) = self.open.remove(name) {
            self.events.push(Event::BlockStop { index });
        }
    }

    pub(crate) fn is_open(&self, name: &str) -> bool {
        self.open.contains_key(name)
    }

    /// A block that is known only when it is over.
    pub(crate) fn whole(&mut self, kind: BlockKind) {
        let index = self.next;
        self.next += 1;
        self.events.push(Event::BlockStart { index, head: BlockHead::Whole(Box::new(Block::from(kind))) });
        self.events.push(Event::BlockStop { index });
    }

    pub(crate) fn finish(mut self, finish: Finish) -> Vec<Event> {
        let mut open: Vec<u32> = self.open.into_values().collect();
        open.sort_unstable();
        self.events.extend(open.into_iter().map(|index| Event::BlockStop { index }));
        self.events.push(Event::Finish(finish));
        self.events
    }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The elements of an array; none where there is no array.
pub(crate) fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

pub(crate) fn tokens(value: &Value, names: &[&str]) -> u64 {
    names.iter().map(|name| value[name].as_u64().unwrap_or_default()).sum()
}

pub(crate) fn error(message: &Value) -> Event {
    use ringmain_core::{Fault, FaultClass, Origin, Phase};
    Event::Error(Box::new(Fault::new(FaultClass::Server, Origin::Provider, Phase::AfterCommit, text(message))))
}

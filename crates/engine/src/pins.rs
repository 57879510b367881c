//! What one provider alone remembers or can read: the responses it has stored, and the reasoning it has sealed. A request
//! that goes on from such a thing goes to whom it is of, and to nobody else. See `docs/adr/0009-pinned-requests.md`.
//!
//! A small table of this process says who made what, by a hash of the provider's own id or of the sealed bytes: what a caller
//! gets is what the provider wrote.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::quality::RandomState;
use memchr::memmem;
use ringmain_core::{Dialect, Operation, Tick};
use ringmain_routing::{KeyIx, Reason, View};
use ringmain_wire::json::{self, Object};
use serde::Deserialize;

use crate::keys::Caller;
use crate::route::Route;
use crate::target::Target;

/// Things that are remembered, at most; the oldest go first. About a hundred bytes each.
const PINS_MAX: usize = 64 * 1024;
/// OpenAI forgets a response after thirty days.
const KEEP: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How sealed reasoning begins in JSON.
const SEALED: &[u8] = b"\"encrypted_content\":";
/// The id of a response stands in the first events of its stream.
const EVENTS_WITH_ID: u8 = 4;
/// Things one request may go on from that are looked up; the last ones count.
const LOOKED_AT: usize = 64;

/// Who made something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maker {
    /// The configured provider.
    pub provider: String,
    /// The model it was asked for.
    pub model: String,
    /// With which of its keys, by its label: several may be of several accounts.
    pub key: String,
    /// For the holder of which virtual key. `None`: there were none.
    pub owner: Option<Arc<str>>,
}

impl Maker {
    /// May this caller go on from it? The holder of a key only from what was made with the same.
    #[must_use]
    pub fn is_for(&self, caller: &Caller) -> bool {
        caller.key().is_none_or(|key| self.owner.as_ref() == Some(&key.name.id))
    }
}

/// The table.
#[derive(Debug, Default)]
pub struct Pins {
    table: Mutex<Table>,
    count: AtomicUsize,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Table {
    made: HashMap<u64, (u64, Tick, Maker)>,
    /// In the order in which they came; one whose number is no longer its entry's has been replaced.
    order: VecDeque<(u64, u64)>,
    number: u64,
}

impl Pins {
    fn table(&self) -> MutexGuard<'_, Table> {
        // Each change leaves it whole.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self, thing: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(thing);
        hasher.finish()
    }

    /// Who made this id, or these sealed bytes.
    #[must_use]
    pub fn maker(&self, thing: &[u8], now: Tick) -> Option<Maker> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let table = self.table();
        let (_, at, maker) = table.made.get(&self.key(thing))?;
        (now.since(*at) < KEEP).then(|| maker.clone())
    }

    /// This was made by that one.
    pub fn remember(&self, thing: &[u8], maker: &Maker, at: Tick) {
        let key = self.key(thing);
        let mut table = self.table();
        table.number += 1;
        let number = table.number;
        table.made.insert(key, (number, at, maker.clone()));
        table.order.push_back((key, number));
        while table.made.len() > PINS_MAX || table.order.len() > 2 * PINS_MAX {
            let Some((key, number)) = table.order.pop_front() else { break };
            if table.made.get(&key).is_some_and(|(known, ..)| *known == number) {
                table.made.remove(&key);
            }
        }
        self.count.store(table.made.len(), Ordering::Relaxed);
    }
}

/// What a request goes on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The field that says so, in the caller's words.
    pub field: &'static str,
    /// Who made it.
    pub maker: Maker,
}

/// Does the answer to this request make something to go on from? Not where nothing is stored and nothing is sealed.
#[must_use]
pub fn makes(operation: Operation, dialect: Dialect, object: &Object<'_>) -> bool {
    if operation != Operation::Chat || dialect != Dialect::OpenAiResponses {
        return false;
    }
    let stores = object.get("store").and_then(json::as_bool) != Some(false);
    let seals = object.get("include").is_some_and(|include| include.get().contains("reasoning.encrypted_content"));
    stores || seals
}

/// Reads what a request goes on from, as far as its maker is known.
///
/// # Errors
/// The field: what it names was made for somebody else.
pub fn pin(
    pins: &Pins,
    caller: &Caller,
    dialect: Dialect,
    object: &Object<'_>,
    now: Tick,
) -> Result<Option<Pin>, &'static str> {
    if dialect != Dialect::OpenAiResponses {
        return Ok(None);
    }
    let text = |name: &str| object.get(name).and_then(json::as_str);
    let field = "previous_response_id";
    if let Some(maker) = text(field).and_then(|id| pins.maker(id.as_bytes(), now)) {
        return if maker.is_for(caller) { Ok(Some(Pin { field, maker })) } else { Err(field) };
    }
    // The latest counts: an earlier one of another maker is that one's to refuse.
    let sealed = object.get("input").map(|input| sealed(input.get().as_bytes())).unwrap_or_default();
    let maker = sealed.iter().rev().take(LOOKED_AT).find_map(|sealed| pins.maker(sealed, now));
    Ok(maker.map(|maker| Pin { field: "input.encrypted_content", maker }))
}

/// The sealed reasoning in this JSON, as it is written there. What a gateway has marked is nobody's pin.
fn sealed(json: &[u8]) -> Vec<&[u8]> {
    memmem::find_iter(json, SEALED)
        .filter_map(|at| {
            let value = json.get(at + SEALED.len()..)?.trim_ascii_start().strip_prefix(b"\"")?;
            let end = memchr::memchr(b'"', value)?;
            value.get(..end).filter(|value| !value.is_empty() && !value.starts_with(b"ringmain"))
        })
        .collect()
}

impl Pin {
    /// Leaves in the view only whom it is of. A provider whose key of then is gone may use another: it may be the same
    /// account.
    pub(crate) fn hold(&self, route: &Route, view: &mut View) {
        for (at, target) in route.targets.iter().enumerate() {
            if target.name.provider != self.maker.provider {
                view.exclude(at, Reason::Pinned);
            } else if let Some(key) = self.key_of(target) {
                view.only_key(at, key);
            }
        }
    }

    fn key_of(&self, target: &Target) -> Option<KeyIx> {
        let keys = &target.provider.keys;
        keys.iter().find(|key| key.label == self.maker.key).map(|key| key.ix)
    }

    /// Is there anybody in the route whom it is of?
    pub(crate) fn is_in(&self, route: &Route) -> bool {
        route.targets.iter().any(|target| target.name.provider == self.maker.provider)
    }
}

/// What may be gone on from of an answer, and by whom it was made: learned while the answer is relayed.
#[derive(Debug)]
pub struct Learner {
    pins: Arc<Pins>,
    maker: Maker,
    at: Tick,
    /// Events in which the answer's id may still be told.
    id_within: u8,
    /// Each sealed thought is told twice: when its item is done, and in the last event.
    seen: Vec<u64>,
}

/// A response, of which the id alone counts.
#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    response: Option<Response<'a>>,
}

impl Learner {
    /// For an answer to a request that came at `at`.
    #[must_use]
    pub fn new(pins: &Arc<Pins>, maker: Maker, at: Tick) -> Self {
        Self { pins: Arc::clone(pins), maker, at, id_within: EVENTS_WITH_ID, seen: Vec::new() }
    }

    /// A plain answer.
    pub fn body(&mut self, body: &[u8]) {
        let response: Option<Response<'_>> = serde_json::from_slice(body).ok();
        self.learn(response, body);
    }

    /// The next event of a stream.
    pub fn event(&mut self, data: &[u8]) {
        let mut response = None;
        if self.id_within > 0 {
            self.id_within -= 1;
            response = serde_json::from_slice::<Event<'_>>(data).ok().and_then(|event| event.response);
        }
        self.learn(response, data);
    }

    fn learn(&mut self, response: Option<Response<'_>>, json: &[u8]) {
        if let Some(id) = response.and_then(|response| response.id) {
            self.id_within = 0;
            self.pins.remember(id.as_bytes(), &self.maker, self.at);
        }
        for sealed in sealed(json) {
            let key = self.pins.key(sealed);
            if !self.seen.contains(&key) {
                self.seen.push(key);
                self.pins.remember(sealed, &self.maker, self.at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maker(provider: &str) -> Maker {
        Maker { provider: provider.into(), model: "m".into(), key: format!("{provider}#1"), owner: None }
    }

    fn made(pins: &Arc<Pins>, provider: &str, body: &str) {
        Learner::new(pins, maker(provider), Tick::ZERO).body(body.as_bytes());
    }

    fn pinned(pins: &Pins, body: &str) -> Option<(&'static str, String)> {
        let object = Object::parse(body.as_bytes()).unwrap();
        let pin = pin(pins, &Caller::Anyone, Dialect::OpenAiResponses, &object, Tick::ZERO).unwrap()?;
        Some((pin.field, pin.maker.provider))
    }

    #[test]
    fn a_response_and_sealed_reasoning_are_known_again() {
        let pins = Arc::default();
        made(&pins, "a", r#"{"id":"resp_1","output":[{"type":"reasoning","encrypted_content":"gAAA1"}]}"#);
        made(&pins, "b", r#"{"id":"resp_2","output":[{"type":"reasoning","encrypted_content": "gAAA2"}]}"#);
        let previous = |id| pinned(&pins, &format!(r#"{{"previous_response_id":"{id}","input":"x"}}"#));
        assert_eq!(previous("resp_1"), Some(("previous_response_id", "a".into())));
        assert_eq!(previous("resp_2"), Some(("previous_response_id", "b".into())));
        assert_eq!(previous("resp_3"), None);
        let items = |sealed: &[&str]| {
            let items: Vec<_> =
                sealed.iter().map(|s| format!(r#"{{"type":"reasoning","encrypted_content":"{s}"}}"#)).collect();
            pinned(&pins, &format!(r#"{{"input":[{}]}}"#, items.join(",")))
        };
        assert_eq!(items(&["gAAA1"]), Some(("input.encrypted_content", "a".into())));
        assert_eq!(items(&["gAAA1", "gAAA2", "gAAA9"]), Some(("input.encrypted_content", "b".into())));
        assert_eq!(items(&["ringmain:signature:x"]), None);
        assert_eq!(pinned(&pins, r#"{"input":"hi"}"#), None);
        assert_eq!(pinned(&pins, "{}"), None);
    }

    #[test]
    fn a_stream_tells_as_much() {
        let pins = Arc::default();
        let mut learner = Learner::new(&pins, maker("a"), Tick::ZERO);
        for event in [
            r#"{"type":"response.created","sequence_number":0,"response":{"id":"resp_1","output":[]}}"#,
            r#"{"type":"response.output_item.done","item":{"type":"reasoning","encrypted_content":"gAAA1"}}"#,
            r#"{"type":"response.completed","response":{"id":"resp_1","output":[{"encrypted_content":"gAAA1"}]}}"#,
        ] {
            learner.event(event.as_bytes());
        }
        assert_eq!(learner.seen.len(), 1);
        assert_eq!(pins.maker(b"resp_1", Tick::ZERO), Some(maker("a")));
        assert_eq!(pins.maker(b"gAAA1", Tick::ZERO), Some(maker("a")));
        assert_eq!(pins.maker(b"resp_1", Tick::ZERO + KEEP), None);
    }

    #[test]
    fn it_is_bounded() {
        let pins = Pins::default();
        for nth in 0..PINS_MAX + 10 {
            pins.remember(nth.to_string().as_bytes(), &maker("a"), Tick::ZERO);
        }
        assert_eq!(pins.table().made.len(), PINS_MAX);
        assert!(pins.maker(b"0", Tick::ZERO).is_none() && pins.maker(b"100", Tick::ZERO).is_some());
        for _ in 0..2 * PINS_MAX {
            pins.remember(b"same", &maker("a"), Tick::ZERO);
        }
        assert!(pins.table().order.len() <= 2 * PINS_MAX);
        assert!(pins.maker(b"same", Tick::ZERO).is_some());
    }
}

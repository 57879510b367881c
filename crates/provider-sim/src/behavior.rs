//! How a provider answers: its fault, if any, its pace, and the length of what it says.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::dialogue::Line;
use crate::fault::Fault;
use crate::span;
use crate::text::DEFAULT_WORDS;

/// How one request is answered. The default is healthy, at once, with 16 words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behavior {
    /// What goes wrong; nothing by default. In YAML and JSON: a name from the table of faults, or `healthy`.
    #[serde(serialize_with = "write_fault", deserialize_with = "read_fault")]
    pub fault: Option<Fault>,
    /// From the request's end to the first token. Headers and a stream's opening events are not held back by it.
    #[serde(with = "span::text")]
    pub first_token_delay: Duration,
    /// Between two tokens of a stream.
    #[serde(with = "span::text")]
    pub token_delay: Duration,
    /// Words in a healthy answer; a request's own token limit stands above it.
    pub words: usize,
    /// Streams: split every write into pieces of at most this many bytes, each flushed by itself.
    pub chunk_bytes: Option<usize>,
    /// When continuing a broken answer: how many of its last words are said again first.
    pub overlap_words: usize,
    /// What the model says and calls at each of its turns, instead of the usual answer; after the last, the usual one.
    pub dialogue: Vec<Line>,
}

impl Default for Behavior {
    fn default() -> Self {
        Self {
            fault: None,
            first_token_delay: Duration::ZERO,
            token_delay: Duration::ZERO,
            words: DEFAULT_WORDS,
            chunk_bytes: None,
            overlap_words: 0,
            dialogue: Vec::new(),
        }
    }
}

impl Behavior {
    /// Healthy except for this fault.
    #[must_use]
    pub fn failing(fault: Fault) -> Self {
        Self { fault: Some(fault), ..Self::default() }
    }

    /// Its fault or, without one, its slowness; `healthy` where it has neither. What the log shows.
    #[must_use]
    pub fn name(&self) -> String {
        let slow = |time: Duration| (!time.is_zero()).then_some(time);
        let fault = self.fault.clone().or_else(|| slow(self.first_token_delay).map(Fault::Slow));
        let fault = fault.or_else(|| slow(self.token_delay).map(Fault::Drip));
        fault.map_or_else(|| "healthy".to_owned(), |fault| fault.to_string())
    }

    /// The behaviour for the `seen`th request (from 0) under it: counting faults become what they are for that one.
    #[must_use]
    pub fn at(&self, seen: u64) -> Self {
        let mut now = self.clone();
        now.fault = now.fault.and_then(|fault| resolve(fault, seen));
        match now.fault {
            Some(Fault::Slow(time)) => (now.fault, now.first_token_delay) = (None, time),
            Some(Fault::Drip(time)) => (now.fault, now.token_delay) = (None, time),
            _ => {}
        }
        now
    }
}

/// Follows `flap` and `fail-first` to what they mean for this request. Each level counts the requests that reach it.
fn resolve(fault: Fault, seen: u64) -> Option<Fault> {
    match fault {
        Fault::Flap { fail, of, with } => {
            let place = seen % of.max(1);
            if place < fail { resolve(*with, (seen / of.max(1)) * fail + place) } else { None }
        }
        Fault::FailFirst { count, with } => {
            if seen < count {
                resolve(*with, seen)
            } else {
                None
            }
        }
        other => Some(other),
    }
}

#[expect(clippy::ref_option, reason = "the signature serde calls")]
fn write_fault<S: Serializer>(fault: &Option<Fault>, to: S) -> Result<S::Ok, S::Error> {
    match fault {
        Some(fault) => to.collect_str(fault),
        None => to.serialize_str("healthy"),
    }
}

fn read_fault<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Fault>, D::Error> {
    let text = String::deserialize(from)?;
    if text == "healthy" { Ok(None) } else { text.parse().map(Some).map_err(D::Error::custom) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_faults_follow_their_count() {
        for (fault, pattern) in [
            ("flap=2of3", "xx.xx.xx"),
            ("fail-first=2", "xx......"),
            ("fail-once", "x......."),
            ("flap=1of2:fail-first=2", "x.x....."),
            ("overloaded", "xxxxxxxx"),
        ] {
            let behavior = Behavior::failing(fault.parse().unwrap());
            let got: String = (0..8).map(|n| if behavior.at(n).fault.is_some() { 'x' } else { '.' }).collect();
            assert_eq!(got, pattern, "{fault}");
        }
    }

    #[test]
    fn slowness_is_a_pace() {
        let now = Behavior::failing("slow=2s".parse().unwrap()).at(0);
        assert_eq!((now.fault, now.first_token_delay), (None, Duration::from_secs(2)));
    }

    #[test]
    fn yaml_and_json_are_read_and_unknown_keys_refused() {
        let yaml: Behavior = serde_saphyr::from_str("{ fault: cut=3, first_token_delay: 250ms, words: 4 }").unwrap();
        assert_eq!(yaml.fault, Some(Fault::Cut(3)));
        let back: Behavior = serde_json::from_str(&serde_json::to_string(&yaml).unwrap()).unwrap();
        assert_eq!(back, yaml);
        let healthy: Behavior = serde_saphyr::from_str("fault: healthy").unwrap();
        assert_eq!(healthy, Behavior::default());
        assert!(serde_saphyr::from_str::<Behavior>("falt: cut").is_err());
        assert!(serde_saphyr::from_str::<Behavior>("fault: cuts").is_err());
    }
}

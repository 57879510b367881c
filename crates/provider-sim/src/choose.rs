//! Which behaviour a request meets: the model name's, the key's, the one set by hand, the script's, the default.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::behavior::Behavior;
use crate::fault::{Fault, fault_in_model};
use crate::script::{KeyRule, Progress, Script};

/// Model names counted apart for `flap` and `fail-first`; when there are more, counting starts anew.
const MAX_COUNTED: usize = 4096;
/// Labels with a behaviour set by hand; further ones are refused.
const MAX_LABELS: usize = 1024;
/// The window of a key's limit where none is given.
const WINDOW: Duration = Duration::from_secs(60);

/// Where a key stands in its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quota {
    pub(crate) limit: u32,
    pub(crate) left: u32,
    pub(crate) reset: Duration,
    /// This request is one too many.
    pub(crate) over: bool,
}

/// What a request meets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) behavior: Behavior,
    /// The provider accepts certain keys, and this is none of them.
    pub(crate) refused: bool,
    pub(crate) quota: Option<Quota>,
}

#[derive(Debug)]
struct Key {
    rule: KeyRule,
    seen: u64,
    window: Duration,
    used: u32,
}

#[derive(Debug, Default)]
struct Label {
    by_hand: Option<(Behavior, u64)>,
    progress: Progress,
    keys: Vec<Key>,
}

#[derive(Debug, Default)]
struct Inner {
    labels: HashMap<String, Label>,
    /// Requests by label and model, for model names that hold a counting fault.
    counts: HashMap<(String, String), u64>,
}

#[derive(Debug)]
pub(crate) struct Chooser {
    inner: Mutex<Inner>,
    default: Behavior,
}

impl Chooser {
    pub(crate) fn new(script: Script, default: Behavior) -> Self {
        let label = |provider: crate::script::Provider| Label {
            by_hand: None,
            progress: Progress::new(provider.steps),
            keys: provider
                .keys
                .into_iter()
                .map(|rule| Key { rule, seen: 0, window: Duration::ZERO, used: 0 })
                .collect(),
        };
        let labels = script.providers.into_iter().map(|(name, provider)| (name, label(provider))).collect();
        Self { inner: Mutex::new(Inner { labels, counts: HashMap::new() }), default }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        act(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sets a label's behaviour by hand, above its script; `None` gives it back to the script. False where there are
    /// too many labels.
    pub(crate) fn set(&self, label: &str, behavior: Option<Behavior>) -> bool {
        self.with(|inner| {
            if inner.labels.len() >= MAX_LABELS && !inner.labels.contains_key(label) {
                return false;
            }
            inner.labels.entry(label.to_owned()).or_default().by_hand = behavior.map(|behavior| (behavior, 0));
            true
        })
    }

    /// The behaviour in force for a label, not counting this look.
    pub(crate) fn in_force(&self, label: &str, elapsed: Duration) -> Behavior {
        self.with(|inner| {
            let current = inner.labels.get(label).and_then(|state| match &state.by_hand {
                Some((behavior, seen)) => Some((behavior.clone(), *seen)),
                None => state.progress.peek(elapsed),
            });
            current.map_or_else(|| self.default.clone(), |(behavior, seen)| behavior.at(seen))
        })
    }

    /// Whether the label refuses connections now. Such a request counts, and never comes to [`Self::choose`].
    pub(crate) fn refuses(&self, label: &str, elapsed: Duration) -> bool {
        let refuses = self.in_force(label, elapsed).fault == Some(Fault::Refuse);
        if refuses {
            self.with(|inner| inner.labels.get_mut(label).map(|state| self.scheduled(state, elapsed)));
        }
        refuses
    }

    pub(crate) fn choose(&self, label: &str, model: Option<&str>, key: Option<&str>, elapsed: Duration) -> Chosen {
        self.with(|inner| {
            let mut chosen = Chosen { behavior: Behavior::default(), refused: false, quota: None };
            let from_model = model.and_then(|model| Some((model, fault_in_model(model)?)));
            let state = inner.labels.get_mut(label);
            let decided = state.map(|state| {
                let from_key = by_key(state, key, elapsed, &mut chosen);
                match from_key {
                    Some(behavior) => behavior,
                    // What is decided otherwise is no request of the schedule.
                    None if from_model.is_some() || chosen.refused => self.default.at(0),
                    None => self.scheduled(state, elapsed),
                }
            });
            chosen.behavior = match from_model {
                Some((model, fault)) => {
                    let seen = count(&mut inner.counts, label, model);
                    Behavior { fault: Some(fault), ..self.default.clone() }.at(seen)
                }
                None => decided.unwrap_or_else(|| self.default.at(0)),
            };
            chosen
        })
    }

    fn scheduled(&self, state: &mut Label, elapsed: Duration) -> Behavior {
        if let Some((behavior, seen)) = &mut state.by_hand {
            *seen += 1;
            return behavior.at(*seen - 1);
        }
        state.progress.take(elapsed).map_or_else(|| self.default.at(0), |(behavior, _, before)| behavior.at(before))
    }
}

fn by_key(state: &mut Label, key: Option<&str>, elapsed: Duration, chosen: &mut Chosen) -> Option<Behavior> {
    if state.keys.is_empty() {
        return None;
    }
    let Some(known) = state.keys.iter_mut().find(|known| Some(known.rule.key.as_str()) == key) else {
        chosen.refused = true;
        return None;
    };
    if let Some(limit) = known.rule.limit {
        let window = known.rule.window.unwrap_or(WINDOW);
        if elapsed >= known.window + window {
            (known.window, known.used) = (elapsed, 0);
        }
        let over = known.used >= limit;
        known.used += u32::from(!over);
        let reset = (known.window + window).saturating_sub(elapsed);
        chosen.quota = Some(Quota { limit, left: limit - known.used, reset, over });
    }
    let behavior = known.rule.behavior.as_ref()?.at(known.seen);
    known.seen += 1;
    Some(behavior)
}

fn count(counts: &mut HashMap<(String, String), u64>, label: &str, model: &str) -> u64 {
    if counts.len() >= MAX_COUNTED {
        counts.clear();
    }
    let count = counts.entry((label.to_owned(), model.to_owned())).or_default();
    *count += 1;
    *count - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "
providers:
  openai:
    keys:
      - { key: key-a, behavior: { fault: insufficient-quota } }
      - { key: key-b, limit: 2, window: 10s }
    steps:
      - { requests: 1, behavior: { fault: overloaded } }
";

    #[test]
    fn model_then_key_then_hand_then_script_then_default() {
        let chooser = Chooser::new(Script::parse(SCRIPT).unwrap(), Behavior::default());
        let fault = |label: &str, model, key| {
            let chosen = chooser.choose(label, Some(model), key, Duration::ZERO);
            if chosen.refused {
                return "refused".to_owned();
            }
            chosen.behavior.fault.map_or_else(|| "healthy".to_owned(), |fault| fault.to_string())
        };
        assert_eq!(fault("openai", "m", None), "refused");
        assert_eq!(fault("openai", "m@cut=3", Some("key-a")), "cut=3");
        assert_eq!(fault("openai", "m", Some("key-a")), "insufficient-quota");
        assert_eq!(fault("openai", "m", Some("key-b")), "overloaded");
        assert_eq!(fault("openai", "m", Some("key-b")), "healthy");
        assert!(chooser.set("openai", Some(Behavior::failing("fail-first=1:stall=2".parse().unwrap()))));
        assert_eq!(fault("openai", "m", Some("key-b")), "stall=2");
        assert_eq!(fault("openai", "m", Some("key-b")), "healthy");
        assert_eq!(fault("other", "sim-fail-once", None), "server-error");
        assert_eq!(fault("other", "sim-fail-once", None), "healthy");
        assert_eq!(fault("elsewhere", "sim-fail-once", None), "server-error");
    }

    #[test]
    fn a_key_has_its_window() {
        let chooser = Chooser::new(Script::parse(SCRIPT).unwrap(), Behavior::default());
        let quota = |at| {
            let quota = chooser.choose("openai", None, Some("key-b"), Duration::from_secs(at)).quota.unwrap();
            (quota.left, quota.over, quota.reset.as_secs())
        };
        let seen: Vec<_> = [0, 3, 4, 10].into_iter().map(quota).collect();
        assert_eq!(seen, [(1, false, 10), (0, false, 7), (0, true, 6), (1, false, 10)]);
    }
}

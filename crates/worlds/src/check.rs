//! What holds in every world.

use std::time::Duration;

use ringmain_caller::Heard;
use ringmain_provider_sim::{DEFAULT_WORDS, Ended, LogEntry, expected_text};
use ringmain_routing::record::{dressed, replay};

use crate::make::World;
use crate::run::{Got, Seen};

/// A caller who left is gone from everywhere within this.
const GONE_WITHIN: Duration = Duration::from_secs(1);

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Which: a word to look for.
    pub invariant: &'static str,
    /// What was seen.
    pub what: String,
}

/// Every invariant that `seen` breaks.
#[must_use]
pub fn check(world: &World, seen: &Seen) -> Vec<Broken> {
    let mut broken = Vec::new();
    let mut add = |invariant, what| broken.push(Broken { invariant, what });
    if seen.in_flight > 0 {
        add("settled-once", format!("{} attempts are still counted as running", seen.in_flight));
    }
    for got in &seen.callers {
        let attempts = attempts_of(seen, got);
        for (invariant, what) in caller(world, seen, got, &attempts) {
            let caller = format!("caller {} ({}, {})", got.caller.number, got.caller.dialect, how(got));
            add(invariant, format!("{caller}: {what}"));
        }
    }
    broken
}

fn how(got: &Got) -> String {
    format!(
        "{}, asked at {:?}, ended at {:?}",
        if got.caller.stream { "stream" } else { "plain" },
        got.caller.at,
        got.ended
    )
}

/// What the providers saw of a caller's request.
fn attempts_of<'s>(seen: &'s Seen, got: &Got) -> Vec<&'s LogEntry> {
    let text = format!("\"{}\"", got.caller.text());
    let is_its = |entry: &&LogEntry| memchr::memmem::find(&entry.body, text.as_bytes()).is_some();
    seen.log.iter().filter(is_its).collect()
}

fn caller(world: &World, seen: &Seen, got: &Got, attempts: &[&LogEntry]) -> Vec<(&'static str, String)> {
    let mut broken = Vec::new();
    if got.hung {
        broken.push(("every-request-ends", "nothing came".to_owned()));
    }
    answer(world, got, &mut broken);
    counts(world, seen, got, attempts, &mut broken);
    if let Some(what) = lingering(got, attempts) {
        broken.push(("nothing-after-the-caller", what));
    }
    if let Some(what) = starved(world, got) {
        broken.push(("liveness", what));
    }
    if let Some(record) = got.record(&seen.gateway) {
        let rules = seen.gateway.rules();
        let route = rules.routes().find(|route| &*route.name == "r");
        let again = route.map_or(Ok(()), |route| replay(&record, &dressed(&route.policy, &record)));
        if let Err(difference) = again {
            broken.push(("replay", difference.to_string()));
        }
        if let Some(open) = record.attempts.iter().find(|made| made.tried.ended.is_none()) {
            broken.push(("settled-once", format!("an attempt has no end in the record: {open:?}")));
        }
    } else if !got.left && !got.hung {
        broken.push(("recorded", "the request left no record".to_owned()));
    }
    broken
}

/// A broken answer never looks finished, and a finished one is the whole of what a provider said.
fn answer(world: &World, got: &Got, broken: &mut Vec<(&'static str, String)>) {
    let expected = expected_text(&got.caller.text(), DEFAULT_WORDS);
    match &got.heard {
        Some(Heard::Whole { text, done, .. }) if *done && *text != expected && !world.rules.answers => {
            broken.push(("whole-or-error", format!("a clean end after {text:?}, of {expected:?}")));
        }
        Some(Heard::Unfinished { text }) => {
            broken.push(("whole-or-error", format!("neither an end nor an error after {text:?}")));
        }
        Some(Heard::Unreadable(why)) => broken.push(("readable", format!("{why}: {:?}", shown(got)))),
        Some(Heard::Broken { text, .. }) if !expected.starts_with(text.as_str()) => {
            broken.push(("one-commit", format!("{text:?} is no beginning of {expected:?}")));
        }
        Some(Heard::Broken { .. } | Heard::Whole { .. } | Heard::Refused(_)) | None => {}
    }
    if memchr::memmem::find(&got.body, b"-secret-").is_some() || format!("{:?}", got.headers).contains("-secret-") {
        broken.push(("no-secret", "a key is in the answer".to_owned()));
    }
}

fn shown(got: &Got) -> String {
    String::from_utf8_lossy(&got.body).chars().rev().take(400).collect::<Vec<_>>().into_iter().rev().collect()
}

/// Attempts within the policy; and what the header says is what the providers saw.
fn counts(world: &World, seen: &Seen, got: &Got, attempts: &[&LogEntry], broken: &mut Vec<(&'static str, String)>) {
    // A refused key is no attempt, and neither is a kept connection that was dead: each key and connection once.
    let most = world.rules.attempts as usize + world.rules.keys;
    if attempts.len() > most + 1 {
        broken.push(("attempts-within-policy", format!("{} attempts where {most} are allowed", attempts.len())));
    }
    if world.rules.attempts == 1 && got.attempts().is_some_and(|told| told > 1) {
        broken.push(("attempts-within-policy", format!("{:?} attempts where one is allowed", got.attempts())));
    }
    // A connection that is refused never shows whose request it was for.
    let all_known = seen.log.iter().all(|entry| entry.behavior != "refuse");
    if let Some(told) = got.attempts()
        && told > attempts.len()
        && !got.left
        && all_known
    {
        broken.push(("attempts-told", format!("{told} were told, {} were seen", attempts.len())));
    }
}

/// Something of a request goes on after its caller left, or after its answer ended.
fn lingering(got: &Got, attempts: &[&LogEntry]) -> Option<String> {
    let by = got.ended + GONE_WITHIN;
    let late = attempts.iter().find(|entry| entry.at > got.ended);
    if let Some(entry) = late {
        return Some(format!("an attempt at {} began at {:?}", entry.label, entry.at));
    }
    let open = attempts.iter().find(|entry| match entry.ended {
        Ended::Open => true,
        Ended::ClientClosed { at } => at > by,
        Ended::Completed { .. } | Ended::BrokenOff { .. } => false,
    });
    open.map(|entry| {
        format!("the attempt at {} ({}) is open after {by:?}: {:?}", entry.label, entry.behavior, entry.ended)
    })
}

/// A healthy target and time left mean success.
fn starved(world: &World, got: &Got) -> Option<String> {
    let rules = &world.rules;
    // Where a fault is an answer, or shows after the commit and nobody goes on, the caller may see it. A target that fails
    // is asked twice.
    let sure = (rules.resumes || !rules.after_commit) && !rules.answers && !rules.healthy.is_empty();
    let enough = rules.attempts as usize > 2 * rules.hurt + rules.hurt_keys;
    if !sure || !enough || got.left || got.caller.timeout.is_some() {
        return None;
    }
    match &got.heard {
        Some(Heard::Whole { .. }) => None,
        other => {
            Some(format!("{} were well all the time, and yet: {other:?} {:?}", rules.healthy.join(", "), shown(got)))
        }
    }
}

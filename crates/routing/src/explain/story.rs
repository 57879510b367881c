//! What happened to one request, from its record.

use ringmain_core::{Fault, Phase, Tick};

use super::{dollars_of, percent, seconds};
use crate::record::{Attempt, Record, Resumes};
use crate::{Step, Stop, Verdict};

/// What happened, line by line, each with the time since the request began.
#[must_use]
pub fn story(record: &Record) -> Vec<String> {
    let mut lines: Vec<(Tick, usize, String)> = Vec::new();
    for (order, decision) in record.decisions.iter().enumerate() {
        let words = match &decision.step {
            Step::Try(_) => continue,
            // What runs is waited for anyway.
            Step::Wait { .. } if record.attempts.iter().any(|made| runs(made, decision.now.mono)) => continue,
            Step::Wait { until } => {
                format!("nothing may be asked now: waited for {}", seconds(until.since(decision.now.mono)))
            }
            Step::Stop(stop) => stopped(stop),
        };
        lines.push((decision.now.mono, order * 2 + 1, words));
    }
    for (order, made) in record.attempts.iter().enumerate() {
        lines.push((made.tried.started, order * 2, format!("{} was asked{}", name(record, made), why(record, order))));
        let ended = made.tried.ended.unwrap_or(made.tried.started);
        lines.push((ended, order * 2 + 1, outcome(record, made)));
    }
    if let Some(ended) = record.ended {
        let last = match &record.fault {
            None => "the caller had the whole answer".to_owned(),
            Some(fault) => format!("the caller got: {fault}"),
        };
        lines.push((ended, usize::MAX, last));
    }
    lines.sort_by_key(|(at, order, _)| (*at, *order));
    lines.into_iter().map(|(at, _, words)| format!("{:>8}  {words}", after(record, at))).collect()
}

fn runs(made: &Attempt, at: Tick) -> bool {
    made.tried.started <= at && made.tried.ended.is_none_or(|ended| ended > at)
}

fn after(record: &Record, at: Tick) -> String {
    format!("{} ms", at.since(record.started).as_millis())
}

fn name(record: &Record, made: &Attempt) -> String {
    let Some(known) = record.candidates.get(made.tried.candidate) else { return "a target".to_owned() };
    let key = known.keys.iter().find(|(key, _)| *key == made.tried.key).map(|(_, label)| label.as_str());
    match key {
        Some(key) if known.keys.len() > 1 => format!("{} (key {key})", known.name),
        _ => known.name.clone(),
    }
}

/// Why the first was first; why another was started beside one that runs.
fn why(record: &Record, order: usize) -> String {
    let Some(made) = record.attempts.get(order) else { return String::new() };
    if broke_off(record, order).is_some() {
        return " to go on with the answer that broke off".to_owned();
    }
    if made.tried.hedge {
        return ", beside the one that is slower than usual".to_owned();
    }
    let beside = record.attempts.iter().take(order).any(|other| runs(other, made.tried.started));
    if beside {
        return ", beside the one that is slow".to_owned();
    }
    if order > 0 {
        return String::new();
    }
    let plan = record.plan();
    let verdict = plan.and_then(|plan| plan.verdicts.get(made.tried.candidate));
    match (verdict, plan.and_then(|plan| plan.warm)) {
        (_, Some(warm)) if warm == made.tried.candidate => ": the conversation is warm there".to_owned(),
        (Some(Verdict::Chosen { share, .. }), _) if *share < 1.0 && *share > 0.0 => {
            format!(": {} of requests begin there", percent(*share))
        }
        _ => ": it was first".to_owned(),
    }
}

/// The answer that had broken off, with part of it at the caller, when this attempt began.
fn broke_off(record: &Record, order: usize) -> Option<&Attempt> {
    let began = record.attempts.get(order)?.tried.started;
    record.attempts.iter().take(order).rev().find(|made| {
        let is_broken = made.tried.result.as_ref().is_some_and(|fault| fault.phase == Phase::AfterCommit);
        is_broken && made.tried.ended.is_some_and(|ended| ended <= began)
    })
}

fn outcome(record: &Record, made: &Attempt) -> String {
    let name = name(record, made);
    match (&made.tried.result, made.served) {
        (_, true) => {
            let mut words = match &made.resumes {
                Some(Resumes { after, form }) => {
                    format!("{name} went on with it after {after} bytes of text (asked for by {form})")
                }
                None => format!("{name} answered"),
            };
            if let Some(first) = made.first_token {
                words += &format!("; first token after {}", seconds(first));
            }
            if let Some(usage) = made.usage {
                let about = if made.estimated { "about " } else { "" };
                words += &format!("; {about}{} tokens in, {} out", usage.input, usage.output);
            }
            match made.cost {
                Some(cost) => words += &format!("; {}", dollars_of(cost.as_dollars())),
                None if made.usage.is_some() => words += "; price not known",
                None => {}
            }
            words
        }
        (Some(Fault { class, status, message, .. }), false) => {
            let status = status.map(|status| format!(" {status}")).unwrap_or_default();
            format!("{name} failed ({class}{status}): {message}{}", estimate(made))
        }
        (None, false) => format!("{name} was stopped: another answered, or the caller had gone{}", estimate(made)),
    }
}

/// What it used, where that is only thought.
fn estimate(made: &Attempt) -> String {
    match made.usage.filter(|_| made.estimated) {
        Some(usage) => format!("; about {} tokens in, {} out", usage.input, usage.output),
        None => String::new(),
    }
}

fn stopped(stop: &Stop) -> String {
    match stop {
        Stop::Return(_) => "nothing else could help: the failure is the answer",
        Stop::Exhausted { all_limited: true, .. } => "every target is rate-limited",
        Stop::Exhausted { .. } => "every target is out",
        Stop::Attempts { .. } => "all attempts were used",
        Stop::Deadline { .. } => "the time was up",
        Stop::Budget { .. } => "too many retries were being made on this route already",
    }
    .to_owned()
}

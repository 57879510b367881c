//! Nothing is dropped silently: every field that a dialect's specification knows is set in an otherwise minimal request,
//! and for every other dialect the field must change what is sent, or a loss or a refusal must name it, in the caller's
//! own words.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test; the helpers too")]

#[path = "every_field/excused.rs"]
mod excused;
#[path = "every_field/judge.rs"]
mod judge;
#[path = "every_field/schema.rs"]
mod schema;
#[path = "every_field/specs.rs"]
mod specs;

use std::collections::BTreeSet;

use judge::{Judge, Verdict};
use ringmain_core::Dialect;

#[test]
fn chat_fields_are_carried_or_lost_aloud() {
    hold(Dialect::OpenAiChat, 70);
}

#[test]
fn responses_fields_are_carried_or_lost_aloud() {
    hold(Dialect::OpenAiResponses, 70);
}

#[test]
fn anthropic_fields_are_carried_or_lost_aloud() {
    hold(Dialect::AnthropicMessages, 130);
}

#[test]
fn gemini_fields_are_carried_or_lost_aloud() {
    hold(Dialect::Gemini, 100);
}

#[test]
fn bedrock_fields_are_carried_or_lost_aloud() {
    hold(Dialect::BedrockConverse, 100);
}

#[test]
fn cohere_fields_are_carried_or_lost_aloud() {
    hold(Dialect::CohereV2, 40);
}

/// `least`: fewer fields than these would mean that the specification was not read.
fn hold(from: Dialect, least: usize) {
    let Some(spec) = specs::spec(from) else {
        println!("skipped: no specification of {from} beside the project");
        return;
    };
    let mut judge = Judge::new(from);
    spec.walk(&mut judge);
    let mut used = BTreeSet::new();
    let mut findings = Vec::new();
    for (path, to, verdict) in &judge.findings {
        match excused::excuse(from, path, *to).filter(|_| *verdict == Verdict::Silent) {
            Some(rule) => drop(used.insert(rule)),
            None => findings.push(format!("{path} to {to}: {verdict}")),
        }
    }
    let silent = judge.findings.iter().filter(|(.., verdict)| *verdict == Verdict::Silent).count();
    println!(
        "{from}: {} fields, {} cases: {} carried, {} lost aloud, {} refused by name, {silent} silent and excused",
        judge.fields.len(),
        judge.cases,
        judge.carried,
        judge.lost,
        judge.refused
    );
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
    assert!(judge.fields.len() >= least, "only {} fields", judge.fields.len());
    let idle: Vec<_> = excused::rules(from).filter(|(nth, _)| !used.contains(nth)).map(|(_, field)| field).collect();
    assert!(idle.is_empty(), "excuses that nothing needs: {idle:?}");
}

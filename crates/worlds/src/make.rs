//! A world from a seed.

use std::fmt::Write as _;
use std::time::Duration;

use ringmain_core::{Dialect, Seed};
use ringmain_provider_sim::{Behavior, Provider, Script, Step};

use crate::caller::Caller;
use crate::faults::{KINDS, Kind, Reach};

/// How long callers come.
const HORIZON: Duration = Duration::from_secs(150);

/// Rules, providers and callers.
#[derive(Debug, Clone)]
pub struct World {
    /// What it was made from.
    pub seed: u64,
    /// The configuration, as a file.
    pub yaml: String,
    /// What each provider does when.
    pub script: Script,
    /// Who asks, and when.
    pub callers: Vec<Caller>,
    /// What is known of the rules, for the invariants.
    pub rules: Rules,
}

/// What the invariants need to know of a world.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// `retries.attempts`.
    pub attempts: u32,
    /// Keys of all providers together.
    pub keys: usize,
    /// Providers that are well from beginning to end, by name.
    pub healthy: Vec<String>,
    /// Providers that are not.
    pub hurt: usize,
    /// Keys of those that are not.
    pub hurt_keys: usize,
    /// Some fault shows after the commit.
    pub after_commit: bool,
    /// An answer that breaks off is continued.
    pub resumes: bool,
    /// Some fault is an answer.
    pub answers: bool,
}

/// The world of this seed.
#[must_use]
pub fn make(seed: u64) -> World {
    let draw = Seed(seed).draw("world");
    let enabled = enabled(draw.draw("faults"));
    let count = 1 + draw.draw("providers").below(4);
    let mut rules = Rules { attempts: attempts(draw.draw("attempts")), ..Rules::default() };
    let mut script = Script::default();
    let mut providers = Vec::new();
    for number in 0..count {
        let name = format!("p{number}");
        let own = draw.nth("provider", number);
        let keys = 1 + own.draw("keys").below(3);
        let steps =
            if enabled.is_empty() || own.draw("well").unit() < 0.45 { Vec::new() } else { steps(own, &enabled) };
        rules.keys += usize::try_from(keys).unwrap_or(1);
        if steps.is_empty() {
            rules.healthy.push(name.clone());
        } else {
            rules.hurt += 1;
            rules.hurt_keys += usize::try_from(keys).unwrap_or(1);
        }
        script.providers.insert(name.clone(), Provider { keys: Vec::new(), steps });
        providers.push((name, kind(own.draw("kind")), keys));
    }
    rules.after_commit = enabled.iter().any(|kind| kind.reach == Reach::AfterCommit);
    rules.answers = enabled.iter().any(|kind| kind.reach == Reach::Answer);
    rules.resumes = draw.draw("resume").unit() < 0.8;
    let yaml = configuration(draw.draw("rules"), &providers, &rules);
    let callers = (0..20 + draw.draw("callers").below(40)).map(|at| caller(draw.nth("caller", at), at)).collect();
    World { seed, yaml, script, callers, rules }
}

/// A few kinds of faults, or none.
fn enabled(draw: Seed) -> Vec<Kind> {
    let share = [0.0, 0.05, 0.15, 0.5].get(usize::try_from(draw.draw("share").below(4)).unwrap_or(0));
    let share = share.copied().unwrap_or(0.1);
    let all = KINDS.iter().enumerate().filter(|(at, _)| draw.nth("kind", *at as u64).unit() < share);
    all.map(|(_, kind)| *kind).collect()
}

fn attempts(draw: Seed) -> u32 {
    match draw.below(6) {
        0 => 1,
        1 => 2,
        2 => 8,
        _ => 5,
    }
}

/// Kind, base URL's end, and a model.
fn kind(draw: Seed) -> (&'static str, &'static str, &'static str) {
    match draw.below(4) {
        0 => ("anthropic", "", "claude-sonnet-4-5"),
        1 => ("gemini", "", "gemini-2.5-flash"),
        2 => ("openai", "/v1", "gpt-4o-mini"),
        _ => ("openai-compatible", "/v1", "llama3.3"),
    }
}

/// When it is ill and when it is well.
fn steps(draw: Seed, enabled: &[Kind]) -> Vec<Step> {
    let count = 1 + draw.draw("steps").below(4);
    let mut times: Vec<u64> = (0..count).map(|at| draw.nth("at", at).below(HORIZON.as_millis() as u64)).collect();
    times.sort_unstable();
    let step = |(at, time): (usize, u64)| {
        let own = draw.nth("step", at as u64);
        let kind = enabled.get(usize::try_from(own.draw("which").below(enabled.len() as u64)).unwrap_or(0));
        let fault = kind.filter(|_| at == 0 || own.draw("well").unit() > 0.3).and_then(|kind| kind.name.parse().ok());
        let behavior = Behavior { fault, ..Behavior::default() };
        Step { at: Some(Duration::from_millis(time)), requests: None, behavior }
    };
    times.into_iter().enumerate().map(step).collect()
}

fn configuration(draw: Seed, providers: &[(String, (&str, &str, &str), u64)], rules: &Rules) -> String {
    let mut yaml = "providers:\n".to_owned();
    for (name, (kind, end, _), keys) in providers {
        let keys: Vec<String> = (0..*keys).map(|key| format!("{name}-secret-{key}")).collect();
        let keys = keys.join(", ");
        let _ = writeln!(
            yaml,
            "  {name}: {{ kind: {kind}, base_url: \"http://{name}.test/p/{name}{end}\", keys: [{keys}] }}"
        );
    }
    yaml += "routes:\n  - name: r\n    targets:\n";
    let weighted = draw.draw("weighted").unit() < 0.5;
    for (at, (name, (_, _, model), _)) in providers.iter().enumerate() {
        let own = draw.nth("target", at as u64);
        let tier = 1 + own.draw("tier").below(4) / 3;
        let weight = if weighted { format!(", weight: {}", 1 + own.draw("weight").below(99)) } else { String::new() };
        let _ = writeln!(yaml, "      - {{ to: {name}/{model}, tier: {tier}{weight} }}");
    }
    let pick = |label: &str, of: &[&'static str]| {
        of.get(usize::try_from(draw.draw(label).below(of.len() as u64)).unwrap_or(0)).copied().unwrap_or_default()
    };
    let race = pick("race", &["10s", "10s", "3s", "off"]);
    let first = pick("first", &["120s", "20s"]);
    let _ = writeln!(yaml, "    timeouts: {{ race_after: {race}, first_token: {first}, idle: 8s, total: 5m }}");
    let _ = writeln!(yaml, "    retries: {{ attempts: {} }}", rules.attempts);
    if !rules.resumes {
        yaml += "    resume: off\n";
    }
    for line in [
        pick("balance", crate::caller::BALANCE),
        pick("affinity", crate::caller::AFFINITY),
        pick("hedge", crate::caller::HEDGE),
        pick("refusal", &["", "", "on_refusal: next"]),
        pick("breaker", &["", "", "breaker: { failures: 2, open_for: 2s..20s, ramp: 5s }"]),
    ] {
        if !line.is_empty() {
            let _ = writeln!(yaml, "    {line}");
        }
    }
    yaml
}

fn caller(draw: Seed, number: u64) -> Caller {
    let millis = |label: &str, below: u64| Duration::from_millis(draw.draw(label).below(below));
    let dialects = [Dialect::OpenAiChat, Dialect::AnthropicMessages, Dialect::Gemini];
    let dialect = dialects.get(usize::try_from(draw.draw("dialect").below(3)).unwrap_or(0));
    Caller {
        number,
        at: millis("at", HORIZON.as_millis() as u64),
        dialect: dialect.copied().unwrap_or(Dialect::OpenAiChat),
        stream: draw.draw("stream").unit() < 0.6,
        turns: 1 + draw.draw("turns").below(3),
        timeout: (draw.draw("timeout?").unit() < 0.1).then(|| Duration::from_secs(1) + millis("timeout", 30_000)),
        leaves: (draw.draw("leaves?").unit() < 0.12).then(|| millis("leaves", 12_000)),
    }
}

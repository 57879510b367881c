//! A scenario and a configuration become a world: routes are looked up as the gateway does, names become numbers.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use globset::Glob;
use ringmain_config::{Config, RoutePolicy, Selection, Topology};
use ringmain_core::{Capabilities, Dialect, Marks, Operation, RequestFacts, Tick};
use ringmain_routing::{Affinity, Balance, Caps, KeyIx, Resume, RetryBudget};
use serde_saphyr::Spanned;

use super::file::{Arrivals, Happening, Request, Scenario, Target as Written};
use crate::events::Spread;
use crate::events::world::{
    Effect, Episode, Failure, How, Kind, Limits, Pace, Surge, Target, Traffic, Wave, Way, World,
};

/// What a request without numbers of its own is like.
const INPUT: Spread = Spread { median: 800.0, p95: 6000.0 };
const OUTPUT: Spread = Spread { median: 200.0, p95: 900.0 };
/// An event that comes again, comes at most so often.
const MOST_TIMES: u64 = 10_000;

/// Brings the names of both together.
///
/// # Errors
/// A request that no route takes, a target that none of them goes to, a value that does not fit; with the line.
pub fn world(config: &Config, scenario: &Scenario, seed: u64) -> anyhow::Result<World> {
    let mut routes = Routes { config, topology: Topology::new(), found: Vec::new() };
    let kinds: Vec<Kind> =
        scenario.requests.iter().map(|request| kind(request, &mut routes)).collect::<Result<_, _>>()?;
    let Routes { topology, found, .. } = routes;
    let mut targets = Vec::new();
    let mut used = BTreeSet::new();
    for number in 0..topology.targets() {
        let ix = ringmain_routing::TargetIx(u32::try_from(number)?);
        let name = topology.target_name(ix).map(ToString::to_string).unwrap_or_default();
        let keys = found.iter().find_map(|route| route.place(ix)).map(|place| place.keys.clone()).unwrap_or_default();
        targets.push(target(name, &keys, scenario, &mut used)?);
    }
    if let Some((_, written)) = scenario.targets.iter().enumerate().find(|(at, _)| !used.contains(at)) {
        let known: Vec<&str> = targets.iter().map(|target| target.name.as_str()).collect();
        bail!(
            "{}: no request of this scenario can reach `{}`; the targets are {}",
            place(&written.to),
            written.to.value,
            known.join(", ")
        );
    }
    Ok(World {
        seed,
        routes: found.into_iter().map(|route| route.policy).collect(),
        targets,
        traffic: traffic(scenario),
        kinds,
        length: scenario.length.0,
    })
}

/// The same world with the rules of plain ordered retry: the targets in file order, the same attempts, waits and clocks,
/// and nothing else. To be run with [`crate::events::Memory::Forgets`].
#[must_use]
pub fn plain_retry(world: &World) -> World {
    let mut plain = world.clone();
    for policy in &mut plain.routes {
        policy.balance = Balance::Order;
        policy.shift = None;
        policy.affinity = Affinity::Off;
        policy.hedge = None;
        policy.resume = Resume::Off;
        policy.timeouts.race_after = None;
        policy.retry_budget = RetryBudget { share: 1e6, per_second: 1e6 };
        for candidate in &mut policy.candidates {
            candidate.race_after = None;
            candidate.caps = Caps::default();
            for key in &mut candidate.keys {
                key.caps = Caps::default();
            }
        }
    }
    plain
}

fn place<T>(spanned: &Spanned<T>) -> String {
    format!("line {}, column {}", spanned.referenced.line(), spanned.referenced.column())
}

/// The routes that requests were found to take.
struct Routes<'c> {
    config: &'c Config,
    topology: Topology,
    found: Vec<RoutePolicy>,
}

impl Routes<'_> {
    /// The position of the selection's policy, made if it is not there. Two direct targets are two policies, though the
    /// route of both is called `direct`.
    fn of(&mut self, selection: &Selection) -> usize {
        let made = self.config.policy(selection, &mut self.topology);
        let same = |other: &RoutePolicy| other.policy == made.policy;
        self.found.iter().position(same).unwrap_or_else(|| {
            self.found.push(made);
            self.found.len() - 1
        })
    }

    /// Candidates whose model does something else.
    fn unserved(&self, route: usize, operation: Operation) -> Vec<usize> {
        let Some(found) = self.found.get(route) else { return Vec::new() };
        let places = found.places.iter().enumerate();
        let other = places.filter(|(_, place)| {
            let provider = place.provider(self.config);
            provider.is_some_and(|it| it.knows(&self.config.catalog, &place.model).is_unfit_for(operation))
        });
        other.map(|(at, _)| at).collect()
    }
}

fn kind(request: &Request, routes: &mut Routes<'_>) -> anyhow::Result<Kind> {
    let operation = match &request.operation {
        None => Operation::Chat,
        Some(name) => name.value.parse().map_err(|_| anyhow!("{}: `{}` is no operation", place(name), name.value))?,
    };
    let mut needs = Capabilities::NONE;
    for need in &request.needs {
        let known = Capabilities::by_name(&need.value)
            .with_context(|| format!("{}: no capability is called `{}`", place(need), need.value))?;
        needs = needs.with(known);
    }
    let facts = RequestFacts {
        operation,
        dialect: Dialect::OpenAiChat,
        model: request.model.value.clone(),
        stream: true,
        needs,
        input_tokens: 0,
        max_output_tokens: request.max_output.map(|most| most.0),
        timeout: request.timeout.map(|timeout| timeout.0),
        tags: request.tags.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        marks: Marks::default(),
        key: None,
    };
    let mut ways: Vec<Way> = Vec::new();
    for from in steps(routes.config) {
        let facts = RequestFacts { input_tokens: from, ..facts.clone() };
        let header = |name: &str| request.headers.get(name).map(String::as_str);
        let selection = routes.config.select(&facts, &header);
        let selection = selection.map_err(|none| anyhow!("{}: {none}", place(&request.model)))?;
        let route = routes.of(&selection);
        if ways.last().is_none_or(|way| way.route != route) {
            ways.push(Way { from, route, unserved: routes.unserved(route, operation) });
        }
    }
    Ok(Kind {
        share: request.share.map_or(1.0, |share| share.0),
        facts,
        streams: request.stream.map_or(1.0, |share| share.0),
        input: request.input.map_or(INPUT, super::values::Around::<super::values::Count>::spread),
        output: request.output.map_or(OUTPUT, super::values::Around::<super::values::Count>::spread),
        patience: request.patience.map(|patience| patience.0),
        routes: ways,
    })
}

/// Counts of input tokens at which some route changes its mind. Streams and plain requests are taken for the same.
fn steps(config: &Config) -> BTreeSet<u64> {
    let matchers = config.routes.iter().filter_map(|route| route.matcher.as_ref());
    let bounds = matchers.filter_map(|matcher| matcher.tokens.as_ref());
    let edges = bounds.flat_map(|bound| [bound.tokens, bound.tokens.saturating_add(1)]);
    edges.chain([0]).collect()
}

fn traffic(scenario: &Scenario) -> Traffic {
    let written = &scenario.traffic;
    let tick = |time: Duration| Tick::ZERO + time;
    let mut steps: Vec<(Tick, f64)> = written.steps.iter().map(|step| (tick(step.at.0), step.rate.0)).collect();
    steps.sort_by_key(|(at, _)| *at);
    let surges = written.surges.iter().map(|surge| Surge {
        from: tick(surge.at.0),
        until: tick(surge.at.0 + surge.length.0),
        times: surge.times.0,
    });
    Traffic {
        rate: written.rate.0,
        random: written.arrivals == Arrivals::Poisson,
        steps,
        surges: surges.collect(),
        wave: written.diurnal.map(|wave| Wave { period: wave.period.0, low: wave.low.0 }),
    }
}

/// One target, by every entry of the scenario that names it; of two that say the same thing, the later one counts.
fn target(name: String, keys: &[KeyIx], scenario: &Scenario, used: &mut BTreeSet<usize>) -> anyhow::Result<Target> {
    let mut target = Target { name, pace: Pace::default(), episodes: Vec::new(), limits: None };
    for (at, written) in scenario.targets.iter().enumerate() {
        let glob = Glob::new(&written.to.value).with_context(|| place(&written.to))?.compile_matcher();
        if !glob.is_match(&target.name) {
            continue;
        }
        used.insert(at);
        pace(&mut target.pace, written)?;
        if let Some(limits) = written.limits {
            let tpm = limits.tpm.map(|count| count.0);
            target.limits = Some(Limits { rpm: limits.rpm.map(|count| count.0), tpm });
        }
        for happening in &written.events {
            episodes(happening, keys, scenario.length.0, &mut target.episodes).with_context(|| place(&happening.at))?;
        }
    }
    Ok(target)
}

fn pace(pace: &mut Pace, written: &Written) -> anyhow::Result<()> {
    let small = |count: Option<super::values::Count>| count.map(|count| u32::try_from(count.0)).transpose();
    if let Some(first_token) = written.first_token {
        pace.first_token = first_token.spread();
    }
    if let Some(per_token) = written.per_token {
        pace.per_token = per_token.spread();
    }
    pace.capacity = small(written.capacity).context("`capacity` is too large")?.or(pace.capacity);
    pace.refuses_above = small(written.refuses_above).context("`refuses_above` is too large")?.or(pace.refuses_above);
    Ok(())
}

fn episodes(happening: &Happening, keys: &[KeyIx], end: Duration, into: &mut Vec<Episode>) -> anyhow::Result<()> {
    let effect = match (happening.answers, happening.slow, happening.price) {
        (Some(answer), None, None) => Effect::Fails(Failure {
            how: answer.0,
            retry_after: happening.retry_after.map(|wait| wait.0),
            after: happening.after.map(super::values::Around::<super::values::Span>::spread),
        }),
        (None, Some(slow), None) => Effect::Slow(slow.0),
        (None, None, Some(price)) => Effect::Price(price.0),
        _ => bail!("an event says exactly one of `answers`, `slow` and `price`"),
    };
    let is_status = happening.answers.is_some_and(|answer| matches!(answer.0, How::Status(..)));
    if happening.retry_after.is_some() && !is_status {
        bail!("`retry_after` needs an answer that is a status");
    }
    if matches!(effect, Effect::Price(_)) && (happening.share.is_some() || happening.key.is_some()) {
        bail!("a price holds for every attempt: leave out `share` and `key`");
    }
    let key = match happening.key {
        None => None,
        Some(count) => {
            let at = usize::try_from(count.0).unwrap_or(usize::MAX).checked_sub(1);
            let known = at.and_then(|at| keys.get(at)).copied();
            Some(known.with_context(|| format!("there is no key {}: the provider has {}", count.0, keys.len()))?)
        }
    };
    if happening.times.is_some() && happening.every.is_none() {
        bail!("`times` needs `every`");
    }
    let length = happening.length.map(|length| length.0);
    let mut from = happening.at.value.0;
    for _ in 0..happening.times.map_or(MOST_TIMES, |times| times.0.min(MOST_TIMES)) {
        if from > end {
            break;
        }
        let until = length.map_or(Tick(u64::MAX), |length| Tick::ZERO + from + length);
        let share = happening.share.map_or(1.0, |share| share.0);
        into.push(Episode { from: Tick::ZERO + from, until, share, key, effect: effect.clone() });
        let Some(every) = happening.every.map(|every| every.0).filter(|every| !every.is_zero()) else { break };
        from += every;
    }
    Ok(())
}

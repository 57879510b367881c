//! A route in words: what an operator would tell a colleague of it.

use std::time::Duration;

use ringmain_catalog::ModelKind;
use ringmain_core::{Operation, Space};
use ringmain_routing::{Affinity, Balance, Caps, HedgeAfter, Measure, Shift, Stat, Worth};

use crate::matcher::Matcher;
use crate::policy::weight;
use crate::{Config, RouteTarget, Selection, Settings, Via};

/// A target that may serve.
struct Part<'c> {
    target: &'c RouteTarget,
    name: String,
    weight: f64,
}

impl Config {
    /// How the requests of a selection are shared out, in a few sentences: who is asked, what moves shares, what limits
    /// them. Of health it knows nothing; that is the plan's to say.
    #[must_use]
    pub fn describe(&self, selection: &Selection) -> String {
        let settings = &*selection.settings;
        let balance = settings.balance_over(&selection.targets);
        let (mut parts, mut left_out) = (Vec::new(), Vec::new());
        for (at, target) in selection.targets.iter().enumerate() {
            let Some(provider) = self.providers.get(target.provider) else { continue };
            let name = format!("{}/{}", provider.name, target.model);
            if settings.is_out_of_region(provider) {
                left_out.push(name);
            } else {
                parts.push(Part { target, name, weight: weight(&selection.targets, at, balance, settings) });
            }
        }
        let strangers = self.strangers(selection, &mut parts);
        let mut tiers: Vec<u8> = parts.iter().map(|part| part.target.tier).collect();
        tiers.sort_unstable();
        tiers.dedup();
        let is_plural = self.matcher(selection).is_some_and(|matcher| named(matcher).count() > 1);
        let mut sentences = Vec::new();
        for (place, tier) in tiers.iter().enumerate() {
            let of: Vec<&Part<'_>> = parts.iter().filter(|part| part.target.tier == *tier).collect();
            let shift = settings.shift.as_ref().filter(|_| of.len() > 1);
            let shared = shared(&of, balance, shift);
            let shared = if is_plural { format!("go{}", shared.trim_start_matches("goes")) } else { shared };
            let it = if is_plural { "they" } else { "it" };
            sentences.push(match place {
                0 => format!("{} {shared}", self.subject(selection)),
                1 => format!("Only when none of these can serve, {it} {shared}"),
                _ => format!("And when none of those can either, {it} {shared}"),
            });
        }
        if parts.is_empty() {
            sentences.push(format!("{}: no target may serve", self.subject(selection)));
        }
        sentences.extend(failover(&parts, balance, settings));
        sentences.extend(regions(settings, &left_out));
        sentences.extend(strangers);
        sentences.extend(self.vectors(&parts, settings));
        sentences.extend(parts.iter().filter_map(limits));
        sentences.extend(hedge(settings, parts.len()));
        sentences.extend(self.affinity(selection, settings, parts.len()));
        sentences.iter().map(|sentence| format!("{sentence}.")).collect::<Vec<_>>().join(" ")
    }

    fn matcher(&self, selection: &Selection) -> Option<&Matcher> {
        match selection.via {
            Via::Route(index) => self.routes.get(index)?.matcher.as_ref(),
            Via::Direct | Via::Catalog => None,
        }
    }

    /// Whose requests: "Image generation", "Text generation for the model `gpt-4*`".
    fn subject(&self, selection: &Selection) -> String {
        match (self.matcher(selection), selection.via) {
            (Some(matcher), _) => of_matcher(matcher),
            (None, Via::Route(_)) => format!("A request for `{}`", selection.route),
            (None, Via::Direct | Via::Catalog) => "This request".to_owned(),
        }
    }

    /// Takes out of a route for embeddings alone those that make the vectors of another model than the first, and says so.
    fn strangers(&self, selection: &Selection, parts: &mut Vec<Part<'_>>) -> Option<String> {
        let only = self.matcher(selection).is_some_and(|matcher| matcher.operations == [Operation::Embeddings]);
        if !only || selection.settings.mixes_vectors {
            return None;
        }
        let space = self.space(parts.first()?.target);
        let others = parts.extract_if(.., |part| !self.space(part.target).is(&space));
        let names: Vec<String> = others.map(|part| part.name).collect();
        let (serve, whose) = if names.len() == 1 { ("serves", "its") } else { ("serve", "their") };
        (!names.is_empty()).then(|| {
            let names = joined(names);
            format!("Vectors of two models cannot be compared: {names} {serve} only requests that name {whose} model")
        })
    }

    /// Whose vectors a target makes, if it makes any.
    fn space(&self, target: &RouteTarget) -> Space {
        Space::of(self.known(target).map_or(&target.model, |known| known.family))
    }

    /// Whose vectors are given, where the targets would make those of several models.
    fn vectors(&self, parts: &[Part<'_>], settings: &Settings) -> Option<String> {
        let embeds = |part: &&Part<'_>| {
            let model = self.known(part.target).and_then(|known| known.model);
            model.is_some_and(|model| model.kind == ModelKind::Embedding)
        };
        let of_model: Vec<&Part<'_>> = parts.iter().filter(embeds).collect();
        let (first, others) = of_model.split_first()?;
        let space = self.space(first.target);
        if settings.mixes_vectors || others.iter().all(|part| self.space(part.target).is(&space)) {
            return None;
        }
        Some(format!(
            "Vectors of two models cannot be compared: embeddings are those of `{}`, unless the request names another \
             target's model",
            first.target.model
        ))
    }

    fn affinity(&self, selection: &Selection, settings: &Settings, targets: usize) -> Option<String> {
        let operations = self.matcher(selection).map(|matcher| matcher.operations.as_slice()).unwrap_or_default();
        let talks = operations.is_empty() || operations.contains(&Operation::Chat);
        match settings.affinity {
            Affinity::Prefix if talks && targets > 1 => Some(
                "From its second turn on, a conversation stays where its prompt cache is warm, while that target is fit"
                    .to_owned(),
            ),
            Affinity::Session if targets > 1 => {
                Some("Requests of one `x-ringmain-session` stay together, while their target is fit".to_owned())
            }
            Affinity::Off | Affinity::Prefix | Affinity::Session => None,
        }
    }
}

fn of_matcher(matcher: &Matcher) -> String {
    let mut text = match matcher.operations.is_empty() {
        true => "every request".to_owned(),
        false => joined(named(matcher).map(|operation| kind(operation).to_owned()).collect()),
    };
    if let Some(names) = &matcher.model {
        let names: Vec<String> = names.texts().map(|name| format!("`{name}`")).collect();
        let model = if names.len() == 1 { "model" } else { "models" };
        text += &format!(" for the {model} {}", joined(names));
    }
    let headers = matcher.headers.iter().map(|(name, values)| format!("header {name} is {values}"));
    let tags = matcher.tags.iter().map(|(name, values)| format!("tag {name} is {values}"));
    let mut conditions: Vec<String> = headers.chain(tags).collect();
    conditions
        .extend(matcher.stream.map(|stream| if stream { "a stream" } else { "no stream" }.to_owned() + " is wanted"));
    conditions.extend(matcher.tokens.map(|bound| bound.to_string()));
    if !conditions.is_empty() {
        text += &format!(" where {}", joined(conditions));
    }
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().collect::<String>() + chars.as_str()).unwrap_or_default()
}

/// The operations of a route; counting tokens goes along with chat and is not named.
fn named(matcher: &Matcher) -> impl Iterator<Item = Operation> {
    let counts_along = matcher.operations.contains(&Operation::Chat);
    let all = matcher.operations.iter().copied();
    all.filter(move |operation| !counts_along || *operation != Operation::CountTokens)
}

/// What is asked, as a singular.
const fn kind(operation: Operation) -> &'static str {
    match operation {
        Operation::Chat => "text generation",
        Operation::Embeddings => "embedding",
        Operation::Images => "image generation",
        Operation::ImageEdits => "image editing",
        Operation::Speech => "speech",
        Operation::Transcription => "transcription",
        Operation::Moderation => "moderation",
        Operation::Rerank => "reranking",
        Operation::CountTokens => "counting tokens",
        Operation::Models => "listing models",
        Operation::Passthrough => "anything else of a provider",
    }
}

/// The predicate of one tier, with what `shift` does to it.
fn shared(of: &[&Part<'_>], balance: Balance, shift: Option<&Shift>) -> String {
    let (active, reserve): (Vec<&Part<'_>>, Vec<&Part<'_>>) = of.iter().partition(|part| part.weight > 0.0);
    // Weights of nothing alone are no weights: in order.
    let (active, reserve) = if active.is_empty() { (reserve, Vec::new()) } else { (active, reserve) };
    let names: Vec<String> = active.iter().map(|part| part.name.clone()).collect();
    let in_order = balance == Balance::Order || active.iter().all(|part| part.weight <= 0.0);
    let mut text = match (balance, names.as_slice()) {
        (_, [only]) => format!("goes to {only}"),
        (_, [first, rest @ ..]) if in_order => {
            format!("goes to {first} first; if that fails or is out, to {}", rest.join(", then to "))
        }
        (Balance::Order | Balance::Weighted, _) => by_weight(&active, names),
        (Balance::Fastest, _) => format!("goes to whichever of {} is expected to answer soonest", joined(names)),
        (Balance::Cheapest, _) => format!("goes to whichever of {} is expected to cost least for it", joined(names)),
        (Balance::LeastBusy, _) => least_busy(&active, names),
        (Balance::Adaptive(worth), _) => adaptive(names, worth),
    };
    let moves = matches!(balance, Balance::Order | Balance::Weighted | Balance::LeastBusy) && active.len() > 1;
    if let Some(shift) = shift.filter(|_| moves) {
        text += &format!("; {}", shifts(shift, in_order, active.len()));
    }
    if !reserve.is_empty() {
        let names = reserve.iter().map(|part| part.name.clone()).collect();
        let is = if active.len() == 1 { "that is" } else { "these are" };
        text += &format!("; to {} only when {is} out", joined(names));
    }
    text
}

fn by_weight(active: &[&Part<'_>], names: Vec<String>) -> String {
    let total: f64 = active.iter().map(|part| part.weight).sum();
    let even = active.iter().all(|part| part.weight.total_cmp(&active[0].weight).is_eq());
    match names.as_slice() {
        [a, b] if even => format!("goes half to {a} and half to {b}"),
        _ if even => format!("goes in equal parts to {}", joined(names)),
        _ => {
            let parts = active.iter().map(|part| format!("{} to {}", percent(part.weight / total), part.name));
            format!("goes {}", joined(parts.collect()))
        }
    }
}

fn least_busy(active: &[&Part<'_>], names: Vec<String>) -> String {
    let even = active.iter().all(|part| part.weight.total_cmp(&active[0].weight).is_eq());
    let weights = active.iter().map(|part| part.weight.to_string()).collect::<Vec<_>>().join(":");
    let relative = if even { String::new() } else { format!(", relative to their weights {weights}") };
    format!("goes to whichever of {} has the fewest requests in flight{relative}", joined(names))
}

fn adaptive(names: Vec<String>, worth: Worth) -> String {
    let [second, failure] = [worth.second, worth.failure].map(|money| dollars(money.as_dollars()));
    let explore = percent(f64::from(worth.explore) / 10_000.0);
    format!(
        "goes to whichever of {} has the least sum of what it is expected to cost, of the time it is expected to take \
         ({second} a second) and of its failures ({failure} each); {explore} of requests find out how the others do",
        joined(names)
    )
}

/// "while the p95 time to first token of one exceeds 2 s over 1 min, its share moves to the other, down to 5 %".
fn shifts(shift: &Shift, in_order: bool, targets: usize) -> String {
    let stat = match (shift.measure, shift.stat) {
        (Measure::ErrorRate, _) => String::new(),
        (_, Stat::Mean) => "mean ".to_owned(),
        (_, Stat::Percentile(nth)) => format!("p{nth} "),
    };
    let (measure, bound) = match shift.measure {
        Measure::FirstToken => ("time to first token", seconds(shift.bound)),
        Measure::Latency => ("time to the whole answer", seconds(shift.bound)),
        Measure::ErrorRate => ("error rate", percent(shift.bound)),
        Measure::Cost => ("cost of an answer", dollars(shift.bound)),
    };
    let (whose, what, whither) = match (in_order, targets) {
        (true, _) => ("the one in front", "its requests move", "the next"),
        (false, 2) => ("one", "its share moves", "the other"),
        (false, _) => ("one", "its share moves", "the others"),
    };
    let is = if shift.above { "exceeds" } else { "is below" };
    let (over, floor) = (time(shift.over), percent(shift.floor));
    format!("while the {stat}{measure} of {whose} {is} {bound} over {over}, {what} to {whither}, down to {floor}")
}

fn failover(parts: &[Part<'_>], balance: Balance, settings: &Settings) -> Option<String> {
    match (parts.len(), settings.attempts) {
        (_, 1) => Some("Each request is tried once, whatever comes of it".to_owned()),
        (0 | 1, _) => None,
        _ if balance == Balance::Order => None,
        _ => Some("What fails at one is tried at another".to_owned()),
    }
}

fn regions(settings: &Settings, left_out: &[String]) -> Option<String> {
    let regions = settings.regions.as_ref()?.texts().map(|name| format!("`{name}`")).collect();
    let out = match left_out {
        [] => String::new(),
        [one] => format!(", which leaves out {one}"),
        all => format!(", which leaves out {}", joined(all.to_vec())),
    };
    Some(format!("Only providers in the regions {} may serve{out}", joined(regions)))
}

fn limits(part: &Part<'_>) -> Option<String> {
    let Caps { in_flight, rpm, tpm } = part.target.caps;
    let mut most = Vec::new();
    most.extend(in_flight.map(|most| format!("{} at once", counted(u64::from(most), "request"))));
    most.extend(rpm.map(|most| format!("{} a minute", counted(most, "request"))));
    most.extend(tpm.map(|most| format!("{} a minute", counted(most, "token"))));
    (!most.is_empty()).then(|| format!("{} is sent at most {}", part.name, joined(most)))
}

fn hedge(settings: &Settings, targets: usize) -> Option<String> {
    let hedge = settings.hedge.filter(|_| targets > 1)?;
    let after = match hedge.after {
        HedgeAfter::Percentile(nth) => format!("after the p{nth} of its target"),
        HedgeAfter::Time(time) => format!("after {}", self::time(time)),
    };
    let budget = percent(hedge.budget);
    Some(format!("A request without a first token {after} is raced by a second one, for at most {budget} of requests"))
}

/// "a, b and c".
fn joined(mut parts: Vec<String>) -> String {
    let last = parts.pop().unwrap_or_default();
    if parts.is_empty() { last } else { format!("{} and {last}", parts.join(", ")) }
}

fn counted(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// At most three digits after the point, without zeros at the end.
fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn percent(share: f64) -> String {
    format!("{} %", number(share * 100.0))
}

fn dollars(amount: f64) -> String {
    let text = format!("{amount:.6}");
    format!("${}", text.trim_end_matches('0').trim_end_matches('.'))
}

fn seconds(seconds: f64) -> String {
    time(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match time.as_secs() {
        0 => format!("{} ms", number(seconds * 1000.0)),
        whole if whole >= 3600 && time == Duration::from_secs(whole / 3600 * 3600) => format!("{} h", whole / 3600),
        whole if whole >= 60 && time == Duration::from_secs(whole / 60 * 60) => format!("{} min", whole / 60),
        _ => format!("{} s", number(seconds)),
    }
}

//! Stage 6: is there room for the request within the limits of its key? What it may use at most is reserved, and given
//! back when it has ended ([`crate::settle`]).

use std::sync::Arc;
use std::time::Duration;

use ringmain_core::{
    Dialect, Fault, FaultClass, Metered, Money, Operation, Origin, Phase, Price, Units, Usage, WallTime,
};
use ringmain_routing::Record;
use ringmain_state::quota::{Amounts, Exhausted, Grant, LimitId};
use ringmain_wire::json::{self, Object};

use crate::gateway::Gateway;
use crate::inspect::Inspected;
use crate::keys::{ActiveKey, Held};
use crate::route::{Chosen, Route};
use crate::target::Target;

/// Output tokens that are reserved where the caller gave no cap, if the model can say so many.
const OUTPUT: u64 = 4096;

/// Reserves what the request may use at most, at the price of the dearest target that fits into the budgets; dearer ones
/// are left out of every decision. Where a budget is used up, the request takes the route that its key has for this; what
/// is not for money or tokens holds there as well.
///
/// # Errors
/// 429 that names the limit, and says when it returns.
pub async fn admit(
    gateway: &Gateway,
    key: Option<&ActiveKey>,
    request: &mut Inspected,
) -> Result<Option<Grant>, Fault> {
    let Some(key) = key.filter(|key| !key.limits.is_empty()) else { return Ok(None) };
    let limits = &key.limit_ids;
    let now = gateway.clock.now().wall;
    let priced = limits.iter().any(|id| id.limit.of == Metered::Money);
    let tokens = request.facts.input_tokens.saturating_add(output(request, None));
    let mut costs: Vec<(usize, u64)> = if priced { costs(request, &request.route) } else { Vec::new() };
    costs.sort_by_key(|(_, nanos)| std::cmp::Reverse(*nanos));
    let mut dearest = costs.first().map_or(0, |(_, nanos)| *nanos);
    loop {
        let full = match gateway.limits.reserve(limits, Amounts { tokens, nanos: dearest }, false, now).await {
            Ok(grant) => {
                request.over_budget = costs.iter().filter(|(_, nanos)| *nanos > dearest).map(|(at, _)| *at).collect();
                return Ok(Some(grant));
            }
            Err(full) => full,
        };
        let id = limits.get(full.at);
        let is_money = id.is_some_and(|id| id.limit.of == Metered::Money);
        // Another target may be cheap enough.
        if let Some(cheaper) = costs.iter().map(|(_, nanos)| *nanos).find(|nanos| is_money && *nanos < dearest) {
            dearest = cheaper;
            continue;
        }
        // What is passed through has nowhere else to go.
        let may_divert = id.is_some_and(LimitId::is_budget) && request.passing.is_none();
        let spare = key.on_exhausted.as_deref().filter(|_| may_divert);
        let Some(chosen) = spare.and_then(|name| gateway.rules().named(name)) else {
            return Err(refused(key.limits.get(full.at), full, now));
        };
        let nanos = dearest_of(request, &chosen.route);
        let taken = gateway.limits.reserve(limits, Amounts { tokens, nanos }, true, now).await;
        let grant = taken.map_err(|other| refused(key.limits.get(other.at), other, now))?;
        divert(request, &chosen, key.limits.get(full.at));
        return Ok(Some(grant));
    }
}

/// The request takes another route than the one it asked for.
fn divert(request: &mut Inspected, chosen: &Chosen, full: Option<&Held>) {
    let which = full.map_or_else(String::new, |held| format!("{} of {}", held.limit, held.whose));
    request.route = Arc::clone(&chosen.route);
    request.why = format!("{}, for the limit of {which} is used up", chosen.why).into();
    let total = request.route.policy.timeouts.total;
    request.deadline = request.started + request.facts.timeout.map_or(total, |timeout| timeout.min(total));
}

fn dearest_of(request: &Inspected, route: &Route) -> u64 {
    costs(request, route).into_iter().map(|(_, nanos)| nanos).max().unwrap_or_default()
}

/// What the request may cost at most at each candidate of a route, in billionths of a dollar. A price that is not known
/// counts nothing, as it does in the ledger.
fn costs(request: &Inspected, route: &Route) -> Vec<(usize, u64)> {
    let targets = route.targets.iter().enumerate();
    targets.map(|(at, target)| (at, nanos(cost(request, target).unwrap_or_default()))).collect()
}

fn cost(request: &Inspected, target: &Target) -> Option<Money> {
    let price = &target.price.as_ref()?.price;
    match request.facts.operation {
        Operation::Speech => spoken(request, price).or_else(|| tokens_cost(request, target)),
        Operation::Images | Operation::ImageEdits => drawn(request, price).or_else(|| tokens_cost(request, target)),
        _ => tokens_cost(request, target),
    }
}

/// What it costs to speak the text, where that is billed by its length.
fn spoken(request: &Inspected, price: &Price) -> Option<Money> {
    price.cost(&Usage::of_units(request.asked().ok()??.units()))
}

/// What it costs to make the images, and to read what is said of them; those it brings along are not counted.
fn drawn(request: &Inspected, price: &Price) -> Option<Money> {
    // What cannot be read here is judged by its provider, and is at least one image.
    let asked = request.asked().ok().flatten().map(|asked| asked.units());
    let made = price.most_of_images(&asked.unwrap_or(Units { images: 1, ..Units::default() }))?;
    let usage = Usage { input: request.facts.input_tokens, ..Usage::default() };
    Some(made + price.tokens.map_or(Money::ZERO, |tokens| tokens.cost(&usage)))
}

fn tokens_cost(request: &Inspected, target: &Target) -> Option<Money> {
    let usage = Usage { input: request.facts.input_tokens, output: output(request, Some(target)), ..Usage::default() };
    target.price.as_ref()?.price.cost(&usage)
}

/// The most it may answer, in tokens.
fn output(request: &Inspected, target: Option<&Target>) -> u64 {
    if request.facts.operation != Operation::Chat {
        return 0;
    }
    let able = target.and_then(|target| target.model.as_ref()?.max_output);
    let asked = request.facts.max_output_tokens.unwrap_or(OUTPUT);
    able.map_or(asked, |able| asked.min(able)).saturating_mul(answers(request).unwrap_or(1))
}

/// How many answers are asked for at once; each is billed.
fn answers(request: &Inspected) -> Option<u64> {
    let path: &[&str] = match request.facts.dialect {
        Dialect::OpenAiChat => &["n"],
        Dialect::Gemini => &["generationConfig", "candidateCount"],
        Dialect::OpenAiResponses | Dialect::AnthropicMessages | Dialect::BedrockConverse | Dialect::CohereV2 => &[],
    };
    let (last, around) = path.split_last()?;
    // Nearly no request says so, and then nothing is read again.
    if !request.document.has(&format!("/{}", path.join("/"))) {
        return None;
    }
    let mut object = Object::parse(request.document.body()).ok()?;
    for member in around {
        object = Object::parse(object.get(member)?.get().as_bytes()).ok()?;
    }
    json::as_u64(object.get(last)?).map(|count| count.max(1))
}

fn nanos(money: Money) -> u64 {
    u64::try_from(money.nanos()).unwrap_or_default()
}

fn refused(held: Option<&Held>, full: Exhausted, now: WallTime) -> Fault {
    let which =
        held.map_or_else(|| "a limit".to_owned(), |held| format!("the limit of {} of {}", held.limit, held.whose));
    let running = held.is_some_and(|held| held.limit.of == Metered::Concurrency);
    let message = match full.returns {
        _ if full.alone => format!(
            "{which}: the store that processes share it in does not answer, and what this process may use of it alone is \
             used up"
        ),
        _ if running => format!("{which} is reached: so many requests are running"),
        Some(wait) if wait <= Duration::from_secs(1) => format!("{which} is reserved by requests that are running"),
        Some(wait) => {
            let at = WallTime(now.0 + u64::try_from(wait.as_millis()).unwrap_or_default());
            format!("{which} is used up; there is room again at {at}")
        }
        None => {
            format!("{which} is less than this request may use alone; a lower cap on output tokens may make it fit")
        }
    };
    let mut fault = Fault::new(FaultClass::RateLimit, Origin::Gateway, Phase::Before, message).with_status(429);
    // What never fits is told so; a client that insists should at least be slow.
    fault.retry_after = Some(full.returns.unwrap_or(Duration::from_secs(3600)));
    fault
}

/// What a request used, as its record says: every attempt is billed, also those beside or before the one that served. An
/// attempt that was answering when it ended, and of which no count came, is taken to have used the estimated input.
#[must_use]
pub fn used(record: &Record) -> Amounts {
    let mut sum = Amounts::default();
    for attempt in &record.attempts {
        match attempt.usage {
            Some(usage) => sum.tokens += usage.total(),
            None if attempt.first_token.is_some() && record.facts.operation == Operation::Chat => {
                sum.tokens += record.facts.input_tokens;
            }
            None => {}
        }
        sum.nanos += attempt.cost.map_or(0, nanos);
    }
    sum
}

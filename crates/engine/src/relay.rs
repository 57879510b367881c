//! Stage 9: what was won, or lost, becomes the caller's answer.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Response};
use ringmain_config::OnLoss;
use ringmain_core::{Fault, FaultClass, FaultScope, Loss, Origin, Phase};
use ringmain_routing::{Reason, Stop};

use crate::attempt::{Attempts, Lost, Won};
use crate::exchange::{Answer, Arrived, ProviderReply};
use crate::gateway::Gateway;
use crate::headers;
use crate::inspect::Inspected;
use crate::passthrough::{Raw, Tunnel};
use crate::reply::{self, Account, ReplyBody};
use crate::settle::RequestGuard;

/// The answer that was won.
#[must_use]
pub fn won(won: Won, mut attempts: Box<Attempts>) -> Response<ReplyBody> {
    let Won { arrived, mut attempt, index } = won;
    let request = Arc::clone(&attempts.request);
    let Arrived { status, headers, mut body, relayed, losses, .. } = arrived;
    let of_answer = answer_losses(&mut body);
    let told = match request.route.on_loss {
        OnLoss::Allow => Vec::new(),
        OnLoss::Warn | OnLoss::Reject => losses.iter().chain(&of_answer).cloned().collect(),
    };
    attempts.guard.lost(attempt.target(), losses, of_answer);
    let mut response = Response::new(ReplyBody::Whole(None));
    *response.status_mut() = status;
    // What is made here of sound has a type of its own; all else is JSON.
    let kind = headers.get(CONTENT_TYPE).filter(|_| request.facts.operation.is_of_audio()).cloned();
    if request.passing.is_some() {
        *response.headers_mut() = headers;
    } else if relayed {
        *response.headers_mut() = headers::to_caller(headers);
    }
    if request.facts.stream {
        reply::stream_headers(response.headers_mut(), request.framing.content_type());
    } else if !relayed {
        let json = || HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, kind.unwrap_or_else(json));
    }
    let account = Account {
        request: request.id,
        target: Some(&attempt.target().header),
        attempts: attempts.guard.attempts,
        route: Some(&request.route.header),
        why: Some(request.trace().why(&request.route)),
        losses: &told,
    };
    account.write(response.headers_mut());
    if !relayed {
        reply::name_request(response.headers_mut(), request.facts.dialect, request.id);
    }
    attempts.guard.answering();
    *response.body_mut() = match body {
        Answer::Plain(plain) => {
            match plain.usage {
                Some(about) if plain.estimated => attempt.estimate(about),
                told => attempt.told(told),
            }
            attempt.served();
            attempts.guard.ended(None);
            ReplyBody::Whole(plain.bytes)
        }
        Answer::Raw(flow, usage) => {
            attempt.told(usage);
            let length = response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
            ReplyBody::Raw(Box::new(Raw::new(*flow, length, attempt, attempts)))
        }
        Answer::Tunnel(body) => {
            Tunnel::new(*body, attempt, attempts).put(&mut response);
            ReplyBody::Whole(None)
        }
        Answer::Live(mut live) => {
            live.commit(attempt, index, attempts);
            ReplyBody::Live(live)
        }
    };
    response
}

/// What of the answer the caller's dialect could not carry. Of a stream, what is known before the head goes out.
fn answer_losses(body: &mut Answer) -> Vec<Loss> {
    match body {
        Answer::Plain(plain) => std::mem::take(&mut plain.losses),
        Answer::Live(live) => live.take_losses(),
        Answer::Raw(..) | Answer::Tunnel(_) => Vec::new(),
    }
}

/// Nothing was won: the caller gets the most telling reason in its own dialect.
#[must_use]
pub fn lost(gateway: &Gateway, attempts: Attempts, stop: Stop) -> Response<ReplyBody> {
    let request = Arc::clone(&attempts.request);
    let (lost, mut guard) = attempts.lost(stop);
    let told = lost.stop.fault();
    let fault = fault_for_caller(gateway, &lost, &request);
    let target = guard.target.clone();
    let account = Account {
        request: request.id,
        target: target.as_ref().map(|target| &target.header),
        attempts: guard.attempts,
        route: Some(&request.route.header),
        why: Some(request.trace().why(&request.route)),
        losses: &[],
    };
    let reply = told.and_then(|at| lost.replies.into_iter().nth(at).flatten()).filter(|_| is_providers_own(&fault));
    let response = match reply {
        Some(reply) => provider_error(reply, &fault, &account),
        None => reply::error(request.facts.dialect, &fault, &account),
    };
    guard.answering();
    guard.ended(Some(&fault));
    response
}

/// No target was asked: there is no room for the request.
#[must_use]
pub fn refused(fault: &Fault, request: &Inspected, mut guard: RequestGuard) -> Response<ReplyBody> {
    let route = Some(&request.route.header);
    let account = Account { request: request.id, target: None, attempts: 0, route, why: None, losses: &[] };
    let response = reply::error(request.facts.dialect, fault, &account);
    guard.answering();
    guard.ended(Some(fault));
    response
}

/// The provider's error is the caller's business: it goes on as it came.
fn is_providers_own(fault: &Fault) -> bool {
    fault.origin == Origin::Provider && !matches!(fault.class, FaultClass::Auth | FaultClass::Billing)
}

fn provider_error(reply: ProviderReply, fault: &Fault, account: &Account<'_>) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::whole(reply.body));
    *response.status_mut() = reply.status;
    *response.headers_mut() = headers::to_caller(reply.headers);
    if let Some(wait) = fault.retry_after {
        response.headers_mut().entry(http::header::RETRY_AFTER).or_insert_with(|| reply::retry_after(wait));
    }
    account.write(response.headers_mut());
    response
}

fn fault_for_caller(gateway: &Gateway, lost: &Lost, request: &Inspected) -> Fault {
    let told = lost.stop.fault().and_then(|at| lost.tried.get(at)).and_then(|tried| tried.result.clone());
    if let (None, Some((_, unfit)), true) = (&told, lost.unfit.first(), is_lasting(&lost.stop)) {
        return unfit.clone();
    }
    if gateway.is_ending() && told.is_none() {
        let message = "the gateway goes out of service, and nobody had answered yet";
        let mut fault =
            Fault::new(FaultClass::Exhausted, Origin::Gateway, Phase::BeforeCommit, message).with_status(503);
        fault.retry_after = Some(Duration::from_secs(1));
        return fault;
    }
    match (&lost.stop, told) {
        (Stop::Exhausted { .. }, told) => exhausted(gateway, lost, request, told),
        (Stop::Deadline { .. }, told) => {
            let total = request.deadline.since(request.started);
            let message = format!("no answer within the request's time limit of {total:?}");
            let mut fault = Fault::new(FaultClass::Timeout, Origin::Gateway, Phase::BeforeCommit, message);
            fault.detail = told.map(|told| format!("last failure: {told}"));
            fault
        }
        (_, Some(told)) => all_failed(lost, request, &told).unwrap_or_else(|| credentials_are_ours(told)),
        (_, None) => Fault::new(FaultClass::Exhausted, Origin::Gateway, Phase::Before, "no target could be tried"),
    }
}

/// Is every target out for good, as far as this request goes?
fn is_lasting(stop: &Stop) -> bool {
    let Stop::Exhausted { reasons, .. } = stop else { return false };
    !reasons.is_empty() && reasons.iter().all(|(_, reason)| reason.is_lasting())
}

/// A provider that refuses our key, or wants our money, must not look to the caller as if its own were meant.
fn credentials_are_ours(told: Fault) -> Fault {
    let what = match told.class {
        FaultClass::Auth => "the provider refused the gateway's credentials",
        FaultClass::Billing => "the gateway's account at the provider is out of credit or quota",
        _ => return told,
    };
    let message = format!("{what}: {}", told.message);
    let mut fault = Fault::new(told.class, Origin::Gateway, told.phase, message).with_status(502);
    fault.code = told.code;
    fault.class = FaultClass::Server;
    fault
}

/// Several targets were tried, and each failed as servers do: the last one's words alone would not tell that. `None`: it was
/// one target, or the last says something of the request, the model or the account.
fn all_failed(lost: &Lost, request: &Inspected, told: &Fault) -> Option<Fault> {
    let blames_server = matches!(told.class.scope(), FaultScope::Host | FaultScope::Target);
    let is_outage = blames_server && told.class != FaultClass::Gone;
    let policy = &request.route.policy;
    let last_of = |at: usize| lost.tried.iter().rev().filter(move |tried| tried.candidate == at);
    let each: Vec<(&str, &Fault)> = (0..policy.candidates.len())
        .filter_map(|at| {
            Some((&*policy.candidates.get(at)?.name, last_of(at).find_map(|tried| tried.result.as_ref())?))
        })
        .collect();
    if !is_outage || each.len() < 2 {
        return None;
    }
    let reasons: Vec<String> = each.iter().map(|(name, fault)| format!("{name}: {fault}")).collect();
    let message = format!("every target of route `{}` failed: {}", policy.route, reasons.join("; "));
    let mut fault = Fault::new(FaultClass::Exhausted, Origin::Gateway, told.phase, message).with_status(503);
    let soonest = each.iter().filter_map(|(_, fault)| fault.retry_after).min();
    fault.retry_after = Some(soonest.unwrap_or(Duration::from_secs(1)));
    Some(fault)
}

/// Every target is out: say of each why, and when the first comes back.
fn exhausted(gateway: &Gateway, lost: &Lost, request: &Inspected, told: Option<Fault>) -> Fault {
    let Stop::Exhausted { all_limited, all_denied, retry_after, reasons, .. } = &lost.stop else {
        return classify_nothing();
    };
    let now = gateway.clock.now();
    let policy = &request.route.policy;
    let each: Vec<String> = reasons
        .iter()
        .filter_map(|(at, reason)| {
            policy.candidates.get(*at).map(|candidate| format!("{}: {}", candidate.name, reason.at(now)))
        })
        .collect();
    if let (true, None) = (is_lasting(&lost.stop), &told) {
        let message = format!("no target of route `{}` can serve this request: {}", policy.route, each.join("; "));
        return Fault::new(FaultClass::BadRequest, Origin::Gateway, Phase::Before, message).with_status(400);
    }
    // A model that no provider has is as missing at the second question as it was at the first: no client retries that.
    let gone = |(_, reason): &(usize, Reason)| matches!(reason, Reason::Benched { class: FaultClass::Gone, .. });
    let all_gone = !reasons.is_empty() && reasons.iter().all(gone);
    let (status, class) = match (all_denied, all_limited) {
        (true, _) => (502, FaultClass::Exhausted),
        (false, true) => (429, FaultClass::RateLimit),
        (false, false) if all_gone => (404, FaultClass::Gone),
        (false, false) => (503, FaultClass::Exhausted),
    };
    let credentials = if *all_denied { " (the provider refused the gateway's credentials)" } else { "" };
    let message = format!("every target of route `{}` is out{credentials}: {}", policy.route, each.join("; "));
    let mut fault = Fault::new(class, Origin::Gateway, Phase::Before, message).with_status(status);
    fault.retry_after = (status != 502).then(|| retry_after.unwrap_or(Duration::from_secs(1)));
    fault.detail = told.map(|told| format!("last failure: {told}"));
    fault
}

fn classify_nothing() -> Fault {
    Fault::new(FaultClass::Exhausted, Origin::Gateway, Phase::Before, "every target is out")
}

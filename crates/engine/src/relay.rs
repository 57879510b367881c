//! Stage 9: what was won, or lost, becomes the caller's answer.

use std::time::Duration;

use http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, SET_COOKIE,
    TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use ringmain_core::{Fault, FaultClass, Origin, Phase};
use ringmain_routing::Stop;

use crate::attempt::{Lost, Won};
use crate::exchange::{Answer, Arrived, ProviderReply};
use crate::gateway::Gateway;
use crate::inspect::Inspected;
use crate::passthrough::{Raw, Tunnel};
use crate::reply::{self, Account, ReplyBody};
use crate::settle::RequestGuard;

/// Headers of a provider's answer that are between it and us.
static HOP_BY_HOP: [HeaderName; 14] = [
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    CONNECTION,
    CONTENT_LENGTH,
    CONTENT_ENCODING,
    TRANSFER_ENCODING,
    SET_COOKIE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("te"),
    HeaderName::from_static("trailer"),
    HeaderName::from_static("upgrade"),
    HeaderName::from_static("alt-svc"),
    HeaderName::from_static("strict-transport-security"),
];

/// The answer that was won.
#[must_use]
pub fn won(won: Won, request: &Inspected, mut guard: RequestGuard) -> Response<ReplyBody> {
    let Won { arrived, mut attempt } = won;
    let Arrived { status, headers, body, relayed, losses, .. } = arrived;
    let mut response = Response::new(ReplyBody::Whole(None));
    *response.status_mut() = status;
    if request.passing.is_some() {
        *response.headers_mut() = headers;
    } else if relayed {
        *response.headers_mut() = passed_on(headers);
    }
    if request.facts.stream {
        reply::stream_headers(response.headers_mut(), request.framing.content_type());
    } else if !relayed {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let account = Account {
        request: request.id,
        target: Some(&attempt.target().header),
        attempts: guard.attempts,
        route: Some(&request.route.header),
        why: Some(request.trace().why(&request.route)),
        losses: &losses,
    };
    account.write(response.headers_mut());
    guard.answering();
    *response.body_mut() = match body {
        Answer::Plain(bytes, usage) => {
            attempt.usage = usage;
            attempt.served();
            guard.ended(None);
            ReplyBody::whole(bytes)
        }
        Answer::Raw(flow, usage) => {
            attempt.usage = usage;
            let length = response.headers_mut().remove(CONTENT_LENGTH);
            let length = length.and_then(|value| value.to_str().ok()?.parse().ok());
            ReplyBody::Raw(Box::new(Raw::new(*flow, length, attempt, guard)))
        }
        Answer::Tunnel(body) => {
            Tunnel::new(*body, attempt, guard).put(&mut response);
            ReplyBody::Whole(None)
        }
        Answer::Live(mut live) => {
            live.commit(attempt, guard);
            ReplyBody::Live(live)
        }
    };
    response
}

/// Nothing was won: the caller gets the most telling reason in its own dialect.
#[must_use]
pub fn lost(gateway: &Gateway, lost: Lost, request: &Inspected, mut guard: RequestGuard) -> Response<ReplyBody> {
    let told = lost.stop.fault();
    let fault = fault_for_caller(gateway, &lost, request);
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

/// The provider's error is the caller's business: it goes on as it came.
fn is_providers_own(fault: &Fault) -> bool {
    fault.origin == Origin::Provider && !matches!(fault.class, FaultClass::Auth | FaultClass::Billing)
}

fn provider_error(reply: ProviderReply, fault: &Fault, account: &Account<'_>) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::whole(reply.body));
    *response.status_mut() = reply.status;
    let encoding = reply.headers.get(CONTENT_ENCODING).cloned();
    *response.headers_mut() = passed_on(reply.headers);
    // Nobody asked for another encoding but the caller.
    response.headers_mut().extend(encoding.map(|value| (CONTENT_ENCODING, value)));
    if let Some(wait) = fault.retry_after {
        response.headers_mut().entry(http::header::RETRY_AFTER).or_insert_with(|| reply::retry_after(wait));
    }
    account.write(response.headers_mut());
    response
}

fn passed_on(mut headers: HeaderMap) -> HeaderMap {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
    headers
}

fn fault_for_caller(gateway: &Gateway, lost: &Lost, request: &Inspected) -> Fault {
    let told = lost.stop.fault().and_then(|at| lost.tried.get(at)).and_then(|tried| tried.result.clone());
    if let (None, Some((_, unfit))) = (&told, lost.unfit.first()) {
        return unfit.clone();
    }
    match (&lost.stop, told) {
        (Stop::Exhausted { .. }, told) => exhausted(gateway, lost, request, told),
        (Stop::Deadline { .. }, told) => {
            let total = request.facts.timeout.unwrap_or(request.route.policy.timeouts.total);
            let message = format!("no answer within the request's time limit of {total:?}");
            let mut fault = Fault::new(FaultClass::Timeout, Origin::Gateway, Phase::BeforeCommit, message);
            fault.detail = told.map(|told| format!("last failure: {told}"));
            fault
        }
        (_, Some(told)) => credentials_are_ours(told),
        (_, None) => Fault::new(FaultClass::Exhausted, Origin::Gateway, Phase::Before, "no target could be tried"),
    }
}

/// A provider that refuses our key must not look to the caller as if its own key were wrong.
fn credentials_are_ours(told: Fault) -> Fault {
    if !matches!(told.class, FaultClass::Auth | FaultClass::Billing) {
        return told;
    }
    let message = format!("the provider refused the gateway's credentials: {}", told.message);
    let mut fault = Fault::new(told.class, Origin::Gateway, told.phase, message).with_status(502);
    fault.code = told.code;
    fault.class = FaultClass::Server;
    fault
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
    let lasting = !reasons.is_empty() && reasons.iter().all(|(_, reason)| reason.is_lasting());
    if let (true, None) = (lasting, &told) {
        let message = format!("no target of route `{}` can serve this request: {}", policy.route, each.join("; "));
        return Fault::new(FaultClass::BadRequest, Origin::Gateway, Phase::Before, message).with_status(400);
    }
    let status = match (all_denied, all_limited) {
        (true, _) => 502,
        (false, true) => 429,
        (false, false) => 503,
    };
    let credentials = if *all_denied { " (the provider refused the gateway's credentials)" } else { "" };
    let message = format!("every target of route `{}` is out{credentials}: {}", policy.route, each.join("; "));
    let class = if *all_limited { FaultClass::RateLimit } else { FaultClass::Exhausted };
    let mut fault = Fault::new(class, Origin::Gateway, Phase::Before, message).with_status(status);
    fault.retry_after = (status != 502).then(|| retry_after.unwrap_or(Duration::from_secs(1)));
    fault.detail = told.map(|told| format!("last failure: {told}"));
    fault
}

fn classify_nothing() -> Fault {
    Fault::new(FaultClass::Exhausted, Origin::Gateway, Phase::Before, "every target is out")
}

//! From what came back to a [`Fault`]: the one place where a provider's failure gets its class and scope.

use http::HeaderMap;
use ringmain_catalog::Provider;
use ringmain_core::{Fault, FaultClass, FaultScope, Origin, Phase, WallTime};
use ringmain_dialects::Codec;
use ringmain_dialects::shared::absent;
use ringmain_upstream::{SendError, Stage};

use crate::limits;

/// An exchange that brought no whole answer.
#[must_use]
pub fn of_exchange(error: &SendError) -> Fault {
    let (class, phase) = match error.stage {
        Stage::Dns | Stage::Connect | Stage::Tls => (FaultClass::Network, Phase::Connect),
        // The request had gone out: the host is there, the target did not answer.
        Stage::Exchange => (FaultClass::Server, Phase::AwaitHead),
        Stage::Body => (FaultClass::Interrupted, Phase::BeforeCommit),
    };
    Fault::new(class, Origin::Provider, phase, error.to_string()).with_detail(error.chain())
}

/// An answer with an error status, or an error inside a success. The dialect knows its own codes, the catalog the
/// provider's, the headers how long to stay away.
#[must_use]
pub fn of_answer(
    codec: &dyn Codec,
    provider: &Provider,
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
    now: WallTime,
) -> Fault {
    judge(codec.decode_fault(status, headers, body), provider, status, headers, now)
}

/// The same of a fault that is decoded already.
#[must_use]
pub fn judge(mut fault: Fault, provider: &Provider, status: u16, headers: &HeaderMap, now: WallTime) -> Fault {
    // Of the few statuses that say exactly one thing, the status is believed before the words of the body.
    let class = match (status, fault.class) {
        (402, _) => FaultClass::Billing,
        (502, FaultClass::Overloaded) => FaultClass::Server,
        (503 | 529, FaultClass::Server) => FaultClass::Overloaded,
        (_, class) => class,
    };
    if class != fault.class {
        fault.class = class;
        fault.scope = class.scope();
    }
    refine(fault, provider, headers, now)
}

/// Adds what the provider's own rules and the headers say to a fault the dialect decoded.
#[must_use]
pub fn refine(mut fault: Fault, provider: &Provider, headers: &HeaderMap, now: WallTime) -> Fault {
    if let Some(rule) = provider.error_rule(fault.code.as_deref(), &fault.message) {
        fault.class = rule.class;
        fault.scope = rule.scope;
    }
    fault.retry_after = limits::retry_after(headers, now).or(fault.retry_after);
    fault
}

/// Does it mean that there is nothing at this path at all, rather than no such model?
#[must_use]
pub fn is_no_such_path(fault: &Fault) -> bool {
    match fault.status {
        Some(405 | 501) => true,
        Some(404) => absent::is_path(&fault.message),
        _ => false,
    }
}

/// Does it mean that tokens cannot be counted there, rather than that these cannot?
#[must_use]
pub fn cannot_count(fault: &Fault) -> bool {
    is_no_such_path(fault) || fault.message.to_ascii_lowercase().contains("support counting tokens")
}

/// A success with nothing in it.
#[must_use]
pub fn empty() -> Fault {
    Fault::new(FaultClass::Empty, Origin::Provider, Phase::BeforeCommit, "the provider's answer was empty")
}

/// Bytes that are not an answer.
#[must_use]
pub fn protocol(what: &str, detail: impl Into<String>) -> Fault {
    Fault::new(FaultClass::Protocol, Origin::Provider, Phase::BeforeCommit, what).with_detail(detail)
}

/// No useful token came in time.
#[must_use]
pub fn no_first_token() -> Fault {
    Fault::new(FaultClass::Timeout, Origin::Provider, Phase::BeforeCommit, "no answer from the provider in time")
}

/// A content filter's refusal that the policy does not take as the answer.
#[must_use]
pub fn refusal() -> Fault {
    Fault::new(FaultClass::Refusal, Origin::Provider, Phase::BeforeCommit, "refused by the provider's content filter")
}

/// The answer stopped after part of it was with the caller.
#[must_use]
pub fn interrupted(what: &str) -> Fault {
    let mut fault = Fault::new(FaultClass::Interrupted, Origin::Provider, Phase::AfterCommit, what);
    fault.scope = FaultScope::Target;
    fault
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_path_is_no_missing_model() {
        let table = [
            (404, "Not Found", true),
            (404, "404 page not found", true),
            (404, "<html>404</html>", true),
            (404, "Invalid URL (POST /v1/responses)", true),
            (405, "Method Not Allowed", true),
            (404, "The model `x` does not exist", false),
            (404, "Not found the model x", false),
            (404, "File not found: file_1", false),
            (404, "Previous response with id 'resp_1' not found.", false),
            (400, "Not Found", false),
        ];
        for (status, message, missing) in table {
            let fault = Fault::new(FaultClass::Gone, Origin::Provider, Phase::AwaitHead, message).with_status(status);
            assert_eq!(is_no_such_path(&fault), missing, "{status} {message}");
        }
    }
}

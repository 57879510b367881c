//! Counting tokens. A target whose provider counts is asked; what it says of its health is not believed, since counting has
//! limits and outages of its own. For one whose provider cannot count, the gateway estimates, and says so.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use ringmain_config::OnLoss;
use ringmain_core::{Fault, FaultClass, Operation, Origin, Phase};
use ringmain_dialects::{Counting, Loss, registry, shared};

use crate::classify;
use crate::exchange::{Answer, Arrived, Plain};
use crate::inspect::Inspected;
use crate::target::Target;

/// Is it a request to count that this target's provider has no way to answer?
pub(crate) fn is_estimated(request: &Inspected, target: &Target) -> bool {
    let facts = &request.facts;
    facts.operation == Operation::CountTokens && target.endpoint(facts.operation, facts.dialect).is_none()
}

/// The answer where the provider has none: an estimate, reported as what it is.
///
/// # Errors
/// The route takes no losses, or the body is no request of its dialect.
pub(crate) fn estimate(request: &Inspected, target: &Target) -> Result<Arrived, Fault> {
    let counting = callers(request)?;
    let decoded = request.decoded()?;
    if let Some(field) = decoded.remembered.first() {
        let message = format!("{field} cannot be counted: only its provider knows what it holds");
        return Err(Fault::new(FaultClass::BadRequest, Origin::Gateway, Phase::Before, message).with_status(400));
    }
    let tokens = shared::estimate::of_request(decoded);
    let losses = match request.route.on_loss {
        OnLoss::Allow | OnLoss::Warn => vec![Loss::approximated(counting.field())],
        OnLoss::Reject => {
            let message = format!("{} has no way to count tokens, and this route takes no estimates", target.name);
            let fault = Fault::new(FaultClass::BadRequest, Origin::Gateway, Phase::Before, message);
            return Err(fault.with_status(400));
        }
    };
    Ok(Arrived {
        status: StatusCode::OK,
        headers: HeaderMap::new(),
        body: Answer::Plain(Plain::relayed(counting.write(tokens).into(), None)),
        relayed: false,
        losses,
        limits: None,
        form: None,
        signs: false,
    })
}

/// What the provider counted, as the caller reads it. `counting`: of the provider's dialect.
///
/// # Errors
/// It holds no number.
pub(crate) fn answer(
    request: &Inspected,
    counting: &dyn Counting,
    bytes: Bytes,
    relayed: bool,
) -> Result<Bytes, Fault> {
    let tokens = counting.read(&bytes).ok_or_else(classify::empty)?;
    if relayed { Ok(bytes) } else { Ok(callers(request)?.write(tokens).into()) }
}

fn callers(request: &Inspected) -> Result<&'static dyn Counting, Fault> {
    registry::counting(request.facts.dialect)
        .ok_or_else(|| classify::protocol("the caller's dialect has no way to ask for a count", ""))
}

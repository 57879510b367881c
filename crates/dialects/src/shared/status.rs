//! The HTTP status a fault has where the provider gave none.

use ringmain_core::{Fault, FaultClass};

/// The status for a caller: the provider's own where there was one, else the class's usual one.
#[must_use]
pub fn status_of(fault: &Fault) -> u16 {
    fault.status.unwrap_or(match fault.class {
        FaultClass::RateLimit => 429,
        FaultClass::Billing => 402,
        FaultClass::Auth => 401,
        FaultClass::Gone | FaultClass::Unroutable => 404,
        FaultClass::Overloaded | FaultClass::Exhausted => 503,
        FaultClass::Timeout => 504,
        FaultClass::BadRequest | FaultClass::Refusal => 400,
        FaultClass::Context => 413,
        FaultClass::Cancelled => 499,
        FaultClass::Network
        | FaultClass::Server
        | FaultClass::Empty
        | FaultClass::Protocol
        | FaultClass::Interrupted => 502,
    })
}

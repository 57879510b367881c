//! A route ready to be used: the policy, and its targets ready to be called.

use std::sync::Arc;

use http::HeaderValue;
use ringmain_config::OnLoss;
use ringmain_routing::Policy;
use ringmain_telemetry::RouteMeter;

use crate::target::Target;

/// A route of the configuration in force, or one made for a model that a caller named directly.
#[derive(Debug)]
pub struct Route {
    /// Its name, as the value of `x-ringmain-route`.
    pub header: HeaderValue,
    /// Whom it prefers and when it gives up.
    pub policy: Policy,
    /// Its targets, in the order of the policy's candidates.
    pub targets: Vec<Arc<Target>>,
    /// What to do when a translation cannot carry everything.
    pub on_loss: OnLoss,
    /// Its metrics.
    pub meter: RouteMeter,
}

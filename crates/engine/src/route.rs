//! A route ready to be used: the policy, and its targets ready to be called.

use std::sync::Arc;

use http::HeaderValue;
use ringmain_config::OnLoss;
use ringmain_routing::Policy;
use ringmain_routing::record::Known;
use ringmain_telemetry::RouteMeter;

use crate::target::Target;

/// A route of the configuration in force, or one made for a model that a caller named directly.
#[derive(Debug)]
pub struct Route {
    /// Its name.
    pub name: Arc<str>,
    /// Its name, as the value of `x-ringmain-route`.
    pub header: HeaderValue,
    /// Whom it prefers and when it gives up.
    pub policy: Policy,
    /// Who can serve it, for records.
    pub known: Arc<[Known]>,
    /// Its targets, in the order of the policy's candidates.
    pub targets: Vec<Arc<Target>>,
    /// What to do when a translation cannot carry everything.
    pub on_loss: OnLoss,
    /// Headers that any rule of the configuration asks for, in lower case.
    pub asked_headers: Arc<[String]>,
    /// Its metrics.
    pub meter: RouteMeter,
}

/// The route of one request.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// The route.
    pub route: Arc<Route>,
    /// Why this one, in words.
    pub why: Arc<str>,
}

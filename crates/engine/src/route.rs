//! A route ready to be used: the policy, and its targets ready to be called.

use std::sync::Arc;

use http::HeaderValue;
use ringmain_config::OnLoss;
use ringmain_core::{Operation, RequestFacts};
use ringmain_routing::record::Known;
use ringmain_routing::{Policy, Reason, View};
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

impl Route {
    /// Tells the view which targets do not serve the operation in any dialect we could ask them in.
    pub fn exclude_unserved(&self, facts: &RequestFacts, view: &mut View) {
        if facts.operation == Operation::Passthrough {
            return;
        }
        for (at, target) in self.targets.iter().enumerate() {
            if target.endpoint(facts.operation, facts.dialect).is_none() {
                view.exclude(at, Reason::Unserved);
            }
        }
    }
}

/// The route of one request.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// The route.
    pub route: Arc<Route>,
    /// Why this one, in words.
    pub why: Arc<str>,
}

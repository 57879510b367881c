//! The configuration file: spanned raw form, resolved form, and every problem at once.
//!
//! ```text
//! load(text, sources, catalog)          -> Loaded      the file's text to a Config, with every problem found
//! from_environment(sources, catalog)    -> Loaded      no file: the providers whose keys are in the environment
//! Config::select(facts, header)         -> Selection   which targets may serve a request, and why
//! Config::policy(selection, topology)   -> RoutePolicy the same for the routing crate, with the way back to the keys
//! Config::describe(selection)           -> String      the same in a few sentences
//! ```
//! Nothing here opens a file or reads the environment: both come in as [`Sources`].

mod config;
mod diagnostic;
mod load;
mod matcher;
mod models;
mod policy;
mod raw;
mod render;
mod resolve;
mod schema;
mod select;
mod settings;
mod sources;
mod topology;
mod words;

pub use config::{
    CaFile, CallerKey, Config, Credential, Database, Grants, Group, Heartbeat, HeartbeatBy, Key, Oidc, Provider, Route,
    RouteTarget, Server, Shown, State, Telemetry,
};
pub use diagnostic::{Code, Diagnostic, Diagnostics, Severity};
pub use load::{Loaded, from_environment, load};
pub use matcher::{Compare, Condition, Matcher, Names, TokenBound};
pub use models::{KnownModel, OwnModel};
pub use policy::{Place, RoutePolicy};
pub use schema::reference;
pub use select::{Considered, NoRoute, Selection, Via};
pub use settings::{BalanceChoice, OnLoss, Settings};
pub use sources::Sources;
pub use topology::{MAX_TARGETS, Topology};

#[cfg(test)]
mod tests;

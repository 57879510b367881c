//! Providers, models, prices and quirks, as data files and the types that read them.
//!
//! `providers/<id>.yaml` says how a provider is spoken to, `models/<id>.yaml` what it serves and what that costs.
//! Both folders are embedded; an operator's files override them by id. This crate opens no file: it is given text.

mod catalog;
mod load;
mod model;
mod provider;
mod quirk;
mod raw;

pub use catalog::Catalog;
pub use load::{Problem, Problems};
pub use model::{Model, ModelKind};
pub use provider::{Auth, Endpoint, ErrorRule, Pools, Provider};
pub use quirk::{Documents, MaxTokensField, Pointer, Prefill, Quirks, StreamUsage, SystemRole, ToolIds, ToolSubset};
pub use ringmain_core::{LongContext, Price, TokenPrices};

#[cfg(test)]
mod tests;

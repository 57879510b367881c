//! Cases that need the whole catalog.

mod built_in;
mod conformance;
mod cost;
mod lookup;
mod overrides;
mod recorded;

use std::sync::Arc;

use crate::Catalog;

fn catalog() -> Arc<Catalog> {
    Catalog::embedded().unwrap_or_else(|problems| panic!("{problems}"))
}

//! Redis or Valkey: what several processes hold together.

mod quotas;

pub use quotas::{Quotas, Settings};

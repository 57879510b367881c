//! Redis or Valkey: what several processes hold together. A thread of its own drives the connection, so that nothing else
//! that this process does makes an answer late.

mod link;
mod outages;
pub(crate) mod patience;
mod place;
mod quotas;
mod scripts;

pub use link::Settings;
pub use quotas::Quotas;

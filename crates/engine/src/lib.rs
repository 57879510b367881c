//! The request pipeline. Begin at [`serve`]: it is the table of contents.
//!
//! ```text
//! accept -> identify -> read -> inspect -> attempt ( plan, next -> render -> exchange -> commit ) -> relay -> settle
//! ```
//! Decisions are made in `ringmain-routing`, which is pure; this crate does what they say. A request lives on one
//! thread, holds no lock across an await, and spawns nothing: dropping it stops everything it had begun.

pub mod accept;
pub mod admit;
pub mod attempt;
pub mod classify;
pub mod clock;
mod count;
pub mod exchange;
pub mod fleet;
pub mod frames;
pub mod gateway;
mod headers;
pub mod heartbeat;
pub mod identify;
pub mod inspect;
pub mod kept;
pub mod keys;
pub mod limits;
pub mod live;
pub mod marks;
pub mod models;
pub mod operations;
pub mod passthrough;
pub mod pins;
pub mod price;
pub mod read;
pub mod records;
pub mod relay;
pub mod render;
pub mod reply;
pub mod resume;
pub mod room;
pub mod route;
pub mod rules;
pub mod secret;
pub mod serve;
pub mod settle;
pub mod sign;
pub mod stored;
mod tags;
pub mod target;
#[cfg(test)]
mod testing;
pub mod trace;
pub mod writer;

pub use gateway::Gateway;
pub use passthrough::Tunnel;
pub use reply::{BrokenOff, ReplyBody};
pub use serve::serve;

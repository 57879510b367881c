//! The shared words of Ringmain: ids, time, chance, facts, faults, losses, outcomes, usage, money, prices.
//!
//! Every other crate speaks in these types, and none of them does anything: no clock, no randomness, no IO.

pub mod calendar;
pub mod dialect;
pub mod effort;
pub mod facts;
pub mod fault;
pub mod id;
pub mod limit;
pub mod loss;
pub mod money;
pub mod outcome;
pub mod price;
pub mod scope;
pub mod seed;
pub mod shape;
pub mod space;
pub mod sparse;
pub mod time;
pub mod usage;

pub use dialect::{Dialect, Operation};
pub use effort::{Effort, Efforts};
pub use facts::{Capabilities, KeyName, Marks, RequestFacts};
pub use fault::{Fault, FaultClass, FaultScope, Origin, Phase};
pub use id::{RequestId, TargetName};
pub use limit::{Limit, Metered, Period};
pub use loss::{Loss, LossKind, Losses};
pub use money::Money;
pub use outcome::{Outcome, Timings};
pub use price::{ImagePrice, LongContext, Price, TokenPrices};
pub use scope::{Area, Scope};
pub use seed::Seed;
pub use shape::Shape;
pub use space::Space;
pub use time::{Now, Tick, WallTime};
pub use usage::{Billed, Quality, Units, Usage};

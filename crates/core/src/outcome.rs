//! How an attempt, or a whole request, ended.

use std::time::Duration;

use crate::{Fault, Usage};

/// Where the time of one attempt went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timings {
    /// From the start of the attempt to the response head.
    pub head: Option<Duration>,
    /// From the start of the attempt to the first useful token; for a plain answer, to its last byte.
    pub first_token: Option<Duration>,
    /// From the start of the attempt to its end.
    pub total: Duration,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A whole answer, with what the provider says it used.
    Done {
        /// `None` where the provider did not say.
        usage: Option<Usage>,
    },
    /// It failed.
    Failed(Fault),
    /// We stopped it: the caller left, or another attempt won.
    Cancelled,
}

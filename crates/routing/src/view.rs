//! What is known of a route's candidates at one moment, copied out of [`Health`] so that nothing is held while deciding.

use ringmain_core::Now;

use crate::{Health, KeyIx, Policy, Reason};

/// The candidates of one policy as they stand.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct View {
    pub(crate) rows: Vec<Row>,
    pub(crate) keys: Vec<KeyRow>,
    pub(crate) turn: u64,
    pub(crate) offset: u64,
    pub(crate) budget: f64,
}

/// One candidate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// Target, host and keys together.
    pub standing: Standing,
    /// The target and its host alone.
    pub place: Standing,
    /// Failing enough that a retry sent here may only add to its load.
    pub suspect: bool,
    /// Below 1 while it returns from an outage.
    pub ramp: f64,
    /// Attempts running now, of all routes.
    pub in_flight: u32,
    pub(crate) first_key: usize,
    pub(crate) end_key: usize,
}

/// One credential of a candidate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KeyRow {
    /// The credential.
    pub key: KeyIx,
    /// Its share, relative to the others'.
    pub weight: f64,
    /// Can it be used for this candidate?
    pub standing: Standing,
}

/// Can it be used?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Yes.
    Ready,
    /// By one request, to find out.
    Probe,
    /// No.
    Out(Reason),
}

impl View {
    /// One row for each candidate, in file order.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The credentials of the candidate at `position`.
    #[must_use]
    pub fn keys(&self, position: usize) -> &[KeyRow] {
        self.rows.get(position).and_then(|row| self.keys.get(row.first_key..row.end_key)).unwrap_or_default()
    }

    /// Retries this route may still make now.
    #[must_use]
    pub const fn budget(&self) -> f64 {
        self.budget
    }

    /// Tells the plan what only the caller knows of the candidate at `position`, such as [`Reason::Unserved`].
    /// Only the view given to [`crate::plan`] needs it.
    pub fn exclude(&mut self, position: usize, reason: Reason) {
        if let Some(row) = self.rows.get_mut(position) {
            row.standing = Standing::Out(reason);
        }
    }
}

/// Copies what is known of the candidates of `policy`.
#[must_use]
#[expect(clippy::todo, unused_variables, reason = "the body follows")]
pub fn view(health: &Health, policy: &Policy, now: Now) -> View {
    todo!()
}

//! Query parameters: words, times, windows.

use std::collections::HashSet;

use ringmain_core::{WallTime, calendar, time};

use crate::answer::Problem;

/// The parameters of a query, each known by name.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query. What is not in `known` is a slip, and refused.
    pub(crate) fn read(text: &str, known: &[&str]) -> Result<Self, Problem> {
        let pairs: Vec<_> = form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        let known: HashSet<&str> = known.iter().copied().collect();
        match pairs.iter().find(|(name, _)| !known.contains(name.as_str())) {
            Some((name, _)) => {
                let mut all: Vec<_> = known.into_iter().collect();
                all.sort_unstable();
                Err(Problem::bad(format!("there is no parameter `{name}`; there are {}", all.join(", "))))
            }
            None => Ok(Self(pairs)),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, value)| known == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    pub(crate) fn owned(&self, name: &str) -> Option<String> {
        self.get(name).map(ToOwned::to_owned)
    }

    /// A whole number, at most `most`.
    pub(crate) fn count(&self, name: &str, default: usize, most: usize) -> Result<usize, Problem> {
        match self.get(name) {
            None => Ok(default),
            Some(text) => match text.parse::<usize>() {
                Ok(count) => Ok(count.min(most)),
                Err(_) => Err(Problem::bad(format!("`{name}` is no whole number"))),
            },
        }
    }

    /// `from` and `to`: a date, milliseconds since 1970, or a duration ago.
    pub(crate) fn window(&self, now: WallTime, default: &str) -> Result<(WallTime, WallTime), Problem> {
        let read = |name: &str, otherwise: WallTime| match self.get(name) {
            None => Ok(otherwise),
            Some(text) => moment(text, now).ok_or_else(|| {
                Problem::bad(format!(
                    "`{name}` takes a date such as 2026-11-29 or 2026-11-29T12:00:00Z, milliseconds since 1970, or how \
                     long ago, such as 24h"
                ))
            }),
        };
        let from = read("from", moment(default, now).unwrap_or_default())?;
        Ok((from, read("to", WallTime(now.0 + 1))?))
    }
}

fn moment(text: &str, now: WallTime) -> Option<WallTime> {
    let ago = |length: std::time::Duration| {
        WallTime(now.0.saturating_sub(u64::try_from(length.as_millis()).unwrap_or(u64::MAX)))
    };
    calendar::parse_date(text)
        .or_else(|| text.parse().ok().map(WallTime))
        .or_else(|| time::parse_duration(text).map(ago))
}

//! What somebody may ask of the admin plane: `analytics:read`, `keys:write`, `*:read`.

use std::fmt;
use std::str::FromStr;

/// A part of the admin plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Area {
    /// Series, breakdowns, CSV.
    Analytics,
    /// Requests and their decision records.
    Requests,
    /// How targets and the store stand.
    Endpoints,
    /// `/metrics`.
    Metrics,
    /// How limits stand.
    Limits,
    /// Virtual keys and groups.
    Keys,
    /// Who changed what.
    Audit,
    /// Tokens of the admin plane.
    Tokens,
}

impl Area {
    /// Each with its name.
    pub const NAMED: [(&'static str, Self); 8] = [
        ("analytics", Self::Analytics),
        ("requests", Self::Requests),
        ("endpoints", Self::Endpoints),
        ("metrics", Self::Metrics),
        ("limits", Self::Limits),
        ("keys", Self::Keys),
        ("audit", Self::Audit),
        ("tokens", Self::Tokens),
    ];
}

/// An area, or all of them, to be read or changed. Who may change may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    /// `None`: all of them.
    pub area: Option<Area>,
    /// It may be changed.
    pub write: bool,
}

impl Scope {
    /// Everything.
    pub const ALL: Self = Self { area: None, write: true };

    /// Does it take this much?
    #[must_use]
    pub fn allows(self, area: Area, write: bool) -> bool {
        self.area.is_none_or(|own| own == area) && (self.write || !write)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = Area::NAMED.into_iter().find(|(_, area)| Some(*area) == self.area);
        let name = named.map_or("*", |(name, _)| name);
        write!(f, "{name}:{}", if self.write { "write" } else { "read" })
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (name, what) = text.split_once(':')?;
            let write = match what {
                "read" => false,
                "write" => true,
                _ => return None,
            };
            if name == "*" {
                return Some(Self { area: None, write });
            }
            let (_, area) = Area::NAMED.into_iter().find(|(known, _)| *known == name)?;
            Some(Self { area: Some(area), write })
        };
        read().ok_or_else(|| {
            let names = Area::NAMED.map(|(name, _)| name).join(", ");
            format!("`{text}` is no scope: write AREA:read or AREA:write, where AREA is * or one of {names}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_allows_its_area_and_no_more() {
        let scope = |text: &str| text.parse::<Scope>().unwrap();
        for text in ["analytics:read", "keys:write", "*:read", "*:write"] {
            assert_eq!(scope(text).to_string(), text);
        }
        assert!(scope("keys:write").allows(Area::Keys, true) && scope("keys:write").allows(Area::Keys, false));
        assert!(!scope("keys:read").allows(Area::Keys, true) && !scope("keys:write").allows(Area::Audit, false));
        assert!(scope("*:read").allows(Area::Tokens, false) && !scope("*:read").allows(Area::Tokens, true));
        assert_eq!(scope("*:write"), Scope::ALL);
        for text in ["", "keys", "keys:", "keys:delete", "secrets:read", "*"] {
            assert!(text.parse::<Scope>().is_err(), "{text}");
        }
    }
}

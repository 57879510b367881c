//! A limit on what somebody may use, in one line as a person writes it: `60 requests/minute`, `$50/month`, `10 at once`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::calendar::Calendar;
use crate::money::NANO;
use crate::time::parse_duration;
use crate::{Money, WallTime};

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Metered {
    /// Requests, however they end.
    Requests,
    /// Tokens, input and output.
    Tokens,
    /// What providers bill, in billionths of a dollar.
    Money,
    /// Requests that run at one time.
    Concurrency,
}

impl Metered {
    /// The name in metrics and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::Money => "money",
            Self::Concurrency => "concurrency",
        }
    }
}

/// The time a limit is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Period {
    /// A part of the calendar in UTC: all of it is free again when the next begins.
    Calendar(Calendar),
    /// The time that has just gone by: what was used becomes free again bit by bit. Whole seconds.
    Rolling(Duration),
}

/// The longest rolling period: what is counted of it is kept in memory.
pub const LONGEST: Duration = Duration::from_secs(366 * 86_400);

impl Period {
    /// The earliest moment whose use still counts at `now`.
    #[must_use]
    pub fn begin(self, now: WallTime) -> WallTime {
        match self {
            Self::Calendar(part) => part.around(now).0,
            Self::Rolling(length) => WallTime(now.0.saturating_sub(millis(length))),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// At most so much of something, in each period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Limit {
    /// What is counted.
    pub of: Metered,
    /// The most: a number, or billionths of a dollar.
    pub most: u64,
    /// In which time; `None` for what counts at one time.
    pub per: Option<Period>,
}

/// How a limit is written, for those who wrote something else.
pub const FORM: &str = "write `60 requests/minute`, `2M tokens/day`, `$50/month` or `10 at once`; minute, hour, day, week and month are the \
     calendar's, in UTC, and a duration such as `60s` or `30d` is the time that has just gone by";

impl FromStr for Limit {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if let Some(most) = text.strip_suffix("at once").or_else(|| text.strip_suffix("concurrent")) {
            let most = count(most).ok_or(FORM)?;
            return Ok(Self { of: Metered::Concurrency, most, per: None });
        }
        let (amount, period) = text.split_once('/').ok_or(FORM)?;
        let amount = amount.trim();
        let (of, most) = if let Some(dollars) = amount.strip_prefix('$') {
            (Metered::Money, nanos(dollars).ok_or(FORM)?)
        } else {
            let at = amount.find(char::is_whitespace).ok_or(FORM)?;
            let of = match amount[at..].trim() {
                "request" | "requests" => Metered::Requests,
                "token" | "tokens" => Metered::Tokens,
                _ => return Err(FORM),
            };
            (of, count(&amount[..at]).ok_or(FORM)?)
        };
        Ok(Self { of, most, per: Some(period_of(period.trim()).ok_or(FORM)?) })
    }
}

fn period_of(text: &str) -> Option<Period> {
    if let Some(part) = Calendar::ALL.into_iter().find(|part| part.as_str() == text) {
        return Some(Period::Calendar(part));
    }
    let length = parse_duration(text).filter(|length| *length >= Duration::from_secs(1) && *length <= LONGEST)?;
    (length.subsec_nanos() == 0).then_some(Period::Rolling(length))
}

/// `500`, `200k`, `2M`; at least 1.
fn count(text: &str) -> Option<u64> {
    let text = text.trim();
    let (number, scale) = match text.char_indices().next_back()? {
        (at, 'k' | 'K') => (&text[..at], 1e3),
        (at, 'm' | 'M') => (&text[..at], 1e6),
        _ => (text, 1.0),
    };
    let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'_');
    let number = number.replace('_', "").parse::<f64>().ok().filter(|_| plain)? * scale;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number within the range checked"
    )]
    (number.fract() == 0.0 && (1.0..=1e15).contains(&number)).then_some(number as u64)
}

/// Billionths of these dollars; at least one.
fn nanos(dollars: &str) -> Option<u64> {
    let dollars = dollars.trim();
    let plain = dollars.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let dollars = dollars.parse::<f64>().ok().filter(|dollars| plain && *dollars <= 1e9)?;
    u64::try_from(Money::from_dollars(dollars).nanos()).ok().filter(|nanos| *nanos > 0)
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Calendar(part) => f.write_str(part.as_str()),
            Self::Rolling(length) => {
                let seconds = length.as_secs();
                let units = [(86_400, "d"), (3600, "h"), (60, "m")];
                match units.into_iter().find(|(unit, _)| seconds >= *unit && seconds.is_multiple_of(*unit)) {
                    Some((unit, name)) => write!(f, "{}{name}", seconds / unit),
                    None => write!(f, "{seconds}s"),
                }
            }
        }
    }
}

impl fmt::Display for Limit {
    /// As it is read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.of {
            Metered::Concurrency => return write!(f, "{} at once", self.most),
            Metered::Requests => write!(f, "{} requests", self.most)?,
            Metered::Tokens => write!(f, "{} tokens", self.most)?,
            Metered::Money => {
                let (dollars, rest) = (self.most / NANO, self.most % NANO);
                let digits = format!("{rest:09}");
                match digits.trim_end_matches('0') {
                    "" => write!(f, "${dollars}")?,
                    cents => write!(f, "${dollars}.{cents:0<2}")?,
                }
            }
        }
        match self.per {
            Some(period) => write!(f, "/{period}"),
            None => Ok(()),
        }
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_and_written() {
        let table = [
            ("60 requests/minute", "60 requests/minute", Metered::Requests, 60),
            ("1 request / 1s", "1 requests/1s", Metered::Requests, 1),
            ("2M tokens/day", "2000000 tokens/day", Metered::Tokens, 2_000_000),
            ("1.5k tokens/90s", "1500 tokens/90s", Metered::Tokens, 1500),
            ("$50/month", "$50/month", Metered::Money, 50 * NANO),
            ("$0.5/week", "$0.50/week", Metered::Money, NANO / 2),
            ("$ 12.345/720h", "$12.345/30d", Metered::Money, 12_345_000_000),
            ("10 at once", "10 at once", Metered::Concurrency, 10),
            ("10 concurrent", "10 at once", Metered::Concurrency, 10),
        ];
        for (text, again, of, most) in table {
            let limit: Limit = text.parse().unwrap();
            assert_eq!((limit.of, limit.most, limit.to_string().as_str()), (of, most, again), "{text}");
            assert_eq!(again.parse(), Ok(limit), "{text}");
        }
        let refused = [
            "",
            "60",
            "60/minute",
            "60 requests",
            "0 requests/minute",
            "1.5 requests/day",
            "$0/month",
            "$-5/month",
            "$5/year",
            "$1e3/month",
            "60 requests/500ms",
            "60 requests/1.5s",
            "60 requests/400d",
            "5 moons/day",
            "x at once",
        ];
        for text in refused {
            assert!(text.parse::<Limit>().is_err(), "{text}");
        }
    }
}

//! Single values: durations, sizes, shares, addresses, words.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use ringmain_core::time::parse_duration;

use ringmain_core::{Dialect, Money, Operation, calendar};

use super::{Data, trend};
use crate::schema::Shape;
use crate::{Compare, Names, TokenBound};

/// A year: longer is a slip.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// No price, and no worth of a second, is above this.
const MOST_DOLLARS: f64 = 1e6;

/// Why a value is not taken: what it should be, how to write it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Completes "`x` is not …".
    pub(crate) what: String,
    pub(crate) help: Option<String>,
}

fn refused(what: &str, help: &str) -> Refused {
    Refused { what: what.to_owned(), help: (!help.is_empty()).then(|| help.to_owned()) }
}

/// Reads a single value by its shape. Shapes that are no single value take none.
pub(crate) fn parse(shape: &Shape, text: &str) -> Result<Data, Refused> {
    let text = text.trim();
    match shape {
        Shape::Text | Shape::Secret | Shape::Target | Shape::Url => Ok(Data::Text(text.to_owned())),
        Shape::Flag => match text {
            "true" => Ok(Data::Flag(true)),
            "false" => Ok(Data::Flag(false)),
            _ => Err(refused("true or false", "")),
        },
        Shape::Whole { min, max } => whole(text, *min, *max),
        Shape::Count => count(text)
            .map(Data::Whole)
            .ok_or_else(|| refused("a whole number of at least 1", "write it like `500` or `200k`")),
        Shape::WholeOrAuto { .. } if text == "auto" => Ok(Data::Word("auto")),
        Shape::WholeOrAuto { max } => whole(text, 1, *max),
        Shape::Size => {
            size(text).map(Data::Whole).ok_or_else(|| refused("a size", "write it like `512KiB` or `64MiB`"))
        }
        Shape::Duration => duration(text).map(|duration| Data::Duration(Some(duration))),
        Shape::DurationOrOff if text == "off" => Ok(Data::Duration(None)),
        Shape::DurationOrOff => match duration(text) {
            Ok(duration) => Ok(Data::Duration(Some(duration))),
            Err(_) => Err(refused("a duration or `off`", DURATIONS)),
        },
        Shape::Hedge if text == "off" => Ok(Data::Duration(None)),
        Shape::Hedge if is_percentile(text) => Ok(Data::Percentile(text[1..].parse().unwrap_or(95))),
        Shape::Hedge => match duration(text) {
            Ok(duration) => Ok(Data::Duration(Some(duration))),
            Err(_) => {
                Err(refused("`off`, a percentile or a duration", "write p50, p90, p95, p99, or a time such as `2s`"))
            }
        },
        Shape::Switch => switch(text),
        Shape::Range => range(text),
        Shape::Share => percent(text).map(Data::Number),
        Shape::Money => dollars(text)
            .map(|dollars| Data::Money(Money::from_dollars(dollars)))
            .ok_or_else(|| refused("an amount of money", "write it in dollars: `$0.002`")),
        Shape::Weight => weight(text),
        Shape::Address => address(text),
        Shape::Tokens => tokens(text).map(Data::Tokens),
        Shape::Limit => text.parse().map(Data::Limit).map_err(|form| refused("a limit", form)),
        Shape::Date => date(text),
        Shape::Trend => trend::parse(text).map(Data::Trend),
        Shape::Pattern => match Names::new([text]) {
            Ok(_) if text.is_empty() => Err(refused("a name or glob", "")),
            Ok(_) => Ok(Data::Text(text.to_owned())),
            Err((_, reason)) => {
                Err(refused(&format!("a glob: {reason}"), "`*` stands for anything, `?` for one character"))
            }
        },
        Shape::Words(words) => {
            let found = words.iter().find(|word| word.name == text).map(|word| word.name);
            word(text, words.iter().map(|word| word.name), found)
        }
        Shape::Operation => {
            let found = Operation::ALL.into_iter().map(Operation::as_str).find(|name| *name == text);
            word(text, Operation::ALL.into_iter().map(Operation::as_str), found)
        }
        Shape::Dialect => {
            let found = Dialect::ALL.into_iter().map(Dialect::as_str).find(|name| *name == text);
            word(text, Dialect::ALL.into_iter().map(Dialect::as_str), found)
        }
        Shape::Section(_) | Shape::Named(_) | Shape::List(_) | Shape::OneOrMany(_) | Shape::Either(..) => {
            Err(refused(&shape.describe(), ""))
        }
    }
}

fn word(
    text: &str,
    names: impl Iterator<Item = &'static str> + Clone,
    found: Option<&'static str>,
) -> Result<Data, Refused> {
    found.map(Data::Word).ok_or_else(|| {
        let all = names.clone().collect::<Vec<_>>().join("`, `");
        let help = super::nearest(text, names).map(|name| format!("did you mean `{name}`?"));
        Refused { what: format!("one of `{all}`"), help }
    })
}

const DURATIONS: &str = "write a number and a unit: `250ms`, `2s`, `10m`, `1h`, `7d`";

pub(super) fn duration(text: &str) -> Result<Duration, Refused> {
    let wrong = || refused("a duration", DURATIONS);
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let duration = parse_duration(text).ok_or_else(wrong)?;
    if duration > LONGEST { Err(refused("a duration of at most a year", "")) } else { Ok(duration) }
}

fn range(text: &str) -> Result<Data, Refused> {
    let wrong = || refused("a range of durations", "write the least and the most: `250ms..8s`");
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    let (from, to) = (duration(from.trim()).map_err(|_| wrong())?, duration(to.trim()).map_err(|_| wrong())?);
    if from > to {
        return Err(refused("a range that grows", "write the smaller one first: `250ms..8s`"));
    }
    Ok(Data::Range(from, to))
}

fn switch(text: &str) -> Result<Data, Refused> {
    match (text, duration(text)) {
        ("on", _) => Ok(Data::Word("on")),
        ("off", _) => Ok(Data::Word("off")),
        (_, Ok(duration)) => Ok(Data::Duration(Some(duration))),
        (_, Err(_)) => Err(refused("`on`, `off` or a duration", "write `on`, or how often: `30s`")),
    }
}

fn date(text: &str) -> Result<Data, Refused> {
    let wrong = || refused("a date", "write it like `2027-01-31` or `2027-01-31T12:00:00Z`, in UTC");
    calendar::parse_date(text).map(Data::Date).ok_or_else(wrong)
}

/// A share of 1.
pub(super) fn percent(text: &str) -> Result<f64, Refused> {
    let number = text.strip_suffix('%').and_then(|number| number.trim_end().parse::<f64>().ok());
    match number {
        Some(number) if (0.0..=100.0).contains(&number) => Ok(number / 100.0),
        Some(_) => Err(refused("a share between `0%` and `100%`", "")),
        None => Err(refused("a share", "write it in percent: `5%`")),
    }
}

/// `$0.002`.
pub(super) fn dollars(text: &str) -> Option<f64> {
    let amount = text.strip_prefix('$')?.trim_start();
    let plain = amount.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    amount.parse::<f64>().ok().filter(|amount| plain && (0.0..=MOST_DOLLARS).contains(amount))
}

fn is_percentile(text: &str) -> bool {
    matches!(text, "p50" | "p90" | "p95" | "p99")
}

fn weight(text: &str) -> Result<Data, Refused> {
    let number = text.strip_suffix('%').unwrap_or(text).trim_end().parse::<f64>().ok();
    match number {
        Some(number) if number.is_finite() && (0.0..=1e9).contains(&number) => Ok(Data::Number(number)),
        _ => Err(refused("a weight", "write a number that is not negative; weights count relative to each other")),
    }
}

fn whole(text: &str, min: u64, max: u64) -> Result<Data, Refused> {
    match text.replace('_', "").parse::<u64>() {
        Ok(number) if (min..=max).contains(&number) => Ok(Data::Whole(number)),
        Ok(_) | Err(_) if max == u64::MAX => Err(refused(&format!("a whole number of at least {min}"), "")),
        Ok(_) | Err(_) => Err(refused(&format!("a whole number from {min} to {max}"), "")),
    }
}

/// Bytes.
fn size(text: &str) -> Option<u64> {
    let at = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let unit: u64 = match unit.trim_start() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "kB" | "KB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit).filter(|bytes| *bytes > 0)
}

fn address(text: &str) -> Result<Data, Refused> {
    let help = "write an address and a port: `127.0.0.1:8080`, or `0.0.0.0:8080` for every interface";
    let by_name = text.strip_prefix("localhost:").map(|port| (Ipv4Addr::LOCALHOST, port));
    let every = text.strip_prefix(':').map(|port| (Ipv4Addr::UNSPECIFIED, port));
    let parsed = match by_name.or(every) {
        Some((ip, port)) => port.parse().ok().map(|port| SocketAddr::new(IpAddr::V4(ip), port)),
        None => text.parse().ok(),
    };
    parsed.map(Data::Address).ok_or_else(|| refused("an address to listen on", help))
}

fn tokens(text: &str) -> Result<TokenBound, Refused> {
    let signs = [(">=", Compare::AtLeast), ("<=", Compare::AtMost), (">", Compare::Above), ("<", Compare::Below)];
    let found = signs.into_iter().find_map(|(sign, compare)| Some((text.strip_prefix(sign)?.trim(), compare)));
    let bound = found.and_then(|(number, compare)| Some(TokenBound { compare, tokens: number_of(number)? }));
    bound.ok_or_else(|| refused("a bound on tokens", "write a comparison and a number: `> 50k`, `<= 8000`"))
}

/// A whole number above 0.
fn count(text: &str) -> Option<u64> {
    number_of(text).filter(|number| *number > 0)
}

/// `8000`, `50k`, `2M`.
fn number_of(text: &str) -> Option<u64> {
    let (digits, factor) = match text.chars().last()? {
        'k' | 'K' => (&text[..text.len() - 1], 1_000),
        'm' | 'M' => (&text[..text.len() - 1], 1_000_000),
        _ => (text, 1),
    };
    digits.trim_end().replace('_', "").parse::<u64>().ok()?.checked_mul(factor)
}

//! Single values: durations, sizes, shares, addresses, words.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use ringmain_core::time::parse_duration;

use ringmain_core::{Dialect, Operation};

use super::Data;
use crate::schema::Shape;
use crate::{Compare, Names, TokenBound};

/// A year: longer is a slip.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

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
        Shape::Hedge if matches!(text, "p50" | "p90" | "p95" | "p99") => Ok(Data::Text(text.to_owned())),
        Shape::Hedge => match duration(text) {
            Ok(duration) => Ok(Data::Duration(Some(duration))),
            Err(_) => Err(refused("`off`, a percentile or a duration", "write it like `p95` or `2s`")),
        },
        Shape::Range => range(text),
        Shape::Share => share(text),
        Shape::Weight => weight(text),
        Shape::Address => address(text),
        Shape::Tokens => tokens(text)
            .map(Data::Tokens)
            .ok_or_else(|| refused("a bound on tokens", "write a comparison and a number: `> 50k`, `<= 8000`")),
        Shape::Trend => trend(text),
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

fn share(text: &str) -> Result<Data, Refused> {
    let number = text.strip_suffix('%').and_then(|number| number.trim_end().parse::<f64>().ok());
    match number {
        Some(number) if (0.0..=100.0).contains(&number) => Ok(Data::Number(number / 100.0)),
        Some(_) => Err(refused("a share between `0%` and `100%`", "")),
        None => Err(refused("a share", "write it in percent: `5%`")),
    }
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

fn tokens(text: &str) -> Option<TokenBound> {
    let bounds = [(">=", Compare::AtLeast), ("<=", Compare::AtMost), (">", Compare::Above), ("<", Compare::Below)];
    let (number, compare) =
        bounds.into_iter().find_map(|(sign, compare)| Some((text.strip_prefix(sign)?.trim(), compare)))?;
    let (digits, factor) = match number.chars().last()? {
        'k' | 'K' => (&number[..number.len() - 1], 1_000),
        'm' | 'M' => (&number[..number.len() - 1], 1_000_000),
        _ => (number, 1),
    };
    let tokens = digits.trim_end().replace('_', "").parse::<u64>().ok()?.checked_mul(factor)?;
    Some(TokenBound { compare, tokens })
}

/// `p95(ttft) > 2s`: checked, and kept as it is.
fn trend(text: &str) -> Result<Data, Refused> {
    let wrong = || {
        refused(
            "a condition on a measure",
            "write `p95(ttft) > 2s`: p50, p90, p95, p99 or mean, of ttft, latency, error_rate or cost, and > or <",
        )
    };
    let (function, rest) = text.split_once('(').ok_or_else(wrong)?;
    let (measure, rest) = rest.split_once(')').ok_or_else(wrong)?;
    let value = rest.trim().strip_prefix(['>', '<']).ok_or_else(wrong)?.trim();
    let known = match measure.trim() {
        "ttft" | "latency" => duration(value).is_ok(),
        "error_rate" => share(value).is_ok(),
        "cost" => money(value),
        _ => false,
    };
    let function = matches!(function.trim(), "p50" | "p90" | "p95" | "p99" | "mean");
    if known && function { Ok(Data::Text(text.to_owned())) } else { Err(wrong()) }
}

fn money(text: &str) -> bool {
    text.strip_prefix('$').and_then(|amount| amount.parse::<f64>().ok()).is_some_and(|amount| amount >= 0.0)
}

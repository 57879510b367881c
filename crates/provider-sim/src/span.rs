//! Lengths of time as people write them: `250ms`, `2s`, `1.5s`, `10m`.

use std::time::Duration;

/// Units from the longest suffix to the shortest, in microseconds.
const UNITS: [(&str, f64); 5] = [("us", 1.0), ("ms", 1e3), ("s", 1e6), ("m", 60e6), ("h", 3600e6)];

/// A length of time; `0` needs no unit. None where the text is not one, or is longer than a year.
pub(crate) fn parse_span(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let split = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(split);
    let (_, micros) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let number: f64 = number.trim().parse().ok().filter(|n: &f64| n.is_finite() && *n >= 0.0)?;
    let seconds = number * micros / 1e6;
    (seconds < 366.0 * 86_400.0).then(|| Duration::from_secs_f64(seconds))
}

/// The shortest text that [`parse_span`] reads back as this time, to the microsecond.
pub(crate) fn format_span(time: Duration) -> String {
    let micros = time.as_micros();
    match micros {
        0 => "0".to_owned(),
        _ if micros.is_multiple_of(1_000_000) => format!("{}s", micros / 1_000_000),
        _ if micros.is_multiple_of(1000) => format!("{}ms", micros / 1000),
        _ => format!("{micros}us"),
    }
}

/// Serde for a [`Duration`] written this way.
pub(crate) mod text {
    use super::{Duration, format_span, parse_span};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&format_span(*time))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(from)?;
        parse_span(&text).ok_or_else(|| D::Error::custom(format!("`{text}` is not a time such as 250ms, 2s or 10m")))
    }
}

/// Serde for an optional [`Duration`] written this way.
pub(crate) mod optional {
    use super::{Duration, text};
    use serde::{Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "the signature serde calls")]
    pub(crate) fn serialize<S: Serializer>(time: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => text::serialize(time, to),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        text::deserialize(from).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_round_trip() {
        for (text, micros, back) in [
            ("0", 0, "0"),
            ("250ms", 250_000, "250ms"),
            ("1.5s", 1_500_000, "1500ms"),
            ("10m", 600_000_000, "600s"),
            ("7us", 7, "7us"),
        ] {
            let time = parse_span(text).unwrap();
            assert_eq!(time.as_micros(), micros);
            assert_eq!(format_span(time), back);
        }
        for bad in ["", "5", "s", "-1s", "1y", "nan s", "999999h"] {
            assert_eq!(parse_span(bad), None, "{bad}");
        }
    }
}

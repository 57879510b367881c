//! Values as people write them.

use std::fmt;
use std::time::Duration;

use ringmain_core::{FaultClass, time::parse_duration};
use serde::de::{Deserialize, Deserializer, Error, Visitor};

use crate::events::Spread;
use crate::events::world::How;

/// A scalar, as text.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.trim().to_owned()))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }
        }
        from.deserialize_any(Any)
    }
}

/// A type that is written as one word.
macro_rules! written {
    ($name:ident, $read:expr, $expected:literal) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let Text(text) = Text::deserialize(from)?;
                let read: fn(&str) -> Option<Self> = $read;
                read(&text).ok_or_else(|| D::Error::custom(format!("`{text}` is not {}", $expected)))
            }
        }
    };
}

/// A length of time: `250ms`, `2s`, `10m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);
written!(
    Span,
    |text| if text == "0" { Some(Self(Duration::ZERO)) } else { parse_duration(text).map(Self) },
    "a time such as 250ms, 2s or 10m"
);

/// A part of a whole: `5%`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part(pub f64);
written!(
    Part,
    |text| {
        let percent: f64 = text.strip_suffix('%')?.trim().parse().ok()?;
        (0.0..=100.0).contains(&percent).then_some(Self(percent / 100.0))
    },
    "a share such as 5%"
);

/// How often: `50/s`, `600/m`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate(pub f64);
written!(
    Rate,
    |text| {
        let (number, unit) = text.split_once('/')?;
        let number: f64 = number.trim().parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)?;
        let seconds = match unit.trim() {
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        Some(Self(number / seconds)).filter(|Self(rate)| *rate <= 1e6)
    },
    "a rate such as 50/s or 600/m, of at most a million a second"
);

/// How many times as much: `10x`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Factor(pub f64);
written!(
    Factor,
    |text| {
        let number: f64 = text.strip_suffix('x')?.trim().parse().ok()?;
        (number.is_finite() && (0.0..=1e6).contains(&number)).then_some(Self(number))
    },
    "a multiple such as 10x"
);

/// How many: `800`, `200k`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count(pub u64);
written!(
    Count,
    |text| {
        let (number, times) = match text.strip_suffix(['k', 'K']) {
            Some(number) => (number, 1_000),
            None => (text.strip_suffix('M').unwrap_or(text), if text.ends_with('M') { 1_000_000 } else { 1 }),
        };
        let number: u64 = number.trim().replace('_', "").parse().ok()?;
        number.checked_mul(times).filter(|count| *count <= 1_000_000_000_000).map(Self)
    },
    "a number such as 800, 200k or 2M"
);

/// What a provider answers when it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer(pub How);
written!(
    Answer,
    |text| Some(Self(match text {
        "refused" => How::Refused,
        "reset" => How::Reset,
        "timeout" => How::Silent,
        "empty" => How::Empty,
        "cut" => How::Cut,
        status => {
            let status: u16 = status.parse().ok().filter(|status| (400..600).contains(status))?;
            How::Status(status, FaultClass::of_status(status)?)
        }
    })),
    "an error status (400 to 599), `refused`, `reset`, `timeout`, `empty` or `cut`"
);

/// One value, or a spread by its median and 95th percentile: `2s`, or `{ median: 400ms, p95: 1.2s }`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Around<T> {
    pub median: T,
    pub p95: T,
}

impl<'de, T: Deserialize<'de> + Copy> Deserialize<'de> for Around<T>
where
    T: FromText,
{
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de> + Copy + FromText> Visitor<'de> for Either<T> {
            type Value = Around<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value, or `{ median: …, p95: … }`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                let one = T::from_text::<E>(text)?;
                Ok(Around { median: one, p95: one })
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut median, mut p95) = (None, None);
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "median" => median = Some(map.next_value()?),
                        "p95" => p95 = Some(map.next_value()?),
                        other => return Err(A::Error::unknown_field(other, &["median", "p95"])),
                    }
                }
                let median = median.ok_or_else(|| A::Error::missing_field("median"))?;
                Ok(Around { median, p95: p95.unwrap_or(median) })
            }
        }
        from.deserialize_any(Either(std::marker::PhantomData))
    }
}

/// A value that can be read from one word.
pub trait FromText: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// The text is no such value.
    fn from_text<E: Error>(text: &str) -> Result<Self, E>;
}

impl FromText for Span {
    fn from_text<E: Error>(text: &str) -> Result<Self, E> {
        Self::deserialize(serde::de::value::StrDeserializer::<E>::new(text))
    }
}

impl FromText for Count {
    fn from_text<E: Error>(text: &str) -> Result<Self, E> {
        Self::deserialize(serde::de::value::StrDeserializer::<E>::new(text))
    }
}

impl Around<Span> {
    /// In seconds.
    pub(super) const fn spread(self) -> Spread {
        Spread { median: self.median.0.as_secs_f64(), p95: self.p95.0.as_secs_f64() }
    }
}

impl Around<Count> {
    #[expect(clippy::cast_precision_loss, reason = "a count of tokens")]
    pub(super) const fn spread(self) -> Spread {
        Spread { median: self.median.0 as f64, p95: self.p95.0 as f64 }
    }
}

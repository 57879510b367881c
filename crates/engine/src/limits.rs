//! What response headers say about coming back: `retry-after` in all its forms, and the rate-limit windows.

use std::time::Duration;

use http::{HeaderMap, HeaderName};
use ringmain_core::WallTime;
use ringmain_routing::{Limits, Window};

/// No provider means more than a day; a larger number is a mistake of units.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// How long the provider asks us to stay away: `retry-after-ms`, or `retry-after` in seconds or as a date.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: WallTime) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let millis = text("retry-after-ms").and_then(|text| text.parse::<f64>().ok()).map(|ms| ms / 1000.0);
    let after = text("retry-after");
    let seconds = millis.or_else(|| after.and_then(|text| text.parse().ok()));
    let wait = match seconds {
        Some(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
        None => until(httpdate::parse_http_date(after?).ok()?, now),
    };
    Some(wait.min(LONGEST))
}

fn until(date: std::time::SystemTime, now: WallTime) -> Duration {
    let now = std::time::UNIX_EPOCH + Duration::from_millis(now.0);
    date.duration_since(now).unwrap_or_default()
}

/// Header names of a limit: what is left, and when it is whole again.
type Names = (HeaderName, HeaderName);

static REQUESTS: [Names; 2] = [
    names("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    names("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
];
static TOKENS: [Names; 4] = [
    names("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    names("anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"),
    names("anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset"),
    names("anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-reset"),
];

/// Ready names: these are looked up in every answer.
const fn names(remaining: &'static str, reset: &'static str) -> Names {
    (HeaderName::from_static(remaining), HeaderName::from_static(reset))
}

/// What is left of the key's limits: OpenAI's `x-ratelimit-*` and Anthropic's `anthropic-ratelimit-*`.
#[must_use]
pub fn limits(headers: &HeaderMap, now: WallTime) -> Option<Limits> {
    let scarcest = |names: &[Names]| {
        let windows = names.iter().filter_map(|names| window(headers, names, now));
        windows.min_by_key(|window| window.remaining.unwrap_or(u64::MAX))
    };
    let (requests, tokens) = (scarcest(&REQUESTS), scarcest(&TOKENS));
    if requests.is_none() && tokens.is_none() {
        return None;
    }
    Some(Limits { requests: requests.unwrap_or_default(), tokens: tokens.unwrap_or_default() })
}

fn window(headers: &HeaderMap, (remaining, reset_at): &Names, now: WallTime) -> Option<Window> {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let remaining = text(remaining)?.parse().ok();
    Some(Window { remaining, reset: text(reset_at).and_then(|text| reset(text, now)) })
}

/// `6ms`, `1m30.5s`, `12` (seconds), or a timestamp (`2026-11-22T10:00:00Z`).
fn reset(text: &str, now: WallTime) -> Option<Duration> {
    let wait = if text.contains('T') { timestamp(text, now)? } else { span(text)? };
    Some(wait.min(LONGEST))
}

fn span(text: &str) -> Option<Duration> {
    let (mut total, mut rest) = (0.0, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest.get(..digits)?.parse().ok()?;
        let letters = &rest[digits..];
        let unit = letters.find(|c: char| c.is_ascii_digit()).unwrap_or(letters.len());
        total += number
            * match &letters[..unit] {
                "ms" => 0.001,
                "" | "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                "d" => 86_400.0,
                _ => return None,
            };
        rest = &letters[unit..];
    }
    Duration::try_from_secs_f64(total).ok()
}

/// RFC 3339, in UTC as providers send it.
fn timestamp(text: &str, now: WallTime) -> Option<Duration> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let seconds = number(11, 13)? * 3600 + number(14, 16)? * 60 + number(17, 19)?;
    // Days from civil, Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    let at = u64::try_from((days * 86_400 + seconds) * 1000).ok()?;
    Some(Duration::from_millis(at.saturating_sub(now.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22T10:00:00Z
    const NOW: WallTime = WallTime(1_795_341_600_000);

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn retry_after_in_all_forms() {
        let table: [(&'static str, &str, Option<u64>); 8] = [
            ("retry-after", "2", Some(2000)),
            ("retry-after", "0.5", Some(500)),
            ("retry-after-ms", "1500", Some(1500)),
            ("retry-after", "Sun, 22 Nov 2026 10:00:07 GMT", Some(7000)),
            ("retry-after", "Sun, 22 Nov 2026 09:00:00 GMT", Some(0)),
            ("retry-after", "99999999", Some(86_400_000)),
            ("retry-after", "soon", None),
            ("retry-after", "-1", None),
        ];
        for (name, value, millis) in table {
            assert_eq!(retry_after(&headers(&[(name, value)]), NOW), millis.map(Duration::from_millis), "{value}");
        }
    }

    #[test]
    fn resets() {
        let table = [("6ms", 6), ("0s", 0), ("1m30.5s", 90_500), ("12", 12_000), ("2026-11-22T10:00:30Z", 30_000)];
        for (text, millis) in table {
            assert_eq!(reset(text, NOW), Some(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(reset("later", NOW), None);
    }

    #[test]
    fn both_families_of_limits() {
        let openai = headers(&[
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "8.64s"),
            ("x-ratelimit-remaining-tokens", "149"),
        ]);
        let limits_openai = limits(&openai, NOW).unwrap();
        assert_eq!(limits_openai.requests.remaining, Some(0));
        assert_eq!(limits_openai.requests.reset, Some(Duration::from_millis(8640)));
        assert_eq!(limits_openai.tokens.remaining, Some(149));
        let anthropic = headers(&[
            ("anthropic-ratelimit-input-tokens-remaining", "5000"),
            ("anthropic-ratelimit-output-tokens-remaining", "70"),
            ("anthropic-ratelimit-output-tokens-reset", "2026-11-22T10:01:00Z"),
        ]);
        let tokens = limits(&anthropic, NOW).unwrap().tokens;
        assert_eq!((tokens.remaining, tokens.reset), (Some(70), Some(Duration::from_secs(60))));
        assert_eq!(limits(&HeaderMap::new(), NOW), None);
    }
}

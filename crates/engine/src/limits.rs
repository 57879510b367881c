//! What response headers say about coming back: `retry-after` in all its forms, and the rate-limit windows.

use std::time::Duration;

use http::HeaderMap;
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

/// What a limit counts: the places in [`Limits`].
const REQUESTS: usize = 0;
const TOKENS: usize = 1;
const INPUT: usize = 2;
const OUTPUT: usize = 3;

/// The periods that names speak of, the one without a name first: at most one window for each and each thing counted.
const PERIODS: [&str; 6] = ["", "second", "minute", "hour", "day", "month"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Limit,
    Remaining,
    Reset,
}

/// What the response headers say of the limits of the key on the model that answered.
///
/// Providers agree on the words and on little else, so a name is read word by word: after the family
/// (`x-ratelimit-`, `anthropic-ratelimit-`, Mistral's `ratelimitbysize-`, Cohere's `x-trial-endpoint-call-`) comes one of
/// `limit`, `remaining` and `reset`, what is counted (`requests` where nothing is named, `tokens`, `input-tokens`,
/// `tokens-prompt` and so on), and at times a period, in any order. A name with any other word (images, seconds of audio,
/// pages, the cost of the query) is of something else. Where several periods are told, the scarcest counts.
#[must_use]
pub fn limits(headers: &HeaderMap, now: WallTime) -> Option<Limits> {
    let mut found = [[None::<Window>; PERIODS.len()]; 4];
    for (name, value) in headers {
        let Some((part, what, period)) = meaning(name.as_str()) else { continue };
        let Some(text) = value.to_str().ok().map(str::trim) else { continue };
        let Some(slot) = found.get_mut(what).and_then(|windows| windows.get_mut(period)) else { continue };
        let window = slot.get_or_insert_default();
        match part {
            Part::Limit => window.limit = text.parse().ok(),
            Part::Remaining => window.remaining = text.parse().ok(),
            Part::Reset => window.reset = reset(text, now),
        }
    }
    let [requests, tokens, input, output] = found.map(scarcest);
    if [requests, tokens, input, output].iter().all(Option::is_none) {
        return None;
    }
    let of = Option::unwrap_or_default;
    Some(Limits { requests: of(requests), tokens: of(tokens), input: of(input), output: of(output) })
}

/// The window with the least share left; without a limit, the least left. Where nobody says how much that is, the one that
/// is whole again first: which was hit is then found out by asking.
fn scarcest(windows: [Option<Window>; PERIODS.len()]) -> Option<Window> {
    let told = windows.into_iter().flatten();
    let known = told.clone().filter(|window| window.remaining.is_some());
    let scarcest = known.min_by_key(|window| {
        let left = window.remaining.unwrap_or(u64::MAX);
        let share = window.limit.map(|limit| u128::from(left) * 1_000_000 / u128::from(limit.max(1)));
        (share.unwrap_or(u128::MAX), left)
    });
    scarcest.or_else(|| told.filter(|window| window.reset.is_some()).min_by_key(|window| window.reset))
}

/// What a header is about: its part, what is counted, and the place of its period.
fn meaning(name: &str) -> Option<(Part, usize, usize)> {
    const FAMILIES: [(&str, usize); 6] = [
        ("x-ratelimit-", REQUESTS),
        ("anthropic-ratelimit-", REQUESTS),
        ("ratelimit-", REQUESTS),
        ("ratelimitbysize-", TOKENS),
        ("x-ratelimitbysize-", TOKENS),
        ("x-trial-endpoint-call-", REQUESTS),
    ];
    let (words, mut what) = FAMILIES.iter().find_map(|(family, what)| Some((name.strip_prefix(family)?, *what)))?;
    let (mut part, mut period) = (None, 0);
    for word in words.split('-') {
        match word {
            "limit" => part = Some(Part::Limit),
            "remaining" => part = Some(Part::Remaining),
            "reset" => part = Some(Part::Reset),
            "requests" | "req" => what = REQUESTS,
            "tokens" if what == REQUESTS => what = TOKENS,
            "tokens" => {}
            "input" | "prompt" => what = INPUT,
            "output" | "generated" | "completion" => what = OUTPUT,
            word => period = PERIODS.iter().position(|period| *period == word)?,
        }
    }
    Some((part?, what, period))
}

/// `6ms`, `1m30.5s`, `12` (seconds), a point in time as seconds or milliseconds since 1970, or a timestamp
/// (`2026-11-22T10:00:00Z`).
fn reset(text: &str, now: WallTime) -> Option<Duration> {
    /// No wait is as long in seconds, and no date since 2001 is as small.
    const EPOCH_SECONDS: f64 = 1e9;
    const EPOCH_MILLIS: f64 = 1e12;
    let wait = match text.parse::<f64>() {
        Ok(millis) if millis >= EPOCH_MILLIS => since_epoch(millis / 1000.0, now)?,
        Ok(seconds) if seconds >= EPOCH_SECONDS => since_epoch(seconds, now)?,
        _ if text.contains('T') => timestamp(text, now)?,
        _ => span(text)?,
    };
    Some(wait.min(LONGEST))
}

fn since_epoch(seconds: f64, now: WallTime) -> Option<Duration> {
    Some(Duration::try_from_secs_f64(seconds).ok()?.saturating_sub(Duration::from_millis(now.0)))
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
        let table = [
            ("6ms", 6),
            ("0s", 0),
            ("1m30.5s", 90_500),
            ("12", 12_000),
            ("6m0s", 360_000),
            ("2026-11-22T10:00:30Z", 30_000),
        ];
        for (text, millis) in table {
            assert_eq!(reset(text, NOW), Some(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(reset("later", NOW), None);
    }

    /// What is told, in short.
    fn told(headers: &HeaderMap) -> Option<String> {
        let limits = limits(headers, NOW)?;
        let windows =
            [("requests", limits.requests), ("tokens", limits.tokens), ("in", limits.input), ("out", limits.output)];
        let told = windows.iter().filter_map(|(name, window)| {
            let limit = window.limit.map(|limit| format!(" of {limit}")).unwrap_or_default();
            let reset = window.reset.map(|reset| format!(" {}ms", reset.as_millis())).unwrap_or_default();
            Some(format!("{name} {}{limit}{reset}", window.remaining?))
        });
        Some(told.collect::<Vec<_>>().join(", "))
    }

    /// Headers as each provider sends them.
    const PROVIDERS: &[(&[(&str, &str)], &str)] = &[
        // OpenAI; Groq and xAI have the same names.
        (
            &[
                ("x-ratelimit-limit-requests", "10000"),
                ("x-ratelimit-remaining-requests", "0"),
                ("x-ratelimit-reset-requests", "6m0s"),
                ("x-ratelimit-limit-tokens", "200000"),
                ("x-ratelimit-remaining-tokens", "199945"),
                ("x-ratelimit-reset-tokens", "16ms"),
                ("x-ratelimit-limit-input-images", "50000"),
                ("x-ratelimit-remaining-input-images", "0"),
            ],
            "requests 0 of 10000 360000ms, tokens 199945 of 200000 16ms",
        ),
        // Anthropic.
        (
            &[
                ("anthropic-ratelimit-requests-limit", "50"),
                ("anthropic-ratelimit-requests-remaining", "49"),
                ("anthropic-ratelimit-requests-reset", "2026-11-22T10:00:02Z"),
                ("anthropic-ratelimit-input-tokens-limit", "50000"),
                ("anthropic-ratelimit-input-tokens-remaining", "5000"),
                ("anthropic-ratelimit-input-tokens-reset", "2026-11-22T10:00:54Z"),
                ("anthropic-ratelimit-output-tokens-remaining", "70"),
                ("anthropic-ratelimit-output-tokens-reset", "2026-11-22T10:01:00Z"),
            ],
            "requests 49 of 50 2000ms, in 5000 of 50000 54000ms, out 70 60000ms",
        ),
        // Azure.
        (
            &[
                ("x-ratelimit-limit-requests", "50"),
                ("x-ratelimit-remaining-requests", "49"),
                ("x-ratelimit-reset-requests", "1"),
                ("x-ratelimit-renewalperiod-requests", "60"),
                ("x-ratelimit-remaining-tokens", "119968"),
                ("x-ratelimit-abusepenalty-active", "False"),
            ],
            "requests 49 of 50 1000ms, tokens 119968",
        ),
        // Mistral: the minute is scarcer than the month.
        (
            &[
                ("x-ratelimit-limit-req-minute", "60"),
                ("x-ratelimit-remaining-req-minute", "50"),
                ("ratelimitbysize-limit", "2000000"),
                ("ratelimitbysize-remaining", "1775939"),
                ("ratelimitbysize-reset", "47"),
                ("ratelimitbysize-query-cost", "32036"),
                ("x-ratelimitbysize-limit-month", "10000000000"),
                ("x-ratelimitbysize-remaining-month", "9998591575"),
            ],
            "requests 50 of 60, tokens 1775939 of 2000000 47000ms",
        ),
        // Cerebras.
        (
            &[
                ("x-ratelimit-limit-requests-day", "14400"),
                ("x-ratelimit-remaining-requests-day", "14399"),
                ("x-ratelimit-reset-requests-day", "33011.382867"),
            ],
            "requests 14399 of 14400 33011382ms",
        ),
        // OpenRouter.
        (
            &[("x-ratelimit-limit", "20"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1795341660000")],
            "requests 0 of 20 60000ms",
        ),
        // Cohere, with a trial key.
        (
            &[
                ("x-endpoint-monthly-call-limit", "1000"),
                ("x-trial-endpoint-call-limit", "20"),
                ("x-trial-endpoint-call-remaining", "14"),
            ],
            "requests 14 of 20",
        ),
        // Fireworks.
        (
            &[
                ("x-ratelimit-limit-tokens-prompt", "60000"),
                ("x-ratelimit-remaining-tokens-prompt", "59000"),
                ("x-ratelimit-remaining-tokens-generated", "5000"),
            ],
            "in 59000 of 60000, out 5000",
        ),
        // Replicate.
        (&[("ratelimit-remaining", "59999"), ("ratelimit-reset", "1")], "requests 59999 1000ms"),
    ];

    #[test]
    fn limits_of_each_provider() {
        for (pairs, expected) in PROVIDERS {
            assert_eq!(told(&headers(pairs)).as_deref(), Some(*expected));
        }
        for no_limit in [&[][..], &[("x-ratelimit", "false"), ("x-ratelimit-limit-requests", "5")]] {
            assert_eq!(told(&headers(no_limit)), None);
        }
    }

    /// Every recorded answer with a count of what is left is read, and none says more than a day.
    #[test]
    #[expect(clippy::print_stdout, reason = "says what was skipped")]
    fn recorded_headers() {
        let Ok(apis) = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/recordings")) else {
            println!("skipped: no recordings beside the repository");
            return;
        };
        let mut read = 0;
        let folders = apis.flatten().filter(|api| api.path().is_dir());
        for file in folders.flat_map(|api| std::fs::read_dir(api.path()).unwrap()).flatten() {
            let text = std::fs::read(file.path()).unwrap();
            let Ok(recording) = serde_json::from_slice::<serde_json::Value>(&text) else { continue };
            let Some(pairs) = recording["response"]["headers"].as_object() else { continue };
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                let value = value.as_str().and_then(|value| value.parse().ok());
                if let (Ok(name), Some(value)) = (name.parse::<http::HeaderName>(), value) {
                    headers.insert(name, value);
                }
            }
            let counts = |name: &str| {
                name.contains("remaining") && !["image", "audio", "pages"].iter().any(|other| name.contains(other))
            };
            let is_told = headers.keys().any(|name| counts(name.as_str()));
            assert_eq!(told(&headers).is_some(), is_told, "{}", file.path().display());
            read += u32::from(is_told);
        }
        assert!(read > 100, "{read}");
    }
}

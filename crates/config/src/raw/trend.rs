//! `p95(ttft) > 2s`: a measure of a target, how a window of it becomes one number, and a bound in the measure's unit.

use ringmain_routing::{Measure, Stat};

use super::read::{nearest, quoted};
use super::value::{self, Refused};

/// A condition on a measure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Trend {
    pub(crate) measure: Measure,
    /// `None`: the bare measure, `error_rate > 5%`.
    pub(crate) stat: Option<Stat>,
    /// Is it the values above the bound that are bad?
    pub(crate) above: bool,
    /// Seconds, a share of 1, or dollars.
    pub(crate) bound: f64,
}

const STATS: [(&str, Stat); 5] = [
    ("p50", Stat::Percentile(50)),
    ("p90", Stat::Percentile(90)),
    ("p95", Stat::Percentile(95)),
    ("p99", Stat::Percentile(99)),
    ("mean", Stat::Mean),
];

const MEASURES: [(&str, Measure); 4] = [
    ("ttft", Measure::FirstToken),
    ("latency", Measure::Latency),
    ("error_rate", Measure::ErrorRate),
    ("cost", Measure::Cost),
];

/// What people write for one of the names.
const ALSO: [(&str, &str); 12] = [
    ("avg", "mean"),
    ("average", "mean"),
    ("median", "p50"),
    ("time_to_first_token", "ttft"),
    ("first_token", "ttft"),
    ("duration", "latency"),
    ("time", "latency"),
    ("errors", "error_rate"),
    ("error", "error_rate"),
    ("failures", "error_rate"),
    ("price", "cost"),
    ("spend", "cost"),
];

const FORM: &str =
    "write `p95(ttft) > 2s`: p50, p90, p95, p99 or mean, of ttft, latency, error_rate or cost, and > or <";

/// Reads a condition.
pub(super) fn parse(text: &str) -> Result<Trend, Refused> {
    read(text).map_err(|help| Refused { what: "a condition on a measure".to_owned(), help: Some(help) })
}

/// The error says how to write it.
fn read(text: &str) -> Result<Trend, String> {
    let at = text.find(['>', '<']).ok_or(FORM)?;
    let (left, right) = (text[..at].trim(), text[at..].trim());
    let above = right.starts_with('>');
    let (sign, bound) = (if above { '>' } else { '<' }, right[1..].trim());
    if let Some(bound) = bound.strip_prefix('=') {
        return Err(meant(left, sign, bound.trim()));
    }
    let (stat, name) = match left.split_once('(') {
        Some((stat, rest)) => (Some(stat.trim()), rest.strip_suffix(')').ok_or(FORM)?.trim()),
        None => (None, left),
    };
    let (stat_named, measure_named) = (stat.map(|stat| named(stat, &STATS)), named(name, &MEASURES));
    let (measure, right_name) = match (measure_named, stat_named) {
        (Ok(found), Some(Ok(_)) | None) => found,
        (measure, stat_named) => {
            let name = measure.map_or_else(|near| near, |(_, name)| Some(name)).ok_or(FORM)?;
            let stat = stat_named.map(|found| found.map_or_else(|near| near, |(_, name)| Some(name)));
            return Err(match stat {
                Some(stat) => meant(&format!("{}({name})", stat.ok_or(FORM)?), sign, bound),
                None => meant(name, sign, bound),
            });
        }
    };
    let stat = stat_named.and_then(Result::ok).map(|(stat, _)| stat);
    if stat.is_none() && measure != Measure::ErrorRate {
        let usual = if measure == Measure::Cost { "mean" } else { "p95" };
        return Err(meant(&format!("{usual}({right_name})"), sign, bound));
    }
    let bound = in_unit(measure, bound).map_err(|bound| match bound {
        Some(bound) => meant(left, sign, &bound),
        None => format!("{right_name} is compared with {}", unit(measure)),
    })?;
    Ok(Trend { measure, stat, above, bound })
}

fn meant(left: &str, sign: char, bound: &str) -> String {
    format!("did you mean `{}`?", quoted(&format!("{left} {sign} {bound}")))
}

/// The value of this name, or the name that was probably meant.
fn named<T: Copy>(word: &str, names: &[(&'static str, T)]) -> Result<(T, &'static str), Option<&'static str>> {
    if let Some((name, value)) = names.iter().find(|(name, _)| *name == word) {
        return Ok((*value, name));
    }
    let also = ALSO.iter().find(|(other, _)| *other == word).map(|(_, name)| *name);
    let also = also.filter(|also| names.iter().any(|(name, _)| name == also));
    let number = |name: &str| name.strip_prefix('p')?.parse::<f64>().ok();
    let percentile = number(word).and_then(|wanted| {
        let away = |name: &str| number(name).map(|known| (known - wanted).abs());
        let known = names.iter().filter_map(|(name, _)| Some((away(name)?, *name)));
        known.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
    });
    Err(also.or(percentile).or_else(|| nearest(word, names.iter().map(|(name, _)| *name))))
}

/// The bound in the measure's unit, or how it was probably meant.
fn in_unit(measure: Measure, text: &str) -> Result<f64, Option<String>> {
    let is_number = text.parse::<f64>().is_ok_and(f64::is_finite);
    let (bound, guess) = match measure {
        Measure::FirstToken | Measure::Latency => {
            (value::duration(text).ok().map(|time| time.as_secs_f64()), format!("{text}s"))
        }
        Measure::ErrorRate => (value::percent(text).ok(), format!("{text}%")),
        Measure::Cost => (value::dollars(text), format!("${text}")),
    };
    match bound {
        // An error rate above nothing is any error at all; no time and no money are a slip.
        Some(bound) if bound > 0.0 || measure == Measure::ErrorRate => Ok(bound),
        None if is_number => Err(Some(guess)),
        Some(_) | None => Err(None),
    }
}

const fn unit(measure: Measure) -> &'static str {
    match measure {
        Measure::FirstToken | Measure::Latency => "a duration above 0: `2s`, `800ms`",
        Measure::ErrorRate => "a share: `5%`",
        Measure::Cost => "an amount of money above 0: `$0.01`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions() {
        let table = [
            ("p95(ttft) > 2s", Measure::FirstToken, Some(Stat::Percentile(95)), true, 2.0),
            ("p50( latency )>800ms", Measure::Latency, Some(Stat::Percentile(50)), true, 0.8),
            ("error_rate > 5%", Measure::ErrorRate, None, true, 0.05),
            ("mean(error_rate) > 0%", Measure::ErrorRate, Some(Stat::Mean), true, 0.0),
            ("mean(cost) > $0.01", Measure::Cost, Some(Stat::Mean), true, 0.01),
            ("p99(ttft) < 1m", Measure::FirstToken, Some(Stat::Percentile(99)), false, 60.0),
        ];
        for (text, measure, stat, above, bound) in table {
            assert_eq!(parse(text), Ok(Trend { measure, stat, above, bound }), "{text}");
        }
    }

    #[test]
    fn what_was_meant() {
        let table = [
            ("p95(ttft) >= 2s", "did you mean `p95(ttft) > 2s`?"),
            ("p96(ttft) > 2s", "did you mean `p95(ttft) > 2s`?"),
            ("avg(latency) > 2s", "did you mean `mean(latency) > 2s`?"),
            ("p95(first_token) > 2s", "did you mean `p95(ttft) > 2s`?"),
            ("p95(tfft) > 2s", "did you mean `p95(ttft) > 2s`?"),
            ("ttft > 2s", "did you mean `p95(ttft) > 2s`?"),
            ("cost > $1", "did you mean `mean(cost) > $1`?"),
            ("errors > 5%", "did you mean `error_rate > 5%`?"),
            ("p95(ttft) > 2", "did you mean `p95(ttft) > 2s`?"),
            ("error_rate > 5", "did you mean `error_rate > 5%`?"),
            ("mean(cost) > 0.01", "did you mean `mean(cost) > $0.01`?"),
            ("p95(ttft) > 5%", "ttft is compared with a duration above 0: `2s`, `800ms`"),
            ("p95(latency) > 0s", "latency is compared with a duration above 0: `2s`, `800ms`"),
            ("error_rate > 2s", "error_rate is compared with a share: `5%`"),
            ("mean(cost) > 2s", "cost is compared with an amount of money above 0: `$0.01`"),
            ("p95(ttft) = 2s", FORM),
            ("p95(ttft > 2s", FORM),
            ("p95(moon) > 2s", FORM),
            ("", FORM),
            (">", FORM),
        ];
        for (text, help) in table {
            assert_eq!(parse(text).unwrap_err().help.as_deref(), Some(help), "{text}");
        }
    }
}

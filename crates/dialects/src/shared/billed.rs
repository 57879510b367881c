//! What providers say their answers cost, in the forms they write it.

use ringmain_core::Money;
use serde_json::Value;

/// Ticks of xAI's in a dollar.
const TICKS: f64 = 1e10;
/// Beyond this many dollars it is no cost of an answer.
const DOLLARS_MAX: f64 = 1e6;

/// The cost that was told: in dollars, alone (OpenRouter) or as the sum of a list (Perplexity), or in ticks (xAI). `None`
/// where it is unreadable.
#[must_use]
pub fn told(cost: Option<&Value>, ticks: Option<&Value>) -> Option<Money> {
    let dollars = cost.and_then(|cost| cost.as_f64().or_else(|| cost.get("total_cost")?.as_f64()));
    let dollars = dollars.or_else(|| Some(ticks?.as_f64()? / TICKS))?;
    (0.0..DOLLARS_MAX).contains(&dollars).then(|| Money::from_dollars(dollars))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_nonsense_is_nothing() {
        let table = [
            ("0.0004970133333333333", Some(497_013_333)),
            (r#"{"input_tokens_cost":7e-05,"request_cost":0.005,"total_cost":0.0051}"#, Some(5_100_000_000)),
            (r#"{"currency":"USD"}"#, None),
            ("-1", None),
            ("1e300", None),
            (r#""free""#, None),
        ];
        for (json, picodollars) in table {
            let cost = serde_json::from_str(json).unwrap();
            assert_eq!(told(Some(&cost), None), picodollars.map(Money), "{json}");
        }
        let ticks = serde_json::from_str("161508500").unwrap();
        assert_eq!(told(None, Some(&ticks)), Some(Money(16_150_850_000)));
    }
}

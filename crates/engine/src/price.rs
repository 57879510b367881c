//! A list price and its words: both are written down with what was used, for prices change.

use std::sync::Arc;

use ringmain_catalog::Price;
use ringmain_core::Money;

/// What a model costs.
#[derive(Debug)]
pub struct ListPrice {
    /// In numbers.
    pub price: Price,
    /// In words.
    pub in_words: Arc<str>,
}

impl ListPrice {
    /// This price.
    #[must_use]
    pub fn of(price: &Price) -> Arc<Self> {
        Arc::new(Self { in_words: in_words(price), price: price.clone() })
    }
}

/// `in $2.5, out $10, cache read $1.25 per million tokens`
fn in_words(price: &Price) -> Arc<str> {
    let dollars = |money: Money| format!("${}", money.as_dollars());
    let mut parts = Vec::new();
    if let Some(tokens) = &price.tokens {
        parts.push(format!("in {}, out {}", dollars(tokens.input), dollars(tokens.output)));
        let kinds = [
            ("cache read", tokens.cache_read),
            ("cache write", tokens.cache_write),
            ("1h cache write", tokens.cache_write_1h),
            ("audio in", tokens.audio_input),
            ("cached audio", tokens.cache_read_audio),
            ("audio out", tokens.audio_output),
            ("image in", tokens.image_input),
            ("image out", tokens.image_output),
        ];
        parts.extend(kinds.into_iter().filter_map(|(kind, price)| Some(format!("{kind} {}", dollars(price?)))));
        if let Some(long) = &tokens.long {
            parts.push(format!("above {}: in {}, out {}", long.above, dollars(long.input), dollars(long.output)));
        }
        parts.push("per million tokens".to_owned());
    }
    let others = [
        ("image", price.per_image),
        ("minute", price.per_minute),
        ("million characters", price.per_million_characters),
        ("request", price.per_request),
        ("search", price.per_search),
    ];
    parts.extend(others.into_iter().filter_map(|(unit, price)| Some(format!("{} per {unit}", dollars(price?)))));
    parts.join(", ").into()
}

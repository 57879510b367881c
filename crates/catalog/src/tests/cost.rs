//! Costs against figures worked out by hand from the price lists.

use ringmain_core::{Money, Quality, Units, Usage};

use super::catalog;
use crate::{Price, TokenPrices};

fn cost(provider: &str, name: &str, usage: &Usage) -> Money {
    catalog().model(provider, name).unwrap().price.clone().unwrap().cost(usage).unwrap()
}

#[test]
fn by_hand() {
    let plain = Usage { input: 1_000, output: 500, ..Usage::default() };
    let cached = Usage { input: 10_000, cache_read: 8_000, output: 100, reasoning: 60, ..Usage::default() };
    let written = Usage {
        input: 10_000,
        cache_read: 4_000,
        cache_write: 3_000,
        cache_write_1h: 2_000,
        output: 1_000,
        ..Usage::default()
    };
    let long = Usage { input: 300_000, cache_read: 100_000, output: 2_000, ..Usage::default() };
    let at_the_edge = Usage { input: 200_000, output: 0, ..Usage::default() };
    let heard = Usage { input: 1_000, audio_input: 400, output: 10, ..Usage::default() };
    let table = [
        // 1000 * 2.50 + 500 * 10
        ("openai", "gpt-4o-2024-08-06", plain, 7_500),
        // the first snapshot had other prices: 1000 * 5 + 500 * 15
        ("openai", "gpt-4o-2024-05-13", plain, 12_500),
        // 2000 * 1.25 + 8000 * 0.125 + 100 * 10; reasoning is part of the output
        ("openai", "gpt-5", cached, 4_500),
        // 1000 * 3 + 4000 * 0.30 + 3000 * 3.75 + 2000 * 6 + 1000 * 15
        ("anthropic", "claude-sonnet-4-5-20250929", written, 42_450),
        // over 200k every token has the higher price: 200000 * 2.50 + 100000 * 0.25 + 2000 * 15
        ("gemini", "gemini-2.5-pro", long, 555_000),
        // and not yet at 200k: 200000 * 1.25
        ("gemini", "gemini-2.5-pro", at_the_edge, 250_000),
        // 600 * 0.30 + 400 * 1.00 + 10 * 2.50
        ("gemini", "gemini-2.5-flash", heard, 605),
        // tokens and one search: 1000 * 3 + 500 * 15 + 6000
        ("perplexity", "sonar-pro", plain, 16_500),
        // no price of its own for writing: the input's. 4000 * 0.05 + 3000 * 0.50 + 2000 * 0.50 + 1000 * 0.50 + 1000 * 1.50
        ("mistral", "mistral-large-latest", written, 4_700),
    ];
    for (provider, name, usage, microdollars) in table {
        let expected = Money(microdollars * 1_000_000);
        assert_eq!(cost(provider, name, &usage), expected, "{provider}/{name}");
    }
}

#[test]
fn sums_before_it_rounds() {
    // A third of a picodollar per token, four kinds with two tokens each: 8/3, not 4 * 0.
    let price = TokenPrices { input: Money(333_333), output: Money(333_333), ..TokenPrices::default() };
    let usage = Usage { input: 6, cache_read: 2, cache_write: 2, output: 2, ..Usage::default() };
    assert_eq!(price.cost(&usage), Money(2));
}

#[test]
fn wrong_usage_is_no_panic() {
    let price = TokenPrices { input: Money(1_000_000), output: Money(1_000_000), ..TokenPrices::default() };
    let usage = Usage { input: 5, cache_read: 9, audio_input: 7, output: 1, audio_output: 8, ..Usage::default() };
    assert_eq!(price.cost(&usage), Money(10));
}

#[test]
fn unknown_is_not_free() {
    let catalog = catalog();
    let dalle = catalog.model("openai", "dall-e-3").unwrap().price.clone().unwrap();
    assert_eq!(dalle.cost(&Usage::default()), None);
    assert_eq!(dalle.cost_of_images(3), Some(Money::from_dollars(0.12)));
    assert_eq!(dalle.cost(&Usage::of_units(Units { images: 3, ..Units::default() })), Some(Money::from_dollars(0.12)));
    assert_eq!(Price::default().cost_of_images(1), None);
    assert_eq!(catalog.model("nvidia", "meta/llama-3.3-70b-instruct").unwrap().price, None);
}

#[test]
fn what_is_not_billed_by_the_token() {
    let images = |images, (width, height), quality| Units { images, width, height, quality, ..Units::default() };
    let spoken = Units { characters: 2_000_000, ..Units::default() };
    let heard = Units { audio_ms: 90_000, ..Units::default() };
    let ranked = Units { searches: 3, ..Units::default() };
    let table = [
        ("openai", "dall-e-3", images(2, (1024, 1024), Quality::Usual), 0.08),
        ("openai", "dall-e-3", images(1, (1024, 1792), Quality::High), 0.12),
        ("openai", "dall-e-2", images(1, (256, 256), Quality::High), 0.016),
        ("openai", "gpt-image-1", images(1, (1536, 1024), Quality::Low), 0.016),
        ("bedrock", "stability.sd3-5-large-v1:0", images(1, (1024, 1024), Quality::High), 0.08),
        ("stability", "stable-image-core", images(4, (0, 0), Quality::Usual), 0.12),
        ("openai", "tts-1", spoken, 30.0),
        ("openai", "whisper-1", heard, 0.009),
        ("cohere", "rerank-v3.5", ranked, 0.006),
    ];
    for (provider, name, units, dollars) in table {
        assert_eq!(cost(provider, name, &Usage::of_units(units)), Money::from_dollars(dollars), "{provider}/{name}");
    }
    // Tokens are counted, so tokens are billed: 100 * 5 + 1000 * 40 per million.
    let units = images(1, (1024, 1024), Quality::Usual);
    let counted = Usage { input: 100, output: 1_000, units, ..Usage::default() };
    assert_eq!(cost("openai", "gpt-image-1", &counted), Money::from_dollars(0.0405));
    assert_eq!(cost("openai", "gpt-image-1", &Usage::of_units(units)), Money::from_dollars(0.042));
}

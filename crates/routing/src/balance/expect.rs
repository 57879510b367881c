//! What a request may be expected to take of a target: time, tokens, money.

use ringmain_core::{Money, Operation, Usage};

use super::Scene;
use crate::Pace;
use crate::fit::OUTPUT;

/// Seconds to the first token where nothing is known of any target of the tier. It only says how much requests that
/// already run there count.
const FIRST_TOKEN: f64 = 1.0;
/// Characters a token of speech input stands for, about.
const CHARACTERS: u64 = 4;

fn pace(scene: &Scene<'_>, at: usize) -> Pace {
    scene.view.rows.get(at).map_or_else(Pace::default, |row| row.pace)
}

/// Output tokens: what answers usually have here, and no more than the caller allows.
fn output(scene: &Scene<'_>, pace: &Pace) -> f64 {
    match scene.facts.operation {
        Operation::Chat | Operation::Passthrough => {}
        Operation::CountTokens
        | Operation::Embeddings
        | Operation::Images
        | Operation::ImageEdits
        | Operation::Speech
        | Operation::Transcription
        | Operation::Moderation
        | Operation::Rerank
        | Operation::Models => return 0.0,
    }
    #[expect(clippy::cast_precision_loss, reason = "tokens of one request")]
    let usual = pace.output.unwrap_or(OUTPUT as f64);
    #[expect(clippy::cast_precision_loss, reason = "tokens of one request")]
    scene.facts.max_output_tokens.map_or(usual, |most| usual.min(most as f64))
}

/// Seconds to the end of the answer: to the first token, longer where more attempts run than have been seen to go well
/// side by side, and the tokens after it.
pub(super) fn seconds(scene: &Scene<'_>, at: usize) -> f64 {
    let pace = pace(scene, at);
    let in_flight = scene.view.rows.get(at).map_or(0, |row| row.in_flight);
    let crowded = ((1.0 + f64::from(in_flight)) / (1.0 + pace.beside)).max(1.0);
    let tokens = pace.per_token.map_or(0.0, |each| each * output(scene, &pace));
    finite(pace.first_token.unwrap_or(FIRST_TOKEN) * crowded + tokens)
}

/// The share of attempts that fail.
pub(super) fn failing(scene: &Scene<'_>, at: usize) -> f64 {
    pace(scene, at).failing.clamp(0.0, 1.0)
}

/// Dollars for this request; `None` if no price is known for what it asks.
pub(super) fn dollars(scene: &Scene<'_>, at: usize) -> Option<f64> {
    let candidate = scene.policy.candidates.get(at)?;
    let price = candidate.price.as_ref()?;
    let (pace, input) = (pace(scene, at), scene.facts.input_tokens);
    // Only where this conversation is: what others have in the cache there does not make this prompt cheaper.
    let cached = if scene.view.warm == Some(candidate.target) { pace.cached.unwrap_or_default() } else { 0.0 };
    let usage =
        Usage { input, cache_read: part(input, cached), output: whole(output(scene, &pace)), ..Usage::default() };
    let of_tokens = || price.cost(&usage);
    let cost = match scene.facts.operation {
        Operation::CountTokens | Operation::Models => Some(Money::ZERO),
        Operation::Images | Operation::ImageEdits => price.cost_of_images(1).or_else(of_tokens),
        Operation::Speech => {
            let characters = input.saturating_mul(CHARACTERS);
            of_tokens().or_else(|| price.per_million_characters.map(|each| each.per_million(characters)))
        }
        Operation::Transcription => of_tokens().or(price.per_minute),
        Operation::Chat
        | Operation::Embeddings
        | Operation::Moderation
        | Operation::Rerank
        | Operation::Passthrough => of_tokens(),
    };
    cost.or(price.per_request).map(|cost| finite(cost.as_dollars()))
}

/// What cannot be compared comes last.
pub(super) fn finite(value: f64) -> f64 {
    if value.is_finite() { value } else { f64::MAX }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and saturating is right")]
fn whole(tokens: f64) -> u64 {
    tokens.max(0.0).round() as u64
}

#[expect(clippy::cast_precision_loss, reason = "tokens of one request")]
fn part(tokens: u64, share: f64) -> u64 {
    whole(tokens as f64 * share.clamp(0.0, 1.0)).min(tokens)
}

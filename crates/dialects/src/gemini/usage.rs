//! Token counts. The API counts thoughts beside the candidates' tokens and tool results beside the prompt's; the shared
//! words count them as parts of output and input.

use ringmain_core::Usage;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::names::Builder;

/// `usageMetadata`, borrowed.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Counts<'a> {
    prompt_token_count: Option<u64>,
    cached_content_token_count: Option<u64>,
    candidates_token_count: Option<u64>,
    thoughts_token_count: Option<u64>,
    tool_use_prompt_token_count: Option<u64>,
    total_token_count: Option<u64>,
    #[serde(borrow)]
    prompt_tokens_details: Option<Vec<Detail<'a>>>,
    #[serde(borrow)]
    candidates_tokens_details: Option<Vec<Detail<'a>>>,
    #[serde(borrow)]
    cache_tokens_details: Option<Vec<Detail<'a>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail<'a> {
    #[serde(borrow)]
    modality: Option<&'a RawValue>,
    token_count: Option<u64>,
}

impl Counts<'_> {
    /// `None` where nothing is counted yet (Vertex AI sends such metadata with every chunk but the last).
    pub(super) fn usage(&self) -> Option<Usage> {
        self.prompt_token_count.or(self.candidates_token_count).or(self.total_token_count)?;
        let reasoning = self.thoughts_token_count.unwrap_or_default();
        Some(Usage {
            input: sum(self.prompt_token_count, self.tool_use_prompt_token_count),
            cache_read: self.cached_content_token_count.unwrap_or_default(),
            output: sum(self.candidates_token_count, Some(reasoning)),
            reasoning,
            audio_input: of("AUDIO", "4", self.prompt_tokens_details.as_deref()),
            audio_output: of("AUDIO", "4", self.candidates_tokens_details.as_deref()),
            cache_read_audio: of("AUDIO", "4", self.cache_tokens_details.as_deref()),
            image_output: of("IMAGE", "2", self.candidates_tokens_details.as_deref()),
            ..Usage::default()
        })
    }
}

fn sum(one: Option<u64>, other: Option<u64>) -> u64 {
    one.unwrap_or_default().saturating_add(other.unwrap_or_default())
}

/// The tokens of a modality, which is written as a word or as its number.
fn of(word: &str, number: &str, details: Option<&[Detail<'_>]>) -> u64 {
    let is_it = |detail: &&Detail<'_>| {
        detail.modality.map(RawValue::get).is_some_and(|text| text == number || text.trim_matches('"') == word)
    };
    details.unwrap_or_default().iter().filter(is_it).filter_map(|detail| detail.token_count).sum()
}

/// Reads `usageMetadata`; what is not readable counts as not there.
pub(super) fn decode(metadata: &Value) -> Option<Usage> {
    let text = metadata.to_string();
    serde_json::from_str::<Counts<'_>>(&text).ok()?.usage()
}

/// Writes `usageMetadata`.
pub(super) fn encode(usage: &Usage) -> Value {
    let mut metadata = Builder::default();
    metadata.set("promptTokenCount", usage.input);
    metadata.set("candidatesTokenCount", usage.output.saturating_sub(usage.reasoning));
    metadata.set("totalTokenCount", usage.total());
    let some = |count: u64| (count > 0).then_some(count);
    metadata.maybe("thoughtsTokenCount", some(usage.reasoning));
    metadata.maybe("cachedContentTokenCount", some(usage.cache_read));
    metadata.maybe("promptTokensDetails", details(usage.input, usage.audio_input));
    let answer = usage.output.saturating_sub(usage.reasoning);
    metadata.maybe("candidatesTokensDetails", details(answer, usage.audio_output));
    Value::Object(metadata.0)
}

fn details(all: u64, audio: u64) -> Option<Value> {
    (audio > 0).then(|| {
        json!([
            { "modality": "TEXT", "tokenCount": all.saturating_sub(audio) },
            { "modality": "AUDIO", "tokenCount": audio },
        ])
    })
}

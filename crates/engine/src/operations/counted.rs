//! What a relayed answer of one of the smaller operations says was used.

use ringmain_core::{Operation, Units, Usage};
use ringmain_wire::json::Object;
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Counts {
    prompt_tokens: Option<u64>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    total_tokens: Option<u64>,
    seconds: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Meta {
    billed_units: Billed,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Billed {
    input_tokens: Option<f64>,
    search_units: Option<f64>,
}

/// Reads the counts; `None` where there are none.
pub(crate) fn counted(operation: Operation, answer: &Object<'_>) -> Option<Usage> {
    let read = |name: &str| answer.get(name).map(|raw| raw.get());
    let counts: Counts = read("usage").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let meta: Meta = read("meta").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let whole = |count: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count, clamped")]
        let whole = count.clamp(0.0, 1e15).round() as u64;
        whole
    };
    let output = counts.output_tokens.or(counts.completion_tokens).unwrap_or_default();
    let input = counts.prompt_tokens.or(counts.input_tokens).or(counts.total_tokens);
    let input = input.or(meta.billed_units.input_tokens.map(whole)).unwrap_or_default();
    let mut units = Units::default();
    match operation {
        Operation::Rerank => units.searches = meta.billed_units.search_units.map_or(0, whole),
        Operation::Transcription => {
            let told = read("duration").and_then(|text| text.trim_matches('"').parse::<f64>().ok());
            units.audio_ms = counts.seconds.or(told).map_or(0, |seconds| whole(seconds * 1000.0));
        }
        _ => {}
    }
    let usage = Usage { input, output, units, ..Usage::default() };
    (usage != Usage::default()).then_some(usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_in_its_place() {
        let read = |operation, body: &'static str| {
            let usage = counted(operation, &Object::parse(body.as_bytes()).unwrap());
            usage.map(|usage| (usage.input, usage.output, usage.units.searches, usage.units.audio_ms))
        };
        let table = [
            (Operation::Embeddings, r#"{"usage":{"prompt_tokens":5,"total_tokens":5}}"#, Some((5, 0, 0, 0))),
            (Operation::Embeddings, r#"{"usage":{"total_tokens":9}}"#, Some((9, 0, 0, 0))),
            (Operation::Rerank, r#"{"meta":{"billed_units":{"search_units":1}}}"#, Some((0, 0, 1, 0))),
            (
                Operation::Transcription,
                r#"{"text":"x","usage":{"type":"duration","seconds":3}}"#,
                Some((0, 0, 0, 3000)),
            ),
            (Operation::Transcription, r#"{"text":"x","duration":"2.5"}"#, Some((0, 0, 0, 2500))),
            (
                Operation::Transcription,
                r#"{"text":"x","usage":{"input_tokens":4,"output_tokens":2}}"#,
                Some((4, 2, 0, 0)),
            ),
            (Operation::Moderation, r#"{"id":"x","results":[]}"#, None),
        ];
        for (operation, body, expected) in table {
            assert_eq!(read(operation, body), expected, "{body}");
        }
    }
}

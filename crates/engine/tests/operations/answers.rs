//! What providers of each shape say to a request, and what of it is counted.

use ringmain_core::{Dialect, Operation, Quality, Shape, Units, Usage};
use serde_json::{Value, json};

use super::pipes::{Act, status};
use super::rows::Words;

/// 1 by 1.
pub(crate) const DOT: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
/// So that a price by the million is the cost.
pub(crate) const MILLION: u64 = 1_000_000;
/// What is spoken and heard.
pub(crate) const WORDS: &str = "Hello there";
const SOUND: &str = "\u{1}\u{2}sound\u{7f}";

/// What a provider says to its first question, its second…, and what that counts.
pub(crate) struct Said {
    pub(crate) acts: Vec<Act>,
    pub(crate) usage: Usage,
}

impl Said {
    fn of(bodies: impl IntoIterator<Item = Value>, usage: Usage) -> Self {
        Self { acts: bodies.into_iter().map(|body| status(200, "", &body.to_string())).collect(), usage }
    }
}

/// An answer of this type, whole.
fn typed(kind: &str, body: &str) -> Act {
    Act::Send(format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
}

fn input(count: u64) -> Usage {
    Usage { input: count, ..Usage::default() }
}

/// What a server that follows OpenAI says to any of them.
pub(crate) fn of_openai(operation: Operation, words: Words) -> Act {
    match operation {
        Operation::Chat if words == Words::Dialect(Dialect::OpenAiResponses) => {
            shaped_chat(Dialect::OpenAiResponses).acts.remove(0)
        }
        Operation::Chat | Operation::CountTokens => shaped_chat(Dialect::OpenAiChat).acts.remove(0),
        other => shaped(other, Shape::OpenAi, "m").acts.remove(0),
    }
}

/// Chat in a dialect: a thousand tokens in, a hundred out.
pub(crate) fn shaped_chat(dialect: Dialect) -> Said {
    let usage = Usage { input: 1000, output: 100, ..Usage::default() };
    let body = match dialect {
        Dialect::OpenAiChat => json!({
            "id": "c", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
        }),
        Dialect::OpenAiResponses => json!({
            "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "m",
            "output": [{"type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
                "content": [{"type": "output_text", "text": "x", "annotations": []}]}],
            "usage": {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100},
        }),
        Dialect::AnthropicMessages => json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
            "content": [{"type": "text", "text": "x"}], "usage": {"input_tokens": 1000, "output_tokens": 100},
        }),
        Dialect::Gemini => json!({
            "candidates": [{"content": {"role": "model", "parts": [{"text": "x"}]}, "finishReason": "STOP", "index": 0}],
            "usageMetadata": {"promptTokenCount": 1000, "candidatesTokenCount": 100, "totalTokenCount": 1100},
        }),
        Dialect::BedrockConverse => json!({
            "output": {"message": {"role": "assistant", "content": [{"text": "x"}]}}, "stopReason": "end_turn",
            "usage": {"inputTokens": 1000, "outputTokens": 100, "totalTokens": 1100}, "metrics": {"latencyMs": 1},
        }),
        Dialect::CohereV2 => json!({
            "id": "c", "finish_reason": "COMPLETE",
            "message": {"role": "assistant", "content": [{"type": "text", "text": "x"}]},
            "usage": {"tokens": {"input_tokens": 1000, "output_tokens": 100}},
        }),
    };
    Said::of([body], usage)
}

/// A count of tokens in a dialect.
pub(crate) fn counted(dialect: Dialect) -> Said {
    let body = match dialect {
        Dialect::Gemini => json!({"totalTokens": 7}),
        Dialect::BedrockConverse => json!({"inputTokens": 7}),
        Dialect::OpenAiResponses => json!({"object": "response.input_tokens", "input_tokens": 7}),
        _ => json!({"input_tokens": 7}),
    };
    Said::of([body], Usage::default())
}

/// Anything else in a shape, by a model of this name.
pub(crate) fn shaped(operation: Operation, shape: Shape, model: &str) -> Said {
    match operation {
        Operation::Embeddings => embeddings(shape, model),
        Operation::Images | Operation::ImageEdits => images(shape, model),
        Operation::Speech => speech(shape),
        Operation::Transcription => transcription(shape, model),
        Operation::Moderation => moderation(shape),
        Operation::Rerank => rerank(shape),
        Operation::Passthrough => shaped_chat(Dialect::OpenAiChat),
        other => unreachable!("no answer to {other}"),
    }
}

fn embeddings(shape: Shape, model: &str) -> Said {
    let body = match shape {
        Shape::Bedrock if model.contains("titan") => json!({"embedding": [1, 2], "inputTextTokenCount": MILLION}),
        Shape::Cohere | Shape::Bedrock => {
            json!({"embeddings": {"float": [[1, 2]]}, "meta": {"billed_units": {"input_tokens": MILLION}}})
        }
        Shape::Gemini => json!({"embeddings": [{"values": [1, 2]}], "usageMetadata": {"promptTokenCount": MILLION}}),
        _ => json!({"object": "list", "model": "m", "data": [{"index": 0, "embedding": [1, 2]}],
            "usage": {"prompt_tokens": MILLION, "total_tokens": MILLION}}),
    };
    Said::of([body], input(MILLION))
}

fn images(shape: Shape, model: &str) -> Said {
    let url = format!("data:image/png;base64,{DOT}");
    let bodies = match shape {
        Shape::Stability => vec![json!({"image": DOT, "finish_reason": "SUCCESS", "seed": 7})],
        Shape::Bedrock if model.contains("amazon.") => vec![json!({"images": [DOT], "error": null})],
        Shape::Bedrock => vec![json!({"seeds": [7], "finish_reasons": [null], "images": [DOT]})],
        Shape::Gemini if model.starts_with("imagen") => {
            vec![json!({"predictions": [{"mimeType": "image/png", "bytesBase64Encoded": DOT}]})]
        }
        Shape::Gemini => {
            let data = json!({"inlineData": {"mimeType": "image/png", "data": DOT}});
            vec![json!({"candidates": [{"content": {"parts": [data]}, "finishReason": "STOP"}]})]
        }
        Shape::BlackForestLabs => vec![
            json!({"id": "j", "polling_url": "http://a.test/v1/get_result?id=j"}),
            json!({"id": "j", "status": "Ready", "result": {"sample": url}}),
        ],
        Shape::Replicate => vec![
            json!({"id": "p", "status": "starting", "output": null, "error": null}),
            json!({"id": "p", "status": "succeeded", "output": [url], "error": null}),
        ],
        Shape::SdWebui => vec![json!({"images": [DOT], "parameters": {}, "info": "{}"})],
        _ => vec![json!({"created": 1, "data": [{"b64_json": DOT}]})],
    };
    let units = Units { images: 1, width: 1, height: 1, quality: Quality::Usual, ..Units::default() };
    Said::of(bodies, Usage::of_units(units))
}

fn speech(shape: Shape) -> Said {
    let spoken = Units { characters: WORDS.len() as u64, ..Units::default() };
    if shape != Shape::Gemini {
        return Said { acts: vec![typed("audio/pcm", SOUND)], usage: Usage::of_units(spoken) };
    }
    let data = json!({"inlineData": {"mimeType": "audio/L16;codec=pcm;rate=24000", "data": "c291bmQh"}});
    let counts = json!({"promptTokenCount": 4, "candidatesTokenCount": 25,
        "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 25}]});
    let body = json!({"candidates": [{"finishReason": "STOP", "content": {"parts": [data]}}], "usageMetadata": counts});
    Said::of([body], Usage { input: 4, output: 25, audio_output: 25, ..Usage::of_units(spoken) })
}

/// A minute of it; tokens where they are counted.
fn transcription(shape: Shape, model: &str) -> Said {
    let minute = Usage::of_units(Units { audio_ms: 60_000, ..Units::default() });
    let tokens = Usage { input: 100, output: 10, audio_input: 80, ..Usage::default() };
    match shape {
        Shape::Deepgram => {
            let heard = json!({"channels": [{"alternatives": [{"transcript": WORDS}]}]});
            Said::of([json!({"metadata": {"duration": 60.0}, "results": heard})], minute)
        }
        Shape::ElevenLabs => {
            Said::of([json!({"language_code": "eng", "text": WORDS, "audio_duration_secs": 60, "words": []})], minute)
        }
        Shape::Gemini => {
            let counts = json!({"promptTokenCount": 100, "candidatesTokenCount": 10,
                "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 80}]});
            let parts = json!({"parts": [{"text": WORDS}]});
            Said::of(
                [json!({"candidates": [{"finishReason": "STOP", "content": parts}], "usageMetadata": counts})],
                tokens,
            )
        }
        _ if model.contains("gpt-4o") => {
            let usage = json!({"type": "tokens", "input_tokens": 100, "output_tokens": 10, "total_tokens": 110,
                "input_token_details": {"audio_tokens": 80, "text_tokens": 20}});
            Said::of([json!({"text": WORDS, "usage": usage})], tokens)
        }
        _ => Said::of([json!({"text": WORDS, "usage": {"type": "duration", "seconds": 60}})], minute),
    }
}

fn moderation(shape: Shape) -> Said {
    let verdict = json!({"categories": {"sexual": false}, "category_scores": {"sexual": 0.1}});
    let body = match shape {
        Shape::Mistral => json!({"id": "m", "model": "m", "results": [verdict], "usage": {"prompt_tokens": 3}}),
        _ => json!({"id": "m", "model": "m", "results": [{"flagged": false}]}),
    };
    Said::of([body], input(3))
}

fn rerank(shape: Shape) -> Said {
    let results = json!([{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]);
    let search = Usage::of_units(Units { searches: 1, ..Units::default() });
    match shape {
        Shape::Jina => Said::of([json!({"results": results, "usage": {"total_tokens": MILLION}})], input(MILLION)),
        Shape::Voyage => Said::of([json!({"data": results, "usage": {"total_tokens": MILLION}})], input(MILLION)),
        // It says nothing of a bill: a search for each hundred documents.
        Shape::Bedrock => Said::of([json!({"results": [{"index": 1, "relevance_score": 0.9}]})], search),
        _ => Said::of([json!({"id": "r", "results": results, "meta": {"billed_units": {"search_units": 1}}})], search),
    }
}

//! Answers that are not chat: counts, images, moderations, the model list.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::{Value, json};

use super::openai::CREATED;
use super::png;
use crate::api::Vendor;
use crate::ask::Invalid;
use crate::text::hash64;

/// Most inputs and images of one request.
const MAX_ITEMS: usize = 2048;

pub(crate) fn count_tokens(tokens: u64) -> Value {
    json!({"input_tokens": tokens})
}

/// A Responses count.
pub(crate) fn responses_count_tokens(tokens: u64) -> Value {
    json!({"object": "response.input_tokens", "input_tokens": tokens})
}

/// A Converse count.
pub(crate) fn bedrock_count_tokens(count: u64) -> Value {
    json!({ "inputTokens": count })
}

pub(crate) fn gemini_count_tokens(tokens: u64) -> Value {
    json!({"totalTokens": tokens, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}]})
}

#[derive(Deserialize)]
struct Draw {
    model: Option<String>,
    prompt: String,
    n: Option<usize>,
    response_format: Option<String>,
    size: Option<String>,
}

/// The model that was asked for, and the answer; `host` is where a client fetches an image given as a URL.
pub(crate) fn images(body: &[u8], host: &str) -> Result<(String, Value), Invalid> {
    let request: Draw = serde_json::from_slice(body)?;
    let model = request.model.unwrap_or_else(|| "dall-e-2".to_owned());
    let count = request.n.unwrap_or(1);
    if !(1..=10).contains(&count) {
        return Err(Invalid("'n' must be 1 to 10".to_owned()));
    }
    let modern = model.starts_with("gpt-image");
    let inline = modern || request.response_format.as_deref() == Some("b64_json");
    let seed = hash64(request.prompt.as_bytes());
    let size = size_of(request.size.as_deref());
    let image = |i: usize| {
        let seed = seed.wrapping_add(i as u64);
        let mut image = if inline {
            json!({"b64_json": BASE64.encode(png(seed, size))})
        } else {
            json!({"url": format!("http://{host}/_sim/image/{seed:016x}-{}x{}.png", size.0, size.1)})
        };
        if model.starts_with("dall-e-3") {
            image["revised_prompt"] = json!(request.prompt);
        }
        image
    };
    let data: Vec<Value> = (0..count).map(image).collect();
    let mut body = json!({"created": CREATED, "data": data});
    if modern {
        let text = request.prompt.len().div_ceil(4);
        let made = 272 * count;
        body["background"] = json!("opaque");
        body["output_format"] = json!("png");
        body["quality"] = json!("low");
        body["size"] = json!(request.size.as_deref().filter(|size| *size != "auto").unwrap_or("1024x1024"));
        body["usage"] = json!({
            "input_tokens": text,
            "input_tokens_details": {"image_tokens": 0, "text_tokens": text},
            "output_tokens": made,
            "total_tokens": text + made,
        });
    }
    Ok((model, body))
}

/// Width and height of `1024x1024`, which is the default too.
fn size_of(text: Option<&str>) -> (u32, u32) {
    let sides = text.and_then(|text| text.split_once('x'));
    sides.and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?))).unwrap_or((1024, 1024))
}

/// Images in base64 break off in the middle.
pub(crate) fn spoil_images(body: &mut Value) {
    for item in body["data"].as_array_mut().into_iter().flatten() {
        if let Some(data) = item["b64_json"].as_str() {
            let half = format!("{}*", &data[..data.len() / 2]);
            item["b64_json"] = half.into();
        } else if let Some(url) = item["url"].as_str() {
            item["url"] = url.replace(".png", "-cut.png").into();
        }
    }
}

const CATEGORIES: [&str; 13] = [
    "harassment",
    "harassment/threatening",
    "sexual",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm/intent",
    "self-harm/instructions",
    "self-harm",
    "sexual/minors",
    "violence",
    "violence/graphic",
];

#[derive(Deserialize)]
struct Moderate {
    model: Option<String>,
    input: Value,
}

/// The model that was asked for, and the answer. A text with the word `flagme` is flagged for violence.
pub(crate) fn moderations(body: &[u8], label: &str, id: u64) -> Result<(String, Value), Invalid> {
    let request: Moderate = serde_json::from_slice(body)?;
    let model = request.model.unwrap_or_else(|| "omni-moderation-latest".to_owned());
    // A list of typed parts is one input; a list of strings is many.
    let inputs: Vec<String> = match &request.input {
        Value::Array(items) if items.iter().all(Value::is_string) && items.len() <= MAX_ITEMS => {
            items.iter().map(Value::to_string).collect()
        }
        Value::Null => return Err(Invalid("'input' is required".to_owned())),
        other => vec![other.to_string()],
    };
    if label == "mistral" {
        return Ok(mistral_moderations(model, &inputs, id));
    }
    let result = |text: &String| {
        let flagged = text.contains("flagme");
        let of = |value: &dyn Fn(&str) -> Value| -> Value {
            CATEGORIES.iter().map(|name| ((*name).to_owned(), value(name))).collect::<serde_json::Map<_, _>>().into()
        };
        json!({
            "flagged": flagged,
            "categories": of(&|name| json!(flagged && name == "violence")),
            "category_scores": of(&|name| json!(if flagged && name == "violence" { 0.98 } else { 0.0001 })),
            "category_applied_input_types": of(&|_| json!(["text"])),
        })
    };
    let results: Vec<Value> = inputs.iter().map(result).collect();
    let body = json!({"id": format!("modr-{id:016x}"), "model": model, "results": results});
    Ok((model, body))
}

/// The same with Mistral's categories: no verdict, only what each is about.
fn mistral_moderations(model: String, inputs: &[String], id: u64) -> (String, Value) {
    let result = |text: &String| {
        let flagged = text.contains("flagme");
        let score = if flagged { 0.98 } else { 0.0001 };
        json!({
            "categories": {"sexual": false, "violence_and_threats": flagged, "selfharm": false, "law": true},
            "category_scores": {"sexual": 0.0001, "violence_and_threats": score, "selfharm": 0.0001, "law": 0.9},
        })
    };
    let tokens: usize = inputs.iter().map(|text| text.len().div_ceil(4)).sum();
    let results: Vec<Value> = inputs.iter().map(result).collect();
    let usage = json!({"prompt_tokens": tokens, "completion_tokens": 0, "total_tokens": tokens});
    let body = json!({"id": format!("mod-{id:016x}"), "model": model, "results": results, "usage": usage});
    (model, body)
}

/// The list of models a vendor shows.
pub(crate) fn models(vendor: Vendor) -> Value {
    match vendor {
        Vendor::OpenAi => {
            let ids =
                ["gpt-4o", "gpt-4o-mini", "gpt-5", "dall-e-3", "text-embedding-3-small", "omni-moderation-latest"];
            let model = |id: &&str| json!({"id": id, "object": "model", "created": CREATED, "owned_by": "system"});
            json!({"object": "list", "data": ids.iter().map(model).collect::<Vec<_>>()})
        }
        Vendor::Anthropic => {
            let ids = ["claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5"];
            let model = |id: &&str| json!({"type": "model", "id": id, "display_name": id, "created_at": "2026-01-02T00:00:00Z"});
            let data: Vec<_> = ids.iter().map(model).collect();
            json!({"data": data, "has_more": false, "first_id": ids[0], "last_id": ids[ids.len() - 1]})
        }
        Vendor::Cohere => {
            let model = |(name, endpoint): &(&str, &str)| json!({"name": name, "endpoints": [endpoint], "context_length": 256_000});
            let models = [("command-a-03-2025", "chat"), ("embed-v4.0", "embed"), ("rerank-v3.5", "rerank")];
            json!({"models": models.iter().map(model).collect::<Vec<_>>()})
        }
        Vendor::Gemini => {
            let model = |id: &&str| {
                json!({
                    "name": format!("models/{id}"),
                    "version": "001",
                    "displayName": id,
                    "inputTokenLimit": 1_048_576,
                    "outputTokenLimit": 65_536,
                    "supportedGenerationMethods": ["generateContent", "countTokens"],
                })
            };
            let ids = ["gemini-2.5-pro", "gemini-2.5-flash"];
            json!({"models": ids.iter().map(model).collect::<Vec<_>>()})
        }
        // It lists them at another host.
        Vendor::Bedrock => json!({"modelSummaries": []}),
    }
}

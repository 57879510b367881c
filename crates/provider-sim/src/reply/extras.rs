//! Answers that are not chat: counts, embeddings, images, moderations, the model list.

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
/// Most dimensions of an embedding.
const MAX_DIMENSIONS: usize = 4096;

pub(crate) fn count_tokens(tokens: u64) -> Value {
    json!({"input_tokens": tokens})
}

/// A Converse count.
pub(crate) fn bedrock_count_tokens(count: u64) -> Value {
    json!({ "inputTokens": count })
}

pub(crate) fn gemini_count_tokens(tokens: u64) -> Value {
    json!({"totalTokens": tokens, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}]})
}

#[derive(Deserialize)]
struct Embed {
    model: String,
    input: Value,
    dimensions: Option<usize>,
    encoding_format: Option<String>,
}

/// The model that was asked for, and the answer. Texts that share words have vectors that are near each other.
pub(crate) fn embeddings(body: &[u8]) -> Result<(String, Value), Invalid> {
    let request: Embed = serde_json::from_slice(body)?;
    let inputs: Vec<String> = match &request.input {
        Value::String(text) => vec![text.clone()],
        // A list of numbers is one input of tokens.
        Value::Array(items) if items.first().is_some_and(Value::is_number) => vec![request.input.to_string()],
        Value::Array(items) => {
            items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned)).collect()
        }
        _ => return Err(Invalid("'input' must be a string, a list of strings, or tokens".to_owned())),
    };
    if inputs.is_empty() || inputs.len() > MAX_ITEMS || inputs.iter().any(String::is_empty) {
        return Err(Invalid(format!("'input' must hold 1 to {MAX_ITEMS} texts that are not empty")));
    }
    let usual = if request.model.contains("large") { 3072 } else { 1536 };
    let dimensions = request.dimensions.unwrap_or(usual);
    if !(1..=MAX_DIMENSIONS).contains(&dimensions) {
        return Err(Invalid(format!("'dimensions' must be 1 to {MAX_DIMENSIONS}")));
    }
    let as_base64 = request.encoding_format.as_deref() == Some("base64");
    let data = inputs.iter().enumerate().map(|(index, text)| {
        let vector = embed(text, dimensions);
        let embedding = if as_base64 {
            json!(BASE64.encode(vector.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>()))
        } else {
            json!(vector)
        };
        json!({"object": "embedding", "index": index, "embedding": embedding})
    });
    let data: Vec<Value> = data.collect();
    let tokens: usize = inputs.iter().map(|text| text.len().div_ceil(4)).sum();
    let usage = json!({"prompt_tokens": tokens, "total_tokens": tokens});
    let body = json!({"object": "list", "data": data, "model": request.model, "usage": usage});
    Ok((request.model, body))
}

#[derive(Deserialize)]
struct CohereEmbed {
    model: String,
    texts: Vec<String>,
    output_dimension: Option<usize>,
}

/// The same as Cohere asks and answers it: floats alone.
pub(crate) fn cohere_embed(body: &[u8], id: u64) -> Result<(String, Value), Invalid> {
    let request: CohereEmbed = serde_json::from_slice(body)?;
    let dimensions = request.output_dimension.unwrap_or(1536);
    if request.texts.is_empty() || request.texts.len() > MAX_ITEMS || !(1..=MAX_DIMENSIONS).contains(&dimensions) {
        return Err(Invalid(format!("invalid request: texts must hold 1 to {MAX_ITEMS} texts")));
    }
    let vectors: Vec<Vec<f32>> = request.texts.iter().map(|text| embed(text, dimensions)).collect();
    let tokens: usize = request.texts.iter().map(|text| text.len().div_ceil(4)).sum();
    let body = json!({
        "id": format!("{id:016x}"),
        "texts": request.texts,
        "embeddings": {"float": vectors},
        "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": tokens}},
        "response_type": "embeddings_by_type",
    });
    Ok((request.model, body))
}

/// The same as Gemini asks and answers it.
pub(crate) fn gemini_embed(body: &[u8]) -> Result<Value, Invalid> {
    let body: Value = serde_json::from_slice(body)?;
    let requests = body["requests"].as_array().map(Vec::as_slice).unwrap_or_default();
    if requests.is_empty() || requests.len() > 100 {
        return Err(Invalid("at most 100 requests can be in one batch".to_owned()));
    }
    let one = |request: &Value| {
        let dimensions = request["outputDimensionality"].as_u64().and_then(|count| usize::try_from(count).ok());
        let text = request["content"]["parts"][0]["text"].as_str().unwrap_or_default();
        json!({ "values": embed(text, dimensions.unwrap_or(3072)) })
    };
    Ok(json!({"embeddings": requests.iter().map(one).collect::<Vec<_>>()}))
}

/// The same as Bedrock's models are asked and answer it: Titan for one text, Cohere for many.
pub(crate) fn bedrock_embed(body: &[u8], model: &str) -> Result<Value, Invalid> {
    let body: Value = serde_json::from_slice(body)?;
    if model.contains("cohere") {
        let texts: Vec<&str> = body["texts"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if texts.is_empty() || texts.len() > 96 || body["input_type"].as_str().is_none() {
            return Err(Invalid("Malformed input request, please reformat your input and try again.".to_owned()));
        }
        let vectors: Vec<Vec<f32>> = texts.iter().map(|text| embed(text, 1024)).collect();
        return Ok(json!({"embeddings": vectors, "id": "x", "response_type": "embeddings_floats", "texts": texts}));
    }
    let text = body["inputText"].as_str().ok_or_else(|| Invalid("required key [inputText] not found".to_owned()))?;
    let dimensions = body["dimensions"].as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or(1024);
    Ok(json!({"embedding": embed(text, dimensions), "inputTextTokenCount": text.len().div_ceil(4)}))
}

#[derive(Deserialize)]
struct Rerank {
    model: String,
    query: String,
    documents: Vec<Value>,
    top_n: Option<usize>,
}

/// The model that was asked for, and the documents by how many of the query's words they hold.
pub(crate) fn rerank(body: &[u8], id: u64) -> Result<(String, Value), Invalid> {
    let request: Rerank = serde_json::from_slice(body)?;
    if request.documents.is_empty() || request.documents.len() > MAX_ITEMS {
        return Err(Invalid(format!("invalid request: documents must hold 1 to {MAX_ITEMS} documents")));
    }
    let words: Vec<String> = request.query.split_whitespace().map(str::to_lowercase).collect();
    let found = |document: &Value| {
        let text = document.to_string().to_lowercase();
        words.iter().filter(|word| text.contains(word.as_str())).count()
    };
    let mut order: Vec<(usize, usize)> = request.documents.iter().map(found).enumerate().collect();
    order.sort_by_key(|(_, found)| std::cmp::Reverse(*found));
    let score = |found: usize| (found as f64 + 0.5) / (words.len() as f64 + 1.0);
    let results: Vec<Value> = order
        .iter()
        .take(request.top_n.unwrap_or(order.len()))
        .map(|(index, found)| json!({"index": index, "relevance_score": score(*found)}))
        .collect();
    let meta = json!({"api_version": {"version": "2"}, "billed_units": {"search_units": 1}});
    let body = json!({"id": format!("{id:016x}"), "results": results, "meta": meta});
    Ok((request.model, body))
}

/// Each word and each text as a whole votes for a few dimensions; the sum has length one.
fn embed(text: &str, dimensions: usize) -> Vec<f32> {
    let mut vector = vec![0.0_f32; dimensions];
    let mut vote = |word: &str, weight: f32| {
        let mut hash = hash64(word.as_bytes());
        for _ in 0..4 {
            hash ^= hash >> 29;
            hash = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let place = usize::try_from((hash >> 16) % dimensions as u64).unwrap_or(0);
            vector[place] += if hash & 1 == 1 { weight } else { -weight };
        }
    };
    vote(text, 0.25);
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        vote(&word.to_lowercase(), 1.0);
    }
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    vector.into_iter().map(|x| x / length).collect()
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
pub(crate) fn moderations(body: &[u8], id: u64) -> Result<(String, Value), Invalid> {
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

//! Vectors of texts, and documents in the order of a query, as each API answers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::ask::Invalid;
use crate::text::hash64;

/// Most inputs of one request.
const MAX_ITEMS: usize = 2048;
/// Most texts of one request to a model of Cohere's.
const COHERE_MAX: usize = 96;
/// Most dimensions of an embedding.
const MAX_DIMENSIONS: usize = 4096;

#[derive(Deserialize)]
struct Embed {
    model: String,
    input: Value,
    dimensions: Option<usize>,
    /// The same, as Voyage and Mistral call it.
    output_dimension: Option<usize>,
    encoding_format: Option<String>,
}

/// The most inputs of one request that a provider takes.
fn most(label: &str) -> usize {
    match label {
        "mistral" | "jina" => 512,
        "voyage" => 1000,
        _ => MAX_ITEMS,
    }
}

/// The model that was asked for, and the answer. Texts that share words have vectors that are near each other.
pub(crate) fn embeddings(body: &[u8], label: &str) -> Result<(String, Value), Invalid> {
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
    let most = most(label);
    if inputs.is_empty() || inputs.len() > most || inputs.iter().any(String::is_empty) {
        return Err(Invalid(format!("'input' must hold 1 to {most} texts that are not empty")));
    }
    let usual = if request.model.contains("large") { 3072 } else { 1536 };
    let dimensions = request.dimensions.or(request.output_dimension).unwrap_or(usual);
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
    if request.texts.is_empty() || request.texts.len() > COHERE_MAX || !(1..=MAX_DIMENSIONS).contains(&dimensions) {
        return Err(Invalid(format!("invalid request: texts must hold 1 to {COHERE_MAX} texts")));
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
        return Err(Invalid("BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch".to_owned()));
    }
    let text = |request: &Value| request["content"]["parts"][0]["text"].as_str().unwrap_or_default().to_owned();
    let one = |request: &Value| {
        let dimensions = request["outputDimensionality"].as_u64().and_then(|count| usize::try_from(count).ok());
        json!({ "values": embed(&text(request), dimensions.unwrap_or(3072).clamp(1, MAX_DIMENSIONS)) })
    };
    let tokens: usize = requests.iter().map(|request| text(request).len().div_ceil(4)).sum();
    let embeddings: Vec<Value> = requests.iter().map(one).collect();
    Ok(json!({"embeddings": embeddings, "usageMetadata": {"promptTokenCount": tokens}}))
}

/// What Bedrock's models that embed or rank answer; `None` for one that does neither.
pub(crate) fn bedrock_invoke(body: &[u8], model: &str) -> Option<Result<Value, Invalid>> {
    if model.contains("embed") {
        return Some(bedrock_embed(body, model));
    }
    model.contains("rerank").then(|| bedrock_rerank(body, model))
}

/// Titan for one text, Cohere for many.
fn bedrock_embed(body: &[u8], model: &str) -> Result<Value, Invalid> {
    let body: Value = serde_json::from_slice(body)?;
    let dimensions = [&body["dimensions"], &body["output_dimension"]].into_iter().find_map(Value::as_u64);
    let dimensions =
        dimensions.and_then(|count| usize::try_from(count).ok()).map(|count| count.clamp(1, MAX_DIMENSIONS));
    if model.contains("cohere") {
        let texts: Vec<&str> = body["texts"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if texts.is_empty() || texts.len() > COHERE_MAX || body["input_type"].as_str().is_none() {
            return Err(Invalid("Malformed input request, please reformat your input and try again.".to_owned()));
        }
        let is_typed = body["embedding_types"].is_array();
        let vectors: Vec<Vec<f32>> = texts.iter().map(|text| embed(text, dimensions.unwrap_or(1024))).collect();
        let embeddings = if is_typed { json!({ "float": vectors }) } else { json!(vectors) };
        return Ok(json!({"embeddings": embeddings, "id": "x", "response_type": "embeddings_floats", "texts": texts}));
    }
    let text = body["inputText"].as_str().ok_or_else(|| Invalid("required key [inputText] not found".to_owned()))?;
    Ok(json!({"embedding": embed(text, dimensions.unwrap_or(1024)), "inputTextTokenCount": text.len().div_ceil(4)}))
}

#[derive(Deserialize)]
struct Rerank {
    model: String,
    query: String,
    documents: Vec<Value>,
    top_n: Option<usize>,
    /// The same, as Voyage calls it.
    top_k: Option<usize>,
    /// The documents are wanted back.
    return_documents: Option<bool>,
}

/// The model that was asked for, and the documents by how many of the query's words they hold; as Cohere answers, or as
/// the provider of this label does.
pub(crate) fn rerank(body: &[u8], label: &str, id: u64) -> Result<(String, Value), Invalid> {
    let request: Rerank = serde_json::from_slice(body)?;
    let results = ranked(&request)?;
    let tokens: usize = request.documents.iter().map(|document| document.to_string().len().div_ceil(4)).sum();
    let usage = json!({ "total_tokens": tokens });
    let body = match label {
        "voyage" => json!({"object": "list", "data": results, "model": request.model, "usage": usage}),
        "jina" => json!({"model": request.model, "usage": usage, "results": results}),
        _ => {
            let meta = json!({"api_version": {"version": "2"}, "billed_units": {"search_units": 1}});
            json!({"id": format!("{id:016x}"), "results": results, "meta": meta})
        }
    };
    Ok((request.model, body))
}

fn bedrock_rerank(body: &[u8], model: &str) -> Result<Value, Invalid> {
    let mut body: Value = serde_json::from_slice(body)?;
    if model.contains("cohere") && body["api_version"] != 2 {
        return Err(Invalid(
            "Malformed input request: #/api_version: 1 is not greater or equal to 2, please reformat your input and try again."
                .to_owned(),
        ));
    }
    body["model"] = model.into();
    Ok(json!({ "results": ranked(&serde_json::from_value(body)?)? }))
}

fn ranked(request: &Rerank) -> Result<Vec<Value>, Invalid> {
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
        .take(request.top_n.or(request.top_k).unwrap_or(order.len()))
        .map(|(index, found)| {
            let mut result = json!({"index": index, "relevance_score": score(*found)});
            if request.return_documents == Some(true) {
                result["document"] = request.documents[*index].clone();
            }
            result
        })
        .collect();
    Ok(results)
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

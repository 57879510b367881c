//! The shapes that take a list of texts and give a list of vectors: they differ in words.

use ringmain_core::{Fault, Shape};
use ringmain_dialects::{Loss, Unsupported};
use serde_json::{Map, Value, json};

use super::request::Purpose;
use super::split::{Limits, batches, losses, talks, value};
use super::{Codec, Made, Plan, Request, tokens, vectors};
use crate::talk::{Call, Once, Reply, Talk};
use crate::{Site, fault};

/// OpenAI, and those who follow it. <https://platform.openai.com/docs/api-reference/embeddings>
pub(super) struct OpenAi;
/// Mistral. <https://docs.mistral.ai/api>
pub(super) struct Mistral;
/// Cohere's own. <https://docs.cohere.com/reference/embed>
pub(super) struct Cohere;
/// Gemini. <https://ai.google.dev/api/embeddings>
pub(super) struct Gemini;
/// Voyage AI. <https://docs.voyageai.com/reference/embeddings-api>
pub(super) struct Voyage;
/// Jina AI. <https://api.jina.ai/redoc>
pub(super) struct Jina;

pub(super) const OPENAI: Limits = Limits { inputs: 2048, tokens: 300_000 };
const MISTRAL: Limits = Limits { inputs: 512, tokens: 16_384 };
pub(super) const COHERE: Limits = Limits { inputs: 96, tokens: usize::MAX };
const GEMINI: Limits = Limits { inputs: 100, tokens: usize::MAX };
/// The least that any of its models takes.
const VOYAGE: Limits = Limits { inputs: 1000, tokens: 120_000 };
const JINA: Limits = Limits { inputs: 512, tokens: usize::MAX };

fn body(model: &str, members: impl IntoIterator<Item = (&'static str, Option<Value>)>) -> Map<String, Value> {
    let given = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    std::iter::once(("model".to_owned(), model.into())).chain(given).collect()
}

fn with(body: &Map<String, Value>, name: &str, texts: Value) -> Value {
    let mut body = body.clone();
    body.insert(name.to_owned(), texts);
    Value::Object(body)
}

impl Codec for OpenAi {
    fn plan(&self, request: &Request, site: &Site<'_>) -> Result<Plan, Unsupported> {
        let members = [
            ("dimensions", request.dimensions.map(Value::from)),
            ("user", request.user.as_deref().map(Value::from)),
            ("encoding_format", Some("float".into())),
        ];
        let body = body(site.model, members);
        let talk = |batch: &[_]| {
            let call = Call::post(site.path, &with(&body, "input", batch.iter().map(value).collect()));
            Box::new(Once::new(call, read_list)) as Box<dyn Talk<Made>>
        };
        let talks = batches(&request.inputs, OPENAI).into_iter().map(talk).collect();
        Ok(Plan { talks, losses: losses(request, &["user"]) })
    }
}

impl Codec for Mistral {
    fn plan(&self, request: &Request, site: &Site<'_>) -> Result<Plan, Unsupported> {
        let body = body(site.model, [("output_dimension", request.dimensions.map(Value::from))]);
        let call = |texts: &[&str]| Call::post(site.path, &with(&body, "input", texts.into()));
        Ok(Plan { talks: talks(request, MISTRAL, call, read_list)?, losses: losses(request, &[]) })
    }
}

impl Codec for Voyage {
    fn plan(&self, request: &Request, site: &Site<'_>) -> Result<Plan, Unsupported> {
        let purpose = match request.purpose {
            Some(Purpose::Document) => Some("document"),
            Some(Purpose::Query) => Some("query"),
            _ => None,
        };
        let members =
            [("output_dimension", request.dimensions.map(Value::from)), ("input_type", purpose.map(Value::from))];
        let body = body(site.model, members);
        let call = |texts: &[&str]| Call::post(site.path, &with(&body, "input", texts.into()));
        let carries: &[&str] = if purpose.is_some() { &["input_type"] } else { &[] };
        Ok(Plan { talks: talks(request, VOYAGE, call, read_list)?, losses: losses(request, carries) })
    }
}

impl Codec for Jina {
    fn plan(&self, request: &Request, site: &Site<'_>) -> Result<Plan, Unsupported> {
        // The second generation has one adapter for everything.
        let task = request.purpose.as_ref().filter(|_| !site.family.contains("-v2")).map(|purpose| match purpose {
            Purpose::Document => "retrieval.passage",
            Purpose::Query => "retrieval.query",
            Purpose::Classification => "classification",
            Purpose::Clustering => "separation",
            Purpose::Similarity => "text-matching",
            Purpose::Other(word) => word.as_str(),
        });
        let members = [("dimensions", request.dimensions.map(Value::from)), ("task", task.map(Value::from))];
        let body = body(site.model, members);
        let call = |texts: &[&str]| Call::post(site.path, &with(&body, "input", texts.into()));
        let carries: &[&str] = if task.is_some() { &["input_type"] } else { &[] };
        Ok(Plan { talks: talks(request, JINA, call, read_list)?, losses: losses(request, carries) })
    }
}

/// Cohere's word; it demands one, and texts to be searched are what is embedded most.
pub(super) fn cohere_purpose(request: &Request, losses: &mut Vec<Loss>) -> &'static str {
    match request.purpose {
        Some(Purpose::Document) => "search_document",
        Some(Purpose::Query) => "search_query",
        Some(Purpose::Classification) => "classification",
        Some(Purpose::Clustering) => "clustering",
        None => {
            losses.push(Loss::defaulted("input_type"));
            "search_document"
        }
        Some(Purpose::Similarity | Purpose::Other(_)) => {
            losses.push(Loss::approximated("input_type"));
            "search_document"
        }
    }
}

impl Codec for Cohere {
    fn plan(&self, request: &Request, site: &Site<'_>) -> Result<Plan, Unsupported> {
        let mut losses = losses(request, &["input_type"]);
        let members = [
            ("input_type", Some(cohere_purpose(request, &mut losses).into())),
            ("embedding_types", Some(json!(["float"]))),
            ("output_dimension", request.dimensions.map(Value::from)),
        ];
        let body = body(site.model, members);
        let call = |texts: &[&str]| Call::post(site.path, &with(&body, "texts", texts.into()));
        Ok(Plan { talks: talks(request, COHERE, call, read_cohere)?, losses })
    }
}

impl Codec for Gemini {
    fn plan(&self, request: &Request, site: &Site<'_>) -> Result<Plan, Unsupported> {
        // From the second generation on, what a text is for is said in the text.
        let purpose = request.purpose.as_ref().filter(|_| !site.family.contains("gemini-embedding-2"));
        let task = purpose.and_then(|purpose| match purpose {
            Purpose::Document => Some("RETRIEVAL_DOCUMENT"),
            Purpose::Query => Some("RETRIEVAL_QUERY"),
            Purpose::Classification => Some("CLASSIFICATION"),
            Purpose::Clustering => Some("CLUSTERING"),
            Purpose::Similarity => Some("SEMANTIC_SIMILARITY"),
            Purpose::Other(word) => {
                Some(word.as_str()).filter(|word| word.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'_')))
            }
        });
        let model = format!("models/{}", site.model);
        let one = |text: &&str| {
            let mut one = json!({"model": model, "content": {"parts": [{"text": text}]}});
            if let Some(task) = task {
                one["taskType"] = task.into();
            }
            if let Some(dimensions) = request.dimensions {
                one["outputDimensionality"] = dimensions.into();
            }
            one
        };
        let call =
            |texts: &[&str]| Call::post(site.path, &json!({"requests": texts.iter().map(one).collect::<Vec<_>>()}));
        let carries: &[&str] = if task.is_some() { &["input_type"] } else { &[] };
        Ok(Plan { talks: talks(request, GEMINI, call, read_gemini)?, losses: losses(request, carries) })
    }
}

/// `data`, in the order its indices say.
fn read_list(reply: &Reply) -> Result<Made, Fault> {
    let document = fault::json(&reply.body)?;
    if document.get("error").is_some_and(|error| !error.is_null()) {
        let fault =
            crate::decode_fault(ringmain_core::Operation::Embeddings, Shape::OpenAi, 200, &reply.headers, &reply.body);
        return Err(fault::inside(fault));
    }
    let mut data: Vec<&Value> = document["data"].as_array().into_iter().flatten().collect();
    data.sort_by_key(|item| item["index"].as_u64());
    let usage = &document["usage"];
    let count = usage["prompt_tokens"].as_u64().or_else(|| usage["total_tokens"].as_u64());
    Ok(Made { vectors: vectors(data.into_iter().map(|item| &item["embedding"]))?, usage: tokens(count) })
}

pub(super) fn read_cohere(reply: &Reply) -> Result<Made, Fault> {
    let document = fault::json(&reply.body)?;
    let list = match &document["embeddings"] {
        Value::Object(types) => types.get("float").and_then(Value::as_array),
        // Bedrock's older models answer without types.
        Value::Array(list) => Some(list),
        _ => None,
    };
    let list = list.ok_or_else(fault::empty)?;
    let counted = document["meta"]["billed_units"]["input_tokens"].as_u64();
    // Bedrock tells it in a header.
    let counted = counted.or_else(|| reply.header("x-amzn-bedrock-input-token-count")?.parse().ok());
    Ok(Made { vectors: vectors(list)?, usage: tokens(counted) })
}

fn read_gemini(reply: &Reply) -> Result<Made, Fault> {
    let document = fault::json(&reply.body)?;
    let list = document["embeddings"].as_array().ok_or_else(fault::empty)?;
    let counted = document["usageMetadata"]["promptTokenCount"].as_u64();
    Ok(Made { vectors: vectors(list.iter().map(|one| &one["values"]))?, usage: tokens(counted) })
}

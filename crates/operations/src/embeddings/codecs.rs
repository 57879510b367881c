//! The shapes that take a list of texts and give a list of vectors: they differ in words.

use ringmain_core::{Dialect, Fault};
use ringmain_dialects::{Loss, Unsupported};
use serde_json::{Map, Value, json};

use super::request::Purpose;
use super::{Codec, Input, Made, OPENAI_MAX, Plan, Request, Site, tokens, vectors};
use crate::fault;
use crate::talk::{Call, Once, Reply, Talk};

/// OpenAI, and those who follow it. <https://platform.openai.com/docs/api-reference/embeddings>
pub(super) struct OpenAi;
/// Cohere's own. <https://docs.cohere.com/reference/embed>
pub(super) struct Cohere;
/// Gemini. <https://ai.google.dev/api/embeddings>
pub(super) struct Gemini;
/// Voyage AI. <https://docs.voyageai.com/reference/embeddings-api>
pub(super) struct Voyage;
/// Jina AI. <https://api.jina.ai/redoc>
pub(super) struct Jina;

/// The texts; tokens are nothing to a model they were not made for.
pub(super) fn texts(inputs: &[Input]) -> Result<Vec<&str>, Unsupported> {
    let text = |input| match input {
        &Input::Text(ref text) => Ok(text.as_str()),
        Input::Tokens(_) => Err(Unsupported {
            field: "input".to_owned(),
            reason: "tokens are of one model, and this provider takes text".to_owned(),
        }),
    };
    inputs.iter().map(text).collect()
}

/// What is lost of a request where purposes and dimensions are carried or not.
pub(super) fn losses(request: &Request, carries: &[&str]) -> Vec<Loss> {
    let given = [
        ("dimensions", request.dimensions.is_some()),
        ("input_type", request.purpose.is_some()),
        ("user", request.user.is_some()),
    ];
    let lost = given.into_iter().filter(|(name, given)| *given && !carries.contains(name)).map(|(name, _)| name);
    lost.map(str::to_owned).chain(request.extra.iter().cloned()).map(Loss::dropped).collect()
}

/// An exchange for each so many texts.
pub(super) fn split(
    request: &Request,
    most: usize,
    call: impl Fn(&[&str]) -> Call,
    read: impl Fn(&Reply) -> Result<Made, Fault> + Send + Sync + Clone + 'static,
) -> Result<Vec<Box<dyn Talk<Made>>>, Unsupported> {
    let texts = texts(&request.inputs)?;
    let talk = |texts: &[&str]| Box::new(Once::new(call(texts), read.clone())) as Box<dyn Talk<Made>>;
    Ok(texts.chunks(most).map(talk).collect())
}

fn body(model: &str, members: impl IntoIterator<Item = (&'static str, Option<Value>)>) -> Map<String, Value> {
    let given = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    std::iter::once(("model".to_owned(), model.into())).chain(given).collect()
}

fn with(body: &Map<String, Value>, name: &str, texts: &[&str]) -> Value {
    let mut body = body.clone();
    body.insert(name.to_owned(), texts.into());
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
        let talks = split(request, OPENAI_MAX, |texts| Call::post(site.path, &with(&body, "input", texts)), read_list)?;
        Ok(Plan { talks, losses: losses(request, &["dimensions", "user"]) })
    }

    fn errors(&self) -> Dialect {
        Dialect::OpenAiChat
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
        let talks = split(request, 1000, |texts| Call::post(site.path, &with(&body, "input", texts)), read_list)?;
        let carries: &[&str] = if purpose.is_some() { &["dimensions", "input_type"] } else { &["dimensions"] };
        Ok(Plan { talks, losses: losses(request, carries) })
    }

    fn errors(&self) -> Dialect {
        Dialect::OpenAiChat
    }
}

impl Codec for Jina {
    fn plan(&self, request: &Request, site: &Site<'_>) -> Result<Plan, Unsupported> {
        let task = request.purpose.map(|purpose| match purpose {
            Purpose::Document => "retrieval.passage",
            Purpose::Query => "retrieval.query",
            Purpose::Classification => "classification",
            Purpose::Clustering => "separation",
        });
        let members = [("dimensions", request.dimensions.map(Value::from)), ("task", task.map(Value::from))];
        let body = body(site.model, members);
        let talks = split(request, 512, |texts| Call::post(site.path, &with(&body, "input", texts)), read_list)?;
        Ok(Plan { talks, losses: losses(request, &["dimensions", "input_type"]) })
    }

    fn errors(&self) -> Dialect {
        Dialect::OpenAiChat
    }
}

/// Cohere's word; it demands one, and texts to be searched are what is embedded most.
pub(super) fn cohere_purpose(request: &Request) -> &'static str {
    match request.purpose {
        None | Some(Purpose::Document) => "search_document",
        Some(Purpose::Query) => "search_query",
        Some(Purpose::Classification) => "classification",
        Some(Purpose::Clustering) => "clustering",
    }
}

impl Codec for Cohere {
    fn plan(&self, request: &Request, site: &Site<'_>) -> Result<Plan, Unsupported> {
        let members = [
            ("input_type", Some(cohere_purpose(request).into())),
            ("embedding_types", Some(json!(["float"]))),
            ("output_dimension", request.dimensions.map(Value::from)),
        ];
        let body = body(site.model, members);
        let talks = split(request, 96, |texts| Call::post(site.path, &with(&body, "texts", texts)), read_cohere)?;
        let mut losses = losses(request, &["dimensions", "input_type"]);
        losses.extend(request.purpose.is_none().then(|| Loss::defaulted("input_type")));
        Ok(Plan { talks, losses })
    }

    fn errors(&self) -> Dialect {
        Dialect::CohereV2
    }
}

impl Codec for Gemini {
    fn plan(&self, request: &Request, site: &Site<'_>) -> Result<Plan, Unsupported> {
        let task = request.purpose.map(|purpose| match purpose {
            Purpose::Document => "RETRIEVAL_DOCUMENT",
            Purpose::Query => "RETRIEVAL_QUERY",
            Purpose::Classification => "CLASSIFICATION",
            Purpose::Clustering => "CLUSTERING",
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
        let talks = split(request, 100, call, read_gemini)?;
        Ok(Plan { talks, losses: losses(request, &["dimensions", "input_type"]) })
    }

    fn errors(&self) -> Dialect {
        Dialect::Gemini
    }
}

/// `data`, in the order its indices say.
fn read_list(reply: &Reply) -> Result<Made, Fault> {
    let document = fault::json(&reply.body)?;
    if document.get("error").is_some_and(|error| !error.is_null()) {
        return Err(super::decode_fault(ringmain_core::Shape::OpenAi, 500, &reply.headers, &reply.body));
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
    Ok(Made { vectors: vectors(list)?, usage: tokens(document["meta"]["billed_units"]["input_tokens"].as_u64()) })
}

fn read_gemini(reply: &Reply) -> Result<Made, Fault> {
    let document = fault::json(&reply.body)?;
    let list = document["embeddings"].as_array().ok_or_else(fault::empty)?;
    Ok(Made { vectors: vectors(list.iter().map(|one| &one["values"]))?, usage: None })
}

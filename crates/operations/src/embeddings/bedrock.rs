//! Amazon Bedrock's `InvokeModel`: Titan takes one text at a time, Cohere's models a list.
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html>,
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html>

use ringmain_core::Fault;
use ringmain_dialects::Unsupported;
use serde_json::{Map, Value, json};

use super::codecs::{COHERE, cohere_purpose, read_cohere};
use super::split::{Limits, has_one_length, losses, talks};
use super::{Codec, Made, Plan, Request, tokens, vector};
use crate::talk::{Call, Reply};
use crate::{Site, fault};

/// The shape.
pub(super) struct Bedrock;

/// One text at a time.
const TITAN: Limits = Limits { inputs: 1, tokens: usize::MAX };

impl Codec for Bedrock {
    fn plan(&self, request: &Request, site: &Site<'_>) -> Result<Plan, Unsupported> {
        if site.family.contains("cohere.") { cohere(request, site) } else { titan(request, site) }
    }
}

fn cohere(request: &Request, site: &Site<'_>) -> Result<Plan, Unsupported> {
    let mut losses = losses(request, &["input_type"]);
    let mut body = Map::from_iter([("input_type".to_owned(), cohere_purpose(request, &mut losses).into())]);
    // The third generation knows neither, and answers with floats.
    if site.family.contains("embed-v4") {
        body.insert("embedding_types".to_owned(), json!(["float"]));
        body.extend(request.dimensions.map(|count| ("output_dimension".to_owned(), count.into())));
    } else {
        has_one_length(request)?;
    }
    let call = |texts: &[&str]| {
        let mut body = body.clone();
        body.insert("texts".to_owned(), texts.into());
        Call::post(site.path, &Value::Object(body))
    };
    Ok(Plan { talks: talks(request, COHERE, call, read_cohere)?, losses })
}

fn titan(request: &Request, site: &Site<'_>) -> Result<Plan, Unsupported> {
    let is_multimodal = site.family.contains("embed-image");
    if !is_multimodal && !site.family.contains("embed-text-v2") {
        has_one_length(request)?;
    }
    let call = |texts: &[&str]| {
        let mut body = json!({"inputText": texts.concat()});
        match request.dimensions {
            Some(count) if is_multimodal => body["embeddingConfig"] = json!({"outputEmbeddingLength": count}),
            Some(count) => body["dimensions"] = count.into(),
            None => {}
        }
        Call::post(site.path, &body)
    };
    Ok(Plan { talks: talks(request, TITAN, call, read_titan)?, losses: losses(request, &[]) })
}

fn read_titan(reply: &Reply) -> Result<Made, Fault> {
    let document = fault::json(&reply.body)?;
    let vector = vector(&document["embedding"]).ok_or_else(fault::empty)?;
    Ok(Made { vectors: vec![vector], usage: tokens(document["inputTextTokenCount"].as_u64()) })
}

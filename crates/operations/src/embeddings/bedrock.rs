//! Amazon Bedrock's `InvokeModel`: Titan takes one text at a time, Cohere's models a list.
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html>

use ringmain_core::{Dialect, Fault};
use ringmain_dialects::{Loss, Unsupported};
use serde_json::{Map, Value, json};

use super::codecs::{cohere_purpose, losses, read_cohere, split};
use super::{Codec, Made, Plan, Request, Site, tokens, vector};
use crate::fault;
use crate::talk::{Call, Reply};

/// The shape.
pub(super) struct Bedrock;

impl Codec for Bedrock {
    fn plan(&self, request: &Request, site: &Site<'_>) -> Result<Plan, Unsupported> {
        if site.model.contains("cohere.") {
            let is_v4 = site.model.contains("embed-v4");
            let mut body = Map::from_iter([("input_type".to_owned(), Value::from(cohere_purpose(request)))]);
            let mut carries = vec!["input_type"];
            if is_v4 {
                body.insert("embedding_types".to_owned(), json!(["float"]));
                body.extend(request.dimensions.map(|count| ("output_dimension".to_owned(), count.into())));
                carries.push("dimensions");
            }
            let call = |texts: &[&str]| {
                let mut body = body.clone();
                body.insert("texts".to_owned(), texts.into());
                Call::post(site.path, &Value::Object(body))
            };
            let talks = split(request, 96, call, read_cohere)?;
            let mut losses = losses(request, &carries);
            losses.extend(request.purpose.is_none().then(|| Loss::defaulted("input_type")));
            return Ok(Plan { talks, losses });
        }
        let has_dimensions = site.model.contains("v2");
        let call = |texts: &[&str]| {
            let mut body = Map::from_iter([("inputText".to_owned(), Value::from(texts.concat()))]);
            if let Some(count) = request.dimensions.filter(|_| has_dimensions) {
                body.insert("dimensions".to_owned(), count.into());
            }
            Call::post(site.path, &Value::Object(body))
        };
        let talks = split(request, 1, call, read_titan)?;
        Ok(Plan { talks, losses: losses(request, if has_dimensions { &["dimensions"] } else { &[] }) })
    }

    fn errors(&self) -> Dialect {
        Dialect::BedrockConverse
    }
}

fn read_titan(reply: &Reply) -> Result<Made, Fault> {
    let document = fault::json(&reply.body)?;
    let vector = vector(&document["embedding"]).ok_or_else(fault::empty)?;
    Ok(Made { vectors: vec![vector], usage: tokens(document["inputTextTokenCount"].as_u64()) })
}

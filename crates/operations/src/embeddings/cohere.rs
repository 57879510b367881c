//! The caller's side of Cohere's `/v2/embed`: what is asked in its words, and the answer in them.
//! <https://docs.cohere.com/reference/embed>

use bytes::Bytes;
use ringmain_dialects::shared::fields::Fields;
use ringmain_dialects::{Malformed, Unsupported};
use serde_json::{Map, Value, json};

use super::request::INPUTS_MAX;
use super::{Input, Made, Purpose, Request, base64_of};

/// How Cohere's callers may have a vector written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// As numbers.
    Float,
    /// In base64.
    Base64,
}

impl Written {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Float => "float",
            Self::Base64 => "base64",
        }
    }
}

/// Reads a JSON body.
///
/// # Errors
/// A member has the wrong type, or there is nothing to embed.
pub(super) fn read(body: &[u8]) -> Result<Request, Malformed> {
    let mut fields = Fields::parse(body)?;
    let mut theirs = None;
    let inputs = inputs(&mut fields, &mut theirs)?;
    if inputs.len() > INPUTS_MAX || inputs.is_empty() && theirs.is_none() {
        return Err(Malformed::new("texts", format!("expected 1 to {INPUTS_MAX} texts")));
    }
    let written = written(&mut fields, &mut theirs)?;
    Ok(Request {
        inputs,
        dimensions: fields.count("output_dimension")?,
        purpose: fields.string("input_type")?.map(|word| Purpose::of_word(&word)),
        cohere: Some(written),
        theirs,
        extra: {
            // Which model is asked is read elsewhere.
            let _ = fields.value("model");
            fields.rest().into_iter().map(|extra| extra.field).collect()
        },
        ..Request::default()
    })
}

fn inputs(fields: &mut Fields, theirs: &mut Option<Unsupported>) -> Result<Vec<Input>, Malformed> {
    let mut inputs = Vec::new();
    for (at, text) in fields.array("texts")?.unwrap_or_default().into_iter().enumerate() {
        match text {
            Value::String(text) => inputs.push(Input::Text(text)),
            _ => return Err(Malformed::new(format!("texts[{at}]"), "expected a text")),
        }
    }
    for (at, input) in fields.array("inputs")?.unwrap_or_default().iter().enumerate() {
        let parts = input["content"].as_array().map(Vec::as_slice);
        match parts {
            // Several parts become one vector, in a way of the model's own.
            Some([part]) if part["type"] == "text" && part["text"].is_string() => {
                inputs.push(Input::Text(part["text"].as_str().unwrap_or_default().to_owned()));
            }
            Some([_, ..]) => {
                *theirs = Some(unsupported("inputs", "only one text an input is embedded by other providers"));
            }
            _ => return Err(Malformed::new(format!("inputs[{at}].content"), "expected its parts")),
        }
    }
    if fields.array("images")?.is_some_and(|images| !images.is_empty()) {
        *theirs = Some(unsupported("images", "only texts are embedded by other providers"));
    }
    Ok(inputs)
}

fn written(fields: &mut Fields, theirs: &mut Option<Unsupported>) -> Result<Vec<Written>, Malformed> {
    let mut all = Vec::new();
    for (at, word) in fields.array("embedding_types")?.unwrap_or_default().iter().enumerate() {
        match word.as_str() {
            Some("float") => all.push(Written::Float),
            Some("base64") => all.push(Written::Base64),
            // How they are rounded is part of the space, and known to Cohere alone.
            Some("int8" | "uint8" | "binary" | "ubinary") => {
                *theirs = Some(unsupported("embedding_types", "other providers give whole numbers alone"));
            }
            _ => return Err(Malformed::new(format!("embedding_types[{at}]"), "expected a type of number")),
        }
    }
    if all.is_empty() {
        all.push(Written::Float);
    }
    Ok(all)
}

fn unsupported(field: &str, reason: &str) -> Unsupported {
    Unsupported { field: field.to_owned(), reason: reason.to_owned() }
}

/// The answer in Cohere's words; `id`: of the request, `tokens`: of its inputs.
pub(super) fn write(made: &Made, request: &Request, written: &[Written], id: &str, tokens: u64) -> Bytes {
    let list = |written: &Written| -> Value {
        match written {
            Written::Float => made.vectors.iter().map(|vector| Value::from(vector.as_slice())).collect(),
            Written::Base64 => made.vectors.iter().map(|vector| Value::from(base64_of(vector))).collect(),
        }
    };
    let embeddings: Map<String, Value> =
        written.iter().map(|written| (written.as_str().to_owned(), list(written))).collect();
    let text = |input: &Input| match input {
        Input::Text(text) => Value::from(text.as_str()),
        Input::Tokens(tokens) => tokens.clone().into(),
    };
    json!({
        "id": id,
        "embeddings": embeddings,
        "texts": request.inputs.iter().map(text).collect::<Vec<_>>(),
        "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": tokens}},
        "response_type": "embeddings_by_type",
    })
    .to_string()
    .into()
}

#[cfg(test)]
mod tests {
    use ringmain_core::Shape;

    use super::*;
    use crate::Site;
    use crate::embeddings::{Plan, plan, takes_as_it_is};
    use crate::talk::{Payload, Turn};

    fn read(body: &Value) -> Request {
        Request::read_cohere(body.to_string().as_bytes()).unwrap()
    }

    fn sent(shape: Shape, request: &Request) -> Result<(Value, Vec<String>), String> {
        let site = Site::new("cohere.embed-v4:0", "/");
        let Plan { mut talks, losses } = plan(shape, request, &site).unwrap().map_err(|no| no.to_string())?;
        let Ok(Turn::Call { call, .. }) = talks[0].next(None) else { panic!("no call") };
        let Payload::Json(parts) = call.payload else { panic!("no JSON") };
        Ok((serde_json::from_slice(&parts.concat()).unwrap(), losses.into_iter().map(|loss| loss.field).collect()))
    }

    #[test]
    fn a_request_of_cohere_in_the_words_of_others() {
        let request = read(&json!({
            "model": "r", "texts": ["a"], "inputs": [{"content": [{"type": "text", "text": "b"}]}],
            "input_type": "search_query", "embedding_types": ["float", "base64"], "output_dimension": 2, "truncate": "END",
        }));
        let (body, losses) = sent(Shape::Bedrock, &request).unwrap();
        let expected = json!({"texts": ["a", "b"], "input_type": "search_query", "embedding_types": ["float"], "output_dimension": 2});
        assert_eq!((body, losses), (expected, vec!["truncate".to_owned()]));
        let (body, losses) = sent(Shape::OpenAi, &request).unwrap();
        let expected =
            json!({"model": "cohere.embed-v4:0", "input": ["a", "b"], "dimensions": 2, "encoding_format": "float"});
        assert_eq!((body, losses), (expected, vec!["input_type".to_owned(), "truncate".to_owned()]));
        assert!(!takes_as_it_is(&request, "any"), "nobody else reads its words");

        let made = Made { vectors: vec![vec![1.0, 2.0], vec![3.0, 4.0]], usage: None };
        let answer: Value = serde_json::from_slice(&crate::embeddings::write(&made, &request, "id", "m", 7)).unwrap();
        let embeddings = json!({"float": [[1.0, 2.0], [3.0, 4.0]], "base64": ["AACAPwAAAEA=", "AABAQAAAgEA="]});
        assert_eq!((&answer["embeddings"], &answer["texts"]), (&embeddings, &json!(["a", "b"])));
        assert_eq!((&answer["meta"]["billed_units"]["input_tokens"], &answer["id"]), (&json!(7), &json!("id")));
    }

    #[test]
    fn what_only_cohere_can_do_is_asked_of_nobody_else() {
        let table = [
            (json!({"images": ["data:image/png;base64,AA=="]}), "images"),
            (json!({"texts": ["a"], "embedding_types": ["float", "int8"]}), "embedding_types"),
            (json!({"inputs": [{"content": [{"type": "text", "text": "a"}, {"type": "image_url"}]}]}), "inputs"),
        ];
        for (body, field) in table {
            let refused = sent(Shape::OpenAi, &read(&body)).unwrap_err();
            assert!(refused.starts_with(&format!("{field} cannot be carried: ")), "{refused}");
        }
        let table = [
            (json!({}), "texts: expected 1 to"),
            (json!({"texts": [1]}), "texts[0]: expected a text"),
            (json!({"inputs": [{}]}), "inputs[0].content"),
            (json!({"texts": ["a"], "embedding_types": ["x"]}), "embedding_types[0]"),
        ];
        for (body, problem) in table {
            let malformed = Request::read_cohere(body.to_string().as_bytes()).unwrap_err().to_string();
            assert!(malformed.starts_with(problem), "{malformed}");
        }
    }
}

//! Speech and transcription at providers of OpenAI's shape: a form or JSON in, and out whatever was asked for, from a word
//! of JSON to an hour of sound, which flows.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use ringmain_catalog::Endpoint;
use ringmain_core::{Fault, Operation, Units, Usage};
use ringmain_dialects::Malformed;
use ringmain_operations::talk::{Call, Payload};
use ringmain_wire::json::{self, Object};
use ringmain_wire::multipart::Form;

use super::counted::counted;
use super::images::with_model;
use super::{Body, Courier, Performed};
use crate::classify;
use crate::exchange::{ANSWER_MAX, Failed, collect};
use crate::inspect::Inspected;
use crate::passthrough::Flow;
use crate::target::Target;

/// One call whose answer is sound, or text of a sound.
pub struct Audio {
    call: Call,
}

/// What is asked, as far as it is billed by the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spoken {
    /// Characters to be spoken; 0 where something is to be heard.
    pub characters: u64,
}

/// Reads what the gateway must know.
///
/// # Errors
/// There is no text to be spoken, or no file to be heard.
pub(super) fn read(operation: Operation, body: &[u8], form: Option<&Form>) -> Result<Spoken, Malformed> {
    if operation == Operation::Transcription {
        let has_file = form.is_some_and(|form| form.get("file").is_some_and(|part| !part.data.is_empty()));
        return match has_file {
            true => Ok(Spoken { characters: 0 }),
            false => Err(Malformed::new("file", "is required, in a form")),
        };
    }
    let object = Object::parse(body).map_err(|error| Malformed::new("", error.to_string()))?;
    let text = object.get("input").and_then(json::as_str).filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| Malformed::new("input", "expected a text"))?;
    Ok(Spoken { characters: text.chars().count() as u64 })
}

/// The caller's own bytes, or its form, for this model.
pub(super) fn as_it_is(request: &Inspected, target: &Target, endpoint: &Endpoint, parts: &[Bytes]) -> Audio {
    let model = target.name.model.as_str();
    let mut path = endpoint.path_for(model, request.facts.stream);
    if request.translates {
        path = path.replace("/transcriptions", "/translations");
    }
    let call = match &request.form {
        Some(form) => Call::form(path, with_model(form, model)),
        None => Call { payload: Payload::Json(parts.to_vec()), ..Call::post(path, &serde_json::Value::Null) },
    };
    Audio { call: Call { accept: "*/*", ..call } }
}

impl Audio {
    pub(super) async fn perform(
        self,
        courier: &Courier,
        request: &Inspected,
        spoken: Spoken,
    ) -> Result<Performed, Failed> {
        let (headers, mut body) = courier.open(&self.call).await?;
        let failed = |fault: Fault| Failed { fault, reply: None, limits: courier.limits() };
        let kind = headers.get(CONTENT_TYPE).map(|kind| kind.as_bytes().to_ascii_lowercase()).unwrap_or_default();
        let is_json = kind.starts_with(b"application/json");
        let flows =
            !is_json && (request.facts.operation == Operation::Speech || kind.starts_with(b"text/event-stream"));
        courier.keep_headers(headers.clone());
        let characters = (spoken.characters > 0)
            .then(|| Usage::of_units(Units { characters: spoken.characters, ..Units::default() }));
        if flows {
            let first = loop {
                match body.next().await {
                    None => return Err(failed(classify::empty())),
                    Some(Err(error)) => return Err(failed(classify::of_exchange(&error))),
                    Some(Ok(chunk)) if chunk.is_empty() => {}
                    Some(Ok(chunk)) => break chunk,
                }
            };
            let flow = Box::new(Flow { first: Some(first), body });
            return Ok(Performed { body: Body::Flow(flow), relayed: true, usage: characters, losses: Vec::new() });
        }
        let bytes = collect(&mut body, ANSWER_MAX).await.map_err(failed)?;
        let mut usage = characters;
        if is_json {
            let object = Object::parse(&bytes).map_err(|error| {
                failed(classify::protocol("the provider's answer is unreadable", error.to_string()))
            })?;
            if object.get("error").is_some_and(|error| error.get() != "null") {
                return Err(failed(courier.fault_inside(&headers, &bytes)));
            }
            usage = counted(request.facts.operation, &object).or(usage);
        }
        if bytes.is_empty() || is_json && request.facts.operation == Operation::Speech {
            return Err(failed(classify::empty()));
        }
        Ok(Performed { body: Body::Whole(bytes), relayed: true, usage, losses: Vec::new() })
    }
}

//! `:countTokens`: `contents` alone, or a whole request under `generateContentRequest`, which then names its model too.

use ringmain_wire::json::{Object, RawValue};
use serde_json::{Map, Value, json};

use super::{Gemini, inspect, request_decode, request_encode};
use crate::codec::{BodyFacts, Encoded, Malformed, TargetProfile, Unsupported};
use crate::counting::{Counting, of_input};
use crate::ir;
use ringmain_core::Dialect;

/// The envelope, by either of its names.
const ENVELOPE: [&str; 2] = ["generateContentRequest", "generate_content_request"];

impl Counting for Gemini {
    fn inspect(&self, body: &Object<'_>) -> Result<BodyFacts, Malformed> {
        match envelope(body) {
            None => inspect::inspect(body),
            Some((name, inner)) => inspect::inspect(&object(name, inner)?),
        }
    }

    fn decode(&self, body: &[u8]) -> Result<ir::Request, Malformed> {
        let object = Object::parse(body).map_err(|error| Malformed::new("", error.to_string()))?;
        let mut request = match envelope(&object) {
            None => request_decode::decode(body)?,
            Some((_, inner)) => request_decode::decode(inner.get().as_bytes())?,
        };
        // It repeats what the path says.
        request.extras.retain(|extra| extra.field != "model");
        Ok(request)
    }

    fn encode(&self, request: &ir::Request, profile: &TargetProfile) -> Result<Encoded, Unsupported> {
        let encoded = request_encode::encode(&of_input(request, Dialect::Gemini), profile)?;
        let Ok(Value::Object(inner)) = serde_json::from_slice(&encoded.body) else { return Ok(encoded) };
        // Bare contents are understood wherever this dialect is spoken.
        if inner.keys().all(|name| name == "contents") {
            return Ok(encoded);
        }
        let mut named = Map::from_iter([("model".to_owned(), format!("models/{}", profile.model).into())]);
        named.extend(inner);
        let body = json!({ "generateContentRequest": named }).to_string().into_bytes();
        Ok(Encoded { body, ..encoded })
    }

    fn field(&self) -> &'static str {
        "totalTokens"
    }
}

fn envelope<'a>(body: &Object<'a>) -> Option<(&'static str, &'a RawValue)> {
    ENVELOPE.into_iter().find_map(|name| Some((name, body.get(name)?)))
}

fn object<'a>(field: &str, value: &'a RawValue) -> Result<Object<'a>, Malformed> {
    Object::from_raw(value).map_err(|_| Malformed::new(field, "expected an object"))
}

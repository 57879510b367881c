//! `/model/{model}/count-tokens`: a conversation under `input.converse`. The body of an `InvokeModel` request may stand in
//! its place, which is the model's own and is carried within this dialect only.

use ringmain_wire::json::{Object, RawValue};
use serde_json::{Value, json};

use super::{BedrockConverse, OWN, inspect, request_decode, request_encode};
use crate::codec::{BodyFacts, Encoded, Malformed, TargetProfile, Unsupported};
use crate::counting::{Counting, of_input, only};
use crate::ir;
use crate::shared::estimate;

/// The members that are taken there.
const COUNTED: [&str; 4] = ["messages", "system", "toolConfig", "additionalModelRequestFields"];

impl Counting for BedrockConverse {
    fn inspect(&self, body: &Object<'_>) -> Result<BodyFacts, Malformed> {
        let input = input(body)?;
        match input.get("converse") {
            Some(conversation) => inspect::inspect(&object("input.converse", conversation)?),
            None => {
                let bytes = input.entries().map(|(_, value)| value.get().as_bytes());
                let input_tokens = bytes.map(estimate::tokens).sum();
                Ok(BodyFacts { include_usage: true, input_tokens, ..BodyFacts::default() })
            }
        }
    }

    fn decode(&self, body: &[u8]) -> Result<ir::Request, Malformed> {
        let body = Object::parse(body).map_err(|error| Malformed::new("", error.to_string()))?;
        let conversation = input(&body)?.get("converse").ok_or_else(|| {
            Malformed::new("input", "only a conversation (`converse`) can be counted for a model elsewhere")
        })?;
        request_decode::decode(conversation.get().as_bytes())
    }

    fn encode(&self, request: &ir::Request, profile: &TargetProfile) -> Result<Encoded, Unsupported> {
        let encoded = only(request_encode::encode(&of_input(request, OWN), profile)?, &COUNTED);
        let conversation: Value = serde_json::from_slice(&encoded.body).unwrap_or_default();
        let body = json!({ "input": { "converse": conversation } }).to_string().into_bytes();
        Ok(Encoded { body, ..encoded })
    }

    fn field(&self) -> &'static str {
        "inputTokens"
    }
}

fn input<'a>(body: &Object<'a>) -> Result<Object<'a>, Malformed> {
    object("input", body.get("input").ok_or_else(|| Malformed::new("input", "is required"))?)
}

fn object<'a>(field: &str, value: &'a RawValue) -> Result<Object<'a>, Malformed> {
    Object::from_raw(value).map_err(|_| Malformed::new(field, "expected an object"))
}

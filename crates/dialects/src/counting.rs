//! Asking how many tokens a conversation has, in the dialects that have a way to ask.
//!
//! A request to count holds a chat request, whole or in an envelope, and its answer is a number. So a dialect that can
//! count needs no more than the envelope and the number; the rest is its codec's.

use ringmain_core::Dialect;
use ringmain_wire::json::Object;
use serde_json::{Map, Value};

use crate::codec::{BodyFacts, Encoded, Malformed, TargetProfile, Unsupported};
use crate::ir;

/// Counting in one dialect.
pub trait Counting: Send + Sync {
    /// Reads the facts of a request to count. As [`crate::Codec::inspect`], a caller's body is already known to be a JSON
    /// object.
    ///
    /// # Errors
    /// A field the facts need has the wrong type.
    fn inspect(&self, body: &Object<'_>) -> Result<BodyFacts, Malformed>;

    /// The conversation a caller wants counted.
    ///
    /// # Errors
    /// Not such a request of this dialect; the message names the field.
    fn decode(&self, body: &[u8]) -> Result<ir::Request, Malformed>;

    /// A request to count for a target of this dialect. What shapes only the answer (sampling, limits) has nothing to do
    /// with the count, and is no loss.
    ///
    /// # Errors
    /// As [`crate::Codec::encode_request`].
    fn encode(&self, request: &ir::Request, profile: &TargetProfile) -> Result<Encoded, Unsupported>;

    /// Where an answer has the number of input tokens.
    fn field(&self) -> &'static str;

    /// The number a provider answered.
    fn read(&self, body: &[u8]) -> Option<u64> {
        let body: Value = serde_json::from_slice(body).ok()?;
        body.get(self.field())?.as_u64()
    }

    /// An answer with this number.
    fn write(&self, tokens: u64) -> Vec<u8> {
        Value::Object(Map::from_iter([(self.field().to_owned(), tokens.into())])).to_string().into_bytes()
    }
}

/// Counting in a dialect whose request to count is one for an answer, less what shapes the answer.
pub(crate) struct Bare {
    /// The dialect.
    pub(crate) own: Dialect,
    /// Reads the facts of a request for an answer.
    pub(crate) inspect: fn(&Object<'_>) -> Result<BodyFacts, Malformed>,
    /// Reads a request for an answer.
    pub(crate) decode: fn(&[u8]) -> Result<ir::Request, Malformed>,
    /// Writes one.
    pub(crate) encode: fn(&ir::Request, &TargetProfile) -> Result<Encoded, Unsupported>,
    /// Its members that a request to count may have.
    pub(crate) members: &'static [&'static str],
    /// What an answer calls itself, where it does.
    pub(crate) object: Option<&'static str>,
}

impl Counting for Bare {
    fn inspect(&self, body: &Object<'_>) -> Result<BodyFacts, Malformed> {
        (self.inspect)(body)
    }

    fn decode(&self, body: &[u8]) -> Result<ir::Request, Malformed> {
        (self.decode)(body)
    }

    fn encode(&self, request: &ir::Request, profile: &TargetProfile) -> Result<Encoded, Unsupported> {
        Ok(only((self.encode)(&of_input(request, self.own), profile)?, self.members))
    }

    fn field(&self) -> &'static str {
        "input_tokens"
    }

    fn write(&self, tokens: u64) -> Vec<u8> {
        let object = self.object.map(|object| ("object".to_owned(), Value::from(object)));
        let number = (self.field().to_owned(), Value::from(tokens));
        Value::Object(object.into_iter().chain([number]).collect()).to_string().into_bytes()
    }
}

/// The request without what shapes only the answer. What one dialect alone has a word for goes too where it stands at the
/// top, away from what is counted.
pub(crate) fn of_input(request: &ir::Request, own: Dialect) -> ir::Request {
    let mut request = request.clone();
    request.sampling = ir::Sampling::default();
    request.stream = false;
    request.end_user = None;
    if request.dialect != own {
        request.extras.retain(|extra| extra.field.contains('['));
    }
    request
}

/// The body with these members alone.
pub(crate) fn only(encoded: Encoded, members: &[&str]) -> Encoded {
    let Ok(Value::Object(mut body)) = serde_json::from_slice(&encoded.body) else { return encoded };
    body.retain(|name, _| members.contains(&name.as_str()));
    Encoded { body: Value::Object(body).to_string().into_bytes(), ..encoded }
}

//! Field names: the API takes `inlineData` and `inline_data` for the same field.

use serde_json::{Map, Value};

use crate::codec::Malformed;
use crate::shared::fields::Fields;

/// Takes an object apart whose own names may be in either style. What is inside its values is left alone: some of it
/// belongs to the application.
pub(super) fn object(path: impl Into<String>, value: Value) -> Result<Fields, Malformed> {
    let value = match value {
        Value::Object(map) => Value::Object(map.into_iter().map(|(name, value)| (camel(name), value)).collect()),
        other => other,
    };
    Fields::of(path, value)
}

/// The same for a field of an object.
pub(super) fn field(fields: &mut Fields, name: &str) -> Result<Option<Fields>, Malformed> {
    let path = fields.path(name);
    fields.value(name).map(|value| object(path, value)).transpose()
}

/// The same for a whole document.
pub(super) fn document(json: &[u8]) -> Result<Fields, Malformed> {
    object("", Value::Object(Fields::parse(json)?.into_map()))
}

/// The elements of an array with their places; one object alone counts as an array of one.
pub(super) fn elements(fields: &mut Fields, name: &str) -> Result<Vec<(String, Value)>, Malformed> {
    let path = fields.path(name);
    let items = match fields.value(name) {
        None => Vec::new(),
        Some(Value::Array(items)) => items,
        Some(one @ Value::Object(_)) => vec![one],
        Some(_) => return Err(Malformed::new(path, "expected an array")),
    };
    Ok(items.into_iter().enumerate().map(|(at, item)| (format!("{path}[{at}]"), item)).collect())
}

pub(super) fn camel(name: String) -> String {
    if !name.contains('_') {
        return name;
    }
    let mut camel = String::with_capacity(name.len());
    let mut upper = false;
    for letter in name.chars() {
        match letter {
            '_' => upper = !camel.is_empty(),
            letter if upper => {
                camel.push(letter.to_ascii_uppercase());
                upper = false;
            }
            letter => camel.push(letter),
        }
    }
    camel
}

/// An object under construction: fields without a value are left out.
#[derive(Debug, Default)]
pub(super) struct Builder(pub(super) Map<String, Value>);

impl Builder {
    pub(super) fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    pub(super) fn maybe(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    /// Sets it where it is not empty.
    pub(super) fn object(&mut self, name: &str, inner: Self) {
        if !inner.0.is_empty() {
            self.set(name, inner.0);
        }
    }

    pub(super) fn bytes(self) -> Vec<u8> {
        Value::Object(self.0).to_string().into_bytes()
    }
}

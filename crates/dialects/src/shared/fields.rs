//! Reading a JSON object field by field, so that what nobody asked for is known at the end.

use serde_json::{Map, Number, Value};

use crate::codec::Malformed;
use crate::ir::Extra;

/// An object being taken apart. What is left when it is dropped is what the codec does not know: see [`Fields::rest`].
#[derive(Debug)]
pub struct Fields {
    path: String,
    map: Map<String, Value>,
}

impl Fields {
    /// Parses a whole document, which must be an object.
    ///
    /// # Errors
    /// Not JSON, or not an object.
    pub fn parse(json: &[u8]) -> Result<Self, Malformed> {
        let value = serde_json::from_slice(json).map_err(|error| {
            Malformed::new("", format!("not JSON at line {} column {}", error.line(), error.column()))
        })?;
        Self::of("", value)
    }

    /// Takes an object apart; `path` is its place in the document, for messages.
    ///
    /// # Errors
    /// Not an object.
    pub fn of(path: impl Into<String>, value: Value) -> Result<Self, Malformed> {
        match value {
            Value::Object(map) => Ok(Self { path: path.into(), map }),
            _ => Err(Malformed::new(path, "expected an object")),
        }
    }

    /// The place of a field in the document.
    #[must_use]
    pub fn path(&self, field: &str) -> String {
        if self.path.is_empty() { field.to_owned() } else { format!("{}.{field}", self.path) }
    }

    /// The place of the object itself.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.path
    }

    /// Any value; `null` counts as absent.
    pub fn value(&mut self, field: &str) -> Option<Value> {
        self.map.shift_remove(field).filter(|value| !value.is_null())
    }

    /// Looks without taking.
    #[must_use]
    pub fn peek(&self, field: &str) -> Option<&Value> {
        self.map.get(field).filter(|value| !value.is_null())
    }

    /// A string.
    ///
    /// # Errors
    /// There, and not a string.
    pub fn string(&mut self, field: &str) -> Result<Option<String>, Malformed> {
        match self.value(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Malformed::new(self.path(field), "expected a string")),
        }
    }

    /// A string that must be there.
    ///
    /// # Errors
    /// Absent, or not a string.
    pub fn required_string(&mut self, field: &str) -> Result<String, Malformed> {
        self.string(field)?.ok_or_else(|| Malformed::new(self.path(field), "is required"))
    }

    /// A name, by which something is found: not one without a letter.
    ///
    /// # Errors
    /// Not there, empty, or not a string.
    pub fn name(&mut self, field: &str) -> Result<String, Malformed> {
        let name = self.string(field)?.filter(|name| !name.is_empty());
        name.ok_or_else(|| Malformed::new(self.path(field), "is required"))
    }

    /// A boolean.
    ///
    /// # Errors
    /// There, and not a boolean.
    pub fn boolean(&mut self, field: &str) -> Result<Option<bool>, Malformed> {
        match self.value(field) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(Malformed::new(self.path(field), "expected true or false")),
        }
    }

    /// A number with its text.
    ///
    /// # Errors
    /// There, and not a number.
    pub fn number(&mut self, field: &str) -> Result<Option<Number>, Malformed> {
        match self.value(field) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(Some(number)),
            Some(_) => Err(Malformed::new(self.path(field), "expected a number")),
        }
    }

    /// A whole number from 0 up; `16.0` counts.
    ///
    /// # Errors
    /// There, and not such a number.
    pub fn count(&mut self, field: &str) -> Result<Option<u64>, Malformed> {
        let Some(number) = self.number(field)? else { return Ok(None) };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked just before")]
        let whole = number
            .as_u64()
            .or_else(|| number.as_f64().filter(|n| n.fract() == 0.0 && (0.0..1e15).contains(n)).map(|n| n as u64));
        whole.map(Some).ok_or_else(|| Malformed::new(self.path(field), "expected a whole number from 0 up"))
    }

    /// An array.
    ///
    /// # Errors
    /// There, and not an array.
    pub fn array(&mut self, field: &str) -> Result<Option<Vec<Value>>, Malformed> {
        match self.value(field) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(_) => Err(Malformed::new(self.path(field), "expected an array")),
        }
    }

    /// An object, to be taken apart in its turn.
    ///
    /// # Errors
    /// There, and not an object.
    pub fn object(&mut self, field: &str) -> Result<Option<Self>, Malformed> {
        let path = self.path(field);
        self.value(field).map(|value| Self::of(path, value)).transpose()
    }

    /// What nobody asked for, with its place.
    #[must_use]
    pub fn rest(self) -> Vec<Extra> {
        let path = self.path;
        self.map
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(field, value)| Extra { field: member(&path, field), value })
            .collect()
    }

    /// What nobody asked for, as the object it is.
    #[must_use]
    pub fn into_map(self) -> Map<String, Value> {
        self.map
    }
}

/// The place of a member that nobody knows. A name that reads like a path is quoted: it would be put back elsewhere.
pub(crate) fn member(path: &str, name: String) -> String {
    match (path, name.contains(['.', '['])) {
        (_, true) => format!("{path}[{name:?}]"),
        ("", false) => name,
        (_, false) => format!("{path}.{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_known() {
        let mut fields = Fields::parse(br#"{"a":"x","n":16.0,"t":0.70,"u":1,"z":null}"#).unwrap();
        assert_eq!(fields.string("a").unwrap().as_deref(), Some("x"));
        assert_eq!(fields.count("n").unwrap(), Some(16));
        assert_eq!(fields.number("t").unwrap().unwrap().to_string(), "0.70");
        assert_eq!(fields.string("missing").unwrap(), None);
        assert_eq!(fields.rest(), [Extra { field: "u".into(), value: 1.into() }]);
        let odd = Fields::of("at", serde_json::json!({ "b.c": 1, "d[0]": 2, "e": 3 })).unwrap().rest();
        let places: Vec<_> = odd.iter().map(|extra| extra.field.as_str()).collect();
        assert_eq!(places, [r#"at["b.c"]"#, r#"at["d[0]"]"#, "at.e"], "no name is a path");
        let problem = Fields::parse(br#"{"a":1}"#).unwrap().string("a").unwrap_err();
        assert_eq!(problem.to_string(), "a: expected a string");
    }
}

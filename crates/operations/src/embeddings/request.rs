//! What a caller asks for: in OpenAI's words and those others have for what the vectors are for, or in Cohere's.

use ringmain_dialects::shared::fields::Fields;
use ringmain_dialects::{Malformed, Unsupported};
use serde_json::Value;

use super::cohere::{self, Written};

/// The most inputs of one request.
pub(super) const INPUTS_MAX: usize = 8192;

/// A request for vectors.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Request {
    /// What is to be embedded, in order.
    pub inputs: Vec<Input>,
    /// How many numbers a vector shall have.
    pub dimensions: Option<u64>,
    /// How a vector is written.
    pub encoding: Encoding,
    /// What the vectors are for.
    pub purpose: Option<Purpose>,
    /// Whom the caller acts for.
    pub user: Option<String>,
    /// It is asked in Cohere's words, and the vectors are wanted in these forms.
    pub cohere: Option<Vec<Written>>,
    /// It holds what only the provider of the caller's own dialect can do.
    pub theirs: Option<Unsupported>,
    /// Members nobody here knows.
    pub extra: Vec<String>,
}

/// One input.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A text.
    Text(String),
    /// A text as tokens of one model, which no other can read.
    Tokens(Vec<Value>),
}

/// How a vector is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// Numbers.
    #[default]
    Float,
    /// Single-precision numbers, little end first, in base64.
    Base64,
}

/// What vectors are for; models that know it make others for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// Texts that will be searched.
    Document,
    /// A text that searches.
    Query,
    /// To be sorted into classes.
    Classification,
    /// To be gathered.
    Clustering,
    /// To be compared with each other.
    Similarity,
    /// A word of one provider's own.
    Other(String),
}

impl Purpose {
    pub(super) fn of_word(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "document" | "search_document" | "retrieval_document" | "retrieval.passage" | "passage" => Self::Document,
            "query" | "search_query" | "retrieval_query" | "retrieval.query" => Self::Query,
            "classification" => Self::Classification,
            "clustering" | "separation" => Self::Clustering,
            "semantic_similarity" | "text-matching" => Self::Similarity,
            _ => Self::Other(word.to_owned()),
        }
    }
}

impl Request {
    /// Reads a JSON body in Cohere's words.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_cohere(body: &[u8]) -> Result<Self, Malformed> {
        cohere::read(body)
    }

    /// Reads a JSON body in OpenAI's.
    ///
    /// # Errors
    /// A member has the wrong type, or there is nothing to embed.
    pub fn read(body: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Fields::parse(body)?;
        let inputs = match fields.value("input") {
            Some(Value::String(text)) => vec![Input::Text(text)],
            // A list of numbers is one input of tokens.
            Some(Value::Array(items)) if items.first().is_some_and(Value::is_number) => vec![Input::Tokens(items)],
            Some(Value::Array(items)) => items.into_iter().enumerate().map(input).collect::<Result<_, _>>()?,
            _ => return Err(Malformed::new("input", "expected a text, a list of texts, or tokens")),
        };
        if inputs.is_empty() || inputs.len() > INPUTS_MAX {
            return Err(Malformed::new("input", format!("expected 1 to {INPUTS_MAX} inputs")));
        }
        let encoding = match fields.string("encoding_format")?.as_deref() {
            None | Some("float") => Encoding::Float,
            Some("base64") => Encoding::Base64,
            Some(_) => return Err(Malformed::new("encoding_format", "expected `float` or `base64`")),
        };
        let mut purpose = None;
        for field in ["input_type", "task", "task_type"] {
            purpose = fields.string(field)?.map(|word| Purpose::of_word(&word)).or(purpose);
        }
        Ok(Self {
            inputs,
            dimensions: fields.count("dimensions")?,
            encoding,
            purpose,
            user: fields.string("user")?,
            cohere: None,
            theirs: None,
            extra: {
                // Which model is asked is read elsewhere.
                let _ = fields.value("model");
                fields.rest().into_iter().map(|extra| extra.field).collect()
            },
        })
    }
}

fn input((at, item): (usize, Value)) -> Result<Input, Malformed> {
    match item {
        Value::String(text) => Ok(Input::Text(text)),
        Value::Array(tokens) => Ok(Input::Tokens(tokens)),
        _ => Err(Malformed::new(format!("input[{at}]"), "expected a text")),
    }
}

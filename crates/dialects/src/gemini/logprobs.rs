//! Log probabilities: the chosen tokens in one list, and what else could have stood there in another beside it.

use serde::Deserialize;
use serde_json::Value;

use super::names::Builder;
use crate::ir::{Candidate, Extra, Number, TokenLogprob};
use crate::loss::Loss;
use crate::shared::answers;
use crate::shared::fields::Fields;

/// The member of a candidate that holds them.
pub(super) const FIELD: &str = "logprobsResult";

#[derive(Deserialize)]
struct Lists {
    #[serde(default, rename = "chosenCandidates", alias = "chosen_candidates")]
    chosen: Option<Vec<Token>>,
    #[serde(default, rename = "topCandidates", alias = "top_candidates")]
    top: Option<Vec<Top>>,
}

#[derive(Default, Deserialize)]
struct Top {
    #[serde(default)]
    candidates: Option<Vec<Token>>,
}

/// The API leaves out what is zero or empty.
#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    token: String,
    #[serde(default, rename = "tokenId", alias = "token_id")]
    id: Option<i64>,
    #[serde(default, rename = "logProbability", alias = "log_probability")]
    logprob: Option<Number>,
}

impl From<Token> for Candidate {
    fn from(Token { token, id, logprob }: Token) -> Self {
        Self { bytes: token.as_bytes().to_vec(), token, id, logprob: logprob.unwrap_or_else(|| 0.into()) }
    }
}

/// Takes a candidate's; what cannot be read is left over.
pub(super) fn take(candidate: &mut Fields, rest: &mut Vec<Extra>) -> Vec<TokenLogprob> {
    let Some(result) = candidate.value(FIELD) else { return Vec::new() };
    read(&result).unwrap_or_else(|| {
        rest.push(Extra { field: candidate.path(FIELD), value: result });
        Vec::new()
    })
}

/// Reads a [`FIELD`]; `None` where it is not one.
fn read(result: &Value) -> Option<Vec<TokenLogprob>> {
    let lists = Lists::deserialize(result).ok()?;
    let mut top = lists.top.unwrap_or_default().into_iter();
    let token = |chosen: Token| {
        let top = top.next().and_then(|top| top.candidates).unwrap_or_default();
        TokenLogprob { chosen: chosen.into(), top: top.into_iter().map(Candidate::from).collect() }
    };
    Some(lists.chosen.unwrap_or_default().into_iter().map(token).collect())
}

/// Writes a [`FIELD`]; where a token is no text, there is no place for what it is.
pub(super) fn write(tokens: &[TokenLogprob]) -> (Value, Option<Loss>) {
    let candidate = |candidate: &Candidate| {
        let mut object = Builder::default();
        object.set("token", candidate.token.as_str());
        object.maybe("tokenId", candidate.id);
        object.set("logProbability", candidate.logprob.clone());
        Value::Object(object.0)
    };
    let mut result = Builder::default();
    result.set("chosenCandidates", tokens.iter().map(|token| candidate(&token.chosen)).collect::<Vec<_>>());
    if tokens.iter().any(|token| !token.top.is_empty()) {
        let top = |token: &TokenLogprob| {
            let mut object = Builder::default();
            object.set("candidates", token.top.iter().map(candidate).collect::<Vec<_>>());
            Value::Object(object.0)
        };
        result.set("topCandidates", tokens.iter().map(top).collect::<Vec<_>>());
    }
    let texts = tokens.iter().all(|token| token.chosen.is_text() && token.top.iter().all(Candidate::is_text));
    (Value::Object(result.0), (!texts).then(answers::logprobs_in_part))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let result = json!({
            "chosenCandidates": [{ "token": "a", "tokenId": 7, "logProbability": -0.5 }, { "token": "b", "logProbability": -1 }],
            "topCandidates": [{ "candidates": [{ "token": "a", "tokenId": 7, "logProbability": -0.5 }, { "token": "c", "logProbability": -2 }] }, { "candidates": [] }],
        });
        let tokens = read(&result).unwrap();
        assert_eq!(tokens[0].top.len(), 2);
        assert_eq!(write(&tokens), (result, None));
    }

    #[test]
    fn what_is_left_out_is_nothing() {
        let tokens = read(&json!({ "chosen_candidates": [{ "log_probability": -0.25 }, { "token": "x" }] })).unwrap();
        let said: Vec<_> =
            tokens.iter().map(|token| (token.chosen.token.as_str(), token.chosen.logprob.as_f64())).collect();
        assert_eq!(said, [("", Some(-0.25)), ("x", Some(0.0))]);
        assert_eq!(read(&json!({})), Some(Vec::new()));
        assert_eq!(read(&json!("odd")), None);
    }

    #[test]
    fn a_part_of_a_character_has_no_place() {
        let mut tokens = read(&json!({ "chosenCandidates": [{ "token": "\\xe2" }] })).unwrap();
        tokens[0].chosen.bytes = vec![0xe2];
        assert_eq!(write(&tokens).1, Some(answers::logprobs_in_part()));
    }
}

//! Log probabilities in OpenAI's form, which Chat and Responses share.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::ir::{Candidate, Number, TokenLogprob};

/// The most alternatives that OpenAI and Gemini give for a token.
pub(crate) const MOST_ALTERNATIVES: u64 = 20;

#[derive(Deserialize)]
struct Token {
    token: String,
    logprob: Number,
    /// Not in the pieces of a Responses stream.
    #[serde(default)]
    bytes: Option<Vec<u8>>,
    #[serde(default)]
    top_logprobs: Option<Vec<Token>>,
}

impl From<Token> for Candidate {
    fn from(Token { token, logprob, bytes, .. }: Token) -> Self {
        let bytes = bytes.unwrap_or_else(|| token.as_bytes().to_vec());
        Self { token, bytes, id: None, logprob }
    }
}

/// Reads a list of tokens; `None` where one of them cannot be read.
pub(crate) fn read(list: &str) -> Option<Vec<TokenLogprob>> {
    let list: Option<Vec<Token>> = serde_json::from_str(list).ok()?;
    let token = |mut token: Token| {
        let top = token.top_logprobs.take().unwrap_or_default().into_iter().map(Candidate::from).collect();
        TokenLogprob { chosen: token.into(), top }
    };
    Some(list.unwrap_or_default().into_iter().map(token).collect())
}

/// Writes a list of tokens.
pub(crate) fn write(tokens: &[TokenLogprob]) -> Vec<Value> {
    let candidate = |candidate: &Candidate| {
        let mut object = json!({ "token": candidate.token, "bytes": candidate.bytes });
        object["logprob"] = Value::Number(candidate.logprob.clone());
        object
    };
    let token = |token: &TokenLogprob| {
        let mut object = candidate(&token.chosen);
        object["top_logprobs"] = token.top.iter().map(candidate).collect();
        object
    };
    tokens.iter().map(token).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let list = json!([
            { "token": "a", "bytes": [97], "logprob": -0.5, "top_logprobs": [{ "token": "b", "bytes": [98], "logprob": -1.25 }] },
            { "token": "\\xe2", "bytes": [226], "logprob": -9999.0, "top_logprobs": [] },
        ]);
        let tokens = read(&list.to_string()).unwrap();
        assert_eq!(tokens[0].top[0].token, "b");
        assert!(tokens[0].chosen.is_text() && !tokens[1].chosen.is_text());
        assert_eq!(read(&Value::from(write(&tokens)).to_string()), Some(tokens));
    }

    #[test]
    fn what_a_server_leaves_out_is_made_up_for_or_nothing_is_read() {
        let tokens = read(r#"[{"token":"č","logprob":0,"bytes":null}]"#).unwrap();
        assert_eq!((tokens[0].chosen.bytes.as_slice(), tokens[0].top.len()), ("č".as_bytes(), 0));
        assert_eq!(read("null"), Some(Vec::new()));
        for odd in [
            r#"[{"token":"a","logprob":null}]"#,
            "{}",
            r#"[{"logprob":1}]"#,
            r#"[{"token":"a","logprob":0,"bytes":[256]}]"#,
        ] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }
}

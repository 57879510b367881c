//! Log probabilities: pieces of text, each with the numbers of its tokens and how likely they were.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::ir::{Candidate, Number, TokenLogprob};
use crate::loss::Loss;
use crate::shared::answers;

#[derive(Deserialize)]
struct Piece {
    text: String,
    #[serde(default)]
    token_ids: Option<Vec<i64>>,
    logprobs: Vec<Number>,
}

impl Piece {
    /// The piece as one token: what its tokens are each, nobody says, and their probabilities multiply.
    fn token(self) -> Option<TokenLogprob> {
        let Self { text, token_ids, logprobs } = self;
        let id = token_ids.filter(|ids| ids.len() == 1).and_then(|ids| ids.first().copied());
        let logprob = match logprobs.as_slice() {
            [one] => one.clone(),
            [] => return None,
            several => Number::from_f64(several.iter().filter_map(Number::as_f64).sum())?,
        };
        Some(TokenLogprob {
            chosen: Candidate { bytes: text.as_bytes().to_vec(), token: text, id, logprob },
            top: Vec::new(),
        })
    }
}

/// Reads what a plain answer or an event holds: a list of pieces, or one. `None` where it is neither.
pub(super) fn read(value: &str) -> Option<Vec<TokenLogprob>> {
    let pieces: Vec<Piece> = if value.starts_with('[') {
        serde_json::from_str(value).ok()?
    } else {
        vec![serde_json::from_str(value).ok()?]
    };
    pieces.into_iter().map(Piece::token).collect()
}

/// Tokens as one piece.
pub(super) fn write(tokens: &[TokenLogprob]) -> Value {
    let chosen = || tokens.iter().map(|token| &token.chosen);
    let text: String = chosen().map(|token| token.token.as_str()).collect();
    let ids: Vec<i64> = chosen().filter_map(|token| token.id).collect();
    let mut piece = json!({ "text": text, "token_ids": ids, "logprobs": null });
    piece["logprobs"] = chosen().map(|token| Value::Number(token.logprob.clone())).collect();
    piece
}

/// A text and its tokens in pieces of one token each; where the tokens do not spell it, in one.
pub(super) fn pieces<'a>(text: &'a str, tokens: &'a [TokenLogprob]) -> Vec<(&'a str, &'a [TokenLogprob])> {
    let mut rest = text;
    let mut pieces = Vec::new();
    for token in tokens.chunks(1) {
        let len = token.iter().map(|token| token.chosen.bytes.len()).sum();
        let Some((piece, more)) = rest.split_at_checked(len) else { return vec![(text, tokens)] };
        pieces.push((piece, token));
        rest = more;
    }
    if rest.is_empty() { pieces } else { vec![(text, tokens)] }
}

/// What pieces have no place for: other tokens than the chosen, and those that are no text. SDKs demand the numbers of
/// the tokens, which other providers do not say.
pub(super) fn lost(tokens: &[TokenLogprob]) -> Option<Loss> {
    let whole = |token: &TokenLogprob| token.chosen.id.is_some() && token.chosen.is_text() && token.top.is_empty();
    (!tokens.iter().all(whole)).then(answers::logprobs_in_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let piece = json!({ "text": "a", "token_ids": [3], "logprobs": [-0.5] });
        for value in [json!([piece]), piece.clone()] {
            let tokens = read(&value.to_string()).unwrap();
            assert_eq!((tokens[0].chosen.id, lost(&tokens)), (Some(3), None));
            assert_eq!(write(&tokens), piece);
        }
    }

    #[test]
    fn a_text_is_cut_between_its_tokens_where_they_spell_it() {
        let tokens = read(r#"[{"text":"a","logprobs":[0]},{"text":"čb","logprobs":[-1]}]"#).unwrap();
        let texts =
            |text| pieces(text, &tokens).into_iter().map(|(text, tokens)| (text, tokens.len())).collect::<Vec<_>>();
        assert_eq!(texts("ačb"), [("a", 1), ("čb", 1)]);
        for other in ["", "ač", "ačbc", "ččč"] {
            assert_eq!(texts(other), [(other, 2)]);
        }
        assert_eq!(write(&tokens), json!({ "text": "ačb", "token_ids": [], "logprobs": [0, -1] }));
    }

    #[test]
    fn a_piece_of_several_tokens_is_as_likely_as_all_of_them() {
        let tokens = read(r#"{"text":"ab","token_ids":[3,4],"logprobs":[-0.5,-0.25]}"#).unwrap();
        assert_eq!((tokens[0].chosen.logprob.as_f64(), tokens[0].chosen.id), (Some(-0.75), None));
        assert_eq!(lost(&tokens), Some(answers::logprobs_in_part()));
        for odd in [r#"{"text":"a","logprobs":[]}"#, r#"{"text":"a"}"#, "7", "[7]", r#"[{"text":1,"logprobs":[0]}]"#] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }
}

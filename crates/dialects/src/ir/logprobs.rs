//! How likely the tokens of an answer were.

use super::Number;

/// A token of an answer's text, and what else could have stood there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenLogprob {
    /// The token that was chosen.
    pub chosen: Candidate,
    /// The likeliest at its place, the likeliest first; the chosen one may be among them. Empty where nobody asked.
    pub top: Vec<Candidate>,
}

/// A token that was chosen, or could have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The token as the provider writes it: one that is a part of a character is no text of the answer.
    pub token: String,
    /// What it adds to the answer, in UTF-8; several tokens may make one character.
    pub bytes: Vec<u8>,
    /// Its number in the model's vocabulary, where the provider says.
    pub id: Option<i64>,
    /// The natural logarithm of its probability: 0 is certain. OpenAI writes -9999 for next to impossible.
    pub logprob: Number,
}

impl Candidate {
    /// Is it known by its text alone?
    #[must_use]
    pub fn is_text(&self) -> bool {
        self.token.as_bytes() == self.bytes
    }
}

/// Takes from the front those tokens that spell this text.
#[must_use]
pub fn of_text<'t>(tokens: &mut &'t [TokenLogprob], text: &str) -> &'t [TokenLogprob] {
    let mut covered = 0;
    let beyond = tokens.iter().position(|token| {
        let within = covered < text.len();
        covered += token.chosen.bytes.len();
        !within
    });
    let (of_text, rest) = tokens.split_at(beyond.unwrap_or(tokens.len()));
    *tokens = rest;
    of_text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_go_to_the_text_they_spell() {
        let token = |token: &str| {
            let chosen = Candidate { token: token.into(), bytes: token.into(), id: None, logprob: 0.into() };
            TokenLogprob { chosen, top: Vec::new() }
        };
        let tokens = ["ab", "c", "d"].map(token);
        let mut rest = tokens.as_slice();
        assert_eq!(of_text(&mut rest, "abc").len(), 2);
        assert_eq!(of_text(&mut rest, "").len(), 0);
        assert_eq!(of_text(&mut rest, "defg").len(), 1, "there are no more");
        assert!(rest.is_empty());
    }
}

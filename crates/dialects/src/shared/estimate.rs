//! Input tokens, roughly and at once. For routing and reservations; never billed from.

use memchr::memchr;

/// Bytes of English text in a token, as the common tokenizers cut it.
const BYTES_PER_TOKEN: u64 = 4;
/// A JSON string longer than this without a space is data (base64), not text.
const DATA_STRING: usize = 2048;
/// What an inline picture costs, about: OpenAI's high detail is 765 for a square, Anthropic's at most 1600.
const TOKENS_PER_DATA: u64 = 1000;

/// Estimates the tokens in a JSON text, without counting base64 data as prose.
#[must_use]
pub fn tokens(json: &[u8]) -> u64 {
    let (mut text, mut data) = (0_u64, 0_u64);
    let mut rest = json;
    while let Some(open) = memchr(b'"', rest) {
        text += open as u64;
        let body = &rest[open + 1..];
        let length = string_length(body);
        if length > DATA_STRING && memchr(b' ', &body[..DATA_STRING]).is_none() {
            data += 1;
        } else {
            text += length as u64;
        }
        rest = body.get(length + 1..).unwrap_or_default();
    }
    (text + rest.len() as u64) / BYTES_PER_TOKEN + data * TOKENS_PER_DATA
}

/// The length of a string body up to its closing quote.
fn string_length(body: &[u8]) -> usize {
    let mut at = 0;
    while let Some(quote) = memchr(b'"', &body[at..]) {
        let end = at + quote;
        let slashes = body[..end].iter().rev().take_while(|byte| **byte == b'\\').count();
        if slashes % 2 == 0 {
            return end;
        }
        at = end + 1;
    }
    body.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_not_prose() {
        assert_eq!(tokens(br#"{"a":"say \"hi\" to them"}"#), 5);
        let image = format!("[\"{}\"]", "A".repeat(5_000_000));
        assert_eq!(tokens(image.as_bytes()), 1000);
    }
}

//! Input tokens, roughly and at once. For routing and reservations; never billed from.

use memchr::memchr;

use crate::ir::{Block, BlockKind, Media, MediaSource, OutputFormat, Request, Tool};

/// Bytes of English text in a token, as the common tokenizers cut it.
const BYTES_PER_TOKEN: u64 = 4;
/// A JSON string longer than this whose beginning is base64 is data, not text.
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
        if length > DATA_STRING && is_data(&body[..DATA_STRING]) {
            data += 1;
        } else {
            text += length as u64;
        }
        rest = body.get(length + 1..).unwrap_or_default();
    }
    (text + rest.len() as u64) / BYTES_PER_TOKEN + data * TOKENS_PER_DATA
}

/// Base64, also in a URL (`data:…;base64,`), and with slashes escaped as some write JSON. Many scripts know no spaces, and
/// neither does packed JSON: what is not base64 is text.
fn is_data(beginning: &[u8]) -> bool {
    let inline = beginning.strip_prefix(b"data:").and_then(|rest| rest.get(memchr(b',', rest)? + 1..));
    let is_base64 =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=' | b'\\');
    inline.unwrap_or(beginning).iter().all(is_base64)
}

/// What a turn costs beyond what it says: who speaks, and where it ends.
const TOKENS_PER_TURN: u64 = 4;

/// Estimates the tokens of a whole request: its words at four bytes a token, each picture, sound or document at
/// [`TOKENS_PER_DATA`]. Of ordinary text it is within a third of what providers count; of documents it knows nothing.
#[must_use]
pub fn of_request(request: &Request) -> u64 {
    let mut sum = Sum::default();
    sum.blocks(&request.system);
    for turn in &request.turns {
        sum.blocks(&turn.blocks);
        sum.data += TOKENS_PER_TURN;
    }
    for tool in &request.tools {
        match tool {
            Tool::Function { name, description, parameters, .. } => {
                sum.text(name);
                sum.text(description.as_deref().unwrap_or_default());
                sum.bytes += parameters.as_ref().map_or(0, |schema| schema.to_string().len());
            }
            Tool::Opaque { value, .. } => sum.bytes += value.to_string().len(),
        }
        sum.data += TOKENS_PER_TURN;
    }
    if let OutputFormat::JsonSchema { schema, .. } = &request.output {
        sum.bytes += schema.to_string().len();
    }
    (sum.bytes as u64).div_ceil(BYTES_PER_TOKEN) + sum.data
}

#[derive(Default)]
struct Sum {
    bytes: usize,
    /// Tokens that are not text.
    data: u64,
}

impl Sum {
    fn text(&mut self, text: &str) {
        self.bytes += text.len();
    }

    fn blocks(&mut self, blocks: &[Block]) {
        for block in blocks {
            match &block.kind {
                BlockKind::Text { text, .. } | BlockKind::Refusal { text } | BlockKind::Reasoning { text, .. } => {
                    self.text(text);
                }
                BlockKind::Image(media) | BlockKind::Document(media) | BlockKind::Audio(media) => self.media(media),
                BlockKind::ToolCall { name, arguments, .. } => {
                    self.text(name);
                    self.text(arguments);
                }
                BlockKind::ToolResult { content, .. } => self.blocks(content),
                BlockKind::Opaque { value, .. } => self.data += tokens(value.to_string().as_bytes()),
            }
        }
    }

    fn media(&mut self, media: &Media) {
        match &media.source {
            MediaSource::Text(text) => self.text(text),
            MediaSource::Url(_) | MediaSource::Base64(_) | MediaSource::File { .. } => self.data += TOKENS_PER_DATA,
        }
    }
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
        let escaped = format!("[\"data:image/png;base64,{}\"]", r"ab\/+".repeat(1000));
        assert_eq!(tokens(escaped.as_bytes()), 1000);
    }

    #[test]
    fn text_without_spaces_is_prose() {
        let thai = format!("[\"{}\"]", "ก".repeat(30_000));
        assert_eq!(tokens(thai.as_bytes()), 22_500);
        let packed = format!("[\"{}\"]", r#"{\"a\":1},"#.repeat(1000));
        assert!(tokens(packed.as_bytes()) >= 2_500);
    }
}

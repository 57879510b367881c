//! Message content: a string, or an array of typed parts.

use serde_json::Value;

use super::OWN;
use crate::codec::Malformed;
use crate::ir::{Block, BlockKind, Extra, Media, MediaSource};
use crate::shared::fields::Fields;
use crate::shared::media::{located, media, titled};

/// Reads the content of a message. What is not understood inside a part goes to `rest`; a whole part that is not goes on
/// as opaque. Empty text, which clients send beside tool calls, says nothing.
///
/// # Errors
/// Content of no known form.
pub(super) fn read(content: Value, path: &str, rest: &mut Vec<Extra>) -> Result<Vec<Block>, Malformed> {
    let items = match content {
        Value::Null => return Ok(Vec::new()),
        Value::String(text) => vec![Value::String(text)],
        Value::Array(items) => items,
        _ => return Err(Malformed::new(path, "expected a string or an array of parts")),
    };
    let mut blocks = Vec::new();
    for (nth, item) in items.into_iter().enumerate() {
        let block = part(item, &format!("{path}[{nth}]"), rest)?;
        if !matches!(&block.kind, BlockKind::Text { text, .. } if text.is_empty()) {
            blocks.push(block);
        }
    }
    Ok(blocks)
}

/// Reads one part, of a request or of an answer.
///
/// # Errors
/// Not an object, or without the field its type promises.
pub(super) fn part(item: Value, path: &str, rest: &mut Vec<Extra>) -> Result<Block, Malformed> {
    if let Value::String(text) = item {
        return Ok(Block::text(text).at(path));
    }
    let mut fields = Fields::of(path, item)?;
    let kind = match fields.required_string("type")?.as_str() {
        "text" => BlockKind::Text { text: fields.required_string("text")?, citations: Vec::new() },
        "thinking" => {
            BlockKind::Reasoning { text: fields.required_string("thinking")?, signature: None, redacted: None }
        }
        "image_url" => {
            let place = fields.path("image_url");
            let mut image = fields.object("image_url")?.ok_or_else(|| Malformed::new(place, "is required"))?;
            let found = located(&image.required_string("url")?);
            let detail = image.string("detail")?;
            rest.extend(image.rest());
            BlockKind::Image(Media { detail, ..found })
        }
        "document" => {
            let place = fields.path("document");
            let value = fields.value("document").ok_or_else(|| Malformed::new(&place, "is required"))?;
            // In a tool's result, the only place for it, a document is what the tool found: data to read, not a file.
            let Document { title, text } = document(value, &place, rest)?;
            Block::text(titled(title.as_deref(), &text)).kind
        }
        kind => {
            let mut value = fields.into_map();
            if ["text", "thinking"].iter().any(|word| value.get(*word).is_some_and(|said| !said.is_string())) {
                return Err(Malformed::new(path, "expected text"));
            }
            value.insert("type".to_owned(), kind.into());
            return Ok(Block::from(BlockKind::Opaque { dialect: OWN, value: Value::Object(value) }).at(path));
        }
    };
    rest.extend(fields.rest());
    Ok(Block::from(kind).at(path))
}

/// A document as one text.
#[derive(Debug)]
struct Document {
    title: Option<String>,
    text: String,
}

/// Reads one of the documents of a request.
///
/// # Errors
/// Neither a string nor a document.
pub(super) fn read_document(value: Value, path: &str, rest: &mut Vec<Extra>) -> Result<Block, Malformed> {
    let Document { title, text } = match value {
        Value::String(text) => Document { title: None, text },
        value => document(value, path, rest)?,
    };
    let found = media(MediaSource::Text(text), Some("text/plain".to_owned()));
    Ok(Block::from(BlockKind::Document(Media { name: title, ..found })).at(path))
}

/// `data` is a string or any object, of which the model is shown keys and values alike. Of a title and a text the two
/// are told apart; anything richer is shown as the JSON it is.
fn document(value: Value, path: &str, rest: &mut Vec<Extra>) -> Result<Document, Malformed> {
    let mut fields = Fields::of(path, value)?;
    let place = fields.path("data");
    let found = match fields.value("data") {
        Some(Value::String(text)) => Document { title: None, text },
        Some(Value::Object(data)) => {
            let plain = data.keys().all(|key| matches!(key.as_str(), "title" | "text"));
            let word = |key: &str| data.get(key).and_then(Value::as_str).map(str::to_owned);
            match (word("title"), word("text")) {
                (title, Some(text)) if plain => Document { title, text },
                _ => Document { title: None, text: Value::Object(data).to_string() },
            }
        }
        _ => return Err(Malformed::new(place, "expected an object or a string")),
    };
    rest.extend(fields.rest());
    Ok(found)
}

/// A document of a request, from its text.
pub(super) fn write_document(title: Option<&str>, text: &str) -> Value {
    let data = match (title, serde_json::from_str(text)) {
        (None, Ok(data @ Value::Object(_))) => data,
        (None, _) => serde_json::json!({ "text": text }),
        (Some(title), _) => serde_json::json!({ "title": title, "text": text }),
    };
    serde_json::json!({ "data": data })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_part_has_its_block() {
        let table = [
            (json!({ "type": "text", "text": "a" }), Block::text("a").kind),
            (
                json!({ "type": "thinking", "thinking": "hm" }),
                BlockKind::Reasoning { text: "hm".into(), signature: None, redacted: None },
            ),
            (
                json!({ "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA", "detail": "low" } }),
                BlockKind::Image(Media {
                    detail: Some("low".into()),
                    ..media(MediaSource::Base64("AAAA".into()), Some("image/png".into()))
                }),
            ),
            (json!({ "type": "document", "document": { "data": "found" } }), Block::text("found").kind),
            (
                json!({ "type": "document", "document": { "data": { "title": "t", "text": "found" } } }),
                Block::text("t\n\nfound").kind,
            ),
            (json!({ "type": "document", "document": { "data": { "n": 1.5 } } }), Block::text(r#"{"n":1.5}"#).kind),
        ];
        for (part, kind) in table {
            let mut rest = Vec::new();
            assert_eq!(read(json!([part]), "content", &mut rest).unwrap(), [Block::from(kind)]);
            assert_eq!(rest, []);
        }
        assert_eq!(read(json!([{ "type": "text", "text": "" }]), "content", &mut Vec::new()).unwrap(), []);
        let video = json!({ "type": "video", "video": 1 });
        let opaque = read(json!([video]), "content", &mut Vec::new()).unwrap();
        assert!(matches!(&opaque[0].kind, BlockKind::Opaque { value, .. } if value["video"] == 1));
    }

    #[test]
    fn documents_there_and_back() {
        let table = [
            json!({ "data": { "text": "a" } }),
            json!({ "data": { "title": "t", "text": "a" } }),
            json!({ "data": { "title": "t", "snippet": "s", "page": 3.0 } }),
        ];
        for document in table {
            let block = read_document(document.clone(), "documents[0]", &mut Vec::new()).unwrap();
            let BlockKind::Document(Media { source: MediaSource::Text(text), name, .. }) = block.kind else { panic!() };
            assert_eq!(write_document(name.as_deref(), &text), document);
        }
        let mut rest = Vec::new();
        read_document(json!({ "id": "d", "data": "x" }), "documents[0]", &mut rest).unwrap();
        assert_eq!(rest, [Extra { field: "documents[0].id".into(), value: "d".into() }]);
    }
}

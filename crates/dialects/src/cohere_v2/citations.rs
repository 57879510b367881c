//! Sources of an answer's text, which stand beside the content here.

use serde_json::{Map, Value, json};

use crate::shared::sources::{self, Source};

/// What a citation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// A text block: this one of the content, or the first.
    Text(Option<u64>),
    /// The words before the tool calls.
    Plan,
    /// The thinking, which has no place for sources.
    Thinking,
}

/// Reads what a citation is about.
pub(super) fn about(citation: &Value) -> About {
    match citation.get("type").and_then(Value::as_str) {
        Some("PLAN") => About::Plan,
        Some("THINKING_CONTENT") => About::Thinking,
        _ => About::Text(citation.get("content_index").and_then(Value::as_u64)),
    }
}

/// Writes a source of the text block at `index` of the content; `None` where it names nothing that can be followed. `text`:
/// the block's.
pub(super) fn write(citation: &Value, index: u32, text: &str) -> Option<Value> {
    let mut written = match citation.get("sources") {
        Some(Value::Array(_)) => citation.as_object()?.clone(),
        _ => of_another(citation, text)?,
    };
    written.insert("type".to_owned(), "TEXT_CONTENT".into());
    written.insert("content_index".to_owned(), index.into());
    Some(Value::Object(written))
}

/// A source in another form.
fn of_another(citation: &Value, text: &str) -> Option<Map<String, Value>> {
    let Source { url, title, place: (start, end) } = sources::read(citation, sources::length(text))?;
    let nth = |place: u64| usize::try_from(place).unwrap_or(usize::MAX);
    // The words of the answer that it is of, not those of the source.
    let words: String = text.chars().take(nth(end)).skip(nth(start)).collect();
    let document = json!({ "id": url, "title": title, "url": url });
    let written = json!({
        "start": start,
        "end": end,
        "text": words,
        "sources": [{ "type": "document", "id": url, "document": document }],
    });
    if let Value::Object(map) = written { Some(map) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_keep_their_words_and_others_become_documents() {
        let own = json!({ "start": 1, "end": 2, "text": "x", "sources": [], "type": "PLAN" });
        let written = write(&own, 3, "").unwrap();
        assert_eq!(written["content_index"], 3);
        assert_eq!((&written["start"], &written["type"]), (&json!(1), &json!("TEXT_CONTENT")));
        let table = [
            json!({ "type": "a", "url": "https://x", "title": "t", "start_index": 4, "end_index": 9 }),
            json!({ "type": "a", "a": { "uri": "https://x", "title": "t", "start_index": 4, "end_index": 9 } }),
        ];
        for citation in table {
            let written = write(&citation, 0, "All of áé fits.").unwrap();
            assert_eq!((&written["start"], &written["end"], &written["text"]), (&json!(4), &json!(9), &json!("of áé")));
            assert_eq!(written["sources"][0]["document"]["url"], "https://x");
        }
        let written = write(&json!({ "url": "https://x", "cited_text": "Page." }), 0, "Answer.").unwrap();
        assert_eq!((&written["start"], &written["end"], &written["text"]), (&json!(0), &json!(7), &json!("Answer.")));
        assert_eq!(write(&json!({ "type": "page", "page": 3 }), 0, ""), None);
    }
}

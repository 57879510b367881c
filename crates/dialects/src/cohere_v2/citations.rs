//! Sources of an answer's text, which stand beside the content here.

use serde_json::{Map, Value, json};

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

/// Writes a source of the text block at `index` of the content; `None` where it names nothing that can be followed.
pub(super) fn write(citation: &Value, index: u32) -> Option<Value> {
    let mut written = match citation.get("sources") {
        Some(Value::Array(_)) => citation.as_object()?.clone(),
        _ => of_another(citation)?,
    };
    written.insert("type".to_owned(), "TEXT_CONTENT".into());
    written.insert("content_index".to_owned(), index.into());
    Some(Value::Object(written))
}

/// A source in another form: whatever it is called there, it has an address, perhaps a title, a place, the cited words.
fn of_another(citation: &Value) -> Option<Map<String, Value>> {
    let object = citation.as_object()?;
    // Some forms wrap it in an object named for its kind.
    let inner = object.values().find(|value| address(value).is_some());
    let found = address(citation).map(|_| citation).or(inner)?;
    let url = address(found)?;
    let word = |names: &[&str]| names.iter().find_map(|name| found.get(*name)?.as_str()).unwrap_or_default();
    let place = |names: &[&str]| names.iter().find_map(|name| found.get(*name)?.as_u64()).unwrap_or_default();
    let document = json!({ "id": url, "title": word(&["title"]), "url": url });
    let written = json!({
        "start": place(&["start_index", "start"]),
        "end": place(&["end_index", "end"]),
        "text": word(&["cited_text", "text"]),
        "sources": [{ "type": "document", "id": url, "document": document }],
    });
    if let Value::Object(map) = written { Some(map) } else { None }
}

fn address(value: &Value) -> Option<&str> {
    ["url", "uri"].into_iter().find_map(|name| value.get(name)?.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_keep_their_words_and_others_become_documents() {
        let own = json!({ "start": 1, "end": 2, "text": "x", "sources": [], "type": "PLAN" });
        let written = write(&own, 3).unwrap();
        assert_eq!(written["content_index"], 3);
        assert_eq!((&written["start"], &written["type"]), (&json!(1), &json!("TEXT_CONTENT")));
        let table = [
            json!({ "type": "a", "url": "https://x", "title": "t", "start_index": 4, "end_index": 9 }),
            json!({ "type": "a", "a": { "uri": "https://x", "title": "t", "start_index": 4, "end_index": 9 } }),
        ];
        for citation in table {
            let written = write(&citation, 0).unwrap();
            assert_eq!((&written["start"], &written["end"]), (&json!(4), &json!(9)));
            assert_eq!(written["sources"][0]["document"]["url"], "https://x");
        }
        assert_eq!(write(&json!({ "type": "page", "page": 3 }), 0), None);
    }
}

//! Sources of an answer's text, in whichever dialect's form, for those that name an address and a place in the text.

use serde_json::Value;

/// A source that can be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Source<'a> {
    pub(crate) url: &'a str,
    pub(crate) title: &'a str,
    /// The first character that it is of, and the one behind the last. Both are 0 where nothing is said of that.
    pub(crate) place: (u64, u64),
}

/// Reads one, beside a text of this many characters: whatever it is called there, it has an address, perhaps a title and a
/// place. `None` where it names nothing that can be followed.
pub(crate) fn read(citation: &Value, length: u64) -> Option<Source<'_>> {
    let found = inner(citation)?;
    let number = |names: &[&str]| names.iter().find_map(|name| found.get(*name)?.as_u64());
    let place = match (number(&["start_index", "start"]), number(&["end_index", "end"])) {
        (None, None) if waits(citation) => (0, length),
        (start, end) => (start.unwrap_or_default(), end.unwrap_or_default()),
    };
    let title = found.get("title").and_then(Value::as_str).unwrap_or_default();
    Some(Source { url: address(found)?, title, place })
}

/// Is it of all the text that it stands beside, and so to be read when that has ended? One form cuts an answer into blocks
/// and names what the source says instead of a place.
pub(crate) fn waits(citation: &Value) -> bool {
    let is_placed = |found: &Value| ["start_index", "start"].iter().any(|name| found.get(*name).is_some());
    inner(citation).is_some_and(|found| found.get("cited_text").is_some() && !is_placed(found))
}

/// Some forms wrap it in an object named for its kind.
fn inner(citation: &Value) -> Option<&Value> {
    let object = citation.as_object()?;
    let within = || object.values().find(|value| address(value).is_some());
    address(citation).map(|_| citation).or_else(within)
}

fn address(value: &Value) -> Option<&str> {
    ["url", "uri"].into_iter().find_map(|name| value.get(name)?.as_str())
}

/// The characters of a text.
pub(crate) fn length(text: &str) -> u64 {
    u64::try_from(text.chars().count()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_form_has_its_place() {
        let table = [
            (json!({ "url": "u", "title": "t", "start_index": 4, "end_index": 9 }), (4, 9), false),
            (
                json!({ "type": "a", "a": { "uri": "u", "title": "t", "start_index": 4, "end_index": 9 } }),
                (4, 9),
                false,
            ),
            (json!({ "url": "u", "title": "t", "cited_text": "of the page" }), (0, 20), true),
            (json!({ "url": "u", "title": "t", "cited_text": "x", "start_index": 0, "end_index": 2 }), (0, 2), false),
            (json!({ "url": "u", "title": "t" }), (0, 0), false),
        ];
        for (citation, place, whole) in table {
            let source = Source { url: "u", title: "t", place };
            assert_eq!((read(&citation, 20), waits(&citation)), (Some(source), whole), "{citation}");
        }
        assert_eq!(read(&json!({ "type": "page", "page": 3, "cited_text": "x" }), 20), None);
    }
}

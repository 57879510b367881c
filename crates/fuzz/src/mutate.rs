//! Changes to the JSON within an input, so that most of what is tried is still understood and gets past the parser. Changes
//! of single bytes, which find what a parser lets through, are left to the fuzzer itself.

use std::sync::OnceLock;

use ringmain_core::Seed;
use serde_json::Value;

use crate::codecs::{ANSWER, ERROR, REQUEST, STREAM};
use crate::seeds::seeds;

/// Where the JSON is in the inputs of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Nowhere: bytes are what matters.
    Bytes,
    /// Everywhere.
    Json,
    /// Where the first byte says, see [`crate::codecs`].
    Codec,
}

/// The input after a change or a few; `None` where it has no JSON to change, or would be longer than `max`.
pub(crate) fn mutated(form: Form, data: &[u8], seed: Seed, max: usize) -> Option<Vec<u8>> {
    let head = match (form, data.first()?) {
        (Form::Bytes, _) => return None,
        (Form::Json, _) => 0,
        (Form::Codec, &REQUEST | &ANSWER) => 1,
        (Form::Codec, &ERROR | &STREAM) => 2,
        (Form::Codec, _) => return None,
    };
    let (head, body) = data.split_at_checked(head)?;
    let is_stream = form == Form::Codec && head.first() == Some(&STREAM);
    let body = if is_stream { stream(body, seed)? } else { document(body, seed)? };
    let whole = [head, &body].concat();
    (whole.len() <= max).then_some(whole)
}

/// One event changed, or left out, or said twice, or in another's place.
fn stream(text: &[u8], seed: Seed) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let mut events: Vec<String> = text.split_inclusive("\n\n").map(str::to_owned).collect();
    let (one, other) = (pick(seed.draw("one"), events.len())?, pick(seed.draw("other"), events.len())?);
    match seed.draw("what").below(8) {
        0 => drop(events.remove(one)),
        1 => events.insert(other, events[one].clone()),
        2 => events.swap(one, other),
        _ => {
            let begin = events[one].find("data:")? + "data:".len();
            let end = events[one][begin..].find('\n').map_or(events[one].len(), |at| begin + at);
            let changed = document(events[one][begin..end].trim().as_bytes(), seed.draw("event"))?;
            events[one].replace_range(begin..end, &format!(" {}", String::from_utf8(changed).ok()?));
        }
    }
    Some(events.concat().into_bytes())
}

/// Few changes at once: each must be a likely cause of what comes of it.
const CHANGES_MAX: u64 = 3;

fn document(text: &[u8], seed: Seed) -> Option<Vec<u8>> {
    let mut value: Value = serde_json::from_slice(text).ok()?;
    for n in 0..=seed.draw("changes").below(CHANGES_MAX) {
        let seed = seed.nth("change", n);
        let all = count(&value);
        let donor = nth(&mut value, &mut pick(seed.draw("donor"), all)?)?.clone();
        change(nth(&mut value, &mut pick(seed.draw("place"), all)?)?, donor, seed);
    }
    serde_json::to_vec(&value).ok()
}

/// Values: the document, each of its parts, each of theirs.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(members) => members.values().map(count).sum(),
        _ => 0,
    }
}

/// One of those by its number, in the order they are written in.
fn nth<'v>(value: &'v mut Value, left: &mut usize) -> Option<&'v mut Value> {
    if *left == 0 {
        return Some(value);
    }
    *left -= 1;
    match value {
        Value::Array(items) => items.iter_mut().find_map(|item| nth(item, left)),
        Value::Object(members) => members.values_mut().find_map(|item| nth(item, left)),
        _ => None,
    }
}

/// Changes one value; `donor` is another of the same document.
fn change(value: &mut Value, donor: Value, seed: Seed) {
    let (what, at) = (seed.draw("what").below(8), seed.draw("at"));
    match (what, &mut *value) {
        (0, _) => *value = edge(seed.draw("edge")),
        (1, _) => *value = donor,
        (2, _) => *value = Value::Array(vec![value.take()]),
        // Arguments of tools are JSON within a string.
        (3, _) => *value = Value::String(value.to_string()),
        (_, Value::Array(items)) => items_changed(items, donor, what, at),
        (_, Value::Object(members)) => members_changed(members, donor, what, at),
        (_, Value::String(text)) => text_changed(text, what, at),
        (_, Value::Number(number)) => {
            let [less, more] = [-1, 1].map(|by| number.as_i64().unwrap_or_default().saturating_add(by));
            *value = if what % 2 == 0 { less } else { more }.into();
        }
        (_, Value::Bool(is)) => *is = !*is,
        (_, Value::Null) => *value = donor,
    }
}

fn items_changed(items: &mut Vec<Value>, donor: Value, what: u64, at: Seed) {
    let Some(one) = pick(at, items.len()) else { return items.push(donor) };
    let other = pick(at.draw("other"), items.len()).unwrap_or_default();
    match what {
        4 => drop(items.remove(one)),
        5 => items.insert(one, items[other].clone()),
        6 => items.swap(one, other),
        _ => items.insert(one, donor),
    }
}

fn members_changed(members: &mut serde_json::Map<String, Value>, donor: Value, what: u64, at: Seed) {
    let name = pick(at, members.len()).and_then(|one| members.keys().nth(one).cloned());
    match (what, name) {
        (4, Some(name)) => drop(members.remove(&name)),
        (5, Some(name)) => {
            let value = members.remove(&name).unwrap_or_default();
            members.insert(word(at), value);
        }
        (_, _) => drop(members.insert(word(at), donor)),
    }
}

fn text_changed(text: &mut String, what: u64, at: Seed) {
    match what {
        4 => *text = word(at),
        5 => text.clear(),
        6 => *text = text.repeat(2),
        _ => {
            let place = text.floor_char_boundary(pick(at, text.len() + 1).unwrap_or_default());
            text.insert(place, ODD[pick(at.draw("odd"), ODD.len()).unwrap_or_default()]);
        }
    }
}

/// Characters that mean something somewhere, or take more room than they seem to.
const ODD: [char; 10] = ['\0', '\n', '"', '\\', '<', '/', '.', '\u{2028}', '\u{1f600}', '\u{feff}'];

/// A value at an edge.
fn edge(seed: Seed) -> Value {
    const EDGES: [&str; 14] = [
        "null",
        "true",
        "0",
        "-1",
        "1e308",
        "0.1",
        "18446744073709551615",
        "9223372036854775808",
        "4294967296",
        "\"\"",
        "[]",
        "{}",
        "[[]]",
        "\"\\ud83d\\ude00\"",
    ];
    let text = EDGES[pick(seed, EDGES.len()).unwrap_or_default()];
    serde_json::from_str(text).unwrap_or_default()
}

/// A word that some dialect knows: the name of a member, or a short text such as one of a few choices.
fn word(seed: Seed) -> String {
    static WORDS: OnceLock<Vec<String>> = OnceLock::new();
    let words = WORDS.get_or_init(|| {
        let mut words = Vec::new();
        for (_, seed) in seeds() {
            // Words have quotes around them, wherever they are.
            let text = String::from_utf8_lossy(&seed).into_owned();
            words.extend(text.split('"').filter(|word| is_word(word)).map(str::to_owned));
        }
        words.sort_unstable();
        words.dedup();
        words
    });
    pick(seed.draw("word"), words.len()).map(|at| words[at].clone()).unwrap_or_default()
}

fn is_word(text: &str) -> bool {
    (1..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

fn pick(seed: Seed, len: usize) -> Option<usize> {
    usize::try_from(seed.below(len as u64)).ok().filter(|_| len > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a request, an answer and a stream, most changes give another document that can be read.
    #[test]
    fn changes_are_repeatable_and_leave_json() {
        for kind in [REQUEST, ANSWER, STREAM, ERROR] {
            let of_kind = |(name, seed): &(&str, Vec<u8>)| *name == "openai-chat" && seed.first() == Some(&kind);
            let (_, input) = seeds().into_iter().find(of_kind).unwrap();
            let all: Vec<_> = (0..200).map(|n| mutated(Form::Codec, &input, Seed(n), 1 << 16)).collect();
            let again: Vec<_> = (0..200).map(|n| mutated(Form::Codec, &input, Seed(n), 1 << 16)).collect();
            assert_eq!(all, again);
            let changed: Vec<_> = all.into_iter().flatten().filter(|one| *one != input).collect();
            assert!(changed.len() > 150, "{} of 200", changed.len());
            if kind != STREAM {
                let head = if kind == ERROR { 2 } else { 1 };
                assert!(changed.iter().all(|one| serde_json::from_slice::<Value>(&one[head..]).is_ok()));
            }
        }
    }

    #[test]
    fn what_has_no_json_or_no_room_is_left_alone() {
        assert_eq!(mutated(Form::Bytes, b"q{}", Seed(1), 100), None);
        assert_eq!(mutated(Form::Codec, b"q{", Seed(1), 100), None);
        assert_eq!(mutated(Form::Codec, b"", Seed(1), 100), None);
        assert!((0..100).filter_map(|n| mutated(Form::Json, b"{\"a\":1}", Seed(n), 12)).all(|one| one.len() <= 12));
    }
}

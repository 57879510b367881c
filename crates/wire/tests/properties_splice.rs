//! A splice is parse, edit, print; and what no edit names keeps its bytes.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use bytes::Bytes;
use proptest::prelude::*;
use ringmain_wire::json::{Edit, Object, splice};
use serde_json::{Map, Value};

/// Spaces to put between tokens, so that a document has some everywhere.
const SPACES: [&str; 4] = ["", " ", "\n  ", "\t"];

#[derive(Debug, Clone)]
enum Doc {
    Leaf(&'static str),
    Array(Vec<Doc>, usize),
    Object(Vec<(&'static str, Doc)>, usize),
}

impl Doc {
    fn print(&self, out: &mut String) {
        let (open, close, space) = match self {
            Self::Leaf(text) => return out.push_str(text),
            Self::Array(_, space) => ('[', ']', SPACES[space % 4]),
            Self::Object(_, space) => ('{', '}', SPACES[space % 4]),
        };
        out.push(open);
        out.push_str(space);
        match self {
            Self::Leaf(_) => {}
            Self::Array(items, _) => {
                for (i, item) in items.iter().enumerate() {
                    out.push_str(if i > 0 { "," } else { "" });
                    out.push_str(space);
                    item.print(out);
                    out.push_str(space);
                }
            }
            Self::Object(members, _) => {
                for (i, (key, item)) in members.iter().enumerate() {
                    out.push_str(if i > 0 { "," } else { "" });
                    out.push_str(space);
                    out.push_str(key);
                    out.push_str(space);
                    out.push(':');
                    out.push_str(space);
                    item.print(out);
                    out.push_str(space);
                }
            }
        }
        out.push(close);
    }
}

/// Keys as tokens, some with escapes; none says the same as another.
const KEYS: [&str; 6] = ["\"a\"", "\"\\u0062\"", "\"c/d\"", "\"e~\\\"f\"", "\"\"", "\"é😀\""];
const NAMES: [&str; 8] = ["a", "b", "c/d", "e~\"f", "", "é😀", "0", "new"];
const LEAVES: [&str; 7] = ["null", "true", "1.50", "-0e10", "\"x,}\\\"]\"", "\"漢\"", "12345678901234567890123"];

fn doc() -> impl Strategy<Value = Doc> {
    let leaf = prop::sample::select(&LEAVES[..]).prop_map(Doc::Leaf);
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            (prop::collection::vec(inner.clone(), 0..4), 0usize..4).prop_map(|(items, space)| Doc::Array(items, space)),
            object(inner),
        ]
    })
}

fn object(inner: impl Strategy<Value = Doc>) -> impl Strategy<Value = Doc> {
    (prop::collection::vec(inner, 0..5), Just(KEYS.to_vec()).prop_shuffle(), 0usize..4)
        .prop_map(|(items, keys, space)| Doc::Object(keys.into_iter().zip(items).collect(), space))
}

fn body() -> impl Strategy<Value = String> {
    (object(doc()), prop::sample::select(&SPACES[..])).prop_map(|(doc, space)| {
        let mut out = space.to_owned();
        doc.print(&mut out);
        out + space
    })
}

fn edit() -> impl Strategy<Value = (Edit, Vec<String>)> {
    let token = prop_oneof![6 => prop::sample::select(&NAMES[..]), 1 => Just("1"), 1 => Just("-")];
    let path = prop::collection::vec(token, 1..4);
    (path, doc(), 0..4, prop::sample::select(&NAMES[..])).prop_map(|(path, value, which, to)| {
        let pointer: String = path.iter().map(|t| format!("/{}", t.replace('~', "~0").replace('/', "~1"))).collect();
        let mut text = String::new();
        value.print(&mut text);
        let edit = match which {
            0 => Edit::set(pointer, text),
            1 => Edit::default(pointer, text),
            2 => Edit::remove(pointer),
            _ => Edit::rename(pointer, to),
        };
        (edit, path.into_iter().map(str::to_owned).collect())
    })
}

/// What an edit means, said on values. `None`: it cannot be.
fn apply(root: &mut Value, edit: &Edit, path: &[String]) -> Option<()> {
    match edit {
        Edit::Set { value, .. } => put(root, path, serde_json::from_slice(value).unwrap(), true),
        Edit::Default { value, .. } => put(root, path, serde_json::from_slice(value).unwrap(), false),
        Edit::Remove { .. } => {
            let (last, parents) = path.split_last().unwrap();
            match parents.iter().try_fold(root, |at, token| child(at, token)) {
                Some(Value::Object(map)) => drop(map.shift_remove(last)),
                Some(Value::Array(items)) => {
                    if let Some(i) = last.parse().ok().filter(|&i: &usize| i < items.len()) {
                        items.remove(i);
                    }
                }
                _ => {}
            }
            Some(())
        }
        Edit::Rename { to, .. } => {
            let (last, parents) = path.split_last().unwrap();
            match parents.iter().try_fold(root, |at, token| child(at, token)) {
                Some(Value::Object(map)) if map.contains_key(last) && to != last => {
                    map.shift_remove(to.as_ref());
                    let renamed = |(key, value)| if key == *last { (to.to_string(), value) } else { (key, value) };
                    *map = std::mem::take(map).into_iter().map(renamed).collect();
                    Some(())
                }
                Some(Value::Array(items)) if to != last => {
                    let found = last.parse().is_ok_and(|i: usize| i < items.len());
                    if found { None } else { Some(()) }
                }
                _ => Some(()),
            }
        }
    }
}

fn child<'a>(at: &'a mut Value, token: &str) -> Option<&'a mut Value> {
    match at {
        Value::Object(map) => map.get_mut(token),
        Value::Array(items) => items.get_mut(token.parse::<usize>().ok()?),
        _ => None,
    }
}

fn put(at: &mut Value, path: &[String], value: Value, overwrite: bool) -> Option<()> {
    let Some((token, rest)) = path.split_first() else {
        if overwrite {
            *at = value;
        }
        return Some(());
    };
    if at.is_null() {
        *at = Value::Object(Map::new());
    }
    if child(at, token).is_some() {
        return put(child(at, token)?, rest, value, overwrite);
    }
    let mut made = Value::Null;
    put(&mut made, rest, value, true)?;
    match at {
        Value::Object(map) => drop(map.insert(token.clone(), made)),
        Value::Array(items) if token == "-" => items.push(made),
        _ => return None,
    }
    Some(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_splice_is_parse_edit_print(body in body(), edits in prop::collection::vec(edit(), 0..5)) {
        let mut expected: Value = serde_json::from_str(&body).unwrap();
        let possible = edits.iter().try_for_each(|(edit, path)| apply(&mut expected, edit, path));
        let edits: Vec<_> = edits.into_iter().map(|(edit, _)| edit).collect();
        match splice(&Bytes::from(body), &edits) {
            Ok(result) => {
                prop_assert!(possible.is_some());
                let printed = result.into_bytes();
                let value: Value = serde_json::from_slice(&printed).unwrap();
                // Values compare without order, their print with it.
                prop_assert_eq!(value.to_string(), expected.to_string());
            }
            Err(error) => prop_assert!(possible.is_none(), "{}", error),
        }
    }

    #[test]
    fn members_not_named_keep_their_bytes(body in body(), value in doc(), which in 0..4usize, name in 0..8usize) {
        let mut text = String::new();
        value.print(&mut text);
        let pointer = format!("/{}", NAMES[name].replace('~', "~0").replace('/', "~1"));
        let edit = [Edit::set(pointer.clone(), text.clone()), Edit::default(pointer.clone(), text),
            Edit::remove(pointer.clone()), Edit::rename(pointer, "new")][which].clone();
        let before = Object::parse(body.as_bytes()).unwrap();
        let result = splice(&Bytes::from(body.clone()), &[edit]).unwrap().into_bytes();
        let after = Object::parse(&result).unwrap();
        for (key, value) in before.entries().filter(|(key, _)| *key != NAMES[name]) {
            prop_assert_eq!(after.get(key).map(|value| value.get()), Some(value.get()));
        }
        // All up to the value or name that the edit changes is as it was, with the space in it.
        if which == 0 && let Some(span) = before.span(NAMES[name]) {
            prop_assert!(result.starts_with(&body.as_bytes()[..span.start]));
            prop_assert!(result.ends_with(&body.as_bytes()[span.end..]));
        }
    }

    #[test]
    fn nothing_makes_the_index_panic(body in "[{}\\[\\]\",:a1é\\\\ \n]{0,40}", edit in edit()) {
        let body = Bytes::from(body);
        let known = Object::parse(&body).is_ok();
        prop_assert!(!known || serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok());
        let _ = splice(&body, &[edit.0]);
    }
}

//! By what a conversation is known again: hashes of its prompt's beginnings, or of its session's name.
//!
//! A turn of a conversation repeats everything before it, so the whole prompt of one request is the beginning of the
//! next: what stands before the model's last answer. The first turn has no such beginning, and so nothing that other
//! conversations could share: a system prompt alone gathers nobody.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use http::{HeaderMap, HeaderName};
use ringmain_core::Marks;
use ringmain_dialects::Turns;
use ringmain_routing::Affinity;
use ringmain_wire::json::{Object, RawValue};
use serde::Deserialize;
use std::borrow::Cow;

static SESSION: HeaderName = HeaderName::from_static("x-ringmain-session");
/// How many of the model's answers are gone back to, where the last is not remembered: a caller may take one back.
const BACK: usize = 2;
/// Told apart from the hashes of prompts.
const SESSIONS: u64 = 0x7365_7373;

/// The marks of a request. A caller that names its session knows better than its prompt what belongs together.
#[must_use]
pub fn marks(affinity: Affinity, turns: Option<&Turns>, object: &Object<'_>, headers: &HeaderMap) -> Marks {
    let session = headers.get(&SESSION).filter(|_| affinity != Affinity::Off);
    match (session, affinity) {
        (Some(name), _) => of_session(name.as_bytes()),
        (None, Affinity::Off | Affinity::Session) => Marks::default(),
        (None, Affinity::Prefix) => turns.map(|turns| of_prompt(turns, object)).unwrap_or_default(),
    }
}

fn of_session(name: &[u8]) -> Marks {
    let mut hasher = FixedState::with_seed(SESSIONS).build_hasher();
    hasher.write(name);
    let mark = hasher.finish();
    Marks { earlier: vec![mark], own: Some(mark) }
}

/// What tells the model's turns from others.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, default)]
    role: Option<Cow<'a, str>>,
    #[serde(rename = "type", borrow, default)]
    kind: Option<Cow<'a, str>>,
}

/// The role of an item that begins with it, as nearly all do: the rest of it need not be read.
fn first_role(item: &str) -> Option<&str> {
    let rest = item.strip_prefix('{')?.trim_start().strip_prefix("\"role\"")?;
    let (role, _) = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?.split_once('"')?;
    (!role.contains('\\')).then_some(role)
}

fn of_prompt(turns: &Turns, object: &Object<'_>) -> Marks {
    let mut hasher = FixedState::default().build_hasher();
    for before in turns.before {
        hasher.write(object.get(before).map_or(&b""[..], |value| value.get().as_bytes()));
    }
    let Some(list) = object.get(turns.list) else { return Marks::default() };
    let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(list.get()) else {
        // A single text in place of a list.
        hasher.write(list.get().as_bytes());
        return Marks { earlier: Vec::new(), own: Some(hasher.finish()) };
    };
    let by_model = |item: &RawValue| {
        if let Some(role) = first_role(item.get()) {
            return turns.by_model.contains(&role);
        }
        let Ok(head) = serde_json::from_str::<Head<'_>>(item.get()) else { return false };
        let says = |word: &Option<Cow<'_, str>>| word.as_deref().is_some_and(|word| turns.by_model.contains(&word));
        says(&head.role) || (head.role.is_none() && says(&head.kind))
    };
    // An answer may be several items in a row: it begins with the first of them.
    let mut ends = Vec::with_capacity(BACK);
    let mut later = false;
    for (at, item) in items.iter().enumerate().rev() {
        let is_answer = by_model(item);
        if later && !is_answer {
            ends.push(at + 1);
            if ends.len() == BACK {
                break;
            }
        }
        later = is_answer;
    }
    let mut earlier = Vec::with_capacity(ends.len());
    for (at, item) in items.iter().enumerate() {
        if ends.contains(&at) {
            earlier.push(hasher.finish());
        }
        hasher.write(item.get().as_bytes());
    }
    earlier.reverse();
    Marks { earlier, own: Some(hasher.finish()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAT: Turns = Turns { before: &["system"], list: "messages", by_model: &["assistant", "function_call"] };

    fn marked(body: &str) -> Marks {
        marks(Affinity::Prefix, Some(&CHAT), &Object::parse(body.as_bytes()).unwrap(), &HeaderMap::new())
    }

    #[test]
    fn a_turn_finds_the_one_before() {
        let first = marked(r#"{"system":"be kind","messages":[{"role":"user","content":"hi"}]}"#);
        assert!(first.earlier.is_empty());
        let second = marked(
            r#"{"system":"be kind", "messages": [ {"role":"user","content":"hi"}, {"role":"assistant","content":"yes?"},{"role":"user","content":"how"} ]}"#,
        );
        assert_eq!(second.earlier, [first.own.unwrap()]);
        let third = marked(
            r#"{"system":"be kind","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"yes?"},{"role":"user","content":"how"},{"type":"function_call","name":"f"},{"role":"assistant","content":""},{"role":"tool","content":"5"}]}"#,
        );
        assert_eq!(third.earlier, [second.own.unwrap(), first.own.unwrap()], "an answer of two items is one answer");
    }

    #[test]
    fn a_role_is_found_wherever_it_stands() {
        let second = |answer: &str| {
            let first = r#"{"role":"user","content":"hi"}"#;
            marked(&format!(r#"{{"messages":[{first},{answer},{first}]}}"#)).earlier.len()
        };
        for answer in [
            r#"{"role":"assistant","content":"yes"}"#,
            r#"{ "role" : "assistant" , "content": "yes" }"#,
            r#"{"content":"yes","role":"assistant"}"#,
            r#"{"role":"assi\u0073tant","content":"yes"}"#,
        ] {
            assert_eq!(second(answer), 1, "{answer}");
        }
        for other in
            [r#"{"role":"user","content":"\"role\":\"assistant\""}"#, r#"{"role":7}"#, r#"{"role":"tool"}"#, "{}"]
        {
            assert_eq!(second(other), 0, "{other}");
        }
    }

    #[test]
    fn others_are_others() {
        let own = |body: &str| marked(body).own.unwrap();
        let hi = own(r#"{"system":"be kind","messages":[{"role":"user","content":"hi"}]}"#);
        for other in [
            r#"{"system":"be kind","messages":[{"role":"user","content":"ho"}]}"#,
            r#"{"system":"be rude","messages":[{"role":"user","content":"hi"}]}"#,
            r#"{"messages":[{"role":"user","content":"hi"}]}"#,
            r#"{"system":"be kind","messages":"hi"}"#,
        ] {
            assert_ne!(own(other), hi, "{other}");
        }
        assert_eq!(marked("{}"), Marks::default());
        assert_eq!(marked(r#"{"messages":[1,null,[]]}"#).earlier, Vec::<u64>::new());
    }

    #[test]
    fn a_session_is_its_name() {
        let mut headers = HeaderMap::new();
        let object = Object::parse(b"{}").unwrap();
        assert_eq!(marks(Affinity::Session, Some(&CHAT), &object, &headers), Marks::default());
        headers.insert(&SESSION, "a".parse().unwrap());
        let marked = marks(Affinity::Session, None, &object, &headers);
        assert_eq!(marked.earlier, [marked.own.unwrap()]);
        assert_eq!(marks(Affinity::Prefix, Some(&CHAT), &object, &headers), marked);
        assert_eq!(marks(Affinity::Off, Some(&CHAT), &object, &headers), Marks::default());
    }
}

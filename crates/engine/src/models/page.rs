//! Pages of the list, as each vendor cuts them. The list is sorted by name, and a page is found by the name before it: it
//! stays right when the rules change between two pages.

use std::collections::BTreeMap;
use std::ops::Bound;

use ringmain_core::Dialect;
use serde_json::{Value, json};

use super::{Entry, shapes};

/// The longest page.
const MOST: usize = 1000;

/// The query of a URL, decoded.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn of(query: Option<&str>) -> Self {
        Self(form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// A number of at least 1; above the longest page, the longest page. Who names none gets that too: the list is short, and
    /// not every SDK asks for a second page.
    fn size(&self, name: &str) -> Result<usize, String> {
        let Some(text) = self.get(name) else { return Ok(MOST) };
        // Cohere's SDK writes it as a decimal fraction.
        let size = text.strip_suffix(".0").unwrap_or(text).parse::<usize>().ok().filter(|size| *size > 0);
        size.map(|size| size.min(MOST)).ok_or_else(|| format!("{name}: expected a whole number from 1 to {MOST}"))
    }
}

type Listed = BTreeMap<String, Entry>;

/// The list, or a page of it.
///
/// # Errors
/// What is wrong with the query.
pub(super) fn list(dialect: Dialect, listed: Listed, query: &Query) -> Result<Value, String> {
    match dialect {
        Dialect::AnthropicMessages => anthropic(&listed, query),
        Dialect::Gemini => {
            let (page, next) = after(&listed, query.get("pageToken"), query.size("pageSize")?);
            Ok(with_token(json!({ "models": values(dialect, &page) }), "nextPageToken", next))
        }
        Dialect::CohereV2 => {
            let wanted = query.get("endpoint");
            let fits = |entry: &Entry| wanted.is_none_or(|wanted| shapes::endpoint(entry) == Some(wanted));
            let listed: Listed = listed.into_iter().filter(|(_, entry)| fits(entry)).collect();
            let (page, next) = after(&listed, query.get("page_token"), query.size("page_size")?);
            Ok(with_token(json!({ "models": values(dialect, &page) }), "next_page_token", next))
        }
        Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::BedrockConverse => {
            let all: Vec<_> = listed.iter().collect();
            Ok(json!({ "object": "list", "data": values(dialect, &all) }))
        }
    }
}

fn anthropic(listed: &Listed, query: &Query) -> Result<Value, String> {
    let size = query.size("limit")?;
    let (page, has_more) = match (query.get("before_id"), query.get("after_id")) {
        (Some(_), Some(_)) => return Err("before_id: cannot be together with after_id".to_owned()),
        (Some(before), None) => {
            let mut page: Vec<_> =
                listed.range::<str, _>((Bound::Unbounded, Bound::Excluded(before))).rev().take(size + 1).collect();
            let has_more = page.len() > size;
            page.truncate(size);
            page.reverse();
            (page, has_more)
        }
        (None, from) => {
            let (page, next) = after(listed, from, size);
            (page, next.is_some())
        }
    };
    let id = |entry: Option<&(&String, &Entry)>| entry.map(|(id, _)| (*id).clone());
    let (first, last) = (id(page.first()), id(page.last()));
    let data = values(Dialect::AnthropicMessages, &page);
    Ok(json!({ "data": data, "has_more": has_more, "first_id": first, "last_id": last }))
}

/// Up to `size` entries behind this name, and the name of the last if there are more.
fn after<'a>(listed: &'a Listed, name: Option<&str>, size: usize) -> (Vec<(&'a String, &'a Entry)>, Option<String>) {
    let from = name.map_or(Bound::Unbounded, Bound::Excluded);
    let mut page: Vec<_> = listed.range::<str, _>((from, Bound::Unbounded)).take(size + 1).collect();
    let more = page.len() > size;
    page.truncate(size);
    let next = page.last().filter(|_| more).map(|(id, _)| (*id).clone());
    (page, next)
}

fn values(dialect: Dialect, page: &[(&String, &Entry)]) -> Vec<Value> {
    page.iter().map(|(id, entry)| shapes::one(dialect, id, entry)).collect()
}

fn with_token(mut list: Value, name: &str, next: Option<String>) -> Value {
    if let Some(next) = next {
        list[name] = next.into();
    }
    list
}

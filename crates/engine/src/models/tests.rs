//! What is listed, and in which pages.

use std::collections::BTreeMap;
use std::sync::Arc;

use ringmain_catalog::Catalog;
use ringmain_config::Sources;
use serde_json::Value;

use super::*;

struct Keys;

impl Sources for Keys {
    fn var(&self, name: &str) -> Option<String> {
        matches!(name, "OPENAI_API_KEY" | "ANTHROPIC_API_KEY" | "COHERE_API_KEY").then(|| "sk-test".to_owned())
    }

    fn file(&self, _: &str) -> Result<String, String> {
        Err("there are no files here".to_owned())
    }
}

fn config() -> Config {
    ringmain_config::from_environment(&Keys, &Catalog::embedded().unwrap()).config.unwrap()
}

fn page(dialect: Dialect, query: &str) -> Value {
    let listed = all(&config()).into_iter().filter(|(_, entry)| shapes::shows(dialect, entry)).collect();
    page::list(dialect, listed, &Query::of(Some(query))).unwrap()
}

fn ids(list: &Value, field: &str, name: &str) -> Vec<String> {
    list[field].as_array().unwrap().iter().map(|model| model[name].as_str().unwrap().to_owned()).collect()
}

#[test]
fn routes_and_models_with_their_facts() {
    let all = all(&config());
    let sonnet = &all["anthropic/claude-sonnet-4-5"];
    assert_eq!((sonnet.owner.as_str(), sonnet.kind, sonnet.output), ("anthropic", Some(ModelKind::Chat), Some(64_000)));
    let smart = &all["smart"];
    assert_eq!((smart.owner.as_str(), smart.kind), (OURS, Some(ModelKind::Chat)));
    assert!(smart.context >= sonnet.context, "the largest of its targets");
    assert!(all.contains_key("cohere/embed-v4.0") && all.contains_key("embed"));
    // The chat API of these providers has no models that speak.
    assert!(!all.keys().any(|name| name.starts_with("cohere/") && name.contains("tts")));
}

#[test]
fn each_dialect_sees_what_it_can_use() {
    let openai = ids(&page(Dialect::OpenAiChat, ""), "data", "id");
    assert!(
        ["openai/gpt-4o", "cohere/embed-v4.0", "smart", "image"].iter().all(|id| openai.contains(&(*id).to_owned()))
    );
    let anthropic = ids(&page(Dialect::AnthropicMessages, "limit=1000"), "data", "id");
    assert!(anthropic.contains(&"openai/gpt-4o".to_owned()) && !anthropic.contains(&"image".to_owned()));
    let gemini = ids(&page(Dialect::Gemini, "pageSize=1000"), "models", "name");
    assert!(gemini.contains(&"models/openai/gpt-4o".to_owned()) && !gemini.contains(&"models/embed".to_owned()));
    let rerankers = page(Dialect::CohereV2, "endpoint=rerank");
    assert!(ids(&rerankers, "models", "name").iter().all(|name| name.contains("rerank")), "{rerankers}");
}

/// Follows the pages to the end.
fn follow(dialect: Dialect, field: &str, name: &str, next: &dyn Fn(&Value) -> Option<String>) -> Vec<String> {
    let (mut all, mut query) = (Vec::new(), String::new());
    for _ in 0..200 {
        let list = page(dialect, &query);
        all.extend(ids(&list, field, name));
        match next(&list) {
            Some(more) => query = more,
            None => return all,
        }
    }
    panic!("no last page")
}

#[test]
fn pages_in_a_row_are_the_whole_list() {
    let escaped = |value: &Value| value.as_str().map(|text| text.replace('/', "%2F"));
    let anthropic = follow(Dialect::AnthropicMessages, "data", "id", &|list| {
        let more = list["has_more"].as_bool().unwrap();
        more.then(|| format!("limit=7&after_id={}", escaped(&list["last_id"]).unwrap()))
    });
    assert_eq!(anthropic, ids(&page(Dialect::AnthropicMessages, "limit=1000"), "data", "id"));
    let gemini = follow(Dialect::Gemini, "models", "name", &|list| {
        Some(format!("pageSize=9&pageToken={}", escaped(&list["nextPageToken"])?))
    });
    assert_eq!(gemini, ids(&page(Dialect::Gemini, "pageSize=1000"), "models", "name"));
    let cohere = follow(Dialect::CohereV2, "models", "name", &|list| {
        Some(format!("page_size=11.0&page_token={}", escaped(&list["next_page_token"])?))
    });
    assert_eq!(cohere, ids(&page(Dialect::CohereV2, "page_size=1000"), "models", "name"));
    let back = page(Dialect::AnthropicMessages, &format!("limit=3&before_id={}", anthropic[5].replace('/', "%2F")));
    assert_eq!(ids(&back, "data", "id"), anthropic[2..5]);
    assert_eq!(back["has_more"], true);
}

#[test]
fn a_page_that_cannot_be_is_refused() {
    for query in ["limit=0", "limit=x", "before_id=a&after_id=b"] {
        let refused = page::list(Dialect::AnthropicMessages, BTreeMap::new(), &Query::of(Some(query)));
        assert!(refused.is_err(), "{query}");
    }
}

#[test]
fn one_model_by_any_of_its_names() {
    let config = config();
    let find = |id: &str| one(&config, &Caller::Anyone, Dialect::OpenAiChat, id);
    for (id, owner) in [("openai/gpt-4o", "openai"), ("gpt-4o", "openai"), ("embed", OURS), ("embed-v4.0", "cohere")] {
        assert_eq!(find(id).unwrap().owner, owner, "{id}");
    }
    assert_eq!(find("gpt-4o").unwrap().kind, Some(ModelKind::Chat));
    let fault = find("gpt-4p").unwrap_err();
    assert_eq!(fault.status, Some(404));
    assert!(fault.message.contains("gpt-4o"), "{}", fault.message);
}

#[test]
fn a_key_sees_what_it_may_ask_for() {
    let rules = "
providers: { openai: { keys: [sk-openai-one] } }
routes: [{ name: text, match: { operation: chat, model: [gpt-4*] }, targets: [openai/gpt-4o] }]
keys:
  - { name: both, key: virtual-both-key, models: [gpt-4o], routes: [text] }
  - { name: models, key: virtual-models-key, models: [gpt-4o] }
  - { name: routes, key: virtual-routes-key, routes: [text] }
";
    let config = ringmain_config::load(rules, &Keys, &Catalog::embedded().unwrap()).config.unwrap();
    let ring = crate::keys::Keyring::of(&config, &ringmain_state::KeySet::default());
    let caller = |name: &str| Caller::Key(Arc::clone(ring.keys().find(|key| &*key.name.name == name).unwrap()));
    let names = |name: &str| listed(&config, &caller(name), Dialect::OpenAiChat).into_keys().collect::<Vec<_>>();
    // By the name of its provider it would go past the route.
    assert_eq!(names("both"), ["gpt-4o"]);
    assert_eq!(names("models"), ["openai/gpt-4o"]);
    assert_eq!(names("routes"), ["text"]);
    let find = |name: &str, id: &str| one(&config, &caller(name), Dialect::OpenAiChat, id);
    assert_eq!(find("both", "gpt-4o").unwrap().owner, "openai");
    for id in ["openai/gpt-4o", "text", "gpt-4o-mini"] {
        assert_eq!(find("both", id).unwrap_err().status, Some(404), "{id}");
    }
}

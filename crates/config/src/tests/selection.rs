//! Which targets a request gets.

use ringmain_core::{Operation, RequestFacts};

use super::{config, facts};
use crate::{Config, Via};

const TEXT: &str = "
providers:
  openai: { keys: ['${OPENAI_API_KEY}'] }
  anthropic: { keys: ['${ANTHROPIC_API_KEY}'] }
  together: { keys: ['${AZURE_EU_KEY}'] }
  eu: { kind: azure-openai, base_url: 'https://eu.example.com', keys: ['${AZURE_EU_KEY}'] }
routes:
  - { name: gold, match: { header.X-Team: gold*, operation: chat }, targets: [anthropic/claude-sonnet-4-5] }
  - { name: tagged, match: { tag.env: [dev, test] }, targets: [openai/o3] }
  - { name: long, match: { operation: chat, tokens: '> 50k' }, targets: [openai/gpt-4o] }
  - { name: streams, match: { stream: true, model: live-* }, targets: [openai/gpt-4o] }
  - { name: keyed, match: { key: team }, targets: [openai/gpt-4o] }
  - { name: images, match: { operation: images }, targets: [openai/dall-e-3] }
  - { name: text, match: { operation: chat, model: [text, gpt-4*] }, targets: [openai/gpt-4o] }
  - { name: fast, targets: [openai/gpt-4o-mini] }
";

fn pick(config: &Config, facts: &RequestFacts, team: Option<&'static str>) -> String {
    let header = |name: &str| if name == "x-team" { team } else { None };
    match config.select(facts, &header) {
        Ok(selection) => {
            let provider = |at: usize| config.providers[at].name.clone();
            let targets: Vec<_> =
                selection.targets.iter().map(|t| format!("{}/{}", provider(t.provider), t.model)).collect();
            format!("{}: {}", selection.route, targets.join(" "))
        }
        Err(error) => error.to_string(),
    }
}

#[test]
fn names_and_routes() {
    let config = config(TEXT);
    use Operation::{Chat, CountTokens, Embeddings, Images};
    let table = [
        (Chat, "text", "text: openai/gpt-4o"),
        (Chat, "gpt-4-turbo", "text: openai/gpt-4o"),
        (CountTokens, "gpt-4-turbo", "text: openai/gpt-4o"),
        (Embeddings, "text", "text: openai/gpt-4o"),
        (Images, "gpt-4o", "images: openai/dall-e-3"),
        (Chat, "images", "images: openai/dall-e-3"),
        (Chat, "keyed", "keyed: openai/gpt-4o"),
        (Chat, "live-1", "nothing here serves the model `live-1`"),
        (Chat, "openai/gpt-4o", "direct: openai/gpt-4o"),
        (Chat, "openai%2Fnew-model", "direct: openai/new-model"),
        (Chat, "together/meta-llama/Llama-3.3-70B", "direct: together/meta-llama/Llama-3.3-70B"),
        (Chat, "meta-llama/Llama-3.3-70B", "catalog: together/meta-llama/Llama-3.3-70B"),
        (Chat, "llama-3.3", "catalog: together/meta-llama/Llama-3.3-70B"),
        (Chat, "together/llama-3.3", "direct: together/meta-llama/Llama-3.3-70B"),
        (Chat, "claude-sonnet-4-5-20250929", "catalog: anthropic/claude-sonnet-4-5-20250929"),
        (Embeddings, "gpt-4o-2024-08-06", "catalog"),
        (Chat, "o3", "catalog: openai/o3"),
        (Chat, "fast", "fast: openai/gpt-4o-mini"),
        (Chat, "smart", "smart: openai/gpt-4o anthropic/claude-sonnet-4-5 openai/o3"),
        (
            Chat,
            "clade-sonnet-4-5",
            "nothing here serves the model `clade-sonnet-4-5`; the nearest names are `claude-sonnet-4-5",
        ),
        (Chat, "openai/../../files", "nothing here serves the model `openai/../../files`"),
        (Chat, "openai/a%2F.%2Fb", "nothing here serves the model `openai/a/./b`"),
        (Chat, "openai/gpt-4..o", "direct: openai/gpt-4..o"),
        (Chat, "anthropic/", "nothing here serves the model `anthropic/`"),
        (
            Chat,
            "openai-compatible/x",
            "the provider `openai-compatible` of the model `openai-compatible/x` is not configured",
        ),
        (
            Chat,
            "stable-image-core",
            "the model `stable-image-core` is served by stability, and none of them is configured",
        ),
        (Chat, "dall-e-3", "the model `dall-e-3` does not do chat"),
        (Chat, "", "the request names no model"),
    ];
    for (operation, model, expected) in table {
        let got = pick(&config, &facts(operation, model), None);
        if expected == "catalog" {
            assert_eq!(got, "the model `gpt-4o-2024-08-06` does not do embeddings");
        } else {
            assert!(got.starts_with(expected), "{model}: {got}");
        }
    }
}

#[test]
fn a_model_goes_to_everyone_who_serves_it() {
    let config = config(
        "
providers:
  eu: { kind: azure-openai, base_url: 'https://eu.example.com', keys: ['${AZURE_EU_KEY}'] }
  openai: { keys: ['${OPENAI_API_KEY}'] }
",
    );
    assert_eq!(pick(&config, &facts(Operation::Chat, "gpt-4o"), None), "catalog: eu/gpt-4o openai/gpt-4o");
}

#[test]
fn conditions() {
    let config = config(TEXT);
    let mut request = facts(Operation::Chat, "gpt-4o");
    assert!(pick(&config, &request, Some("golden")).starts_with("gold:"));
    assert!(pick(&config, &request, Some("silver")).starts_with("text:"));
    request.input_tokens = 50_001;
    assert!(pick(&config, &request, None).starts_with("long:"));
    request.tags = vec![("env".to_owned(), "dev".to_owned())];
    assert!(pick(&config, &request, None).starts_with("tagged:"));
    let mut live = facts(Operation::Chat, "live-1");
    live.stream = true;
    assert!(pick(&config, &live, None).starts_with("streams:"));
}

#[test]
fn why() {
    let config = config(TEXT);
    let request = facts(Operation::Chat, "gpt-4o");
    let selection = config.select(&request, &|_| None).unwrap();
    assert_eq!(&*selection.why, "route `text`: operation is chat and model is `text` or like `gpt-4*`");
    assert_eq!(selection.via, Via::Route(6));
    let direct = config.select(&facts(Operation::Chat, "openai/x"), &|_| None).unwrap();
    assert_eq!((direct.via, &*direct.route), (Via::Direct, "direct"));
    let considered = config.considered(&request, &|_| None);
    let said: Vec<_> = considered.iter().map(|route| (&*route.route, route.takes)).collect();
    assert_eq!(said.last(), Some(&("text", true)));
    assert_eq!(considered[2].conditions[1].text, "input has more than 50000 tokens; it has about 100");
    assert!(!considered[2].conditions[1].holds);
}

#[test]
fn what_is_passed_through_goes_to_one_provider() {
    let config = config(TEXT);
    let passed = config.passed_to("openai").unwrap();
    assert_eq!((&*passed.route, passed.targets.len(), &*passed.targets[0].model), ("passthrough", 1, "passthrough"));
    assert_eq!((passed.settings.timeouts.race_after, passed.settings.hedge), (None, None));
    assert_eq!(&*passed.why, "the request's path names the provider `openai`");
    assert!(config.passed_to("nobody").is_none());
}

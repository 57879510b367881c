//! Models under names of the operator's own.

use ringmain_core::Operation;

use super::{config, env, facts, lines, read};
use crate::Config;

const TEXT: &str = "
providers:
  openai: { keys: ['${OPENAI_API_KEY}'], models: { gpt-4o: { price: { input: $2, output: $8 } } } }
  eu:
    kind: azure-openai
    base_url: https://eu.example.com
    keys: ['${AZURE_EU_KEY}']
    models:
      our-deployment: gpt-4o
      arn:aws:x/y: { is: anthropic/claude-sonnet-4-5 }
      free: { price: { input: $0 } }
      pictures: openai/dall-e-3
";

/// `entry, input price, family`
fn known(config: &Config, provider: &str, name: &str) -> String {
    let (_, provider) = config.provider(provider).unwrap();
    let known = provider.knows(&config.catalog, name);
    let model = known.model.map_or("-", |model| &model.name);
    let price = known.price.and_then(|price| Some(price.tokens?.input.as_dollars()));
    format!("{model}, {price:?}, {}", known.family)
}

#[test]
fn are_what_is_said_of_them() {
    let config = config(TEXT);
    let table = [
        ("eu", "our-deployment", "gpt-4o, None, gpt-4o"),
        ("eu", "arn:aws:x/y", "claude-sonnet-4-5, None, claude-sonnet-4-5"),
        // What it can is not known: that is not nothing.
        ("eu", "free", "-, Some(0.0), free"),
        ("eu", "gpt-4o", "gpt-4o, None, gpt-4o"),
        ("eu", "other", "-, None, other"),
        ("openai", "gpt-4o", "gpt-4o, Some(2.0), gpt-4o"),
        ("openai", "our-deployment", "-, None, our-deployment"),
    ];
    for (provider, name, expected) in table {
        assert_eq!(known(&config, provider, name), expected, "{provider}/{name}");
    }
}

#[test]
fn are_found_by_their_names() {
    let config = config(TEXT);
    let asked = |operation, model: &str| match config.select(&facts(operation, model), &|_| None) {
        Ok(found) => format!("{}/{}", config.providers[found.targets[0].provider].name, found.targets[0].model),
        Err(none) => none.to_string(),
    };
    assert_eq!(asked(Operation::Chat, "our-deployment"), "eu/our-deployment");
    assert_eq!(asked(Operation::Chat, "free"), "eu/free");
    assert_eq!(asked(Operation::Images, "pictures"), "eu/pictures");
    assert_eq!(asked(Operation::Chat, "pictures"), "the model `pictures` does not do chat");
    let near = asked(Operation::Chat, "our-deploymnt");
    assert!(near.contains("the nearest names are `our-deployment`"), "{near}");
}

#[test]
fn of_a_target_nothing_is_unknown() {
    let routes = "routes: [{ name: r, targets: [eu/our-deployment, eu/other], shift: { when: mean(cost) > $1 } }]";
    let loaded = read(&format!("{TEXT}{routes}"), &env());
    let said = lines(&loaded);
    let [unknown, dear, other] = said.as_slice() else { panic!("{said:#?}") };
    assert!(unknown.contains("does not know the model `other` at `eu`"), "{unknown}");
    assert!(unknown.ends_with("say so under `providers.eu.models`"), "{unknown}");
    assert!(dear.contains("the price of `eu/our-deployment` is not known"), "{dear}");
    assert!(other.contains("the price of `eu/other` is not known"), "{other}");
}

#[test]
fn what_is_wrong_is_said() {
    let table = [
        ("d: gpt-4oo", "E RM0010 1:66 the catalog does not know the model `gpt-4oo` | did you mean `gpt-4o`?"),
        ("d: {}", "E RM0005 1:66 `providers.openai.models.d` says nothing of the model | write what it is"),
        ("d:", "E RM0005 1:63 `providers.openai.models.d` says nothing of the model"),
        ("d: { price: {} }", "E RM0005 1:75 `providers.openai.models.d.price` is empty"),
        ("d: { price: { output: $1 } }", "E RM0005 1:85 `providers.openai.models.d.price.output` has no `input`"),
        ("d: { price: { input: many } }", "E RM0004 1:84 `many` is not"),
        ("d: [gpt-4o]", "E RM0004 1:66 `providers.openai.models.d` takes"),
    ];
    for (models, expected) in table {
        let text = format!("providers: {{ openai: {{ keys: ['${{OPENAI_API_KEY}}'], models: {{ {models} }} }} }}");
        let said = lines(&read(&text, &env()));
        assert!(said.len() == 1 && said[0].starts_with(expected), "{models}: {said:#?}");
    }
}

#[test]
fn a_limit_in_dollars_needs_prices() {
    let routes =
        "routes: [{ name: a, targets: [eu/our-deployment, eu/free] }, { name: b, targets: [openai/gpt-4o] }]\n";
    let said = |keys: &str| {
        lines(&read(&format!("{TEXT}{routes}keys: [{{ name: k, key: '${{AZURE_EU_KEY}}', {keys} }}]"), &env()))
    };
    let [warning] = &said("limits: [9 requests/day, $5/day]")[..] else { panic!() };
    let expected =
        "W RM0016 14:68 `$5/day` does not hold at `eu/our-deployment`: no price is known there | write it under";
    assert!(warning.starts_with(expected), "{warning}");
    assert_eq!(said("routes: [b], limits: $5/day"), Vec::<String>::new());
    assert_eq!(said("limits: 9 requests/day"), Vec::<String>::new());
}

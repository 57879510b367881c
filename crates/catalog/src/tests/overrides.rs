//! An operator's files, and what is said about wrong ones.

use crate::Catalog;
use crate::load::{Loader, Written};

const ACME: &str = "\
name: Acme
base_url: https://acme.example/v1
env: [ACME_API_KEY]
auth: bearer
endpoints:
  - { operation: chat, dialect: openai-chat, path: /chat/completions }
pools: { smart: [rocket] }
";

const ACME_MODELS: &str = "\
as_of: 2026-11-01
source: https://acme.example/prices
models:
  - name: rocket
    aliases: [rocket-latest]
    price: { input: 1.5, output: 3 }
";

#[test]
fn an_operator_adds_and_replaces() {
    let mine = "
as_of: 2026-11-01
source: our contract
models:
  - name: gpt-4o
    price: { input: 1, output: 4 }
";
    let files = [("providers/acme.yaml", ACME), ("etc/models/acme.yaml", ACME_MODELS), ("models/openai.yaml", mine)];
    let catalog = Catalog::with_overrides(files).unwrap();
    assert_eq!(catalog.provider("acme").unwrap().pools.smart, ["rocket"]);
    assert_eq!(catalog.model("acme", "rocket-latest").unwrap().name, "rocket");
    assert_eq!(catalog.model("openai", "gpt-4o-2024-08-06").unwrap().source, "our contract");
    assert_eq!(catalog.models_of("openai").filter(|model| model.name == "gpt-4o").count(), 1);
    assert!(catalog.model("openai", "gpt-4o-mini").is_some());
}

#[test]
fn every_problem_at_once_with_its_place() {
    let provider = "\
name: Bad
base_url: ftp://bad.example
auth: bearer
endpoints:
  - { operation: chatt, dialect: openai-chat, path: /chat }
  - { operation: chat, path: chat }
quirks: { remove: [temperature] }
errors: [{ class: billing }]
pools: { smart: [nothing] }
";
    let models = "\
as_of: 2026-13-01
source: https://bad.example
models:
  - { name: a, kind: chat, price: { output: 1 } }
  - { name: b, aliases: [a], can: [telepathy], limits: { context: 10, output: 20 } }
";
    let files = [
        ("providers/bad.yaml", provider),
        ("models/bad.yaml", models),
        ("models/orphan.yaml", ACME_MODELS),
        ("providers/typo.yaml", "name: Typo\nbase_ur: x\nauth: bearer\n"),
        ("README.md", ""),
        ("other/x.yaml", ""),
    ];
    let problems = Catalog::with_overrides(files).unwrap_err();
    let lines: Vec<_> = problems.0.iter().map(ToString::to_string).collect();
    let expected = [
        "README.md: a catalog file's name ends in `.yaml`",
        "models/bad.yaml:1:8: `2026-13-01` is not a date",
        "models/bad.yaml:4:35: a price by the token begins with `input`",
        "models/bad.yaml:5:13: `b` cannot answer 20 tokens in a window of 10",
        "models/bad.yaml:5:26: `a` of `bad` is already the name of `a`",
        "models/bad.yaml:5:36: unknown word `telepathy`; one of: tools,",
        "models/orphan.yaml: there is no provider `orphan`",
        "other/x.yaml: a catalog file is in a folder",
        "providers/bad.yaml:2:11: `ftp://bad.example` is not an http(s) URL",
        "providers/bad.yaml:5:18: unknown word `chatt`; one of: chat,",
        "providers/bad.yaml:6:18: a chat endpoint says its `dialect`",
        "providers/bad.yaml:6:30: `chat` is not a path",
        "providers/bad.yaml:7:20: `temperature` is not a JSON pointer",
        "providers/bad.yaml:8:19: an error rule says a `code`",
        "providers/bad.yaml:9:18: `models/bad.yaml` has no model `nothing`",
        "providers/typo.yaml:2:1: ",
    ];
    assert_eq!(lines.len(), expected.len(), "{problems}");
    for (line, start) in lines.iter().zip(expected) {
        assert!(line.starts_with(start), "{line}\ninstead of\n{start}");
    }
    assert!(lines.iter().any(|line| line.contains("base_ur")), "{problems}");
}

#[test]
fn text_that_is_no_yaml_is_a_problem() {
    for text in ["", "\u{0}", "[", "a: b: c", "- 1", "name: {{{", "models: &a [*a]"] {
        for name in ["providers/x.yaml", "models/x.yaml"] {
            let mut loader = Loader::default();
            loader.read(name, Written::Yaml(text));
            assert!(loader.finish().is_err(), "{name} {text:?}");
        }
    }
}

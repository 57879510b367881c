//! What the whole crate promises: texts in, configurations and problems out.

mod contract;
mod google;
mod models;
mod problems;
mod random;
mod secrets;
mod selection;
mod strategies;
mod topology;
mod words;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use ringmain_catalog::Catalog;
use ringmain_core::{Capabilities, Dialect, Marks, Operation, RequestFacts};

use crate::{Config, Loaded, Severity, Sources, load};

/// An environment and files from tables.
#[derive(Default)]
struct Table {
    vars: HashMap<String, String>,
    files: HashMap<String, String>,
}

impl Table {
    fn vars(vars: &[(&str, &str)]) -> Self {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self { vars: vars.iter().map(own).collect(), files: HashMap::new() }
    }
}

impl Sources for Table {
    fn var(&self, name: &str) -> Option<String> {
        self.vars.get(name).cloned()
    }

    fn file(&self, path: &str) -> Result<String, String> {
        self.files.get(path).cloned().ok_or_else(|| "no such file".to_owned())
    }
}

const KEYS: &[(&str, &str)] = &[
    ("OPENAI_API_KEY", "openai-secret-1"),
    ("OPENAI_KEY_2", "openai-secret-2"),
    ("ANTHROPIC_API_KEY", "anthropic-secret"),
    ("STABILITY_API_KEY", "stability-secret"),
    ("AZURE_EU_KEY", "azure-secret"),
];

fn env() -> Table {
    Table::vars(KEYS)
}

/// A catalog that does not change with the catalog's files.
fn catalog() -> Arc<Catalog> {
    static CATALOG: OnceLock<Arc<Catalog>> = OnceLock::new();
    CATALOG.get_or_init(fixture).clone()
}

fn fixture() -> Arc<Catalog> {
    const CHAT: &str = "endpoints: [{ operation: chat, dialect: openai-chat, path: /chat/completions }]\n";
    let provider = |rest: &str| format!("{rest}{CHAT}");
    let files = [
        ("fixture/providers/openai.yaml", provider("name: OpenAI\nbase_url: https://api.openai.com/v1\nbase_url_env: [OPENAI_BASE_URL]\nenv: [OPENAI_API_KEY]\nauth: bearer\nhealth_path: /models\npools: { smart: [gpt-4o, o3], fast: [gpt-4o-mini], image: [dall-e-3] }\n")),
        ("fixture/providers/anthropic.yaml", "name: Anthropic\nbase_url: https://api.anthropic.com\nbase_url_env: [ANTHROPIC_BASE_URL]\nenv: [ANTHROPIC_API_KEY]\nauth: { header: x-api-key }\nendpoints: [{ operation: chat, dialect: anthropic-messages, path: /v1/messages }]\npools: { smart: [claude-sonnet-4-5] }\n".to_owned()),
        ("fixture/providers/stability.yaml", provider("name: Stability\nbase_url: https://api.stability.ai\nenv: [STABILITY_API_KEY]\nauth: bearer\n")),
        ("fixture/providers/together.yaml", provider("name: Together\nbase_url: https://api.together.xyz/v1\nenv: [TOGETHER_API_KEY]\nauth: bearer\n")),
        ("fixture/providers/azure-openai.yaml", provider("name: Azure OpenAI\nenv: [AZURE_OPENAI_API_KEY]\nauth: { header: api-key }\n")),
        ("fixture/providers/openai-compatible.yaml", provider("name: OpenAI-compatible\nkey_optional: true\nauth: bearer\n")),
        ("fixture/providers/bedrock.yaml", provider("name: Bedrock\nauth: aws-sigv4\nunavailable: requests cannot be signed for AWS yet\n")),
        ("fixture/models/openai.yaml", "as_of: 2026-07-02\nsource: https://example.com/a\nmodels:\n  - { name: gpt-4o, limits: { context: 128000 }, can: [tools, vision] }\n  - { name: gpt-4o-mini }\n  - { name: o3, limits: { context: 200000 }, can: [reasoning], reasons_by_default: true }\n  - { name: dall-e-3, kind: image }\n".to_owned()),
        ("fixture/models/azure-openai.yaml", "as_of: 2026-07-02\nsource: https://example.com/a\nmodels: [{ name: gpt-4o }, { name: gpt-4o-mini }]\n".to_owned()),
        ("fixture/models/anthropic.yaml", "as_of: 2026-07-02\nsource: https://example.com/a\nmodels: [{ name: claude-sonnet-4-5, limits: { context: 200000 } }]\n".to_owned()),
        ("fixture/models/together.yaml", "as_of: 2026-07-02\nsource: https://example.com/a\nmodels: [{ name: meta-llama/Llama-3.3-70B, aliases: [llama-3.3] }]\n".to_owned()),
        ("fixture/models/stability.yaml", "as_of: 2026-07-02\nsource: https://example.com/a\nmodels: [{ name: stable-image-core, kind: image }]\n".to_owned()),
    ];
    Arc::new(Catalog::with_overrides(files).unwrap_or_else(|problems| panic!("{problems}")))
}

fn read(text: &str, sources: &Table) -> Loaded {
    load(text, sources, &catalog())
}

/// A configuration that has no errors.
fn config(text: &str) -> Config {
    let loaded = read(text, &env());
    let shown = loaded.diagnostics.render("test.yaml", text, false);
    loaded.config.unwrap_or_else(|| panic!("{shown}"))
}

/// Every problem as `E RM0002 3:5 message | help`.
fn lines(loaded: &Loaded) -> Vec<String> {
    let line = |problem: &crate::Diagnostic| {
        let severity = if problem.severity == Severity::Error { 'E' } else { 'W' };
        let help = problem.help.as_deref().unwrap_or_default();
        let (code, line, column) = (problem.code.as_str(), problem.line, problem.column);
        format!("{severity} {code} {line}:{column} {} | {help}", problem.message)
    };
    loaded.diagnostics.iter().map(line).collect()
}

fn facts(operation: Operation, model: &str) -> RequestFacts {
    RequestFacts {
        operation,
        dialect: Dialect::OpenAiChat,
        model: model.to_owned(),
        stream: false,
        needs: Capabilities::NONE,
        input_tokens: 100,
        max_output_tokens: None,
        timeout: None,
        tags: Vec::new(),
        marks: Marks::default(),
        key: None,
    }
}

//! `ringmain explain`: what the rules will do, in words; for every route, or for one request.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use ringmain_config::Config;
use ringmain_core::{
    Capabilities, Dialect, Loss, LossKind, Marks, Now, Operation, RequestFacts, RequestId, Seed, Tick,
};
use ringmain_engine::Gateway;
use ringmain_engine::inspect::Inspected;
use ringmain_engine::keys::Caller;
use ringmain_engine::render::render;
use ringmain_engine::route::Chosen;
use ringmain_routing::{Health, Reason, explain};

use crate::cli::Explain;
use crate::commands::{complain, say};
use crate::rules_file;

/// A request's facts, as told or as read, and its headers.
struct Asked {
    facts: RequestFacts,
    headers: HeaderMap,
    /// The whole of it, where it was read.
    whole: Option<Box<Inspected>>,
}

/// What becomes of a whole request on the way to its targets.
#[derive(Default)]
struct Told {
    /// Candidates that cannot be told it, and why.
    unfit: Vec<(usize, String)>,
    /// What the others would not see of it, each in a line.
    lost: Vec<String>,
}

impl Told {
    fn of(request: &Inspected) -> Self {
        let mut told = Self::default();
        for (at, target) in request.route.targets.iter().enumerate() {
            if !target.serves(request.facts.operation, request.facts.dialect) {
                continue;
            }
            match render(request, target) {
                Err(fault) => told.unfit.push((at, fault.message)),
                Ok(rendered) => told.lost.extend(lost(&target.name.to_string(), &rendered.losses)),
            }
        }
        told
    }
}

/// `openai/gpt-4o does not see top_k, and is told only nearly of stop`
fn lost(target: &str, losses: &[Loss]) -> Option<String> {
    let fields = |kind: LossKind| {
        let fields: Vec<_> = losses.iter().filter(|loss| loss.kind == kind).map(|loss| loss.field.as_str()).collect();
        (!fields.is_empty()).then(|| fields.join(", "))
    };
    let dropped = fields(LossKind::Dropped).map(|fields| format!("does not see {fields}"));
    let near = fields(LossKind::Approximated).map(|fields| format!("is told only nearly of {fields}"));
    let words: Vec<_> = dropped.into_iter().chain(near).collect();
    (!words.is_empty()).then(|| format!("{target} {}", words.join(", and ")))
}

/// Prints the words; exit 1 where nothing would serve the request.
pub(crate) fn run(arguments: &Explain) -> anyhow::Result<ExitCode> {
    let catalog = rules_file::catalog(arguments.catalog.as_deref())?;
    let text = rules_file::text(&arguments.config)?;
    let sources = rules_file::Rehearsal::of(&text, &catalog);
    let Some(rules) = rules_file::rehearsed(&arguments.config, &text, &sources, &catalog) else {
        return Ok(ExitCode::FAILURE);
    };
    let gateway = Arc::new(Gateway::new(rules.config, 0));
    let Some(asked) = asked(arguments, &gateway)? else {
        say(all_routes(&gateway, &rules.left_out).trim_end());
        return Ok(ExitCode::SUCCESS);
    };
    match gateway.route(&asked.facts, &asked.headers) {
        Ok(chosen) => {
            say(one_request(&gateway, &asked, &chosen).trim_end());
            Ok(ExitCode::SUCCESS)
        }
        Err(fault) => {
            complain(&fault.message);
            Ok(ExitCode::FAILURE)
        }
    }
}

/// The request to explain; `None` where none is described.
fn asked(arguments: &Explain, gateway: &Arc<Gateway>) -> anyhow::Result<Option<Asked>> {
    let headers = headers(arguments)?;
    let caller = caller(arguments, gateway)?;
    if let Some(file) = &arguments.request {
        let body = Bytes::from(std::fs::read(file).with_context(|| format!("reading {}", file.display()))?);
        let accepted = ringmain_engine::accept::accept(&Method::POST, &arguments.path, None)
            .map_err(|refused| anyhow::anyhow!("{}", refused.fault.message))?;
        let inspected = ringmain_engine::inspect::inspect(
            gateway,
            &caller,
            RequestId(0),
            Tick::ZERO,
            accepted,
            headers.clone(),
            &body,
        )
        .map_err(|fault| anyhow::anyhow!("{}", fault.message))?;
        return Ok(Some(Asked { facts: inspected.facts.clone(), headers, whole: Some(Box::new(inspected)) }));
    }
    let Some(model) = &arguments.model else {
        if arguments.operation.is_some() || !arguments.header.is_empty() || !arguments.tag.is_empty() {
            bail!("say which model the request asks for: --model NAME (or give a whole request: --request FILE)");
        }
        return Ok(None);
    };
    let needs = arguments.needs.iter().try_fold(Capabilities::NONE, |all, name| {
        let known = || Capabilities::NAMED.map(|(name, _)| name).join(", ");
        Capabilities::by_name(name).map(|one| all.with(one)).with_context(|| format!("--needs takes {}", known()))
    })?;
    let facts = RequestFacts {
        operation: arguments.operation.unwrap_or(Operation::Chat),
        dialect: arguments.dialect.unwrap_or(Dialect::OpenAiChat),
        model: model.clone(),
        stream: arguments.stream,
        needs,
        input_tokens: arguments.tokens,
        max_output_tokens: arguments.max_output,
        timeout: arguments.timeout,
        tags: caller.key().into_iter().flat_map(|key| key.tags.clone()).chain(arguments.tag.clone()).collect(),
        marks: Marks::default(),
        key: caller.key().map(|key| key.name.clone()),
    };
    Ok(Some(Asked { facts, headers, whole: None }))
}

/// The holder of a key that the file has.
fn caller(arguments: &Explain, gateway: &Gateway) -> anyhow::Result<Caller> {
    let Some(name) = &arguments.key else { return Ok(Caller::Anyone) };
    let ring = gateway.keys.ring();
    let key = ring.keys().find(|key| *key.name.name == **name || key.name.to_string() == *name);
    let none = || format!("the file has no key `{name}`; those made by `ringmain keys` are not looked at here");
    Ok(Caller::Key(Arc::clone(key.with_context(none)?)))
}

fn headers(arguments: &Explain) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in &arguments.header {
        let named = HeaderName::try_from(name.as_str()).with_context(|| format!("`{name}` is no header name"))?;
        let value = HeaderValue::try_from(value.as_str()).with_context(|| format!("`{value}` is no header value"))?;
        headers.append(named, value);
    }
    Ok(headers)
}

/// What each written route will do; the built-in ones where none is written.
fn all_routes(gateway: &Gateway, left_out: &[String]) -> String {
    let rules = gateway.rules();
    let config = &rules.config;
    let written = config.routes.iter().any(|route| !route.builtin);
    let mut out = String::new();
    for (at, route) in config.routes.iter().enumerate().filter(|(_, route)| !written || !route.builtin) {
        let Some(selection) = config.route_selection(at) else { continue };
        let _ = writeln!(out, "{}: {}\n", route.name, config.describe(&selection));
    }
    for target in left_out {
        let _ = writeln!(out, "Note: {target}.\n");
    }
    let _ = writeln!(
        out,
        "Anything else: `provider/model` goes there, a bare model name to every provider that serves it."
    );
    out
}

/// Which route and why, each candidate's verdict, the order, the clocks.
fn one_request(gateway: &Gateway, asked: &Asked, chosen: &Chosen) -> String {
    let (route, facts) = (&chosen.route, &asked.facts);
    let now = Now::default();
    let health = Health::new(Seed(gateway.seed));
    let mut view = ringmain_routing::view(&health, &route.policy, Some(facts), now);
    route.exclude_unserved(facts, &mut view);
    let told = asked.whole.as_deref().map(Told::of).unwrap_or_default();
    told.unfit.iter().for_each(|(at, _)| view.exclude(*at, Reason::CannotCarry));
    let plan = ringmain_routing::plan(&route.policy, facts, &view, now, Seed(gateway.seed));
    let mut out = String::new();
    let _ = writeln!(out, "{}", request_in_words(facts));
    considered(&mut out, &gateway.rules().config, asked);
    let _ = writeln!(out, "It takes {}.\n", chosen.why);
    let _ = writeln!(out, "Targets, all being well; {}:", explain::strategy(&route.policy));
    list(&mut out, &explain::verdicts(&route.known, &plan, now));
    let unfit = told.unfit.into_iter().filter_map(|(at, why)| Some(format!("{}: {why}", route.targets.get(at)?.name)));
    let lost: Vec<_> = unfit.chain(told.lost).collect();
    if !lost.is_empty() {
        let _ = writeln!(out, "\nIn translation:");
        list(&mut out, &lost);
    }
    let _ = writeln!(out, "\nClocks:");
    list(&mut out, &explain::clocks(&route.policy, facts));
    let _ = writeln!(out, "\nAfter failures:");
    list(&mut out, &explain::retries(&route.policy));
    out
}

fn list(out: &mut String, lines: &[String]) {
    for line in lines {
        let _ = writeln!(out, "  {line}");
    }
}

fn request_in_words(facts: &RequestFacts) -> String {
    let mut words = format!("A request for {} from the model `{}`", facts.operation, facts.model);
    let _ = write!(words, ", in {}, {}", facts.dialect, if facts.stream { "streamed" } else { "not streamed" });
    if facts.input_tokens > 0 {
        let _ = write!(words, ", of about {} input tokens", facts.input_tokens);
    }
    if !facts.needs.is_empty() {
        let names: Vec<_> = facts.needs.names().collect();
        let _ = write!(words, ", that needs {}", names.join(", "));
    }
    words + "."
}

/// The routes that were asked before, and what about the request they did not want.
fn considered(out: &mut String, config: &Config, asked: &Asked) {
    let header = |name: &str| asked.headers.get(name).and_then(|value| value.to_str().ok());
    for route in config.considered(&asked.facts, &header).into_iter().filter(|route| !route.takes) {
        let failed: Vec<_> =
            route.conditions.iter().filter(|condition| !condition.holds).map(|it| it.text.as_str()).collect();
        let why = if failed.is_empty() { "it is reached by its name alone".to_owned() } else { failed.join("; ") };
        let _ = writeln!(out, "Not the route `{}`: {why}.", route.route);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ringmain_catalog::Catalog;

    use super::*;

    /// The two sentences of the README, on a machine with no keys at all.
    #[test]
    fn the_two_sentences_are_said_back() {
        let catalog = Catalog::embedded().unwrap();
        let text = include_str!("../../../../examples/two-rules.yaml");
        let sources = rules_file::Rehearsal::of(text, &catalog);
        let rules = rules_file::rehearsed(Path::new("two-rules.yaml"), text, &sources, &catalog).unwrap();
        let gateway = Gateway::new(rules.config, 0);
        let said = all_routes(&gateway, &rules.left_out);
        for words in [
            "images: Image generation goes to openai/dall-e-3 first; if that fails or is out, to stability/stable-image-core",
            "half to anthropic/claude-sonnet-4-5 and half to openai/gpt-4o",
            "while the p95 time to first token of one exceeds 2 s over 1 min, its share moves to the other",
        ] {
            assert!(said.contains(words), "{words}: {said}");
        }
        assert!(!said.contains("Note:"), "{said}");
    }

    /// A request for a model that two vendors' targets share, as Gemini's callers write it.
    fn said_of(body: &str) -> String {
        let catalog = Catalog::embedded().unwrap();
        let text = "providers:\n  gemini: { keys: [a] }\n  anthropic: { keys: [b] }\nroutes:\n  - { name: r, targets: \
                    [anthropic/claude-sonnet-4-5, gemini/gemini-2.5-flash] }\n";
        let sources = rules_file::Rehearsal::of(text, &catalog);
        let rules = rules_file::rehearsed(Path::new("rules.yaml"), text, &sources, &catalog).unwrap();
        let gateway = Arc::new(Gateway::new(rules.config, 0));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), body).unwrap();
        let words = ["explain", "rules.yaml", "--path", "/v1beta/models/r:generateContent", "--request"];
        let words = words.iter().map(std::ffi::OsStr::new).chain([file.path().as_os_str()]);
        let arguments = <Explain as clap::Args>::augment_args(clap::Command::new("explain")).get_matches_from(words);
        let arguments = <Explain as clap::FromArgMatches>::from_arg_matches(&arguments).unwrap();
        let asked = asked(&arguments, &gateway).unwrap().unwrap();
        let chosen = gateway.route(&asked.facts, &asked.headers).unwrap();
        one_request(&gateway, &asked, &chosen)
    }

    #[test]
    fn a_whole_request_tells_who_cannot_have_it_and_who_has_less_of_it() {
        let hello = r#""contents": [{ "role": "user", "parts": [{ "text": "hi" }] }]"#;
        let said = said_of(&format!(r#"{{ {hello}, "generationConfig": {{ "seed": 7 }} }}"#));
        assert!(said.contains("anthropic/claude-sonnet-4-5 does not see generationConfig.seed"), "{said}");
        let said = said_of(&format!(r#"{{ {hello}, "cachedContent": "cachedContents/x" }}"#));
        assert!(said.contains("not asked: something in the request cannot be carried to it"), "{said}");
        assert!(said.contains("anthropic/claude-sonnet-4-5: cachedContent cannot be carried"), "{said}");
        let first = said.lines().find(|line| line.contains("1. asked first")).unwrap();
        assert!(first.contains("gemini/gemini-2.5-flash"), "{said}");
        assert!(!said_of(&format!("{{ {hello} }}")).contains("In translation"));
    }
}

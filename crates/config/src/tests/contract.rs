//! The file of the contract, the two sentences, and the defaults.

use std::time::Duration;

use super::{Table, catalog, config, env, facts, lines, read};
use crate::{Code, OnLoss, Severity, from_environment, load};
use ringmain_core::Operation;
use ringmain_routing::{Affinity, Balance, Caps, Measure, OnRefusal, Resume, Shift, Stat};

/// The file that the project's design promises to read.
const WHOLE: &str = include_str!("contract.yaml");

#[test]
fn the_contract_is_read() {
    let loaded = read(WHOLE, &env());
    let expected = [("RM0014", "server.listen"), ("RM0007", "providers.bedrock")];
    let got: Vec<_> = loaded.diagnostics.iter().map(|d| (d.code.as_str(), d.path.as_str())).collect();
    assert_eq!(got, expected, "{}", loaded.diagnostics.render("ringmain.yaml", WHOLE, false));
    assert!(loaded.diagnostics.iter().all(|d| d.severity == Severity::Warning));
    let config = loaded.config.unwrap();
    assert_eq!(config.refusal(false).unwrap().severity, Severity::Error);
    assert_eq!(config.server.listen.to_string(), "0.0.0.0:8080");
    assert_eq!(config.server.max_body, 64 << 20);
    let names: Vec<_> = config.providers.iter().map(|provider| provider.name.as_str()).collect();
    assert_eq!(names, ["openai", "anthropic", "azure-eu", "local", "stability"]);
    let (_, openai) = config.provider("openai").unwrap();
    let keys: Vec<_> = openai.keys.iter().map(|key| (key.label.as_str(), key.weight)).collect();
    assert_eq!(keys, [("openai#1", 1.0), ("openai#2", 2.0)]);
    let (_, text) = config.route("text").unwrap();
    let targets: Vec<_> = text.targets.iter().map(|t| (t.model.as_str(), t.weight, t.tier)).collect();
    assert_eq!(targets, [("claude-sonnet-4-5", Some(50.0), 1), ("gpt-4o", Some(50.0), 1), ("llama3.3", None, 2)]);
    let shift = Shift {
        measure: Measure::FirstToken,
        stat: Stat::Percentile(95),
        above: true,
        bound: 2.0,
        over: Duration::from_secs(60),
        floor: 0.05,
    };
    assert_eq!(*text.settings, crate::Settings { shift: Some(shift), ..(*config.defaults).clone() });
    let caps = |key: usize| openai.keys[key].caps;
    assert_eq!((caps(0), caps(1)), (Caps::default(), Caps { in_flight: None, rpm: Some(500), tpm: Some(200_000) }));
}

#[test]
fn what_is_written_there_is_the_default() {
    let written = read(WHOLE, &env()).config.unwrap().defaults;
    let defaults = config("").defaults;
    // A clock that is written is written, even as the default.
    assert!(defaults.race_after_is_default && !written.race_after_is_default);
    let mut written = (*written).clone();
    written.race_after_is_default = true;
    assert_eq!(written, *defaults);
    let seconds = Duration::from_secs;
    assert_eq!(defaults.timeouts.connect, seconds(3));
    assert_eq!(defaults.timeouts.race_after, Some(seconds(10)));
    assert_eq!((defaults.timeouts.first_token, defaults.timeouts.idle), (seconds(120), seconds(30)));
    assert_eq!(defaults.timeouts.total, seconds(600));
    assert_eq!((defaults.attempts, defaults.retry_budget.share), (5, 0.2));
    assert_eq!((defaults.backoff.base, defaults.backoff.max), (Duration::from_millis(250), seconds(8)));
    let breaker = defaults.breaker;
    assert_eq!((breaker.failures, breaker.error_rate), (5, 0.5));
    assert_eq!((breaker.open_for, breaker.open_for_max, breaker.ramp), (seconds(5), seconds(300), seconds(20)));
    assert_eq!((defaults.on_refusal, defaults.on_loss), (OnRefusal::Return, OnLoss::Warn));
    assert_eq!(defaults.resume, Resume::Auto);
    assert_eq!((defaults.affinity, defaults.hedge, defaults.shift), (Affinity::Prefix, None, None));
    assert_eq!(defaults.regions, None);
}

#[test]
fn a_route_says_otherwise() {
    let text = "
defaults: { timeouts: { idle: 5s }, on_loss: reject }
routes:
  - name: a
    targets: openai/gpt-4o
    timeouts: { total: 1m, race_after: off }
    retries: { attempts: 1, budget: 0% }
    on_refusal: next
    on_loss: allow
";
    let config = config(text);
    let own = &config.route("a").unwrap().1.settings;
    assert_eq!((own.timeouts.idle, own.timeouts.total), (Duration::from_secs(5), Duration::from_secs(60)));
    assert_eq!((own.timeouts.race_after, own.attempts, own.retry_budget.share), (None, 1, 0.0));
    assert_eq!((own.on_refusal, own.on_loss), (OnRefusal::Next, OnLoss::Allow));
    assert_eq!(config.defaults.on_loss, OnLoss::Reject);
}

#[test]
fn json_is_yaml() {
    let text =
        "{\n\t\"routes\": [\n\t\t{\"name\": \"a\", \"targets\": [{\"to\": \"openai/gpt-4o\", \"weight\": 1}]}\n\t]\n}";
    assert_eq!(config(text).route("a").unwrap().1.targets.len(), 1);
}

#[test]
fn anchors_and_merges() {
    let text = "
defaults: &all { timeouts: { idle: 7s } }
routes:
  - { name: a, <<: *all, targets: [openai/gpt-4o], retries: &once { attempts: 1 } }
  - { name: b, targets: [openai/gpt-4o], retries: { <<: *once, budget: 1% } }
";
    let config = config(text);
    assert_eq!(config.route("a").unwrap().1.settings.timeouts.idle, Duration::from_secs(7));
    assert_eq!(config.route("b").unwrap().1.settings.attempts, 1);
}

#[test]
fn the_two_sentences() {
    let text = include_str!("../../../../examples/two-rules.yaml");
    let loaded = read(text, &env());
    assert_eq!(lines(&loaded), [""; 0]);
    let config = loaded.config.unwrap();
    let mut topology = crate::Topology::new();
    let mut policy = |operation, model: &str| {
        let selection = config.select(&facts(operation, model), &|_| None).unwrap();
        config.policy(&selection, &mut topology).policy
    };
    let images = policy(Operation::Images, "anything");
    assert_eq!((images.route.as_str(), images.balance), ("images", Balance::Order));
    let names: Vec<_> = images.candidates.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["openai/dall-e-3", "stability/stable-image-core"]);
    let text = policy(Operation::Chat, "gpt-4");
    assert_eq!((text.route.as_str(), text.balance), ("text", Balance::Weighted));
    assert!(text.candidates.iter().all(|candidate| candidate.weight == 50.0));
    let shift = text.shift.unwrap();
    assert_eq!((shift.measure, shift.stat, shift.bound), (Measure::FirstToken, Stat::Percentile(95), 2.0));
    assert_eq!(images.shift, None);
}

#[test]
fn the_examples_are_clean() {
    let text = include_str!("../../../../examples/ringmain.yaml");
    let loaded = read(text, &env());
    assert!(loaded.config.is_some(), "{}", loaded.diagnostics.render("ringmain.yaml", text, false));
    assert_eq!(loaded.diagnostics.as_slice(), []);
}

/// Every block of YAML in a page.
fn blocks(page: &'static str) -> impl Iterator<Item = &'static str> {
    page.split("```yaml\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0))
}

#[test]
fn what_the_pages_show_is_read() {
    let readme = blocks(include_str!("../../../../README.md"));
    let page = blocks(include_str!("../../../../docs/configuration.md"));
    let mut count = 0;
    for text in readme.chain(page) {
        let mut env = env();
        env.vars.insert("RINGMAIN_ADMIN_SECRET".to_owned(), "secret-of-the-admin".to_owned());
        env.vars.insert("SEARCH_KEY".to_owned(), "sk-of-a-caller".to_owned());
        let loaded = read(text, &env);
        let shown = loaded.diagnostics.render("page.yaml", text, false);
        assert!(loaded.config.is_some() && !shown.contains("RM0007"), "{shown}");
        count += 1;
    }
    assert!(count >= 8, "{count}");
}

#[test]
fn the_environment_alone() {
    let base = Table::vars(&[
        ("OPENAI_API_KEY", "a"),
        ("ANTHROPIC_API_KEY", "b"),
        ("OPENAI_BASE_URL", "http://127.0.0.1:9000/v1/"),
    ]);
    let config = from_environment(&base, &catalog()).config.unwrap();
    let got: Vec<_> = config.providers.iter().map(|p| (p.name.as_str(), p.base_url.as_str())).collect();
    assert_eq!(got, [("anthropic", "https://api.anthropic.com"), ("openai", "http://127.0.0.1:9000/v1")]);
    assert_eq!(config.refusal(false), None);
    let smart = config.select(&facts(Operation::Chat, "smart"), &|_| None).unwrap();
    let models: Vec<_> = smart.targets.iter().map(|target| target.model.as_str()).collect();
    assert_eq!(models, ["claude-sonnet-4-5", "gpt-4o", "o3"]);

    let nothing = from_environment(&Table::default(), &catalog());
    assert!(nothing.config.is_none());
    let problem = &nothing.diagnostics.as_slice()[0];
    assert_eq!(problem.code, Code::NoProviders);
    assert!(problem.help.as_deref().unwrap().contains("OPENAI_API_KEY"), "{problem:?}");
}

#[test]
fn a_base_url_that_is_the_gateway_itself_is_not_used() {
    let own = Table::vars(&[("OPENAI_API_KEY", "a"), ("OPENAI_BASE_URL", "http://localhost:8080/v1")]);
    let loaded = from_environment(&own, &catalog());
    assert_eq!(loaded.config.unwrap().providers[0].base_url, "https://api.openai.com/v1");
    assert_eq!(loaded.diagnostics.as_slice()[0].code, Code::NoEffect);
}

/// A key alone is not enough where every account has an address of its own.
#[test]
fn the_environment_is_asked_for_what_it_leaves_out() {
    let catalog = ringmain_catalog::Catalog::embedded().unwrap();
    let loaded = from_environment(&Table::vars(&[("OPENAI_API_KEY", "a"), ("AZURE_OPENAI_API_KEY", "b")]), &catalog);
    let [problem] = loaded.diagnostics.as_slice() else { panic!("{:?}", loaded.diagnostics) };
    assert_eq!(problem.message, "the environment has a key for Azure OpenAI but does not say where it is");
    assert!(problem.help.as_deref().unwrap().contains("AZURE_OPENAI_ENDPOINT"), "{problem:?}");
    assert_eq!(loaded.config.unwrap().providers.len(), 1);
}

#[test]
fn a_secret_opens_the_door() {
    let open = "server: { listen: ':8080', admin_secret: '${OPENAI_API_KEY}' }";
    assert_eq!(config(open).refusal(false), None);
    let closed = load("server: { listen: ':8080' }", &env(), &catalog());
    let help = closed.config.unwrap().refusal(false).unwrap().help.clone().unwrap();
    assert!(help.contains("admin_secret") && help.contains("127.0.0.1:8080"), "{help}");
}

/// `RINGMAIN_REWRITE=1` writes the reference into the page.
#[test]
fn the_reference_is_fresh() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    let (begin, end) = ("<!-- reference: begin -->\n", "<!-- reference: end -->");
    let text = std::fs::read_to_string(page).unwrap();
    let (before, rest) = text.split_once(begin).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    let fresh = format!("{before}{begin}{}{end}{after}", crate::reference());
    if std::env::var_os("RINGMAIN_REWRITE").is_some() {
        std::fs::write(page, &fresh).unwrap();
    }
    assert!(
        text == fresh || std::env::var_os("RINGMAIN_REWRITE").is_some(),
        "stale: run this test with RINGMAIN_REWRITE=1"
    );
}

#[test]
fn the_catalog_that_is_built_in_serves_it_too() {
    let catalog = ringmain_catalog::Catalog::embedded().unwrap();
    for text in
        [WHOLE, include_str!("../../../../examples/two-rules.yaml"), include_str!("../../../../examples/ringmain.yaml")]
    {
        let loaded = load(text, &env(), &catalog);
        assert!(loaded.config.is_some(), "{}", loaded.diagnostics.render("file.yaml", text, false));
    }
    let two = Table::vars(&[("OPENAI_API_KEY", "a"), ("ANTHROPIC_API_KEY", "b")]);
    let loaded = from_environment(&two, &catalog);
    assert_eq!(loaded.diagnostics.as_slice(), []);
    let config = loaded.config.unwrap();
    for (name, operation, providers) in
        [("smart", Operation::Chat, 2), ("fast", Operation::Chat, 2), ("image", Operation::Images, 1)]
    {
        let selection = config.select(&facts(operation, name), &|_| None).unwrap();
        let served: std::collections::BTreeSet<_> = selection.targets.iter().map(|target| target.provider).collect();
        assert_eq!(served.len(), providers, "{name}");
    }
    assert!(config.select(&facts(Operation::Chat, "claude-sonnet-4-5-20250929"), &|_| None).is_ok());
}

//! What tests of the pipeline need: providers, targets, routes and requests, made without a configuration.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use ringmain_catalog::{Auth, Catalog, Endpoint, Model, Pools, Provider, Quirks};
use ringmain_config::{KnownModel, OnLoss};
use ringmain_core::{Capabilities, Dialect, Marks, Operation, RequestFacts, RequestId, Seed, Shape, Tick};
use ringmain_dialects::{BodyFacts, Framing, registry};
use ringmain_routing::{
    Affinity, Backoff, Balance, BreakerPolicy, Candidate, Caps, HostIx, KeyIx, KeyRef, OnRefusal, Policy, Resume,
    RetryBudget, TargetIx, Timeouts,
};
use ringmain_telemetry::Metrics;
use ringmain_upstream::Origin;
use ringmain_wire::json::{Document, Object};

use crate::inspect::Inspected;
use crate::kept::Keeping;
use crate::route::Route;
use crate::target::{Absent, Key, ProviderLink, Target};

/// A chat endpoint of each dialect; Gemini's has the model in its path.
pub(crate) fn chat(dialect: Dialect) -> Endpoint {
    let (path, stream_path) = match dialect {
        Dialect::OpenAiChat => ("/chat/completions", None),
        Dialect::OpenAiResponses => ("/responses", None),
        Dialect::AnthropicMessages => ("/v1/messages", None),
        Dialect::Gemini => (
            "/v1beta/models/{model}:generateContent",
            Some("/v1beta/models/{model}:streamGenerateContent?alt=sse".to_owned()),
        ),
        Dialect::BedrockConverse => ("/model/{model}/converse", None),
        Dialect::CohereV2 => ("/v2/chat", None),
    };
    Endpoint { dialect: Some(dialect), path: path.to_owned(), stream_path, ..other(Operation::Chat) }
}

/// An endpoint for an operation of one shape.
pub(crate) fn other(operation: Operation) -> Endpoint {
    let (models, omit, add) = (Vec::new(), Vec::new(), Vec::new());
    let (path, shape) = (format!("/{operation}"), Shape::OpenAi);
    Endpoint { operation, dialect: None, shape, path, stream_path: None, models, omit, lift: None, add, auth: None }
}

/// A kind of provider that is in no catalog.
pub(crate) fn kind(endpoints: Vec<Endpoint>, quirks: Quirks) -> Provider {
    Provider {
        id: "acme".to_owned(),
        name: "Acme".to_owned(),
        base_url: None,
        base_url_env: Vec::new(),
        base_url_at: Vec::new(),
        region_env: Vec::new(),
        default_region: None,
        project_env: Vec::new(),
        credentials_env: Vec::new(),
        env: Vec::new(),
        key_optional: true,
        auth: Auth::Bearer,
        headers: Vec::new(),
        pass_headers: Vec::new(),
        betas: None,
        endpoints,
        quirks,
        errors: Vec::new(),
        capabilities: Capabilities::NONE,
        auth_below: Vec::new(),
        health_path: None,
        pools: Pools::default(),
        unavailable: None,
        tells_cost: false,
    }
}

/// A configured provider of this kind, named as its kind.
pub(crate) fn link(kind: Provider, pinned: Option<Dialect>) -> Arc<ProviderLink> {
    let key = Key::new(KeyIx(0), format!("{}#1", kind.id), &kind, Some("secret"));
    Arc::new(ProviderLink {
        name: kind.id.clone(),
        origin: Arc::new(Origin::parse("https://provider.test").unwrap()),
        host: HeaderValue::from_static("provider.test"),
        headers: Vec::new(),
        dialect: pinned,
        keys: vec![key],
        absent: Absent::default(),
        kind: Arc::new(kind),
    })
}

/// A target at a kind of one's own.
pub(crate) fn target_at(kind: Provider, model: &str) -> Target {
    target_of(link(kind, None), model, None)
}

/// A model of this kind, at a provider that knows it by a name of its own.
pub(crate) fn deployed(kind: Provider, name: &str, is: &str) -> Target {
    let catalog = Catalog::embedded().unwrap();
    let model = catalog.model(&kind.id, is);
    assert!(model.is_some(), "{is}");
    let known = KnownModel { model, price: None, family: is, is_own: true };
    Target::new(TargetIx(0), link(kind, None), name, &known, &Metrics::new())
}

/// A target at a provider, with what the catalog says of its model.
pub(crate) fn target_of(provider: Arc<ProviderLink>, name: &str, model: Option<&Model>) -> Target {
    let price = model.and_then(|model| model.price.as_ref());
    let known = KnownModel { model, price, family: name, is_own: false };
    Target::new(TargetIx(0), provider, name, &known, &Metrics::new())
}

/// `provider/model` of the embedded catalog.
pub(crate) fn target(name: &str) -> Target {
    let catalog = Catalog::embedded().unwrap();
    let (provider, model) = name.split_once('/').unwrap();
    target_of(link(catalog.provider(provider).unwrap().clone(), None), model, catalog.model(provider, model))
}

/// A route over these targets, in order, with the default clocks.
pub(crate) fn route(targets: Vec<Target>, on_loss: OnLoss) -> Route {
    let candidates = targets.iter().map(|target| Candidate {
        target: target.ix,
        name: target.name.to_string(),
        host: HostIx(0),
        keys: vec![KeyRef { key: KeyIx(0), weight: 1.0, caps: Caps::default() }],
        weight: 1.0,
        tier: 1,
        capabilities: target.model.as_ref().map(|model| model.capabilities),
        context_window: target.model.as_ref().and_then(|model| model.context_window),
        price: None,
        caps: Caps::default(),
        out_of_region: false,
        space: None,
        race_after: None,
    });
    Route {
        name: "test".into(),
        known: Arc::from([]),
        asked_headers: Arc::from([]),
        header: HeaderValue::from_static("test"),
        policy: policy(candidates.collect()),
        targets: targets.into_iter().map(Arc::new).collect(),
        on_loss,
        meter: Metrics::new().route("test"),
    }
}

fn policy(candidates: Vec<Candidate>) -> Policy {
    let seconds = Duration::from_secs;
    Policy {
        route: "test".to_owned(),
        candidates,
        balance: Balance::Order,
        shift: None,
        affinity: Affinity::Off,
        hedge: None,
        attempts: 5,
        backoff: Backoff { base: Duration::from_millis(250), max: seconds(8) },
        retry_budget: RetryBudget { share: 0.2, per_second: 10.0 },
        breaker: BreakerPolicy {
            failures: 5,
            error_rate: 0.5,
            min_requests: 10,
            window: seconds(30),
            open_for: seconds(5),
            open_for_max: seconds(300),
            ramp: seconds(20),
        },
        timeouts: Timeouts {
            connect: seconds(3),
            race_after: Some(seconds(10)),
            first_token: seconds(120),
            idle: seconds(30),
            total: seconds(600),
        },
        on_refusal: OnRefusal::Return,
        mixes_vectors: false,
        resume: Resume::Auto,
    }
}

/// A chat request of this dialect with this body, as the pipeline has it after `inspect`. Where the dialect has the
/// model in the path, it is `smart`.
pub(crate) fn request(dialect: Dialect, body: &str) -> Inspected {
    inspected(Operation::Chat, dialect, body)
}

/// A request for any operation.
pub(crate) fn inspected(operation: Operation, dialect: Dialect, body: &str) -> Inspected {
    let bytes = Bytes::from(body.to_owned());
    let object = Object::parse(&bytes).unwrap();
    let read = match operation {
        Operation::Chat => registry::codec(dialect).unwrap().inspect(&object).unwrap(),
        _ => BodyFacts {
            model: object.get("model").and_then(ringmain_wire::json::as_str).map(Into::into),
            ..BodyFacts::default()
        },
    };
    Inspected {
        id: RequestId(1),
        started: Tick::ZERO,
        headers: HeaderMap::new(),
        document: Document::from_object(&bytes, &object).unwrap(),
        model_in_body: read.model.is_some(),
        facts: RequestFacts {
            operation,
            dialect,
            model: read.model.unwrap_or_else(|| "smart".to_owned()),
            stream: read.stream,
            needs: read.needs,
            input_tokens: read.input_tokens,
            max_output_tokens: read.max_output_tokens,
            timeout: None,
            tags: Vec::new(),
            marks: Marks::default(),
            key: None,
        },
        include_usage: read.include_usage,
        framing: Framing::Sse,
        route: Arc::new(route(Vec::new(), OnLoss::Warn)),
        why: "a test".into(),
        over_budget: Vec::new(),
        seed: Seed(1),
        deadline: Tick(u64::MAX),
        keeping: Keeping::default(),
        pin: None,
        learns: None,
        stored: None,
        trace: std::sync::Mutex::default(),
        decoded: OnceLock::new(),
        form: None,
        translates: false,
        passing: None,
        asked: OnceLock::new(),
    }
}

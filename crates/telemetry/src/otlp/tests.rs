use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prost::Message as _;
use ringmain_core::{
    Capabilities, Dialect, Fault, FaultClass, Marks, Money, Operation, Origin, Phase, RequestFacts, RequestId, Seed,
    Tick, Usage, WallTime,
};
use ringmain_routing::record::{Attempt, Known, Lost, VERSION};
use ringmain_routing::{HostIx, KeyIx, Record, TargetIx, Tried};

use super::message::{Kind, MetricsRequest, Span, TracesRequest};
use super::{BATCH_MAX, Exporter, TRACEPARENT, Tap, WAITING_MAX, names};

const SECOND: u64 = 1_000_000_000;

/// A streamed request: the first target failed, the second answered.
fn record(parent: Option<&str>) -> Arc<Record> {
    let known =
        |name: &str| Known { name: name.to_owned(), target: TargetIx(0), tier: 1, host: HostIx(0), keys: Vec::new() };
    let tried = |candidate, started: u64, result| Tried {
        candidate,
        key: KeyIx(0),
        result,
        started: Tick(started),
        ended: Some(Tick(started + SECOND)),
        hedge: false,
    };
    let fault = Fault::new(FaultClass::Overloaded, Origin::Provider, Phase::BeforeCommit, "words of the provider");
    let usage = Usage { input: 100, cache_read: 40, output: 20, ..Usage::default() };
    Arc::new(Record {
        version: VERSION,
        id: RequestId(0x0102_0304),
        at: WallTime(1_000),
        started: Tick(5 * SECOND),
        route: "text".into(),
        why: "the route `text`".into(),
        facts: RequestFacts {
            operation: Operation::Chat,
            dialect: Dialect::OpenAiChat,
            model: "smart".to_owned(),
            stream: true,
            needs: Capabilities::NONE,
            input_tokens: 12,
            max_output_tokens: Some(64),
            timeout: None,
            tags: vec![("team".to_owned(), "search".to_owned())],
            marks: Marks::default(),
            key: None,
        },
        headers: parent.map(|parent| (TRACEPARENT.to_owned(), parent.to_owned())).into_iter().collect(),
        candidates: Arc::from([known("eu/gpt-4o"), known("anthropic/claude")]),
        seed: Seed(7),
        deadline: Tick(u64::MAX),
        decisions: Vec::new(),
        attempts: vec![
            Attempt::begun(tried(0, 5 * SECOND, Some(fault))),
            Attempt {
                usage: Some(usage),
                cost: Some(Money::from_dollars(0.5)),
                first_token: Some(Duration::from_millis(500)),
                served: true,
                ..Attempt::begun(tried(1, 6 * SECOND, None))
            },
        ],
        lost: Lost::default(),
        ended: Some(Tick(7 * SECOND)),
        fault: None,
    })
}

fn kind(name: &str) -> Option<String> {
    Some(if name == "eu" { "azure-openai" } else { name }.to_owned())
}

fn spans(parent: Option<&str>) -> Vec<Span> {
    let mut exporter = Exporter::new("ringmain", WallTime(0));
    let Some(bytes) = exporter.traces(&[record(parent)], &kind) else { return Vec::new() };
    assert!(!String::from_utf8_lossy(&bytes).contains("words of the provider"), "what was said stays here");
    let mut request = TracesRequest::decode(bytes.as_slice()).unwrap();
    request.resources.remove(0).scopes.remove(0).spans
}

fn text(span: &Span, key: &str) -> String {
    let found = span.attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|attribute| attribute.value.clone()?.kind) {
        Some(Kind::Text(text)) => text,
        Some(Kind::Whole(number)) => number.to_string(),
        Some(Kind::Number(number)) => number.to_string(),
        Some(Kind::Bool(yes)) => yes.to_string(),
        None => String::new(),
    }
}

#[test]
fn a_request_is_a_span_and_each_attempt_one_below_it() {
    let spans = spans(None);
    let [root, failed, served] = spans.as_slice() else { panic!("{} spans", spans.len()) };
    assert_eq!((root.name.as_str(), root.kind, root.parent_span_id.len()), ("chat smart", 2, 0));
    assert_eq!(root.trace_id, 0x0102_0304_u128.to_be_bytes());
    assert_eq!((root.start, root.end), (SECOND, 3 * SECOND));
    assert_eq!((failed.start, failed.end), (SECOND, 2 * SECOND));
    assert!([failed, served].iter().all(|span| span.parent_span_id == root.span_id && span.kind == 3));
    assert_eq!(
        (text(failed, names::ERROR).as_str(), failed.status.as_ref().map(|it| it.code)),
        ("overloaded", Some(2))
    );
    assert_eq!(text(failed, names::PROVIDER), "azure.ai.openai");
    assert_eq!((served.status.clone(), text(served, names::RESPONSE_MODEL).as_str()), (None, "claude"));
    for (key, value) in [
        (names::OPERATION, "chat"),
        (names::PROVIDER, "anthropic"),
        (names::REQUEST_MODEL, "smart"),
        (names::INPUT_TOKENS, "100"),
        (names::CACHE_READ, "40"),
        (names::OUTPUT_TOKENS, "20"),
        (names::MAX_TOKENS, "64"),
        (names::COST, "0.5"),
        (names::ATTEMPTS, "2"),
        ("ringmain.tag.team", "search"),
    ] {
        assert_eq!(text(root, key), value, "{key}");
    }
}

#[test]
fn it_belongs_to_its_callers_trace() {
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0";
    let told = spans(Some(&format!("{parent}1")));
    assert_eq!(told[0].trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes());
    assert_eq!(told[0].parent_span_id, 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
    assert!(spans(Some(&format!("{parent}0"))).is_empty(), "a trace that is not written down");
    assert_eq!(spans(Some("nonsense"))[0].parent_span_id.len(), 0);
}

#[test]
fn metrics_are_distributions_since_the_start() {
    let mut exporter = Exporter::new("ringmain", WallTime(2));
    assert_eq!(exporter.metrics(WallTime(3)), None);
    exporter.traces(&[record(None), record(None)], &kind);
    let bytes = exporter.metrics(WallTime(3)).unwrap();
    let metrics = MetricsRequest::decode(bytes.as_slice()).unwrap().resources.remove(0).scopes.remove(0).metrics;
    let found: Vec<_> = metrics
        .iter()
        .map(|metric| {
            let points = &metric.histogram.as_ref().unwrap().points;
            (
                metric.name.as_str(),
                metric.unit.as_str(),
                points.len(),
                points.iter().map(|point| point.count).sum::<u64>(),
            )
        })
        .collect();
    let expected = [
        ("gen_ai.client.token.usage", "{token}", 2, 4),
        ("gen_ai.client.operation.duration", "s", 2, 4),
        ("gen_ai.server.time_to_first_token", "s", 1, 2),
        ("gen_ai.server.time_per_output_token", "s", 1, 2),
    ];
    assert_eq!(found, expected);
    let point = &metrics[0].histogram.as_ref().unwrap().points[0];
    assert_eq!((point.start, point.time, point.sum, point.buckets.len()), (2_000_000, 3_000_000, Some(200.0), 15));
    // 100 is in the bucket that ends at 256.
    assert_eq!(point.buckets[4], 2);
}

#[test]
fn a_full_queue_drops_and_counts() {
    let dropped = Counter::default();
    let (tap, mut records) = Tap::new(dropped.clone());
    for _ in 0..WAITING_MAX + 7 {
        tap.record(&record(None));
    }
    assert_eq!(dropped.get(), 7);
    let mut taken = 0;
    while records.try_recv().is_ok() {
        taken += 1;
    }
    assert_eq!(taken, WAITING_MAX);
    const { assert!(BATCH_MAX <= WAITING_MAX) };
}

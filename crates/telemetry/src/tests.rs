//! What an operator sees after something happened.

use std::time::Duration;

use ringmain_core::{Fault, FaultClass, Money, Origin, Phase, RequestId, Timings, Usage};

use crate::events::{
    AttemptEnded, BreakerMoved, BreakerState, Ended, HeartbeatEnded, HedgeEnded, RequestEnded, Used, emit,
};
use crate::metrics::{Metrics, TARGETS_MAX};

#[test]
fn a_failover_is_visible() {
    let metrics = Metrics::new();
    let (route, dead, alive) = (metrics.route("text"), metrics.target("a/m"), metrics.target("b/m"));
    let fault = Fault::new(FaultClass::Server, Origin::Provider, Phase::AwaitHead, "boom").with_status(500);
    let timings =
        Timings { head: None, first_token: Some(Duration::from_millis(200)), total: Duration::from_millis(1200) };
    let used = Used {
        usage: Some(Usage { input: 10, output: 11, ..Usage::default() }),
        cost: Some(Money::from_dollars(0.25)),
    };
    let request = RequestId(1);
    emit(&AttemptEnded {
        request,
        target: &dead,
        key: "a#1",
        end: Ended::Failed(&fault),
        used: Used::default(),
        timings,
    });
    emit(&AttemptEnded { request, target: &alive, key: "b#1", end: Ended::Served, used, timings });
    emit(&BreakerMoved { target: &dead, state: BreakerState::Open });
    emit(&RequestEnded {
        request,
        route: &route,
        target: Some("b/m"),
        fault: None,
        attempts: 2,
        failed_over: true,
        total: timings.total,
        overhead: Duration::from_micros(30),
    });
    let text = metrics.expose();
    for line in [
        r#"ringmain_attempts_total{target="a/m",outcome="server"} 1"#,
        r#"ringmain_attempts_total{target="b/m",outcome="ok"} 1"#,
        r#"ringmain_failovers_total{route="text"} 1"#,
        r#"ringmain_requests_total{route="text",outcome="ok"} 1"#,
        r#"ringmain_breaker_state{target="a/m"} 2"#,
        r#"ringmain_tokens_total{target="b/m",kind="output"} 11"#,
        r#"ringmain_cost_dollars_total{target="b/m"} 0.25"#,
        r#"ringmain_time_per_output_token_seconds_sum{target="b/m"} 0.1"#,
        r#"ringmain_time_to_first_token_seconds_count{target="b/m"} 1"#,
        r#"ringmain_gateway_overhead_seconds_count{route="text"} 1"#,
    ] {
        assert!(text.contains(line), "no {line} in\n{text}");
    }
}

#[test]
fn a_heartbeat_is_no_attempt() {
    let metrics = Metrics::new();
    let fault = Fault::new(FaultClass::Server, Origin::Provider, Phase::AwaitHead, "boom").with_status(500);
    let beat = |fault| {
        let (provider, by, asked, key) = ("a", "token", "a/m", "a#1");
        let took = Duration::from_millis(3);
        emit(&HeartbeatEnded { metrics: &metrics, provider, by, asked, key, fault, brought_back: false, took });
    };
    beat(None);
    beat(Some(&fault));
    let text = metrics.expose();
    for result in ["ok", "server"] {
        let line = format!(r#"ringmain_heartbeats_total{{provider="a",by="token",result="{result}"}} 1"#);
        assert!(text.contains(&line), "{text}");
    }
    assert!(!text.contains("ringmain_attempts_total{"), "{text}");
}

#[test]
fn callers_cannot_grow_the_label_set() {
    let metrics = Metrics::new();
    for n in 0..TARGETS_MAX + 10 {
        let fault = Fault::new(FaultClass::Gone, Origin::Provider, Phase::AwaitHead, "no such model");
        emit(&AttemptEnded {
            request: RequestId(1),
            target: &metrics.target(&format!("a/made-up-{n}")),
            key: "a#1",
            end: Ended::Failed(&fault),
            used: Used::default(),
            timings: Timings::default(),
        });
    }
    let lines = metrics.expose().lines().filter(|line| line.contains("outcome=\"gone\"")).count();
    assert_eq!(lines, TARGETS_MAX + 1);
}

#[test]
fn a_hedge_is_no_failover() {
    let metrics = Metrics::new();
    let (route, target) = (metrics.route("text"), metrics.target("b/m"));
    let request = RequestId(1);
    for (won, attempts, failed_over) in [(true, 2, false), (false, 2, false), (true, 3, true)] {
        emit(&HedgeEnded { request, route: &route, target: &target, won });
        emit(&RequestEnded {
            request,
            route: &route,
            target: Some("b/m"),
            fault: None,
            attempts,
            failed_over,
            total: Duration::from_secs(1),
            overhead: Duration::ZERO,
        });
    }
    let text = metrics.expose();
    for line in [
        r#"ringmain_hedges_total{route="text",outcome="won"} 2"#,
        r#"ringmain_hedges_total{route="text",outcome="lost"} 1"#,
        r#"ringmain_failovers_total{route="text"} 1"#,
    ] {
        assert!(text.contains(line), "no {line} in\n{text}");
    }
}

#[test]
fn what_is_billed_is_counted_however_it_ends() {
    let metrics = Metrics::new();
    let priced = metrics.target("a/m");
    let fault = Fault::new(FaultClass::Timeout, Origin::Provider, Phase::AwaitHead, "late");
    let usage = Some(Usage { input: 10, output: 5, ..Usage::default() });
    let ended = |target, end, used, first_token| {
        let timings = Timings { first_token, ..Timings::default() };
        emit(&AttemptEnded { request: RequestId(1), target, key: "a#1", end, used, timings });
    };
    let used = Used { usage, cost: Some(Money::from_dollars(0.25)) };
    ended(&priced, Ended::Served, used, None);
    ended(&priced, Ended::Cancelled, used, Some(Duration::ZERO));
    ended(&priced, Ended::Failed(&fault), used, None);
    let text = metrics.expose();
    for line in [
        r#"ringmain_cost_dollars_total{target="a/m"} 0.75"#,
        r#"ringmain_tokens_total{target="a/m",kind="input"} 30"#,
        r#"ringmain_tokens_total{target="a/m",kind="output"} 15"#,
        r#"ringmain_unpriced_requests_total{target="a/m"} 0"#,
    ] {
        assert!(text.contains(line), "no {line} in\n{text}");
    }
    let dear = metrics.target("b/m");
    ended(&dear, Ended::Served, Used::default(), None);
    ended(&dear, Ended::Cancelled, Used { usage, cost: None }, None);
    ended(&dear, Ended::Cancelled, Used::default(), Some(Duration::ZERO));
    ended(&dear, Ended::Failed(&fault), Used::default(), None);
    let text = metrics.expose();
    assert!(text.contains(r#"ringmain_unpriced_requests_total{target="b/m"} 3"#), "as in the ledger\n{text}");
}

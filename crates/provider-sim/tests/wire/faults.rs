//! Each fault as it looks on the wire.

use ringmain_provider_sim::{Behavior, Ended, FAULTS, Sim, SimConfig, expected_text};

use crate::support::{End, VENDORS, ask, chat, connect, delta, post_chat, receive, send};

async fn sim() -> Sim {
    Sim::start(SimConfig::default()).await.unwrap()
}

type Ending = (u16, End);

/// The fault, then how a stream and a plain answer end: status and end, the same for every vendor.
const ENDINGS: &[(&str, Ending, Ending)] = &[
    ("refuse", (0, End::Reset), (0, End::Reset)),
    ("reset", (0, End::Reset), (0, End::Reset)),
    ("close", (0, End::Short), (0, End::Short)),
    ("silence", (0, End::Silent), (0, End::Silent)),
    ("headers-then-silence", (200, End::Silent), (200, End::Silent)),
    ("slow=5s", (200, End::Whole), (200, End::Whole)),
    ("slow-headers=5s", (200, End::Whole), (200, End::Whole)),
    ("drip=100ms", (200, End::Whole), (200, End::Whole)),
    ("rate-limit", (429, End::Whole), (429, End::Whole)),
    ("payment-required", (402, End::Whole), (402, End::Whole)),
    ("unauthorized", (401, End::Whole), (401, End::Whole)),
    ("forbidden", (403, End::Whole), (403, End::Whole)),
    ("model-not-found", (404, End::Whole), (404, End::Whole)),
    ("gone", (410, End::Whole), (410, End::Whole)),
    ("request-timeout", (408, End::Whole), (408, End::Whole)),
    ("too-large", (413, End::Whole), (413, End::Whole)),
    ("context-length", (400, End::Whole), (400, End::Whole)),
    ("server-error", (500, End::Whole), (500, End::Whole)),
    ("bad-gateway", (502, End::Whole), (502, End::Whole)),
    ("unavailable", (503, End::Whole), (503, End::Whole)),
    ("529", (529, End::Whole), (529, End::Whole)),
    ("prefill-rejected", (200, End::Whole), (200, End::Whole)),
    ("error-body:overloaded", (200, End::Whole), (200, End::Whole)),
    ("error-event", (200, End::Whole), (200, End::Whole)),
    ("empty", (200, End::Whole), (200, End::Whole)),
    ("refusal", (200, End::Whole), (200, End::Whole)),
    ("malformed=3", (200, End::Whole), (200, End::Whole)),
    ("cut=3", (200, End::Short), (200, End::Short)),
    ("cut=0", (200, End::Short), (200, End::Short)),
    ("stall=3", (200, End::Silent), (200, End::Silent)),
    ("half-event=3", (200, End::Short), (200, End::Short)),
    ("end-early=3", (200, End::Whole), (200, End::Whole)),
    ("no-done", (200, End::Whole), (200, End::Whole)),
    ("truncated", (200, End::Short), (200, End::Short)),
    ("garbage", (200, End::Whole), (200, End::Whole)),
    ("flap=1of2", (500, End::Whole), (200, End::Whole)),
    ("fail-once:reset", (0, End::Reset), (200, End::Whole)),
];

#[tokio::test(start_paused = true)]
async fn statuses_and_endings() {
    let sim = sim().await;
    for (fault, stream, plain) in ENDINGS {
        for vendor in VENDORS {
            let model = format!("{vendor}@{fault}");
            let seen = post_chat(&sim, vendor, &model, "x", true).await;
            assert_eq!((seen.status, seen.end), *stream, "{model} streamed: {}", seen.text());
            let seen = post_chat(&sim, vendor, &model, "x", false).await;
            assert_eq!((seen.status, seen.end), *plain, "{model} plain: {}", seen.text());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_of_models_fails_as_a_chat_does() {
    let sim = sim().await;
    let table = [
        ("server-error", 500, End::Whole),
        ("unavailable", 503, End::Whole),
        ("unauthorized", 401, End::Whole),
        ("rate-limit", 429, End::Whole),
        ("refuse", 0, End::Reset),
        ("reset", 0, End::Reset),
        ("silence", 0, End::Silent),
        ("slow-headers=5s", 200, End::Whole),
        ("slow=5s", 200, End::Whole),
        ("truncated", 200, End::Short),
    ];
    let places = ["/p/a/v1/models", "/p/a/models", "/p/a/v1beta/models", "/p/a/openai/v1/models"];
    for (fault, status, end) in table {
        sim.set("a", Behavior::failing(fault.parse().unwrap()));
        for path in places {
            let seen = ask(&sim, "GET", path, "", "").await;
            assert_eq!((seen.status, seen.end), (status, end), "{fault} {path}");
        }
    }
    sim.clear("a");
    for path in places {
        assert_eq!(ask(&sim, "GET", path, "", "").await.status, 200, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_documented_fault_can_be_asked_for() {
    let sim = sim().await;
    for row in FAULTS {
        for vendor in VENDORS {
            post_chat(&sim, vendor, &format!("sim-{}", row.example), "x", true).await;
        }
    }
    let healthy: Vec<_> = sim.log().into_iter().filter(|entry| entry.behavior == "healthy").collect();
    assert!(healthy.is_empty(), "{healthy:?}");
}

#[tokio::test(start_paused = true)]
async fn broken_streams_hold_just_the_words_before_the_break() {
    let sim = sim().await;
    let full = expected_text("x", 16);
    let three: String = expected_text("x", 3);
    for vendor in VENDORS {
        for fault in ["cut=3", "stall=3", "half-event=3", "end-early=3", "error-event=3"] {
            let seen = post_chat(&sim, vendor, &format!("m@{fault}"), "x", true).await;
            assert_eq!(seen.joined(delta(vendor)), three, "{vendor} {fault}");
            let text = seen.text();
            let finished = ["message_stop", "[DONE]", "\"STOP\"", "\"stop\""].iter().any(|mark| text.contains(mark));
            assert!(!finished, "{vendor} {fault}: {text}");
        }
        for fault in ["malformed=3", "no-done", "slow=9s", "cut=99"] {
            let seen = post_chat(&sim, vendor, &format!("m@{fault}"), "x", true).await;
            assert_eq!(seen.joined(delta(vendor)), full, "{vendor} {fault}");
        }
        let half = post_chat(&sim, vendor, "m@half-event=3", "x", true).await.text();
        assert!(!half.ends_with('\n') && half.len() > 20, "{vendor}: {half}");
    }
    let no_done = post_chat(&sim, "openai", "m@no-done", "x", true).await.text();
    assert!(no_done.contains("\"finish_reason\":\"stop\"") && !no_done.contains("[DONE]"));
}

#[tokio::test(start_paused = true)]
async fn errors_inside_a_200() {
    let sim = sim().await;
    let anthropic = post_chat(&sim, "anthropic", "m@error-event", "x", true).await;
    let types: Vec<String> = anthropic.events().iter().map(|e| e["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(types.first().unwrap(), "message_start");
    assert_eq!(types.last().unwrap(), "error");
    assert_eq!(anthropic.events().last().unwrap()["error"]["type"], "overloaded_error");
    let openai = post_chat(&sim, "openai", "m@error-event:insufficient-quota", "x", true).await;
    assert_eq!(openai.events().last().unwrap()["error"]["code"], "insufficient_quota");
    let body = post_chat(&sim, "gemini", "m@error-body:unavailable", "x", true).await;
    assert_eq!((body.status, &body.json()["error"]["status"]), (200, &"UNAVAILABLE".into()));
    for vendor in VENDORS {
        let empty = post_chat(&sim, vendor, "m@empty", "x", true).await;
        assert_eq!(empty.joined(delta(vendor)), "", "{vendor}");
    }
    let empty = post_chat(&sim, "openai", "m@empty", "x", false).await.json();
    assert_eq!(empty["usage"]["total_tokens"].as_u64(), Some(0));
    assert_eq!(empty["choices"][0]["finish_reason"], "stop");
}

#[tokio::test(start_paused = true)]
async fn a_429_and_a_rejected_prefill() {
    let sim = sim().await;
    let limited = post_chat(&sim, "anthropic", "m@rate-limit=7", "x", true).await;
    assert_eq!(limited.header("retry-after"), Some("7"));
    assert_eq!(limited.header("anthropic-ratelimit-requests-remaining"), Some("0"));
    let body = r#"{"model":"m@prefill-rejected","max_tokens":9,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"w0"}]}"#;
    let refused = ask(&sim, "POST", "/v1/messages", "", body).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("prefill"));
    let body = body.replace("@prefill-rejected", "").replace(":9", ":99");
    let begun = ask(&sim, "POST", "/v1/messages", "", &body).await.json();
    assert_eq!(format!("w0{}", begun["content"][0]["text"].as_str().unwrap()), expected_text("x", 16));
}

#[tokio::test(start_paused = true)]
async fn a_reused_connection_is_reset() {
    let sim = sim().await;
    let (path, body) = chat("openai", "sim-reset-reused", "x", false);
    let mut stream = connect(&sim).await;
    for want in [(200, End::Whole), (0, End::Reset)] {
        send(&mut stream, "POST", &path, "", &body).await.unwrap();
        let seen = receive(&mut stream).await;
        assert_eq!((seen.status, seen.end), want);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_hangs_up_is_noticed_at_every_stage() {
    let sim = sim().await;
    for (count, fault) in
        (1..).zip(["silence", "headers-then-silence", "stall=3", "slow=1h", "slow-headers=1h", "drip=1h"])
    {
        let mut stream = connect(&sim).await;
        let (path, body) = chat("openai", &format!("m@{fault}"), "x", true);
        send(&mut stream, "POST", &path, "", &body).await.unwrap();
        assert!(sim.wait_for(std::time::Duration::from_secs(1), |log| log.len() == count).await, "{fault}");
        drop(stream);
        let closed =
            |log: &[ringmain_provider_sim::LogEntry]| matches!(log[count - 1].ended, Ended::ClientClosed { .. });
        assert!(sim.wait_for(std::time::Duration::from_secs(1), closed).await, "{fault}: {:?}", sim.log()[count - 1]);
    }
}

//! Scripts, keys, the control API, the log, recordings.

use std::path::PathBuf;
use std::time::Duration;

use ringmain_provider_sim::{Behavior, Ended, Fault, Script, Sim, SimConfig, key_hash};

use crate::support::{VENDORS, ask, chat, connect, post_chat, receive};

#[tokio::test(start_paused = true)]
async fn a_script_runs_by_time_and_by_count() {
    let yaml = "
providers:
  openai: { steps: [{ at: 2s, behavior: { fault: overloaded } }, { at: 4s }] }
  anthropic: { steps: [{ requests: 1, behavior: { fault: overloaded } }, {}] }
";
    let config = SimConfig { script: Script::parse(yaml).unwrap(), ..SimConfig::default() };
    let sim = Sim::start(config).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(post_chat(&sim, "openai", "m", "x", false).await.status);
        seen.push(post_chat(&sim, "anthropic", "m", "x", false).await.status);
        tokio::time::advance(Duration::from_millis(2100)).await;
    }
    assert_eq!(seen, [200, 529, 503, 200, 200, 200]);
}

#[tokio::test]
async fn keys_and_the_control_api() {
    let yaml = "providers: {a: {keys: [{key: k1, behavior: {fault: insufficient-quota}}, {key: k2, limit: 1}]}}";
    let sim = Sim::start(SimConfig { script: Script::parse(yaml).unwrap(), ..SimConfig::default() }).await.unwrap();
    let (path, body) = chat("openai", "m", "x", false);
    let path = format!("/p/a{path}");
    let with = |key: &str| format!("authorization: Bearer {key}\r\n");
    let mut seen = Vec::new();
    for key in ["k0", "k1", "k2", "k2"] {
        seen.push(ask(&sim, "POST", &path, &with(key), &body).await.status);
    }
    assert_eq!(seen, [401, 429, 200, 429]);
    let log = sim.log();
    assert_eq!(log[2].key_hash, Some(key_hash("k2")));
    assert!(log.iter().all(|entry| entry.headers.iter().all(|(name, _)| name != "authorization")));

    let control = |method: &'static str, path: &'static str, body: &'static str| ask(&sim, method, path, "", body);
    assert_eq!(control("PUT", "/_sim/behavior/openai", "fault: 503").await.status, 200);
    assert_eq!(control("GET", "/_sim/behavior/openai", "").await.json()["fault"], "status=503");
    assert_eq!(post_chat(&sim, "openai", "m", "x", true).await.status, 503);
    assert_eq!(control("PUT", "/_sim/behavior/openai", r#"{"fault":"nonsense"}"#).await.status, 400);
    assert_eq!(control("DELETE", "/_sim/behavior/openai", "").await.status, 200);
    assert_eq!(post_chat(&sim, "openai", "m", "x", true).await.status, 200);
    let listed = control("GET", "/_sim/log", "").await.json();
    assert_eq!(listed["entries"].as_array().unwrap().len(), 6);
    assert_eq!(listed["entries"][5]["ended"]["state"], "completed");
    assert!(!listed.to_string().contains("Bearer"));
    assert_eq!(control("DELETE", "/_sim/log", "").await.status, 200);
    assert_eq!((sim.log().len(), sim.received("openai")), (0, 0));
    assert!(control("GET", "/_sim/faults", "").await.json()["faults"].as_array().unwrap().len() > 40);
    assert_eq!(control("GET", "/_sim/else", "").await.status, 404);
}

#[tokio::test]
async fn the_log_says_how_answers_ended() {
    let sim = Sim::start(SimConfig::default()).await.unwrap();
    sim.set("gemini", Behavior::failing(Fault::Refuse));
    for vendor in VENDORS {
        post_chat(&sim, vendor, "m", "x", true).await;
    }
    post_chat(&sim, "openai", "m@cut", "x", true).await;
    let log = sim.log();
    let ended: Vec<_> = log.iter().map(|entry| (entry.label.as_str(), entry.behavior.as_str(), entry.status)).collect();
    let want = [
        ("openai", "healthy", Some(200)),
        ("anthropic", "healthy", Some(200)),
        ("gemini", "refuse", None),
        ("cohere", "healthy", Some(200)),
        ("openai", "cut=5", Some(200)),
    ];
    assert_eq!(ended, want);
    assert!(matches!(log[0].ended, Ended::Completed { .. }));
    assert!(matches!(log[2].ended, Ended::BrokenOff { .. }));
    assert!(matches!(log[4].ended, Ended::BrokenOff { .. }));
    assert!(log[0].stream && log[0].bytes > 0 && log[0].body.starts_with(b"{"));
}

#[tokio::test]
async fn a_simulator_that_is_down_refuses_connections() {
    let mut sim = Sim::start(SimConfig::default()).await.unwrap();
    let mut waiting = connect(&sim).await;
    assert_eq!(post_chat(&sim, "openai", "m", "x", false).await.status, 200);
    sim.down().await;
    sim.down().await;
    assert_eq!(receive(&mut waiting).await.status, 0);
    let refused = tokio::net::TcpStream::connect(sim.address()).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    sim.up().await.unwrap();
    assert_eq!(post_chat(&sim, "openai", "m", "x", false).await.status, 200);
    assert_eq!(sim.received("openai"), 2);
}

#[tokio::test]
async fn only_loopback_is_listened_on() {
    let config = SimConfig { listen: "0.0.0.0:0".parse().unwrap(), ..SimConfig::default() };
    assert!(Sim::start(config).await.unwrap_err().to_string().contains("not a loopback address"));
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "says why nothing was tested")]
async fn recordings_are_replayed() {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/recordings"));
    let config = SimConfig { recordings: Some(folder.clone()), ..SimConfig::default() };
    let sim = Sim::start(config).await.unwrap();
    if !folder.is_dir() {
        eprintln!("skipped: no recordings at ../shared/recordings");
        assert_eq!(sim.recordings(), 0);
        return;
    }
    let mut replayed = 0;
    for api in ["openai.chat", "anthropic.messages", "gemini.stream", "cohere.chat"] {
        for entry in std::fs::read_dir(folder.join(api)).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            let recorded: serde_json::Value = serde_json::from_str(&text).unwrap();
            let Some(body) = recorded["request"].get("body") else { continue };
            let path = recorded["request"]["path"].as_str().unwrap();
            let seen = ask(&sim, "POST", path, "", &body.to_string()).await;
            // Turns of one conversation may share a request; then the first answer stands for all.
            replayed += usize::from(recorded["response"].get("body_text").is_some_and(|text| *text == seen.text()));
            assert!(sim.log().last().unwrap().behavior == "recording", "{api} {path}");
        }
    }
    assert!(replayed > 50, "{replayed}");
}

/// Requests that real providers took are taken, and answered in the kind of body they asked for.
#[tokio::test]
#[expect(clippy::print_stderr, reason = "says why nothing was tested")]
async fn recorded_requests_are_understood() {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/recordings"));
    if !folder.is_dir() {
        eprintln!("skipped: no recordings at ../shared/recordings");
        return;
    }
    let sim = Sim::start(SimConfig::default()).await.unwrap();
    let apis = [
        "openai.chat",
        "groq.chat",
        "mistral.chat",
        "deepseek.chat",
        "openai.embeddings",
        "openai.moderations",
        "anthropic.messages",
        "anthropic.count_tokens",
        "gemini.generate",
        "gemini.stream",
        "gemini.count_tokens",
        "cohere.chat",
        "cohere.embed",
        "cohere.rerank",
    ];
    let mut understood = 0;
    for api in apis {
        for entry in std::fs::read_dir(folder.join(api)).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            let recorded: serde_json::Value = serde_json::from_str(&text).unwrap();
            let (request, response) = (&recorded["request"], &recorded["response"]);
            let Some(body) = request.get("body").filter(|_| response["status"].as_u64() == Some(200)) else { continue };
            let path = request["path"].as_str().unwrap();
            let sse = request["query"]["alt"] == "sse";
            let path = if sse { format!("{path}?alt=sse") } else { path.to_owned() };
            let seen = ask(&sim, "POST", &path, "", &body.to_string()).await;
            assert_eq!(seen.status, 200, "{}: {}", recorded["id"], seen.text());
            if recorded["streaming"] == true && (sse || api != "gemini.stream") {
                assert!(seen.events().len() > 1, "{}: {}", recorded["id"], seen.text());
            } else {
                assert!(!seen.json().is_null(), "{}", recorded["id"]);
            }
            understood += 1;
        }
    }
    assert!(understood > 100, "{understood}");
}

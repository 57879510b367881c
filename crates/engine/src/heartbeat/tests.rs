//! Heartbeats under time that does not pass by itself: real HTTP over pipes, providers that fail and heal.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use ringmain_catalog::Catalog;
use ringmain_config::{Config, Heartbeat, HeartbeatBy, Sources};
use ringmain_core::Tick;
use ringmain_routing::Standing;
use ringmain_routing::heartbeat::Pulse;
use ringmain_upstream::{Dial, Dialed, Io, Origin, SendError, Stage, Upstream};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;

use super::{Past, is_due, run};
use crate::{Gateway, serve};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// How the provider `a` does; `b` is always well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Well,
    /// Refuses connections.
    Down,
    /// 500, whatever is asked.
    Failing,
    /// 500, but for the list of models.
    OnlyLists,
    /// Never answers.
    Silent,
}

#[derive(Debug)]
struct Providers {
    mode: Mutex<Mode>,
    /// What `a` was asked.
    asked: Mutex<Vec<Asked>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    List,
    Token,
    Caller,
}

#[derive(Debug)]
struct Pipes(Arc<Providers>);

impl Dial for Pipes {
    fn dial<'a>(&'a self, origin: &'a Origin, _: Duration) -> Dialed<'a> {
        let is_a = origin.host() == "a.test";
        if is_a && *self.0.mode.lock().unwrap() == Mode::Down {
            let source = std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into();
            return Box::pin(async { Err(SendError { stage: Stage::Connect, timed_out: false, source }) });
        }
        let (near, far) = tokio::io::duplex(1 << 16);
        tokio::spawn(answer(far, is_a, Arc::clone(&self.0)));
        Box::pin(async move { Ok(Box::new(near) as Box<dyn Io>) })
    }
}

/// Answers one request, and closes.
async fn answer(mut pipe: DuplexStream, is_a: bool, providers: Arc<Providers>) {
    let mut seen = Vec::new();
    let text = loop {
        if pipe.read_buf(&mut seen).await.unwrap_or(0) == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&seen);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
            if body.len() >= length.parse::<usize>().unwrap() {
                break text.into_owned();
            }
        }
    };
    let asked = match text.starts_with("GET /v1/models ") {
        true => Asked::List,
        false if text.contains("Say yes.") => Asked::Token,
        false => Asked::Caller,
    };
    assert!(text.contains("-key\r\n"), "authorised as a request is: {text}");
    let mode = if is_a { *providers.mode.lock().unwrap() } else { Mode::Well };
    if is_a {
        providers.asked.lock().unwrap().push(asked);
    }
    let (status, body) = match (mode, asked) {
        (Mode::Silent, _) => {
            let _ = pipe.read(&mut [0; 1]).await;
            return;
        }
        (Mode::Well | Mode::OnlyLists, Asked::List) => (200, r#"{"object":"list","data":[]}"#),
        (Mode::Well, _) => (
            200,
            r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"yes"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}"#,
        ),
        (Mode::Down | Mode::Failing | Mode::OnlyLists, _) => (500, r#"{"error":{"message":"boom"}}"#),
    };
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = pipe.write_all((head + body).as_bytes()).await;
}

struct NoSources;

impl Sources for NoSources {
    fn var(&self, _: &str) -> Option<String> {
        None
    }

    fn file(&self, _: &str) -> Result<String, String> {
        Err("there are no files here".to_owned())
    }
}

/// Providers `a` and `b` in order; `heartbeat` is the setting of `a`.
fn config(heartbeat: &str) -> Config {
    let provider = |name: &str, more: &str| {
        format!(
            "  {name}: {{ kind: openai-compatible, base_url: \"http://{name}.test/v1\", keys: [{name}-key]{more} }}\n"
        )
    };
    let heartbeat = if heartbeat.is_empty() { String::new() } else { format!(", heartbeat: {heartbeat}") };
    let yaml = format!(
        "providers:\n{}{}routes:\n  - {{ name: r, targets: [a/m, b/m] }}\n",
        provider("a", &heartbeat),
        provider("b", "")
    );
    let loaded = ringmain_config::load(&yaml, &NoSources, &Catalog::embedded().unwrap());
    loaded.config.unwrap_or_else(|| panic!("{}", loaded.diagnostics.render("test", &yaml, false)))
}

struct World {
    gateway: Arc<Gateway>,
    upstream: Upstream,
    providers: Arc<Providers>,
    heartbeats: JoinHandle<()>,
}

impl World {
    fn new(heartbeat: &str) -> Self {
        let providers = Arc::new(Providers { mode: Mutex::new(Mode::Well), asked: Mutex::default() });
        let upstream = Upstream::new(Arc::new(Pipes(Arc::clone(&providers))));
        let gateway = Arc::new(Gateway::new(config(heartbeat), 7));
        let heartbeats = tokio::spawn(run(Arc::clone(&gateway), upstream.clone()));
        Self { gateway, upstream, providers, heartbeats }
    }

    fn set(&self, mode: Mode) {
        *self.providers.mode.lock().unwrap() = mode;
    }

    /// A caller's request: who served it.
    async fn ask(&self) -> String {
        let body = r#"{"model":"r","messages":[{"role":"user","content":"hi"}]}"#;
        let request = Request::post("/v1/chat/completions").body(Full::new(Bytes::from(body))).unwrap();
        let (head, body) = serve(&self.gateway, &self.upstream, request).await.into_parts();
        let _ = body.collect().await;
        assert_eq!(head.status, 200);
        head.headers["x-ringmain-target"].to_str().unwrap().to_owned()
    }

    /// Callers until `a` is left alone.
    async fn until_out(&self) {
        for _ in 0..20 {
            let _ = self.ask().await;
            if matches!(self.standing(), Standing::Out(_)) {
                self.providers.asked.lock().unwrap().clear();
                return;
            }
        }
        panic!("it was not benched");
    }

    /// One caller a second.
    async fn callers(&self, seconds: u64) -> Vec<String> {
        let mut served = Vec::new();
        for _ in 0..seconds {
            tokio::time::sleep(secs(1)).await;
            served.push(self.ask().await);
        }
        served
    }

    fn standing(&self) -> Standing {
        let rules = self.gateway.rules();
        let route = rules.routes().find(|route| &*route.name == "r").unwrap();
        let now = self.gateway.clock.now();
        ringmain_routing::view(&self.gateway.health(), &route.policy, None, now).rows()[0].standing
    }

    /// How often `a` was asked for this.
    fn asked(&self, what: Asked) -> usize {
        self.providers.asked.lock().unwrap().iter().filter(|asked| **asked == what).count()
    }

    fn metric(&self, line: &str) -> Option<u64> {
        let text = self.gateway.metrics.expose();
        text.lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok())
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_heals_is_back_before_a_caller_has_to_try_it() {
    let world = World::new("on");
    world.set(Mode::Down);
    world.until_out().await;
    // Ten minutes: whoever calls is served by the other, and nobody is spent on finding out.
    let served = world.callers(600).await;
    assert!(served.iter().all(|target| target == "b/m"));
    world.set(Mode::Well);
    tokio::time::sleep(secs(34)).await;
    assert_eq!((world.asked(Asked::List), world.asked(Asked::Caller)), (1, 0));
    assert_eq!(world.standing(), Standing::Ready);
    tokio::time::sleep(secs(20)).await;
    assert_eq!(world.ask().await, "a/m", "the ramp is over");
    let before = world.asked(Asked::List);
    tokio::time::sleep(secs(3600)).await;
    assert_eq!(world.asked(Asked::List), before, "all is well: nothing is asked");
}

#[tokio::test(start_paused = true)]
async fn a_model_that_heals_is_brought_back_by_a_token() {
    let world = World::new("{ by: token }");
    world.set(Mode::Failing);
    world.until_out().await;
    let attempts = world.metric(r#"ringmain_attempts_total{target="a/m",outcome="server"}"#);
    let served = world.callers(600).await;
    assert!(served.iter().all(|target| target == "b/m"));
    // While callers come, each time one would be let through a heartbeat was before it.
    assert_eq!(world.asked(Asked::Caller), 0);
    let tokens = world.asked(Asked::Token);
    assert!((15..=40).contains(&tokens), "about every 30 s, and at first more often: {tokens}");
    world.set(Mode::Well);
    tokio::time::sleep(secs(34)).await;
    assert_eq!((world.asked(Asked::Caller), world.standing()), (0, Standing::Ready));
    // No attempt, no usage, no request: a metric of their own.
    assert_eq!(world.metric(r#"ringmain_attempts_total{target="a/m",outcome="server"}"#), attempts);
    assert_eq!(world.metric(r#"ringmain_attempts_total{target="a/m",outcome="ok"}"#), Some(0));
    assert_eq!(world.metric(r#"ringmain_tokens_total{target="a/m",kind="output"}"#), Some(0));
    assert_eq!(world.metric(r#"ringmain_heartbeats_total{provider="a",by="token",result="ok"}"#), Some(1));
    let failed = world.metric(r#"ringmain_heartbeats_total{provider="a",by="token",result="server"}"#);
    assert_eq!(failed, Some(tokens as u64));
    tokio::time::sleep(secs(20)).await;
    assert_eq!(world.ask().await, "a/m");
}

#[tokio::test(start_paused = true)]
async fn a_list_alone_proves_little() {
    let world = World::new("on");
    world.set(Mode::OnlyLists);
    world.until_out().await;
    // The list is good news once; then the model is tried no more often than without heartbeats.
    let _ = world.callers(600).await;
    let tried = world.asked(Asked::Caller);
    let without = World::new("off");
    without.set(Mode::OnlyLists);
    without.until_out().await;
    let _ = without.callers(600).await;
    assert!(tried <= without.asked(Asked::Caller) + 2, "{tried}, {} without", without.asked(Asked::Caller));
    // A list that failed as well, and then works again, has something to say.
    world.set(Mode::Failing);
    let _ = world.callers(60).await;
    world.set(Mode::Well);
    let served = world.callers(60).await;
    assert!(served.iter().any(|target| target == "a/m"), "{served:?}");
    assert_eq!(world.standing(), Standing::Ready);
}

#[tokio::test(start_paused = true)]
async fn without_the_setting_nothing_is_asked() {
    for setting in ["", "off"] {
        let world = World::new(setting);
        world.set(Mode::Failing);
        world.until_out().await;
        tokio::time::sleep(secs(3600)).await;
        assert_eq!((world.asked(Asked::List), world.asked(Asked::Token)), (0, 0));
        assert!(!world.gateway.metrics.expose().contains("ringmain_heartbeats_total{"));
        assert_eq!(world.standing(), Standing::Probe, "traffic finds out");
    }
}

#[tokio::test(start_paused = true)]
async fn one_at_a_time() {
    let world = World::new("{ every: 1s, when: always }");
    tokio::time::sleep(secs(20)).await;
    let asked = world.asked(Asked::List);
    assert!((12..=22).contains(&asked), "every second, as far as looks allow: {asked}");
    world.set(Mode::Silent);
    tokio::time::sleep(secs(1)).await;
    world.providers.asked.lock().unwrap().clear();
    tokio::time::sleep(secs(60)).await;
    let asked = world.asked(Asked::List);
    assert!((5..=6).contains(&asked), "each is given up after 10 s: {asked}");
    assert_eq!(world.standing(), Standing::Ready, "a list is no witness against models that serve");
}

#[tokio::test(start_paused = true)]
async fn always_finds_an_outage_without_traffic() {
    let world = World::new("{ every: 10s, by: token, when: always }");
    tokio::time::sleep(secs(60)).await;
    assert!((4..=7).contains(&world.asked(Asked::Token)), "{}", world.asked(Asked::Token));
    world.set(Mode::Failing);
    tokio::time::sleep(secs(62)).await;
    assert!(matches!(world.standing(), Standing::Out(_)));
    assert_eq!(world.ask().await, "b/m");
    assert_eq!(world.asked(Asked::Caller), 0);
}

#[tokio::test(start_paused = true)]
async fn they_follow_a_reload_and_give_back_what_they_hold() {
    let world = World::new("");
    world.set(Mode::Silent);
    world.gateway.reload(config("{ by: token }"));
    for _ in 0..5 {
        let _ = world.ask().await;
    }
    assert!(matches!(world.standing(), Standing::Out(_)));
    world.providers.asked.lock().unwrap().clear();
    tokio::time::sleep(secs(15)).await;
    assert_eq!(world.asked(Asked::Token), 1, "under way, and silent");
    assert!(matches!(world.standing(), Standing::Out(_)), "nobody else finds out meanwhile");
    world.heartbeats.abort();
    tokio::time::sleep(secs(1)).await;
    assert_eq!(world.standing(), Standing::Probe);

    let world = World::new("{ every: 1s, when: always }");
    tokio::time::sleep(secs(10)).await;
    world.gateway.reload(config("off"));
    tokio::time::sleep(secs(1)).await;
    let asked = world.asked(Asked::List);
    assert!(asked > 0);
    tokio::time::sleep(secs(60)).await;
    assert_eq!(world.asked(Asked::List), asked);
}

#[test]
fn when_one_is_due() {
    let at = |seconds: u64| Tick::ZERO + secs(seconds);
    let out = |seconds: u64| Pulse::Out { until: Some(at(seconds)) };
    let unknown = Pulse::Out { until: None };
    // (always, how it stands, due at, sent for, now) -> is it due?
    let table = [
        (false, Pulse::Well, 10, None, 99, false),
        (true, Pulse::Well, 10, None, 9, false),
        (true, Pulse::Well, 10, None, 10, true),
        (true, Pulse::Busy, 10, None, 99, false),
        (false, out(50), 10, None, 10, true),
        (false, out(8), 10, None, 6, false),
        (false, out(8), 10, None, 7, true),
        (false, out(8), 10, Some(8), 9, false),
        (false, out(8), 10, Some(7), 9, true),
        (false, unknown, 10, None, 9, false),
        (false, unknown, 10, None, 10, true),
    ];
    for (always, pulse, due, sent_for, now, wanted) in table {
        let settings = Heartbeat { every: secs(30), by: HeartbeatBy::Models, always };
        let past = Past { due: at(due), beats: 1, sent_for: sent_for.map(at) };
        assert_eq!(is_due(&settings, pulse, &past, at(now)), wanted, "{always} {pulse:?} {due} {sent_for:?} {now}");
    }
}

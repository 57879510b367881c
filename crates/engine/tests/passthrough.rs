//! What is passed through, under time that does not pass by itself: where it goes, with what, and what cuts it.

mod pipes;

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use pipes::{Act, Noted, World, status};
use ringmain_core::RequestId;
use ringmain_engine::Tunnel;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, Sleep};

const RULES: &str = "
providers:
  openai: { base_url: 'http://openai.test/v1', keys: [sk-openai-one, sk-openai-two] }
  anthropic: { base_url: 'http://anthropic.test', keys: [sk-ant-one] }
  gemini: { base_url: 'http://gemini.test', keys: [goog-one] }
  azure: { kind: azure-openai, base_url: 'http://azure.test', keys: [azure-one] }
  bedrock: { base_url: 'http://bedrock.test', region: eu-west-1, keys: [{ access_key: AKIDEXAMPLE, secret_key: wJalrXUtnFEMI }] }
";

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn near(left: Duration, right: Duration) -> bool {
    left.abs_diff(right) < Duration::from_millis(20)
}

fn world(provider: &'static str, acts: Vec<Vec<Act>>) -> World {
    World::of(&[(provider, acts)], RULES)
}

fn ok() -> Act {
    status(200, "x-request-id: req_7\r\nset-cookie: tracker=1\r\n", "{}")
}

/// Pieces of a caller's body, one each so many seconds; then silence, or the end.
struct Slowly {
    pieces: u32,
    each: Duration,
    ends: bool,
    next: Pin<Box<Sleep>>,
}

impl Slowly {
    fn new(pieces: u32, each: Duration, ends: bool) -> Self {
        Self { pieces, each, ends, next: Box::pin(tokio::time::sleep(each)) }
    }
}

impl Body for Slowly {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        if self.pieces == 0 {
            return if self.ends { Poll::Ready(None) } else { Poll::Pending };
        }
        std::task::ready!(self.next.as_mut().poll(cx));
        self.pieces -= 1;
        let each = self.each;
        self.next.as_mut().reset(Instant::now() + each);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"piece")))))
    }
}

#[tokio::test(start_paused = true)]
async fn the_providers_key_goes_and_the_callers_stays() {
    let table = [
        ("openai", "GET", "/files?limit=2", "/v1/files?limit=2", "authorization: Bearer sk-openai-"),
        ("openai", "POST", "/v1/batches", "/v1/batches", "authorization: Bearer sk-openai-"),
        ("openai", "DELETE", "/files/a%2Fb", "/v1/files/a%2Fb", "authorization: Bearer sk-openai-"),
        ("anthropic", "POST", "/v1/messages/batches", "/v1/messages/batches", "x-api-key: sk-ant-one"),
        ("gemini", "GET", "/v1beta/files?key=mine&pageSize=1", "/v1beta/files?pageSize=1", "x-goog-api-key: goog-one"),
        ("gemini", "GET", "/v1beta/openai/files", "/v1beta/openai/files", "authorization: Bearer goog-one"),
        ("azure", "GET", "/openai/files?api-version=1", "/openai/files?api-version=1", "api-key: azure-one"),
        (
            "bedrock",
            "POST",
            "/guardrail/g/version/1/apply",
            "/guardrail/g/version/1/apply",
            "authorization: AWS4-HMAC-SHA256 ",
        ),
    ];
    let credentials = ["authorization", "x-api-key", "api-key", "x-goog-api-key", "xi-api-key", "cookie", "x-amz-date"];
    for (provider, method, path, arrives, key) in table {
        let world = world(provider, vec![vec![ok()]]);
        let mut headers: Vec<_> = credentials.iter().map(|name| (*name, "Bearer mine")).collect();
        headers.extend([("host", "evil.example"), ("x-forwarded-for", "10.0.0.1"), ("openai-beta", "assistants=v2")]);
        let answer = world.call(method, &format!("/providers/{provider}{path}"), r#"{"a":1}"#, &headers).await;
        assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, "{}"), "{provider}{path}");
        assert_eq!((answer.header("x-request-id"), answer.header("set-cookie")), ("req_7", ""));
        assert_eq!(answer.header("x-ringmain-target"), format!("{provider}/passthrough"));
        assert_eq!(answer.header("x-ringmain-route"), "passthrough");
        let asked = &world.requests(provider)[0];
        assert!(asked.starts_with(&format!("{method} {arrives} HTTP/1.1\r\n")), "{asked}");
        assert!(asked.contains(key) && asked.contains("openai-beta: assistants=v2"), "{asked}");
        assert!(asked.contains(&format!("host: {provider}.test\r\n")) && asked.ends_with(r#"{"a":1}"#), "{asked}");
        assert!(!asked.contains("mine") && !asked.contains("evil") && !asked.contains("10.0.0.1"), "{asked}");
        let id = RequestId::parse(answer.header("x-ringmain-request-id")).unwrap();
        let record = serde_json::to_string(&world.gateway().records.get(id).unwrap().unwrap()).unwrap();
        let shown = path.split('?').next().unwrap();
        assert!(record.contains(&format!("`{provider}`: {method} {shown}")) && !record.contains("mine"), "{record}");
        assert!(world.metrics().contains(&format!(r#"target="{provider}/passthrough""#)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_path_leads_nowhere_else() {
    let world = world("openai", vec![vec![ok()]]);
    for path in
        ["/../admin", "/%2e%2e/admin", "//evil.example/x", "/http://evil.example/x", "/a/..%2f..%2fb", "/..%5c.."]
    {
        let answer = world.call("GET", &format!("/providers/openai{path}"), "", &[]).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
    }
    let answer = world.call("GET", "/providers/nobody/files", "", &[]).await;
    assert!(answer.status == StatusCode::NOT_FOUND && answer.text.contains("`nobody`"), "{}", answer.text);
    let absolute = world.call("GET", "http://evil.example/providers/openai/files", "", &[]).await;
    assert_eq!((absolute.status, world.asked("openai")), (StatusCode::OK, 1));
    assert!(world.requests("openai")[0].starts_with("GET /v1/files HTTP/1.1\r\n"));
}

#[tokio::test(start_paused = true)]
async fn what_the_provider_says_is_said() {
    let missing = status(404, "", r#"{"error":{"message":"no such file"}}"#);
    let world = world("openai", vec![vec![missing]]);
    for _ in 0..12 {
        let answer = world.call("GET", "/providers/openai/files/f", "", &[]).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "a file that is not there benches nobody");
        assert!(answer.text.contains("no such file"));
    }
    assert_eq!(world.asked("openai"), 12);
    let head =
        Act::Send("HTTP/1.1 200 OK\r\ncontent-length: 77\r\ncontent-encoding: gzip\r\nx-a: b\r\n\r\n".to_owned());
    let moved = status(307, "location: http://openai.test/v1/uploads/u?part=1\r\n", "");
    let world = self::world("openai", vec![vec![head], vec![moved]]);
    let answer = world.call("HEAD", "/providers/openai/files/f/content", "", &[]).await;
    assert_eq!((answer.header("content-length"), answer.header("content-encoding")), ("77", "gzip"));
    let answer = world.call("GET", "/providers/openai/files/f/content", "", &[]).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (307, "/providers/openai/uploads/u?part=1"));
}

#[tokio::test(start_paused = true)]
async fn another_key_is_tried_while_nothing_is_gone() {
    let limited =
        || status(429, "retry-after: 60\r\n", r#"{"error":{"message":"slow down","code":"rate_limit_exceeded"}}"#);
    let denied = || status(401, "", r#"{"error":{"message":"no scope","code":"invalid_api_key"}}"#);
    for (method, refusal) in [("GET", limited()), ("POST", limited()), ("POST", denied())] {
        let world = world("openai", vec![vec![refusal], vec![ok()]]);
        let answer = world.call(method, "/providers/openai/batches", "{}", &[]).await;
        assert_eq!((answer.status, answer.header("x-ringmain-attempts")), (StatusCode::OK, "2"), "{method}");
        let keys: Vec<bool> = world.requests("openai").iter().map(|asked| asked.contains("sk-openai-one")).collect();
        assert_ne!(keys[0], keys[1], "{method}: the other key");
    }
    // What the provider has taken in is not sent twice, unless asking twice is asking once.
    for (method, asked) in [("POST", 1), ("GET", 2)] {
        let world = world("openai", vec![vec![status(500, "", r#"{"error":{"message":"broken"}}"#)], vec![ok()]]);
        let answer = world.call(method, "/providers/openai/batches", "{}", &[]).await;
        assert_eq!(world.asked("openai"), asked, "{method}: {}", answer.text);
        assert!(asked == 2 || answer.status == StatusCode::INTERNAL_SERVER_ERROR && answer.text.contains("broken"));
    }
    // A body that flowed is gone.
    let world = world("openai", vec![vec![limited()], vec![ok()]]);
    let request = Request::post("/providers/openai/files").body(Slowly::new(2, secs(1), true)).unwrap();
    let answer = world.answer(world.open(request).await).await;
    assert_eq!((answer.status.as_u16(), world.asked("openai")), (429, 1));
    assert!(answer.text.contains("slow down"), "{}", answer.text);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_may_not_do_this_is_good_for_the_rest() {
    let rules = "
providers: { openai: { base_url: 'http://openai.test/v1', keys: [sk-openai-one] } }
keys: [{ name: free, key: virtual-free-key }, { name: tied, key: virtual-tied-key, models: [gpt-4o] }]
";
    let denied = status(401, "", r#"{"error":{"message":"admin keys alone","code":"invalid_api_key"}}"#);
    let world = World::of(&[("openai", vec![vec![denied], vec![ok()]])], rules);
    let free = [("authorization", "Bearer virtual-free-key")];
    let answer = world.call("GET", "/providers/openai/organization/users", "", &free).await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "the caller's own key is not the one that was refused");
    let answer = world.call("GET", "/providers/openai/files", "", &free).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert!(!world.requests("openai").concat().contains("virtual-free-key"));
    let tied = world.call("GET", "/providers/openai/files", "", &[("api-key", "virtual-tied-key")]).await;
    assert!(tied.status == StatusCode::FORBIDDEN && tied.text.contains("`passthrough`"), "{}", tied.text);
    let nobody = world.call("GET", "/providers/openai/files", "", &[]).await;
    assert_eq!((nobody.status, world.asked("openai")), (StatusCode::UNAUTHORIZED, 2));
}

#[tokio::test(start_paused = true)]
async fn limits_hold_and_are_given_back() {
    let rules = "
providers: { openai: { base_url: 'http://openai.test/v1', keys: [sk-openai-one] } }
keys: [{ name: few, key: virtual-few-key, limits: [2 requests/hour, 1 at once], on_exhausted: 'route:other' }]
routes: [{ name: other, targets: [openai/gpt-4o] }]
";
    let world = World::of(&[("openai", vec![vec![ok()]])], rules);
    let key = [("authorization", "Bearer virtual-few-key")];
    for status in [200, 200, 429] {
        let answer = world.call("GET", "/providers/openai/files", "", &key).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
    }
    assert_eq!(world.asked("openai"), 2, "and nothing goes another way");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_flows_is_never_cut() {
    let world = world("openai", vec![vec![ok()]]);
    let body = Slowly::new(60, secs(20), true);
    let answer = world.answer(world.open(Request::post("/providers/openai/files").body(body).unwrap()).await).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert!(near(answer.done_at, secs(1200)), "{:?}", answer.done_at);
    assert_eq!(world.requests("openai")[0].matches("piece").count(), 60);

    let mut acts = vec![Act::Send("HTTP/1.1 200 OK\r\ncontent-length: 300\r\n\r\n".to_owned())];
    acts.extend((0..60).flat_map(|_| [Act::Wait(secs(20)), Act::Send("piece".to_owned())]));
    let world = self::world("openai", vec![acts]);
    let answer = world.call("GET", "/providers/openai/files/f/content", "", &[]).await;
    assert_eq!((answer.text.len(), answer.header("content-length")), (300, "300"));
    assert!(near(answer.done_at, secs(1200)), "{:?}", answer.done_at);
}

#[tokio::test(start_paused = true)]
async fn silence_has_an_end() {
    let began = |world: &World| world.noted("openai");
    // The provider's, before it answers.
    let world = world("openai", vec![vec![Act::Silence]]);
    let request = Request::post("/providers/openai/files").body(Slowly::new(3, secs(50), true)).unwrap();
    let answer = world.answer(world.open(request).await).await;
    assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT);
    assert!(near(answer.done_at, secs(150 + 120)), "120 s after the last piece: {:?}", answer.done_at);
    // The caller's.
    let world = self::world("openai", vec![vec![ok()]]);
    let request = Request::post("/providers/openai/files").body(Slowly::new(3, secs(50), false)).unwrap();
    let answer = world.answer(world.open(request).await).await;
    assert_eq!((answer.status, world.asked("openai")), (StatusCode::REQUEST_TIMEOUT, 0), "{}", answer.text);
    assert!(near(answer.done_at, secs(150 + 60)), "{:?}", answer.done_at);
    // The provider's, inside its answer; and a time the caller named, though the answer flows.
    for (pause, timeout, cut) in [(secs(100), "1h", secs(30)), (secs(7), "20s", secs(20))] {
        let mut acts = vec![Act::Send("HTTP/1.1 200 OK\r\ncontent-length: 300\r\n\r\npiece".to_owned())];
        acts.extend((0..60).flat_map(|_| [Act::Wait(pause), Act::Send("piece".to_owned())]));
        let world = self::world("openai", vec![acts]);
        let request = Request::get("/providers/openai/files/f/content").header("x-ringmain-timeout", timeout);
        let response = world.open(request.body(http_body_util::Empty::new()).unwrap()).await;
        let start = Instant::now();
        let broke = response.into_body().collect().await;
        assert!(broke.is_err() && near(start.elapsed(), cut), "{:?}", start.elapsed());
        tokio::time::sleep(pause).await;
        assert!(matches!(began(&world)[..], [Noted::Asked(_), Noted::Closed(_)]), "its connection is closed");
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_ends_it() {
    let acts = vec![Act::Send("HTTP/1.1 200 OK\r\ncontent-length: 300\r\n\r\npiece".to_owned()), Act::Silence];
    let world = world("openai", vec![acts]);
    let request = Request::get("/providers/openai/files/f/content").body(http_body_util::Empty::new()).unwrap();
    let mut response = world.open(request).await;
    assert_eq!(response.body_mut().frame().await.unwrap().unwrap().into_data().unwrap(), "piece");
    drop(response);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(matches!(world.noted("openai")[..], [Noted::Asked(_), Noted::Closed(_)]));
    assert!(!world.metrics().contains("breaker=\"open\""));
}

#[tokio::test(start_paused = true)]
async fn a_websocket_is_a_tunnel() {
    let head = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nsec-websocket-protocol: realtime\r\n\r\n\u{1}\u{2}hi";
    let acts = vec![Act::Send(head.to_owned()), Act::Wait(secs(3600)), Act::Send("later".to_owned()), Act::Close];
    let world = world("openai", vec![acts]);
    let request = Request::get("/providers/openai/realtime?model=gpt-realtime")
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-protocol", "realtime, openai-insecure-api-key.mine, openai-beta.realtime-v1");
    let mut response = world.open(request.body(http_body_util::Empty::new()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(response.headers()["upgrade"], "websocket");
    assert_eq!(response.headers()["sec-websocket-protocol"], "realtime");
    let asked = &world.requests("openai")[0];
    assert!(asked.starts_with("GET /v1/realtime?model=gpt-realtime HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("authorization: Bearer sk-openai-") && asked.contains("upgrade: websocket"), "{asked}");
    assert!(asked.contains("sec-websocket-protocol: realtime, openai-beta.realtime-v1\r\n"), "{asked}");
    let (mut caller, near_end) = tokio::io::duplex(64);
    let tunnel = Tunnel::take(&mut response).unwrap();
    let running = tokio::spawn(tunnel.run(near_end, std::future::pending()));
    let mut heard = Vec::new();
    caller.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"\x01\x02hilater", "an hour of silence is no end of it");
    running.await.unwrap();
    let id = RequestId::parse(response.headers()["x-ringmain-request-id"].to_str().unwrap()).unwrap();
    let record = world.gateway().records.get(id).unwrap().unwrap();
    assert!(record.attempts[0].served && record.fault.is_none());
}

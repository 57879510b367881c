//! A gateway whose providers are pipes in memory: real HTTP on both ends, and time that only moves when all wait.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on may stop")]
#![allow(dead_code, reason = "each test binary uses a part")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use ringmain_catalog::Catalog;
use ringmain_config::{Config, Sources};
use ringmain_engine::{Gateway, ReplyBody, serve};
use ringmain_upstream::{Dial, Dialed, Io, Origin, Upstream};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::Instant;

/// What a provider does with a connection's next request.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Sends these bytes.
    Send(String),
    /// Waits.
    Wait(Duration),
    /// Never says another word, and notes when the gateway closes.
    Silence,
    /// Closes.
    Close,
}

/// When something happened at a provider, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Noted {
    Asked(Duration),
    Closed(Duration),
}

/// Providers by host name: the acts for each request, in order; the last ones repeat.
#[derive(Debug)]
pub(crate) struct Pipes {
    acts: BTreeMap<String, Vec<Vec<Act>>>,
    notes: Arc<Mutex<BTreeMap<String, Vec<Noted>>>>,
    requests: Requests,
    began: Instant,
}

/// The requests of each provider, as they came.
type Requests = Arc<Mutex<BTreeMap<String, Vec<String>>>>;

impl Dial for Pipes {
    fn dial<'a>(&'a self, origin: &'a Origin, _: Duration) -> Dialed<'a> {
        let host = origin.host().to_owned();
        let (near, far) = tokio::io::duplex(1 << 20);
        let (acts, notes, began) = (self.acts[&host].clone(), Arc::clone(&self.notes), self.began);
        tokio::spawn(play(far, host, acts, notes, Arc::clone(&self.requests), began));
        Box::pin(async move { Ok(Box::new(near) as Box<dyn Io>) })
    }
}

async fn play(
    mut pipe: DuplexStream,
    host: String,
    acts: Vec<Vec<Act>>,
    notes: Arc<Mutex<BTreeMap<String, Vec<Noted>>>>,
    requests: Requests,
    began: Instant,
) {
    let note = |noted| notes.lock().unwrap().entry(host.clone()).or_default().push(noted);
    while let Some(request) = read_request(&mut pipe).await {
        requests.lock().unwrap().entry(host.clone()).or_default().push(request);
        let asked = notes
            .lock()
            .unwrap()
            .get(&host)
            .map_or(0, |all| all.iter().filter(|noted| matches!(noted, Noted::Asked(_))).count());
        note(Noted::Asked(began.elapsed()));
        for act in &acts[asked.min(acts.len() - 1)] {
            match act {
                Act::Send(bytes) => {
                    if pipe.write_all(bytes.as_bytes()).await.is_err() {
                        note(Noted::Closed(began.elapsed()));
                        return;
                    }
                }
                Act::Wait(time) => tokio::time::sleep(*time).await,
                Act::Silence => {
                    let _ = pipe.read(&mut [0; 1]).await;
                    note(Noted::Closed(began.elapsed()));
                    return;
                }
                Act::Close => return,
            }
        }
    }
}

/// Reads one request; `None` when the gateway closed instead.
async fn read_request(pipe: &mut DuplexStream) -> Option<String> {
    let mut seen = Vec::new();
    loop {
        if pipe.read_buf(&mut seen).await.unwrap_or(0) == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&seen);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        if head.contains("transfer-encoding: chunked") && !body.ends_with("0\r\n\r\n") {
            continue;
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
        if body.len() >= length.parse::<usize>().unwrap() {
            return Some(text.into_owned());
        }
    }
}

/// A plain OpenAI answer with this text.
pub(crate) fn plain(text: &str) -> Act {
    let body = format!(
        r#"{{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}}}"#
    );
    status(200, "", &body)
}

/// An answer with this status.
pub(crate) fn status(status: u16, headers: &str, body: &str) -> Act {
    Act::Send(format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{headers}\r\n{body}",
        body.len()
    ))
}

/// The head of a stream.
pub(crate) fn stream_head() -> Act {
    Act::Send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_owned())
}

/// One event of a stream: a piece of text, or the end.
pub(crate) fn piece(text: &str) -> Act {
    chunk(&format!(
        r#"data: {{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{{"index":0,"delta":{{"content":"{text}"}},"finish_reason":null}}]}}"#
    ))
}

/// The end of a stream.
pub(crate) fn finish() -> Vec<Act> {
    let last = r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    vec![chunk(last), chunk("data: [DONE]"), Act::Send("0\r\n\r\n".to_owned())]
}

/// One event of a stream.
pub(crate) fn chunk(event: &str) -> Act {
    let event = format!("{event}\n\n");
    Act::Send(format!("{:x}\r\n{event}\r\n", event.len()))
}

/// A gateway over pipes.
pub(crate) struct World {
    gateway: Arc<Gateway>,
    upstream: Upstream,
    notes: Arc<Mutex<BTreeMap<String, Vec<Noted>>>>,
    requests: Requests,
    began: Instant,
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

fn config(yaml: &str) -> Config {
    let loaded = ringmain_config::load(yaml, &NoSources, &Catalog::embedded().unwrap());
    loaded.config.unwrap_or_else(|| panic!("{}", loaded.diagnostics.render("test", yaml, false)))
}

impl World {
    /// Providers `a`, `b`, … with these acts, and a route `r` over them in order; `settings` are more lines of the route.
    pub(crate) fn new(providers: &[(&str, Vec<Vec<Act>>)], settings: &str) -> Self {
        let targets: Vec<_> = providers.iter().map(|(name, _)| format!("{name}/m")).collect();
        Self::with_targets(providers, &format!("targets: [{}]\n{settings}", targets.join(", ")))
    }

    /// The same, with the whole route but its name in `settings`.
    pub(crate) fn with_targets(providers: &[(&str, Vec<Vec<Act>>)], settings: &str) -> Self {
        Self::with_kinds(providers, &[], settings)
    }

    /// The same; those named in `anthropic` are of that kind, the others OpenAI-compatible.
    pub(crate) fn with_kinds(providers: &[(&str, Vec<Vec<Act>>)], anthropic: &[&str], settings: &str) -> Self {
        let mut yaml = "providers:\n".to_owned();
        for (name, _) in providers {
            let (kind, root) = if anthropic.contains(name) { ("anthropic", "") } else { ("openai-compatible", "/v1") };
            yaml +=
                &format!("  {name}: {{ kind: {kind}, base_url: \"http://{name}.test{root}\", keys: [{name}-key] }}\n");
        }
        yaml += "routes:\n  - name: r\n";
        yaml += &settings.lines().map(|line| format!("    {line}\n")).collect::<String>();
        Self::of(providers, &yaml)
    }

    /// The same, configured by this file; provider `x` is at `http://x.test`.
    pub(crate) fn of(providers: &[(&str, Vec<Vec<Act>>)], yaml: &str) -> Self {
        let config = config(yaml);
        let notes = Arc::default();
        let began = Instant::now();
        let acts = providers.iter().map(|(name, acts)| (format!("{name}.test"), acts.clone())).collect();
        let requests = Requests::default();
        let pipes = Pipes { acts, notes: Arc::clone(&notes), requests: Arc::clone(&requests), began };
        let upstream = Upstream::new(Arc::new(pipes));
        Self { gateway: Arc::new(Gateway::new(config, 7)), upstream, notes, requests, began }
    }

    /// Puts other rules in force.
    pub(crate) fn reload(&self, yaml: &str) {
        self.gateway.reload(config(yaml));
    }

    /// Sends a chat request and reads the whole answer.
    pub(crate) async fn ask(&self, stream: bool, headers: &[(&'static str, &str)]) -> Answer {
        let body = format!(r#"{{"model":"r","stream":{stream},"messages":[{{"role":"user","content":"hi"}}]}}"#);
        self.send("/v1/chat/completions", body, headers).await
    }

    /// Sends this request and reads the whole answer.
    pub(crate) async fn send(&self, path: &str, body: String, headers: &[(&'static str, &str)]) -> Answer {
        let mut request = Request::post(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let response = self.open(request).await;
        self.answer(response).await
    }

    /// The answer to any request; its body is still to be read.
    pub(crate) async fn open<B>(&self, request: Request<B>) -> Response<ReplyBody>
    where
        B: Body<Data = Bytes> + Unpin + Send + 'static,
        B::Error: Into<ringmain_upstream::Broken>,
    {
        serve(&self.gateway, &self.upstream, request).await
    }

    /// Any request with a body that is there, and the whole answer.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.open(request.body(Full::new(Bytes::from(body.to_owned()))).unwrap()).await;
        self.answer(response).await
    }

    /// Reads an answer to its end.
    pub(crate) async fn answer(&self, response: Response<ReplyBody>) -> Answer {
        let (head, body) = response.into_parts();
        let head_at = self.began.elapsed();
        let text = read(body).await;
        Answer { status: head.status, headers: head.headers, text, head_at, done_at: self.began.elapsed() }
    }

    /// The requests a provider got, as they came.
    pub(crate) fn requests(&self, provider: &str) -> Vec<String> {
        self.requests.lock().unwrap().get(&format!("{provider}.test")).cloned().unwrap_or_default()
    }

    /// The gateway.
    pub(crate) fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// What `/metrics` shows.
    pub(crate) fn metrics(&self) -> String {
        self.gateway.expose_metrics()
    }

    /// What happened at a provider.
    pub(crate) fn noted(&self, provider: &str) -> Vec<Noted> {
        self.notes.lock().unwrap().get(&format!("{provider}.test")).cloned().unwrap_or_default()
    }

    /// How often a provider was asked.
    pub(crate) fn asked(&self, provider: &str) -> usize {
        self.noted(provider).iter().filter(|noted| matches!(noted, Noted::Asked(_))).count()
    }
}

/// Reads as a connection of HTTP/1.1 does: nothing is asked for after the last byte of a length that was told.
async fn read(mut body: ReplyBody) -> String {
    let length = body.size_hint().exact();
    let mut all = Vec::new();
    while length.is_none_or(|length| (all.len() as u64) < length)
        && let Some(frame) = body.frame().await
    {
        all.extend_from_slice(&frame.unwrap().into_data().unwrap());
    }
    String::from_utf8(all).unwrap()
}

/// What the caller got, and when.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) head_at: Duration,
    pub(crate) done_at: Duration,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

//! The callers: clients of three dialects, over real sockets, at a steady pace.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderValue, Request};
use ringmain_provider_sim::{DEFAULT_WORDS, expected_text};
use ringmain_upstream::{Exchange, NetDialer, Origin, RequestBody, Upstream};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use super::check::{Reading, shortened};

/// Requests a second.
pub(super) const RATE: u32 = 40;
/// Requests running at once, at most: where the gateway falls behind, callers wait their turn.
pub(super) const IN_FLIGHT_MAX: usize = 256;
/// The route that all callers ask for.
pub(super) const MODEL: &str = "smart";
/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a caller waits for a whole answer. The gateway gives up sooner and says so.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a caller speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// `OpenAI` Chat Completions.
    OpenAi,
    /// Anthropic Messages.
    Anthropic,
    /// Gemini.
    Gemini,
}

impl Caller {
    const ALL: [Self; 3] = [Self::OpenAi, Self::Anthropic, Self::Gemini];

    /// Its word for an answer that came to its own end.
    pub(super) const fn finish(self) -> &'static str {
        match self {
            Self::OpenAi => "stop",
            Self::Anthropic => "end_turn",
            Self::Gemini => "STOP",
        }
    }

    fn path(self, stream: bool) -> String {
        match (self, stream) {
            (Self::OpenAi, _) => "/v1/chat/completions".to_owned(),
            (Self::Anthropic, _) => "/v1/messages".to_owned(),
            (Self::Gemini, false) => format!("/v1beta/models/{MODEL}:generateContent"),
            (Self::Gemini, true) => format!("/v1beta/models/{MODEL}:streamGenerateContent?alt=sse"),
        }
    }

    fn body(self, stream: bool, text: &str) -> Value {
        match self {
            Self::OpenAi => {
                json!({"model": MODEL, "stream": stream, "messages": [{"role": "user", "content": text}]})
            }
            Self::Anthropic => json!({
                "model": MODEL, "stream": stream, "max_tokens": 256,
                "messages": [{"role": "user", "content": text}]
            }),
            Self::Gemini => json!({"contents": [{"role": "user", "parts": [{"text": text}]}]}),
        }
    }
}

/// How one request went, as its caller saw it.
#[derive(Debug)]
pub(super) struct Outcome {
    /// When it began.
    pub(super) began: Instant,
    /// Who served it, as the header `x-ringmain-target` says: `provider/model`.
    pub(super) target: Option<String>,
    /// How many attempts it took, as the header says.
    pub(super) attempts: u32,
    /// Until the first text of a stream.
    pub(super) first_token: Option<Duration>,
    /// A right and whole answer, or what was wrong with it.
    pub(super) verdict: Result<(), String>,
}

/// Callers at work.
#[derive(Debug)]
pub(super) struct Traffic {
    /// One for each request that ended.
    pub(super) outcomes: mpsc::Receiver<Outcome>,
    room: Arc<Semaphore>,
    pace: JoinHandle<()>,
}

impl Traffic {
    /// Begins to call the gateway.
    pub(super) fn start(gateway: Client) -> Self {
        let room = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
        let (report, outcomes) = mpsc::channel(IN_FLIGHT_MAX);
        let pace = tokio::spawn(pace(gateway, Arc::clone(&room), report));
        Self { outcomes, room, pace }
    }

    /// Requests running now.
    pub(super) fn in_flight(&self) -> usize {
        IN_FLIGHT_MAX - self.room.available_permits()
    }

    /// No further requests; those running go on, and `outcomes` closes after the last.
    pub(super) fn stop(&self) {
        self.pace.abort();
    }
}

async fn pace(client: Client, room: Arc<Semaphore>, report: mpsc::Sender<Outcome>) {
    let mut beat = tokio::time::interval(Duration::from_secs(1) / RATE);
    beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut number = 0_usize;
    loop {
        beat.tick().await;
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let (client, report) = (client.clone(), report.clone());
        // All six combinations of dialect and form, in turn.
        let caller = Caller::ALL.get(number % 3).copied().unwrap_or(Caller::OpenAi);
        let stream = !(number / 3).is_multiple_of(2);
        let text = format!("Question {number}: what does a ring main do when one segment is cut?");
        number += 1;
        tokio::spawn(async move {
            let outcome = call(&client, caller, stream, &text).await;
            let _ = report.send(outcome).await;
            drop(permit);
        });
    }
}

/// Makes one request and reads its answer to the end.
async fn call(client: &Client, caller: Caller, stream: bool, text: &str) -> Outcome {
    let began = Instant::now();
    let mut outcome = Outcome { began, target: None, attempts: 0, first_token: None, verdict: Ok(()) };
    let answered = tokio::time::timeout(PATIENCE, read(client, caller, stream, text, &mut outcome)).await;
    outcome.verdict = answered.unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())));
    outcome
}

async fn read(client: &Client, caller: Caller, stream: bool, text: &str, outcome: &mut Outcome) -> Result<(), String> {
    let answer = client.post(&caller.path(stream), &[], caller.body(stream, text).to_string()).await;
    let Exchange { head, mut body, .. } = answer.map_err(|error| format!("{error:#}"))?;
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    outcome.target = header("x-ringmain-target").map(str::to_owned);
    outcome.attempts = header("x-ringmain-attempts").and_then(|value| value.parse().ok()).unwrap_or(0);
    if !head.status.is_success() {
        let said = body.next().await.and_then(Result::ok).unwrap_or_default();
        return Err(format!("status {}: {}", head.status, shortened(&String::from_utf8_lossy(&said))));
    }
    let mut reading = Reading::new(caller, stream);
    while let Some(bytes) = body.next().await {
        reading.take(&bytes.map_err(|error| format!("the connection broke: {}", error.chain()))?);
        if stream && outcome.first_token.is_none() && reading.has_text() {
            outcome.first_token = Some(outcome.began.elapsed());
        }
    }
    reading.verdict(&expected_text(text, DEFAULT_WORDS))
}

/// A client of one server, with connections of its own.
#[derive(Debug, Clone)]
pub(super) struct Client {
    upstream: Upstream,
    origin: Arc<Origin>,
    host: HeaderValue,
}

impl Client {
    /// A client of whoever listens there. Nothing is opened yet.
    ///
    /// # Errors
    /// Never for a socket's address.
    pub(super) fn new(server: SocketAddr) -> anyhow::Result<Self> {
        let origin = Origin::parse(&format!("http://{server}"))?;
        let host = HeaderValue::try_from(origin.authority())?;
        Ok(Self { upstream: Upstream::new(Arc::new(NetDialer::default())), origin: Arc::new(origin), host })
    }

    /// Posts JSON.
    ///
    /// # Errors
    /// No head of an answer came.
    pub(super) async fn post(&self, path: &str, headers: &[(&str, &str)], body: String) -> anyhow::Result<Exchange> {
        let mut request = Request::post(path).header(HOST, &self.host).header(CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Bytes::from(body))?;
        let message = || request.clone().map(RequestBody::from);
        Ok(self.upstream.send(&self.origin, &message, CONNECT).await?)
    }
}

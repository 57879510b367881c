//! A raw HTTP client: it shows bytes and endings as they are.

use std::io;

use ringmain_provider_sim::Sim;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How an answer ended on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Its framing says it is whole.
    Whole,
    /// The connection closed before that.
    Short,
    /// The connection was reset before that.
    Reset,
    /// It is still open after a minute of silence.
    Silent,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    pub(crate) end: End,
}

impl Seen {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    /// The JSON of each event's data; what is no JSON is left out.
    pub(crate) fn events(&self) -> Vec<Value> {
        let text = self.text();
        text.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok()).collect()
    }

    /// The strings at this place of every event, joined.
    pub(crate) fn joined(&self, pointer: &str) -> String {
        let events = self.events();
        events.iter().filter_map(|event| event.pointer(pointer)?.as_str().map(str::to_owned)).collect()
    }
}

pub(crate) async fn connect(sim: &Sim) -> TcpStream {
    TcpStream::connect(sim.address()).await.unwrap()
}

pub(crate) async fn send(
    stream: &mut TcpStream,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> io::Result<()> {
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: sim\r\n{headers}content-length: {length}\r\n\r\n");
    stream.write_all((head + body).as_bytes()).await
}

/// Reads one answer. The wait for more is short: silence is part of what is tested, and the clock is paused.
pub(crate) async fn receive(stream: &mut TcpStream) -> Seen {
    let mut bytes = Vec::new();
    let mut end = End::Short;
    loop {
        if let Some(seen) = whole(&bytes) {
            return seen;
        }
        let wait = std::time::Duration::from_secs(60);
        match tokio::time::timeout(wait, stream.read_buf(&mut bytes)).await {
            Ok(Ok(0)) => break,
            Ok(Ok(_)) => {}
            Ok(Err(_)) => {
                end = End::Reset;
                break;
            }
            Err(_) => {
                end = End::Silent;
                break;
            }
        }
    }
    let (head, rest) = split(&bytes).unwrap_or_default();
    let (body, _) = decode(&head, rest);
    Seen { status: status(&head), head, body, end }
}

fn split(bytes: &[u8]) -> Option<(String, &[u8])> {
    let at = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some((String::from_utf8(bytes[..at].to_vec()).unwrap(), &bytes[at + 4..]))
}

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

fn whole(bytes: &[u8]) -> Option<Seen> {
    let (head, rest) = split(bytes)?;
    let (body, complete) = decode(&head, rest);
    complete.then(|| Seen { status: status(&head), head, body, end: End::Whole })
}

/// The body without its framing, and whether it is whole.
fn decode(head: &str, rest: &[u8]) -> (Vec<u8>, bool) {
    let lower = head.to_ascii_lowercase();
    if let Some(length) = lower.split("content-length: ").nth(1) {
        let length: usize = length.lines().next().unwrap().trim().parse().unwrap();
        return (rest[..rest.len().min(length)].to_vec(), rest.len() >= length);
    }
    let (mut body, mut at) = (Vec::new(), 0);
    while let Some(end) = rest[at..].windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[at..at + end]).unwrap(), 16).unwrap();
        let start = at + end + 2;
        if size == 0 {
            return (body, true);
        }
        body.extend_from_slice(&rest[start.min(rest.len())..(start + size).min(rest.len())]);
        at = start + size + 2;
        if at > rest.len() {
            break;
        }
    }
    (body, false)
}

/// One request on its own connection.
pub(crate) async fn ask(sim: &Sim, method: &str, path: &str, headers: &str, body: &str) -> Seen {
    let mut stream = connect(sim).await;
    send(&mut stream, method, path, headers, body).await.unwrap();
    receive(&mut stream).await
}

/// A chat request of a dialect, by the vendor's name.
pub(crate) fn chat(vendor: &str, model: &str, text: &str, stream: bool) -> (String, String) {
    let text = serde_json::to_string(text).unwrap();
    match vendor {
        "openai" => (
            "/v1/chat/completions".to_owned(),
            format!(r#"{{"model":"{model}","stream":{stream},"messages":[{{"role":"user","content":{text}}}]}}"#),
        ),
        "anthropic" => (
            "/v1/messages".to_owned(),
            format!(
                r#"{{"model":"{model}","max_tokens":99,"stream":{stream},"messages":[{{"role":"user","content":{text}}}]}}"#
            ),
        ),
        "cohere" => (
            "/v2/chat".to_owned(),
            format!(r#"{{"model":"{model}","stream":{stream},"messages":[{{"role":"user","content":{text}}}]}}"#),
        ),
        _ => {
            let verb = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
            (
                format!("/v1beta/models/{model}:{verb}"),
                format!(r#"{{"contents":[{{"role":"user","parts":[{{"text":{text}}}]}}]}}"#),
            )
        }
    }
}

pub(crate) async fn post_chat(sim: &Sim, vendor: &str, model: &str, text: &str, stream: bool) -> Seen {
    let (path, body) = chat(vendor, model, text, stream);
    ask(sim, "POST", &path, "", &body).await
}

/// Where a stream's text deltas stand.
pub(crate) fn delta(vendor: &str) -> &'static str {
    match vendor {
        "openai" => "/choices/0/delta/content",
        "anthropic" => "/delta/text",
        "cohere" => "/delta/message/content/text",
        _ => "/candidates/0/content/parts/0/text",
    }
}

pub(crate) const VENDORS: [&str; 4] = ["openai", "anthropic", "gemini", "cohere"];

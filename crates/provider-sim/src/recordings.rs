//! Recorded exchanges, answered again: matched on method, path and body, else on endpoint, streaming and model.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use memchr::memmem;
use serde::Deserialize;
use serde_json::Value;

use crate::api::{Endpoint, locate, percent_decode};
use crate::reply::{Kind, Reply};
use crate::text::hash64;

/// Most recordings that are loaded; further files are left out.
const MAX_RECORDINGS: usize = 20_000;
/// Where a recorded stream has no blank lines to split it at: bytes in one write.
const PIECE: usize = 1024;

/// One recorded answer.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) reply: Reply,
    pub(crate) streaming: bool,
}

/// Recorded answers by the request they belong to.
#[derive(Debug, Default)]
pub(crate) struct Recordings {
    all: Vec<Recording>,
    exact: HashMap<(String, String, u64), usize>,
    near: HashMap<(Endpoint, bool, String), usize>,
}

#[derive(Deserialize)]
struct File {
    request: Request,
    response: Response,
    #[serde(default)]
    streaming: bool,
}

#[derive(Deserialize)]
struct Request {
    method: String,
    path: String,
    body: Option<Value>,
    body_text: Option<String>,
    body_base64: Option<String>,
}

#[derive(Deserialize)]
struct Response {
    status: u16,
    #[serde(default)]
    headers: HashMap<String, String>,
    body: Option<Value>,
    body_text: Option<String>,
    body_base64: Option<String>,
}

impl Recordings {
    /// Every `*.json` file in the folder and its direct subfolders, and how many could not be read as a recording.
    ///
    /// # Errors
    /// Where the folder cannot be listed.
    pub(crate) fn load(folder: &Path) -> io::Result<(Self, usize)> {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                files.extend(fs::read_dir(path)?.filter_map(Result::ok).map(|entry| entry.path()));
            } else {
                files.push(path);
            }
        }
        files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        files.sort();
        let mut recordings = Self::default();
        let mut unread = 0;
        for path in files.iter().take(MAX_RECORDINGS) {
            let file = fs::read(path).ok().and_then(|bytes| serde_json::from_slice::<File>(&bytes).ok());
            match file {
                Some(file) => recordings.add(file),
                None => unread += 1,
            }
        }
        Ok((recordings, unread))
    }

    pub(crate) const fn len(&self) -> usize {
        self.all.len()
    }

    fn add(&mut self, file: File) {
        let index = self.all.len();
        let request = &file.request;
        let path = percent_decode(&request.path);
        let body = match (&request.body, &request.body_text, &request.body_base64) {
            (Some(body), ..) => body.to_string().into_bytes(),
            (None, Some(text), _) => text.clone().into_bytes(),
            (None, None, Some(text)) => BASE64.decode(text).unwrap_or_default(),
            (None, None, None) => Vec::new(),
        };
        let target = locate(&path, &HeaderMap::new());
        let model = target.model.map(str::to_owned).or_else(|| model_of(&body));
        let streams = asks_stream(target.endpoint, &body);
        if target.endpoint != Endpoint::Unknown
            && let Some(model) = model
        {
            // The first good answer stands for its kind; an error only where there is none.
            let slot = self.near.entry((target.endpoint, streams, model)).or_insert(index);
            if self.all.get(*slot).is_some_and(|known| known.status >= 300) && file.response.status < 300 {
                *slot = index;
            }
        }
        self.exact.entry((request.method.to_ascii_uppercase(), path, canonical(&body))).or_insert(index);
        self.all.push(recording(file.response, file.streaming));
    }

    pub(crate) fn find(
        &self,
        method: &str,
        path: &str,
        endpoint: Endpoint,
        model: Option<&str>,
        body: &[u8],
    ) -> Option<&Recording> {
        let exact = self.exact.get(&(method.to_owned(), percent_decode(path), canonical(body)));
        let index = exact.or_else(|| {
            let key = (endpoint, asks_stream(endpoint, body), model?.to_owned());
            self.near.get(&key)
        })?;
        self.all.get(*index)
    }
}

fn model_of(body: &[u8]) -> Option<String> {
    serde_json::from_slice::<Value>(body).ok()?.get("model")?.as_str().map(str::to_owned)
}

fn asks_stream(endpoint: Endpoint, body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Asked {
        stream: Option<bool>,
    }
    matches!(endpoint, Endpoint::StreamGenerate | Endpoint::ConverseStream)
        || serde_json::from_slice::<Asked>(body).ok().and_then(|asked| asked.stream).unwrap_or(false)
}

/// A hash of the body that does not depend on white space or the order of members.
fn canonical(body: &[u8]) -> u64 {
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else { return hash64(body) };
    value.sort_all_objects();
    hash64(value.to_string().as_bytes())
}

fn recording(response: Response, streaming: bool) -> Recording {
    let binary = response.body_base64.is_some();
    let bytes: Bytes = match (response.body, response.body_text, response.body_base64) {
        (Some(body), ..) => body.to_string().into(),
        (None, Some(text), _) => text.into(),
        (None, None, Some(text)) => BASE64.decode(text).unwrap_or_default().into(),
        (None, None, None) => Bytes::new(),
    };
    let mut headers = HeaderMap::new();
    for (name, value) in &response.headers {
        let pair = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value));
        // Framing and encoding are this server's own.
        let framing =
            ["content-length", "transfer-encoding", "content-encoding", "connection"].contains(&name.as_str());
        if let ((Ok(name), Ok(value)), false) = (pair, framing) {
            headers.insert(name, value);
        }
    }
    if !headers.contains_key(http::header::CONTENT_TYPE) {
        let kind = match (streaming, binary) {
            (true, true) => "application/vnd.amazon.eventstream",
            (true, false) => "text/event-stream",
            (false, _) => "application/json",
        };
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    let binary =
        headers.get(http::header::CONTENT_TYPE).is_some_and(|kind| kind == "application/vnd.amazon.eventstream");
    let events = match (streaming, binary) {
        (false, _) => Vec::new(),
        (true, false) => split(&bytes),
        (true, true) => messages(&bytes),
    };
    Recording { status: response.status, headers, reply: Reply { bytes, events }, streaming }
}

/// The ends of a binary stream's messages, each of which begins with its length.
fn messages(bytes: &[u8]) -> Vec<(Kind, usize)> {
    let mut ends = Vec::new();
    let mut at = 0;
    while let Some(length) = bytes.get(at..at + 4).and_then(|length| length.try_into().ok()).map(u32::from_be_bytes) {
        at = at.saturating_add(length.max(16) as usize).min(bytes.len());
        ends.push((Kind::Word, at));
    }
    if ends.last().is_none_or(|(_, end)| *end != bytes.len()) {
        ends.push((Kind::Word, bytes.len()));
    }
    ends
}

/// A stream's events: at its blank lines, or in even pieces where it has none.
fn split(bytes: &[u8]) -> Vec<(Kind, usize)> {
    let gap: &[u8] = if memmem::find(bytes, b"\r\n\r\n").is_some() { b"\r\n\r\n" } else { b"\n\n" };
    let mut ends: Vec<usize> = memmem::find_iter(bytes, gap).map(|at| at + gap.len()).collect();
    if ends.is_empty() {
        ends = (1..=bytes.len() / PIECE).map(|i| i * PIECE).collect();
    }
    if ends.last() != Some(&bytes.len()) {
        ends.push(bytes.len());
    }
    ends.into_iter().map(|end| (Kind::Word, end)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn file(body: &Value, status: u16) -> File {
        serde_json::from_value(json!({
            "request": {"method": "post", "path": "/v1/chat/completions", "body": body},
            "response": {"status": status, "headers": {"x-request-id": "r"}, "body_text": "data: 1\n\ndata: 2\n\n"},
            "streaming": true,
        }))
        .unwrap()
    }

    #[test]
    fn requests_find_their_answer() {
        let mut recordings = Recordings::default();
        recordings.add(file(&json!({"model": "m", "stream": true, "n": 1}), 429));
        recordings.add(file(&json!({"model": "m", "stream": true, "n": 2}), 200));
        let find = |body: &str| {
            let found = recordings.find("POST", "/v1/chat/completions", Endpoint::Chat, Some("m"), body.as_bytes());
            found.map(|recording| recording.status)
        };
        assert_eq!(find(r#"{"n":1, "stream":true,"model":"m"}"#), Some(429));
        assert_eq!(find(r#"{"model":"m","stream":true}"#), Some(200));
        assert_eq!(find(r#"{"model":"m"}"#), None);
        assert_eq!(recordings.all[0].reply.events.len(), 2);
    }

    #[test]
    #[expect(clippy::print_stderr, reason = "says why nothing was tested")]
    fn the_recordings_beside_the_repository_load() {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/recordings"));
        if !folder.is_dir() {
            eprintln!("skipped: no recordings at ../shared/recordings");
            return;
        }
        let (recordings, unread) = Recordings::load(folder).unwrap();
        assert_eq!(unread, 0);
        assert!(recordings.len() > 100);
        for recording in recordings.all.iter().filter(|recording| recording.streaming) {
            assert_eq!(recording.reply.events.last().map(|(_, end)| *end), Some(recording.reply.bytes.len()));
        }
    }
}

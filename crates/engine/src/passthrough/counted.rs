//! What an answer that is passed through says it used, where it says so in OpenAI's words. Its bytes go on as they come;
//! a copy of the last of them is kept, and read when there are no more.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, Method, StatusCode};
use memchr::memmem;
use ringmain_core::Usage;
use ringmain_dialects::openai_chat;
use ringmain_operations::counts;
use ringmain_wire::coding::{Decoder, codings};
use ringmain_wire::json::{self, Object};
use serde_json::Value;

/// What is kept of an answer: its usage stands at the end.
const TAIL: usize = 64 * 1024;
/// Of a compressed answer no more than this is read.
const DECODED_MAX: usize = 64 * 1024 * 1024;
/// So many members of this name are looked at, from the last on.
const LOOKS: usize = 32;
const JSON: &str = "application/json";

/// Whom a request that is passed through asks, as far as can be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asks {
    /// No model, so that nothing new is billed: a file, a list, what is known of an answer.
    Nobody,
    /// This model.
    Model(String),
    /// Its body is too large to be looked at: the answer may say it.
    Unseen,
}

impl Asks {
    /// Of a request with this body; `None` where it is not held.
    pub(super) fn of(method: &Method, path: &str, headers: &HeaderMap, body: Option<&Bytes>) -> Self {
        if method != Method::POST || !is_of(headers, JSON) {
            return Self::Nobody;
        }
        let Some(body) = body else { return Self::Unseen };
        let object = Object::parse(body).ok();
        let model = object.as_ref().and_then(|object| object.get("model")).and_then(json::as_str);
        // Azure's deployments stand in the path.
        let deployment = || path.split_once("/deployments/")?.1.split(['/', '?']).next();
        let model = model.map(Cow::into_owned).or_else(|| deployment().map(str::to_owned));
        model.map_or(Self::Nobody, Self::Model)
    }
}

/// Keeps what it takes to read the usage.
#[derive(Debug)]
pub struct Counter {
    asks: Asks,
    /// Undoes the encoding of the copy.
    decoder: Option<Decoder>,
    decoded: usize,
    tail: Vec<u8>,
}

impl Counter {
    /// For an answer with this head. `None` where there is nothing to be read.
    pub(super) fn of(asks: &Asks, status: StatusCode, headers: &HeaderMap) -> Option<Self> {
        if *asks == Asks::Nobody
            || !status.is_success()
            || !(is_of(headers, JSON) || is_of(headers, "text/event-stream"))
        {
            return None;
        }
        let encoding = headers.get(CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("?"));
        let codings = encoding.map_or(Ok(Vec::new()), codings).ok()?;
        let decoder = (!codings.is_empty()).then(|| Decoder::new(&codings));
        Some(Self { asks: asks.clone(), decoder, decoded: 0, tail: Vec::new() })
    }

    /// These bytes went by.
    pub(super) fn piece(&mut self, bytes: &Bytes) {
        let Some(mut decoder) = self.decoder.take() else { return self.keep(bytes) };
        decoder.push(bytes.clone());
        loop {
            match decoder.next() {
                Ok(Some(piece)) => {
                    self.decoded += piece.len();
                    self.keep(&piece);
                }
                Ok(None) if self.decoded <= DECODED_MAX => break self.decoder = Some(decoder),
                // What cannot be read is not known.
                Ok(None) | Err(_) => break self.asks = Asks::Nobody,
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.asks == Asks::Nobody {
            return;
        }
        let new = bytes.get(bytes.len().saturating_sub(TAIL)..).unwrap_or_default();
        if self.tail.len() + new.len() > 2 * TAIL {
            let old = self.tail.len().saturating_sub(TAIL);
            self.tail.drain(..old);
        }
        self.tail.extend_from_slice(new);
    }

    /// What was used, and by which model. `None` where that cannot be told.
    pub(super) fn end(&self) -> Option<(String, Usage)> {
        let model = match &self.asks {
            Asks::Nobody => return None,
            Asks::Model(model) => model.clone(),
            Asks::Unseen => members(&self.tail, "model").find_map(|value| value.as_str().map(str::to_owned))?,
        };
        let usage = members(&self.tail, "usage").find_map(|value| usage(&value))?;
        // Gemini's OpenAI-shaped surface names models as its own does.
        Some((model.strip_prefix("models/").map_or(model.clone(), str::to_owned), usage))
    }
}

/// The values of the members of this name, the last one first, wherever they stand. Inside a text a quote is escaped, and
/// so no text is taken for one.
fn members<'a>(tail: &'a [u8], name: &str) -> impl Iterator<Item = Value> + 'a {
    let (mark, mut end) = (format!("\"{name}\""), tail.len());
    let places = std::iter::from_fn(move || {
        end = memmem::rfind(tail.get(..end)?, mark.as_bytes())?;
        tail.get(end + mark.len()..)
    });
    places.take(LOOKS).filter_map(|after| {
        let value = after.trim_ascii_start().strip_prefix(b":")?;
        serde_json::Deserializer::from_slice(value).into_iter().next()?.ok()
    })
}

/// A `usage` of OpenAI's, of chat, responses, embeddings, images or audio. What counts otherwise under that name, as
/// Anthropic does, is not read.
fn usage(value: &Value) -> Option<Usage> {
    let has = |name: &str| value.get(name).is_some_and(Value::is_number);
    if has("prompt_tokens") || has("completion_tokens") {
        return openai_chat::usage_of(value.clone());
    }
    let is_openais = has("total_tokens") || value.get("type").is_some_and(|kind| kind == "duration");
    counts::openai(value).filter(|_| is_openais)
}

fn is_of(headers: &HeaderMap, kind: &str) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| {
        value.as_bytes().get(..kind.len()).is_some_and(|start| start.eq_ignore_ascii_case(kind.as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn read(asks: &Asks, head: &[(&'static str, &'static str)], pieces: &[&[u8]]) -> Option<(String, Usage)> {
        let mut counter = Counter::of(asks, StatusCode::OK, &headers(head))?;
        for piece in pieces {
            counter.piece(&Bytes::copy_from_slice(piece));
            assert!(counter.tail.len() <= 2 * TAIL);
        }
        counter.end()
    }

    fn model(name: &str) -> Asks {
        Asks::Model(name.to_owned())
    }

    const PLAIN: [(&str, &str); 1] = [("content-type", "application/json; charset=utf-8")];
    const EVENTS: [(&str, &str); 1] = [("content-type", "text/event-stream")];

    #[test]
    fn whom_a_request_asks() {
        let json = headers(&[("content-type", "application/json")]);
        let of = |method: Method, path, body: &'static str| Asks::of(&method, path, &json, Some(&Bytes::from(body)));
        assert_eq!(
            of(Method::POST, "/chat/completions", r#"{"messages":[{"model":"x"}],"model":"a\/b"}"#),
            model("a/b")
        );
        assert_eq!(of(Method::POST, "/openai/deployments/ours/x?api-version=1", "{}"), model("ours"));
        assert_eq!(of(Method::POST, "/responses/r/cancel", "{}"), Asks::Nobody);
        assert_eq!(of(Method::GET, "/responses/r", r#"{"model":"x"}"#), Asks::Nobody);
        assert_eq!(Asks::of(&Method::POST, "/files", &HeaderMap::new(), None), Asks::Nobody, "an upload");
        assert_eq!(Asks::of(&Method::POST, "/chat/completions", &json, None), Asks::Unseen);
    }

    #[test]
    fn what_an_answer_says_it_used() {
        let chat = |input, output| Usage { input, output, ..Usage::default() };
        let whole = br#"{"choices":[{"message":{"content":"\"usage\":{\"prompt_tokens\":9}"}}],"usage" : {"prompt_tokens":3,"completion_tokens":2,"total_tokens":5},"metadata":{"usage":"x"}}"#;
        let responses = br#"data: {"type":"response.completed","response":{"tools":[{"usage":{"type":"string"}}],"usage":{"input_tokens":7,"output_tokens":1,"total_tokens":8}}}"#;
        let table: [(&[u8], Option<Usage>); 7] = [
            (whole, Some(chat(3, 2))),
            (responses, Some(chat(7, 1))),
            (b"data: {\"usage\":null}\n\ndata: {\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\ndata: [DONE]\n\n", Some(chat(1, 1))),
            (b"{\"usage\":{\"input_tokens\":5,\"output_tokens\":5}}", None),
            (b"{\"usageMetadata\":{\"promptTokenCount\":5}}", None),
            (b"{\"usage\":{\"prompt_tokens\":", None),
            (b"\"usage\"", None),
        ];
        for (said, expected) in table {
            let expected = expected.map(|usage| ("m".to_owned(), usage));
            assert_eq!(read(&model("m"), &EVENTS, &[said]), expected, "{}", String::from_utf8_lossy(said));
            let each: Vec<&[u8]> = said.chunks(1).collect();
            assert_eq!(read(&model("m"), &PLAIN, &each), expected);
        }
        assert_eq!(read(&Asks::Nobody, &PLAIN, &[whole]), None);
        assert_eq!(read(&model("m"), &[("content-type", "audio/mpeg")], &[whole]), None);
        assert!(Counter::of(&model("m"), StatusCode::BAD_REQUEST, &headers(&PLAIN)).is_none());
    }

    #[test]
    fn of_a_long_answer_the_end_is_kept() {
        let text = vec![b'x'; 3_000_000];
        let end = br#"","model":"gpt-4o","usage":{"prompt_tokens":3,"completion_tokens":2}}"#;
        let mut pieces: Vec<&[u8]> = text.chunks(7919).collect();
        pieces.push(end);
        let (named, usage) = read(&Asks::Unseen, &PLAIN, &pieces).unwrap();
        assert_eq!((named.as_str(), usage.total()), ("gpt-4o", 5));
        assert_eq!(read(&model("models/gemini-x"), &PLAIN, &[&text, end]).unwrap().0, "gemini-x");
        // What stands before it is not known any more.
        assert_eq!(read(&Asks::Unseen, &PLAIN, &[end, &text, &text, &text]), None);
    }

    #[test]
    fn a_compressed_answer_is_read_as_well() {
        // {"model":"gpt-4o","usage":{"prompt_tokens":1000,"completion_tokens":100,"total_tokens":1100}}
        const GZIP: [u8; 91] = [
            31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 77, 201, 65, 10, 128, 32, 16, 5, 208, 187, 252, 245, 4, 6, 173, 230, 50,
            34, 53, 72, 164, 142, 228, 180, 18, 239, 158, 187, 218, 190, 215, 145, 245, 144, 4, 70, 172, 182, 108, 10,
            194, 211, 66, 20, 112, 71, 189, 53, 87, 243, 166, 151, 148, 6, 94, 157, 115, 132, 125, 90, 18, 59, 181,
            252, 131, 96, 106, 33, 125, 52, 109, 140, 23, 243, 244, 119, 246, 93, 0, 0, 0,
        ];
        let (first, rest) = GZIP.split_at(40);
        let head = [("content-type", "application/json"), ("content-encoding", "gzip")];
        let (_, usage) = read(&model("m"), &head, &[first, rest]).unwrap();
        assert_eq!((usage.input, usage.output), (1000, 100));
        assert_eq!(read(&model("m"), &head, &[b"no gzip"]), None);
        let unknown = [("content-type", "application/json"), ("content-encoding", "secret")];
        assert_eq!(read(&model("m"), &unknown, &[&GZIP]), None);
    }
}

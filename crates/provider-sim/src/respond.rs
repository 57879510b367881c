//! One request, from its head to the plan of its answer.

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, PROXY_AUTHORIZATION};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::api::{Endpoint, Target, Vendor, locate, percent_decode, query_value};
use crate::ask::{self, Ask, Invalid};
use crate::audio;
use crate::behavior::Behavior;
use crate::choose::{Chosen, Quota};
use crate::control::control;
use crate::dialogue::line_due;
use crate::error::{Refusal, bedrock_exception, quota_headers, rate_limited, refusal};
use crate::fault::{ErrorKind, Fault, RetryAfter};
use crate::log::{Ended, LogEntry, Receipt};
use crate::media;
use crate::recordings::Recording;
use crate::reply::{self, Ending, Shape};
use crate::server::{Conn, State};
use crate::stream::{Action, SimBody, Spoilers, plan_plain, plan_stream};
use crate::text::key_hash;
use crate::vertex;

/// Longest request body that is read, in bytes; over it: 413.
const MAX_BODY: usize = 128 << 20;

type Answer = Result<Response<SimBody>, io::Error>;

/// A request, read.
struct Asked {
    model: Option<String>,
    stream: bool,
    what: Result<What, Invalid>,
}

impl Asked {
    /// The same, shown while it is made, where that is wanted and nothing is wrong with it.
    fn shown(self, drawing: Option<media::Drawing>) -> Self {
        match drawing {
            Some(drawing) if self.what.is_ok() => Self { stream: true, what: Ok(What::Drawing(drawing)), ..self },
            _ => self,
        }
    }
}

enum What {
    Chat(Box<Ask>),
    Json(Value),
    Media(Box<media::Ask>),
    Sound(Box<audio::Ask>),
    /// Images that are shown while they are made.
    Drawing(media::Drawing),
    /// Nothing that is played here.
    Nothing,
}

/// Answers one request. An error closes the connection without a byte.
pub(crate) async fn handle(state: Arc<State>, conn: Arc<Conn>, request: Request<Incoming>) -> Answer {
    let nth = conn.requests.fetch_add(1, Ordering::Relaxed);
    let (head, body) = request.into_parts();
    if let Some(path) = head.uri.path().strip_prefix("/_sim/") {
        let body = Limited::new(body, MAX_BODY).collect().await.map_err(io::Error::other)?.to_bytes();
        return Ok(control(&state, &head.method, path, &body));
    }
    let target = locate(head.uri.path(), &head.headers);
    state.log.count(target.label);
    if state.chooser.refuses(target.label, state.log.elapsed()) {
        let mut receipt = note(&state, &head, &target, None, &Bytes::new(), "refuse");
        receipt.broken_off();
        return close(&conn, true);
    }
    let at = state.log.elapsed();
    let body = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => {
            let receipt = note(&state, &head, &target, None, &Bytes::new(), "healthy");
            if !error.is::<http_body_util::LengthLimitError>() {
                return Err(io::Error::other("the client closed while sending"));
            }
            let vendor = target.endpoint.vendor();
            return Ok(refused(refusal(ErrorKind::TooLarge, vendor, "", None, state.id()), None, vendor, 413, receipt));
        }
    };
    let asked = read(&state, &head, &target, &body);
    let key = credential(&head);
    let chosen = state.chooser.choose(target.label, asked.model.as_deref(), key.as_deref(), at);
    let name = chosen.behavior.name();
    let logged = logged(&target, &body);
    let mut receipt = note(&state, &head, &target, Some(&asked), &logged, &name);
    match chosen.behavior.fault {
        Some(Fault::Refuse | Fault::Reset) => {
            receipt.broken_off();
            return close(&conn, true);
        }
        Some(Fault::Close) => {
            receipt.broken_off();
            return close(&conn, false);
        }
        Some(Fault::ResetReused) if nth > 0 => {
            receipt.broken_off();
            return close(&conn, true);
        }
        Some(Fault::Silence) => return pending().await,
        Some(Fault::SlowHeaders(time)) => tokio::time::sleep(time).await,
        _ => {}
    }
    let turn = Turn { state: &state, target: &target, asked, chosen };
    Ok(turn.answer(&head, &body, receipt).await)
}

/// What the log shows of a body: of one that asks for a token, only how.
fn logged(target: &Target<'_>, body: &Bytes) -> Bytes {
    match target.endpoint {
        Endpoint::Token => vertex::grant(body).unwrap_or_default().into(),
        _ => body.clone(),
    }
}

fn close(conn: &Conn, reset: bool) -> Answer {
    conn.reset.store(reset, Ordering::Relaxed);
    Err(io::Error::new(io::ErrorKind::ConnectionReset, "closed, as the behaviour says"))
}

/// The credential, wherever the dialects put it.
fn credential(head: &Parts) -> Option<String> {
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    // Of a signature, the name of its key.
    let signed = |value| <str>::split_once(value, "Credential=").and_then(|(_, rest)| rest.split('/').next());
    let bearer = header("authorization");
    let bearer = bearer.map(|value| signed(value).or(value.strip_prefix("Bearer ")).unwrap_or(value));
    let bearer = bearer.map(|value| value.strip_prefix("Token ").unwrap_or(value));
    let named = ["x-api-key", "x-goog-api-key", "api-key", "xi-api-key"].into_iter().find_map(header);
    let key = named.or(bearer).or_else(|| query_value(head.uri.query(), "key"))?;
    Some(key.to_owned())
}

fn secret(name: &HeaderName) -> bool {
    // A name for a request, which tests ask for.
    if name == "idempotency-key" {
        return false;
    }
    [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE].contains(name)
        || ["key", "token", "secret", "password"].iter().any(|part| name.as_str().contains(part))
}

/// The path and query, without the value of `key`.
fn shown_path(head: &Parts) -> String {
    let path = head.uri.path();
    let Some(query) = head.uri.query() else { return path.to_owned() };
    let pairs: Vec<&str> = query.split('&').map(|pair| if pair.starts_with("key=") { "key=" } else { pair }).collect();
    format!("{path}?{}", pairs.join("&"))
}

fn note(state: &State, head: &Parts, target: &Target<'_>, asked: Option<&Asked>, body: &Bytes, name: &str) -> Receipt {
    if !state.log.keeps() {
        return Receipt::none();
    }
    let shown = head.headers.iter().filter(|(name, _)| !secret(name));
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    state.log.add(LogEntry {
        seq: 0,
        at: state.log.elapsed(),
        label: target.label.to_owned(),
        method: head.method.to_string(),
        path: shown_path(head),
        key_hash: credential(head).as_deref().map(key_hash),
        model: asked.and_then(|asked| asked.model.clone()),
        stream: asked.is_some_and(|asked| asked.stream),
        bytes: body.len(),
        headers: shown.map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: body.clone(),
        behavior: name.to_owned(),
        status: None,
        ended: Ended::Open,
    })
}

fn read(state: &State, head: &Parts, target: &Target<'_>, body: &Bytes) -> Asked {
    let in_path = target.model.map(percent_decode);
    let named = |result: Result<(String, Value), Invalid>| match result {
        Ok((model, json)) => Asked { model: Some(model), stream: false, what: Ok(What::Json(json)) },
        Err(invalid) => Asked { model: None, stream: false, what: Err(invalid) },
    };
    let chat = |result: Result<Ask, Invalid>| match result {
        Ok(ask) => Asked { model: Some(ask.model.clone()), stream: ask.stream, what: Ok(What::Chat(Box::new(ask))) },
        Err(invalid) => Asked { model: in_path.clone(), stream: false, what: Err(invalid) },
    };
    let model = || in_path.clone().unwrap_or_default();
    match target.endpoint {
        Endpoint::Chat => chat(ask::openai(body, target.label == Vendor::OpenAi.as_str())),
        Endpoint::Responses => chat(ask::responses(body, target.label == Vendor::OpenAi.as_str())),
        Endpoint::ResponsesCountTokens => {
            named(ask::responses_count_tokens(body).map(|(model, count)| (model, reply::responses_count_tokens(count))))
        }
        Endpoint::Messages => chat(ask::anthropic(body)),
        Endpoint::CountTokens => {
            named(ask::anthropic_count_tokens(body).map(|(model, count)| (model, reply::count_tokens(count))))
        }
        Endpoint::RawPredict(stream) => chat(vertex::raw_predict(body, &model(), stream)),
        Endpoint::Token => named(vertex::grant(body).map(|_| (String::new(), state.tokens.give(head.uri.query())))),
        Endpoint::MachineToken if head.headers.get("metadata-flavor").is_some_and(|flavor| flavor == "Google") => {
            named(Ok((String::new(), state.tokens.give(head.uri.query()))))
        }
        Endpoint::MachineToken => named(Err(Invalid("Missing Metadata-Flavor:Google header.".to_owned()))),
        Endpoint::Generate if media::wants_image(body) => {
            made(media::read(media::Media::GeminiImage, head, target.path, in_path.clone(), body), in_path)
        }
        Endpoint::Generate if audio::wants_sound(body) => {
            sound(audio::read(audio::Audio::GeminiSpeak, head, in_path, body))
        }
        Endpoint::Audio(asked) => sound(audio::read(asked, head, None, body)),
        Endpoint::Generate => chat(ask::gemini(body, model(), false, false)),
        Endpoint::StreamGenerate => {
            let array = query_value(head.uri.query(), "alt") != Some("sse");
            chat(ask::gemini(body, model(), true, array))
        }
        Endpoint::GeminiCountTokens => {
            named(ask::gemini_count_tokens(body).map(|count| (model(), reply::gemini_count_tokens(count))))
        }
        Endpoint::CohereChat => chat(ask::cohere(body)),
        Endpoint::GeminiEmbed => named(reply::gemini_embed(body).map(|answer| (model(), answer))),
        Endpoint::Media(media::Media::Invoke) if let Some(answer) = reply::bedrock_invoke(body, &model()) => {
            named(answer.map(|answer| (model(), answer)))
        }
        Endpoint::CohereEmbed => named(reply::cohere_embed(body, state.id())),
        Endpoint::Rerank => named(reply::rerank(body, target.label, state.id())),
        Endpoint::Converse => chat(ask::bedrock(body, model(), false)),
        Endpoint::ConverseStream => chat(ask::bedrock(body, model(), true)),
        Endpoint::BedrockCountTokens => {
            named(ask::bedrock_count_tokens(body).map(|count| (model(), reply::bedrock_count_tokens(count))))
        }
        Endpoint::Embeddings => named(reply::embeddings(body, target.label)),
        Endpoint::Images => {
            let host = head.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1");
            named(reply::images(body, host)).shown(media::Drawing::of(head, body, false))
        }
        Endpoint::Media(media) => {
            let asked = media::read(media, head, target.path, in_path.clone(), body);
            let drawing =
                media::Drawing::of(head, body, true).filter(|_| media == media::Media::Edits && asked.is_ok());
            made(asked, in_path).shown(drawing)
        }
        Endpoint::Moderations => named(reply::moderations(body, target.label, state.id())),
        Endpoint::Models(vendor) => Asked { model: None, stream: false, what: Ok(What::Json(reply::models(vendor))) },
        Endpoint::Unknown => Asked { model: None, stream: false, what: Ok(What::Nothing) },
    }
}

/// For images: the model is the body's, or the path's where that names one.
fn made(result: Result<media::Ask, Invalid>, in_path: Option<String>) -> Asked {
    match result {
        Ok(ask) => {
            let model = in_path.or_else(|| Some(ask.model.clone())).filter(|model| !model.is_empty());
            Asked { model, stream: false, what: Ok(What::Media(Box::new(ask))) }
        }
        Err(invalid) => Asked { model: in_path, stream: false, what: Err(invalid) },
    }
}

fn sound(result: Result<audio::Ask, Invalid>) -> Asked {
    match result {
        Ok(ask) => Asked { model: Some(ask.model.clone()), stream: false, what: Ok(What::Sound(Box::new(ask))) },
        Err(invalid) => Asked { model: None, stream: false, what: Err(invalid) },
    }
}

/// A request that gets an answer.
struct Turn<'a> {
    state: &'a State,
    target: &'a Target<'a>,
    asked: Asked,
    chosen: Chosen,
}

impl Turn<'_> {
    async fn answer(mut self, head: &Parts, body: &Bytes, receipt: Receipt) -> Response<SimBody> {
        let vendor = self.target.endpoint.vendor();
        let id = self.state.id();
        let stranger = self.target.vertex && !self.state.tokens.let_in(&head.headers);
        let in_front = self.target.endpoint.refuses_as();
        let stranger = stranger.then(|| (refusal(ErrorKind::Unauthorized, in_front, "", None, id), 401));
        if let Some((mut refusal, status)) = stranger.or_else(|| self.refusal(in_front, id)) {
            if self.target.endpoint == Endpoint::Token {
                refusal.body = vertex::no_token(status, "simulated");
            }
            return self.refuse(refusal, self.chosen.quota, status, receipt);
        }
        match self.chosen.behavior.fault {
            Some(Fault::HeadersThenSilence) => {
                let body = SimBody::planned(VecDeque::from([Action::Flush, Action::Stall]), receipt);
                return self.response(200, self.usual_type(), id, body);
            }
            Some(Fault::Garbage) => {
                let body = SimBody::whole(Bytes::from_static(b"\x00\xff<html>upstream \xc3\x28 not json\n\n"), receipt);
                return self.response(200, self.usual_type(), id, body);
            }
            Some(_) => {}
            None => {
                if let Some(recording) = self.recording(head, body) {
                    return replay(recording, &self.chosen.behavior, receipt);
                }
            }
        }
        match std::mem::replace(&mut self.asked.what, Ok(What::Nothing)) {
            Err(Invalid(why)) if self.target.endpoint == Endpoint::Token => {
                let usual = refusal(ErrorKind::BadRequest, vendor, "", None, id);
                refused(Refusal { body: vertex::no_token(400, &why), ..usual }, None, vendor, 400, receipt)
            }
            Err(Invalid(why)) => {
                self.refuse(refusal(ErrorKind::BadRequest, vendor, "", Some(&why), id), None, 400, receipt)
            }
            Ok(What::Nothing) => {
                let why = format!("nothing is played at {}", self.target.path);
                let model = self.asked.model.as_deref().unwrap_or_default();
                self.refuse(refusal(ErrorKind::ModelNotFound, vendor, model, Some(&why), id), None, 404, receipt)
            }
            Ok(What::Json(mut json)) => {
                self.pace(0).await;
                if self.chosen.behavior.fault == Some(Fault::SpoiltImage) {
                    reply::spoil_images(&mut json);
                }
                self.plain(json.to_string().into(), "application/json", id, receipt)
            }
            Ok(What::Drawing(drawing)) => {
                let behavior = &self.chosen.behavior;
                let reply = drawing.events(behavior.fault == Some(Fault::SpoiltImage));
                let plan = plan_stream(&reply, behavior, &self.spoilers(vendor, false, id));
                self.response(200, "text/event-stream", id, SimBody::planned(plan, receipt))
            }
            Ok(What::Media(ask)) => self.media(&ask, head, id, receipt).await,
            Ok(What::Sound(ask)) => {
                self.pace(0).await;
                let (bytes, kind) = ask.answer(self.chosen.behavior.fault.as_ref());
                self.plain(bytes, kind, id, receipt)
            }
            Ok(What::Chat(ask)) => self.chat(*ask, body, id, receipt).await,
        }
    }

    /// A refusal in the words of the API that is asked.
    fn refuse(&self, refusal: Refusal, quota: Option<Quota>, status: u16, receipt: Receipt) -> Response<SimBody> {
        let vendor = self.target.endpoint.refuses_as();
        let (status, body) = match self.target.endpoint {
            Endpoint::Media(media) => media.error(status, refusal.body, refusal.id),
            Endpoint::Audio(audio) => (status, audio.error(status, refusal.body, refusal.id)),
            _ => return refused(refusal, quota, vendor, status, receipt),
        };
        refused(Refusal { body, ..refusal }, quota, vendor, status, receipt)
    }

    /// The refusal this request gets, and its status.
    fn refusal(&self, vendor: Vendor, id: u64) -> Option<(Refusal, u16)> {
        let model = self.asked.model.as_deref().unwrap_or_default();
        let usual = |refusal: Refusal| (refusal.status, refusal);
        let of = |kind| usual(refusal(kind, vendor, model, None, id));
        let (status, refusal) = if self.chosen.refused {
            of(ErrorKind::InvalidKey)
        } else if let Some(quota) = self.chosen.quota.filter(|quota| quota.over) {
            let seconds = u32::try_from(quota.reset.as_secs_f64().ceil() as u64).unwrap_or(u32::MAX);
            usual(rate_limited(RetryAfter::Seconds(seconds.max(1)), vendor, model, id))
        } else {
            let prefilled = match &self.asked.what {
                Ok(What::Chat(ask)) => ask.begun.as_ref().is_some_and(|begun| begun.last),
                _ => false,
            };
            match self.chosen.behavior.fault {
                Some(Fault::Error(kind)) => of(kind),
                Some(Fault::PrefillRejected) if prefilled => of(ErrorKind::PrefillRejected),
                Some(Fault::RateLimit(retry)) => usual(rate_limited(retry, vendor, model, id)),
                Some(Fault::ErrorBody(kind)) => (200, of(kind).1),
                Some(Fault::ErrorEvent { error, .. }) if !self.asked.stream => (200, of(error).1),
                _ => return None,
            }
        };
        Some((refusal, status))
    }

    fn usual_type(&self) -> &'static str {
        match (self.asked.stream, self.target.endpoint.vendor()) {
            (true, Vendor::Bedrock) => "application/vnd.amazon.eventstream",
            (true, Vendor::OpenAi | Vendor::Anthropic | Vendor::Gemini | Vendor::Cohere) => "text/event-stream",
            (false, _) => "application/json",
        }
    }

    /// Waits as long as a plain answer of this many tokens takes.
    async fn pace(&self, tokens: usize) {
        let Behavior { first_token_delay, token_delay, .. } = self.chosen.behavior;
        let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
        let time = first_token_delay.saturating_add(token_delay.saturating_mul(tokens.saturating_sub(1)));
        if !time.is_zero() {
            tokio::time::sleep(time).await;
        }
    }

    async fn media(&self, ask: &media::Ask, head: &Parts, id: u64, receipt: Receipt) -> Response<SimBody> {
        let behavior = &self.chosen.behavior;
        if !ask.is_job() {
            self.pace(0).await;
        }
        let (bytes, kind) = ask.answer(&media::Here {
            host: head.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1"),
            label: self.target.label,
            now: self.state.log.elapsed(),
            delay: behavior.first_token_delay,
            fault: behavior.fault.as_ref(),
        });
        self.plain(bytes, kind, id, receipt)
    }

    async fn chat(&self, mut ask: Ask, body: &[u8], id: u64, receipt: Receipt) -> Response<SimBody> {
        let behavior = &self.chosen.behavior;
        let line = line_due(&behavior.dialogue, body);
        if let Some(line) = line {
            ask.calls = line.answer_calls();
        }
        let said = line.and_then(|line| line.say.clone());
        let ending = match behavior.fault {
            Some(Fault::Empty) => Ending::Empty,
            Some(Fault::Refusal) => Ending::Refusal,
            _ => Ending::Normal,
        };
        let (vendor, stream, array) = (ask.vendor, ask.stream, ask.array);
        let shape = Shape { ask, words: behavior.words, overlap: behavior.overlap_words, said, ending };
        let template = self.state.templates.get(shape);
        if !stream {
            self.pace(behavior.words).await;
            return self.plain(template.reply(id, false).bytes, template.content_type, id, receipt);
        }
        let paced = !(behavior.first_token_delay.is_zero() && behavior.token_delay.is_zero());
        let shaped = behavior.fault.is_some() || behavior.chunk_bytes.is_some() || paced;
        let reply = template.reply(id, shaped);
        let plan = if shaped {
            plan_stream(&reply, behavior, &self.spoilers(vendor, array, id))
        } else {
            VecDeque::from([Action::Send(reply.bytes)])
        };
        self.response(200, template.content_type, id, SimBody::planned(plan, receipt))
    }

    /// A plain body, whole or as its fault leaves it.
    fn plain(&self, bytes: Bytes, content_type: &'static str, id: u64, receipt: Receipt) -> Response<SimBody> {
        let fault = self.chosen.behavior.fault.as_ref();
        if let Some(plan) = plan_plain(&bytes, fault) {
            let mut response = self.response(200, content_type, id, SimBody::planned(plan, receipt));
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
            return response;
        }
        let bytes = match fault {
            Some(Fault::Malformed(_) | Fault::EndEarly(_)) => bytes.slice(..bytes.len() * 2 / 3),
            _ => bytes,
        };
        self.response(200, content_type, id, SimBody::whole(bytes, receipt))
    }

    fn spoilers(&self, vendor: Vendor, array: bool, id: u64) -> Spoilers {
        let model = self.asked.model.as_deref().unwrap_or_default();
        let error = match self.chosen.behavior.fault {
            Some(Fault::ErrorEvent { error, .. }) => in_stream(vendor, &refusal(error, vendor, model, None, id).body),
            _ => String::new(),
        };
        let (malformed, error) = match vendor {
            Vendor::OpenAi if self.target.endpoint == Endpoint::Responses => (
                "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"del\n\n",
                format!(
                    "event: error\ndata: {}\n\n",
                    error.replacen('{', r#"{"type":"error","sequence_number":99,"#, 1)
                ),
            ),
            Vendor::OpenAi => {
                ("data: {\"id\":\"chatcmpl-0\",\"choices\":[{\"delta\":{\"cont\n\n", format!("data: {error}\n\n"))
            }
            Vendor::Anthropic => (
                "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"del\n\n",
                format!("event: error\ndata: {error}\n\n"),
            ),
            Vendor::Cohere => (
                "event: content-delta\ndata: {\"type\":\"content-delta\",\"index\":0,\"del\n\n",
                format!("event: message-end\ndata: {error}\n\n"),
            ),
            Vendor::Gemini if array => (",\r\n{\"candidates\": [oops]}", format!("[{error}]")),
            Vendor::Gemini => ("data: {\"candidates\": [{\"cont\r\n\r\n", format!("data: {error}\r\n\r\n")),
            Vendor::Bedrock => {
                let kind = match self.chosen.behavior.fault {
                    Some(Fault::ErrorEvent { error, .. }) => bedrock_exception(error, true),
                    _ => "",
                };
                let malformed = reply::event("contentBlockDelta", "{\"contentBlockIndex\":0,\"delta\":{\"te").into();
                return Spoilers { malformed, error: reply::exception(kind, &error).into() };
            }
        };
        Spoilers { malformed: Bytes::from_static(malformed.as_bytes()), error: error.into() }
    }

    /// The recorded answer to this request, if there is one.
    fn recording(&self, head: &Parts, body: &[u8]) -> Option<&Recording> {
        let Target { path, endpoint, .. } = *self.target;
        let recordings = self.state.recordings.as_ref()?;
        recordings.find(head.method.as_str(), path, endpoint, self.asked.model.as_deref(), body)
    }

    fn response(&self, status: u16, content_type: &'static str, id: u64, body: SimBody) -> Response<SimBody> {
        body.receipt().status(status);
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if self.target.endpoint == Endpoint::MachineToken {
            headers.insert("metadata-flavor", HeaderValue::from_static("Google"));
        }
        vendor_headers(headers, self.target.endpoint.vendor(), id, self.chosen.quota);
        response
    }
}

fn replay(recording: &Recording, behavior: &Behavior, receipt: Receipt) -> Response<SimBody> {
    receipt.recorded();
    receipt.status(recording.status);
    let body = if recording.streaming {
        SimBody::planned(plan_stream(&recording.reply, behavior, &Spoilers::default()), receipt)
    } else {
        SimBody::whole(recording.reply.bytes.clone(), receipt)
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(recording.status).unwrap_or(StatusCode::OK);
    response.headers_mut().clone_from(&recording.headers);
    response
}

/// A refusal's body as an event of a stream.
fn in_stream(vendor: Vendor, body: &Value) -> String {
    match vendor {
        Vendor::Cohere => {
            let delta = json!({"finish_reason": "ERROR", "error": body.get("message")});
            json!({"type": "message-end", "delta": delta}).to_string()
        }
        Vendor::OpenAi | Vendor::Anthropic | Vendor::Gemini | Vendor::Bedrock => body.to_string(),
    }
}

/// Request ids, and what is left of the key's quota where it has one.
fn vendor_headers(headers: &mut HeaderMap, vendor: Vendor, id: u64, quota: Option<Quota>) {
    let name = match vendor {
        Vendor::OpenAi => {
            headers.insert("openai-version", HeaderValue::from_static("2020-10-01"));
            headers.insert("openai-processing-ms", HeaderValue::from_static("1"));
            "x-request-id"
        }
        Vendor::Anthropic => "request-id",
        Vendor::Cohere => "x-debug-trace-id",
        Vendor::Bedrock => "x-amzn-requestid",
        Vendor::Gemini => {
            headers.insert("server-timing", HeaderValue::from_static("gfet4t7; dur=1"));
            return;
        }
    };
    if let Ok(value) = HeaderValue::from_str(&format!("req_{id:016x}")) {
        headers.insert(name, value);
    }
    if let Some(quota) = quota {
        quota_headers(headers, vendor, quota.limit, quota.left, quota.reset);
    }
}

fn refused(refusal: Refusal, quota: Option<Quota>, vendor: Vendor, status: u16, receipt: Receipt) -> Response<SimBody> {
    receipt.status(status);
    let mut response = Response::new(SimBody::whole(refusal.body.to_string().into(), receipt));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    vendor_headers(headers, vendor, refusal.id, quota);
    headers.extend(refusal.headers);
    response
}

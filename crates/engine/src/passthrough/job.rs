//! One attempt to pass a request through.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderValue, Method, Request, StatusCode};
use ringmain_core::{Dialect, Fault, FaultClass, FaultScope, Origin, Phase};
use ringmain_routing::Limits;
use ringmain_upstream::{AnswerBody, Exchange, RequestBody, SendError};
use tokio::time::Instant;

use super::counted::Counter;
use super::{Carried, Flow, Passing, Through, headers};
use crate::classify;
use crate::exchange::{Answer, Arrived, Failed, Job, Plain, ProviderReply, read_error};
use crate::limits;
use crate::render::cannot;
use crate::secret::Secret;
use crate::sign::Proof;

impl Job {
    /// Passes the request through, up to the head of its answer.
    ///
    /// # Errors
    /// The provider could not be reached, or said something of its health or our key. Whatever else it says is the answer.
    pub(crate) async fn pass(&mut self) -> Result<Arrived, Failed> {
        let request = Arc::clone(&self.request);
        let Some(passing) = &request.passing else { return Err(cannot("nothing is passed through".to_owned()).into()) };
        let proof = match &self.signer {
            Some(signer) => Some(signer.proof(&self.upstream, self.now).await?),
            None => None,
        };
        if let Some(text) = proof.as_ref().and_then(Proof::secret) {
            self.secret = Secret(Some(Arc::clone(text)));
        }
        let exchange = self.exchange_of(passing, proof.as_ref()).await?;
        let limits = limits::limits(&exchange.head.headers, self.now);
        let status = exchange.head.status;
        if is_of_health(status) {
            let failed = self.told(exchange, limits).await;
            if let (FaultClass::Auth, Some(signer), Some(proof)) = (failed.fault.class, &self.signer, &proof) {
                signer.refused(proof, self.now);
            }
            return Err(failed);
        }
        let switches = status == StatusCode::SWITCHING_PROTOCOLS;
        let provider = &self.target.provider;
        let said = self.secret.out_of_headers(exchange.head.headers);
        let headers = headers::inward(said, switches, &provider.name, &provider.origin);
        let body = match exchange.body {
            body if switches && passing.upgrade => Answer::Tunnel(Box::new(body)),
            _ if switches => return Err(classify::protocol("the provider switched protocols unasked", "").into()),
            body if body.is_at_end() => at_end(body).await,
            body => {
                let counter = Counter::of(&passing.asks, status, &headers);
                let through = counter.map_or(Through::AsItIs, |counter| Through::Counted(Box::new(counter)));
                Answer::Raw(Box::new(Flow { first: None, body, through }), None)
            }
        };
        let (relayed, losses, form, signs) = (true, Vec::new(), None, false);
        Ok(Arrived { status, headers, body, relayed, losses, limits, form, signs })
    }

    /// Sends it, and waits for the head of the answer for as long as something moves.
    async fn exchange_of(&self, passing: &Passing, proof: Option<&Proof>) -> Result<Exchange, Fault> {
        let timeouts = self.request.route.policy.timeouts;
        let origin = &self.target.provider.origin;
        let message = || self.outward(passing, proof);
        let sent = match &passing.body {
            Carried::Held(_) => {
                let sent = self.upstream.send_raw(origin, &message, timeouts.connect);
                tokio::time::timeout(timeouts.first_token, sent).await.ok()
            }
            Carried::Flowing { upload, .. } => {
                let mut sent = std::pin::pin!(self.upstream.send_once(origin, message(), timeouts.connect));
                let (mut last, mut sent_in_time) = (Instant::now(), None);
                while sent_in_time.is_none() {
                    let due = last + timeouts.first_token;
                    sent_in_time = tokio::time::timeout_at(due, sent.as_mut()).await.ok();
                    let moved = upload.moved();
                    if sent_in_time.is_none() && moved + timeouts.first_token <= due {
                        break;
                    }
                    last = moved;
                }
                sent_in_time
            }
        };
        match sent {
            Some(sent) => sent.map_err(|error| unsent(passing, &error)),
            None => Err(classify::no_first_token()),
        }
    }

    fn outward(&self, passing: &Passing, proof: Option<&Proof>) -> Request<RequestBody> {
        let provider = &self.target.provider;
        let mut message = Request::new(passing.request_body());
        *message.method_mut() = passing.method.clone();
        *message.uri_mut() = self.rendered.uri.clone();
        *message.headers_mut() =
            headers::outward(&self.request.headers, self.credential.as_ref().map(|(name, _)| name));
        let headers = message.headers_mut();
        headers.insert(HOST, provider.host.clone());
        for (name, value) in &provider.headers {
            headers.entry(name.clone()).or_insert_with(|| value.clone());
        }
        // Some servers refuse a request that could have a body and says nothing of it.
        let may_have_one = [Method::POST, Method::PUT, Method::PATCH].contains(&passing.method);
        if may_have_one && matches!(&passing.body, Carried::Held(bytes) if bytes.is_empty()) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        if let Some((name, value)) = &self.credential {
            headers.insert(name.clone(), value.clone());
        }
        if let (Some(signer), Some(proof)) = (&self.signer, proof) {
            let parts = match &passing.body {
                Carried::Held(bytes) => std::slice::from_ref(bytes),
                Carried::Flowing { .. } => &[],
            };
            signer.sign(&mut message, parts, proof, self.now);
        }
        message
    }

    /// An answer that says something of the key or the provider. A key that may not do this may do everything else, so
    /// that what is said of it here is said of it for passing through alone.
    async fn told(&self, exchange: Exchange, limits: Option<Limits>) -> Failed {
        let Exchange { head, mut body, .. } = match exchange.decoded() {
            Ok(decoded) => decoded,
            Err(error) => return classify::of_exchange(&error).into(),
        };
        let bytes = self.secret.out_of_bytes(read_error(&mut body).await);
        let headers = self.secret.out_of_headers(head.headers);
        let (kind, status) = (&self.target.provider.kind, head.status);
        let dialect = kind.dialects().next().unwrap_or(Dialect::OpenAiChat);
        let mut fault = match ringmain_dialects::registry::codec(dialect) {
            Some(codec) => classify::of_answer(codec, kind, status.as_u16(), &headers, &bytes, self.now),
            None => classify::protocol("no codec for the provider's errors", ""),
        };
        if fault.scope == FaultScope::Key {
            fault.scope = FaultScope::KeyModel;
        }
        Failed { fault, reply: Some(ProviderReply { status, headers, body: bytes }), limits }
    }
}

/// The connection is free for others.
async fn at_end(mut body: AnswerBody) -> Answer {
    let _ = tokio::time::timeout(Duration::from_millis(1), body.next()).await;
    Answer::Plain(Plain::empty())
}

fn unsent(passing: &Passing, error: &SendError) -> Fault {
    match &passing.body {
        Carried::Flowing { upload, .. } if upload.broke().is_some() => {
            let message = upload.broke().unwrap_or_default();
            Fault::new(FaultClass::Cancelled, Origin::Caller, Phase::Send, message).with_status(408)
        }
        _ => classify::of_exchange(error),
    }
}

/// Does a status tell of the provider or the key? All others are about what was asked.
fn is_of_health(status: StatusCode) -> bool {
    matches!(status.as_u16(), 401 | 402 | 429 | 500..=599)
}

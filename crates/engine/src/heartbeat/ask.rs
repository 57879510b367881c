//! The two questions: the list of models, and one token.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, Uri};
use ringmain_core::{
    Capabilities, Dialect, Fault, FaultClass, Marks, Now, Operation, Origin, Phase, RequestFacts, RequestId, Seed,
};
use ringmain_dialects::Framing;
use ringmain_routing::KeyIx;
use ringmain_upstream::{RequestBody, Upstream};
use ringmain_wire::json::{Document, Object};
use serde_json::json;

use super::units::Question;
use crate::classify;
use crate::exchange::{AGENT, Job};
use crate::gateway::Gateway;
use crate::inspect::Inspected;
use crate::kept::Keeping;
use crate::render;
use crate::route::Route;
use crate::secret::Secret;

/// How long a list may take.
const LIST_WITHIN: Duration = Duration::from_secs(10);
/// How long one token may take; models that think take longer.
const TOKEN_WITHIN: Duration = Duration::from_secs(30);
/// DNS, TCP and TLS together.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// Why there was no good answer.
pub(super) enum NoAnswer {
    /// A failure.
    Failed(Fault),
    /// It could not be asked: nothing is known.
    Unasked,
}

impl Question {
    /// Asks.
    pub(super) async fn ask(&self, gateway: &Arc<Gateway>, upstream: &Upstream, key: KeyIx) -> Result<(), NoAnswer> {
        let within = if self.target.is_some() { TOKEN_WITHIN } else { LIST_WITHIN };
        let asking = async {
            match &self.target {
                Some((route, at)) => self.token(gateway, upstream, route, *at, key).await,
                None => self.models(upstream, key).await,
            }
        };
        match tokio::time::timeout(within, asking).await {
            Ok(answer) => answer,
            Err(_) => Err(NoAnswer::Failed(classify::no_first_token())),
        }
    }

    /// The list itself does not matter, only that there is one: its connection is closed at the head.
    async fn models(&self, upstream: &Upstream, key: KeyIx) -> Result<(), NoAnswer> {
        let link = &*self.link;
        let path = link.kind.health_path.as_deref().ok_or(NoAnswer::Unasked)?;
        let uri: Uri = link.origin.path(path).parse().map_err(|_| NoAnswer::Unasked)?;
        let endpoint = link.kind.endpoint(Operation::Models, None);
        let auth = endpoint.map_or(&link.kind.auth, |endpoint| link.kind.auth_at(endpoint));
        let key = link.keys.iter().find(|known| known.ix == key);
        let credential = key.and_then(|key| key.header(auth));
        let message = || {
            let mut message = Request::new(RequestBody::default());
            *message.uri_mut() = uri.clone();
            let headers = message.headers_mut();
            headers.insert(HOST, link.host.clone());
            headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
            headers.insert(USER_AGENT, AGENT);
            headers.extend(link.headers.iter().cloned());
            headers.extend(credential.cloned());
            message
        };
        let sent = upstream.send(&link.origin, &message, CONNECT_WITHIN).await;
        let status = sent.map_err(|error| NoAnswer::Failed(classify::of_exchange(&error)))?.head.status.as_u16();
        let class = match status {
            200..=299 => return Ok(()),
            // What answers with a redirect is something in front of the provider.
            300..=399 => FaultClass::Protocol,
            status => FaultClass::of_status(status).unwrap_or(FaultClass::Server),
        };
        let fault = Fault::new(class, Origin::Provider, Phase::AwaitHead, "the provider did not list its models");
        Err(NoAnswer::Failed(fault.with_status(status)))
    }

    /// A request as any other, but for what is made of its end.
    async fn token(
        &self,
        gateway: &Arc<Gateway>,
        upstream: &Upstream,
        route: &Arc<Route>,
        at: usize,
        key: KeyIx,
    ) -> Result<(), NoAnswer> {
        let target = route.targets.get(at).ok_or(NoAnswer::Unasked)?;
        let now = gateway.clock.now();
        let request = request(route, &target.name.model, now).ok_or(NoAnswer::Unasked)?;
        let rendered = render::render(&request, target).map_err(|_| NoAnswer::Unasked)?;
        let key = target.key(key);
        let job = Job {
            rest: None,
            upstream: upstream.clone(),
            request: Arc::new(request),
            target: Arc::clone(target),
            credential: key.and_then(|key| key.header(&rendered.auth)).cloned(),
            signer: key.and_then(|key| key.signer(&rendered.auth)).cloned(),
            secret: Secret(key.and_then(|key| key.secret.clone())),
            key: key.map(|key| key.label.clone()).unwrap_or_default(),
            rendered,
            now: now.wall,
        };
        job.run().await.map(|_| ()).map_err(|failed| NoAnswer::Failed(failed.fault))
    }
}

/// The smallest request there is. It has no id of its own and no caller.
fn request(route: &Arc<Route>, model: &str, now: Now) -> Option<Inspected> {
    let body = json!({ "model": model, "max_tokens": 1, "messages": [{ "role": "user", "content": "Say yes." }] });
    let body = Bytes::from(body.to_string());
    let object = Object::parse(&body).ok()?;
    Some(Inspected {
        id: RequestId(0),
        started: now.mono,
        headers: HeaderMap::new(),
        document: Document::from_object(&body, &object)?,
        facts: RequestFacts {
            operation: Operation::Chat,
            dialect: Dialect::OpenAiChat,
            model: model.to_owned(),
            stream: false,
            needs: Capabilities::NONE,
            input_tokens: 4,
            max_output_tokens: Some(1),
            timeout: None,
            tags: Vec::new(),
            marks: Marks::default(),
            key: None,
        },
        model_in_body: true,
        include_usage: false,
        framing: Framing::Sse,
        route: Arc::clone(route),
        why: "a heartbeat".into(),
        over_budget: Vec::new(),
        seed: Seed(0),
        deadline: now.mono + TOKEN_WITHIN,
        keeping: Keeping::default(),
        pin: None,
        learns: None,
        stored: None,
        trace: Mutex::default(),
        decoded: OnceLock::new(),
        form: None,
        translates: false,
        passing: None,
        asked: OnceLock::new(),
    })
}

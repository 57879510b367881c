//! Anything else of a provider, under `/providers/{name}/…`: its key, health, limits and record, and the caller's bytes.
//!
//! ```text
//! place -> identify -> inspect -> the same loop of attempts ( job: outward -> send -> inward ) -> Flow | Tunnel
//! ```
//! Both bodies flow, whatever their size. What has flowed cannot be sent again: see [`Passing::may_go_again`]. Who may
//! pass, where to, and with what is argued in `docs/adr/0019-passing-through.md`.

mod counted;
mod flow;
mod frames;
mod headers;
mod job;
mod path;
mod tunnel;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method};
use http_body::Body;
use ringmain_catalog::Auth;
use ringmain_core::{
    Capabilities, Dialect, Fault, FaultClass, Marks, Operation, Origin, Phase, RequestFacts, RequestId, Shape, Tick,
};
use ringmain_upstream::{Broken, RequestBody};

pub use flow::{Flow, Raw, Through};
pub use tunnel::Tunnel;

use crate::accept::Refused;
use crate::gateway::Gateway;
use crate::inspect::{Inspected, timeout};
use crate::keys::Caller;
use crate::operations::Errors;
use crate::read::collect;
use crate::render::{Rendered, cannot};
use crate::route::Chosen;
use crate::sign::Signer;
use crate::tags::tags;
use crate::target::{Key, Target};
use counted::Asks;
use flow::{Reader, Upload};

pub(crate) use path::{Place, place};

/// The longest that something flows through.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// A body that is no longer than this is held, so that another key may be tried with it.
const HELD_MAX: u64 = 256 * 1024;
/// The characters of a path that a record shows.
const SHOWN: usize = 200;

/// A request on its way through.
pub struct Passing {
    /// Until when it may begin to flow.
    pub(crate) patience: Tick,
    /// Its method.
    method: Method,
    /// Path and query under the provider's base URL.
    path: String,
    body: Carried,
    /// The caller wants a WebSocket.
    upgrade: bool,
    /// Whom it asks, as far as can be seen.
    asks: Asks,
}

/// The caller's body.
enum Carried {
    /// All there.
    Held(Bytes),
    /// Coming; `length` in bytes, where it is known.
    Flowing { upload: Arc<Upload>, length: Option<u64> },
}

impl fmt::Debug for Passing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passing").field("method", &self.method).finish_non_exhaustive()
    }
}

impl Passing {
    /// May it be sent again after this failure? Nothing of its body may be gone; and the provider must not have begun with
    /// it: it was never reached, or refused us before it looked, or the method says that asking twice is asking once.
    pub(crate) fn may_go_again(&self, fault: &Fault) -> bool {
        let whole = match &self.body {
            Carried::Held(_) => true,
            Carried::Flowing { upload, .. } => !upload.has_begun(),
        };
        let unheard = matches!(fault.phase, Phase::Before | Phase::Connect);
        let refused = matches!(fault.class, FaultClass::Auth | FaultClass::Billing | FaultClass::RateLimit);
        whole && (unheard || refused || self.method.is_safe())
    }

    fn request_body(&self) -> RequestBody {
        match &self.body {
            Carried::Held(bytes) => RequestBody::from(bytes.clone()),
            Carried::Flowing { upload, length } => RequestBody::flowing(Box::pin(Reader(Arc::clone(upload))), *length),
        }
    }
}

/// A request to be passed through, understood.
///
/// # Errors
/// 404 for a provider that is not configured, 403 for a key that may not pass, as [`collect`] where the body must be held.
pub(crate) async fn inspect<B>(
    gateway: &Gateway,
    caller: &Caller,
    id: RequestId,
    started: Tick,
    head: Parts,
    body: B,
    place: Place,
) -> Result<Inspected, Box<Refused>>
where
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<Broken>,
{
    let refused = |dialect, fault| Box::new(Refused { dialect, fault, allow: None });
    let Some(chosen) = gateway.passed_to(&place.provider) else {
        return Err(refused(Dialect::OpenAiChat, nobody(&place.provider)));
    };
    let target = chosen.route.targets.first().map(Arc::clone);
    let dialect = target.as_ref().and_then(|target| target.provider.kind.dialects().next());
    let dialect = dialect.unwrap_or(Dialect::OpenAiChat);
    let refuse = |fault| refused(dialect, fault);
    if let Some(Err(message)) = caller.key().map(|key| key.may_pass(&place.provider)) {
        let fault = Fault::new(FaultClass::Auth, Origin::Caller, Phase::Before, message).with_status(403);
        return Err(refuse(fault));
    }
    let body = carried(body, target.as_deref(), gateway).await.map_err(refuse)?;
    let facts = facts(caller, dialect, &place, &head.headers).map_err(refuse)?;
    let asked: String = place.path.split('?').next().unwrap_or_default().chars().take(SHOWN).collect();
    let why = format!("{}: {} {asked}", chosen.why, head.method).into();
    let upgrade = headers::wants_upgrade(&head.headers);
    let given = facts.timeout;
    let held = match &body {
        Carried::Held(bytes) => Some(bytes),
        Carried::Flowing { .. } => None,
    };
    let asks = Asks::of(&head.method, &place.path, &head.headers, held);
    let bare = Inspected::bare(gateway, id, started, head.headers, facts, Chosen { why, ..chosen }).map_err(refuse)?;
    let passing = Passing { patience: bare.deadline, method: head.method, path: place.path, body, upgrade, asks };
    Ok(Inspected { deadline: started + given.unwrap_or(LONGEST), passing: Some(passing), ..bare })
}

fn facts(caller: &Caller, dialect: Dialect, place: &Place, headers: &HeaderMap) -> Result<RequestFacts, Fault> {
    Ok(RequestFacts {
        operation: Operation::Passthrough,
        dialect,
        model: format!("{}/{}", place.provider, crate::keys::PASSTHROUGH),
        stream: false,
        needs: Capabilities::NONE,
        input_tokens: 0,
        max_output_tokens: None,
        timeout: timeout(headers)?,
        tags: tags(headers, caller),
        marks: Marks::default(),
        key: caller.key().map(|key| key.name.clone()),
    })
}

/// The body, held where it is short or a signature must cover it.
async fn carried<B>(body: B, target: Option<&Target>, gateway: &Gateway) -> Result<Carried, Fault>
where
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<Broken>,
{
    let signs = |key: &Key| matches!(key.signer(&Auth::AwsSigV4).map(|signer| &**signer), Some(Signer::Aws { .. }));
    let is_signed = target.is_some_and(|target| target.provider.keys.iter().any(signs));
    let length = body.size_hint().exact();
    if is_signed || body.is_end_stream() || length.is_some_and(|length| length <= HELD_MAX) {
        let mut bodies = gateway.bodies();
        if !is_signed {
            bodies.max = HELD_MAX;
        }
        return collect(body, &bodies).await.map(Carried::Held);
    }
    Ok(Carried::Flowing { upload: Upload::new(body), length })
}

fn nobody(provider: &str) -> Fault {
    let shown: String = provider.chars().take(64).collect();
    let message = format!("no provider `{shown}` is configured here");
    Fault::new(FaultClass::Unroutable, Origin::Caller, Phase::Before, message).with_status(404)
}

/// The request as it is sent: only its place and how it is let in there are known.
pub(crate) fn render(passing: &Passing, target: &Target) -> Result<Rendered, Fault> {
    let path = target.provider.origin.path_once(&passing.path);
    let uri = path.parse().map_err(|_| cannot("the path cannot stand in a URL".to_owned()))?;
    Ok(Rendered {
        method: passing.method.clone(),
        parts: Vec::new(),
        uri,
        dialect: None,
        relayed: true,
        auth: auth_at(target, &passing.path),
        strip_usage: false,
        headers: Vec::new(),
        losses: Vec::new(),
        work: None,
        errors: Errors { operation: Operation::Passthrough, shape: Shape::OpenAi },
        form: None,
    })
}

/// How a path is authorised: in the provider's way, but in folders that have one of their own.
fn auth_at(target: &Target, path: &str) -> Auth {
    let kind = &target.provider.kind;
    let is_below = |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    let own = kind.auth_below.iter().find(|(folder, _)| is_below(folder));
    own.map_or(&kind.auth, |(_, auth)| auth).clone()
}

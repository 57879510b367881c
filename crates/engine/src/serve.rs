//! The life of a request, top to bottom. Each line is a stage, each stage a file, and its result the next one's argument.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, ALLOW};
use http::{HeaderValue, Request, Response};
use http_body::Body;
use ringmain_core::{Dialect, Operation, RequestId};
use ringmain_upstream::{Broken, Upstream};
use ringmain_wire::coding::KNOWN;

use crate::accept::{Refused, accept};
use crate::admit::admit;
use crate::attempt::Attempts;
use crate::gateway::Gateway;
use crate::inspect::{Inspected, inspect};
use crate::keys::Caller;
use crate::read::read;
use crate::reply::{Account, ReplyBody};
use crate::settle::RequestGuard;
use crate::{models, passthrough, relay, reply, stored};

/// Serves one request of the data plane. Never fails: what goes wrong is an answer in the caller's dialect.
pub async fn serve<B>(gateway: &Arc<Gateway>, upstream: &Upstream, request: Request<B>) -> Response<ReplyBody>
where
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<Broken>,
{
    let id = gateway.next_id();
    match answer(gateway, upstream, request, id).await {
        Ok(response) => response,
        Err(refused) => {
            let Refused { dialect, fault, allow } = *refused;
            gateway.refused(id, &fault);
            let account = Account { request: id, target: None, attempts: 0, route: None, why: None, losses: &[] };
            let mut response = reply::error(dialect, &fault, &account);
            if fault.status == Some(415) {
                response.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static(KNOWN));
            }
            if let Some(allow) = allow.and_then(|method| HeaderValue::try_from(method.as_str()).ok()) {
                response.headers_mut().insert(ALLOW, allow);
            }
            response
        }
    }
}

/// The stages. An error here is one before any target was tried.
async fn answer<B>(
    gateway: &Arc<Gateway>,
    upstream: &Upstream,
    request: Request<B>,
    id: RequestId,
) -> Result<Response<ReplyBody>, Box<Refused>>
where
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<Broken>,
{
    let started = gateway.clock.now().mono;
    let (head, body) = request.into_parts();
    if let Some(place) = passthrough::place(head.uri.path(), head.uri.query()) {
        let refuse = |fault| Box::new(Refused { dialect: Dialect::OpenAiChat, fault, allow: None });
        let caller = gateway.identify(&head.headers, head.uri.query()).map_err(refuse)?;
        let place = place.map_err(refuse)?;
        let passed = passthrough::inspect(gateway, &caller, id, started, head, body, place).await?;
        return Ok(run(gateway, upstream, &caller, passed).await);
    }
    let accepted = accept(&head.method, head.uri.path(), head.uri.query())?;
    let dialect = accepted.dialect;
    let refuse = |fault| Box::new(Refused { dialect, fault, allow: None });

    let caller = gateway.identify(&head.headers, head.uri.query()).map_err(refuse)?;
    if accepted.operation == Operation::Models {
        let (wanted, query) = (accepted.model.as_deref(), head.uri.query());
        return models::answer(gateway, &caller, dialect, wanted, &head.headers, query, id);
    }
    if let Some(stored) = accepted.stored {
        let inspected = stored::inspect(gateway, &caller, id, started, stored, head.headers).map_err(refuse)?;
        return Ok(run(gateway, upstream, &caller, inspected).await);
    }
    let body = read(body, &head.headers, &gateway.bodies()).await.map_err(refuse)?;
    let inspected = inspect(gateway, &caller, id, started, accepted, head.headers, &body).map_err(refuse)?;
    Ok(run(gateway, upstream, &caller, inspected).await)
}

/// The stages of a request that has a route.
async fn run(
    gateway: &Arc<Gateway>,
    upstream: &Upstream,
    caller: &Caller,
    mut inspected: Inspected,
) -> Response<ReplyBody> {
    let admitted = admit(gateway, caller.key().map(|key| &**key), &mut inspected).await;
    let inspected = Arc::new(inspected);
    let grant = match admitted {
        Ok(grant) => grant,
        Err(fault) => return relay::refused(&fault, &inspected, RequestGuard::begin(gateway, &inspected, None)),
    };
    let guard = RequestGuard::begin(gateway, &inspected, grant);
    let mut attempts = Box::new(Attempts::none(gateway, upstream, &inspected, guard));
    match attempts.run().await {
        Ok(won) => relay::won(won, attempts),
        Err(stop) => relay::lost(gateway, *attempts, stop),
    }
}

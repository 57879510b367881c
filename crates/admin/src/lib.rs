//! The admin plane, without its listener: one function from a request to an answer.
//!
//! ```text
//! access (who may ask, from where) -> route (a table) -> one file for each subject -> audit
//! ```
//! Nothing here is on the path of a caller's request. What reads a disk runs on threads for that.

mod access;
mod analytics;
mod answer;
mod csv;
mod groups;
mod health;
mod keys;
mod limits;
pub mod oidc;
mod openapi;
mod requests;
mod table;
#[cfg(test)]
mod tests;
mod tokens;
mod window;

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Limited};
use ringmain_engine::{Gateway, ReplyBody};
use ringmain_state::{AuditEntry, AuditLog, KeyStore, TokenStore};

use crate::answer::{Answer, Problem};

/// The largest body of a question.
const BODY_MAX: usize = 256 * 1024;

/// What the admin plane is about.
#[derive(Debug)]
pub struct Admin {
    /// The gateway.
    pub gateway: Arc<Gateway>,
    /// Where virtual keys are kept. `None`: nowhere, and none can be made.
    pub keys: Option<Arc<dyn KeyStore>>,
    /// Where tokens of machines are kept. `None`: nowhere, and none can be made.
    pub tokens: Option<Arc<dyn TokenStore>>,
    /// Who says who people are.
    pub people: oidc::Directory,
    /// Where changes are written down.
    pub audit: Arc<dyn AuditLog>,
}

/// A question that may be asked.
pub(crate) struct Ask<'r> {
    pub(crate) admin: &'r Arc<Admin>,
    pub(crate) actor: &'r access::Actor,
    /// What follows the path of the table, decoded; empty where that ends.
    pub(crate) rest: String,
    pub(crate) query: &'r str,
    pub(crate) body: Bytes,
}

/// Answers one request, whatever it is.
pub async fn answer<B>(admin: &Arc<Admin>, request: Request<B>) -> Response<ReplyBody>
where
    B: Body<Data = Bytes> + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (head, body) = request.into_parts();
    let actor = match access::check(admin, &head).await {
        Ok(actor) => actor,
        Err(problem) => return problem.response(),
    };
    let (entry, rest) = match table::find(&head.method, head.uri.path()) {
        Ok(found) => found,
        Err(problem) => return problem.response(),
    };
    let changes = access::changes(&head.method);
    if let Err(problem) = actor.may(entry.area, changes) {
        if changes {
            write_down(admin, &head, entry, actor.name, rest, StatusCode::FORBIDDEN).await;
        }
        return problem.response();
    }
    let Ok(body) = Limited::new(std::pin::pin!(body), BODY_MAX).collect().await else {
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large, or broke off").response();
    };
    let query = head.uri.query().unwrap_or_default();
    let ask = Ask { admin, actor: &actor, rest, query, body: body.to_bytes() };
    let subject = ask.rest.clone();
    let answered = (entry.serve)(ask).await;
    if changes {
        let status = answered.as_ref().map_or_else(|problem| problem.status, Answer::status);
        let subject = match &answered {
            Ok(Answer::Made { subject, .. }) => subject.clone(),
            _ => subject,
        };
        write_down(admin, &head, entry, actor.name.clone(), subject, status).await;
    }
    answered.map_or_else(|problem| problem.response(), Answer::response)
}

/// A change, or an attempt at one, in the audit log.
async fn write_down(
    admin: &Arc<Admin>,
    head: &Parts,
    entry: &table::Entry,
    actor: String,
    subject: String,
    status: StatusCode,
) {
    let (at, action) = (admin.gateway.clock.now().wall, format!("{} {}", head.method, entry.path));
    let entry = AuditEntry { at, actor, action, subject, status: status.as_u16() };
    let log = Arc::clone(&admin.audit);
    let written = tokio::task::spawn_blocking(move || log.append(&entry)).await;
    if !matches!(written, Ok(Ok(()))) {
        tracing::error!("a change could not be written into the audit log");
    }
}

//! An answer that is an error.

use http::{HeaderMap, StatusCode};
use ringmain_core::FaultClass;
use ringmain_dialects::registry;
use ringmain_routing::Limits;
use ringmain_upstream::AnswerBody;
use serde::de::IgnoredAny;

use super::body::read_error;
use super::{Failed, Job, ProviderReply};
use crate::classify;

impl Job {
    /// What it says, and whether the caller may read it as it is.
    pub(super) async fn refused(
        &self,
        status: StatusCode,
        headers: HeaderMap,
        mut body: AnswerBody,
        limits: Option<Limits>,
    ) -> Failed {
        let bytes = self.secret.out_of_bytes(read_error(&mut body).await);
        let mut fault = match self.codec() {
            // A redirect would carry the credential elsewhere: it is not followed, and no answer either.
            _ if !status.is_client_error() && !status.is_server_error() => {
                classify::protocol("the provider answered with a redirect", format!("status {status}"))
            }
            Ok(codec) => {
                let kind = &self.target.provider.kind;
                classify::of_answer(codec, kind, status.as_u16(), &headers, &bytes, self.now)
            }
            Err(fault) => fault,
        };
        // The model is there; the answer that the request names is not.
        if fault.class == FaultClass::Gone && self.request.stored.is_some() {
            (fault.class, fault.scope) = (FaultClass::BadRequest, FaultClass::BadRequest.scope());
        }
        // A page from something in front of the provider is not the provider's words.
        let json = serde_json::from_slice::<IgnoredAny>(&bytes).is_ok();
        // And a cloud that serves another's dialect has errors of its own.
        let own = self.rendered.dialect.is_none_or(|dialect| registry::is_own_fault(dialect, &bytes));
        let same = self.rendered.relayed && json && own && fault.class != FaultClass::Protocol;
        let headers = self.secret.out_of_headers(headers);
        Failed { fault, reply: same.then_some(ProviderReply { status, headers, body: bytes }), limits }
    }
}

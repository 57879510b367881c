//! Small documents of identity providers, by way of the connections to providers of models.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use ringmain_admin::oidc::{Fetch, Fetched};
use ringmain_upstream::{Dial, Place, Question, Upstream};

/// How long a document may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks over the network.
#[derive(Debug)]
pub(crate) struct Documents(Upstream);

impl Documents {
    pub(crate) fn new(dialer: &Arc<dyn Dial>) -> Self {
        Self(Upstream::new(Arc::clone(dialer)))
    }
}

impl Fetch for Documents {
    fn get<'a>(&'a self, url: &'a str) -> Fetched<'a> {
        Box::pin(async move {
            let place = Place::parse(url)?;
            let question = Question {
                method: Method::GET,
                origin: &place.origin,
                path: &place.path,
                headers: &[],
                body: Bytes::new(),
                patience: PATIENCE,
            };
            let reply = question.ask(&self.0).await?;
            reply.status.is_success().then_some(reply.body)
        })
    }
}

//! An exchange with a provider, without IO: what to send, when, and what the answer means.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use ringmain_core::Fault;
use ringmain_wire::multipart::Form;
use serde_json::Value;

/// One request of an exchange.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Its method.
    pub method: Method,
    /// Where it goes.
    pub to: To,
    /// What answers are taken.
    pub accept: &'static str,
    /// Headers beside the usual ones; never a credential.
    pub headers: Vec<(&'static str, &'static str)>,
    /// What it carries.
    pub payload: Payload,
    /// How often it may be sent again after a failure of the way to the provider, or of its server: a question about
    /// work that goes on elsewhere costs nothing, and the work is not lost with it.
    pub again: u8,
}

/// Where a request goes. Nothing a caller says is ever more than a path here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// A path, perhaps with a query, under the provider's base URL.
    Path(String),
    /// A URL the provider named for the rest of this exchange. It is asked with the credential, and so only where its
    /// host is the provider's; elsewhere it is not asked at all.
    Own(String),
    /// A URL the provider named for what it made. It is fetched without a credential, and only from a public address.
    Public(String),
}

/// The body of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Payload {
    /// None.
    Empty,
    /// JSON, in pieces that follow each other.
    Json(Vec<Bytes>),
    /// A form.
    Form(Form),
    /// Bytes of this media type.
    Raw(String, Bytes),
}

impl Call {
    /// `POST` with JSON.
    #[must_use]
    pub fn post(path: impl Into<String>, body: &Value) -> Self {
        Self::to(Method::POST, To::Path(path.into()), Payload::Json(vec![body.to_string().into()]))
    }

    /// `POST` with a form.
    #[must_use]
    pub fn form(path: impl Into<String>, form: Form) -> Self {
        Self::to(Method::POST, To::Path(path.into()), Payload::Form(form))
    }

    /// `GET`; sent again twice where it fails on the way.
    #[must_use]
    pub fn get(to: To) -> Self {
        Self { again: 2, ..Self::to(Method::GET, to, Payload::Empty) }
    }

    fn to(method: Method, to: To, payload: Payload) -> Self {
        Self { method, to, accept: "application/json", headers: Vec::new(), payload, again: 0 }
    }
}

/// A successful answer to a [`Call`]; what has an error status is judged by the codec's `decode_fault`.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its whole body.
    pub body: Bytes,
}

impl Reply {
    /// The media type, in lower case and without parameters.
    #[must_use]
    pub fn media_type(&self) -> Option<String> {
        let value = self.headers.get(http::header::CONTENT_TYPE)?.to_str().ok()?;
        Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
    }

    /// A header's text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// What comes next in an exchange.
#[derive(Debug)]
pub enum Turn<A> {
    /// This, after a wait.
    Call {
        /// What to send.
        call: Box<Call>,
        /// How long to wait before.
        after: Duration,
    },
    /// Nothing: this is what came of it.
    Done(A),
}

impl<A> Turn<A> {
    /// At once.
    #[must_use]
    pub fn now(call: Call) -> Self {
        Self::Call { call: Box::new(call), after: Duration::ZERO }
    }

    /// After a wait.
    #[must_use]
    pub fn later(call: Call, after: Duration) -> Self {
        Self::Call { call: Box::new(call), after }
    }
}

/// One exchange, from its first request to what comes of it.
pub trait Talk<A>: Send + Sync {
    /// The next step. `reply` is the answer to the last call; `None` at the beginning.
    ///
    /// # Errors
    /// The exchange failed: the answer is an error, a refusal, or unreadable.
    fn next(&mut self, reply: Option<&Reply>) -> Result<Turn<A>, Fault>;

    /// What tells the provider that nobody waits any more. `None` where hanging up is all there is to say.
    fn abandon(&self) -> Option<Call> {
        None
    }
}

/// Reads the one answer of an exchange.
pub type Reader<A> = Box<dyn Fn(&Reply) -> Result<A, Fault> + Send + Sync>;

/// An exchange of one request and one answer.
pub struct Once<A> {
    call: Option<Call>,
    read: Reader<A>,
}

impl<A> Once<A> {
    /// This request, and what reads its answer.
    pub fn new(call: Call, read: impl Fn(&Reply) -> Result<A, Fault> + Send + Sync + 'static) -> Self {
        Self { call: Some(call), read: Box::new(read) }
    }
}

impl<A> Talk<A> for Once<A> {
    fn next(&mut self, reply: Option<&Reply>) -> Result<Turn<A>, Fault> {
        match (self.call.take(), reply) {
            (Some(call), _) => Ok(Turn::now(call)),
            (None, Some(reply)) => (self.read)(reply).map(Turn::Done),
            (None, None) => Err(crate::fault::unreadable("the exchange went on without an answer")),
        }
    }
}

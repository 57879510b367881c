//! Answers and problems, as they are sent.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Response, StatusCode};
use ringmain_engine::ReplyBody;
use ringmain_state::StateError;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

/// A good answer.
pub(crate) enum Answer {
    /// JSON.
    Json(Value),
    /// JSON about something that was made.
    Made { subject: String, value: Value },
    /// Comma-separated values.
    Csv(String),
    /// Text of this kind.
    Text(&'static str, String),
}

impl Answer {
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::Made { .. } => StatusCode::CREATED,
            Self::Json(_) | Self::Csv(_) | Self::Text(..) => StatusCode::OK,
        }
    }

    pub(crate) fn response(self) -> Response<ReplyBody> {
        let status = self.status();
        match self {
            Self::Json(value) | Self::Made { value, .. } => respond(status, "application/json", value.to_string()),
            Self::Csv(text) => respond(status, "text/csv; charset=utf-8", text),
            Self::Text(kind, text) => respond(status, kind, text),
        }
    }
}

/// What is answered instead.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    message: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(crate) fn missing(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(crate) fn response(self) -> Response<ReplyBody> {
        let body = json!({ "error": { "message": self.message } }).to_string();
        let mut response = respond(self.status, "application/json", body);
        if self.status == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(http::header::WWW_AUTHENTICATE, bearer);
        }
        response
    }
}

impl From<StateError> for Problem {
    fn from(error: StateError) -> Self {
        let status = match error {
            StateError::Refused(_) => StatusCode::CONFLICT,
            StateError::TooMuch(_) => StatusCode::BAD_REQUEST,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string())
    }
}

/// Reads or writes a store on a thread that may wait.
pub(crate) async fn blocking<T, F>(work: F) -> Result<T, Problem>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, StateError> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the store could not be asked")),
    }
}

/// Questions that may take a while, at one time: what is asked beyond it waits.
static QUESTIONS: Semaphore = Semaphore::const_new(2);
/// How long it waits.
const TURN_WITHIN: Duration = Duration::from_secs(10);

/// The same for a question that may take a while, and its answer be long: both are made there.
pub(crate) async fn question<F>(work: F) -> Result<Answer, Problem>
where
    F: FnOnce() -> Result<Answer, StateError> + Send + 'static,
{
    let turn = tokio::time::timeout(TURN_WITHIN, QUESTIONS.acquire()).await;
    let Ok(Ok(turn)) = turn else {
        let message = "other questions are being answered: ask again later, or one at a time";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, message));
    };
    // Whoever asked may leave: the turn is over when the work is.
    blocking(move || {
        let answer = work();
        drop(turn);
        answer
    })
    .await
}

fn respond(status: StatusCode, kind: &'static str, body: String) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::whole(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("x-frame-options"), HeaderValue::from_static("DENY"));
    response
}

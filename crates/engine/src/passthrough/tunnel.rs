//! A connection that has left HTTP: bytes go both ways until one side closes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use ringmain_upstream::{AnswerBody, Io};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::classify;
use crate::settle::{AttemptGuard, RequestGuard};

/// The longest a tunnel stands: sessions of the providers end within hours.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The provider's half, to be joined with the caller's when its connection has switched as well.
pub struct Tunnel {
    answer: AnswerBody,
    attempt: AttemptGuard,
    request: RequestGuard,
}

/// What a response carries to whoever holds the caller's connection.
#[derive(Clone)]
struct Carried(Arc<Mutex<Option<Tunnel>>>);

impl Tunnel {
    pub(crate) fn new(answer: AnswerBody, attempt: AttemptGuard, request: RequestGuard) -> Self {
        Self { answer, attempt, request }
    }

    /// Puts it into the response that switches the caller's connection.
    pub(crate) fn put<B>(self, response: &mut Response<B>) {
        response.extensions_mut().insert(Carried(Arc::new(Mutex::new(Some(self)))));
    }

    /// Takes it out again.
    #[must_use]
    pub fn take<B>(response: &mut Response<B>) -> Option<Self> {
        let carried = response.extensions_mut().remove::<Carried>()?;
        carried.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Joins it with the caller's half, until either closes.
    pub async fn run(self, mut caller: impl AsyncRead + AsyncWrite + Unpin) {
        let Self { answer, mut attempt, mut request } = self;
        let joined = async {
            let (mut provider, read): (Box<dyn Io>, Bytes) = answer.into_io().await?;
            caller.write_all(&read).await?;
            tokio::io::copy_bidirectional(&mut caller, &mut provider).await
        };
        match tokio::time::timeout(LONGEST, joined).await {
            Ok(Ok(_)) | Err(_) => {
                attempt.served();
                request.ended(None);
            }
            Ok(Err(error)) => {
                // Which side broke is not to be told from here; a broken tunnel benches nobody.
                let mut fault = classify::interrupted("the connection broke off").with_detail(error.to_string());
                fault.scope = ringmain_core::FaultScope::Request;
                attempt.failed(&fault);
                request.ended(Some(&fault));
            }
        }
    }
}

//! Stage 3: the whole body, up to the limit.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use ringmain_core::{Fault, FaultClass, Origin, Phase};

/// Silence inside a request body before the caller is given up.
const IDLE: Duration = Duration::from_secs(60);

/// Reads a request body of at most `max` bytes.
///
/// # Errors
/// 413 naming the setting, 408 for a caller that fell silent, 400 for one that broke off.
pub async fn read<B>(body: B, max: u64) -> Result<Bytes, Fault>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut body = body;
    let hint = body.size_hint();
    if hint.lower() > max {
        return Err(too_large(max));
    }
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    loop {
        let next = std::future::poll_fn(|cx| std::pin::Pin::new(&mut body).poll_frame(cx));
        // A body that is already there costs no timer.
        let frame = if body_is_ready(&hint, first.as_ref()) {
            next.await
        } else {
            tokio::time::timeout(IDLE, next).await.map_err(|_| refused(408, "the request body stopped coming"))?
        };
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|_| refused(400, "the request body broke off"))?;
        let Ok(data) = frame.into_data() else { continue };
        let length = first.as_ref().map_or(0, Bytes::len) + rest.len() + data.len();
        if length as u64 > max {
            return Err(too_large(max));
        }
        match &first {
            None => first = Some(data),
            Some(_) => {
                if rest.is_empty() {
                    let expected = hint.exact().and_then(|n| usize::try_from(n).ok()).unwrap_or(length);
                    rest.reserve(expected.min(8 * 1024 * 1024));
                    rest.extend_from_slice(first.as_deref().unwrap_or_default());
                    first = Some(Bytes::new());
                }
                rest.extend_from_slice(&data);
            }
        }
    }
    Ok(if rest.is_empty() { first.unwrap_or_default() } else { rest.freeze() })
}

/// All announced bytes have come: what is left to read is only the end.
fn body_is_ready(hint: &http_body::SizeHint, first: Option<&Bytes>) -> bool {
    first.is_some_and(|bytes| hint.exact() == Some(bytes.len() as u64))
}

fn too_large(max: u64) -> Fault {
    let message = format!(
        "the request body is larger than {max} bytes; `server.max_body` in the gateway's configuration sets this limit"
    );
    refused(413, &message)
}

fn refused(status: u16, message: &str) -> Fault {
    let class = if status == 413 { FaultClass::Context } else { FaultClass::BadRequest };
    Fault::new(class, Origin::Caller, Phase::Before, message).with_status(status)
}

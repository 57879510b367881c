//! Bodies of answers, read within bounds.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ringmain_core::Fault;
use ringmain_upstream::AnswerBody;

use crate::classify;

/// The largest plain answer; a batch of pictures in base64 fits.
pub(crate) const ANSWER_MAX: usize = 256 * 1024 * 1024;
/// What is read of an error answer.
const ERROR_MAX: usize = 64 * 1024;
/// How long an error answer's body may take.
const ERROR_PATIENCE: Duration = Duration::from_secs(5);

/// What an error answer says, as far as it comes.
pub(crate) async fn read_error(body: &mut AnswerBody) -> Bytes {
    let read = tokio::time::timeout(ERROR_PATIENCE, collect(body, ERROR_MAX)).await;
    read.ok().and_then(Result::ok).unwrap_or_default()
}

/// Reads a body of at most `max` bytes.
pub(crate) async fn collect(body: &mut AnswerBody, max: usize) -> Result<Bytes, Fault> {
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| classify::of_exchange(&error))?;
        if first.len() + all.len() + chunk.len() > max {
            return Err(classify::protocol("the provider's answer is too large", format!("more than {max} bytes")));
        }
        if first.is_empty() && all.is_empty() {
            first = chunk;
            continue;
        }
        if all.is_empty() {
            all.reserve(first.len() + chunk.len());
            all.extend_from_slice(&std::mem::take(&mut first));
        }
        all.extend_from_slice(&chunk);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

//! Stage 3: the whole body, up to the limit, without the encodings it came in.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use http_body::Body;
use ringmain_core::{Fault, FaultClass, Origin, Phase};
use ringmain_wire::coding::{Coding, CodingError, Decoder, KNOWN, codings};

use crate::room::{Bodies, SMALL};

/// Silence inside a request body before the caller is given up.
pub(crate) const IDLE: Duration = Duration::from_secs(60);

/// Reads a request body within these limits; the largest size holds for what came and for what it says. A large one takes
/// room for as long as a piece of it is kept.
///
/// # Errors
/// 503 where there is no room, 413 naming the setting, 408 for a caller that fell silent, 400 for one that broke off or is
/// not what its encoding says, 415 for an encoding nobody knows.
pub async fn read<B>(body: B, headers: &HeaderMap, bodies: &Bodies) -> Result<Bytes, Fault>
where
    B: Body<Data = Bytes> + Unpin,
{
    let Some(encodings) = headers.get(CONTENT_ENCODING) else {
        return collect(body, bodies).await;
    };
    let encodings = encodings.to_str().unwrap_or("?");
    let codings =
        codings(encodings).map_err(|unknown| refused(415, &format!("{unknown}; the gateway reads {KNOWN}")))?;
    let bytes = collect(body, bodies).await?;
    if codings.is_empty() {
        return Ok(bytes);
    }
    // What came has given its room back: to wait with it for more could be to wait for each other.
    let said = decoded(bytes, &codings, bodies.max)?;
    if said.len() as u64 > SMALL { Ok(bodies.room.take(said.len() as u64).await?.hold(said)) } else { Ok(said) }
}

/// Stops at the limit: a few kilobytes can say gigabytes.
fn decoded(bytes: Bytes, codings: &[Coding], max: u64) -> Result<Bytes, Fault> {
    let unreadable = |error: CodingError| refused(400, &format!("the request body is {error}"));
    let mut decoder = Decoder::new(codings);
    let mut all = BytesMut::with_capacity(bytes.len().saturating_mul(2).min(1024 * 1024));
    decoder.push(bytes);
    while let Some(piece) = decoder.next().map_err(unreadable)? {
        if (all.len() + piece.len()) as u64 > max {
            return Err(too_large(max));
        }
        all.extend_from_slice(&piece);
    }
    decoder.finish().map_err(unreadable)?;
    Ok(all.freeze())
}

/// The body as it comes, up to the limit.
pub(crate) async fn collect<B>(body: B, bodies: &Bodies) -> Result<Bytes, Fault>
where
    B: Body<Data = Bytes> + Unpin,
{
    let Bodies { max, room } = bodies;
    let (max, mut body) = (*max, body);
    let hint = body.size_hint();
    if hint.lower() > max {
        return Err(too_large(max));
    }
    let mut taken = match hint.exact() {
        Some(length) if length > SMALL => Some(room.take(length).await?),
        _ => None,
    };
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
        if taken.is_none() && length as u64 > SMALL {
            taken = Some(room.take(max).await?);
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
    let body = if rest.is_empty() { first.unwrap_or_default() } else { rest.freeze() };
    Ok(match taken {
        Some(taken) => taken.hold(body),
        None => body,
    })
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http_body_util::Full;

    use super::*;
    use crate::room::Room;

    async fn sent(encoding: &str, body: &'static [u8], max: u64) -> Result<Bytes, Option<u16>> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, encoding.parse().unwrap());
        let bodies = Bodies { max, room: Arc::new(Room::new(1 << 20)) };
        read(Full::new(Bytes::from_static(body)), &headers, &bodies).await.map_err(|fault| fault.status)
    }

    /// `{}` as gzip writes it.
    const GZIP: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xab\xae\x05\x00\x43\xbf\xa6\xa3\x02\x00\x00\x00";

    #[tokio::test]
    async fn encodings_are_undone_within_the_limit() {
        assert_eq!(sent("gzip", GZIP, 100).await, Ok(Bytes::from_static(b"{}")));
        assert_eq!(sent("identity", b"{}", 100).await, Ok(Bytes::from_static(b"{}")));
        assert_eq!(sent("gzip", GZIP, 10).await, Err(Some(413)), "what came is too large");
        assert_eq!(sent("gzip", b"{}", 100).await, Err(Some(400)), "it is no gzip");
        assert_eq!(sent("gzip", &GZIP[..20], 100).await, Err(Some(400)), "it was cut");
        for unknown in ["compress", "gzip, exi", "\u{e9}"] {
            assert_eq!(sent(unknown, GZIP, 100).await, Err(Some(415)), "{unknown}");
        }
    }
}

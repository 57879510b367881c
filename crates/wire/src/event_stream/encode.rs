//! Writing messages.

use super::{PRELUDE, TRAILER, crc32};

/// The type of a header's value that is text.
const STRING: u8 = 7;

/// Appends an event of this type with a JSON payload. `event_type` is at most 255 bytes long; what is beyond is cut.
pub fn encode(event_type: &str, payload: &[u8], out: &mut Vec<u8>) {
    let headers = [(":event-type", event_type), (":content-type", "application/json"), (":message-type", "event")];
    message(&headers, payload, out);
}

/// Appends an exception of this type with a JSON payload: it ends the stream, and the SDK raises it.
pub fn encode_exception(exception_type: &str, payload: &[u8], out: &mut Vec<u8>) {
    let headers =
        [(":exception-type", exception_type), (":content-type", "application/json"), (":message-type", "exception")];
    message(&headers, payload, out);
}

fn message(headers: &[(&str, &str)], payload: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let short = |text: &str| text.floor_char_boundary(usize::from(u8::MAX));
    let of_header = |(name, value): &(&str, &str)| 1 + short(name) + 3 + short(value);
    let length: usize = headers.iter().map(of_header).sum();
    let total = PRELUDE + length + payload.len() + TRAILER;
    out.reserve(total);
    for number in [total, length] {
        // An answer's part is never near the 4 GiB that this can say: its reader bounds it far below.
        out.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes());
    }
    checksum(start, out);
    for (name, value) in headers {
        let (name, value) = (&name[..short(name)], &value[..short(value)]);
        out.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        out.extend_from_slice(name.as_bytes());
        out.push(STRING);
        out.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
        out.extend_from_slice(value.as_bytes());
    }
    out.extend_from_slice(payload);
    checksum(start, out);
}

/// Appends the checksum of what was written since `start`.
fn checksum(start: usize, out: &mut Vec<u8>) {
    let checksum = crc32::of(&out[start..]);
    out.extend_from_slice(&checksum.to_be_bytes());
}

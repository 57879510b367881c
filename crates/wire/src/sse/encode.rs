//! Writing events.

use bytes::BufMut;
use memchr::memchr2;

/// Appends one event: the `event:` line where there is a name, the data, the blank line.
///
/// Data with line breaks becomes several `data:` lines, which a reader joins with LF again. A name is cut at a line
/// break, so that it can never start a field of its own.
pub fn encode(event: Option<&str>, data: &[u8], out: &mut impl BufMut) {
    if let Some(event) = event {
        let name = lines(event.as_bytes()).next().unwrap_or_default();
        out.put_slice(b"event: ");
        out.put_slice(name);
        out.put_u8(b'\n');
    }
    put_lines(b"data: ", data, out);
}

/// Appends a comment, which readers skip: `: ping`. Each line of `text` becomes a comment line.
pub fn encode_comment(text: &str, out: &mut impl BufMut) {
    put_lines(b": ", text.as_bytes(), out);
}

fn put_lines(prefix: &[u8], text: &[u8], out: &mut impl BufMut) {
    for line in lines(text) {
        out.put_slice(prefix);
        out.put_slice(line);
        out.put_u8(b'\n');
    }
    out.put_u8(b'\n');
}

/// At least one line, and an empty last one after a final line break: what joining with LF must give back.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = memchr2(b'\n', b'\r', text) else {
            rest = None;
            return Some(text);
        };
        let width = if text[end..].starts_with(b"\r\n") { 2 } else { 1 };
        rest = Some(&text[end + width..]);
        Some(&text[..end])
    })
}

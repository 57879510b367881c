//! `multipart/form-data` (RFC 7578), whole in memory: the parts of a body are slices of it, and a body is written from
//! pieces that share the parts' bytes.

use std::fmt;

use bytes::Bytes;
use memchr::memmem;

/// More parts than any API takes; a body with more is refused.
const PARTS_MAX: usize = 256;
/// The head of one part, in bytes.
const HEAD_MAX: usize = 8 * 1024;
/// RFC 2046 allows 70.
const BOUNDARY_MAX: usize = 70;

/// One field or file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The field's name.
    pub name: String,
    /// The file's name, where it is a file.
    pub filename: Option<String>,
    /// The media type, where one is given.
    pub content_type: Option<String>,
    /// What it holds.
    pub data: Bytes,
}

impl Part {
    /// A field of text.
    #[must_use]
    pub fn text(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), filename: None, content_type: None, data: value.into().into_bytes().into() }
    }

    /// A file.
    #[must_use]
    pub fn file(name: impl Into<String>, filename: impl Into<String>, content_type: &str, data: Bytes) -> Self {
        Self { name: name.into(), filename: Some(filename.into()), content_type: Some(content_type.to_owned()), data }
    }

    /// Its text; `None` for a file, and for what is not UTF-8.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        if self.filename.is_some() {
            return None;
        }
        simdutf8::basic::from_utf8(&self.data).ok()
    }
}

/// The fields of a form, in their order; a name may come more than once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Form {
    /// The fields.
    pub parts: Vec<Part>,
}

/// Not a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadForm(pub &'static str);

impl fmt::Display for BadForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BadForm {}

/// The boundary that a `content-type` names; `None` where it is not a form's.
#[must_use]
pub fn boundary(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let value = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    })?;
    (1..=BOUNDARY_MAX).contains(&value.len()).then_some(value)
}

impl Form {
    /// Takes a body apart.
    ///
    /// # Errors
    /// It does not begin, go on and end as a form with this boundary, or a part has no name.
    pub fn parse(body: &Bytes, boundary: &str) -> Result<Self, BadForm> {
        let delimiter = format!("--{boundary}");
        let mut parts = Vec::new();
        let start = body.strip_prefix(delimiter.as_bytes()).map(|_| 0);
        let start = start.or_else(|| memmem::find(body, format!("\r\n{delimiter}").as_bytes()).map(|at| at + 2));
        let mut at = start.ok_or(BadForm("the form's boundary is not in it"))? + delimiter.len();
        let between = memmem::Finder::new(b"\r\n--").into_owned();
        loop {
            let rest = body.get(at..).unwrap_or_default();
            if rest.starts_with(b"--") {
                return Ok(Self { parts });
            }
            // Blanks may stand between a boundary and the end of its line.
            let line = memmem::find(rest, b"\r\n").ok_or(BadForm("the form breaks off"))?;
            if !rest[..line].iter().all(|byte| matches!(byte, b' ' | b'\t')) {
                return Err(BadForm("the form's boundary is not at the end of a line"));
            }
            at += line;
            let end = end_of_part(&between, body, at + 2, boundary).ok_or(BadForm("the form breaks off"))?;
            if parts.len() == PARTS_MAX {
                return Err(BadForm("the form has too many parts"));
            }
            parts.push(part(body, at, end)?);
            at = end + 2 + delimiter.len();
        }
    }

    /// The first part of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == name)
    }

    /// The text of the first part of this name.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Part::as_text)
    }

    /// Writes the form; the second is its `content-type`. `boundary` must be in none of the parts: something random, or
    /// derived from what no caller can know.
    #[must_use]
    pub fn write(&self, boundary: &str) -> (Vec<Bytes>, String) {
        let mut pieces = Vec::with_capacity(self.parts.len() * 3 + 1);
        for part in &self.parts {
            let mut head = format!("--{boundary}\r\ncontent-disposition: form-data; name=\"{}\"", quoted(&part.name));
            if let Some(filename) = &part.filename {
                head.push_str(&format!("; filename=\"{}\"", quoted(filename)));
            }
            if let Some(kind) = &part.content_type {
                head.push_str(&format!("\r\ncontent-type: {}", kind.replace(['\r', '\n'], "")));
            }
            head.push_str("\r\n\r\n");
            pieces.push(head.into());
            pieces.push(part.data.clone());
            pieces.push(Bytes::from_static(b"\r\n"));
        }
        pieces.push(format!("--{boundary}--\r\n").into());
        (pieces, format!("multipart/form-data; boundary={boundary}"))
    }
}

/// As browsers and Python write it (WHATWG HTML, "multipart form data").
fn quoted(text: &str) -> String {
    text.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

/// Where the part that begins before `from` ends: at the line break before the next boundary.
fn end_of_part(between: &memmem::Finder<'_>, body: &[u8], from: usize, boundary: &str) -> Option<usize> {
    // The line break after the boundary may be the one before the next, so the search begins at it.
    let mut at = from.checked_sub(2)?;
    loop {
        let found = at + between.find(body.get(at..)?)?;
        if body[found + 4..].starts_with(boundary.as_bytes()) {
            return Some(found);
        }
        at = found + 2;
    }
}

/// The part between the end of its boundary's line and the line break before the next one.
fn part(body: &Bytes, start: usize, end: usize) -> Result<Part, BadForm> {
    let whole = body.get(start..end).unwrap_or_default();
    // A head without lines ends at once: `\r\n\r\n` then begins with the line break of the boundary.
    let split = memmem::find(whole, b"\r\n\r\n").ok_or(BadForm("a part of the form has no end of its head"))?;
    if split > HEAD_MAX {
        return Err(BadForm("the head of a part of the form is too long"));
    }
    let head = std::str::from_utf8(&whole[..split]).map_err(|_| BadForm("the head of a part is not UTF-8"))?;
    let mut part = Part { name: String::new(), filename: None, content_type: None, data: Bytes::new() };
    let mut named = false;
    for line in head.split("\r\n").filter(|line| !line.is_empty()) {
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.eq_ignore_ascii_case("content-disposition") {
            if let Some(name) = parameter(value, "name") {
                part.name = name;
                named = true;
            }
            part.filename = parameter(value, "filename");
        } else if name.eq_ignore_ascii_case("content-type") {
            part.content_type = Some(value.trim().to_owned());
        }
    }
    if !named {
        return Err(BadForm("a part of the form has no name"));
    }
    part.data = body.slice(start + split + 4..end);
    Ok(part)
}

/// `; name="value"`, with `\"` and `%22` for a quote in it.
fn parameter(value: &str, wanted: &str) -> Option<String> {
    let mut rest = value;
    while let Some((_, after)) = rest.split_once(';') {
        let (name, after) = after.split_once('=')?;
        let after = after.trim_start();
        let (text, next) = match after.strip_prefix('"') {
            Some(quoted) => {
                let mut escaped = false;
                let end = quoted.find(|c| {
                    let ends = c == '"' && !escaped;
                    escaped = c == '\\' && !escaped;
                    ends
                })?;
                (quoted[..end].replace("\\\"", "\"").replace("%22", "\""), &quoted[end + 1..])
            }
            None => {
                let end = after.find(';').unwrap_or(after.len());
                (after[..end].trim().to_owned(), &after[end..])
            }
        };
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(text);
        }
        rest = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(pieces: &[Bytes]) -> Bytes {
        pieces.concat().into()
    }

    #[test]
    fn what_is_written_is_read() {
        let form = Form {
            parts: vec![
                Part::text("model", "sd3.5-large"),
                Part::text("empty", ""),
                Part::file("image", "a \"b\".png", "image/png", Bytes::from_static(b"\x89PNG\r\n--bound\r\n\r\n--x")),
                Part::text("prompt", "größer\r\n"),
            ],
        };
        let (pieces, content_type) = form.write("boundary-7");
        assert_eq!(boundary(&content_type), Some("boundary-7"));
        assert_eq!(Form::parse(&joined(&pieces), "boundary-7"), Ok(form.clone()));
        assert_eq!(form.text("prompt"), Some("größer\r\n"));
        assert_eq!(form.text("image"), None, "a file is no text");
    }

    #[test]
    fn as_clients_write_it() {
        // curl, with a preamble, blanks after a boundary, and an epilogue.
        let body = Bytes::from_static(
            b"ignored\r\n--X \r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\na cat\r\n--X\r\n\
              content-disposition: form-data; filename=a.png; name=image\r\nContent-Type: image/png\r\n\r\n\r\n--X--\r\nrest",
        );
        let form = Form::parse(&body, "X").unwrap();
        assert_eq!(form.text("prompt"), Some("a cat"));
        let image = form.get("image").unwrap();
        assert_eq!((image.filename.as_deref(), image.content_type.as_deref()), (Some("a.png"), Some("image/png")));
        assert!(image.data.is_empty());
    }

    #[test]
    fn what_is_no_form() {
        for (body, why) in [
            (&b""[..], "the form's boundary is not in it"),
            (b"--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nbreaks off", "the form breaks off"),
            (b"--X\r\nContent-Type: text/plain\r\n\r\na\r\n--X--", "a part of the form has no name"),
            (b"--Xa\r\n\r\n\r\n--X--", "the form's boundary is not at the end of a line"),
        ] {
            assert_eq!(Form::parse(&Bytes::from_static(body), "X"), Err(BadForm(why)));
        }
        for text in
            ["application/json", "multipart/form-data", "multipart/mixed; boundary=x", "multipart/form-data; boundary="]
        {
            assert_eq!(boundary(text), None, "{text}");
        }
        assert_eq!(boundary("Multipart/Form-Data; charset=utf-8; boundary=\"a b\""), Some("a b"));
    }

    #[test]
    fn many_parts_are_refused() {
        let form = Form { parts: vec![Part::text("a", "b"); PARTS_MAX + 1] };
        let (pieces, _) = form.write("X");
        assert_eq!(Form::parse(&joined(&pieces), "X"), Err(BadForm("the form has too many parts")));
    }
}

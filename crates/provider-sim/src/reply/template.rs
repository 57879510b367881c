//! A rendered answer whose ids are filled in anew for every request.

use bytes::Bytes;
use memchr::memmem;
use serde_json::Value;

/// Stands where an answer's id goes; as long as the id.
pub(super) const MARK: &str = "0ID0OF0A0REPLY0X";

/// The part an event plays in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Before the first token: `message_start`, the role.
    Open,
    /// A token of text, reasoning or tool arguments.
    Word,
    /// After the last token: the finish reason, the usage.
    Close,
    /// The terminal marker.
    Done,
}

/// A rendered answer: one body, or the events of a stream.
#[derive(Debug)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    /// Where each event ends.
    events: Vec<(Kind, usize)>,
    marks: Vec<usize>,
    pub(crate) content_type: &'static str,
}

/// One answer, ready to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) bytes: Bytes,
    /// The kind and the end of each event; empty for a plain answer.
    pub(crate) events: Vec<(Kind, usize)>,
}

impl Template {
    pub(super) fn plain(body: &Value, content_type: &'static str) -> Self {
        let mut template = Self::stream(content_type);
        template.bytes = body.to_string().into_bytes();
        template.finish()
    }

    pub(super) const fn stream(content_type: &'static str) -> Self {
        Self { bytes: Vec::new(), events: Vec::new(), marks: Vec::new(), content_type }
    }

    pub(super) fn push(&mut self, kind: Kind, parts: &[&str]) {
        for part in parts {
            self.bytes.extend_from_slice(part.as_bytes());
        }
        self.events.push((kind, self.bytes.len()));
    }

    pub(super) fn push_bytes(&mut self, kind: Kind, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.events.push((kind, self.bytes.len()));
    }

    pub(super) fn finish(mut self) -> Self {
        self.marks = memmem::find_iter(&self.bytes, MARK.as_bytes()).collect();
        self
    }

    /// The answer with this id. `events` says whether its parts are needed, or only its bytes.
    pub(crate) fn reply(&self, id: u64, events: bool) -> Reply {
        let mut bytes = self.bytes.clone();
        let id = format!("{id:016x}");
        for at in &self.marks {
            bytes[*at..*at + MARK.len()].copy_from_slice(id.as_bytes());
        }
        Reply { bytes: bytes.into(), events: if events { self.events.clone() } else { Vec::new() } }
    }

    pub(crate) const fn size(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_filled_in_everywhere() {
        let mut template = Template::stream("text/event-stream");
        template.push(Kind::Open, &["a-", MARK, ";"]);
        template.push(Kind::Word, &["b-", MARK, ";"]);
        let reply = template.finish().reply(0xabc, true);
        assert_eq!(&reply.bytes[..], b"a-0000000000000abc;b-0000000000000abc;");
        assert_eq!(reply.events, [(Kind::Open, 19), (Kind::Word, 38)]);
        assert_eq!(MARK.len(), 16);
    }
}

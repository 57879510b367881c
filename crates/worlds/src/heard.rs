//! What a caller makes of the bytes it got: the reader of an SDK, by our own codecs.

use bytes::Bytes;
use http::StatusCode;
use ringmain_core::Dialect;
use ringmain_dialects::ir::fold::Fold;
use ringmain_dialects::ir::grammar::Checker;
use ringmain_dialects::ir::{Block, BlockKind, Event, Finish, Response};
use ringmain_dialects::registry;
use ringmain_wire::sse::SseFramer;

/// How an answer ended for its caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Whole: its text and why it stopped.
    Whole {
        /// All text.
        text: String,
        /// It stopped because it was done.
        done: bool,
    },
    /// An error status with a body of the dialect.
    Refused(u16),
    /// An error inside the stream, after this text.
    Broken {
        /// What came before.
        text: String,
    },
    /// Neither an end nor an error: what must not be.
    Unfinished {
        /// What came.
        text: String,
    },
    /// Not of the dialect.
    Unreadable(String),
}

/// Reads a whole answer.
#[must_use]
pub fn heard(dialect: Dialect, stream: bool, status: StatusCode, body: &Bytes) -> Heard {
    let Some(codec) = registry::codec(dialect) else { return Heard::Unreadable("no codec".to_owned()) };
    if !status.is_success() {
        return match serde_like(body) {
            true => Heard::Refused(status.as_u16()),
            false => Heard::Unreadable(format!("status {status} without a JSON body")),
        };
    }
    if !stream {
        return match codec.decode_response(body) {
            Ok(response) => whole(&response),
            Err(error) => Heard::Unreadable(error.to_string()),
        };
    }
    streamed(dialect, body)
}

fn serde_like(body: &Bytes) -> bool {
    ringmain_wire::json::Object::parse(body).is_ok()
}

fn streamed(dialect: Dialect, body: &Bytes) -> Heard {
    let Some(codec) = registry::codec(dialect) else { return Heard::Unreadable("no codec".to_owned()) };
    let mut framer = SseFramer::new(1 << 20);
    framer.push(body.clone());
    let (mut decoder, mut events) = (codec.stream_decoder(), Vec::new());
    loop {
        match framer.next() {
            Ok(Some(frame)) if frame.is_comment() => {}
            Ok(Some(frame)) => {
                if let Err(error) = decoder.event(frame.event(), &frame.data(), &mut events) {
                    return Heard::Unreadable(error.to_string());
                }
            }
            Ok(None) => break,
            Err(_) => return Heard::Unreadable("a frame without end".to_owned()),
        }
    }
    if framer.pending_len() > 0 {
        return Heard::Unreadable("half an event at the end".to_owned());
    }
    let cut = decoder.end(false, &mut events).is_err();
    if let Err(problem) = Checker::check(&events)
        && !cut
    {
        return Heard::Unreadable(problem);
    }
    let failed = matches!(events.last(), Some(Event::Error(_)));
    let mut fold = Fold::default();
    for event in events {
        fold.event(event);
    }
    let text = text_of(fold.so_far());
    match fold.finish() {
        Some(Ok(response)) if !cut => whole(&response),
        _ if failed => Heard::Broken { text },
        _ => Heard::Unfinished { text },
    }
}

fn whole(response: &Response) -> Heard {
    Heard::Whole { text: text_of(response), done: response.finish == Finish::Stop }
}

fn text_of(response: &Response) -> String {
    let text = |block: &Block| match &block.kind {
        BlockKind::Text { text, .. } => text.clone(),
        _ => String::new(),
    };
    response.blocks.iter().map(text).collect()
}

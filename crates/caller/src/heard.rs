//! What a caller makes of the bytes it got: the reader of an SDK, by our own codecs, and the strict rules beside them.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use ringmain_core::{Dialect, Fault};
use ringmain_dialects::ir::fold::Fold;
use ringmain_dialects::ir::grammar::Checker;
use ringmain_dialects::ir::{Block, BlockKind, Event, Finish, Response};
use ringmain_dialects::registry;

use crate::frames::Frames;
use crate::strict;

/// How an answer ended for its caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Whole: its text and why it stopped.
    Whole {
        /// All text.
        text: String,
        /// It stopped because it was done.
        done: bool,
        /// All of it.
        response: Box<Response>,
    },
    /// An error status with a body of the dialect.
    Refused(Box<Fault>),
    /// An error inside the stream, after this text.
    Broken {
        /// What came before.
        text: String,
        /// The error.
        fault: Box<Fault>,
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
pub fn heard(dialect: Dialect, stream: bool, status: StatusCode, headers: &HeaderMap, body: &Bytes) -> Heard {
    let Some(codec) = registry::codec(dialect) else { return Heard::Unreadable("no codec".to_owned()) };
    if !status.is_success() {
        let is_json = ringmain_wire::json::Object::parse(body).is_ok();
        return match is_json {
            true => Heard::Refused(Box::new(codec.decode_fault(status.as_u16(), headers, body))),
            false => Heard::Unreadable(format!("status {status} without a JSON body")),
        };
    }
    if !stream {
        return match codec.decode_response(body) {
            Ok(response) => whole(response),
            Err(error) => Heard::Unreadable(error.to_string()),
        };
    }
    streamed(dialect, body).unwrap_or_else(Heard::Unreadable)
}

fn streamed(dialect: Dialect, body: &Bytes) -> Result<Heard, String> {
    let codec = registry::codec(dialect).ok_or("no codec")?;
    let mut framer = Frames::new(dialect);
    let frames = framer.push(body.clone())?;
    if framer.pending() > 0 {
        return Err("half an event at the end".to_owned());
    }
    let (mut decoder, mut events) = (codec.stream_decoder(), Vec::new());
    for (name, data) in &frames {
        decoder.event(name.as_deref(), data, &mut events).map_err(|error| error.to_string())?;
    }
    let cut = decoder.end(false, &mut events).is_err();
    if !cut {
        Checker::check(&events)?;
    }
    let failed = match events.last() {
        Some(Event::Error(fault)) => Some(fault.clone()),
        _ => None,
    };
    let mut fold = Fold::default();
    for event in events {
        fold.event(event);
    }
    let text = text_of(fold.so_far());
    let ended = match fold.finish() {
        Some(Ok(response)) if !cut => whole(response),
        _ => match failed {
            Some(fault) => Heard::Broken { text, fault },
            None => Heard::Unfinished { text },
        },
    };
    strict::check(dialect, &frames, matches!(ended, Heard::Whole { .. }))?;
    Ok(ended)
}

fn whole(response: Response) -> Heard {
    Heard::Whole { text: text_of(&response), done: response.finish == Finish::Stop, response: Box::new(response) }
}

fn text_of(response: &Response) -> String {
    let text = |block: &Block| match &block.kind {
        BlockKind::Text { text, .. } => text.clone(),
        _ => String::new(),
    };
    response.blocks.iter().map(text).collect()
}

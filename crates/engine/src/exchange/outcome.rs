//! What comes of an attempt: an answer that is good enough to commit to, or why there is none.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use ringmain_core::{Fault, Usage};
use ringmain_dialects::Loss;
use ringmain_dialects::continuation::Form;
use ringmain_routing::Limits;
use ringmain_upstream::AnswerBody;

use crate::live::Live;
use crate::passthrough::Flow;

/// An answer that is good enough to commit to.
pub struct Arrived {
    /// The provider's status.
    pub status: StatusCode,
    /// The provider's headers.
    pub headers: HeaderMap,
    /// The answer in the caller's dialect.
    pub body: Answer,
    /// The provider's bytes are the caller's.
    pub relayed: bool,
    /// What was lost in translation.
    pub losses: Vec<Loss>,
    /// What the headers say of the key.
    pub limits: Option<Limits>,
    /// It is the rest of an answer, and was asked for in this form.
    pub form: Option<Form>,
    /// The provider signs its thinking, and the caller sees the signature.
    pub signs: bool,
}

/// The forms of an answer.
pub enum Answer {
    /// All there.
    Plain(Plain),
    /// Coming; held at its first useful token.
    Live(Box<Live>),
    /// Coming, and nobody looks at it. What it used is known already, if it is known.
    Raw(Box<Flow>, Option<Usage>),
    /// The connection has left HTTP.
    Tunnel(Box<AnswerBody>),
}

/// A whole answer.
#[derive(Debug)]
pub struct Plain {
    /// In the caller's dialect; `None` where the answer has no body, whatever its headers say of one.
    pub bytes: Option<Bytes>,
    /// What the provider says it used, or what it is thought to have.
    pub usage: Option<Usage>,
    /// The provider says nothing of that, or nothing that can be: it is an estimate.
    pub estimated: bool,
    /// What of it the caller's dialect could not carry.
    pub losses: Vec<Loss>,
}

impl Plain {
    pub(crate) const fn relayed(bytes: Bytes, usage: Option<Usage>) -> Self {
        Self { bytes: Some(bytes), usage, estimated: false, losses: Vec::new() }
    }

    pub(crate) const fn empty() -> Self {
        Self { bytes: None, usage: None, estimated: false, losses: Vec::new() }
    }
}

/// An attempt that failed before anything was with the caller.
pub struct Failed {
    /// Why.
    pub fault: Fault,
    /// The provider's own error answer, where the caller speaks the same dialect.
    pub reply: Option<ProviderReply>,
    /// What the headers say of the key.
    pub limits: Option<Limits>,
}

/// A provider's error answer as it came.
pub struct ProviderReply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self { fault, reply: None, limits: None }
    }
}

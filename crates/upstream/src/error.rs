//! Why no answer came. Texts name stage and kind, never a URL, header or body.

use std::error::Error;
use std::fmt;
use std::io;

/// How far a request had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Looking the host name up.
    Dns,
    /// Opening the TCP connection.
    Connect,
    /// The TLS handshake.
    Tls,
    /// Sending, or waiting for the response head.
    Exchange,
    /// Reading the response body.
    Body,
}

/// Why an exchange failed.
#[derive(Debug)]
pub struct SendError {
    /// How far it had come.
    pub stage: Stage,
    /// A clock ran out rather than something breaking.
    pub timed_out: bool,
    /// Below it.
    pub source: Box<dyn Error + Send + Sync>,
}

impl SendError {
    pub(crate) fn new(stage: Stage, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { stage, timed_out: false, source: source.into() }
    }

    pub(crate) fn timeout(stage: Stage) -> Self {
        Self { stage, timed_out: true, source: io::Error::from(io::ErrorKind::TimedOut).into() }
    }

    /// Nothing of the request can have reached the provider's application.
    #[must_use]
    pub const fn before_send(&self) -> bool {
        matches!(self.stage, Stage::Dns | Stage::Connect | Stage::Tls)
    }

    /// The whole chain of causes in one line, for the log.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut line = self.to_string();
        let mut cause: Option<&dyn Error> = Some(&*self.source);
        while let Some(error) = cause {
            line.push_str(": ");
            line.push_str(&error.to_string());
            cause = error.source();
        }
        line
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.stage, self.timed_out) {
            (Stage::Dns, _) => "the host name could not be looked up",
            (Stage::Connect, true) => "no connection in time",
            (Stage::Connect, false) => "the connection was refused",
            (Stage::Tls, true) => "no TLS handshake in time",
            (Stage::Tls, false) => "the TLS handshake failed",
            (Stage::Exchange, _) => "the connection broke before an answer",
            (Stage::Body, _) => "the connection broke inside the answer",
        })
    }
}

impl Error for SendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

//! Who asks: one request, in one dialect, by one who may leave.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use ringmain_core::Dialect;

/// Lines of a route that worlds choose from; empty ones leave the default.
pub const BALANCE: &[&str] = &[
    "",
    "",
    "balance: order",
    "balance: weighted",
    "balance: fastest",
    "balance: cheapest",
    "balance: least-busy",
    "balance: adaptive",
];
/// As above.
pub const AFFINITY: &[&str] = &["", "affinity: off"];
/// As above.
pub const HEDGE: &[&str] = &["", "", "hedge: { after: p90, budget: 20% }", "hedge: { after: 900ms }"];

/// A caller.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Which; its text is its own, so that a provider's log can be told by it.
    pub number: u64,
    /// When it asks, since the world began.
    pub at: Duration,
    /// In which dialect.
    pub dialect: Dialect,
    /// It wants a stream.
    pub stream: bool,
    /// Turns of its conversation so far, this one included.
    pub turns: u64,
    /// `x-ringmain-timeout`.
    pub timeout: Option<Duration>,
    /// It hangs up this long after it asked.
    pub leaves: Option<Duration>,
}

impl Caller {
    /// The last user text of its request.
    #[must_use]
    pub fn text(&self) -> String {
        format!("question {} of this world", self.number)
    }

    /// Its request.
    ///
    /// # Errors
    /// Never for the callers of a world: the paths are fixed.
    pub fn request(&self) -> http::Result<Request<Full<Bytes>>> {
        let path = match (self.dialect, self.stream) {
            (Dialect::AnthropicMessages, _) => "/v1/messages",
            (Dialect::Gemini, false) => "/v1beta/models/r:generateContent",
            (Dialect::Gemini, true) => "/v1beta/models/r:streamGenerateContent?alt=sse",
            _ => "/v1/chat/completions",
        };
        let mut request = Request::post(path);
        if let Some(timeout) = self.timeout {
            request = request.header("x-ringmain-timeout", format!("{}ms", timeout.as_millis()));
        }
        request.body(Full::new(Bytes::from(self.body())))
    }

    fn body(&self) -> String {
        let gemini = self.dialect == Dialect::Gemini;
        let turn = |by_model: bool, text: &str| match (gemini, by_model) {
            (true, true) => format!(r#"{{"role":"model","parts":[{{"text":"{text}"}}]}}"#),
            (true, false) => format!(r#"{{"role":"user","parts":[{{"text":"{text}"}}]}}"#),
            (false, true) => format!(r#"{{"role":"assistant","content":"{text}"}}"#),
            (false, false) => format!(r#"{{"role":"user","content":"{text}"}}"#),
        };
        let mut turns = Vec::new();
        for before in 1..self.turns {
            turns.push(turn(false, &format!("turn {before} of {}", self.number)));
            turns.push(turn(true, "go on"));
        }
        turns.push(turn(false, &self.text()));
        let turns = turns.join(",");
        let stream = self.stream;
        match self.dialect {
            Dialect::Gemini => format!(r#"{{"contents":[{turns}]}}"#),
            Dialect::AnthropicMessages => {
                format!(r#"{{"model":"r","max_tokens":500,"stream":{stream},"messages":[{turns}]}}"#)
            }
            _ => format!(r#"{{"model":"r","stream":{stream},"messages":[{turns}]}}"#),
        }
    }
}

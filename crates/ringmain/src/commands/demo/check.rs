//! Is an answer whole and right, as the client of each dialect would see it?
//!
//! Read here apart from the gateway's own codecs, so that what they get wrong is not also read wrong.

use serde_json::Value;

use super::traffic::Caller;

/// Kept of an answer that has no end, in bytes; the demo's are below 10 kB.
const MOST: usize = 1 << 20;

/// An answer being read.
#[derive(Debug)]
pub(super) struct Reading {
    caller: Caller,
    stream: bool,
    pending: Vec<u8>,
    text: String,
    finish: Option<String>,
    ended: bool,
    problem: Option<String>,
}

impl Reading {
    /// Nothing has come yet.
    pub(super) const fn new(caller: Caller, stream: bool) -> Self {
        Self { caller, stream, pending: Vec::new(), text: String::new(), finish: None, ended: false, problem: None }
    }

    /// Takes the bytes that came. Events of a stream are read as soon as they are whole.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        if self.pending.len() + self.text.len() + bytes.len() > MOST {
            self.complain("the answer does not end".to_owned());
            return;
        }
        // Both line ends are in use; within JSON there is neither.
        self.pending.extend(bytes.iter().filter(|byte| !self.stream || **byte != b'\r'));
        while self.stream
            && let Some(at) = self.pending.windows(2).position(|pair| pair == b"\n\n")
        {
            let event: Vec<u8> = self.pending.drain(..at + 2).collect();
            self.event(&String::from_utf8_lossy(&event));
        }
    }

    /// Has any text come? What a caller calls the first token.
    pub(super) const fn has_text(&self) -> bool {
        !self.text.is_empty()
    }

    /// The connection has said all: was it this text, once, whole, with a proper end?
    pub(super) fn verdict(mut self, expected: &str) -> Result<(), String> {
        if self.stream {
            if !self.pending.is_empty() {
                self.complain("the stream ends within an event".to_owned());
            }
        } else {
            match serde_json::from_slice(&self.pending) {
                Ok(answer) => self.plain(&answer),
                Err(error) => self.complain(format!("the answer is not JSON: {error}")),
            }
        }
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        if !self.ended {
            return Err(format!("the answer stops without its end, after {:?}", shortened(&self.text)));
        }
        if self.finish.as_deref() != Some(self.caller.finish()) {
            return Err(format!("the answer ends as {:?}", self.finish));
        }
        if self.text != expected {
            return Err(format!("wrong text: {:?} instead of {:?}", shortened(&self.text), shortened(expected)));
        }
        Ok(())
    }

    fn complain(&mut self, what: String) {
        self.problem.get_or_insert(what);
    }

    fn event(&mut self, event: &str) {
        let mut data = String::new();
        for line in event.lines() {
            if let Some(rest) = line.strip_prefix("data:") {
                data.push_str(rest.strip_prefix(' ').unwrap_or(rest));
            }
        }
        if data.is_empty() {
            return;
        }
        if self.ended {
            self.complain(format!("something came after the end: {}", shortened(&data)));
            return;
        }
        if self.caller == Caller::OpenAi && data == "[DONE]" {
            self.ended = true;
            return;
        }
        match serde_json::from_str::<Value>(&data) {
            Ok(value) if value.get("error").is_some_and(|error| !error.is_null()) => {
                self.complain(format!("an error in the stream: {}", shortened(&data)));
            }
            Ok(value) => self.piece(&value),
            Err(_) => self.complain(format!("an event that is not JSON: {}", shortened(&data))),
        }
    }

    /// One event of a stream.
    fn piece(&mut self, value: &Value) {
        match self.caller {
            Caller::OpenAi => {
                self.say(value.pointer("/choices/0/delta/content"));
                self.end(value.pointer("/choices/0/finish_reason"));
            }
            Caller::Anthropic => {
                self.say(value.pointer("/delta/text"));
                self.end(value.pointer("/delta/stop_reason"));
                self.ended = value.get("type").is_some_and(|kind| kind == "message_stop");
            }
            Caller::Gemini => {
                self.gemini(value);
                self.ended = self.finish.is_some();
            }
        }
    }

    /// A plain answer.
    fn plain(&mut self, value: &Value) {
        match self.caller {
            Caller::OpenAi => {
                self.say(value.pointer("/choices/0/message/content"));
                self.end(value.pointer("/choices/0/finish_reason"));
            }
            Caller::Anthropic => {
                for block in value.pointer("/content").and_then(Value::as_array).into_iter().flatten() {
                    self.say(block.get("text"));
                }
                self.end(value.get("stop_reason"));
            }
            Caller::Gemini => self.gemini(value),
        }
        self.ended = self.finish.is_some();
    }

    fn gemini(&mut self, value: &Value) {
        for part in value.pointer("/candidates/0/content/parts").and_then(Value::as_array).into_iter().flatten() {
            self.say(part.get("text"));
        }
        self.end(value.pointer("/candidates/0/finishReason"));
    }

    fn say(&mut self, text: Option<&Value>) {
        let Some(text) = text.and_then(Value::as_str).filter(|text| !text.is_empty()) else { return };
        if self.finish.is_some() && self.caller != Caller::Gemini {
            self.complain("text came after the finish reason".to_owned());
        }
        self.text.push_str(text);
    }

    fn end(&mut self, finish: Option<&Value>) {
        if let Some(finish) = finish.and_then(Value::as_str) {
            self.finish = Some(finish.to_owned());
        }
    }
}

/// Its beginning, for a message.
pub(super) fn shortened(text: &str) -> String {
    const MOST: usize = 160;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAT: [&str; 4] = [
        r#"data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#,
        r#"data: {"choices":[{"index":0,"delta":{"content":"w0 東京"},"finish_reason":null}]}"#,
        r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
        "data: [DONE]",
    ];
    const MESSAGES: [&str; 5] = [
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"stop_reason\":null}}",
        "event: ping\ndata: {\"type\":\"ping\"}",
        r#"data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"w0 東京"}}"#,
        r#"data: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#,
        r#"data: {"type":"message_stop"}"#,
    ];
    const GEMINI: [&str; 3] = [
        ": a comment",
        r#"data: {"candidates":[{"content":{"parts":[{"text":"w0 "}]}}]}"#,
        r#"data: {"candidates":[{"content":{"parts":[{"text":"東京"}]},"finishReason":"STOP"}]}"#,
    ];

    fn read(caller: Caller, events: &[&str], size: usize) -> Result<(), String> {
        let end = if size.is_multiple_of(2) { "\n" } else { "\r\n" };
        let mut reading = Reading::new(caller, true);
        let bytes: Vec<u8> = events.iter().flat_map(|event| format!("{event}{end}{end}").into_bytes()).collect();
        bytes.chunks(size).for_each(|chunk| reading.take(chunk));
        reading.verdict("w0 東京")
    }

    #[test]
    fn whole_streams_are_right_however_they_are_cut() {
        for size in [1, 2, 7, 10_000] {
            for (caller, events) in
                [(Caller::OpenAi, &CHAT[..]), (Caller::Anthropic, &MESSAGES), (Caller::Gemini, &GEMINI)]
            {
                assert_eq!(read(caller, events, size), Ok(()), "{caller:?} in pieces of {size}");
            }
        }
    }

    #[test]
    fn whatever_is_missing_or_doubled_is_found() {
        for (caller, events) in [(Caller::OpenAi, &CHAT[..]), (Caller::Anthropic, &MESSAGES), (Caller::Gemini, &GEMINI)]
        {
            for at in 0..events.len() {
                let matters = ["content\":\"w", "\"text\"", "stop", "DONE", "STOP"];
                if !matters.iter().any(|part| events[at].contains(part)) || events[at].contains("message_start") {
                    continue;
                }
                let mut short = events.to_vec();
                short.remove(at);
                assert!(read(caller, &short, 64).is_err(), "{caller:?} without {}", events[at]);
                if !events[at].contains("stop_reason") && !events[at].contains("finish_reason\":\"stop") {
                    let mut doubled = events.to_vec();
                    doubled.insert(at, events[at]);
                    assert!(read(caller, &doubled, 64).is_err(), "{caller:?} with twice {}", events[at]);
                }
            }
        }
    }

    #[test]
    fn an_error_event_is_an_error() {
        for (caller, event) in [
            (Caller::OpenAi, r#"data: {"error":{"message":"cut"}}"#),
            (Caller::Anthropic, r#"data: {"type":"error","error":{"type":"api_error","message":"cut"}}"#),
            (Caller::Gemini, r#"data: {"error":{"code":500,"message":"cut"}}"#),
        ] {
            let problem = read(caller, &[event], 64).unwrap_err();
            assert!(problem.contains("cut"), "{problem}");
        }
    }

    #[test]
    fn plain_answers() {
        let cases = [
            (Caller::OpenAi, r#"{"choices":[{"message":{"content":"w0 東京"},"finish_reason":"stop"}]}"#, true),
            (Caller::OpenAi, r#"{"choices":[{"message":{"content":"w0"},"finish_reason":"stop"}]}"#, false),
            (Caller::OpenAi, r#"{"choices":[{"message":{"content":"w0 東京"},"finish_reason":"length"}]}"#, false),
            (Caller::Anthropic, r#"{"content":[{"type":"text","text":"w0 東京"}],"stop_reason":"end_turn"}"#, true),
            (Caller::Anthropic, r#"{"content":[{"type":"text","text":"w0 東京"}],"stop_reason":null}"#, false),
            (
                Caller::Gemini,
                r#"{"candidates":[{"content":{"parts":[{"text":"w0 東京"}]},"finishReason":"STOP"}]}"#,
                true,
            ),
            (Caller::Gemini, r#"{"candidates":[]}"#, false),
            (Caller::Gemini, r#"{"cand"#, false),
        ];
        for (caller, body, right) in cases {
            let mut reading = Reading::new(caller, false);
            body.as_bytes().chunks(3).for_each(|chunk| reading.take(chunk));
            assert_eq!(reading.verdict("w0 東京").is_ok(), right, "{caller:?} {body}");
        }
    }
}

//! A chat request, as a client of each dialect writes it.

use bytes::Bytes;
use http::Request;
use ringmain_core::Dialect;
use serde_json::{Value, json};

/// Output tokens asked for where a dialect wants a limit: more than any simulated answer has.
const MAX_TOKENS: u64 = 4000;

/// One question to one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// In whose words.
    pub dialect: Dialect,
    /// A route or model.
    pub model: String,
    /// What the user says.
    pub text: String,
    /// Wants the answer as it comes.
    pub stream: bool,
}

impl Ask {
    /// Path and query.
    #[must_use]
    pub fn path(&self) -> String {
        let model = self.model.replace('/', "%2F");
        match (self.dialect, self.stream) {
            (Dialect::OpenAiChat, _) => "/v1/chat/completions".to_owned(),
            (Dialect::OpenAiResponses, _) => "/v1/responses".to_owned(),
            (Dialect::AnthropicMessages, _) => "/v1/messages".to_owned(),
            (Dialect::Gemini, false) => format!("/v1beta/models/{model}:generateContent"),
            (Dialect::Gemini, true) => format!("/v1beta/models/{model}:streamGenerateContent?alt=sse"),
            (Dialect::BedrockConverse, false) => format!("/model/{model}/converse"),
            (Dialect::BedrockConverse, true) => format!("/model/{model}/converse-stream"),
            (Dialect::CohereV2, _) => "/v2/chat".to_owned(),
        }
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> Value {
        let Self { model, text, stream, .. } = self;
        let message = json!({"role": "user", "content": text});
        match self.dialect {
            Dialect::OpenAiChat if *stream => json!({
                "model": model, "stream": true, "stream_options": {"include_usage": true}, "messages": [message]
            }),
            Dialect::OpenAiChat => json!({"model": model, "messages": [message]}),
            Dialect::OpenAiResponses => json!({"model": model, "input": text, "stream": stream}),
            Dialect::AnthropicMessages => {
                json!({"model": model, "max_tokens": MAX_TOKENS, "stream": stream, "messages": [message]})
            }
            Dialect::Gemini => json!({"contents": [{"role": "user", "parts": [{"text": text}]}]}),
            Dialect::BedrockConverse => json!({"messages": [{"role": "user", "content": [{"text": text}]}]}),
            Dialect::CohereV2 => json!({"model": model, "stream": stream, "messages": [message]}),
        }
    }

    /// The whole request.
    ///
    /// # Errors
    /// The model's name has characters that no path may have.
    pub fn request(&self, host: &str) -> http::Result<Request<Bytes>> {
        let mut request = Request::post(self.path()).header("host", host).header("content-type", "application/json");
        if self.dialect == Dialect::AnthropicMessages {
            request = request.header("anthropic-version", "2023-06-01");
        }
        request.body(Bytes::from(self.body().to_string()))
    }
}

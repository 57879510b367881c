//! The endpoints that are played, and the dialect of each.

use http::HeaderMap;

use crate::audio::Audio;
use crate::media::Media;

/// The vendor whose shapes an endpoint speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Vendor {
    /// `OpenAI` and those who speak its dialect.
    OpenAi,
    /// Anthropic.
    Anthropic,
    /// Google Gemini.
    Gemini,
    /// Cohere.
    Cohere,
    /// AWS Bedrock Converse.
    Bedrock,
}

impl Vendor {
    /// The label of a request that names none.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Cohere => "cohere",
            Self::Bedrock => "bedrock",
        }
    }
}

/// What a path asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Endpoint {
    Chat,
    Responses,
    ResponsesCountTokens,
    Messages,
    CountTokens,
    /// Messages on Vertex AI; plain or as a stream.
    RawPredict(bool),
    /// Where Google gives access tokens.
    Token,
    /// Where a machine of Google's does.
    MachineToken,
    Generate,
    StreamGenerate,
    GeminiCountTokens,
    CohereChat,
    CohereEmbed,
    GeminiEmbed,
    Rerank,
    Converse,
    ConverseStream,
    BedrockCountTokens,
    Embeddings,
    Images,
    Moderations,
    Media(Media),
    Audio(Audio),
    Models(Vendor),
    /// Nothing this simulator plays by itself; a recording may still match it.
    Unknown,
}

impl Endpoint {
    /// The label of a request that names none.
    const fn label(self) -> &'static str {
        match self {
            Self::Media(media) => media.label(),
            Self::Audio(audio) => audio.label(),
            _ => self.vendor().as_str(),
        }
    }

    pub(crate) const fn vendor(self) -> Vendor {
        match self {
            Self::Messages | Self::CountTokens | Self::RawPredict(_) => Vendor::Anthropic,
            Self::Generate
            | Self::StreamGenerate
            | Self::GeminiCountTokens
            | Self::GeminiEmbed
            | Self::Token
            | Self::MachineToken => Vendor::Gemini,
            Self::CohereChat | Self::CohereEmbed | Self::Rerank => Vendor::Cohere,
            Self::Converse | Self::ConverseStream | Self::BedrockCountTokens => Vendor::Bedrock,
            Self::Media(Media::Invoke) => Vendor::Bedrock,
            Self::Media(Media::Predict | Media::GeminiImage) | Self::Audio(Audio::GeminiSpeak) => Vendor::Gemini,
            Self::Models(vendor) => vendor,
            Self::Chat
            | Self::Responses
            | Self::ResponsesCountTokens
            | Self::Embeddings
            | Self::Images
            | Self::Moderations
            | Self::Media(_)
            | Self::Audio(_)
            | Self::Unknown => Vendor::OpenAi,
        }
    }
}

impl Endpoint {
    /// The vendor whose refusals it has: on Vertex AI Google stands in front of Anthropic.
    pub(crate) const fn refuses_as(self) -> Vendor {
        match self {
            Self::RawPredict(_) => Vendor::Gemini,
            other => other.vendor(),
        }
    }
}

/// A path taken apart: `/p/{label}` in front, then the vendor's own path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    pub(crate) label: &'a str,
    /// The path without the label.
    pub(crate) path: &'a str,
    pub(crate) endpoint: Endpoint,
    /// It is one of Vertex AI, which wants a token.
    pub(crate) vertex: bool,
    /// The model, where the path holds it; still percent-encoded.
    pub(crate) model: Option<&'a str>,
}

/// Which provider and endpoint a request is for.
pub(crate) fn locate<'a>(path: &'a str, headers: &HeaderMap) -> Target<'a> {
    let (label, rest) = split_label(path);
    let (endpoint, model) = endpoint(rest, headers);
    let vertex = rest.contains("/publishers/") || rest.contains("/endpoints/openapi/");
    let usual = match endpoint {
        _ if vertex => "vertex",
        Endpoint::Token | Endpoint::MachineToken => "google",
        endpoint => endpoint.label(),
    };
    Target { label: label.unwrap_or(usual), path: rest, endpoint, vertex, model }
}

fn split_label(path: &str) -> (Option<&str>, &str) {
    let bare = path.strip_prefix('/').unwrap_or(path);
    let Some((first, rest)) = bare.split_once('/') else { return (None, path) };
    if first == "p" {
        return match rest.find('/') {
            Some(at) => (Some(&rest[..at]), &rest[at..]),
            None => (Some(rest), "/"),
        };
    }
    let roots = ["v1/", "v1beta/", "v2/", "v2beta/", "model/", "sdapi/"];
    if roots.iter().any(|root| rest.starts_with(root)) && !first.is_empty() && first != "computeMetadata" {
        (Some(first), &path[first.len() + 1..])
    } else {
        (None, path)
    }
}

/// Many who speak a vendor's dialect serve it under a prefix of their own (`/openai/v1`, none, a deployment's name),
/// so it is the end of the path that counts.
const ENDINGS: [(&str, Endpoint); 14] = [
    ("/models/count-tokens:rawPredict", Endpoint::CountTokens),
    ("/computeMetadata/v1/instance/service-accounts/default/token", Endpoint::MachineToken),
    ("/token", Endpoint::Token),
    ("/chat/completions", Endpoint::Chat),
    ("/responses", Endpoint::Responses),
    ("/responses/input_tokens", Endpoint::ResponsesCountTokens),
    ("/messages", Endpoint::Messages),
    ("/messages/count_tokens", Endpoint::CountTokens),
    ("/embeddings", Endpoint::Embeddings),
    ("/images/generations", Endpoint::Images),
    ("/moderations", Endpoint::Moderations),
    ("/v2/chat", Endpoint::CohereChat),
    ("/v2/embed", Endpoint::CohereEmbed),
    ("/rerank", Endpoint::Rerank),
];

fn endpoint<'a>(path: &'a str, headers: &HeaderMap) -> (Endpoint, Option<&'a str>) {
    if let Some((_, endpoint)) = ENDINGS.iter().find(|(end, _)| path.ends_with(end)) {
        return (*endpoint, None);
    }
    if path.ends_with("/models") {
        return (Endpoint::Models(lister(path, headers)), None);
    }
    if let Some(audio) = crate::audio::locate(path) {
        return (Endpoint::Audio(audio), None);
    }
    if let Some((media, model)) = crate::media::locate(path) {
        return (Endpoint::Media(media), model);
    }
    gemini(path)
        .or_else(|| bedrock(path))
        .map_or((Endpoint::Unknown, None), |(endpoint, model)| (endpoint, Some(model)))
}

/// Whose list of models it is: four vendors have theirs at one path, and their SDKs say who they are.
fn lister(path: &str, headers: &HeaderMap) -> Vendor {
    if headers.contains_key("anthropic-version") {
        Vendor::Anthropic
    } else if path == "/v1beta/models" || headers.contains_key("x-goog-api-key") {
        Vendor::Gemini
    } else if headers.get("x-fern-sdk-name").is_some_and(|name| name == "cohere") {
        Vendor::Cohere
    } else {
        Vendor::OpenAi
    }
}

fn gemini(path: &str) -> Option<(Endpoint, &str)> {
    let (_, rest) = path.split_once("/models/")?;
    let (model, verb) = rest.rsplit_once(':')?;
    let endpoint = match verb {
        "generateContent" => Endpoint::Generate,
        "streamGenerateContent" => Endpoint::StreamGenerate,
        "countTokens" => Endpoint::GeminiCountTokens,
        "batchEmbedContents" => Endpoint::GeminiEmbed,
        "rawPredict" => Endpoint::RawPredict(false),
        "streamRawPredict" => Endpoint::RawPredict(true),
        _ => return None,
    };
    Some((endpoint, model))
}

fn bedrock(path: &str) -> Option<(Endpoint, &str)> {
    let (_, rest) = path.split_once("/model/")?;
    let (model, verb) = rest.rsplit_once('/')?;
    let endpoint = match verb {
        "converse" => Endpoint::Converse,
        "converse-stream" => Endpoint::ConverseStream,
        "count-tokens" => Endpoint::BedrockCountTokens,
        _ => return None,
    };
    Some((endpoint, model))
}

/// `%2F` and its like undone; bytes that are not UTF-8 become U+FFFD.
pub(crate) fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        if let Some(byte) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            out.push(byte);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The value of one query parameter.
pub(crate) fn query_value<'a>(query: Option<&'a str>, name: &str) -> Option<&'a str> {
    query?.split('&').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart() {
        let none = HeaderMap::new();
        let cases: &[(&str, &str, Endpoint, Option<&str>)] = &[
            ("/v1/chat/completions", "openai", Endpoint::Chat, None),
            ("/p/groq/v1/chat/completions", "groq", Endpoint::Chat, None),
            ("/groq/v1/chat/completions", "groq", Endpoint::Chat, None),
            ("/v1/responses", "openai", Endpoint::Responses, None),
            ("/v1/responses/input_tokens", "openai", Endpoint::ResponsesCountTokens, None),
            ("/p/azure/openai/v1/responses", "azure", Endpoint::Responses, None),
            ("/v1/messages", "anthropic", Endpoint::Messages, None),
            ("/p/x/v1/messages/count_tokens", "x", Endpoint::CountTokens, None),
            ("/v1beta/models/g-1:generateContent", "gemini", Endpoint::Generate, Some("g-1")),
            ("/v1/models/sim-cut=3:streamGenerateContent", "gemini", Endpoint::StreamGenerate, Some("sim-cut=3")),
            (
                "/p/g/v1beta/models/m@flap=1of2:overloaded:countTokens",
                "g",
                Endpoint::GeminiCountTokens,
                Some("m@flap=1of2:overloaded"),
            ),
            ("/openai/deployments/d/chat/completions", "openai", Endpoint::Chat, None),
            ("/p/deepseek/chat/completions", "deepseek", Endpoint::Chat, None),
            ("/v1/projects/p/models/m:generateContent", "gemini", Endpoint::Generate, Some("m")),
            (
                "/p/v/v1/projects/p/locations/l/publishers/anthropic/models/claude-x@20250101:streamRawPredict",
                "v",
                Endpoint::RawPredict(true),
                Some("claude-x@20250101"),
            ),
            (
                "/v1/projects/p/locations/l/publishers/anthropic/models/count-tokens:rawPredict",
                "vertex",
                Endpoint::CountTokens,
                None,
            ),
            ("/v1/projects/p/locations/l/endpoints/openapi/chat/completions", "vertex", Endpoint::Chat, None),
            ("/p/tokens/token", "tokens", Endpoint::Token, None),
            ("/computeMetadata/v1/instance/service-accounts/default/token", "google", Endpoint::MachineToken, None),
            ("/model/m%3A0/converse", "bedrock", Endpoint::Converse, Some("m%3A0")),
            ("/p/aws/model/m/converse-stream", "aws", Endpoint::ConverseStream, Some("m")),
            ("/v1/models", "openai", Endpoint::Models(Vendor::OpenAi), None),
            ("/v1beta/models", "gemini", Endpoint::Models(Vendor::Gemini), None),
            ("/v2/chat", "cohere", Endpoint::CohereChat, None),
            ("/p/c/v2/embed", "c", Endpoint::CohereEmbed, None),
            ("/c/v2/rerank", "c", Endpoint::Rerank, None),
            ("/p/groq/openai/v1/models", "groq", Endpoint::Models(Vendor::OpenAi), None),
            ("/p/deepseek/models", "deepseek", Endpoint::Models(Vendor::OpenAi), None),
            ("/p/g/v1beta/models", "g", Endpoint::Models(Vendor::Gemini), None),
            ("/p/x", "x", Endpoint::Unknown, None),
            ("/v1/audio/speech", "openai", Endpoint::Audio(Audio::Speech), None),
            ("/p/dg/v1/listen", "dg", Endpoint::Audio(Audio::DeepgramListen), None),
            ("/v1/text-to-speech/v_1/stream", "elevenlabs", Endpoint::Audio(Audio::ElevenSpeak), None),
            ("/", "openai", Endpoint::Unknown, None),
        ];
        for (path, label, endpoint, model) in cases {
            let target = locate(path, &none);
            assert_eq!((target.label, target.endpoint, target.model), (*label, *endpoint, *model), "{path}");
        }
    }

    #[test]
    fn percent_encoding_is_undone() {
        for (given, want) in [("a%2Fb", "a/b"), ("a%", "a%"), ("%zz", "%zz"), ("%E6%9D%B1", "東")] {
            assert_eq!(percent_decode(given), want);
        }
        assert_eq!(query_value(Some("a=1&alt=sse"), "alt"), Some("sse"));
        assert_eq!(query_value(Some("a"), "alt"), None);
    }
}

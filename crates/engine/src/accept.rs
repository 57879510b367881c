//! Stage 1: which operation, in which dialect. Reads the path alone.

use std::borrow::Cow;

use http::Method;
use percent_encoding::percent_decode_str;
use ringmain_core::{Dialect, Fault, FaultClass, Operation, Origin, Phase};
use ringmain_dialects::Framing;

use crate::stored::Stored;

/// What the path says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// What is asked.
    pub operation: Operation,
    /// In which dialect answers and errors are written.
    pub dialect: Dialect,
    /// The model, where the dialect puts it in the path.
    pub model: Option<String>,
    /// Does the path ask for a stream? `None` where the body says.
    pub stream: Option<bool>,
    /// How a stream is delimited.
    pub framing: Framing,
    /// What is asked of a stored response.
    pub stored: Option<Stored>,
    /// Speech is to be written down in English, whatever is spoken.
    pub translates: bool,
}

/// Reads method and path.
///
/// # Errors
/// 404 for a path nobody serves, 405 for a wrong method, 501 for an operation that is not available yet; with the dialect
/// the path belongs to.
pub fn accept(method: &Method, path: &str, query: Option<&str>) -> Result<Accepted, Box<Refused>> {
    let plain = |operation, dialect| Accepted {
        operation,
        dialect,
        model: None,
        stream: None,
        framing: Framing::Sse,
        stored: None,
        translates: false,
    };
    let openai = |operation| plain(operation, Dialect::OpenAiChat);
    let cohere = |operation| plain(operation, Dialect::CohereV2);
    let named = canonical(path);
    let accepted = match named.as_ref() {
        "/v1/chat/completions" => openai(Operation::Chat),
        "/v1/responses" => plain(Operation::Chat, Dialect::OpenAiResponses),
        "/v1/messages" => plain(Operation::Chat, Dialect::AnthropicMessages),
        "/v1/responses/input_tokens" => plain(Operation::CountTokens, Dialect::OpenAiResponses),
        "/v1/messages/count_tokens" => plain(Operation::CountTokens, Dialect::AnthropicMessages),
        "/v2/chat" => cohere(Operation::Chat),
        "/v2/embed" => cohere(Operation::Embeddings),
        // Cohere's shape, which others who rerank have taken over.
        "/v1/rerank" | "/v2/rerank" => cohere(Operation::Rerank),
        "/v1/embeddings" => openai(Operation::Embeddings),
        "/v1/images/generations" => openai(Operation::Images),
        "/v1/images/edits" => openai(Operation::ImageEdits),
        "/v1/audio/speech" => openai(Operation::Speech),
        "/v1/audio/transcriptions" => openai(Operation::Transcription),
        "/v1/audio/translations" => Accepted { translates: true, ..openai(Operation::Transcription) },
        "/v1/moderations" => openai(Operation::Moderation),
        _ if let Some(stored) =
            named.strip_prefix("/v1/responses/").and_then(|rest| Stored::read(method, rest, query)) =>
        {
            return of_stored(stored);
        }
        "/v1/models" => openai(Operation::Models),
        "/v1beta/models" => plain(Operation::Models, Dialect::Gemini),
        _ => match gemini(&named, query).or_else(|| bedrock(&named)).or_else(|| one_model(method, &named)) {
            Some(accepted) => accepted,
            None => return Err(unserved(&named, path)),
        },
    };
    let wanted = if accepted.operation == Operation::Models { Method::GET } else { Method::POST };
    if *method == wanted {
        Ok(accepted)
    } else {
        let fault = refused(405, format!("{path} takes {wanted}, not {method}"));
        Err(Box::new(Refused { dialect: accepted.dialect, fault, allow: Some(wanted) }))
    }
}

fn of_stored(stored: Stored) -> Result<Accepted, Box<Refused>> {
    let dialect = Dialect::OpenAiResponses;
    let methods = stored.methods();
    if !methods.contains(&stored.method) {
        let (allow, method) = (methods.first().cloned(), &stored.method);
        let taken: Vec<&str> = methods.iter().map(Method::as_str).collect();
        let fault = refused(405, format!("a stored response takes {} here, not {method}", taken.join(" or ")));
        return Err(Box::new(Refused { dialect, fault, allow }));
    }
    let (operation, stream) = (Operation::Passthrough, Some(stored.stream));
    Ok(Accepted {
        operation,
        dialect,
        model: None,
        stream,
        framing: Framing::Sse,
        stored: Some(stored),
        translates: false,
    })
}

/// A request that ended before any target was tried.
#[derive(Debug)]
pub struct Refused {
    /// In whose words it is said.
    pub dialect: Dialect,
    /// Why.
    pub fault: Fault,
    /// With 405: the method that is taken here.
    pub allow: Option<Method>,
}

/// The path by its one name here. SDKs differ in whether a base URL ends with the version or they add it: a version too
/// many, one too few and a slash too many have each one meaning only.
fn canonical(path: &str) -> Cow<'_, str> {
    let leading = path.len() - path.trim_start_matches('/').len();
    let mut rest = path[leading.saturating_sub(1)..].trim_end_matches('/');
    while let Some(inner) = below_version(rest).filter(|inner| below_version(inner).is_some()) {
        rest = inner;
    }
    if below_version(rest).is_some() || rest.starts_with("/model/") {
        Cow::Borrowed(rest)
    } else {
        Cow::Owned(format!("/v1{rest}"))
    }
}

/// What follows a version in a path, with its slash.
fn below_version(path: &str) -> Option<&str> {
    let below = |version| path.strip_prefix(version).filter(|rest: &&str| rest.starts_with('/'));
    ["/v1", "/v1beta", "/v2"].into_iter().find_map(below)
}

/// `/v1beta/models/{model}:generateContent` and its siblings, under `/v1` too. The model may hold slashes; where it
/// does, some clients take `models/` for a part of the name and leave it out.
fn gemini(path: &str, query: Option<&str>) -> Option<Accepted> {
    let rest = path.strip_prefix("/v1beta/").or_else(|| path.strip_prefix("/v1/"))?;
    let (model, verb) = rest.strip_prefix("models/").unwrap_or(rest).rsplit_once(':')?;
    let (operation, stream) = match verb {
        "generateContent" => (Operation::Chat, false),
        "streamGenerateContent" => (Operation::Chat, true),
        "countTokens" => (Operation::CountTokens, false),
        _ => return None,
    };
    let sse = query.is_some_and(|query| query.split('&').any(|pair| pair == "alt=sse"));
    Some(Accepted {
        operation,
        dialect: Dialect::Gemini,
        model: Some(unescape(model)),
        stream: Some(stream),
        framing: if sse { Framing::Sse } else { Framing::JsonArray },
        stored: None,
        translates: false,
    })
}

/// `/v1/models/{model}`, `/v1beta/models/{model}`: what is known of one. The model may hold slashes and colons.
fn one_model(method: &Method, path: &str) -> Option<Accepted> {
    if method != Method::GET {
        return None;
    }
    let (model, dialect) = match path.strip_prefix("/v1/models/") {
        Some(model) => (model, Dialect::OpenAiChat),
        None => (path.strip_prefix("/v1beta/models/")?, Dialect::Gemini),
    };
    let model = Some(unescape(model)).filter(|model| !model.is_empty())?;
    let (model, framing) = (Some(model), Framing::Sse);
    Some(Accepted {
        operation: Operation::Models,
        dialect,
        model,
        stream: None,
        framing,
        stored: None,
        translates: false,
    })
}

/// `/model/{model}/converse` and its siblings. The model may be an ARN, and hold slashes.
fn bedrock(path: &str) -> Option<Accepted> {
    let (model, verb) = path.strip_prefix("/model/")?.rsplit_once('/')?;
    let (operation, stream) = match verb {
        "converse" => (Operation::Chat, false),
        "converse-stream" => (Operation::Chat, true),
        "count-tokens" => (Operation::CountTokens, false),
        _ => return None,
    };
    Some(Accepted {
        operation,
        dialect: Dialect::BedrockConverse,
        model: Some(unescape(model)),
        stream: Some(stream),
        framing: Framing::EventStream,
        stored: None,
        translates: false,
    })
}

/// Percent-decoding, for parts of a path; what does not decode stays.
#[must_use]
pub fn unescape(text: &str) -> String {
    percent_decode_str(text).decode_utf8().map_or_else(|_| text.to_owned(), Cow::into_owned)
}

/// Paths of the data plane that are promised and not served yet.
const LATER: [(&str, Dialect); 4] = [
    ("/v1/responses/", Dialect::OpenAiResponses),
    ("/model/", Dialect::BedrockConverse),
    ("/v1/completions", Dialect::OpenAiChat),
    ("/v1/files", Dialect::OpenAiChat),
];

/// Where a caller finds what it may ask.
const ELSEWHERE: &str =
    "docs/surface.md lists the endpoints, and `/providers/{name}/…` passes on whatever else a provider has";

fn unserved(named: &str, path: &str) -> Box<Refused> {
    let (dialect, fault) = dialect_and_fault(named, path);
    Box::new(Refused { dialect, fault, allow: None })
}

fn dialect_and_fault(named: &str, path: &str) -> (Dialect, Fault) {
    if let Some((_, dialect)) = LATER.into_iter().find(|(prefix, _)| named.starts_with(prefix)) {
        return (dialect, refused(501, format!("{path} is not available yet: {ELSEWHERE}")));
    }
    let dialect = match named {
        _ if named.starts_with("/v1beta/") => Dialect::Gemini,
        _ if named.starts_with("/v2/") => Dialect::CohereV2,
        _ => Dialect::OpenAiChat,
    };
    (dialect, refused(404, format!("nothing is served at {path}: {ELSEWHERE}")))
}

fn refused(status: u16, message: String) -> Fault {
    Fault::new(FaultClass::Unroutable, Origin::Caller, Phase::Before, message).with_status(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(path: &str) -> Result<Accepted, Box<Refused>> {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        accept(&Method::POST, path, query)
    }

    #[test]
    fn paths() {
        let accepted = post("/v1/messages").unwrap();
        assert_eq!((accepted.operation, accepted.dialect), (Operation::Chat, Dialect::AnthropicMessages));
        let accepted = post("/v1/responses").unwrap();
        assert_eq!((accepted.operation, accepted.dialect), (Operation::Chat, Dialect::OpenAiResponses));
        let of_cohere =
            [("/v2/chat", Operation::Chat), ("/v2/embed", Operation::Embeddings), ("/v1/rerank", Operation::Rerank)];
        for (path, operation) in of_cohere {
            let accepted = post(path).unwrap();
            assert_eq!(
                (accepted.operation, accepted.dialect, accepted.stream),
                (operation, Dialect::CohereV2, None),
                "{path}"
            );
        }
        let table = [
            ("/v1beta/models/gemini-2.5-pro:generateContent", "gemini-2.5-pro", false, Framing::JsonArray),
            ("/v1/models/gemini-2.5-pro:streamGenerateContent", "gemini-2.5-pro", true, Framing::JsonArray),
            ("/v1beta/models/gemini/g:streamGenerateContent?key=x&alt=sse", "gemini/g", true, Framing::Sse),
            ("/v1beta/openai/gpt-5:generateContent", "openai/gpt-5", false, Framing::JsonArray),
            ("/v1beta/models/gemini%2Fg%3A1:generateContent", "gemini/g:1", false, Framing::JsonArray),
            ("/model/bedrock%2Fa.b-v1%3A0/converse", "bedrock/a.b-v1:0", false, Framing::EventStream),
            ("/model/openai/gpt-5/converse-stream", "openai/gpt-5", true, Framing::EventStream),
            (
                "/model/arn%3Aaws%3Abedrock%3A%3Aprofile%2Fx/converse",
                "arn:aws:bedrock::profile/x",
                false,
                Framing::EventStream,
            ),
        ];
        for (path, model, stream, framing) in table {
            let accepted = post(path).unwrap();
            assert_eq!(accepted.model.as_deref(), Some(model), "{path}");
            assert_eq!((accepted.stream, accepted.framing), (Some(stream), framing), "{path}");
        }
    }

    #[test]
    fn base_urls_with_a_version_too_many_or_too_few() {
        for (path, named) in [
            ("/chat/completions", "/v1/chat/completions"),
            ("/v1/chat/completions/", "/v1/chat/completions"),
            ("//v1/chat/completions", "/v1/chat/completions"),
            ("/v1/v1/messages", "/v1/messages"),
            ("/messages", "/v1/messages"),
            ("/v1/v2/chat", "/v2/chat"),
            ("/v1/v1beta/models/m:generateContent", "/v1beta/models/m:generateContent"),
            ("/v1beta/v1beta/models/m:generateContent", "/v1beta/models/m:generateContent"),
            ("/models/m:generateContent", "/v1/models/m:generateContent"),
        ] {
            assert_eq!(post(path).unwrap(), post(named).unwrap(), "{path}");
        }
        assert_eq!(canonical("/model/v1/v1/converse"), "/model/v1/v1/converse");
        for path in ["", "/", "/v1", "/v1/", "/v1x/messages"] {
            assert_eq!(post(path).unwrap_err().fault.status, Some(404), "{path}");
        }
    }

    #[test]
    fn what_is_no_escape_stays() {
        let table = [("a%2Fb+c", "a/b+c"), ("100%", "100%"), ("%zz%4", "%zz%4"), ("%C3%A9", "\u{e9}"), ("%ff", "%ff")];
        for (text, plain) in table {
            assert_eq!(unescape(text), plain, "{text}");
        }
    }

    #[test]
    fn what_is_not_served_says_so() {
        let status =
            |result: Result<Accepted, Box<Refused>>| result.map_err(|refused| (refused.dialect, refused.fault.status));
        assert_eq!(status(post("/v1/nonsense")), Err((Dialect::OpenAiChat, Some(404))));
        assert_eq!(status(post("/v1/responses/resp_1")), Err((Dialect::OpenAiResponses, Some(405))));
        assert_eq!(status(post("/v1/responses/compact")), Err((Dialect::OpenAiResponses, Some(501))));
        let cancel = post("/v1/responses/resp_1/cancel").unwrap().stored.unwrap();
        assert_eq!((cancel.id.as_str(), cancel.rest), ("resp_1", "/cancel"));
        assert_eq!(status(post("/v1beta/nonsense")), Err((Dialect::Gemini, Some(404))));
        assert_eq!(status(post("/v2/nonsense")), Err((Dialect::CohereV2, Some(404))));
        assert_eq!(status(post("/model/x/invoke")), Err((Dialect::BedrockConverse, Some(501))));
        assert_eq!(status(post("/v1/models/openai/gpt-4o")), Err((Dialect::OpenAiChat, Some(404))));
        for (path, dialect, model) in [
            ("/v1/models/openai%2Fgpt-4o", Dialect::OpenAiChat, "openai/gpt-4o"),
            ("/v1beta/models/bedrock/a.b-v1:0", Dialect::Gemini, "bedrock/a.b-v1:0"),
        ] {
            let accepted = accept(&Method::GET, path, None).unwrap();
            assert_eq!((accepted.operation, accepted.dialect), (Operation::Models, dialect), "{path}");
            assert_eq!(accepted.model.as_deref(), Some(model), "{path}");
        }
        let get = accept(&Method::GET, "/v1/messages", None);
        assert_eq!(status(get), Err((Dialect::AnthropicMessages, Some(405))));
    }
}

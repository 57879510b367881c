//! Image APIs of shapes of their own: what is asked ([`read`]), and the answer as a behaviour leaves it ([`Ask::answer`]).
//!
//! Written from the published references: Stability AI v2beta, Bedrock's `InvokeModel`, Imagen's `predict`, Black Forest
//! Labs, Replicate, Stable Diffusion WebUI, and OpenAI's edits.

mod answer;
mod drawing;
mod read;

use bytes::Bytes;
use serde_json::{Value, json};

pub(crate) use answer::Here;
pub(crate) use drawing::Drawing;
pub(crate) use read::read;

/// What a path asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Media {
    Stability,
    Invoke,
    Predict,
    GeminiImage,
    BflSubmit,
    BflLook,
    ReplicateSubmit,
    ReplicateLook,
    ReplicateCancel,
    Webui,
    Edits,
}

/// The endpoint of a path, and the model where the path holds it.
pub(crate) fn locate(path: &str) -> Option<(Media, Option<&str>)> {
    let path = path.trim_end_matches('/');
    if path.contains("/v2beta/stable-image/generate/") {
        return Some((Media::Stability, None));
    }
    if path.ends_with("/images/edits") {
        return Some((Media::Edits, None));
    }
    if let Some(model) = path.strip_suffix(":predict").and_then(|path| path.rsplit_once("/models/")) {
        return Some((Media::Predict, Some(model.1)));
    }
    if let Some((_, model)) = path.strip_suffix("/invoke").and_then(|path| path.split_once("/model/")) {
        return Some((Media::Invoke, Some(model)));
    }
    if path.ends_with("/sdapi/v1/txt2img") || path.ends_with("/sdapi/v1/img2img") {
        return Some((Media::Webui, None));
    }
    if path.ends_with("/v1/get_result") {
        return Some((Media::BflLook, None));
    }
    if let Some((_, model)) = path.rsplit_once("/v1/").filter(|(_, model)| model.starts_with("flux-")) {
        return Some((Media::BflSubmit, Some(model)));
    }
    replicate(path)
}

/// Does a `generateContent` ask for an image?
pub(crate) fn wants_image(body: &[u8]) -> bool {
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    let wanted = asked["generationConfig"]["responseModalities"].as_array();
    wanted.into_iter().flatten().any(|one| one == "IMAGE")
}

fn replicate(path: &str) -> Option<(Media, Option<&str>)> {
    let (before, after) =
        path.split_once("/predictions").filter(|(before, _)| before.contains("/v1") || before.is_empty())?;
    let model = before.split_once("/models/").map(|(_, model)| model);
    Some(match after {
        "" => (Media::ReplicateSubmit, model),
        _ if after.ends_with("/cancel") => (Media::ReplicateCancel, None),
        _ => (Media::ReplicateLook, None),
    })
}

impl Media {
    /// The label of a request that names none.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Stability => "stability",
            Self::Invoke => "bedrock",
            Self::Predict | Self::GeminiImage => "gemini",
            Self::BflSubmit | Self::BflLook => "black-forest-labs",
            Self::ReplicateSubmit | Self::ReplicateLook | Self::ReplicateCancel => "replicate",
            Self::Webui => "sd-webui",
            Self::Edits => "openai",
        }
    }

    /// An error as this API writes it, and its status.
    pub(crate) fn error(self, status: u16, usual: Value, id: u64) -> (u16, Value) {
        let words = usual.pointer("/error/message").and_then(Value::as_str).unwrap_or("refused").to_owned();
        let code = usual.pointer("/error/code").and_then(Value::as_str).unwrap_or_default().to_owned();
        match self {
            Self::Stability => {
                let is_filter = code == "content_policy_violation";
                let name = match status {
                    _ if is_filter => "content_moderation",
                    402 => "payment_required",
                    429 => "rate_limit_exceeded",
                    401 => "unauthorized",
                    400..=499 => "bad_request",
                    _ => "internal_error",
                };
                let body = json!({"id": format!("{id:016x}"), "name": name, "errors": [words]});
                (if is_filter { 403 } else { status }, body)
            }
            Self::BflSubmit | Self::BflLook => (status, json!({ "detail": words })),
            Self::ReplicateSubmit | Self::ReplicateLook | Self::ReplicateCancel => {
                (status, json!({"title": "refused", "detail": words, "status": status}))
            }
            Self::Webui => (status, json!({"error": "HTTPException", "detail": words, "body": "", "errors": words})),
            Self::Invoke | Self::Predict | Self::GeminiImage | Self::Edits => (status, usual),
        }
    }
}

/// A request for images, in words that are the same for every API.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ask {
    pub(crate) media: Media,
    pub(crate) model: String,
    pub(crate) prompt: String,
    pub(crate) count: usize,
    /// Width and height in pixels.
    pub(crate) size: (u32, u32),
    /// The image itself is wanted, and not JSON.
    pub(crate) raw: bool,
    /// The job that is looked at, or called off.
    pub(crate) job: Option<String>,
}

/// An answer's body and its type.
pub(crate) type Said = (Bytes, &'static str);

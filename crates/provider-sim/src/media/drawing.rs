//! OpenAI's images as a stream: previews while an image is made, then the image.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use ringmain_wire::multipart::{Form, boundary};
use serde_json::{Value, json};

use crate::reply::{Kind, Reply, png};
use crate::text::hash64;

/// The most previews of an image.
const PREVIEWS_MAX: usize = 3;

/// Images that are to be shown while they are made.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Drawing {
    edits: bool,
    prompt: String,
    count: usize,
    previews: usize,
    size: (u32, u32),
    quality: String,
}

impl Drawing {
    /// What a request wants to be shown; `None` where it wants a plain answer.
    pub(crate) fn of(head: &Parts, body: &Bytes, edits: bool) -> Option<Self> {
        let kind = head.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let form = boundary(kind).and_then(|boundary| Form::parse(body, boundary).ok());
        let document: Value = if form.is_some() { Value::Null } else { serde_json::from_slice(body).ok()? };
        let text = |name: &str| match (&form, &document[name]) {
            (Some(form), _) => form.text(name).map(str::to_owned),
            (None, Value::Null) => None,
            (None, Value::String(text)) => Some(text.clone()),
            (None, other) => Some(other.to_string()),
        };
        let number = |name: &str, usual: usize| text(name).and_then(|text| text.parse().ok()).unwrap_or(usual);
        if text("stream").as_deref() != Some("true") || !text("model")?.starts_with("gpt-image") {
            return None;
        }
        let size = text("size");
        let sides = size.as_deref().and_then(|size| size.split_once('x'));
        let size = sides.and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
        Some(Self {
            edits,
            prompt: text("prompt")?,
            count: number("n", 1).clamp(1, 10),
            previews: number("partial_images", 0).min(PREVIEWS_MAX),
            size: size.unwrap_or((1024, 1024)),
            quality: text("quality").filter(|word| word != "auto").unwrap_or_else(|| "low".to_owned()),
        })
    }

    /// Its events. `spoilt`: every picture breaks off in the middle.
    pub(crate) fn events(&self, spoilt: bool) -> Reply {
        let name = if self.edits { "image_edit" } else { "image_generation" };
        let seed = hash64(self.prompt.as_bytes());
        let (mut bytes, mut events) = (Vec::new(), Vec::new());
        let mut push = |what: &str, seed: u64, more: Value| {
            let image = png(seed, self.size);
            let whole = if spoilt { &image[..image.len() / 2] } else { &image[..] };
            let kind = format!("{name}.{what}");
            let mut data = json!({
                "type": kind,
                "b64_json": BASE64.encode(whole),
                "created_at": 1_767_323_045,
                "size": format!("{}x{}", self.size.0, self.size.1),
                "quality": self.quality,
                "background": "opaque",
                "output_format": "png",
            });
            if let (Some(data), Value::Object(more)) = (data.as_object_mut(), more) {
                data.extend(more);
            }
            bytes.extend_from_slice(format!("event: {kind}\ndata: {data}\n\n").as_bytes());
            events.push((Kind::Word, bytes.len()));
        };
        let text = self.prompt.len().div_ceil(4);
        let usage = json!({
            "input_tokens": text,
            "input_tokens_details": {"image_tokens": 0, "text_tokens": text},
            "output_tokens": 272,
            "total_tokens": text + 272,
        });
        for image in 0..self.count as u64 {
            for preview in 0..self.previews {
                push("partial_image", !seed ^ preview as u64, json!({ "partial_image_index": preview }));
            }
            push("completed", seed.wrapping_add(image), json!({ "usage": usage }));
        }
        Reply { bytes: bytes.into(), events }
    }
}

//! What was made, and the caller's answer.

use bytes::Bytes;
use ringmain_core::{Fault, Quality, Units, Usage};
use serde_json::{Map, Value, json};

use super::picture::{self, Looks};
use super::request::{Delivery, Request};
use crate::fault;

/// What one exchange made.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Made {
    /// The images, in their order.
    pub images: Vec<Image>,
    /// Tokens, where the provider counts them.
    pub usage: Option<Usage>,
    /// The quality they were made in, where the provider says it.
    pub quality: Option<String>,
    /// The answer as it came, where the caller reads the same shape and nothing has to change.
    pub whole: Option<Bytes>,
}

/// One image.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// What is there of it.
    pub source: Source,
    /// The prompt as the provider rewrote it.
    pub revised_prompt: Option<String>,
}

/// An image's bytes, or where they are.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// Its bytes, looked at.
    Bytes(Bytes, Looks),
    /// Where it is.
    Url(String),
}

impl Image {
    /// An image of these bytes.
    ///
    /// # Errors
    /// They are no whole image.
    pub fn of_bytes(bytes: Bytes) -> Result<Self, Fault> {
        let looks = picture::look(&bytes)?;
        Ok(Self { source: Source::Bytes(bytes, looks), revised_prompt: None })
    }

    /// An image in base64.
    ///
    /// # Errors
    /// It is not base64, or no whole image.
    pub fn of_base64(text: &str) -> Result<Self, Fault> {
        Self::of_bytes(picture::decode(text)?)
    }

    /// An image somewhere else; a `data:` URL is here.
    ///
    /// # Errors
    /// A `data:` URL that holds no whole image, or something that is no URL.
    pub fn of_url(url: &str) -> Result<Self, Fault> {
        if url.starts_with("data:") {
            return Self::of_base64(url);
        }
        if !url.starts_with("https://") && !url.starts_with("http://") {
            return Err(fault::unreadable("the image's URL is none"));
        }
        Ok(Self { source: Source::Url(url.to_owned()), revised_prompt: None })
    }
}

impl Made {
    /// Images without more.
    ///
    /// # Errors
    /// There are none.
    pub fn of(images: Vec<Image>) -> Result<Self, Fault> {
        if images.is_empty() { Err(fault::empty()) } else { Ok(Self { images, ..Self::default() }) }
    }

    /// Several exchanges' images in one.
    #[must_use]
    pub fn joined(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Self::default();
        for (before, part) in parts.into_iter().enumerate() {
            all.images.extend(part.images);
            all.usage = match (all.usage, part.usage) {
                (Some(one), Some(two)) => Some(one + two),
                (one, two) => one.or(two),
            };
            all.quality = all.quality.or(part.quality);
            all.whole = part.whole.filter(|_| before == 0);
        }
        all
    }

    /// What is billed of it.
    #[must_use]
    pub fn billed(&self, request: &Request) -> Usage {
        let seen = self.images.iter().find_map(|image| match &image.source {
            Source::Bytes(_, looks) => Some(looks.size),
            Source::Url(_) => None,
        });
        let size = seen.or(request.size);
        let units = Units {
            images: u32::try_from(self.images.len()).unwrap_or(u32::MAX),
            width: size.map_or(0, |size| size.width),
            height: size.map_or(0, |size| size.height),
            quality: self.quality.as_deref().or(request.quality.as_deref()).map_or(Quality::Usual, Quality::of_word),
            ..Units::default()
        };
        Usage { units, ..self.usage.unwrap_or_default() }
    }
}

/// How the caller is given an image the provider gave as bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Base64,
    DataUrl,
    Both,
}

impl Form {
    /// Asked for a URL, a caller gets the image in one. One who left it open and named a model that answers with URLs
    /// gets both.
    fn of(request: &Request, model: &str) -> Self {
        match request.delivery {
            Delivery::Base64 => Self::Base64,
            Delivery::Url => Self::DataUrl,
            Delivery::Either if model.rsplit('/').next().is_some_and(|name| name.starts_with("dall-e")) => Self::Both,
            Delivery::Either => Self::Base64,
        }
    }
}

/// The answer in OpenAI's shape; `created` in seconds since 1970, `model` as the caller named it.
#[must_use]
pub fn write(made: &Made, request: &Request, model: &str, created: u64) -> Vec<u8> {
    let form = Form::of(request, model);
    let data: Vec<Value> = made.images.iter().map(|image| one(image, form)).collect();
    let mut answer = Map::new();
    answer.insert("created".to_owned(), created.into());
    answer.insert("data".to_owned(), data.into());
    if let Some(Source::Bytes(_, looks)) = made.images.first().map(|image| &image.source) {
        answer.insert("output_format".to_owned(), looks.format.as_str().into());
        answer.insert("size".to_owned(), looks.size.to_string().into());
    }
    if let Some(usage) = &made.usage {
        answer.insert("usage".to_owned(), counted(usage));
    }
    Value::Object(answer).to_string().into_bytes()
}

/// The answer as the events of a stream: each image whole. `edits`: they were made from other images.
#[must_use]
pub fn write_stream(made: &Made, request: &Request, edits: bool, created: u64) -> Vec<u8> {
    let event = if edits { "image_edit.completed" } else { "image_generation.completed" };
    let quality = match made.quality.as_deref().or(request.quality.as_deref()).map_or(Quality::Usual, Quality::of_word)
    {
        Quality::Usual => "auto",
        Quality::Low => "low",
        Quality::Medium => "medium",
        Quality::High => "high",
    };
    let background = request.background.as_deref().unwrap_or("auto");
    let mut out = Vec::new();
    for image in &made.images {
        let mut data = json!({"type": event, "created_at": created, "quality": quality, "background": background});
        if let Source::Bytes(bytes, looks) = &image.source {
            data["b64_json"] = picture::encode(bytes).into();
            data["output_format"] = looks.format.as_str().into();
            data["size"] = looks.size.to_string().into();
        }
        if let Some(usage) = &made.usage {
            data["usage"] = counted(usage);
        }
        ringmain_wire::sse::encode(Some(event), data.to_string().as_bytes(), &mut out);
    }
    out
}

fn one(image: &Image, form: Form) -> Value {
    let mut item = Map::new();
    match &image.source {
        Source::Url(url) => {
            item.insert("url".to_owned(), url.as_str().into());
        }
        Source::Bytes(bytes, looks) => {
            let base64 = picture::encode(bytes);
            if form != Form::Base64 {
                let url = format!("data:{};base64,{base64}", looks.format.media_type());
                item.insert("url".to_owned(), url.into());
            }
            if form != Form::DataUrl {
                item.insert("b64_json".to_owned(), base64.into());
            }
        }
    }
    if let Some(prompt) = &image.revised_prompt {
        item.insert("revised_prompt".to_owned(), prompt.as_str().into());
    }
    Value::Object(item)
}

fn counted(usage: &Usage) -> Value {
    json!({"input_tokens": usage.input, "output_tokens": usage.output, "total_tokens": usage.total()})
}

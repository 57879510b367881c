//! OpenAI's images, and those who follow it. Three families of models with fields of their own behind one endpoint.
//! <https://platform.openai.com/docs/api-reference/images>

mod family;
mod stream;

use http::HeaderMap;
use ringmain_core::{Dialect, Fault, Usage};
use ringmain_dialects::Unsupported;
use ringmain_wire::multipart::{Form, Part};
use serde_json::{Map, Value};

use super::{Carried, Codec, Delivery, Image, Input, Made, Plan, Request, Site, each, unsupported};
use crate::talk::{Call, Once, Reply, Talk};
use crate::{counts, fault};
use family::Family;
pub use stream::{Glance, Watch};

/// The shape.
pub(super) struct OpenAi;

/// May the caller's own bytes go to a model of this name? Not where it is known to refuse what they say, or to make
/// fewer images of one request than they ask for.
#[must_use]
pub fn takes_as_it_is(request: &Request, model: &str) -> bool {
    let family = Family::of(model);
    if family == Family::Other {
        return true;
    }
    let mut carried = Carried::of(request);
    fields(request, family, &mut carried);
    let named = request.delivery != Delivery::Either;
    request.n <= family.per_request()
        && carried.losses().is_empty()
        && (!named || family.names_delivery())
        && (!request.stream || family.streams())
}

/// Reads an answer in this shape.
///
/// # Errors
/// It is an error, holds nothing, or what it holds is not whole.
pub fn read(reply: &Reply) -> Result<Made, Fault> {
    let document = fault::json(&reply.body)?;
    if document.get("error").is_some_and(|error| !error.is_null()) {
        return Err(fault::inside(OpenAi.decode_fault(200, &reply.headers, &reply.body)));
    }
    let data = document["data"].as_array().map(Vec::as_slice).unwrap_or_default();
    let image = |item: &Value| {
        let text = |field: &str| item[field].as_str().filter(|text| !text.is_empty());
        let mut image = match (text("b64_json"), text("url")) {
            (Some(base64), _) => Image::of_base64(base64)?,
            (None, Some(url)) => Image::of_url(url)?,
            (None, None) => return Err(fault::empty()),
        };
        image.revised_prompt = text("revised_prompt").map(str::to_owned);
        Ok(image)
    };
    let made = Made::of(data.iter().map(image).collect::<Result<_, Fault>>()?)?;
    let quality = document["quality"].as_str().map(str::to_owned);
    Ok(Made { usage: usage(&document["usage"]), quality, whole: Some(reply.body.clone()), ..made })
}

/// As OpenAI counts; where the parts of the output are not told, all of it is the picture.
fn usage(counts: &Value) -> Option<Usage> {
    let told = ["output_tokens_details", "completion_tokens_details"].iter().any(|name| counts[*name].is_object());
    let usage = counts::openai(counts)?;
    Some(Usage { image_output: if told { usage.image_output } else { usage.output }, ..usage })
}

impl Codec for OpenAi {
    fn plan(&self, request: &Request, site: &Site<'_>) -> Result<Plan, Unsupported> {
        let family = Family::of(site.family);
        let mut carried = Carried::of(request);
        let mut body = fields(request, family, &mut carried);
        body.insert("model".to_owned(), site.model.into());
        if family.names_delivery() {
            match request.delivery {
                Delivery::Base64 => _ = body.insert("response_format".to_owned(), "b64_json".into()),
                Delivery::Url => _ = body.insert("response_format".to_owned(), "url".into()),
                Delivery::Either => {}
            }
        }
        if request.inputs.len() > 1 && family == Family::DallE2 {
            return Err(unsupported("image", "this model changes one image"));
        }
        if !request.inputs.is_empty() {
            carried.whole("image");
            carried.whole("mask");
        }
        if request.stream && family.streams() {
            body.insert("n".to_owned(), request.n.into());
            body.insert("stream".to_owned(), true.into());
            if let Some(previews) = request.partial_images {
                body.insert("partial_images".to_owned(), previews.into());
            }
            let stream = Some(call(&body, request, site)?);
            return Ok(Plan { talks: Vec::new(), stream, losses: carried.losses() });
        }
        let most = family.per_request();
        let mut talks = Vec::new();
        let mut left = request.n;
        for one in each(request) {
            if left == 0 {
                break;
            }
            let count = left.min(most);
            left -= count;
            body.insert("n".to_owned(), count.into());
            let call = call(&body, &one, site)?;
            let read = |reply: &Reply| read(reply).map(|made| Made { whole: None, ..made });
            talks.push(Box::new(Once::new(call, read)) as Box<dyn Talk<Made>>);
        }
        Ok(Plan::of(talks, carried.losses()))
    }

    fn decode_fault(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Fault {
        fault::of_dialect(Dialect::OpenAiChat, status, headers, body)
    }
}

/// The members of a request for a model of this family.
fn fields(request: &Request, family: Family, carried: &mut Carried) -> Map<String, Value> {
    let mut body = Map::from_iter([("prompt".to_owned(), Value::from(request.prompt.as_str()))]);
    let mut set = |name: &str, value: Value| _ = body.insert(name.to_owned(), value);
    if let Some((field, wanted)) = request.shape()
        && let Some(size) = family.size(wanted)
    {
        if size == wanted {
            carried.whole(field);
        } else {
            carried.nearly(field);
        }
        set("size", size.to_string().into());
    }
    if let Some(quality) = &request.quality
        && let Some(word) = family.quality(quality)
    {
        if word == quality {
            carried.whole("quality");
        } else {
            carried.nearly("quality");
        }
        set("quality", word.into());
    }
    if let Some(style) = request.style.as_deref().filter(|style| family.has_style(style)) {
        carried.whole("style");
        set("style", style.into());
    }
    if let Some(user) = &request.user {
        carried.whole("user");
        set("user", user.as_str().into());
    }
    if family == Family::GptImage {
        for (name, word) in [("background", &request.background), ("moderation", &request.moderation)] {
            if let Some(word) = word {
                carried.whole(name);
                set(name, word.as_str().into());
            }
        }
        if let Some(format) = request.format {
            carried.whole("output_format");
            set("output_format", format.as_str().into());
        }
        if let Some(compression) = request.compression {
            carried.whole("output_compression");
            set("output_compression", compression.into());
        }
        carried.whole("partial_images");
    }
    if family == Family::Other {
        if let Some(seed) = request.seed {
            carried.whole("seed");
            set("seed", seed.into());
        }
        if let Some(negative) = &request.negative_prompt {
            carried.whole("negative_prompt");
            set("negative_prompt", negative.as_str().into());
        }
    }
    if !request.inputs.is_empty() {
        carried.whole("image");
        carried.whole("mask");
    }
    body
}

/// JSON for what is made of words, and where images are named by URL; else a form.
fn call(body: &Map<String, Value>, request: &Request, site: &Site<'_>) -> Result<Call, Unsupported> {
    if request.inputs.is_empty() {
        return Ok(Call::post(site.path, &Value::Object(body.clone())));
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut parts: Vec<Part> = body.iter().map(|(name, value)| Part::text(name.as_str(), text(value))).collect();
    let name = if request.inputs.len() == 1 { "image" } else { "image[]" };
    for (at, input) in request.inputs.iter().enumerate() {
        parts.push(file(name, &format!("image-{at}"), input)?);
    }
    if let Some(mask) = &request.mask {
        parts.push(file("mask", "mask", mask)?);
    }
    Ok(Call::form(site.path, Form { parts }))
}

fn file(name: &str, filename: &str, input: &Input) -> Result<Part, Unsupported> {
    let (data, format) = super::bytes_of(input, "image")?;
    Ok(Part::file(name, format!("{filename}.{}", format.as_str()), format.media_type(), data))
}

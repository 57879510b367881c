//! Amazon Bedrock's `InvokeModel`: Titan and Nova Canvas in Amazon's words, Stability's models in theirs.
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html>

use http::HeaderMap;
use ringmain_core::{Dialect, Fault, FaultClass};
use ringmain_dialects::{Unsupported, registry};
use serde_json::{Map, Value, json};

use super::mask::{self, Changes};
use super::{Carried, Codec, Image, Made, Plan, Request, Site, bytes_of, one_by_one, unsupported};
use crate::fault;
use crate::images::picture::{self, Format};
use crate::images::size::Size;
use crate::talk::{Call, Once, Reply, Talk};

/// The shape.
pub(super) struct Bedrock;

const RATIOS: [&str; 9] = ["16:9", "1:1", "21:9", "2:3", "3:2", "4:5", "5:4", "9:16", "9:21"];
/// What Titan makes.
const TITAN_SIZES: [Size; 7] = [
    Size::new(1024, 1024),
    Size::new(768, 768),
    Size::new(512, 512),
    Size::new(768, 1152),
    Size::new(1152, 768),
    Size::new(768, 1280),
    Size::new(1280, 768),
];
/// The most images Amazon's own models make of one request.
const AMAZON_MAX: u32 = 5;
/// The largest seed of Amazon's own models.
const AMAZON_SEED_MAX: u64 = 858_993_459;

impl Codec for Bedrock {
    fn plan(&self, request: &Request, site: &Site<'_>) -> Result<Plan, Unsupported> {
        // Inference profiles put a region before the model.
        let model = site.family.split_once("stability.").map_or(site.family, |(_, rest)| rest);
        if site.family.contains("amazon.") {
            amazon(request, site)
        } else if site.family.contains("stability.") {
            stability(request, site, model)
        } else {
            Err(unsupported("model", "no image model of Bedrock is known by this name"))
        }
    }

    fn decode_fault(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Fault {
        let codec = registry::codec(Dialect::BedrockConverse);
        let mut fault = match codec {
            Some(codec) => codec.decode_fault(status, headers, body),
            None => fault::failed(format!("HTTP status {status}")),
        };
        if fault.class == FaultClass::BadRequest && fault::tells_of_filter(&fault.message) {
            return fault::refused(fault.message);
        }
        // Whatever the dialect thinks of a chat's window, an image request has none.
        if fault.class == FaultClass::Context {
            fault.class = FaultClass::BadRequest;
        }
        fault
    }
}

fn amazon(request: &Request, site: &Site<'_>) -> Result<Plan, Unsupported> {
    let mut carried = Carried::of(request);
    let mut text = Map::from_iter([("text".to_owned(), Value::from(request.prompt.as_str()))]);
    if let Some(negative) = &request.negative_prompt {
        carried.whole("negative_prompt");
        text.insert("negativeText".to_owned(), negative.as_str().into());
    }
    let mut config = Map::from_iter([("numberOfImages".to_owned(), Value::from(1))]);
    // What is painted into an image has its size.
    if let Some((field, wanted)) = request.shape().filter(|_| request.mask.is_none()) {
        let is_titan = site.family.contains("titan");
        let size = if is_titan { wanted.nearest(&TITAN_SIZES) } else { None };
        let area = (field == "aspect_ratio").then_some(1 << 20);
        let size = size.unwrap_or_else(|| wanted.fitted(16, 320, 4096, area));
        if size == wanted || field == "aspect_ratio" {
            carried.whole(field);
        } else {
            carried.nearly(field);
        }
        config.insert("width".to_owned(), size.width.into());
        config.insert("height".to_owned(), size.height.into());
    }
    if let Some(quality) = &request.quality {
        let premium = matches!(quality.as_str(), "hd" | "high" | "premium");
        if matches!(quality.as_str(), "standard" | "hd" | "premium") {
            carried.whole("quality");
        } else {
            carried.nearly("quality");
        }
        config.insert("quality".to_owned(), if premium { "premium" } else { "standard" }.into());
    }
    carried.whole("seed");
    let (task, params) = match request.inputs.as_slice() {
        [] => ("TEXT_IMAGE", "textToImageParams"),
        inputs if request.mask.is_none() => {
            let images = inputs.iter().map(|input| bytes_of(input, "image").map(|(data, _)| picture::encode(&data)));
            text.insert("images".to_owned(), images.collect::<Result<Vec<_>, _>>()?.into());
            if let Some(strength) = &request.strength {
                // Here it says how much of the first image stays.
                let stays = 1.0 - strength.as_f64().unwrap_or(0.5);
                text.insert("similarityStrength".to_owned(), json!(stays.clamp(0.2, 1.0)));
                carried.nearly("strength");
            }
            carried.whole("image");
            ("IMAGE_VARIATION", "imageVariationParams")
        }
        [input] => {
            text.insert("image".to_owned(), picture::encode(&bytes_of(input, "image")?.0).into());
            let mask = request.mask.as_ref().map(|mask| mask::painted(mask, Changes::Black)).transpose()?;
            text.insert("maskImage".to_owned(), picture::encode(&mask.unwrap_or_default()).into());
            carried.whole("image");
            carried.whole("mask");
            ("INPAINTING", "inPaintingParams")
        }
        _ => return Err(unsupported("image", "with a mask this model changes one image")),
    };
    let talks = (0..request.n.div_ceil(AMAZON_MAX)).map(|at| {
        let count = (request.n - at * AMAZON_MAX).min(AMAZON_MAX);
        let mut config = config.clone();
        config.insert("numberOfImages".to_owned(), count.into());
        if let Some(seed) = request.seed {
            config.insert("seed".to_owned(), (seed.saturating_add(u64::from(at)) % (AMAZON_SEED_MAX + 1)).into());
        }
        let body = json!({"taskType": task, params: text, "imageGenerationConfig": config});
        Box::new(Once::new(Call::post(site.path, &body), read_amazon)) as Box<dyn Talk<Made>>
    });
    let talks = talks.collect();
    Ok(Plan::of(talks, carried.losses()))
}

fn stability(request: &Request, site: &Site<'_>, model: &str) -> Result<Plan, Unsupported> {
    let mut carried = Carried::of(request);
    let inpaints = model.starts_with("stable-image-inpaint");
    let mask = match &request.mask {
        Some(_) if !inpaints => {
            return Err(unsupported("mask", "this model takes none; `stability.stable-image-inpaint-v1:0` does"));
        }
        None if inpaints => return Err(unsupported("mask", "is what this model begins with")),
        mask => mask.as_ref().map(|mask| mask::painted(mask, Changes::White)).transpose()?,
    };
    carried.whole("mask");
    let begins = match request.inputs.as_slice() {
        [] if inpaints => return Err(unsupported("image", "is what this model begins with")),
        [] => None,
        [input] if inpaints => Some(picture::encode(&bytes_of(input, "image")?.0)),
        [input] if model.starts_with("sd3") => Some(picture::encode(&bytes_of(input, "image")?.0)),
        _ => return Err(unsupported("image", "this model makes images from words alone")),
    };
    let mut body = Map::new();
    body.insert("prompt".to_owned(), request.prompt.as_str().into());
    match begins {
        Some(image) if inpaints => {
            carried.whole("image");
            body.insert("image".to_owned(), image.into());
            body.insert("mask".to_owned(), picture::encode(&mask.unwrap_or_default()).into());
        }
        Some(image) => {
            carried.whole("image");
            carried.whole("strength");
            let strength = request.strength.clone().map_or_else(|| json!(0.65), Value::Number);
            body.insert("mode".to_owned(), "image-to-image".into());
            body.insert("image".to_owned(), image.into());
            body.insert("strength".to_owned(), strength);
        }
        None => {
            if let Some(ratio) = carried.ratio(request, &RATIOS) {
                body.insert("aspect_ratio".to_owned(), ratio.into());
            }
        }
    }
    if let Some(negative) = &request.negative_prompt {
        carried.whole("negative_prompt");
        body.insert("negative_prompt".to_owned(), negative.as_str().into());
    }
    let format = request.format.filter(|format| matches!(format, Format::Png | Format::Jpeg));
    if format.is_some() {
        carried.whole("output_format");
    }
    body.insert("output_format".to_owned(), format.unwrap_or(Format::Png).as_str().into());
    carried.whole("seed");
    let call = |one: &Request| {
        let mut body = body.clone();
        if let Some(seed) = one.seed {
            body.insert("seed".to_owned(), (seed % 4_294_967_295).into());
        }
        Call::post(site.path, &Value::Object(body))
    };
    Ok(Plan::of(one_by_one(request, call, read_stability), carried.losses()))
}

fn images(document: &Value) -> Result<Made, Fault> {
    let images = document["images"].as_array().into_iter().flatten().filter_map(Value::as_str);
    Made::of(images.map(Image::of_base64).collect::<Result<_, _>>()?)
}

fn read_amazon(reply: &Reply) -> Result<Made, Fault> {
    let document = fault::json(&reply.body)?;
    // With an error some of the images are missing.
    if let Some(error) = document["error"].as_str() {
        return Err(if fault::tells_of_filter(error) { fault::refused(error) } else { fault::failed(error) });
    }
    images(&document)
}

fn read_stability(reply: &Reply) -> Result<Made, Fault> {
    let document = fault::json(&reply.body)?;
    let reasons = document["finish_reasons"].as_array().into_iter().flatten().filter_map(Value::as_str);
    if let Some(reason) = reasons.into_iter().find(|reason| !reason.eq_ignore_ascii_case("success")) {
        let is_filter = reason.to_ascii_lowercase().contains("filter");
        return Err(if is_filter { fault::refused(reason) } else { fault::failed(reason) });
    }
    images(&document)
}

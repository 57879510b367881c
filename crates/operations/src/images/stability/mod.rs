//! Stability AI v2beta: forms in; JSON with base64, or raw bytes, out.
//! <https://platform.stability.ai/docs/api-reference>

use http::HeaderMap;
use ringmain_core::{Fault, FaultClass, Origin, Phase};
use ringmain_dialects::Unsupported;
use ringmain_wire::multipart::{Form, Part};
use serde_json::Value;

use super::mask::{self, Changes};
use super::{Carried, Codec, Image, Made, Plan, Request, Site, bytes_of, one_by_one, unsupported};
use crate::fault;
use crate::images::picture::Format;
use crate::talk::{Call, Reply};

/// The shape.
pub(super) struct Stability;

const RATIOS: [&str; 9] = ["16:9", "1:1", "21:9", "2:3", "3:2", "4:5", "5:4", "9:16", "9:21"];
/// How far an image may move from the one it begins with, where the caller does not say.
const STRENGTH: &str = "0.65";
/// What `style` may be here.
const PRESETS: [&str; 17] = [
    "enhance",
    "anime",
    "photographic",
    "digital-art",
    "comic-book",
    "fantasy-art",
    "line-art",
    "analog-film",
    "neon-punk",
    "isometric",
    "low-poly",
    "origami",
    "modeling-compound",
    "cinematic",
    "3d-model",
    "pixel-art",
    "tile-texture",
];

/// The services, each with a path and fields of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Service {
    Core,
    Ultra,
    Sd3,
    /// An image, and a mask of where it changes.
    Inpaint,
}

impl Service {
    fn of(model: &str) -> Self {
        match model {
            "stable-image-core" | "core" => Self::Core,
            "stable-image-ultra" | "ultra" => Self::Ultra,
            "stable-image-inpaint" | "inpaint" => Self::Inpaint,
            _ => Self::Sd3,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Ultra => "ultra",
            Self::Sd3 => "sd3",
            Self::Inpaint => "inpaint",
        }
    }

    /// Beside the path of those that make images from words.
    fn path(self, root: &str) -> String {
        let root = if self == Self::Inpaint { root.replace("/generate", "/edit") } else { root.to_owned() };
        format!("{root}/{}", self.as_str())
    }
}

impl Codec for Stability {
    fn plan(&self, request: &Request, site: &Site<'_>) -> Result<Plan, Unsupported> {
        let service = Service::of(site.model);
        let mut carried = Carried::of(request);
        let mask = match &request.mask {
            Some(_) if service != Service::Inpaint => {
                return Err(unsupported("mask", "this model takes none; `stable-image-inpaint` does"));
            }
            None if service == Service::Inpaint => return Err(unsupported("mask", "is what this model begins with")),
            mask => mask.as_ref().map(|mask| mask::painted(mask, Changes::White)).transpose()?,
        };
        carried.whole("mask");
        let begins = match request.inputs.as_slice() {
            [] if service == Service::Inpaint => {
                return Err(unsupported("image", "is what this model begins with"));
            }
            [] => None,
            [_] if service == Service::Core => {
                return Err(unsupported("image", "this model makes images from words alone"));
            }
            [input] => Some(bytes_of(input, "image")?),
            _ => return Err(unsupported("image", "this provider begins with one image at most")),
        };
        let mut fields: Vec<(&str, String)> = Vec::new();
        if begins.is_some() && service == Service::Inpaint {
            carried.whole("image");
        } else if begins.is_some() {
            carried.whole("image");
            let strength = request.strength.as_ref().map_or_else(|| STRENGTH.to_owned(), ToString::to_string);
            carried.whole("strength");
            fields.push(("strength", strength));
        }
        // The first image gives the next its shape; sd3 refuses to be told another.
        let keeps = begins.is_some() && matches!(service, Service::Sd3 | Service::Inpaint);
        let ratio = if keeps { None } else { carried.ratio(request, &RATIOS) };
        fields.extend(ratio.map(|ratio| ("aspect_ratio", ratio.to_owned())));
        if service == Service::Sd3 {
            fields.push(("mode", if begins.is_some() { "image-to-image" } else { "text-to-image" }.to_owned()));
            fields.push(("model", site.model.to_owned()));
        }
        if let Some(text) = &request.negative_prompt {
            carried.whole("negative_prompt");
            fields.push(("negative_prompt", text.clone()));
        }
        if let Some(style) = request.style.as_ref().filter(|style| PRESETS.contains(&style.as_str())) {
            carried.whole("style");
            fields.push(("style_preset", style.clone()));
        }
        let format = format(request, service);
        if request.format.is_some() {
            if request.format == Some(format) {
                carried.whole("output_format");
            } else {
                carried.nearly("output_format");
            }
        }
        fields.push(("output_format", format.as_str().to_owned()));
        carried.whole("seed");
        let path = service.path(site.path);
        let call = |one: &Request| {
            let mut parts = vec![Part::text("prompt", one.prompt.as_str())];
            parts.extend(fields.iter().map(|(name, value)| Part::text(*name, value.as_str())));
            parts.extend(one.seed.map(|seed| Part::text("seed", (seed % 4_294_967_295).to_string())));
            if let Some((data, format)) = &begins {
                let name = format!("image.{}", format.as_str());
                parts.push(Part::file("image", name, format.media_type(), data.clone()));
            }
            if let Some(mask) = &mask {
                parts.push(Part::file("mask", "mask.png", Format::Png.media_type(), mask.clone()));
            }
            Call::form(path.as_str(), Form { parts })
        };
        Ok(Plan::of(one_by_one(request, call, read), carried.losses()))
    }

    fn decode_fault(&self, status: u16, _: &HeaderMap, body: &[u8]) -> Fault {
        let document = serde_json::from_slice::<Value>(body).unwrap_or_default();
        let name = document["name"].as_str().unwrap_or_default();
        let said: Vec<&str> = document["errors"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let message = match said.join("; ") {
            text if !text.is_empty() => text,
            _ if !name.is_empty() => name.to_owned(),
            _ => format!("HTTP status {status}"),
        };
        let class = match (status, name) {
            // A refusal has the status of a wrong key.
            (_, "content_moderation") => FaultClass::Refusal,
            (402, _) | (_, "payment_required" | "insufficient_balance") => FaultClass::Billing,
            (400 | 403, _) if fault::tells_of_filter(&message) => FaultClass::Refusal,
            _ => FaultClass::of_status(status).unwrap_or(FaultClass::Server),
        };
        let mut fault = Fault::new(class, Origin::Provider, Phase::BeforeCommit, message);
        // As a caller knows a refusal, whatever status it had here.
        fault.status = Some(if class == FaultClass::Refusal { 400 } else { status });
        fault.code = (!name.is_empty()).then(|| name.to_owned());
        if class == FaultClass::Refusal {
            fault.code = Some("content_policy_violation".to_owned());
        }
        fault
    }
}

/// The format asked for; `sd3` has no WebP.
fn format(request: &Request, service: Service) -> Format {
    match request.format {
        Some(Format::Jpeg) => Format::Jpeg,
        Some(Format::Webp) if service != Service::Sd3 => Format::Webp,
        _ => Format::Png,
    }
}

fn read(reply: &Reply) -> Result<Made, Fault> {
    if reply.media_type().is_some_and(|kind| kind.starts_with("image/")) {
        finished(reply.header("finish-reason"))?;
        return Made::of(vec![Image::of_bytes(reply.body.clone())?]);
    }
    let document = fault::json(&reply.body)?;
    if document.get("errors").is_some_and(|errors| !errors.is_null()) {
        return Err(fault::inside(Stability.decode_fault(500, &reply.headers, &reply.body)));
    }
    finished(document["finish_reason"].as_str())?;
    let image = document["image"].as_str().filter(|text| !text.is_empty()).ok_or_else(fault::empty)?;
    Made::of(vec![Image::of_base64(image)?])
}

fn finished(reason: Option<&str>) -> Result<(), Fault> {
    match reason {
        Some("CONTENT_FILTERED") => Err(fault::refused("the image was withheld by the provider's content filter")),
        Some("ERROR") => Err(fault::failed("the provider could not finish the image")),
        _ => Ok(()),
    }
}

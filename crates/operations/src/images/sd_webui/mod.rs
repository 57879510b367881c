//! The HTTP interface of Stable Diffusion WebUI (`--api`).
//! <https://github.com/AUTOMATIC1111/stable-diffusion-webui/wiki/API>

use http::HeaderMap;
use ringmain_core::{Dialect, Fault, FaultClass};
use ringmain_dialects::{Unsupported, registry};
use serde_json::{Map, Value, json};

use super::mask::{self, Changes};
use super::{Carried, Codec, Image, Made, Plan, Request, Site, bytes_of};
use crate::fault;
use crate::images::picture::{self, Format};
use crate::talk::{Call, Once, Reply};

/// The shape.
pub(super) struct SdWebui;

/// The model's name that stands for whichever checkpoint is loaded.
const LOADED: &str = "default";

impl Codec for SdWebui {
    fn plan(&self, request: &Request, site: &Site<'_>) -> Result<Plan, Unsupported> {
        let mut carried = Carried::of(request);
        let mut body = Map::from_iter([("prompt".to_owned(), Value::from(request.prompt.as_str()))]);
        let mut set = |name: &str, value: Value| _ = body.insert(name.to_owned(), value);
        set("batch_size", request.n.into());
        set("do_not_save_grid", true.into());
        if let Some(negative) = &request.negative_prompt {
            carried.whole("negative_prompt");
            set("negative_prompt", negative.as_str().into());
        }
        if let Some((field, wanted)) = request.shape() {
            let size = wanted.fitted(8, 64, 2048, (field == "aspect_ratio").then_some(1 << 20));
            if size == wanted || field == "aspect_ratio" {
                carried.whole(field);
            } else {
                carried.nearly(field);
            }
            set("width", size.width.into());
            set("height", size.height.into());
        }
        if let Some(seed) = request.seed {
            carried.whole("seed");
            set("seed", seed.into());
        }
        if request.format == Some(Format::Png) {
            carried.whole("output_format");
        }
        if site.model != LOADED {
            set("override_settings", json!({"sd_model_checkpoint": site.model}));
        }
        let mut path = site.path.to_owned();
        if !request.inputs.is_empty() {
            if let Some(mask) = &request.mask {
                carried.whole("mask");
                set("mask", picture::encode(&mask::painted(mask, Changes::White)?).into());
                set("inpainting_mask_invert", 0.into());
                // What was there is what it begins with.
                set("inpainting_fill", 1.into());
            }
            let images = request.inputs.iter().map(|input| bytes_of(input, "image"));
            let images = images.map(|bytes| bytes.map(|(data, _)| picture::encode(&data)));
            set("init_images", images.collect::<Result<Vec<_>, _>>()?.into());
            carried.whole("image");
            if let Some(strength) = &request.strength {
                carried.whole("strength");
                set("denoising_strength", Value::Number(strength.clone()));
            }
            path = path.replace("txt2img", "img2img");
        }
        let n = usize::try_from(request.n).unwrap_or(1);
        let talk = Once::new(Call::post(path, &Value::Object(body)), move |reply| read(reply, n));
        Ok(Plan::of(vec![Box::new(talk)], carried.losses()))
    }

    fn decode_fault(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Fault {
        let document = serde_json::from_slice::<Value>(body).unwrap_or_default();
        let mut fault = match registry::codec(Dialect::OpenAiChat) {
            Some(codec) => codec.decode_fault(status, headers, body),
            None => fault::failed(format!("HTTP status {status}")),
        };
        // Its `error` is the name of an exception; what happened is beside it.
        let told = ["errors", "detail"].into_iter().find_map(|field| document[field].as_str());
        if let Some(told) = told.filter(|told| !told.is_empty()) {
            fault.message = told.to_owned();
        }
        if status == 500 && fault.message.contains("OutOfMemory") {
            fault.class = FaultClass::Overloaded;
            fault.scope = FaultClass::Overloaded.scope();
        }
        fault
    }
}

fn read(reply: &Reply, n: usize) -> Result<Made, Fault> {
    let document = fault::json(&reply.body)?;
    if document.get("error").is_some_and(|error| !error.is_null()) {
        return Err(fault::inside(SdWebui.decode_fault(500, &reply.headers, &reply.body)));
    }
    let images: Vec<&str> = document["images"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    // Some versions put a grid of all before them.
    let images = images.get(images.len().saturating_sub(n)..).unwrap_or_default();
    Made::of(images.iter().map(|image| Image::of_base64(image)).collect::<Result<_, _>>()?)
}

//! Google: Gemini's image models by `generateContent`, Imagen by `predict`; on the Gemini API and on Vertex AI alike.
//! <https://ai.google.dev/gemini-api/docs/image-generation>, <https://ai.google.dev/gemini-api/docs/imagen>

use http::HeaderMap;
use ringmain_core::{Dialect, Fault, Usage};
use ringmain_dialects::{Unsupported, registry};
use serde_json::{Map, Value, json};

use super::mask::{self, Changes};
use super::{Carried, Codec, Image, Input, Made, Plan, Request, Site, bytes_of, one_by_one, unsupported};
use crate::fault;
use crate::images::picture::{self, Format};
use crate::talk::{Call, Once, Reply, Talk};

/// The shape.
pub(super) struct Gemini;

const RATIOS: [&str; 10] = ["1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"];
const IMAGEN_RATIOS: [&str; 5] = ["1:1", "3:4", "4:3", "9:16", "16:9"];
/// In the names of those of Imagen that change images, on Vertex AI.
const EDITS: &str = "-capability-";
/// The most images Imagen makes of one request.
const IMAGEN_MAX: u32 = 4;

impl Codec for Gemini {
    fn plan(&self, request: &Request, site: &Site<'_>) -> Result<Plan, Unsupported> {
        let model = site.family.rsplit('/').next().unwrap_or(site.family);
        let is_imagen = model.starts_with("imagen");
        if request.mask.is_some() && !model.contains(EDITS) {
            return Err(unsupported("mask", "this model edits by words alone"));
        }
        if is_imagen { imagen(request, site, model.contains(EDITS)) } else { generate(request, site) }
    }

    fn decode_fault(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Fault {
        match registry::codec(Dialect::Gemini) {
            Some(codec) => codec.decode_fault(status, headers, body),
            None => fault::failed(format!("HTTP status {status}")),
        }
    }
}

fn generate(request: &Request, site: &Site<'_>) -> Result<Plan, Unsupported> {
    let mut carried = Carried::of(request);
    let mut parts = vec![json!({"text": request.prompt})];
    for input in &request.inputs {
        parts.push(match input {
            Input::Bytes { data, format } => {
                json!({"inlineData": {"mimeType": format.media_type(), "data": picture::encode(data)}})
            }
            Input::Url(_) => return Err(unsupported("image", "a URL, and this provider takes images only as data")),
        });
    }
    carried.whole("image");
    if let Some(negative) = &request.negative_prompt {
        parts.push(json!({"text": format!("Not to be seen: {negative}")}));
        carried.nearly("negative_prompt");
    }
    let mut config = Map::from_iter([("responseModalities".to_owned(), json!(["TEXT", "IMAGE"]))]);
    if let Some(ratio) = carried.ratio(request, &RATIOS) {
        config.insert("imageConfig".to_owned(), json!({"aspectRatio": ratio}));
    }
    carried.whole("seed");
    let call = |one: &Request| {
        let mut config = config.clone();
        if let Some(seed) = one.seed {
            config.insert("seed".to_owned(), (seed % (1 << 31)).into());
        }
        let body = json!({"contents": [{"role": "user", "parts": parts}], "generationConfig": config});
        Call::post(site.path, &body)
    };
    Ok(Plan::of(one_by_one(request, call, read_generated), carried.losses()))
}

fn imagen(request: &Request, site: &Site<'_>, edits: bool) -> Result<Plan, Unsupported> {
    if request.inputs.is_empty() == edits {
        let why = if edits { "is what this model begins with" } else { "this model makes images from words alone" };
        return Err(unsupported("image", why));
    }
    let mut carried = Carried::of(request);
    let mut parameters = Map::new();
    let mut instance = json!({"prompt": request.prompt});
    if edits {
        let (references, mode) = references(request)?;
        carried.whole("image");
        carried.whole("mask");
        instance["referenceImages"] = references;
        parameters.insert("editMode".to_owned(), mode.into());
    } else if let Some(ratio) = carried.ratio(request, &IMAGEN_RATIOS) {
        parameters.insert("aspectRatio".to_owned(), ratio.into());
    }
    if let Some(format) = request.format.filter(|format| matches!(format, Format::Png | Format::Jpeg)) {
        carried.whole("output_format");
        let mut options = Map::from_iter([("mimeType".to_owned(), Value::from(format.media_type()))]);
        if let Some(quality) = request.compression.filter(|_| format == Format::Jpeg) {
            carried.whole("output_compression");
            options.insert("compressionQuality".to_owned(), quality.into());
        }
        parameters.insert("outputOptions".to_owned(), options.into());
    }
    if let Some(negative) = &request.negative_prompt {
        carried.whole("negative_prompt");
        parameters.insert("negativePrompt".to_owned(), negative.as_str().into());
    }
    carried.whole("seed");
    if request.seed.is_some() {
        // A seed and a watermark are not to be had together.
        parameters.insert("addWatermark".to_owned(), false.into());
    }
    let path = site.path.replace(":generateContent", ":predict");
    let talks = (0..request.n.div_ceil(IMAGEN_MAX)).map(|at| {
        let mut parameters = parameters.clone();
        if let Some(seed) = request.seed {
            parameters.insert("seed".to_owned(), (seed.saturating_add(u64::from(at)) % (1 << 31)).into());
        }
        parameters.insert("sampleCount".to_owned(), (request.n - at * IMAGEN_MAX).min(IMAGEN_MAX).into());
        let body = json!({"instances": [instance], "parameters": parameters});
        Box::new(Once::new(Call::post(path.as_str(), &body), read_predicted)) as Box<dyn Talk<Made>>
    });
    Ok(Plan::of(talks.collect(), carried.losses()))
}

/// The image that is to change and the mask of where, and what that is called.
/// <https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/imagen-api-edit>
fn references(request: &Request) -> Result<(Value, &'static str), Unsupported> {
    let [input] = request.inputs.as_slice() else {
        return Err(unsupported("image", "this model changes one image"));
    };
    let image = json!({"bytesBase64Encoded": picture::encode(&bytes_of(input, "image")?.0)});
    let raw = json!({"referenceType": "REFERENCE_TYPE_RAW", "referenceId": 1, "referenceImage": image});
    let Some(mask) = &request.mask else { return Ok((json!([raw]), "EDIT_MODE_DEFAULT")) };
    let mask = json!({"bytesBase64Encoded": picture::encode(&mask::painted(mask, Changes::White)?)});
    let mask = json!({
        "referenceType": "REFERENCE_TYPE_MASK", "referenceId": 2, "referenceImage": mask,
        "maskImageConfig": {"maskMode": "MASK_MODE_USER_PROVIDED"},
    });
    Ok((json!([raw, mask]), "EDIT_MODE_INPAINT_INSERTION"))
}

fn read_generated(reply: &Reply) -> Result<Made, Fault> {
    let document = fault::json(&reply.body)?;
    error_inside(&document, reply)?;
    if let Some(reason) = document["promptFeedback"]["blockReason"].as_str() {
        return Err(fault::refused(format!("the prompt was blocked: {reason}")));
    }
    let candidate = &document["candidates"][0];
    let parts = candidate["content"]["parts"].as_array().map(Vec::as_slice).unwrap_or_default();
    let data =
        parts.iter().filter(|part| part["thought"] != true).filter_map(|part| part["inlineData"]["data"].as_str());
    let images = data.map(Image::of_base64).collect::<Result<Vec<_>, _>>()?;
    if images.is_empty() {
        let said = candidate["finishMessage"].as_str().or_else(|| parts.iter().find_map(|part| part["text"].as_str()));
        return Err(match candidate["finishReason"].as_str() {
            Some("STOP") | None => fault::empty(),
            Some(reason) if is_filter(reason) => fault::refused(said.unwrap_or(reason)),
            Some(reason) => fault::failed(said.unwrap_or(reason)),
        });
    }
    let count = |field: &str| document["usageMetadata"][field].as_u64().unwrap_or_default();
    let reasoning = count("thoughtsTokenCount");
    let details = document["usageMetadata"]["candidatesTokensDetails"].as_array();
    let of_images = details.map(|details| {
        let pictures = details.iter().filter(|detail| detail["modality"] == "IMAGE");
        pictures.filter_map(|detail| detail["tokenCount"].as_u64()).sum()
    });
    let usage = Usage {
        input: count("promptTokenCount"),
        output: count("candidatesTokenCount") + reasoning,
        reasoning,
        // Where the parts are not told, all of it is the picture.
        image_output: of_images.unwrap_or_else(|| count("candidatesTokenCount")),
        ..Usage::default()
    };
    Ok(Made { images, usage: (usage.total() > 0).then_some(usage), ..Made::default() })
}

fn is_filter(reason: &str) -> bool {
    ["SAFETY", "PROHIBITED", "BLOCKLIST", "SPII", "RECITATION"].iter().any(|word| reason.contains(word))
}

fn read_predicted(reply: &Reply) -> Result<Made, Fault> {
    let document = fault::json(&reply.body)?;
    error_inside(&document, reply)?;
    let predictions = document["predictions"].as_array().map(Vec::as_slice).unwrap_or_default();
    if let Some(reason) = predictions.iter().find_map(|one| one["raiFilteredReason"].as_str()) {
        return Err(fault::refused(reason));
    }
    let data = predictions.iter().filter_map(|one| one["bytesBase64Encoded"].as_str());
    Made::of(data.map(Image::of_base64).collect::<Result<_, _>>()?)
}

fn error_inside(document: &Value, reply: &Reply) -> Result<(), Fault> {
    match document.get("error") {
        None | Some(Value::Null) => Ok(()),
        Some(_) => Err(Gemini.decode_fault(200, &reply.headers, &reply.body)),
    }
}

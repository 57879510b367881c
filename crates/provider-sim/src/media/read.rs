//! From a request to an [`Ask`]. What the published reference demands is demanded here.

use bytes::Bytes;
use http::request::Parts;
use ringmain_wire::multipart::{Form, boundary};
use serde_json::Value;

use super::{Ask, Media};
use crate::api::query_value;
use crate::ask::Invalid;

/// Reads a request; `model` is the path's.
pub(crate) fn read(
    media: Media,
    head: &Parts,
    path: &str,
    model: Option<String>,
    body: &Bytes,
) -> Result<Ask, Invalid> {
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut ask = Ask {
        media,
        model: model.unwrap_or_default(),
        prompt: String::new(),
        count: 1,
        size: (1024, 1024),
        raw: header("accept").starts_with("image/"),
        job: None,
    };
    match media {
        Media::BflLook => {
            ask.job = query_value(head.uri.query(), "id").map(str::to_owned);
            return Ok(ask);
        }
        Media::ReplicateLook | Media::ReplicateCancel => {
            let after = path.rsplit_once("/predictions/").map_or("", |(_, after)| after);
            ask.job = after.split('/').next().map(str::to_owned);
            return Ok(ask);
        }
        Media::Stability => stability(&mut ask, &form(header("content-type"), body)?, path)?,
        Media::Edits if header("content-type").starts_with("multipart/") => {
            edits(&mut ask, &form(header("content-type"), body)?)?;
        }
        _ => json(&mut ask, &serde_json::from_slice(body)?)?,
    }
    if ask.prompt.is_empty() {
        return Err(invalid("prompt: Field required"));
    }
    Ok(ask)
}

fn invalid(why: &str) -> Invalid {
    Invalid(why.to_owned())
}

fn form(content_type: &str, body: &Bytes) -> Result<Form, Invalid> {
    let boundary = boundary(content_type).ok_or_else(|| invalid("content-type: must be multipart/form-data"))?;
    Form::parse(body, boundary).map_err(|bad| Invalid(bad.to_string()))
}

/// <https://platform.stability.ai/docs/api-reference>
fn stability(ask: &mut Ask, form: &Form, path: &str) -> Result<(), Invalid> {
    const RATIOS: [(&str, (u32, u32)); 9] = [
        ("1:1", (1024, 1024)),
        ("16:9", (1344, 768)),
        ("21:9", (1536, 640)),
        ("2:3", (832, 1216)),
        ("3:2", (1216, 832)),
        ("4:5", (896, 1088)),
        ("5:4", (1088, 896)),
        ("9:16", (768, 1344)),
        ("9:21", (640, 1536)),
    ];
    let service = path.rsplit('/').next().unwrap_or_default();
    let known =
        ["prompt", "aspect_ratio", "negative_prompt", "seed", "output_format", "style_preset", "image", "strength"];
    for part in &form.parts {
        let of_sd3 = service == "sd3" && matches!(part.name.as_str(), "model" | "mode" | "cfg_scale");
        if !known.contains(&part.name.as_str()) && !of_sd3 {
            return Err(Invalid(format!("{}: unknown field", part.name)));
        }
    }
    ask.prompt = form.text("prompt").unwrap_or_default().to_owned();
    ask.model = match service {
        "core" | "ultra" => format!("stable-image-{service}"),
        _ => form.text("model").unwrap_or("sd3.5-large").to_owned(),
    };
    if let Some(ratio) = form.text("aspect_ratio") {
        let known = RATIOS.iter().find(|(name, _)| *name == ratio);
        ask.size = known.ok_or_else(|| Invalid(format!("aspect_ratio: must be one of the list, not {ratio}")))?.1;
    }
    if form.text("mode") == Some("image-to-image") && form.get("image").is_none() {
        return Err(invalid("image: required in this mode"));
    }
    match form.text("output_format").unwrap_or("png") {
        "png" | "jpeg" => Ok(()),
        "webp" if service != "sd3" => Ok(()),
        other => Err(Invalid(format!("output_format: {other} is not supported"))),
    }
}

fn edits(ask: &mut Ask, form: &Form) -> Result<(), Invalid> {
    ask.prompt = form.text("prompt").unwrap_or_default().to_owned();
    ask.model = form.text("model").unwrap_or("gpt-image-1").to_owned();
    ask.count = form.text("n").and_then(|n| n.parse().ok()).unwrap_or(1);
    size(ask, form.text("size"));
    let has_image =
        form.parts.iter().any(|part| matches!(part.name.as_str(), "image" | "image[]") && !part.data.is_empty());
    if has_image { Ok(()) } else { Err(invalid("image: is required")) }
}

fn size(ask: &mut Ask, text: Option<&str>) {
    let parsed = text.and_then(|text| text.split_once('x'));
    if let Some((Ok(width), Ok(height))) = parsed.map(|(width, height)| (width.parse(), height.parse())) {
        ask.size = (width, height);
    }
}

fn json(ask: &mut Ask, body: &Value) -> Result<(), Invalid> {
    let number = |value: &Value, usual: u64| value.as_u64().unwrap_or(usual);
    let side = |value: &Value, usual: u32| u32::try_from(number(value, u64::from(usual))).unwrap_or(usual);
    let count = |value: &Value| usize::try_from(number(value, 1)).unwrap_or(1).clamp(1, 10);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match ask.media {
        Media::Invoke if ask.model.contains("amazon") => {
            let params = [&body["textToImageParams"], &body["imageVariationParams"]];
            ask.prompt = params.iter().map(|params| text(&params["text"])).collect();
            let config = &body["imageGenerationConfig"];
            ask.count = count(&config["numberOfImages"]);
            ask.size = (side(&config["width"], 1024), side(&config["height"], 1024));
        }
        Media::Predict => {
            ask.prompt = text(&body["instances"][0]["prompt"]);
            ask.count = count(&body["parameters"]["sampleCount"]);
        }
        Media::GeminiImage => ask.prompt = text(&body["contents"][0]["parts"][0]["text"]),
        Media::ReplicateSubmit => {
            ask.prompt = text(&body["input"]["prompt"]);
            ask.count = count(&body["input"]["num_outputs"]);
            if let Some(version) = body["version"].as_str() {
                ask.model = version.to_owned();
            }
        }
        Media::Webui => {
            ask.prompt = text(&body["prompt"]);
            ask.count = count(&body["batch_size"]);
            ask.size = (side(&body["width"], 512), side(&body["height"], 512));
            ask.model = body["override_settings"]["sd_model_checkpoint"].as_str().unwrap_or("default").to_owned();
        }
        Media::Edits => {
            ask.prompt = text(&body["prompt"]);
            ask.model = text(&body["model"]);
            ask.count = count(&body["n"]);
            size(ask, body["size"].as_str());
            if body["images"].as_array().is_none_or(Vec::is_empty) {
                return Err(invalid("images: is required"));
            }
        }
        _ => {
            ask.prompt = text(&body["prompt"]);
            if body.get("width").is_some() {
                ask.size = (side(&body["width"], 1024), side(&body["height"], 1024));
            }
        }
    }
    Ok(())
}

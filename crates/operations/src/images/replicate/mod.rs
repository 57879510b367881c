//! Replicate: a prediction is submitted, looked at until it has ended, and called off where nobody waits any more.
//! <https://replicate.com/docs/reference/http>

use std::time::Duration;

use http::HeaderMap;
use ringmain_core::{Dialect, Fault};
use ringmain_dialects::{Unsupported, registry};
use serde_json::{Map, Value, json};

use super::{Carried, Codec, Image, Input, Made, Plan, Request, Site, each, unsupported};
use crate::fault;
use crate::images::picture;
use crate::talk::{Call, Reply, Talk, To, Turn};

/// The shape.
pub(super) struct Replicate;

/// Between two looks at a prediction.
const PAUSE: Duration = Duration::from_millis(500);
/// What the models take that are told a shape rather than a size.
const RATIOS: [&str; 9] = ["1:1", "16:9", "21:9", "3:2", "2:3", "4:5", "5:4", "9:16", "9:21"];

impl Codec for Replicate {
    fn plan(&self, request: &Request, site: &Site<'_>) -> Result<Plan, Unsupported> {
        let mut carried = Carried::of(request);
        let mut input = Map::from_iter([("prompt".to_owned(), Value::from(request.prompt.as_str()))]);
        // Each model has inputs of its own, and an official one refuses what it does not know.
        let name = site.model.split(':').next().unwrap_or(site.model);
        let sized = ["sdxl", "stable-diffusion-xl", "stability-ai/stable-diffusion", "playground"];
        let sized = sized.iter().any(|part| name == *part || name.contains("sdxl") || name.ends_with(part));
        if let Some((field, wanted)) = request.shape() {
            if sized {
                let size = wanted.fitted(64, 256, 1536, (field == "aspect_ratio").then_some(1 << 20));
                if size == wanted {
                    carried.whole(field);
                } else {
                    carried.nearly(field);
                }
                input.insert("width".to_owned(), size.width.into());
                input.insert("height".to_owned(), size.height.into());
            } else if let Some(ratio) = carried.ratio(request, &RATIOS) {
                input.insert("aspect_ratio".to_owned(), ratio.into());
            }
        }
        if let Some(negative) = request.negative_prompt.as_ref().filter(|_| sized || name.contains("stable-diffusion"))
        {
            carried.whole("negative_prompt");
            input.insert("negative_prompt".to_owned(), negative.as_str().into());
        }
        if let Some(format) = request.format.filter(|_| !sized) {
            carried.whole("output_format");
            let word = if format == picture::Format::Jpeg { "jpg" } else { format.as_str() };
            input.insert("output_format".to_owned(), word.into());
        }
        match request.inputs.as_slice() {
            _ if request.mask.is_some() => return Err(unsupported("mask", "each model here has a way of its own")),
            [] => {}
            [first] => {
                carried.whole("image");
                let field = if name.contains("kontext") { "input_image" } else { "image" };
                input.insert(field.to_owned(), url(first).into());
            }
            _ => return Err(unsupported("image", "a prediction begins with one image at most")),
        }
        carried.whole("seed");
        let talk = |one: Request| {
            let mut input = input.clone();
            if let Some(seed) = one.seed {
                input.insert("seed".to_owned(), (seed % (1 << 31)).into());
            }
            let submit = Some(submit(site, &input));
            Box::new(Prediction { submit, root: site.path.to_owned(), id: None }) as Box<dyn Talk<Made>>
        };
        Ok(Plan::of(each(request).map(talk).collect(), carried.losses()))
    }

    fn decode_fault(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Fault {
        match registry::codec(Dialect::OpenAiChat) {
            Some(codec) => codec.decode_fault(status, headers, body),
            None => fault::failed(format!("HTTP status {status}")),
        }
    }
}

/// An official model has an address; a version of another is named in the body.
fn submit(site: &Site<'_>, input: &Map<String, Value>) -> Call {
    match site.model.split_once(':') {
        Some((_, version)) => {
            Call::post(format!("{}/predictions", site.path), &json!({"version": version, "input": input}))
        }
        None => {
            let safe = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
            let name: String = site.model.chars().filter(|c| safe(*c)).collect::<String>().replace("..", "");
            Call::post(format!("{}/models/{name}/predictions", site.path), &json!({ "input": input }))
        }
    }
}

fn url(input: &Input) -> String {
    match input {
        Input::Url(url) => url.clone(),
        Input::Bytes { data, format } => format!("data:{};base64,{}", format.media_type(), picture::encode(data)),
    }
}

struct Prediction {
    submit: Option<Call>,
    root: String,
    id: Option<String>,
}

impl Talk<Made> for Prediction {
    fn next(&mut self, reply: Option<&Reply>) -> Result<Turn<Made>, Fault> {
        if let Some(submit) = self.submit.take() {
            return Ok(Turn::now(submit));
        }
        let document = fault::json(&reply.map(|reply| reply.body.clone()).unwrap_or_default())?;
        let id = document["id"].as_str().filter(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric()));
        let id = id.ok_or_else(|| fault::unreadable("a prediction without an id"))?;
        self.id = Some(id.to_owned());
        let said = document["error"].as_str().unwrap_or_default();
        match document["status"].as_str() {
            Some("succeeded") => {
                self.id = None;
                let output = match &document["output"] {
                    Value::String(url) => vec![url.as_str()],
                    Value::Array(urls) => urls.iter().filter_map(Value::as_str).collect(),
                    _ => Vec::new(),
                };
                let images = output.into_iter().map(Image::of_url).collect::<Result<_, _>>()?;
                Ok(Turn::Done(Made::of(images)?))
            }
            Some("starting" | "processing" | "queued") => {
                let call = Call::get(To::Path(format!("{}/predictions/{id}", self.root)));
                Ok(Turn::later(call, PAUSE))
            }
            status => {
                self.id = None;
                if fault::tells_of_filter(said) {
                    return Err(fault::refused(said));
                }
                let said = if said.is_empty() { status.unwrap_or("no status") } else { said };
                Err(fault::failed(format!("the prediction ended: {said}")))
            }
        }
    }

    fn abandon(&self) -> Option<Call> {
        let id = self.id.as_ref()?;
        Some(Call::post(format!("{}/predictions/{id}/cancel", self.root), &json!({})))
    }
}

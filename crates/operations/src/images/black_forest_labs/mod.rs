//! Black Forest Labs: submit, poll, fetch. <https://docs.bfl.ai>

use std::time::Duration;

use http::HeaderMap;
use ringmain_core::{Dialect, Fault};
use ringmain_dialects::{Unsupported, registry};
use serde_json::{Map, Value};

use super::mask::{self, Changes};
use super::{Carried, Codec, Image, Made, Plan, Request, Site, bytes_of, each, unsupported};
use crate::fault;
use crate::images::picture::{self, Format};
use crate::talk::{Call, Reply, Talk, To, Turn};

/// The shape.
pub(super) struct BlackForestLabs;

/// Between two looks at a job.
const PAUSE: Duration = Duration::from_millis(500);

impl Codec for BlackForestLabs {
    fn plan(&self, request: &Request, site: &Site<'_>) -> Result<Plan, Unsupported> {
        let mut carried = Carried::of(request);
        let mut body = Map::from_iter([("prompt".to_owned(), Value::from(request.prompt.as_str()))]);
        let fills = site.family.contains("fill");
        match (&request.mask, request.inputs.len()) {
            (Some(mask), 1) if fills => {
                carried.whole("mask");
                body.insert("mask".to_owned(), picture::encode(&mask::painted(mask, Changes::White)?).into());
            }
            (Some(_), _) if fills => return Err(unsupported("image", "with a mask this model changes one image")),
            (Some(_), _) => {
                return Err(unsupported("mask", "this model edits by words alone; `flux-pro-1.0-fill` does not"));
            }
            (None, _) if fills => return Err(unsupported("mask", "is what this model begins with")),
            (None, _) => {}
        }
        for (at, input) in request.inputs.iter().enumerate() {
            let name = if fills {
                "image".to_owned()
            } else if at == 0 {
                "input_image".to_owned()
            } else {
                format!("input_image_{}", at + 1)
            };
            body.insert(name, picture::encode(&bytes_of(input, "image")?.0).into());
        }
        carried.whole("image");
        // What is painted into an image has its size.
        if let Some((field, wanted)) = request.shape().filter(|_| !fills) {
            // Some models are told a shape, the others a size.
            if site.family.contains("ultra") || site.family.contains("kontext") {
                let divisor = gcd(wanted.width, wanted.height).max(1);
                let ratio = format!("{}:{}", wanted.width / divisor, wanted.height / divisor);
                if field == "size" {
                    carried.nearly(field);
                } else {
                    carried.whole(field);
                }
                body.insert("aspect_ratio".to_owned(), ratio.into());
            } else {
                let area = (field == "aspect_ratio").then_some(1 << 20);
                let size = wanted.fitted(32, 256, 1440, area);
                if size == wanted || area.is_some() {
                    carried.whole(field);
                } else {
                    carried.nearly(field);
                }
                body.insert("width".to_owned(), size.width.into());
                body.insert("height".to_owned(), size.height.into());
            }
        }
        let format = request.format.filter(|format| matches!(format, Format::Png | Format::Jpeg));
        if format.is_some() {
            carried.whole("output_format");
        }
        body.insert("output_format".to_owned(), format.unwrap_or(Format::Png).as_str().into());
        carried.whole("seed");
        let root = site.path.rsplit_once('/').map_or("", |(root, _)| root).to_owned();
        let talk = |one: Request| {
            let mut body = body.clone();
            if let Some(seed) = one.seed {
                body.insert("seed".to_owned(), (seed % (1 << 31)).into());
            }
            let submit = Some(Call::post(site.path, &Value::Object(body)));
            Box::new(Job { submit, root: root.clone(), at: None }) as Box<dyn Talk<Made>>
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

const fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// One job. There is no way to call it off.
struct Job {
    submit: Option<Call>,
    /// Where `get_result` is.
    root: String,
    /// Where it is looked at, once it is taken.
    at: Option<To>,
}

impl Talk<Made> for Job {
    fn next(&mut self, reply: Option<&Reply>) -> Result<Turn<Made>, Fault> {
        if let Some(submit) = self.submit.take() {
            return Ok(Turn::now(submit));
        }
        let document = fault::json(&reply.map(|reply| reply.body.clone()).unwrap_or_default())?;
        let Some(at) = &self.at else {
            // The global address spreads jobs over regions, each of which knows its own alone.
            let to = match (document["polling_url"].as_str(), document["id"].as_str()) {
                (Some(url), _) if !url.is_empty() => To::Own(url.to_owned()),
                (_, Some(id)) if is_id(id) => To::Path(format!("{}/get_result?id={id}", self.root)),
                _ => return Err(fault::unreadable("a job without an id")),
            };
            self.at = Some(to.clone());
            return Ok(Turn::later(Call::get(to), PAUSE));
        };
        let status = document["status"].as_str().unwrap_or_default();
        match status {
            "Ready" => {
                let url = document["result"]["sample"].as_str().ok_or_else(fault::empty)?;
                Ok(Turn::Done(Made::of(vec![Image::of_url(url)?])?))
            }
            "Pending" | "Queued" | "Processing" => Ok(Turn::later(Call::get(at.clone()), PAUSE)),
            _ if fault::tells_of_filter(status) => Err(fault::refused(status)),
            _ => Err(fault::failed(format!("the job ended: {}", if status.is_empty() { "no status" } else { status }))),
        }
    }
}

/// An id that may stand in a path.
fn is_id(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

//! The answer to an [`Ask`], as a behaviour leaves it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::{Ask, Media, Said};
use crate::fault::Fault;
use crate::reply::png;
use crate::text::hash64;

/// What becomes of a job: the first digit of its id.
const WELL: char = '0';
const FAILS: char = '1';
const STUCK: char = '2';
const FILTERED: char = '3';
const SPOILT: char = '4';

/// Where and when an answer is given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Here<'a> {
    pub(crate) host: &'a str,
    pub(crate) label: &'a str,
    /// Since the simulator began.
    pub(crate) now: Duration,
    /// How long a job takes.
    pub(crate) delay: Duration,
    pub(crate) fault: Option<&'a Fault>,
}

impl Ask {
    /// Is the time an answer takes that of a job, and not of its request?
    pub(crate) const fn is_job(&self) -> bool {
        !matches!(
            self.media,
            Media::Stability | Media::Invoke | Media::Predict | Media::GeminiImage | Media::Webui | Media::Edits
        )
    }

    /// The answer to it.
    pub(crate) fn answer(&self, here: &Here<'_>) -> Said {
        let (refused, empty) = (here.fault == Some(&Fault::Refusal), here.fault == Some(&Fault::Empty));
        let images = if refused || empty { Vec::new() } else { self.images(here) };
        let said = match self.media {
            Media::Stability if self.raw && !refused => {
                return (images.into_iter().next().unwrap_or_default().into(), "image/png");
            }
            Media::Stability if refused => json!({"finish_reason": "CONTENT_FILTERED", "seed": 7}),
            Media::Stability => json!({"image": base64(&images).first(), "finish_reason": "SUCCESS", "seed": 7}),
            Media::Invoke if self.model.contains("stability") => {
                let reason = if refused { json!("Filter reason: prompt") } else { Value::Null };
                json!({"seeds": [7], "finish_reasons": [reason], "images": base64(&images)})
            }
            Media::Invoke if refused => {
                json!({"images": [], "error": "Some images were blocked by the content filters"})
            }
            Media::Invoke => json!({"images": base64(&images), "error": null}),
            Media::Predict if refused => {
                json!({"predictions": [{"raiFilteredReason": "Unsafe content was detected."}]})
            }
            Media::Predict => {
                let one = |data: String| json!({"mimeType": "image/png", "bytesBase64Encoded": data});
                json!({"predictions": base64(&images).into_iter().map(one).collect::<Vec<_>>()})
            }
            Media::GeminiImage => gemini(&base64(&images), refused),
            Media::Webui => json!({"images": base64(&images), "parameters": {}, "info": "{}"}),
            Media::Edits => {
                let data: Vec<Value> = base64(&images).into_iter().map(|data| json!({"b64_json": data})).collect();
                json!({"created": 1_767_323_045, "data": data, "output_format": "png"})
            }
            Media::BflSubmit => {
                let id = self.job(here);
                let url = format!("http://{}/p/{}/v1/get_result?id={id}", here.host, here.label);
                json!({"id": id, "polling_url": url})
            }
            Media::ReplicateSubmit => prediction(&self.job(here), "starting", &Value::Null),
            Media::BflLook => look_bfl(self.job.as_deref().unwrap_or_default(), here),
            Media::ReplicateLook => look_replicate(self.job.as_deref().unwrap_or_default(), here),
            Media::ReplicateCancel => prediction(self.job.as_deref().unwrap_or_default(), "canceled", &Value::Null),
        };
        (said.to_string().into(), "application/json")
    }

    fn images(&self, here: &Here<'_>) -> Vec<Vec<u8>> {
        let seed = hash64(self.prompt.as_bytes());
        let image = |at: usize| {
            let mut image = png(seed.wrapping_add(at as u64), self.size);
            if here.fault == Some(&Fault::SpoiltImage) {
                image.truncate(image.len() / 2);
            }
            image
        };
        (0..self.count).map(image).collect()
    }

    /// The id of a new job: its end, when that is, and its images.
    fn job(&self, here: &Here<'_>) -> String {
        let end = match here.fault {
            Some(Fault::JobFails) => FAILS,
            Some(Fault::JobStuck) => STUCK,
            Some(Fault::Refusal) => FILTERED,
            Some(Fault::SpoiltImage) => SPOILT,
            _ => WELL,
        };
        let at = (here.now + here.delay).as_millis();
        let (width, height) = self.size;
        format!("{end}{at:011x}{:016x}{width:04x}{height:04x}", hash64(self.prompt.as_bytes()))
    }
}

/// What an id says: how the job ends, whether it has, and where its image is.
fn job<'a>(id: &'a str, here: &Here<'_>) -> (char, bool, String) {
    let part = |range: std::ops::Range<usize>| -> &'a str { id.get(range).unwrap_or("0") };
    let number = |text: &str| u64::from_str_radix(text, 16).unwrap_or(0);
    let end = id.chars().next().unwrap_or(FAILS);
    let over = end != STUCK && here.now.as_millis() >= u128::from(number(part(1..12)));
    let (width, height) = (number(part(28..32)), number(part(32..36)));
    let cut = if end == SPOILT { "-cut" } else { "" };
    let url = format!("http://{}/_sim/image/{}-{width}x{height}{cut}.png", here.host, part(12..28));
    (end, over, url)
}

fn look_bfl(id: &str, here: &Here<'_>) -> Value {
    let (end, over, url) = job(id, here);
    match end {
        _ if !over => json!({"id": id, "status": "Pending", "result": null}),
        FAILS => json!({"id": id, "status": "Error", "result": null}),
        FILTERED => json!({"id": id, "status": "Content Moderated", "result": null}),
        _ => json!({"id": id, "status": "Ready", "result": {"sample": url, "seed": 7}}),
    }
}

fn look_replicate(id: &str, here: &Here<'_>) -> Value {
    let (end, over, url) = job(id, here);
    match end {
        _ if !over => prediction(id, "processing", &Value::Null),
        FAILS => prediction_failed(id, "CUDA error: device-side assert triggered"),
        FILTERED => prediction_failed(id, "NSFW content detected. Try running it again, or try a different prompt."),
        _ => prediction(id, "succeeded", &json!([url])),
    }
}

fn prediction(id: &str, status: &str, output: &Value) -> Value {
    json!({"id": id, "status": status, "output": output, "error": null, "logs": "", "urls": {}})
}

fn prediction_failed(id: &str, error: &str) -> Value {
    json!({"id": id, "status": "failed", "output": null, "error": error, "logs": "", "urls": {}})
}

fn base64(images: &[Vec<u8>]) -> Vec<String> {
    images.iter().map(|image| BASE64.encode(image)).collect()
}

fn gemini(images: &[String], refused: bool) -> Value {
    let parts: Vec<Value> =
        images.iter().map(|data| json!({"inlineData": {"mimeType": "image/png", "data": data}})).collect();
    let reason = if refused { "IMAGE_SAFETY" } else { "STOP" };
    json!({
        "candidates": [{"index": 0, "content": {"role": "model", "parts": parts}, "finishReason": reason}],
        "usageMetadata": {"promptTokenCount": 8, "candidatesTokenCount": 1290, "totalTokenCount": 1298},
    })
}

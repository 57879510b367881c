//! OpenAI's images as a stream: previews while an image is made, and each image when it is done.
//! <https://platform.openai.com/docs/api-reference/images-streaming>

use http::HeaderMap;
use ringmain_core::{Fault, Usage};
use ringmain_wire::json::{Object, as_str};
use serde_json::Value;

use super::{Codec as _, OpenAi, usage};
use crate::fault;
use crate::images::{Image, Made, Request};

/// Looks at each event of a stream of images.
#[derive(Debug)]
pub struct Watch {
    /// What is billed by the request where the answer does not say it.
    like: Request,
    wanted: u32,
    done: u32,
    usage: Option<Usage>,
}

/// What an event of it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Glance {
    /// An image, or a preview of one; its bytes were looked at.
    Image,
    /// Nothing a caller waits for.
    Other,
    /// It cannot be read, or is a spoilt preview: to be skipped and counted.
    Malformed,
    /// An error, or a spoilt image: the stream is of no use any more.
    Failed(Box<Fault>),
}

impl Watch {
    /// For the answer to this request.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        let like = Request { size: request.size, quality: request.quality.clone(), ..Request::default() };
        Self { like, wanted: request.n.max(1), done: 0, usage: None }
    }

    /// The next event's data.
    pub fn event(&mut self, data: &[u8]) -> Glance {
        let Ok(object) = Object::parse(data) else {
            return if data == b"[DONE]" { Glance::Other } else { Glance::Malformed };
        };
        let text = |field: &str| object.get(field).and_then(as_str);
        let kind = text("type").unwrap_or_default();
        let is_error = object.get("error").is_some_and(|error| error.get() != "null");
        if is_error || kind == "error" {
            return Glance::Failed(Box::new(error(data, is_error)));
        }
        let is_done = kind.ends_with(".completed");
        if !is_done && !kind.ends_with(".partial_image") {
            return Glance::Other;
        }
        match (text("b64_json").ok_or_else(fault::empty).and_then(|base64| Image::of_base64(&base64)), is_done) {
            (Err(_), false) => return Glance::Malformed,
            (Err(spoilt), true) => return Glance::Failed(Box::new(spoilt)),
            (Ok(_), false) => {}
            (Ok(image), true) => {
                let counts = object.get("usage").and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
                let made = Made {
                    images: vec![image],
                    usage: counts.as_ref().and_then(usage),
                    quality: text("quality").map(Into::into),
                    whole: None,
                };
                let billed = made.billed(&self.like);
                self.usage = Some(self.usage.map_or(billed, |before| before + billed));
                self.done += 1;
            }
        }
        Glance::Image
    }

    /// Has every image come that was asked for?
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.done >= self.wanted
    }

    /// What is billed of it so far.
    #[must_use]
    pub const fn usage(&self) -> Option<Usage> {
        self.usage
    }
}

/// Some tell an error in a member, some at the top.
fn error(data: &[u8], is_member: bool) -> Fault {
    let decode = |body: &[u8]| fault::inside(OpenAi.decode_fault(200, &HeaderMap::new(), body));
    if is_member {
        return decode(data);
    }
    decode(&[&b"{\"error\":"[..], data, b"}"].concat())
}

#[cfg(test)]
mod tests {
    use ringmain_core::{FaultClass, Quality};
    use serde_json::json;

    use super::*;

    /// 1 by 1.
    const DOT: &str =
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

    fn watch(body: &Value) -> Watch {
        Watch::of(&Request::read(body.to_string().as_bytes()).unwrap())
    }

    fn done(image: &str) -> Value {
        json!({
            "type": "image_generation.completed", "b64_json": image, "quality": "high",
            "usage": {"input_tokens": 5, "output_tokens": 100, "total_tokens": 105},
        })
    }

    #[test]
    fn a_stream_is_whole_with_its_last_image() {
        let mut watch = watch(&json!({"prompt": "a cat", "n": 2, "stream": true}));
        let partial = json!({"type": "image_generation.partial_image", "b64_json": DOT, "partial_image_index": 0});
        assert_eq!(watch.event(partial.to_string().as_bytes()), Glance::Image);
        assert_eq!((watch.is_whole(), watch.usage()), (false, None));
        assert_eq!(watch.event(done(DOT).to_string().as_bytes()), Glance::Image);
        assert!(!watch.is_whole());
        assert_eq!(watch.event(br#"{"type":"keepalive"}"#), Glance::Other);
        assert_eq!(watch.event(done(DOT).to_string().as_bytes()), Glance::Image);
        assert_eq!(watch.event(b"[DONE]"), Glance::Other);
        assert!(watch.is_whole());
        let usage = watch.usage().unwrap();
        assert_eq!((usage.input, usage.output, usage.units.images), (10, 200, 2));
        assert_eq!((usage.units.width, usage.units.quality), (1, Quality::High));
    }

    #[test]
    fn what_is_spoilt_is_no_image() {
        let asked = json!({"prompt": "a cat", "stream": true});
        let spoilt = json!({"type": "image_edit.partial_image", "b64_json": &DOT[..40]});
        assert_eq!(watch(&asked).event(spoilt.to_string().as_bytes()), Glance::Malformed);
        assert_eq!(watch(&asked).event(br#"{"type":"image_gen"#), Glance::Malformed);
        let class = |data: String| match watch(&asked).event(data.as_bytes()) {
            Glance::Failed(fault) => fault.class,
            other => panic!("{other:?}"),
        };
        assert_eq!(class(done(&DOT[..40]).to_string()), FaultClass::Protocol);
        assert_eq!(class(json!({"type": "image_generation.completed"}).to_string()), FaultClass::Empty);
        let refused = json!({"code": "moderation_blocked", "message": "Your request was rejected."});
        assert_eq!(class(json!({"type": "error", "error": refused}).to_string()), FaultClass::Refusal);
        let bare = json!({"type": "error", "code": "moderation_blocked", "message": "no"});
        assert_eq!(class(bare.to_string()), FaultClass::Refusal);
    }
}

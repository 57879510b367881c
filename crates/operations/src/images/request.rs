//! What a caller asks for, in OpenAI's words and a few that others have.

use bytes::Bytes;
use ringmain_dialects::Malformed;
use ringmain_dialects::shared::fields::Fields;
use ringmain_wire::multipart::{Form, Part};
use serde_json::{Map, Number, Value};

use super::picture::{self, Format};
use super::size::Size;

/// The most images of one request.
const N_MAX: u64 = 10;
/// The most images a request may bring along.
const INPUTS_MAX: usize = 16;

/// A request for images.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Request {
    /// What is to be seen.
    pub prompt: String,
    /// What is not.
    pub negative_prompt: Option<String>,
    /// In pixels; `auto` is `None`.
    pub size: Option<Size>,
    /// In proportion, where no size is asked for.
    pub aspect_ratio: Option<Size>,
    /// How many.
    pub n: u32,
    /// `standard`, `hd`, `low`, `medium`, `high`; `auto` is `None`.
    pub quality: Option<String>,
    /// `vivid`, `natural`, or a preset of the provider's.
    pub style: Option<String>,
    /// Repeats an image.
    pub seed: Option<u64>,
    /// How it is written.
    pub format: Option<Format>,
    /// 0 to 100, for JPEG and WebP.
    pub compression: Option<u64>,
    /// `transparent`, `opaque`; `auto` is `None`.
    pub background: Option<String>,
    /// `low`; `auto` is `None`.
    pub moderation: Option<String>,
    /// How it is handed over.
    pub delivery: Delivery,
    /// Images to begin from.
    pub inputs: Vec<Input>,
    /// Where the first of them is to change.
    pub mask: Option<Input>,
    /// How far to go from the first of them, 0 to 1.
    pub strength: Option<Number>,
    /// Whom the caller acts for.
    pub user: Option<String>,
    /// The answer is to come as events.
    pub stream: bool,
    /// Previews wanted of a stream.
    pub partial_images: Option<u64>,
    /// Members nobody here knows.
    pub extra: Vec<String>,
}

/// How images are handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Delivery {
    /// In base64.
    Base64,
    /// As a URL.
    Url,
    /// As the provider likes.
    #[default]
    Either,
}

/// An image a caller brings along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Its bytes.
    Bytes {
        /// What it holds.
        data: Bytes,
        /// How it is written.
        format: Format,
    },
    /// Where it is. The gateway does not go there: only a provider that takes URLs may.
    Url(String),
}

impl Request {
    /// Reads a JSON body.
    ///
    /// # Errors
    /// A member has the wrong type, or there is no prompt.
    pub fn read(body: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Fields::parse(body)?;
        let mut inputs = Vec::new();
        for (at, item) in fields.array("images")?.unwrap_or_default().into_iter().enumerate() {
            inputs.push(input(&item, &format!("images[{at}]"))?);
        }
        match fields.value("image") {
            None => {}
            Some(Value::Array(items)) => {
                for (at, item) in items.into_iter().enumerate() {
                    inputs.push(input(&item, &format!("image[{at}]"))?);
                }
            }
            Some(item) => inputs.push(input(&item, "image")?),
        }
        let mask = fields.value("mask").map(|item| input(&item, "mask")).transpose()?;
        Self::of(fields, inputs, mask)
    }

    /// Reads a form.
    ///
    /// # Errors
    /// As [`Self::read`]; also a file that is no image.
    pub fn read_form(form: &Form) -> Result<Self, Malformed> {
        let mut inputs = Vec::new();
        let mut mask = None;
        for part in &form.parts {
            match part.name.as_str() {
                "image" | "image[]" => inputs.push(file(part)?),
                "mask" => mask = Some(file(part)?),
                _ => {}
            }
        }
        Self::of(Fields::of("", Value::Object(texts(form)))?, inputs, mask)
    }

    fn of(mut fields: Fields, inputs: Vec<Input>, mask: Option<Input>) -> Result<Self, Malformed> {
        if inputs.len() > INPUTS_MAX {
            return Err(Malformed::new("image", format!("expected at most {INPUTS_MAX} images")));
        }
        let prompt = fields.required_string("prompt")?;
        let named = |value: Option<String>| value.filter(|word| word != "auto" && !word.is_empty());
        let n = fields.count("n")?.unwrap_or(1);
        let n = u32::try_from(n).ok().filter(|_| (1..=N_MAX).contains(&n));
        let n = n.ok_or_else(|| Malformed::new("n", format!("expected 1 to {N_MAX}")))?;
        let size = |field: &str, text: Option<String>, like: &str| {
            let parsed = named(text).map(|text| text.parse::<Size>()).transpose();
            parsed.map_err(|_| Malformed::new(field, format!("expected {like}, or `auto`")))
        };
        let format = named(fields.string("output_format")?);
        let format = format.map(|word| {
            Format::of_word(&word).ok_or_else(|| Malformed::new("output_format", "expected `png`, `jpeg` or `webp`"))
        });
        let delivery = match fields.string("response_format")?.as_deref() {
            None => Delivery::Either,
            Some("b64_json") => Delivery::Base64,
            Some("url") => Delivery::Url,
            Some(_) => return Err(Malformed::new("response_format", "expected `url` or `b64_json`")),
        };
        Ok(Self {
            prompt,
            negative_prompt: fields.string("negative_prompt")?.filter(|text| !text.is_empty()),
            size: size("size", fields.string("size")?, "`1024x1024`")?,
            aspect_ratio: size("aspect_ratio", fields.string("aspect_ratio")?, "`16:9`")?,
            n,
            quality: named(fields.string("quality")?),
            style: named(fields.string("style")?),
            seed: fields.count("seed")?,
            format: format.transpose()?,
            compression: fields.count("output_compression")?,
            background: named(fields.string("background")?),
            moderation: named(fields.string("moderation")?),
            delivery,
            inputs,
            mask,
            strength: fields.number("strength")?,
            user: fields.string("user")?,
            // In a form it is a word.
            stream: fields.value("stream").is_some_and(|value| value == true || value == "true"),
            partial_images: fields.count("partial_images")?,
            extra: {
                // Which model is asked is read elsewhere.
                let _ = fields.value("model");
                fields.rest().into_iter().map(|extra| extra.field).collect()
            },
        })
    }

    /// What a caller said beyond the prompt and the number, by the names of a loss.
    #[must_use]
    pub fn given(&self) -> Vec<String> {
        let known = [
            ("negative_prompt", self.negative_prompt.is_some()),
            ("size", self.size.is_some()),
            ("aspect_ratio", self.aspect_ratio.is_some()),
            ("quality", self.quality.is_some()),
            ("style", self.style.is_some()),
            ("seed", self.seed.is_some()),
            ("output_format", self.format.is_some()),
            ("output_compression", self.compression.is_some()),
            ("background", self.background.is_some()),
            ("moderation", self.moderation.is_some()),
            ("image", !self.inputs.is_empty()),
            ("mask", self.mask.is_some()),
            ("strength", self.strength.is_some()),
            ("user", self.user.is_some()),
            // They mean nothing where there is no stream.
            ("partial_images", self.stream && self.partial_images.is_some_and(|count| count > 0)),
        ];
        let known = known.into_iter().filter(|(_, given)| *given).map(|(name, _)| name.to_owned());
        known.chain(self.extra.iter().cloned()).collect()
    }

    /// The shape that is asked for: of the size, else the ratio.
    #[must_use]
    pub fn shape(&self) -> Option<(&'static str, Size)> {
        self.size.map(|size| ("size", size)).or_else(|| self.aspect_ratio.map(|ratio| ("aspect_ratio", ratio)))
    }
}

/// The fields of a form as JSON: numbers where the API has numbers.
fn texts(form: &Form) -> Map<String, Value> {
    const COUNTS: [&str; 4] = ["n", "seed", "output_compression", "partial_images"];
    let text = |part: &Part| {
        let text = part.as_text()?;
        let number = || text.trim().parse::<Number>().ok().map(Value::Number);
        let value = if COUNTS.contains(&part.name.as_str()) || part.name == "strength" { number() } else { None };
        Some((part.name.clone(), value.unwrap_or_else(|| text.into())))
    };
    form.parts.iter().filter_map(text).collect()
}

fn file(part: &Part) -> Result<Input, Malformed> {
    // Some clients send a URL, or base64, as text.
    if let Some(text) = part.as_text().filter(|text| text.starts_with("data:") || text.starts_with("http")) {
        return input(&text.into(), &part.name);
    }
    let looks = picture::look(&part.data).map_err(|_| Malformed::new(part.name.as_str(), "is not a whole image"))?;
    Ok(Input::Bytes { data: part.data.clone(), format: looks.format })
}

fn input(item: &Value, field: &str) -> Result<Input, Malformed> {
    let text = match item {
        Value::String(text) => Some(text.as_str()),
        Value::Object(object) => {
            let url = object.get("image_url").or_else(|| object.get("url"));
            url.and_then(|url| url.as_str().or_else(|| url.get("url")?.as_str()))
        }
        _ => None,
    };
    let text = text.ok_or_else(|| Malformed::new(field, "expected an image's URL"))?;
    if text.starts_with("https://") || text.starts_with("http://") {
        return Ok(Input::Url(text.to_owned()));
    }
    let bytes = picture::decode(text).ok();
    let looks = bytes.and_then(|data| picture::look(&data).ok().map(|looks| (data, looks.format)));
    let (data, format) = looks.ok_or_else(|| Malformed::new(field, "is neither a URL nor a whole image"))?;
    Ok(Input::Bytes { data, format })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read() {
        let body = br#"{"model":"dall-e-3","prompt":"a cat","size":"1792x1024","quality":"hd","style":"vivid","n":2,
            "response_format":"b64_json","seed":7,"negative_prompt":"dogs","user":"u","steps":30,"background":"auto"}"#;
        let request = Request::read(body).unwrap();
        assert_eq!((request.prompt.as_str(), request.n, request.seed), ("a cat", 2, Some(7)));
        assert_eq!(request.size, Some(Size::new(1792, 1024)));
        assert_eq!(request.delivery, Delivery::Base64);
        assert_eq!(request.given(), ["negative_prompt", "size", "quality", "style", "seed", "user", "steps"]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let table = [
            (r#"{}"#, "prompt: is required"),
            (r#"{"prompt":"x","n":0}"#, "n: expected 1 to 10"),
            (r#"{"prompt":"x","n":11}"#, "n: expected 1 to 10"),
            (r#"{"prompt":"x","size":"big"}"#, "size: expected `1024x1024`, or `auto`"),
            (r#"{"prompt":"x","response_format":"png"}"#, "response_format: expected `url` or `b64_json`"),
            (r#"{"prompt":"x","output_format":"bmp"}"#, "output_format: expected `png`, `jpeg` or `webp`"),
            (r#"{"prompt":"x","image":"AAAA"}"#, "image: is neither a URL nor a whole image"),
            (r#"{"prompt":"x","images":[{}]}"#, "images[0]: expected an image's URL"),
        ];
        for (body, problem) in table {
            assert_eq!(Request::read(body.as_bytes()).unwrap_err().to_string(), problem);
        }
    }

    #[test]
    fn a_form_is_read() {
        let form = Form {
            parts: vec![
                Part::text("prompt", "a hat"),
                Part::text("n", "2"),
                Part::file("image[]", "a.gif", "image/gif", Bytes::from_static(b"GIF89a\x10\0\x20\0\0\0\0\x3B")),
                Part::text("image[]", "https://example.com/b.png"),
            ],
        };
        let request = Request::read_form(&form).unwrap();
        assert_eq!((request.n, request.inputs.len()), (2, 2));
        assert_eq!(request.inputs[1], Input::Url("https://example.com/b.png".to_owned()));
        let form = Form { parts: vec![Part::text("prompt", "x"), Part::file("image", "a", "image/png", Bytes::new())] };
        assert_eq!(Request::read_form(&form).unwrap_err().to_string(), "image: is not a whole image");
    }
}

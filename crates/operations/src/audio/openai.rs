//! OpenAI's audio, and those who follow it. <https://platform.openai.com/docs/api-reference/audio>

use http::HeaderMap;
use ringmain_core::{Dialect, Fault, Usage};
use ringmain_dialects::Unsupported;
use ringmain_wire::multipart::{Form, Part};
use serde_json::{Value, json};

use super::answer::{Heard, Piece};
use super::request::TextFormat;
use super::{Carried, Codec, Format, Hearing, Site, Sound, Speaking, Speech, Transcription, unsupported};
use crate::fault;
use crate::talk::{Call, Reply};

/// The shape.
pub(super) struct OpenAi;

/// Models that write their text down as JSON alone, and translate nothing.
fn writes_json_alone(model: &str) -> bool {
    let model = model.rsplit('/').next().unwrap_or(model);
    model.starts_with("gpt-") && model.contains("transcribe")
}

/// May the caller's own form go to a model of this name? Not where it is known to refuse the format of the answer.
#[must_use]
pub fn hears_as_it_is(asked: &Transcription, model: &str) -> bool {
    !writes_json_alone(model)
        || !asked.translates && (asked.format == TextFormat::Json || asked.events || model.contains("diarize"))
}

/// May the caller's own bytes go to a model of this name? The first models know no events.
#[must_use]
pub fn speaks_as_it_is(asked: &Speech, model: &str) -> bool {
    !(asked.events && model.rsplit('/').next().unwrap_or(model).starts_with("tts-1"))
}

/// The path of an endpoint for transcriptions, for a request of this kind.
#[must_use]
pub fn path(path: &str, translates: bool) -> String {
    if translates { path.replace("/audio/transcriptions", "/audio/translations") } else { path.to_owned() }
}

/// Tokens of a transcription or of speech.
pub(super) fn tokens(counts: &Value) -> Option<Usage> {
    let count = |name: &str| counts[name].as_u64().unwrap_or_default();
    let audio_input = counts["input_token_details"]["audio_tokens"].as_u64().unwrap_or_default();
    let usage = Usage { input: count("input_tokens"), output: count("output_tokens"), audio_input, ..Usage::default() };
    (usage.total() > 0).then_some(usage)
}

/// What an answer in JSON says it used. `None`: nothing.
#[must_use]
pub fn billed(body: &[u8]) -> Option<Usage> {
    let document: Value = serde_json::from_slice(body).ok()?;
    let heard = heard(&document);
    (heard.seconds.is_some() || heard.tokens.is_some()).then(|| heard.billed())
}

/// Reads an answer in JSON.
///
/// # Errors
/// It is none, or says an error.
pub fn read(reply: &Reply) -> Result<Heard, Fault> {
    let document = fault::json(&reply.body)?;
    if document.get("error").is_some_and(|error| !error.is_null()) {
        return Err(fault::inside(decode_fault(200, &reply.headers, &reply.body)));
    }
    if document["text"].as_str().is_none() {
        return Err(fault::empty());
    }
    Ok(heard(&document))
}

fn heard(document: &Value) -> Heard {
    let pieces = |list: &Value, field: &str| -> Vec<Piece> {
        let piece = |item: &Value| Piece {
            text: item[field].as_str().unwrap_or_default().to_owned(),
            start: item["start"].as_f64().unwrap_or_default(),
            end: item["end"].as_f64().unwrap_or_default(),
            speaker: item["speaker"].as_str().map(str::to_owned),
        };
        list.as_array().into_iter().flatten().map(piece).collect()
    };
    let usage = &document["usage"];
    Heard {
        text: document["text"].as_str().unwrap_or_default().to_owned(),
        language: document["language"].as_str().map(str::to_owned),
        seconds: usage["seconds"].as_f64().or_else(|| document["duration"].as_f64()),
        words: pieces(&document["words"], "word"),
        segments: pieces(&document["segments"], "text"),
        tokens: tokens(usage),
    }
}

pub(super) fn decode_fault(status: u16, headers: &HeaderMap, body: &[u8]) -> Fault {
    fault::of_dialect(Dialect::OpenAiChat, status, headers, body)
}

impl Codec for OpenAi {
    fn speak(&self, asked: &Speech, site: &Site<'_>) -> Result<Speaking, Unsupported> {
        let mut carried = Carried::of(asked.given());
        let mut body = json!({"model": site.model, "input": asked.input});
        let format = asked.format.unwrap_or(Format::Mp3);
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                carried.whole(name);
                body[name] = value;
            }
        };
        set("voice", asked.voice.as_deref().map(Value::from));
        set("response_format", asked.format.map(|format| format.as_str().into()));
        set("speed", asked.speed.map(Value::from));
        set("instructions", asked.instructions.as_deref().map(Value::from));
        let call = Call { accept: "*/*", ..Call::post(site.path, &body) };
        Ok(Speaking { call, sound: Sound::Flows { format, samples: None }, losses: carried.losses() })
    }

    fn hear(&self, asked: &Transcription, site: &Site<'_>) -> Result<Hearing, Unsupported> {
        if asked.translates && writes_json_alone(site.family) {
            return Err(unsupported("model", "this model writes down what it hears, and translates nothing"));
        }
        if asked.format.is_timed() {
            return Err(unsupported("response_format", "this model says nothing of when things were said"));
        }
        let mut carried = Carried::of(asked.given());
        let filename = asked.filename.clone().unwrap_or_else(|| "audio".to_owned());
        let mut parts = vec![Part::text("model", site.model), Part::text("response_format", "json")];
        for (name, text) in [("language", &asked.language), ("prompt", &asked.prompt)] {
            if let Some(text) = text {
                carried.whole(name);
                parts.push(Part::text(name, text.as_str()));
            }
        }
        parts.push(Part::file("file", filename, &asked.kind(), asked.sound.clone()));
        let call = Call::form(path(site.path, asked.translates), Form { parts });
        Ok(Hearing { call, read: Box::new(read), losses: carried.losses() })
    }

    fn decode_fault(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Fault {
        decode_fault(status, headers, body)
    }
}

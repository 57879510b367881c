//! ElevenLabs. <https://elevenlabs.io/docs/api-reference>

use http::HeaderMap;
use ringmain_core::{Fault, FaultClass, Origin, Phase};
use ringmain_dialects::Unsupported;
use ringmain_wire::multipart::{Form, Part};
use serde_json::{Value, json};

use super::answer::{Heard, Piece};
use super::request::TextFormat;
use super::sound::RATE;
use super::{Carried, Codec, Format, Hearing, Site, Sound, Speaking, Speech, Transcription, escaped, unsupported};
use crate::fault;
use crate::talk::{Call, Reply};

/// The shape.
pub(super) struct ElevenLabs;

/// How fast it speaks at least, and at most.
const SPEEDS: (f64, f64) = (0.7, 1.2);
/// Voices of OpenAI's, and one of the vendor's own that is near.
const VOICES: [(&str, &str); 11] = [
    ("alloy", "SAz9YHcvj6GT2YYXdXww"),
    ("ash", "bIHbv24MWmeRgasZH58o"),
    ("ballad", "JBFqnCBsd6RMkjVDRZzb"),
    ("coral", "cgSgspJ2msm6clMCkdW9"),
    ("echo", "TX3LPaxmHKxFdv7VOQHJ"),
    ("fable", "onwK4e9ZLuTAKqWW03F9"),
    ("nova", "EXAVITQu4vr4xnSDxMaL"),
    ("onyx", "nPczCjzI2devNBz1zQrb"),
    ("sage", "XrExE9yKIg1WjnnlVkGX"),
    ("shimmer", "pFZP5JQG7iQjIQuC4Bku"),
    ("verse", "cjVigY5qzO86Huf0OWal"),
];

impl Codec for ElevenLabs {
    fn speak(&self, asked: &Speech, site: &Site<'_>) -> Result<Speaking, Unsupported> {
        let mut carried = Carried::of(asked.given());
        carried.whole("response_format");
        let format = asked.format.unwrap_or(Format::Mp3);
        let (output, samples) = match format {
            Format::Mp3 => ("mp3_44100_128", None),
            Format::Opus => ("opus_48000_128", None),
            Format::Pcm => ("pcm_24000", None),
            // The same samples, and the head is ours.
            Format::Wav => ("pcm_24000", Some(RATE)),
            Format::Aac | Format::Flac => {
                return Err(unsupported("response_format", "this provider makes mp3, opus, wav and pcm"));
            }
        };
        let named = asked.voice.as_deref().unwrap_or("alloy");
        let near = VOICES.iter().find(|(known, _)| *known == named).map(|(_, near)| *near);
        if near.is_some() {
            carried.nearly("voice");
        } else {
            carried.whole("voice");
        }
        let mut body = json!({"text": asked.input, "model_id": site.model});
        if let Some(speed) = asked.speed {
            let near = speed.clamp(SPEEDS.0, SPEEDS.1);
            if (near - speed).abs() < f64::EPSILON {
                carried.whole("speed");
            } else {
                carried.nearly("speed");
            }
            body["voice_settings"] = json!({"speed": near});
        }
        let path = format!("{}/{}/stream?output_format={output}", site.path, escaped(near.unwrap_or(named)));
        let call = Call { accept: "*/*", ..Call::post(path, &body) };
        Ok(Speaking { call, sound: Sound::Flows { format, samples }, losses: carried.losses() })
    }

    fn hear(&self, asked: &Transcription, site: &Site<'_>) -> Result<Hearing, Unsupported> {
        if asked.translates {
            return Err(unsupported("model", "this provider writes down what it hears, and translates nothing"));
        }
        let mut carried = Carried::of(asked.given());
        carried.whole("timestamp_granularities");
        let mut parts = vec![Part::text("model_id", site.model), Part::text("tag_audio_events", "false")];
        if let Some(language) = &asked.language {
            carried.whole("language");
            parts.push(Part::text("language_code", language.as_str()));
        }
        if asked.format == TextFormat::DiarizedJson {
            parts.push(Part::text("diarize", "true"));
        }
        let filename = asked.filename.clone().unwrap_or_else(|| "audio".to_owned());
        parts.push(Part::file("file", filename, &asked.kind(), asked.sound.clone()));
        let call = Call::form(site.path, Form { parts });
        Ok(Hearing { call, read: Box::new(heard), losses: carried.losses() })
    }

    fn decode_fault(&self, status: u16, _: &HeaderMap, body: &[u8]) -> Fault {
        let document: Value = serde_json::from_slice(body).unwrap_or_default();
        // One that was judged, or a list of members that are not what they must be.
        let detail = match &document["detail"] {
            Value::Array(list) => list.first().cloned().unwrap_or_default(),
            detail => detail.clone(),
        };
        let message = detail["message"].as_str().or_else(|| detail["msg"].as_str()).or_else(|| detail.as_str());
        let message = message.map_or_else(|| format!("HTTP status {status}"), str::to_owned);
        let code = detail["status"].as_str().or_else(|| detail["code"].as_str()).or_else(|| detail["type"].as_str());
        let class = match code {
            // A 401 about the account and not the key.
            Some("quota_exceeded") => FaultClass::Billing,
            Some("too_many_concurrent_requests" | "system_busy") => FaultClass::RateLimit,
            Some("voice_not_found") => FaultClass::BadRequest,
            _ => FaultClass::of_status(status).unwrap_or(FaultClass::Server),
        };
        let mut fault = Fault::new(class, Origin::Provider, Phase::AwaitHead, message).with_status(status);
        fault.code = code.map(str::to_owned);
        fault
    }
}

fn heard(reply: &Reply) -> Result<Heard, Fault> {
    let document = fault::json(&reply.body)?;
    if document.get("detail").is_some() {
        return Err(fault::inside(ElevenLabs.decode_fault(500, &reply.headers, &reply.body)));
    }
    let text = document["text"].as_str().ok_or_else(fault::empty)?;
    let is_word = |item: &&Value| item["type"].as_str().is_none_or(|kind| kind == "word");
    let word = |item: &Value| Piece {
        text: item["text"].as_str().unwrap_or_default().to_owned(),
        start: item["start"].as_f64().unwrap_or_default(),
        end: item["end"].as_f64().unwrap_or_default(),
        speaker: item["speaker_id"].as_str().map(str::to_owned),
    };
    let words: Vec<Piece> = document["words"].as_array().into_iter().flatten().filter(is_word).map(word).collect();
    Ok(Heard {
        text: text.to_owned(),
        language: document["language_code"].as_str().map(str::to_owned),
        seconds: document["audio_duration_secs"].as_f64(),
        words,
        segments: Vec::new(),
        tokens: None,
    })
}

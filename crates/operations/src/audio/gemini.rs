//! Gemini: models that speak, by `generateContent` with sound as the wanted modality, and models that listen, which are
//! asked in words to write down what they hear. <https://ai.google.dev/gemini-api/docs/speech-generation>,
//! <https://ai.google.dev/gemini-api/docs/audio>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderMap;
use ringmain_core::{Dialect, Fault, Usage};
use ringmain_dialects::Unsupported;
use serde_json::{Value, json};

use super::answer::Heard;
use super::sound::{RATE, Spoken, wav_head};
use super::{Carried, Codec, Format, Hearing, Site, Sound, Speaking, Speech, Transcription, unsupported};
use crate::fault;
use crate::talk::{Call, Reply};

/// The shape.
pub(super) struct Gemini;

/// Voices of OpenAI's, and one of Google's that is near.
const VOICES: [(&str, &str); 11] = [
    ("alloy", "Kore"),
    ("ash", "Charon"),
    ("ballad", "Algieba"),
    ("coral", "Aoede"),
    ("echo", "Puck"),
    ("fable", "Fenrir"),
    ("nova", "Leda"),
    ("onyx", "Orus"),
    ("sage", "Sulafat"),
    ("shimmer", "Zephyr"),
    ("verse", "Iapetus"),
];
/// The most that goes along with a request, in bytes of base64.
const INLINE_MAX: usize = 20 * 1024 * 1024;

impl Codec for Gemini {
    fn speak(&self, asked: &Speech, site: &Site<'_>) -> Result<Speaking, Unsupported> {
        let mut carried = Carried::of(asked.given());
        let format = match asked.format {
            Some(format @ (Format::Wav | Format::Pcm)) => {
                carried.whole("response_format");
                format
            }
            // Nobody asked for the mp3 that is usual elsewhere.
            None => {
                carried.nearly("response_format");
                Format::Wav
            }
            Some(_) => return Err(unsupported("response_format", "this provider makes wav and pcm alone")),
        };
        let mut speech = json!({});
        if let Some(voice) = &asked.voice {
            let near = VOICES.iter().find(|(known, _)| known == voice).map(|(_, near)| *near);
            if near.is_some() {
                carried.nearly("voice");
            } else {
                carried.whole("voice");
            }
            speech = json!({"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": near.unwrap_or(voice)}}});
        }
        // How to say it is said in words, before what is to be said.
        let text = match &asked.instructions {
            Some(how) => {
                carried.whole("instructions");
                format!("{how}\n\n{}", asked.input)
            }
            None => asked.input.clone(),
        };
        let body = json!({
            "contents": [{"role": "user", "parts": [{"text": text}]}],
            "generationConfig": {"responseModalities": ["AUDIO"], "speechConfig": speech},
        });
        let read = Box::new(move |reply: &Reply| spoken(reply, format));
        Ok(Speaking {
            call: Call::post(site.path, &body),
            sound: Sound::Whole { format, read },
            losses: carried.losses(),
        })
    }

    fn hear(&self, asked: &Transcription, site: &Site<'_>) -> Result<Hearing, Unsupported> {
        if asked.format.is_timed() || asked.words {
            return Err(unsupported("response_format", "this provider says nothing of when things were said"));
        }
        if asked.sound.len().div_ceil(3) * 4 > INLINE_MAX {
            return Err(unsupported("file", "this provider takes at most 15 MB along with a request"));
        }
        let mut carried = Carried::of(asked.given());
        let mut ask = match asked.translates {
            true => "Translate the speech in this recording into English.".to_owned(),
            false => "Transcribe the speech in this recording, in the language it is spoken in.".to_owned(),
        };
        ask.push_str(" Answer with the text alone; with nothing where nobody speaks.");
        if let Some(language) = &asked.language {
            carried.whole("language");
            ask.push_str(&format!(" The recording is in this language: {language}."));
        }
        if let Some(prompt) = &asked.prompt {
            carried.whole("prompt");
            ask.push_str(&format!(" It may help to know: {prompt}"));
        }
        let data = json!({"mimeType": asked.kind(), "data": STANDARD.encode(&asked.sound)});
        let body = json!({
            "contents": [{"role": "user", "parts": [{"text": ask}, {"inlineData": data}]}],
            "generationConfig": {"temperature": 0},
        });
        Ok(Hearing { call: Call::post(site.path, &body), read: Box::new(heard), losses: carried.losses() })
    }

    fn decode_fault(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Fault {
        fault::of_dialect(Dialect::Gemini, status, headers, body)
    }
}

/// The parts of the one answer.
fn parts(document: &Value, reply: &Reply) -> Result<Vec<Value>, Fault> {
    if document.get("error").is_some_and(|error| !error.is_null()) {
        return Err(Gemini.decode_fault(200, &reply.headers, &reply.body));
    }
    if let Some(reason) = document["promptFeedback"]["blockReason"].as_str() {
        return Err(fault::refused(format!("the prompt was blocked: {reason}")));
    }
    let candidate = &document["candidates"][0];
    match candidate["finishReason"].as_str() {
        Some("STOP") | None => Ok(candidate["content"]["parts"].as_array().cloned().unwrap_or_default()),
        Some("MAX_TOKENS") => Err(fault::failed("the answer was cut off: it is longer than this model answers")),
        Some(reason)
            if ["SAFETY", "PROHIBITED", "BLOCKLIST", "SPII", "RECITATION"].iter().any(|w| reason.contains(w)) =>
        {
            Err(fault::refused(candidate["finishMessage"].as_str().unwrap_or(reason)))
        }
        Some(reason) => Err(fault::failed(candidate["finishMessage"].as_str().unwrap_or(reason))),
    }
}

fn tokens(document: &Value) -> Option<Usage> {
    let counts = &document["usageMetadata"];
    let count = |field: &str| counts[field].as_u64().unwrap_or_default();
    let audio = |field: &str| -> u64 {
        let details = counts[field].as_array().into_iter().flatten();
        details.filter(|detail| detail["modality"] == "AUDIO").filter_map(|detail| detail["tokenCount"].as_u64()).sum()
    };
    let reasoning = count("thoughtsTokenCount");
    let usage = Usage {
        input: count("promptTokenCount"),
        output: count("candidatesTokenCount") + reasoning,
        reasoning,
        audio_input: audio("promptTokensDetails"),
        audio_output: audio("candidatesTokensDetails"),
        ..Usage::default()
    };
    (usage.total() > 0).then_some(usage)
}

fn spoken(reply: &Reply, format: Format) -> Result<Spoken, Fault> {
    let document = fault::json(&reply.body)?;
    let parts = parts(&document, reply)?;
    let (mut samples, mut rate) = (Vec::new(), RATE);
    for data in parts.iter().map(|part| &part["inlineData"]) {
        let Some(text) = data["data"].as_str() else { continue };
        samples.extend(STANDARD.decode(text).map_err(|_| fault::unreadable("the sound is not base64"))?);
        rate = rate_of(data["mimeType"].as_str().unwrap_or_default()).unwrap_or(rate);
    }
    if samples.is_empty() {
        return Err(fault::empty());
    }
    let bytes = match format {
        // Some models of this family give the whole file.
        Format::Wav if samples.starts_with(b"RIFF") => Bytes::from(samples),
        Format::Wav => [wav_head(rate, u32::try_from(samples.len()).ok()), samples.into()].concat().into(),
        _ => samples.into(),
    };
    Ok(Spoken { bytes, usage: tokens(&document) })
}

/// `audio/L16;codec=pcm;rate=24000`
fn rate_of(media_type: &str) -> Option<u32> {
    media_type.split(';').find_map(|parameter| parameter.trim().strip_prefix("rate=")?.parse().ok())
}

fn heard(reply: &Reply) -> Result<Heard, Fault> {
    let document = fault::json(&reply.body)?;
    let parts = parts(&document, reply)?;
    let said = parts.iter().filter(|part| part["thought"] != true).filter_map(|part| part["text"].as_str());
    let text = said.collect::<String>().trim().to_owned();
    let tokens = tokens(&document);
    // A recording in which nobody speaks is heard as nothing; an answer that used nothing is none.
    if text.is_empty() && tokens.is_none() {
        return Err(fault::empty());
    }
    Ok(Heard { text, tokens, ..Heard::default() })
}

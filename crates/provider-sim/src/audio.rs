//! Speech and transcription: OpenAI's shape, Deepgram, ElevenLabs, and Gemini's spoken answers.
//!
//! Written from the published references. What is spoken follows from the text alone, and what is heard from the bytes:
//! a checker can recompute both.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::request::Parts;
use ringmain_wire::multipart::{Form, boundary};
use serde_json::{Value, json};

use crate::api::query_value;
use crate::ask::Invalid;
use crate::fault::Fault;
use crate::text::hash64;

/// Samples a second.
const RATE: u32 = 24_000;
/// Seconds between two words that are heard.
const PACE: f64 = 0.5;

/// What a path asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Audio {
    Speech,
    Transcription,
    Translation,
    DeepgramSpeak,
    DeepgramListen,
    ElevenSpeak,
    ElevenHear,
    GeminiSpeak,
}

/// The endpoint of a path.
pub(crate) fn locate(path: &str) -> Option<Audio> {
    const ENDINGS: [(&str, Audio); 6] = [
        ("/audio/speech", Audio::Speech),
        ("/audio/transcriptions", Audio::Transcription),
        ("/audio/translations", Audio::Translation),
        ("/v1/speak", Audio::DeepgramSpeak),
        ("/v1/listen", Audio::DeepgramListen),
        ("/v1/speech-to-text", Audio::ElevenHear),
    ];
    let ending = ENDINGS.iter().find(|(end, _)| path.ends_with(end)).map(|(_, audio)| *audio);
    ending.or_else(|| path.contains("/v1/text-to-speech/").then_some(Audio::ElevenSpeak))
}

/// Does a `generateContent` ask for sound?
pub(crate) fn wants_sound(body: &[u8]) -> bool {
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    let wanted = asked["generationConfig"]["responseModalities"].as_array();
    wanted.into_iter().flatten().any(|one| one == "AUDIO")
}

/// A request, read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ask {
    audio: Audio,
    pub(crate) model: String,
    /// The text to be spoken, or what is heard.
    text: String,
    /// How the answer is written.
    format: String,
    events: bool,
}

impl Audio {
    /// The label of a request that names none.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Speech | Self::Transcription | Self::Translation => "openai",
            Self::DeepgramSpeak | Self::DeepgramListen => "deepgram",
            Self::ElevenSpeak | Self::ElevenHear => "elevenlabs",
            Self::GeminiSpeak => "gemini",
        }
    }

    /// An error as this API writes it.
    pub(crate) fn error(self, status: u16, usual: Value, id: u64) -> Value {
        let words = usual.pointer("/error/message").and_then(Value::as_str).unwrap_or("refused");
        match self {
            Self::Speech | Self::Transcription | Self::Translation | Self::GeminiSpeak => usual,
            Self::DeepgramSpeak | Self::DeepgramListen => {
                let code = if status == 401 { "INVALID_AUTH" } else { "Bad Request" };
                json!({"err_code": code, "err_msg": words, "request_id": format!("{id:016x}")})
            }
            Self::ElevenSpeak | Self::ElevenHear => {
                let code = if status == 401 { "invalid_api_key" } else { "error" };
                json!({"detail": {"status": code, "message": words}})
            }
        }
    }
}

/// Reads a request; what the published reference demands is demanded here.
pub(crate) fn read(audio: Audio, head: &Parts, model: Option<String>, body: &Bytes) -> Result<Ask, Invalid> {
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let query = |name: &str| query_value(head.uri.query(), name).unwrap_or_default().to_owned();
    let mut ask =
        Ask { audio, model: model.unwrap_or_default(), text: String::new(), format: String::new(), events: false };
    match audio {
        Audio::Transcription | Audio::Translation | Audio::ElevenHear => {
            let boundary = boundary(header("content-type")).ok_or_else(|| invalid("multipart/form-data is wanted"))?;
            let form = Form::parse(body, boundary).map_err(|bad| Invalid(bad.to_string()))?;
            let field = if audio == Audio::ElevenHear { "model_id" } else { "model" };
            ask.model = form.text(field).ok_or_else(|| Invalid(format!("{field}: Field required")))?.to_owned();
            let file = form.get("file").filter(|file| !file.data.is_empty());
            ask.text = heard(&file.ok_or_else(|| invalid("file: Field required"))?.data);
            ask.format = form.text("response_format").unwrap_or("json").to_owned();
            ask.events = form.text("stream") == Some("true") && ask.model != "whisper-1";
        }
        Audio::DeepgramListen => {
            ask.model = query("model");
            if body.is_empty() || header("content-type").starts_with("multipart/") {
                return Err(invalid("the body must be the sound itself"));
            }
            ask.text = heard(body);
        }
        Audio::Speech | Audio::DeepgramSpeak | Audio::ElevenSpeak | Audio::GeminiSpeak => {
            let asked: Value = serde_json::from_slice(body)?;
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            (ask.text, ask.format) = match audio {
                Audio::DeepgramSpeak => (text(&asked["text"]), format!("{} {}", query("encoding"), query("container"))),
                Audio::ElevenSpeak => (text(&asked["text"]), query("output_format")),
                Audio::GeminiSpeak => (text(&asked["contents"][0]["parts"][0]["text"]), "pcm".to_owned()),
                _ => (text(&asked["input"]), asked["response_format"].as_str().unwrap_or("mp3").to_owned()),
            };
            ask.model = match audio {
                Audio::DeepgramSpeak => query("model"),
                Audio::ElevenSpeak => text(&asked["model_id"]),
                Audio::Speech => text(&asked["model"]),
                _ => ask.model,
            };
            ask.events = asked["stream_format"] == "sse";
            if audio == Audio::Speech && asked["voice"].is_null() {
                return Err(invalid("voice: Field required"));
            }
            if ask.text.is_empty() {
                return Err(invalid("there is no text to be spoken"));
            }
        }
    }
    Ok(ask)
}

fn invalid(why: &str) -> Invalid {
    Invalid(why.to_owned())
}

impl Ask {
    /// The answer, and its type.
    pub(crate) fn answer(&self, fault: Option<&Fault>) -> (Bytes, &'static str) {
        let is_empty = fault == Some(&Fault::Empty);
        match self.audio {
            Audio::Transcription | Audio::Translation if !is_empty => self.written(),
            Audio::Transcription | Audio::Translation | Audio::ElevenHear | Audio::DeepgramListen if is_empty => {
                (Bytes::from_static(b"{}"), "application/json")
            }
            Audio::DeepgramListen => {
                let words = words(&self.text, "word").collect::<Vec<_>>();
                let best = json!({"transcript": self.text, "confidence": 0.9, "words": words});
                let results = json!({"channels": [{"detected_language": "en", "alternatives": [best]}],
                    "utterances": [{"start": 0.0, "end": length(&self.text), "transcript": self.text}]});
                json_of(&json!({"metadata": {"duration": length(&self.text), "channels": 1}, "results": results}))
            }
            Audio::ElevenHear => {
                let words = words(&self.text, "text").map(|mut word| {
                    word["type"] = "word".into();
                    word
                });
                json_of(&json!({"language_code": "eng", "language_probability": 1.0, "text": self.text,
                    "words": words.collect::<Vec<_>>(), "audio_duration_secs": length(&self.text)}))
            }
            Audio::GeminiSpeak => {
                let data = if is_empty { String::new() } else { BASE64.encode(samples(&self.text)) };
                let parts = json!([{"inlineData": {"mimeType": "audio/L16;codec=pcm;rate=24000", "data": data}}]);
                json_of(&json!({
                    "candidates": [{"index": 0, "content": {"role": "model", "parts": parts}, "finishReason": "STOP"}],
                    "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 50,
                        "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 50}]},
                }))
            }
            _ if is_empty => (Bytes::new(), "audio/mpeg"),
            Audio::Speech if self.events => {
                let (sound, _) = sound(&self.format, &self.text);
                let delta = json!({"type": "speech.audio.delta", "audio": BASE64.encode(&sound)});
                let usage = json!({"input_tokens": 5, "output_tokens": 50, "total_tokens": 55});
                events(&[delta, json!({"type": "speech.audio.done", "usage": usage})])
            }
            Audio::Speech | Audio::DeepgramSpeak | Audio::ElevenSpeak | Audio::Transcription | Audio::Translation => {
                sound(&self.format, &self.text)
            }
        }
    }

    /// In OpenAI's words.
    fn written(&self) -> (Bytes, &'static str) {
        let text = self.text.as_str();
        let is_new = self.model.starts_with("gpt-");
        let usage = match is_new {
            true => {
                json!({"type": "tokens", "input_tokens": 40, "input_token_details": {"audio_tokens": 40, "text_tokens": 0},
                "output_tokens": 6, "total_tokens": 46})
            }
            false => json!({"type": "duration", "seconds": length(text)}),
        };
        if self.events {
            let deltas =
                text.split_inclusive(' ').map(|piece| json!({"type": "transcript.text.delta", "delta": piece}));
            let done = json!({"type": "transcript.text.done", "text": text, "usage": usage});
            return events(&deltas.chain([done]).collect::<Vec<_>>());
        }
        match self.format.as_str() {
            "text" => (format!("{text}\n").into(), "text/plain; charset=utf-8"),
            "srt" => (format!("1\n00:00:00,000 --> 00:00:02,000\n{text}\n\n").into(), "text/plain; charset=utf-8"),
            "verbose_json" => json_of(&json!({"task": "transcribe", "language": "english", "duration": length(text),
                "text": text, "segments": [], "words": words(text, "word").collect::<Vec<_>>(), "usage": usage})),
            _ => json_of(&json!({"text": text, "usage": usage})),
        }
    }
}

fn json_of(value: &Value) -> (Bytes, &'static str) {
    (value.to_string().into(), "application/json")
}

fn events(all: &[Value]) -> (Bytes, &'static str) {
    let text: String = all.iter().map(|event| format!("data: {event}\n\n")).collect();
    (text.into(), "text/event-stream")
}

/// What a recording says: how long it is, and its name.
pub(crate) fn heard(sound: &[u8]) -> String {
    format!("Heard {} bytes named {:08x}.", sound.len(), hash64(sound) & 0xffff_ffff)
}

fn words<'t>(text: &'t str, field: &'static str) -> impl Iterator<Item = Value> + use<'t> {
    let timed = |(at, word): (usize, &str)| {
        let start = at as f64 * PACE;
        json!({field: word, "punctuated_word": word, "start": start, "end": start + PACE})
    };
    text.split(' ').enumerate().map(timed)
}

fn length(text: &str) -> f64 {
    text.split(' ').count() as f64 * PACE
}

/// A tenth of a second for each character.
fn samples(text: &str) -> Vec<u8> {
    let count = text.chars().count() as u64 * u64::from(RATE) / 10;
    let seed = hash64(text.as_bytes());
    (0..count).flat_map(|at| (seed.wrapping_mul(at + 1) as i16 / 8).to_le_bytes()).collect()
}

/// Sound in a format, by the name any of the APIs has for it.
fn sound(format: &str, text: &str) -> (Bytes, &'static str) {
    let samples = samples(text);
    let framed = |head: &[u8]| Bytes::from([head, &samples].concat());
    match format {
        "wav" | "linear16 wav" => (framed(&wav_head(samples.len())), "audio/wav"),
        "opus" | "opus ogg" => (framed(b"OggS"), "audio/ogg"),
        "flac" | "flac " => (framed(b"fLaC"), "audio/flac"),
        "aac" | "aac " => (framed(&[0xff, 0xf1]), "audio/aac"),
        "pcm" | "pcm_24000" | "linear16 none" => (samples.into(), "audio/pcm"),
        _ if format.starts_with("opus_") => (framed(b"OggS"), "audio/ogg"),
        _ => (framed(&[0xff, 0xfb, 0x90, 0x64]), "audio/mpeg"),
    }
}

fn wav_head(length: usize) -> Vec<u8> {
    let length = u32::try_from(length).unwrap_or(u32::MAX - 36);
    let mut head = b"RIFF".to_vec();
    head.extend((length + 36).to_le_bytes());
    head.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    head.extend(RATE.to_le_bytes());
    head.extend((RATE * 2).to_le_bytes());
    head.extend(b"\x02\0\x10\0data");
    head.extend(length.to_le_bytes());
    head
}

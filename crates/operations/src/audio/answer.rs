//! What was heard, and how it is written for the caller.

use ringmain_core::{Units, Usage};
use serde_json::{Map, Value, json};

use super::request::{TextFormat, Transcription};

/// A segment made of words ends after so many seconds, or characters, at the next word.
const CUE_SECONDS: f64 = 6.0;
const CUE_CHARACTERS: usize = 80;

/// What was heard.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Heard {
    /// All of it.
    pub text: String,
    /// The language, as the provider names it.
    pub language: Option<String>,
    /// How long the sound is, in seconds.
    pub seconds: Option<f64>,
    /// Words with their times.
    pub words: Vec<Piece>,
    /// Longer pieces with their times.
    pub segments: Vec<Piece>,
    /// Tokens, where they are counted.
    pub tokens: Option<Usage>,
}

/// A piece of a text, and when it was said.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Piece {
    /// The text.
    pub text: String,
    /// From, in seconds.
    pub start: f64,
    /// Until, in seconds.
    pub end: f64,
    /// By whom, where that is told apart.
    pub speaker: Option<String>,
}

/// An answer for the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its body.
    pub body: Vec<u8>,
    /// Its media type.
    pub media_type: &'static str,
}

impl Heard {
    /// What is billed: tokens where they are counted, and the length of the sound where it is known.
    #[must_use]
    pub fn billed(&self) -> Usage {
        let audio_ms = self.seconds.map_or(0, |seconds| (seconds.max(0.0) * 1000.0).round() as u64);
        Usage { units: Units { audio_ms, ..Units::default() }, ..self.tokens.unwrap_or_default() }
    }

    /// Its segments; where the provider made none, pieces of a line made of its words.
    #[must_use]
    pub fn cues(&self) -> Vec<Piece> {
        if !self.segments.is_empty() {
            return self.segments.clone();
        }
        let mut cues: Vec<Piece> = Vec::new();
        for word in &self.words {
            let text = word.text.trim();
            match cues.last_mut() {
                Some(cue)
                    if cue.speaker == word.speaker
                        && word.end - cue.start <= CUE_SECONDS
                        && cue.text.chars().count() + text.chars().count() < CUE_CHARACTERS
                        && !cue.text.ends_with(['.', '?', '!', '。', '？', '！']) =>
                {
                    cue.text.push(' ');
                    cue.text.push_str(text);
                    cue.end = word.end;
                }
                _ => cues.push(Piece { text: text.to_owned(), ..word.clone() }),
            }
        }
        if cues.is_empty() && !self.text.is_empty() {
            let end = self.seconds.unwrap_or_default();
            cues.push(Piece { text: self.text.clone(), start: 0.0, end, speaker: None });
        }
        cues
    }
}

/// Writes what was heard as the caller wants it.
#[must_use]
pub fn write(heard: &Heard, asked: &Transcription) -> Written {
    if asked.events {
        return Written { body: events(heard).into_bytes(), media_type: "text/event-stream" };
    }
    let plain = "text/plain; charset=utf-8";
    let (body, media_type) = match asked.format {
        TextFormat::Json => (json!({"text": heard.text, "usage": usage(heard)}).to_string(), "application/json"),
        TextFormat::VerboseJson => (verbose(heard, asked).to_string(), "application/json"),
        TextFormat::DiarizedJson => (diarized(heard).to_string(), "application/json"),
        TextFormat::Text => (format!("{}\n", heard.text), plain),
        TextFormat::Srt => (subtitles(heard, ',', true), plain),
        TextFormat::Vtt => (format!("WEBVTT\n\n{}", subtitles(heard, '.', false)), plain),
    };
    Written { body: body.into_bytes(), media_type }
}

fn usage(heard: &Heard) -> Value {
    match (&heard.tokens, heard.seconds) {
        (Some(tokens), _) => json!({
            "type": "tokens",
            "input_tokens": tokens.input,
            "input_token_details": {"audio_tokens": tokens.audio_input, "text_tokens": tokens.input - tokens.audio_input.min(tokens.input)},
            "output_tokens": tokens.output,
            "total_tokens": tokens.total(),
        }),
        (None, Some(seconds)) => json!({"type": "duration", "seconds": seconds}),
        (None, None) => Value::Null,
    }
}

fn verbose(heard: &Heard, asked: &Transcription) -> Value {
    let task = if asked.translates { "translate" } else { "transcribe" };
    let mut whole = Map::from_iter([
        ("task".to_owned(), Value::from(task)),
        ("language".to_owned(), heard.language.clone().unwrap_or_default().into()),
        ("duration".to_owned(), heard.seconds.unwrap_or_default().into()),
        ("text".to_owned(), heard.text.as_str().into()),
    ]);
    if asked.segments {
        // What a provider does not measure is null: a made-up number would be believed.
        let segment = |(id, cue): (usize, Piece)| {
            json!({"id": id, "seek": 0, "start": cue.start, "end": cue.end, "text": cue.text, "tokens": [],
                "temperature": null, "avg_logprob": null, "compression_ratio": null, "no_speech_prob": null})
        };
        whole.insert("segments".to_owned(), heard.cues().into_iter().enumerate().map(segment).collect());
    }
    if asked.words {
        let word = |word: &Piece| json!({"word": word.text.trim(), "start": word.start, "end": word.end});
        whole.insert("words".to_owned(), heard.words.iter().map(word).collect());
    }
    whole.insert("usage".to_owned(), usage(heard));
    Value::Object(whole)
}

fn diarized(heard: &Heard) -> Value {
    let segment = |(id, cue): (usize, Piece)| {
        json!({"type": "transcript.text.segment", "id": format!("seg_{id:03}"), "start": cue.start, "end": cue.end,
            "text": cue.text, "speaker": cue.speaker.unwrap_or_else(|| "A".to_owned())})
    };
    let segments: Vec<Value> = heard.cues().into_iter().enumerate().map(segment).collect();
    json!({"task": "transcribe", "duration": heard.seconds, "text": heard.text, "segments": segments, "usage": usage(heard)})
}

fn subtitles(heard: &Heard, point: char, numbered: bool) -> String {
    let mut text = String::new();
    for (at, cue) in heard.cues().iter().enumerate() {
        if numbered {
            text.push_str(&format!("{}\n", at + 1));
        }
        text.push_str(&format!("{} --> {}\n", clock(cue.start, point), clock(cue.end, point)));
        text.push_str(cue.text.trim());
        text.push_str("\n\n");
    }
    text
}

/// `00:01:02,345`
fn clock(seconds: f64, point: char) -> String {
    let ms = (seconds.max(0.0) * 1000.0).round() as u64;
    let (hours, minutes, seconds, ms) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000);
    format!("{hours:02}:{minutes:02}:{seconds:02}{point}{ms:03}")
}

/// The text in pieces, as a stream would bring them, and its end.
fn events(heard: &Heard) -> String {
    let mut out = String::new();
    let mut event = |value: Value| {
        out.push_str(&format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap_or_default()));
    };
    for piece in heard.text.split_inclusive(' ') {
        event(json!({"type": "transcript.text.delta", "delta": piece}));
    }
    let mut done = json!({"type": "transcript.text.done", "text": heard.text});
    if heard.tokens.is_some() {
        done["usage"] = usage(heard);
    }
    event(done);
    out
}

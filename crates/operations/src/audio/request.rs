//! What a caller asks for, in OpenAI's shape. <https://platform.openai.com/docs/api-reference/audio>

use bytes::Bytes;
use ringmain_dialects::Malformed;
use ringmain_wire::multipart::Form;
use serde_json::Value;

use super::sound::Format;

/// A text to be spoken.
#[derive(Debug, Clone, PartialEq)]
pub struct Speech {
    /// The text.
    pub input: String,
    /// Whose voice, by a name or an id.
    pub voice: Option<String>,
    /// The format that is asked for.
    pub format: Option<Format>,
    /// How fast; 1 is usual.
    pub speed: Option<f64>,
    /// How it is to be spoken.
    pub instructions: Option<String>,
    /// As events, not as the sound itself.
    pub events: bool,
    /// What else is asked for, by its name.
    others: Vec<String>,
}

/// Speech to be written down.
#[derive(Debug, Clone, PartialEq)]
pub struct Transcription {
    /// The sound.
    pub sound: Bytes,
    /// What its file is called.
    pub filename: Option<String>,
    /// Its media type, where one is given.
    pub media_type: Option<String>,
    /// Its language, where the caller knows.
    pub language: Option<String>,
    /// Words that help to understand it.
    pub prompt: Option<String>,
    /// How the text is wanted.
    pub format: TextFormat,
    /// The time of each word is wanted.
    pub words: bool,
    /// The time of each segment is wanted.
    pub segments: bool,
    /// As events, while it is written.
    pub events: bool,
    /// In English, whatever is spoken.
    pub translates: bool,
    given: Vec<String>,
}

/// How a transcription is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TextFormat {
    /// `{"text": …}`
    #[default]
    Json,
    /// The text alone.
    Text,
    /// Subtitles.
    Srt,
    /// Subtitles for the web.
    Vtt,
    /// With language, length and times.
    VerboseJson,
    /// With who said what.
    DiarizedJson,
}

impl TextFormat {
    fn of_word(word: &str) -> Option<Self> {
        Some(match word {
            "json" => Self::Json,
            "text" => Self::Text,
            "srt" => Self::Srt,
            "vtt" => Self::Vtt,
            "verbose_json" => Self::VerboseJson,
            "diarized_json" => Self::DiarizedJson,
            _ => return None,
        })
    }

    /// Its name in requests.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Text => "text",
            Self::Srt => "srt",
            Self::Vtt => "vtt",
            Self::VerboseJson => "verbose_json",
            Self::DiarizedJson => "diarized_json",
        }
    }

    /// Does it say when what was said?
    #[must_use]
    pub const fn is_timed(self) -> bool {
        matches!(self, Self::Srt | Self::Vtt | Self::VerboseJson | Self::DiarizedJson)
    }
}

impl Speech {
    /// Reads a request.
    ///
    /// # Errors
    /// There is no text to be spoken, or a member is not what it must be.
    pub fn read(body: &[u8]) -> Result<Self, Malformed> {
        let document: Value = serde_json::from_slice(body).map_err(|error| Malformed::new("", error.to_string()))?;
        let members = document.as_object().ok_or_else(|| Malformed::new("", "expected an object"))?;
        let text = |name: &'static str| match &document[name] {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.clone())),
            _ => Err(Malformed::new(name, "expected a string")),
        };
        let input = text("input")?.filter(|text| !text.trim().is_empty());
        let input = input.ok_or_else(|| Malformed::new("input", "expected a text to be spoken"))?;
        let voice = match &document["voice"] {
            Value::Object(custom) => custom.get("id").and_then(Value::as_str).map(str::to_owned),
            _ => text("voice")?,
        };
        let format = match text("response_format")? {
            None => None,
            Some(word) => Some(
                Format::of_word(&word)
                    .ok_or_else(|| Malformed::new("response_format", "expected mp3, opus, aac, flac, wav or pcm"))?,
            ),
        };
        let speed = match &document["speed"] {
            Value::Null => None,
            speed => Some(speed.as_f64().ok_or_else(|| Malformed::new("speed", "expected a number"))?),
        };
        let events = match text("stream_format")?.as_deref() {
            None | Some("audio") => false,
            Some("sse") => true,
            Some(_) => return Err(Malformed::new("stream_format", "expected audio or sse")),
        };
        const KNOWN: [&str; 7] =
            ["model", "input", "voice", "response_format", "speed", "instructions", "stream_format"];
        let others = members.iter().filter(|(name, value)| !KNOWN.contains(&name.as_str()) && !value.is_null());
        let others = others.map(|(name, _)| name.clone()).collect();
        Ok(Self { input, voice, format, speed, instructions: text("instructions")?, events, others })
    }

    /// What is said that may be lost.
    #[must_use]
    pub fn given(&self) -> Vec<String> {
        let mut given = self.others.clone();
        let named = [
            ("voice", self.voice.is_some()),
            ("response_format", self.format.is_some()),
            ("speed", self.speed.is_some_and(|speed| (speed - 1.0).abs() > f64::EPSILON)),
            ("instructions", self.instructions.is_some()),
        ];
        given.extend(named.into_iter().filter(|(_, is)| *is).map(|(name, _)| name.to_owned()));
        given
    }

    /// Characters to be spoken, by which most providers bill.
    #[must_use]
    pub fn characters(&self) -> u64 {
        self.input.chars().count() as u64
    }
}

impl Transcription {
    /// Reads a request. `translates`: it came to the path of translations.
    ///
    /// # Errors
    /// There is nothing to be heard, or a field is not what it must be.
    pub fn read(form: &Form, translates: bool) -> Result<Self, Malformed> {
        let file = form.get("file").filter(|file| !file.data.is_empty());
        let file = file.ok_or_else(|| Malformed::new("file", "is required, and holds the sound"))?;
        let text = |name: &str| form.text(name).filter(|text| !text.is_empty());
        let format = match text("response_format") {
            None => TextFormat::default(),
            Some(word) => TextFormat::of_word(word).ok_or_else(|| {
                Malformed::new("response_format", "expected json, text, srt, vtt, verbose_json or diarized_json")
            })?,
        };
        let granularity = |wanted: &str| {
            let named = form.parts.iter().filter(|part| part.name.starts_with("timestamp_granularities"));
            named.filter_map(|part| part.as_text()).any(|text| text == wanted)
        };
        const SHAPE: [&str; 4] = ["file", "model", "response_format", "stream"];
        let mut given: Vec<String> = Vec::new();
        for part in &form.parts {
            let name = part.name.trim_end_matches("[]");
            let is_said = part.as_text().is_none_or(|text| !(text.is_empty() || name == "temperature" && text == "0"));
            if is_said && !SHAPE.contains(&name) && !given.iter().any(|known| known == name) {
                given.push(name.to_owned());
            }
        }
        let words = granularity("word");
        Ok(Self {
            sound: file.data.clone(),
            filename: file.filename.clone(),
            media_type: file.content_type.clone().filter(|kind| kind != "application/octet-stream"),
            language: text("language").map(str::to_owned),
            prompt: text("prompt").map(str::to_owned),
            format,
            words,
            segments: granularity("segment") || format.is_timed() && !words,
            events: text("stream") == Some("true"),
            translates,
            given,
        })
    }

    /// What is said that may be lost.
    #[must_use]
    pub fn given(&self) -> Vec<String> {
        self.given.clone()
    }

    /// The media type of the sound: as it is given, else as its name or its first bytes say.
    #[must_use]
    pub fn kind(&self) -> String {
        if let Some(kind) = &self.media_type {
            return kind.clone();
        }
        let ending = self.filename.as_deref().and_then(|name| name.rsplit_once('.')).map(|(_, end)| end);
        let by_name = match ending.unwrap_or_default().to_ascii_lowercase().as_str() {
            "mp3" | "mpga" | "mpeg" => Some("audio/mpeg"),
            "wav" => Some("audio/wav"),
            "flac" => Some("audio/flac"),
            "ogg" | "oga" | "opus" => Some("audio/ogg"),
            "m4a" | "mp4" => Some("audio/mp4"),
            "webm" => Some("audio/webm"),
            "aac" => Some("audio/aac"),
            _ => None,
        };
        let by_bytes = match &self.sound[..] {
            [b'R', b'I', b'F', b'F', ..] => Some("audio/wav"),
            [b'f', b'L', b'a', b'C', ..] => Some("audio/flac"),
            [b'O', b'g', b'g', b'S', ..] => Some("audio/ogg"),
            [b'I', b'D', b'3', ..] | [0xff, 0xe0..=0xff, ..] => Some("audio/mpeg"),
            [0x1a, 0x45, 0xdf, 0xa3, ..] => Some("audio/webm"),
            [_, _, _, _, b'f', b't', b'y', b'p', ..] => Some("audio/mp4"),
            _ => None,
        };
        by_name.or(by_bytes).unwrap_or("application/octet-stream").to_owned()
    }
}

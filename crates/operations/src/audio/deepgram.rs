//! Deepgram: the sound is the body, all else is the query. <https://developers.deepgram.com/reference>

use http::{HeaderMap, Method};
use ringmain_core::{Fault, FaultClass, Origin, Phase};
use ringmain_dialects::Unsupported;
use serde_json::{Value, json};

use super::answer::{Heard, Piece};
use super::sound::RATE;
use super::{Carried, Codec, Format, Hearing, Site, Sound, Speaking, Speech, Transcription, escaped, unsupported};
use crate::fault;
use crate::talk::{Call, Payload, Reply, To};

/// The shape.
pub(super) struct Deepgram;

/// How fast it speaks at least, and at most.
const SPEEDS: (f64, f64) = (0.7, 1.5);
/// The voice of a family of voices where none of its own is named.
const VOICE: &str = "thalia";

impl Codec for Deepgram {
    fn speak(&self, asked: &Speech, site: &Site<'_>) -> Result<Speaking, Unsupported> {
        let mut carried = Carried::of(asked.given());
        carried.whole("response_format");
        let format = asked.format.unwrap_or(Format::Mp3);
        let encoding = match format {
            Format::Mp3 => "encoding=mp3".to_owned(),
            Format::Opus => "encoding=opus&container=ogg".to_owned(),
            Format::Aac => "encoding=aac".to_owned(),
            Format::Flac => "encoding=flac".to_owned(),
            Format::Wav => format!("encoding=linear16&container=wav&sample_rate={RATE}"),
            Format::Pcm => format!("encoding=linear16&container=none&sample_rate={RATE}"),
        };
        let mut path = format!("{}?model={}&{encoding}", site.path, escaped(&voice(asked, site.model, &mut carried)));
        if let Some(speed) = asked.speed {
            let near = speed.clamp(SPEEDS.0, SPEEDS.1);
            if (near - speed).abs() < f64::EPSILON {
                carried.whole("speed");
            } else {
                carried.nearly("speed");
            }
            path.push_str(&format!("&speed={near}"));
        }
        let call = Call { accept: "*/*", ..Call::post(path, &json!({"text": asked.input})) };
        Ok(Speaking { call, sound: Sound::Flows { format, samples: None }, losses: carried.losses() })
    }

    fn hear(&self, asked: &Transcription, site: &Site<'_>) -> Result<Hearing, Unsupported> {
        if asked.translates {
            return Err(unsupported("model", "this provider writes down what it hears, and translates nothing"));
        }
        let mut carried = Carried::of(asked.given());
        let mut path = format!("{}?model={}&smart_format=true", site.path, escaped(site.model));
        match &asked.language {
            Some(language) => {
                carried.whole("language");
                path.push_str(&format!("&language={}", escaped(language)));
            }
            None => path.push_str("&detect_language=true"),
        }
        carried.whole("timestamp_granularities");
        if asked.format.is_timed() {
            path.push_str("&utterances=true");
        }
        if asked.format == super::request::TextFormat::DiarizedJson {
            path.push_str("&diarize=true");
        }
        let payload = Payload::Raw(asked.kind(), asked.sound.clone());
        let call = Call { method: Method::POST, to: To::Path(path.clone()), payload, ..Call::post(path, &Value::Null) };
        Ok(Hearing { call, read: Box::new(heard), losses: carried.losses() })
    }

    fn decode_fault(&self, status: u16, _: &HeaderMap, body: &[u8]) -> Fault {
        let document: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |names: [&str; 3]| names.into_iter().find_map(|name| document[name].as_str()).map(str::to_owned);
        let message = text(["err_msg", "message", "error"]).unwrap_or_else(|| format!("HTTP status {status}"));
        let class = FaultClass::of_status(status).unwrap_or(FaultClass::Server);
        let mut fault = Fault::new(class, Origin::Provider, Phase::AwaitHead, message).with_status(status);
        fault.code = text(["err_code", "category", "code"]);
        fault
    }
}

/// Here a voice is a model. `aura-2` alone is the family, of which the caller's voice is one if it has that name.
fn voice(asked: &Speech, model: &str, carried: &mut Carried) -> String {
    let named = asked.voice.as_deref().unwrap_or_default();
    if model.split('-').count() > 2 {
        if model.split('-').any(|part| part == named) {
            carried.whole("voice");
        }
        return model.to_owned();
    }
    if named.starts_with("aura-") {
        carried.whole("voice");
        return named.to_owned();
    }
    const OPENAI: [&str; 13] = [
        "alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer",
        "verse",
    ];
    if named.is_empty() || OPENAI.contains(&named) {
        carried.nearly("voice");
        return format!("{model}-{VOICE}-en");
    }
    carried.whole("voice");
    format!("{model}-{named}-en")
}

fn heard(reply: &Reply) -> Result<Heard, Fault> {
    let document = fault::json(&reply.body)?;
    if document.get("err_code").is_some() {
        return Err(fault::inside(Deepgram.decode_fault(500, &reply.headers, &reply.body)));
    }
    let channels = document["results"]["channels"].as_array().filter(|channels| !channels.is_empty());
    let channels = channels.ok_or_else(fault::empty)?;
    let best = |channel: &Value| channel["alternatives"][0].clone();
    let texts: Vec<String> =
        channels.iter().filter_map(|channel| best(channel)["transcript"].as_str().map(str::to_owned)).collect();
    if texts.is_empty() {
        return Err(fault::empty());
    }
    let words = channels.iter().flat_map(|channel| pieces(&best(channel)["words"], &["punctuated_word", "word"]));
    Ok(Heard {
        text: texts.join("\n"),
        language: channels[0]["detected_language"].as_str().map(str::to_owned),
        seconds: document["metadata"]["duration"].as_f64(),
        words: words.collect(),
        segments: pieces(&document["results"]["utterances"], &["transcript"]),
        tokens: None,
    })
}

fn pieces(list: &Value, texts: &[&str]) -> Vec<Piece> {
    let piece = |item: &Value| Piece {
        text: texts.iter().find_map(|name| item[*name].as_str()).unwrap_or_default().to_owned(),
        start: item["start"].as_f64().unwrap_or_default(),
        end: item["end"].as_f64().unwrap_or_default(),
        speaker: item["speaker"].as_u64().map(|speaker| speaker.to_string()),
    };
    list.as_array().into_iter().flatten().map(piece).collect()
}

use bytes::Bytes;
use http::HeaderMap;
use ringmain_core::{Fault, FaultClass, Shape};
use ringmain_wire::multipart::{Form, Part};
use serde_json::{Value, json};

use super::answer::{self, Piece};
use super::dress::Dress;
use super::sound::wav_head;
use super::watch::Watch;
use super::*;
use crate::talk::{Payload, Reply, To};

#[expect(clippy::needless_pass_by_value, reason = "it is made for the call")]
fn speech(more: Value) -> Speech {
    let mut body = json!({"model": "m", "input": "Größe zählt", "voice": "alloy"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Speech::read(body.to_string().as_bytes()).unwrap()
}

fn recording(fields: &[(&str, &str)]) -> Transcription {
    let mut parts = vec![Part::text("model", "m")];
    parts.extend(fields.iter().map(|(name, text)| Part::text(*name, *text)));
    parts.push(Part::file("file", "a.mp3", "audio/mpeg", Bytes::from_static(b"ID3 sound")));
    Transcription::read(&Form { parts }, false).unwrap()
}

fn site<'a>(model: &'a str, path: &'a str) -> Site<'a> {
    Site::new(model, path)
}

fn path(call: &Call) -> &str {
    match &call.to {
        To::Path(path) => path,
        other => panic!("{other:?}"),
    }
}

fn json_of(call: &Call) -> Value {
    match &call.payload {
        Payload::Json(parts) => serde_json::from_slice(&parts.concat()).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn losses(losses: &[Loss]) -> Vec<String> {
    losses.iter().map(ToString::to_string).collect()
}

fn spoken(shape: Shape, model: &str, asked: &Speech) -> (String, Value, Vec<String>, Sound) {
    let path_of = if shape == Shape::ElevenLabs { "/v1/text-to-speech" } else { "/v1/speak" };
    let Speaking { call, sound, losses: lost } = codec(shape).unwrap().speak(asked, &site(model, path_of)).unwrap();
    (path(&call).to_owned(), json_of(&call), losses(&lost), sound)
}

fn heard(shape: Shape, asked: &Transcription, body: &Value) -> Result<Heard, Fault> {
    let hearing = codec(shape).unwrap().hear(asked, &site("m", "/v1/listen")).unwrap();
    (hearing.read)(&Reply { headers: HeaderMap::new(), body: body.to_string().into() })
}

#[test]
fn what_is_asked_is_read() {
    let asked = speech(
        json!({"response_format": "wav", "speed": 1.5, "stream_format": "sse", "user": "u", "voice": {"id": "v_1"}}),
    );
    assert_eq!((asked.characters(), asked.voice.as_deref(), asked.events), (11, Some("v_1"), true));
    assert_eq!(asked.given(), ["user", "voice", "response_format", "speed"]);
    assert_eq!(speech(json!({"speed": 1})).given(), ["voice"], "the usual speed is nothing to lose");
    for (body, field) in [
        (json!({"input": " "}), "input"),
        (json!({"input": 7}), "input"),
        (json!({"input": "a", "response_format": "ogg"}), "response_format"),
        (json!({"input": "a", "speed": "fast"}), "speed"),
        (json!({"input": "a", "stream_format": "x"}), "stream_format"),
    ] {
        assert!(Speech::read(body.to_string().as_bytes()).unwrap_err().to_string().starts_with(field), "{body}");
    }
    let asked =
        recording(&[("response_format", "verbose_json"), ("timestamp_granularities[]", "word"), ("temperature", "0")]);
    assert_eq!((asked.words, asked.segments, asked.events), (true, false, false));
    assert_eq!(asked.given(), ["timestamp_granularities"]);
    assert_eq!(asked.kind(), "audio/mpeg");
    assert!(Transcription::read(&Form { parts: vec![Part::text("model", "m")] }, false).is_err());
}

#[test]
fn deepgram_speaks() {
    let (path, body, lost, _) = spoken(Shape::Deepgram, "aura-2-thalia-en", &speech(json!({})));
    assert_eq!(path, "/v1/speak?model=aura-2-thalia-en&encoding=mp3");
    assert_eq!((body, lost), (json!({"text": "Größe zählt"}), vec!["voice".to_owned()]));
    let table = [
        ("aura-2", json!({"voice": "orion"}), "/v1/speak?model=aura-2-orion-en&encoding=mp3", vec![]),
        ("aura-2", json!({}), "/v1/speak?model=aura-2-thalia-en&encoding=mp3", vec!["voice"]),
        (
            "aura-2-thalia-en",
            json!({"voice": "thalia", "response_format": "wav", "speed": 1.2}),
            "/v1/speak?model=aura-2-thalia-en&encoding=linear16&container=wav&sample_rate=24000&speed=1.2",
            vec![],
        ),
        (
            "aura-2",
            json!({"voice": "a&b", "response_format": "pcm", "speed": 4}),
            "/v1/speak?model=aura-2-a%26b-en&encoding=linear16&container=none&sample_rate=24000&speed=1.5",
            vec!["speed"],
        ),
    ];
    for (model, more, wanted, lost) in table {
        let (path, _, told, _) = spoken(Shape::Deepgram, model, &speech(more));
        assert_eq!((path.as_str(), told), (wanted, lost.into_iter().map(str::to_owned).collect()), "{model}");
    }
}

#[test]
fn elevenlabs_speaks() {
    let (path, body, lost, sound) =
        spoken(Shape::ElevenLabs, "eleven_flash_v2_5", &speech(json!({"response_format": "wav"})));
    assert_eq!(path, "/v1/text-to-speech/SAz9YHcvj6GT2YYXdXww/stream?output_format=pcm_24000");
    assert_eq!(body, json!({"text": "Größe zählt", "model_id": "eleven_flash_v2_5"}));
    assert_eq!(lost, ["voice"]);
    assert!(matches!(sound, Sound::Flows { format: Format::Wav, samples: Some(24_000) }));
    let (path, body, lost, _) =
        spoken(Shape::ElevenLabs, "m", &speech(json!({"voice": "../../x", "speed": 1.1, "instructions": "sad"})));
    assert_eq!(path, "/v1/text-to-speech/..%2F..%2Fx/stream?output_format=mp3_44100_128");
    assert_eq!((&body["voice_settings"], lost), (&json!({"speed": 1.1}), vec!["instructions".to_owned()]));
    let site = site("m", "/v1/text-to-speech");
    assert!(codec(Shape::ElevenLabs).unwrap().speak(&speech(json!({"response_format": "flac"})), &site).is_err());
    assert_eq!(escaped(".."), "%2E%2E");
}

#[test]
fn gemini_speaks_samples() {
    let asked = speech(json!({"instructions": "Say it sadly:", "response_format": "pcm"}));
    let (_, body, lost, sound) = spoken(Shape::Gemini, "gemini-3.8-flash-tts", &asked);
    assert_eq!(body["contents"][0]["parts"][0]["text"], "Say it sadly:\n\nGröße zählt");
    let config = json!({"responseModalities": ["AUDIO"], "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}}});
    assert_eq!((&body["generationConfig"], lost), (&config, vec!["voice".to_owned()]));
    let Sound::Whole { read, .. } = sound else { panic!("it comes at once") };
    let answer = |data: &str| {
        json!({"candidates": [{"finishReason": "STOP", "content": {"parts": [
            {"inlineData": {"mimeType": "audio/L16;codec=pcm;rate=16000", "data": data}}]}}],
            "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 50,
                "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 50}]}})
    };
    let reply = |body: Value| Reply { headers: HeaderMap::new(), body: body.to_string().into() };
    let made = read(&reply(answer("AAECAw=="))).unwrap();
    assert_eq!(made.bytes, [0, 1, 2, 3][..]);
    assert_eq!(made.usage.map(|usage| (usage.input, usage.output, usage.audio_output)), Some((7, 50, 50)));
    assert_eq!(read(&reply(answer(""))).unwrap_err().class, FaultClass::Empty);
    assert_eq!(read(&reply(answer("%%"))).unwrap_err().class, FaultClass::Protocol);
    let (_, _, lost, sound) = spoken(Shape::Gemini, "m", &speech(json!({"voice": "Puck"})));
    assert_eq!(lost, ["response_format"], "mp3 is usual, and not to be had");
    let Sound::Whole { read, format: Format::Wav } = sound else { panic!("wav") };
    let made = read(&reply(answer("AAECAw=="))).unwrap();
    assert_eq!(made.bytes, [&wav_head(16_000, Some(4))[..], &[0, 1, 2, 3]].concat());
    let site = site("m", "/x");
    assert!(codec(Shape::Gemini).unwrap().speak(&speech(json!({"response_format": "mp3"})), &site).is_err());
}

#[test]
fn deepgram_hears() {
    let asked = recording(&[("response_format", "srt"), ("language", "de"), ("prompt", "names")]);
    let hearing = codec(Shape::Deepgram).unwrap().hear(&asked, &site("nova-3", "/v1/listen")).unwrap();
    assert_eq!(path(&hearing.call), "/v1/listen?model=nova-3&smart_format=true&language=de&utterances=true");
    assert_eq!(hearing.call.payload, Payload::Raw("audio/mpeg".to_owned(), Bytes::from_static(b"ID3 sound")));
    assert_eq!(losses(&hearing.losses), ["prompt"]);
    let body = json!({"metadata": {"duration": 2.5}, "results": {
        "channels": [{"detected_language": "en", "alternatives": [{"transcript": "Hi there. Bye.", "words": [
            {"word": "hi", "punctuated_word": "Hi", "start": 0.1, "end": 0.4}, {"word": "there", "punctuated_word": "there.", "start": 0.5, "end": 1.0},
            {"word": "bye", "punctuated_word": "Bye.", "start": 1.5, "end": 2.0}]}]}],
        "utterances": [{"start": 0.1, "end": 1.0, "transcript": "Hi there.", "speaker": 1}, {"start": 1.5, "end": 2.0, "transcript": "Bye."}]}});
    let heard_it = heard(Shape::Deepgram, &asked, &body).unwrap();
    assert_eq!((heard_it.text.as_str(), heard_it.billed().units.audio_ms), ("Hi there. Bye.", 2500));
    let written = answer::write(&heard_it, &asked);
    assert_eq!(
        String::from_utf8(written.body).unwrap(),
        "1\n00:00:00,100 --> 00:00:01,000\nHi there.\n\n2\n00:00:01,500 --> 00:00:02,000\nBye.\n\n"
    );
    assert_eq!(heard(Shape::Deepgram, &asked, &json!({"results": {}})).unwrap_err().class, FaultClass::Empty);
    let silence = json!({"metadata": {"duration": 1.0}, "results": {"channels": [{"alternatives": [{"transcript": "", "words": []}]}]}});
    assert_eq!(heard(Shape::Deepgram, &recording(&[]), &silence).unwrap().text, "", "nobody spoke");
}

#[test]
fn elevenlabs_hears() {
    let asked = recording(&[("response_format", "vtt"), ("language", "eng")]);
    let hearing = codec(Shape::ElevenLabs).unwrap().hear(&asked, &site("scribe_v2", "/v1/speech-to-text")).unwrap();
    let Payload::Form(form) = &hearing.call.payload else { panic!("a form") };
    assert_eq!((form.text("model_id"), form.text("language_code")), (Some("scribe_v2"), Some("eng")));
    assert_eq!(form.get("file").unwrap().data, Bytes::from_static(b"ID3 sound"));
    let word =
        |text: &str, start: f64, kind: &str| json!({"text": text, "start": start, "end": start + 0.4, "type": kind});
    let body = json!({"language_code": "eng", "text": "Hi there. Bye.", "audio_duration_secs": 9.0, "words": [
        word("Hi", 0.0, "word"), word(" ", 0.4, "spacing"), word("there.", 0.5, "word"), word("Bye.", 61.0, "word")]});
    let heard_it = heard(Shape::ElevenLabs, &asked, &body).unwrap();
    let text = String::from_utf8(answer::write(&heard_it, &asked).body).unwrap();
    assert_eq!(text, "WEBVTT\n\n00:00:00.000 --> 00:00:00.900\nHi there.\n\n00:01:01.000 --> 00:01:01.400\nBye.\n\n");
    let asked = recording(&[("response_format", "verbose_json"), ("timestamp_granularities[]", "word")]);
    let written: Value = serde_json::from_slice(&answer::write(&heard_it, &asked).body).unwrap();
    assert_eq!(
        (&written["duration"], &written["words"][2]["word"], &written["segments"]),
        (&json!(9.0), &json!("Bye."), &Value::Null)
    );
    let mut translating = asked;
    translating.translates = true;
    assert!(codec(Shape::ElevenLabs).unwrap().hear(&translating, &site("m", "/x")).is_err());
}

#[test]
fn gemini_hears_by_being_asked() {
    let asked = recording(&[("language", "de"), ("prompt", "Ringmain")]);
    let hearing = codec(Shape::Gemini).unwrap().hear(&asked, &site("m", "/x")).unwrap();
    let parts = &json_of(&hearing.call)["contents"][0]["parts"];
    let ask = parts[0]["text"].as_str().unwrap();
    assert!(ask.starts_with("Transcribe") && ask.contains("de") && ask.contains("Ringmain"), "{ask}");
    assert_eq!(parts[1]["inlineData"], json!({"mimeType": "audio/mpeg", "data": "SUQzIHNvdW5k"}));
    let body = json!({"candidates": [{"finishReason": "STOP", "content": {"parts": [{"text": "hm", "thought": true}, {"text": "Hallo\n"}]}}],
        "usageMetadata": {"promptTokenCount": 80, "candidatesTokenCount": 2, "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 64}]}});
    let heard_it = heard(Shape::Gemini, &asked, &body).unwrap();
    assert_eq!((heard_it.text.as_str(), heard_it.billed().audio_input), ("Hallo", 64));
    let written: Value = serde_json::from_slice(&answer::write(&heard_it, &asked).body).unwrap();
    assert_eq!(written["usage"]["input_token_details"], json!({"audio_tokens": 64, "text_tokens": 16}));
    let blocked = json!({"promptFeedback": {"blockReason": "SAFETY"}});
    assert_eq!(heard(Shape::Gemini, &asked, &blocked).unwrap_err().class, FaultClass::Refusal);
    assert!(codec(Shape::Gemini).unwrap().hear(&recording(&[("response_format", "srt")]), &site("m", "/x")).is_err());
}

#[test]
fn errors_say_what_they_mean() {
    let table = [
        (
            Shape::Deepgram,
            401,
            json!({"err_code": "INVALID_AUTH", "err_msg": "Invalid credentials."}),
            FaultClass::Auth,
            "Invalid credentials.",
        ),
        (
            Shape::Deepgram,
            400,
            json!({"category": "INVALID_JSON", "message": "no", "details": "x"}),
            FaultClass::BadRequest,
            "no",
        ),
        (Shape::Deepgram, 503, json!("<html>"), FaultClass::Overloaded, "HTTP status 503"),
        (
            Shape::ElevenLabs,
            401,
            json!({"detail": {"status": "quota_exceeded", "message": "none left"}}),
            FaultClass::Billing,
            "none left",
        ),
        (
            Shape::ElevenLabs,
            401,
            json!({"detail": {"status": "invalid_api_key", "message": "bad"}}),
            FaultClass::Auth,
            "bad",
        ),
        (
            Shape::ElevenLabs,
            404,
            json!({"detail": {"status": "voice_not_found", "message": "who"}}),
            FaultClass::BadRequest,
            "who",
        ),
        (
            Shape::ElevenLabs,
            422,
            json!({"detail": [{"loc": ["body"], "msg": "field required", "type": "missing"}]}),
            FaultClass::BadRequest,
            "field required",
        ),
        (
            Shape::ElevenLabs,
            429,
            json!({"detail": {"status": "system_busy", "message": "busy"}}),
            FaultClass::RateLimit,
            "busy",
        ),
    ];
    for (shape, status, body, class, message) in table {
        let fault = codec(shape).unwrap().decode_fault(status, &HeaderMap::new(), body.to_string().as_bytes());
        assert_eq!((fault.class, fault.message.as_str(), fault.status), (class, message, Some(status)), "{body}");
    }
}

#[test]
fn sound_is_dressed_as_it_goes() {
    let mut bare = Dress::new(None, false, None);
    assert!(bare.is_bare() && bare.piece(Bytes::from_static(b"abc")) == "abc" && bare.end().is_none());
    let mut wav = Dress::new(Some(24_000), false, None);
    assert_eq!(wav.piece(Bytes::from_static(b"abcd")), [&wav_head(24_000, None)[..], b"abcd"].concat());
    assert_eq!(wav.piece(Bytes::from_static(b"ef")), "ef");
    let mut events = Dress::new(None, true, None);
    assert!(events.piece(Bytes::from_static(b"ab")).is_empty());
    let mut told = [&events.piece(Bytes::from_static(b"cde"))[..], &events.end().unwrap()].concat();
    assert_eq!(
        String::from_utf8(told.clone()).unwrap(),
        "event: speech.audio.delta\ndata: {\"type\":\"speech.audio.delta\",\"audio\":\"YWJj\"}\n\n\
         event: speech.audio.delta\ndata: {\"type\":\"speech.audio.delta\",\"audio\":\"ZGU=\"}\n\n\
         event: speech.audio.done\ndata: {\"type\":\"speech.audio.done\"}\n\n"
    );
    for cut in [1, 7, told.len()] {
        let mut watch = Watch::default();
        told.chunks(cut).for_each(|piece| watch.piece(Bytes::copy_from_slice(piece)).unwrap());
        assert!(watch.is_useful() && watch.is_whole());
    }
    told.truncate(100);
    let mut watch = Watch::default();
    watch.piece(told.into()).unwrap();
    assert!(watch.is_useful() && !watch.is_whole(), "a cut stream is not whole");
    let error = "data: {\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\"}}\n\n";
    assert_eq!(Watch::default().piece(error.into()).unwrap_err().message, "overloaded");
}

#[test]
fn the_callers_own_bytes_go_where_they_are_taken() {
    assert!(openai::hears_as_it_is(&recording(&[("response_format", "srt")]), "whisper-1"));
    assert!(openai::hears_as_it_is(&recording(&[]), "gpt-4o-transcribe"));
    let text = recording(&[("response_format", "text"), ("prompt", "p")]);
    assert!(!openai::hears_as_it_is(&text, "openai/gpt-4o-mini-transcribe"));
    let hearing =
        codec(Shape::OpenAi).unwrap().hear(&text, &site("gpt-4o-transcribe", "/audio/transcriptions")).unwrap();
    let Payload::Form(form) = &hearing.call.payload else { panic!("a form") };
    assert_eq!(
        (form.text("model"), form.text("response_format"), form.text("prompt")),
        (Some("gpt-4o-transcribe"), Some("json"), Some("p"))
    );
    assert!(
        codec(Shape::OpenAi)
            .unwrap()
            .hear(&recording(&[("response_format", "srt")]), &site("gpt-4o-transcribe", "/x"))
            .is_err()
    );
    let body = br#"{"text":"hi","usage":{"type":"duration","seconds":7}}"#;
    assert_eq!(openai::billed(body).unwrap().units.audio_ms, 7000);
    let heard_it = Heard { text: "Hi you".to_owned(), segments: vec![Piece::default()], ..Heard::default() };
    let mut asked = recording(&[("stream", "true")]);
    asked.events = true;
    let events = String::from_utf8(answer::write(&heard_it, &asked).body).unwrap();
    assert_eq!(
        events,
        "event: transcript.text.delta\ndata: {\"type\":\"transcript.text.delta\",\"delta\":\"Hi \"}\n\n\
         event: transcript.text.delta\ndata: {\"type\":\"transcript.text.delta\",\"delta\":\"you\"}\n\n\
         event: transcript.text.done\ndata: {\"type\":\"transcript.text.done\",\"text\":\"Hi you\"}\n\n"
    );
    assert!(!openai::speaks_as_it_is(&speech(json!({"stream_format": "sse"})), "tts-1-hd"));
}

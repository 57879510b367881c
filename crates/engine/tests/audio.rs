//! Speech and transcription at providers of every shape: what goes out, what comes back, byte for byte, and what happens
//! when it does not.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod pipes;

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use pipes::{Act, Noted, World, status};
use ringmain_core::{Money, RequestId};
use serde_json::{Value, json};

const RULES: &str = "
providers:
  openai: { base_url: 'http://openai.test/v1', keys: [sk-openai-one] }
  groq: { base_url: 'http://groq.test/openai/v1', keys: [gsk-groq-one] }
  azure: { kind: azure-openai, base_url: 'http://azure.test', keys: [azure-one] }
  gemini: { base_url: 'http://gemini.test', keys: [goog-one] }
  deepgram: { base_url: 'http://deepgram.test', keys: [dg-one] }
  elevenlabs: { base_url: 'http://elevenlabs.test', keys: [xi-one] }
routes:
  - { name: spoken, match: { operation: speech, model: spoken }, targets: [openai/tts-1, elevenlabs/eleven_flash_v2_5] }
  - { name: written, match: { operation: transcription, model: written }, targets: [openai/whisper-1, deepgram/nova-3] }
";

const SOUND: &str = "\u{1}\u{2}sound\u{7f}";

fn world(acts: &[(&str, Vec<Vec<Act>>)]) -> World {
    World::of(acts, RULES)
}

/// An answer of this type, whole.
fn typed(kind: &str, body: &str) -> Act {
    Act::Send(format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
}

#[expect(clippy::needless_pass_by_value, reason = "it is made for the call")]
fn speech(model: &str, more: Value) -> String {
    let mut body = json!({"model": model, "input": "Hello there", "voice": "alloy"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body.to_string()
}

/// A form as clients write it: the file before the model.
fn form(model: &str, fields: &[(&str, &str)]) -> String {
    let mut body = format!(
        "--XyZ\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\nContent-Type: audio/mpeg\r\n\r\n{SOUND}\r\n"
    );
    for (name, value) in fields.iter().chain(&[("model", model)]) {
        body += &format!("--XyZ\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    body + "--XyZ--\r\n"
}

const FORM: [(&str, &str); 1] = [("content-type", "multipart/form-data; boundary=XyZ")];

async fn say(world: &World, model: &str, more: Value) -> pipes::Answer {
    world.call("POST", "/v1/audio/speech", &speech(model, more), &[]).await
}

async fn hear(world: &World, model: &str, fields: &[(&str, &str)]) -> pipes::Answer {
    world.call("POST", "/v1/audio/transcriptions", &form(model, fields), &FORM).await
}

fn cost(world: &World, answer: &pipes::Answer) -> Option<Money> {
    let id = RequestId::parse(answer.header("x-ringmain-request-id")).unwrap();
    world.gateway().records.get(id).unwrap().unwrap().attempts.last().unwrap().cost
}

#[tokio::test(start_paused = true)]
async fn sound_of_openais_shape_is_relayed() {
    let world = world(&[("openai", vec![vec![typed("audio/mpeg", SOUND)]])]);
    let answer = say(&world, "openai/tts-1", json!({"speed": 1.5, "unknown": [1, 2]})).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, SOUND));
    assert_eq!((answer.header("content-type"), answer.header("x-ringmain-loss")), ("audio/mpeg", ""));
    let asked = &world.requests("openai")[0];
    assert!(
        asked.starts_with("POST /v1/audio/speech HTTP/1.1\r\n") && asked.contains("Bearer sk-openai-one"),
        "{asked}"
    );
    assert!(
        asked.ends_with(&speech("tts-1", json!({"speed": 1.5, "unknown": [1, 2]}))),
        "the caller's own bytes: {asked}"
    );
    // 11 characters at $15 a million.
    assert_eq!(cost(&world, &answer).map(Money::nanos), Some(165_000));
}

#[tokio::test(start_paused = true)]
async fn every_shape_speaks() {
    let pcm = json!({"candidates": [{"finishReason": "STOP", "content": {"parts": [
        {"inlineData": {"mimeType": "audio/L16;codec=pcm;rate=24000", "data": "c291bmQh"}}]}}],
        "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 25}});
    let table = [
        (
            "groq",
            "canopylabs/orpheus-v1-english",
            typed("audio/wav", SOUND),
            json!({"response_format": "wav"}),
            "POST /openai/v1/audio/speech",
            "Bearer gsk-groq-one",
            SOUND,
            "audio/wav",
        ),
        (
            "azure",
            "tts",
            typed("audio/mpeg", SOUND),
            json!({}),
            "POST /openai/deployments/tts/audio/speech?api-version=2025-04-01-preview",
            "api-key: azure-one",
            SOUND,
            "audio/mpeg",
        ),
        (
            "deepgram",
            "aura-2",
            typed("audio/mpeg", SOUND),
            json!({}),
            "POST /v1/speak?model=aura-2-thalia-en&encoding=mp3",
            "Token dg-one",
            SOUND,
            "audio/mpeg",
        ),
        (
            "elevenlabs",
            "eleven_flash_v2_5",
            typed("audio/pcm", SOUND),
            json!({"response_format": "pcm", "voice": "v_1"}),
            "POST /v1/text-to-speech/v_1/stream?output_format=pcm_24000",
            "xi-api-key: xi-one",
            SOUND,
            "audio/pcm",
        ),
        (
            "gemini",
            "gemini-3.8-flash-tts",
            typed("application/json", &pcm.to_string()),
            json!({"response_format": "pcm"}),
            "POST /v1beta/models/gemini-3.8-flash-tts:generateContent",
            "x-goog-api-key: goog-one",
            "sound!",
            "audio/pcm",
        ),
    ];
    for (provider, model, act, more, line, key, sound, kind) in table {
        let world = world(&[(provider, vec![vec![act]])]);
        let answer = say(&world, &format!("{provider}/{model}"), more).await;
        assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, sound), "{provider}");
        assert_eq!(answer.header("content-type"), kind, "{provider}");
        let asked = &world.requests(provider)[0];
        assert!(asked.starts_with(&format!("{line} HTTP/1.1\r\n")) && asked.contains(key), "{provider}: {asked}");
        assert!(asked.contains("Hello there"), "{provider}");
    }
}

#[tokio::test(start_paused = true)]
async fn samples_get_the_head_they_lack_and_events_are_made() {
    let flows = || {
        vec![
            Act::Send(
                "HTTP/1.1 200 OK\r\ncontent-type: audio/pcm\r\ntransfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n"
                    .to_owned(),
            ),
            Act::Wait(Duration::from_secs(20)),
            Act::Send("2\r\nef\r\n0\r\n\r\n".to_owned()),
        ]
    };
    let world = world(&[("elevenlabs", vec![flows(), flows()])]);
    let request = |more| {
        Request::post("/v1/audio/speech").body(Full::new(Bytes::from(speech("elevenlabs/eleven_v3", more)))).unwrap()
    };
    let mut response = world.open(request(json!({"response_format": "wav"}))).await;
    assert_eq!(response.headers()["content-type"], "audio/wav");
    assert_eq!(response.headers()["x-ringmain-loss"], "voice");
    let first = response.body_mut().frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(
        first.starts_with(b"RIFF") && first.ends_with(b"dataabcd\xff\xff\xff\xff") || first.ends_with(b"abcd"),
        "{first:?}"
    );
    assert_eq!(&first[24..28], &24_000_u32.to_le_bytes());
    let rest = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(rest, "ef");
    let answer = world.answer(world.open(request(json!({"stream_format": "sse"}))).await).await;
    assert_eq!(answer.header("content-type"), "text/event-stream");
    let audio: Vec<Value> =
        answer.text.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok()).collect();
    let pieces: Vec<&str> = audio.iter().filter_map(|event| event["audio"].as_str()).collect();
    assert_eq!(pieces, ["YWJj", "ZGVm"]);
    assert_eq!(audio.last().unwrap()["type"], "speech.audio.done");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_sound_is_a_failed_attempt() {
    let none = [
        typed("audio/mpeg", ""),
        typed("application/json", r#"{"error":{"message":"busy","type":"server_error"}}"#),
        typed("text/html", "<html>"),
        status(500, "", r#"{"error":{"message":"broken"}}"#),
        typed("text/event-stream", "data: {\"error\":{\"message\":\"busy\"}}\n\n"),
    ];
    for act in none {
        let world =
            world(&[("openai", vec![vec![act.clone()]]), ("elevenlabs", vec![vec![typed("audio/mpeg", SOUND)]])]);
        let answer = say(&world, "spoken", json!({})).await;
        assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, SOUND), "{act:?}");
        assert_eq!(answer.header("x-ringmain-target"), "elevenlabs/eleven_flash_v2_5");
        assert_eq!(cost(&world, &answer).map(Money::nanos), Some(550_000), "11 characters at $50 a million");
    }
    let refused = status(400, "", r#"{"error":{"message":"too long","code":"string_above_max_length"}}"#);
    let world = world(&[("openai", vec![vec![refused]])]);
    let answer = say(&world, "spoken", json!({})).await;
    assert_eq!((answer.status, world.asked("elevenlabs")), (StatusCode::BAD_REQUEST, 0));
}

#[tokio::test(start_paused = true)]
async fn sound_that_breaks_off_has_no_clean_end() {
    let head = |kind: &str| {
        Act::Send(format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n"))
    };
    let piece = |text: &str| Act::Send(format!("{:x}\r\n{text}\r\n", text.len()));
    for end in [Act::Close, Act::Silence] {
        let world = world(&[("openai", vec![vec![head("audio/mpeg"), piece("abc"), end]])]);
        let request =
            Request::post("/v1/audio/speech").body(Full::new(Bytes::from(speech("spoken", json!({}))))).unwrap();
        let response = world.open(request).await;
        assert!(response.into_body().collect().await.is_err());
        assert_eq!(world.asked("elevenlabs"), 0, "another voice is no continuation");
    }
    let delta = "data: {\"type\":\"speech.audio.delta\",\"audio\":\"YWJj\"}\n\n";
    for end in [vec![Act::Close], vec![Act::Send("0\r\n\r\n".to_owned())]] {
        let acts = [vec![head("text/event-stream"), piece(delta)], end].concat();
        let world = world(&[("openai", vec![acts])]);
        let answer = say(&world, "openai/gpt-4o-mini-tts", json!({"stream_format": "sse"})).await;
        assert!(
            answer.text.starts_with(delta) && answer.text.contains("event: error\ndata: {\"error\":"),
            "{}",
            answer.text
        );
        assert!(!answer.text.contains("speech.audio.done"));
    }
    let done = "data: {\"type\":\"speech.audio.done\",\"usage\":{\"input_tokens\":10,\"output_tokens\":100,\"total_tokens\":110}}\n\n";
    let acts = vec![head("text/event-stream"), piece(delta), piece(done), Act::Send("0\r\n\r\n".to_owned())];
    let world = world(&[("openai", vec![acts])]);
    let answer = say(&world, "openai/gpt-4o-mini-tts", json!({"stream_format": "sse"})).await;
    assert_eq!(answer.text, [delta, done].concat());
    assert_eq!(
        cost(&world, &answer).map(Money::nanos),
        Some(6_000 + 1_000_000),
        "10 tokens in at $0.6, 100 out at $10"
    );
}

#[tokio::test(start_paused = true)]
async fn a_form_of_openais_shape_is_relayed() {
    let said = r#"{"text":"Hello","usage":{"type":"duration","seconds":30}}"#;
    let world = world(&[("openai", vec![vec![typed("application/json", said)]])]);
    let answer = hear(&world, "openai/whisper-1", &[("language", "en"), ("timestamp_granularities[]", "word")]).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, said));
    let asked = &world.requests("openai")[0];
    let boundary = asked.split("boundary=").nth(1).unwrap().split("\r\n").next().unwrap();
    let part =
        |head: &str, body: &str| format!("--{boundary}\r\ncontent-disposition: form-data; {head}\r\n\r\n{body}\r\n");
    let wanted = [
        part("name=\"model\"", "whisper-1"),
        part("name=\"file\"; filename=\"a.mp3\"\r\ncontent-type: audio/mpeg", SOUND),
        part("name=\"language\"", "en"),
        part("name=\"timestamp_granularities[]\"", "word"),
        format!("--{boundary}--\r\n"),
    ];
    assert!(asked.ends_with(&format!("\r\n\r\n{}", wanted.concat())), "{asked}");
    // Half a minute at $0.006 a minute.
    assert_eq!(cost(&world, &answer).map(Money::nanos), Some(3_000_000));
    let text = self::world(&[("openai", vec![vec![typed("text/plain; charset=utf-8", "Hello\n")]])]);
    let path = "/v1/audio/translations";
    let answer = text.call("POST", path, &form("openai/whisper-1", &[("response_format", "text")]), &FORM).await;
    assert_eq!((answer.text.as_str(), answer.header("content-type")), ("Hello\n", "text/plain; charset=utf-8"));
    assert!(text.requests("openai")[0].starts_with("POST /v1/audio/translations HTTP/1.1\r\n"));
}

#[tokio::test(start_paused = true)]
async fn every_shape_hears() {
    let deepgram =
        r#"{"metadata":{"duration":60.0},"results":{"channels":[{"alternatives":[{"transcript":"Hello there."}]}]}}"#;
    let elevenlabs = r#"{"language_code":"eng","text":"Hello there.","audio_duration_secs":60,"words":[]}"#;
    let gemini = r#"{"candidates":[{"finishReason":"STOP","content":{"parts":[{"text":"Hello there."}]}}],
        "usageMetadata":{"promptTokenCount":100,"candidatesTokenCount":10,"promptTokensDetails":[{"modality":"AUDIO","tokenCount":80}]}}"#;
    let json_alone =
        r#"{"text":"Hello there.","usage":{"type":"tokens","input_tokens":100,"output_tokens":10,"total_tokens":110}}"#;
    let table = [
        (
            "deepgram",
            "nova-3",
            deepgram,
            "POST /v1/listen?model=nova-3&smart_format=true&detect_language=true",
            Some(4_300_000),
        ),
        ("elevenlabs", "scribe_v2", elevenlabs, "POST /v1/speech-to-text", Some(3_666_700)),
        (
            "gemini",
            "gemini-2.5-flash",
            gemini,
            "POST /v1beta/models/gemini-2.5-flash:generateContent",
            Some(6_000 + 80_000 + 25_000),
        ),
        ("openai", "gpt-4o-transcribe", json_alone, "POST /v1/audio/transcriptions", Some(250_000 + 100_000)),
    ];
    for (provider, model, said, line, nanos) in table {
        let world = world(&[(provider, vec![vec![typed("application/json", said)]])]);
        let answer = hear(&world, &format!("{provider}/{model}"), &[("response_format", "text")]).await;
        assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, "Hello there.\n"), "{provider}");
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8", "{provider}");
        let asked = &world.requests(provider)[0];
        assert!(asked.starts_with(&format!("{line} HTTP/1.1\r\n")), "{provider}: {asked}");
        assert_eq!(cost(&world, &answer).map(Money::nanos), nanos, "{provider}");
        let streamed = hear(&world, &format!("{provider}/{model}"), &[("stream", "true")]).await;
        assert!(
            streamed.text.contains(r#"{"type":"transcript.text.delta","delta":"Hello "}"#),
            "{provider}: {}",
            streamed.text
        );
        assert!(streamed.text.contains(r#""type":"transcript.text.done""#), "{provider}");
    }
    let world = world(&[("deepgram", vec![vec![typed("application/json", deepgram)]])]);
    hear(&world, "deepgram/nova-3", &[]).await;
    assert!(
        world.requests("deepgram")[0].ends_with(&format!("\r\n\r\n{SOUND}")),
        "the sound is the body, byte for byte"
    );
    assert!(world.requests("deepgram")[0].contains("content-type: audio/mpeg\r\n"));
}

#[tokio::test(start_paused = true)]
async fn a_form_is_sent_again_elsewhere() {
    let deepgram = r#"{"metadata":{"duration":2.0},"results":{"channels":[{"alternatives":[{"transcript":"Hi."}]}]}}"#;
    let broken = || status(503, "", r#"{"error":{"message":"overloaded"}}"#);
    let failures = [
        broken(),
        typed("application/json", "{}"),
        typed("application/json", r#"{"error":{"message":"x"}}"#),
        typed("text/html", "<p>"),
    ];
    for failure in failures {
        let world =
            world(&[("openai", vec![vec![failure]]), ("deepgram", vec![vec![typed("application/json", deepgram)]])]);
        let answer = hear(&world, "written", &[("prompt", "names")]).await;
        assert_eq!(
            (answer.status, answer.header("x-ringmain-target")),
            (StatusCode::OK, "deepgram/nova-3"),
            "{}",
            answer.text
        );
        assert_eq!(answer.header("x-ringmain-loss"), "prompt");
        assert!(world.requests("deepgram")[0].ends_with(SOUND));
    }
    // What a target cannot do leaves it out, and if nobody is left it is said.
    let world = world(&[("openai", vec![vec![broken()]])]);
    let body = form("deepgram/nova-3", &[]);
    let answer = world.call("POST", "/v1/audio/translations", &body, &FORM).await;
    assert!(answer.status == StatusCode::BAD_REQUEST && answer.text.contains("translates nothing"), "{}", answer.text);
    let answer = world.call("POST", "/v1/audio/transcriptions", r#"{"model":"written"}"#, &[]).await;
    assert!(answer.status == StatusCode::BAD_REQUEST && answer.text.contains("file"), "{}", answer.text);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_is_left_and_who_has_spent_is_refused() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: 300\r\n\r\nabc";
    let world = world(&[("openai", vec![vec![Act::Send(head.to_owned()), Act::Silence]])]);
    let request = Request::post("/v1/audio/speech").body(Full::new(Bytes::from(speech("spoken", json!({}))))).unwrap();
    let mut response = world.open(request).await;
    assert_eq!(response.body_mut().frame().await.unwrap().unwrap().into_data().unwrap(), "abc");
    drop(response);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(matches!(world.noted("openai")[..], [Noted::Asked(_), Noted::Closed(_)]));

    let rules = format!("{RULES}keys: [{{ name: poor, key: virtual-poor-key, limits: [$0.0002/day] }}]\n");
    let world = World::of(&[("openai", vec![vec![typed("audio/mpeg", SOUND)]])], &rules);
    let key = [("authorization", "Bearer virtual-poor-key")];
    let body = speech("openai/tts-1", json!({}));
    for wanted in [200, 429] {
        let answer = world.call("POST", "/v1/audio/speech", &body, &key).await;
        assert_eq!(answer.status.as_u16(), wanted, "eleven characters are $0.000165: {}", answer.text);
    }
}

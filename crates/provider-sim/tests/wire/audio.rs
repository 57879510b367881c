//! Speech and transcription as their APIs write them.

use ringmain_provider_sim::{Sim, SimConfig};

use super::support::{End, ask};

const JSON: &str = "content-type: application/json\r\n";

fn form(fields: &[(&str, &str)]) -> String {
    let field = |(name, value): &(&str, &str)| {
        let file = if *name == "file" { "; filename=\"a.wav\"" } else { "" };
        format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\n\r\n{value}\r\n")
    };
    fields.iter().map(field).collect::<String>() + "--b--\r\n"
}

#[tokio::test]
async fn what_is_spoken_is_what_was_asked_for() {
    let sim = Sim::start(SimConfig::default()).await.unwrap();
    let speech = r#"{"model":"tts-1","voice":"alloy","input":"hi","response_format":"wav"}"#;
    let seen = ask(&sim, "POST", "/v1/audio/speech", JSON, speech).await;
    assert_eq!((seen.status, seen.header("content-type"), seen.end), (200, Some("audio/wav"), End::Whole));
    // Two characters are a fifth of a second: 4800 samples of two bytes, behind a head.
    assert!(seen.body.starts_with(b"RIFF") && seen.body.len() == 44 + 9600, "{}", seen.body.len());
    let seen = ask(&sim, "POST", "/v1/speak?model=aura-2-thalia-en&encoding=mp3", JSON, r#"{"text":"hi"}"#).await;
    assert_eq!((seen.header("content-type"), &seen.body[..2]), (Some("audio/mpeg"), &[0xff, 0xfb][..]));
    let path = "/v1/text-to-speech/v_1/stream?output_format=pcm_24000";
    let seen = ask(&sim, "POST", path, JSON, r#"{"text":"hi","model_id":"eleven_v3"}"#).await;
    assert_eq!((seen.header("content-type"), seen.body.len()), (Some("audio/pcm"), 9600));
    let seen = ask(&sim, "POST", path, JSON, r#"{"model_id":"eleven_v3"}"#).await;
    assert_eq!((seen.status, seen.json()["detail"]["status"].as_str()), (400, Some("error")));
    let path = "/v1beta/models/gemini-3.8-flash-tts:generateContent";
    let body = r#"{"contents":[{"parts":[{"text":"hi"}]}],"generationConfig":{"responseModalities":["AUDIO"]}}"#;
    let seen = ask(&sim, "POST", path, JSON, body).await;
    let part = &seen.json()["candidates"][0]["content"]["parts"][0]["inlineData"];
    assert_eq!(part["mimeType"], "audio/L16;codec=pcm;rate=24000");
}

#[tokio::test]
async fn what_is_heard_names_the_bytes() {
    let sim = Sim::start(SimConfig::default()).await.unwrap();
    let heard = "Heard 5 bytes named ";
    let multipart = "content-type: multipart/form-data; boundary=b\r\n";
    let seen =
        ask(&sim, "POST", "/v1/audio/transcriptions", multipart, &form(&[("model", "whisper-1"), ("file", "sound")]))
            .await;
    assert!(seen.json()["text"].as_str().unwrap().starts_with(heard), "{}", seen.text());
    assert_eq!(seen.json()["usage"]["type"], "duration");
    let fields = [("model", "gpt-4o-transcribe"), ("stream", "true"), ("file", "sound")];
    let seen = ask(&sim, "POST", "/v1/audio/transcriptions", multipart, &form(&fields)).await;
    assert!(seen.joined("/delta").starts_with(heard) && seen.header("content-type") == Some("text/event-stream"));
    let seen = ask(&sim, "POST", "/v1/listen?model=nova-3", "content-type: audio/wav\r\n", "sound").await;
    assert!(
        seen.json()["results"]["channels"][0]["alternatives"][0]["transcript"].as_str().unwrap().starts_with(heard)
    );
    let seen =
        ask(&sim, "POST", "/v1/speech-to-text", multipart, &form(&[("model_id", "scribe_v2"), ("file", "sound")]))
            .await;
    assert!(seen.json()["text"].as_str().unwrap().starts_with(heard));
    let seen = ask(&sim, "POST", "/v1/audio/transcriptions", multipart, &form(&[("model", "whisper-1")])).await;
    assert_eq!(seen.status, 400, "there is no file");
}

//! Recorded streams give the same frames whole and byte by byte.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a skipped test says so; helpers of tests")]

use bytes::Bytes;
use ringmain_wire::json_array::JsonArrayFramer;
use ringmain_wire::sse::SseFramer;
use serde_json::Value;
use std::path::Path;

fn sse(chunks: impl Iterator<Item = Bytes>) -> (Vec<(Bytes, Vec<u8>)>, Bytes) {
    let mut framer = SseFramer::new(1 << 24);
    let mut frames = Vec::new();
    for chunk in chunks {
        framer.push(chunk);
        while let Some(frame) = framer.next().unwrap() {
            let data = frame.data().into_owned();
            frames.push((frame.raw, data));
        }
    }
    (frames, framer.take_pending())
}

fn array(chunks: impl Iterator<Item = Bytes>) -> Vec<Bytes> {
    let mut framer = JsonArrayFramer::new(1 << 24);
    let mut elements = Vec::new();
    for chunk in chunks {
        framer.push(chunk);
        while let Some(element) = framer.next().unwrap() {
            elements.push(element);
        }
    }
    assert!(framer.is_finished());
    elements
}

/// How many frames; each one's data must be JSON, or the mark at the end.
fn check(body: &Bytes, name: &str) -> usize {
    let bytes = || body.chunks(1).map(Bytes::copy_from_slice);
    if body.trim_ascii_start().starts_with(b"[") {
        let elements = array([body.clone()].into_iter());
        assert_eq!(elements, array(bytes()), "{name}");
        assert!(elements.iter().all(|element| serde_json::from_slice::<Value>(element).is_ok()), "{name}");
        return elements.len();
    }
    let whole = sse([body.clone()].into_iter());
    assert_eq!(whole, sse(bytes()), "{name}");
    for (_, data) in whole.0.iter().filter(|(_, data)| !data.is_empty() && data != b"[DONE]") {
        assert!(serde_json::from_slice::<Value>(data).is_ok(), "{name}: {}", String::from_utf8_lossy(data));
    }
    whole.0.len()
}

#[test]
fn recorded_streams_are_framed_alike_at_any_chunking() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/recordings"));
    let Ok(apis) = std::fs::read_dir(root) else {
        println!("skipped: no recordings at {}", root.display());
        return;
    };
    let wanted = |api: &str| api.ends_with(".chat") || api == "anthropic.messages" || api == "gemini.stream";
    let apis =
        apis.map(|api| api.unwrap().path()).filter(|path| path.file_name().unwrap().to_str().is_some_and(wanted));
    let (mut streams, mut frames) = (0, 0);
    for file in apis.flat_map(|api| std::fs::read_dir(api).unwrap()).map(|file| file.unwrap().path()) {
        if file.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let recording: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let body = recording["response"]["body_text"].as_str().filter(|_| recording["streaming"] == true);
        let Some(body) = body else { continue };
        let found = check(&Bytes::copy_from_slice(body.as_bytes()), &file.display().to_string());
        assert!(found > 0, "{} has no frames", file.display());
        streams += 1;
        frames += found;
    }
    println!("{streams} streams, {frames} frames");
    assert!(streams > 0);
}

//! Numbers to look at by hand:
//! `cargo test --release -p ringmain-wire --test speed -- --ignored --nocapture --test-threads=1`
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "printing is what these are for")]

use bytes::Bytes;
use ringmain_wire::json::{Document, Edit, Object, splice};
use ringmain_wire::sse::SseFramer;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Mean time of a call, over about half a second.
fn time<T>(mut run: impl FnMut() -> T) -> Duration {
    let (start, mut calls) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_millis(500) {
        black_box(run());
        calls += 1;
    }
    start.elapsed() / calls
}

fn body(len: usize, word: &str) -> Bytes {
    let text = word.repeat(len / word.len());
    let messages =
        format!("[{{\"role\":\"system\",\"content\":\"Be brief.\"}},{{\"role\":\"user\",\"content\":\"{text}\"}}]");
    format!("{{\"model\":\"gpt-4o\",\"stream\":true,\"temperature\":0.7,\"messages\":{messages}}}").into()
}

#[test]
#[ignore = "a measurement"]
fn speed_of_object_parse() {
    for (what, word) in
        [("ascii", "lorem ipsum dolor "), ("escapes", "line of text here\\n"), ("漢字", "漢字かな交じり文")]
    {
        for len in [1 << 10, 1 << 20] {
            let body = body(len, word);
            let took = time(|| Object::parse(&body).unwrap().span("model"));
            println!("Object::parse {what} {len} B: {took:?}, {:.2} GB/s", body.len() as f64 / took.as_nanos() as f64);
        }
    }
}

#[test]
#[ignore = "a measurement"]
fn speed_of_splice() {
    let edits = [Edit::set("/model", "\"other\"")];
    for len in [1 << 10, 4 << 20] {
        let body = body(len, "lorem ipsum dolor ");
        let document = Document::parse(body.clone()).unwrap();
        println!(
            "splice {len} B: {:?}, parts {}",
            time(|| splice(&body, &edits)),
            splice(&body, &edits).unwrap().parts().len()
        );
        println!("Document::splice {len} B: {:?}", time(|| document.splice(&edits)));
    }
}

#[test]
#[ignore = "a measurement"]
fn speed_of_sse_frames() {
    let delta = r#"{"id":"chatcmpl-123","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o","choices":[{"index":0,"delta":{"content":" hello"},"finish_reason":null}]}"#;
    for (what, frame) in
        [("data", format!("data: {delta}\n\n")), ("event+data", format!("event: delta\ndata: {delta}\n\n"))]
    {
        for per_chunk in [1, 64] {
            let chunk = Bytes::from(frame.repeat(per_chunk));
            let mut framer = SseFramer::new(1 << 20);
            let mut run = |read: bool| {
                framer.push(chunk.clone());
                while let Ok(Some(frame)) = framer.next() {
                    if read {
                        black_box(frame.data());
                    }
                    black_box(frame);
                }
            };
            let (framed, read) = (time(|| run(false)), time(|| run(true)));
            let each = |took: Duration| took.as_nanos() as f64 / per_chunk as f64;
            println!(
                "sse {what}, {per_chunk} in a chunk: {:.0} ns a frame, {:.0} ns with data()",
                each(framed),
                each(read)
            );
        }
    }
}

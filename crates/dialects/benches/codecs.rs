//! What each codec costs without a network: bytes a second and allocations an event, of a stream of 256 small deltas and
//! of a plain answer. `cargo bench -p ringmain-dialects --bench codecs` prints a table; `cargo xtask bench` keeps it.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs, reason = "a measurement is printed")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringmain_core::{Dialect, Usage};
use ringmain_dialects::ir::{Block, BlockHead, Delta, Event, Finish, Response};
use ringmain_dialects::{Codec, Framing, StreamStart, registry};
use ringmain_wire::event_stream::EventStreamFramer;
use ringmain_wire::sse::SseFramer;

const DELTAS: u32 = 256;
const TIME: Duration = Duration::from_millis(200);

fn events() -> Vec<Event> {
    let mut events = vec![
        Event::Start { id: "msg_1".into(), model: "model-1".into(), created: Some(1_700_000_000) },
        Event::BlockStart { index: 0, head: BlockHead::Text },
    ];
    events.extend((0..DELTAS).map(|_| Event::Delta { index: 0, delta: Delta::Text(" token".into()) }));
    events.push(Event::BlockStop { index: 0 });
    events.push(Event::Usage(Usage { input: 20, output: u64::from(DELTAS), ..Usage::default() }));
    events.push(Event::Finish(Finish::Stop));
    events
}

fn encoded(codec: &dyn Codec, events: &[Event]) -> Vec<u8> {
    let framing = Framing::of_provider(codec.dialect());
    let start = StreamStart { id: "msg_1".into(), model: "model-1".into(), created: 1, include_usage: true, framing };
    let (mut encoder, mut out) = (codec.stream_encoder(&start), Vec::new());
    for event in events {
        encoder.event(event, &mut out);
    }
    out
}

/// Cuts the stream and hands each event on; how many there were.
fn each_frame(framing: Framing, stream: &Bytes, mut each: impl FnMut(Option<&str>, &[u8])) -> u32 {
    let mut count = 0;
    if framing == Framing::EventStream {
        let mut framer = EventStreamFramer::new(1 << 20);
        framer.push(stream.clone());
        while let Some(frame) = framer.next().unwrap() {
            each(Some(&frame.event()), &frame.data());
            count += 1;
        }
        return count;
    }
    let mut framer = SseFramer::new(1 << 20);
    framer.push(stream.clone());
    while let Some(frame) = framer.next().unwrap() {
        each(frame.event(), &frame.data());
        count += 1;
    }
    count
}

fn tapped(codec: &dyn Codec, framing: Framing, stream: &Bytes) -> u32 {
    let mut tap = codec.tap();
    each_frame(framing, stream, |name, data| {
        black_box(tap.event(name, data));
    })
}

fn decoded(codec: &dyn Codec, framing: Framing, stream: &Bytes, out: &mut Vec<Event>) -> u32 {
    let mut decoder = codec.stream_decoder();
    let count = each_frame(framing, stream, |name, data| {
        decoder.event(name, data, out).unwrap();
    });
    let _ = decoder.end(true, out);
    count
}

/// Megabytes a second and allocations in one call.
fn measured(bytes: usize, mut run: impl FnMut()) -> (f64, f64) {
    run();
    let allocations = allocation_counter::measure(&mut run).count_total;
    let (start, mut calls) = (Instant::now(), 0_u32);
    while start.elapsed() < TIME {
        run();
        calls += 1;
    }
    let seconds = start.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let (bytes, allocations) = (bytes as f64, allocations as f64);
    (bytes * f64::from(calls) / seconds / 1e6, allocations)
}

fn main() {
    println!(
        "Streams of {DELTAS} small deltas, framing included; `tap` is what a relayed stream costs, `decode` and `encode`"
    );
    println!("the two halves of a translated one. MB/s, and allocations an event.\n");
    println!("| dialect | tap | decode | encode | plain answer: decode | encode |\n|---|---:|---:|---:|---:|---:|");
    let events = events();
    let text = " token".repeat(DELTAS as usize);
    let response = Response {
        id: "msg_1".into(),
        model: "model-1".into(),
        blocks: vec![Block::text(text)],
        ..Response::default()
    };
    for codec in Dialect::ALL.map(|dialect| registry::codec(dialect).unwrap()) {
        let framing = Framing::of_provider(codec.dialect());
        let stream = Bytes::from(encoded(codec, &events));
        let count = f64::from(tapped(codec, framing, &stream));
        let cell = |(speed, allocations): (f64, f64)| format!("{speed:.0}, {:.1}", allocations / count);
        let tap = measured(stream.len(), || {
            black_box(tapped(codec, framing, &stream));
        });
        let mut out = Vec::with_capacity(events.len() + 8);
        let decode = measured(stream.len(), || {
            out.clear();
            black_box(decoded(codec, framing, &stream, &mut out));
        });
        let encode = measured(stream.len(), || {
            black_box(encoded(codec, &events));
        });
        let body = codec.encode_response(&response).body;
        let (plain_decode, _) = measured(body.len(), || {
            black_box(codec.decode_response(&body).unwrap());
        });
        let (plain_encode, _) = measured(body.len(), || {
            black_box(codec.encode_response(&response));
        });
        println!(
            "| {} | {} | {} | {} | {plain_decode:.0} | {plain_encode:.0} |",
            codec.dialect(),
            cell(tap),
            cell(decode),
            cell(encode)
        );
    }
}

//! Recordings that many callers send at once: what is held of them together has a limit, and all are served.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may stop")]

mod pipes;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pipes::{Act, Answer, World, status};

const MIB: usize = 1024 * 1024;
/// A recording as large as OpenAI takes.
const LARGEST: usize = 25 * 1024 * 1024;

/// A form, its file before its model, that is read in pieces; how much of all of them was read.
struct Form {
    left: Vec<Bytes>,
    size: Option<u64>,
    read: Arc<AtomicUsize>,
}

impl Form {
    fn new(file: usize, says_its_size: bool, read: &Arc<AtomicUsize>) -> Self {
        let head = "--XyZ\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\nContent-Type: audio/mpeg\r\n\r\n";
        let tail = "\r\n--XyZ\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nr\r\n--XyZ--\r\n";
        let whole = Bytes::from([head.as_bytes(), &vec![b'x'; file], tail.as_bytes()].concat());
        let mut left: Vec<Bytes> = (0..whole.len().div_ceil(MIB / 4))
            .map(|at| whole.slice(at * MIB / 4..((at + 1) * MIB / 4).min(whole.len())))
            .collect();
        left.reverse();
        Self { left, size: says_its_size.then_some(whole.len() as u64), read: Arc::clone(read) }
    }
}

impl Body for Form {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        let piece = self.left.pop();
        self.read.fetch_add(piece.as_ref().map_or(0, Bytes::len), Ordering::Relaxed);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        self.size.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

fn world(server: &str, acts: Vec<Vec<Act>>) -> World {
    let rules = format!(
        "server: {{ {server} }}\nproviders:\n  a: {{ kind: openai-compatible, base_url: 'http://a.test/v1', keys: [k] }}\n  b: {{ \
         kind: openai-compatible, base_url: 'http://b.test/v1', keys: [k] }}\nroutes: [{{ name: r, targets: [a/m, b/m], timeouts: {{ race_after: 5m, first_token: 5m }} }}]\n"
    );
    World::of(&[("a", acts), ("b", vec![vec![heard()]])], &rules)
}

fn heard() -> Act {
    status(200, "", r#"{"text":"Hello"}"#)
}

async fn send(world: &World, form: Form) -> Answer {
    let request = Request::post("/v1/audio/transcriptions").header("content-type", "multipart/form-data; boundary=XyZ");
    world.answer(world.open(request.body(form).unwrap()).await).await
}

#[tokio::test(start_paused = true)]
async fn the_largest_recording_works_as_it_is_and_fails_over() {
    let world = world("", vec![vec![status(500, "", r#"{"error":{"message":"x"}}"#)]]);
    let answer = send(&world, Form::new(LARGEST, true, &Arc::default())).await;
    assert_eq!((answer.status, answer.header("x-ringmain-target")), (StatusCode::OK, "b/m"), "{}", answer.text);
    let asked = &world.requests("b")[0];
    assert!(asked.len() > LARGEST && asked.bytes().filter(|byte| *byte == b'x').count() >= LARGEST, "whole, again");
}

#[tokio::test(start_paused = true)]
async fn fifty_at_once_are_held_within_the_limit() {
    let busy = vec![vec![Act::Wait(Duration::from_secs(1)), heard()]];
    let (world, read) = (Arc::new(world("max_held: 10MiB", busy)), Arc::default());
    let all: Vec<_> = (0..50)
        .map(|at| {
            let (world, form) = (Arc::clone(&world), Form::new(2 * MIB, at % 2 == 0, &read));
            tokio::spawn(async move { send(&world, form).await.status })
        })
        .collect();
    // Five at a time fit, or fewer where nobody says how long they are; nothing of the others is read but the first MiB.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let begun = read.load(Ordering::Relaxed);
    assert!(begun <= 11 * MIB + 25 * 5 * MIB / 4, "{begun}");
    assert!((1..=5).contains(&world.asked("a")), "{}", world.asked("a"));
    for one in all {
        assert_eq!(one.await.unwrap(), StatusCode::OK);
    }
    assert_eq!((world.asked("a"), world.asked("b")), (50, 0));
}

#[tokio::test(start_paused = true)]
async fn who_finds_no_room_is_told_which_setting() {
    let (world, read) = (Arc::new(world("max_held: 2MiB", vec![vec![Act::Silence]])), Arc::default());
    let (first, form) = (Arc::clone(&world), Form::new(2 * MIB, true, &read));
    let held = tokio::spawn(async move { send(&first, form).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let answer = send(&world, Form::new(2 * MIB, true, &Arc::default())).await;
    assert!(
        answer.status == StatusCode::SERVICE_UNAVAILABLE && answer.text.contains("server.max_held"),
        "{}",
        answer.text
    );
    assert_eq!(answer.header("retry-after"), "5");
    // Small ones pass by.
    let small = send(&world, Form::new(MIB / 2, true, &Arc::default())).await;
    assert_eq!(small.status, StatusCode::OK, "{}", small.text);
    held.abort();
    let _ = held.await;
    let answer = send(&world, Form::new(2 * MIB, true, &Arc::default())).await;
    assert_eq!(answer.status, StatusCode::OK, "its room is free again: {}", answer.text);
}

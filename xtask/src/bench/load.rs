//! The load: closed loops that keep connections busy, and an open loop that keeps its own time. All on one thread,
//! on loopback, with a stated number of connections and a stated end.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, sleep_until, timeout};

use super::http::{Answer, Connection};

/// Beyond the planned time, how long answers in flight may take before they count as failed.
const GRACE: Duration = Duration::from_secs(30);
/// Connections an open loop may have.
const OPEN_LOOP_CONNECTIONS: usize = 64;
/// How long a loop stands back after a failure, so that a dead server is not hammered.
const AFTER_FAILURE: Duration = Duration::from_millis(10);

/// Where to send what.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) address: SocketAddr,
    /// The whole request, head and body.
    pub(super) request: Rc<[u8]>,
    /// Whether the answer must be a finished stream to count.
    pub(super) is_stream: bool,
}

impl Target {
    fn is_good(&self, answer: &Answer) -> bool {
        answer.status == 200 && (!self.is_stream || answer.is_done)
    }
}

/// What came of a load; times in microseconds.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) first_byte: Vec<f64>,
    pub(super) whole: Vec<f64>,
    /// Not answered, cut, or not a finished 200.
    pub(super) failures: u64,
    /// Body bytes of the last good answer.
    pub(super) bytes: usize,
    /// From the first request to the last answer.
    pub(super) took: Duration,
}

impl Outcome {
    pub(super) fn answered(&self) -> usize {
        self.whole.len()
    }

    fn keep(&mut self, answer: &Answer) {
        self.first_byte.push(answer.first_byte.as_secs_f64() * 1e6);
        self.whole.push(answer.whole.as_secs_f64() * 1e6);
        self.bytes = answer.bytes;
    }
}

type Shared = Rc<RefCell<Outcome>>;

/// `connections` loops, each with its own connection, sending one request after another for `time`; what is in
/// flight then is finished. The loops begin spread over `ramp`.
pub(super) async fn closed(target: &Target, connections: usize, time: Duration, ramp: Duration) -> Outcome {
    let shared = Shared::default();
    let start = Instant::now();
    let end = start + ramp + time;
    run(&shared, end, |tasks| {
        for index in 0..connections {
            let (target, shared) = (target.clone(), shared.clone());
            let begin = start + ramp.mul_f64(index as f64 / connections as f64);
            tasks.spawn_local(async move {
                sleep_until(begin).await;
                keep_busy(&target, end, &shared).await;
            });
        }
    })
    .await;
    finish(&shared, start)
}

async fn keep_busy(target: &Target, end: Instant, shared: &Shared) {
    let mut held = None;
    while Instant::now() < end {
        let answer = on_connection(target, &mut held).await;
        match answer {
            Some(answer) if target.is_good(&answer) => shared.borrow_mut().keep(&answer),
            _ => {
                shared.borrow_mut().failures += 1;
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
    }
}

/// One exchange on the held connection, or on a new one, which is held when it stays usable.
async fn on_connection(target: &Target, held: &mut Option<Connection>) -> Option<Answer> {
    let mut connection = match held.take() {
        Some(connection) => connection,
        None => Connection::open(target.address).await.ok()?,
    };
    let answer = connection.exchange(&target.request).await.ok();
    *held = connection.is_open().then_some(connection);
    answer
}

/// `rate` requests a second for `time`, sent when their time comes whether or not earlier ones were answered.
/// A request's time runs from when it was sent off, the wait for a connection included.
pub(super) async fn open(target: &Target, rate: u32, time: Duration) -> Outcome {
    let shared = Shared::default();
    let start = Instant::now();
    let count = (time.as_secs_f64() * f64::from(rate)) as u32;
    let (target, into) = (target.clone(), shared.clone());
    run(&shared, start + time, |tasks| {
        tasks.spawn_local(async move {
            let idle: Rc<RefCell<Vec<Connection>>> = Rc::default();
            let permits = Rc::new(Semaphore::new(OPEN_LOOP_CONNECTIONS));
            let mut requests = JoinSet::new();
            for index in 0..count {
                sleep_until(start + Duration::from_secs(1) * index / rate).await;
                let (target, into, idle, permits) = (target.clone(), into.clone(), idle.clone(), permits.clone());
                requests.spawn_local(async move {
                    let sent = Instant::now();
                    let _permit = permits.acquire().await;
                    let mut held = idle.borrow_mut().pop();
                    let answer = on_connection(&target, &mut held).await;
                    idle.borrow_mut().extend(held);
                    match answer {
                        Some(answer) if target.is_good(&answer) => {
                            into.borrow_mut().keep(&Answer { whole: sent.elapsed(), ..answer });
                        }
                        _ => into.borrow_mut().failures += 1,
                    }
                });
                while requests.try_join_next().is_some() {}
            }
            while requests.join_next().await.is_some() {}
        });
    })
    .await;
    finish(&shared, start)
}

/// Runs the tasks to their end; those not ended by `end` and the grace after it are failures.
async fn run(shared: &Shared, end: Instant, spawn: impl FnOnce(&mut JoinSet<()>)) {
    let local = LocalSet::new();
    let work = local.run_until(async {
        let mut tasks = JoinSet::new();
        spawn(&mut tasks);
        let all = async { while tasks.join_next().await.is_some() {} };
        if timeout(end.saturating_duration_since(Instant::now()) + GRACE, all).await.is_err() {
            shared.borrow_mut().failures += tasks.len() as u64;
        }
    });
    work.await;
}

fn finish(shared: &Shared, start: Instant) -> Outcome {
    let mut outcome = shared.take();
    outcome.took = start.elapsed();
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// A server that answers each read with the same bytes.
    async fn serve(answer: &'static [u8]) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut buffer = [0; 1024];
                    while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                        stream.write_all(answer).await.unwrap();
                    }
                });
            }
        });
        address
    }

    fn target(address: SocketAddr, is_stream: bool) -> Target {
        Target { address, request: Rc::from(b"GET / HTTP/1.1\r\n\r\n".as_slice()), is_stream }
    }

    #[tokio::test]
    async fn answers_and_failures_are_counted() {
        let address = serve(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await;
        let time = Duration::from_millis(30);
        let outcome = closed(&target(address, false), 2, time, Duration::ZERO).await;
        assert!(outcome.answered() > 0 && outcome.failures == 0 && outcome.bytes == 2);
        let outcome = open(&target(address, false), 100, time).await;
        assert_eq!((outcome.answered(), outcome.failures), (3, 0));
        let unfinished = closed(&target(address, true), 2, time, Duration::ZERO).await;
        assert!(unfinished.answered() == 0 && unfinished.failures > 0);
    }
}

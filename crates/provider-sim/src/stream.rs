//! How an answer's bytes leave: pieces, pauses, silence, cuts. The response body hyper polls.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use crate::behavior::Behavior;
use crate::fault::Fault;
use crate::log::Receipt;
use crate::reply::{Kind, Reply};

#[derive(Debug)]
pub(crate) enum Action {
    Send(Bytes),
    Pause(Duration),
    /// Give the connection a turn, so that what was sent is written by itself.
    Flush,
    /// Nothing more, for ever; the connection stays open.
    Stall,
    /// Close the connection here.
    Cut,
}

/// What a stream sends around its events when something goes wrong.
#[derive(Debug, Default)]
pub(crate) struct Spoilers {
    /// An event that is not JSON.
    pub(crate) malformed: Bytes,
    /// An error as an event.
    pub(crate) error: Bytes,
}

/// A response body that follows a plan.
#[derive(Debug)]
pub(crate) struct SimBody {
    plan: VecDeque<Action>,
    /// Its length in bytes, where it is known and sent as `content-length`.
    length: Option<u64>,
    pause: Option<Pin<Box<Sleep>>>,
    receipt: Receipt,
}

impl SimBody {
    /// A whole body with its length.
    pub(crate) fn whole(bytes: Bytes, receipt: Receipt) -> Self {
        let length = Some(bytes.len() as u64);
        Self { plan: VecDeque::from([Action::Send(bytes)]), length, pause: None, receipt }
    }

    pub(crate) const fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// A body without a length of its own: chunked, unless the response says otherwise.
    pub(crate) const fn planned(plan: VecDeque<Action>, receipt: Receipt) -> Self {
        Self { plan, length: None, pause: None, receipt }
    }
}

impl Body for SimBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = &mut *self;
        loop {
            if let Some(pause) = &mut this.pause {
                ready!(pause.as_mut().poll(cx));
                this.pause = None;
            }
            match this.plan.pop_front() {
                None => {
                    this.receipt.completed();
                    return Poll::Ready(None);
                }
                Some(Action::Send(bytes)) => {
                    if this.plan.is_empty() {
                        this.receipt.completed();
                    }
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(Action::Pause(time)) => this.pause = Some(Box::pin(tokio::time::sleep(time))),
                Some(Action::Flush) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Action::Stall) => {
                    this.plan.push_front(Action::Stall);
                    return Poll::Pending;
                }
                Some(Action::Cut) => {
                    this.receipt.broken_off();
                    return Poll::Ready(Some(Err(io::Error::other("cut off, as the behaviour says"))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.plan.is_empty() && self.pause.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// What is written before a cut reaches the client first.
fn cut(plan: &mut VecDeque<Action>) {
    plan.extend([Action::Flush, Action::Flush, Action::Cut]);
}

fn send(plan: &mut VecDeque<Action>, mut bytes: Bytes, chunk: Option<usize>) {
    let Some(size) = chunk else {
        plan.push_back(Action::Send(bytes));
        return;
    };
    while bytes.len() > size.max(1) {
        plan.extend([Action::Send(bytes.split_to(size.max(1))), Action::Flush]);
    }
    plan.extend([Action::Send(bytes), Action::Flush]);
}

/// How many words a fault lets through, where it strikes inside a stream.
fn strikes_after(fault: Option<&Fault>) -> Option<usize> {
    match fault? {
        Fault::Malformed(n) | Fault::Cut(n) | Fault::Stall(n) | Fault::HalfEvent(n) | Fault::EndEarly(n) => Some(*n),
        Fault::ErrorEvent { after, .. } => Some(*after),
        Fault::Truncated => Some(1),
        _ => None,
    }
}

/// The plan of a stream under this behaviour.
pub(crate) fn plan_stream(reply: &Reply, behavior: &Behavior, spoilers: &Spoilers) -> VecDeque<Action> {
    let mut plan = VecDeque::new();
    let fault = behavior.fault.as_ref();
    let total = reply.events.iter().filter(|(kind, _)| *kind == Kind::Word).count();
    let mut strike = strikes_after(fault).map(|n| n.min(total));
    let (mut words, mut start, mut opened) = (0, 0, false);
    for (kind, end) in &reply.events {
        let event = reply.bytes.slice(start..*end);
        start = *end;
        if *kind != Kind::Open {
            let wait = if opened { behavior.token_delay } else { behavior.first_token_delay };
            if !wait.is_zero() && (*kind == Kind::Word || !opened) {
                plan.push_back(Action::Pause(wait));
            }
            opened = true;
            if strike == Some(words) {
                strike = None;
                if hits(&mut plan, fault, &event, spoilers, behavior.chunk_bytes) {
                    return plan;
                }
            }
        }
        if *kind == Kind::Done && fault == Some(&Fault::NoDone) {
            continue;
        }
        words += usize::from(*kind == Kind::Word);
        send(&mut plan, event, behavior.chunk_bytes);
    }
    plan
}

/// Does the fault at its place in the stream. True where the stream is over.
fn hits(
    plan: &mut VecDeque<Action>,
    fault: Option<&Fault>,
    event: &Bytes,
    spoilers: &Spoilers,
    chunk: Option<usize>,
) -> bool {
    match fault {
        Some(Fault::Malformed(_)) => {
            send(plan, spoilers.malformed.clone(), chunk);
            return false;
        }
        Some(Fault::ErrorEvent { .. }) => send(plan, spoilers.error.clone(), chunk),
        Some(Fault::Stall(_)) => plan.push_back(Action::Stall),
        Some(Fault::HalfEvent(_)) => {
            send(plan, event.slice(..event.len() / 2), chunk);
            cut(plan);
        }
        Some(Fault::Cut(_) | Fault::Truncated) => cut(plan),
        _ => {} // ends early, in good order
    }
    true
}

/// How a plain body leaves under a fault. `None`: as usual.
pub(crate) fn plan_plain(bytes: &Bytes, fault: Option<&Fault>) -> Option<VecDeque<Action>> {
    let mut plan = VecDeque::from([Action::Send(bytes.slice(..bytes.len() / 2))]);
    match fault? {
        Fault::Cut(_) | Fault::HalfEvent(_) | Fault::Truncated => cut(&mut plan),
        Fault::Stall(_) => plan.push_back(Action::Stall),
        _ => return None,
    }
    Some(plan)
}

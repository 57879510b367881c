//! An answer on its way: provider events in, caller bytes out, on one path before and after the commit point.
//!
//! Before the commit the output is held ([`Live::hold`]); after it the caller's connection pulls ([`Live::poll_bytes`]):
//! a slow caller slows the provider, and a caller who leaves drops everything. If the provider breaks off then, the
//! caller's connection also drives the search for somebody who goes on (`resume.rs`).

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use ringmain_core::{Fault, FaultClass, Loss, LossKind, Operation, Origin, Phase, Usage};
use ringmain_dialects::{Framing, StreamStart};
use ringmain_routing::{OnRefusal, Stop};
use ringmain_upstream::AnswerBody;
use tokio::time::{Instant, Sleep};

use crate::attempt::{Attempts, Won};
use crate::classify;
use crate::exchange::Answer;
use crate::frames::Framer;
use crate::reply::BrokenOff;
use crate::resume::{Rest, Resuming, resume};
use crate::settle::AttemptGuard;
use crate::writer::{Second, Seen, Writer};

/// The largest single event: a picture in base64 fits.
const EVENT_MAX: usize = 32 * 1024 * 1024;
/// Output held before the commit, at most; what is beyond commits.
const HOLD_MAX: usize = 1024 * 1024;
/// Silence towards the caller before a keep-alive is sent.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long the provider may take to close a stream after its last event.
const LINGER: Duration = Duration::from_secs(1);

/// A streamed answer.
pub struct Live {
    source: Source,
    writer: Writer,
    queue: VecDeque<Bytes>,
    /// When the provider was last heard.
    heard: Instant,
    /// When a keep-alive was last sent.
    spoke: Instant,
    /// The end of the time the caller gave. An answer that flows is cut by nothing else.
    until: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    ended: bool,
    owner: Owner,
    /// Halves before this one: about so many tokens, and what they used.
    before: (u64, Usage),
}

/// A provider's stream.
pub struct Source {
    /// `None`: all of it has been read.
    answer: Option<AnswerBody>,
    framer: Framer,
    idle: Duration,
    lenient: bool,
}

/// Who settles for the answer.
enum Owner {
    /// Whoever holds it: nothing of it is with the caller.
    Holder,
    /// This attempt, and the request's.
    Flow(Box<Flow>),
    /// It broke off, and the request looks for somebody to go on.
    Search(Arc<Rest>, Resuming),
    /// It is settled.
    Nobody,
}

/// An attempt whose answer is the request's.
struct Flow {
    attempt: AttemptGuard,
    /// Its place among the request's attempts.
    index: usize,
    attempts: Box<Attempts>,
}

/// Why an answer ends.
enum End {
    Whole,
    /// The provider broke off.
    Broken(Fault),
    /// We did.
    Stopped(Fault),
}

impl Source {
    /// A stream whose head has come; `framing`: how the provider delimits it.
    #[must_use]
    pub fn new(answer: AnswerBody, framing: Framing, idle: Duration, lenient: bool) -> Self {
        Self { answer: Some(answer), framer: Framer::new(framing, EVENT_MAX), idle, lenient }
    }

    /// A stream of which all has been read.
    #[must_use]
    pub fn read() -> Self {
        Self { answer: None, framer: Framer::new(Framing::Sse, 0), idle: Duration::ZERO, lenient: false }
    }
}

impl Live {
    /// An answer that comes from there.
    #[must_use]
    pub fn new(source: Source, writer: Writer) -> Self {
        let now = Instant::now();
        Self {
            source,
            writer,
            queue: VecDeque::new(),
            heard: now,
            spoke: now,
            until: None,
            timer: None,
            ended: false,
            owner: Owner::Holder,
            before: (0, Usage::default()),
        }
    }

    /// Reads until the first useful token. Nothing of it is with the caller yet.
    ///
    /// # Errors
    /// The stream failed, ended or refused before anything useful.
    pub async fn hold(mut self, on_refusal: OnRefusal) -> Result<Self, Fault> {
        loop {
            let seen = self.writer.seen();
            if seen.useful || self.queue.iter().map(Bytes::len).sum::<usize>() > HOLD_MAX {
                return Ok(self);
            }
            if self.ended || seen.terminal {
                return barren(seen, on_refusal).map(|()| self);
            }
            let Some(answer) = &mut self.source.answer else { return Err(classify::empty()) };
            match answer.next().await {
                Some(Ok(chunk)) => self.take(&chunk)?,
                Some(Err(error)) => return Err(classify::of_exchange(&error)),
                None => match self.broke_off("the provider's stream ended early", None) {
                    End::Whole => self.ended = true,
                    End::Broken(mut fault) | End::Stopped(mut fault) => {
                        fault.phase = Phase::BeforeCommit;
                        return Err(fault);
                    }
                },
            }
        }
    }

    /// What of the answer so far the caller's dialect could not carry, since this was last asked.
    pub fn take_losses(&mut self) -> Vec<Loss> {
        let mut losses = self.writer.take_losses();
        losses.retain(|loss| loss.kind != LossKind::Defaulted);
        losses
    }

    /// The answer is this request's: from here on the caller sees it, and it settles for both when it ends. `index`: the
    /// attempt's place among the request's.
    pub fn commit(&mut self, attempt: AttemptGuard, index: usize, attempts: Box<Attempts>) {
        let now = Instant::now();
        (self.heard, self.spoke) = (now, now);
        let request = attempt.request();
        self.until = request.facts.timeout.map(|_| attempt.gateway().clock.instant(request.deadline));
        self.flow(attempt, index, attempts);
    }

    fn flow(&mut self, attempt: AttemptGuard, index: usize, attempts: Box<Attempts>) {
        self.owner = Owner::Flow(Box::new(Flow { attempt, index, attempts }));
        if self.ended {
            self.end(End::Whole);
        }
    }

    /// The next bytes for the caller.
    ///
    /// # Errors
    /// Never: what breaks off ends with an error event in the caller's dialect.
    pub fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        loop {
            if let Some(bytes) = self.queue.pop_front() {
                return Poll::Ready(Some(Ok(bytes)));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            if self.is_ending() {
                self.end(End::Stopped(classify::interrupted("the gateway is being restarted")));
                continue;
            }
            let moved = match &self.owner {
                Owner::Search(..) => self.poll_search(cx),
                Owner::Holder | Owner::Flow(_) | Owner::Nobody => self.poll_source(cx),
            };
            if moved.is_pending() {
                ready!(self.poll_silence(cx));
            }
        }
    }

    fn is_ending(&self) -> bool {
        matches!(&self.owner, Owner::Flow(flow) if flow.attempt.gateway().is_ending())
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let next = match &mut self.source.answer {
            Some(answer) => ready!(answer.poll_next(cx)),
            None => None,
        };
        let end = match next {
            Some(Ok(chunk)) => {
                self.heard = Instant::now();
                match self.take(&chunk) {
                    Err(fault) => End::Broken(fault),
                    Ok(()) if self.until.is_some_and(|until| self.heard >= until) => self.out_of_time(),
                    Ok(()) => return Poll::Ready(()),
                }
            }
            Some(Err(error)) => self.broke_off("the provider's stream broke off", Some(error.chain())),
            None => self.broke_off("the provider's stream ended early", None),
        };
        self.end(end);
        Poll::Ready(())
    }

    /// Takes a chunk apart. An error inside the stream ends it.
    fn take(&mut self, chunk: &Bytes) -> Result<(), Fault> {
        self.source.framer.push(chunk.clone());
        while let Some(frame) = self.source.framer.next()? {
            self.writer.frame(&frame, chunk, &mut self.queue);
        }
        self.count_skipped();
        self.writer.take_error().map_or(Ok(()), Err)
    }

    fn count_skipped(&mut self) {
        if let Owner::Flow(flow) = &self.owner {
            for _ in 0..self.writer.take_skipped() {
                flow.attempt.skipped_event();
            }
        }
    }

    /// Nothing more comes: is the answer whole? Where a finish reason has come, all that is missing is the marker after
    /// it.
    fn broke_off(&mut self, what: &str, detail: Option<String>) -> End {
        if self.writer.end(self.source.lenient, &mut self.queue) {
            return End::Whole;
        }
        let mut fault = self.writer.take_error().unwrap_or_else(|| classify::interrupted(what));
        fault.detail = detail.or(fault.detail);
        End::Broken(fault)
    }

    fn out_of_time(&self) -> End {
        let message = "the time limit of the request has passed";
        End::Stopped(Fault::new(FaultClass::Timeout, Origin::Gateway, Phase::AfterCommit, message))
    }

    fn end(&mut self, end: End) {
        match (std::mem::replace(&mut self.owner, Owner::Nobody), end) {
            (Owner::Flow(flow), End::Whole) => {
                let Flow { mut attempt, mut attempts, .. } = *flow;
                self.ended = true;
                attempt.told(self.writer.seen().usage);
                if !attempt.is_told() && attempt.request().facts.operation == Operation::Chat {
                    attempt.estimate(self.spent(&attempt));
                }
                self.tell_losses(&attempt, &mut attempts);
                attempt.served();
                attempts.guard.ended(None);
            }
            (Owner::Flow(flow), End::Broken(fault)) => self.died(*flow, fault),
            (Owner::Flow(flow), End::Stopped(fault)) => {
                let Flow { mut attempt, mut attempts, .. } = *flow;
                attempt.estimate(self.spent(&attempt));
                self.tell_losses(&attempt, &mut attempts);
                // Not for anything the target did.
                drop(attempt);
                self.fail(attempts, &fault);
            }
            (Owner::Holder | Owner::Nobody | Owner::Search(..), _) => self.ended = true,
        }
    }

    /// What the caller's dialect did not carry of this half, for the record.
    fn tell_losses(&mut self, attempt: &AttemptGuard, attempts: &mut Attempts) {
        let losses = self.take_losses();
        attempts.guard.lost(attempt.target(), Vec::new(), losses);
    }

    /// The caller is told that its answer is not whole.
    fn fail(&mut self, mut attempts: Box<Attempts>, fault: &Fault) {
        self.ended = true;
        self.writer.error(fault, &attempts.request.id.to_string(), &mut self.queue);
        attempts.guard.ended(Some(fault));
    }

    /// The provider broke off: somebody else is to go on, where that is safe.
    fn died(&mut self, flow: Flow, mut fault: Fault) {
        let Flow { mut attempt, index, mut attempts } = flow;
        fault.phase = Phase::AfterCommit;
        let spent = self.spent(&attempt);
        attempt.estimate(spent);
        attempt.failed(&fault);
        self.tell_losses(&attempt, &mut attempts);
        let used = self.before.1 + spent;
        let rest = match self.writer.so_far() {
            Some(so_far) => Rest::of(&attempts.request, so_far, used, &fault),
            None => return self.fail(attempts, &fault),
        };
        match rest {
            Ok(rest) if attempts.may_resume() => {
                let rest = Arc::new(rest);
                attempts.broke_off(index, &fault);
                self.source = Source::read();
                self.owner = Owner::Search(Arc::clone(&rest), resume(attempts, rest));
            }
            Ok(_) => self.fail(attempts, &fault),
            Err(barrier) => {
                fault.detail = Some(format!("not continued elsewhere: {barrier}"));
                self.fail(attempts, &fault);
            }
        }
    }

    /// What this half of the answer has used, as far as it is told, else estimated.
    fn spent(&mut self, attempt: &AttemptGuard) -> Usage {
        let tokens = self.writer.so_far().map_or(0, |so_far| so_far.tokens()).saturating_sub(self.before.0);
        let told = self.writer.seen().usage.filter(Usage::is_credible).unwrap_or_default();
        let input = if told.input > 0 { told.input } else { attempt.request().facts.input_tokens + self.before.0 };
        Usage { input, output: told.output.max(tokens), ..told }
    }

    fn poll_search(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Owner::Search(rest, search) = &mut self.owner else { return Poll::Ready(()) };
        let (attempts, found) = ready!(search.as_mut().poll(cx));
        let rest = Arc::clone(rest);
        self.owner = Owner::Nobody;
        match found {
            Ok(won) => self.go_on(attempts, won, &rest),
            Err(stop) => self.fail(attempts, &rest.given_up(&nobody(&stop))),
        }
        Poll::Ready(())
    }

    /// Somebody goes on.
    fn go_on(&mut self, attempts: Box<Attempts>, won: Won, rest: &Rest) {
        let Won { arrived, attempt, index } = won;
        let gathered = match arrived.body {
            Answer::Live(mut live) => {
                self.source = std::mem::replace(&mut live.source, Source::read());
                self.ended = live.ended;
                live.writer.take_gathered()
            }
            Answer::Plain(..) | Answer::Raw(..) | Answer::Tunnel(_) => None,
        };
        let (Some(gathered), Some(form)) = (gathered, arrived.form) else {
            return self.fail(attempts, &rest.given_up("what came was no answer"));
        };
        self.before = (rest.tokens, rest.used);
        self.heard = Instant::now();
        let request = attempt.request();
        let start = StreamStart {
            id: request.id.to_string(),
            model: attempt.target().name.model.clone(),
            created: attempt.gateway().clock.now().wall.0 / 1000,
            include_usage: request.include_usage,
            framing: request.framing,
        };
        let remark = format!("ringmain: the answer broke off here and {} goes on with it", attempt.target().name);
        request.trace().resumed(index, rest.text().len(), form);
        let second = Second {
            gathered,
            first: rest.text(),
            form,
            used: rest.used,
            start: &start,
            signs: arrived.signs,
            remark: &remark,
        };
        self.writer.go_on(second, &mut self.queue);
        self.flow(attempt, index, attempts);
        self.count_skipped();
        if let Some(fault) = self.writer.take_error() {
            self.ended = false;
            self.end(End::Broken(fault));
        }
    }

    /// Nothing came: is it time for a keep-alive, or to give the stream up? One timer serves all and is moved only
    /// when it fires, so that a flowing stream never touches it.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let patience = if self.writer.seen().terminal { LINGER } else { self.source.idle };
        // Who looks for somebody to go on has clocks of its own.
        let searches = matches!(self.owner, Owner::Search(..));
        let given_up = Some(self.heard + patience).filter(|_| !searches);
        let until = self.until.filter(|_| !searches);
        let keep_alive = self.spoke.max(self.heard) + KEEP_ALIVE;
        let due = [given_up, until].into_iter().flatten().fold(keep_alive, Instant::min);
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        if timer.deadline() > due {
            timer.as_mut().reset(due);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            let now = Instant::now();
            if until.is_some_and(|until| now >= until) {
                let end = self.out_of_time();
                self.end(end);
                return Poll::Ready(());
            }
            if given_up.is_some_and(|given_up| now >= given_up) {
                let end = self.broke_off("the provider's stream fell silent", None);
                self.end(end);
                return Poll::Ready(());
            }
            if now >= keep_alive {
                self.spoke = now;
                self.writer.keep_alive(&mut self.queue);
                return Poll::Ready(());
            }
            timer.as_mut().reset(due);
        }
    }
}

impl Drop for Live {
    /// The caller left: what came until then is what it used.
    fn drop(&mut self) {
        if let Owner::Flow(mut flow) = std::mem::replace(&mut self.owner, Owner::Nobody) {
            let spent = self.spent(&flow.attempt);
            flow.attempt.estimate(spent);
        }
    }
}

/// Why nobody goes on.
fn nobody(stop: &Stop) -> String {
    let why = match stop {
        Stop::Return(_) => "nobody else could go on with it",
        Stop::Exhausted { .. } => "every target is out",
        Stop::Attempts { .. } => "all attempts were used",
        Stop::Deadline { .. } => "the time was up",
        Stop::Budget { .. } => "too many retries were being made on this route already",
    };
    format!("not continued elsewhere: {why}")
}

/// What an answer is that ended without anything useful: a refusal is one, nothing at all is a failure.
fn barren(seen: &Seen, on_refusal: OnRefusal) -> Result<(), Fault> {
    match (seen.refused, on_refusal) {
        (true, OnRefusal::Return) => Ok(()),
        (true, OnRefusal::Next) => Err(classify::refusal()),
        (false, _) if seen.usage.is_some_and(|usage| usage.output > 0) => Ok(()),
        (false, _) => Err(classify::empty()),
    }
}

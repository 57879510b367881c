//! One run of a world: arrivals, answers and clocks in the order of virtual time.

use ringmain_core::{Fault, FaultClass, Money, Phase, Price, Seed, Tick, TokenPrices, Usage};
use ringmain_routing::{Policy, Seen, Stop};

use super::brain::{Brain, Memory};
use super::draw::{gap, seconds};
use super::provider::{Answer, Ask, Providers, failed};
use super::queue::{Event, Queue, Ticket};
use super::request::{Became, Request, at, time};
use super::tally::Tally;
use super::watch::{Broken, Watch};
use super::world::{Effect, World};

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// What was counted.
    pub tally: Tally,
    /// The first thing that did not hold.
    pub broken: Option<Broken>,
}

/// Runs a world to its end.
#[must_use]
pub fn run(world: &World, memory: Memory) -> Outcome {
    Run::new(world, memory).finish()
}

/// The same, with a bug.
#[cfg(any(test, feature = "planted-bugs"))]
#[must_use]
pub fn run_with(world: &World, planted: Option<super::Planted>) -> Outcome {
    let mut run = Run::new(world, Memory::Keeps);
    run.brain.plant(planted);
    run.finish()
}

/// A run under way.
pub(super) struct Run<'w> {
    pub(super) world: &'w World,
    /// The world's, at the prices of the moment.
    pub(super) routes: Vec<Policy>,
    pub(super) now: Tick,
    pub(super) queue: Queue,
    pub(super) brain: Brain,
    pub(super) providers: Providers,
    pub(super) watch: Watch,
    pub(super) tally: Tally,
    slots: Vec<Option<Request>>,
    free: Vec<usize>,
    arrived: u64,
}

impl<'w> Run<'w> {
    fn new(world: &'w World, memory: Memory) -> Self {
        let mut queue = Queue::default();
        for episode in world.targets.iter().flat_map(|target| &target.episodes) {
            if matches!(episode.effect, Effect::Price(_)) {
                queue.put(episode.from, Event::Price);
                queue.put(episode.until, Event::Price);
            }
        }
        let mut run = Self {
            world,
            routes: world.routes.clone(),
            now: Tick::ZERO,
            queue,
            brain: Brain::new(world.seed, memory),
            providers: Providers::new(world.targets.len()),
            watch: Watch::new(world, memory == Memory::Keeps),
            tally: Tally::new(world),
            slots: Vec::new(),
            free: Vec::new(),
            arrived: 0,
        };
        run.next_arrival();
        run
    }

    fn finish(mut self) -> Outcome {
        while let Some((now, event)) = self.queue.take() {
            self.now = now;
            match event {
                Event::Price => self.prices(),
                Event::Arrival => {
                    self.arrive();
                    self.next_arrival();
                }
                Event::Answered { request, attempt } => self.with(request, |run, request| run.ended(request, attempt)),
                Event::Clock { request } => self.with(request, Self::clock),
                Event::Finished { request } => self.finished(request),
                Event::Leaves { request } => self.leaves(request),
            }
            if self.watch.is_broken() {
                break;
            }
        }
        if !self.watch.is_broken() {
            let views = self.routes.iter().map(|policy| (policy, self.brain.view(policy, None, at(self.now))));
            self.watch.end(views, self.slots.iter().flatten().count(), self.now);
        }
        self.tally.close();
        Outcome { tally: self.tally, broken: self.watch.broken() }
    }

    /// Puts the next arrival into the queue, if there is one. Random arrivals are drawn at the peak rate and thinned
    /// to the rate of the moment (Lewis and Shedler 1979).
    fn next_arrival(&mut self) {
        let traffic = &self.world.traffic;
        let peak = traffic.peak();
        if peak <= 0.0 {
            return;
        }
        let mut at = self.now;
        let seed = Seed(self.world.seed).nth("arrival", self.arrived);
        for round in 0_u64.. {
            let wait = match traffic.random {
                true => gap(peak, seed.nth("gap", round)),
                false => seconds(1.0 / traffic.at(at).max(peak * 1e-6)),
            };
            at = at + wait;
            if at.since(Tick::ZERO) >= self.world.length {
                return;
            }
            if !traffic.random || seed.nth("kept", round).unit() * peak < traffic.at(at) {
                break;
            }
        }
        self.queue.put(at, Event::Arrival);
    }

    fn arrive(&mut self) {
        let number = self.arrived;
        self.arrived += 1;
        let seed = Seed::of_request(self.world.seed, u128::from(number));
        let shares: f64 = self.world.kinds.iter().map(|kind| kind.share).sum();
        let mut point = seed.draw("kind").unit() * shares;
        let picked = self.world.kinds.iter().position(|kind| {
            point -= kind.share;
            point < 0.0
        });
        let kind_at = picked.unwrap_or(0);
        let Some(kind) = self.world.kinds.get(kind_at) else { return };
        let mut facts = kind.facts.clone();
        facts.stream = seed.draw("stream").unit() < kind.streams;
        facts.input_tokens = whole(kind.input.draw(seed.draw("input"))).max(1);
        let wanted = whole(kind.output.draw(seed.draw("output"))).max(1);
        let output = facts.max_output_tokens.map_or(wanted, |most| wanted.min(most));
        let Some(way) = kind.way(facts.input_tokens) else { return };
        let Some(policy) = self.routes.get(way.route) else { return };
        let way_at = kind.routes.iter().position(|other| other == way).unwrap_or(0);
        let deadline = self.now + time(policy, &facts);
        let slot = self.free.pop().unwrap_or(self.slots.len());
        let ticket = Ticket { slot, number };
        let ask = Ask { streamed: facts.stream, input: facts.input_tokens, output };
        let place = (kind_at, way_at, way.route);
        if let Some(patience) = kind.patience {
            self.queue.put(self.now + patience, Event::Leaves { request: ticket });
        }
        self.tally.arrived(self.now);
        let mut request = Request::new(ticket, place, facts, ask, [self.now, deadline], seed);
        let became = self.advance(&mut request);
        if slot == self.slots.len() {
            self.slots.push(None);
        }
        self.became(request, became);
    }

    /// Something happens to a request that is still there.
    fn with(&mut self, ticket: Ticket, change: impl FnOnce(&mut Self, &mut Request) -> Became) {
        let Some(mut request) = self.lift(ticket) else { return };
        let became = change(self, &mut request);
        self.became(request, became);
    }

    fn lift(&mut self, ticket: Ticket) -> Option<Request> {
        let slot = self.slots.get_mut(ticket.slot)?;
        slot.take_if(|request| request.ticket == ticket)
    }

    fn became(&mut self, request: Request, became: Became) {
        match became {
            Became::Going => self.put_back(request),
            Became::Won => self.won(request),
            Became::Lost(stop) => self.lost(&request, &stop),
        }
    }

    fn put_back(&mut self, request: Request) {
        let slot = request.ticket.slot;
        if let Some(place) = self.slots.get_mut(slot) {
            *place = Some(request);
        }
    }

    fn won(&mut self, request: Request) {
        let end = match &request.won {
            Some((runner, _)) => runner.result.as_ref().map_or(self.now, |answer| answer.end),
            None => self.now,
        };
        let ticket = request.ticket;
        self.put_back(request);
        if end <= self.now {
            self.finished(ticket);
        } else {
            self.queue.put(end, Event::Finished { request: ticket });
        }
    }

    /// The answer has come to its end, good or not.
    fn finished(&mut self, ticket: Ticket) {
        let Some(mut request) = self.lift(ticket) else { return };
        let Some((runner, first)) = request.won.take() else { return };
        let Ok(Answer { cut, usage, .. }) = runner.result else { return };
        let first = *request.first.get_or_insert(first);
        let cost = self.cost(&request, runner.attempt.candidate, usage);
        self.tally.paid(runner.attempt.target, cost);
        if cut {
            let fault = failed(FaultClass::Interrupted, Phase::AfterCommit, "the answer broke off");
            self.settle(&request, &runner, Seen::Failed(fault.clone()));
            let became = self.died(&mut request, &runner, fault, usage.output);
            return self.became(request, became);
        }
        self.free.push(ticket.slot);
        let timings = ringmain_core::Timings {
            head: None,
            first_token: Some(first.since(runner.started)),
            total: self.now.since(runner.started),
        };
        let streamed = request.facts.stream;
        self.settle(&request, &runner, Seen::Success { timings, usage: Some(usage), cost, streamed });
        let times = [first, self.now].map(|tick| tick.since(request.started));
        self.tally.served(request.started, runner.attempt.target, times);
    }

    fn lost(&mut self, request: &Request, stop: &Stop) {
        self.free.push(request.ticket.slot);
        if let Some(policy) = self.routes.get(request.route) {
            self.watch.lost(policy, request, stop, self.now);
        }
        let class = |at: usize| request.tried.get(at).and_then(|tried| tried.result.as_ref()).map(class_of);
        let class = match stop {
            // What befell those who tried to go on is not what the caller is told.
            _ if request.first.is_some() => Some(FaultClass::Interrupted.as_str()),
            Stop::Exhausted { all_limited: true, .. } => Some(FaultClass::RateLimit.as_str()),
            Stop::Deadline { .. } => Some("deadline"),
            stop => stop.fault().and_then(class),
        };
        self.tally.failed(request.started, class.unwrap_or(FaultClass::Exhausted.as_str()));
    }

    /// The caller hangs up: everything under way is dropped.
    fn leaves(&mut self, ticket: Ticket) {
        let Some(mut request) = self.lift(ticket) else { return };
        self.free.push(ticket.slot);
        let won = request.won.take().map(|(runner, first)| (runner, Some(first)));
        let running = std::mem::take(&mut request.running).into_iter().map(|runner| (runner, None));
        for (runner, first) in running.chain(won) {
            let first_token = first.map(|first: Tick| first.since(runner.started));
            self.settle(&request, &runner, Seen::Cancelled { first_token });
        }
        self.tally.left();
    }

    fn cost(&self, request: &Request, candidate: usize, usage: Usage) -> Option<Money> {
        let price = self.routes.get(request.route)?.candidates.get(candidate)?.price.as_ref()?;
        price.cost(&usage).or_else(|| price.cost_of_images(1))
    }

    /// Sets every price to what it is now.
    fn prices(&mut self) {
        for (now, written) in self.routes.iter_mut().zip(&self.world.routes) {
            for (candidate, written) in now.candidates.iter_mut().zip(&written.candidates) {
                let target = self.world.targets.get(written.target.0 as usize);
                let episodes = target.into_iter().flat_map(|target| &target.episodes);
                let times = episodes.filter(|episode| episode.from <= self.now && self.now < episode.until);
                let times: f64 = times
                    .map(|episode| match episode.effect {
                        Effect::Price(times) => times,
                        Effect::Fails(_) | Effect::Slow(_) => 1.0,
                    })
                    .product();
                candidate.price = written.price.as_ref().map(|price| scaled(price, times));
            }
        }
    }
}

fn class_of(fault: &Fault) -> &'static str {
    fault.class.as_str()
}

fn scaled(price: &Price, times: f64) -> Price {
    let scale = |money: Money| Money::from_dollars(money.as_dollars() * times);
    let maybe = |money: Option<Money>| money.map(scale);
    Price {
        tokens: price.tokens.map(|tokens| TokenPrices {
            input: scale(tokens.input),
            output: scale(tokens.output),
            cache_read: maybe(tokens.cache_read),
            cache_write: maybe(tokens.cache_write),
            cache_write_1h: maybe(tokens.cache_write_1h),
            audio_input: maybe(tokens.audio_input),
            cache_read_audio: maybe(tokens.cache_read_audio),
            audio_output: maybe(tokens.audio_output),
            image_input: maybe(tokens.image_input),
            image_output: maybe(tokens.image_output),
            long: tokens.long.map(|long| ringmain_core::LongContext {
                above: long.above,
                input: scale(long.input),
                output: scale(long.output),
                cache_read: maybe(long.cache_read),
                cache_write: maybe(long.cache_write),
                cache_write_1h: maybe(long.cache_write_1h),
            }),
        }),
        per_image: maybe(price.per_image),
        images: price.images.iter().map(|one| ringmain_core::ImagePrice { each: scale(one.each), ..*one }).collect(),
        per_minute: maybe(price.per_minute),
        per_million_characters: maybe(price.per_million_characters),
        per_request: maybe(price.per_request),
        per_search: maybe(price.per_search),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of tokens, clamped")]
fn whole(tokens: f64) -> u64 {
    tokens.clamp(0.0, 1e9).round() as u64
}

//! Heartbeats: the gateway asks providers by itself whether what is out is well again, where their operator wants it.
//!
//! One task looks twice a second at what is out, and polls what it has asked; no request knows of it. What an answer
//! means is decided in [`ringmain_routing::heartbeat`]. A heartbeat is no request: it is in no record, no usage and no
//! request metric, but in one of its own.

mod ask;
mod units;

#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use ringmain_config::Heartbeat;
use ringmain_core::{Fault, Seed, Tick};
use ringmain_routing::heartbeat::{self, Beat, Heard, Pulse};
use ringmain_telemetry::{HeartbeatEnded, emit};
use ringmain_upstream::Upstream;

use crate::gateway::Gateway;
use crate::rules::Rules;
use units::Unit;

/// How often is looked whether a heartbeat is due.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long before a request would be let through to find out, a heartbeat is sent to do so.
const AHEAD: Duration = Duration::from_secs(1);
/// Heartbeats under way at once; the others wait for the next look.
const RUNNING_MAX: usize = 16;

/// What is known of the heartbeats to one place or key.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Past {
    /// When the next one is due if nothing is known of a time.
    due: Tick,
    /// How many there were.
    beats: u64,
    /// The time at which a request would have been let through, for which one was sent.
    sent_for: Option<Tick>,
}

/// Is a heartbeat due? While something is out: `every` so often, and just before a request would have to find out.
/// While all is well: `every` so often, if that is wanted.
fn is_due(settings: &Heartbeat, pulse: Pulse, past: &Past, now: Tick) -> bool {
    match pulse {
        Pulse::Busy => false,
        Pulse::Well => settings.always && now >= past.due,
        Pulse::Out { until } => {
            let ahead = until.is_some_and(|until| until <= now + AHEAD && past.sent_for != Some(until));
            ahead || now >= past.due
        }
    }
}

/// `every`, give or take a tenth, so that many gateways do not ask at once.
fn interval(settings: &Heartbeat, seed: Seed, beats: u64) -> Duration {
    settings.every.mul_f64(0.9 + 0.2 * seed.nth("every", beats).unit())
}

/// One that is under way.
struct Running {
    unit: Arc<str>,
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
}

struct Heartbeats {
    gateway: Arc<Gateway>,
    upstream: Upstream,
    rules: Arc<Rules>,
    units: Vec<Unit>,
    running: Vec<Running>,
}

/// Sends heartbeats for as long as it is polled; follows reloads. Dropped, it gives back what it had begun.
pub async fn run(gateway: Arc<Gateway>, upstream: Upstream) {
    let rules = gateway.rules();
    let units = units::of(&rules, &[], gateway.clock.now().mono, Seed(gateway.seed));
    let mut heartbeats = Heartbeats { gateway, upstream, rules, units, running: Vec::new() };
    loop {
        heartbeats.look();
        heartbeats.wait().await;
    }
}

impl Heartbeats {
    /// Sends what is due.
    fn look(&mut self) {
        let now = self.gateway.clock.now();
        let rules = self.gateway.rules();
        if !Arc::ptr_eq(&rules, &self.rules) {
            self.units = units::of(&rules, &self.units, now.mono, Seed(self.gateway.seed));
            self.rules = rules;
        }
        if self.units.is_empty() {
            return;
        }
        let mut health = self.gateway.health();
        for unit in &mut self.units {
            if self.running.len() >= RUNNING_MAX {
                return;
            }
            if self.running.iter().any(|running| running.unit == unit.name) {
                continue;
            }
            unit.choose_key(&health);
            let pulse = heartbeat::pulse(&health, &unit.beat, now);
            let is_due = is_due(&unit.settings, pulse, &unit.past, now.mono);
            let seed = Seed(self.gateway.seed).draw(&unit.name);
            if !is_due {
                if pulse == Pulse::Well && !unit.settings.always {
                    unit.past.due = now.mono + interval(&unit.settings, seed, unit.past.beats);
                }
                continue;
            }
            heartbeat::begin(&mut health, &unit.beat, now);
            unit.past.beats += 1;
            unit.past.due = now.mono + interval(&unit.settings, seed, unit.past.beats);
            if let Pulse::Out { until: Some(until) } = pulse {
                unit.past.sent_for = Some(until);
            }
            let sent = Sent {
                gateway: Arc::clone(&self.gateway),
                beat: unit.beat.clone(),
                started: now.mono,
                seed: seed.nth("heard", unit.past.beats),
                is_settled: false,
            };
            let question = unit.question.clone();
            let future = Box::pin(sent.ask(question, self.upstream.clone()));
            self.running.push(Running { unit: Arc::clone(&unit.name), future });
        }
    }

    /// Until the next look, listens to what is under way.
    async fn wait(&mut self) {
        let mut timer = pin!(tokio::time::sleep(LOOK_EVERY));
        let running = &mut self.running;
        poll_fn(|cx| {
            running.retain_mut(|one| one.future.as_mut().poll(cx).is_pending());
            timer.as_mut().poll(cx)
        })
        .await;
    }
}

/// A heartbeat that was sent. Dropped before its answer, it gives back the probes it had taken.
struct Sent {
    gateway: Arc<Gateway>,
    beat: Beat,
    started: Tick,
    seed: Seed,
    is_settled: bool,
}

impl Sent {
    async fn ask(mut self, question: units::Question, upstream: Upstream) {
        let answer = question.ask(&self.gateway, &upstream, self.beat.key).await;
        let (heard, fault) = match &answer {
            Ok(()) => (Heard::Well, None),
            Err(ask::NoAnswer::Failed(fault)) => (Heard::Failed(fault), Some(fault)),
            // It could not even be asked.
            Err(ask::NoAnswer::Unasked) => (Heard::Nothing, None),
        };
        let moved = self.settle(heard);
        if !matches!(heard, Heard::Nothing) {
            self.tell(&question, fault, moved);
        }
    }

    fn settle(&mut self, heard: Heard<'_>) -> bool {
        self.is_settled = true;
        let now = self.gateway.clock.now();
        heartbeat::heard(&mut self.gateway.health(), &self.beat, self.started, heard, now, self.seed)
    }

    fn tell(&self, question: &units::Question, fault: Option<&Fault>, moved: bool) {
        emit(&HeartbeatEnded {
            metrics: &self.gateway.metrics,
            provider: &question.link.name,
            by: question.by(),
            asked: &question.asked(),
            key: question.label(self.beat.key),
            fault,
            brought_back: moved,
            took: self.gateway.clock.now().mono.since(self.started),
        });
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        if !self.is_settled {
            self.settle(Heard::Nothing);
        }
    }
}

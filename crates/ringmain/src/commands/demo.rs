//! `ringmain demo`: the gateway in front of three simulated providers, callers of three dialects, and an outage that
//! gets worse step by step. Read downward: this is the story; the parts are in the files beside it.
//!
//! Everything is real but the providers: sockets, clocks, the pipeline, the decisions. Every answer is checked word for
//! word, and the exit code is 1 if any caller saw an error or a wrong answer.

mod check;
mod providers;
mod schedule;
mod screen;
mod tally;
mod traffic;

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use ringmain_engine::Gateway;
use ringmain_telemetry::log;
use ringmain_upstream::{Dial, NetDialer};
use tokio::time::{Instant, MissedTickBehavior};

use self::providers::{Providers, SLOW};
use self::schedule::{Phase, Schedule};
use self::screen::{Mood, Screen, Status};
use self::tally::{Ended, PROVIDERS, Tally, Totals};
use self::traffic::{Client, MODEL, Outcome, RATE, Traffic};
use crate::cli::Demo;
use crate::server::{self, Drain, Stage, Workers};

/// Threads of the gateway. The rest of the demo runs on one more.
const WORKERS: usize = 2;
/// Where chance begins: the same each time, as far as sockets and clocks allow.
const SEED: u64 = 1;

/// Runs the demo.
pub(crate) fn run(arguments: &Demo) -> anyhow::Result<ExitCode> {
    // A log between the lines would spoil the picture: only for whoever asks for one.
    if let Ok(filter) = std::env::var("RINGMAIN_LOG") {
        log::init(None, Some(&filter));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(demo(Schedule::new(arguments.length)))
}

async fn demo(schedule: Schedule) -> anyhow::Result<ExitCode> {
    let providers = Providers::start(&schedule).await?;
    let config = providers.config(&schedule)?;
    let listener = server::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let address = listener.local_addr()?;
    let gateway = Arc::new(Gateway::new(config, SEED));
    let (stage, drain) = Drain::new();
    let dialer: Arc<dyn Dial> = Arc::new(NetDialer::default());
    let workers = Workers::start(WORKERS, &gateway, &dialer, &drain)?;

    let mut screen = Screen::new();
    screen.say(&opening(&schedule, address));
    let mut story = Story::new(schedule, providers, screen, Client::new(address)?);
    tokio::select! {
        () = story.tell() => {}
        () = server::accept(listener, &workers, drain.clone()) => {}
    }
    let _ = stage.send(Stage::Ending);
    tokio::task::spawn_blocking(move || workers.join()).await?;
    let Story { mut screen, tally, .. } = story;
    screen.say(&closing(&tally, &Totals::read(&gateway.expose_metrics())));
    let whole = tally.whole();
    Ok(if whole.errors == 0 && whole.requests > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The story as it unfolds.
struct Story {
    schedule: Schedule,
    providers: Providers,
    screen: Screen,
    traffic: Traffic,
    tally: Tally,
    start: Instant,
    /// The phases so far, and when each really began.
    phases: Vec<(Phase, Instant)>,
    /// Since when the present phase's trouble is there; `None` once it has been said how the gateway met it.
    unmet: Option<Instant>,
}

impl Story {
    fn new(schedule: Schedule, providers: Providers, screen: Screen, gateway: Client) -> Self {
        let start = Instant::now();
        Self {
            schedule,
            providers,
            screen,
            traffic: Traffic::start(gateway),
            tally: Tally::default(),
            start,
            phases: vec![(Phase::Calm, start)],
            unmet: None,
        }
    }

    /// Tells it: to its end, or until Ctrl-C.
    async fn tell(&mut self) {
        self.enter(Phase::Calm).await;
        let mut refresh = tokio::time::interval(self.screen.refresh());
        refresh.set_missed_tick_behavior(MissedTickBehavior::Skip);
        refresh.tick().await;
        let mut stop = std::pin::pin!(tokio::signal::ctrl_c());
        loop {
            let next = self.phase().next();
            let due = self.start + next.map_or(self.schedule.total, |phase| self.schedule.begin(phase));
            tokio::select! {
                Some(outcome) = self.traffic.outcomes.recv() => self.count(outcome),
                _ = refresh.tick() => self.show(),
                () = tokio::time::sleep_until(due) => match next {
                    Some(phase) => self.enter(phase).await,
                    None => break,
                },
                _ = &mut stop => {
                    self.screen.event(self.start.elapsed(), "stopped by hand", Mood::Plain);
                    break;
                }
            }
        }
        // Callers that still wait get their answers: they count too.
        self.traffic.stop();
        while let Some(outcome) = self.traffic.outcomes.recv().await {
            self.count(outcome);
        }
        self.sum_up();
    }

    fn phase(&self) -> Phase {
        self.phases.last().map_or(Phase::Calm, |(phase, _)| *phase)
    }

    async fn enter(&mut self, phase: Phase) {
        let began = Instant::now();
        if phase != Phase::Calm {
            self.sum_up();
            self.phases.push((phase, began));
            self.unmet = None;
        }
        let at = self.start.elapsed();
        let (text, mood) = match phase {
            Phase::Calm => {
                let [first, second, third] = PROVIDERS;
                (format!("all well: {first} is asked first, then {second}, then {third}"), Mood::Plain)
            }
            Phase::Down => (format!("{} goes down: new connections are refused", PROVIDERS[0]), Mood::Bad),
            Phase::Slow => {
                let what = format!("{} turns slow too: {} s to its first token", PROVIDERS[1], SLOW.as_secs());
                (what, Mood::Bad)
            }
            Phase::Quota => {
                (format!("{} alone is left, and one of its two keys runs out of quota: 429", PROVIDERS[2]), Mood::Bad)
            }
            Phase::Healed => ("all repaired: connections, speed, quota".to_owned(), Mood::Plain),
        };
        self.screen.event(at, &text, mood);
        match self.providers.enter(phase).await {
            // What was asked while the quota was being used up may have had the first key.
            Ok(()) => self.unmet = Some(if phase == Phase::Quota { Instant::now() } else { began }),
            // The story goes on, and does not claim what did not happen.
            Err(error) => {
                let text = format!("that could not be done on this machine: {error:#}");
                self.screen.event(self.start.elapsed(), &text, Mood::Plain);
            }
        }
    }

    /// Counts a request; the first that shows how the gateway met the phase is told.
    fn count(&mut self, outcome: Outcome) {
        let began = |(_, at): &&(Phase, Instant)| *at <= outcome.began;
        let phase = self.phases.iter().rev().find(began).map_or(Phase::Calm, |(phase, _)| *phase);
        let provider = outcome.target.as_deref().and_then(|target| target.split_once('/')).map(|(name, _)| name);
        let provider = provider.and_then(|name| PROVIDERS.iter().position(|known| *known == name));
        let problem = outcome.verdict.err();
        if let Some(problem) = &problem {
            self.screen.event(self.start.elapsed(), &format!("a caller saw: {problem}"), Mood::Bad);
        } else if let Some(first_token) = outcome.first_token
            && self.unmet.is_some_and(|since| since <= outcome.began)
            && let Some(text) = met(phase, provider, first_token)
        {
            self.unmet = None;
            self.screen.event(self.start.elapsed(), &text, Mood::Good);
        }
        let (attempts, first_token) = (outcome.attempts, outcome.first_token);
        self.tally.count(Ended { phase, provider, attempts, first_token, problem });
    }

    /// The phase ends: who has noticed?
    fn sum_up(&mut self) {
        let whole = self.tally.whole();
        let (requests, failovers, errors) = (whole.requests, whole.failovers, whole.errors);
        let text = format!("so far {requests} answers, {failovers} of them after a failover; {errors} callers noticed");
        self.screen.event(self.start.elapsed(), &text, if errors == 0 { Mood::Good } else { Mood::Bad });
    }

    fn show(&mut self) {
        let phase = self.phase();
        let times = &self.tally.of(phase).first_token;
        self.screen.status(&Status {
            at: self.start.elapsed(),
            total: self.schedule.total,
            phase,
            in_flight: self.traffic.in_flight(),
            whole: self.tally.whole(),
            first_token: [times.percentile(50), times.percentile(99)],
            shares: self.tally.recent_shares(),
        });
    }
}

/// What to say when this provider has answered a request that began in this phase, if that is what the phase is about.
fn met(phase: Phase, provider: Option<usize>, first_token: Duration) -> Option<String> {
    let who = PROVIDERS.get(provider?)?;
    let waited = first_token.as_millis();
    match (phase, provider?) {
        (Phase::Down | Phase::Slow, 0) | (Phase::Slow, 1) | (Phase::Calm, _) => None,
        (Phase::Down | Phase::Slow, _) => Some(format!("{who} takes over: first token after {waited} ms")),
        (Phase::Quota, _) => Some(format!("{who} goes on with its other key")),
        (Phase::Healed, 0) => Some(format!("{who} is asked first again")),
        (Phase::Healed, _) => None,
    }
}

fn opening(schedule: &Schedule, gateway: SocketAddr) -> String {
    format!(
        "Ringmain demo: a gateway at http://{gateway}, three simulated providers, {} seconds.\n\
         {RATE} requests a second from OpenAI, Anthropic and Gemini clients, streamed and plain, all for the model\n\
         `{MODEL}`, which any of the three providers may serve. Every answer is checked word for word.\n",
        schedule.total.as_secs()
    )
}

/// The table, what it comes to, and what to do next.
fn closing(tally: &Tally, totals: &Totals) -> String {
    let whole = tally.whole();
    let down: u64 = [Phase::Down, Phase::Slow, Phase::Quota].into_iter().map(|phase| tally.of(phase).requests).sum();
    let mut text = format!("\n{}\n\n", screen::table(tally));
    text.push_str(&match whole.errors {
        0 => format!(
            "0 of {} callers noticed anything. With {} alone, {down} of them would have got an error.\n",
            whole.requests, PROVIDERS[0]
        ),
        errors => format!("{errors} of {} callers saw an error or a wrong answer:\n", whole.requests),
    });
    for problem in &tally.problems {
        text.push_str(&format!("  {problem}\n"));
    }
    let failed: Vec<String> = totals.failed.iter().map(|(class, count)| format!("{count} {class}")).collect();
    if !failed.is_empty() {
        text.push_str(&format!("Failures of providers that the gateway dealt with: {}.\n", failed.join(", ")));
    }
    text.push_str(&format!(
        "{} tokens in, {} out; at list prices ${:.2}.\n\n\
         The same in front of your own keys, without a file:\n  \
         OPENAI_API_KEY=… ANTHROPIC_API_KEY=… ringmain serve\n  \
         curl http://127.0.0.1:8080/v1/chat/completions -H 'content-type: application/json' \\\n    \
         -d '{{\"model\":\"{MODEL}\",\"messages\":[{{\"role\":\"user\",\"content\":\"Hello\"}}]}}'",
        totals.input, totals.output, totals.cost
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_is_met_by_whom_it_leaves() {
        let waited = Duration::from_millis(120);
        let cases = [
            (Phase::Calm, Some(0), false),
            (Phase::Down, Some(0), false),
            (Phase::Down, Some(1), true),
            (Phase::Down, None, false),
            (Phase::Slow, Some(1), false),
            (Phase::Slow, Some(2), true),
            (Phase::Quota, Some(2), true),
            (Phase::Healed, Some(2), false),
            (Phase::Healed, Some(0), true),
        ];
        for (phase, provider, said) in cases {
            assert_eq!(met(phase, provider, waited).is_some(), said, "{phase:?} {provider:?}");
        }
    }

    #[test]
    fn the_end_says_who_noticed() {
        let mut tally = Tally::default();
        let right = Ended { phase: Phase::Down, provider: Some(1), attempts: 2, first_token: None, problem: None };
        tally.count(right.clone());
        let text = closing(&tally, &Totals { failed: vec![("network".to_owned(), 1)], ..Totals::default() });
        assert!(text.contains("0 of 1 callers noticed anything. With openai alone, 1 of them"), "{text}");
        assert!(text.contains("dealt with: 1 network.") && text.contains("ringmain serve"), "{text}");
        tally.count(Ended { problem: Some("status 503".to_owned()), ..right });
        let text = closing(&tally, &Totals::default());
        assert!(text.contains("1 of 2 callers saw an error or a wrong answer:\n  status 503\n"), "{text}");
    }
}

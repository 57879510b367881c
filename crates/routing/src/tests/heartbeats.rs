//! Heartbeats bring back what is well, and nothing else; no request pays for them.

use std::time::Duration;

use ringmain_core::{Fault, FaultClass, Seed, Tick};

use super::{World, asks, fault, policy, secs};
use crate::heartbeat::{About, Asks, Beat, Heard, Pulse, begin, heard, pulse};
use crate::{HostIx, KeyIx, Reason, Row, Standing, TargetIx, Try, view};

impl World {
    /// About the first target and its host.
    fn place(&self, asks: Asks) -> Beat {
        let breaker = self.policy.breaker;
        let about = About::Place { host: HostIx(0), breaker, targets: vec![(TargetIx(0), breaker)] };
        Beat { asks, key: KeyIx(0), about, lease: self.policy.timeouts.total }
    }

    /// About the first target's key.
    fn key(&self, asks: Asks) -> Beat {
        let target = (asks == Asks::Token).then_some((HostIx(0), TargetIx(0), self.policy.breaker));
        Beat { asks, key: KeyIx(0), about: About::Key { target }, lease: self.policy.timeouts.total }
    }

    /// One heartbeat that takes 10 ms.
    fn beat(&mut self, beat: &Beat, what: Heard<'_>) -> bool {
        let started = self.sent(beat);
        self.pass(Duration::from_millis(10));
        self.heard(beat, started, what)
    }

    fn sent(&mut self, beat: &Beat) -> Tick {
        let now = self.now();
        begin(&mut self.health, beat, now);
        self.now
    }

    fn heard(&mut self, beat: &Beat, started: Tick, what: Heard<'_>) -> bool {
        let now = self.now();
        heard(&mut self.health, beat, started, what, now, Seed(started.0))
    }

    fn pulse(&self, beat: &Beat) -> Pulse {
        pulse(&self.health, beat, self.now())
    }

    fn first(&self) -> Row {
        view(&self.health, &self.policy, None, self.now()).rows()[0]
    }

    /// Until the first target may be tried again; `None` where it is not out for a time.
    fn out_for(&self) -> Option<Duration> {
        match self.first().standing {
            Standing::Out(reason) => reason.until().map(|until| until.since(self.now)),
            Standing::Ready | Standing::Probe => None,
        }
    }
}

/// The first of two targets, or its host or key, is out after this failure.
fn out(class: FaultClass) -> World {
    let mut world = World::new(policy(&[1, 1]));
    let _ = world.served(10, |attempt| if attempt.candidate == 0 { Err(fault(class)) } else { Ok(()) });
    assert!(matches!(world.first().standing, Standing::Out(_)), "{class}");
    world
}

fn server() -> Fault {
    fault(FaultClass::Server)
}

#[test]
fn a_good_token_brings_back_whatever_was_out() {
    for class in [FaultClass::Overloaded, FaultClass::Network, FaultClass::Auth, FaultClass::Billing, FaultClass::Gone]
    {
        let mut world = out(class);
        let is_key = matches!(class, FaultClass::Auth | FaultClass::Billing);
        let beat = if is_key { world.key(Asks::Token) } else { world.place(Asks::Token) };
        assert!(matches!(world.pulse(&beat), Pulse::Out { until: Some(_) }), "{class}");
        let routes = world.health.routes.clone();
        assert!(world.beat(&beat, Heard::Well), "{class}");
        let ramps = matches!(class, FaultClass::Overloaded | FaultClass::Network);
        let row = world.first();
        assert_eq!((row.standing, row.ramp), (Standing::Ready, if ramps { 0.05 } else { 1.0 }), "{class}");
        // No turn, no budget, nothing in flight.
        assert_eq!((world.health.routes.clone(), row.in_flight), (routes, 0), "{class}");
        assert_eq!(world.pulse(&beat), Pulse::Well, "{class}");
    }
}

#[test]
fn a_bad_one_keeps_it_out_for_twice_as_long() {
    for asks in [Asks::Token, Asks::Models] {
        let mut world = out(FaultClass::Server);
        let beat = world.place(asks);
        let mut longest = secs(5);
        for _ in 0..4 {
            longest *= 2;
            assert!(!world.beat(&beat, Heard::Failed(&server())), "{asks:?}");
            let left = world.out_for().unwrap();
            assert!(left >= longest / 2 && left <= longest, "{asks:?}: {left:?} of {longest:?}");
        }
        // Where the host cannot be reached, it is the host that stays out.
        let mut world = out(FaultClass::Network);
        let beat = world.place(asks);
        let _ = world.beat(&beat, Heard::Failed(&fault(FaultClass::Network)));
        assert!(world.out_for().unwrap() >= secs(5), "{asks:?}");
        assert!(matches!(world.first().standing, Standing::Out(Reason::HostDown { .. })), "{asks:?}");
    }
}

#[test]
fn while_one_asks_nobody_else_does() {
    for class in [FaultClass::Server, FaultClass::Network] {
        for asks in [Asks::Token, Asks::Models] {
            let mut world = out(class);
            let beat = world.place(asks);
            let started = world.sent(&beat);
            assert_eq!(world.pulse(&beat), Pulse::Busy, "{class} {asks:?}");
            // The time passes at which a request would have been let through.
            world.pass(secs(6));
            assert_eq!(world.first().standing, Standing::Out(Reason::Probing), "{class} {asks:?}");
            assert_eq!(world.served(20, |_| Ok(())), [0, 20], "{class} {asks:?}");
            world.heard(&beat, started, Heard::Nothing);
            assert_eq!(world.first().standing, Standing::Probe, "{class} {asks:?}: the next request may");
        }
    }
    // And the other way round: a request is finding out.
    let mut world = out(FaultClass::Server);
    world.pass(secs(6));
    let (target, host, key) = (TargetIx(0), HostIx(0), KeyIx(0));
    let attempt = Try { candidate: 0, target, host, key, probe: true, warm: false, tokens: 0, input: 0, hedge: false };
    world.begin(&attempt, true);
    assert_eq!(world.pulse(&world.place(Asks::Token)), Pulse::Busy);
    assert_eq!(world.pulse(&world.place(Asks::Models)), Pulse::Busy);
}

#[test]
fn a_list_brings_the_host_back_and_lets_a_model_be_tried() {
    let mut world = out(FaultClass::Network);
    let beat = world.place(Asks::Models);
    assert!(world.beat(&beat, Heard::Well));
    assert_eq!((world.first().standing, world.first().ramp), (Standing::Ready, 0.05));

    let mut world = out(FaultClass::Server);
    assert!(world.beat(&beat, Heard::Well));
    assert_eq!(world.first().standing, Standing::Probe);
    assert_eq!(world.pulse(&beat), Pulse::Well, "there is nothing more that a list could say");
    // The model fails still: it is out for twice as long, and a list that goes on working changes nothing.
    let _ = world.request(|attempt, _| if attempt.candidate == 0 { Err(server()) } else { Ok(()) });
    let left = world.out_for().unwrap();
    assert!(left >= secs(4), "{left:?}");
    assert_eq!(world.pulse(&beat), Pulse::Out { until: None });
    assert!(!world.beat(&beat, Heard::Well));
    assert!(world.out_for().unwrap() > left - secs(1));
    // But one that fails and then works again is news.
    let _ = world.beat(&beat, Heard::Failed(&server()));
    assert!(world.beat(&beat, Heard::Well));
    assert_eq!(world.first().standing, Standing::Probe);
    let _ = world.request(|_, _| Ok(()));
    assert_eq!((world.first().standing, world.pulse(&beat)), (Standing::Ready, Pulse::Well));
}

#[test]
fn what_is_no_list_says_nothing() {
    for (class, status) in [(FaultClass::Gone, 404), (FaultClass::Auth, 403), (FaultClass::RateLimit, 429)] {
        let mut world = out(FaultClass::Server);
        let (beat, before) = (world.place(Asks::Models), world.out_for().unwrap());
        assert!(!world.beat(&beat, Heard::Failed(&fault(class).with_status(status))));
        assert_eq!(world.out_for(), Some(before - Duration::from_millis(10)), "{class}");
        world.pass(secs(6));
        assert_eq!(world.first().standing, Standing::Probe, "{class}: the probe was given back");
        let mut world = out(FaultClass::Auth);
        let (beat, before) = (world.key(Asks::Models), world.out_for().unwrap());
        if status != 401 {
            assert!(!world.beat(&beat, Heard::Failed(&fault(class).with_status(status))));
            assert_eq!(world.out_for(), Some(before - Duration::from_millis(10)), "{class}");
        }
    }
}

#[test]
fn a_refused_key() {
    let refused = || fault(FaultClass::Auth).with_status(401);
    // Seen to be refused, then taken.
    let mut world = out(FaultClass::Auth);
    let beat = world.key(Asks::Models);
    let before = world.out_for().unwrap();
    assert!(!world.beat(&beat, Heard::Failed(&refused())));
    assert!(world.out_for().unwrap() > before + secs(60), "longer than before");
    assert!(world.beat(&beat, Heard::Well));
    assert_eq!(world.first().standing, Standing::Ready);

    // A list for anybody: one try, and no more until the time is over.
    let mut world = out(FaultClass::Auth);
    assert!(world.beat(&beat, Heard::Well));
    assert_eq!((world.first().standing, world.pulse(&beat)), (Standing::Probe, Pulse::Well));
    let _ = world.request(|attempt, _| if attempt.candidate == 0 { Err(refused()) } else { Ok(()) });
    let left = world.out_for().unwrap();
    assert!(!world.beat(&beat, Heard::Well));
    assert_eq!(world.out_for(), Some(left - Duration::from_millis(10)));

    // Of credit a list says nothing.
    let world = out(FaultClass::Billing);
    assert_eq!(world.pulse(&beat), Pulse::Well);
    assert!(matches!(world.pulse(&world.key(Asks::Token)), Pulse::Out { .. }));
}

#[test]
fn a_time_the_provider_named_is_kept() {
    let mut world = World::new(policy(&[1, 1]));
    let slow = asks(FaultClass::Overloaded, secs(60));
    let _ = world.served(10, |attempt| if attempt.candidate == 0 { Err(slow.clone()) } else { Ok(()) });
    let beat = world.place(Asks::Token);
    assert_eq!(world.pulse(&beat), Pulse::Busy);
    // Then requests go there as before.
    world.pass(secs(61));
    assert_eq!((world.pulse(&beat), world.first().standing), (Pulse::Well, Standing::Ready));
}

#[test]
fn a_model_that_only_refuses_so_small_an_answer_may_be_tried() {
    let mut world = out(FaultClass::Server);
    let beat = world.place(Asks::Token);
    assert!(world.beat(&beat, Heard::Failed(&fault(FaultClass::BadRequest))));
    assert_eq!(world.first().standing, Standing::Probe);
}

#[test]
fn while_all_is_well_an_outage_is_found_and_a_blip_is_none() {
    let mut world = World::new(policy(&[1, 1]));
    let beat = world.place(Asks::Token);
    assert_eq!(world.pulse(&beat), Pulse::Well);
    for n in 0..20 {
        let what = server();
        let heard = if n % 2 == 0 { Heard::Failed(&what) } else { Heard::Well };
        assert!(!world.beat(&beat, heard));
        world.pass(secs(30));
    }
    assert_eq!(world.first().standing, Standing::Ready);
    for _ in 0..5 {
        let _ = world.beat(&beat, Heard::Failed(&server()));
        world.pass(Duration::from_millis(100));
    }
    assert!(matches!(world.first().standing, Standing::Out(Reason::BreakerOpen { .. })));
    // A list is no witness against models that serve.
    let mut world = World::new(policy(&[1, 1]));
    let beat = world.place(Asks::Models);
    for _ in 0..20 {
        let _ = world.beat(&beat, Heard::Failed(&server()));
    }
    assert_eq!(world.first().standing, Standing::Ready);
}

#[test]
fn an_answer_that_comes_late_changes_nothing() {
    let mut world = out(FaultClass::Server);
    let beat = world.place(Asks::Token);
    let started = world.sent(&beat);
    // Its lease is over, and a request finds out meanwhile.
    world.pass(world.policy.timeouts.total + secs(1));
    let _ = world.request(|_, _| Ok(()));
    assert_eq!(world.first().standing, Standing::Ready);
    let before = world.health.clone();
    world.heard(&beat, started, Heard::Failed(&fault(FaultClass::Timeout)));
    assert_eq!(world.health, before);
}

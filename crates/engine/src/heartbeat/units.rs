//! Whom heartbeats go to, under the rules in force.

use std::sync::Arc;

use ringmain_config::{Heartbeat, HeartbeatBy};
use ringmain_core::{Dialect, Operation, Seed, Tick};
use ringmain_routing::heartbeat::{About, Asks, Beat, is_refused};
use ringmain_routing::{BreakerPolicy, Health, HostIx, KeyIx, TargetIx};

use super::Past;
use crate::route::Route;
use crate::rules::Rules;
use crate::target::{ProviderLink, Target};

/// One place or key that heartbeats are sent for: one at a time.
pub(super) struct Unit {
    /// It is known by this over reloads.
    pub(super) name: Arc<str>,
    pub(super) settings: Heartbeat,
    pub(super) beat: Beat,
    pub(super) question: Question,
    pub(super) past: Past,
}

/// What is asked.
#[derive(Clone)]
pub(super) struct Question {
    pub(super) link: Arc<ProviderLink>,
    /// Where a token is asked for: a route, and the position of its target. `None`: the list of models.
    pub(super) target: Option<(Arc<Route>, usize)>,
}

impl Question {
    pub(super) fn target(&self) -> Option<&Arc<Target>> {
        let (route, at) = self.target.as_ref()?;
        route.targets.get(*at)
    }

    pub(super) const fn by(&self) -> &'static str {
        if self.target.is_some() { HeartbeatBy::Token.as_str() } else { HeartbeatBy::Models.as_str() }
    }

    /// The target or provider, for the log.
    pub(super) fn asked(&self) -> String {
        self.target().map_or_else(|| self.link.name.clone(), |target| target.name.to_string())
    }

    pub(super) fn label(&self, key: KeyIx) -> &str {
        self.link.keys.iter().find(|known| known.ix == key).map_or("", |key| key.label.as_str())
    }
}

impl Unit {
    /// A place is asked with a key that is not known to be refused, if there is one.
    pub(super) fn choose_key(&mut self, health: &Health) {
        if matches!(self.beat.about, About::Place { .. }) {
            let good = self.question.link.keys.iter().find(|key| !is_refused(health, key.ix));
            self.beat.key = good.map_or(self.beat.key, |key| key.ix);
        }
    }
}

/// Every unit of these rules. What was known of one goes on.
pub(super) fn of(rules: &Rules, before: &[Unit], now: Tick, seed: Seed) -> Vec<Unit> {
    let mut maker = Maker { rules, before, now, seed, units: Vec::new() };
    for (provider, link, host) in rules.providers() {
        let Some(settings) = provider.heartbeat else { continue };
        let targets = targets(rules, &provider.name);
        match settings.by {
            HeartbeatBy::Models => maker.by_models(settings, link, host, &targets),
            HeartbeatBy::Token => maker.by_token(settings, link, host, &targets),
        }
    }
    maker.units
}

/// A target of a provider, and the first route that has it.
struct Place {
    target: TargetIx,
    route: Arc<Route>,
    at: usize,
    /// A conversation may be asked of it.
    talks: bool,
}

impl Place {
    fn breaker(&self) -> BreakerPolicy {
        self.route.policy.breaker
    }

    fn question(&self, link: &Arc<ProviderLink>) -> Question {
        Question { link: Arc::clone(link), target: Some((Arc::clone(&self.route), self.at)) }
    }
}

fn targets(rules: &Rules, provider: &str) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    for route in rules.routes() {
        let written = rules.config.route(&route.name).and_then(|(_, route)| route.matcher.as_ref());
        let for_talk = written.is_none_or(|it| it.operations.is_empty() || it.operations.contains(&Operation::Chat));
        for (at, target) in route.targets.iter().enumerate().filter(|(_, target)| target.name.provider == provider) {
            let known = target.model.as_ref().map(|model| model.kind.serves(Operation::Chat));
            let endpoint = target.endpoint(Operation::Chat, Dialect::OpenAiChat);
            let talks = endpoint.is_some() && known.unwrap_or(for_talk);
            match places.iter_mut().find(|place| place.target == target.ix) {
                Some(place) => place.talks |= talks,
                None => places.push(Place { target: target.ix, route: Arc::clone(route), at, talks }),
            }
        }
    }
    places
}

struct Maker<'a> {
    rules: &'a Rules,
    before: &'a [Unit],
    now: Tick,
    seed: Seed,
    units: Vec<Unit>,
}

impl Maker<'_> {
    /// One list tells of the host and of all targets; a key that is refused is asked about with itself.
    fn by_models(&mut self, settings: Heartbeat, link: &Arc<ProviderLink>, host: HostIx, targets: &[Place]) {
        let question = Question { link: Arc::clone(link), target: None };
        let breaker = targets.first().map_or(self.rules.config.defaults.breaker, Place::breaker);
        let targets = targets.iter().map(|place| (place.target, place.breaker())).collect();
        let about = About::Place { host, breaker, targets };
        self.add(format!("{} models", link.name), settings, Asks::Models, about, &question);
        for key in &link.keys {
            let about = About::Key { target: None };
            self.add_for_key(key.ix, &key.label, settings, Asks::Models, about, &question);
        }
    }

    /// Each model is asked; a key that is refused, by the first of them.
    fn by_token(&mut self, settings: Heartbeat, link: &Arc<ProviderLink>, host: HostIx, targets: &[Place]) {
        for place in targets.iter().filter(|place| place.talks) {
            let (target, breaker) = (place.target, place.breaker());
            let question = place.question(link);
            let about = About::Place { host, breaker, targets: vec![(target, breaker)] };
            self.add(question.asked(), settings, Asks::Token, about, &question);
        }
        let Some(first) = targets.iter().find(|place| place.talks) else { return };
        for key in &link.keys {
            let about = About::Key { target: Some((host, first.target, first.breaker())) };
            self.add_for_key(key.ix, &key.label, settings, Asks::Token, about, &first.question(link));
        }
    }

    /// A key is asked about only while it is out: what serves requests needs no other proof.
    fn add_for_key(
        &mut self,
        key: KeyIx,
        label: &str,
        settings: Heartbeat,
        asks: Asks,
        about: About,
        question: &Question,
    ) {
        self.add(format!("{label} {}", question.by()), Heartbeat { always: false, ..settings }, asks, about, question);
        if let Some(unit) = self.units.last_mut() {
            unit.beat.key = key;
        }
    }

    fn add(&mut self, name: String, settings: Heartbeat, asks: Asks, about: About, question: &Question) {
        let Some(key) = question.link.keys.first().map(|key| key.ix) else { return };
        let lease = self.rules.config.defaults.timeouts.total;
        // The first is spread over the whole interval.
        let first = settings.every.mul_f64(self.seed.draw(&name).draw("first").unit());
        let fresh = Past { due: self.now + first, beats: 0, sent_for: None };
        let before = self.before.iter().find(|unit| *unit.name == *name);
        let past = before.map_or(fresh, |unit| Past { due: unit.past.due.min(self.now + settings.every), ..unit.past });
        let beat = Beat { asks, key, about, lease };
        self.units.push(Unit { name: name.into(), settings, beat, question: question.clone(), past });
    }
}

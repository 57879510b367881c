//! For how long a key, a key on one model, or a target is out on the provider's word.
//!
//! A rate limit ends by itself; a refused credential, an empty account or a missing model is asked about again by one
//! probe. The longest deadline wins: a plain 429 after one that said "a minute" does not shorten the minute. Without a
//! time from the provider it doubles, but only for attempts that began after the last mark: fifty answers to requests
//! sent together are one piece of news.

use std::time::Duration;

use ringmain_core::{FaultClass, Tick};

use crate::heartbeat::{Asks, News, Pulse};
use crate::{Reason, Standing};

/// A provider that says more is not believed beyond this; daily quotas fit.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// First and longest time out where the provider names none.
const fn default_times(class: FaultClass) -> (Duration, Duration) {
    let (first, longest) = match class {
        FaultClass::Auth => (300, 3600),
        FaultClass::Billing => (180, 180),
        FaultClass::Gone => (60, 3600),
        _ => (1, 30),
    };
    (Duration::from_secs(first), Duration::from_secs(longest))
}

/// Must a request find out whether it is over?
const fn is_probed(class: FaultClass) -> bool {
    matches!(class, FaultClass::Auth | FaultClass::Billing | FaultClass::Gone)
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Out {
    mark: Option<Mark>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Mark {
    class: FaultClass,
    until: Tick,
    /// When the last answer of this kind came.
    at: Tick,
    strikes: u32,
    probe: Option<Tick>,
    /// What the provider's list of models said since.
    news: News,
}

impl Out {
    /// Out for `asked` if the provider named a time.
    pub(crate) fn mark(&mut self, class: FaultClass, asked: Option<Duration>, started: Tick, now: Tick) {
        let strikes = match self.mark {
            Some(mark) if started < mark.at => mark.strikes,
            Some(mark) => mark.strikes.saturating_add(1),
            None => 1,
        };
        let (first, longest) = default_times(class);
        let default = first.saturating_mul(1 << strikes.saturating_sub(1).min(31)).min(longest);
        let length = match asked {
            Some(asked) if is_probed(class) => asked.max(default),
            Some(asked) => asked,
            None => default,
        };
        let until = now + length.min(LONGEST);
        let probe = self.mark.and_then(|mark| mark.probe).filter(|began| *began != started);
        let news = self.mark.map(|mark| mark.news).unwrap_or_default();
        self.mark = Some(match self.mark {
            Some(mark) if mark.until >= until => Mark { at: now, strikes, probe, ..mark },
            _ => Mark { class, until, at: now, strikes, probe, news },
        });
    }

    /// An attempt that began when the time was over, as a probe does, was served; or a heartbeat's, whose probe may be
    /// earlier.
    pub(crate) fn succeeded(&mut self, started: Tick) {
        if self.mark.is_some_and(|mark| started >= mark.until || mark.probe == Some(started)) {
            self.mark = None;
        }
    }

    /// The attempt brings an answer. If it is the probe, the credential, account or model is good again.
    pub(crate) fn committed(&mut self, started: Tick) {
        if self.mark.is_some_and(|mark| mark.probe == Some(started)) {
            self.mark = None;
        }
    }

    /// The attempt says nothing; if it was the probe, the next request is.
    pub(crate) fn release(&mut self, started: Tick) {
        if let Some(mark) = &mut self.mark
            && mark.probe == Some(started)
        {
            mark.probe = None;
        }
    }

    /// Takes the probe, if there is one to take.
    pub(crate) fn take_probe(&mut self, lease: Duration, now: Tick) {
        if self.standing(lease, now) == Standing::Probe
            && let Some(mark) = &mut self.mark
        {
            mark.probe = Some(now);
        }
    }

    /// Is it out because the provider does not accept the key, or has no credit for it?
    pub(crate) fn is_refused(&self) -> bool {
        self.mark.is_some_and(|mark| matches!(mark.class, FaultClass::Auth | FaultClass::Billing))
    }

    /// The operator reloaded the rules, and may have set right what the provider refused: it is asked again at once.
    pub(crate) fn reloaded(&mut self) {
        self.mark.take_if(|mark| mark.class == FaultClass::Auth);
    }

    /// How it stands for a heartbeat. A limit ends by itself; of account and model a list says nothing.
    pub(crate) fn pulse(&self, asks: Asks, lease: Duration, now: Tick) -> Pulse {
        let Some(mark) = self.mark else { return Pulse::Well };
        if !is_probed(mark.class) {
            return if now < mark.until && asks == Asks::Token { Pulse::Busy } else { Pulse::Well };
        }
        match (asks, mark.class) {
            _ if mark.probe.is_some_and(|began| now < began + lease) => Pulse::Busy,
            (Asks::Models, FaultClass::Auth) if mark.news == News::Good => {
                if now < mark.until {
                    Pulse::Out { until: None }
                } else {
                    Pulse::Well
                }
            }
            (Asks::Token, _) | (Asks::Models, FaultClass::Auth) => Pulse::Out { until: Some(mark.until) },
            (Asks::Models, _) => Pulse::Well,
        }
    }

    /// A heartbeat takes the probe, before its time if need be.
    pub(crate) fn take_early(&mut self, lease: Duration, now: Tick) {
        if let Some(mark) = &mut self.mark
            && is_probed(mark.class)
            && mark.probe.is_none_or(|began| now >= began + lease)
        {
            mark.probe = Some(now);
        }
    }

    /// The list of models was shown for this key. Where it was refused before, the key is good again; else, where it may
    /// be shown to anybody, one request may find out. Says whether anything follows from it.
    pub(crate) fn listed(&mut self, now: Tick) -> bool {
        let Some(mark) = &mut self.mark else { return false };
        match (mark.class, mark.news) {
            (FaultClass::Auth, News::Bad) => self.mark = None,
            (FaultClass::Auth, News::None) => {
                mark.until = now.min(mark.until);
                mark.news = News::Good;
            }
            _ => return false,
        }
        true
    }

    /// The list of models was refused for this key.
    pub(crate) const fn not_listed(&mut self) {
        if let Some(mark) = &mut self.mark {
            mark.news = News::Bad;
        }
    }

    pub(crate) fn standing(&self, lease: Duration, now: Tick) -> Standing {
        let Some(mark) = self.mark else { return Standing::Ready };
        if now < mark.until {
            return Standing::Out(match mark.class {
                FaultClass::RateLimit => Reason::Limited { until: mark.until },
                class => Reason::Benched { until: mark.until, class },
            });
        }
        match mark.probe {
            _ if !is_probed(mark.class) => Standing::Ready,
            Some(began) if now < began + lease => Standing::Out(Reason::Probing),
            _ => Standing::Probe,
        }
    }

    /// Long over: nothing is lost by forgetting it.
    pub(crate) fn is_stale(&self, now: Tick) -> bool {
        self.mark.is_none_or(|mark| now >= mark.until + LONGEST)
    }
}

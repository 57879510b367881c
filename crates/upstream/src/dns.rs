//! Host names, remembered: for a short while as truth, and longer for when DNS itself is down.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// An answer younger than this is used without asking.
const FRESH: Duration = Duration::from_secs(30);
/// Names remembered at most; a gateway has tens of hosts.
const NAMES_MAX: usize = 1024;

/// A question being asked.
type Asked = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;
/// Who is asked: the system, or a test.
type Ask = Box<dyn Fn(String) -> Asked + Send + Sync>;

pub(crate) struct Resolver {
    ask: Ask,
    answers: Mutex<HashMap<String, Answer>>,
}

#[derive(Debug, Clone)]
struct Answer {
    addresses: Vec<IpAddr>,
    /// Since when; `None` where it has come into doubt.
    fresh_since: Option<Instant>,
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

impl Default for Resolver {
    fn default() -> Self {
        Self::asking(Box::new(|host| {
            Box::pin(async move {
                let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
                Ok(found.map(|address| address.ip()).collect())
            })
        }))
    }
}

impl Resolver {
    fn asking(ask: Ask) -> Self {
        Self { ask, answers: Mutex::default() }
    }

    /// The addresses of a host. A stale answer stands in while DNS fails.
    pub(crate) async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let with_port = |addresses: &[IpAddr]| addresses.iter().map(|ip| SocketAddr::new(*ip, port)).collect();
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(with_port(&[ip]));
        }
        let known = self.lock().get(host).cloned();
        let is_fresh = |answer: &&Answer| answer.fresh_since.is_some_and(|since| since.elapsed() < FRESH);
        if let Some(answer) = known.as_ref().filter(is_fresh) {
            return Ok(with_port(&answer.addresses));
        }
        match ((self.ask)(host.to_owned()).await, known) {
            (Ok(addresses), _) if !addresses.is_empty() => {
                self.remember(host, addresses.clone());
                Ok(with_port(&addresses))
            }
            (_, Some(stale)) => Ok(with_port(&stale.addresses)),
            (Err(error), None) => Err(error),
            (Ok(_), None) => Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address")),
        }
    }

    /// What is known of this host does not help: it is asked for again the next time.
    pub(crate) fn doubt(&self, host: &str) {
        if let Some(answer) = self.lock().get_mut(host) {
            answer.fresh_since = None;
        }
    }

    fn remember(&self, host: &str, addresses: Vec<IpAddr>) {
        let mut answers = self.lock();
        if answers.len() >= NAMES_MAX {
            answers.clear();
        }
        answers.insert(host.to_owned(), Answer { addresses, fresh_since: Some(Instant::now()) });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Answer>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// A name whose answer can be changed; `None` for no answer. Counts how often it is asked.
    #[derive(Clone, Default)]
    struct Zone(Arc<Mutex<(Option<Vec<IpAddr>>, u32)>>);

    impl Zone {
        fn resolver(&self) -> Resolver {
            let zone = self.0.clone();
            Resolver::asking(Box::new(move |_| {
                let mut zone = zone.lock().unwrap();
                zone.1 += 1;
                let answer = zone.0.clone().ok_or_else(|| io::Error::other("DNS is down"));
                Box::pin(async move { answer })
            }))
        }

        fn say(&self, addresses: Option<&[&str]>) {
            let parsed = addresses.map(|all| all.iter().map(|ip| ip.parse().unwrap()).collect());
            self.0.lock().unwrap().0 = parsed;
        }

        fn asked(&self) -> u32 {
            self.0.lock().unwrap().1
        }
    }

    async fn of(resolver: &Resolver) -> Option<String> {
        resolver.resolve("api.test", 443).await.ok().map(|all| all[0].to_string())
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_name_is_followed_within_half_a_minute() {
        let zone = Zone::default();
        zone.say(Some(&["192.0.2.1"]));
        let resolver = zone.resolver();
        assert_eq!(of(&resolver).await.unwrap(), "192.0.2.1:443");
        zone.say(Some(&["192.0.2.2"]));
        tokio::time::advance(Duration::from_secs(29)).await;
        assert_eq!((of(&resolver).await.unwrap().as_str(), zone.asked()), ("192.0.2.1:443", 1));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!((of(&resolver).await.unwrap().as_str(), zone.asked()), ("192.0.2.2:443", 2));
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_does_not_answer_is_asked_for_again_at_once() {
        let zone = Zone::default();
        zone.say(Some(&["192.0.2.1"]));
        let resolver = zone.resolver();
        of(&resolver).await.unwrap();
        zone.say(Some(&["192.0.2.2"]));
        resolver.doubt("api.test");
        assert_eq!(of(&resolver).await.unwrap(), "192.0.2.2:443");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_known_stands_in_while_dns_is_down() {
        let zone = Zone::default();
        let resolver = zone.resolver();
        assert_eq!(of(&resolver).await, None);
        zone.say(Some(&["192.0.2.1"]));
        of(&resolver).await.unwrap();
        for down in [None, Some([].as_slice())] {
            zone.say(down);
            tokio::time::advance(Duration::from_secs(3600)).await;
            assert_eq!(of(&resolver).await.unwrap(), "192.0.2.1:443");
        }
        resolver.doubt("api.test");
        assert_eq!(of(&resolver).await.unwrap(), "192.0.2.1:443", "doubted is better than none");
    }
}

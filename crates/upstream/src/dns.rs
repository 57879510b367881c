//! Host names, remembered: for a short while as truth, and longer for when DNS itself is down.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// An answer younger than this is used without asking.
const FRESH: Duration = Duration::from_secs(30);
/// Names remembered at most; a gateway has tens of hosts.
const NAMES_MAX: usize = 1024;

#[derive(Debug, Default)]
pub(crate) struct Resolver {
    answers: Mutex<HashMap<String, Answer>>,
}

#[derive(Debug, Clone)]
struct Answer {
    addresses: Vec<IpAddr>,
    at: Instant,
}

impl Resolver {
    /// The addresses of a host. A stale answer stands in while DNS fails.
    pub(crate) async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let with_port = |addresses: &[IpAddr]| addresses.iter().map(|ip| SocketAddr::new(*ip, port)).collect();
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(with_port(&[ip]));
        }
        let known = self.lock().get(host).cloned();
        if let Some(answer) = known.as_ref().filter(|answer| answer.at.elapsed() < FRESH) {
            return Ok(with_port(&answer.addresses));
        }
        let looked_up = match tokio::net::lookup_host((host, port)).await {
            Ok(found) => Ok(found.map(|address| address.ip()).collect::<Vec<_>>()),
            Err(error) => Err(error),
        };
        match (looked_up, known) {
            (Ok(addresses), _) if !addresses.is_empty() => {
                self.remember(host, addresses.clone());
                Ok(with_port(&addresses))
            }
            (_, Some(stale)) => Ok(with_port(&stale.addresses)),
            (Err(error), None) => Err(error),
            (Ok(_), None) => Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address")),
        }
    }

    fn remember(&self, host: &str, addresses: Vec<IpAddr>) {
        let mut answers = self.lock();
        if answers.len() >= NAMES_MAX {
            answers.clear();
        }
        answers.insert(host.to_owned(), Answer { addresses, at: Instant::now() });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Answer>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

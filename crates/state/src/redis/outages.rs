//! What is out, told among processes: asked for four times a second, by the side of every request.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::Script;
use tokio::time::{sleep, timeout};

use super::link::Link;
use super::scripts;
use crate::shared::Outage;

/// How often others are asked.
const EVERY: Duration = Duration::from_millis(250);
/// How long that may take.
const WITHIN: Duration = Duration::from_secs(1);
/// Outages that wait to be told or taken in, at most; more are as good as none, for each process finds out by itself.
const WAITING_MAX: usize = 1024;
/// Nobody's word holds for longer.
const LONGEST: Duration = Duration::from_secs(600);

/// What is to be told, and what was heard.
#[derive(Debug, Default)]
pub(super) struct Outages {
    own: Mutex<Vec<Outage>>,
    heard: Mutex<Vec<Outage>>,
}

impl Outages {
    pub(super) fn tell(&self, outage: Outage) {
        push(&self.own, outage);
    }

    pub(super) fn heard(&self) -> Vec<Outage> {
        take(&self.heard)
    }

    /// Tells and hears, for ever.
    pub(super) async fn run(&self, link: &Link) {
        let script = Script::new(scripts::OUTAGES);
        // Each word is taken in once: what it says may be over here before its time is.
        let mut known: HashMap<String, String> = HashMap::new();
        loop {
            sleep(EVERY).await;
            let Some(mut connection) = link.connection() else { continue };
            let own = take(&self.own);
            let mut call = script.prepare_invoke();
            call.key("{ringmain}:outages").arg(format!("{:x}", link.process()));
            for outage in &own {
                let place = if outage.host { "host" } else { "target" };
                let millis = u64::try_from(outage.length.as_millis()).unwrap_or(u64::MAX);
                call.arg(format!("{place}:{}", outage.target)).arg(millis);
            }
            let asked = timeout(WITHIN, call.invoke_async::<Vec<String>>(&mut connection)).await;
            let Ok(Ok(told)) = asked else {
                own.into_iter().for_each(|outage| push(&self.own, outage));
                continue;
            };
            let mut now = HashMap::new();
            for word in told.chunks_exact(3) {
                let [name, value, left] = word else { continue };
                if known.get(name) != Some(value)
                    && let Some(outage) = read(name, left)
                {
                    push(&self.heard, outage);
                }
                now.insert(name.clone(), value.clone());
            }
            known = now;
        }
    }
}

fn read(name: &str, left: &str) -> Option<Outage> {
    let (place, target) = name.split_once(':')?;
    let length = Duration::from_millis(left.parse().ok()?).min(LONGEST);
    Some(Outage { target: target.to_owned(), host: place == "host", length })
}

fn push(list: &Mutex<Vec<Outage>>, outage: Outage) {
    let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
    if list.len() < WAITING_MAX {
        list.push(outage);
    }
}

fn take(list: &Mutex<Vec<Outage>>) -> Vec<Outage> {
    std::mem::take(&mut list.lock().unwrap_or_else(PoisonError::into_inner))
}

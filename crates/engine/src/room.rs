//! Room for the bodies that are held: a request keeps its body until it has ended, so that it can be sent again, and a
//! crowd of large ones would be more than there is memory. Together they take no more than the operator says; who comes
//! then is not read from until there is room.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ringmain_core::{Fault, FaultClass, Origin, Phase};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bodies up to this size take no room.
pub(crate) const SMALL: u64 = 1024 * 1024;
/// What is counted.
const UNIT: u64 = 1024;
/// The longest that a caller waits for room.
const WAIT: Duration = Duration::from_secs(60);
/// When one that waited in vain may come again.
const AGAIN: Duration = Duration::from_secs(5);

/// What the body of a request may take.
#[derive(Debug, Clone)]
pub struct Bodies {
    /// By itself, in bytes.
    pub max: u64,
    /// Beside all others that are held.
    pub room: Arc<Room>,
}

/// All there is.
#[derive(Debug)]
pub struct Room {
    free: Arc<Semaphore>,
    /// In bytes, as it was asked for.
    size: u64,
    units: u32,
}

/// A part of it, until it is dropped.
pub(crate) struct Taken(OwnedSemaphorePermit);

impl Room {
    /// So many bytes.
    #[must_use]
    pub fn new(size: u64) -> Self {
        let units = units(size).max(1);
        Self { free: Arc::new(Semaphore::new(usize::try_from(units).unwrap_or(Semaphore::MAX_PERMITS))), size, units }
    }

    /// How large it is, in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Takes so many bytes, in the order in which they are asked for. A body that is larger than all of it has it alone.
    ///
    /// # Errors
    /// 503 after a minute without.
    pub(crate) async fn take(&self, bytes: u64) -> Result<Taken, Fault> {
        let wanted = units(bytes).min(self.units);
        let taken = tokio::time::timeout(WAIT, Arc::clone(&self.free).acquire_many_owned(wanted)).await;
        match taken {
            Ok(Ok(permit)) => Ok(Taken(permit)),
            Ok(Err(_)) | Err(_) => Err(full(self.size)),
        }
    }
}

impl Taken {
    /// It holds this body, and is given back with the last piece of that.
    pub(crate) fn hold(mut self, body: Bytes) -> Bytes {
        let needed = usize::try_from(units(body.len() as u64)).unwrap_or(usize::MAX);
        // What was taken for a length that nobody had said.
        drop(self.0.num_permits().checked_sub(needed).and_then(|more| self.0.split(more)));
        Bytes::from_owner(Held { body, _taken: self })
    }
}

struct Held {
    body: Bytes,
    _taken: Taken,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

fn full(size: u64) -> Fault {
    let message = format!(
        "the gateway holds as many request bodies as it may, {size} bytes; `server.max_held` in its configuration sets \
         this limit"
    );
    let mut fault = Fault::new(FaultClass::Overloaded, Origin::Gateway, Phase::Before, message).with_status(503);
    fault.retry_after = Some(AGAIN);
    fault
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_held_never_exceeds_it() {
        let room = Room::new(10 * UNIT);
        let body = room.take(8 * UNIT).await.unwrap().hold(Bytes::from(vec![1; 6 * 1024]));
        assert_eq!(room.free.available_permits(), 4, "what is not needed is given back");
        let part = body.slice(100..200);
        drop(body);
        assert_eq!(room.free.available_permits(), 4, "a piece of it holds all of it");
        let refused = room.take(5 * UNIT).await.err().unwrap();
        assert_eq!((refused.status, refused.retry_after), (Some(503), Some(AGAIN)));
        drop(part);
        let alone = room.take(1 << 40).await.unwrap();
        assert_eq!(room.free.available_permits(), 0, "what is larger than all of it has it alone");
        drop(alone);
        assert_eq!(room.free.available_permits(), 10);
    }
}

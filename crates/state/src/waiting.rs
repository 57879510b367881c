//! What waits for a thread that takes it in batches: to put something in costs a lock and no system call, for the thread is
//! woken for a batch and not for each.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A queue with a bound, and one thread that empties it.
#[derive(Debug)]
pub(crate) struct Waiting<T> {
    state: Mutex<State<T>>,
    woken: Condvar,
    most: usize,
    /// So many are worth waking the thread for before its time.
    many: usize,
}

#[derive(Debug)]
struct State<T> {
    items: Vec<T>,
    is_closed: bool,
}

impl<T> Waiting<T> {
    /// An empty queue for at most `most`; `many` of them do not wait for more.
    pub(crate) fn new(most: usize, many: usize) -> Self {
        Self { state: Mutex::new(State { items: Vec::new(), is_closed: false }), woken: Condvar::new(), most, many }
    }

    /// Puts one in. False: there is no room.
    pub(crate) fn put(&self, item: T) -> bool {
        let mut state = self.state();
        if state.items.len() >= self.most {
            return false;
        }
        state.items.push(item);
        let waiting = state.items.len();
        drop(state);
        if waiting == 1 || waiting == self.many {
            self.woken.notify_one();
        }
        true
    }

    /// Waits for the first, then for more: until there are many, or for so long. All that wait are then in `into`, which
    /// was empty; it still is when the queue is closed and nothing is left.
    pub(crate) fn take(&self, into: &mut Vec<T>, wait: Duration) {
        let is_idle = |state: &mut State<T>| state.items.is_empty() && !state.is_closed;
        let state = self.woken.wait_while(self.state(), is_idle).unwrap_or_else(PoisonError::into_inner);
        let are_few = |state: &mut State<T>| state.items.len() < self.many && !state.is_closed;
        let waited = self.woken.wait_timeout_while(state, wait, are_few);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut state.items, into);
    }

    /// Nothing more comes.
    pub(crate) fn close(&self) {
        self.state().is_closed = true;
        self.woken.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn many_do_not_wait_and_the_rest_goes_at_the_end() {
        let queue = Arc::new(Waiting::new(100, 3));
        let filled = Arc::clone(&queue);
        let putting = std::thread::spawn(move || {
            (0..10).for_each(|item| assert!(filled.put(item)));
            filled.close();
        });
        let (mut all, mut batch) = (Vec::new(), Vec::new());
        loop {
            queue.take(&mut batch, LONG);
            if batch.is_empty() {
                break;
            }
            all.append(&mut batch);
        }
        putting.join().unwrap();
        assert_eq!(all, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn it_is_bounded_and_a_few_wait_their_time() {
        let queue = Waiting::new(2, 100);
        assert!(queue.put(1) && queue.put(2) && !queue.put(3));
        let mut batch = Vec::new();
        queue.take(&mut batch, Duration::from_millis(1));
        assert_eq!(batch, [1, 2]);
        assert!(queue.put(4), "there is room again");
    }
}

//! Several addresses of one host, raced: RFC 8305. The families take turns, each address has a head start of a quarter of
//! a second, one that is refused hands over at once, and the first that stands wins.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

/// The head start of each address before the next (RFC 8305, section 8, "Connection Attempt Delay").
const HEAD_START: Duration = Duration::from_millis(250);
/// Addresses tried at most; a host has a handful.
const ADDRESSES_MAX: usize = 16;

/// Connects to the first address that answers.
///
/// # Errors
/// None did; the error is that of the last to fail.
pub(crate) async fn race<T, F>(addresses: Vec<SocketAddr>, connect: impl Fn(SocketAddr) -> F) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    let mut waiting = in_turns(addresses).into_iter().take(ADDRESSES_MAX);
    let mut running: Vec<Pin<Box<F>>> = Vec::new();
    let mut timer = pin!(tokio::time::sleep(HEAD_START));
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        let next = waiting.next();
        let is_last = next.is_none();
        if is_last && running.is_empty() {
            return Err(failed);
        }
        running.extend(next.map(|address| Box::pin(connect(address))));
        timer.as_mut().reset(Instant::now() + HEAD_START);
        // Until one stands, or one more is to be started: after its head start, or at once for one that failed.
        let ended = poll_fn(|cx| {
            for at in 0..running.len() {
                if let Poll::Ready(result) = running[at].as_mut().poll(cx) {
                    drop(running.swap_remove(at));
                    return Poll::Ready(Some(result));
                }
            }
            if is_last { Poll::Pending } else { timer.as_mut().poll(cx).map(|()| None) }
        })
        .await;
        match ended {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) => failed = error,
            None => {}
        }
    }
}

/// The families in turns, beginning with that of the first address; within each, the resolver's order.
fn in_turns(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let is_six = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| address.is_ipv6() == is_six);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut turns = Vec::new();
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            return turns;
        }
        turns.extend(pair.into_iter().flatten());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// What an address does: connects after so long, or is refused after so long.
    type Does = (&'static str, Result<u64, u64>);

    /// Races them; gives who won, when, and when each was tried.
    async fn run(does: &[Does]) -> (Result<String, io::ErrorKind>, u128, Vec<(String, u128)>) {
        let start = Instant::now();
        let tried = Mutex::new(Vec::new());
        let addresses = does.iter().map(|(address, _)| address.parse().unwrap()).collect();
        let won = race(addresses, |address: SocketAddr| {
            tried.lock().unwrap().push((address.ip().to_string(), start.elapsed().as_millis()));
            let does = does.iter().find(|(it, _)| *it == address.to_string()).unwrap().1;
            async move {
                match does {
                    Ok(after) => tokio::time::sleep(Duration::from_millis(after)).await,
                    Err(after) => {
                        tokio::time::sleep(Duration::from_millis(after)).await;
                        return Err(io::ErrorKind::ConnectionRefused.into());
                    }
                }
                Ok(address.ip().to_string())
            }
        });
        let won = won.await.map_err(|error| error.kind());
        (won, start.elapsed().as_millis(), tried.into_inner().unwrap())
    }

    fn tried(list: &[(&str, u128)]) -> Vec<(String, u128)> {
        list.iter().map(|(address, at)| ((*address).to_owned(), *at)).collect()
    }

    const NEVER: u64 = 60_000;

    #[tokio::test(start_paused = true)]
    async fn a_dead_family_costs_a_quarter_of_a_second() {
        let (won, took, at) = run(&[("[::1]:1", Ok(NEVER)), ("[::2]:1", Ok(NEVER)), ("1.1.1.1:1", Ok(20))]).await;
        assert_eq!((won, took), (Ok("1.1.1.1".to_owned()), 270));
        assert_eq!(at, tried(&[("::1", 0), ("1.1.1.1", 250)]), "families take turns");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_hands_over_at_once() {
        let (won, took, at) = run(&[("1.1.1.1:1", Err(10)), ("1.1.1.2:1", Err(0)), ("1.1.1.3:1", Ok(5))]).await;
        assert_eq!((won, took), (Ok("1.1.1.3".to_owned()), 15));
        assert_eq!(at, tried(&[("1.1.1.1", 0), ("1.1.1.2", 10), ("1.1.1.3", 10)]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_first_may_still_win() {
        let (won, took, at) = run(&[("1.1.1.1:1", Ok(300)), ("[::1]:1", Ok(400))]).await;
        assert_eq!((won, took, at.len()), (Ok("1.1.1.1".to_owned()), 300, 2));
        let (_, _, at) = run(&[("1.1.1.1:1", Ok(249)), ("[::1]:1", Ok(0))]).await;
        assert_eq!(at.len(), 1, "a quick one is left alone");
    }

    #[tokio::test(start_paused = true)]
    async fn when_none_answers_the_last_error_is_told() {
        let (won, took, _) = run(&[("1.1.1.1:1", Err(900)), ("[::1]:1", Err(100))]).await;
        assert_eq!((won, took), (Err(io::ErrorKind::ConnectionRefused), 900));
        let (won, _, _) = run(&[]).await;
        assert_eq!(won, Err(io::ErrorKind::NotFound));
    }
}

//! Several futures side by side, without tasks.

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

/// The most that run at once; the others wait for their turn.
const AT_ONCE: usize = 10;

/// Waits for all; the results are in the futures' order. The first error ends it, and drops the others.
///
/// # Errors
/// The first error of any.
pub(super) async fn all<T, E, F>(futures: impl IntoIterator<Item = F>) -> Result<Vec<T>, E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut waiting = futures.into_iter().collect::<Vec<F>>().into_iter().enumerate();
    let mut open: Vec<(usize, Pin<Box<F>>)> = Vec::new();
    let mut done: Vec<(usize, T)> = Vec::new();
    std::future::poll_fn(|cx| {
        let mut at = 0;
        loop {
            while open.len() < AT_ONCE
                && let Some((index, future)) = waiting.next()
            {
                open.push((index, Box::pin(future)));
            }
            let Some((_, future)) = open.get_mut(at) else { break };
            match future.as_mut().poll(cx) {
                Poll::Pending => at += 1,
                Poll::Ready(Ok(result)) => {
                    let (index, _) = open.swap_remove(at);
                    done.push((index, result));
                    // Whoever came to this place, or is new, has not been asked yet.
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            }
        }
        if open.is_empty() { Poll::Ready(Ok(())) } else { Poll::Pending }
    })
    .await?;
    done.sort_by_key(|(at, _)| *at);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::all;

    #[tokio::test(start_paused = true)]
    async fn in_order_and_to_the_first_error() {
        let after = |ms, result: Result<u64, u64>| async move {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            result
        };
        assert_eq!(all([after(30, Ok(1)), after(10, Ok(2)), after(20, Ok(3))]).await, Ok(vec![1, 2, 3]));
        let began = tokio::time::Instant::now();
        assert_eq!(all([after(30, Ok(1)), after(10, Err(2))]).await, Err(2));
        assert_eq!(began.elapsed(), Duration::from_millis(10));
        assert_eq!(all(Vec::<std::future::Ready<Result<u8, u8>>>::new()).await, Ok(vec![]));
    }
}

//! Limits in a real `redis-server`, started here on a port of its own; skipped, and said so, where there is none.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use ringmain_core::{WallTime, calendar::parse_date};

use crate::quota::{Amounts, LimitId, Shared, SharedQuotas};
use crate::redis::{Quotas, Settings};

struct Server {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn server() -> Option<Server> {
    let folder = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let child = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .spawn();
    let Ok(child) = child else {
        println!("skipped: there is no redis-server here");
        return None;
    };
    let server = Server { child, port, _folder: folder };
    for _ in 0..200 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some(server);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("redis-server does not listen");
}

fn signal(server: &Server, name: &str) {
    let pid = server.child.id().to_string();
    assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
}

async fn connect(server: &Server, process: u64) -> Arc<Quotas> {
    let url = format!("redis://127.0.0.1:{}", server.port);
    // A machine under load may take longer than the 20 ms that a request would wait.
    let settings = Settings { patience: Duration::from_secs(2), ..Settings::default() };
    Quotas::connect(&url, settings, process).await.unwrap()
}

fn limit(text: &str) -> LimitId {
    LimitId { scope: "group:acme".into(), limit: text.parse().unwrap() }
}

fn noon(second: u64) -> WallTime {
    WallTime(parse_date("2026-11-29T12:00:00Z").unwrap().0 + second * 1000)
}

const fn tokens(tokens: u64) -> Amounts {
    Amounts { tokens, nanos: 0 }
}

async fn ask(store: &Quotas, limits: &[LimitId], amount: Amounts, second: u64) -> Shared {
    store.reserve(limits, amount, vec![0; limits.len()], false, noon(second)).await
}

/// Settlements are told in the background: asks until they have been.
async fn until(what: &str, mut is: impl AsyncFnMut() -> bool) {
    for _ in 0..500 {
        if is().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within 5 s: {what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_hold_one_limit_together() {
    let Some(server) = server() else { return };
    let (one, two) = (connect(&server, 1).await, connect(&server, 2).await);
    let limits = [limit("100 tokens/day"), limit("3 at once"), limit("10 requests/60s")];
    let Shared::Granted(first) = ask(&one, &limits, tokens(60), 0).await else { panic!("there is room") };
    let Shared::Full(full) = ask(&two, &limits, tokens(50), 0).await else { panic!("only 40 are left") };
    assert_eq!(
        (full.at, full.returns),
        (0, Some(Duration::from_secs(1))),
        "what is reserved may come back at any time"
    );
    one.settle(Some(first), &limits, tokens(60), tokens(10), noon(1));
    until("the settlement has been told", async || {
        matches!(ask(&two, &limits[..1], tokens(90), 1).await, Shared::Granted(_))
    })
    .await;
    let Shared::Full(full) = ask(&one, &limits[..1], tokens(1), 2).await else { panic!("all is reserved") };
    assert_eq!(full.returns, Some(Duration::from_secs(12 * 3600 - 2)));
    assert!(
        matches!(ask(&one, &limits[..1], tokens(100), 12 * 3600).await, Shared::Granted(_)),
        "the next day is a new one"
    );
    let Shared::Full(never) = ask(&one, &limits[..1], tokens(101), 0).await else {
        panic!("it is larger than the limit")
    };
    assert_eq!(never.returns, None);
    for second in [1, 2, 3] {
        assert!(matches!(ask(&two, &limits[1..], tokens(0), second).await, Shared::Granted(_)));
    }
    let Shared::Full(full) = ask(&one, &limits[1..], tokens(0), 4).await else { panic!("three are running") };
    assert_eq!((full.at, full.returns), (0, Some(Duration::from_secs(1))));
    assert!(matches!(ask(&one, &limits[1..2], tokens(0), 3600).await, Shared::Granted(_)), "leases of the dead end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_knows_nothing_begins_with_what_a_process_knows() {
    let Some(server) = server() else { return };
    let one = connect(&server, 1).await;
    let limits = [limit("$1/month")];
    let money = |nanos| Amounts { tokens: 0, nanos };
    let asked = one.reserve(&limits, money(500_000_000), vec![600_000_000], false, noon(0)).await;
    assert!(matches!(asked, Shared::Full(_)), "{asked:?}");
    let asked = one.reserve(&limits, money(400_000_000), vec![0], false, noon(0)).await;
    assert!(matches!(asked, Shared::Granted(_)), "{asked:?}");
    let forced = one.reserve(&limits, money(900_000_000), vec![0], true, noon(0)).await;
    assert!(matches!(forced, Shared::Granted(_)), "{forced:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_store_is_waited_for_once_and_told_afterwards() {
    let Some(server) = server() else { return };
    let url = format!("redis://127.0.0.1:{}", server.port);
    let settings = Settings { patience: Duration::from_millis(300), ..Settings::default() };
    let one = Quotas::connect(&url, settings, 1).await.unwrap();
    let limits = [limit("100 tokens/day"), limit("5 requests/day")];
    until("it answers", async || matches!(ask(&one, &limits[..1], tokens(0), 0).await, Shared::Granted(_))).await;
    signal(&server, "-STOP");
    let began = std::time::Instant::now();
    let Shared::Unsure(unsure) = ask(&one, &limits, tokens(10), 0).await else { panic!("it cannot answer") };
    assert!(one.is_down());
    for _ in 0..100 {
        assert_eq!(ask(&one, &limits, tokens(10), 0).await, Shared::Down, "nobody else waits");
    }
    assert!(began.elapsed() < Duration::from_secs(3));
    // The one that nobody is sure of, and one that was counted here alone.
    one.settle(Some(unsure), &limits, tokens(10), tokens(10), noon(1));
    one.settle(None, &limits, tokens(10), tokens(20), noon(1));
    signal(&server, "-CONT");
    until("it is back", async || !one.is_down()).await;
    let told = async || matches!(ask(&one, &limits[..1], tokens(71), 2).await, Shared::Full(_));
    until("30 tokens have been told", told).await;
    assert!(matches!(ask(&one, &limits[..1], tokens(70), 2).await, Shared::Granted(_)), "and no more");
    for _ in 0..3 {
        assert!(
            matches!(ask(&one, &limits[1..], tokens(0), 2).await, Shared::Granted(_)),
            "two requests have been told"
        );
    }
    assert!(matches!(ask(&one, &limits[1..], tokens(0), 2).await, Shared::Full(_)));
}

//! Kept connections: gone, told to go, or too old.

use std::collections::BTreeSet;

use super::*;

/// Serves one connection: each request is written down, and the connection closed after so long without one.
async fn serve(mut stream: TcpStream, idle: Duration, seen: Arc<std::sync::Mutex<Vec<String>>>) {
    let mut buffer = Vec::new();
    loop {
        match tokio::time::timeout(idle, stream.read_buf(&mut buffer)).await {
            Ok(Ok(read)) if read > 0 => {}
            _ => return,
        }
        if buffer.ends_with(b"hello") {
            let head = String::from_utf8(std::mem::take(&mut buffer)).unwrap();
            let name = head.lines().find_map(|line| line.strip_prefix("x-name: ")).unwrap().to_owned();
            seen.lock().unwrap().push(name);
            stream.write_all(OK).await.unwrap();
        }
    }
}

/// CT7: the provider closes idle connections just when the next request is due.
#[tokio::test]
async fn posts_at_the_moment_a_connection_dies_all_arrive_and_none_twice() {
    const REQUESTS: usize = 150;
    let (listener, origin) = listen().await;
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (into, idle) = (Arc::clone(&seen), Duration::from_millis(8));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, idle, Arc::clone(&into)));
        }
    });
    let upstream = upstream();
    for name in 0..REQUESTS {
        let request = || {
            let body = RequestBody::new([Bytes::from_static(b"hello")]);
            Request::post("/").header("host", "x").header("x-name", name).body(body).unwrap()
        };
        let mut exchange = upstream.send(&origin, &request, CONNECT).await.unwrap();
        assert_eq!(exchange.head.status, 200);
        while exchange.body.next().await.transpose().unwrap().is_some() {}
        tokio::time::sleep(idle + Duration::from_micros(250 * (name as u64 % 8)) - Duration::from_millis(1)).await;
    }
    let seen = seen.lock().unwrap();
    assert_eq!((seen.len(), seen.iter().collect::<BTreeSet<_>>().len()), (REQUESTS, REQUESTS));
}

#[tokio::test]
async fn a_connection_that_is_told_to_close_serves_no_further_request() {
    let (listener, origin) = listen().await;
    let server = tokio::spawn(async move {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_request(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
            assert_eq!(stream.read(&mut [0; 8]).await.unwrap_or(0), 0, "nothing more comes on it");
        }
    });
    let upstream = upstream();
    for _ in 0..2 {
        let (status, reused, _) = post(&upstream, &origin).await.unwrap();
        assert_eq!((status, reused), (200, false));
    }
    drop(upstream);
    server.await.unwrap();
}

/// A duplex pipe to a server that answers everything.
#[derive(Debug)]
struct Pipe;

impl crate::Dial for Pipe {
    fn dial<'a>(&'a self, _: &'a Origin, _: Duration) -> crate::Dialed<'a> {
        let (near, mut far) = tokio::io::duplex(1024);
        tokio::spawn(async move {
            let mut buffer = Vec::new();
            while far.read_buf(&mut buffer).await.is_ok_and(|read| read > 0) {
                if buffer.ends_with(b"hello") {
                    buffer.clear();
                    far.write_all(OK).await.unwrap();
                }
            }
        });
        Box::pin(async move { Ok(Box::new(near) as Box<dyn crate::Io>) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_in_constant_use_is_replaced_after_a_while() {
    let origin = Arc::new(Origin::parse("http://provider.test").unwrap());
    let upstream = Upstream::new(Arc::new(Pipe));
    let mut fresh = 0;
    for _ in 0..60 {
        fresh += usize::from(!post(&upstream, &origin).await.unwrap().1);
        tokio::time::advance(Duration::from_secs(10)).await;
    }
    assert_eq!(fresh, 2, "ten minutes, five for each");
}

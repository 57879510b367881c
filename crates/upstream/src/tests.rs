//! Against a raw server on loopback that does exactly what each case says.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::{NetDialer, Origin, RequestBody, SendError, Stage, Upstream};

mod proxies;
mod stale;
mod trust;

const CONNECT: Duration = Duration::from_secs(3);
const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

async fn listen() -> (TcpListener, Arc<Origin>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = Origin::parse(&format!("http://{}/v1", listener.local_addr().unwrap())).unwrap();
    (listener, Arc::new(origin))
}

fn upstream() -> Upstream {
    Upstream::new(Arc::new(NetDialer::default()))
}

async fn post(upstream: &Upstream, origin: &Arc<Origin>) -> Result<(u16, bool, Result<Bytes, SendError>), SendError> {
    let request = || {
        Request::post(origin.path("/chat"))
            .header("host", origin.authority())
            .body(RequestBody::new([Bytes::from_static(b"he"), Bytes::from_static(b"llo")]))
            .unwrap()
    };
    let mut exchange = upstream.send(origin, &request, CONNECT).await?;
    let mut body = Vec::new();
    while let Some(chunk) = exchange.body.next().await {
        match chunk {
            Ok(chunk) => body.extend_from_slice(&chunk),
            Err(error) => return Ok((exchange.head.status.as_u16(), exchange.reused, Err(error))),
        }
    }
    Ok((exchange.head.status.as_u16(), exchange.reused, Ok(body.into())))
}

/// Reads one request to the end of its five-byte body.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut seen = Vec::new();
    while !seen.ends_with(b"hello") {
        assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0, "the client went away early");
    }
    String::from_utf8(seen).unwrap()
}

#[tokio::test]
async fn a_kept_connection_is_used_again() {
    let (listener, origin) = listen().await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        for _ in 0..3 {
            let request = read_request(&mut stream).await;
            assert!(request.starts_with("POST /v1/chat HTTP/1.1\r\n") && request.contains("content-length: 5\r\n"));
            stream.write_all(OK).await.unwrap();
        }
    });
    let upstream = upstream();
    for turn in 0..3 {
        let (status, reused, body) = post(&upstream, &origin).await.unwrap();
        assert_eq!((status, reused, body.unwrap().as_ref()), (200, turn > 0, b"ok".as_slice()));
    }
    server.await.unwrap();
}

#[tokio::test]
async fn a_connection_that_died_idle_is_replaced_unseen() {
    let (listener, origin) = listen().await;
    let server = tokio::spawn(async move {
        for close_after_read in [false, true, false] {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_request(&mut stream).await;
            stream.write_all(OK).await.unwrap();
            if close_after_read {
                // The next request is already on its way when the connection closes.
                read_request(&mut stream).await;
            }
        }
    });
    let upstream = upstream();
    for _ in 0..3 {
        assert_eq!(post(&upstream, &origin).await.unwrap().0, 200);
    }
    server.await.unwrap();
}

#[tokio::test]
async fn dropping_an_exchange_closes_the_connection() {
    let (listener, origin) = listen().await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n").await.unwrap();
        stream.read(&mut [0; 8]).await.unwrap_or(0)
    });
    let body = || RequestBody::from(Bytes::from_static(b"hello"));
    let request = || Request::post("/").header("host", "x").body(body()).unwrap();
    let mut exchange = upstream().send(&origin, &request, CONNECT).await.unwrap();
    assert_eq!(exchange.body.next().await.unwrap().unwrap().as_ref(), b"ok");
    drop(exchange);
    assert_eq!(server.await.unwrap(), 0, "the provider sees the end of the connection");
}

#[tokio::test]
async fn what_broke_is_said() {
    let (listener, origin) = listen().await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        drop(stream);
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort").await.unwrap();
    });
    let upstream = upstream();
    let error = post(&upstream, &origin).await.unwrap_err();
    assert_eq!((error.stage, error.before_send()), (Stage::Exchange, false));
    let (_, _, body) = post(&upstream, &origin).await.unwrap();
    assert_eq!(body.unwrap_err().stage, Stage::Body);
    server.await.unwrap();
    let error = post(&upstream, &origin).await.unwrap_err();
    assert_eq!((error.stage, error.before_send(), error.timed_out), (Stage::Connect, true, false));
}

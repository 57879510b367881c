//! Through a small proxy on loopback, to a name that only the proxy knows.

use std::net::SocketAddr;
use std::sync::Mutex;

use super::*;
use crate::Proxies;

/// A proxy that leads every tunnel to `to`, or answers with this status; the heads it was sent.
async fn proxy(to: SocketAddr, refusal: Option<&'static str>) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, heads) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
    let into = Arc::clone(&heads);
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let into = Arc::clone(&into);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(near.read_u8().await.unwrap());
                }
                into.lock().unwrap().push(String::from_utf8(head).unwrap());
                if let Some(status) = refusal {
                    near.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes()).await.unwrap();
                    return;
                }
                let mut far = TcpStream::connect(to).await.unwrap();
                near.write_all(b"HTTP/1.1 200 Connection established\r\nvia: test\r\n\r\n").await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    (address, heads)
}

fn through(variables: &[(&str, String)]) -> Upstream {
    let read = |name: &str| variables.iter().find(|(it, _)| *it == name).map(|(_, value)| value.clone());
    Upstream::new(Arc::new(NetDialer::new(Proxies::from_variables(read).unwrap())))
}

#[tokio::test]
async fn requests_go_through_the_tunnel_and_keep_it() {
    let (listener, _) = listen().await;
    let (proxy, heads) = proxy(listener.local_addr().unwrap(), None).await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        for _ in 0..2 {
            let request = read_request(&mut stream).await;
            assert!(request.starts_with("POST /v1/chat HTTP/1.1\r\n"), "{request}");
            assert!(!request.contains("authorization"), "the proxy's credentials are the proxy's: {request}");
            stream.write_all(OK).await.unwrap();
        }
    });
    let upstream = through(&[("http_proxy", format!("http://me:p%40ss@{proxy}"))]);
    let origin = Arc::new(Origin::parse("http://provider.test:8081/v1").unwrap());
    for reused in [false, true] {
        let (status, was_reused, _) = post(&upstream, &origin).await.unwrap();
        assert_eq!((status, was_reused), (200, reused));
    }
    server.await.unwrap();
    let expected = "CONNECT provider.test:8081 HTTP/1.1\r\nhost: provider.test:8081\r\n\
                    proxy-authorization: Basic bWU6cEBzcw==\r\n\r\n";
    assert_eq!(*heads.lock().unwrap(), [expected]);
}

#[tokio::test]
async fn what_is_excepted_goes_directly() {
    let (listener, origin) = listen().await;
    let (proxy, heads) = proxy(listener.local_addr().unwrap(), None).await;
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        stream.write_all(OK).await.unwrap();
    });
    let upstream = through(&[("ALL_PROXY", proxy.to_string())]);
    assert_eq!(post(&upstream, &origin).await.unwrap().0, 200, "loopback is never proxied");
    assert_eq!(heads.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn a_refusal_is_a_failed_connection_and_tells_no_secret() {
    let (listener, _) = listen().await;
    let origin = Arc::new(Origin::parse("https://provider.test").unwrap());
    for (status, word) in [("407 Proxy Authentication Required", "407"), ("502 Bad Gateway", "502")] {
        let (proxy, _) = proxy(listener.local_addr().unwrap(), Some(status)).await;
        let upstream = through(&[("HTTPS_PROXY", format!("http://me:hunter2@{proxy}"))]);
        let error = post(&upstream, &origin).await.unwrap_err();
        assert_eq!((error.stage, error.before_send()), (Stage::Connect, true));
        let told = format!("{} {error:?} {upstream:?}", error.chain());
        assert!(error.chain().contains(word), "{told}");
        assert!(!told.contains("hunter2") && !told.contains("bWU6"), "{told}");
    }
}

#[tokio::test]
async fn a_proxy_that_says_nothing_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = through(&[("https_proxy", listener.local_addr().unwrap().to_string())]);
    let origin = Arc::new(Origin::parse("https://provider.test").unwrap());
    let request = || Request::post("/").header("host", "x").body(RequestBody::default()).unwrap();
    let error = upstream.send(&origin, &request, Duration::from_millis(50)).await.err().unwrap();
    assert_eq!((error.stage, error.timed_out), (Stage::Connect, true));
}

/// A name with an address where nothing listens: the other one is tried.
#[tokio::test]
async fn a_name_with_a_dead_address_connects_to_the_other() {
    let (listener, _) = listen().await;
    let origin = format!("http://localhost:{}/v1", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        stream.write_all(OK).await.unwrap();
    });
    assert_eq!(post(&upstream(), &Arc::new(Origin::parse(&origin).unwrap())).await.unwrap().0, 200);
}

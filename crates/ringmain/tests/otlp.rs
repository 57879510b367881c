//! The built gateway and a collector of measurements: what arrives there, read field by field as OpenTelemetry's protocol
//! numbers them, over HTTP and over gRPC; and that a collector which takes nothing makes no request wait.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use ringmain_provider_sim::{Behavior, Sim, SimConfig};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

/// How long a collector waits for something.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a collector got: a path and a message.
type Got = Arc<Mutex<Vec<(String, Bytes)>>>;

/// How a collector behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Http,
    Grpc,
    /// Takes connections, and answers nothing.
    Silent,
}

async fn collector(kind: Kind) -> (SocketAddr, Got) {
    // gRPC is spoken to its own port alone.
    let listener = match kind {
        Kind::Grpc => TcpListener::bind("127.0.0.1:4317").await.unwrap(),
        Kind::Http | Kind::Silent => TcpListener::bind("127.0.0.1:0").await.unwrap(),
    };
    let address = listener.local_addr().unwrap();
    let got = Got::default();
    let kept = Arc::clone(&got);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let got = Arc::clone(&kept);
            tokio::spawn(async move {
                let service = service_fn(move |request| take(request, kind, Arc::clone(&got)));
                let io = TokioIo::new(stream);
                let _ = match kind {
                    Kind::Http => hyper::server::conn::http1::Builder::new().serve_connection(io, service).await,
                    Kind::Grpc => {
                        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                        server.serve_connection(io, service).await
                    }
                    Kind::Silent => std::future::pending().await,
                };
            });
        }
    });
    (address, got)
}

async fn take(request: Request<Incoming>, kind: Kind, got: Got) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let content = request.headers()["content-type"].to_str().unwrap().to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let mut answer = Response::new(Full::new(Bytes::new()));
    let message = if kind == Kind::Grpc {
        assert_eq!(content, "application/grpc");
        let length = u32::from_be_bytes(body[1..5].try_into().unwrap()) as usize;
        assert_eq!((body[0], body.len() - 5), (0, length));
        answer.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
        answer.headers_mut().insert("grpc-status", "0".parse().unwrap());
        body.slice(5..)
    } else {
        assert_eq!(content, "application/x-protobuf");
        body
    };
    got.lock().unwrap().push((path, message));
    Ok(answer)
}

/// A field of a message.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Number(u64),
    Bytes(Vec<u8>),
}

/// The fields of a message: their numbers and values. No type of ours is used: what is wrong there would be wrong here.
fn fields(mut rest: &[u8]) -> Vec<(u64, Value)> {
    fn varint(rest: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = rest[0];
            *rest = &rest[1..];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        value
    }
    let mut all = Vec::new();
    while !rest.is_empty() {
        let key = varint(&mut rest);
        let value = match key & 7 {
            0 => Value::Number(varint(&mut rest)),
            1 => {
                let (bytes, after) = rest.split_at(8);
                rest = after;
                Value::Number(u64::from_le_bytes(bytes.try_into().unwrap()))
            }
            2 => {
                let length = varint(&mut rest) as usize;
                let (bytes, after) = rest.split_at(length);
                rest = after;
                Value::Bytes(bytes.to_vec())
            }
            other => panic!("wire type {other}"),
        };
        all.push((key >> 3, value));
    }
    all
}

/// The messages in this field.
fn messages(of: &[u8], number: u64) -> Vec<Vec<u8>> {
    let all = fields(of).into_iter().filter(|(field, _)| *field == number);
    all.map(|(_, value)| match value {
        Value::Bytes(bytes) => bytes,
        Value::Number(_) => panic!("field {number} is a number"),
    })
    .collect()
}

fn text(of: &[u8], number: u64) -> String {
    messages(of, number).into_iter().next().map(|bytes| String::from_utf8(bytes).unwrap()).unwrap_or_default()
}

/// The attributes in this field, in words.
fn attributes(of: &[u8], number: u64) -> Vec<(String, String)> {
    let value = |bytes: &[u8]| match fields(bytes).into_iter().next() {
        Some((1, Value::Bytes(text))) => String::from_utf8(text).unwrap(),
        Some((_, value)) => format!("{value:?}"),
        None => String::new(),
    };
    messages(of, number).iter().map(|pair| (text(pair, 1), value(&messages(pair, 2)[0]))).collect()
}

struct Gateway {
    child: Child,
    address: SocketAddr,
    admin: SocketAddr,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn gateway(folder: &Path, sim: &Sim, otlp: SocketAddr) -> Gateway {
    let held = [0, 0].map(|port| std::net::TcpListener::bind(("127.0.0.1", port)).unwrap());
    let [address, admin] = held.map(|free| free.local_addr().unwrap());
    let config = json!({
        "server": { "listen": address.to_string(), "admin": admin.to_string() },
        "providers": { "eu": { "kind": "openai", "base_url": sim.openai_base_url("eu"), "keys": ["sk-simulated"] } },
        "telemetry": { "otlp": format!("http://{otlp}"), "service_name": "edge" }
    });
    let file = folder.join("ringmain.yaml");
    std::fs::write(&file, config.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmain"));
    command.args(["serve", "--config"]).arg(&file).env_clear().stdin(Stdio::null());
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let gateway = Gateway { child, address, admin };
    let deadline = Instant::now() + PATIENCE;
    while send(address, "GET", "/readyz", "", None).await.is_none_or(|(status, _)| status != 200) {
        assert!(Instant::now() < deadline, "it does not become ready");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    gateway
}

async fn send(to: SocketAddr, method: &str, path: &str, body: &str, parent: Option<&str>) -> Option<(u16, String)> {
    let stream = TcpStream::connect(to).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header("host", to.to_string());
    if !body.is_empty() {
        request = request.header("content-type", "application/json");
    }
    if let Some(parent) = parent {
        request = request.header("traceparent", parent);
    }
    let answer = sender.send_request(request.body(Full::new(Bytes::from(body.to_owned()))).unwrap()).await.ok()?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.ok()?.to_bytes();
    Some((status, String::from_utf8_lossy(&body).into_owned()))
}

const ASK: &str = r#"{"model":"eu/gpt-4o","messages":[{"role":"user","content":"the secret of the pyramids"}]}"#;
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

async fn simulator() -> Sim {
    let sim = Sim::start(SimConfig::default()).await.unwrap();
    sim.set("eu", Behavior { words: 12, ..Behavior::default() });
    sim
}

async fn wait_for(got: &Got, path: &str) -> Bytes {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = got.lock().unwrap().iter().find(|(known, _)| known == path).map(|(_, body)| body.clone());
        if let Some(found) = found {
            return found;
        }
        assert!(Instant::now() < deadline, "nothing came to {path}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn arrives(kind: Kind, traces: &str, metrics: &str) {
    let (folder, sim) = (tempfile::tempdir().unwrap(), simulator().await);
    let (otlp, got) = collector(kind).await;
    let gateway = gateway(folder.path(), &sim, otlp).await;
    let (status, _) = send(gateway.address, "POST", "/v1/chat/completions", ASK, Some(PARENT)).await.unwrap();
    assert_eq!(status, 200);
    let message = wait_for(&got, traces).await;
    assert!(!String::from_utf8_lossy(&message).contains("pyramids"), "what was said is nobody's business");
    let resource = &messages(&message, 1)[0];
    assert!(attributes(&messages(resource, 1)[0], 1).contains(&("service.name".to_owned(), "edge".to_owned())));
    let spans = messages(&messages(resource, 2)[0], 2);
    assert_eq!(spans.len(), 2, "the request, and its one attempt");
    let (root, attempt) = (&spans[0], &spans[1]);
    let trace = [0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36];
    assert_eq!(messages(root, 1)[0], trace);
    assert_eq!(messages(root, 4)[0], [0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7], "the caller's span");
    assert_eq!(messages(attempt, 4), messages(root, 2), "the request's");
    assert_eq!(text(root, 5), "chat eu/gpt-4o");
    let known = attributes(attempt, 9);
    for (key, value) in
        [("gen_ai.operation.name", "chat"), ("gen_ai.provider.name", "openai"), ("gen_ai.response.model", "gpt-4o")]
    {
        assert!(known.contains(&(key.to_owned(), value.to_owned())), "{key} in {known:?}");
    }
    let number = |span: &[u8], field| fields(span).into_iter().find(|(known, _)| *known == field);
    let (Some((_, Value::Number(start))), Some((_, Value::Number(end)))) = (number(root, 7), number(root, 8)) else {
        panic!("no times")
    };
    assert!(start < end && end - start < 60_000_000_000, "{start} {end}");
    let message = wait_for(&got, metrics).await;
    let scope = &messages(&messages(&message, 1)[0], 2)[0];
    let names: Vec<String> = messages(scope, 2).iter().map(|metric| text(metric, 1)).collect();
    assert!(names.contains(&"gen_ai.client.token.usage".to_owned()), "{names:?}");
    assert!(names.contains(&"gen_ai.client.operation.duration".to_owned()), "{names:?}");
}

#[tokio::test]
async fn traces_and_metrics_arrive_over_http() {
    arrives(Kind::Http, "/v1/traces", "/v1/metrics").await;
}

#[tokio::test]
async fn traces_and_metrics_arrive_over_grpc() {
    let service = |name: &str, of: &str| format!("/opentelemetry.proto.collector.{of}.v1.{name}Service/Export");
    arrives(Kind::Grpc, &service("Trace", "trace"), &service("Metrics", "metrics")).await;
}

#[tokio::test]
async fn a_collector_that_says_nothing_makes_nobody_wait() {
    let (folder, sim) = (tempfile::tempdir().unwrap(), simulator().await);
    let (otlp, _) = collector(Kind::Silent).await;
    let gateway = gateway(folder.path(), &sim, otlp).await;
    let start = Instant::now();
    for _ in 0..40 {
        let (status, _) = send(gateway.address, "POST", "/v1/chat/completions", ASK, None).await.unwrap();
        assert_eq!(status, 200);
    }
    // One message alone is waited for five seconds by whoever sends it.
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (_, metrics) = send(gateway.admin, "GET", "/metrics", "", None).await.unwrap();
        if metrics.lines().any(|line| line == "ringmain_otlp_down 1") {
            break;
        }
        assert!(Instant::now() < deadline, "no alarm");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

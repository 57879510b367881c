//! Endpoints on loopback for tests of credentials.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::{NetDialer, Upstream};

pub(crate) fn upstream() -> Upstream {
    Upstream::new(Arc::new(NetDialer::default()))
}

/// Answers requests on loopback by their first line, `times` in all; gives the URL and what was asked. A body may begin
/// with a status (`503 …`); a line that is not known is answered with 404.
pub(crate) async fn serve(
    answers: &'static [(&'static str, &'static str)],
    times: usize,
) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let mut asked = Vec::new();
        for _ in 0..times {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut seen = Vec::new();
            while !is_whole(&seen) {
                assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0);
            }
            let seen = String::from_utf8(seen).unwrap();
            let body =
                answers.iter().find(|(line, _)| seen.starts_with(&format!("{line} HTTP/1.1"))).map(|(_, body)| *body);
            let status = body.and_then(|body| body.get(..3)?.parse::<u16>().ok());
            let status = status.unwrap_or(if body.is_some() { 200 } else { 404 });
            let body = body.map_or("", |body| if status == 200 { body } else { &body[3..] });
            let answer = format!(
                "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nmetadata-flavor: Google\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
            asked.push(seen);
        }
        asked
    });
    (url, server)
}

fn is_whole(seen: &[u8]) -> bool {
    let text = String::from_utf8_lossy(seen);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

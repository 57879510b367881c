//! A tunnel through an HTTP proxy (RFC 9110, section 9.3.6).

use std::fmt::Write as _;
use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::dial::Io;
use crate::origin::Origin;
use crate::proxy::Proxy;

/// Bytes the head of the proxy's answer may have.
const HEAD_MAX: usize = 16 * 1024;

/// Asks the proxy to connect to the origin. Afterwards the stream is the origin's.
///
/// # Errors
/// The proxy refuses, or does not speak HTTP. The text holds its status, no credential.
pub(crate) async fn open(io: &mut Box<dyn Io>, origin: &Origin, proxy: &Proxy) -> io::Result<()> {
    let host = origin.host();
    let place =
        if host.contains(':') { format!("[{host}]:{}", origin.port()) } else { format!("{host}:{}", origin.port()) };
    let mut request = format!("CONNECT {place} HTTP/1.1\r\nhost: {place}\r\n");
    if let Some(value) = proxy.authorization().and_then(|value| value.to_str().ok()) {
        let _ = write!(request, "proxy-authorization: {value}\r\n");
    }
    request.push_str("\r\n");
    io.write_all(request.as_bytes()).await?;
    io.flush().await?;
    let head = read_head(io).await?;
    let status = head.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse::<u16>().ok());
    match status {
        Some(200..=299) => Ok(()),
        Some(407) => Err(io::Error::other("the proxy wants credentials, or others (407)")),
        Some(status) => Err(io::Error::other(format!("the proxy refused the tunnel with {status}"))),
        None => Err(io::Error::new(io::ErrorKind::InvalidData, "the proxy does not speak HTTP")),
    }
}

/// Reads up to the blank line and not a byte further: what follows is the origin's.
async fn read_head(io: &mut Box<dyn Io>) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= HEAD_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the proxy's answer is too long"));
        }
        let byte = io.read_u8().await.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => io::Error::new(error.kind(), "the proxy closed the connection"),
            _ => error,
        })?;
        head.push(byte);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

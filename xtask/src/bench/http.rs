//! Just enough HTTP/1.1 to load a server cheaply: one request at a time on a kept-alive connection, the answer
//! followed to its end by length or by chunks, its body looked at no more than needed.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Bytes a head may have.
const HEAD_LIMIT: usize = 16 * 1024;
/// Bytes read at once.
const READ_SIZE: usize = 32 * 1024;
/// Body bytes kept to see how it ended.
const TAIL: usize = 32;

/// What came back for one request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Bytes of the body, chunk framing left out.
    pub(super) bytes: usize,
    /// From the request's first byte sent to the body's first byte received.
    pub(super) first_byte: Duration,
    /// From the request's first byte sent to the answer's end.
    pub(super) whole: Duration,
    /// Whether the body ends in the `[DONE]` of a finished stream.
    pub(super) is_done: bool,
}

/// A connection that is used again.
pub(super) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    is_open: bool,
}

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; READ_SIZE], is_open: true })
    }

    /// Whether the server lets it be used again.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Sends a whole request and reads the whole answer.
    pub(super) async fn exchange(&mut self, request: &[u8]) -> Result<Answer> {
        let start = Instant::now();
        let mut parser = Parser::default();
        let mut first_byte = None;
        // Until the answer has ended well, the connection is in an unknown state.
        self.is_open = false;
        self.stream.write_all(request).await?;
        while !parser.is_ended() {
            let read = self.stream.read(&mut self.buffer).await?;
            if read == 0 {
                return Err(Error::new(ErrorKind::UnexpectedEof, "cut before its end"));
            }
            parser.feed(&self.buffer[..read])?;
            if first_byte.is_none() && parser.bytes > 0 {
                first_byte = Some(start.elapsed());
            }
        }
        let whole = start.elapsed();
        self.is_open = !parser.closes;
        Ok(Answer {
            status: parser.status,
            bytes: parser.bytes,
            first_byte: first_byte.unwrap_or(whole),
            whole,
            is_done: parser.tail.windows(6).any(|window| window == b"[DONE]"),
        })
    }
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Head,
    /// Bytes of a body of known length still to come.
    Length(usize),
    /// In the line that gives a chunk's size: what it says so far, and whether its digits have ended.
    Size(usize, bool),
    /// Bytes of a chunk still to come.
    Chunk(usize),
    /// In the line end after a chunk.
    AfterChunk,
    /// In the trailer: whether the current line has text.
    Trailer(bool),
    Ended,
}

/// Follows one answer.
#[derive(Default)]
struct Parser {
    place: Place,
    head: Vec<u8>,
    status: u16,
    closes: bool,
    bytes: usize,
    tail: Vec<u8>,
}

impl Parser {
    fn is_ended(&self) -> bool {
        self.place == Place::Ended
    }

    fn feed(&mut self, mut input: &[u8]) -> Result<()> {
        while !input.is_empty() {
            input = match self.place {
                Place::Head => self.in_head(input)?,
                Place::Length(left) => {
                    let (rest, left) = self.body(input, left);
                    self.place = if left == 0 { Place::Ended } else { Place::Length(left) };
                    rest
                }
                Place::Chunk(left) => {
                    let (rest, left) = self.body(input, left);
                    self.place = if left == 0 { Place::AfterChunk } else { Place::Chunk(left) };
                    rest
                }
                Place::Size(size, has_ended) => {
                    self.place = in_size(input[0], size, has_ended)?;
                    &input[1..]
                }
                Place::AfterChunk => {
                    if input[0] == b'\n' {
                        self.place = Place::Size(0, false);
                    }
                    &input[1..]
                }
                Place::Trailer(has_text) => {
                    self.place = match input[0] {
                        b'\n' if !has_text => Place::Ended,
                        b'\n' => Place::Trailer(false),
                        b'\r' => Place::Trailer(has_text),
                        _ => Place::Trailer(true),
                    };
                    &input[1..]
                }
                Place::Ended => return Err(invalid("bytes after the answer's end")),
            };
        }
        Ok(())
    }

    /// Takes up to `left` bytes of body; what follows them and what is left.
    fn body<'a>(&mut self, input: &'a [u8], left: usize) -> (&'a [u8], usize) {
        let take = left.min(input.len());
        self.bytes += take;
        let last = &input[take.saturating_sub(TAIL)..take];
        self.tail.extend_from_slice(last);
        self.tail.drain(..self.tail.len().saturating_sub(TAIL));
        (&input[take..], left - take)
    }

    fn in_head<'a>(&mut self, input: &'a [u8]) -> Result<&'a [u8]> {
        let before = self.head.len();
        self.head.extend_from_slice(input);
        let from = before.saturating_sub(3);
        let Some(end) = self.head[from..].windows(4).position(|window| window == b"\r\n\r\n").map(|at| from + at + 4)
        else {
            return if self.head.len() > HEAD_LIMIT { Err(invalid("head too long")) } else { Ok(&[]) };
        };
        let head = String::from_utf8_lossy(&self.head[..end]).to_ascii_lowercase();
        self.status = head.get(9..12).and_then(|code| code.parse().ok()).ok_or_else(|| invalid("no status"))?;
        let value =
            |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
        self.closes = value("connection") == Some("close");
        self.place = match (value("content-length"), value("transfer-encoding")) {
            (_, Some("chunked")) => Place::Size(0, false),
            (Some("0"), None) => Place::Ended,
            (Some(length), None) => Place::Length(length.parse().map_err(|_| invalid("content-length"))?),
            _ => return Err(invalid("a body without length or chunks")),
        };
        Ok(&input[end - before..])
    }
}

fn in_size(byte: u8, size: usize, has_ended: bool) -> Result<Place> {
    let digit = char::from(byte).to_digit(16).filter(|_| !has_ended);
    match (byte, digit) {
        (b'\n', _) => Ok(if size == 0 { Place::Trailer(false) } else { Place::Chunk(size) }),
        (_, Some(digit)) if size < 1 << 28 => Ok(Place::Size(size * 16 + digit as usize, false)),
        (_, Some(_)) => Err(invalid("chunk too large")),
        _ => Ok(Place::Size(size, true)),
    }
}

fn invalid(what: &'static str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_followed_to_their_end_at_every_split() {
        let cases: [(&str, u16, usize, bool); 4] = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, 5, false),
            ("HTTP/1.1 204 No\r\ncontent-length: 0\r\nConnection: close\r\n\r\n", 204, 0, false),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nE;x=1\r\ndata: [DONE]\n\n\r\n0\r\n\r\n",
                200,
                17,
                true,
            ),
            ("HTTP/1.1 503 Busy\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n0\r\nx: y\r\n\r\n", 503, 1, false),
        ];
        for (text, status, bytes, done) in cases {
            for split in 0..text.len() {
                let mut parser = Parser::default();
                parser.feed(&text.as_bytes()[..split]).unwrap();
                assert!(!parser.is_ended(), "{text} at {split}");
                parser.feed(&text.as_bytes()[split..]).unwrap();
                let is_done = parser.tail.windows(6).any(|window| window == b"[DONE]");
                assert!(parser.is_ended());
                assert_eq!((parser.status, parser.bytes, is_done), (status, bytes, done), "{text} at {split}");
                assert_eq!(parser.closes, text.contains("close"));
            }
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200\r\ncontent-length: 1\r\n\r\nab", "hello, world\r\n\r\n"] {
            assert!(Parser::default().feed(text.as_bytes()).is_err(), "{text}");
        }
    }
}

//! Large bodies and tunnels through the built gateway: what it holds of them, and who is made to wait.

#![expect(clippy::print_stdout, reason = "the figures are the point, and are shown when asked for")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const MIB: u64 = 1 << 20;
/// What the gateway's memory may grow by, whatever flows through it: buffers of two connections, and what an allocator keeps.
const GROWTH_MAX: u64 = 8 * MIB;
const PATIENCE: Duration = Duration::from_secs(120);

/// A provider that takes files of any size, gives files of any size, and answers each byte of a tunnel with itself.
struct Provider {
    address: SocketAddr,
    /// Bytes of files it has given so far.
    given: Arc<AtomicU64>,
    /// The last tunnel's end came.
    closed: Arc<AtomicBool>,
}

impl Provider {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (given, closed) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let provider = Self { address, given: Arc::clone(&given), closed: Arc::clone(&closed) };
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (given, closed) = (Arc::clone(&given), Arc::clone(&closed));
                // A connection that breaks is the other side's business.
                thread::spawn(move || serve(&stream.unwrap(), &given, &closed));
            }
        });
        provider
    }
}

fn serve(stream: &TcpStream, given: &AtomicU64, closed: &AtomicBool) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    loop {
        let head = read_head(&mut reader)?;
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        if head.contains("upgrade: websocket") {
            writer.write_all(b"HTTP/1.1 101 X\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n\x81\x02hi")?;
            let mut buffer = [0; 4096];
            loop {
                let count = reader.read(&mut buffer)?;
                if count == 0 {
                    closed.store(true, Ordering::Relaxed);
                    return Ok(());
                }
                writer.write_all(&buffer[..count])?;
                if buffer[..count].contains(&0xff) {
                    return Ok(());
                }
            }
        } else if let Some(size) = path.strip_prefix("/v1/files/f/content/") {
            let size: u64 = size.parse().unwrap();
            write!(
                writer,
                "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: {size}\r\n\r\n"
            )?;
            pieces(size, |piece| {
                writer.write_all(piece)?;
                given.fetch_add(piece.len() as u64, Ordering::Relaxed);
                Ok(())
            })?;
        } else {
            let size = length(&head);
            let sum = sum_of(&mut reader, size)?;
            let body = format!(r#"{{"bytes":{size},"sum":{sum}}}"#);
            write!(
                writer,
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )?;
        }
    }
}

fn read_head(reader: &mut impl BufRead) -> std::io::Result<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head)
}

fn length(head: &str) -> u64 {
    let line = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    line.unwrap_or_else(|| panic!("no length: {head}")).parse().unwrap()
}

/// A file of this size, in pieces: bytes that differ by their place.
fn pieces(size: u64, mut give: impl FnMut(&[u8]) -> std::io::Result<()>) -> std::io::Result<()> {
    let mut at = 0;
    while at < size {
        let count = (size - at).min(64 * 1024);
        let piece: Vec<u8> = (at / 8..(at + count).div_ceil(8)).flat_map(u64::to_le_bytes).collect();
        give(&piece[..count as usize])?;
        at += count;
    }
    Ok(())
}

fn add(sum: u64, piece: &[u8]) -> u64 {
    piece.iter().fold(sum, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)))
}

fn sum_of(reader: &mut impl Read, size: u64) -> std::io::Result<u64> {
    let (mut left, mut sum, mut buffer) = (size, 0, vec![0; 64 * 1024]);
    while left > 0 {
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let count = reader.read(&mut buffer[..most])?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        sum = add(sum, &buffer[..count]);
        left -= count as u64;
    }
    Ok(sum)
}

/// The built gateway before a provider.
struct Gateway {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Gateway {
    fn start(provider: &Provider) -> Self {
        let held = [0, 0].map(|port| TcpListener::bind(("127.0.0.1", port)).unwrap());
        let [address, admin] = held.map(|free| free.local_addr().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let rules = format!(
            "server: {{ listen: '{address}', admin: '{admin}', max_body: 1MiB, drain: 1s }}\n\
             providers: {{ openai: {{ base_url: 'http://{}/v1', keys: [sk-openai-one] }} }}\n",
            provider.address
        );
        fs::write(folder.path().join("ringmain.yaml"), rules).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringmain"));
        command.args(["serve", "--config", "ringmain.yaml"]).current_dir(folder.path()).env_clear();
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut gateway = Self { child, address, _folder: folder };
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(address).is_err() {
            assert!(gateway.child.try_wait().unwrap().is_none() && Instant::now() < deadline, "it does not start");
            thread::sleep(Duration::from_millis(10));
        }
        gateway
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Resident memory in bytes.
    fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
    }

    fn terminate(&self) {
        let sent = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The most memory of a gateway while something is done, beyond what it had.
fn growth(gateway: &Gateway, work: impl FnOnce()) -> u64 {
    let before = gateway.resident();
    let (done, most) = (AtomicBool::new(false), AtomicU64::new(before));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                most.fetch_max(gateway.resident(), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(10));
            }
        });
        let finished = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        done.store(true, Ordering::Relaxed);
        finished.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked));
    });
    most.load(Ordering::Relaxed).saturating_sub(before)
}

fn both_ways(mib: u64) {
    let provider = Provider::start();
    let gateway = Gateway::start(&provider);
    let size = mib * MIB + 12_345;
    // The first of each kind pays for what stays.
    for size in [MIB, size] {
        let up = growth(&gateway, || {
            let mut stream = gateway.connect();
            write!(stream, "POST /providers/openai/v1/files HTTP/1.1\r\nhost: x\r\ncontent-length: {size}\r\n\r\n")
                .unwrap();
            let mut sum = 0;
            pieces(size, |piece| {
                sum = add(sum, piece);
                stream.write_all(piece)
            })
            .unwrap();
            let mut reader = BufReader::new(&stream);
            let head = read_head(&mut reader).unwrap();
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            let mut answer = vec![0; length(&head) as usize];
            reader.read_exact(&mut answer).unwrap();
            assert_eq!(String::from_utf8(answer).unwrap(), format!(r#"{{"bytes":{size},"sum":{sum}}}"#));
        });
        let down = growth(&gateway, || {
            let mut stream = gateway.connect();
            write!(stream, "GET /providers/openai/v1/files/f/content/{size} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
            let mut reader = BufReader::new(&stream);
            let head = read_head(&mut reader).unwrap();
            assert_eq!(length(&head), size);
            let mut sum = 0;
            pieces(size, |piece| {
                sum = add(sum, piece);
                Ok(())
            })
            .unwrap();
            assert_eq!(sum_of(&mut reader, size).unwrap(), sum);
        });
        println!("{} MiB: memory grew by {} KiB up, {} KiB down", size / MIB, up / 1024, down / 1024);
        assert!(size == MIB || up < GROWTH_MAX && down < GROWTH_MAX, "{up} up, {down} down");
    }
}

#[test]
fn memory_is_flat_whatever_flows() {
    both_ways(32);
}

/// `cargo nextest run -p ringmain --run-ignored only memory_is_flat`
#[test]
#[ignore = "takes a while; the smaller one beside it is always run"]
fn memory_is_flat_whatever_flows_at_200_mib() {
    both_ways(200);
}

#[test]
fn who_reads_slowly_is_waited_for() {
    let provider = Provider::start();
    let gateway = Gateway::start(&provider);
    let size = 256 * MIB;
    let grown = growth(&gateway, || {
        let mut stream = gateway.connect();
        write!(stream, "GET /providers/openai/files/f/content/{size} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut last = u64::MAX;
        // It has given all it can when nothing more goes.
        while std::mem::replace(&mut last, provider.given.load(Ordering::Relaxed)) != last || last == 0 {
            thread::sleep(Duration::from_millis(300));
        }
        // Sockets of this machine hold a few megabytes each.
        assert!(last < 64 * MIB, "{} MiB were given to nobody", last / MIB);
    });
    assert!(grown < GROWTH_MAX, "{grown}");
}

fn tunnel(gateway: &Gateway) -> (TcpStream, BufReader<TcpStream>) {
    let mut stream = gateway.connect();
    let head = "GET /providers/openai/v1/realtime?model=m HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let head = read_head(&mut reader).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("upgrade: websocket"), "{head}");
    let mut first = [0; 4];
    reader.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"\x81\x02hi");
    (stream, reader)
}

#[test]
fn a_tunnel_ends_with_either_side_and_with_the_gateway() {
    let provider = Provider::start();
    let gateway = Gateway::start(&provider);
    let (mut stream, mut reader) = tunnel(&gateway);
    let said: Vec<u8> = (0..100_000_u32).map(|at| (at % 251) as u8).collect();
    let writes = {
        let said = said.clone();
        let mut stream = stream.try_clone().unwrap();
        thread::spawn(move || stream.write_all(&said).unwrap())
    };
    let mut heard = vec![0; said.len()];
    reader.read_exact(&mut heard).unwrap();
    writes.join().unwrap();
    assert_eq!(heard, said);
    // The provider closes.
    stream.write_all(&[0xff]).unwrap();
    heard.clear();
    reader.read_to_end(&mut heard).unwrap();
    assert_eq!(heard, [0xff]);
    // The caller closes.
    drop(tunnel(&gateway));
    let deadline = Instant::now() + Duration::from_secs(5);
    while !provider.closed.load(Ordering::Relaxed) {
        assert!(Instant::now() < deadline, "the provider is still there");
        thread::sleep(Duration::from_millis(10));
    }
    // The gateway goes out of service: a frame of its own says so.
    let (_stream, mut reader) = tunnel(&gateway);
    gateway.terminate();
    heard.clear();
    reader.read_to_end(&mut heard).unwrap();
    assert_eq!(heard, [0x88, 2, 0x03, 0xe9]);
}

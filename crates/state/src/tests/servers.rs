//! Real servers, started here on ports of their own; skipped, and said so, where there are none.

use std::io::{self, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::tls::Trust;

/// A program that ends with the test.
#[derive(Debug)]
pub(super) struct Program {
    child: Child,
    _folder: tempfile::TempDir,
}

impl Program {
    fn start(command: &mut Command, folder: tempfile::TempDir) -> io::Result<Self> {
        let child = command.current_dir(folder.path()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        Ok(Self { child, _folder: folder })
    }

    pub(super) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }
}

impl Program {
    /// To it and its children.
    pub(super) fn signal_all(&self, name: &str) {
        let pid = self.child.id().to_string();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let _ = Command::new("kill").arg(name).arg(&pid).args(children.split_whitespace()).output();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.signal_all("-CONT");
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[expect(clippy::print_stdout, reason = "says what was skipped")]
fn skipped(what: &str) {
    println!("skipped: there is no {what} here");
}

/// Asks every 10 ms for 20 s.
pub(super) fn until(what: &str, mut is: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if is() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("not within 20 s: {what}");
}

/// A `redis-server` of this test.
#[derive(Debug)]
pub(super) struct Redis {
    pub(super) program: Program,
    pub(super) port: u16,
}

impl Redis {
    pub(super) fn start() -> Option<Self> {
        Self::on(free_port())
    }

    pub(super) fn on(port: u16) -> Option<Self> {
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        match Program::start(&mut command, tempfile::tempdir().unwrap()) {
            Ok(program) => {
                until("redis-server listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
                Some(Self { program, port })
            }
            Err(_) => {
                skipped("redis-server");
                None
            }
        }
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// What it says to one line.
    pub(super) fn say(&self, line: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.write_all(format!("{line}\r\nQUIT\r\n").as_bytes()).unwrap();
        io::read_to_string(stream).unwrap()
    }
}

/// A Postgres of this test, in a folder of its own.
#[derive(Debug)]
pub(super) struct Postgres {
    pub(super) program: Program,
    pub(super) port: u16,
}

/// Where Debian keeps what is not for everybody's path.
fn postgres_programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let folders = versions.map(|version| version.path().join("bin")).filter(|bin| bin.join("initdb").exists());
    folders.max()
}

/// Postgres does not run as root.
fn unprivileged(program: &Path) -> Command {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|out| out.stdout == b"0\n");
    if !is_root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]).arg(program);
    command
}

impl Postgres {
    pub(super) fn start() -> Option<Self> {
        let Some(programs) = postgres_programs() else {
            skipped("PostgreSQL");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let _ = Command::new("chown").arg("postgres").arg(folder.path()).status();
        let data = folder.path().join("data");
        let made = unprivileged(&programs.join("initdb"))
            .args(["--no-sync", "--auth", "trust", "--username", "ringmain", "--encoding", "UTF8", "--no-locale"])
            .arg("--pgdata")
            .arg(&data)
            .current_dir("/")
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = free_port();
        let mut command = unprivileged(&programs.join("postgres"));
        command.arg("-D").arg(&data).arg("-k").arg(folder.path()).args(["-p", &port.to_string()]);
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=50"]);
        let program = Program::start(&mut command, folder).unwrap();
        let server = Self { program, port };
        let database = crate::postgres::Database::new(&server.url(), &Trust::default()).unwrap();
        let keys = crate::postgres::Keys::new(&database);
        until("PostgreSQL answers", || crate::KeyStore::revision(&keys).is_ok());
        Some(server)
    }

    /// Stops every process of it, also those of its sessions.
    pub(super) fn freeze(&self) {
        self.program.signal_all("-STOP");
    }

    pub(super) fn thaw(&self) {
        self.program.signal_all("-CONT");
    }

    pub(super) fn url(&self) -> String {
        format!("postgres://ringmain@127.0.0.1:{}/postgres", self.port)
    }

    pub(super) fn database(&self) -> crate::postgres::Database {
        crate::postgres::Database::new(&self.url(), &Trust::default()).unwrap()
    }
}

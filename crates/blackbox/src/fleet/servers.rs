//! A Redis and a PostgreSQL of this run, each behind a proxy, on ports of their own.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls};

use super::proxy::Proxy;
use super::tls::Authority;
use crate::gateway::{Program, free_addresses};

/// What befalls a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Frozen,
    Killed,
    /// Each of its answers takes 2 s more.
    Slow,
    /// It refuses whatever would be kept.
    Full,
}

/// The first program that is missing.
pub(super) fn missing() -> Option<&'static str> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let redis = std::env::split_paths(&path).any(|folder| folder.join("redis-server").exists());
    match (redis, programs()) {
        (false, _) => Some("redis-server"),
        (true, None) => Some("PostgreSQL"),
        (true, Some(_)) => None,
    }
}

/// Where Debian keeps the programs of PostgreSQL.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    versions.map(|version| version.path().join("bin")).filter(|bin| bin.join("initdb").exists()).max()
}

/// A server that things befall.
pub(super) struct Server {
    kind: Kind,
    folder: tempfile::TempDir,
    address: SocketAddr,
    /// Where Redis speaks TLS; PostgreSQL does on the same port.
    secure: Option<SocketAddr>,
    program: Option<Program>,
    pub(super) proxy: Proxy,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Redis,
    Postgres,
}

impl Server {
    pub(super) async fn redis() -> Result<Self> {
        Self::start(Kind::Redis, None).await
    }

    pub(super) async fn postgres() -> Result<Self> {
        Self::start(Kind::Postgres, None).await
    }

    /// One that speaks TLS to gateways, with a certificate of this authority.
    pub(super) async fn secure_redis(authority: &Authority) -> Result<Self> {
        Self::start(Kind::Redis, Some(authority)).await
    }

    /// The same.
    pub(super) async fn secure_postgres(authority: &Authority) -> Result<Self> {
        Self::start(Kind::Postgres, Some(authority)).await
    }

    async fn start(kind: Kind, authority: Option<&Authority>) -> Result<Self> {
        let (folder, [address, beside]) = (tempfile::tempdir()?, free_addresses()?);
        if kind == Kind::Postgres {
            make_database(folder.path())?;
        }
        if let Some(authority) = authority {
            authority.write(folder.path())?;
            let key = folder.path().join("server.key");
            // It takes no key that others could read.
            Command::new("chmod").arg("600").arg(&key).status()?;
            if kind == Kind::Postgres && is_root() {
                Command::new("chown").arg("postgres").arg(&key).status()?;
            }
        }
        let secure = match (authority, kind) {
            (None, _) => None,
            (Some(_), Kind::Redis) => Some(beside),
            (Some(_), Kind::Postgres) => Some(address),
        };
        let proxy = Proxy::start(secure.unwrap_or(address))?;
        let mut server = Self { kind, folder, address, secure, program: None, proxy };
        server.run().await?;
        Ok(server)
    }

    /// What a gateway is told.
    pub(super) fn url(&self) -> String {
        match self.kind {
            Kind::Redis if self.secure.is_some() => format!("rediss://{}", self.proxy.address),
            Kind::Redis => format!("redis://{}", self.proxy.address),
            Kind::Postgres => format!("postgres://ringmain:sesame@{}/postgres", self.proxy.address),
        }
    }

    async fn run(&mut self) -> Result<()> {
        let port = self.address.port().to_string();
        let mut command = match self.kind {
            Kind::Redis => {
                let mut command = Command::new("redis-server");
                // What a restart is to find again is written down; the run ends with the folder.
                command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"]);
                command.args(["--appendfsync", "no"]);
                command
            }
            Kind::Postgres => {
                let programs = programs().context("no PostgreSQL")?;
                let mut command = unprivileged(&programs.join("postgres"));
                command.arg("-D").arg(self.folder.path().join("data")).arg("-k").arg(self.folder.path());
                command.args(["-p", &port, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]);
                command
            }
        };
        self.speak_tls(&mut command);
        // Without it neither finds the programs that it calls.
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut program = Program::start_with(&mut command, self.folder.path(), "server.log", &[("PATH", path)])?;
        let (kind, address) = (self.kind, self.address);
        let is_up = async || match kind {
            Kind::Redis => say(address, "PING").await.is_ok_and(|said| said.starts_with("+PONG")),
            Kind::Postgres => query(address, "SELECT 1").await.is_ok(),
        };
        program.ready(is_up).await?;
        self.program = Some(program);
        Ok(())
    }

    fn speak_tls(&self, command: &mut Command) {
        let Some(address) = self.secure else { return };
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        match self.kind {
            Kind::Redis => {
                command.args(["--tls-port", &address.port().to_string(), "--tls-auth-clients", "no"]);
                command.args(["--tls-cert-file", &file("server.pem"), "--tls-key-file", &file("server.key")]);
                command.args(["--tls-ca-cert-file", &file("ca.pem")]);
            }
            Kind::Postgres => {
                for (name, value) in [("cert_file", file("server.pem")), ("key_file", file("server.key"))] {
                    command.arg("-c").arg(format!("ssl_{name}={value}"));
                }
                command.args(["-c", "ssl=on"]);
            }
        }
    }

    /// From now on its sessions give way to everything else: elsewhere it has a machine of its own.
    pub(super) fn give_way(&self) -> Result<()> {
        let program = self.program.as_ref().context("it does not run")?;
        let given = Command::new("renice").args(["-n", "19", "-p", &program.id().to_string()]).output();
        if given.is_ok_and(|output| output.status.success()) { Ok(()) } else { bail!("`renice` does not work here") }
    }

    /// It befalls the server.
    pub(super) async fn befall(&mut self, fault: Fault) -> Result<()> {
        match fault {
            Fault::Frozen => self.signal("-STOP"),
            Fault::Killed => {
                self.program = None;
                Ok(())
            }
            Fault::Slow => {
                self.proxy.delay(Duration::from_secs(2));
                Ok(())
            }
            Fault::Full => self.full(true).await,
        }
    }

    /// It is over.
    pub(super) async fn recover(&mut self, fault: Fault) -> Result<()> {
        match fault {
            Fault::Frozen => self.signal("-CONT"),
            Fault::Killed => self.run().await,
            Fault::Slow => {
                self.proxy.delay(Duration::ZERO);
                Ok(())
            }
            Fault::Full => self.full(false).await,
        }
    }

    fn signal(&self, name: &str) -> Result<()> {
        let program = self.program.as_ref().context("it does not run")?;
        program.signal_all(name)
    }

    /// A database whose disk is full refuses every row, and goes on answering questions: so does one that is read-only.
    async fn full(&self, is_full: bool) -> Result<()> {
        match self.kind {
            Kind::Redis => {
                let most = if is_full { "1" } else { "0" };
                say(self.address, &format!("CONFIG SET maxmemory {most}")).await?;
            }
            Kind::Postgres => {
                query(self.address, &format!("ALTER SYSTEM SET default_transaction_read_only = {is_full}")).await?;
                query(self.address, "SELECT pg_reload_conf()").await?;
            }
        }
        Ok(())
    }

    /// A session at the database, for as long as what drives it is held.
    pub(super) async fn client(&self) -> Result<(Client, JoinSet<()>)> {
        let url = format!("postgres://ringmain:sesame@{}/postgres", self.address);
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // What goes wrong with it is told to whoever asks.
            let _ = connection.await;
        });
        Ok((client, driver))
    }

    /// One number from the database.
    pub(super) async fn count(&self, sql: &str) -> Result<i64> {
        query(self.address, sql).await?.context("no row")
    }
}

fn make_database(folder: &Path) -> Result<()> {
    let programs = programs().context("no PostgreSQL")?;
    if is_root() {
        Command::new("chown").arg("postgres").arg(folder).status()?;
    }
    let password = folder.join("password");
    fs::write(&password, "sesame\n")?;
    let made = unprivileged(&programs.join("initdb"))
        .args(["--no-sync", "--auth", "scram-sha-256", "--username", "ringmain", "--encoding", "UTF8", "--no-locale"])
        .arg("--pwfile")
        .arg(&password)
        .arg("--pgdata")
        .arg(folder.join("data"))
        .current_dir("/")
        .output()?;
    if !made.status.success() {
        bail!("initdb: {}", String::from_utf8_lossy(&made.stderr));
    }
    Ok(())
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|out| out.stdout == b"0\n")
}

/// PostgreSQL does not run as root.
fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]).arg(program);
    command
}

/// What Redis says to one line.
async fn say(address: SocketAddr, line: &str) -> Result<String> {
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(format!("{line}\r\n").as_bytes()).await?;
        let mut said = [0; 256];
        let read = stream.read(&mut said).await?;
        anyhow::Ok(String::from_utf8_lossy(&said[..read]).into_owned())
    };
    tokio::time::timeout(Duration::from_secs(2), asked).await?
}

/// The first number of the first row.
async fn query(address: SocketAddr, sql: &str) -> Result<Option<i64>> {
    let asked = async {
        let url = format!("postgres://ringmain:sesame@{address}/postgres");
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
        let driver = tokio::spawn(connection);
        let rows = client.simple_query(sql).await?;
        drop(client);
        let _ = driver.await;
        let first = rows.iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).and_then(|text| text.parse().ok()),
            _ => None,
        });
        anyhow::Ok(first)
    };
    tokio::time::timeout(Duration::from_secs(10), asked).await?
}

//! The gateway as a child process, and other programs beside it.

use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::client;

/// How long a program may take to start.
const START_WITHIN: Duration = Duration::from_secs(20);
/// How long the gateway may take to end when asked: its grace, and a little more.
const STOP_WITHIN: Duration = Duration::from_secs(40);

/// A running program with its output in a file. Dropped, it is killed.
pub(crate) struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts it in a folder, without this process's environment.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn start(command: &mut Command, folder: &Path, name: &str) -> Result<Self> {
        Self::start_with(command, folder, name, &[])
    }

    /// The same, with these variables.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub(crate) fn start_with(
        command: &mut Command,
        folder: &Path,
        name: &str,
        variables: &[(&str, OsString)],
    ) -> Result<Self> {
        let log = folder.join(name);
        let out = fs::File::create(&log)?;
        command.current_dir(folder).env_clear().envs(variables.iter().cloned());
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().with_context(|| format!("cannot start {program}"))?;
        Ok(Self { child, log })
    }

    /// Waits until `is_up` says so.
    ///
    /// # Errors
    /// It ended or took too long; the text ends with what it printed.
    pub(crate) async fn ready(&mut self, is_up: impl AsyncFn() -> bool) -> Result<()> {
        let deadline = Instant::now() + START_WITHIN;
        while !is_up().await {
            if !matches!(self.child.try_wait(), Ok(None)) || Instant::now() > deadline {
                bail!("it did not become ready:\n{}", self.output());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// The end of what it has printed.
    fn output(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let tail = text.len().saturating_sub(4000);
        String::from_utf8_lossy(&text[tail..]).into_owned()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to it and to the programs that it started.
    ///
    /// # Errors
    /// It is gone.
    pub(crate) fn signal_all(&self, name: &str) -> Result<()> {
        let pid = self.id().to_string();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let sent = Command::new("kill").arg(name).arg(&pid).args(children.split_whitespace()).status()?;
        if sent.success() { Ok(()) } else { bail!("the signal {name} could not be sent") }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running gateway.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    program: Option<Program>,
    config: PathBuf,
}

impl Gateway {
    /// Starts one with this configuration, which gets two free addresses, and waits until it is ready. Its files are in
    /// `folder`.
    ///
    /// # Errors
    /// It does not start, or is not ready in time; the text ends with what it printed.
    pub(crate) async fn start(program: &Path, config: &Value, folder: &Path) -> Result<Self> {
        let [address, admin] = free_addresses()?;
        let path = folder.join("ringmain.yaml");
        let mut gateway = Self { address, admin, program: None, config: path.clone() };
        gateway.write(config)?;
        let mut command = Command::new(program);
        command.args(["serve", "--config"]).arg(path);
        let mut program = Program::start(&mut command, folder, "ringmain.log")?;
        let is_up = async || client::get(address, "/readyz").await.is_ok_and(|got| got.status.is_success());
        program.ready(is_up).await.context("the gateway")?;
        gateway.program = Some(program);
        Ok(gateway)
    }

    /// The same gateway for callers: its addresses, without the process.
    pub(crate) fn twin(&self) -> Self {
        Self { address: self.address, admin: self.admin, program: None, config: self.config.clone() }
    }

    fn write(&self, config: &Value) -> Result<()> {
        let mut config = config.clone();
        config["server"]["listen"] = json!(self.address.to_string());
        config["server"]["admin"] = json!(self.admin.to_string());
        // JSON is YAML. Written beside and moved, so that no half of it is ever read.
        let beside = self.config.with_extension("new");
        fs::write(&beside, serde_json::to_string_pretty(&config)?)?;
        fs::rename(beside, &self.config).context("cannot write the rules")
    }

    /// Changes its rules.
    ///
    /// # Errors
    /// They cannot be written, or it is gone.
    pub(crate) fn reload(&mut self, config: &Value) -> Result<()> {
        self.write(config)?;
        self.signal("HUP")
    }

    /// Tells it to go, and waits; how it ended.
    ///
    /// # Errors
    /// It does not end in time.
    pub(crate) async fn drain(&mut self) -> Result<String> {
        self.signal("TERM")?;
        let Some(mut program) = self.program.take() else { bail!("no process of ours") };
        let deadline = Instant::now() + STOP_WITHIN;
        loop {
            if let Some(status) = program.child.try_wait()? {
                return Ok(status.to_string());
            }
            if Instant::now() > deadline {
                bail!("it did not end within {STOP_WITHIN:?}:\n{}", program.output());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn signal(&mut self, name: &str) -> Result<()> {
        let Some(program) = &mut self.program else { bail!("no process of ours") };
        if let Some(status) = program.child.try_wait()? {
            bail!("the gateway ended with {status}:\n{}", program.output());
        }
        let sent = Command::new("kill").arg(format!("-{name}")).arg(program.id().to_string()).status()?;
        if sent.success() { Ok(()) } else { bail!("the signal {name} could not be sent") }
    }

    /// The process's number; 0 for a twin.
    pub(crate) fn id(&self) -> u32 {
        self.program.as_ref().map_or(0, Program::id)
    }
}

/// A loopback address that was free a moment ago.
///
/// # Errors
/// No port is free.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(free_addresses::<1>()?[0])
}

/// The same for several, all held until the last is found: asked for one by one, a port can be given out twice.
///
/// # Errors
/// As [`free_address`].
pub(crate) fn free_addresses<const N: usize>() -> Result<[SocketAddr; N]> {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let (held, mut free) = ([any; N].map(TcpListener::bind), [any; N]);
    for (address, listener) in free.iter_mut().zip(held) {
        *address = listener.context("no free port")?.local_addr()?;
    }
    Ok(free)
}

/// Resident memory of a process, in MiB.
pub(crate) fn resident_mib(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024.0)
}

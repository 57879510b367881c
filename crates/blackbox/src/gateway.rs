//! The gateway as a child process.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::client;

/// How long it may take to start.
const START_WITHIN: Duration = Duration::from_secs(20);

/// A running gateway. Dropped, it is killed.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    child: Child,
    log: PathBuf,
}

impl Gateway {
    /// Starts one with this configuration (whose `server` gets two free addresses unless it has them) and waits until
    /// it is ready. Its files are in `folder`.
    ///
    /// # Errors
    /// It does not start, or is not ready in time; the text ends with what it printed.
    pub(crate) async fn start(program: &Path, config: &Value, folder: &Path) -> Result<Self> {
        let (address, admin) = (free_address()?, free_address()?);
        let mut config = config.clone();
        config["server"]["listen"] = json!(address.to_string());
        config["server"]["admin"] = json!(admin.to_string());
        let path = folder.join("ringmain.yaml");
        // JSON is YAML.
        fs::write(&path, serde_json::to_string_pretty(&config)?)?;
        let log = folder.join(format!("log-{}", address.port()));
        let out = fs::File::create(&log)?;
        let mut command = Command::new(program);
        command.args(["serve", "--config"]).arg(&path).current_dir(folder).env_clear();
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let mut gateway = Self { address, admin, child, log };
        let deadline = Instant::now() + START_WITHIN;
        while !client::get(address, "/readyz").await.is_ok_and(|got| got.status.is_success()) {
            if gateway.has_ended() || Instant::now() > deadline {
                bail!("the gateway did not become ready:\n{}", gateway.output());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(gateway)
    }

    /// What it has printed.
    pub(crate) fn output(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let tail = text.len().saturating_sub(4000);
        String::from_utf8_lossy(&text[tail..]).into_owned()
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A loopback address that was free a moment ago.
///
/// # Errors
/// No port is free.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0").context("no free port")?.local_addr()?)
}

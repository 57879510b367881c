//! What is measured. Another gateway is one more implementation of [`System`] and one more line in [`all`].

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::workspace;

/// The system whose numbers the others are set against.
pub(super) const REFERENCE: &str = "nginx";
/// The gateway, passing answers on.
pub(super) const RELAYING: &str = "ringmain";
/// The gateway in front of a provider that speaks another dialect than the caller.
pub(super) const TRANSLATING: &str = "translating";

/// The gateway with a key for its caller, limits at two levels, a price, and the ledger in SQLite.
pub(super) const BOOKED: &str = "booked";

/// How long a process may take to end when asked.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Something that stands between a caller and the provider.
pub(super) trait System {
    /// Its name in options and in the report.
    fn name(&self) -> &'static str;
    /// Its version, for the report.
    fn version(&self) -> String;
    /// The `model` that makes it call the provider without translating anything.
    fn model(&self) -> &'static str {
        "bench-model"
    }
    /// Sees to it that it can be started, outside the time that starting takes.
    ///
    /// # Errors
    /// A program is missing and cannot be installed.
    fn prepare(&self) -> Result<()> {
        Ok(())
    }
    /// Starts it in front of the provider, with an empty folder of its own for its files.
    ///
    /// # Errors
    /// It cannot be configured or started.
    fn start(&self, provider: SocketAddr, folder: &Path) -> Result<Running>;
}

/// Every system, in the order of the report. `programs` is where Ringmain was built.
pub(super) fn all(ringmain: &Path) -> Vec<Box<dyn System>> {
    let ours = |name| Box::new(Ringmain { program: ringmain.to_path_buf(), name });
    vec![Box::new(Direct), Box::new(Nginx), ours(RELAYING), ours(TRANSLATING), ours(BOOKED)]
}

/// A started system; ends with the value.
pub(super) struct Running {
    pub(super) address: SocketAddr,
    pub(super) child: Option<OwnChild>,
}

/// A child process that is ended, politely first, when dropped.
pub(super) struct OwnChild(Child);

impl OwnChild {
    /// Starts the command with its output in `folder/log`.
    ///
    /// # Errors
    /// The log cannot be made or the program not be started.
    pub(super) fn start(command: &mut Command, folder: &Path) -> Result<Self> {
        let log = fs::File::create(folder.join("log")).context("cannot write a log")?;
        command.current_dir(folder).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let program = command.get_program().to_string_lossy().into_owned();
        Ok(Self(command.spawn().with_context(|| format!("cannot start {program}"))?))
    }

    pub(super) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Whether it has ended by itself.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for OwnChild {
    fn drop(&mut self) {
        if !self.has_ended() {
            let _ = Command::new("kill").args(["-TERM", &self.id().to_string()]).status();
        }
        let deadline = Instant::now() + STOP_TIMEOUT;
        while !self.has_ended() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A loopback address that was free a moment ago.
///
/// # Errors
/// No port is free.
pub(super) fn free_address() -> Result<SocketAddr> {
    Ok(free_addresses::<1>()?[0])
}

/// The same for several, all held until the last is found: asked for one by one, a port can be given out twice.
///
/// # Errors
/// As [`free_address`].
pub(super) fn free_addresses<const N: usize>() -> Result<[SocketAddr; N]> {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let (held, mut free) = ([any; N].map(TcpListener::bind), [any; N]);
    for (address, listener) in free.iter_mut().zip(held) {
        *address = listener.context("no free port")?.local_addr()?;
    }
    Ok(free)
}

/// The first line a program prints when asked for its version.
pub(super) fn version_of(program: &Path, flag: &str) -> String {
    let output = Command::new(program).arg(flag).output().ok();
    let text = output.map(|output| [output.stdout, output.stderr].concat()).unwrap_or_default();
    String::from_utf8_lossy(&text).lines().next().unwrap_or("unknown").trim().to_owned()
}

/// Nothing in between: the provider itself.
struct Direct;

impl System for Direct {
    fn name(&self) -> &'static str {
        "direct"
    }

    fn version(&self) -> String {
        "the simulated provider alone".to_owned()
    }

    fn start(&self, provider: SocketAddr, _folder: &Path) -> Result<Running> {
        Ok(Running { address: provider, child: None })
    }
}

struct Nginx;

impl Nginx {
    const PROGRAMS: [&str; 2] = ["/usr/sbin/nginx", "nginx"];

    fn program() -> Option<PathBuf> {
        let answers =
            |program: &&str| Command::new(program).arg("-v").output().is_ok_and(|output| output.status.success());
        Self::PROGRAMS.iter().find(|program| answers(program)).map(PathBuf::from)
    }

    /// The program, installed when it is missing and that is possible.
    fn installed() -> Result<PathBuf> {
        if let Some(program) = Self::program() {
            return Ok(program);
        }
        println!("nginx is missing: apt-get install nginx-light");
        let apt = |arguments: &[&str]| {
            let mut command = Command::new("apt-get");
            command
                .args(arguments)
                .env("DEBIAN_FRONTEND", "noninteractive")
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        let install = ["install", "-y", "-qq", "--no-install-recommends", "nginx-light"];
        let is_there = apt(&install) || (apt(&["update", "-qq"]) && apt(&install));
        ensure!(is_there, "nginx is missing and apt-get could not install nginx-light");
        Self::program().context("nginx was installed but does not run")
    }
}

impl System for Nginx {
    fn name(&self) -> &'static str {
        "nginx"
    }

    fn version(&self) -> String {
        Self::program().map_or_else(|| "missing".to_owned(), |program| version_of(&program, "-v"))
    }

    fn prepare(&self) -> Result<()> {
        Self::installed().map(drop)
    }

    fn start(&self, provider: SocketAddr, folder: &Path) -> Result<Running> {
        let program = Self::installed()?;
        let address = free_address()?;
        let template = workspace::root().join("bench/nginx.conf.template");
        let template = fs::read_to_string(&template).with_context(|| format!("cannot read {}", template.display()))?;
        let config = template
            .replace("@LISTEN@", &address.to_string())
            .replace("@UPSTREAM@", &provider.to_string())
            .replace("@DIR@", &folder.to_string_lossy());
        let path = folder.join("nginx.conf");
        fs::write(&path, config)?;
        let mut command = Command::new(program);
        command.arg("-p").arg(folder).arg("-e").arg(folder.join("error.log")).arg("-c").arg(path);
        Ok(Running { address, child: Some(OwnChild::start(&mut command, folder)?) })
    }
}

/// Beside the providers: who calls, what they may use, and where it is written down. Limits that are never reached.
const BOOKS: &str = "\
keys: [{ name: app, key: sk-bench, group: acme/search, limits: [\"$1000000/month\", 1000000000 requests/day, 100000 at once] }]
groups: { acme: { limits: [\"$1000000/month\"] }, acme/search: { limits: [1000000000000 tokens/day] } }
state: { database: \"sqlite:ledger.db\" }
";

struct Ringmain {
    program: PathBuf,
    name: &'static str,
}

impl System for Ringmain {
    fn name(&self) -> &'static str {
        self.name
    }

    fn version(&self) -> String {
        version_of(&self.program, "--version")
    }

    fn model(&self) -> &'static str {
        match self.name {
            TRANSLATING => "anthropic/bench-model",
            // A model with a price.
            BOOKED => "openai/gpt-4o",
            _ => "openai/bench-model",
        }
    }

    fn start(&self, provider: SocketAddr, folder: &Path) -> Result<Running> {
        let [address, admin] = free_addresses()?;
        let config = format!(
            "server: {{ listen: \"{address}\", admin: \"{admin}\" }}\n\
             providers:\n  openai: {{ base_url: \"http://{provider}/v1\", keys: [\"sk-bench\"] }}\n  \
             anthropic: {{ base_url: \"http://{provider}\", keys: [\"sk-bench\"] }}\n"
        );
        let path = folder.join("ringmain.yaml");
        let books = if self.name == BOOKED { BOOKS } else { "" };
        fs::write(&path, config + books)?;
        let mut command = Command::new(&self.program);
        command.args(["serve", "--config"]).arg(path);
        Ok(Running { address, child: Some(OwnChild::start(&mut command, folder)?) })
    }
}

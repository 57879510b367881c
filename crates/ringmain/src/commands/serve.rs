//! `ringmain serve`: wire everything together and run until told to stop.

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use ringmain_admin::Admin;
use ringmain_admin::oidc::Directory;
use ringmain_catalog::Catalog;
use ringmain_config::{Config, Server, State};
use ringmain_engine::{Gateway, heartbeat};
use ringmain_state::shared::Remote;
use ringmain_state::{KeySet, KeyStore, MemoryAudit, StateError, redis};
use ringmain_telemetry::{ConfigReloaded, emit, log};
use ringmain_upstream::{Dial, NetDialer, Proxies, Upstream};
use secrecy::ExposeSecret;
use tokio::signal::unix::{SignalKind, signal};

use crate::admin::Plane;
use crate::base::{self, Base, StoredKeys};
use crate::cli::{LogFormat, Serve};
use crate::fetch::Documents;
use crate::server::{Drain, Stage, Workers};
use crate::{commands, otlp, rules_file, server};

/// How often the configuration file is looked at. Kubernetes swaps a link: only the content tells.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How often the store of virtual keys is asked whether it has changed.
const KEYS_EVERY: Duration = Duration::from_secs(1);

/// How often it is looked whether others found something to be out.
const OUTAGES_EVERY: Duration = Duration::from_millis(100);

/// How long the start waits for what the ledger says of limits.
const USE_WITHIN: Duration = Duration::from_secs(5);

/// How long the start waits for the store that processes share.
const SHARED_WITHIN: Duration = Duration::from_secs(1);

/// Runs the gateway.
pub(crate) fn run(arguments: &Serve) -> anyhow::Result<ExitCode> {
    let format = arguments.log_format.map(|format| match format {
        LogFormat::Text => log::Format::Text,
        LogFormat::Json => log::Format::Json,
    });
    log::init(format, arguments.log.as_deref());
    let catalog = rules_file::catalog(arguments.catalog.as_deref())?;
    let (text, loaded) = rules_file::load(arguments.config.as_deref(), &catalog)?;
    let name = arguments.config.as_ref().map_or("environment".to_owned(), |file| file.display().to_string());
    let shown = loaded.diagnostics.render(&name, &text, commands::colour());
    if !shown.is_empty() {
        commands::complain(&format!("configuration:\n{}", shown.trim_end()));
    }
    let Some(config) = loaded.config else { bail!("the configuration has errors; nothing was started") };
    if let Some(problem) = rules_file::unreadable_certificates(&config) {
        bail!("{problem}; nothing was started");
    }
    let base = Base::of(&config.state)?;
    let stored = base.as_ref().map(stored_keys).unwrap_or_default();
    let has_keys = stored.set.as_ref().is_some_and(|set| !set.keys.is_empty());
    if let Some(refusal) = config.refusal(has_keys) {
        let help = refusal.help.as_deref().map(|help| format!("\n{help}")).unwrap_or_default();
        bail!("{}{help}", refusal.message);
    }
    let proxies = Proxies::from_variables(|name| std::env::var(name).ok())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let file = arguments.config.clone().map(|path| RulesFile { path, text, catalog });
    runtime.block_on(serve(config, proxies, file, base, stored))
}

/// The file the rules come from, as last read.
struct RulesFile {
    path: PathBuf,
    text: String,
    catalog: Arc<Catalog>,
}

async fn serve(
    config: Config,
    proxies: Proxies,
    file: Option<RulesFile>,
    base: Option<Base>,
    stored: Stored,
) -> anyhow::Result<ExitCode> {
    let (listen, admin_address) = (config.server.listen, config.server.admin);
    let grace = config.server.drain;
    let threads = config.server.workers.or_else(|| std::thread::available_parallelism().ok().map(usize::from));
    let data = server::listen(listen).with_context(|| format!("listening on {listen} (server.listen)"))?;
    let admin =
        server::listen(admin_address).with_context(|| format!("listening on {admin_address} (server.admin)"))?;
    let files = server::raise_open_files();
    tracing::info!(
        data = %data.local_addr()?,
        admin = %admin.local_addr()?,
        providers = config.providers.len(),
        routes = config.routes.len(),
        files,
        "ringmain is up"
    );
    // The standard library's hasher is seeded by the system: chance enough for jitter and ids.
    let seed = RandomState::new().hash_one(std::process::id());
    let (state, telemetry) = (config.state.clone(), config.telemetry.clone());
    let gateway = Arc::new(Gateway::new(config, seed));
    if let Some(base) = &base {
        keep_records(&gateway, base, &state);
    }
    share_limits(&gateway, &state, seed).await.context("state.shared")?;
    let dialer: Arc<dyn Dial> = Arc::new(NetDialer::new(proxies));
    let mut plane = Admin {
        gateway: Arc::clone(&gateway),
        keys: None,
        tokens: None,
        people: Directory::new(Arc::new(Documents::new(&dialer))),
        audit: Arc::new(MemoryAudit::default()),
    };
    if let Some(StoredKeys { keys, tokens, audit }) = &stored.keys {
        (plane.keys, plane.audit) = (Some(Arc::clone(keys)), Arc::clone(audit));
        plane.tokens = Some(Arc::clone(tokens));
    }
    if base.is_some() && stored.set.is_none() {
        gateway.keys.are_unread();
    }
    begin_with(&gateway, stored.set).await;
    keep_up_with_keys(&gateway, stored.keys, base);
    let (stage, drain) = Drain::new();
    let measured = otlp::start(&gateway, &telemetry, &dialer, &drain);
    let workers = Workers::start(threads.unwrap_or(1), &gateway, &dialer, &drain)?;
    let plane = Plane::start(admin, Arc::new(plane), drain.clone()).context("the admin plane")?;
    tokio::spawn(heartbeats(Arc::clone(&gateway), Upstream::new(Arc::clone(&dialer)), drain.clone()));
    if let Some(file) = file {
        tokio::spawn(follow(file, Arc::clone(&gateway)));
    }

    let stopped = async {
        let signal = told_to_stop().await;
        tracing::info!(signal, connections = workers.open(), "draining");
        let _ = stage.send(Stage::Draining);
        drained(&workers, grace).await;
    };
    tokio::select! {
        () = server::accept(data, &workers, drain.clone()) => {}
        () = stopped => {}
    }
    gateway.end_streams();
    let _ = stage.send(Stage::Ending);
    tokio::task::spawn_blocking(move || workers.join()).await?;
    otlp::finish(measured).await;
    // The gateway goes with the last that holds it, and with it what was not written down yet is.
    tokio::task::spawn_blocking(move || plane.end()).await?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Requests are written down in the database. One that cannot be opened stops nothing.
fn keep_records(gateway: &Gateway, base: &Base, state: &State) {
    match base.records(&state.journal, state.keep) {
        Ok(store) => gateway.records.keep_in(store),
        Err(error) => {
            let database = base.name();
            tracing::error!(database, %error, "state.database cannot be used: requests are kept in memory alone");
        }
    }
}

/// Takes in the keys that were read, and what they have used. A database that takes its time over that is not waited for.
async fn begin_with(gateway: &Arc<Gateway>, set: Option<KeySet>) {
    let learning = Arc::clone(gateway);
    let learned = tokio::task::spawn_blocking(move || match set {
        Some(set) => learning.learn_keys(set),
        None => learning.remember_use(),
    });
    if tokio::time::timeout(USE_WITHIN, learned).await.is_err() {
        tracing::error!("what keys have used is not known yet: limits begin anew until it is");
    }
}

/// Takes in changes of the stored keys from now on; where they cannot be read yet, as soon as they can.
fn keep_up_with_keys(gateway: &Arc<Gateway>, keys: Option<StoredKeys>, base: Option<Base>) {
    match (keys, base) {
        (Some(stored), _) => drop(tokio::spawn(follow_keys(stored.keys, Arc::clone(gateway)))),
        (None, Some(base)) => drop(tokio::spawn(wait_for_keys(base, Arc::clone(gateway)))),
        (None, None) => {}
    }
}

/// Limits are held together with other processes, if there is a place for it. One that is not there yet stops nothing; but
/// what is asked before it is there is counted here alone, so that it gets a moment. One that never can be is refused.
async fn share_limits(gateway: &Arc<Gateway>, state: &State, process: u64) -> anyhow::Result<()> {
    let Some(url) = &state.shared else { return Ok(()) };
    let trust = base::trust(state)?;
    match redis::Quotas::start(url.expose_secret(), &trust, redis::Settings::default(), process).map(Arc::new) {
        Ok(shared) => {
            gateway.limits.share(Arc::clone(&shared) as _);
            gateway.fleet.share(Arc::clone(&shared) as _);
            tokio::spawn(hear_outages(Arc::clone(gateway)));
            let until = tokio::time::Instant::now() + SHARED_WITHIN;
            while shared.gauges().down && tokio::time::Instant::now() < until {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        Err(StateError::Refused(why)) => bail!(why),
        Err(error) => tracing::error!(%error, "state.shared cannot be used: limits are this process's own"),
    }
    Ok(())
}

/// Takes in what other processes find to be out.
async fn hear_outages(gateway: Arc<Gateway>) {
    loop {
        tokio::time::sleep(OUTAGES_EVERY).await;
        gateway.hear_outages();
    }
}

/// The virtual keys of a database, as far as they can be read.
#[derive(Default)]
struct Stored {
    keys: Option<StoredKeys>,
    set: Option<KeySet>,
}

/// Reads the virtual keys of the database. Where it cannot be read, none of its keys lets anybody in.
fn stored_keys(base: &Base) -> Stored {
    let keys = base.keys();
    let set = keys
        .as_ref()
        .map_err(ToString::to_string)
        .and_then(|stored| stored.keys.load().map_err(|error| error.to_string()));
    if let Err(error) = &set {
        let database = base.name();
        tracing::error!(database, error, "state.database cannot be used: its virtual keys are not known");
    }
    Stored { keys: keys.ok(), set: set.ok() }
}

/// Opens the database of keys, once it can be, and follows it.
async fn wait_for_keys(base: Base, gateway: Arc<Gateway>) {
    loop {
        tokio::time::sleep(KEYS_EVERY).await;
        let base = base.clone();
        if let Ok(Ok(stored)) = tokio::task::spawn_blocking(move || base.keys()).await {
            return follow_keys(stored.keys, gateway).await;
        }
    }
}

/// Follows the keys of the database: what is made or revoked holds here within [`KEYS_EVERY`]. While it cannot be read,
/// the keys last known hold.
async fn follow_keys(store: Arc<dyn KeyStore>, gateway: Arc<Gateway>) {
    let mut known = None;
    let mut trouble = false;
    loop {
        let store = Arc::clone(&store);
        let read = tokio::task::spawn_blocking(move || {
            let revision = store.revision()?;
            if known == Some(revision) { Ok(None) } else { store.load().map(|set| Some((revision, set))) }
        });
        match read.await {
            Ok(Ok(changed)) => {
                if let Some((revision, set)) = changed {
                    known = Some(revision);
                    let gateway = Arc::clone(&gateway);
                    let learned = tokio::task::spawn_blocking(move || gateway.learn_keys(set));
                    if learned.await.is_err() {
                        tracing::error!("taking in virtual keys had a fault");
                    }
                }
                trouble = false;
            }
            Ok(Err(error)) => {
                if !std::mem::replace(&mut trouble, true) {
                    tracing::error!(%error, "virtual keys cannot be read: those last known hold");
                }
            }
            Err(error) => tracing::error!(%error, "reading virtual keys had a fault"),
        }
        tokio::time::sleep(KEYS_EVERY).await;
    }
}

/// Asks what is out by itself, where a provider wants it, until the process goes out of service.
async fn heartbeats(gateway: Arc<Gateway>, upstream: Upstream, mut drain: Drain) {
    tokio::select! {
        () = heartbeat::run(gateway, upstream) => {}
        () = drain.reached(Stage::Draining) => {}
    }
}

/// Waits until no connection is open, or the grace is over.
async fn drained(workers: &Workers, grace: Duration) {
    let until = tokio::time::Instant::now() + grace;
    while workers.open() > 0 && tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn told_to_stop() -> &'static str {
    let wait = async |kind| match signal(kind) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        // Without a handler the signal ends the process by itself.
        Err(_) => std::future::pending().await,
    };
    tokio::select! {
        () = wait(SignalKind::terminate()) => "SIGTERM",
        () = wait(SignalKind::interrupt()) => "SIGINT",
    }
}

/// Follows the file: by looking, and at once on SIGHUP. A bad file changes nothing and is complained of once.
async fn follow(mut file: RulesFile, gateway: Arc<Gateway>) {
    let mut hang_up = signal(SignalKind::hangup()).ok();
    loop {
        let asked = async {
            match &mut hang_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        let asked = tokio::select! {
            _ = asked => true,
            () = tokio::time::sleep(LOOK_EVERY) => false,
        };
        match tokio::fs::read_to_string(&file.path).await {
            Ok(text) if asked || text != file.text => {
                file.text = text;
                reload(&file, &gateway);
                // Reads the database.
                let gateway = Arc::clone(&gateway);
                drop(tokio::task::spawn_blocking(move || gateway.remember_use()));
            }
            Ok(_) => {}
            Err(error) if asked => tracing::error!(%error, "the configuration file cannot be read; nothing changes"),
            // Between two versions a file may be gone for a moment.
            Err(_) => {}
        }
    }
}

fn reload(file: &RulesFile, gateway: &Gateway) {
    let loaded = ringmain_config::load(&file.text, &rules_file::Machine, &file.catalog);
    let (errors, _) = loaded.diagnostics.counts();
    let shown = loaded.diagnostics.render(&file.path.display().to_string(), &file.text, commands::colour());
    if !shown.is_empty() {
        commands::complain(&format!("configuration:\n{}", shown.trim_end()));
    }
    let unreadable = loaded.config.as_ref().and_then(rules_file::unreadable_certificates);
    if let Some(problem) = &unreadable {
        commands::complain(problem);
    }
    match loaded.config.filter(|_| unreadable.is_none()) {
        Some(mut config) => {
            keep_addresses(&mut config.server, &gateway.rules().config.server);
            let has_keys = !gateway.keys.stored().keys.is_empty();
            if let Some(refusal) = config.refusal(has_keys) {
                tracing::error!(message = refusal.message, "new configuration refused; the old one stays in force");
                emit(&ConfigReloaded { metrics: &gateway.metrics, errors: Some(1) });
                return;
            }
            if let Some(address) = opened(&config, has_keys) {
                let message = "it has nothing to keep strangers out, and the address changes at the next start alone";
                tracing::error!(%address, message, "new configuration refused; the old one stays in force");
                emit(&ConfigReloaded { metrics: &gateway.metrics, errors: Some(1) });
                return;
            }
            gateway.reload(config);
            emit(&ConfigReloaded { metrics: &gateway.metrics, errors: None });
        }
        None => emit(&ConfigReloaded { metrics: &gateway.metrics, errors: Some(errors.max(1)) }),
    }
}

/// What is listened on stays, whatever the file says now: it decides who must be kept out, and by what.
fn keep_addresses(new: &mut Server, running: &Server) {
    let (listen, admin) = (running.listen, running.admin);
    if (new.listen, new.admin) != (listen, admin) {
        tracing::warn!("server.listen and server.admin change at the next start, not at a reload");
        (new.listen, new.admin) = (listen, admin);
    }
}

/// The address that anybody could come in by under these rules. The configuration was judged by the addresses in its file.
fn opened(config: &Config, has_keys: bool) -> Option<SocketAddr> {
    let server = &config.server;
    let has_keys = has_keys || !config.keys.is_empty();
    let doors = [(server.admin, server.oidc.is_some()), (server.listen, has_keys)];
    let is_open = |(address, guarded): &(SocketAddr, bool)| !address.ip().is_loopback() && !guarded;
    let open = doors.into_iter().find(is_open).filter(|_| server.admin_secret.is_none());
    open.map(|(address, _)| address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reload_cannot_open_what_is_listened_on() {
        let file = |text: &str| RulesFile {
            path: "rules.yaml".into(),
            text: format!("{text}\nproviders: {{ openai: {{ keys: [sk-0123456789] }} }}\n"),
            catalog: Catalog::embedded().unwrap(),
        };
        let guarded = file("server: { listen: '0.0.0.0:8080', admin_secret: the-secret-of-whoever-runs-it }");
        let loaded = ringmain_config::load(&guarded.text, &rules_file::Machine, &guarded.catalog);
        let gateway = Gateway::new(loaded.config.unwrap(), 0);
        let is_guarded = || gateway.rules().config.server.admin_secret.is_some();
        reload(&file("server: { listen: '127.0.0.1:8080' }"), &gateway);
        assert!(is_guarded(), "the socket still listens to everybody");
        let moved = "server: { listen: '127.0.0.1:8080', admin_secret: another-secret-of-theirs, max_body: 1MiB }";
        reload(&file(moved), &gateway);
        assert!(is_guarded() && gateway.rules().config.server.listen.ip().is_unspecified());
    }
}

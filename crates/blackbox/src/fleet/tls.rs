//! TLS to Redis and PostgreSQL: with the right authority all is encrypted; with another one, or a server that has no TLS,
//! nothing is sent, callers are served all the same, and the log says what to do.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Result, ensure};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use ringmain_provider_sim::Sim;
use serde_json::json;

use super::Options;
use super::cases::ROWS;
use super::load;
use super::servers::Server;
use super::world::{KEY, World, rules, settled, sim};
use crate::gateway::Gateway;

/// Sessions of the gateway at PostgreSQL, encrypted and not.
const SESSIONS: &str = "FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) WHERE application_name = 'ringmain'";

/// An authority that no system knows.
pub(super) struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { pem, issuer: Issuer::new(params, key) })
    }

    /// Writes `ca.pem`, and for a server on this machine `server.pem` and `server.key`.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()])?.signed_by(&key, &self.issuer)?;
        fs::write(folder.join("ca.pem"), &self.pem)?;
        fs::write(folder.join("server.pem"), certificate.pem())?;
        fs::write(folder.join("server.key"), key.serialize_pem())?;
        Ok(())
    }
}

/// A gateway with these servers, and what became of it.
struct Tried {
    gateway: Gateway,
    folder: tempfile::TempDir,
}

impl Tried {
    async fn start(options: &Options, sim: &Sim, [database, shared]: [&str; 2], trusted: &Authority) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("ca.pem"), &trusted.pem)?;
        let mut rules = rules(sim, database, Some(shared));
        rules["state"]["ca_file"] = json!("ca.pem");
        let gateway = Gateway::start(&options.ringmain, &rules, folder.path()).await?;
        let got = load::one(gateway.address, KEY).await?;
        ensure!(got.status.is_success(), "{}: {}", got.status, String::from_utf8_lossy(&got.body));
        Ok(Self { gateway, folder })
    }

    /// Neither server is used, both alarms are raised, and the log names what to do about each.
    async fn is_refused(&self, says: [&str; 2]) -> Result<()> {
        let gateways = std::slice::from_ref(&self.gateway);
        settled(gateways, "ringmain_shared_down", 1).await?;
        settled(gateways, "ringmain_ledger_down", 1).await?;
        let log = fs::read_to_string(self.folder.path().join("ringmain.log"))?;
        for (store, words) in ["state.database", "state.shared"].into_iter().zip(says) {
            let told = log.lines().any(|line| line.contains(store) && line.contains(words));
            ensure!(told, "of {store} the log does not say `{words}`:\n{log}");
        }
        ensure!(!log.contains("sesame"), "a password is in the log:\n{log}");
        Ok(())
    }
}

pub(super) async fn both(options: &Options, world: &World) -> Result<String> {
    let (authority, other, sim) = (Authority::new()?, Authority::new()?, sim().await?);
    let (redis, postgres) = tokio::try_join!(Server::secure_redis(&authority), Server::secure_postgres(&authority))?;
    let (database, shared) = (verified(postgres.proxy.address), redis.url());
    let right = Tried::start(options, &sim, [&database, &shared], &authority).await?;
    let gateways = std::slice::from_ref(&right.gateway);
    settled(gateways, "ringmain_shared_down", 0).await?;
    settled(gateways, "ringmain_ledger_behind_records", 0).await?;
    let encrypted = postgres.count(&format!("SELECT count(*) {SESSIONS} AND ssl")).await?;
    let open = postgres.count(&format!("SELECT count(*) {SESSIONS} AND NOT ssl")).await?;
    let rows = postgres.count(ROWS).await?;
    ensure!(rows == 1 && encrypted > 0 && open == 0, "{rows} rows; {encrypted} sessions encrypted, {open} not");
    drop(right);
    let with_password = |address| format!("rediss://:sesame@{address}");
    let wrong = [database.as_str(), &with_password(redis.proxy.address)];
    Tried::start(options, &sim, wrong, &other).await?.is_refused(["state.ca_file"; 2]).await?;
    ensure!(postgres.count(ROWS).await? == rows, "a server that is not trusted was given rows");
    let none = [&*verified(world.postgres.proxy.address), &with_password(world.redis.proxy.address)];
    Tried::start(options, &sim, none, &authority).await?.is_refused(["the server has none", "TLS"]).await?;
    Ok(format!("{encrypted} sessions encrypted; other authorities and servers without TLS are given nothing"))
}

fn verified(address: SocketAddr) -> String {
    format!("postgres://ringmain:sesame@{address}/postgres?sslmode=verify-full")
}

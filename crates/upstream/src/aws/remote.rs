//! Credentials from an endpoint beside this process: a container's agent, or the machine's metadata service (version 2).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, Method};

use super::credentials::AwsCredentials;
use crate::ask::{Place, Question};
use crate::{Origin, Upstream};

/// The agent of a container, where only a path is given.
pub(super) const CONTAINER: &str = "http://169.254.170.2";
/// The metadata service of a machine.
pub(super) const MACHINE: &str = "http://169.254.169.254";
/// Where a container's agent may be without TLS, besides loopback: the addresses of ECS and EKS.
const AGENTS: [&str; 3] = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];
/// How long one question may take; these endpoints are on this machine.
const PATIENCE: Duration = Duration::from_secs(1);

/// Asks a container's agent. `token`: what it wants to see.
pub(super) async fn container(
    upstream: &Upstream,
    url: &str,
    token: Option<&str>,
) -> Result<AwsCredentials, &'static str> {
    let place = Place::parse(url).ok_or("the container's URL cannot be used")?;
    if !(place.is_private() || AGENTS.contains(&place.origin.host())) {
        return Err("the container's URL is neither encrypted nor on this machine");
    }
    let mut headers = Vec::new();
    if let Some(token) = token {
        headers.push((
            AUTHORIZATION,
            HeaderValue::try_from(token.trim()).map_err(|_| "the container's token is unsound")?,
        ));
    }
    let answer = ask(upstream, &place.origin, Method::GET, &place.path, &headers).await;
    let answer = answer.ok_or("the container's endpoint does not answer")?;
    AwsCredentials::from_json(&answer).ok_or("the container's endpoint gave no credentials")
}

/// Asks the machine's metadata service: for a token, for the role's name, for its credentials.
pub(super) async fn machine(upstream: &Upstream, url: &str) -> Result<AwsCredentials, &'static str> {
    const TTL: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
    const TOKEN: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token");
    const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
    let Place { origin, path } = Place::parse(url).ok_or("the metadata service's URL cannot be used")?;
    let prefix = path.trim_end_matches('/');
    let ttl = [(TTL, HeaderValue::from_static("300"))];
    let token = ask(upstream, &origin, Method::PUT, &format!("{prefix}/latest/api/token"), &ttl).await;
    let token = token.ok_or("this machine has no metadata service")?;
    let token = HeaderValue::from_bytes(token.trim_ascii()).map_err(|_| "the metadata service's token is unsound")?;
    let shown = [(TOKEN, token)];
    let roles = ask(upstream, &origin, Method::GET, &format!("{prefix}{ROLES}"), &shown).await;
    let roles = roles.and_then(|roles| String::from_utf8(roles).ok()).unwrap_or_default();
    let sound =
        |role: &&str| !role.is_empty() && role.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=,.@-_".contains(&b));
    let role = roles.lines().next().map(str::trim).filter(sound).ok_or("this machine has no role")?;
    let answer = ask(upstream, &origin, Method::GET, &format!("{prefix}{ROLES}{role}"), &shown).await;
    let answer = answer.ok_or("the metadata service does not answer")?;
    AwsCredentials::from_json(&answer).ok_or("the metadata service gave no credentials")
}

/// One short question. `None` for anything but a good answer in time.
async fn ask(
    upstream: &Upstream,
    origin: &Arc<Origin>,
    method: Method,
    path: &str,
    headers: &[(HeaderName, HeaderValue)],
) -> Option<Vec<u8>> {
    let question = Question { method, origin, path, headers, body: Bytes::new(), patience: PATIENCE };
    question.ask(upstream).await.filter(|reply| reply.status.is_success()).map(|reply| reply.body)
}

//! Credentials from an endpoint beside this process: a container's agent, or the machine's metadata service (version 2).

use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, HOST};
use http::{HeaderName, HeaderValue, Method, Request};

use super::credentials::AwsCredentials;
use crate::{Origin, RequestBody, Upstream};

/// The agent of a container, where only a path is given.
pub(super) const CONTAINER: &str = "http://169.254.170.2";
/// The metadata service of a machine.
pub(super) const MACHINE: &str = "http://169.254.169.254";
/// Where a container's agent may be without TLS, besides loopback: the addresses of ECS and EKS.
const AGENTS: [&str; 3] = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];
/// How long one question may take; these endpoints are on this machine.
const PATIENCE: Duration = Duration::from_secs(1);
/// The largest answer.
const ANSWER_MAX: usize = 64 * 1024;

/// Asks a container's agent. `token`: what it wants to see.
pub(super) async fn container(
    upstream: &Upstream,
    url: &str,
    token: Option<&str>,
) -> Result<AwsCredentials, &'static str> {
    let (origin, path) = split(url).ok_or("the container's URL cannot be used")?;
    let host = origin.host();
    let local = host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    if !(origin.is_secure() || local || AGENTS.contains(&host)) {
        return Err("the container's URL is neither encrypted nor on this machine");
    }
    let mut headers = Vec::new();
    if let Some(token) = token {
        headers.push((
            AUTHORIZATION,
            HeaderValue::try_from(token.trim()).map_err(|_| "the container's token is unsound")?,
        ));
    }
    let answer = ask(upstream, &origin, Method::GET, &path, &headers).await;
    let answer = answer.ok_or("the container's endpoint does not answer")?;
    AwsCredentials::from_json(&answer).ok_or("the container's endpoint gave no credentials")
}

/// Asks the machine's metadata service: for a token, for the role's name, for its credentials.
pub(super) async fn machine(upstream: &Upstream, url: &str) -> Result<AwsCredentials, &'static str> {
    const TTL: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
    const TOKEN: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token");
    const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
    let (origin, prefix) = split(url).ok_or("the metadata service's URL cannot be used")?;
    let prefix = prefix.trim_end_matches('/');
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

/// The origin and the path of a URL.
fn split(url: &str) -> Option<(Arc<Origin>, String)> {
    let after = url.find("://")? + 3;
    let at = url.get(after..)?.find('/').map_or(url.len(), |slash| after + slash);
    let origin = Origin::parse(url.get(..at)?).ok()?;
    Some((Arc::new(origin), url.get(at..).filter(|path| !path.is_empty()).unwrap_or("/").to_owned()))
}

/// One short question. `None` for anything but a good answer in time.
async fn ask(
    upstream: &Upstream,
    origin: &Arc<Origin>,
    method: Method,
    path: &str,
    headers: &[(HeaderName, HeaderValue)],
) -> Option<Vec<u8>> {
    let uri: http::Uri = path.parse().ok()?;
    let host = HeaderValue::try_from(origin.authority()).ok()?;
    let request = || {
        let mut request = Request::new(RequestBody::default());
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri.clone();
        request.headers_mut().insert(HOST, host.clone());
        for (name, value) in headers {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        request
    };
    let exchange = async {
        let mut exchange = upstream.send(origin, &request, PATIENCE).await.ok()?;
        let mut answer = Vec::new();
        while let Some(chunk) = exchange.body.next().await {
            answer.extend_from_slice(&chunk.ok()?);
            if answer.len() > ANSWER_MAX {
                return None;
            }
        }
        exchange.head.status.is_success().then_some(answer)
    };
    tokio::time::timeout(PATIENCE, exchange).await.ok().flatten()
}

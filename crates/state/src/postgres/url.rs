//! The URL of a database, as libpq reads it, as far as it can be held to here. What it says of TLS is done or refused.

use std::net::IpAddr;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::StateError;

/// The connection's settings.
///
/// # Errors
/// It is no such URL, or asks for what there is not. Nothing of it is repeated: what does not parse may be a password.
pub(super) fn read(url: &str) -> Result<Config, StateError> {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let (mut rest, mut mode) = (Vec::new(), None);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=').unwrap_or((pair, "")) {
            ("sslmode", value) => mode = Some(mode_of(value)?),
            (name, _) => {
                refused(name).map_or(Ok(()), |why| Err(StateError::Refused(why.to_owned())))?;
                rest.push(pair);
            }
        }
    }
    let address = if rest.is_empty() { address.to_owned() } else { format!("{address}?{}", rest.join("&")) };
    // What the library says of a URL may repeat a part of it.
    let mut config: Config = address.parse().map_err(|_| no_url())?;
    if config.get_hosts().is_empty() {
        return Err(no_url());
    }
    if let Some(mode) = mode {
        config.ssl_mode(mode);
    }
    if config.get_application_name().is_none() {
        config.application_name("ringmain");
    }
    config.keepalives_idle(Duration::from_secs(30));
    Ok(config)
}

/// Is it for a server beyond this machine, which may do without TLS?
pub(super) fn goes_far(config: &Config) -> bool {
    let is_near = |host: &Host| match host {
        Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback()),
        Host::Unix(_) => true,
    };
    config.get_ssl_mode() == SslMode::Prefer && !config.get_hosts().iter().all(is_near)
}

/// Certificates are always checked, and the name in them: libpq's words for that mean no more than `require` does here.
fn mode_of(word: &str) -> Result<SslMode, StateError> {
    match word {
        "disable" => Ok(SslMode::Disable),
        "prefer" => Ok(SslMode::Prefer),
        "require" | "verify-ca" | "verify-full" => Ok(SslMode::Require),
        "allow" => Err(StateError::Refused(
            "`sslmode=allow` would send everything unencrypted wherever it can: write `sslmode=require`, or \
             `sslmode=disable` where the network is to be trusted"
                .to_owned(),
        )),
        _ => Err(StateError::Refused(
            "`sslmode` is one of disable, prefer, require, verify-ca, verify-full; from `require` on, the connection is \
             encrypted and the server's certificate and name are checked"
                .to_owned(),
        )),
    }
}

/// What libpq knows of TLS, and this does not.
fn refused(name: &str) -> Option<&'static str> {
    match name {
        "sslrootcert" => Some("`sslrootcert` has another place here: write the file into `state.ca_file`"),
        "sslcert" | "sslkey" | "sslpassword" | "sslcertmode" => {
            Some("certificates of the client's are not supported: use a password")
        }
        "sslcrl"
        | "sslcrldir"
        | "ssl_min_protocol_version"
        | "ssl_max_protocol_version"
        | "sslsni"
        | "gssencmode"
        | "requirepeer" => Some("of TLS the URL may say `sslmode` and `sslnegotiation`, and nothing else"),
        _ => None,
    }
}

fn no_url() -> StateError {
    StateError::Refused(
        "it is no URL of a Postgres database: write `postgres://user:password@host/name`, with every character of the \
         password that is none of a URL written as %XX"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(query: &str) -> Result<SslMode, String> {
        let read = read(&format!("postgres://ringmain:sesame@db/ringmain{query}"));
        read.map(|config| config.get_ssl_mode()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_network_that_is_trusted_unasked_is_noticed() {
        let far = |url: &str| goes_far(&read(url).unwrap());
        assert!(far("postgres://db/ringmain") && far("postgres://u:p@10.0.0.1:5433/x?sslmode=prefer"));
        assert!(!far("postgres://db/ringmain?sslmode=disable") && !far("postgres://db/ringmain?sslmode=require"));
        assert!(!far("postgres://localhost/x") && !far("postgres://127.0.0.1/x") && !far("postgres://%2Frun/x"));
    }

    #[test]
    fn what_is_asked_of_tls_is_done_or_refused() {
        assert_eq!(mode(""), Ok(SslMode::Prefer));
        assert_eq!(mode("?sslmode=disable"), Ok(SslMode::Disable));
        for word in ["require", "verify-ca", "verify-full"] {
            assert_eq!(mode(&format!("?connect_timeout=3&sslmode={word}")), Ok(SslMode::Require), "{word}");
        }
        for (query, says) in [
            ("?sslmode=allow", "sslmode=require"),
            ("?sslmode=Require", "verify-full"),
            ("?sslmode=", "verify-full"),
            ("?sslmode=require&sslrootcert=/etc/ca.pem", "state.ca_file"),
            ("?sslcert=a&sslkey=b", "password"),
            ("?sslcrl=a", "sslmode"),
            ("?sesame=1", "no URL"),
        ] {
            let why = mode(query).unwrap_err();
            assert!(why.contains(says) && !why.contains("sesame"), "{query}: {why}");
        }
    }
}

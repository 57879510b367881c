//! The proxy variables of the environment: which way to an origin.
//!
//! `https_proxy` and `http_proxy` by the origin's scheme, else `all_proxy`; lower case before upper case. `no_proxy` lists
//! what is reached directly: host names with all below them (`.example.com`: only what is below), addresses, networks
//! (`10.0.0.0/8`), each with `:port` if only that port is meant; `*` for everything. Loopback and link-local addresses
//! never go through a proxy. A tunnel (`CONNECT`) is asked for whatever the scheme, so that the proxy reads nothing.

use std::fmt;
use std::net::IpAddr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderValue, Uri};
use percent_encoding::percent_decode_str;

use crate::origin::Origin;

/// A proxy variable that cannot be used. The text names the variable, never its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadProxy {
    variable: String,
    problem: &'static str,
}

impl fmt::Display for BadProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the environment variable {} cannot be used: {}", self.variable, self.problem)
    }
}

impl std::error::Error for BadProxy {}

/// The proxies of a process. None by default.
#[derive(Debug, Default)]
pub struct Proxies {
    https: Option<Proxy>,
    http: Option<Proxy>,
    except: Vec<Except>,
}

/// One proxy.
#[derive(Clone)]
pub(crate) struct Proxy {
    host: String,
    port: u16,
    secure: bool,
    authorization: Option<HeaderValue>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

/// What is reached directly.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Except {
    All,
    Network { address: IpAddr, bits: u8, port: Option<u16> },
    Name { suffix: String, itself: bool, port: Option<u16> },
}

impl Proxies {
    /// Reads the variables, as `read` gives them.
    ///
    /// # Errors
    /// One of them is not the URL of an HTTP proxy.
    pub fn from_variables(read: impl Fn(&str) -> Option<String>) -> Result<Self, BadProxy> {
        let set = |name: &str| {
            [name.to_owned(), name.to_ascii_uppercase()]
                .into_iter()
                .find_map(|name| read(&name).map(|value| (name, value)))
                .filter(|(_, value)| !value.trim().is_empty())
        };
        let proxy = |name: &str| match set(name).or_else(|| set("all_proxy")) {
            Some((variable, value)) => match Proxy::parse(value.trim()) {
                Ok(proxy) => Ok(Some(proxy)),
                Err(problem) => Err(BadProxy { variable, problem }),
            },
            None => Ok(None),
        };
        let except = set("no_proxy").map(|(_, value)| Except::list(&value)).unwrap_or_default();
        Ok(Self { https: proxy("https_proxy")?, http: proxy("http_proxy")?, except })
    }

    /// The proxy on the way to this origin.
    pub(crate) fn of(&self, origin: &Origin) -> Option<&Proxy> {
        let proxy = if origin.is_secure() { self.https.as_ref() } else { self.http.as_ref() }?;
        let host = origin.host().trim_end_matches('.').to_ascii_lowercase();
        let is_near = match host.parse::<IpAddr>() {
            Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_link_local(),
            Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unicast_link_local(),
            Err(_) => host == "localhost" || host.ends_with(".localhost"),
        };
        let direct = is_near || self.except.iter().any(|except| except.holds(&host, origin.port()));
        (!direct).then_some(proxy)
    }
}

impl Proxy {
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) const fn is_secure(&self) -> bool {
        self.secure
    }

    /// What the proxy is shown, if it wants to know who asks.
    pub(crate) const fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }

    fn parse(url: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err("only http:// and https:// proxies are supported"),
        };
        let rest = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        let (user, place) = match rest.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, rest),
        };
        let uri: Uri = format!("http://{place}").parse().map_err(|_| "it names no host")?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or("it names no host")?;
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let authorization = user.map(basic).transpose()?;
        Ok(Self { host: host.trim_matches(['[', ']']).to_owned(), port, secure, authorization })
    }
}

/// `user:password` of a URL as a header.
fn basic(user: &str) -> Result<HeaderValue, &'static str> {
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let pair: Vec<u8> = percent_decode_str(name).chain(*b":").chain(percent_decode_str(password)).collect();
    let value = format!("Basic {}", BASE64_STANDARD.encode(pair));
    let mut value = HeaderValue::try_from(value).map_err(|_| "its user name cannot be sent")?;
    value.set_sensitive(true);
    Ok(value)
}

impl Except {
    fn list(text: &str) -> Vec<Self> {
        let words = text.split(|c: char| c == ',' || c.is_whitespace());
        words.filter(|word| !word.is_empty()).filter_map(Self::parse).collect()
    }

    /// `None` for what is neither a name nor an address: it matches nothing.
    fn parse(word: &str) -> Option<Self> {
        if word == "*" {
            return Some(Self::All);
        }
        if let Some((address, bits)) = word.split_once('/') {
            let (address, bits) = (address.parse::<IpAddr>().ok()?, bits.parse::<u8>().ok()?);
            let most = if address.is_ipv4() { 32 } else { 128 };
            return (bits <= most).then_some(Self::Network { address, bits, port: None });
        }
        if let Ok(address) = word.parse::<IpAddr>() {
            return Some(Self::address(address, None));
        }
        let (host, port) = match word.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (word, None),
        };
        if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Some(Self::address(address, port));
        }
        let name = host.strip_prefix('*').unwrap_or(host).to_ascii_lowercase();
        let suffix = name.trim_start_matches('.').trim_end_matches('.').to_owned();
        (!suffix.is_empty()).then_some(Self::Name { suffix, itself: !name.starts_with('.'), port })
    }

    const fn address(address: IpAddr, port: Option<u16>) -> Self {
        Self::Network { address, bits: if address.is_ipv4() { 32 } else { 128 }, port }
    }

    fn holds(&self, host: &str, to: u16) -> bool {
        match self {
            Self::All => true,
            Self::Network { address, bits, port } => {
                port.is_none_or(|port| port == to)
                    && host.parse::<IpAddr>().is_ok_and(|ip| is_within(ip, *address, *bits))
            }
            Self::Name { suffix, itself, port } => {
                let below = host.strip_suffix(suffix.as_str());
                port.is_none_or(|port| port == to)
                    && below.is_some_and(|below| if below.is_empty() { *itself } else { below.ends_with('.') })
            }
        }
    }
}

/// Whether the first `bits` of two addresses of one family are the same.
fn is_within(ip: IpAddr, network: IpAddr, bits: u8) -> bool {
    let (ip, network, width) = match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => (u128::from(ip.to_bits()), u128::from(network.to_bits()), 32),
        (IpAddr::V6(ip), IpAddr::V6(network)) => (ip.to_bits(), network.to_bits(), 128),
        _ => return false,
    };
    let rest = u32::from(width - bits.min(width));
    (ip ^ network).checked_shr(rest).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Result<Proxies, BadProxy> {
        Proxies::from_variables(|name| {
            variables.iter().find(|(it, _)| *it == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn way(proxies: &Proxies, url: &str) -> Option<String> {
        proxies.of(&Origin::parse(url).unwrap()).map(|proxy| format!("{}:{}", proxy.host(), proxy.port()))
    }

    #[test]
    fn each_scheme_has_its_variable_and_lower_case_comes_first() {
        let all = proxies(&[("ALL_PROXY", "http://all:1")]).unwrap();
        assert_eq!(way(&all, "https://x.test").as_deref(), Some("all:1"));
        let two = proxies(&[
            ("HTTPS_PROXY", "http://upper:1"),
            ("https_proxy", "lower:2"),
            ("http_proxy", "https://[2001:db8::1]"),
            ("all_proxy", ""),
        ])
        .unwrap();
        assert_eq!(way(&two, "https://x.test").as_deref(), Some("lower:2"));
        assert_eq!(way(&two, "http://x.test").as_deref(), Some("2001:db8::1:443"));
        assert_eq!(way(&proxies(&[]).unwrap(), "https://x.test"), None);
    }

    #[test]
    fn what_is_near_or_listed_is_reached_directly() {
        let listed = " example.com, .below.test *.star.test 10.0.0.0/8,192.0.2.7 fd00::/8,[2001:db8::9]:8443,only.test:8443,/,x:y";
        let listing = proxies(&[("https_proxy", "p:1"), ("no_proxy", listed)]).unwrap();
        for (host, direct) in [
            ("example.com", true),
            ("EXAMPLE.com.", true),
            ("api.example.com", true),
            ("notexample.com", false),
            ("below.test", false),
            ("a.b.below.test", true),
            ("star.test", false),
            ("a.star.test", true),
            ("10.255.0.1", true),
            ("11.0.0.1", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("[fd12::1]", true),
            ("[fe00::1]", false),
            ("[2001:db8::9]:8443", true),
            ("[2001:db8::9]", false),
            ("only.test:8443", true),
            ("only.test", false),
            ("localhost:9", true),
            ("127.0.0.2", true),
            ("[::1]", true),
            ("169.254.169.254", true),
            ("api.openai.com", false),
        ] {
            assert_eq!(way(&listing, &format!("https://{host}")).is_none(), direct, "{host}");
        }
        let none = proxies(&[("https_proxy", "p:1"), ("NO_PROXY", "a,*")]).unwrap();
        assert_eq!(way(&none, "https://api.openai.com"), None);
    }

    #[test]
    fn credentials_become_a_header_and_are_never_shown() {
        let proxies = proxies(&[("HTTPS_PROXY", "http://user:p%40ss:w%3Ard@proxy.test:3128/")]).unwrap();
        let proxy = proxies.https.as_ref().unwrap();
        assert_eq!((proxy.host(), proxy.port()), ("proxy.test", 3128));
        let header = proxy.authorization().unwrap();
        let encoded = header.to_str().unwrap().strip_prefix("Basic ").unwrap();
        assert_eq!(BASE64_STANDARD.decode(encoded).unwrap(), b"user:p@ss:w:rd");
        assert!(header.is_sensitive());
        let shown = format!("{proxies:?}");
        assert!(!shown.contains("ss") && !shown.contains(encoded), "{shown}");
    }

    #[test]
    fn what_cannot_be_used_is_said_without_its_value() {
        for bad in ["socks5://user:hunter2@proxy:1080", "http://user:hunter2@", "http://a b"] {
            let error = proxies(&[("all_proxy", bad)]).unwrap_err().to_string();
            assert!(error.contains("all_proxy") && !error.contains("hunter2"), "{error}");
        }
    }
}

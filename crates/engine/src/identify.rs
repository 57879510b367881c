//! Stage 2: who asks. Once there are virtual keys, every caller shows one (or the admin secret). Without any there are two
//! cases: a gateway on loopback serves any caller, one that listens beyond it serves callers who show the admin secret.

use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use ringmain_core::{Fault, FaultClass, Origin, Phase, WallTime};

use crate::keys::{Caller, Keyring, Known};

/// Where a caller may put its key: each vendor's SDK has its own place.
const PLACES: [&str; 4] = ["x-api-key", "api-key", "x-goog-api-key", "xi-api-key"];
/// Schemes of `authorization` behind which a key stands as it is.
const SCHEMES: [&str; 2] = ["bearer ", "token "];
/// What a WebSocket may speak; and there a browser, which can set no header, shows its key.
pub(crate) static PROTOCOL: HeaderName = HeaderName::from_static("sec-websocket-protocol");
pub(crate) const KEY_IN_PROTOCOL: &str = "openai-insecure-api-key.";
/// A credential longer than this is none of ours, and is not worth hashing.
const LONGEST: usize = 512;

/// What holds for callers.
#[derive(Debug)]
pub struct Door<'a> {
    /// The virtual keys.
    pub ring: &'a Keyring,
    /// The admin secret, where there is one.
    pub secret: Option<&'a str>,
    /// Without keys, is anybody served?
    pub open: bool,
    /// There are keys that could not be read yet.
    pub unread: bool,
    /// The date, for keys that expire.
    pub now: WallTime,
}

/// Lets the caller in, or not.
///
/// # Errors
/// 401 that says what is missing.
pub fn identify(headers: &HeaderMap, query: Option<&str>, door: &Door<'_>) -> Result<Caller, Fault> {
    if !door.ring.is_in_use() && door.open && !door.unread {
        return Ok(Caller::Anyone);
    }
    let mut message = match (door.ring.is_in_use(), is_signed(headers)) {
        (_, true) => {
            "this gateway wants a key and cannot check an AWS signature: set AWS_BEARER_TOKEN_BEDROCK to the key"
        }
        (true, false) => "this gateway wants a key: send a virtual key where your SDK puts the API key",
        (false, false) => "this gateway wants a key: send its admin secret where your SDK puts the API key",
    };
    for shown in credentials(headers, query).filter(|shown| shown.len() <= LONGEST) {
        match door.ring.find(shown, door.now) {
            Known::Good(key) => return Ok(Caller::Key(key)),
            Known::Revoked => message = "this key was revoked",
            Known::Expired => message = "this key has expired",
            Known::No if door.secret.is_some_and(|secret| same(shown, secret.as_bytes())) => return Ok(Caller::Admin),
            Known::No => {}
        }
    }
    if door.unread {
        let message = "the virtual keys cannot be read: `state.database` does not open";
        let mut fault = Fault::new(FaultClass::Exhausted, Origin::Gateway, Phase::Before, message).with_status(503);
        fault.retry_after = Some(Duration::from_secs(1));
        return Err(fault);
    }
    Err(Fault::new(FaultClass::Auth, Origin::Caller, Phase::Before, message).with_status(401))
}

/// Does one of its headers show this secret?
#[must_use]
pub fn shows(headers: &HeaderMap, secret: &str) -> bool {
    credentials(headers, None).any(|shown| same(shown, secret.as_bytes()))
}

/// All that could be a key, in the headers and in Google's query parameter.
fn credentials<'r>(headers: &'r HeaderMap, query: Option<&'r str>) -> impl Iterator<Item = &'r [u8]> {
    let bearer = headers.get(AUTHORIZATION).map(|value| value.as_bytes()).and_then(|value| {
        SCHEMES.iter().find_map(|known| {
            let (scheme, token) = value.split_at_checked(known.len())?;
            scheme.eq_ignore_ascii_case(known.as_bytes()).then(|| token.trim_ascii())
        })
    });
    let placed = PLACES.iter().filter_map(|name| headers.get(*name)).map(|value| value.as_bytes());
    let pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.strip_prefix("key="));
    let protocols = headers.get_all(&PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    let words = protocols.flat_map(|value| value.split(','));
    let in_protocol = words.filter_map(|word| word.trim().strip_prefix(KEY_IN_PROTOCOL));
    bearer.into_iter().chain(placed).chain(pairs.chain(in_protocol).map(str::as_bytes))
}

fn is_signed(headers: &HeaderMap) -> bool {
    headers.get(AUTHORIZATION).is_some_and(|value| value.as_bytes().starts_with(b"AWS4-"))
}

/// Compares without telling by its time how much was right.
fn same(left: &[u8], right: &[u8]) -> bool {
    let difference = left.iter().zip(right).fold(0, |sum, (a, b)| sum | (a ^ b));
    left.len() == right.len() && std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use ringmain_core::WallTime;
    use ringmain_state::{Grants, Group, KeyHash, KeySet, VirtualKey};

    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    fn key(text: &str) -> VirtualKey {
        VirtualKey {
            id: format!("key_{text}"),
            name: text.to_owned(),
            hash: KeyHash::of(text.as_bytes()),
            hint: String::new(),
            expires: None,
            created: WallTime(0),
            revoked: None,
            grants: Grants { group: Some("acme/search".to_owned()), ..Grants::default() },
        }
    }

    fn config() -> ringmain_config::Config {
        struct OneKey;
        impl ringmain_config::Sources for OneKey {
            fn var(&self, name: &str) -> Option<String> {
                (name == "OPENAI_API_KEY").then(|| "sk-test".to_owned())
            }

            fn file(&self, _: &str) -> Result<String, String> {
                Err("there are no files here".to_owned())
            }
        }
        let catalog = ringmain_catalog::Catalog::embedded().unwrap();
        let text = "
groups:
  acme: { models: [gpt-*, 'o*'], tags: { org: acme, team: none }, limits: $9/day, on_exhausted: 'route:cheap' }
  acme/search: { routes: [text, gpt-4o, openai/*], tags: { team: search } }
routes: [{ name: cheap, targets: [openai/gpt-4o-mini] }]
keys: [{ name: written, key: '${OPENAI_API_KEY}', limits: ['1 at once'], group: acme }]
";
        let loaded = ringmain_config::load(text, &OneKey, &catalog);
        loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
    }

    #[test]
    fn every_sdk_has_its_place() {
        let ring = Keyring::default();
        let door = |secret, open| Door { ring: &ring, secret, open, unread: false, now: WallTime(5) };
        assert!(identify(&HeaderMap::new(), None, &door(None, true)).is_ok());
        let unread = Door { unread: true, ..door(None, true) };
        assert_eq!(identify(&HeaderMap::new(), None, &unread).unwrap_err().status, Some(503), "nobody knows who may");
        assert!(identify(&HeaderMap::new(), None, &door(None, false)).is_err());
        let places = [
            ("authorization", "Bearer s3"),
            ("authorization", "Token s3"),
            ("x-api-key", "s3"),
            ("x-goog-api-key", "s3"),
            ("xi-api-key", "s3"),
            ("sec-websocket-protocol", "realtime, openai-insecure-api-key.s3"),
        ];
        for (name, value) in places {
            assert!(identify(&headers(name, value), None, &door(Some("s3"), false)).is_ok(), "{name}");
        }
        assert!(identify(&HeaderMap::new(), Some("alt=sse&key=s3"), &door(Some("s3"), false)).is_ok());
        for (name, value) in [("authorization", "Bearer s"), ("authorization", "s3"), ("x-api-key", "s33")] {
            let refused = identify(&headers(name, value), None, &door(Some("s3"), false)).unwrap_err();
            assert_eq!(refused.status, Some(401), "{name} {value}");
        }
    }

    #[test]
    fn who_may_pass_through() {
        let limits = |text: &[&str]| text.iter().map(|limit| limit.parse().unwrap()).collect::<Vec<_>>();
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let table = [
            (Grants::default(), true),
            (Grants { limits: limits(&["60 requests/minute", "3 at once"]), ..Grants::default() }, true),
            (Grants { limits: limits(&["$5/day"]), ..Grants::default() }, false),
            (Grants { limits: limits(&["1M tokens/day"]), ..Grants::default() }, false),
            (Grants { models: texts(&["gpt-*"]), ..Grants::default() }, false),
            (Grants { models: texts(&["gpt-*"]), routes: texts(&["*"]), ..Grants::default() }, false),
            (Grants { routes: texts(&["*"]), ..Grants::default() }, true),
            (Grants { routes: texts(&["text"]), ..Grants::default() }, false),
            (
                Grants { routes: texts(&["text", "passthrough"]), limits: limits(&["$5/day"]), ..Grants::default() },
                true,
            ),
            (Grants { models: texts(&["gpt-*"]), routes: texts(&["passthrough/openai"]), ..Grants::default() }, true),
            (Grants { routes: texts(&["passthrough/anthropic"]), ..Grants::default() }, false),
            (Grants { routes: texts(&["passthrough/*"]), ..Grants::default() }, true),
        ];
        for (at, (grants, allowed)) in table.into_iter().enumerate() {
            let stored = KeySet { keys: vec![VirtualKey { grants, ..key("good") }], groups: Vec::new() };
            let Known::Good(good) = Keyring::of(&config(), &stored).find(b"good", WallTime(0)) else {
                panic!("in force")
            };
            let may = good.may_pass("openai");
            assert_eq!(may.is_ok(), allowed, "{at}: {may:?}");
        }
    }

    #[test]
    fn keys_let_in_while_they_are_in_force() {
        let expired = VirtualKey { expires: Some(WallTime(5)), ..key("old") };
        let revoked = VirtualKey { revoked: Some(WallTime(1)), ..key("gone") };
        let later = VirtualKey { expires: Some(WallTime(6)), ..key("new") };
        let stored = KeySet { keys: vec![expired, revoked, later, key("good")], groups: Vec::new() };
        let ring = Keyring::of(&config(), &stored);
        let door = Door { ring: &ring, secret: Some("s3"), open: true, unread: false, now: WallTime(5) };
        let ask = |shown: &str| identify(&headers("x-api-key", shown), None, &door);
        for (shown, says) in [("old", "expired"), ("gone", "revoked"), ("none", "wants a key")] {
            let refused = ask(shown).unwrap_err();
            assert!(refused.message.contains(says) && refused.status == Some(401), "{refused:?}");
        }
        assert!(identify(&HeaderMap::new(), None, &door).is_err(), "once there are keys, one is needed");
        assert!(matches!(ask("s3"), Ok(Caller::Admin)));
        for shown in ["new", "good", "sk-test"] {
            assert!(ask(shown).unwrap().key().is_some(), "{shown}");
        }
    }

    #[test]
    fn what_its_groups_say_holds_for_a_key() {
        let stored = KeySet {
            keys: vec![key("good")],
            groups: vec![Group { path: "acme".to_owned(), grants: Grants::default() }],
        };
        let ring = Keyring::of(&config(), &stored);
        let Known::Good(good) = ring.find(b"good", WallTime(0)) else { panic!("it is in force") };
        assert_eq!(good.name.to_string(), "acme/search/good");
        assert_eq!(good.tags, [("org".to_owned(), "acme".to_owned()), ("team".to_owned(), "search".to_owned())]);
        assert_eq!(good.on_exhausted.as_deref(), Some("cheap"));
        let held: Vec<_> = good.limits.iter().map(|held| format!("{}: {}", held.scope, held.limit)).collect();
        assert_eq!(held, ["group:acme: $9/day"]);
        assert!(good.may("text", "gpt-4o").is_ok());
        assert!(good.may("openai/gpt-4o", "openai%2Fgpt-4o").is_ok(), "a model may be named with its provider");
        assert!(good.may("text", "claude-opus-5").unwrap_err().contains("group `acme` may not ask for the model"));
        assert!(good.may_pass("openai").unwrap_err().starts_with("group `acme` may not have requests passed through"));
        assert!(good.may("images", "gpt-4o").unwrap_err().contains("group `acme/search` may not take the route"));
        let Known::Good(written) = ring.find(b"sk-test", WallTime(0)) else { panic!("it is in force") };
        assert_eq!((&*written.name.id, written.limits.len()), ("config:written", 2));
        assert!(!format!("{written:?}").contains("sk-test"));
    }
}

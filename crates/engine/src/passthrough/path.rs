//! `/providers/{name}/…`: whose, and what at its host. Nothing a caller writes here can lead to another host, or above the
//! provider's base URL.

use ringmain_core::{Fault, FaultClass, Origin, Phase};

use crate::accept::unescape;

/// Parameters in which APIs take a key: the caller's is for the gateway alone.
const KEYS: [&str; 6] = ["key", "api_key", "api-key", "apikey", "access_token", "subscription-key"];

/// The first segment of such paths.
const PREFIX: &str = "/providers/";

/// Where a request that is passed through goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The provider, as the operator named it.
    pub(crate) provider: String,
    /// Path and query under its base URL, with a slash at the beginning.
    pub(crate) path: String,
}

/// Reads a path and query. `None`: it is no path of this kind.
///
/// # Errors
/// 400 for a path that could mean another one after it is tidied up.
pub(crate) fn place(path: &str, query: Option<&str>) -> Option<Result<Place, Fault>> {
    let rest = path.strip_prefix(PREFIX)?;
    let (provider, rest) = rest.split_once('/').unwrap_or((rest, ""));
    Some(check(rest).map(|()| {
        let query = query.map(without_keys).filter(|query| !query.is_empty());
        let query = query.map_or_else(String::new, |query| format!("?{query}"));
        Place { provider: provider.to_owned(), path: format!("/{rest}{query}") }
    }))
}

/// Every segment says what it is: none is empty but the last, none is a dot or two, however they are written, and none
/// hides a separator that some servers undo.
fn check(path: &str) -> Result<(), Fault> {
    let segments: Vec<&str> = path.split('/').collect();
    let last = segments.len() - 1;
    let is_bad = |(at, segment): (usize, &&str)| {
        let plain = plain(segment);
        // Some servers take what follows a semicolon for parameters of the segment.
        let is_dots = matches!(plain.split(';').next(), Some("." | ".."));
        let climbs = plain.split(['/', '\\']).any(|part| matches!(part, "." | ".."));
        segment.is_empty() && at < last || is_dots || climbs || plain.contains(['\\', '\0', '\r', '\n'])
    };
    if segments.iter().enumerate().any(is_bad) {
        return Err(bad("the path may hold no empty segments, no `.` or `..`, and no backslashes"));
    }
    Ok(())
}

/// A text with its escapes undone, twice: some servers do it once more than they should.
fn plain(text: &str) -> String {
    unescape(&unescape(text))
}

fn without_keys(query: &str) -> String {
    let is_key = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default();
        KEYS.iter().any(|key| plain(name).eq_ignore_ascii_case(key))
    };
    query.split('&').filter(|pair| !is_key(pair)).collect::<Vec<_>>().join("&")
}

fn bad(message: &str) -> Fault {
    Fault::new(FaultClass::BadRequest, Origin::Caller, Phase::Before, message).with_status(400)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let table = [
            ("/providers/openai/files", None, "openai", "/files"),
            ("/providers/openai/files/file-1/content", Some("a=b"), "openai", "/files/file-1/content?a=b"),
            ("/providers/gemini/v1beta/files", Some("key=secret&pageSize=2"), "gemini", "/v1beta/files?pageSize=2"),
            ("/providers/gemini/v1beta/files", Some("k%65y=secret"), "gemini", "/v1beta/files"),
            ("/providers/x/models/a%2Fb:predict", None, "x", "/models/a%2Fb:predict"),
            ("/providers/x/files/", None, "x", "/files/"),
            ("/providers/x/a..b/...", None, "x", "/a..b/..."),
            ("/providers/x", None, "x", "/"),
        ];
        for (path, query, provider, place_at) in table {
            let place = place(path, query).unwrap().unwrap();
            assert_eq!((place.provider.as_str(), place.path.as_str()), (provider, place_at), "{path}");
        }
        assert_eq!(place("/v1/files", None), None);
    }

    #[test]
    fn what_could_mean_another_path() {
        let table = [
            "/providers/openai/../admin",
            "/providers/openai/files/..",
            "/providers/openai/%2e%2e/admin",
            "/providers/openai/%2E./admin",
            "/providers/openai/%252e%252e/admin",
            "/providers/openai/a%2f..%2fb",
            "/providers/openai/..;/b",
            "/providers/openai//evil.example/x",
            "/providers/openai/http://evil.example/x",
            "/providers/openai/a\\b",
            "/providers/openai/a%5c..%5cb",
            "/providers/openai/a%0d%0ab",
            "/providers/openai/.",
        ];
        for path in table {
            assert_eq!(place(path, None).unwrap().unwrap_err().status, Some(400), "{path}");
        }
    }
}

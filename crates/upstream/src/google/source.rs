//! Where tokens come from: a credential that was written, or Application Default Credentials: the file that the
//! environment names, the one `gcloud` wrote, the machine's own service account.
//!
//! <https://cloud.google.com/docs/authentication/application-default-credentials>

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use ringmain_core::WallTime;

use super::credentials::{Credentials, token};
use super::token::GoogleToken;
use crate::Upstream;
use crate::ask::{Place, Question};
use crate::file::small_file;
use crate::kept::{Ends as _, NoCredential, Source};

/// The variables that say where credentials are.
const VARIABLES: [&str; 8] = [
    "GOOGLE_APPLICATION_CREDENTIALS",
    "CLOUDSDK_CONFIG",
    "HOME",
    "APPDATA",
    "GCE_METADATA_HOST",
    "GCE_METADATA_IP",
    "GCE_METADATA_ROOT",
    "NO_GCE_CHECK",
];
/// The file `gcloud auth application-default login` writes.
const WELL_KNOWN: &str = "application_default_credentials.json";
/// The metadata service of a machine.
const METADATA: &str = "169.254.169.254";
const TOKEN_PATH: &str = "/computeMetadata/v1/instance/service-accounts/default/token";
/// It is on this machine.
const METADATA_PATIENCE: Duration = Duration::from_secs(1);

static FLAVOR: HeaderName = HeaderName::from_static("metadata-flavor");

/// Gives Google access tokens.
pub struct GoogleSource(From);

enum From {
    Written(Result<Credentials, String>),
    Found(HashMap<&'static str, String>),
}

impl Source for GoogleSource {
    type Credential = GoogleToken;
    // A machine's metadata service renews its tokens four to five minutes before their end, and gives the old one until then.
    const EARLY: u64 = 225 * 1000;
    const PATIENCE: Duration = Duration::from_secs(6);

    async fn fetch(&self, upstream: &Upstream, now: WallTime) -> Result<GoogleToken, NoCredential> {
        let found = match &self.0 {
            From::Written(Ok(credentials)) => credentials.token(upstream, now).await,
            From::Written(Err(why)) => {
                Err(NoCredential::refused(format!("the Google credentials cannot be used: {why}")))
            }
            From::Found(variables) => look(variables, upstream, now).await,
        }?;
        if found.is_good(now) {
            Ok(found)
        } else {
            Err(NoCredential::unreachable("the token that was given has ended"))
        }
    }
}

impl GoogleSource {
    /// Tokens by the text of a credentials file.
    #[must_use]
    pub fn written(text: &str) -> Self {
        Self(From::Written(Credentials::parse(text)))
    }

    /// Tokens by Application Default Credentials, over the variables that `var` knows. They are read now, once; the files
    /// each time a token is asked for.
    #[must_use]
    pub fn found(var: impl Fn(&str) -> Option<String>) -> Self {
        let set =
            |name: &'static str| Some((name, var(name)?.trim().to_owned())).filter(|(_, value)| !value.is_empty());
        Self(From::Found(VARIABLES.into_iter().filter_map(set).collect()))
    }

    /// The same over the variables of this process.
    #[must_use]
    pub fn from_environment() -> Self {
        Self::found(|name| std::env::var(name).ok())
    }
}

/// Looks at one place after the other. A file that is there and cannot be used is the end of the search, so that nobody
/// is someone else by mistake.
async fn look(
    variables: &HashMap<&'static str, String>,
    upstream: &Upstream,
    now: WallTime,
) -> Result<GoogleToken, NoCredential> {
    let var = |name: &str| variables.get(name).map(String::as_str);
    let folder = var("CLOUDSDK_CONFIG").map(PathBuf::from);
    let folder = folder.or_else(|| var("APPDATA").map(|data| PathBuf::from(data).join("gcloud")));
    let folder = folder.or_else(|| var("HOME").map(|home| PathBuf::from(home).join(".config/gcloud")));
    let files = [
        ("GOOGLE_APPLICATION_CREDENTIALS", var("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from)),
        ("gcloud's own file", folder.map(|folder| folder.join(WELL_KNOWN))),
    ];
    for (name, path) in files {
        let Some(text) = path.map(|path| small_file(&path)) else { continue };
        if text.is_empty() {
            if name == "GOOGLE_APPLICATION_CREDENTIALS" {
                return Err(NoCredential::refused(format!("{name} names a file that cannot be read")));
            }
            continue;
        }
        let credentials = Credentials::parse(&text);
        let credentials = credentials
            .map_err(|why| NoCredential::refused(format!("the Google credentials of {name} cannot be used: {why}")))?;
        return credentials.token(upstream, now).await;
    }
    let none = "no Google credentials were found: GOOGLE_APPLICATION_CREDENTIALS is not set; gcloud has none";
    if var("NO_GCE_CHECK").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Err(NoCredential::refused(format!("{none}; the metadata service is disabled")));
    }
    let host = var("GCE_METADATA_HOST").or(var("GCE_METADATA_ROOT")).or(var("GCE_METADATA_IP")).unwrap_or(METADATA);
    metadata(upstream, host, now).await.map_err(|why| why.after(none))
}

/// The token of the machine's own service account.
async fn metadata(upstream: &Upstream, host: &str, now: WallTime) -> Result<GoogleToken, NoCredential> {
    let place = Place::parse(&format!("http://{host}{TOKEN_PATH}"));
    let place = place.ok_or_else(|| NoCredential::refused("the metadata service's host cannot be used"))?;
    let headers = [(FLAVOR.clone(), HeaderValue::from_static("Google"))];
    let question = Question {
        method: Method::GET,
        origin: &place.origin,
        path: &place.path,
        headers: &headers,
        body: Bytes::new(),
        patience: METADATA_PATIENCE,
    };
    let reply = question.ask(upstream).await;
    let reply = reply.ok_or_else(|| NoCredential::unreachable("this machine has no metadata service"))?;
    // Whoever answers at that address elsewhere does not say this.
    if reply.headers.get(&FLAVOR).is_none_or(|flavor| flavor != "Google") {
        return Err(NoCredential::refused("what answers at the metadata service's address is not Google's"));
    }
    match reply.status.as_u16() {
        200..=299 => {
            token(&reply.body, None, now).ok_or_else(|| NoCredential::unreachable("the metadata service gave no token"))
        }
        404 => Err(NoCredential::refused("this machine has no service account")),
        status => Err(NoCredential::unreachable(format!("the metadata service answered {status}"))),
    }
}

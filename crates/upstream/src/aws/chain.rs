//! The default credential chain: the environment, the shared files, the container's agent, the machine's role.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use ringmain_core::WallTime;

use super::credentials::AwsCredentials;
use super::{profile, remote};
use crate::Upstream;
use crate::file::small_file;
use crate::kept::{Ends as _, NoCredential, Source};

/// The variables that say where credentials are.
const VARIABLES: [&str; 14] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONFIG_FILE",
    "HOME",
    "USERPROFILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
];

/// Finds an AWS key pair wherever this machine has one.
pub struct AwsChain {
    variables: HashMap<&'static str, String>,
}

impl Source for AwsChain {
    type Credential = AwsCredentials;
    const EARLY: u64 = 5 * 60 * 1000;
    const PATIENCE: Duration = Duration::from_secs(4);

    async fn fetch(&self, upstream: &Upstream, now: WallTime) -> Result<AwsCredentials, NoCredential> {
        self.look(upstream, now).await
    }
}

impl AwsChain {
    /// A chain over the variables that `var` knows. They are read now, once.
    #[must_use]
    pub fn new(var: impl Fn(&str) -> Option<String>) -> Self {
        let set =
            |name: &'static str| Some((name, var(name)?.trim().to_owned())).filter(|(_, value)| !value.is_empty());
        Self { variables: VARIABLES.into_iter().filter_map(set).collect() }
    }

    /// A chain over the variables of this process.
    #[must_use]
    pub fn from_environment() -> Self {
        Self::new(|name| std::env::var(name).ok())
    }

    /// Looks at one place after the other.
    async fn look(&self, upstream: &Upstream, now: WallTime) -> Result<AwsCredentials, NoCredential> {
        let var = |name: &str| self.variables.get(name).map(String::as_str);
        if let (Some(access_key), Some(secret_key)) = (var("AWS_ACCESS_KEY_ID"), var("AWS_SECRET_ACCESS_KEY")) {
            let token = var("AWS_SESSION_TOKEN").map(str::to_owned);
            return Ok(AwsCredentials::new(access_key.to_owned(), secret_key.to_owned(), token));
        }
        let name = var("AWS_PROFILE").unwrap_or("default");
        if let Some(found) = self.profile(name) {
            return Ok(found);
        }
        let mut reasons = vec!["the environment has none".to_owned(), format!("the profile `{name}` has none")];
        let relative = var("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").map(|path| format!("{}{path}", remote::CONTAINER));
        let full = var("AWS_CONTAINER_CREDENTIALS_FULL_URI").map(str::to_owned);
        if let Some(url) = relative.or(full) {
            let file = var("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").map(|path| small_file(&PathBuf::from(path)));
            let token = file.or_else(|| var("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(str::to_owned));
            match remote::container(upstream, &url, token.as_deref()).await {
                Ok(found) if found.is_good(now) => return Ok(found),
                Ok(_) => reasons.push("the container's credentials have ended".to_owned()),
                Err(reason) => reasons.push(reason.to_owned()),
            }
        } else if var("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            reasons.push("the metadata service is disabled".to_owned());
        } else {
            let url = var("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or(remote::MACHINE);
            match remote::machine(upstream, url).await {
                Ok(found) if found.is_good(now) => return Ok(found),
                Ok(_) => reasons.push("the machine's credentials have ended".to_owned()),
                Err(reason) => reasons.push(reason.to_owned()),
            }
        }
        Err(NoCredential::refused(format!("no AWS credentials were found: {}", reasons.join("; "))))
    }

    fn profile(&self, name: &str) -> Option<AwsCredentials> {
        let home = self.variables.get("HOME").or_else(|| self.variables.get("USERPROFILE"));
        let file = |variable: &str, usual: &str| {
            let path = self.variables.get(variable).map(PathBuf::from);
            path.or_else(|| Some(PathBuf::from(home?).join(".aws").join(usual))).map(|path| small_file(&path))
        };
        let credentials = file("AWS_SHARED_CREDENTIALS_FILE", "credentials").unwrap_or_default();
        profile::find(name, &credentials, &file("AWS_CONFIG_FILE", "config").unwrap_or_default())
    }
}

//! The shared files of AWS's tools: `~/.aws/credentials` and `~/.aws/config`.

use super::credentials::AwsCredentials;

/// The key pair of a profile, by the two files' texts: the first has the last word.
pub(super) fn find(profile: &str, credentials: &str, config: &str) -> Option<AwsCredentials> {
    // In the second file every profile but the default has a word before its name.
    let named = format!("profile {profile}");
    let in_config = if profile == "default" { "default" } else { named.as_str() };
    read(credentials, profile).or_else(|| read(config, in_config)).or_else(|| read(config, &named))
}

fn read(text: &str, section: &str) -> Option<AwsCredentials> {
    let (mut access_key, mut secret_key, mut token) = (None, None, None);
    let mut inside = false;
    for line in text.lines() {
        // A line that is indented belongs to the setting above it.
        let nested = line.starts_with([' ', '\t']);
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            inside = name.split_whitespace().collect::<Vec<_>>().join(" ") == section;
            continue;
        }
        let Some((name, value)) = line.split_once('=').filter(|_| inside && !nested) else { continue };
        let value = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
        match name.trim().to_ascii_lowercase().as_str() {
            "aws_access_key_id" => access_key = value,
            "aws_secret_access_key" => secret_key = value,
            "aws_session_token" => token = value,
            _ => {}
        }
    }
    Some(AwsCredentials::new(access_key?, secret_key?, token))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREDENTIALS: &str = "# mine\n[default]\naws_access_key_id = AKIA1\naws_secret_access_key=s/1+=\n\n\
        [ work ]\nAWS_ACCESS_KEY_ID=AKIA2\naws_secret_access_key = s2\naws_session_token = t2\n[half]\naws_access_key_id = x\n";
    const CONFIG: &str = "[default]\nregion = eu-west-1\n[profile play]\ns3 =\n  aws_access_key_id = no\n\
        aws_access_key_id = AKIA3\naws_secret_access_key = s3\n";

    #[test]
    fn profiles() {
        let find = |profile: &str| {
            let found = find(profile, CREDENTIALS, CONFIG);
            found.map(|found| (found.access_key, found.secret_key, found.session_token))
        };
        let some = |key: &str, secret: &str, token: Option<&str>| {
            Some((key.to_owned(), secret.to_owned(), token.map(str::to_owned)))
        };
        assert_eq!(find("default"), some("AKIA1", "s/1+=", None));
        assert_eq!(find("work"), some("AKIA2", "s2", Some("t2")));
        assert_eq!(find("play"), some("AKIA3", "s3", None));
        assert_eq!(find("half"), None);
        assert_eq!(find("nobody"), None);
    }
}

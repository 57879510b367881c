//! Tokens against endpoints on loopback, and signatures against the public key.

mod federated;

use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::HeaderMap;
use ringmain_core::WallTime;
use serde_json::{Value, json};

use super::GoogleSource;
use crate::kept::Ends as _;
use crate::testing::{serve, upstream};
use crate::{GoogleToken, Kept};

const NOW: WallTime = WallTime(1_440_938_160_000);
const TOKEN: &str = r#"{"access_token":"ya29.first","expires_in":3599,"token_type":"Bearer"}"#;

fn kept(source: GoogleSource) -> Arc<Kept<GoogleSource>> {
    Arc::new(Kept::new(source))
}

fn sent(token: &GoogleToken) -> HeaderMap {
    let mut headers = HeaderMap::new();
    token.authorize(&mut headers);
    headers
}

fn user(url: &str) -> String {
    let file = json!({
        "type": "authorized_user", "client_id": "id+1", "client_secret": "secret-of-client", "refresh_token": "1//fresh",
        "quota_project_id": "payer", "token_uri": format!("{url}/token"),
    });
    file.to_string()
}

fn found(variables: &[(&str, &str)]) -> Arc<Kept<GoogleSource>> {
    let var = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    kept(GoogleSource::found(var))
}

/// A folder of its own, gone at the end.
struct Folder(std::path::PathBuf);

impl Folder {
    fn with(name: &str, file: &str, text: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("ringmain-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(file), text).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn a_service_account_signs_for_itself() {
    let (url, server) = serve(&[("POST /token", TOKEN)], 1).await;
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
    let base64 = STANDARD.encode(der.as_ref());
    let lines: Vec<_> = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"));
    let file = json!({
        "type": "service_account", "project_id": "p", "private_key_id": "k1", "private_key": pem,
        "client_email": "ringmain@p.iam.gserviceaccount.com", "token_uri": format!("{url}/token"),
    });
    let tokens = kept(GoogleSource::written(&file.to_string()));
    let token = tokens.get(&upstream(), NOW).await.unwrap();
    assert_eq!(sent(&token)["authorization"], "Bearer ya29.first");
    assert_eq!(token.expires(), Some(WallTime(NOW.0 + 3_599_000)));
    assert!(!format!("{token:?}{tokens:?}").contains("ya29"));

    let [asked] = <[String; 1]>::try_from(server.await.unwrap()).unwrap();
    let grant = "\r\n\r\ngrant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
    let (head, assertion) = asked.split_once(grant).unwrap();
    assert!(head.contains("content-type: application/x-www-form-urlencoded"), "{head}");
    let (signed, signature) = assertion.rsplit_once('.').unwrap();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref());
    public.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    let part = |at: usize| -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(signed.split('.').nth(at).unwrap()).unwrap()).unwrap()
    };
    assert_eq!(part(0), json!({ "alg": "RS256", "typ": "JWT", "kid": "k1" }));
    let expected = json!({
        "iss": "ringmain@p.iam.gserviceaccount.com", "scope": "https://www.googleapis.com/auth/cloud-platform",
        "aud": format!("{url}/token"), "iat": 1_440_938_160, "exp": 1_440_941_760,
    });
    assert_eq!(part(1), expected);
}

#[tokio::test]
async fn all_that_wait_share_one_fetch_of_a_users_token() {
    let (url, server) = serve(&[("POST /token", TOKEN)], 1).await;
    let (tokens, upstream) = (kept(GoogleSource::written(&user(&url))), upstream());
    let (one, two) = tokio::join!(tokens.get(&upstream, NOW), tokens.get(&upstream, NOW));
    assert_eq!(one, two);
    assert_eq!(sent(&one.unwrap())["x-goog-user-project"], "payer");
    let [asked] = <[String; 1]>::try_from(server.await.unwrap()).unwrap();
    let form = "grant_type=refresh_token&client_id=id%2B1&client_secret=secret-of-client&refresh_token=1%2F%2Ffresh";
    assert!(asked.ends_with(form), "{asked}");
}

#[tokio::test]
async fn the_last_good_token_is_used_while_a_refresh_fails() {
    let (url, server) = serve(&[("POST /token", TOKEN)], 1).await;
    let (tokens, upstream) = (kept(GoogleSource::written(&user(&url))), upstream());
    tokens.get(&upstream, NOW).await.unwrap();
    server.await.unwrap();
    // Nobody answers any more. Three minutes before its end it is used, and a refresh is tried once.
    let late = WallTime(NOW.0 + 3_599_000 - 180_000);
    for _ in 0..3 {
        let token = tokens.get(&upstream, late).await.unwrap();
        assert_eq!(&**token.text(), "ya29.first");
        tokio::task::yield_now().await;
    }
    // Too near its end it is not.
    let none = tokens.get(&upstream, WallTime(NOW.0 + 3_599_000 - 1000)).await.unwrap_err();
    assert!(!none.is_final, "{none}");
}

#[tokio::test]
async fn a_token_that_is_refused_is_fetched_anew_unless_it_was_only_just_fetched() {
    let (url, server) = serve(&[("POST /token", TOKEN)], 2).await;
    let (tokens, upstream) = (kept(GoogleSource::written(&user(&url))), upstream());
    let first = tokens.get(&upstream, NOW).await.unwrap();
    tokens.refused(&first, NOW);
    assert!(Arc::ptr_eq(&first, &tokens.get(&upstream, NOW).await.unwrap()));
    let later = WallTime(NOW.0 + 60_000);
    tokens.refused(&first, later);
    assert!(!Arc::ptr_eq(&first, &tokens.get(&upstream, later).await.unwrap()));
    assert_eq!(server.await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_refusal_is_told_from_a_failure_and_tells_no_secret() {
    let table = [
        (
            r#"400{"error":"invalid_grant","error_description":"Token has been revoked."}"#,
            true,
            "(invalid_grant) Token has",
        ),
        (r#"401{"error":"invalid_client","error_description":"no secret-of-client"}"#, true, "401 (invalid_client)"),
        (r#"503{"error":"unavailable"}"#, false, "503 (unavailable)"),
        ("{}", false, "gave no token"),
        (r#"{"access_token":"ya29.old","expires_in":1}"#, false, "has ended"),
    ];
    for (answer, is_final, words) in table {
        let answers: &'static [_] = Box::leak(Box::new([("POST /token", answer)]));
        let (url, server) = serve(answers, 1).await;
        let (tokens, upstream) = (kept(GoogleSource::written(&user(&url))), upstream());
        let none = tokens.get(&upstream, NOW).await.unwrap_err();
        assert_eq!(none.is_final, is_final, "{none}");
        assert!(none.to_string().contains(words) && !none.to_string().contains("secret-of-client"), "{none}");
        // It is remembered: nobody asks again at once.
        assert_eq!(tokens.get(&upstream, NOW).await.unwrap_err(), none);
        server.await.unwrap();
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_file_is_said_without_what_is_in_it() {
    let table = [
        ("{", "not JSON"),
        (r#"{"client_email":"a"}"#, "no `type`"),
        (
            r#"{"type":"external_account_authorized_user"}"#,
            "type `external_account_authorized_user`, which is not read",
        ),
        (r#"{"type":"service_account"}"#, "no `client_email`"),
        (r#"{"type":"service_account","client_email":"a","private_key":"hidden"}"#, "no RSA key"),
        (r#"{"type":"authorized_user","client_id":"hidden","client_secret":"hidden"}"#, "no `refresh_token`"),
        (
            r#"{"type":"authorized_user","client_id":"i","client_secret":"s","refresh_token":"r","token_uri":"http://x.example/t"}"#,
            "neither encrypted",
        ),
    ];
    for (text, words) in table {
        let none = kept(GoogleSource::written(text)).get(&upstream(), NOW).await.unwrap_err();
        let said = none.to_string();
        assert!(none.is_final && said.contains(words) && !said.contains("hidden"), "{said}");
    }
}

#[tokio::test]
async fn the_file_that_the_environment_names_comes_before_gclouds() {
    let (url, server) = serve(&[("POST /token", TOKEN)], 2).await;
    let named = Folder::with("named", "adc.json", &user(&url));
    let gcloud = Folder::with("gcloud", "application_default_credentials.json", &user(&url));
    let (named, config) = (named.0.join("adc.json"), gcloud.0.to_str().unwrap());
    let upstream = upstream();
    let both = [("GOOGLE_APPLICATION_CREDENTIALS", named.to_str().unwrap()), ("CLOUDSDK_CONFIG", config)];
    found(&both).get(&upstream, NOW).await.unwrap();
    found(&[("CLOUDSDK_CONFIG", config)]).get(&upstream, NOW).await.unwrap();
    assert_eq!(server.await.unwrap().len(), 2);
    // One that is named and missing ends the search.
    let missing = [("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere.json"), ("CLOUDSDK_CONFIG", config)];
    let none = found(&missing).get(&upstream, NOW).await.unwrap_err();
    assert!(none.to_string().contains("cannot be read"), "{none}");
}

#[tokio::test]
async fn the_machines_service_account_is_asked_for_last() {
    let (url, server) = serve(&[("GET /computeMetadata/v1/instance/service-accounts/default/token", TOKEN)], 1).await;
    let host = url.strip_prefix("http://").unwrap();
    let token = found(&[("HOME", "/nowhere"), ("GCE_METADATA_HOST", host)]).get(&upstream(), NOW).await.unwrap();
    assert_eq!(sent(&token)["authorization"], "Bearer ya29.first");
    let asked = server.await.unwrap();
    assert!(asked[0].contains("metadata-flavor: Google\r\n"), "{asked:?}");
    let none = found(&[("HOME", "/nowhere"), ("NO_GCE_CHECK", "true")]).get(&upstream(), NOW).await.unwrap_err();
    assert!(none.is_final && none.to_string().contains("metadata service is disabled"), "{none}");
}

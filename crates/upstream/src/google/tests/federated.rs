//! Identities elsewhere, and tokens in the name of an account.

use ringmain_core::WallTime;
use serde_json::{Value, json};

use super::{Folder, NOW, TOKEN, found, kept, sent, user};
use crate::google::GoogleSource;
use crate::kept::Ends as _;
use crate::testing::{serve, upstream};

const IMPERSONATED: &str = r#"{"accessToken":"ya29.of-account","expireTime":"2015-08-30T13:36:00Z"}"#;

/// A file of this kind, exchanged at `url`.
fn federated(url: &str, source: &Value, more: &Value) -> String {
    let mut file = json!({
        "type": "external_account", "audience": "//iam.googleapis.com/pools/p/providers/q",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": format!("{url}/v1/token"),
        "credential_source": source,
    });
    file.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    file.to_string()
}

#[tokio::test]
async fn a_word_in_a_file_is_exchanged_and_read_again_when_the_token_ends() {
    let (url, server) = serve(&[("POST /v1/token", TOKEN)], 2).await;
    let folder = Folder::with("federated", "word", "eyJ.first+word\n");
    let word = folder.0.join("word");
    let source = json!({ "file": word });
    let adc =
        Folder::with("federated-adc", "adc.json", &federated(&url, &source, &json!({"quota_project_id": "payer"})));
    let (tokens, upstream) =
        (found(&[("GOOGLE_APPLICATION_CREDENTIALS", adc.0.join("adc.json").to_str().unwrap())]), upstream());
    let token = tokens.get(&upstream, NOW).await.unwrap();
    assert_eq!(sent(&token)["authorization"], "Bearer ya29.first");
    assert_eq!(sent(&token)["x-goog-user-project"], "payer");
    // Whoever keeps the file fresh has written another.
    std::fs::write(&word, "second").unwrap();
    tokens.get(&upstream, WallTime(NOW.0 + 3_599_000)).await.unwrap();
    let asked = server.await.unwrap();
    let form = "\r\n\r\ngrant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange\
                &requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token\
                &scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-platform\
                &audience=%2F%2Fiam.googleapis.com%2Fpools%2Fp%2Fproviders%2Fq\
                &subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt&subject_token=";
    assert!(asked[0].ends_with(&format!("{form}eyJ.first%2Bword")), "{}", asked[0]);
    assert!(asked[1].ends_with(&format!("{form}second")), "{}", asked[1]);
}

#[tokio::test]
async fn a_word_at_a_url_becomes_an_accounts_token() {
    let answers = &[
        ("GET /identity?resource=x", r#"{"access_token":"word-of-cloud"}"#),
        ("POST /v1/token", TOKEN),
        ("POST /v1/projects/-/serviceAccounts/s:generateAccessToken", IMPERSONATED),
    ];
    let (url, server) = serve(answers, 3).await;
    let source = json!({
        "url": format!("{url}/identity?resource=x"), "headers": {"Metadata": "True"},
        "format": {"type": "json", "subject_token_field_name": "access_token"},
    });
    let more = json!({
        "service_account_impersonation_url": format!("{url}/v1/projects/-/serviceAccounts/s:generateAccessToken"),
        "service_account_impersonation": {"token_lifetime_seconds": 1800},
        "client_id": "me", "client_secret": "hidden", "workforce_pool_user_project": "w",
    });
    let tokens = kept(GoogleSource::written(&federated(&url, &source, &more)));
    let token = tokens.get(&upstream(), NOW).await.unwrap();
    assert_eq!(&**token.text(), "ya29.of-account");
    assert_eq!(token.expires(), Some(WallTime(NOW.0 + 3_600_000)));
    let asked = server.await.unwrap();
    assert!(asked[0].contains("\r\nmetadata: True\r\n"), "{}", asked[0]);
    assert!(asked[1].contains("\r\nauthorization: Basic bWU6aGlkZGVu\r\n"), "{}", asked[1]);
    assert!(asked[1].ends_with("&subject_token=word-of-cloud") && !asked[1].contains("options="), "{}", asked[1]);
    assert!(asked[2].contains("\r\nauthorization: Bearer ya29.first\r\n"), "{}", asked[2]);
    let body: Value = serde_json::from_str(asked[2].split_once("\r\n\r\n").unwrap().1).unwrap();
    let scope = ["https://www.googleapis.com/auth/cloud-platform"];
    assert_eq!(body, json!({"delegates": [], "scope": scope, "lifetime": "1800s"}));
    assert!(!format!("{tokens:?}").contains("hidden"));
}

#[tokio::test]
async fn an_accounts_token_by_a_users_own() {
    let answers = &[("POST /token", TOKEN), ("POST /generate", IMPERSONATED)];
    let (url, server) = serve(answers, 2).await;
    let source: Value = serde_json::from_str(&user(&url)).unwrap();
    let file = json!({
        "type": "impersonated_service_account", "source_credentials": source, "delegates": ["d"],
        "service_account_impersonation_url": format!("{url}/generate"),
    });
    let token = kept(GoogleSource::written(&file.to_string())).get(&upstream(), NOW).await.unwrap();
    assert_eq!(&**token.text(), "ya29.of-account");
    let asked = server.await.unwrap();
    assert!(asked[0].contains("grant_type=refresh_token") && asked[1].contains(r#""delegates":["d"]"#), "{asked:?}");
}

/// What is answered, how often, whether that is final, and what is said of it.
type Case = (&'static [(&'static str, &'static str)], usize, bool, &'static str);

#[tokio::test]
async fn what_goes_wrong_on_the_way_is_told_without_the_word() {
    let long: &'static str = Box::leak("x".repeat(65 * 1024).into_boxed_str());
    let denied = r#"403{"error":{"status":"PERMISSION_DENIED","message":"no iam.serviceAccounts.getAccessToken"}}"#;
    let table: [Case; 7] = [
        (&[("GET /word", "503")], 1, false, "gave none"),
        (Box::leak(Box::new([("GET /word", long)])), 1, false, "gave none"),
        (&[("GET /word", r#"{"other":"the-word"}"#)], 1, false, "not where the file says"),
        (
            &[
                ("GET /word", r#"{"w":"the-word"}"#),
                ("POST /v1/token", r#"400{"error":"invalid_grant","error_description":"the-word is of nobody"}"#),
            ],
            2,
            true,
            "the token endpoint answered 400 (invalid_grant)",
        ),
        (&[("GET /word", r#"{"w":"the-word"}"#), ("POST /v1/token", "503{}")], 2, false, "answered 503"),
        (
            Box::leak(Box::new([
                ("GET /word", r#"{"w":"the-word"}"#),
                ("POST /v1/token", TOKEN),
                ("POST /as", denied),
            ])),
            3,
            true,
            "the impersonation endpoint answered 403 (PERMISSION_DENIED) no iam.",
        ),
        (
            &[("GET /word", r#"{"w":"the-word"}"#), ("POST /v1/token", TOKEN), ("POST /as", r#"{"accessToken":"x"}"#)],
            3,
            false,
            "the impersonation endpoint gave no token",
        ),
    ];
    for (answers, times, is_final, words) in table {
        let (url, server) = serve(answers, times).await;
        let format = json!({"type": "json", "subject_token_field_name": "w"});
        let source = json!({"url": format!("{url}/word"), "format": format});
        let more = json!({"service_account_impersonation_url": format!("{url}/as")});
        let tokens = kept(GoogleSource::written(&federated(&url, &source, &more)));
        let none = tokens.get(&upstream(), NOW).await.unwrap_err();
        assert_eq!(none.is_final, is_final, "{none}");
        assert!(none.to_string().contains(words) && !none.to_string().contains("the-word"), "{none}");
        server.await.unwrap();
    }
}

#[tokio::test]
async fn where_a_word_may_not_come_from() {
    let of = |source: Value, more: Value| federated("https://sts.googleapis.com", &source, &more);
    let file = || json!({"file": "/hidden"});
    let json_without = json!({"file": "/hidden", "format": {"type": "json"}});
    let table = [
        (of(json!({"executable": {"command": "hidden"}}), json!({})), "neither a file nor a URL"),
        (
            of(json!({"environment_id": "aws1", "regional_cred_verification_url": "hidden"}), json!({})),
            "neither a file",
        ),
        (of(json!({"url": "http://hidden.example/x"}), json!({})), "`credential_source.url` is neither encrypted"),
        (of(json_without, json!({})), "subject_token_field_name"),
        (of(file(), json!({"token_url": "http://hidden.example/x"})), "`token_url` is neither encrypted"),
        (of(file(), json!({"audience": ""})), "no `audience`"),
        (
            of(file(), json!({"service_account_impersonation_url": "http://hidden.example/x"})),
            "`service_account_impersonation_url` is neither encrypted",
        ),
    ];
    for (text, words) in table {
        let none = kept(GoogleSource::written(&text)).get(&upstream(), NOW).await.unwrap_err();
        let said = none.to_string();
        assert!(none.is_final && said.contains(words) && !said.contains("hidden"), "{said}");
    }
    // The service that clouds have at every machine is not encrypted, and needs not be.
    let beside = of(json!({"url": "http://169.254.169.254/metadata/identity/oauth2/token"}), json!({}));
    assert!(crate::google::credentials::Credentials::parse(&beside).is_ok());
}

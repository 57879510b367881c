//! Signatures against AWS's published test suite, and the chain against endpoints on loopback.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, Uri};
use ringmain_core::WallTime;

use super::{AwsChain, AwsCredentials, Scope, sign};
use crate::Kept;
use crate::testing::{serve, upstream};

const NOW: WallTime = WallTime(1_440_938_160_000);

/// The key pair, date, region and service of the published suite.
fn signature(
    method: &Method,
    uri: &str,
    content_type: Option<&str>,
    body: &[&'static str],
    token: Option<&str>,
) -> String {
    let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned();
    let credentials = AwsCredentials::new("AKIDEXAMPLE".to_owned(), secret, token.map(str::to_owned));
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::from_static("example.amazonaws.com"));
    if let Some(content_type) = content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
    }
    let body: Vec<Bytes> = body.iter().map(|part| Bytes::from_static(part.as_bytes())).collect();
    let scope = Scope { region: "us-east-1", service: "service" };
    let uri: Uri = uri.parse().unwrap();
    sign(method, &uri, &mut headers, &body, &credentials, scope, NOW).unwrap();
    let value = headers[AUTHORIZATION].to_str().unwrap();
    assert!(value.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "));
    value.rsplit_once("Signature=").unwrap().1.to_owned()
}

#[test]
fn the_published_signatures() {
    let form = Some("application/x-www-form-urlencoded");
    let table = [
        (Method::GET, "/", None, &[][..], "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        (Method::POST, "/", None, &[], "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (
            Method::GET,
            "/?Param2=value2&Param1=value1",
            None,
            &[],
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            Method::POST,
            "/",
            form,
            &["Param1=", "value1"],
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
    ];
    for (method, uri, content_type, body, expected) in table {
        assert_eq!(signature(&method, uri, content_type, body, None), expected, "{method} {uri}");
    }
}

#[test]
fn a_path_is_escaped_once_more_and_a_token_is_signed() {
    let signed = |uri| signature(&Method::POST, uri, Some("application/json"), &["{}"], Some("AQoDtoken/+="));
    // Found with botocore's own signer.
    assert_eq!(
        signed("/model/us.amazon.nova-lite-v1%3A0/converse"),
        "b0b38b7576a62e3a0a70982f6299ec749750c510f326c9a625862c2ebc87aae5"
    );
    assert_ne!(
        signed("/model/us.amazon.nova-lite-v1:0/converse"),
        signed("/model/us.amazon.nova-lite-v1%3A0/converse")
    );
}

fn chain(variables: &[(&str, &str)]) -> Arc<Kept<AwsChain>> {
    let var = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Arc::new(Kept::new(AwsChain::new(var)))
}

const ROLE: &str =
    r#"{"Code":"Success","AccessKeyId":"ASIA1","SecretAccessKey":"s","Token":"t","Expiration":"2015-08-30T18:36:00Z"}"#;

#[tokio::test]
async fn the_environment_comes_first() {
    let chain = chain(&[
        ("AWS_ACCESS_KEY_ID", "AKIA1"),
        ("AWS_SECRET_ACCESS_KEY", "s1"),
        ("AWS_SESSION_TOKEN", "t1"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/x"),
    ]);
    let found = chain.get(&upstream(), NOW).await.unwrap();
    assert_eq!(*found, AwsCredentials::new("AKIA1".into(), "s1".into(), Some("t1".into())));
    let shown = format!("{found:?}{chain:?}");
    assert!(!shown.contains("s1") && !shown.contains("t1"), "{shown}");
}

#[tokio::test]
async fn a_containers_agent_is_asked_with_its_token_and_only_once() {
    let (url, server) = serve(&[("GET /creds?x=1", ROLE)], 1).await;
    let full = format!("{url}/creds?x=1");
    let chain = chain(&[
        ("HOME", "/nowhere"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &full),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "agent-token"),
    ]);
    let upstream = upstream();
    let (one, two) = tokio::join!(chain.get(&upstream, NOW), chain.get(&upstream, NOW));
    assert_eq!(one.as_ref().unwrap().access_key, "ASIA1");
    assert_eq!(one, two);
    let [asked] = <[String; 1]>::try_from(server.await.unwrap()).unwrap();
    assert!(asked.contains("authorization: agent-token\r\n"), "{asked}");
}

#[tokio::test]
async fn the_machines_role_is_asked_for_in_three_steps() {
    let (url, server) = serve(
        &[
            ("PUT /latest/api/token", "imds-token"),
            ("GET /latest/meta-data/iam/security-credentials/", "my-role\n"),
            ("GET /latest/meta-data/iam/security-credentials/my-role", ROLE),
        ],
        3,
    )
    .await;
    let chain = chain(&[("HOME", "/nowhere"), ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &url)]);
    let found = chain.get(&upstream(), NOW).await.unwrap();
    assert_eq!((found.access_key.as_str(), found.session_token.as_deref()), ("ASIA1", Some("t")));
    let asked = server.await.unwrap();
    assert!(asked[0].contains("x-aws-ec2-metadata-token-ttl-seconds: "));
    assert!(asked[1..].iter().all(|asked| asked.contains("x-aws-ec2-metadata-token: imds-token\r\n")));
}

#[tokio::test]
async fn what_ends_soon_is_fetched_beside_the_requests() {
    let (url, server) = serve(&[("GET /creds", ROLE)], 2).await;
    let full = format!("{url}/creds");
    let chain = chain(&[("HOME", "/nowhere"), ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &full)]);
    let upstream = upstream();
    chain.get(&upstream, NOW).await.unwrap();
    // Four minutes before their end they are used, and fetched anew.
    let late = WallTime(NOW.0 + (6 * 60 - 4) * 60 * 1000);
    for _ in 0..3 {
        assert_eq!(chain.get(&upstream, late).await.unwrap().access_key, "ASIA1");
    }
    assert_eq!(server.await.unwrap().len(), 2);
}

#[tokio::test]
async fn nothing_found_says_where_it_looked_and_is_remembered() {
    let chain = chain(&[("HOME", "/nowhere"), ("AWS_PROFILE", "work"), ("AWS_EC2_METADATA_DISABLED", "true")]);
    let upstream = upstream();
    let why = chain.get(&upstream, NOW).await.unwrap_err().to_string();
    assert!(why.contains("`work`") && why.contains("metadata service is disabled"), "{why}");
    assert_eq!(chain.get(&upstream, NOW).await.unwrap_err().to_string(), why);
    let far = self::chain(&[("HOME", "/nowhere"), ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/creds")]);
    let why = far.get(&upstream, NOW).await.unwrap_err().to_string();
    assert!(why.contains("neither encrypted nor on this machine"), "{why}");
}

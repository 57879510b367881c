//! Tokens, scopes and the audit log, from a request to its answer.

use std::sync::Arc;

use bytes::Bytes;
use http::response::Parts;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use ringmain_catalog::Catalog;
use ringmain_config::{Config, Sources};
use ringmain_core::{Capabilities, Dialect, Marks, Operation, RequestFacts, RequestId, Seed, Tick, WallTime};
use ringmain_engine::Gateway;
use ringmain_routing::Record;
use ringmain_routing::record::{Lost, VERSION};
use ringmain_state::{MemoryAudit, memory};
use serde_json::{Value, json};

use crate::oidc::{Directory, Fetch, Fetched};
use crate::{Admin, answer};

/// No variable is set, and there are no files.
struct Nothing;

impl Sources for Nothing {
    fn var(&self, _: &str) -> Option<String> {
        None
    }

    fn file(&self, _: &str) -> Result<String, String> {
        Err("no files here".to_owned())
    }
}

/// The identity provider does not answer.
#[derive(Debug)]
struct Nobody;

impl Fetch for Nobody {
    fn get<'a>(&'a self, _: &'a str) -> Fetched<'a> {
        Box::pin(async { None })
    }
}

const SECRET: &str = "the-secret-of-whoever-runs-it";

fn admin() -> Arc<Admin> {
    under(&format!("server: {{ admin_secret: '{SECRET}' }}"))
}

fn rules(server: &str) -> Config {
    let rules = format!("{server}\nproviders: {{ openai: {{ keys: [sk-0123456789] }} }}\n");
    ringmain_config::load(&rules, &Nothing, &Catalog::embedded().unwrap()).config.unwrap()
}

fn under(server: &str) -> Arc<Admin> {
    Arc::new(Admin {
        gateway: Arc::new(Gateway::new(rules(server), 0)),
        keys: Some(Arc::new(memory::Keys::default())),
        tokens: Some(Arc::new(memory::Tokens::default())),
        people: Directory::new(Arc::new(Nobody)),
        audit: Arc::new(MemoryAudit::default()),
    })
}

async fn ask(admin: &Arc<Admin>, secret: &str, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
    let (head, body) = answered(admin, secret, method, path, body).await;
    (head.status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

async fn answered(admin: &Arc<Admin>, secret: &str, method: &str, path: &str, body: Value) -> (Parts, Bytes) {
    let mut request = Request::builder().method(method).uri(path).header("host", "127.0.0.1:8081");
    if !secret.is_empty() {
        request = request.header("authorization", format!("Bearer {secret}"));
    }
    let body = if body.is_null() {
        Bytes::new()
    } else {
        request = request.header("content-type", "application/json");
        Bytes::from(body.to_string())
    };
    let (head, body) = answer(admin, request.body(Full::new(body)).unwrap()).await.into_parts();
    (head, body.collect().await.unwrap().to_bytes())
}

async fn token(admin: &Arc<Admin>, by: &str, name: &str, scopes: &[&str]) -> (StatusCode, String) {
    let (status, made) = ask(admin, by, "POST", "/api/tokens", json!({ "name": name, "scopes": scopes })).await;
    (status, made["token"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_token_may_ask_what_its_scopes_say_and_nothing_else() {
    let admin = admin();
    let (status, reads) = token(&admin, SECRET, "grafana", &["analytics:read"]).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(ask(&admin, &reads, "GET", "/api/analytics", Value::Null).await.0, StatusCode::OK);
    let (status, problem) = ask(&admin, &reads, "GET", "/api/keys", Value::Null).await;
    let message = problem["error"]["message"].as_str().unwrap();
    assert!(status == StatusCode::FORBIDDEN && message.contains("`keys:read`"), "{status} {message}");
    let (_, writes) = token(&admin, SECRET, "ci", &["keys:write"]).await;
    let key = json!({ "name": "app" });
    assert_eq!(ask(&admin, &reads, "POST", "/api/keys", key.clone()).await.0, StatusCode::FORBIDDEN);
    assert_eq!(ask(&admin, &writes, "POST", "/api/keys", key).await.0, StatusCode::CREATED);
    assert_eq!(ask(&admin, &writes, "GET", "/api/keys", Value::Null).await.0, StatusCode::OK);
    for secret in ["", "wrong", "adm-rm-0000"] {
        let (status, _) = ask(&admin, secret, "GET", "/api/analytics", Value::Null).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{secret}");
    }
    let (_, audit) = ask(&admin, SECRET, "GET", "/api/audit", Value::Null).await;
    let told: Vec<(String, u64)> = audit["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            (entry["actor"].as_str().unwrap().split(" (").next().unwrap().to_owned(), entry["status"].as_u64().unwrap())
        })
        .collect();
    let entry = |actor: &str, status| (actor.to_owned(), status);
    let expected =
        [entry("token ci", 201), entry("token grafana", 403), entry("admin secret", 201), entry("admin secret", 201)];
    assert_eq!(told, expected, "newest first, refused changes too");
    assert!(!audit.to_string().contains(&reads), "no secret is in it");
}

/// A request that failed before anybody was tried, of a model that the caller named so.
fn failed(id: u128, model: &str) -> Record {
    Record {
        version: VERSION,
        id: RequestId(id),
        at: WallTime(1_795_000_000_000),
        started: Tick(1_000_000),
        route: "text".into(),
        why: "the route `text`".into(),
        facts: RequestFacts {
            operation: Operation::Chat,
            dialect: Dialect::OpenAiChat,
            model: model.to_owned(),
            stream: false,
            needs: Capabilities::default(),
            input_tokens: 12,
            max_output_tokens: None,
            timeout: None,
            tags: Vec::new(),
            marks: Marks::default(),
            key: None,
        },
        headers: Vec::new(),
        candidates: Arc::from([]),
        seed: Seed(1),
        deadline: Tick(u64::MAX),
        decisions: Vec::new(),
        attempts: Vec::new(),
        lost: Lost::default(),
        ended: Some(Tick(3_000_000)),
        fault: None,
    }
}

#[tokio::test]
async fn requests_that_fit_are_a_table_too() {
    let admin = admin();
    for (id, model) in [(1, "gpt-4o"), (2, "=cmd|' /C calc'!A0, \"x\""), (3, "gpt-4o")] {
        admin.gateway.records.record(&Arc::new(failed(id, model)));
    }
    let table = async |query: &str| {
        let path = format!("/api/requests?format=csv&from=1970-01-01{query}");
        let (head, body) = answered(&admin, SECRET, "GET", &path, Value::Null).await;
        assert!(head.status.is_success() && head.headers["content-type"] == "text/csv; charset=utf-8", "{head:?}");
        String::from_utf8(body.to_vec()).unwrap()
    };
    let all = table("").await;
    let lines: Vec<_> = all.lines().collect();
    assert!(lines[0].starts_with("at,id,route,operation,dialect,model,stream,key,target,attempts,fault,message,"));
    assert_eq!(lines.len(), 4);
    let width = lines[0].split(',').count();
    let last = lines[1].split(',').collect::<Vec<_>>();
    assert_eq!((last.len(), last[1], last[5], last[12]), (width, &*format!("{:032x}", 3), "gpt-4o", "2"));
    assert!(last[0].starts_with("2026-11-1") && last[7..9] == ["", ""], "what is not known is empty: {last:?}");
    assert!(lines[2].contains(r#","'=cmd|' /C calc'!A0, ""x""","#), "no formula: {}", lines[2]);
    assert_eq!(table("&model=gpt-4o&limit=1").await.lines().count(), 2);
    for (format, status) in [("json", StatusCode::OK), ("xml", StatusCode::BAD_REQUEST)] {
        let path = format!("/api/requests?format={format}");
        assert_eq!(ask(&admin, SECRET, "GET", &path, Value::Null).await.0, status);
    }
    let (_, latest) = ask(&admin, SECRET, "GET", "/api/requests?format=json&limit=2", Value::Null).await;
    assert_eq!(latest["requests"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_revoked_token_is_refused_at_once() {
    let admin = admin();
    let (_, shown) = token(&admin, SECRET, "ci", &["*:read"]).await;
    assert_eq!(ask(&admin, &shown, "GET", "/api/limits", Value::Null).await.0, StatusCode::OK);
    assert_eq!(ask(&admin, SECRET, "DELETE", "/api/tokens/ci", Value::Null).await.0, StatusCode::OK);
    let (status, problem) = ask(&admin, &shown, "GET", "/api/limits", Value::Null).await;
    assert_eq!((status, &problem["error"]["message"]), (StatusCode::UNAUTHORIZED, &json!("this token was revoked")));
    assert_eq!(ask(&admin, SECRET, "DELETE", "/api/tokens/ci", Value::Null).await.0, StatusCode::NOT_FOUND);
    let (_, listed) = ask(&admin, SECRET, "GET", "/api/tokens", Value::Null).await;
    assert_eq!(listed["tokens"][0]["standing"], "revoked");
    assert!(listed["tokens"][0].get("token").is_none() && !listed.to_string().contains(&shown));
}

#[tokio::test]
async fn nobody_gives_away_what_they_do_not_have() {
    let admin = admin();
    let (_, maker) = token(&admin, SECRET, "maker", &["tokens:write", "analytics:read"]).await;
    assert_eq!(token(&admin, &maker, "reader", &["analytics:read"]).await.0, StatusCode::CREATED);
    for scopes in [&["keys:write"][..], &["*:read"], &["analytics:write"], &["tokens:read", "audit:read"]] {
        assert_eq!(token(&admin, &maker, "more", scopes).await.0, StatusCode::FORBIDDEN, "{scopes:?}");
    }
    for scopes in [&["secrets:read"][..], &[]] {
        assert_eq!(token(&admin, SECRET, "odd", scopes).await.0, StatusCode::BAD_REQUEST, "{scopes:?}");
    }
}

#[tokio::test]
async fn a_reload_changes_who_is_let_in() {
    let oidc = |audience: &str| {
        let scopes = "scopes: { ops: '*:write' }";
        format!("server: {{ oidc: {{ issuer: 'https://id.example.com', audience: {audience}, {scopes} }} }}")
    };
    let admin = under("");
    let status = async |secret: &str| ask(&admin, secret, "GET", "/api/keys", Value::Null).await.0;
    assert_eq!(status("").await, StatusCode::OK, "without a secret this machine is answered");
    for audience in ["ringmain", "another"] {
        admin.gateway.reload(rules(&oidc(audience)));
        assert_eq!(status("").await, StatusCode::UNAUTHORIZED, "being on this machine is no longer enough");
        assert_eq!(status("a.b.c").await, StatusCode::UNAUTHORIZED);
        let people = admin.people.by(admin.gateway.rules().config.server.oidc.as_ref());
        let again = admin.people.by(admin.gateway.rules().config.server.oidc.as_ref());
        assert!(Arc::ptr_eq(&people.unwrap(), &again.unwrap()), "what its provider has told is kept");
    }
    admin.gateway.reload(rules(&format!("server: {{ admin_secret: '{SECRET}' }}")));
    assert_eq!((status("").await, status(SECRET).await), (StatusCode::UNAUTHORIZED, StatusCode::OK));
}

#[tokio::test]
async fn no_expiry_is_beyond_what_dates_can_say() {
    let admin = admin();
    for (path, body) in
        [("/api/keys", json!({ "name": "k" })), ("/api/tokens", json!({ "name": "t", "scopes": ["*:read"] }))]
    {
        for expires in ["213502982334d", "9999999d", "never"] {
            let mut body = body.clone();
            body["expires"] = expires.into();
            let (status, problem) = ask(&admin, SECRET, "POST", path, body).await;
            let message = problem["error"]["message"].as_str().unwrap_or_default();
            assert!(status == StatusCode::BAD_REQUEST && message.contains("`expires`"), "{path} {expires}: {problem}");
        }
    }
}

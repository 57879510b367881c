//! Tokens, scopes and the audit log, from a request to its answer.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use ringmain_catalog::Catalog;
use ringmain_config::Sources;
use ringmain_engine::Gateway;
use ringmain_state::{MemoryAudit, memory};
use serde_json::{Value, json};

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

const SECRET: &str = "the-secret-of-whoever-runs-it";

fn admin() -> Arc<Admin> {
    let rules =
        format!("server: {{ admin_secret: '{SECRET}' }}\nproviders: {{ openai: {{ keys: [sk-0123456789] }} }}\n");
    let loaded = ringmain_config::load(&rules, &Nothing, &Catalog::embedded().unwrap());
    Arc::new(Admin {
        gateway: Arc::new(Gateway::new(loaded.config.unwrap(), 0)),
        keys: Some(Arc::new(memory::Keys::default())),
        tokens: Some(Arc::new(memory::Tokens::default())),
        people: None,
        audit: Arc::new(MemoryAudit::default()),
    })
}

async fn ask(admin: &Arc<Admin>, secret: &str, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
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
    let body = body.collect().await.unwrap().to_bytes();
    (head.status, serde_json::from_slice(&body).unwrap_or(Value::Null))
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

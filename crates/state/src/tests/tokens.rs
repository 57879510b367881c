//! Tokens of the admin plane, alike in every store.

use std::sync::Arc;

use ringmain_core::{Scope, WallTime};

use super::servers::Postgres;
use crate::keys::KeyHash;
use crate::tokens::{PREFIX, Token, TokenStore};
use crate::{memory, postgres, sqlite};

fn token(name: &str, scopes: &[&str]) -> (String, Token) {
    let new = Token::make().unwrap();
    let token = Token {
        id: new.id,
        name: name.to_owned(),
        hash: new.hash,
        hint: new.hint,
        scopes: scopes.iter().map(|scope| scope.parse().unwrap()).collect(),
        expires: Some(WallTime(100)),
        created: WallTime(1),
        revoked: None,
    };
    (new.text, token)
}

#[test]
fn made_found_listed_and_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.db");
    let server = Postgres::start();
    let mut stores: Vec<(&str, Arc<dyn TokenStore>)> =
        vec![("memory", Arc::new(memory::Tokens::default())), ("sqlite", Arc::new(sqlite::Keys::open(&file).unwrap()))];
    if let Some(server) = &server {
        stores.push(("postgres", Arc::new(postgres::Keys::new(&server.database()))));
    }
    for (name, store) in stores {
        let (text, made) = token("ci", &["analytics:read", "keys:write"]);
        assert!(text.starts_with(PREFIX) && text.ends_with(&made.hint), "{name}");
        store.add_token(&made).unwrap();
        assert_eq!(store.token(&KeyHash::of(text.as_bytes())).unwrap(), Some(made.clone()), "{name}");
        assert_eq!(store.token(&KeyHash::of(b"another")).unwrap(), None, "{name}");
        assert!(store.add_token(&token("ci", &[]).1).is_err(), "{name}: the name is taken");
        assert_eq!((made.standing(WallTime(99)), made.standing(WallTime(100))), ("in force", "expired"));
        assert!(store.revoke_token("ci", WallTime(50)).unwrap() && !store.revoke_token("ci", WallTime(51)).unwrap());
        let kept = store.token(&made.hash).unwrap().unwrap();
        assert_eq!((kept.revoked, kept.standing(WallTime(60))), (Some(WallTime(50)), "revoked"), "{name}");
        store.add_token(&Token { created: WallTime(2), ..token("ci", &["*:read"]).1 }).unwrap();
        let all = store.tokens().unwrap();
        assert_eq!(
            (all.len(), all[1].scopes.as_slice()),
            (2, [Scope { area: None, write: false }].as_slice()),
            "{name}"
        );
    }
    let bytes = std::fs::read(&file).unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains(PREFIX), "no token's text is in the file");
}

use std::sync::Mutex as Lock;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use ringmain_core::{Area, WallTime};
use serde_json::json;

use super::*;

/// A provider of identities that is no server.
#[derive(Debug)]
struct Provider {
    issuer: &'static str,
    keys: Lock<Option<Value>>,
    asked: AtomicUsize,
}

impl Fetch for Provider {
    fn get<'a>(&'a self, url: &'a str) -> Fetched<'a> {
        let keys = self.keys.lock().unwrap().clone();
        let document = match url.strip_prefix("https://id.test") {
            Some("/.well-known/openid-configuration") => {
                self.asked.fetch_add(1, Ordering::Relaxed);
                keys.map(|_| json!({ "issuer": self.issuer, "jwks_uri": "https://id.test/keys" }))
            }
            Some("/keys") => keys,
            _ => None,
        };
        Box::pin(async move { document.map(|document| document.to_string().into_bytes()) })
    }
}

/// Signs.
enum Signer {
    Rsa(Box<RsaKeyPair>),
    Ec(EcdsaKeyPair),
}

impl Signer {
    fn ec() -> Self {
        let made = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self::Ec(made)
    }

    fn rsa() -> Self {
        Self::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()))
    }

    fn jwk(&self, id: &str) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Rsa(pair) => {
                let key = pair.public_key();
                let (n, e) = (key.modulus(), key.exponent());
                json!({
                    "kty": "RSA", "kid": id, "alg": "RS256", "use": "sig",
                    "n": text(n.big_endian_without_leading_zero()), "e": text(e.big_endian_without_leading_zero())
                })
            }
            Self::Ec(pair) => {
                // 4, then both coordinates.
                let point = pair.public_key().as_ref();
                let (x, y) = (text(&point[1..33]), text(&point[33..65]));
                json!({ "kty": "EC", "kid": id, "alg": "ES256", "use": "sig", "crv": "P-256", "x": x, "y": y })
            }
        }
    }

    fn token(&self, id: &str, claims: &Value) -> String {
        let alg = if matches!(self, Self::Rsa(_)) { "RS256" } else { "ES256" };
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({ "alg": alg, "typ": "JWT", "kid": id })), part(claims));
        let chance = SystemRandom::new();
        let signature = match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &chance, signed.as_bytes(), &mut signature).unwrap();
                signature
            }
            Self::Ec(pair) => pair.sign(&chance, signed.as_bytes()).unwrap().as_ref().to_vec(),
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

const NOON: u64 = 1_800_000_000;

fn at(seconds: u64) -> Now {
    Now { mono: Tick(seconds * 1_000_000_000), wall: WallTime((NOON + seconds) * 1000) }
}

fn people(keys: Option<Value>) -> (Arc<Provider>, People) {
    let provider = Arc::new(Provider { issuer: "https://id.test", keys: Lock::new(keys), asked: AtomicUsize::new(0) });
    let scopes = [("admins", "*:write"), ("finance", "analytics:read")];
    let settings = Oidc {
        issuer: "https://id.test".to_owned(),
        audience: "ringmain".to_owned(),
        claim: "groups".to_owned(),
        scopes: scopes.map(|(group, scope)| (group.to_owned(), vec![scope.parse().unwrap()])).to_vec(),
    };
    (Arc::clone(&provider), People::new(settings, provider))
}

fn claims() -> Value {
    json!({
        "iss": "https://id.test", "aud": ["ringmain", "other"], "sub": "u-1", "email": "ada@example.com",
        "iat": NOON, "exp": NOON + 600, "groups": ["finance", "everybody"]
    })
}

fn keys(all: &[Value]) -> Value {
    // A kind of key that nobody knows spoils none of the others.
    let mut keys = vec![json!({ "kty": "quantum", "kid": "q" })];
    keys.extend_from_slice(all);
    json!({ "keys": keys })
}

#[tokio::test]
async fn good_tokens_of_both_kinds_let_people_in() {
    let (rsa, ec) = (Signer::rsa(), Signer::ec());
    let (provider, people) = people(Some(keys(&[rsa.jwk("r"), ec.jwk("e")])));
    for (signer, id) in [(&rsa, "r"), (&ec, "e")] {
        let person = people.identify(&signer.token(id, &claims()), at(1)).await.unwrap();
        assert_eq!(person.name, "ada@example.com");
        assert!(person.scopes.iter().any(|scope| scope.allows(Area::Analytics, false)));
        assert!(!person.scopes.iter().any(|scope| scope.allows(Area::Keys, false)));
    }
    assert_eq!(provider.asked.load(Ordering::Relaxed), 1, "keys are kept");
}

#[tokio::test]
async fn whatever_is_wrong_with_a_token_keeps_its_owner_out() {
    let (ec, other) = (Signer::ec(), Signer::ec());
    let (_, people) = people(Some(keys(&[ec.jwk("e")])));
    let with = |key: &str, value: Value| {
        let mut claims = claims();
        claims[key] = value;
        ec.token("e", &claims)
    };
    let good = ec.token("e", &claims());
    let none = format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), good.split('.').nth(1).unwrap());
    let symmetric = format!("{}.x.y", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","kid":"e"}"#));
    let (head, rest) = good.split_once('.').unwrap();
    let forged = format!(
        "{head}.{}.{}",
        URL_SAFE_NO_PAD.encode(with("groups", json!("admins"))),
        rest.split_once('.').unwrap().1
    );
    let table = [
        (with("iss", json!("https://evil.test")), "the token is of another issuer"),
        (with("aud", json!("another")), "the token is for another audience"),
        (with("aud", Value::Null), "the token is for another audience"),
        (with("exp", json!(NOON - 61)), "the token has expired"),
        (with("exp", Value::Null), "the token says not when it expires"),
        (with("nbf", json!(NOON + 120)), "the token is not valid yet"),
        (other.token("e", &claims()), "the token's signature is not the provider's"),
        (other.token("unknown", &claims()), "the token's signature is not the provider's"),
        (forged, "the token's signature is not the provider's"),
        (symmetric, "the token is not signed with RS256 or ES256"),
        (none, "the token cannot be read"),
        ("nonsense".to_owned(), "the token cannot be read"),
        ("a.".repeat(LONGEST), "the token is too long"),
    ];
    for (token, why) in table {
        assert_eq!(people.identify(&token, at(0)).await, Err(why));
    }
    let nobody = people.identify(&with("groups", json!("strangers")), at(0)).await.unwrap();
    assert!(nobody.scopes.is_empty(), "known, and may ask nothing");
}

#[tokio::test]
async fn keys_change_and_the_provider_may_be_out() {
    let (old, new) = (Signer::ec(), Signer::ec());
    let (provider, people) = people(Some(keys(&[old.jwk("old")])));
    let token = |signer: &Signer, id: &str| {
        let mut claims = claims();
        claims["exp"] = json!(NOON + 10 * 24 * 3600);
        signer.token(id, &claims)
    };
    assert!(people.identify(&token(&old, "old"), at(0)).await.is_ok());
    *provider.keys.lock().unwrap() = Some(keys(&[new.jwk("new")]));
    assert!(people.identify(&token(&new, "new"), at(1)).await.is_err(), "not asked for again so soon");
    assert!(people.identify(&token(&new, "new"), at(40)).await.is_ok());
    assert!(people.identify(&token(&old, "old"), at(80)).await.is_err(), "taken out");
    *provider.keys.lock().unwrap() = None;
    assert!(people.identify(&token(&new, "new"), at(2 * 3600)).await.is_ok(), "what is known holds for a day");
    let late = people.identify(&token(&new, "new"), at(30 * 3600)).await;
    assert_eq!(late, Err("the OIDC provider's keys are not known: it does not answer"));
}

#[tokio::test]
async fn a_document_of_another_issuer_is_none() {
    let ec = Signer::ec();
    let (_, mut people) = people(None);
    people.fetch = Arc::new(Provider {
        issuer: "https://evil.test",
        keys: Lock::new(Some(keys(&[ec.jwk("e")]))),
        asked: AtomicUsize::new(0),
    });
    assert!(people.identify(&ec.token("e", &claims()), at(0)).await.is_err());
}

#[test]
fn groups_may_stand_within_other_claims() {
    let (_, mut people) = people(None);
    people.settings.claim = "realm_access.roles".to_owned();
    let scopes = people.scopes(&json!({ "realm_access": { "roles": ["admins"] } }));
    assert_eq!(scopes, [Scope::ALL]);
    people.settings.claim = "https://example.com/groups".to_owned();
    assert_eq!(people.scopes(&json!({ "https://example.com/groups": "admins" })), [Scope::ALL]);
}

//! A service account's signed word for who it is: RFC 7523, RS256.
//!
//! <https://developers.google.com/identity/protocols/oauth2/service-account#authorizingrequests>

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ringmain_core::WallTime;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

/// How long it is good for, in seconds: the most Google takes.
const LIFE: u64 = 3600;

/// Reads the RSA key of a credentials file: PEM, PKCS #8 or PKCS #1.
pub(super) fn private_key(pem: &str) -> Option<KeyPair> {
    match PrivateKeyDer::from_pem_slice(pem.as_bytes()).ok()? {
        PrivateKeyDer::Pkcs8(key) => KeyPair::from_pkcs8(key.secret_pkcs8_der()).ok(),
        PrivateKeyDer::Pkcs1(key) => KeyPair::from_der(key.secret_pkcs1_der()).ok(),
        _ => None,
    }
}

/// The signed assertion that `email` asks `audience` for a token of this scope. `None` if the key cannot sign.
pub(super) fn assertion(
    key: &KeyPair,
    key_id: Option<&str>,
    email: &str,
    audience: &str,
    scope: &str,
    now: WallTime,
) -> Option<String> {
    let mut header = json!({ "alg": "RS256", "typ": "JWT" });
    if let Some(id) = key_id {
        header["kid"] = Value::from(id);
    }
    let issued = now.0 / 1000;
    let claims = json!({ "iss": email, "scope": scope, "aud": audience, "iat": issued, "exp": issued + LIFE });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).ok()?;
    Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

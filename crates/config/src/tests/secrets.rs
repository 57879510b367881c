//! What may never be seen.

use secrecy::ExposeSecret;

use super::{Table, read};

/// Files whose secrets must not come out, with the secrets.
const CASES: &[(&str, &[&str])] = &[
    ("providers: { openai: { keys: ['literal-key'], kys: 1 } }", &["literal-key"]),
    ("providers: { openai: { keys: literal-key, kys: 1 } }", &["literal-key"]),
    ("providers: { openai: { kys: ['literal-key-9'] } }", &["literal-key-9"]),
    ("providers: { openai: { key: sk-proj-abcdef123 } }", &["sk-proj-abcdef123"]),
    ("providers: { openai: { keys: [{ key: literal-key, rpm: x }] } }", &["literal-key"]),
    ("providers: { openai: { keys: [[literal-key]] } }", &["literal-key"]),
    ("providers: { openai: { keys: ['${NOWHERE:-literal-key}'], x: 1 } }", &["literal-key"]),
    ("providers: { openai: { base_url: 'https://user:literal-key@host', keys: ['${GOOD}'] } }", &["literal-key"]),
    ("server: { listen: '${GOOD}', admin: '${SPACED}', admin_secret: '${SPACED}' }", &["good-value", "spa ced"]),
    (
        "routes: [{ name: a, targets: ['${GOOD}/x', '${GOOD}'], match: { operation: '${GOOD}', model: 'x[${GOOD}' } }]",
        &["good-value"],
    ),
    ("providers: { openai: { kind: '${GOOD}', keys: ['${GOOD}'] } }", &["good-value"]),
    ("providers: { openai: { keys: ['file:/key'], x: 1 } }", &["from-a-file"]),
    ("server: { listen: AIzaSyD4abcdefgh1234 }", &["AIzaSyD4abcdefgh1234"]),
    ("server: { gsk_abcdefghijkl123456: 1 }", &["gsk_abcdefghijkl123456"]),
    ("routes: [{ name: '${GOOD}', targets: [openai/gpt-4o] }, { name: '${GOOD}', targets: [] }]", &["good-value"]),
];

fn sources() -> Table {
    let mut table = Table::vars(&[("GOOD", "good-value"), ("SPACED", "spa ced"), ("OPENAI_API_KEY", "good-value")]);
    table.files.insert("/key".to_owned(), "from-a-file\n".to_owned());
    table
}

#[test]
fn no_secret_is_shown() {
    for (text, secrets) in CASES {
        let loaded = read(text, &sources());
        let shown = loaded.diagnostics.render("x.yaml", text, false);
        let json = serde_json::to_string(loaded.diagnostics.as_slice()).unwrap();
        let all = format!("{shown}{json}{:?}", loaded.diagnostics.as_slice());
        assert!(!loaded.diagnostics.as_slice().is_empty(), "{text}");
        for secret in *secrets {
            assert!(!all.contains(secret), "{text}\n{all}");
        }
    }
}

#[test]
fn a_literal_key_works_and_is_warned_about() {
    let text = "providers: { openai: { keys: [literal-key] } }";
    let loaded = read(text, &sources());
    assert_eq!(loaded.diagnostics.as_slice()[0].code.as_str(), "RM0008");
    let config = loaded.config.unwrap();
    assert_eq!(config.providers[0].keys[0].secret().unwrap().expose_secret(), "literal-key");
    assert!(!format!("{config:?}").contains("literal-key"));
}

#[test]
fn files_and_parts() {
    let text = "
providers:
  openai: { keys: ['file:/key', 'sk-${GOOD}', '${GOOD}'] }
";
    let config = read(text, &sources()).config.unwrap();
    let got: Vec<_> =
        config.providers[0].keys.iter().map(|key| key.secret().unwrap().expose_secret().to_owned()).collect();
    assert_eq!(got, ["from-a-file", "sk-good-value", "good-value"]);
    assert!(!format!("{config:?}").contains("good-value"));
}

#[test]
fn aws_keys() {
    let text = "providers: { openai: { keys: [{ access_key: AKIA, secret_key: '${GOOD}', weight: 3 }] } }";
    let config = read(text, &sources()).config.unwrap();
    let key = &config.providers[0].keys[0];
    assert!(matches!(&key.credential, crate::Credential::Aws { access_key, .. } if access_key == "AKIA"));
    assert!(key.secret().is_none() && key.weight == 3.0);
}

//! Vertex AI: credentials, project, location.

use ringmain_core::Operation;

use super::{Table, lines, read};
use crate::{Config, Credential};

const ACCOUNT: &str = r#"{ "type": "service_account", "project_id": "of-the-file",
    "client_email": "a@b", "private_key": "-----BEGIN PRIVATE KEY-----\nhidden" }"#;

/// In the name of an account, by credentials of a type that is not read.
const NESTED: &str = r#"{ "type": "impersonated_service_account", "source_credentials": { "type": "hidden" },
    "service_account_impersonation_url": "https://iamcredentials.googleapis.com/x" }"#;
/// An identity elsewhere.
const FEDERATED: &str = r#"{ "type": "external_account", "audience": "a", "subject_token_type": "t",
    "credential_source": { "file": "/hidden" } }"#;

fn sources(vars: &[(&str, &str)]) -> Table {
    let mut table = Table::vars(vars);
    table.files.insert("/account.json".to_owned(), ACCOUNT.to_owned());
    table.files.insert("/user.json".to_owned(), ACCOUNT.replace("service_account", "authorized_user"));
    table.files.insert("/other.json".to_owned(), ACCOUNT.replace("service_account", "external_account"));
    table
}

fn config(text: &str, vars: &[(&str, &str)]) -> Config {
    let loaded = read(text, &sources(vars));
    let shown = loaded.diagnostics.render("test.yaml", text, false);
    assert!(!shown.contains("hidden"), "{shown}");
    loaded.config.unwrap_or_else(|| panic!("{shown}"))
}

/// The provider as written, the environment; its base URL, the path of a Gemini model, and what the first key is.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str, String, &'a str);

/// Base URL, the path of a Gemini model, and what the first key is.
fn place(config: &Config, name: &str) -> (String, String, &'static str) {
    let provider = config.provider(name).unwrap().1;
    let endpoint = provider.kind.endpoints_for(Operation::Chat, "gemini-x").next().unwrap();
    let key = match &provider.keys[0].credential {
        Credential::None => "none",
        Credential::Secret(_) => "key",
        Credential::Token(_) => "token",
        Credential::Google(_) => "google",
        Credential::Aws { .. } => "aws",
    };
    (provider.base_url.clone(), endpoint.path_for("gemini-x", false), key)
}

#[test]
fn where_a_provider_is() {
    let of = |project: &str, location: &str| {
        format!("/v1/projects/{project}/locations/{location}/publishers/google/models/gemini-x:generateContent")
    };
    let (everywhere, alone) =
        ("https://aiplatform.googleapis.com", "/v1/publishers/google/models/gemini-x:generateContent");
    let env = &[("GOOGLE_CLOUD_PROJECT", "of-env"), ("GOOGLE_CLOUD_LOCATION", "europe-west4")][..];
    let west = "https://europe-west4-aiplatform.googleapis.com";
    let table: &[Case<'_>] = &[
        ("{ project: p }", &[], everywhere, of("p", "global"), "none"),
        ("{ project: p, region: eu }", &[], "https://aiplatform.eu.rep.googleapis.com", of("p", "eu"), "none"),
        ("{ project: p, location: europe-west4 }", &[], west, of("p", "europe-west4"), "none"),
        ("{}", env, west, of("of-env", "europe-west4"), "none"),
        ("{ keys: ['file:/account.json'] }", &[], everywhere, of("of-the-file", "global"), "google"),
        (
            "{ keys: [{ key: '${SA}', weight: 2 }] }",
            &[("SA", ACCOUNT)],
            everywhere,
            of("of-the-file", "global"),
            "google",
        ),
        ("{}", &[("GOOGLE_APPLICATION_CREDENTIALS", "/account.json")], everywhere, of("of-the-file", "global"), "none"),
        ("{ project: p, keys: ['${F}'] }", &[("F", FEDERATED)], everywhere, of("p", "global"), "google"),
        ("{ project: p, keys: ['${T}'] }", &[("T", "ya29.x")], everywhere, of("p", "global"), "token"),
        ("{ project: p, keys: [{ access_token: '${T}' }] }", &[("T", "x")], everywhere, of("p", "global"), "token"),
        // An account that is known by its key needs no project, and the environment's is another's.
        ("{ region: global, keys: ['${K}'] }", &[("K", "AQ.x"), env[0]], everywhere, alone.to_owned(), "key"),
        ("{ project: 'a/../b', keys: ['${K}'] }", &[("K", "AQ.x")], everywhere, of("a%2F..%2Fb", "global"), "key"),
        ("{ project: p, base_url: 'https://proxy.example' }", &[], "https://proxy.example", of("p", "global"), "none"),
    ];
    for (text, vars, url, path, key) in table {
        let config = config(&format!("providers: {{ vertex: {text} }}"), vars);
        assert_eq!(place(&config, "vertex"), ((*url).to_owned(), path.clone(), *key), "{text}");
        assert!(!format!("{config:?}").contains("hidden"));
    }
}

#[test]
fn the_environment_speaks_of_it_with_a_project() {
    let table: &[(&[(&str, &str)], bool)] = &[
        (&[("GOOGLE_APPLICATION_CREDENTIALS", "/account.json"), ("GOOGLE_CLOUD_PROJECT", "p")], true),
        // Credentials may be there for anything.
        (&[("GOOGLE_APPLICATION_CREDENTIALS", "/account.json")], false),
        (&[("GOOGLE_CLOUD_PROJECT", "p")], false),
        (&[("GOOGLE_VERTEX_API_KEY", "AQ.x")], true),
    ];
    for (vars, there) in table {
        let vars = [vars, &[("OPENAI_API_KEY", "sk-x")][..]].concat();
        assert_eq!(config("", &vars).provider("vertex").is_some(), *there, "{vars:?}");
    }
}

#[test]
fn what_is_wrong() {
    let table: &[(&str, &str)] = &[
        (
            "{}",
            "E RM0005 1:14 `vertex` needs a `project`: the requests of Google Vertex AI name one | write `project: my-project`, or set GOOGLE_CLOUD_PROJECT",
        ),
        (
            "{ keys: ['file:/user.json'] }",
            "E RM0004 1:31 `providers.vertex.keys[0]` is no Google credentials file that can be used: it has no `client_id` | ",
        ),
        (
            "{ keys: ['file:/other.json'] }",
            "E RM0004 1:31 `providers.vertex.keys[0]` is no Google credentials file that can be used: its `credential_source` is neither a file nor a URL | ",
        ),
        (
            "{ keys: ['${AWS}'] }",
            "E RM0004 1:31 `providers.vertex.keys[0]` is no Google credentials file that can be used: of its source: its `type` is none of `service_account`, `authorized_user`, `external_account` or `impersonated_service_account` | ",
        ),
        (
            "{ keys: ['${BROKEN}'] }",
            "E RM0004 1:31 `providers.vertex.keys[0]` is no Google credentials file that can be used: it is not JSON | ",
        ),
        (
            "{ kind: openai, keys: ['file:/account.json'] }",
            "E RM0004 1:45 `providers.vertex.keys[0]` is JSON, and OpenAI takes a plain key | ",
        ),
    ];
    for (text, want) in table {
        let text = format!("providers: {{ vertex: {text} }}");
        let loaded = read(&text, &sources(&[("BROKEN", "{ hidden }"), ("AWS", NESTED)]));
        assert_eq!(lines(&loaded), [*want], "{text}");
        assert!(loaded.config.is_none());
    }
}

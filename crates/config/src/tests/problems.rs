//! Wrong texts, and what is said about them.

use super::{env, lines, read};

/// A text, and the beginning of each problem's line.
pub(super) type Case = (&'static str, &'static [&'static str]);

const CASES: &[Case] = &[
    ("sever: {}", &["E RM0002 1:1 there is no setting `sever` here | did you mean `server`?"]),
    (
        "server: { max_body: 64MB, lsten: 1 }",
        &["E RM0002 1:27 there is no setting `lsten` here | did you mean `listen`?"],
    ),
    ("connect: 3s", &["E RM0002 1:1 there is no setting `connect` here | it belongs under `defaults.timeouts`"]),
    (
        "routes: [{ name: a, target: openai/gpt-4o }]",
        &[
            "E RM0005 1:10 the route `a` has no targets",
            "E RM0002 1:21 there is no setting `target` here | did you mean `targets`?",
        ],
    ),
    (
        "server:\n  listen: 127.0.0.1:1\n  listen: 127.0.0.1:2",
        &["E RM0003 3:3 `listen` stands here a second time | it is first on line 2"],
    ),
    (
        "server: { listen: here }",
        &["E RM0004 1:19 `here` is not an address to listen on | write an address and a port"],
    ),
    (
        "server: { listen: '127.0.0.1:1', admin: '127.0.0.1:1' }",
        &["E RM0004 1:41 `listen` and `admin` are the same address"],
    ),
    (
        "providers: { openai: { keys: ['${OPENAI_API_KEY}'], ca_file: nowhere.pem } }",
        &["E RM0006 1:62 the file `nowhere.pem` cannot be read: no such file"],
    ),
    ("server: [1]", &["E RM0004 1:9 `server` takes a mapping of settings, and this is a list"]),
    (
        "defaults: { balance: ordr }",
        &[
            "E RM0004 1:22 `ordr` is not one of `auto`, `order`, `weighted`, `fastest`, `cheapest`, `least-busy`, `adaptive` | did you mean `order`?",
        ],
    ),
    (
        "defaults: { timeouts: { idle: 30, total: 0s, connect: 2 s, first_token: 400d } }",
        &[
            "E RM0004 1:31 `30` is not a duration | write a number and a unit: `250ms`",
            "E RM0004 1:42 `defaults.timeouts.total` is no time at all",
            "E RM0004 1:73 `400d` is not a duration of at most a year",
        ],
    ),
    (
        "defaults: { retries: { backoff: 8s..1s, budget: 20, attempts: 0 } }",
        &[
            "E RM0004 1:33 `8s..1s` is not a range that grows",
            "E RM0004 1:49 `20` is not a share | write it in percent: `5%`",
            "E RM0004 1:63 `0` is not a whole number from 1 to 100",
        ],
    ),
    ("server: { listen: '${NOWHERE}' }", &["E RM0006 1:19 the environment variable `NOWHERE` is not set"]),
    (
        "server: { listen: '${OPENAI_API_KEY}' }",
        &["E RM0004 1:19 what `${OPENAI_API_KEY}` stands for is not an address to listen on | "],
    ),
    ("server: { listen: '${NOWHERE:-127.0.0.1:99}' }", &[]),
    (
        "server: { listen: '${NO WHERE}' }",
        &["E RM0004 1:19 `${` begins the name of an environment variable, and this is none"],
    ),
    ("providers: { openai: { keys: [${OPENAI_API_KEY}] } }", &["E RM0001 1:"]),
    ("server:\n\tlisten: x", &["E RM0001 2:"]),
    ("a: 1\n---\nb: 2", &["E RM0001 3:1 a second document begins here"]),
    (
        "providers: { openai: { keys: ['${OPENAI_API_KEY}', '${OPENAI_API_KEY}'] } }",
        &["W RM0016 1:52 `providers.openai.keys[1]` is the same key as openai#1"],
    ),
    (
        "providers: { openai: { keys: ['${NOWHERE}'] } }\nroutes: [{ name: a, targets: [openai/gpt-4o] }]",
        &["E RM0006 1:31 the environment variable `NOWHERE` is not set"],
    ),
    (
        "providers: { openai: { keys: [] } }",
        &["E RM0005 1:30 `providers.openai.keys` holds no usable key | add `keys: [\"${OPENAI_API_KEY}\"]`"],
    ),
    (
        "providers: { together: {} }",
        &[
            "E RM0005 1:14 the provider `together` has no key | add `keys: [\"${TOGETHER_API_KEY}\"]`, or set TOGETHER_API_KEY",
        ],
    ),
    (
        "providers: { openai: { keys: ['file:/nowhere'] } }",
        &["E RM0006 1:31 the file `/nowhere` cannot be read: no such file"],
    ),
    (
        "providers: { openai: { keys: [{ weight: 2 }] } }",
        &["E RM0005 1:31 `providers.openai.keys[0]` needs `key`, or `access_token`, or `access_key` and `secret_key`"],
    ),
    (
        "providers: { antropic: { keys: ['${ANTHROPIC_API_KEY}'] } }",
        &[
            "E RM0009 1:14 the catalog has no provider `antropic`, so `kind` must say what it is | did you mean `anthropic`?",
        ],
    ),
    (
        "providers: { mine: { kind: opnai, keys: ['${OPENAI_API_KEY}'] } }",
        &["E RM0009 1:28 the catalog has no kind of provider `opnai` | did you mean `openai`?"],
    ),
    (
        "providers: { az: { kind: azure-openai, keys: ['${AZURE_EU_KEY}'] } }",
        &["E RM0005 1:14 `az` needs a `base_url`"],
    ),
    (
        "providers: { openai: { base_url: api.openai.com, keys: ['${OPENAI_API_KEY}'] } }",
        &["E RM0004 1:34 `providers.openai.base_url` is not an http or https URL | it begins with `https://`"],
    ),
    (
        "providers: { openai: { base_url: 'http://10.0.0.1/v1', keys: ['${OPENAI_API_KEY}'] } }",
        &["W RM0013 1:34 `providers.openai.base_url` is not encrypted"],
    ),
    (
        "providers: { openai: { dialect: gemini, keys: ['${OPENAI_API_KEY}'] } }",
        &["E RM0004 1:33 OpenAI does not speak `gemini` | it speaks `openai-chat`"],
    ),
    (
        "routes: [{ name: a, targets: [opnai/gpt-4o] }]",
        &["E RM0009 1:31 there is no provider `opnai` | did you mean `openai/gpt-4o`?"],
    ),
    (
        "routes: [{ name: a, targets: [gpt-4o] }]",
        &["E RM0004 1:31 `gpt-4o` is not `provider/model` | did you mean `openai/gpt-4o`?"],
    ),
    (
        "routes: [{ name: a, targets: [openai/gpt-4p] }]",
        &[
            "W RM0010 1:31 the catalog does not know the model `gpt-4p` at `openai`; it is asked for as written | the nearest names are `gpt-4",
        ],
    ),
    (
        "routes: [{ name: a, targets: [together/x, openai/gpt-4o] }]",
        &["W RM0009 1:31 `together/x` is left out: its provider is not configured | set TOGETHER_API_KEY"],
    ),
    (
        "routes: [{ name: a, targets: [bedrock/x] }]",
        &[
            "E RM0015 1:10 no target of the route `a` can be used",
            "W RM0007 1:31 `bedrock/x` is left out: the provider is not available yet: requests cannot be signed for AWS yet",
        ],
    ),
    ("routes: [{ targets: [openai/gpt-4o] }]", &["E RM0005 1:10 `routes[0]` has no `name`"]),
    (
        "routes:\n  - { name: a, targets: [openai/gpt-4o] }\n  - { name: a, targets: [openai/gpt-4o] }",
        &["E RM0011 3:13 there is a route `a` already | it is on line 2"],
    ),
    (
        "routes: [{ name: a, targets: [openai/gpt-4o, openai/gpt-4o] }]",
        &["W RM0016 1:46 `openai/gpt-4o` is a target of this route already"],
    ),
    (
        "routes: [{ name: a, targets: [{ to: openai/gpt-4o, weight: 1 }, openai/o3] }]",
        &["W RM0012 1:21 `openai/o3` has no weight beside targets that have"],
    ),
    (
        "routes: [{ name: a, balance: order, targets: [{ to: openai/gpt-4o, weight: 1 }] }]",
        &["W RM0012 1:37 with `balance: order` the weights here have no effect"],
    ),
    (
        "routes: [{ name: a, targets: [{ to: openai/gpt-4o, weight: -1, tier: 0 }] }]",
        &["E RM0004 1:60 `-1` is not a weight", "E RM0004 1:70 `0` is not a whole number from 1 to 255"],
    ),
    (
        "routes:\n  - { name: a, match: {}, targets: [openai/gpt-4o] }\n  - { name: b, targets: [openai/gpt-4o] }",
        &["W RM0016 3:5 route `b` is never reached: `a` before it takes every request"],
    ),
    (
        "routes: [{ name: a, match: { operation: chats, tokens: 50k, model: 'gpt-[', stream: yes }, targets: [openai/gpt-4o] }]",
        &[
            "E RM0004 1:41 `chats` is not one of `chat`",
            "E RM0004 1:56 `50k` is not a bound on tokens | write a comparison and a number",
            "E RM0004 1:68 `gpt-[` is not a glob",
            "E RM0004 1:85 `yes` is not true or false",
        ],
    ),
    (
        "routes: [{ name: a, match: { key: 'team[' }, targets: [openai/gpt-4o] }]",
        &["E RM0004 1:35 `team[` is not a glob"],
    ),
    (
        "keys: [{ name: a, hash: 'sha256:12' }, { name: 'a b', key: '${OPENAI_API_KEY}' }, { key: '${OPENAI_API_KEY}' }, { name: c }]",
        &[
            "E RM0004 1:25 `keys[0].hash` is no hash of a key | write `sha256:` and 64 hex digits",
            "E RM0004 1:48 `a b` is no name of a key",
            "E RM0005 1:83 `keys[2]` has no `name`",
            "E RM0005 1:113 `keys[3]` takes either `key` or `hash`",
        ],
    ),
    (
        "keys: [{ name: a, key: '${OPENAI_API_KEY}', group: a//b, expires: soon, limits: [$5, 10 at once], on_exhausted: 'route:x' }]",
        &[
            "E RM0004 1:52 `a//b` is no path of a group",
            "E RM0004 1:67 `soon` is not a date | write it like `2027-01-31`",
            "E RM0004 1:82 `$5` is not a limit | write `60 requests/minute`",
            "E RM0004 1:113 `route:x` names no route",
        ],
    ),
    (
        "keys: [{ name: a, key: '${OPENAI_API_KEY}', group: acme/serch }]\ngroups: { acme/search: {}, other: {} }",
        &["W RM0016 1:52 nothing is said of the group `acme/serch` | did you mean `acme/search`?"],
    ),
    ("keys: [{ name: a, key: '${OPENAI_API_KEY}', group: acme }]\ngroups: { acme/search: {} }", &[]),
    ("keys: [{ name: a, key: '${OPENAI_API_KEY}', group: acme/new }]\ngroups: { acme: {}, other/place: {} }", &[]),
    (
        "groups: { acme/: {}, acme: { limit: $5/day } }",
        &[
            "E RM0004 1:11 `acme/` is no path of a group",
            "E RM0002 1:30 there is no setting `limit` here | did you mean `limits`?",
        ],
    ),
    ("state: { database: 'postgres://x', shared: memory, analytics: database, journal: /var/lib/spill }", &[]),
    (
        "state: { analytics: 'clickhouse://x' }",
        &["W RM0007 1:10 `state.analytics` is not available yet: analytics are answered from `state.database`"],
    ),
    ("state: { database: 'sqlite:ringmain.db', shared: memory }\ndefaults: { affinity: prefix, resume: auto }", &[]),
    ("defaults: { affinity: off, resume: off, hedge: { after: off } }", &[]),
    ("state: { shared: memory }", &[]),
    ("state: { shared: 'redis://:secret@cache:6379/2' }", &[]),
    ("state: { shared: 'rediss://cache' }", &[]),
    (
        "state: { shared: 'memcached://:secret@cache' }",
        &["E RM0004 1:18 `state.shared` is neither `memory` nor a Redis server | write `redis://host:6379`"],
    ),
    ("state: { ca_file: nowhere.pem }", &["E RM0006 1:19 the file `nowhere.pem` cannot be read: no such file"]),
    ("state: { database: 'sqlite:/var/lib/ringmain.db', keep: 7d }", &[]),
    ("state: { database: 'mysql://root:secret@db' }", &["E RM0004 1:20 `state.database` is no database"]),
    ("routes: [{ name: a, targets: [openai/gpt-4o] }, null]", &["E RM0004 1:49 `routes[1]` is empty"]),
    (
        "providers: { bedrock: { region: us-east-1 } }",
        &[
            "E RM0015 0:0 none of the providers here can be used",
            "W RM0007 1:14 the provider `bedrock` is not available yet: requests cannot be signed for AWS yet",
        ],
    ),
    ("- 1", &["E RM0004 1:1 the file takes a mapping of settings, and this is a list"]),
];

#[test]
fn every_problem_with_its_place() {
    check(CASES);
}

/// Every text with all that is said of it, and no configuration where one of it is an error.
pub(super) fn check(cases: &[Case]) {
    let mut wrong = String::new();
    for (text, expected) in cases {
        let loaded = read(text, &env());
        let got = lines(&loaded);
        let fits = got.len() == expected.len()
            && got.iter().zip(*expected).all(|(got, want)| {
                got.starts_with(want) || {
                    // A want with a help holds a beginning of it.
                    want.split_once(" | ").is_some_and(|(what, help)| {
                        got.split_once(" | ").is_some_and(|(g, h)| g.starts_with(what) && h.starts_with(help))
                    })
                }
            });
        let errors = got.iter().any(|line| line.starts_with('E'));
        if !fits || loaded.config.is_some() == errors {
            wrong += &format!("{text}\n  want {expected:#?}\n  got {got:#?}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn problems_are_shown_with_their_line() {
    let text = "server:\n  listen: 127.0.0.1:8080\n  max_bdy: 1MiB\n";
    let shown = read(text, &env()).diagnostics.render("ringmain.yaml", text, false);
    let expected = "\
error[RM0002]: there is no setting `max_bdy` here
  --> ringmain.yaml:3:3
  |
3 |   max_bdy: 1MiB
  |   ^^^^^^^
  = help: did you mean `max_body`?

";
    assert_eq!(shown, expected);
    assert!(read(text, &env()).diagnostics.render("x", text, true).contains("\u{1b}[1;31merror"));
}

#[test]
fn problems_are_data_too() {
    let loaded = read("sever: {}", &env());
    let json = serde_json::to_value(loaded.diagnostics.as_slice()).unwrap();
    assert_eq!(json[0]["code"], "RM0002");
    assert_eq!(
        (json[0]["severity"].as_str(), json[0]["line"].as_u64(), json[0]["length"].as_u64()),
        (Some("error"), Some(1), Some(5))
    );
    assert_eq!(json[0]["help"], "did you mean `server`?");
}

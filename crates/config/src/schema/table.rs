//! The table of settings.

use super::{Setting, Shape, Word};

const fn now(key: &'static str, shape: Shape, default: &'static str, doc: &'static str) -> Setting {
    Setting { key, shape, default, doc, later: None }
}

const fn later(key: &'static str, shape: Shape, default: &'static str, will: &'static str) -> Setting {
    Setting { key, shape, default, doc: will, later: Some(will) }
}

const fn word(name: &'static str) -> Word {
    Word { name, later: None }
}

/// The whole file.
pub(crate) static ROOT: &[&[Setting]] = &[&[
    now("server", Shape::Section(&[SERVER]), "", "Listeners and limits."),
    now(
        "providers",
        Shape::Named(&Shape::Section(&[PROVIDER])),
        "",
        "The providers, by names of your own. Without this section: those whose keys are in the environment.",
    ),
    now(
        "routes",
        Shape::List(&Shape::Section(&[ROUTE, DEFAULTS])),
        "",
        "Which requests go where; tried in file order.",
    ),
    now("defaults", Shape::Section(&[DEFAULTS]), "", "What every route inherits; a route may say any of it otherwise."),
    now(
        "keys",
        Shape::List(&Shape::Section(&[CALLER_KEY, GRANTS])),
        "",
        "Virtual keys: who may call. Once there is one, here or in the database, callers must show theirs.",
    ),
    now(
        "groups",
        Shape::Named(&Shape::Section(&[GRANTS])),
        "",
        "Groups of keys, by path: `acme`, and within it `acme/search`. What a group may use, its keys share.",
    ),
    now("state", Shape::Section(&[STATE]), "", "Where things are kept."),
    now("telemetry", Shape::Section(&[TELEMETRY]), "", "Where measurements are sent."),
]];

pub(crate) static SERVER: &[Setting] = &[
    now("listen", Shape::Address, "127.0.0.1:8080", "The address applications talk to."),
    now("admin", Shape::Address, "127.0.0.1:8081", "The address of the dashboard, the admin API and `/metrics`."),
    now("max_body", Shape::Size, "64MiB", "The largest request body; over it, 413 in the caller's dialect."),
    now(
        "max_held",
        Shape::Size,
        "1GiB",
        "What request bodies over 1 MiB may take together. Who comes then waits, for 60 s at most; after that, 503.",
    ),
    now("workers", Shape::WholeOrAuto { max: 1024 }, "auto", "Threads; `auto` is one for each core."),
    now("drain", Shape::Duration, "30s", "How long answers may go on flowing after SIGTERM."),
    now(
        "admin_secret",
        Shape::Secret,
        "",
        "The secret of the admin plane. Needed where that listens on anything but loopback; and where the data plane does, unless there are virtual keys.",
    ),
    now(
        "oidc",
        Shape::Section(&[OIDC]),
        "",
        "Who says who people are: the admin plane takes their tokens, and asks for one where it took anybody on this machine.",
    ),
];

pub(crate) static OIDC: &[Setting] = &[
    now("issuer", Shape::Url, "", "The OpenID Connect provider; its keys are found from here."),
    now("audience", Shape::Text, "", "For whom its tokens are: the client id of this gateway there."),
    now(
        "claim",
        Shape::Text,
        "groups",
        "Which claim of a token names groups; `realm_access.roles` is one within another.",
    ),
    now(
        "scopes",
        Shape::Named(&Shape::OneOrMany(&Shape::Text)),
        "",
        "What each group may ask: `*:read`, `keys:write`, or AREA:read or AREA:write of any area.",
    ),
];

static PROVIDER: &[Setting] = &[
    now("kind", Shape::Text, "", "The catalog's id of the provider. Default: the name, where the catalog has it."),
    now("base_url", Shape::Url, "", "What the vendor's own SDK would be given. Default: the catalog's."),
    now(
        "keys",
        Shape::OneOrMany(&Shape::Either(&Shape::Secret, &Shape::Section(&[KEY]))),
        "",
        "Its keys; several are one pool. Default: the environment variable of its kind.",
    ),
    now(
        "dialect",
        Shape::Dialect,
        "",
        "The one dialect to speak. Default: the caller's where it can, else its kind's.",
    ),
    now(
        "region",
        Shape::Text,
        "",
        "Where it is: what `regions` looks at, and part of the base URL of kinds that have one.",
    ),
    now(
        "heartbeat",
        Shape::Either(&Shape::Switch, &Shape::Section(&[HEARTBEAT])),
        "off",
        "Asks the provider by itself whether what is out is well again. `on`, or how often, or a mapping.",
    ),
    now(
        "models",
        Shape::Named(&Shape::Either(&Shape::Text, &Shape::Section(&[MODEL]))),
        "",
        "Models that it knows by names which are not the catalog's, each with what it is: `our-deployment: gpt-4o`, or a mapping.",
    ),
    now("location", Shape::Text, "", "The same as `region`, in Google's word for it."),
    now(
        "project",
        Shape::Text,
        "",
        "The cloud project that pays (Vertex AI). Default: the environment's, else that of the credentials.",
    ),
    now(
        "ca_file",
        Shape::Text,
        "",
        "A file of PEM certificates to trust there, beside the system's. It is read again at each reload.",
    ),
];

static MODEL: &[Setting] = &[
    now(
        "is",
        Shape::Text,
        "",
        "The catalog's name of what it is: of this kind's models, or `kind/model` of another's. Default: its own name.",
    ),
    now("price", Shape::Section(&[PRICE]), "", "What it costs. Default: the list price of what it is."),
];

static PRICE: &[Setting] = &[
    now("input", Shape::Money, "", "A million input tokens."),
    now("output", Shape::Money, "$0", "A million output tokens, reasoning included."),
    now("cache_read", Shape::Money, "", "A million read from the prompt cache. Default: that of `input`."),
    now("cache_write", Shape::Money, "", "A million written to it. Default: that of `input`."),
    now("per_image", Shape::Money, "", "An image that it makes."),
    now("per_minute", Shape::Money, "", "A minute of sound."),
    now("per_million_characters", Shape::Money, "", "A million characters that it speaks."),
];

static KEY: &[Setting] = &[
    now("key", Shape::Secret, "", "The key; for Vertex AI also the text of a Google credentials file."),
    now("access_token", Shape::Secret, "", "A token that somebody else renews, sent as a bearer token."),
    now("access_key", Shape::Text, "", "The id of an AWS key pair."),
    now("secret_key", Shape::Secret, "", "The secret of an AWS key pair."),
    now("session_token", Shape::Secret, "", "The token of temporary AWS credentials."),
    now("weight", Shape::Weight, "1", "Its share of the provider's traffic, relative to the other keys'."),
    now(
        "rpm",
        Shape::Count,
        "",
        "The most requests a minute with this key. What the provider says of it counts besides.",
    ),
    now("tpm", Shape::Count, "", "The most tokens a minute with this key, input and output."),
];

static CALLER_KEY: &[Setting] = &[
    now("name", Shape::Text, "", "What people call it; records and measurements name it so."),
    now("key", Shape::Secret, "", "What the caller shows."),
    now("hash", Shape::Text, "", "In place of `key`: its SHA-256, `sha256:` and 64 hex digits."),
    now("group", Shape::Text, "", "The group it belongs to: `acme/search`."),
    now("expires", Shape::Date, "", "From when on it lets nobody in: `2027-01-31`."),
];

static GRANTS: &[Setting] = &[
    now("routes", Shape::OneOrMany(&Shape::Pattern), "", "The only routes that may be taken: names or globs."),
    now(
        "models",
        Shape::OneOrMany(&Shape::Pattern),
        "",
        "The only models that may be asked for, as the caller writes them: names or globs.",
    ),
    now("tags", Shape::Named(&Shape::Text), "", "Tags that its requests carry, whatever the caller says."),
    now(
        "limits",
        Shape::OneOrMany(&Shape::Limit),
        "",
        "What may be used: `60 requests/minute`, `2M tokens/day`, `$50/month`, `10 at once`. Minute to month are the \
         calendar's, in UTC; a duration such as `60s` or `30d` is the time that has just gone by. A key's own and those \
         of all its groups hold.",
    ),
    now(
        "on_exhausted",
        Shape::Text,
        "error",
        "When a limit on money or tokens is used up: `error` is 429 with the time it returns, `route:cheap` takes that \
         route instead, which no such limit then holds back. Limits on requests and on what runs at one time always hold.",
    ),
];

pub(crate) static HEARTBEAT: &[Setting] = &[
    now("every", Shape::Duration, "30s", "How often, give or take a tenth; and when a request would else have to try."),
    now(
        "by",
        Shape::Words(&[word("models"), word("token")]),
        "models",
        "`models`: the list of models, which is free and says that host and key are well. `token`: a request for one \
         token of each chat model of the routes, which says that the model answers, and costs money.",
    ),
    now(
        "when",
        Shape::Words(&[word("out"), word("always")]),
        "out",
        "`out`: only while a target, the host or a key is out. `always`: also while all is well, so that an outage is \
         found without traffic.",
    ),
];

static ROUTE: &[Setting] = &[
    now("name", Shape::Text, "", "Its name; the route also answers to it as a model."),
    now(
        "match",
        Shape::Section(&[MATCH]),
        "",
        "Which requests it takes: those that meet all conditions. Without `match` it is reached by its name alone; \
         `match: {}` takes every request.",
    ),
    now(
        "targets",
        Shape::OneOrMany(&Shape::Either(&Shape::Target, &Shape::Section(&[TARGET]))),
        "",
        "What may serve it: `provider/model`, or a mapping with `to`.",
    ),
    now(
        "shift",
        Shape::Section(&[SHIFT]),
        "",
        "Moves weight away from a target that measures worse than a bound, to those of its tier that do not.",
    ),
];

static MATCH: &[Setting] = &[
    now(
        "operation",
        Shape::OneOrMany(&Shape::Operation),
        "",
        "What is asked: `chat` (and counting its tokens), `embeddings`, `images`, `image-edits`, `speech`, \
         `transcription`, `moderation`, `rerank`, …",
    ),
    now("model", Shape::OneOrMany(&Shape::Pattern), "", "The model as the caller wrote it: names or globs."),
    now("header.*", Shape::OneOrMany(&Shape::Pattern), "", "A request header's value: names or globs; `*` for any."),
    now("tag.*", Shape::OneOrMany(&Shape::Pattern), "", "The value of a tag from `x-ringmain-tag`: names or globs."),
    now("stream", Shape::Flag, "", "Is a stream wanted?"),
    now("tokens", Shape::Tokens, "", "The estimated input tokens: `\"> 50k\"`."),
    now(
        "key",
        Shape::OneOrMany(&Shape::Pattern),
        "",
        "The caller's virtual key, by name, or by group and name: `prod`, `acme/search/*`.",
    ),
];

static TARGET: &[Setting] = &[
    now("to", Shape::Target, "", "`provider/model`; the model may hold further slashes."),
    now("weight", Shape::Weight, "", "Its share within its tier, relative to the others'. 0: only when they are out."),
    now("tier", Shape::Whole { min: 1, max: 255 }, "1", "Tier 2 is asked only when tier 1 has nothing to offer."),
    now(
        "max_in_flight",
        Shape::Whole { min: 1, max: 1_000_000 },
        "",
        "The most attempts running there at once, of all routes; further requests go to the next target.",
    ),
    now("rpm", Shape::Count, "", "The most requests a minute sent there, of all routes."),
    now("tpm", Shape::Count, "", "The most tokens a minute, input and output, of all routes."),
];

pub(crate) static SHIFT: &[Setting] = &[
    now(
        "when",
        Shape::Trend,
        "",
        "A measure of a target and a bound: p50, p90, p95, p99 or mean of `ttft` (first token), `latency` (whole \
         answer) or `cost`, or `error_rate`, and > or <: `p95(ttft) > 2s`, `error_rate > 5%`, `mean(cost) > $0.01`.",
    ),
    now("over", Shape::Duration, "1m", "The window it is measured over."),
    now("floor", Shape::Share, "5%", "The share every healthy target keeps, so that it can be seen to recover."),
];

/// The values here are what the program does when nothing is written.
pub(crate) static DEFAULTS: &[Setting] = &[
    now(
        "balance",
        Shape::Words(&[
            word("auto"),
            word("order"),
            word("weighted"),
            word("fastest"),
            word("cheapest"),
            word("least-busy"),
            word("adaptive"),
        ]),
        "auto",
        "How to choose within a tier: `order` is primary, then failover; `weighted` by weight; `auto` is `weighted` \
         where a target has a weight and `order` where none has. `fastest`: the soonest whole answer. `cheapest`: the \
         least money for this request. `least-busy`: the fewest requests in flight, relative to weight. `adaptive`: \
         the least sum of money, time and risk.",
    ),
    now("adaptive", Shape::Section(&[ADAPTIVE]), "", "What `balance: adaptive` takes time and failure to be worth."),
    now(
        "affinity",
        Shape::Words(&[word("prefix"), word("session"), word("off")]),
        "prefix",
        "What keeps the turns of a conversation at one target, while that is fit. `prefix`: the beginning of its prompt, \
         from the second turn on, where the provider's prompt cache is warm; a caller that names its session in the \
         header `x-ringmain-session` is kept by that name. `session`: by that name alone.",
    ),
    now(
        "regions",
        Shape::OneOrMany(&Shape::Pattern),
        "",
        "The only regions that may serve: names or globs for a provider's `region`; one without a region is out. `[]` \
         in a route lifts what `defaults` say.",
    ),
    now(
        "resume",
        Shape::Words(&[word("auto"), word("off")]),
        "auto",
        "A stream that dies mid-answer is continued elsewhere where that is safe: not in a tool call, a JSON answer or \
         signed reasoning. `off`: it ends with an error.",
    ),
    now(
        "mix_embeddings",
        Shape::Flag,
        "false",
        "Embeddings: vectors of two models cannot be compared, so only targets of the model that is asked for (else of the \
         first target's) stand in for each other. `true`: any target may, for a route whose names mislead or whose \
         vectors are never compared.",
    ),
    now(
        "on_refusal",
        Shape::Words(&[word("return"), word("next")]),
        "return",
        "A content filter's refusal is the answer, or `next` asks another target.",
    ),
    now(
        "on_loss",
        Shape::Words(&[word("allow"), word("warn"), word("reject")]),
        "warn",
        "What a translation cannot carry: `allow`, `warn` (a header), or `reject` (400 naming the field).",
    ),
    now("timeouts", Shape::Section(&[TIMEOUTS]), "", "The clocks of a request."),
    now("retries", Shape::Section(&[RETRIES]), "", "How often to try again."),
    now("breaker", Shape::Section(&[BREAKER]), "", "When a target that fails is left alone."),
    now("hedge", Shape::Section(&[HEDGE]), "", "Racing the slowest requests."),
];

static TIMEOUTS: &[Setting] = &[
    now("connect", Shape::Duration, "3s", "DNS, TCP and TLS together."),
    now(
        "race_after",
        Shape::DurationOrOff,
        "10s",
        "No useful token yet: the next target is started beside this one. 60s for models that reason or write down speech, 20s for those that make images, unless written.",
    ),
    now("first_token", Shape::Duration, "120s", "No useful token yet: this attempt is given up."),
    now("idle", Shape::Duration, "30s", "Silence inside a stream."),
    now("total", Shape::Duration, "10m", "The whole request, every attempt; an answer that flows is never cut by it."),
];

static RETRIES: &[Setting] = &[
    now("attempts", Shape::Whole { min: 1, max: 100 }, "5", "Over all targets, the first included. 1: no retry."),
    now(
        "backoff",
        Shape::Range,
        "250ms..8s",
        "Waits before the same target again: exponential, full jitter. A provider's Retry-After stands above it.",
    ),
    now("budget", Shape::Share, "20%", "Retries as a share of recent requests, and 10 a second besides."),
];

static BREAKER: &[Setting] = &[
    now("failures", Shape::Whole { min: 1, max: 1000 }, "5", "This many failures in a row open it."),
    now("error_rate", Shape::Share, "50%", "Or this share of at least 10 answers within 30 s."),
    now("open_for", Shape::Range, "5s..5m", "How long it stays open: doubling, with jitter, then one probe."),
    now("ramp", Shape::Duration, "20s", "How long its share takes to rise again."),
];

static HEDGE: &[Setting] = &[
    now(
        "after",
        Shape::Hedge,
        "off",
        "A request that is slower than this is raced by a second one: a percentile of the target's own times to the \
         first token, or a duration.",
    ),
    now("budget", Shape::Share, "2%", "The most of all requests that may be raced so."),
];

// A second at the US federal minimum wage, $7.25 an hour, is $0.002. A failure is taken for five seconds: what linkerd's
// load biaser adds for one. Two requests in a hundred find out what the others would have done: the share that hedging
// may cost, too.
static ADAPTIVE: &[Setting] = &[
    now("second", Shape::Money, "$0.002", "What a second of a caller's time is worth."),
    now("failure", Shape::Money, "$0.01", "What a failed attempt costs, the time it took aside."),
    now("explore", Shape::Share, "2%", "The share of requests that find out how the other targets do."),
];

pub(crate) static STATE: &[Setting] = &[
    now(
        "database",
        Shape::Text,
        "",
        "Where requests, virtual keys and the ledger are kept: `sqlite:ringmain.db`, or for several processes \
         `postgres://user:password@host/name`. Without it the latest requests are kept in memory.",
    ),
    now(
        "journal",
        Shape::Text,
        "ringmain.spill",
        "The folder on this machine where records wait for a database on a server. SQLite has its own beside the file.",
    ),
    now("keep", Shape::Duration, "30d", "How long requests are kept in the database."),
    now(
        "shared",
        Shape::Text,
        "memory",
        "Where several processes hold limits together: `redis://host:6379`, or `rediss://…` for TLS (Redis or Valkey). `memory`: \
         each holds its own.",
    ),
    now(
        "ca_file",
        Shape::Text,
        "",
        "A file of PEM certificates to trust at the servers of `database` and `shared`, beside the system's. It is read \
         at the start.",
    ),
    later(
        "analytics",
        Shape::Text,
        "database",
        "analytics are answered from `state.database`; ClickHouse is left out until it can be had in tests",
    ),
];

pub(crate) static TELEMETRY: &[Setting] = &[
    now(
        "otlp",
        Shape::Url,
        "",
        "Where traces and metrics are sent, as OpenTelemetry's protocol has it: over gRPC to the port 4317 of an `http://` \
         address, over HTTP elsewhere, such as `http://collector:4318`. Holds from the next start on.",
    ),
    now("service_name", Shape::Text, "ringmain", "What this process is called there."),
];

//! Which headers cross the gateway. From the caller only what is named here or in the catalog; from the provider all but
//! what is between it and us, or about the account the gateway has there. See `docs/surface.md`.

use http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, DATE, LOCATION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, SERVER,
    SET_COOKIE, TRANSFER_ENCODING, VIA, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use ringmain_catalog::{Endpoint, Provider};
use ringmain_core::{Dialect, Seed};
use ringmain_dialects::Loss;
use ringmain_wire::json::{Document, Edit};

use crate::inspect::Inspected;
use crate::target::Target;

static ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");
static ANTHROPIC_BETA: HeaderName = HeaderName::from_static("anthropic-beta");
static OPENAI_BETA: HeaderName = HeaderName::from_static("openai-beta");
static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The longest idempotency key that goes on with something added to it.
const IDEMPOTENCY_MAX: usize = 200;
/// Where a Claude elsewhere is told of features in beta.
const BETA_FIELD: &str = "/additionalModelRequestFields/anthropic_beta";

/// The headers of a request for a target, beside those that every request to it has.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    /// What goes along.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// What has a place in the body.
    pub(crate) edit: Option<Edit>,
}

/// Picks what this target reads of the caller's headers; features it will not see are lost.
pub(crate) fn passed(
    request: &Inspected,
    target: &Target,
    endpoint: &Endpoint,
    document: &Document,
    losses: &mut Vec<Loss>,
) -> Passed {
    let mut passed = Passed::default();
    let (from, kind) = (&request.headers, &target.provider.kind);
    if from.is_empty() {
        return passed;
    }
    let same = endpoint.dialect.is_none_or(|dialect| dialect == request.facts.dialect);
    let mut all = |name: &HeaderName| {
        passed.headers.extend(from.get_all(name).iter().map(|value| (name.clone(), value.clone())));
    };
    match request.facts.dialect {
        Dialect::AnthropicMessages if same => all(&ANTHROPIC_VERSION),
        Dialect::OpenAiChat | Dialect::OpenAiResponses if from.contains_key(&OPENAI_BETA) => {
            if same {
                all(&OPENAI_BETA);
            } else {
                losses.push(Loss::dropped(OPENAI_BETA.as_str()));
            }
        }
        _ => {}
    }
    kind.pass_headers.iter().filter_map(|name| name.parse().ok()).for_each(|name: HeaderName| all(&name));
    if request.facts.dialect == Dialect::AnthropicMessages && from.contains_key(&ANTHROPIC_BETA) {
        betas(from, kind, endpoint, document, losses, &mut passed);
    }
    if let Some(key) = from.get(&IDEMPOTENCY_KEY) {
        let key = idempotency_key(key, target, request.route.policy.candidates.len());
        passed.headers.extend(key.map(|key| (IDEMPOTENCY_KEY.clone(), key)));
    }
    passed
}

/// Features in beta: in the header where the provider speaks this dialect, in the body where a Claude is asked in AWS's,
/// nowhere else.
fn betas(
    from: &HeaderMap,
    kind: &Provider,
    endpoint: &Endpoint,
    document: &Document,
    losses: &mut Vec<Loss>,
    passed: &mut Passed,
) {
    let values = from.get_all(&ANTHROPIC_BETA).iter().filter_map(|value| value.to_str().ok());
    let asked: Vec<&str> = values.flat_map(|value| value.split(',')).map(str::trim).filter(|n| !n.is_empty()).collect();
    let taken: Vec<&str> = asked.iter().copied().filter(|name| takes(kind, name)).collect();
    let has_place = match endpoint.dialect {
        Some(Dialect::AnthropicMessages) if taken == asked => {
            // As they came.
            let values = from.get_all(&ANTHROPIC_BETA).iter();
            passed.headers.extend(values.map(|value| (ANTHROPIC_BETA.clone(), value.clone())));
            true
        }
        Some(Dialect::AnthropicMessages) => {
            let value = HeaderValue::try_from(taken.join(",")).ok().filter(|_| !taken.is_empty());
            passed.headers.extend(value.map(|value| (ANTHROPIC_BETA.clone(), value)));
            true
        }
        Some(Dialect::BedrockConverse) if !document.has(BETA_FIELD) => {
            let value = serde_json::Value::from(taken.clone()).to_string();
            passed.edit = (!taken.is_empty()).then(|| Edit::set(BETA_FIELD, value));
            true
        }
        _ => false,
    };
    if !has_place || taken != asked {
        losses.push(Loss::dropped(ANTHROPIC_BETA.as_str()));
    }
}

/// Does this kind of provider know the feature? One that lists none is Anthropic's own API, or as good as it.
fn takes(kind: &Provider, beta: &str) -> bool {
    kind.betas.as_ref().is_none_or(|known| known.iter().any(|known| known == beta))
}

/// A caller's key for "the same request" as this target is told it. A retry there has the same one. Where another target
/// could get it too it is made the target's own: two models of one account would else be told that two different bodies
/// are the same request.
fn idempotency_key(key: &HeaderValue, target: &Target, candidates: usize) -> Option<HeaderValue> {
    if candidates <= 1 {
        return Some(key.clone());
    }
    let text = key.to_str().ok()?;
    let own = Seed(0).draw(text).draw(&target.name.to_string()).0;
    let text = if text.len() > IDEMPOTENCY_MAX { &text[..IDEMPOTENCY_MAX] } else { text };
    HeaderValue::try_from(format!("{text}-{own:016x}")).ok()
}

/// Headers of a provider's answer that end here.
static KEPT_BACK: [HeaderName; 22] = [
    // Between it and us.
    CONNECTION,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    DATE,
    LOCATION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    SERVER,
    SET_COOKIE,
    TRANSFER_ENCODING,
    VIA,
    WWW_AUTHENTICATE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("te"),
    HeaderName::from_static("trailer"),
    HeaderName::from_static("upgrade"),
    HeaderName::from_static("alt-svc"),
    HeaderName::from_static("strict-transport-security"),
    // Whose account the gateway has there.
    HeaderName::from_static("openai-organization"),
    HeaderName::from_static("openai-project"),
    HeaderName::from_static("anthropic-organization-id"),
];

/// Families of such headers: what stands in front of the provider, rules for browsers, and a gateway's own words.
const KEPT_BACK_FAMILIES: [&str; 5] = ["access-control-", "cf-", "x-envoy-", "x-ringmain-", "report-"];

/// Headers that `connection` names: for the next neighbour alone.
pub(crate) fn nominated(headers: &HeaderMap) -> Vec<HeaderName> {
    let lines = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).filter_map(|name| name.trim().parse().ok()).collect()
}

/// The headers of a relayed answer that the caller gets.
pub(crate) fn to_caller(mut headers: HeaderMap) -> HeaderMap {
    let nominated = nominated(&headers);
    let of_family = |name: &&HeaderName| KEPT_BACK_FAMILIES.iter().any(|family| name.as_str().starts_with(family));
    let families: Vec<HeaderName> = headers.keys().filter(of_family).cloned().collect();
    for name in KEPT_BACK.iter().chain(&nominated).chain(&families) {
        headers.remove(name);
    }
    headers
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ringmain_catalog::Quirks;
    use ringmain_config::OnLoss;
    use ringmain_core::Operation;

    use super::*;
    use crate::testing::{chat, kind, link, request, route, target, target_of};

    use Dialect::{AnthropicMessages, OpenAiChat, OpenAiResponses};

    fn asked(dialect: Dialect, headers: &[(&'static str, &str)]) -> Inspected {
        let body = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"input":"hi"}"#;
        let mut request = request(dialect, body);
        for (name, value) in headers {
            request.headers.append(*name, value.parse().unwrap());
        }
        request
    }

    /// `name: value` of each, the edit's pointer, and the losses.
    fn seen(request: &Inspected, target: &Target) -> (Vec<String>, Option<String>, Vec<String>) {
        let endpoint = target.endpoint(Operation::Chat, request.facts.dialect).unwrap();
        let mut losses = Vec::new();
        let passed = passed(request, target, endpoint, &request.document, &mut losses);
        let headers = passed.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        let edit = passed.edit.map(|edit| edit.pointer().to_owned());
        (headers.collect(), edit, losses.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_dialects_own_headers_stay_within_it() {
        let beta = ("anthropic-beta", "context-1m-2025-08-07,made-up-2030-01-01");
        let from = asked(AnthropicMessages, &[("anthropic-version", "2023-01-01"), beta, ("x-mine", "1")]);
        let own = ["anthropic-version: 2023-01-01".to_owned(), format!("{}: {}", beta.0, beta.1)];
        assert_eq!(seen(&from, &target("anthropic/claude-sonnet-4-5")), (own.to_vec(), None, Vec::new()));
        let lost = vec!["anthropic-beta".to_owned()];
        assert_eq!(seen(&from, &target("openai/gpt-4o")), (Vec::new(), None, lost.clone()));
        // AWS knows one of the two.
        let bedrock = target("bedrock/anthropic.claude-sonnet-4-20250514-v1:0");
        assert_eq!(seen(&from, &bedrock), (Vec::new(), Some(BETA_FIELD.to_owned()), lost));
        let known = asked(AnthropicMessages, &[("anthropic-beta", "context-1m-2025-08-07")]);
        assert_eq!(seen(&known, &bedrock), (Vec::new(), Some(BETA_FIELD.to_owned()), Vec::new()));
    }

    #[test]
    fn several_lines_are_several_lines() {
        let from = asked(AnthropicMessages, &[("anthropic-beta", "a"), ("anthropic-beta", "b,c")]);
        let own = vec!["anthropic-beta: a".to_owned(), "anthropic-beta: b,c".to_owned()];
        assert_eq!(seen(&from, &target("anthropic/claude-sonnet-4-5")).0, own);
    }

    #[test]
    fn an_account_is_told_to_whose_it_is() {
        let headers = [("openai-organization", "org-1"), ("openai-project", "p"), ("openai-beta", "x=v1")];
        let own = ["openai-organization: org-1", "openai-project: p"].map(str::to_owned);
        let openai = target("openai/gpt-4o");
        let (chat_headers, _, lost) = seen(&asked(OpenAiChat, &headers), &openai);
        assert_eq!(chat_headers, [&["openai-beta: x=v1".to_owned()], &own[..]].concat());
        assert!(lost.is_empty());
        for elsewhere in [target("groq/llama-3.3-70b-versatile"), target("anthropic/claude-sonnet-4-5")] {
            let (seen, _, _) = seen(&asked(OpenAiChat, &headers[..2]), &elsewhere);
            assert!(seen.is_empty(), "{}: {seen:?}", elsewhere.name);
        }
        let (seen, _, lost) = seen(&asked(OpenAiResponses, &headers), &target("anthropic/claude-sonnet-4-5"));
        assert_eq!((seen, lost), (Vec::new(), vec!["openai-beta".to_owned()]));
    }

    #[test]
    fn an_idempotency_key_is_one_targets() {
        let key = |targets: &[&str], at: usize| {
            let made = |name: &&str| target_of(link(kind(vec![chat(OpenAiChat)], Quirks::default()), None), name, None);
            let mut request = asked(OpenAiChat, &[("idempotency-key", "k-1")]);
            request.route = Arc::new(route(targets.iter().map(made).collect(), OnLoss::Warn));
            let target = Arc::clone(&request.route.targets[at]);
            seen(&request, &target).0
        };
        assert_eq!(key(&["a"], 0), ["idempotency-key: k-1"], "nobody else could get it");
        let (a, b) = (key(&["a", "b"], 0), key(&["a", "b"], 1));
        assert!(a != b && a[0].starts_with("idempotency-key: k-1-"), "{a:?} {b:?}");
        assert_eq!(a, key(&["a", "b"], 0), "a retry at the same target is the same request");
    }

    #[test]
    fn what_is_between_provider_and_gateway_ends_here() {
        let mut headers = HeaderMap::new();
        let passed = ["content-type", "retry-after", "x-ratelimit-remaining-tokens", "request-id", "openai-version"];
        let kept_back =
            ["connection", "x-hop", "cf-ray", "x-ringmain-target", "openai-organization", "set-cookie", "via"];
        for name in passed.into_iter().chain(kept_back) {
            headers.insert(name, HeaderValue::from_static("x-hop"));
        }
        let mut left: Vec<_> = to_caller(headers).keys().map(ToString::to_string).collect();
        left.sort();
        let mut expected = passed;
        expected.sort_unstable();
        assert_eq!(left, expected);
    }
}

//! Responses that a provider has stored: `GET` and `DELETE /v1/responses/{id}`, its `input_items`, and `cancel`. They go
//! to whom the response is of, with the key it was made with; nobody else has it.

use std::sync::Arc;

use http::{HeaderMap, Method};
use ringmain_catalog::Provider;
use ringmain_core::{
    Capabilities, Dialect, Fault, FaultClass, Marks, Operation, Origin, Phase, RequestFacts, RequestId, Tick,
};
use ringmain_dialects::registry;

use crate::gateway::Gateway;
use crate::inspect::Inspected;
use crate::keys::Caller;
use crate::operations::Errors;
use crate::pins::{Maker, Pin};
use crate::render::Rendered;
use crate::target::Target;

/// The longest id that is looked for.
const ID_MAX: usize = 256;
/// What may be asked of a stored response; whatever else a caller puts into a query ends here.
const ASKED: [&str; 9] = [
    "after",
    "before",
    "include",
    "include[]",
    "include%5B%5D",
    "include_obfuscation",
    "limit",
    "order",
    "starting_after",
];

/// What is asked of a stored response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// How.
    pub method: Method,
    /// Its id.
    pub id: String,
    /// The path behind its id, with the slash.
    pub rest: &'static str,
    /// The rest of the query.
    pub query: String,
    /// As a stream?
    pub stream: bool,
}

impl Stored {
    /// Reads a path below `/v1/responses/`. The method is not looked at yet.
    #[must_use]
    pub fn read(method: &Method, path: &str, query: Option<&str>) -> Option<Self> {
        let (id, rest) = path.split_once('/').map_or((path, ""), |(id, rest)| (id, rest));
        let rest = match rest {
            "" => "",
            "cancel" => "/cancel",
            "input_items" => "/input_items",
            _ => return None,
        };
        let is_id = |id: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:~".contains(&byte);
            (1..=ID_MAX).contains(&id.len()) && id.bytes().all(plain) && !matches!(id, "." | "..")
        };
        // These are operations and no ids.
        if !is_id(id) || matches!(id, "compact" | "input_tokens") {
            return None;
        }
        let pairs = || query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        let asked = pairs().filter(|(name, _)| ASKED.contains(name)).map(|(name, value)| format!("{name}={value}"));
        let stream = pairs().any(|pair| pair == ("stream", "true"));
        let query = asked.chain(stream.then(|| "stream=true".to_owned())).collect::<Vec<_>>().join("&");
        Some(Self { method: method.clone(), id: id.to_owned(), rest, query, stream })
    }

    /// The methods that are taken at this path, the first to be named where another was used.
    #[must_use]
    pub fn methods(&self) -> &'static [Method] {
        match self.rest {
            "/cancel" => &[Method::POST],
            "/input_items" => &[Method::GET],
            _ => &[Method::GET, Method::DELETE],
        }
    }
}

/// Finds whom a stored response is of.
///
/// # Errors
/// 404: nobody knows, and there are several who might.
pub(crate) fn inspect(
    gateway: &Gateway,
    caller: &Caller,
    id: RequestId,
    started: Tick,
    stored: Stored,
    headers: HeaderMap,
) -> Result<Inspected, Fault> {
    let maker = gateway.pins.maker(stored.id.as_bytes(), started);
    // Whoever has a key of ours finds what was made with it, and nothing else.
    if caller.key().is_some() && !maker.as_ref().is_some_and(|maker| maker.is_for(caller)) {
        return Err(not_found(format!("no response `{}` was made with this key", stored.id)));
    }
    let pin = maker.map(|maker| Pin { field: "response_id", maker });
    let (provider, model) = match &pin {
        Some(Pin { maker: Maker { provider, model, .. }, .. }) => (provider.clone(), model.clone()),
        None => (only_one(gateway, &stored.id)?, "responses".to_owned()),
    };
    let chosen = gateway.straight(&format!("{provider}/{model}")).ok_or_else(|| {
        let message =
            format!("the response `{}` is with the provider `{provider}`, which is not configured", stored.id);
        not_found(message)
    })?;
    let facts = RequestFacts {
        operation: Operation::Passthrough,
        dialect: Dialect::OpenAiResponses,
        model: format!("{provider}/{model}"),
        stream: stored.stream,
        needs: Capabilities::NONE,
        input_tokens: 0,
        max_output_tokens: None,
        timeout: crate::inspect::timeout(&headers)?,
        tags: crate::tags::tags(&headers, caller),
        marks: Marks::default(),
        key: caller.key().map(|key| key.name.clone()),
    };
    let bare = Inspected::bare(gateway, id, started, headers, facts, chosen)?;
    Ok(Inspected { pin, stored: Some(stored), ..bare })
}

/// The one provider that stores responses. An id that this process has not seen may have come before its start, or through
/// another instance.
fn only_one(gateway: &Gateway, id: &str) -> Result<String, Fault> {
    let rules = gateway.rules();
    let stores = |provider: &&ringmain_config::Provider| {
        let dialect = provider.dialect.is_none_or(|dialect| dialect == Dialect::OpenAiResponses);
        dialect && speaks(&provider.kind)
    };
    let mut storing = rules.config.providers.iter().filter(stores).map(|provider| provider.name.clone());
    match (storing.next(), storing.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(not_found(format!("no response `{id}`: no provider here stores any"))),
        (Some(_), Some(_)) => Err(not_found(format!(
            "no response `{id}` is known here: it was made before this gateway started, or not through it, and several \
             providers might have it"
        ))),
    }
}

fn speaks(kind: &Arc<Provider>) -> bool {
    registry::codec(Dialect::OpenAiResponses).is_some() && kind.dialects().any(|it| it == Dialect::OpenAiResponses)
}

fn not_found(message: String) -> Fault {
    Fault::new(FaultClass::Unroutable, Origin::Gateway, Phase::Before, message).with_status(404)
}

/// The request for the target it is of.
pub(crate) fn render(request: &Inspected, target: &Target, stored: &Stored) -> Result<Rendered, Fault> {
    let endpoint = target.endpoint(Operation::Chat, Dialect::OpenAiResponses);
    let endpoint = endpoint.filter(|endpoint| endpoint.dialect == Some(Dialect::OpenAiResponses));
    let endpoint = endpoint.ok_or_else(|| not_found(format!("{} stores no responses", target.name)))?;
    let path = endpoint.path_for(&target.name.model, false);
    let (path, own) = path.split_once('?').unwrap_or((&path, ""));
    let query: Vec<&str> = [own, &stored.query].into_iter().filter(|part| !part.is_empty()).collect();
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    let path = format!("{path}/{}{}{query}", stored.id, stored.rest);
    let uri = target.provider.origin.path(&path).parse();
    let uri = uri.map_err(|_| not_found(format!("no response `{}`", stored.id)))?;
    let mut losses = Vec::new();
    let headers = crate::headers::passed(request, target, endpoint, &request.document, &mut losses).headers;
    Ok(Rendered {
        method: stored.method.clone(),
        parts: Vec::new(),
        uri,
        dialect: endpoint.dialect,
        relayed: true,
        auth: target.provider.kind.auth_at(endpoint).clone(),
        strip_usage: false,
        headers,
        losses: Vec::new(),
        work: None,
        errors: Errors { operation: Operation::Chat, shape: endpoint.shape },
        form: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_stored_responses() {
        let read = |path: &str, query| Stored::read(&Method::GET, path, query);
        let plain = read("resp_1", Some("key=secret&include[]=a&x=1")).unwrap();
        assert_eq!((plain.id.as_str(), plain.rest, plain.query.as_str()), ("resp_1", "", "include[]=a"));
        let stream = read("resp_1", Some("stream=true&starting_after=4")).unwrap();
        assert_eq!((stream.query.as_str(), stream.stream), ("starting_after=4&stream=true", true));
        assert_eq!(read("resp_1/cancel", None).unwrap().methods(), [Method::POST]);
        assert_eq!(read("resp_1/input_items", None).unwrap().methods(), [Method::GET]);
        for none in ["", "..", "compact", "input_tokens", "a b", "resp_1/other", "resp_1/cancel/x", "%2e%2e"] {
            assert_eq!(read(none, None), None, "{none}");
        }
    }
}

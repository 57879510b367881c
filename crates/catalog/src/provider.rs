//! One kind of provider: where it is, how it is authorised, what it serves under which paths.

use ringmain_core::{Capabilities, Dialect, FaultClass, FaultScope, Operation, Shape};
use serde_json::Value;

use crate::{Model, Pointer, Quirks};

/// A provider, as `providers/<id>.yaml` says.
#[derive(Debug, Clone, PartialEq)]
pub struct Provider {
    /// The file's name without its ending: the `kind` of a configured provider.
    pub id: String,
    /// The provider's own name, for people.
    pub name: String,
    /// What the vendor's own SDK would be given. `None`: every account has another, the configuration must say it.
    pub base_url: Option<String>,
    /// Environment variables that hold another base URL, as the vendor's SDK reads them. The first that is set wins.
    pub base_url_env: Vec<String>,
    /// The base URL in regions whose hosts are named otherwise.
    pub base_url_at: Vec<(String, String)>,
    /// Environment variables that hold the cloud region of a base URL or path with `{region}`. The first that is set wins.
    pub region_env: Vec<String>,
    /// The region where none is named.
    pub default_region: Option<String>,
    /// Environment variables that hold the cloud project of a path with `{project}`. The first that is set wins.
    pub project_env: Vec<String>,
    /// Environment variables that name a file of credentials. With one of these and one of `project_env` the environment
    /// speaks of this provider.
    pub credentials_env: Vec<String>,
    /// Environment variables that hold the key. The first that is set wins.
    pub env: Vec<String>,
    /// Does it answer without a key (a server of one's own)?
    pub key_optional: bool,
    /// How a request is authorised.
    pub auth: Auth,
    /// Headers every request carries.
    pub headers: Vec<(String, String)>,
    /// Headers of a caller that it reads beside those of its dialect; in lower case.
    pub pass_headers: Vec<String>,
    /// The features in beta of Anthropic's models that it knows, by their names in `anthropic-beta`. `None`: whichever a
    /// caller names.
    pub betas: Option<Vec<String>>,
    /// What it serves; of two endpoints for one operation the first is preferred.
    pub endpoints: Vec<Endpoint>,
    /// Where it departs from its dialect.
    pub quirks: Quirks,
    /// What its error codes and messages mean; a rule stands above what the dialect's codec says.
    pub errors: Vec<ErrorRule>,
    /// What each of its models can do, in the catalog or not: what the server does rather than the model.
    pub capabilities: Capabilities,
    /// Folders in which a request that is passed through is authorised in another way; without a slash at the end.
    pub auth_below: Vec<(String, Auth)>,
    /// A path under the base URL that costs nothing to ask.
    pub health_path: Option<String>,
    /// Its share in the built-in routes.
    pub pools: Pools,
    /// Why it cannot be used yet, in one line. `None`: it can.
    pub unavailable: Option<String>,
    /// Is what its answers say they cost, in dollars, its bill? It then stands above the price list.
    pub tells_cost: bool,
}

/// How a request is authorised. A key is never part of a URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Auth {
    /// `Authorization: Bearer <key>`.
    Bearer,
    /// `Authorization: Token <key>`.
    Token,
    /// The key alone in this header.
    Header {
        /// The header's name, in lower case.
        name: String,
    },
    /// Not at all.
    None,
    /// A signature over the request, AWS Signature Version 4.
    AwsSigV4,
    /// `Authorization: Bearer` with a short-lived Google OAuth token.
    GoogleOAuth,
}

/// One thing a provider serves.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// What is asked there.
    pub operation: Operation,
    /// The dialect spoken there, where callers of one dialect write it too. `None` for an operation that is asked in a
    /// shape of its own.
    pub dialect: Option<Dialect>,
    /// Whose shape that is.
    pub shape: Shape,
    /// The path under the base URL, perhaps with a query; `{model}` stands for the model's name, `{model_segment}` for the
    /// same as one segment of the path, whose slashes are escaped too; `{base_model_segment}` for that of the model which
    /// an AWS inference profile (`us.anthropic…`) stands for; `{project}` and `{region}` for where the provider is.
    pub path: String,
    /// The path of a streamed answer, where it is another one.
    pub stream_path: Option<String>,
    /// The models it is for: names, with `*` for any text. Where it names a model, the endpoints that name none are not
    /// for that. Empty: every other.
    pub models: Vec<String>,
    /// Members of the body that are said elsewhere here, and refused: taken out, and nothing is lost.
    pub omit: Vec<Pointer>,
    /// A member of the body whose own members are the request here; what stands beside it is the request otherwise.
    pub lift: Option<String>,
    /// Members that requests here must have: set where the caller did not.
    pub add: Vec<(Pointer, Value)>,
    /// How a request is authorised here, where that is not the provider's way.
    pub auth: Option<Auth>,
}

impl Endpoint {
    /// The path for this model: `{model}` replaced, percent-encoded except for slashes where it stands in the path.
    #[must_use]
    pub fn path_for(&self, model: &str, stream: bool) -> String {
        let template = match &self.stream_path {
            Some(path) if stream => path,
            _ => &self.path,
        };
        if template.contains("{base_model_segment}") {
            return template.replace("{base_model_segment}", &segment(without_profile(model)));
        }
        if template.contains("{model_segment}") {
            return template.replace("{model_segment}", &segment(model));
        }
        if !template.contains("{model}") {
            return template.clone();
        }
        template.replace("{model}", &encoded(model))
    }

    /// Is it for this model by name?
    fn names(&self, model: &str) -> bool {
        self.models.iter().any(|pattern| fits(pattern, model))
    }
}

/// Does a name fit a pattern in which `*` is any text?
fn fits(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(name) = name.strip_prefix(start) else { return false };
    let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
    ends.rev().any(|at| name.get(at..).is_some_and(|name| fits(rest, name)))
}

/// The places an inference profile of AWS may be for, as its id begins.
const PROFILES: [&str; 8] = ["us.", "us-gov.", "eu.", "apac.", "jp.", "au.", "ca.", "global."];

fn without_profile(model: &str) -> &str {
    PROFILES.iter().find_map(|place| model.strip_prefix(place)).unwrap_or(model)
}

/// Percent-encodes what may not stand in a path (RFC 3986 `pchar`, and `/` since models are named with it).
/// `?`, `#` and `..` of a caller's model name thus cannot lead elsewhere.
fn encoded(model: &str) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(model.len());
    for part in model.split('/').enumerate() {
        let (index, part) = part;
        if index > 0 {
            text.push('/');
        }
        if matches!(part, "." | "..") {
            text.push_str(&part.replace('.', "%2E"));
            continue;
        }
        for byte in part.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~@:!$&'()*+,;=".contains(&byte) {
                text.push(char::from(byte));
            } else {
                let _ = write!(text, "%{byte:02X}");
            }
        }
    }
    text
}

/// Percent-encodes all that is not unreserved in a URL (RFC 3986): an ARN with its colons and slashes becomes one segment.
fn segment(model: &str) -> String {
    use std::fmt::Write as _;
    if matches!(model, "." | "..") {
        return model.replace('.', "%2E");
    }
    let mut text = String::with_capacity(model.len());
    for byte in model.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// What an error of this provider means. It holds where every condition that is given does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ErrorRule {
    /// The provider's code (the `code`, else the `type`, of the error) is this one, whatever its case.
    pub code: Option<String>,
    /// The message begins with this text, whatever its case: what it quotes of the request stands further back.
    pub starts: Option<String>,
    /// The message holds this text, whatever its case.
    pub contains: Option<String>,
    /// What the error is.
    pub class: FaultClass,
    /// Whom it blames.
    pub scope: FaultScope,
}

/// The models that stand for a provider in the built-in routes, best first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pools {
    /// Flagship models: the route `smart`.
    pub smart: Vec<String>,
    /// Small models: the route `fast`.
    pub fast: Vec<String>,
    /// Image models: the route `image`.
    pub image: Vec<String>,
    /// Embedding models: the route `embed`.
    pub embed: Vec<String>,
}

impl Pools {
    /// Each pool with the name of its route.
    pub fn named(&self) -> [(&'static str, &[String]); 4] {
        [("smart", &self.smart), ("fast", &self.fast), ("image", &self.image), ("embed", &self.embed)]
    }
}

/// What a path says of where a provider is.
const PLACE: &str = "/projects/{project}/locations/{region}";

impl Provider {
    /// Does a path of it name the cloud project?
    #[must_use]
    pub fn has_projects(&self) -> bool {
        self.endpoints.iter().any(|endpoint| endpoint.path.contains("{project}"))
    }

    /// The same with its paths in a project and region. Without a project they are those of an account that is known by
    /// its key alone.
    #[must_use]
    pub fn placed(&self, project: Option<&str>, region: Option<&str>) -> Self {
        let place = |path: &mut String| {
            if project.is_none() {
                *path = path.replace(PLACE, "");
            }
            for (word, value) in [("{project}", project), ("{region}", region)] {
                if let Some(value) = value.filter(|_| path.contains(word)) {
                    *path = path.replace(word, &segment(value));
                }
            }
        };
        let mut placed = self.clone();
        for endpoint in &mut placed.endpoints {
            place(&mut endpoint.path);
            endpoint.stream_path.iter_mut().for_each(place);
        }
        placed
    }

    /// The endpoints for this operation with this model, preferred first.
    pub fn endpoints_for<'a>(
        &'a self,
        operation: Operation,
        model: &'a str,
    ) -> impl Iterator<Item = &'a Endpoint> + Clone {
        let of = self.endpoints.iter().filter(move |endpoint| endpoint.operation == operation);
        let named = of.clone().any(|endpoint| endpoint.names(model));
        of.filter(move |endpoint| if named { endpoint.names(model) } else { endpoint.models.is_empty() })
    }

    /// The preferred endpoint for an operation; with a dialect, the preferred one that speaks it.
    #[must_use]
    pub fn endpoint(&self, operation: Operation, dialect: Option<Dialect>) -> Option<&Endpoint> {
        let mut of = self.endpoints.iter().filter(|endpoint| endpoint.operation == operation);
        of.find(|endpoint| dialect.is_none() || endpoint.dialect == dialect)
    }

    /// The chat dialects it speaks, preferred first.
    pub fn dialects(&self) -> impl Iterator<Item = Dialect> {
        self.endpoints.iter().filter(|endpoint| endpoint.operation == Operation::Chat).filter_map(|e| e.dialect)
    }

    /// How a request to this endpoint is authorised.
    #[must_use]
    pub fn auth_at<'a>(&'a self, endpoint: &'a Endpoint) -> &'a Auth {
        endpoint.auth.as_ref().unwrap_or(&self.auth)
    }

    /// The quirks of a request for this model.
    #[must_use]
    pub fn quirks_for(&self, model: Option<&Model>) -> Quirks {
        model.map_or_else(|| self.quirks.clone(), |model| self.quirks.with(&model.quirks))
    }

    /// The first rule that holds for an error with this code and message.
    #[must_use]
    pub fn error_rule(&self, code: Option<&str>, message: &str) -> Option<&ErrorRule> {
        let message = message.to_ascii_lowercase();
        let holds = |want: &Option<String>, so: &dyn Fn(&str) -> bool| want.as_deref().is_none_or(so);
        self.errors.iter().find(|rule| {
            holds(&rule.code, &|want| code.is_some_and(|code| code.eq_ignore_ascii_case(want)))
                && holds(&rule.starts, &|want| message.starts_with(&want.to_ascii_lowercase()))
                && holds(&rule.contains, &|want| message.contains(&want.to_ascii_lowercase()))
        })
    }

    /// Can it be used?
    #[must_use]
    pub const fn is_available(&self) -> bool {
        self.unavailable.is_none()
    }
}

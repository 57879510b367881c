//! The section `server.oidc`.

use ringmain_core::Scope;

use crate::Oidc;
use crate::diagnostic::Code;
use crate::raw::{Data, Field, Layers, Section};
use crate::resolve::{Resolver, url};
use crate::schema::OIDC;

impl Resolver<'_> {
    /// `None`: something is wrong with it, and noted.
    pub(super) fn oidc(&mut self, section: &Section) -> Option<Oidc> {
        let layers = Layers::new([section], OIDC);
        let issuer = self.issuer(section)?;
        let audience = section.text("audience").unwrap_or_default().to_owned();
        let mut scopes = Vec::new();
        for field in section.section("scopes").into_iter().flat_map(|groups| &groups.fields) {
            scopes.push((field.key.clone(), self.scopes(field)));
        }
        for (key, is_empty) in [("audience", audience.is_empty()), ("scopes", scopes.is_empty())] {
            if is_empty {
                let message = format!("`server.oidc` says no `{key}`");
                let help = match key {
                    "audience" => "write the client id that tokens for this gateway name",
                    _ => "say what a group may ask: `scopes: { admins: '*:write' }`",
                };
                let span = section.get("issuer").map(|field| field.span).unwrap_or_default();
                self.problems.error(Code::BadValue, span, &format!("server.oidc.{key}"), message).help(help);
            }
        }
        Some(Oidc { issuer, audience, claim: layers.text("claim").unwrap_or_default(), scopes })
    }

    fn issuer(&mut self, section: &Section) -> Option<String> {
        let field = section.get("issuer");
        let base = field.and_then(Field::text).map(url::base);
        let (problem, help) = match base {
            Some(Ok(base)) if base.secure || base.is_loopback() => return Some(base.url),
            // Whoever is between could give out keys of their own.
            Some(Ok(_)) => ("is not an https URL", None),
            Some(Err(problem)) => problem,
            None => ("is missing", None),
        };
        let span = field.map(|field| field.span).unwrap_or_default();
        let message = format!("`server.oidc.issuer` {problem}");
        let help = help.unwrap_or_else(|| "write the provider's URL: `https://login.example.com`".to_owned());
        self.problems.error(Code::BadValue, span, "server.oidc.issuer", message).help(help);
        None
    }

    fn scopes(&mut self, field: &Field) -> Vec<Scope> {
        let Data::List(items) = &field.data else { return Vec::new() };
        let mut scopes = Vec::new();
        for item in items {
            match item.text().map(str::parse) {
                Some(Ok(scope)) => scopes.push(scope),
                Some(Err(problem)) => {
                    let problem: String = problem;
                    self.problems.error(Code::BadValue, item.span, &item.path, problem);
                }
                None => {}
            }
        }
        scopes
    }
}

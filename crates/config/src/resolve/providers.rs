//! The section `providers`.

use std::sync::Arc;

use ringmain_catalog::Provider as Kind;
use ringmain_core::Dialect;

use super::place;
use super::url;
use crate::diagnostic::Code;
use crate::raw::{Field, Section, nearest, quoted};
use crate::resolve::{Resolver, Standing};
use crate::{CaFile, Provider};

/// How every certificate begins in PEM.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

impl Resolver<'_> {
    pub(super) fn written_providers(&mut self, section: &Section) {
        for field in &section.fields {
            let standing = match field.section() {
                Some(section) => self.written_provider(field, section),
                None => Standing::Broken,
            };
            self.known.insert(field.key.clone(), standing);
        }
    }

    fn written_provider(&mut self, field: &Field, section: &Section) -> Standing {
        let name = field.key.as_str();
        if name.is_empty() || name.contains(|char: char| char == '/' || char == '%' || char.is_whitespace()) {
            let message = format!("`{}` cannot be a provider's name", quoted(name));
            let problem = self.problems.error(Code::BadValue, field.key_span, &field.path, message);
            problem.help("it stands before the slash of `provider/model`: no slash, percent sign or space");
            return Standing::Broken;
        }
        let Some(kind) = self.kind(field, section) else { return Standing::Broken };
        if let Some(why) = &kind.unavailable {
            let message = format!("the provider `{name}` is not available yet: {why}");
            self.problems.warning(Code::NotAvailable, field.key_span, &field.path, message);
            return Standing::Unavailable(why.clone());
        }
        let base_url = self.base_url(field, section, &kind);
        let dialect = self.dialect(section, &kind);
        let keys = self.keys(field, section, &kind);
        let (Some(base_url), Some(keys)) = (base_url, keys) else { return Standing::Broken };
        let Ok(ca_file) = self.ca_file(section) else { return Standing::Broken };
        let region = written_region(section).or_else(|| place::region_of(&base_url, self.sources, &kind));
        if region.is_none() && place::signs(&kind, &keys) {
            self.no_region(field);
            return Standing::Broken;
        }
        let written = section.text("project").map(str::to_owned);
        let project = written.or_else(|| place::project(self.sources, &kind, &keys));
        if project.is_none() && place::needs_project(&kind, &keys) {
            self.no_project(field, &kind);
            return Standing::Broken;
        }
        let models = self.own_models(section, &kind);
        let kind = place::placed(kind, project.as_deref(), region.as_deref());
        let heartbeat = self.heartbeat(section, &kind);
        self.add(Provider { name: name.to_owned(), kind, base_url, keys, models, dialect, region, heartbeat, ca_file })
    }

    /// Reads the certificates. An error has been reported.
    pub(super) fn ca_file(&mut self, section: &Section) -> Result<Option<CaFile>, ()> {
        let Some(field) = section.get("ca_file") else { return Ok(None) };
        let Some(path) = field.text() else { return Err(()) };
        let problem = match self.sources.file(path) {
            Ok(pem) if pem.contains(CERTIFICATE) => return Ok(Some(CaFile { path: path.to_owned(), pem })),
            Ok(_) => "holds no certificate: it must be PEM",
            Err(reason) => {
                let message = format!("the file `{}` cannot be read: {reason}", quoted(path));
                self.problems.error(Code::Unset, field.span, &field.path, message);
                return Err(());
            }
        };
        let message = format!("the file `{}` {problem}", quoted(path));
        self.problems.error(Code::BadValue, field.span, &field.path, message);
        Err(())
    }

    pub(super) fn add(&mut self, provider: Provider) -> Standing {
        self.providers.push(provider);
        Standing::Ready(self.providers.len() - 1)
    }

    fn kind(&mut self, field: &Field, section: &Section) -> Option<Arc<Kind>> {
        let written = section.get("kind");
        if written.is_some_and(Field::is_invalid) {
            return None;
        }
        let id = written.and_then(Field::text).unwrap_or(&field.key);
        if let Some(kind) = self.catalog.provider(id) {
            return Some(Arc::new(kind.clone()));
        }
        let ids = self.catalog.providers().map(|kind| kind.id.as_str());
        let near = nearest(id, ids).filter(|_| written.is_none_or(|kind| !kind.outside)).map(str::to_owned);
        let shown = written.map_or_else(|| quoted(id), |kind| kind.written.clone());
        let (span, path) = written.map_or((field.key_span, &field.path), |kind| (kind.span, &kind.path));
        let message = match written {
            Some(_) => format!("the catalog has no kind of provider `{shown}`"),
            None => format!("the catalog has no provider `{shown}`, so `kind` must say what it is"),
        };
        let help = match near {
            Some(near) if written.is_some() => format!("did you mean `{near}`?"),
            Some(near) => format!("did you mean `{near}`? A name of your own needs a `kind`"),
            None => "for a server that speaks OpenAI's dialect write `kind: openai-compatible` and its `base_url`"
                .to_owned(),
        };
        self.problems.error(Code::UnknownProvider, span, path, message).help(help);
        None
    }

    fn base_url(&mut self, field: &Field, section: &Section, kind: &Kind) -> Option<String> {
        let written = section.get("base_url");
        let path = format!("{}.base_url", field.path);
        let region = written_region(section).or_else(|| place::default_region(self.sources, kind));
        let usual = place::usual_base_url(kind, region.as_deref());
        let Some(text) = written.and_then(Field::text).or(usual) else {
            if written.is_none() {
                let message = format!("`{}` needs a `base_url`: every account of {} has its own", field.key, kind.name);
                let help = "write what the vendor's own SDK would be given";
                self.problems.error(Code::Missing, field.key_span, &path, message).help(help);
            }
            return None;
        };
        let text = match (text.contains("{region}"), region) {
            (true, Some(region)) => text.replace("{region}", &region),
            (true, None) => {
                self.no_region(field);
                return None;
            }
            (false, _) => text.to_owned(),
        };
        let span = written.map_or(field.key_span, |field| field.span);
        match url::base(&text) {
            Ok(base) => {
                if !base.secure && !base.is_loopback() {
                    let message = format!("`{path}` is not encrypted: keys and prompts travel in the clear");
                    self.problems
                        .warning(Code::PlainHttp, span, &path, message)
                        .help("use `https://` if the server can");
                }
                Some(base.url)
            }
            Err((what, help)) => {
                self.problems.hide(span);
                let problem = self.problems.error(Code::BadValue, span, &path, format!("`{path}` {what}"));
                problem.help = help;
                None
            }
        }
    }

    fn no_region(&mut self, field: &Field) {
        let message = format!("`{}` needs a `region`", field.key);
        let help = "write the cloud region, such as `region: us-east-1`";
        self.problems.error(Code::Missing, field.key_span, &field.path, message).help(help);
    }

    fn no_project(&mut self, field: &Field, kind: &Kind) {
        let message = format!("`{}` needs a `project`: the requests of {} name one", field.key, kind.name);
        let variable = kind.project_env.last().map_or_else(String::new, |name| format!(", or set {name}"));
        let help = format!("write `project: my-project`{variable}");
        self.problems.error(Code::Missing, field.key_span, &field.path, message).help(help);
    }

    fn dialect(&mut self, section: &Section, kind: &Kind) -> Option<Dialect> {
        let field = section.get("dialect")?;
        let dialect: Dialect = field.text()?.parse().ok()?;
        if kind.dialects().any(|spoken| spoken == dialect) {
            return Some(dialect);
        }
        let spoken = kind.dialects().map(Dialect::as_str).collect::<Vec<_>>().join("`, `");
        let message = format!("{} does not speak `{dialect}`", kind.name);
        let help = if spoken.is_empty() { "take the line out".to_owned() } else { format!("it speaks `{spoken}`") };
        self.problems.error(Code::BadValue, field.span, &field.path, message).help(help);
        None
    }
}

/// The region that is written, in the one word or the other.
fn written_region(section: &Section) -> Option<String> {
    section.text("region").or_else(|| section.text("location")).map(str::to_owned)
}

//! The section `state`.

use std::path::PathBuf;

use secrecy::SecretString;

use crate::State;
use crate::diagnostic::Code;
use crate::raw::{Layers, Section};
use crate::resolve::Resolver;
use crate::schema::STATE;

impl Resolver<'_> {
    pub(super) fn state(&mut self, section: &Section) -> State {
        let keep = Layers::new([section], STATE).duration("keep");
        let shared = self.shared(section);
        let Some(field) = section.get("database") else { return State { database: None, keep, shared } };
        let Some(text) = field.text() else { return State { database: None, keep, shared } };
        let file = text.strip_prefix("sqlite://").or_else(|| text.strip_prefix("sqlite:")).filter(|it| !it.is_empty());
        if file.is_none() {
            if text.starts_with("postgres://") || text.starts_with("postgresql://") {
                let message =
                    format!("`{}` on Postgres is not available yet: until then nothing is stored", field.path);
                self.problems.warning(Code::NotAvailable, field.key_span, &field.path, message);
            } else {
                // Not repeated: a URL of another kind may hold a password.
                let message = format!("`{}` is no database", field.path);
                let help = "write `sqlite:ringmain.db`, or `postgres://…`";
                self.problems.error(Code::BadValue, field.span, &field.path, message).help(help);
            }
        }
        State { database: file.map(PathBuf::from), keep, shared }
    }

    fn shared(&mut self, section: &Section) -> Option<SecretString> {
        let field = section.get("shared")?;
        let text = field.text().filter(|text| *text != "memory")?;
        if ["redis://", "valkey://"].iter().any(|scheme| text.starts_with(scheme)) {
            return Some(SecretString::from(text.replacen("valkey://", "redis://", 1)));
        }
        // Not repeated: a URL of another kind may hold a password.
        let message = format!("`{}` is neither `memory` nor a Redis server", field.path);
        let help = "write `redis://host:6379`";
        self.problems.error(Code::BadValue, field.span, &field.path, message).help(help);
        None
    }
}

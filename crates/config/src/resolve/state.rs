//! The section `state`.

use secrecy::SecretString;

use crate::config::{Database, State};
use crate::diagnostic::Code;
use crate::raw::{Layers, Section};
use crate::resolve::Resolver;
use crate::schema::STATE;

impl Resolver<'_> {
    pub(super) fn state(&mut self, section: &Section) -> State {
        let layers = Layers::new([section], STATE);
        let (keep, journal) = (layers.duration("keep"), layers.text("journal").unwrap_or_default().into());
        // What is wrong with the file has been said.
        let ca_file = self.ca_file(section).unwrap_or_default();
        State { database: self.database(section), journal, keep, shared: self.shared(section), ca_file }
    }

    fn database(&mut self, section: &Section) -> Option<Database> {
        let field = section.get("database")?;
        let database = Database::parse(field.text()?);
        if database.is_none() {
            // Not repeated: a URL of another kind may hold a password.
            let message = format!("`{}` is no database", field.path);
            let help = "write `sqlite:ringmain.db`, or `postgres://user:password@host/name`";
            self.problems.error(Code::BadValue, field.span, &field.path, message).help(help);
        }
        database
    }

    fn shared(&mut self, section: &Section) -> Option<SecretString> {
        let field = section.get("shared")?;
        let text = field.text().filter(|text| *text != "memory")?;
        // The wire is the same.
        let url = ["redis", "rediss", "valkey", "valkeys"].into_iter().find_map(|scheme| {
            let rest = text.strip_prefix(scheme)?.strip_prefix("://").filter(|rest| !rest.is_empty())?;
            Some(format!("{}://{rest}", scheme.replace("valkey", "redis")))
        });
        if url.is_none() {
            // Not repeated: a URL of another kind may hold a password.
            let message = format!("`{}` is neither `memory` nor a Redis server", field.path);
            let help = "write `redis://host:6379`, or `rediss://…` for TLS";
            self.problems.error(Code::BadValue, field.span, &field.path, message).help(help);
        }
        url.map(SecretString::from)
    }
}

//! The setting `heartbeat` of a provider.

use std::time::Duration;

use ringmain_catalog::Provider as Kind;

use crate::diagnostic::Code;
use crate::raw::{Data, Layers, Section};
use crate::resolve::Resolver;
use crate::schema::HEARTBEAT;
use crate::{Heartbeat, HeartbeatBy};

/// More often says nothing more, and looks like an attack.
const LEAST: Duration = Duration::from_secs(1);

impl Resolver<'_> {
    /// How the provider is asked, if it is.
    pub(super) fn heartbeat(&mut self, section: &Section, kind: &Kind) -> Option<Heartbeat> {
        let field = section.taken("heartbeat")?;
        let layers = Layers::new(field.section(), HEARTBEAT);
        let every = match &field.data {
            Data::Word("off") => return None,
            Data::Duration(every) => every.unwrap_or_default(),
            _ => layers.duration("every"),
        };
        let by = if layers.word("by") == Some("token") { HeartbeatBy::Token } else { HeartbeatBy::Models };
        let always = layers.word("when") == Some("always");
        let place = |key: &str| field.section().and_then(|section| section.get(key)).unwrap_or(field);
        if every < LEAST {
            let at = place("every");
            let message = format!("`{}` asks more than once a second", at.path);
            self.problems.error(Code::BadValue, at.span, &at.path, message).help("write `1s` or more; `30s` is usual");
            return None;
        }
        if by == HeartbeatBy::Models && kind.health_path.is_none() {
            let at = place("by");
            let message = format!("{} has no list of models that is free to ask", kind.name);
            let help = "write `heartbeat: { by: token }`, or take the heartbeat out: traffic finds out by itself";
            self.problems.error(Code::BadValue, at.span, &at.path, message).help(help);
            return None;
        }
        Some(Heartbeat { every, by, always })
    }
}

//! The section `telemetry`.

use crate::Telemetry;
use crate::diagnostic::Code;
use crate::raw::{Layers, Section};
use crate::resolve::{Resolver, url};
use crate::schema::TELEMETRY;

impl Resolver<'_> {
    pub(super) fn telemetry(&mut self, section: &Section) -> Telemetry {
        let service_name = Layers::new([section], TELEMETRY).text("service_name").unwrap_or_default();
        let mut telemetry = Telemetry { otlp: None, service_name };
        let Some(field) = section.get("otlp") else { return telemetry };
        let Some(text) = field.text() else { return telemetry };
        match url::base(text) {
            Ok(base) => telemetry.otlp = Some(base.url),
            Err((problem, help)) => {
                // Not repeated: it may hold a password.
                let message = format!("`{}` {problem}", field.path);
                let noted = self.problems.error(Code::BadValue, field.span, &field.path, message);
                noted.help(help.as_deref().unwrap_or("write `http://collector:4317`"));
            }
        }
        telemetry
    }
}

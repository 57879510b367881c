//! The section `server`.

use crate::diagnostic::{Code, Diagnostics, Span};
use crate::raw::{Layers, Section};
use crate::resolve::Resolver;
use crate::schema::SERVER;
use crate::{Diagnostic, Server};

use std::net::{Ipv4Addr, SocketAddr};

impl Resolver<'_> {
    pub(super) fn server(&mut self, section: &Section) -> Server {
        let layers = Layers::new([section], SERVER);
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = Server {
            listen: layers.address("listen").unwrap_or(nowhere),
            admin: layers.address("admin").unwrap_or(nowhere),
            max_body: layers.whole("max_body").unwrap_or_default(),
            max_held: layers.whole("max_held").unwrap_or_default(),
            workers: layers.whole("workers").and_then(|workers| usize::try_from(workers).ok()),
            drain: layers.duration("drain"),
            admin_secret: section.secret("admin_secret").cloned(),
            oidc: section.section("oidc").and_then(|section| self.oidc(section)),
        };
        if server.listen == server.admin && server.listen.port() != 0 {
            let field = section.get("admin").or_else(|| section.get("listen"));
            let span = field.map_or_else(Span::default, |field| field.span);
            let message = "`listen` and `admin` are the same address";
            self.problems.error(Code::BadValue, span, "server.admin", message).help("give each a port of its own");
        }
        server
    }
}

/// Listening beyond this machine with nothing to keep strangers out.
pub(super) fn exposed(server: &Server, root: &Section) -> Option<Diagnostic> {
    if server.admin_secret.is_some() {
        return None;
    }
    // People keep strangers from the admin plane alone.
    let has_people = server.oidc.is_some();
    if root.section("server").is_some_and(|section| section.get("admin_secret").is_some()) {
        return None;
    }
    // Virtual keys keep strangers from the data plane. What is said of the admin plane stands above: keys do not help there.
    let has_keys = !root.list("keys").is_empty();
    let mut open =
        [("admin", server.admin), ("listen", server.listen)].into_iter().filter(|(_, it)| !it.ip().is_loopback());
    let (key, address) = open.find(|(key, _)| if *key == "admin" { !has_people } else { !has_keys })?;
    let field = root.section("server").and_then(|section| section.get(key));
    let span = field.map_or_else(Span::default, |field| field.span);
    let path = format!("server.{key}");
    let (which, own) = match field {
        Some(field) if field.outside => (field.written.clone(), "127.0.0.1:…".to_owned()),
        _ => (address.to_string(), format!("127.0.0.1:{}", address.port())),
    };
    let message = format!(
        "`{path}` is `{which}`, which other machines can reach, and there is no secret: `serve` refuses to start"
    );
    let keys = if key == "listen" { "; or give callers keys: `ringmain keys create`" } else { "" };
    let help = format!("add `admin_secret: ${{RINGMAIN_ADMIN_SECRET}}` under `server`, or write `{key}: {own}`{keys}");
    let mut problems = Diagnostics::default();
    problems.error(Code::Exposed, span, &path, message).help(help);
    problems.iter().next().cloned()
}

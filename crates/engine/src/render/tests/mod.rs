//! Rendered bodies, byte for byte.

mod bodies;
mod counts;
mod deployed;
mod messages;
mod targets;
mod vertex;

use bytes::Bytes;
use ringmain_catalog::{Pointer, Quirks};
use ringmain_core::Dialect;
use ringmain_dialects::LossKind;

use super::{Rendered, render};
use crate::inspect::Inspected;
use crate::target::Target;
use crate::testing::{chat, kind, request, target_at};

/// A provider of OpenAI Chat with these quirks, and the model `m`.
fn with(quirks: Quirks) -> Target {
    target_at(kind(vec![chat(Dialect::OpenAiChat)], quirks), "m")
}

fn pointer(text: &str) -> Pointer {
    Pointer::parse(text).unwrap()
}

/// The body as text, and each loss with a tilde where the field is there in a near meaning.
fn rendered(request: &Inspected, target: &Target) -> (String, Vec<String>) {
    let rendered = render(request, target).unwrap();
    let name = |kind, field: &str| if kind == LossKind::Approximated { format!("~{field}") } else { field.to_owned() };
    let losses = rendered.losses.iter().map(|loss| name(loss.kind, &loss.field)).collect();
    (text(&rendered), losses)
}

fn text(rendered: &Rendered) -> String {
    rendered.parts.iter().map(|part| std::str::from_utf8(part).unwrap()).collect()
}

/// Name of the case, quirks, body, expected body, losses.
type Case = (&'static str, Quirks, &'static str, &'static str, &'static [&'static str]);

fn hold(cases: Vec<Case>) {
    for (name, quirks, body, expected, losses) in cases {
        let (text, lost) = rendered(&request(Dialect::OpenAiChat, body), &with(quirks));
        assert_eq!(text, expected, "{name}");
        assert_eq!(lost, losses, "{name}");
    }
}

#[test]
fn without_quirks_the_bytes_are_the_callers() {
    let body = format!(
        "{{ \"model\":\"m\",\n\t\"messages\" :[{{\"role\":\"user\",\"content\":\"{}\"}}] }}",
        "x".repeat(50_000)
    );
    for quirks in [Quirks::default(), Quirks { ends_without_done: Some(true), ..Quirks::default() }] {
        let request = request(Dialect::OpenAiChat, &body);
        let rendered = render(&request, &with(quirks)).unwrap();
        let [part] = rendered.parts.as_slice() else { panic!("one part") };
        assert!(std::ptr::eq(part.as_ref(), Bytes::as_ref(request.document.body())));
    }
}

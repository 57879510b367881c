//! The choice among tools, where not all of them go with it.

use std::borrow::Cow;

use ringmain_core::Dialect;

use crate::ir::{Request, Tool, ToolChoice};
use crate::loss::Loss;

/// The choice that a target is told. To one of another dialect than the caller's only functions go: it refuses a choice of
/// what it does not have, and one where it has nothing.
pub(crate) fn possible<'a>(
    request: &'a Request,
    target: Dialect,
    losses: &mut Vec<Loss>,
) -> Option<Cow<'a, ToolChoice>> {
    let choice = request.tool_choice.as_ref()?;
    let goes = |name: &String| {
        request.tools.iter().any(|tool| matches!(tool, Tool::Function { name: known, .. } if known == name))
    };
    let any = request.tools.iter().any(|tool| matches!(tool, Tool::Function { .. }));
    match choice {
        _ if request.dialect == target => return Some(Cow::Borrowed(choice)),
        ToolChoice::Named(name) if goes(name) => return Some(Cow::Borrowed(choice)),
        ToolChoice::Among { names, .. } if names.iter().all(goes) => return Some(Cow::Borrowed(choice)),
        ToolChoice::Among { names, required } if names.iter().any(goes) => {
            losses.push(Loss::approximated("tool_choice"));
            let names = names.iter().filter(|name| goes(name)).cloned().collect();
            return Some(Cow::Owned(ToolChoice::Among { names, required: *required }));
        }
        ToolChoice::Required | ToolChoice::Auto | ToolChoice::None if any => return Some(Cow::Borrowed(choice)),
        // Without tools none is asked for anyway.
        ToolChoice::Auto | ToolChoice::None => {}
        ToolChoice::Required | ToolChoice::Named(_) | ToolChoice::Among { .. } => {
            losses.push(Loss::dropped("tool_choice"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_goes_with_it_is_chosen() {
        let function = |name: &str| Tool::Function {
            name: name.to_owned(),
            description: None,
            parameters: None,
            strict: None,
            cache: None,
        };
        let built_in = || Tool::Opaque { dialect: Dialect::AnthropicMessages, value: json!({ "name": "search" }) };
        let named = |name: &str| ToolChoice::Named(name.to_owned());
        let among = |names: &[&str]| ToolChoice::Among {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            required: true,
        };
        let table = [
            (vec![built_in(), function("f")], named("f"), Some(named("f")), 0),
            (vec![built_in(), function("f")], named("search"), None, 1),
            (vec![built_in(), function("f")], ToolChoice::Required, Some(ToolChoice::Required), 0),
            (vec![built_in(), function("f")], among(&["f", "search"]), Some(among(&["f"])), 1),
            (vec![built_in(), function("f")], among(&["search"]), None, 1),
            (vec![built_in()], ToolChoice::Required, None, 1),
            (vec![built_in()], ToolChoice::Auto, None, 0),
        ];
        for (tools, choice, told, lost) in table {
            let mut request = Request::new(Dialect::AnthropicMessages);
            request.tools = tools;
            request.tool_choice = Some(choice.clone());
            let mut losses = Vec::new();
            let found = possible(&request, Dialect::OpenAiChat, &mut losses).map(Cow::into_owned);
            assert_eq!((found, losses.len()), (told, lost), "{choice:?}");
            let found = possible(&request, Dialect::AnthropicMessages, &mut losses).map(Cow::into_owned);
            assert_eq!((found, losses.len()), (Some(choice), lost));
        }
    }
}

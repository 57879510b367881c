//! Losses in the caller's words. Encoders name what they lose as this crate counts it (`messages[1].content[0].detail`,
//! `reasoning_effort`); here that becomes what the caller wrote (`input[2].content[0].detail`, `thinking.budget_tokens`).

use ringmain_core::Loss;

use crate::codec::{Encoded, Unsupported};
use crate::ir::{Block, BlockKind, CacheMark, Request, Tool};

/// An encoded request, with its losses as the caller would name them, or its refusal.
///
/// # Errors
/// The refusal that was given.
pub(crate) fn told(request: &Request, encoded: Result<Encoded, Unsupported>) -> Result<Encoded, Unsupported> {
    match encoded {
        Ok(mut encoded) => {
            encoded.losses.iter_mut().for_each(|loss| loss.field = name(request, &loss.field));
            let mut seen: Vec<Loss> = Vec::with_capacity(encoded.losses.len());
            for loss in encoded.losses.drain(..) {
                if !seen.contains(&loss) {
                    seen.push(loss);
                }
            }
            encoded.losses = seen;
            Ok(encoded)
        }
        Err(unsupported) => Err(Unsupported { field: name(request, &unsupported.field), ..unsupported }),
    }
}

/// What the caller calls a field that encoders name so.
#[must_use]
pub fn name(request: &Request, field: &str) -> String {
    let given = field;
    let field = match given {
        "reasoning_effort" | "reasoning" => how_much_to_think(request),
        field => field,
    };
    if let Some((_, theirs)) = request.named.spelled.iter().find(|(ours, _)| *ours == field) {
        return theirs.clone();
    }
    if let Some(theirs) = request.named.words.field(field) {
        return theirs.to_owned();
    }
    // A field without a word was kept under the caller's own name for it.
    if request.extras.iter().any(|extra| extra.field == field) {
        return field.to_owned();
    }
    place(request, field).unwrap_or_else(|| given.to_owned())
}

/// Which of the three ways to say it the caller used.
fn how_much_to_think(request: &Request) -> &'static str {
    match &request.reasoning {
        Some(reasoning) if reasoning.effort.is_some() => "reasoning.effort",
        Some(reasoning) if reasoning.budget_tokens.is_some() => "reasoning.budget_tokens",
        Some(reasoning) if reasoning.visible.is_some() => "reasoning.visible",
        _ => "reasoning.effort",
    }
}

/// The caller's path to something in a turn, the instructions or a tool.
fn place(request: &Request, field: &str) -> Option<String> {
    let joined = |head: &str, rest: &str| match rest.strip_prefix('.').filter(|rest| !rest.is_empty()) {
        Some(member) => format!("{head}.{}", request.named.words.member(member)),
        None => head.to_owned(),
    };
    if let Some((nth, rest)) = element(field, "tools") {
        let mark = match request.tools.get(nth)? {
            Tool::Function { cache, .. } => cache.as_ref(),
            Tool::Opaque { .. } => None,
        };
        return marked(mark, rest).or_else(|| Some(of_tool(request, nth, rest)));
    }
    if let Some((nth, rest)) = element(field, "system") {
        let block = request.system.get(nth)?;
        return marked(block.cache.as_ref(), rest).or_else(|| Some(joined(block.place.path()?, rest)));
    }
    let (nth, rest) = element(field, "messages")?;
    let turn = request.turns.get(nth)?;
    let Some((nth, rest)) = element(rest, ".content") else {
        return Some(joined(turn.place.path()?, rest));
    };
    let block = turn.blocks.get(nth)?;
    let (block, rest) = inner(block, rest);
    if let Some(member) = rest.strip_prefix('.').and_then(|rest| request.named.words.member(rest).strip_prefix('^')) {
        return Some(format!("{}.{member}", turn.place.path()?));
    }
    marked(block.cache.as_ref(), rest).or_else(|| Some(joined(block.place.path()?, rest)))
}

/// A cache breakpoint, which has a place of its own.
fn marked(mark: Option<&CacheMark>, rest: &str) -> Option<String> {
    let member = rest.strip_prefix(".cache_control")?;
    Some(format!("{}{member}", mark?.place.path()?))
}

/// A tool, or a member of it. One dialect says of all tools at once what the others say of each.
fn of_tool(request: &Request, nth: usize, rest: &str) -> String {
    let place = request.named.tools.get(nth).cloned().unwrap_or_else(|| format!("tools[{nth}]"));
    match rest.strip_prefix('.').map(|member| request.named.words.tool(member)) {
        None => place,
        Some(member) => match member.strip_prefix('/') {
            Some(whole) => whole.to_owned(),
            None => format!("{place}.{member}"),
        },
    }
}

/// The block inside a tool's result, where the path goes on into it.
fn inner<'a, 'b>(block: &'a Block, rest: &'b str) -> (&'a Block, &'b str) {
    // One dialect's paths name the kind of the block in between.
    let into = rest.strip_prefix(".toolResult").unwrap_or(rest);
    match (&block.kind, element(into, ".content")) {
        (BlockKind::ToolResult { content, .. }, Some((nth, rest))) => {
            content.get(nth).map_or((block, rest), |block| (block, rest))
        }
        _ => (block, rest),
    }
}

/// `messages[3].name` of `messages` is 3 and `.name`.
fn element<'a>(field: &'a str, list: &str) -> Option<(usize, &'a str)> {
    let (nth, rest) = field.strip_prefix(list)?.strip_prefix('[')?.split_once(']')?;
    Some((nth.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use ringmain_core::Dialect;

    use super::*;
    use crate::ir::{Place, Reasoning, Role, Turn, Words};

    static WORDS: Words = Words {
        fields: &[("top_k", "config.k"), ("reasoning.budget_tokens", "think.tokens")],
        members: &[("name", "called")],
        tools: &[],
    };

    #[test]
    fn what_is_lost_is_named_as_the_caller_named_it() {
        let mut request = Request::new(Dialect::Gemini);
        request.named.words = &WORDS;
        request.named.spelled.push(("seed", "randomSeed".to_owned()));
        request.reasoning = Some(Reasoning { budget_tokens: Some(1), ..Reasoning::default() });
        let found = Block { place: Place::at("contents[4].parts[1].x"), ..Block::text("found") };
        let result = BlockKind::ToolResult { id: "a".into(), name: None, content: vec![found], is_error: false };
        let result = Block { place: Place::at("contents[4].parts[1]"), ..result.into() };
        request.turns.push(Turn { place: Place::at("contents[4]"), ..Turn::new(Role::User, vec![result]) });
        request.named.tools.push("tools[0].functions[7]".to_owned());
        request.tools.push(Tool::Opaque { dialect: Dialect::Gemini, value: crate::ir::Value::Null });
        let table = [
            ("top_k", "config.k"),
            ("seed", "randomSeed"),
            ("temperature", "temperature"),
            ("reasoning_effort", "think.tokens"),
            ("frequency_penalty", "frequency_penalty"),
            ("messages[0].name", "contents[4].called"),
            ("messages[0].content[0]", "contents[4].parts[1]"),
            ("messages[0].content[0].is_error", "contents[4].parts[1].is_error"),
            ("messages[0].content[0].content[0].detail", "contents[4].parts[1].x.detail"),
            ("messages[0].content[0].toolResult.content[0]", "contents[4].parts[1].x"),
            ("messages[9].content[0]", "messages[9].content[0]"),
            ("tools[0].strict", "tools[0].functions[7].strict"),
        ];
        for (ours, theirs) in table {
            assert_eq!(name(&request, ours), theirs, "{ours}");
        }
    }
}

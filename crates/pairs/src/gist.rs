//! What everybody understands of an answer, and of a request.

use ringmain_dialects::ir::{
    BlockKind, Finish, Media, MediaSource, OutputFormat, Request, Response, Role, Tool, ToolChoice,
};
use ringmain_dialects::{Encoded, Loss, LossKind};
use serde_json::Value;

/// An answer's text, calls, reason to stop and usage.
#[derive(Debug, PartialEq)]
struct Gist {
    text: String,
    calls: Vec<(String, Value)>,
    finish: &'static str,
    input: u64,
    output: u64,
    cache_read: u64,
}

fn gist(response: &Response) -> Gist {
    let mut text = String::new();
    let mut calls = Vec::new();
    for block in &response.blocks {
        match &block.kind {
            BlockKind::Text { text: more, .. } | BlockKind::Refusal { text: more } => text.push_str(more),
            BlockKind::ToolCall { name, arguments, .. } => {
                let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
                calls.push((name.clone(), serde_json::from_str(arguments).unwrap_or_default()));
            }
            _ => {}
        }
    }
    let usage = response.usage.unwrap_or_default();
    Gist {
        finish: finish(&response.finish, !calls.is_empty()),
        text,
        calls,
        input: usage.input,
        output: usage.output,
        cache_read: usage.cache_read,
    }
}

/// The coarsest words that all dialects share.
const fn finish(finish: &Finish, calls: bool) -> &'static str {
    match finish {
        _ if calls => "tools",
        Finish::Stop | Finish::StopSequence(_) | Finish::Pause | Finish::ToolUse | Finish::Other(_) => "stop",
        Finish::Length | Finish::ContextFull => "length",
        Finish::Refusal => "refusal",
    }
}

/// An answer as another dialect can hold it: its own blocks stay at home.
pub(crate) fn carried(mut response: Response) -> Response {
    response.blocks.retain(|block| !matches!(block.kind, BlockKind::Opaque { .. }));
    response
}

/// Is it the same answer? Where the model declines, one dialect says it in the block, another in the reason to stop.
pub(crate) fn same_answer(back: &Response, original: &Response) -> Result<(), String> {
    let declined = original.blocks.iter().any(|block| matches!(block.kind, BlockKind::Refusal { .. }));
    let (mut back, original) = (gist(back), gist(original));
    if declined {
        back.finish = original.finish;
    }
    let parts = [
        ("text", back.text == original.text),
        ("tool calls", back.calls == original.calls),
        ("finish reason", back.finish == original.finish),
        ("usage", (back.input, back.output, back.cache_read) == (original.input, original.output, original.cache_read)),
    ];
    let wrong: Vec<_> = parts.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect();
    if wrong.is_empty() { Ok(()) } else { Err(format!("another {}", wrong.join(" and "))) }
}

/// Did the request arrive: every character the model reads, and every tool?
pub(crate) fn same_request(back: &Request, request: &Request, encoded: &Encoded) -> Result<(), String> {
    // Instructions inside the conversation go to its front where a dialect has no place for them.
    let moved = request.turns.iter().any(|turn| turn.role == Role::System);
    let ordered = |request: &Request| if moved { sorted(&words(request)) } else { words(request) };
    let (arrived, sent) = (ordered(back), ordered(request));
    // A text document is text where a dialect has no documents.
    let inlined = request
        .turns
        .iter()
        .flat_map(|turn| &turn.blocks)
        .any(|block| matches!(&block.kind, BlockKind::Document(Media { source: MediaSource::Text(_), .. })));
    // A conversation that does not begin with the user is given a beginning where one is demanded.
    let begun = encoded.losses.iter().any(|loss| loss.kind == LossKind::Defaulted);
    // A model that cannot be held to a form is told of it.
    let told =
        request.output != OutputFormat::Text && encoded.losses.iter().any(|loss| loss.kind == LossKind::Approximated);
    let same = if told {
        let heard = words(back);
        texts(request).all(|text| heard.contains(&text))
    } else if inlined || begun {
        arrived.contains(&sent)
    } else {
        arrived == sent
    };
    if !same {
        return Err("other words".to_owned());
    }
    // Where there is no word for "none", there are no tools to call either.
    let silent = request.tool_choice == Some(ToolChoice::None) && back.tools.is_empty();
    // Where calls must be declared, those the conversation holds are.
    let declared = request.tools.is_empty() && encoded.losses.contains(&Loss::defaulted("tools"));
    if silent || declared || tools(back) == offered(request, back) { Ok(()) } else { Err("other tools".to_owned()) }
}

/// Every text the model reads, without white space.
fn texts(request: &Request) -> impl Iterator<Item = String> {
    let turns = request.turns.iter().flat_map(|turn| &turn.blocks);
    request.system.iter().chain(turns).filter_map(|block| match &block.kind {
        BlockKind::Text { text, .. } => Some(text.chars().filter(|c| !c.is_whitespace()).collect()),
        _ => None,
    })
}

/// All of it: dialects differ in how they cut text into blocks and join it.
fn words(request: &Request) -> String {
    texts(request).collect()
}

fn sorted(text: &str) -> String {
    let mut all: Vec<char> = text.chars().collect();
    all.sort_unstable();
    all.into_iter().collect()
}

/// The tools that are to arrive: where a dialect cannot demand one of many, that one alone.
fn offered(request: &Request, back: &Request) -> Vec<String> {
    match &request.tool_choice {
        Some(ToolChoice::Named(name)) if back.tool_choice == Some(ToolChoice::Required) => vec![name.clone()],
        _ => tools(request),
    }
}

fn tools(request: &Request) -> Vec<String> {
    let named = request.tools.iter().filter_map(|tool| match tool {
        Tool::Function { name, .. } => Some(name.clone()),
        Tool::Opaque { .. } => None,
    });
    named.collect()
}

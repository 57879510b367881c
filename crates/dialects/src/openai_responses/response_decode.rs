//! A provider's whole answer to the intermediate representation.

use serde_json::Value;

use super::seal::{self, Sealed};
use super::wire::seconds;
use super::{OWN, finish, output, usage};
use crate::codec::Malformed;
use crate::ir::{Block, BlockKind, Response, TokenLogprob};
use crate::loss::Loss;
use crate::shared::fields::Fields;
use crate::shared::logprobs;

/// Reads an answer. Its many members that repeat the request are no news.
///
/// # Errors
/// Not an answer of this dialect; one that failed, or is not finished.
pub(super) fn decode(body: &[u8]) -> Result<Response, Malformed> {
    let mut fields = Fields::parse(body)?;
    if fields.peek("error").is_some() {
        return Err(Malformed::new("error", "an error with a success status"));
    }
    let mut response = Response {
        id: fields.string("id")?.unwrap_or_default(),
        model: fields.string("model")?.unwrap_or_default(),
        created: fields.value("created_at").and_then(|created| seconds(&created.to_string())),
        usage: fields.value("usage").and_then(|counts| usage::read(&counts.to_string())),
        ..Response::default()
    };
    let items = fields.array("output")?.ok_or_else(|| Malformed::new("output", "is required"))?;
    (response.blocks, response.logprobs) = blocks(items, &mut response.losses)?;
    let status = fields.string("status")?.unwrap_or_default();
    let details = fields.value("incomplete_details").unwrap_or_default();
    let reason = details.get("reason").and_then(Value::as_str);
    let calls = has_calls(&response.blocks);
    response.finish =
        finish::read(&status, reason, calls).ok_or_else(|| Malformed::new("status", "the answer is not finished"))?;
    Ok(response)
}

/// Is a tool asked for, by the application to be run?
pub(super) fn has_calls(blocks: &[Block]) -> bool {
    blocks.iter().any(|block| matches!(block.kind, BlockKind::ToolCall { .. }))
}

/// Reads the items of an output.
///
/// # Errors
/// An item that is not one.
pub(super) fn blocks(items: Vec<Value>, losses: &mut Vec<Loss>) -> Result<(Vec<Block>, Vec<TokenLogprob>), Malformed> {
    let (mut blocks, mut logprobs) = (Vec::new(), Vec::new());
    let mut proofs = Vec::new();
    for (nth, item) in items.into_iter().enumerate() {
        let path = format!("output[{nth}]");
        if item.get("type").is_some_and(|kind| kind == "reasoning") {
            let (block, sealed) = output::reasoning(&mut Fields::of(path, item)?)?;
            blocks.extend(block);
            if let Some(Sealed::Call { id, signature }) = sealed {
                proofs.push((id, signature));
            }
        } else {
            item_blocks(item, &path, &mut blocks, &mut logprobs, losses)?;
        }
    }
    seal::sign(blocks.iter_mut(), &proofs);
    Ok((blocks, logprobs))
}

fn item_blocks(
    item: Value,
    path: &str,
    blocks: &mut Vec<Block>,
    logprobs: &mut Vec<TokenLogprob>,
    losses: &mut Vec<Loss>,
) -> Result<(), Malformed> {
    match output::kind(&item, path)? {
        "message" => message(Fields::of(path, item)?, blocks, logprobs, losses),
        "function_call" => {
            let mut call = Fields::of(path, item)?;
            blocks.push(output::function_call(&mut call)?);
            // Bedrock's servers name the item a second time.
            ["item_id", "output_index"].iter().for_each(|field| drop(call.value(field)));
            losses.extend(call.rest().into_iter().map(|extra| Loss::dropped(extra.field)));
            Ok(())
        }
        "image_generation_call" => {
            blocks.push(output::image(&item).unwrap_or_else(|| opaque(item)));
            Ok(())
        }
        _ => {
            blocks.push(opaque(item));
            Ok(())
        }
    }
}

/// An item of the provider's own.
pub(super) fn opaque(value: Value) -> Block {
    BlockKind::Opaque { dialect: OWN, value }.into()
}

fn message(
    mut message: Fields,
    blocks: &mut Vec<Block>,
    logprobs: &mut Vec<TokenLogprob>,
    losses: &mut Vec<Loss>,
) -> Result<(), Malformed> {
    let path = message.path("content");
    for (nth, part) in message.array("content")?.unwrap_or_default().into_iter().enumerate() {
        let mut part = Fields::of(format!("{path}[{nth}]"), part)?;
        if let Some(list) = part.value("logprobs") {
            match logprobs::read(&list.to_string()) {
                Some(more) => logprobs.extend(more),
                None => losses.push(Loss::dropped(part.path("logprobs"))),
            }
        }
        blocks.extend(part_block(&mut part)?);
    }
    Ok(())
}

/// Reads a part of a message; `None` for one that says nothing.
fn part_block(part: &mut Fields) -> Result<Option<Block>, Malformed> {
    if let Some(text) = part.string("refusal")? {
        return Ok(Some(BlockKind::Refusal { text }.into()));
    }
    let text = part.string("text")?.unwrap_or_default();
    let citations = part.array("annotations")?.unwrap_or_default();
    let says = !text.is_empty() || !citations.is_empty();
    Ok(says.then(|| BlockKind::Text { text, citations }.into()))
}

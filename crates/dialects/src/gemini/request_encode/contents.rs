//! `systemInstruction` and `contents`.

use ringmain_core::Dialect;
use serde_json::{Map, Value, json};

use super::super::names::Builder;
use super::super::parts::{arguments_object, call_part, is_made_up, result_object};
use super::super::{media, response_encode};
use super::{is_native, is_third_generation};
use crate::codec::{TargetProfile, Unsupported};
use crate::ir::{Block, BlockKind, Request, Role};
use crate::loss::Loss;

/// The least a turn can hold: empty text is refused.
const MINIMAL_TEXT: &str = ".";
/// The API's own word for "this call was not made by this model": it takes the call without a signature.
const FOREIGN_CALL: &str = "skip_thought_signature_validator";

pub(super) fn write(
    request: &Request,
    profile: &TargetProfile,
    body: &mut Builder,
    losses: &mut Vec<Loss>,
) -> Result<(), Unsupported> {
    let mut writer = Writer { request, turn: 0, third: is_third_generation(profile.family()), losses };
    let mut system = writer.parts(&request.system, "system")?;
    let mut contents: Vec<(&'static str, Vec<Value>)> = Vec::new();
    for (at, turn) in request.turns.iter().enumerate() {
        let path = format!("messages[{at}]");
        writer.turn = at;
        let parts = writer.parts(&turn.blocks, &path)?;
        if turn.name.is_some() {
            writer.losses.push(Loss::dropped(format!("{path}.name")));
        }
        let role = match turn.role {
            Role::Assistant => "model",
            Role::User => "user",
            Role::System if contents.is_empty() => {
                system.extend(parts);
                continue;
            }
            // There is one place for instructions, before the conversation.
            Role::System => {
                writer.losses.push(Loss::approximated(format!("{path}.role")));
                "user"
            }
        };
        match contents.last_mut() {
            _ if parts.is_empty() => {}
            Some((last, known)) if *last == role => known.extend(parts),
            _ => contents.push((role, parts)),
        }
    }
    if contents.is_empty() && !system.is_empty() {
        // The API answers a conversation, never instructions alone.
        writer.losses.push(Loss::approximated("system"));
        contents.push(("user", std::mem::take(&mut system)));
    }
    let first = request.turns.first().map(|turn| turn.role);
    match (contents.first(), first) {
        (Some(("user", _)), _) => {}
        // A caller of the dialect wrote nothing, or an empty text.
        (None, None) if is_native(request) => {}
        (_, Some(Role::User)) if is_native(request) => contents.insert(0, ("user", vec![json!({ "text": "" })])),
        // A call of a function must follow a turn of the user, and nothing is no question.
        _ => {
            writer.losses.push(Loss::defaulted("messages"));
            contents.insert(0, ("user", vec![json!({ "text": MINIMAL_TEXT })]));
        }
    }
    if writer.third {
        sign_calls(&mut contents, writer.losses);
    }
    if !system.is_empty() {
        body.set("systemInstruction", json!({ "parts": system }));
    }
    let contents = contents.into_iter().map(|(role, mut parts)| {
        results_first(&mut parts);
        json!({ "role": role, "parts": parts })
    });
    body.set("contents", contents.collect::<Vec<_>>());
    Ok(())
}

/// The results of calls must follow the calls at once; the rest keeps its order behind them.
fn results_first(parts: &mut [Value]) {
    parts.sort_by_key(|part| part.get("functionResponse").is_none());
}

/// The first call of each step must be signed.
fn sign_calls(contents: &mut [(&'static str, Vec<Value>)], losses: &mut Vec<Loss>) {
    for (role, parts) in contents {
        let first = parts.iter_mut().filter_map(Value::as_object_mut).find(|part| part.contains_key("functionCall"));
        if *role == "model"
            && let Some(part) = first
            && !part.contains_key("thoughtSignature")
        {
            part.insert("thoughtSignature".to_owned(), FOREIGN_CALL.into());
            losses.push(Loss::defaulted("thoughtSignature"));
        }
    }
}

struct Writer<'a> {
    request: &'a Request,
    /// The turn that is written.
    turn: usize,
    third: bool,
    losses: &'a mut Vec<Loss>,
}

impl Writer<'_> {
    fn parts(&mut self, blocks: &[Block], path: &str) -> Result<Vec<Value>, Unsupported> {
        let mut parts = Vec::new();
        for (at, block) in blocks.iter().enumerate() {
            let path = if path == "system" { format!("system[{at}]") } else { format!("{path}.content[{at}]") };
            if block.cache.is_some() {
                self.losses.push(Loss::dropped(format!("{path}.cache_control")));
            }
            self.part(&block.kind, &path, &mut parts)?;
        }
        Ok(parts)
    }

    fn part(&mut self, kind: &BlockKind, path: &str, parts: &mut Vec<Value>) -> Result<(), Unsupported> {
        match kind {
            BlockKind::Text { text, citations } => {
                if !citations.is_empty() {
                    self.losses.push(Loss::dropped(format!("{path}.citations")));
                }
                if !text.is_empty() {
                    parts.push(json!({ "text": text }));
                }
            }
            BlockKind::Refusal { text } => parts.push(json!({ "text": text })),
            BlockKind::Image(_) | BlockKind::Document(_) | BlockKind::Audio(_) => {
                parts.extend(media::encode(kind, path, self.losses)?);
            }
            BlockKind::ToolCall { id, name, arguments, signature } => {
                if arguments_object(arguments).get("arguments").is_some_and(|inner| inner == arguments) {
                    self.losses.push(Loss::approximated(format!("{path}.arguments")));
                }
                parts.push(call_part(id, name, arguments, signature.as_deref()));
            }
            BlockKind::ToolResult { id, name, content, is_error } => {
                self.result((id, name.as_deref(), *is_error), content, path, parts)?;
            }
            BlockKind::Reasoning { text, signature, redacted } => {
                if redacted.is_some() {
                    self.losses.push(Loss::dropped(format!("{path}.redacted")));
                }
                // A signature that another provider made would be refused, and there is no telling them apart.
                let mut signature = signature.as_deref();
                let is_known = is_native(self.request) || self.request.signatures.are_targets();
                if !is_known && signature.take().is_some() {
                    self.losses.push(Loss::dropped(format!("{path}.signature")));
                }
                response_encode::reasoning(parts, text, signature);
            }
            BlockKind::Opaque { dialect: Dialect::Gemini, value } => parts.push(value.clone()),
            BlockKind::Opaque { .. } => self.losses.push(Loss::dropped(path)),
        }
        Ok(())
    }

    /// `call`: the id, the name where the caller gave it, and whether the tool failed.
    fn result(
        &mut self,
        (id, name, is_error): (&str, Option<&str>, bool),
        content: &[Block],
        path: &str,
        parts: &mut Vec<Value>,
    ) -> Result<(), Unsupported> {
        let name = name.or_else(|| self.request.tool_of_call(id, self.turn)).unwrap_or_else(|| {
            self.losses.push(Loss::defaulted(format!("{path}.name")));
            id
        });
        let mut text = Vec::new();
        let mut attached = Vec::new();
        for (at, block) in content.iter().enumerate() {
            let path = format!("{path}.content[{at}]");
            if block.cache.is_some() {
                self.losses.push(Loss::dropped(format!("{path}.cache_control")));
            }
            match &block.kind {
                BlockKind::Text { text: more, citations } => {
                    if !citations.is_empty() {
                        self.losses.push(Loss::dropped(format!("{path}.citations")));
                    }
                    text.push(more.as_str());
                }
                kind => match media::encode(kind, &path, self.losses)? {
                    Some(part) => attached.push(part),
                    None => self.losses.push(Loss::dropped(path)),
                },
            }
        }
        let mut response = Map::new();
        if !is_made_up(id) {
            response.insert("id".to_owned(), id.into());
        }
        response.insert("name".to_owned(), name.into());
        response.insert("response".to_owned(), result_object(&text.join("\n"), is_error));
        let inside = self.third || is_native(self.request);
        if inside && !attached.is_empty() {
            response.insert("parts".to_owned(), std::mem::take(&mut attached).into());
        }
        parts.push(json!({ "functionResponse": response }));
        if !attached.is_empty() {
            // Older models take text alone from a tool: the picture goes beside it.
            self.losses.push(Loss::approximated(format!("{path}.content")));
            parts.extend(attached);
        }
        Ok(())
    }
}

//! Turns to messages: the order and alternation most models insist on.

use ringmain_core::Capabilities;
use serde_json::{Map, Value, json};

use super::block_encode;
use super::request_encode::Context;
use crate::codec::Unsupported;
use crate::ir::Role;
use crate::loss::Loss;

/// The least a user turn can hold: blank text is refused.
const MINIMAL_TEXT: &str = ".";

/// The messages of a request.
#[derive(Debug)]
pub(super) struct Conversation {
    messages: Vec<Message>,
    /// Instructions found between the turns, for the system prompt.
    pub(super) instructions: Vec<Value>,
}

#[derive(Debug)]
struct Message {
    role: Role,
    blocks: Vec<Value>,
    extra: Map<String, Value>,
}

impl Conversation {
    /// Encodes and orders the turns. Those of a caller of this dialect stay as they were: the provider's own words
    /// explain best what is wrong with them.
    pub(super) fn new(context: &mut Context<'_>) -> Result<Self, Unsupported> {
        let mut conversation = Self { messages: Vec::new(), instructions: Vec::new() };
        let request = context.request;
        for (at, turn) in request.turns.iter().enumerate() {
            let path = format!("messages[{at}]");
            if turn.name.is_some() {
                context.dropped(format!("{path}.name"));
            }
            let place = format!("{path}.content");
            if turn.role == Role::System && !context.own {
                let blocks = block_encode::system(context, &turn.blocks, &place)?;
                if !blocks.is_empty() {
                    context.approximated(path);
                }
                conversation.instructions.extend(blocks);
                continue;
            }
            let blocks = block_encode::turn(context, turn.role, &turn.blocks, &place)?;
            let mut extra = Map::new();
            context.put_back.restore(&path, &mut extra);
            let message = Message { role: turn.role, blocks, extra };
            if context.own {
                conversation.messages.push(message);
            } else {
                conversation.append(message);
            }
        }
        if !context.own {
            conversation.mend(context);
        }
        Ok(conversation)
    }

    fn append(&mut self, mut message: Message) {
        if message.blocks.is_empty() {
            return;
        }
        match self.messages.last_mut() {
            Some(last) if last.role == message.role => last.blocks.append(&mut message.blocks),
            _ => self.messages.push(message),
        }
    }

    /// What would be refused otherwise.
    fn mend(&mut self, context: &mut Context<'_>) {
        for message in self.messages.iter_mut().filter(|message| message.role == Role::User) {
            results_first(&mut message.blocks);
            // A document is refused without a word about it.
            if holds(&message.blocks, "document") && !holds(&message.blocks, "text") {
                message.blocks.push(json!({ "text": MINIMAL_TEXT }));
                context.losses.push(Loss::defaulted("messages"));
            }
        }
        self.trim_prefill(context);
        if self.messages.first().is_none_or(|message| message.role == Role::Assistant) {
            self.messages.insert(0, minimal());
            context.losses.push(Loss::defaulted("messages"));
        }
        if self.ends_with_assistant() && !context.can(Capabilities::PREFILL, true) {
            self.messages.push(minimal());
            context.losses.push(Loss::defaulted("messages"));
        }
    }

    /// A last assistant turn is continued by the model, and may not end in white space.
    fn trim_prefill(&mut self, context: &mut Context<'_>) {
        while let Some(last) = self.messages.last_mut().filter(|message| message.role == Role::Assistant) {
            let Some(block) = last.blocks.last_mut() else {
                self.messages.pop();
                continue;
            };
            let Some(text) = block.get("text").and_then(Value::as_str) else { break };
            let trimmed = text.trim_end();
            if trimmed.len() == text.len() {
                break;
            }
            let field = format!("messages[{}].content", context.request.turns.len().saturating_sub(1));
            context.losses.push(Loss::approximated(field));
            if trimmed.is_empty() {
                last.blocks.pop();
            } else {
                block["text"] = Value::from(trimmed.to_owned());
            }
        }
    }

    /// Is the model asked to go on with a turn of its own?
    pub(super) fn ends_with_assistant(&self) -> bool {
        self.messages.last().is_some_and(|message| message.role == Role::Assistant)
    }

    /// Does it hold calls of tools, or results?
    pub(super) fn holds_tools(&self) -> bool {
        self.messages.iter().any(|message| holds(&message.blocks, "toolUse") || holds(&message.blocks, "toolResult"))
    }

    /// Do tool results wait for an answer although the turn that asked for them does not begin with its thinking?
    pub(super) fn lacks_thinking(&self) -> bool {
        let [.., asked, results] = self.messages.as_slice() else { return false };
        results.blocks.first().is_some_and(|block| is(block, "toolResult"))
            && asked.role == Role::Assistant
            && !asked.blocks.first().is_some_and(|block| is(block, "reasoningContent"))
    }

    /// The messages as they are written.
    pub(super) fn finish(self) -> Value {
        let messages = self.messages.into_iter().map(|message| {
            let role = match message.role {
                Role::User => "user",
                Role::Assistant => "assistant",
                Role::System => "system",
            };
            let mut value = Map::from_iter([
                ("role".to_owned(), role.into()),
                ("content".to_owned(), Value::Array(message.blocks)),
            ]);
            value.extend(message.extra);
            Value::Object(value)
        });
        messages.collect()
    }
}

/// Results of tools stand before all else, each with the breakpoint after it.
fn results_first(blocks: &mut Vec<Value>) {
    let mut of_result = false;
    let (results, others): (Vec<Value>, Vec<Value>) = std::mem::take(blocks).into_iter().partition(|block| {
        of_result = is(block, "toolResult") || (of_result && is(block, "cachePoint"));
        of_result
    });
    blocks.extend(results.into_iter().chain(others));
}

fn minimal() -> Message {
    Message { role: Role::User, blocks: vec![json!({ "text": MINIMAL_TEXT })], extra: Map::new() }
}

fn holds(blocks: &[Value], kind: &str) -> bool {
    blocks.iter().any(|block| is(block, kind))
}

fn is(block: &Value, kind: &str) -> bool {
    block.get(kind).is_some()
}

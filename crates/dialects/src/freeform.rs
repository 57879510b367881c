//! Calls in forms that OpenAI alone has: of free-form tools, and Chat's form from before there were tools.
//!
//! Free-form tools are those of the type `custom`, whose input is plain text (a patch, a program) and no JSON.
//! A dialect without them is offered a function of one argument that holds the text ([`as_functions`]), and the model's
//! calls of it become calls of the free-form tool again before the caller sees them ([`Calls`]). A grammar that the text
//! must satisfy cannot be enforced there; the model is told of it, and the caller that it is no more than told.
//!
//! Whoever writes `functions` in place of `tools` reads one `function_call` in the answer, and no `tool_calls`.

use ringmain_core::Dialect;
use serde_json::{Value, json};

use crate::ir::{Block, BlockHead, BlockKind, Delta, Event, Request, Response, Tool, ToolChoice};
use crate::loss::Loss;

/// The member of Chat's messages that holds a call in the older form.
pub(crate) const OLDER_CALL: &str = "function_call";
/// The one argument of the function that stands for a free-form tool.
const INPUT: &str = "input";

/// What OpenAI's two dialects say of such a tool, in a member of its own or not.
struct Definition<'a> {
    name: &'a str,
    description: &'a str,
    /// The words of a grammar (its syntax, its text), where the input must satisfy one.
    grammar: Option<(&'a str, &'a str)>,
}

impl<'a> Definition<'a> {
    fn of(tool: &'a Tool) -> Option<Self> {
        let Tool::Opaque { value, .. } = tool else { return None };
        let inner = custom(value)?;
        let format = inner.get("format").filter(|format| word(format, "type") == Some("grammar"));
        let grammar = format.map(|format| format.get("grammar").unwrap_or(format));
        Some(Self {
            name: word(inner, "name")?,
            description: word(inner, "description").unwrap_or_default(),
            grammar: grammar.and_then(|grammar| Some((word(grammar, "syntax")?, word(grammar, "definition")?))),
        })
    }

    fn function(&self) -> Tool {
        let mut description = self.description.to_owned();
        if let Some((syntax, definition)) = self.grammar {
            description += &format!("\n\n`{INPUT}` must satisfy this grammar ({syntax}):\n{definition}");
        }
        let text = json!({ "type": "string", "description": "The whole input, as plain text." });
        Tool::Function {
            name: self.name.to_owned(),
            description: Some(description.trim_start().to_owned()).filter(|text| !text.is_empty()),
            parameters: Some(json!({ "type": "object", "properties": { INPUT: text }, "required": [INPUT] })),
            strict: None,
            cache: None,
        }
    }
}

fn word<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field)?.as_str()
}

/// What a tool, a choice or a call of the type `custom` says: beside its type in Responses, in a member in Chat.
fn custom(value: &Value) -> Option<&Value> {
    (word(value, "type")? == "custom").then(|| value.get("custom").unwrap_or(value))
}

/// Makes functions of the request's free-form tools, and calls of these of those it tells of; what of them is only near.
/// Where the caller's form has one call at most, a target that can be told so is.
pub fn as_functions(request: &mut Request, target: Dialect) -> Vec<Loss> {
    let mut losses = Vec::new();
    if older(request).next().is_some() && matches!(target, Dialect::AnthropicMessages | Dialect::OpenAiResponses) {
        request.parallel_tools.get_or_insert(false);
    }
    for (nth, tool) in request.tools.iter_mut().enumerate() {
        let Some(function) = Definition::of(tool).map(|definition| definition.function()) else { continue };
        *tool = function;
        losses.push(Loss::approximated(format!("tools[{nth}]")));
    }
    for block in request.turns.iter_mut().flat_map(|turn| &mut turn.blocks) {
        let BlockKind::Opaque { value, .. } = &block.kind else { continue };
        if let Some(kind) = call(value).or_else(|| output(value)) {
            block.kind = kind;
        }
    }
    let chosen = request.extras.iter().position(|extra| extra.field == "tool_choice" && custom(&extra.value).is_some());
    if let Some(at) = chosen {
        let choice = request.extras.remove(at).value;
        let name = custom(&choice).and_then(|choice| word(choice, "name"));
        request.tool_choice = name.map(|name| ToolChoice::Named(name.to_owned()));
    }
    losses
}

/// A call of a free-form tool in either dialect, as a function's.
fn call(value: &Value) -> Option<BlockKind> {
    let (id, call) = match word(value, "type")? {
        "custom_tool_call" => (word(value, "call_id")?, value),
        _ => (word(value, "id")?, custom(value)?),
    };
    let arguments = json!({ INPUT: word(call, "input")? }).to_string();
    let name = word(call, "name")?.to_owned();
    Some(BlockKind::ToolCall { id: id.to_owned(), name, arguments, signature: None })
}

/// What came of a call, where it is an item of its own (Responses).
fn output(value: &Value) -> Option<BlockKind> {
    if word(value, "type")? != "custom_tool_call_output" {
        return None;
    }
    let content = match value.get("output")? {
        Value::Array(parts) => parts.iter().filter_map(|part| word(part, "text")).map(Block::text).collect(),
        Value::String(text) => vec![Block::text(text.as_str())],
        other => vec![Block::text(other.to_string())],
    };
    let id = word(value, "call_id")?.to_owned();
    Some(BlockKind::ToolResult { id, name: None, content, is_error: false })
}

/// The functions that are told of in the form from before there were tools.
fn older(request: &Request) -> impl Iterator<Item = &str> {
    request.tools.iter().zip(&request.named.tools).filter_map(|(tool, place)| match tool {
        Tool::Function { name, .. } if place.starts_with("functions[") => Some(name.as_str()),
        _ => None,
    })
}

/// Makes calls of functions that stand for free-form tools calls of these again, in one answer; and of those that were
/// told of in the older form, calls in that form.
#[derive(Debug)]
pub struct Calls {
    dialect: Dialect,
    freeform: Vec<String>,
    older: Vec<String>,
    /// Calls whose arguments are still coming.
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    index: u32,
    id: String,
    name: String,
    arguments: String,
}

impl Calls {
    /// For an answer to this request; `None` where it has neither.
    #[must_use]
    pub fn of(request: &Request) -> Option<Self> {
        let freeform = request.tools.iter().filter_map(Definition::of).map(|definition| definition.name.to_owned());
        let (freeform, older): (Vec<_>, Vec<_>) = (freeform.collect(), older(request).map(str::to_owned).collect());
        let any = !(freeform.is_empty() && older.is_empty());
        any.then(|| Self { dialect: request.dialect, freeform, older, open: Vec::new() })
    }

    /// Has a call begun that is not whole yet?
    #[must_use]
    pub const fn holds_one(&self) -> bool {
        !self.open.is_empty()
    }

    fn is_ours(&self, name: &str) -> bool {
        self.freeform.iter().chain(&self.older).any(|known| known == name)
    }

    /// A call as the caller's dialect has it.
    fn call(&self, id: &str, name: &str, arguments: &str) -> BlockKind {
        if self.older.iter().any(|known| known == name) {
            let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
            let value = json!({ OLDER_CALL: { "name": name, "arguments": arguments } });
            return BlockKind::Opaque { dialect: self.dialect, value };
        }
        freeform(self.dialect, id, name, arguments)
    }

    /// The calls of a whole answer.
    pub fn response(&self, response: &mut Response) {
        for block in &mut response.blocks {
            if let BlockKind::ToolCall { id, name, arguments, .. } = &block.kind
                && self.is_ours(name)
            {
                block.kind = self.call(id, name, arguments);
            }
        }
    }

    /// The calls in events that have just come. One that has begun is held until it is whole: its text is inside JSON.
    pub fn events(&mut self, events: &mut Vec<Event>) {
        let begins = |event: &Event| matches!(event, Event::BlockStart { head: BlockHead::ToolCall { .. }, .. });
        if self.open.is_empty() && !events.iter().any(begins) {
            return;
        }
        let came = std::mem::take(events);
        events.extend(came.into_iter().flat_map(|event| self.event(event)));
    }

    fn event(&mut self, event: Event) -> Vec<Event> {
        match event {
            Event::BlockStart { index, head: BlockHead::ToolCall { id, name } } if self.is_ours(&name) => {
                self.open.push(Open { index, id, name, arguments: String::new() });
                Vec::new()
            }
            Event::Delta { index, delta } if self.open.iter().any(|open| open.index == index) => {
                let open = self.open.iter_mut().find(|open| open.index == index);
                if let (Some(open), Delta::Arguments(more)) = (open, delta) {
                    open.arguments.push_str(&more);
                }
                Vec::new()
            }
            Event::BlockStop { index } => match self.open.iter().position(|open| open.index == index) {
                Some(at) => {
                    let Open { id, name, arguments, .. } = self.open.swap_remove(at);
                    let block = Block::from(self.call(&id, &name, &arguments));
                    vec![Event::BlockStart { index, head: BlockHead::Whole(Box::new(block)) }, event]
                }
                None => vec![event],
            },
            event => vec![event],
        }
    }
}

/// A call of a free-form tool.
fn freeform(dialect: Dialect, id: &str, name: &str, arguments: &str) -> BlockKind {
    let parsed: Option<Value> = serde_json::from_str(arguments).ok();
    // A model may write the text itself where it was to be an argument.
    let input = parsed.as_ref().and_then(|arguments| word(arguments, INPUT)).unwrap_or(arguments);
    let value = match dialect {
        Dialect::OpenAiChat => json!({ "id": id, "type": "custom", "custom": { "name": name, "input": input } }),
        _ => json!({
            "id": format!("ctc_{id}"), "type": "custom_tool_call", "status": "completed",
            "call_id": id, "name": name, "input": input,
        }),
    };
    BlockKind::Opaque { dialect, value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::fold::unfold;
    use crate::registry::codec;
    use crate::tests::folded;
    use crate::{StreamStart, TargetProfile};

    const PATCH: &str = "*** Begin Patch\n\"a\"\n*** End Patch";

    /// The same request, with a tool, its choice, a call and what came of it, in both dialects.
    fn asked(dialect: Dialect) -> Request {
        let grammar = json!({ "syntax": "lark", "definition": "start: PATCH" });
        let body = match dialect {
            Dialect::OpenAiChat => json!({
                "model": "m",
                "tools": [{ "type": "custom", "custom": { "name": "patch", "description": "Edits.",
                    "format": { "type": "grammar", "grammar": grammar } } }],
                "tool_choice": { "type": "custom", "custom": { "name": "patch" } },
                "messages": [
                    { "role": "user", "content": "go" },
                    { "role": "assistant", "content": null, "tool_calls": [
                        { "id": "c1", "type": "custom", "custom": { "name": "patch", "input": PATCH } }] },
                    { "role": "tool", "tool_call_id": "c1", "content": "Done." },
                ],
            }),
            _ => json!({
                "model": "m",
                "tools": [{ "type": "custom", "name": "patch", "description": "Edits.",
                    "format": { "type": "grammar", "syntax": "lark", "definition": "start: PATCH" } }],
                "tool_choice": { "type": "custom", "name": "patch" },
                "input": [
                    { "role": "user", "content": "go" },
                    { "type": "custom_tool_call", "call_id": "c1", "name": "patch", "input": PATCH },
                    { "type": "custom_tool_call_output", "call_id": "c1", "output": "Done." },
                ],
            }),
        };
        codec(dialect).unwrap().decode_request(body.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_dialect_without_them_is_offered_functions() {
        for dialect in [Dialect::OpenAiChat, Dialect::OpenAiResponses] {
            let mut request = asked(dialect);
            assert_eq!(as_functions(&mut request, Dialect::AnthropicMessages), [Loss::approximated("tools[0]")]);
            let profile = TargetProfile { model: "claude".to_owned(), ..TargetProfile::default() };
            let encoded = codec(Dialect::AnthropicMessages).unwrap().encode_request(&request, &profile).unwrap();
            let body: Value = serde_json::from_slice(&encoded.body).unwrap();
            let tool = &body["tools"][0];
            assert_eq!((&tool["name"], &tool["input_schema"]["required"]), (&json!("patch"), &json!([INPUT])));
            let told = tool["description"].as_str().unwrap();
            assert!(told.starts_with("Edits.") && told.ends_with("(lark):\nstart: PATCH"), "{told}");
            assert_eq!(body["tool_choice"]["name"], "patch");
            let (call, result) = (&body["messages"][1]["content"][0], &body["messages"][2]["content"][0]);
            assert_eq!((&call["id"], &call["input"]), (&json!("c1"), &json!({ INPUT: PATCH })));
            assert_eq!(result["tool_use_id"], "c1");
            assert!(result.to_string().contains("Done."), "{result}");
        }
    }

    fn answer(arguments: &str) -> Response {
        let call = |id: &str, name: &str| BlockKind::ToolCall {
            id: id.to_owned(),
            name: name.to_owned(),
            arguments: arguments.to_owned(),
            signature: None,
        };
        let blocks = vec![Block::text("So:"), call("c1", "patch").into(), call("c2", "other").into()];
        Response { id: "r".to_owned(), model: "m".to_owned(), blocks, ..Response::default() }
    }

    #[test]
    fn calls_come_back_as_they_were_asked_for_plain_and_streamed() {
        for dialect in [Dialect::OpenAiChat, Dialect::OpenAiResponses] {
            let mut calls = Calls::of(&asked(dialect)).unwrap();
            let given = answer(&json!({ INPUT: PATCH }).to_string());
            let mut plain = given.clone();
            calls.response(&mut plain);
            assert_eq!(plain.blocks[1].kind, freeform(dialect, "c1", "patch", &json!({ INPUT: PATCH }).to_string()));
            assert_eq!(plain.blocks[2], given.blocks[2], "a function stays one");
            // One event at a time, as a stream brings them.
            let mut turned = Vec::new();
            for event in unfold(&given) {
                let mut list = vec![event];
                calls.events(&mut list);
                turned.append(&mut list);
            }
            assert!(!calls.holds_one());
            assert_eq!(folded(turned).blocks, plain.blocks);
            // And the caller's own decoder reads them as its vendor's.
            let codec = codec(dialect).unwrap();
            let back = codec.decode_response(&codec.encode_response(&plain).body).unwrap();
            assert!(back.blocks.iter().any(|block| block.kind == plain.blocks[1].kind), "{back:?}");
            let mut out = Vec::new();
            let mut encoder = codec.stream_encoder(&StreamStart::default());
            unfold(&plain).iter().for_each(|event| encoder.event(event, &mut out));
            let out = String::from_utf8(out).unwrap();
            assert!(out.contains("*** Begin Patch\\n\\\"a\\\""), "{out}");
        }
    }

    /// What a caller from before there were tools asks.
    fn asked_of_old() -> Request {
        let body = json!({
            "model": "m",
            "functions": [{ "name": "f" }, { "name": "g" }],
            "function_call": { "name": "f" },
            "messages": [
                { "role": "user", "content": "go" },
                { "role": "assistant", "content": null, "function_call": { "name": "f", "arguments": "{}" } },
                { "role": "function", "name": "f", "content": "Done." },
            ],
        });
        codec(Dialect::OpenAiChat).unwrap().decode_request(body.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn targets_that_can_are_told_that_the_older_form_has_one_call() {
        for (dialect, told) in [
            (Dialect::AnthropicMessages, Some(false)),
            (Dialect::OpenAiResponses, Some(false)),
            (Dialect::Gemini, None),
        ] {
            let mut request = asked_of_old();
            assert_eq!(as_functions(&mut request, dialect), []);
            assert_eq!(request.parallel_tools, told, "{dialect}");
        }
    }

    #[test]
    fn a_call_of_a_function_of_old_comes_back_in_its_form_plain_and_streamed() {
        let codec = codec(Dialect::OpenAiChat).unwrap();
        let mut calls = Calls::of(&asked_of_old()).unwrap();
        let call = |id: &str, name: &str, arguments: &str| {
            let (id, name, arguments) = (id.to_owned(), name.to_owned(), arguments.to_owned());
            Block::from(BlockKind::ToolCall { id, name, arguments, signature: None })
        };
        let blocks = vec![Block::text("So:"), call("c1", "f", ""), call("c2", "g", "{}")];
        let given = Response { id: "r".to_owned(), blocks, finish: crate::ir::Finish::ToolUse, ..Response::default() };
        let mut plain = given.clone();
        calls.response(&mut plain);
        let encoded = codec.encode_response(&plain);
        let body: Value = serde_json::from_slice(&encoded.body).unwrap();
        let choice = &body["choices"][0];
        assert_eq!(choice["message"]["function_call"], json!({ "name": "f", "arguments": "{}" }));
        assert_eq!((choice["message"].get("tool_calls"), &choice["finish_reason"]), (None, &json!("function_call")));
        assert_eq!(encoded.losses, [Loss::dropped("tool_calls")], "the form has no place for a second");

        let mut events = unfold(&given);
        calls.events(&mut events);
        let mut out = Vec::new();
        let mut encoder = codec.stream_encoder(&StreamStart::default());
        events.iter().for_each(|event| encoder.event(event, &mut out));
        assert_eq!(encoder.take_losses(), [Loss::dropped("tool_calls")]);
        let out = String::from_utf8(out).unwrap();
        assert!(out.contains(r#""delta":{"function_call":{"name":"f","arguments":"{}"}}"#), "{out}");
        assert!(out.contains(r#""finish_reason":"function_call""#) && !out.contains("tool_calls"), "{out}");
    }

    #[test]
    fn text_that_a_model_wrote_in_place_of_the_argument_is_the_input() {
        for arguments in [PATCH, "[1]", "{\"other\":1}"] {
            let BlockKind::Opaque { value, .. } = freeform(Dialect::OpenAiResponses, "c", "patch", arguments) else {
                panic!("a call")
            };
            assert_eq!(value["input"], arguments);
        }
    }
}

//! A caller's request.

use ringmain_core::Dialect;
use serde_json::{Value, json};

use super::names::{document, elements, field, object};
use super::parts::{Piece, made_up_id, read, signature_block};
use super::schema::to_json_schema;
use super::words::WORDS;
use crate::codec::Malformed;
use crate::ir::{
    Block, BlockKind, Effort, Extra, OutputFormat, Place, Reasoning, Request, Role, Tool, ToolChoice, Turn,
};
use crate::shared::fields::Fields;

/// Fields that point to what only the provider that was told remembers.
const REMEMBERED: [&str; 2] = ["cachedContent", "continuationToken"];

pub(super) fn decode(body: &[u8]) -> Result<Request, Malformed> {
    let mut fields = document(body)?;
    let mut request = Request::new(Dialect::Gemini);
    request.named.words = &WORDS;
    request.include_usage = true;
    // The path names the model; where the body does too, it is in its long form.
    let model = fields.string("model")?.unwrap_or_default();
    request.model = model.strip_prefix("models/").unwrap_or(&model).to_owned();
    request.system = system(&mut fields, &mut request.extras)?;
    let mut calls = Calls::default();
    for (at, (path, content)) in elements(&mut fields, "contents")?.into_iter().enumerate() {
        let content = object(path, content)?;
        let turn = turn(content, at, &mut calls, &mut request.extras)?;
        request.turns.push(turn);
    }
    for (path, tool) in elements(&mut fields, "tools")? {
        tools(object(path, tool)?, &mut request)?;
    }
    if let Some(config) = field(&mut fields, "toolConfig")? {
        tool_config(config, &mut request)?;
    }
    if let Some(config) = field(&mut fields, "generationConfig")? {
        generation(config, &mut request)?;
    }
    // What is cached, or was being answered, is a part of the question that its provider alone remembers.
    request.remembered =
        REMEMBERED.iter().filter(|name| fields.peek(name).is_some()).map(ToString::to_string).collect();
    request.extras.extend(fields.rest());
    Ok(request)
}

fn system(fields: &mut Fields, extras: &mut Vec<Extra>) -> Result<Vec<Block>, Malformed> {
    if let Some(Value::String(text)) = fields.peek("systemInstruction") {
        let text = Block::text(text.as_str()).at("systemInstruction");
        fields.value("systemInstruction");
        return Ok(vec![text]);
    }
    let Some(mut content) = field(fields, "systemInstruction")? else { return Ok(Vec::new()) };
    let (mut blocks, mut rest) = (Vec::new(), Vec::new());
    for (path, part) in elements(&mut content, "parts")? {
        let whole = part.clone();
        let mut unheard = |field: String, value: Value| extras.push(Extra { field, value });
        match read(&path, part, &mut rest)? {
            Piece::Text { text, thought, signature } => {
                blocks.push(Block::text(text).at(&path));
                if thought {
                    unheard(format!("{path}.thought"), true.into());
                }
                if let Some(signature) = signature {
                    unheard(format!("{path}.thoughtSignature"), signature.into());
                }
            }
            Piece::Whole { block, .. } => blocks.push(block.at(&path)),
            // Nothing an instruction can hold.
            Piece::Call { .. } | Piece::Result { .. } => unheard(path, whole),
        }
    }
    extras.append(&mut rest);
    Ok(blocks)
}

/// The calls of the conversation so far: id, name, and whether its result was seen.
#[derive(Default)]
struct Calls(Vec<(String, String, bool)>);

impl Calls {
    /// The id of a call; made up where it has none.
    fn called(&mut self, id: Option<String>, name: &str, turn: usize) -> String {
        let id = id.unwrap_or_else(|| made_up_id(&turn.to_string(), self.0.len()));
        self.0.push((id.clone(), name.to_owned(), false));
        id
    }

    /// The id of the call that a result answers: the first open one of this name, where the result names none.
    fn answered(&mut self, id: Option<String>, name: &str) -> String {
        let known = match &id {
            Some(id) => self.0.iter_mut().find(|(known, ..)| known == id),
            None => self.0.iter_mut().find(|(_, known, done)| known == name && !done),
        };
        match (known, id) {
            (Some((id, _, done)), _) => {
                *done = true;
                id.clone()
            }
            (None, Some(id)) => id,
            (None, None) => made_up_id("result", self.0.len()),
        }
    }
}

fn turn(mut content: Fields, at: usize, calls: &mut Calls, extras: &mut Vec<Extra>) -> Result<Turn, Malformed> {
    let role = match content.string("role")?.as_deref() {
        Some("model") => Role::Assistant,
        Some("system") => Role::System,
        None | Some("" | "user" | "function" | "tool") => Role::User,
        Some(_) => return Err(Malformed::new(content.path("role"), "expected `user` or `model`")),
    };
    let mut blocks = Vec::new();
    for (path, part) in elements(&mut content, "parts")? {
        let before = blocks.len();
        match read(&path, part, extras)? {
            Piece::Text { text, thought: true, signature } => {
                blocks.push(BlockKind::Reasoning { text, signature, redacted: None }.into());
            }
            Piece::Text { text, thought: false, signature } => {
                blocks.extend((!text.is_empty()).then(|| Block::text(text)));
                blocks.extend(signature.map(signature_block));
            }
            Piece::Call { id, name, arguments, signature } => {
                let id = calls.called(id, &name, at);
                blocks.push(BlockKind::ToolCall { id, name, arguments, signature }.into());
            }
            Piece::Result { id, name, content, is_error } => {
                let id = calls.answered(id, &name);
                let name = Some(name).filter(|name| !name.is_empty());
                blocks.push(BlockKind::ToolResult { id, name, content, is_error }.into());
            }
            Piece::Whole { block, signature } => {
                blocks.push(block);
                blocks.extend(signature.map(signature_block));
            }
        }
        blocks.iter_mut().skip(before).for_each(|block| block.place = Place::at(path.as_str()));
    }
    let turn = Turn::new(role, blocks).at(content.place());
    extras.extend(content.rest());
    Ok(turn)
}

fn tools(mut tool: Fields, request: &mut Request) -> Result<(), Malformed> {
    for (path, declaration) in elements(&mut tool, "functionDeclarations")? {
        request.named.tools.push(path.clone());
        let mut declaration = object(path, declaration)?;
        let schema = declaration.value("parametersJsonSchema");
        let parameters = declaration.value("parameters").map(to_json_schema);
        request.tools.push(Tool::Function {
            name: declaration.required_string("name")?,
            description: declaration.string("description")?,
            parameters: schema.or(parameters),
            strict: None,
            cache: None,
        });
        request.extras.extend(declaration.rest());
    }
    let place = tool.place().to_owned();
    let rest = tool.into_map();
    if !rest.is_empty() {
        let only = rest.keys().next().filter(|_| rest.len() == 1);
        request.named.tools.push(only.map_or_else(|| place.clone(), |name| format!("{place}.{name}")));
        request.tools.push(Tool::Opaque { dialect: Dialect::Gemini, value: Value::Object(rest) });
    }
    Ok(())
}

fn tool_config(mut config: Fields, request: &mut Request) -> Result<(), Malformed> {
    let path = config.path("functionCallingConfig");
    if let Some(calling) = config.value("functionCallingConfig") {
        let mut fields = object(path.as_str(), calling.clone())?;
        let mode = fields.value("mode");
        let mut names = fields.array("allowedFunctionNames")?.unwrap_or_default();
        let (choice, exact) = match mode.as_ref().and_then(Value::as_str).unwrap_or("AUTO") {
            "NONE" => (ToolChoice::None, names.is_empty()),
            "ANY" if names.len() == 1 => match names.remove(0) {
                Value::String(name) => (ToolChoice::Named(name), true),
                _ => return Err(Malformed::new(format!("{path}.allowedFunctionNames[0]"), "expected a string")),
            },
            mode @ ("ANY" | "VALIDATED") if !names.is_empty() => {
                let names: Option<Vec<String>> = names.iter().map(|name| name.as_str().map(str::to_owned)).collect();
                let names = names.ok_or_else(|| {
                    Malformed::new(format!("{path}.allowedFunctionNames"), "expected an array of strings")
                })?;
                (ToolChoice::Among { names, required: mode == "ANY" }, true)
            }
            "ANY" => (ToolChoice::Required, true),
            "AUTO" => (ToolChoice::Auto, names.is_empty()),
            _ => (ToolChoice::Auto, false),
        };
        request.tool_choice = Some(choice);
        if !exact {
            request.extras.push(Extra { field: path, value: calling });
        }
    }
    request.extras.extend(config.rest());
    Ok(())
}

fn generation(mut config: Fields, request: &mut Request) -> Result<(), Malformed> {
    let sampling = &mut request.sampling;
    sampling.max_output_tokens = config.count("maxOutputTokens")?;
    sampling.temperature = config.number("temperature")?;
    sampling.top_p = config.number("topP")?;
    sampling.top_k = config.count("topK")?;
    sampling.seed = config.number("seed")?;
    sampling.frequency_penalty = config.number("frequencyPenalty")?;
    sampling.presence_penalty = config.number("presencePenalty")?;
    sampling.n = config.count("candidateCount")?;
    sampling.logprobs = config.boolean("responseLogprobs")?;
    sampling.top_logprobs = config.count("logprobs")?;
    let path = config.path("stopSequences");
    for (at, stop) in config.array("stopSequences")?.unwrap_or_default().into_iter().enumerate() {
        let Value::String(stop) = stop else {
            return Err(Malformed::new(format!("{path}[{at}]"), "expected a string"));
        };
        sampling.stop.push(stop);
    }
    let schema = ["responseJsonSchema", "responseSchema"].into_iter().find(|name| config.peek(name).is_some());
    request.named.spelled.extend(schema.map(|name| ("response_format", config.path(name))));
    request.output = output(&mut config, &mut request.extras)?;
    if let Some(thinking) = field(&mut config, "thinkingConfig")? {
        request.reasoning = Some(reasoning(thinking, &mut request.extras)?);
    }
    // Text alone is what everybody gives.
    if config.peek("responseModalities").is_some_and(|kinds| *kinds == json!(["TEXT"]) || *kinds == json!(["text"])) {
        config.value("responseModalities");
    }
    request.extras.extend(config.rest());
    Ok(())
}

fn output(config: &mut Fields, extras: &mut Vec<Extra>) -> Result<OutputFormat, Malformed> {
    let schema = config.value("responseJsonSchema");
    let schema = schema.or_else(|| config.value("responseSchema").map(to_json_schema));
    let kind = config.string("responseMimeType")?;
    let path = config.path("responseMimeType");
    Ok(match (schema, kind.as_deref()) {
        (Some(schema), Some("application/json") | None) => {
            // Every answer is held to its schema.
            OutputFormat::JsonSchema { name: None, description: None, schema, strict: Some(true) }
        }
        (None, Some("application/json")) => OutputFormat::Json,
        (None, None | Some("text/plain" | "")) => OutputFormat::Text,
        // One word of a list (`text/x.enum`), or something newer: only this dialect knows it.
        (schema, Some(kind)) => {
            extras.push(Extra { field: path, value: kind.into() });
            let schema = schema.map(|value| Extra { field: config.path("responseJsonSchema"), value });
            extras.extend(schema);
            OutputFormat::Text
        }
    })
}

fn reasoning(mut thinking: Fields, extras: &mut Vec<Extra>) -> Result<Reasoning, Malformed> {
    let mut reasoning = Reasoning { visible: thinking.boolean("includeThoughts")?, ..Reasoning::default() };
    // -1 leaves the budget to the model.
    if thinking.peek("thinkingBudget").is_some_and(|budget| budget.as_i64() == Some(-1)) {
        extras.push(Extra { field: thinking.path("thinkingBudget"), value: (-1).into() });
        thinking.value("thinkingBudget");
    }
    reasoning.budget_tokens = thinking.count("thinkingBudget")?;
    let level = thinking.peek("thinkingLevel").and_then(Value::as_str).map(str::to_ascii_lowercase);
    reasoning.effort = level.as_deref().and_then(Effort::from_name);
    if reasoning.effort.is_some() {
        thinking.value("thinkingLevel");
    }
    extras.extend(thinking.rest());
    Ok(reasoning)
}

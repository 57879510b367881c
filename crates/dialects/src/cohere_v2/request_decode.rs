//! A caller's request to the intermediate representation.

use serde_json::Value;

use super::words::WORDS;
use super::{OWN, content, messages_decode};
use crate::codec::Malformed;
use crate::ir::{Effort, Extra, OutputFormat, Reasoning, Request, Sampling, Tool, ToolChoice};
use crate::shared::fields::Fields;

/// Reads a request.
///
/// # Errors
/// Not a request of this dialect; the message names the field.
pub(super) fn decode(body: &[u8]) -> Result<Request, Malformed> {
    let mut fields = Fields::parse(body)?;
    let mut request = Request::new(OWN);
    request.named.words = &WORDS;
    let mut rest = Vec::new();
    request.model = fields.required_string("model")?;
    let messages = fields.array("messages")?.ok_or_else(|| Malformed::new("messages", "is required"))?;
    messages_decode::decode(messages, &mut request, &mut rest)?;
    let documents = fields.array("documents")?.unwrap_or_default().into_iter().enumerate();
    let documents = documents
        .map(|(nth, value)| content::read_document(value, &format!("documents[{nth}]"), &mut rest))
        .collect::<Result<_, _>>()?;
    messages_decode::give_documents(documents, &mut request);
    tools(&mut fields, &mut request, &mut rest)?;
    request.sampling = sampling(&mut fields)?;
    request.output = output(&mut fields, &mut rest)?;
    request.reasoning = reasoning(&mut fields, &mut rest)?;
    request.stream = fields.boolean("stream")?.unwrap_or(false);
    // Streams of this dialect always end with usage.
    request.include_usage = true;
    request.extras = fields.rest();
    request.extras.append(&mut rest);
    Ok(request)
}

fn sampling(fields: &mut Fields) -> Result<Sampling, Malformed> {
    let mut stop = Vec::new();
    for (nth, value) in fields.array("stop_sequences")?.unwrap_or_default().into_iter().enumerate() {
        match value {
            Value::String(text) => stop.push(text),
            _ => return Err(Malformed::new(format!("stop_sequences[{nth}]"), "expected a string")),
        }
    }
    Ok(Sampling {
        max_output_tokens: fields.count("max_tokens")?,
        temperature: fields.number("temperature")?,
        top_p: fields.number("p")?,
        // 0 is how this dialect says that all may be chosen.
        top_k: fields.count("k")?.filter(|k| *k > 0),
        seed: fields.number("seed")?,
        frequency_penalty: fields.number("frequency_penalty")?,
        presence_penalty: fields.number("presence_penalty")?,
        stop,
        n: None,
        logprobs: fields.boolean("logprobs")?,
        top_logprobs: None,
    })
}

fn tools(fields: &mut Fields, request: &mut Request, rest: &mut Vec<Extra>) -> Result<(), Malformed> {
    let strict = fields.boolean("strict_tools")?;
    for (nth, tool) in fields.array("tools")?.unwrap_or_default().into_iter().enumerate() {
        if tool.get("type").is_some_and(|kind| kind != "function") {
            request.tools.push(Tool::Opaque { dialect: OWN, value: tool });
            continue;
        }
        let mut tool = Fields::of(format!("tools[{nth}]"), tool)?;
        tool.value("type");
        let place = tool.path("function");
        let mut function = tool.object("function")?.ok_or_else(|| Malformed::new(place, "is required"))?;
        request.tools.push(Tool::Function {
            name: function.required_string("name")?,
            description: function.string("description")?,
            parameters: function.value("parameters"),
            strict,
            cache: None,
        });
        rest.extend(function.rest());
        rest.extend(tool.rest());
    }
    let word = fields.string("tool_choice")?;
    request.tool_choice = match word.as_deref() {
        None => None,
        Some("REQUIRED") => Some(ToolChoice::Required),
        Some("NONE") => Some(ToolChoice::None),
        Some(_) => return Err(Malformed::new("tool_choice", "expected `REQUIRED` or `NONE`")),
    };
    Ok(())
}

fn output(fields: &mut Fields, rest: &mut Vec<Extra>) -> Result<OutputFormat, Malformed> {
    let Some(mut format) = fields.object("response_format")? else { return Ok(OutputFormat::Text) };
    let kind = format.required_string("type")?;
    // `schema` is the older name.
    let schema = format.value("json_schema").or_else(|| format.value("schema"));
    let found = match (kind.as_str(), schema) {
        ("text", _) => OutputFormat::Text,
        ("json_object", None) => OutputFormat::Json,
        ("json_object", Some(schema)) => {
            OutputFormat::JsonSchema { name: None, description: None, schema, strict: Some(true) }
        }
        _ => return Err(Malformed::new(format.path("type"), "expected `text` or `json_object`")),
    };
    rest.extend(format.rest());
    Ok(found)
}

fn reasoning(fields: &mut Fields, rest: &mut Vec<Extra>) -> Result<Option<Reasoning>, Malformed> {
    let Some(mut thinking) = fields.object("thinking")? else { return Ok(None) };
    let budget_tokens = thinking.count("token_budget")?;
    let reasoning = match thinking.required_string("type")?.as_str() {
        // What is thought is always shown.
        "enabled" => Reasoning { effort: None, budget_tokens, visible: Some(true) },
        "disabled" => Reasoning { effort: Some(Effort::None), budget_tokens: None, visible: None },
        _ => return Err(Malformed::new(thinking.path("type"), "expected `enabled` or `disabled`")),
    };
    rest.extend(thinking.rest());
    Ok(Some(reasoning))
}

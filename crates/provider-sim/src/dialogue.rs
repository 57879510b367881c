//! A scripted model: what it says and which tools it calls at each of its turns. For clients that act on calls, such as
//! coding agents, which need arguments that mean something.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ask::Call;

/// One turn of the model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Line {
    /// What it says; before its calls, where it has any.
    pub say: Option<String>,
    /// The tools it calls, in parallel.
    pub calls: Vec<LineCall>,
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineCall {
    /// The tool.
    pub name: String,
    /// What it is called with.
    #[serde(default)]
    pub arguments: serde_json::Map<String, Value>,
}

impl Line {
    /// The calls as an answer holds them.
    pub(crate) fn answer_calls(&self) -> Vec<Call> {
        let call = |call: &LineCall| Call {
            name: call.name.clone(),
            arguments: Value::Object(call.arguments.clone()).to_string(),
        };
        self.calls.iter().map(call).collect()
    }
}

/// The line that is due in this conversation: the first where the model has not spoken yet, and so on. None after the
/// last one, and where it calls a tool that the request does not offer: clients ask things aside of the conversation.
pub(crate) fn line_due<'a>(lines: &'a [Line], body: &[u8]) -> Option<&'a Line> {
    if lines.is_empty() {
        return None;
    }
    let body: Value = serde_json::from_slice(body).ok()?;
    let line = lines.get(turns_taken(&body))?;
    line.calls.iter().all(|call| offers(&body, &call.name)).then_some(line)
}

/// How often the model has spoken. What stands together (reasoning, text, calls) is one turn.
fn turns_taken(body: &Value) -> usize {
    let list = ["messages", "contents", "input"].into_iter().find_map(|name| body.get(name)?.as_array());
    let speaks: Vec<bool> = list.into_iter().flatten().map(is_of_model).collect();
    let before = std::iter::once(false).chain(speaks.iter().copied());
    before.zip(&speaks).filter(|(before, now)| **now && !before).count()
}

fn is_of_model(item: &Value) -> bool {
    match item.get("role").and_then(Value::as_str) {
        Some(role) => role == "assistant" || role == "model",
        // OpenAI Responses: items that are no messages.
        None => {
            let kind = item.get("type").and_then(Value::as_str).unwrap_or_default();
            kind == "reasoning" || kind.ends_with("_call")
        }
    }
}

/// Does the request offer this tool? Each dialect has a place of its own for the name.
fn offers(body: &Value, name: &str) -> bool {
    let tools = body.get("tools").or_else(|| body.pointer("/toolConfig/tools")).and_then(Value::as_array);
    let is_named = |tool: &Value| {
        ["/name", "/function/name", "/toolSpec/name"]
            .iter()
            .any(|place| tool.pointer(place).is_some_and(|it| it == name))
    };
    let declared = |tool: &Value| {
        let list = tool.get("functionDeclarations").or_else(|| tool.get("function_declarations"));
        list.and_then(Value::as_array).is_some_and(|list| list.iter().any(is_named))
    };
    tools.is_some_and(|tools| tools.iter().any(|tool| is_named(tool) || declared(tool)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines() -> Vec<Line> {
        serde_saphyr::from_str(
            "[{ say: I look., calls: [{ name: read, arguments: { path: a.txt } }] }, { say: Done. }]",
        )
        .unwrap()
    }

    fn due(body: &Value) -> Option<String> {
        line_due(&lines(), body.to_string().as_bytes()).and_then(|line| line.say.clone())
    }

    #[test]
    fn turns_are_counted_and_tools_found_in_every_dialect() {
        let user = json!({"role": "user", "content": "go"});
        let chat_tool = json!([{"type": "function", "function": {"name": "read"}}]);
        let called = json!({"role": "assistant", "tool_calls": [{}]});
        let flat_tool = json!([{"name": "read"}]);
        let declared = json!([{"functionDeclarations": [{"name": "read"}]}]);
        let spec = json!({"tools": [{"toolSpec": {"name": "read"}}]});
        let items = [json!({"type": "reasoning"}), json!({"type": "function_call"})];
        for (tools, name, begun, on) in [
            (json!({"tools": chat_tool}), "messages", json!([user]), json!([user, called, {"role": "tool"}])),
            (json!({"tools": flat_tool}), "messages", json!([user]), json!([user, called, user])),
            (json!({"tools": declared}), "contents", json!([user]), json!([user, {"role": "model"}, user])),
            (json!({"toolConfig": spec}), "messages", json!([user]), json!([user, called, user])),
            (
                json!({"tools": flat_tool}),
                "input",
                json!([user]),
                json!([user, items[0], items[1], {"type": "function_call_output"}]),
            ),
        ] {
            for (turns, want) in [(&begun, Some("I look.")), (&on, Some("Done."))] {
                let mut body = tools.clone();
                body[name] = turns.clone();
                assert_eq!(due(&body).as_deref(), want, "{body}");
            }
        }
    }

    #[test]
    fn what_is_asked_aside_gets_the_usual_answer() {
        assert_eq!(due(&json!({"messages": [{"role": "user"}]})), None, "the tool is not offered");
        let (user, model) = (json!({"role": "user"}), json!({"role": "assistant"}));
        assert_eq!(due(&json!({"messages": [user, model, user, model]})), None, "all is said");
        assert_eq!(due(&json!({"input": "hello", "tools": [{"name": "read"}]})).as_deref(), Some("I look."));
    }
}

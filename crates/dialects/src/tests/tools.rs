//! Tools and schemas that a target takes.

use ringmain_core::{Capabilities, Dialect};
use serde_json::{Value, json};

use crate::codec::TargetProfile;
use crate::registry::codec;
use Dialect::{AnthropicMessages, BedrockConverse, CohereV2, Gemini, OpenAiChat, OpenAiResponses};

/// The body for a target that holds answers to schemas, and what it does not carry.
fn written(from: Dialect, body: &Value, to: Dialect) -> (Value, Vec<String>) {
    let request = codec(from).unwrap().decode_request(body.to_string().as_bytes()).unwrap();
    let capabilities = Capabilities::JSON_SCHEMA.with(Capabilities::TOOLS);
    let profile =
        TargetProfile { model: "anthropic.claude-sonnet-4-5".to_owned(), capabilities, ..TargetProfile::default() };
    let encoded = codec(to).unwrap().encode_request(&request, &profile).unwrap();
    let losses = encoded.losses.into_iter().map(|loss| loss.field).collect();
    (serde_json::from_slice(&encoded.body).unwrap(), losses)
}

fn chat(more: &Value) -> Value {
    let mut body = json!({ "model": "m", "max_tokens": 99, "messages": [{ "role": "user", "content": "hi" }] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn graded() -> Value {
    json!({ "type": "object", "required": ["a"], "additionalProperties": false,
        "properties": { "a": { "type": "integer", "minimum": 1, "maximum": 9 } } })
}

#[test]
fn a_claude_is_held_to_what_it_can_be_held_to() {
    let fit = json!({ "type": "object", "required": ["a"], "additionalProperties": false,
        "properties": { "a": { "type": "integer", "description": "{minimum: 1, maximum: 9}" } } });
    let asked = chat(&json!({
        "response_format": { "type": "json_schema", "json_schema": { "name": "n", "schema": graded(), "strict": true } },
        "tools": [{ "type": "function", "function": { "name": "f", "parameters": graded(), "strict": true } },
            { "type": "function", "function": { "name": "g", "parameters": graded() } }] }));
    let (body, losses) = written(OpenAiChat, &asked, AnthropicMessages);
    assert_eq!(body["output_config"]["format"]["schema"], fit);
    assert_eq!((&body["tools"][0]["input_schema"], &body["tools"][0]["strict"]), (&fit, &json!(true)));
    assert_eq!(body["tools"][1]["input_schema"], graded());
    assert_eq!(losses, ["tools[0].function.strict", "response_format"]);
    let (body, losses) = written(OpenAiChat, &asked, BedrockConverse);
    let schema = body.pointer("/outputConfig/textFormat/structure/jsonSchema/schema").and_then(Value::as_str).unwrap();
    assert_eq!(serde_json::from_str::<Value>(schema).unwrap(), fit);
    let tools = &body["toolConfig"]["tools"];
    let tool = |nth: usize| &tools[nth]["toolSpec"];
    assert_eq!((&tool(0)["inputSchema"]["json"], &tool(0)["strict"]), (&fit, &json!(true)));
    assert_eq!(tool(1)["inputSchema"]["json"], graded());
    assert_eq!(losses, ["tools[0].function.strict", "response_format"]);
    // A caller of the dialect hears of it from the provider.
    let own = chat(&json!({ "tools": [{ "name": "f", "input_schema": graded(), "strict": true }] }));
    let (body, losses) = written(AnthropicMessages, &own, AnthropicMessages);
    assert_eq!((&body["tools"][0]["input_schema"], losses), (&graded(), Vec::new()));
}

#[test]
fn openai_is_strict_with_closed_schemas_alone() {
    let closed = json!({ "type": "object", "required": ["a"], "additionalProperties": false,
        "properties": { "a": { "type": "integer" } } });
    let open = json!({ "type": "object", "properties": { "a": { "type": "integer" } } });
    let optional =
        json!({ "type": "object", "additionalProperties": false, "properties": { "a": { "type": "integer" } } });
    for (schema, strict) in [(&closed, true), (&open, false), (&optional, false)] {
        let claude = chat(&json!({ "tools": [{ "name": "f", "input_schema": schema, "strict": true }] }));
        let cohere = chat(&json!({ "strict_tools": true,
            "tools": [{ "type": "function", "function": { "name": "f", "parameters": schema } }] }));
        for (from, asked, field) in [(AnthropicMessages, claude, "tools[0].strict"), (CohereV2, cohere, "strict_tools")]
        {
            let lost = if strict { vec![] } else { vec![field.to_owned()] };
            let (body, losses) = written(from, &asked, OpenAiChat);
            let told = body["tools"][0]["function"].get("strict").cloned();
            assert_eq!((told, &losses), (strict.then(|| json!(true)), &lost), "{schema}");
            let (body, losses) = written(from, &asked, OpenAiResponses);
            assert_eq!((&body["tools"][0]["strict"], &losses), (&json!(strict), &lost), "{schema}");
        }
    }
    // Nor can a caller of OpenAI's be helped: it says what it wants in OpenAI's words.
    let asked = chat(
        &json!({ "tools": [{ "type": "function", "function": { "name": "f", "parameters": open, "strict": true } }] }),
    );
    let (body, losses) = written(OpenAiChat, &asked, OpenAiResponses);
    assert_eq!((&body["tools"][0]["strict"], losses), (&json!(true), Vec::new()));
}

#[test]
fn no_choice_of_what_does_not_go_with_it() {
    let search = json!({ "type": "web_search_20250305", "name": "web_search" });
    let function = json!({ "name": "f", "input_schema": { "type": "object" } });
    let named = json!({ "type": "tool", "name": "web_search" });
    let places = [
        (OpenAiChat, "/tool_choice", "/tools"),
        (OpenAiResponses, "/tool_choice", "/tools"),
        (Gemini, "/toolConfig", "/tools/0/functionDeclarations"),
        (BedrockConverse, "/toolConfig/toolChoice", "/toolConfig/tools"),
        (CohereV2, "/tool_choice", "/tools"),
    ];
    for (to, choice, tools) in places {
        let (body, losses) =
            written(AnthropicMessages, &chat(&json!({ "tools": [search, function], "tool_choice": named })), to);
        assert_eq!(body.pointer(choice), None, "{to}");
        assert_eq!(body.pointer(tools).and_then(Value::as_array).map(Vec::len), Some(1), "{to}: {body}");
        assert!(losses.iter().any(|field| field == "tool_choice"), "{to}: {losses:?}");
        let any = chat(&json!({ "tools": [search], "tool_choice": { "type": "any" } }));
        let (body, losses) = written(AnthropicMessages, &any, to);
        assert_eq!((body.pointer(choice), body.pointer(tools)), (None, None), "{to}");
        assert!(losses.iter().any(|field| field == "tool_choice"), "{to}: {losses:?}");
    }
    // Without tools there is nothing to be serial about either.
    let asked = json!({ "model": "m", "input": "hi", "max_output_tokens": 99, "tools": [{ "type": "web_search" }],
        "tool_choice": "required", "parallel_tool_calls": false });
    let (body, losses) = written(OpenAiResponses, &asked, AnthropicMessages);
    assert_eq!((body.get("tools"), body.get("tool_choice")), (None, None));
    assert_eq!(losses, ["tool_choice", "tools[0]"]);
}

#[test]
fn a_text_is_told_to_who_takes_no_documents() {
    let document = json!({ "type": "document", "title": "T", "source": { "type": "text", "media_type": "text/plain", "data": "clause" } });
    let asked = chat(&json!({ "messages": [{ "role": "user", "content": [document] }] }));
    let (body, losses) = written(AnthropicMessages, &asked, BedrockConverse);
    assert_eq!(body["messages"][0]["content"][0], json!({ "text": "T\n\nclause" }));
    assert_eq!(losses, ["messages[0].content[0]"]);
}

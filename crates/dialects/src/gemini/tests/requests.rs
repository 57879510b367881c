//! Requests of other dialects on their way to this one, and what a request needs.

use ringmain_core::{Capabilities, Dialect};
use ringmain_wire::json::Object;
use serde_json::{Value, json};

use super::{encoded, profile};
use crate::codec::Codec as _;
use crate::gemini::Gemini;
use crate::ir::{
    Block, BlockKind, Effort, Extra, Media, MediaSource, OutputFormat, Reasoning, Request, Role, Tool, ToolChoice, Turn,
};

fn foreign() -> Request {
    Request::new(Dialect::OpenAiChat)
}

fn result(id: &str, text: &str, is_error: bool) -> Block {
    BlockKind::ToolResult { id: id.into(), name: None, content: vec![Block::text(text)], is_error }.into()
}

fn call(id: &str, name: &str) -> Block {
    BlockKind::ToolCall { id: id.into(), name: name.into(), arguments: "{\"a\":1}".into(), signature: None }.into()
}

#[test]
fn a_conversation_with_tools() {
    let mut request = foreign();
    request.turns = vec![
        Turn::new(Role::System, vec![Block::text("Be brief.")]),
        Turn::new(Role::User, vec![Block::text("Weather?")]),
        Turn::new(Role::Assistant, vec![call("t1", "weather"), call("gmn_x_1", "time")]),
        Turn::new(Role::User, vec![Block::text("here"), result("t1", "sunny", false)]),
        Turn::new(Role::User, vec![result("gmn_x_1", "{\"h\":7}", false), result("t9", "broken", true)]),
        Turn::new(Role::System, vec![Block::text("Now in Czech.")]),
    ];
    let (body, losses) = encoded(&request, &profile("gemini-2.5-flash"));
    assert_eq!(
        body,
        json!({
            "systemInstruction": { "parts": [{ "text": "Be brief." }] },
            "contents": [
                { "role": "user", "parts": [{ "text": "Weather?" }] },
                { "role": "model", "parts": [
                    { "functionCall": { "id": "t1", "name": "weather", "args": { "a": 1 } } },
                    { "functionCall": { "name": "time", "args": { "a": 1 } } },
                ] },
                { "role": "user", "parts": [
                    { "functionResponse": { "id": "t1", "name": "weather", "response": { "output": "sunny" } } },
                    { "functionResponse": { "name": "time", "response": { "h": 7 } } },
                    { "functionResponse": { "id": "t9", "name": "t9", "response": { "error": "broken" } } },
                    { "text": "here" },
                    { "text": "Now in Czech." },
                ] },
            ],
        })
    );
    assert_eq!(losses, ["messages[4].content[1].name", "messages[5].role"]);
    let (signed, losses) = encoded(&request, &profile("gemini-3-pro-preview"));
    let parts = &signed["contents"][1]["parts"];
    assert!(parts[0]["thoughtSignature"].is_string() && parts[1]["thoughtSignature"].is_null());
    assert!(losses.contains(&"thoughtSignature".to_owned()));
}

#[test]
fn instructions_alone_become_the_question() {
    let mut request = foreign();
    request.system = vec![Block::text("Say hi.")];
    let (body, losses) = encoded(&request, &profile("gemini-2.5-flash"));
    assert_eq!(body, json!({ "contents": [{ "role": "user", "parts": [{ "text": "Say hi." }] }] }));
    assert_eq!(losses, ["system"]);
}

#[test]
fn the_user_begins_and_says_something() {
    let says = |role, text: &str| Turn::new(role, vec![Block::text(text)]);
    let dot = json!({ "role": "user", "parts": [{ "text": "." }] });
    let table = [
        (vec![says(Role::User, "")], json!([dot])),
        (vec![], json!([dot])),
        (vec![says(Role::Assistant, "a")], json!([dot, { "role": "model", "parts": [{ "text": "a" }] }])),
    ];
    for (turns, contents) in table {
        let request = Request { turns, ..foreign() };
        let (body, losses) = encoded(&request, &profile("gemini-2.5-flash"));
        assert_eq!((&body["contents"], losses), (&contents, vec!["messages".to_owned()]));
    }
}

#[test]
fn a_result_is_of_the_last_call_of_its_id() {
    let mut request = foreign();
    request.turns = vec![
        Turn::new(Role::User, vec![Block::text("x")]),
        Turn::new(Role::Assistant, vec![call("call_0", "weather")]),
        Turn::new(Role::User, vec![result("call_0", "sunny", false)]),
        Turn::new(Role::Assistant, vec![call("call_0", "time")]),
        Turn::new(Role::User, vec![result("call_0", "noon", false)]),
    ];
    let (body, _) = encoded(&request, &profile("gemini-2.5-flash"));
    let name = |nth: usize| body["contents"][nth]["parts"][0]["functionResponse"]["name"].clone();
    assert_eq!((name(2), name(4)), (json!("weather"), json!("time")));
}

#[test]
fn settings() {
    let mut request = foreign();
    request.turns = vec![Turn::new(Role::User, vec![Block::text("x")])];
    request.sampling.n = Some(3);
    request.sampling.max_output_tokens = Some(9);
    request.sampling.stop = vec!["END".into()];
    request.parallel_tools = Some(false);
    request.extras = vec![Extra { field: "logit_bias".into(), value: json!({}) }];
    request.output = OutputFormat::JsonSchema {
        name: Some("n".into()),
        description: None,
        schema: json!({ "$ref": "#" }),
        strict: None,
    };
    request.tools = vec![Tool::Function {
        name: "f".into(),
        description: None,
        parameters: Some(json!({ "type": "object", "additionalProperties": false })),
        strict: Some(true),
        cache: None,
    }];
    request.tool_choice = Some(ToolChoice::Named("f".into()));
    let (body, losses) = encoded(&request, &profile("gemini-2.5-flash"));
    assert_eq!(
        body["generationConfig"],
        json!({
            "maxOutputTokens": 9, "stopSequences": ["END"],
            "responseMimeType": "application/json", "responseJsonSchema": { "$ref": "#" },
        })
    );
    let schema = &body["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"];
    assert_eq!(*schema, json!({ "type": "object", "additionalProperties": false }));
    let calling = json!({ "functionCallingConfig": { "mode": "ANY", "allowedFunctionNames": ["f"] } });
    assert_eq!(body["toolConfig"], calling);
    assert_eq!(losses, ["tools[0].strict", "n", "parallel_tool_calls", "logit_bias"]);
}

#[test]
fn thinking_is_asked_for_in_the_models_own_way() {
    let effort = |effort| Reasoning { effort: Some(effort), ..Reasoning::default() };
    let budget = |tokens| Reasoning { budget_tokens: Some(tokens), ..Reasoning::default() };
    let table = [
        ("gemini-3-flash-preview", effort(Effort::High), json!({ "thinkingLevel": "HIGH" })),
        ("gemini-3.1-pro", effort(Effort::Minimal), json!({ "thinkingLevel": "LOW" })),
        ("publishers/google/models/gemini-3-flash", effort(Effort::None), json!({ "thinkingLevel": "MINIMAL" })),
        ("gemini-2.5-flash", effort(Effort::None), json!({ "thinkingBudget": 0 })),
        ("gemini-2.5-pro", effort(Effort::None), json!({ "thinkingBudget": 128 })),
        ("gemini-2.5-flash", effort(Effort::Low), json!({ "thinkingBudget": 1024 })),
        ("gemini-2.5-flash", budget(77), json!({ "includeThoughts": true, "thinkingBudget": 77 })),
    ];
    for (model, reasoning, thinking) in table {
        let mut request = foreign();
        request.turns = vec![Turn::new(Role::User, vec![Block::text("x")])];
        request.reasoning = Some(reasoning);
        let (body, _) = encoded(&request, &profile(model));
        assert_eq!(body["generationConfig"]["thinkingConfig"], thinking, "{model}");
        let mut plain = profile(model);
        plain.capabilities = Capabilities::TOOLS;
        let (body, losses) = encoded(&request, &plain);
        assert_eq!(body.get("generationConfig"), None, "{model}");
        assert!(losses.len() <= 1);
    }
}

#[test]
fn media() {
    let media = |source, media_type: Option<&str>| Media {
        source,
        media_type: media_type.map(str::to_owned),
        name: None,
        detail: None,
    };
    let url = |url: &str| MediaSource::Url(url.to_owned());
    let table = [
        (
            BlockKind::Image(media(MediaSource::Base64("AA==".into()), Some("image/png"))),
            json!({ "inlineData": { "data": "AA==", "mimeType": "image/png" } }),
        ),
        (
            BlockKind::Image(media(url("https://x.example/a.webp?y=1"), None)),
            json!({ "fileData": { "fileUri": "https://x.example/a.webp?y=1", "mimeType": "image/webp" } }),
        ),
        (
            BlockKind::Document(media(MediaSource::Text("hi".into()), None)),
            json!({ "inlineData": { "data": "aGk=", "mimeType": "text/plain" } }),
        ),
    ];
    for (block, part) in table {
        let mut request = foreign();
        request.turns = vec![Turn::new(Role::User, vec![block.into()])];
        assert_eq!(encoded(&request, &profile("gemini-2.5-flash")).0["contents"][0]["parts"][0], part);
    }
    let mut request = foreign();
    let file = MediaSource::File { dialect: Dialect::OpenAiChat, id: "file_1".into() };
    request.turns = vec![Turn::new(Role::User, vec![BlockKind::Document(media(file, None)).into()])];
    assert!(Gemini.encode_request(&request, &profile("gemini-2.5-flash")).is_err());
}

#[test]
fn both_ways_of_naming_are_read() {
    let snake = json!({
        "contents": { "parts": [
            { "inline_data": { "mime_type": "image/png", "data": "_-8=" } },
            { "function_response": { "name": "f", "response": { "some_key": 1 } } },
        ] },
        "system_instruction": { "parts": [{ "text": "s" }] },
        "tools": [{ "function_declarations": [{ "name": "f", "parameters": {
            "type": "OBJECT", "properties": { "snake_case": { "type": "STRING", "nullable": true } } } }] }, { "google_search": {} }],
        "tool_config": { "function_calling_config": { "mode": "ANY", "allowed_function_names": ["f", "g"] } },
        "generation_config": { "max_output_tokens": 5, "thinking_config": { "thinking_budget": -1 } },
        "safety_settings": [],
    });
    let request = Gemini.decode_request(snake.to_string().as_bytes()).unwrap();
    let (body, losses) = encoded(&request, &profile("m"));
    assert_eq!(losses, Vec::<String>::new());
    assert_eq!(body["contents"][0]["parts"][1]["inlineData"], json!({ "data": "/+8=", "mimeType": "image/png" }));
    assert_eq!(body["contents"][0]["parts"][0]["functionResponse"]["response"], json!({ "some_key": 1 }));
    let schema = &body["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"];
    assert_eq!(*schema, json!({ "type": "object", "properties": { "snake_case": { "type": ["string", "null"] } } }));
    assert_eq!(body["tools"][1], json!({ "googleSearch": {} }));
    assert_eq!(body["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"], json!(["f", "g"]));
    assert_eq!(body["generationConfig"]["thinkingConfig"], json!({ "thinkingBudget": -1 }));
    let names = vec!["f".to_owned(), "g".to_owned()];
    assert_eq!(request.tool_choice, Some(ToolChoice::Among { names, required: true }));
}

#[test]
fn what_a_request_needs() {
    use Capabilities as C;
    let user = |part: Value| json!({ "contents": [{ "role": "user", "parts": [part] }] });
    let table = [
        (user(json!({ "text": "hi" })), C::NONE),
        (user(json!({ "inline_data": { "mime_type": "image/png", "data": "" } })), C::VISION),
        (user(json!({ "fileData": { "mimeType": "application/pdf", "fileUri": "" } })), C::DOCUMENTS),
        (user(json!({ "inlineData": { "mimeType": "audio/wav", "data": "" } })), C::AUDIO_IN),
        (json!({ "tools": [{ "functionDeclarations": [] }] }), C::TOOLS),
        (json!({ "tools": [{ "googleSearch": {} }] }), C::NONE),
        (json!({ "generationConfig": { "responseSchema": {}, "maxOutputTokens": 3 } }), C::JSON_SCHEMA),
        (json!({ "generationConfig": { "thinkingConfig": { "thinkingBudget": 0 } } }), C::NONE),
        (json!({ "generation_config": { "thinking_config": { "thinking_level": "LOW" } } }), C::REASONING),
        (json!({ "contents": [{ "role": "model", "parts": [] }] }), C::PREFILL),
    ];
    for (body, needs) in table {
        let text = body.to_string();
        assert_eq!(Gemini.inspect(&Object::parse(text.as_bytes()).unwrap()).unwrap().needs, needs, "{body}");
    }
}

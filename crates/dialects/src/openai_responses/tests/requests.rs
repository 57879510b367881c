//! What each field of a request means, both ways.

use ringmain_core::{Capabilities, Dialect};
use ringmain_wire::json::Object;
use serde_json::{Value, json};

use crate::codec::{Codec, TargetProfile};
use crate::ir::{
    Block, BlockKind, CacheMark, Effort, OutputFormat, Reasoning, Request, Role, Sampling, Tool, ToolChoice, Turn,
};
use crate::openai_responses::OpenAiResponses;

fn decode(body: &Value) -> Request {
    OpenAiResponses.decode_request(body.to_string().as_bytes()).unwrap()
}

fn encode(request: &Request, capabilities: Capabilities) -> (Value, Vec<String>) {
    let profile =
        TargetProfile { model: "m".to_owned(), capabilities, max_output_tokens: None, ..TargetProfile::default() };
    let encoded = OpenAiResponses.encode_request(request, &profile).unwrap();
    let losses = encoded.losses.into_iter().map(|loss| loss.field).collect();
    (serde_json::from_slice(&encoded.body).unwrap(), losses)
}

#[test]
fn items_are_turns() {
    let request = decode(&json!({ "model": "m", "instructions": "be brief", "input": [
        { "role": "developer", "content": "and kind" },
        { "role": "user", "content": [{ "type": "input_text", "text": "weather?" }] },
        { "type": "reasoning", "id": "rs_1", "summary": [{ "type": "summary_text", "text": "hm" }],
          "encrypted_content": "gAAAA1" },
        { "type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
          "content": [{ "type": "output_text", "text": "let me look", "annotations": [] }] },
        { "type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{}", "status": "completed" },
        { "type": "function_call", "call_id": "c2", "name": "g", "arguments": "{\"a\":1}" },
        { "type": "function_call_output", "call_id": "c1", "output": "rain" },
        { "type": "function_call_output", "call_id": "c2", "output": [{ "type": "input_text", "text": "sun" }] },
        { "role": "user", "content": "so?" },
        { "role": "assistant", "content": "one" },
        { "role": "assistant", "content": "two" },
    ] }));
    let call = |id: &str, name: &str, arguments: &str| {
        let (id, name, arguments) = (id.to_owned(), name.to_owned(), arguments.to_owned());
        Block::from(BlockKind::ToolCall { id, name, arguments, signature: None })
    };
    let result = |id: &str, text: &str| {
        let content = vec![Block::text(text)];
        Block::from(BlockKind::ToolResult { id: id.to_owned(), name: None, content, is_error: false })
    };
    let thought = BlockKind::Reasoning { text: "hm".into(), signature: None, redacted: Some("gAAAA1".into()) };
    assert_eq!(request.system, [Block::text("be brief"), Block::text("and kind")]);
    assert_eq!(
        request.turns,
        [
            Turn::new(Role::User, vec![Block::text("weather?")]),
            Turn::new(
                Role::Assistant,
                vec![thought.into(), Block::text("let me look"), call("c1", "f", "{}"), call("c2", "g", "{\"a\":1}"),]
            ),
            Turn::new(Role::User, vec![result("c1", "rain"), result("c2", "sun")]),
            Turn::new(Role::User, vec![Block::text("so?")]),
            Turn::new(Role::Assistant, vec![Block::text("one")]),
            Turn::new(Role::Assistant, vec![Block::text("two")]),
        ]
    );
    assert_eq!(request.extras, []);
    let again = decode(&encode(&request, Capabilities::NONE).0);
    assert_eq!((again.turns, again.system), (request.turns, vec![Block::text("be brief\n\nand kind")]));
}

#[test]
fn fields_have_their_words() {
    let request = decode(&json!({ "model": "m", "input": "hi", "stream": true, "store": false, "user": "u",
        "max_output_tokens": 50, "temperature": 0.7, "top_p": 1, "top_logprobs": 2, "parallel_tool_calls": false,
        "include": ["reasoning.encrypted_content", "message.output_text.logprobs"], "truncation": "auto",
        "reasoning": { "effort": "high", "summary": "auto" },
        "text": { "format": { "type": "json_schema", "name": "s", "schema": { "type": "object" }, "strict": true },
                  "verbosity": "low" },
        "tools": [{ "type": "function", "name": "f", "description": "d", "parameters": { "type": "object" } },
                  { "type": "web_search" }],
        "tool_choice": { "type": "function", "name": "f" } }));
    assert_eq!(
        request.sampling,
        Sampling {
            max_output_tokens: Some(50),
            temperature: Some("0.7".parse().unwrap()),
            top_p: Some(1.into()),
            logprobs: Some(true),
            top_logprobs: Some(2),
            ..Sampling::default()
        }
    );
    assert_eq!(
        request.reasoning,
        Some(Reasoning { effort: Some(Effort::High), budget_tokens: None, visible: Some(true) })
    );
    let schema = OutputFormat::JsonSchema {
        name: Some("s".into()),
        description: None,
        schema: json!({ "type": "object" }),
        strict: Some(true),
    };
    assert_eq!((request.output, request.tool_choice), (schema, Some(ToolChoice::Named("f".into()))));
    assert_eq!(request.tools.len(), 2);
    assert!(matches!(request.tools[1], Tool::Opaque { dialect: Dialect::OpenAiResponses, .. }));
    let mut extras: Vec<&str> = request.extras.iter().map(|extra| extra.field.as_str()).collect();
    extras.sort_unstable();
    assert_eq!(extras, ["truncation", "verbosity"]);
    assert_eq!((request.stream, request.include_usage, request.end_user.as_deref()), (true, true, Some("u")));
}

/// What only its provider remembers is named: nobody else is asked.
#[test]
fn what_the_provider_remembers_is_named() {
    let table = [
        (json!({ "model": "m", "previous_response_id": "resp_1" }), vec!["previous_response_id"]),
        (json!({ "model": "m", "input": "x", "conversation": { "id": "c" } }), vec!["conversation"]),
        (json!({ "model": "m", "prompt": { "id": "p" } }), vec!["prompt"]),
        (json!({ "model": "m", "input": [{ "type": "item_reference", "id": "msg_1" }] }), vec!["input[0]"]),
        (json!({ "model": "m", "input": [{ "id": "msg_1" }] }), vec!["input[0]"]),
        (json!({ "model": "m", "input": "x", "previous_response_id": null }), vec![]),
    ];
    for (body, names) in table {
        assert_eq!(decode(&body).remembered, names, "{body}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    let table = [
        (json!({ "input": "x" }), "model: is required"),
        (json!({ "model": "m" }), "input: is required"),
        (json!({ "model": "m", "input": 1 }), "input: expected a string or an array of items"),
        (json!({ "model": "m", "input": [{ "role": "x", "content": "" }] }), "input[0].role: expected a known role"),
        (
            json!({ "model": "m", "input": [{ "role": "user", "content": 1 }] }),
            "input[0].content: expected a string or an array of parts",
        ),
        (json!({ "model": "m", "input": [{ "type": "function_call", "call_id": "c" }] }), "input[0].name: is required"),
        (json!({ "model": "m", "input": [{ "type": "function_call_output" }] }), "input[0].call_id: is required"),
    ];
    for (body, problem) in table {
        let found = OpenAiResponses.decode_request(body.to_string().as_bytes()).unwrap_err();
        assert_eq!(found.to_string(), problem, "{body}");
    }
}

/// A request of another dialect: what is demanded is added, what has no word is a loss by name.
#[test]
fn requests_from_elsewhere() {
    let mut request = Request::new(Dialect::Gemini);
    request.turns.push(Turn::new(Role::User, vec![Block { cache: Some(CacheMark::default()), ..Block::text("hi") }]));
    request.turns.push(Turn::new(
        Role::Assistant,
        vec![
            BlockKind::Reasoning { text: "t".into(), signature: Some("EqQ".into()), redacted: None }.into(),
            BlockKind::Reasoning { text: "s".into(), signature: None, redacted: Some("gAAAA1".into()) }.into(),
            Block::text("ok"),
        ],
    ));
    request.tools.push(Tool::Function {
        name: "f".into(),
        description: None,
        parameters: None,
        strict: None,
        cache: None,
    });
    request.sampling = Sampling {
        max_output_tokens: Some(5),
        top_k: Some(3),
        seed: Some(1.into()),
        frequency_penalty: Some("0.0".parse().unwrap()),
        presence_penalty: Some(1.into()),
        stop: vec!["x".into()],
        n: Some(2),
        ..Sampling::default()
    };
    request.reasoning = Some(Reasoning { effort: None, budget_tokens: Some(5000), visible: Some(true) });
    let (body, losses) = encode(&request, Capabilities::REASONING);
    assert_eq!(
        body,
        json!({
            "model": "m",
            "input": [
                { "role": "user", "content": "hi" },
                { "type": "reasoning", "summary": [{ "type": "summary_text", "text": "s" }], "encrypted_content": "gAAAA1" },
                { "role": "assistant", "content": "ok" },
            ],
            "tools": [{ "type": "function", "name": "f", "parameters": { "type": "object", "properties": {} }, "strict": false }],
            "max_output_tokens": 16,
            "reasoning": { "effort": "high", "summary": "auto" },
            "include": ["reasoning.encrypted_content"],
            "store": false,
        })
    );
    assert_eq!(
        losses,
        [
            "messages[0].content[0].cache_control",
            "messages[1].content[0]",
            "max_tokens",
            "top_k",
            "seed",
            "presence_penalty",
            "stop",
            "n",
            "reasoning.budget_tokens",
        ]
    );
    let (body, losses) = encode(&request, Capabilities::TOOLS);
    assert_eq!((body.get("reasoning"), body.get("include")), (None, None));
    assert!(losses.contains(&"reasoning_effort".to_owned()));
}

#[test]
fn a_signature_finds_its_call() {
    let request = decode(&json!({ "model": "m", "input": [
        { "type": "reasoning", "summary": [], "encrypted_content": "ringmain:call:c1:c2ln" },
        { "type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}" },
    ] }));
    let [turn] = request.turns.as_slice() else { panic!("{:?}", request.turns) };
    let [Block { kind: BlockKind::ToolCall { signature, .. }, .. }] = turn.blocks.as_slice() else {
        panic!("{turn:?}")
    };
    assert_eq!(signature.as_deref(), Some("c2ln"));
}

#[test]
fn facts_are_read_without_decoding() {
    let body = json!({ "model": "m", "stream": true, "max_output_tokens": 9, "tools": [{ "type": "function", "name": "f" }],
        "text": { "format": { "type": "json_schema" } }, "reasoning": { "effort": "low" },
        "input": [{ "role": "user", "content": [{ "type": "input_image", "image_url": "u" }] },
                  { "type": "function_call_output", "call_id": "c", "output": [{ "type": "input_file", "file_id": "f" }] },
                  { "role": "assistant", "content": "so" }] })
    .to_string();
    let facts = OpenAiResponses.inspect(&Object::parse(body.as_bytes()).unwrap()).unwrap();
    assert_eq!((facts.model.as_deref(), facts.stream, facts.include_usage), (Some("m"), true, true));
    assert_eq!(facts.max_output_tokens, Some(9));
    let all = [
        Capabilities::TOOLS,
        Capabilities::JSON_SCHEMA,
        Capabilities::REASONING,
        Capabilities::VISION,
        Capabilities::DOCUMENTS,
        Capabilities::PREFILL,
    ];
    assert_eq!(facts.needs, all.into_iter().fold(Capabilities::NONE, Capabilities::with));
    let plain = OpenAiResponses.inspect(&Object::parse(br#"{"model":"m","input":"hi"}"#).unwrap()).unwrap();
    assert_eq!((plain.needs, plain.stream), (Capabilities::NONE, false));
    assert!(OpenAiResponses.inspect(&Object::parse(br#"{"model":1}"#).unwrap()).is_err());
}

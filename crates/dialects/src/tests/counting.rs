//! Recorded requests to count tokens, through every pair of dialects that can count.

use ringmain_core::Dialect;
use ringmain_wire::json::Object;
use serde_json::{Value, json};

use super::recordings;
use crate::codec::TargetProfile;
use crate::ir::{BlockKind, Request};
use crate::registry::counting;

const SPOKEN: [(Dialect, &[&str], usize); 4] = [
    (Dialect::AnthropicMessages, &["anthropic.count_tokens"], 4),
    (Dialect::OpenAiResponses, &["openai.responses_input_tokens"], 2),
    (Dialect::Gemini, &["gemini.count_tokens", "vertex.count_tokens"], 4),
    (Dialect::BedrockConverse, &["bedrock.count_tokens"], 3),
];

fn words(request: &Request) -> String {
    let blocks = request.system.iter().chain(request.turns.iter().flat_map(|turn| &turn.blocks));
    let text = |block: &crate::ir::Block| match &block.kind {
        BlockKind::Text { text, .. } => text.clone(),
        BlockKind::ToolCall { name, arguments, .. } => format!("{name}{arguments}"),
        _ => String::new(),
    };
    let tools = request.tools.iter().map(|tool| match tool {
        crate::ir::Tool::Function { name, .. } => name.clone(),
        crate::ir::Tool::Opaque { .. } => String::new(),
    });
    blocks.map(text).chain(tools).collect::<Vec<_>>().join("|")
}

#[test]
fn recorded_counts_cross_every_pair() {
    for (from, apis, some) in SPOKEN {
        let source = counting(from).unwrap();
        let recordings: Vec<_> = apis.iter().flat_map(|api| recordings(api)).collect();
        assert!(recordings.is_empty() || recordings.len() == some, "{from}: {} recordings", recordings.len());
        for recording in recordings {
            let id = &recording.id;
            let body = recording.request.unwrap();
            let text = body.to_string();
            let facts = source.inspect(&Object::parse(text.as_bytes()).unwrap()).unwrap();
            assert!(facts.input_tokens > 0, "{id}");
            if recording.status == 200 {
                let answer = recording.body.unwrap();
                let tokens = source.read(answer.to_string().as_bytes()).unwrap();
                assert_eq!(source.read(&source.write(tokens)), Some(tokens), "{id}");
            }
            // An InvokeModel body is the model's own.
            if body.pointer("/input/invokeModel").is_some() {
                assert!(source.decode(text.as_bytes()).unwrap_err().to_string().starts_with("input: only"), "{id}");
                continue;
            }
            let request = source.decode(text.as_bytes()).unwrap();
            for (to, ..) in SPOKEN {
                let target = counting(to).unwrap();
                let profile = TargetProfile { model: "m".to_owned(), ..TargetProfile::default() };
                let encoded = target.encode(&request, &profile).unwrap();
                let back = target.decode(&encoded.body).unwrap_or_else(|problem| panic!("{id} to {to}: {problem}"));
                assert_eq!(words(&back), words(&request), "{id} to {to}");
                assert_eq!(back.sampling, crate::ir::Sampling::default(), "{id} to {to}");
            }
        }
    }
}

fn encoded(to: Dialect, from: Dialect, body: &Value) -> Value {
    let profile = TargetProfile { model: "claude-sonnet-4-5".to_owned(), ..TargetProfile::default() };
    let request = counting(from).unwrap().decode(body.to_string().as_bytes()).unwrap();
    let encoded = counting(to).unwrap().encode(&request, &profile).unwrap();
    assert_eq!(encoded.losses.iter().filter(|loss| loss.kind != crate::LossKind::Defaulted).count(), 0, "{encoded:?}");
    serde_json::from_slice(&encoded.body).unwrap()
}

#[test]
fn the_envelope_is_the_targets_and_holds_the_input_alone() {
    use Dialect::{AnthropicMessages, BedrockConverse, Gemini, OpenAiResponses};
    let hi = json!([{ "type": "text", "text": "hi" }]);
    let body = json!({
        "model": "x", "system": "S", "max_tokens": 7, "temperature": 0.5, "stream": true, "metadata": { "user_id": "u" },
        "messages": [{ "role": "user", "content": hi }],
    });
    let gemini = json!({ "generateContentRequest": {
        "model": "models/claude-sonnet-4-5",
        "systemInstruction": { "parts": [{ "text": "S" }] },
        "contents": [{ "role": "user", "parts": [{ "text": "hi" }] }],
    } });
    assert_eq!(encoded(Gemini, AnthropicMessages, &body), gemini);
    let bedrock = json!({ "input": { "converse": {
        "messages": [{ "role": "user", "content": [{ "text": "hi" }] }], "system": [{ "text": "S" }],
    } } });
    assert_eq!(encoded(BedrockConverse, AnthropicMessages, &body), bedrock);
    let responses = encoded(OpenAiResponses, AnthropicMessages, &body);
    let members: Vec<_> = responses.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["model", "instructions", "input"]);
    let back = encoded(AnthropicMessages, Gemini, &gemini);
    assert_eq!(
        back,
        json!({ "model": "claude-sonnet-4-5", "system": "S", "messages": [{ "role": "user", "content": "hi" }] })
    );
}

#[test]
fn bare_contents_stay_bare() {
    let body = json!({ "messages": [{ "role": "user", "content": "hi" }] });
    let bare = json!({ "contents": [{ "role": "user", "parts": [{ "text": "hi" }] }] });
    assert_eq!(encoded(Dialect::Gemini, Dialect::AnthropicMessages, &body), bare);
}

#[test]
fn what_is_no_request_to_count_names_the_field() {
    let table = [
        (Dialect::BedrockConverse, r"{}", "input: is required"),
        (Dialect::BedrockConverse, r#"{"input":3}"#, "input: expected an object"),
        (Dialect::AnthropicMessages, r"{}", "messages: is required"),
        (Dialect::Gemini, r#"{"generateContentRequest":[]}"#, "generateContentRequest: expected an object"),
    ];
    for (dialect, body, problem) in table {
        let found = counting(dialect).unwrap().inspect(&Object::parse(body.as_bytes()).unwrap()).unwrap_err();
        assert_eq!(found.to_string(), problem, "{dialect}");
    }
}

#[test]
fn an_estimate_counts_what_is_said_and_not_how_it_is_written() {
    let messages = json!([
        { "role": "user", "content": [{ "type": "text", "text": "x".repeat(400) },
            { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "A".repeat(100_000) } }] },
    ]);
    let body = json!({ "model": "m", "messages": messages }).to_string();
    let request = counting(Dialect::AnthropicMessages).unwrap().decode(body.as_bytes()).unwrap();
    assert_eq!(crate::shared::estimate::of_request(&request), 100 + 1000 + 4);
}

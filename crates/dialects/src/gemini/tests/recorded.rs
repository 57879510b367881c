//! Every recorded request and plain answer, there and back.

use ringmain_core::Usage;
use ringmain_wire::json::Object;
use serde_json::{Value, json};

use super::super::names::camel;
use super::super::schema::to_json_schema;
use super::{all, encoded, profile};
use crate::codec::{Codec as _, StreamStart};
use crate::gemini::Gemini;
use crate::ir::{BlockKind, Finish, Response, fold};
use crate::tests::{decode, encode, folded, frames, recordings, said_again};

/// Objects of the application, whose names are its own.
const FREE: [&str; 4] = ["args", "response", "labels", "responseJsonSchema"];

/// The same request in one way of writing: what an encoder may choose freely is chosen here.
/// - camelCase names; no `null`; `contents` always an array; a role for every content; none for instructions
/// - schemas as JSON schemas; all functions in one tool, built-in tools one by one behind it
/// - neighbouring contents of one role as one, results of tools first; no empty texts, and a signature of an empty text on the
///   text before it; empty `args`; standard base64
/// - `topK` as a whole number; thinking levels in capitals; no `responseModalities: ["TEXT"]`, no empty `toolConfig` or `generationConfig`
fn normal(value: Value) -> Value {
    let mut body = camels(value);
    body.as_object_mut().unwrap().shift_remove("model");
    if let Some(system) = body.get_mut("systemInstruction") {
        system.as_object_mut().unwrap().shift_remove("role");
    }
    let mut contents: Vec<Value> = Vec::new();
    for mut content in body["contents"].as_array().unwrap().clone() {
        let role = content.get("role").cloned().unwrap_or_else(|| "user".into());
        let parts = content["parts"].take();
        match contents.last_mut() {
            Some(last) if last["role"] == role => {
                last["parts"].as_array_mut().unwrap().extend(parts.as_array().unwrap().clone());
            }
            _ => contents.push(json!({ "role": role, "parts": parts })),
        }
    }
    contents.iter_mut().for_each(|content| normal_parts(content["parts"].as_array_mut().unwrap()));
    body["contents"] = contents.into();
    normal_tools(&mut body);
    if let Some(config) = body.get_mut("generationConfig").and_then(Value::as_object_mut) {
        if let Some(schema) = config.shift_remove("responseSchema") {
            config.insert("responseJsonSchema".into(), to_json_schema(schema));
        }
        if config.get("responseModalities") == Some(&json!(["TEXT"])) {
            config.shift_remove("responseModalities");
        }
        if let Some(Value::String(level)) = config.get_mut("thinkingConfig").and_then(|it| it.get_mut("thinkingLevel"))
        {
            level.make_ascii_uppercase();
        }
        if let Some(Value::Number(k)) = config.get_mut("topK") {
            *k = k.to_string().trim_end_matches(".0").parse().unwrap();
        }
        if config.get("responseMimeType") == Some(&json!("text/plain")) {
            config.shift_remove("responseMimeType");
        }
    }
    let map = body.as_object_mut().unwrap();
    map.retain(|_, value| *value != json!({}) && *value != json!([]));
    body
}

fn camels(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(camels).collect(),
        Value::Object(map) => {
            let named = map.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| {
                let name = camel(name);
                let value = match name.as_str() {
                    name if FREE.contains(&name) => value,
                    "parameters" | "responseSchema" | "parametersJsonSchema" => value,
                    _ => camels(value),
                };
                (name, value)
            });
            Value::Object(named.collect())
        }
        other => other,
    }
}

fn normal_parts(parts: &mut Vec<Value>) {
    parts.sort_by_key(|part| part.get("functionResponse").is_none());
    // An empty text alone stands for a turn that must be there.
    if parts.len() > 1 {
        parts.retain(|part| part["text"] != "" || part.get("thoughtSignature").is_some());
    }
    for part in parts {
        if let Some(Value::String(data)) = part.get_mut("inlineData").and_then(|inline| inline.get_mut("data")) {
            *data = data.replace('-', "+").replace('_', "/");
        }
    }
}

fn normal_tools(body: &mut Value) {
    let Some(Value::Array(tools)) = body.as_object_mut().unwrap().shift_remove("tools") else { return };
    let (mut functions, mut others) = (Vec::new(), Vec::new());
    for mut tool in tools {
        for mut function in tool["functionDeclarations"].take().as_array().cloned().unwrap_or_default() {
            let map = function.as_object_mut().unwrap();
            if let Some(schema) = map.shift_remove("parameters") {
                map.insert("parametersJsonSchema".into(), to_json_schema(schema));
            }
            functions.push(function);
        }
        tool.as_object_mut().unwrap().shift_remove("functionDeclarations");
        others.extend((tool != json!({})).then_some(tool));
    }
    if !functions.is_empty() {
        others.insert(0, json!({ "functionDeclarations": functions }));
    }
    body["tools"] = others.into();
}

#[test]
fn requests_there_and_back_are_the_same() {
    for recording in all() {
        let Some(body) = recording.request else { continue };
        let request = Gemini.decode_request(body.to_string().as_bytes()).unwrap();
        let (again, losses) = encoded(&request, &profile(""));
        assert_eq!(normal(again.clone()), normal(body), "{}", recording.id);
        let losses: Vec<String> = losses.into_iter().filter(|loss| !loss.ends_with(".url")).collect();
        assert_eq!(losses, Vec::<String>::new(), "{}", recording.id);
        let twice = Gemini.decode_request(again.to_string().as_bytes()).unwrap();
        assert_eq!(encoded(&twice, &profile("")).0, again, "{}", recording.id);
    }
}

#[test]
fn inspection_agrees_with_the_decoder() {
    for recording in all() {
        let Some(body) = recording.request else { continue };
        let text = body.to_string();
        let facts = Gemini.inspect(&Object::parse(text.as_bytes()).unwrap()).unwrap();
        let request = Gemini.decode_request(text.as_bytes()).unwrap();
        assert_eq!((facts.model, facts.stream, facts.include_usage), (None, false, true), "{}", recording.id);
        assert_eq!(facts.max_output_tokens, request.sampling.max_output_tokens, "{}", recording.id);
        assert!(facts.input_tokens > 0, "{}", recording.id);
    }
}

#[test]
fn answers_there_and_back_are_the_same() {
    let plain = ["gemini.generate", "vertex.generate"].into_iter().flat_map(recordings);
    for recording in plain.filter(|recording| recording.status == 200) {
        let Some(body) = recording.body.map(|body| body.to_string()) else { continue };
        let response = Gemini.decode_response(body.as_bytes()).unwrap();
        assert!(response.usage.is_some(), "{}", recording.id);
        assert!(!response.blocks.is_empty() || response.finish == Finish::Length, "{}", recording.id);
        let again = Gemini.encode_response(&response);
        assert_eq!(again.losses, [], "{}", recording.id);
        let mut twice = Gemini.decode_response(&again.body).unwrap();
        twice.losses.clone_from(&response.losses);
        let told = Response { usage: said_again(response.usage), ..response.clone() };
        assert_eq!(twice, told, "{}", recording.id);
        let stream = encode(Gemini.stream_encoder(&StreamStart::default()), &fold::unfold(&response));
        let mut streamed = folded(decode(Gemini.stream_decoder(), &frames(&stream)));
        streamed.losses.clone_from(&response.losses);
        assert_eq!(streamed, told, "{}", recording.id);

        let mut tap = Gemini.tap();
        let glance = tap.body(body.as_bytes());
        assert_eq!(glance.usage, response.usage, "{}", recording.id);
        assert_eq!(glance.useful, !response.blocks.is_empty(), "{}", recording.id);
        assert!(glance.finished && tap.is_whole(false) && !glance.malformed, "{}", recording.id);
    }
}

#[test]
fn totals_include_their_parts() {
    let body = br#"{"candidates":[{"content":{"parts":[{"text":"hi"}]},"finishReason":"STOP"}],"usageMetadata":{
        "promptTokenCount":100,"cachedContentTokenCount":40,"candidatesTokenCount":7,"thoughtsTokenCount":20,
        "toolUsePromptTokenCount":5,"totalTokenCount":132,"promptTokensDetails":[
        {"modality":"TEXT","tokenCount":90},{"modality":"AUDIO","tokenCount":10}]}}"#;
    let response = Gemini.decode_response(body).unwrap();
    let usage = Usage { input: 105, cache_read: 40, output: 27, reasoning: 20, audio_input: 10, ..Usage::default() };
    assert_eq!(response.usage, Some(usage));
    assert_eq!(Gemini.tap().body(body).usage, Some(usage));
    let again: Value = serde_json::from_slice(&Gemini.encode_response(&response).body).unwrap();
    let metadata = &again["usageMetadata"];
    assert_eq!(metadata["candidatesTokenCount"], json!(7));
    assert_eq!(metadata["totalTokenCount"], json!(132));
}

#[test]
fn reasons_to_stop() {
    let call = r#"{"functionCall":{"name":"f"}}"#;
    let table = [
        (r#""finishReason":"STOP""#, "", Finish::Stop),
        (r#""finishReason":"STOP""#, call, Finish::ToolUse),
        (r#""finishReason":1"#, "", Finish::Stop),
        (r#""finishReason":"MAX_TOKENS""#, "", Finish::Length),
        (r#""finishReason":"CONTINUATION""#, "", Finish::Length),
        (r#""finishReason":"SAFETY""#, "", Finish::Refusal),
        (r#""finishReason":"RECITATION""#, "", Finish::Refusal),
        (r#""finishReason":"MALFORMED_FUNCTION_CALL""#, "", Finish::Other("MALFORMED_FUNCTION_CALL".into())),
        (r#""index":0"#, "", Finish::Other("FINISH_REASON_UNSPECIFIED".into())),
    ];
    for (field, part, finish) in table {
        let body = format!(r#"{{"candidates":[{{"content":{{"parts":[{part}]}},{field}}}]}}"#);
        let response = Gemini.decode_response(body.as_bytes()).unwrap();
        assert_eq!(response.finish, finish, "{body}");
        let again = Gemini.decode_response(&Gemini.encode_response(&response).body).unwrap();
        assert_eq!(again.finish, finish, "{body}");
    }
}

#[test]
fn a_blocked_prompt_is_a_refusal() {
    let body = br#"{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":4,"totalTokenCount":4}}"#;
    let response = Gemini.decode_response(body).unwrap();
    assert_eq!((response.finish, response.blocks.len()), (Finish::Refusal, 0));
    let glance = Gemini.tap().body(body);
    assert!(glance.refused && glance.finished && !glance.useful);
    let streamed = folded(decode(Gemini.stream_decoder(), &[(None, body.to_vec())]));
    assert_eq!(streamed.finish, Finish::Refusal);
}

#[test]
fn calls_without_ids_get_some_that_do_not_come_out_again() {
    let body = br#"{"responseId":"abc-1","candidates":[{"finishReason":"STOP","content":{"parts":[
        {"functionCall":{"name":"f","args":{"x":1.50}}},{"functionCall":{"name":"f","id":"own"}}]}}]}"#;
    let response = Gemini.decode_response(body).unwrap();
    let calls: Vec<(&str, &str)> = response
        .blocks
        .iter()
        .filter_map(|block| match &block.kind {
            BlockKind::ToolCall { id, arguments, .. } => Some((id.as_str(), arguments.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(calls, [("gmn_abc-1_0", r#"{"x":1.50}"#), ("own", "{}")]);
    let again: Value = serde_json::from_slice(&Gemini.encode_response(&response).body).unwrap();
    let parts = &again["candidates"][0]["content"]["parts"];
    assert_eq!(
        parts[0]["functionCall"],
        json!({ "name": "f", "args": { "x": serde_json::from_str::<Value>("1.50").unwrap() } })
    );
    assert_eq!(parts[1]["functionCall"]["id"], "own");
}

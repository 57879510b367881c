//! Where each dialect's schema comes from, and what a minimal request of it is.

use std::path::PathBuf;

use ringmain_core::Dialect;
use serde_json::{Map, Value, json};

use crate::schema::{Around, Sample, Spec};

/// Members that OpenAI's servers demand of one form of a union, and its schema of none.
const RESPONSES_DEMAND: [(&str, &str); 5] = [
    ("InputImageContent", "image_url"),
    ("InputImageContentParamAutoParam", "image_url"),
    ("InputFileContent", "file_data"),
    ("InputFileContentParam", "file_data"),
    ("FunctionCallOutputItemParam", "call_id"),
];
/// Google's schema demands nothing at all.
const GEMINI_DEMAND: [(&str, &str); 9] = [
    ("Content", "parts"),
    ("Part", "text"),
    ("FunctionDeclaration", "name"),
    ("FunctionCall", "name"),
    ("FunctionResponse", "name"),
    ("Schema", "type"),
    ("FileData", "fileUri"),
    ("Blob", "data"),
    ("FunctionResponseBlob", "data"),
];
const SPECS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/specs");

/// The specification of a dialect's requests; `None` where it is not beside the project.
pub(crate) fn spec(dialect: Dialect) -> Option<Spec> {
    match dialect {
        Dialect::OpenAiChat => chat(),
        Dialect::OpenAiResponses => responses(),
        Dialect::AnthropicMessages => anthropic(),
        Dialect::Gemini => gemini(),
        Dialect::BedrockConverse => bedrock(),
        Dialect::CohereV2 => Some(cohere()),
    }
}

fn read(path: &str) -> Option<Value> {
    let bytes = std::fs::read(PathBuf::from(SPECS).join(path)).ok()?;
    Some(serde_json::from_slice(&bytes).unwrap())
}

fn schema(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn list(before: Value, behind: Value) -> Around {
    let items = |value: Value| if let Value::Array(items) = value { items } else { panic!("a list") };
    Around { before: items(before), behind: items(behind) }
}

fn one(value: impl Into<Value>) -> Sample {
    Sample::One(value.into())
}

fn each(values: Value) -> Sample {
    if let Value::Array(values) = values { Sample::Each(values) } else { panic!("a list") }
}

/// Demands members that servers demand and the specification does not.
fn demand(document: &mut Value, schema: &str, members: &[&str]) {
    let schema =
        document.pointer_mut(&format!("/components/schemas/{schema}")).unwrap_or_else(|| panic!("no {schema}"));
    let mut all = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    all.extend(members.iter().map(|member| Value::from(*member)));
    schema["required"] = all.into();
}

fn parameters() -> Value {
    json!({ "type": "object", "properties": { "x": { "type": "string" } }, "required": ["x"], "additionalProperties": false })
}

fn chat() -> Option<Spec> {
    let tool = json!({ "type": "function", "function": { "name": "f", "parameters": parameters() } });
    let (first, last) = (json!([{ "role": "user", "content": "hi" }]), json!([{ "role": "user", "content": "go on" }]));
    let mut document = read("openai/openapi.json")?;
    demand(&mut document, "ChatCompletionRequestAssistantMessage", &["content"]);
    Some(Spec {
        document,
        root: schema("CreateChatCompletionRequest"),
        base: json!({ "model": "m", "messages": [first[0], last[0]], "tools": [tool] }),
        around: vec![("messages", list(first, last)), ("tools", list(json!([tool]), json!([])))],
        samples: vec![
            ("model", one("m")),
            ("content[0].file", one(json!({ "file_data": "data:application/pdf;base64,JVBERi0x" }))),
            ("image_url.url", each(json!(["https://a.example/1.png", "data:image/png;base64,iVBORw0K"]))),
            ("input_audio.data", each(json!(["UklGRgAA", "UklGRgAB"]))),
            (
                "file.file_data",
                each(json!(["data:application/pdf;base64,JVBERi0x", "data:application/pdf;base64,JVBERi0y"])),
            ),
            ("function.arguments", each(json!([r#"{"x":"ruby"}"#, r#"{"x":"jade"}"#]))),
            ("function_call.arguments", each(json!([r#"{"x":"ruby"}"#, r#"{"x":"jade"}"#]))),
            ("function.parameters", one(parameters())),
            ("functions[0].parameters", one(parameters())),
            ("tool_choice.function.name", one("f")),
            ("json_schema.schema", one(parameters())),
            ("temperature", each(json!([0.375, 0.625]))),
            ("top_p", each(json!([0.375, 0.625]))),
            ("top_logprobs", each(json!([3, 5]))),
            ("n", each(json!([1, 3]))),
            ("frequency_penalty", each(json!([0.375, 0.625]))),
            ("presence_penalty", each(json!([0.375, 0.625]))),
        ],
    })
}

fn responses() -> Option<Spec> {
    let tool = json!({ "type": "function", "name": "f", "parameters": parameters(), "strict": false });
    let (first, last) = (json!([{ "role": "user", "content": "hi" }]), json!([{ "role": "user", "content": "go on" }]));
    let mut document = read("openai/openapi.json")?;
    for (schema, member) in RESPONSES_DEMAND {
        demand(&mut document, schema, &[member]);
    }
    Some(Spec {
        document,
        root: schema("CreateResponse"),
        base: json!({ "model": "m", "input": [first[0], last[0]], "tools": [tool] }),
        around: vec![("input", list(first, last)), ("tools", list(json!([tool]), json!([])))],
        samples: vec![
            ("model", one("m")),
            (".image_url", each(json!(["https://a.example/1.png", "data:image/png;base64,iVBORw0K"]))),
            (".file_url", one("https://a.example/1.pdf")),
            (
                ".file_data",
                each(json!(["data:application/pdf;base64,JVBERi0x", "data:application/pdf;base64,JVBERi0y"])),
            ),
            (".arguments", each(json!([r#"{"x":"ruby"}"#, r#"{"x":"jade"}"#]))),
            ("tools[1].parameters", one(parameters())),
            ("tool_choice.name", one("f")),
            ("format.schema", one(parameters())),
            ("max_output_tokens", each(json!([700, 1100]))),
            ("top_logprobs", each(json!([3, 5]))),
            ("temperature", each(json!([0.375, 0.625]))),
            ("top_p", each(json!([0.375, 0.625]))),
        ],
    })
}

fn anthropic() -> Option<Spec> {
    let tool = json!({ "name": "f", "input_schema": parameters() });
    let (first, last) = (json!([{ "role": "user", "content": "hi" }]), json!([{ "role": "user", "content": "go on" }]));
    Some(Spec {
        document: read("anthropic/openapi.json")?,
        root: schema("BetaCreateMessageParams"),
        base: json!({ "model": "m", "max_tokens": 8000, "messages": [first[0], last[0]], "tools": [tool] }),
        around: vec![("messages", list(first, last)), ("tools", list(json!([tool]), json!([])))],
        samples: vec![
            ("model", one("m")),
            ("max_tokens", each(json!([8000, 9000]))),
            ("budget_tokens", each(json!([2000, 4000]))),
            ("source.url", each(json!(["https://a.example/1.png", "https://a.example/2.png"]))),
            ("tool_choice.name", one("f")),
            ("tools[1].input_schema", one(parameters())),
            ("format.schema", one(parameters())),
            ("output_format.schema", one(parameters())),
            (".signature", each(json!(["EqRuby", "EqJade"]))),
            ("temperature", each(json!([0.375, 0.625]))),
            ("top_p", each(json!([0.375, 0.625]))),
        ],
    })
}

fn gemini() -> Option<Spec> {
    let tool = json!({ "functionDeclarations": [{ "name": "f", "parametersJsonSchema": parameters() }] });
    let text = |text: &str| json!([{ "role": "user", "parts": [{ "text": text }] }]);
    let (first, last) = (text("hi"), text("go on"));
    let mut document = read("gemini/openapi.json")?;
    for (schema, member) in GEMINI_DEMAND {
        demand(&mut document, schema, &[member]);
    }
    Some(Spec {
        document,
        root: schema("GenerateContentRequest"),
        base: json!({ "model": "models/m", "contents": [first[0], last[0]], "tools": [tool] }),
        around: vec![("contents", list(first, last)), ("tools", list(json!([tool]), json!([])))],
        samples: vec![
            ("model", one("models/m")),
            ("parts[0].text", each(json!(["ruby", "jade"]))),
            (".role", each(json!(["user", "model"]))),
            ("inlineData.mimeType", each(json!(["image/png", "image/webp"]))),
            ("inlineData.data", each(json!(["iVBORw0K", "iVBORw0L"]))),
            ("fileData.mimeType", each(json!(["image/png", "image/webp"]))),
            ("fileData.fileUri", each(json!(["https://a.example/1.png", "https://a.example/2.png"]))),
            ("allowedFunctionNames", each(json!([["f"], ["f", "g"]]))),
            ("generationConfig.responseMimeType", each(json!(["application/json", "text/x.enum"]))),
            ("generationConfig.thinkingConfig.thinkingBudget", each(json!([2000, 4000]))),
            ("generationConfig.logprobs", each(json!([3, 5]))),
            ("generationConfig.candidateCount", each(json!([1, 3]))),
            ("generationConfig.temperature", each(json!([0.375, 0.625]))),
            ("generationConfig.responseModalities", each(json!([["TEXT"], ["IMAGE"]]))),
            ("parametersJsonSchema", one(parameters())),
            ("responseJsonSchema", one(parameters())),
        ],
    })
}

fn bedrock() -> Option<Spec> {
    let model = read("bedrock-runtime/service-2.json")?;
    let schemas: Map<String, Value> =
        model["shapes"].as_object()?.iter().map(|(name, shape)| (name.clone(), of_shape(shape))).collect();
    let mut root = schemas["ConverseRequest"].clone();
    // It is in the path.
    root["properties"].as_object_mut()?.remove("modelId");
    root["required"] = json!([]);
    let tool = json!({ "toolSpec": { "name": "f", "inputSchema": { "json": parameters() } } });
    let text = |text: &str| json!([{ "role": "user", "content": [{ "text": text }] }]);
    let (first, last) = (text("hi"), text("go on"));
    Some(Spec {
        document: json!({ "components": { "schemas": schemas } }),
        root,
        base: json!({ "messages": [first[0], last[0]], "toolConfig": { "tools": [tool] } }),
        around: vec![("messages", list(first, last)), ("toolConfig.tools", list(json!([tool]), json!([])))],
        samples: vec![
            ("inputSchema.json", one(parameters())),
            ("toolChoice.tool.name", one("f")),
            ("jsonSchema.schema", each(json!([r#"{"type":"object"}"#, r#"{"type":"object","title":"x"}"#]))),
            ("inferenceConfig.temperature", each(json!([0.375, 0.625]))),
            ("s3Location.uri", each(json!(["s3://ruby/1", "s3://jade/2"]))),
            ("document.name", each(json!(["ruby", "jade"]))),
            ("outputConfig.effort", each(json!(["low", "medium", "high"]))),
            (".signature", each(json!(["EqRuby", "EqJade"]))),
            ("additionalModelRequestFields", one(json!({ "top_k": 7 }))),
        ],
    })
}

/// A shape of the service's model as a JSON schema.
fn of_shape(shape: &Value) -> Value {
    let refer = |inner: &Value| schema(inner["shape"].as_str().unwrap());
    let members = shape.get("members").and_then(Value::as_object);
    match shape["type"].as_str().unwrap() {
        "structure" if shape.get("union") == Some(&json!(true)) => {
            let each = members.into_iter().flatten().map(
                |(name, inner)| json!({ "type": "object", "properties": { name: refer(inner) }, "required": [name] }),
            );
            json!({ "oneOf": each.collect::<Vec<_>>() })
        }
        "structure" if shape.get("document") == Some(&json!(true)) => json!({}),
        "structure" => {
            let properties: Map<String, Value> =
                members.into_iter().flatten().map(|(name, inner)| (name.clone(), refer(inner))).collect();
            json!({ "type": "object", "properties": properties, "required": shape.get("required").unwrap_or(&json!([])) })
        }
        "list" => json!({ "type": "array", "items": refer(&shape["member"]) }),
        "map" => json!({}),
        "blob" => json!({ "type": "string", "format": "byte" }),
        "string" => match shape.get("enum") {
            Some(words) => json!({ "type": "string", "enum": words }),
            None => json!({ "type": "string" }),
        },
        "integer" | "long" => json!({ "type": "integer" }),
        "float" | "double" => json!({ "type": "number", "maximum": 1 }),
        "boolean" => json!({ "type": "boolean" }),
        "timestamp" => json!({ "type": "string" }),
        other => panic!("a shape of type {other}"),
    }
}

/// Cohere's own document may not be used: these are the fields of its recorded requests and of its public reference.
fn cohere() -> Spec {
    let tool = json!({ "type": "function", "function": { "name": "f", "parameters": parameters() } });
    let (first, last) = (json!([{ "role": "user", "content": "hi" }]), json!([{ "role": "user", "content": "go on" }]));
    Spec {
        document: json!({}),
        root: serde_json::from_str(include_str!("cohere.json")).unwrap(),
        base: json!({ "model": "m", "messages": [first[0], last[0]], "tools": [tool] }),
        around: vec![("messages", list(first, last)), ("tools", list(json!([tool]), json!([])))],
        samples: vec![
            ("image_url.url", each(json!(["https://a.example/1.png", "data:image/png;base64,iVBORw0K"]))),
            ("function.arguments", each(json!([r#"{"x":"ruby"}"#, r#"{"x":"jade"}"#]))),
            ("function.parameters", one(parameters())),
            ("json_schema", one(parameters())),
        ],
    }
}

//! Healthy answers over the wire: every endpoint, plain and streamed.

use crate::support::{End, VENDORS, ask, chat, connect, delta, post_chat, receive, send};
use ringmain_provider_sim::{Behavior, Sim, SimConfig, expected_text, expected_text_with_images};
use serde_json::{Value, json};

async fn sim() -> Sim {
    Sim::start(SimConfig::default()).await.unwrap()
}

#[tokio::test]
async fn every_dialect_says_the_expected_text_plain_and_streamed() {
    let sim = sim().await;
    let places = [
        "/choices/0/message/content",
        "/content/0/text",
        "/candidates/0/content/parts/0/text",
        "/message/content/0/text",
    ];
    for (vendor, place) in VENDORS.into_iter().zip(places) {
        let plain = post_chat(&sim, vendor, "m-1", "hello", false).await;
        assert_eq!((plain.status, plain.end), (200, End::Whole), "{vendor}");
        assert_eq!(plain.json().pointer(place).unwrap(), &json!(expected_text("hello", 16)), "{vendor}");
        let stream = post_chat(&sim, vendor, "m-1", "hello", true).await;
        assert_eq!((stream.status, stream.end), (200, End::Whole), "{vendor}");
        assert!(stream.header("content-type").unwrap().starts_with("text/event-stream"));
        assert_eq!(stream.joined(delta(vendor)), expected_text("hello", 16), "{vendor}");
    }
}

#[tokio::test]
async fn streams_have_their_vendors_event_sequence() {
    let sim = sim().await;
    let openai = post_chat(&sim, "openai", "m", "x", true).await.text();
    assert!(openai.ends_with("data: [DONE]\n\n") && !openai.contains("usage") && !openai.contains("event:"));
    let body = r#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"x"}]}"#;
    let counted = ask(&sim, "POST", "/v1/chat/completions", "", body).await.events();
    assert_eq!(counted.iter().filter(|event| event["usage"].is_object()).count(), 1);
    assert_eq!(counted.last().unwrap()["usage"]["completion_tokens"].as_u64(), Some(16));
    assert_eq!(counted.last().unwrap()["choices"], json!([]));

    let anthropic = post_chat(&sim, "anthropic", "m", "x", true).await;
    let names: Vec<String> =
        anthropic.text().lines().filter_map(|line| line.strip_prefix("event: ").map(str::to_owned)).collect();
    let types: Vec<String> =
        anthropic.events().iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names, types);
    assert_eq!(names[..4], ["message_start", "content_block_start", "ping", "content_block_delta"]);
    assert_eq!(names[names.len() - 3..], ["content_block_stop", "message_delta", "message_stop"]);
    assert!(!anthropic.text().contains("[DONE]"));

    let cohere = post_chat(&sim, "cohere", "m", "x", true).await.text();
    let names: Vec<&str> = cohere.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(names[..3], ["message-start", "content-start", "content-delta"]);
    assert_eq!(names[names.len() - 2..], ["content-end", "message-end"]);
    assert!(cohere.ends_with("data: [DONE]\n\n"));

    let gemini = post_chat(&sim, "gemini", "m", "x", true).await.events();
    assert!(gemini.iter().all(|event| event["usageMetadata"]["promptTokenCount"].is_number()));
    assert_eq!(gemini.last().unwrap()["candidates"][0]["finishReason"], "STOP");
    let (_, body) = chat("gemini", "m", "x", true);
    let array = ask(&sim, "POST", "/v1/models/m:streamGenerateContent", "", &body).await;
    let text: String = array
        .json()
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|c| c.pointer(delta("gemini"))?.as_str().map(str::to_owned))
        .collect();
    assert_eq!(text, expected_text("x", 16));
}

#[tokio::test]
async fn tools_images_reasoning_and_schemas() {
    let sim = sim().await;
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    let tools = json!([{"type": "function", "function": {"name": "a", "parameters": parameters}}, {"type": "function", "function": {"name": "b"}}]);
    for stream in [false, true] {
        let body = json!({"model": "m", "stream": stream, "tools": tools, "messages": [{"role": "user", "content": "call:2"}]});
        let seen = ask(&sim, "POST", "/v1/chat/completions", "", &body.to_string()).await;
        if stream {
            let arguments: String = seen
                .events()
                .iter()
                .filter_map(|event| {
                    event
                        .pointer("/choices/0/delta/tool_calls/0")
                        .filter(|call| call["index"] == 0)?
                        .pointer("/function/arguments")?
                        .as_str()
                        .map(str::to_owned)
                })
                .collect();
            assert_eq!(serde_json::from_str::<Value>(&arguments).unwrap(), json!({"city": "Zürich 東京"}));
        } else {
            let calls = seen.json()["choices"][0]["message"]["tool_calls"].clone();
            assert_eq!(
                (calls[0]["function"]["name"].as_str(), calls[1]["function"]["name"].as_str()),
                (Some("a"), Some("b"))
            );
            assert_ne!(calls[0]["id"], calls[1]["id"]);
            assert_eq!(seen.json()["choices"][0]["finish_reason"], "tool_calls");
        }
    }
    let tools = json!([{"name": "a", "input_schema": parameters}]);
    let body = json!({"model": "m", "max_tokens": 9, "stream": true, "tools": tools, "messages": [{"role": "user", "content": "call:a"}]});
    let seen = ask(&sim, "POST", "/v1/messages", "", &body.to_string()).await;
    assert_eq!(
        serde_json::from_str::<Value>(&seen.joined("/delta/partial_json")).unwrap(),
        json!({"city": "Zürich 東京"})
    );
    assert_eq!(seen.joined("/delta/stop_reason"), "tool_use");
    let body = json!({"contents": [{"parts": [{"text": "call:a"}]}], "tools": [{"functionDeclarations": [{"name": "a", "parameters": parameters}]}]});
    let seen = ask(&sim, "POST", "/v1beta/models/m:generateContent", "", &body.to_string()).await;
    assert_eq!(
        seen.json()["candidates"][0]["content"]["parts"][0]["functionCall"]["args"],
        json!({"city": "Zürich 東京"})
    );

    let tools = json!([{"type": "function", "function": {"name": "a", "parameters": parameters}}]);
    let body = json!({"model": "m", "stream": true, "tools": tools, "tool_choice": "REQUIRED", "messages": [{"role": "user", "content": "plan:"}]});
    let seen = ask(&sim, "POST", "/v2/chat", "", &body.to_string()).await;
    let arguments = seen.joined("/delta/message/tool_calls/function/arguments");
    assert_eq!(serde_json::from_str::<Value>(&arguments).unwrap(), json!({"city": "Zürich 東京"}));
    assert_eq!(seen.joined("/delta/message/tool_plan"), "I will use a.");

    let schema = json!({"type": "json_schema", "json_schema": {"name": "s", "schema": parameters}});
    let body = json!({"model": "m", "response_format": schema, "messages": [{"role": "user", "content": "x"}]});
    let seen = ask(&sim, "POST", "/v1/chat/completions", "", &body.to_string()).await.json();
    let text = seen["choices"][0]["message"]["content"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), json!({"city": "Zürich 東京"}));

    let content = json!([{"type": "image", "source": {}}, {"type": "text", "text": "x"}]);
    let body = json!({"model": "m", "max_tokens": 99, "thinking": {"type": "enabled"}, "messages": [{"role": "user", "content": content}]});
    let seen = ask(&sim, "POST", "/v1/messages", "", &body.to_string()).await.json();
    assert_eq!(seen["content"][0]["type"], "thinking");
    assert_eq!(seen["content"][1]["text"], expected_text_with_images("x", 16, 1));
}

#[tokio::test]
async fn the_other_endpoints_answer() {
    let sim = sim().await;
    let post = |path: &'static str, body: Value| {
        let sim = &sim;
        async move {
            let seen = ask(sim, "POST", path, "", &body.to_string()).await;
            assert_eq!(seen.status, 200, "{path}: {}", seen.text());
            seen.json()
        }
    };
    let messages = json!([{"role": "user", "content": "hello"}]);
    let count = post("/v1/messages/count_tokens", json!({"model": "m", "messages": messages})).await;
    let answered = post("/v1/messages", json!({"model": "m", "max_tokens": 9, "messages": messages})).await;
    assert_eq!(count["input_tokens"], answered["usage"]["input_tokens"]);
    let count = post("/v1beta/models/m:countTokens", json!({"contents": [{"parts": [{"text": "hello"}]}]})).await;
    assert!(count["totalTokens"].as_u64().unwrap() > 0);
    let embedded = post("/v1/embeddings", json!({"model": "m", "input": ["a", "b"], "dimensions": 8})).await;
    assert_eq!(embedded["data"][1]["embedding"].as_array().unwrap().len(), 8);
    let embedded = post("/v2/embed", json!({"model": "m", "texts": ["a", "b"], "output_dimension": 8})).await;
    assert_eq!(embedded["embeddings"]["float"][1].as_array().unwrap().len(), 8);
    let documents = json!(["Paris is in France", "Ruby is a language"]);
    let ranked =
        post("/v2/rerank", json!({"model": "m", "query": "ruby language", "documents": documents, "top_n": 1})).await;
    assert_eq!((&ranked["results"][0]["index"], ranked["results"].as_array().unwrap().len()), (&json!(1), 1));
    let flagged = post("/v1/moderations", json!({"input": "flagme"})).await;
    assert_eq!(flagged["results"][0]["flagged"], true);
    let drawn = post("/v1/images/generations", json!({"model": "gpt-image-1", "prompt": "a"})).await;
    assert!(drawn["data"][0]["b64_json"].as_str().unwrap().starts_with("iVBORw0KGgo"));
    let drawn = post("/v1/images/generations", json!({"model": "dall-e-3", "prompt": "a"})).await;
    let url = drawn["data"][0]["url"].as_str().unwrap();
    let image = ask(&sim, "GET", url.strip_prefix("http://sim").unwrap(), "", "").await;
    assert!(image.body.starts_with(b"\x89PNG"));
    for (path, headers, place) in [
        ("/v1/models", "", "/data/0/object"),
        ("/v1/models", "anthropic-version: 2023-06-01\r\n", "/data/0/display_name"),
        ("/v1beta/models", "", "/models/0/displayName"),
        ("/v1/models", "x-fern-sdk-name: cohere\r\n", "/models/0/endpoints"),
    ] {
        assert!(ask(&sim, "GET", path, headers, "").await.json().pointer(place).is_some(), "{path}");
    }
    assert_eq!(ask(&sim, "GET", "/v1/nothing", "", "").await.status, 404);
    assert_eq!(
        ask(&sim, "POST", "/v1/chat/completions", "", "{").await.json()["error"]["type"],
        "invalid_request_error"
    );
}

#[tokio::test]
async fn one_connection_serves_many_requests_and_any_split() {
    let sim = sim().await;
    let mut stream = connect(&sim).await;
    for chunk in [1, 3, 7, 1000] {
        sim.set("groq", Behavior { chunk_bytes: Some(chunk), words: 4, ..Behavior::default() });
        let (path, body) = chat("openai", "m", "x", true);
        send(&mut stream, "POST", &format!("/p/groq{path}"), "", &body).await.unwrap();
        let seen = receive(&mut stream).await;
        assert_eq!(seen.joined(delta("openai")), expected_text("x", 4));
    }
    assert_eq!(sim.received("groq"), 4);
}

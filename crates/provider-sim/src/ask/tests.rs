use serde_json::json;

use super::*;

/// The gist of a Responses request is that of the same conversation in Chat Completions.
#[test]
fn items_are_read_as_messages() {
    let body = |input: Value| {
        let tools = json!([{"type": "function", "name": "f"}]);
        responses(json!({"model": "m", "input": input, "tools": tools}).to_string().as_bytes(), true)
    };
    let parts =
        json!([{"type": "input_text", "text": "hi "}, {"type": "input_image"}, {"type": "input_text", "text": "you"}]);
    let ask = body(json!([{"role": "developer", "content": "s"}, {"role": "user", "content": parts}])).unwrap();
    assert_eq!((ask.text.as_str(), ask.images), ("hi you", 1));
    assert_eq!(body(json!("q")).unwrap().text, "q");
    let call =
        json!([{"role": "user", "content": "call:"}, {"type": "function_call"}, {"type": "function_call_output"}]);
    assert_eq!(body(json!("call:")).unwrap().calls.len(), 1);
    assert_eq!(body(call).unwrap().calls.len(), 0);
    assert!(body(json!([{"type": "reasoning", "encrypted_content": "other"}])).is_err());
    assert!(body(json!([])).is_err());
}

fn ask(vendor: Vendor, body: &Value) -> Ask {
    let body = body.to_string();
    match vendor {
        Vendor::OpenAi => openai(body.as_bytes(), true),
        Vendor::Anthropic => anthropic(body.as_bytes()),
        Vendor::Gemini => gemini(body.as_bytes(), "m".to_owned(), false, false),
        Vendor::Cohere => cohere(body.as_bytes()),
        Vendor::Bedrock => bedrock(body.as_bytes(), "m".to_owned(), false),
    }
    .unwrap_or_else(|invalid| panic!("{}", invalid.0))
}

/// The same conversation in each dialect gives the same gist.
#[test]
fn the_last_user_text_is_found_in_every_dialect() {
    let cases = [
        (
            Vendor::OpenAi,
            json!({"model": "m", "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "hi "}, {"type": "image_url", "image_url": {"url": "data:"}}, {"type": "text", "text": "you"}]}]}),
        ),
        (
            Vendor::Anthropic,
            json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": [{"type": "text", "text": "hi "}, {"type": "image", "source": {}}, {"type": "text", "text": "you"}]}]}),
        ),
        (Vendor::Gemini, json!({"contents": [{"parts": [{"text": "hi "}, {"inline_data": {}}, {"text": "you"}]}]})),
        (
            Vendor::Bedrock,
            json!({"messages": [{"role": "user", "content": [{"text": "hi "}, {"image": {}}, {"text": "you"}]}]}),
        ),
    ];
    for (vendor, body) in cases {
        let ask = ask(vendor, &body);
        assert_eq!((ask.text.as_str(), ask.images, ask.begun), ("hi you", 1, None), "{vendor:?}");
    }
}

#[test]
fn tools_are_called_when_the_text_says_so_and_not_after_their_result() {
    let tools = json!([
        {"type": "function", "function": {"name": "a", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}},
        {"type": "function", "function": {"name": "b"}}]);
    let cases = [
        ("call:", json!("auto"), "a"),
        ("please call:b now", json!("auto"), "b"),
        ("call:3", json!("auto"), "a b a"),
        ("hello", json!("auto"), ""),
        ("hello", json!("required"), "a"),
        ("call:", json!("none"), ""),
        ("hello", json!({"type": "function", "function": {"name": "b"}}), "b"),
    ];
    for (text, choice, want) in cases {
        let user = json!({"role": "user", "content": text});
        let mut body = json!({"model": "m", "tools": tools, "tool_choice": choice, "messages": [user]});
        let names = |ask: &Ask| ask.calls.iter().map(|call| call.name.as_str()).collect::<Vec<_>>().join(" ");
        assert_eq!(names(&ask(Vendor::OpenAi, &body)), want, "{text} {choice}");
        body["tool_choice"] = json!("auto");
        body["messages"] = json!([user, {"role": "assistant", "content": null}, {"role": "tool", "content": "42"}]);
        assert_eq!(names(&ask(Vendor::OpenAi, &body)), "", "{text} answered");
    }
}

#[test]
fn an_answer_begun_earlier_is_found() {
    let turns = |turns: &[(&str, &str)]| -> Value {
        let messages: Vec<_> = turns.iter().map(|(role, text)| json!({"role": role, "content": text})).collect();
        json!({"model": "m", "max_tokens": 9, "messages": messages})
    };
    let prefill = ask(Vendor::Anthropic, &turns(&[("user", "q"), ("assistant", "w0 x")]));
    let begun = |user: &str, partial: &str, last| {
        Some(Begun { user: user.to_owned(), images: 0, partial: partial.to_owned(), last })
    };
    assert_eq!((prefill.text.as_str(), prefill.begun), ("q", begun("q", "w0 x", true)));
    let asked = ask(Vendor::OpenAi, &turns(&[("user", "q"), ("assistant", "w0 x"), ("user", "go on")]));
    assert_eq!((asked.text.as_str(), asked.begun), ("go on", begun("q", "w0 x", false)));
    let body = turns(&[("user", "q"), ("assistant", "w0 ")]).to_string();
    assert!(anthropic(body.as_bytes()).is_err());
}

#[test]
fn requests_that_cannot_be_answered_are_refused() {
    for body in [
        "",
        "{}",
        "[]",
        r#"{"model":"m"}"#,
        r#"{"model":"m","messages":[]}"#,
        r#"{"model":1,"messages":[{"role":"user","content":"x"}]}"#,
    ] {
        assert!(openai(body.as_bytes(), true).is_err(), "{body}");
        assert!(anthropic(body.as_bytes()).is_err(), "{body}");
    }
    assert!(openai(br#"{"model":"m","messages":[{"role":"robot","content":"x"}]}"#, true).is_err());
    assert!(gemini(br#"{"contents":[{"role":"assistant","parts":[]}]}"#, String::new(), false, false).is_err());
    assert_eq!(gemini_count_tokens(br#"{"generateContentRequest":{"contents":[{"parts":[]}]}}"#).unwrap(), 3);
}

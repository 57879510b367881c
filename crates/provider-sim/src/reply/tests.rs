use serde_json::Value;

use super::*;
use crate::ask;
use crate::text::{expected_reasoning, expected_text};

fn shape(ask: Ask) -> Shape {
    Shape { ask, words: 16, overlap: 0, said: None, ending: Ending::Normal }
}

fn rest_of(partial: &str, overlap: usize) -> Option<String> {
    let whole = spaced(answer_words("q", 16, 0));
    let begun = Begun { user: "q".to_owned(), images: 0, partial: partial.to_owned(), last: true };
    rest(&begun, "", &whole, overlap).map(|pieces| pieces.concat())
}

#[test]
fn a_broken_answer_goes_on_where_it_stopped() {
    let full = expected_text("q", 16);
    for cut in (1..full.len()).filter(|at| full.is_char_boundary(*at)) {
        let (partial, missing) = full.split_at(cut);
        assert_eq!(rest_of(partial, 0).as_deref(), Some(missing), "{partial}");
    }
    assert_eq!(rest_of(&full, 0).as_deref(), Some(""));
    let asked = Begun { user: "q".to_owned(), images: 0, partial: full.clone(), last: false };
    let last_word = full.rsplit(' ').next().map(str::to_owned);
    let quotes = format!("go on from {}", last_word.clone().unwrap_or_default());
    for (told, wanted) in [(quotes.as_str(), last_word), ("and now?", None)] {
        let pieces = rest(&asked, told, &spaced(answer_words("q", 16, 0)), 0);
        assert_eq!(pieces.map(|pieces| pieces.concat()), wanted, "{told}");
    }
    assert_eq!(rest_of("something else", 0), None);
    let partial = &full[..full.find(" w2").unwrap()];
    let again = rest_of(partial, 1).unwrap();
    assert_eq!(again, full[partial.rfind(' ').unwrap() + 1..]);
}

/// The data of each server-sent event.
fn data(reply: &Reply) -> Vec<Value> {
    let text = std::str::from_utf8(&reply.bytes).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|line| *line != "[DONE]");
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text_at(events: &[Value], pointer: &str) -> String {
    events.iter().filter_map(|event| event.pointer(pointer)?.as_str()).collect()
}

#[test]
fn streams_say_the_expected_text_and_reasoning() {
    let chat = br#"{"model":"m","stream":true,"reasoning_effort":"low","messages":[{"role":"user","content":"q"}]}"#;
    let messages = br#"{"model":"m","stream":true,"max_tokens":99,"thinking":{"type":"enabled"},"messages":[{"role":"user","content":"q"}]}"#;
    let items = br#"{"model":"m","stream":true,"reasoning":{"effort":"low","summary":"auto"},"input":"q"}"#;
    let generate =
        br#"{"contents":[{"parts":[{"text":"q"}]}],"generationConfig":{"thinkingConfig":{"includeThoughts":true}}}"#;
    let cases = [
        (ask::openai(chat, false).unwrap(), "/choices/0/delta/content", "/choices/0/delta/reasoning_content"),
        (ask::responses(items, true).unwrap(), "/delta", "/delta"),
        (ask::anthropic(messages).unwrap(), "/delta/text", "/delta/thinking"),
        (ask::gemini(generate, "m".to_owned(), true, false).unwrap(), "/candidates/0/content/parts/0/text", ""),
    ];
    for (ask, text, reasoning) in cases {
        let vendor = (ask.vendor, ask.items);
        let events = data(&render(&shape(ask)).reply(1, true));
        let want = expected_text("q", 16);
        if vendor.1 {
            let of = |name: &str| events.iter().filter(|event| event["type"] == name).cloned().collect::<Vec<_>>();
            assert_eq!(text_at(&of("response.output_text.delta"), text), want);
            assert_eq!(text_at(&of("response.reasoning_summary_text.delta"), reasoning), expected_reasoning("q"));
        } else if reasoning.is_empty() {
            assert_eq!(text_at(&events, text), expected_reasoning("q") + &want, "{vendor:?}");
        } else {
            assert_eq!(text_at(&events, text), want, "{vendor:?}");
            assert_eq!(text_at(&events, reasoning), expected_reasoning("q"), "{vendor:?}");
        }
    }
}

#[test]
fn a_token_limit_is_kept() {
    let mut ask =
        ask::openai(br#"{"model":"m","max_tokens":3,"messages":[{"role":"user","content":"q"}]}"#, true).unwrap();
    let body =
        |ask: &Ask| -> Value { serde_json::from_slice(&render(&shape(ask.clone())).reply(1, false).bytes).unwrap() };
    let limited = body(&ask);
    assert_eq!(limited["choices"][0]["finish_reason"], "length");
    assert_eq!(limited["choices"][0]["message"]["content"], expected_text("q", 3));
    assert_eq!(limited["usage"]["completion_tokens"].as_u64(), Some(3));
    ask.max_tokens = Some(16);
    assert_eq!(body(&ask)["choices"][0]["finish_reason"], "stop");
}

#[test]
fn texts_that_share_words_have_near_vectors() {
    let vector = |text: &str| -> Vec<f64> {
        let request = serde_json::json!({"model": "text-embedding-3-small", "input": text, "dimensions": 256});
        let (_, body) = embeddings(request.to_string().as_bytes(), "openai").unwrap();
        body["data"][0]["embedding"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
    };
    let near = |a: &str, b: &str| -> f64 { vector(a).iter().zip(vector(b)).map(|(x, y)| x * y).sum() };
    assert!((near("a red fox", "a red fox") - 1.0).abs() < 1e-5);
    assert!(near("the quick red fox runs", "the quick red fox sleeps") > 0.6);
    assert!(near("the quick red fox runs", "invoices are due tomorrow").abs() < 0.4);
}

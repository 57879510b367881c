//! Where fuzzing begins: one conversation with everything in it, as each dialect says it.

use ringmain_core::{Capabilities, Dialect, Fault, FaultClass, Origin, Phase, Usage};
use ringmain_dialects::ir::fold::unfold;
use ringmain_dialects::ir::{
    Block, BlockKind, Candidate, Effort, Event, Finish, Media, MediaSource, OutputFormat, Reasoning, Request, Response,
    Role, TokenLogprob, Tool, ToolChoice, Turn,
};
use ringmain_dialects::{Codec, Framing, StreamStart, TargetProfile, registry};
use serde_json::json;

use crate::codecs::{ANSWER, ERROR, REQUEST, STREAM};

/// Inputs to begin with, each with the target it is for.
#[must_use]
pub fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let mut seeds = plain();
    for dialect in Dialect::ALL {
        let codec = registry::codec(dialect).expect("every dialect has a codec");
        of_codec(codec, &mut seeds);
    }
    seeds
}

fn plain() -> Vec<(&'static str, Vec<u8>)> {
    let mut binary = vec![9];
    ringmain_wire::event_stream::encode("messageStart", br#"{"role":"assistant"}"#, &mut binary);
    ringmain_wire::event_stream::encode_exception("throttlingException", br#"{"message":"slow down"}"#, &mut binary);
    vec![
        ("sse", b"\x07: ping\n\nevent: a\nid: 1\ndata: {\"x\":1}\ndata: more\r\n\r\ndata:[DONE]\r\r".to_vec()),
        ("sse", "\u{1}\u{feff}data: h\u{e4}llo\n\nretry: 5\n\n".as_bytes().to_vec()),
        ("event-stream", binary),
        ("json-array", br#"x[{"a":[1,"]"]},  {"b":"\"}"} ,{}]"#.to_vec()),
        ("json", br#"{"model":"m","stream_options":{"a":1},"messages":[{"content":"\u00e4\n"}],"n":1e-7}"#.to_vec()),
        ("json", br#"{"model":{"a":1},"stream_options":null,"x":[1,[2,[3]]]}"#.to_vec()),
        ("rules", RULES.as_bytes().to_vec()),
        ("rules", RULES_AS_JSON.as_bytes().to_vec()),
        ("rules", b"server: {listen: 127.0.0.1:1}\nproviders:\n  openai: {keys: [\"${OPENAI_KEY}\"]}\n".to_vec()),
    ]
}

const RULES: &str = "\
server: { listen: 127.0.0.1:8080, max_body: 64MiB }
providers:
  openai: { keys: [\"${OPENAI_KEY}\", { key: \"${OTHER_KEY}\", rpm: 500, tpm: 200000, weight: 2 }] }
  anthropic: { keys: [\"${ANTHROPIC_KEY}\"] }
  local: { kind: openai-compatible, base_url: http://localhost:11434/v1 }
routes:
  - name: text
    match: { operation: chat, model: [text, gpt-4*, claude-*], tokens: \"> 50k\", header.x-a: b }
    targets: [{ to: anthropic/claude-sonnet-4-5, weight: 50 }, { to: openai/gpt-4o, weight: 50 }, { to: local/llama, tier: 2 }]
    shift: { when: p95(ttft) > 2s, over: 1m, floor: 5% }
defaults:
  balance: auto
  timeouts: { connect: 3s, race_after: 10s }
  retries: { attempts: 5, backoff: 250ms..8s, budget: 20% }
  hedge: { after: p95, budget: 2% }
";

/// JSON is YAML too, and can be changed part by part.
const RULES_AS_JSON: &str = r#"{
"server": {"listen": "127.0.0.1:8080", "max_body": "64MiB", "max_held": "1GiB"},
"providers": {
  "openai": {"keys": ["${OPENAI_KEY}", {"key": "${OTHER_KEY}", "rpm": 500, "tpm": 200000, "weight": 2}]},
  "local": {"kind": "openai-compatible", "base_url": "http://localhost:11434/v1", "timeouts": {"connect": "1s"}}},
"routes": [
  {"name": "text", "match": {"operation": "chat", "model": ["text", "gpt-4*"], "tokens": "> 50k", "header.x-a": "b"},
   "targets": [{"to": "openai/gpt-4o", "weight": 50, "tier": 1}, {"to": "local/llama", "tier": 2}, "openai/gpt-4o-mini"],
   "balance": "cost", "shift": {"when": "p95(ttft) > 2s", "over": "1m", "floor": "5%"}, "on_loss": "reject"},
  {"name": "rest", "targets": "local/llama"}],
"defaults": {"balance": "auto", "timeouts": {"race_after": "10s"}, "hedge": {"after": "p95", "budget": "2%"},
  "retries": {"attempts": 5, "backoff": "250ms..8s", "budget": "20%"}}
}"#;

fn of_codec(codec: &dyn Codec, seeds: &mut Vec<(&'static str, Vec<u8>)>) {
    let name = codec.dialect().as_str();
    let mut add = |kind: &[u8], body: &[u8]| seeds.push((name, [kind, body].concat()));
    let profile = TargetProfile {
        model: "m".to_owned(),
        capabilities: Capabilities::NONE,
        max_output_tokens: Some(4096),
        ..TargetProfile::default()
    };
    for request in requests(codec.dialect()) {
        if let Ok(encoded) = codec.encode_request(&request, &profile) {
            add(&[REQUEST], &encoded.body);
        }
    }
    for response in answers() {
        add(&[ANSWER], &codec.encode_response(&response).body);
        let mut events = unfold(&response);
        add(&[STREAM, b'1'], &stream(codec, &events));
        events.truncate(events.len() / 2);
        events.push(Event::Error(Box::new(fault())));
        add(&[STREAM, b'0'], &stream(codec, &events));
    }
    add(&[ERROR, 29], &codec.encode_fault(&fault(), "req_1").body);
    add(&[ERROR, 100], b"<html>bad gateway</html>");
}

/// A stream as server-sent events, whatever the dialect's own framing.
fn stream(codec: &dyn Codec, events: &[Event]) -> Vec<u8> {
    let framing = Framing::of_provider(codec.dialect());
    let start = StreamStart { id: "id".to_owned(), model: "m".to_owned(), created: 1, include_usage: true, framing };
    let (mut encoder, mut out) = (codec.stream_encoder(&start), Vec::new());
    for event in events {
        encoder.event(event, &mut out);
    }
    if framing == Framing::EventStream { as_sse(out).expect("what we write can be read") } else { out }
}

/// Binary messages as server-sent events; `None` where they are none.
pub(crate) fn as_sse(messages: Vec<u8>) -> Option<Vec<u8>> {
    let mut framer = ringmain_wire::event_stream::EventStreamFramer::new(1 << 24);
    framer.push(messages.into());
    let mut text = Vec::new();
    while let Some(frame) = framer.next().ok()? {
        ringmain_wire::sse::encode(Some(&frame.event()), &frame.data(), &mut text);
    }
    Some(text)
}

fn fault() -> Fault {
    Fault::new(FaultClass::Overloaded, Origin::Provider, Phase::AwaitHead, "overloaded, come back later")
        .with_status(503)
}

fn media(media_type: &str) -> Media {
    Media {
        source: MediaSource::Base64("iVBORw0KGgo=".to_owned()),
        media_type: Some(media_type.to_owned()),
        name: Some("a file".to_owned()),
        detail: None,
    }
}

fn tool_call() -> Block {
    BlockKind::ToolCall {
        id: "call_1".to_owned(),
        name: "weather".to_owned(),
        arguments: r#"{"city":"Z\u00fcrich"}"#.to_owned(),
        signature: None,
    }
    .into()
}

fn requests(dialect: Dialect) -> Vec<Request> {
    let mut small = Request::new(dialect);
    small.model = "m".to_owned();
    small.turns = vec![Turn::new(Role::User, vec![Block::text("Hello")])];
    let mut large = small.clone();
    large.system = vec![Block::text("Be brief.")];
    large.turns = vec![
        Turn::new(Role::User, vec![Block::text("What is this?"), BlockKind::Image(media("image/png")).into()]),
        Turn::new(Role::User, vec![BlockKind::Document(media("application/pdf")).into()]),
        Turn::new(Role::Assistant, vec![Block::text("I look."), tool_call()]),
        Turn::new(
            Role::User,
            vec![
                BlockKind::ToolResult {
                    id: "call_1".to_owned(),
                    name: Some("weather".to_owned()),
                    content: vec![Block::text("{\"sun\":true}")],
                    is_error: false,
                }
                .into(),
            ],
        ),
    ];
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    large.tools = vec![Tool::Function {
        name: "weather".to_owned(),
        description: Some("of a city".to_owned()),
        parameters: Some(schema.clone()),
        strict: Some(true),
        cache: None,
    }];
    large.tool_choice = Some(ToolChoice::Named("weather".to_owned()));
    large.sampling.max_output_tokens = Some(100);
    large.sampling.stop = vec!["END".to_owned()];
    large.sampling.temperature = serde_json::from_str("0.70").ok();
    large.stream = true;
    let mut shaped = small.clone();
    shaped.output = OutputFormat::JsonSchema { name: Some("x".to_owned()), description: None, schema, strict: None };
    shaped.reasoning = Some(Reasoning { effort: Some(Effort::High), budget_tokens: None, visible: Some(true) });
    vec![small, large, shaped]
}

fn answers() -> Vec<Response> {
    let usage = Usage { input: 20, cache_read: 5, output: 9, reasoning: 3, ..Usage::default() };
    let answer = |blocks: Vec<Block>, finish: Finish| Response {
        id: "id_1".to_owned(),
        model: "m".to_owned(),
        created: Some(1_700_000_000),
        blocks,
        finish,
        usage: Some(usage),
        ..Response::default()
    };
    let likely = |token: &str| {
        let (bytes, logprob) = (token.as_bytes().to_vec(), (-1).into());
        Candidate { token: token.to_owned(), bytes, id: Some(7), logprob }
    };
    let logprobs = ["Hel", "lo"].map(|token| TokenLogprob { chosen: likely(token), top: vec![likely("or")] });
    let thinking =
        BlockKind::Reasoning { text: "Hm.".to_owned(), signature: Some("c2ln".to_owned()), redacted: None }.into();
    vec![
        answer(vec![Block::text("Hello, 漢字 \u{1f600}\n")], Finish::Stop),
        answer(vec![thinking, Block::text("It is "), tool_call()], Finish::ToolUse),
        answer(vec![BlockKind::Refusal { text: "No.".to_owned() }.into()], Finish::Refusal),
        answer(vec![Block::text("cut")], Finish::Length),
        Response { logprobs: logprobs.into(), ..answer(vec![Block::text("Hello")], Finish::Stop) },
    ]
}

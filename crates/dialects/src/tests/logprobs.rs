//! Log probabilities go from whoever gives them to whoever has a place for them, plain and streamed.

use ringmain_core::{Capabilities, Dialect, Loss};
use serde_json::{Value, json};

use super::{decode, encode, folded, frames_as, recordings};
use crate::codec::{Framing, StreamStart, TargetProfile};
use crate::ir::{Block, BlockHead, Candidate, Delta, Event, Finish, Number, Response, TokenLogprob};
use crate::registry::codec;

const WITH_A_PLACE: [Dialect; 4] = [Dialect::OpenAiChat, Dialect::OpenAiResponses, Dialect::Gemini, Dialect::CohereV2];

fn candidate(token: &str, id: i64, logprob: f64) -> Candidate {
    let logprob = Number::from_f64(logprob).unwrap();
    Candidate { token: token.to_owned(), bytes: token.as_bytes().to_vec(), id: Some(id), logprob }
}

/// An answer whose text and its tokens come in these pieces.
const PIECES: [&[&str]; 3] = [&["Gr", "üße"], &[","], &[" W", "elt"]];

fn tokens(pieces: &[&str]) -> Vec<TokenLogprob> {
    let token = |text: &&str| TokenLogprob {
        chosen: candidate(text, 7, -0.5),
        top: vec![candidate(text, 7, -0.5), candidate("other", 8, -1.25)],
    };
    pieces.iter().map(token).collect()
}

fn plain() -> Response {
    Response {
        id: "r".to_owned(),
        model: "m".to_owned(),
        blocks: vec![Block::text(PIECES.concat().concat())],
        logprobs: tokens(&PIECES.concat()),
        finish: Finish::Stop,
        ..Response::default()
    }
}

/// The same as events; `late`: the probabilities come with the end.
fn streamed(late: bool) -> Vec<Event> {
    let mut events = vec![
        Event::Start { id: "r".to_owned(), model: "m".to_owned(), created: None },
        Event::BlockStart { index: 0, head: BlockHead::Text },
    ];
    for piece in PIECES {
        let said = Event::Delta { index: 0, delta: Delta::Text(piece.concat()) };
        events.extend((!late).then(|| Event::Logprobs(tokens(piece))).into_iter().chain([said]));
    }
    events.extend(late.then(|| Event::Logprobs(tokens(&PIECES.concat()))));
    events.extend([Event::BlockStop { index: 0 }, Event::Finish(Finish::Stop)]);
    events
}

/// What a dialect can say of tokens: OpenAI knows no numbers, Cohere no alternatives.
fn as_said(dialect: Dialect, mut tokens: Vec<TokenLogprob>) -> Vec<TokenLogprob> {
    for token in &mut tokens {
        match dialect {
            Dialect::CohereV2 => token.top.clear(),
            Dialect::Gemini => {}
            _ => token.top.iter_mut().chain([&mut token.chosen]).for_each(|candidate| candidate.id = None),
        }
    }
    tokens
}

fn framing(dialect: Dialect) -> Framing {
    Framing::of_provider(dialect)
}

#[test]
fn they_arrive_whole_where_there_is_a_place() {
    for dialect in WITH_A_PLACE {
        let codec = codec(dialect).unwrap();
        let said = as_said(dialect, plain().logprobs);
        let encoded = codec.encode_response(&plain());
        assert_eq!(codec.decode_response(&encoded.body).unwrap().logprobs, said, "{dialect}");
        let lost: &[Loss] = if dialect == Dialect::CohereV2 { &[Loss::approximated("logprobs")] } else { &[] };
        assert_eq!(encoded.losses, lost, "{dialect}");

        let start = StreamStart { framing: framing(dialect), ..StreamStart::default() };
        let bytes = encode(codec.stream_encoder(&start), &streamed(false));
        let events = decode(codec.stream_decoder(), &frames_as(framing(dialect), [bytes.as_slice()]));
        let answer = folded(events);
        assert_eq!((&answer.logprobs, &answer.blocks), (&said, &plain().blocks), "{dialect}");
    }
}

/// A stream brings them with the text they are of, so that a caller can show them as it goes.
#[test]
fn each_piece_of_text_brings_its_own() {
    for dialect in WITH_A_PLACE {
        let codec = codec(dialect).unwrap();
        let start = StreamStart { framing: framing(dialect), ..StreamStart::default() };
        let bytes = encode(codec.stream_encoder(&start), &streamed(false));
        let events = decode(codec.stream_decoder(), &frames_as(framing(dialect), [bytes.as_slice()]));
        let (mut told, mut said) = (String::new(), String::new());
        for event in events {
            match event {
                Event::Logprobs(tokens) => told.extend(tokens.into_iter().map(|token| token.chosen.token)),
                Event::Delta { delta: Delta::Text(text), .. } => {
                    said.push_str(&text);
                    assert_eq!(said, told, "{dialect}");
                }
                _ => {}
            }
        }
        assert_eq!(said, PIECES.concat().concat(), "{dialect}");
    }
}

#[test]
fn those_that_come_with_the_end_are_not_lost() {
    for dialect in WITH_A_PLACE {
        let codec = codec(dialect).unwrap();
        let start = StreamStart { framing: framing(dialect), ..StreamStart::default() };
        let mut encoder = codec.stream_encoder(&start);
        let mut bytes = Vec::new();
        streamed(true).iter().for_each(|event| encoder.event(event, &mut bytes));
        assert!(!encoder.take_losses().contains(&Loss::dropped("logprobs")), "{dialect}");
        let answer = folded(decode(codec.stream_decoder(), &frames_as(framing(dialect), [bytes.as_slice()])));
        let tokens = answer.logprobs.iter().map(|token| token.chosen.token.as_str());
        assert_eq!(tokens.collect::<String>(), PIECES.concat().concat(), "{dialect}");
    }
}

#[test]
fn a_dialect_without_a_place_says_so() {
    for dialect in [Dialect::AnthropicMessages, Dialect::BedrockConverse] {
        let codec = codec(dialect).unwrap();
        assert_eq!(codec.encode_response(&plain()).losses, [Loss::dropped("logprobs")], "{dialect}");
        let mut encoder = codec.stream_encoder(&StreamStart { framing: framing(dialect), ..StreamStart::default() });
        streamed(false).iter().for_each(|event| encoder.event(event, &mut Vec::new()));
        assert_eq!(encoder.take_losses(), [Loss::dropped("logprobs")], "{dialect}");
    }
}

/// Tokens that share a character are known by their bytes alone.
#[test]
fn a_part_of_a_character_is_told_in_bytes() {
    let part = |token: &str, byte: u8| TokenLogprob {
        chosen: Candidate { bytes: vec![byte], id: None, ..candidate(token, 0, -0.5) },
        top: Vec::new(),
    };
    let logprobs = vec![part("\\xc4", 0xc4), part("\\x8d", 0x8d)];
    let answer = Response { blocks: vec![Block::text("č")], logprobs: logprobs.clone(), ..plain() };
    for dialect in [Dialect::OpenAiChat, Dialect::OpenAiResponses] {
        let codec = codec(dialect).unwrap();
        let encoded = codec.encode_response(&answer);
        assert_eq!(codec.decode_response(&encoded.body).unwrap().logprobs, logprobs);
        assert_eq!(encoded.losses, []);
    }
    for dialect in [Dialect::Gemini, Dialect::CohereV2] {
        assert_eq!(codec(dialect).unwrap().encode_response(&answer).losses, [Loss::approximated("logprobs")]);
    }
}

/// The words of an answer in Chat that asks for them, and of what other dialects are asked.
#[test]
fn they_are_asked_for_in_the_targets_words() {
    let asked = |more: Value| {
        let mut body = json!({ "model": "m", "logprobs": true, "messages": [{ "role": "user", "content": "x" }] });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        codec(Dialect::OpenAiChat).unwrap().decode_request(body.to_string().as_bytes()).unwrap()
    };
    let told = |dialect, more, profile: &TargetProfile| {
        let encoded = codec(dialect).unwrap().encode_request(&asked(more), profile).unwrap();
        (serde_json::from_slice::<Value>(&encoded.body).unwrap(), encoded.losses)
    };
    let profile = TargetProfile { model: "m".to_owned(), ..TargetProfile::default() };
    let (body, lost) = told(Dialect::Gemini, json!({ "top_logprobs": 30 }), &profile);
    let config = &body["generationConfig"];
    assert_eq!((&config["responseLogprobs"], &config["logprobs"]), (&json!(true), &json!(20)));
    assert_eq!(lost, [Loss::approximated("top_logprobs")]);
    let (body, lost) = told(Dialect::OpenAiResponses, json!({ "top_logprobs": 2 }), &profile);
    assert_eq!((&body["include"], &body["top_logprobs"]), (&json!(["message.output_text.logprobs"]), &json!(2)));
    assert_eq!(lost, []);
    let (body, lost) = told(Dialect::CohereV2, json!({ "top_logprobs": 2 }), &profile);
    assert_eq!((&body["logprobs"], lost.as_slice()), (&json!(true), &[Loss::dropped("top_logprobs")][..]));
    // Alternatives alone ask for nothing.
    let (body, lost) = told(Dialect::Gemini, json!({ "logprobs": false, "top_logprobs": 2 }), &profile);
    assert_eq!(
        (&body["generationConfig"]["logprobs"], lost.as_slice()),
        (&Value::Null, &[Loss::dropped("top_logprobs")][..])
    );
    // A model that thinks refuses them in Responses.
    let thinks = TargetProfile { capabilities: Capabilities::REASONING, ..profile };
    let (body, lost) = told(Dialect::OpenAiResponses, json!({}), &thinks);
    assert_eq!(body["include"], json!(["reasoning.encrypted_content"]));
    assert_eq!(lost, [Loss::dropped("logprobs")]);
}

/// OpenAI's own stream, to everybody who has a place for what it tells.
#[test]
fn a_recorded_stream_keeps_them() {
    let recorded = recordings("openai.chat").into_iter().find(|recording| recording.id == "openai-chat-f307e7b556-00");
    let Some(text) = recorded.and_then(|recording| recording.text) else { return };
    let chat = codec(Dialect::OpenAiChat).unwrap();
    let answer = folded(decode(chat.stream_decoder(), &frames_as(Framing::Sse, [text.as_bytes()])));
    let spelled: Vec<u8> = answer.logprobs.iter().flat_map(|token| token.chosen.bytes.clone()).collect();
    assert_eq!(answer.blocks, [Block::text(String::from_utf8(spelled).unwrap())]);
    assert_eq!(answer.logprobs[0].chosen.logprob.to_string(), "-0.06212615966796875");
    for dialect in WITH_A_PLACE {
        let codec = codec(dialect).unwrap();
        let back = codec.decode_response(&codec.encode_response(&answer).body).unwrap();
        assert_eq!(back.logprobs, answer.logprobs, "{dialect}");
    }
}

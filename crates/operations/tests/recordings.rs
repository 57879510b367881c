//! What real providers were asked and said, beside what is asked here and made of it. The recordings lie beside the project;
//! without them there is nothing to compare.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test; the helpers too")]

use std::path::PathBuf;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use ringmain_core::{FaultClass, Operation, Shape};
use ringmain_operations::talk::{Call, Payload, Reply, Talk, Turn};
use ringmain_operations::{Site, decode_fault, embeddings, images, rerank};
use serde_json::{Value, json};

/// One recorded exchange.
struct Recorded {
    id: String,
    path: String,
    asked: Value,
    status: u16,
    said: Value,
    reply: Reply,
}

fn recorded(api: &str) -> Vec<Recorded> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/recordings")).join(api);
    let Ok(files) = std::fs::read_dir(&folder) else {
        println!("skipped: no recordings at {}", folder.display());
        return Vec::new();
    };
    let mut all: Vec<Recorded> = files.map(|file| read(&file.unwrap().path())).collect();
    all.sort_by(|one, two| one.id.cmp(&two.id));
    all
}

fn read(file: &std::path::Path) -> Recorded {
    let document: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let (request, response) = (&document["request"], &document["response"]);
    let mut headers = HeaderMap::new();
    for (name, value) in response["headers"].as_object().into_iter().flatten() {
        if let (Ok(name), Ok(value)) =
            (name.parse::<HeaderName>(), HeaderValue::from_str(value.as_str().unwrap_or_default()))
        {
            headers.insert(name, value);
        }
    }
    let said = response["body"].clone();
    Recorded {
        id: document["id"].as_str().unwrap().to_owned(),
        path: request["path"].as_str().unwrap().to_owned(),
        asked: request["body"].clone(),
        status: u16::try_from(response["status"].as_u64().unwrap()).unwrap(),
        reply: Reply { headers, body: Bytes::from(said.to_string()) },
        said,
    }
}

fn sent(call: &Call) -> Value {
    match &call.payload {
        Payload::Json(parts) => serde_json::from_slice(&parts.concat()).unwrap(),
        other => panic!("no JSON: {other:?}"),
    }
}

/// All that is sent here was sent there, and said there in the same words.
fn assert_within(id: &str, ours: &Value, theirs: &Value) {
    for (name, value) in ours.as_object().unwrap() {
        let same = match (&theirs[name], value) {
            // One text may be a list of one.
            (Value::String(text), Value::Array(list)) => **list == [json!(text)],
            (theirs, ours) => theirs == ours,
        };
        assert!(same, "{id}: {name} is {value} here and {} there", theirs[name]);
    }
}

fn drive<A: std::fmt::Debug>(talk: &mut Box<dyn Talk<A>>, recording: &Recorded) -> (Value, A) {
    let Turn::Call { call, .. } = talk.next(None).unwrap() else { panic!("{}: no call", recording.id) };
    match talk.next(Some(&recording.reply)) {
        Ok(Turn::Done(made)) => (sent(&call), made),
        other => panic!("{}: {other:?}", recording.id),
    }
}

/// The texts of a recorded request in its API's words; `None` where it holds more than texts.
fn texts(shape: Shape, asked: &Value) -> Option<Value> {
    match shape {
        Shape::Cohere => Some(asked["texts"].clone()),
        Shape::Gemini => {
            let text = |request: &Value| match request["content"]["parts"].as_array()?.as_slice() {
                [part] if request.get("config").is_none() => part["text"].as_str().map(Value::from),
                _ => None,
            };
            asked["requests"].as_array()?.iter().map(text).collect::<Option<Vec<Value>>>().map(Value::from)
        }
        _ => Some(asked["input"].clone()),
    }
}

#[test]
fn embeddings_of_each_api() {
    let apis = [
        ("cohere.embed", Shape::Cohere),
        ("voyage.embeddings", Shape::Voyage),
        ("mistral.embeddings", Shape::Mistral),
        ("gemini.embeddings", Shape::Gemini),
        ("openai.embeddings", Shape::OpenAi),
        ("azure.embeddings", Shape::OpenAi),
    ];
    for (api, shape) in apis {
        for recording in recorded(api) {
            let Some(input) = texts(shape, &recording.asked).filter(|_| recording.status == 200) else { continue };
            let mut body = json!({ "input": input });
            for (theirs, ours) in
                [("input_type", "input_type"), ("output_dimension", "dimensions"), ("dimensions", "dimensions")]
            {
                if let Some(value) = recording.asked.get(theirs).filter(|value| !value.is_null()) {
                    body[ours] = value.clone();
                }
            }
            let request = embeddings::Request::read(body.to_string().as_bytes()).unwrap();
            let in_path = recording.path.split_once("/models/").and_then(|(_, rest)| rest.split(':').next());
            let model = recording.asked["model"].as_str().or(in_path).unwrap();
            let site = Site::new(model, &recording.path);
            let planned = embeddings::codec(shape).unwrap().plan(&request, &site);
            let mut planned = planned.map_err(|no| no.to_string()).unwrap();
            assert_eq!(planned.talks.len(), 1, "{}", recording.id);
            let (mut ours, made) = drive(&mut planned.talks[0], &recording);
            // In which form the numbers come is the gateway's choice.
            ours.as_object_mut().unwrap().remove("encoding_format");
            if shape != Shape::Gemini {
                assert_within(&recording.id, &ours, &recording.asked);
            }
            let made = embeddings::Made::joined(vec![made], &request);
            let made = made.unwrap_or_else(|fault| panic!("{}: {fault} {:?}", recording.id, fault.detail));
            let said = &recording.said;
            let counted = [
                &said["usage"]["prompt_tokens"],
                &said["usage"]["total_tokens"],
                &said["meta"]["billed_units"]["input_tokens"],
                &said["usageMetadata"]["promptTokenCount"],
            ];
            let counted = counted.into_iter().find_map(Value::as_u64);
            assert_eq!(made.usage.map(|usage| usage.input), counted, "{}", recording.id);
        }
    }
}

#[test]
fn rerank_of_each_api() {
    for (api, shape) in [("cohere.rerank", Shape::Cohere), ("voyage.rerank", Shape::Voyage)] {
        for recording in recorded(api) {
            let request = rerank::Request::read(recording.asked.to_string().as_bytes()).unwrap();
            let model = recording.asked["model"].as_str().unwrap();
            let site = Site::new(model, &recording.path);
            let planned = rerank::plan(shape, &request, &site).unwrap();
            let mut planned = planned.map_err(|no| no.to_string()).unwrap();
            let (ours, made) = drive(&mut planned.talk, &recording);
            assert_within(&recording.id, &ours, &recording.asked);
            let theirs = recording.said["results"].as_array().or_else(|| recording.said["data"].as_array()).unwrap();
            let theirs: Vec<(usize, Value)> = theirs
                .iter()
                .map(|one| (usize::try_from(one["index"].as_u64().unwrap()).unwrap(), one["relevance_score"].clone()))
                .collect();
            assert_eq!(made.results, theirs, "{}", recording.id);
            let usage = made.usage.unwrap();
            assert!(usage.input > 0 || usage.units.searches > 0, "{}", recording.id);
        }
    }
}

#[test]
fn images_of_openai() {
    for recording in recorded("openai.images") {
        let request = images::Request::read(recording.asked.to_string().as_bytes());
        match recording.status {
            200 => {
                let made = images::openai::read(&recording.reply);
                let made = made.unwrap_or_else(|fault| panic!("{}: {fault} {:?}", recording.id, fault.detail));
                let request = request.unwrap_or_else(|bad| panic!("{}: {bad}", recording.id));
                let billed = made.billed(&request);
                assert_eq!(billed.units.images as usize, recording.said["data"].as_array().unwrap().len());
                assert_eq!(billed.total() > 0, recording.said.get("usage").is_some(), "{}", recording.id);
            }
            status => {
                let body = &recording.reply.body;
                let fault = decode_fault(Operation::ImageEdits, Shape::OpenAi, status, &recording.reply.headers, body);
                assert_eq!(fault.class, FaultClass::BadRequest, "{}", recording.id);
            }
        }
    }
}

#[test]
fn what_went_wrong() {
    for recording in recorded("cohere.embed").iter().filter(|recording| recording.status == 404) {
        let body = &recording.reply.body;
        let fault = decode_fault(Operation::Embeddings, Shape::Cohere, 404, &recording.reply.headers, body);
        assert_eq!(fault.class, FaultClass::Gone, "{}", recording.id);
        assert!(fault.message.contains("not found"), "{}", fault.message);
    }
}

//! Each codec against its API's published shapes.

use bytes::Bytes;
use http::HeaderMap;
use ringmain_core::Shape;
use serde_json::{Value, json};

use super::{Made, Request, Site, codec, write};
use crate::talk::{Payload, Reply, Turn};

fn request(body: &Value) -> Request {
    Request::read(body.to_string().as_bytes()).unwrap()
}

fn bodies(shape: Shape, model: &str, request: &Request) -> (Vec<Value>, Vec<String>) {
    let site = Site { model, path: "/embed" };
    let planned = codec(shape).unwrap().plan(request, &site).map_err(|no| no.to_string()).unwrap();
    let sent = planned.talks.into_iter().map(|mut talk| match talk.next(None).unwrap() {
        Turn::Call { call, .. } => match call.payload {
            Payload::Json(parts) => serde_json::from_slice(&parts.concat()).unwrap(),
            other => panic!("{other:?}"),
        },
        Turn::Done(_) => panic!("done before it began"),
    });
    (sent.collect(), planned.losses.into_iter().map(|loss| loss.field).collect())
}

fn hear(shape: Shape, model: &str, body: &Value) -> Result<Made, String> {
    let planned = codec(shape).unwrap().plan(&request(&json!({"input": "a"})), &Site { model, path: "/" });
    let mut talks = planned.map_err(|no| no.to_string())?.talks;
    let _ = talks[0].next(None);
    match talks[0].next(Some(&Reply { headers: HeaderMap::new(), body: Bytes::from(body.to_string()) })) {
        Ok(Turn::Done(made)) => Ok(made),
        Ok(Turn::Call { .. }) => panic!("it goes on"),
        Err(fault) => Err(fault.class.to_string()),
    }
}

#[test]
fn words_of_each() {
    let asked = request(&json!({
        "model": "embed", "input": ["one", "two"], "dimensions": 256, "input_type": "query", "user": "u", "truncate": "END",
    }));
    let table = [
        (
            Shape::OpenAi,
            "text-embedding-3-small",
            json!({"model": "text-embedding-3-small", "dimensions": 256, "user": "u", "encoding_format": "float", "input": ["one", "two"]}),
            vec!["input_type", "truncate"],
        ),
        (
            Shape::Voyage,
            "voyage-3.5",
            json!({"model": "voyage-3.5", "output_dimension": 256, "input_type": "query", "input": ["one", "two"]}),
            vec!["user", "truncate"],
        ),
        (
            Shape::Jina,
            "jina-embeddings-v3",
            json!({"model": "jina-embeddings-v3", "dimensions": 256, "task": "retrieval.query", "input": ["one", "two"]}),
            vec!["user", "truncate"],
        ),
        (
            Shape::Cohere,
            "embed-v4.0",
            json!({"model": "embed-v4.0", "input_type": "search_query", "embedding_types": ["float"], "output_dimension": 256, "texts": ["one", "two"]}),
            vec!["user", "truncate"],
        ),
        (
            Shape::Bedrock,
            "cohere.embed-english-v3",
            json!({"input_type": "search_query", "texts": ["one", "two"]}),
            vec!["dimensions", "user", "truncate"],
        ),
    ];
    for (shape, model, body, lost) in table {
        let (sent, losses) = bodies(shape, model, &asked);
        assert_eq!(sent, [body], "{shape}");
        assert_eq!(losses, lost, "{shape}");
    }
    let (sent, _) = bodies(Shape::Gemini, "gemini-embedding-001", &asked);
    let one = json!({
        "model": "models/gemini-embedding-001", "content": {"parts": [{"text": "one"}]},
        "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 256,
    });
    assert_eq!(sent[0]["requests"][0], one);
    let (sent, _) = bodies(Shape::Bedrock, "amazon.titan-embed-text-v2:0", &asked);
    assert_eq!(sent, [json!({"inputText": "one", "dimensions": 256}), json!({"inputText": "two", "dimensions": 256})]);
}

#[test]
fn batches_are_split() {
    let texts: Vec<String> = (0..250).map(|at| format!("text {at}")).collect();
    let asked = request(&json!({ "input": texts }));
    let table = [
        (Shape::OpenAi, "m", 1),
        (Shape::Cohere, "m", 3),
        (Shape::Gemini, "m", 3),
        (Shape::Bedrock, "amazon.titan-embed-text-v2:0", 250),
    ];
    for (shape, model, calls) in table {
        assert_eq!(bodies(shape, model, &asked).0.len(), calls, "{shape}");
    }
    let (sent, _) = bodies(Shape::Cohere, "m", &asked);
    assert_eq!(sent[2]["texts"], json!(texts[192..]));
}

#[test]
fn answers() {
    let data = json!([{"index": 1, "embedding": [3, 4]}, {"index": 0, "embedding": [0.5, -1e-3]}]);
    let made = hear(Shape::OpenAi, "m", &json!({"data": data, "usage": {"prompt_tokens": 7}})).unwrap();
    assert_eq!(made.vectors, [[0.5, -1e-3], [3.0, 4.0]], "in the order of the inputs");
    assert_eq!(made.usage.unwrap().input, 7);
    let cohere = json!({"embeddings": {"float": [[1, 2]]}, "meta": {"billed_units": {"input_tokens": 3}}});
    assert_eq!(hear(Shape::Cohere, "m", &cohere).unwrap().usage.unwrap().input, 3);
    assert_eq!(
        hear(Shape::Bedrock, "cohere.embed-english-v3", &json!({"embeddings": [[1, 2]]})).unwrap().vectors,
        [[1.0, 2.0]]
    );
    let titan = json!({"embedding": [1], "inputTextTokenCount": 2});
    assert_eq!(hear(Shape::Bedrock, "amazon.titan-embed-text-v2:0", &titan).unwrap().vectors, [[1.0]]);
    assert_eq!(hear(Shape::Gemini, "m", &json!({"embeddings": [{"values": [1]}]})).unwrap().vectors, [[1.0]]);
    for (body, class) in [(json!({}), "empty"), (json!({"embeddings": [["x"]]}), "protocol")] {
        assert_eq!(hear(Shape::Cohere, "m", &body).unwrap_err(), class);
    }
    assert_eq!(
        hear(Shape::OpenAi, "m", &json!({"error": {"message": "no", "code": "overloaded"}})).unwrap_err(),
        "overloaded"
    );
}

#[test]
fn a_vector_is_for_its_own_text() {
    let made = |vectors: &[&[f64]]| Made { vectors: vectors.iter().map(|v| v.to_vec()).collect(), usage: None };
    let whole = Made::joined(vec![made(&[&[1.0, 2.0]]), made(&[&[3.0, 4.0]])], 2).unwrap();
    let asked = request(&json!({"input": ["a", "b"], "encoding_format": "base64"}));
    let written: Value = serde_json::from_slice(&write(&whole, &asked, "m")).unwrap();
    assert_eq!(written["data"][1]["embedding"], "AABAQAAAgEA=");
    for (parts, inputs) in
        [(vec![made(&[&[1.0]])], 2), (vec![made(&[&[1.0], &[1.0, 2.0]])], 2), (vec![], 1), (vec![made(&[&[]])], 1)]
    {
        assert!(Made::joined(parts, inputs).is_err());
    }
}

#[test]
fn what_is_wrong_is_named() {
    let table = [
        (json!({}), "input: expected a text, a list of texts, or tokens"),
        (json!({"input": []}), "input: expected 1 to 8192 inputs"),
        (json!({"input": ["a", 1.5]}), "input[1]: expected a text"),
        (json!({"input": "a", "encoding_format": "int8"}), "encoding_format: expected `float` or `base64`"),
        (json!({"input": "a", "input_type": "poem"}), "input_type: is no purpose that is known here"),
    ];
    for (body, problem) in table {
        assert_eq!(Request::read(body.to_string().as_bytes()).unwrap_err().to_string(), problem);
    }
    let tokens = request(&json!({"input": [1, 2, 3]}));
    let refused = codec(Shape::Cohere).unwrap().plan(&tokens, &Site { model: "m", path: "/" });
    assert!(refused.err().unwrap().to_string().contains("tokens are of one model"));
}

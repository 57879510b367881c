//! Embeddings: one model's vectors, whoever gives them; counted and paid for.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may stop")]

mod pipes;

use pipes::{Act, Answer, World, status};
use ringmain_core::{Money, RequestId};
use ringmain_routing::{Reason, Record, Verdict};
use serde_json::{Value, json};

fn list(vectors: &[&[f64]], tokens: u64) -> Act {
    let data: Vec<Value> = vectors
        .iter()
        .enumerate()
        .map(|(index, vector)| json!({"object": "embedding", "index": index, "embedding": vector}))
        .collect();
    let usage = json!({"prompt_tokens": tokens, "total_tokens": tokens});
    status(200, "", &json!({"object": "list", "data": data, "model": "m", "usage": usage}).to_string())
}

fn down() -> Act {
    status(503, "", r#"{"error":{"message":"down","type":"server_error"}}"#)
}

async fn embed(world: &World, body: &Value) -> Answer {
    world.send("/v1/embeddings", body.to_string(), &[]).await
}

fn record_of(world: &World, answer: &Answer) -> Record {
    let id = RequestId::parse(answer.header("x-ringmain-request-id")).unwrap();
    (*world.gateway().records.get(id).unwrap().unwrap()).clone()
}

#[tokio::test(start_paused = true)]
async fn only_the_same_model_stands_in() {
    let settings = "targets: [a/text-embedding-3-small, b/voyage-3.5, c/openai/text-embedding-3-small]";
    let up = || vec![list(&[&[1.0, 2.0]], 3)];
    let world =
        World::with_targets(&[("a", vec![vec![down()]]), ("b", vec![up()]), ("c", vec![up(), vec![down()]])], settings);
    let answer = embed(&world, &json!({"model": "r", "input": "x"})).await;
    assert_eq!(answer.header("x-ringmain-target"), "c/openai/text-embedding-3-small", "{}", answer.text);
    let answer = embed(&world, &json!({"model": "r", "input": "x"})).await;
    assert_eq!((answer.status.as_u16(), world.asked("b")), (503, 0), "{}", answer.text);
    let verdicts = record_of(&world, &answer).decisions[0].plan.clone().unwrap().verdicts;
    assert_eq!(verdicts[1], Verdict::Excluded(Reason::OtherVectors));

    let mixed = format!("{settings}\nmix_embeddings: true");
    let world = World::with_targets(&[("a", vec![vec![down()]]), ("b", vec![up()]), ("c", vec![vec![down()]])], &mixed);
    let answer = embed(&world, &json!({"model": "r", "input": "x"})).await;
    assert_eq!(answer.header("x-ringmain-target"), "b/voyage-3.5", "{}", answer.text);
}

/// A world of one provider of this kind at `http://a.test` and the root its SDK would be given.
fn one(kind: &str, root: &str, acts: Vec<Vec<Act>>) -> World {
    World::of(
        &[("a", acts)],
        &format!("providers: {{ a: {{ kind: {kind}, base_url: \"http://a.test{root}\", keys: [k] }} }}"),
    )
}

#[tokio::test(start_paused = true)]
async fn what_is_used_is_counted_and_paid_for() {
    let input = json!({"model": "a/text-embedding-3-small", "input": ["x", "y"]});
    let world = one("openai", "/v1", vec![vec![list(&[&[1.0], &[2.0]], 1_000_000)]]);
    let answer = embed(&world, &input).await;
    let attempt = record_of(&world, &answer).attempts[0].clone();
    assert_eq!(attempt.usage.unwrap().input, 1_000_000, "{}", answer.text);
    assert_eq!(attempt.cost, Some(Money::from_dollars(0.02)));

    let body = json!({"embeddings": {"float": [[1, 2], [3, 4]]}, "meta": {"billed_units": {"input_tokens": 500_000}}});
    let world = one("cohere", "", vec![vec![status(200, "", &body.to_string())]]);
    let answer = embed(&world, &json!({"model": "a/embed-v4.0", "input": ["x", "y"], "user": "u"})).await;
    let said: Value = serde_json::from_str(&answer.text).unwrap();
    assert_eq!(said["data"][1]["embedding"], json!([3.0, 4.0]));
    assert_eq!((said["usage"]["prompt_tokens"].as_u64(), said["model"].as_str()), (Some(500_000), Some("embed-v4.0")));
    assert_eq!(answer.header("x-ringmain-loss"), "user");
    assert_eq!(record_of(&world, &answer).attempts[0].cost, Some(Money::from_dollars(0.06)));

    // Where nobody counts, about as much as the request holds; and it is said that it is about that.
    let body = json!({"embeddings": [{"values": [1, 2]}]});
    let world = one("gemini", "", vec![vec![status(200, "", &body.to_string())]]);
    let answer = embed(&world, &json!({"model": "a/gemini-embedding-001", "input": "some words"})).await;
    assert_eq!(answer.header("x-ringmain-loss"), "usage", "{}", answer.text);
    assert!(record_of(&world, &answer).attempts[0].usage.unwrap().input > 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_may_have_inputs_of_its_own() {
    let bodies = [
        json!({"model": "r", "messages": [{"role": "user", "content": "x"}]}),
        json!({"model": "r", "input": [{"image": "x"}], "encoding_format": "bytes"}),
    ];
    for body in bodies {
        let world = World::new(&[("a", vec![vec![list(&[&[1.0]], 3)]])], "");
        let answer = embed(&world, &body).await;
        assert_eq!((answer.status.as_u16(), world.asked("a")), (200, 1), "{}", answer.text);
        // Elsewhere nobody knows what it means.
        let world = one("cohere", "", vec![vec![list(&[&[1.0]], 3)]]);
        let mut body = body;
        body["model"] = json!("a/embed-v4.0");
        let answer = embed(&world, &body).await;
        assert_eq!((answer.status.as_u16(), world.asked("a")), (400, 0), "{}", answer.text);
    }
}

#[tokio::test(start_paused = true)]
async fn a_vector_that_is_missing_is_no_answer() {
    let few = json!({"embeddings": {"float": [[1, 2]]}, "meta": {}}).to_string();
    let world = one("cohere", "", vec![vec![status(200, "", &few)]]);
    let answer = embed(&world, &json!({"model": "a/embed-v4.0", "input": ["x", "y"]})).await;
    assert!(answer.status.is_server_error(), "{}", answer.text);
    let answer = embed(&world, &json!({"model": "a/embed-v4.0", "input": "x", "dimensions": 3})).await;
    assert!(answer.status.is_server_error(), "{}", answer.text);
    let world = one("cohere", "", vec![vec![status(200, "", &few)]]);
    let answer = embed(&world, &json!({"model": "a/embed-v4.0", "input": [1, 2]})).await;
    assert_eq!(answer.status.as_u16(), 400);
    assert!(answer.text.contains("tokens are of one model"), "{}", answer.text);
}

#[tokio::test(start_paused = true)]
async fn a_caller_of_cohere_reaches_whoever_has_the_model() {
    let rules = "
providers:
  a: { kind: cohere, base_url: 'http://a.test', keys: [k] }
  b: { kind: bedrock, base_url: 'http://b.test', region: us-east-1, keys: [{ access_key: AKIDEXAMPLE, secret_key: s }] }
  c: { kind: openai-compatible, base_url: 'http://c.test/v1', keys: [k] }
routes:
  - { name: r, targets: [a/embed-v4.0, c/other-model, 'b/us.cohere.embed-v4:0'] }
";
    let said = json!({"embeddings": {"float": [[1, 2]]}, "meta": {"billed_units": {"input_tokens": 7}}});
    let answers = |down: Act| {
        let c = vec![vec![list(&[&[9.0, 9.0]], 9)]];
        World::of(&[("a", vec![vec![down]]), ("b", vec![vec![status(200, "", &said.to_string())]]), ("c", c)], rules)
    };
    let asked = json!({
        "model": "r", "texts": ["x"], "input_type": "search_query", "embedding_types": ["float", "base64"], "truncate": "END",
    });
    // Its own words go as they are.
    let world = answers(status(200, "", &said.to_string()));
    let answer = world.send("/v2/embed", asked.to_string(), &[("content-type", "application/json")]).await;
    assert_eq!((answer.header("x-ringmain-target"), answer.text.as_str()), ("a/embed-v4.0", said.to_string().as_str()));
    assert_eq!(answer.header("x-ringmain-loss"), "");
    // Elsewhere the same space is asked in another shape, and answers in Cohere's.
    let world = answers(status(503, "", "{}"));
    let answer = world.send("/v2/embed", asked.to_string(), &[("content-type", "application/json")]).await;
    assert_eq!(answer.header("x-ringmain-target"), "b/us.cohere.embed-v4:0", "{}", answer.text);
    assert_eq!(answer.header("x-ringmain-loss"), "truncate");
    let heard: Value = serde_json::from_str(&answer.text).unwrap();
    assert_eq!(heard["embeddings"], json!({"float": [[1.0, 2.0]], "base64": ["AACAPwAAAEA="]}));
    assert_eq!((&heard["texts"], &heard["meta"]["billed_units"]["input_tokens"]), (&json!(["x"]), &json!(7)));
    assert!(
        world.requests("b")[0].ends_with(r#"{"input_type":"search_query","embedding_types":["float"],"texts":["x"]}"#)
    );
    // What only Cohere can do goes nowhere else, and the vectors of another model never stand in.
    let mut quantised = asked;
    quantised["embedding_types"] = json!(["int8"]);
    let world = answers(status(503, "", "{}"));
    let answer = world.send("/v2/embed", quantised.to_string(), &[("content-type", "application/json")]).await;
    assert!(!answer.status.is_success() && world.asked("b") + world.asked("c") == 0, "{}", answer.text);
}

//! Limits of keys and groups as their callers meet them: where a fallback route leads, what a change of a limit keeps, and
//! what is reserved.

mod pipes;

use std::sync::Arc;
use std::time::Duration;

use pipes::{Act, Answer, World, plain};
use ringmain_engine::records::Store;
use ringmain_state::memory;

const PROVIDERS: &str = "
providers:
  a: { kind: openai-compatible, base_url: 'http://a.test/v1', keys: [a-key] }
  b: { kind: openai-compatible, base_url: 'http://b.test/v1', keys: [b-key] }
routes: [{ name: r, targets: [a/m] }, { name: cheap, targets: [b/m] }]
";

fn slow() -> Vec<Act> {
    vec![Act::Wait(Duration::from_secs(5)), plain("slow")]
}

fn world(rules: &str) -> World {
    World::of(&[("a", vec![slow()]), ("b", vec![slow()])], &rules_of(rules))
}

fn rules_of(rules: &str) -> String {
    format!("{PROVIDERS}{rules}")
}

async fn ask(world: &World, key: &str) -> Answer {
    world.ask(false, &[("authorization", &format!("Bearer virtual-{key}-key"))]).await
}

/// A second after the first has begun.
async fn beside(world: &World, key: &str) -> Answer {
    tokio::time::sleep(Duration::from_secs(1)).await;
    ask(world, key).await
}

fn told(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), answer.header("x-ringmain-route"))
}

#[tokio::test(start_paused = true)]
async fn only_a_budget_that_is_used_up_leads_to_another_route() {
    let world = world(
        "
groups: { acme: { limits: [1 at once, 3 requests/1h] } }
keys:
  - { name: few, key: virtual-few-key, limits: [1 requests/1h], on_exhausted: 'route:cheap' }
  - { name: spent, key: virtual-spent-key, group: acme, limits: [1 tokens/day], on_exhausted: 'route:cheap' }
",
    );
    assert_eq!(told(&ask(&world, "few").await), (200, "r"));
    let refused = ask(&world, "few").await;
    assert_eq!(told(&refused).0, 429, "{}", refused.text);
    assert!(refused.text.contains("1 requests/1h of key `few`"), "{}", refused.text);

    let (first, second) = tokio::join!(ask(&world, "spent"), beside(&world, "spent"));
    assert_eq!(told(&first), (200, "cheap"), "{}", first.text);
    assert_eq!(told(&second), (429, "r"), "{}", second.text);
    assert!(second.text.contains("1 at once of group `acme` is reached"), "{}", second.text);
    for expected in [200, 200, 429] {
        let answer = ask(&world, "spent").await;
        assert_eq!(told(&answer).0, expected, "{}", answer.text);
        assert!(expected == 200 || answer.text.contains("3 requests/1h of group `acme`"), "{}", answer.text);
    }
    assert_eq!((world.asked("a"), world.asked("b")), (1, 3));
}

fn limited(limits: &str) -> String {
    format!("keys: [{{ name: k, key: virtual-k-key, limits: [{limits}] }}]")
}

#[tokio::test(start_paused = true)]
async fn what_was_used_and_what_runs_counts_under_a_changed_limit() {
    let world = world(&limited("2 at once, 3 requests/1h"));
    let change = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.reload(&rules_of(&limited("1 at once, 9 requests/1h")));
        ask(&world, "k").await
    };
    let (one, two, third) = tokio::join!(ask(&world, "k"), ask(&world, "k"), change);
    assert_eq!([one, two].map(|answer| answer.status.as_u16()), [200, 200]);
    assert_eq!(third.status, 429, "two are running: {}", third.text);
    assert_eq!(ask(&world, "k").await.status, 200, "and were given back");
    world.reload(&rules_of(&limited("1 at once, 3 requests/1h")));
    let full = ask(&world, "k").await;
    assert!(full.status == 429 && full.text.contains("3 requests/1h"), "{}", full.text);
}

#[tokio::test(start_paused = true)]
async fn of_two_limits_on_the_same_the_smaller_holds_and_nothing_counts_twice() {
    let world = world(&limited("5 requests/1h, 3 requests/1h, 4 requests/1h"));
    for expected in [200, 200, 200, 429] {
        assert_eq!(ask(&world, "k").await.status.as_u16(), expected);
    }
}

/// A limit that was lifted for a while begins again with what the ledger says of that while.
#[tokio::test(start_paused = true)]
async fn a_limit_that_comes_back_knows_what_was_used_meanwhile() {
    let world = world(&limited("4 requests/1h"));
    let kept = Arc::new(memory::Records::new(100));
    world.gateway().records.keep_in(Store { sink: kept.clone(), query: kept.clone(), analytics: kept });
    let change = |limits| {
        world.reload(&rules_of(&limited(limits)));
        world.gateway().remember_use();
    };
    world.gateway().remember_use();
    assert_eq!(ask(&world, "k").await.status, 200);
    change("5 at once");
    for _ in 0..2 {
        assert_eq!(ask(&world, "k").await.status, 200);
    }
    change("4 requests/1h");
    for expected in [200, 429, 429] {
        assert_eq!(ask(&world, "k").await.status.as_u16(), expected);
    }
    // Those that were refused are in the ledger as well.
    change("5 at once");
    change("5 requests/1h");
    for expected in [200, 429] {
        assert_eq!(ask(&world, "k").await.status.as_u16(), expected);
    }
}

const PRICED: &str = "
providers:
  openai: { base_url: 'http://openai.test/v1', keys: [a-key] }
keys: [{ name: k, key: virtual-k-key, limits: [";

/// What is asked for must fit into the budget before anybody makes it: with what it may cost, or a cent more.
#[tokio::test(start_paused = true)]
async fn of_money_all_is_reserved_that_was_asked_for() {
    const IMAGES: &str = "/v1/images/generations";
    const EDITS: &str = "/v1/images/edits";
    const CHAT: &str = "/v1/chat/completions";
    const GEMINI: &str = "/v1beta/models/openai%2Fgpt-4o:generateContent";
    let seen = r#""images":[{"image_url":"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="}]"#;
    let edit = format!(
        r#"{{"model":"openai/gpt-image-1","prompt":"a cat","n":3,"size":"1536x1024","quality":"high",{seen}}}"#
    );
    let table = [
        // Of dall-e-3: 4 * 0.04; 2 * 0.12, its dearest; 1 * 0.12.
        (IMAGES, r#"{"model":"openai/dall-e-3","prompt":"a cat","n":4,"size":"1024x1024","quality":"standard"}"#, 0.16),
        (IMAGES, r#"{"model":"openai/dall-e-3","prompt":"a cat","n":2}"#, 0.24),
        (IMAGES, r#"{"model":"openai/dall-e-3","prompt":"a cat","size":"1024x1792","quality":"hd"}"#, 0.12),
        (EDITS, &edit, 0.75),
        // Of gpt-4o: 8 answers of 10,000 tokens at $10 a million.
        (
            CHAT,
            r#"{"model":"openai/gpt-4o","messages":[{"role":"user","content":"hi"}],"max_tokens":10000,"n":8}"#,
            0.8,
        ),
        (CHAT, r#"{"model":"openai/gpt-4o","messages":[{"role":"user","content":"hi"}],"max_tokens":10000}"#, 0.1),
        (
            GEMINI,
            r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}],"generationConfig":{"maxOutputTokens":10000,"candidateCount":8}}"#,
            0.8,
        ),
    ];
    for (path, body, dollars) in table {
        for (cents, is_asked) in [(-0.01, false), (0.01, true)] {
            let rules = format!("{PRICED}${:.2}/30d] }}]", dollars + cents);
            let world = World::of(&[("openai", vec![vec![plain("hi")]])], &rules);
            let answer = world.send(path, body.to_owned(), &[("authorization", "Bearer virtual-k-key")]).await;
            assert_eq!(world.asked("openai") > 0, is_asked, "{body}: {}", answer.text);
            assert_eq!(answer.status == 429, !is_asked, "{body}: {}", answer.text);
        }
    }
}

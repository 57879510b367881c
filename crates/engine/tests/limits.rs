//! Limits of keys and groups as their callers meet them: where a fallback route leads.

mod pipes;

use std::time::Duration;

use pipes::{Act, Answer, World, plain};

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
    World::of(&[("a", vec![slow()]), ("b", vec![slow()])], &format!("{PROVIDERS}{rules}"))
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

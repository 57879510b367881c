//! Routes in words.

use ringmain_core::Operation;

use super::{config, facts};

/// What is said of the route a request takes.
fn told(text: &str, operation: Operation, model: &str) -> String {
    let config = config(text);
    config.describe(&config.select(&facts(operation, model), &|_| None).unwrap())
}

#[test]
fn the_two_sentences() {
    let text = include_str!("../../../../examples/two-rules.yaml");
    assert_eq!(
        told(text, Operation::Images, "anything"),
        "Image generation goes to openai/dall-e-3 first; if that fails or is out, to stability/stable-image-core."
    );
    assert_eq!(
        told(text, Operation::Chat, "gpt-4"),
        "Text generation for the models `text`, `gpt-4*` and `claude-*` goes half to anthropic/claude-sonnet-4-5 and \
         half to openai/gpt-4o; while the p95 time to first token of one exceeds 2 s over 1 min, its share moves to the \
         other, down to 5 %. What fails at one is tried at another. From its second turn on, a conversation stays where \
         its prompt cache is warm, while that target is fit."
    );
}

#[test]
fn other_routes() {
    let table = [
        ("targets: [openai/o3]", "A request for `a` goes to openai/o3."),
        (
            "targets: [openai/o3, openai/gpt-4o, openai/gpt-4o-mini], affinity: off",
            "A request for `a` goes to openai/o3 first; if that fails or is out, to openai/gpt-4o, then to \
             openai/gpt-4o-mini.",
        ),
        (
            "targets: [{ to: openai/o3, weight: 3 }, { to: openai/gpt-4o, weight: 1 }, { to: openai/gpt-4o-mini, weight: 0 }], affinity: off",
            "A request for `a` goes 75 % to openai/o3 and 25 % to openai/gpt-4o; to openai/gpt-4o-mini only when these \
             are out. What fails at one is tried at another.",
        ),
        (
            "balance: weighted, targets: [openai/o3, openai/gpt-4o, openai/gpt-4o-mini], retries: { attempts: 1 }, affinity: session",
            "A request for `a` goes in equal parts to openai/o3, openai/gpt-4o and openai/gpt-4o-mini. Each request is \
             tried once, whatever comes of it. Requests of one `x-ringmain-session` stay together, while their target is \
             fit.",
        ),
        (
            "targets: [openai/o3, openai/gpt-4o, { to: local/a, tier: 2, max_in_flight: 1, tpm: 20k }], affinity: off, hedge: { after: p95 }",
            "A request for `a` goes to openai/o3 first; if that fails or is out, to openai/gpt-4o. Only when none of \
             these can serve, it goes to local/a. local/a is sent at most 1 request at once and 20000 tokens a minute. A \
             request without a first token after the p95 of its target is raced by a second one, for at most 2 % of \
             requests.",
        ),
        (
            "balance: fastest, targets: [openai/o3, openai/gpt-4o], affinity: off, match: { operation: [chat, embeddings], stream: true, tokens: '> 50k' }",
            "Text generation and embedding where a stream is wanted and input has more than 50000 tokens go to whichever \
             of openai/o3 and openai/gpt-4o is expected to answer soonest. What fails at one is tried at another.",
        ),
        (
            "balance: adaptive, targets: [openai/o3, openai/gpt-4o], affinity: off, match: {}",
            "Every request goes to whichever of openai/o3 and openai/gpt-4o has the least sum of what it is expected to \
             cost, of the time it is expected to take ($0.002 a second) and of its failures ($0.01 each); 2 % of \
             requests find out how the others do. What fails at one is tried at another.",
        ),
        (
            "balance: least-busy, targets: [{ to: openai/o3, weight: 2 }, { to: openai/gpt-4o, weight: 1 }], affinity: off",
            "A request for `a` goes to whichever of openai/o3 and openai/gpt-4o has the fewest requests in flight, \
             relative to their weights 2:1. What fails at one is tried at another.",
        ),
        (
            "targets: [openai/o3, openai/gpt-4o], affinity: off, shift: { when: error_rate > 5%, over: 90s, floor: 10% }",
            "A request for `a` goes to openai/o3 first; if that fails or is out, to openai/gpt-4o; while the error rate \
             of the one in front exceeds 5 % over 90 s, its requests move to the next, down to 10 %.",
        ),
        (
            "targets: [openai/o3, local/a], affinity: off, regions: [eu-*]",
            "A request for `a` goes to local/a. Only providers in the regions `eu-*` may serve, which leaves out \
             openai/o3.",
        ),
    ];
    says(&table);
    assert_eq!(told("", Operation::Chat, "openai/gpt-4o"), "This request goes to openai/gpt-4o.");
}

#[test]
fn routes_for_vectors() {
    says(&[
        (
            "targets: [openai/text-embedding-3-small, openai/text-embedding-3-large], affinity: off",
            "A request for `a` goes to openai/text-embedding-3-small first; if that fails or is out, to \
             openai/text-embedding-3-large. Vectors of two models cannot be compared: embeddings are those of \
             `text-embedding-3-small`, unless the request names another target's model.",
        ),
        (
            "targets: [openai/text-embedding-3-small, openai/text-embedding-3-large, local/a, local/text-embedding-3-small], match: { operation: embeddings }",
            "Embedding goes to openai/text-embedding-3-small first; if that fails or is out, to \
             local/text-embedding-3-small. Vectors of two models cannot be compared: openai/text-embedding-3-large and \
             local/a serve only requests that name their model.",
        ),
    ]);
}

/// What is said of the route `a` of each row.
fn says(table: &[(&str, &str)]) {
    for (route, words) in table {
        let text = format!(
            "providers: {{ openai: {{}}, local: {{ kind: openai-compatible, base_url: 'http://localhost:1/v1', region: \
             eu-1 }} }}\nroutes: [{{ name: a, {route} }}]"
        );
        assert_eq!(told(&text, Operation::Chat, "a"), *words, "{route}");
    }
}

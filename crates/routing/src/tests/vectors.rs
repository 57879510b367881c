//! Vectors of two models are never given for one.

use ringmain_core::Operation;

use super::*;
use crate::{Reason, Verdict};

fn verdicts(model: &str, mixes: bool) -> Vec<bool> {
    let names =
        ["openai/text-embedding-3-small", "voyage/voyage-3.5", "azure/text-embedding-3-small", "cohere/embed-v4.0"];
    let mut policy = policy(&[1; 4]);
    for (candidate, name) in policy.candidates.iter_mut().zip(names) {
        candidate.name = name.to_owned();
    }
    policy.mixes_vectors = mixes;
    let facts = RequestFacts { operation: Operation::Embeddings, model: model.to_owned(), ..facts() };
    let health = Health::default();
    let now = Now { mono: Tick::ZERO, wall: ringmain_core::WallTime(0) };
    let view = view(&health, &policy, Some(&facts), now);
    let plan = plan(&policy, &facts, &view, now, Seed(1));
    plan.verdicts.iter().map(|verdict| !matches!(verdict, Verdict::Excluded(Reason::OtherVectors))).collect()
}

#[test]
fn only_one_model_answers() {
    let table = [
        ("embed", false, [true, false, true, false]),
        ("voyage-3.5", false, [false, true, false, false]),
        ("azure/text-embedding-3-small", false, [true, false, true, false]),
        ("embed", true, [true, true, true, true]),
    ];
    for (model, mixes, expected) in table {
        assert_eq!(verdicts(model, mixes), expected, "{model}");
    }
}

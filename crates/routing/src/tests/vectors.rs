//! Vectors of two models are never given for one.

use ringmain_core::{Operation, Space};

use super::*;
use crate::{Reason, Standing, Verdict};

const NAMES: [&str; 5] = [
    "anthropic/claude",
    "openai/text-embedding-3-small",
    "voyage/voyage-3.5",
    "azure/text-embedding-3-small",
    "cohere/embed-v4.0",
];

fn policy_of_names() -> Policy {
    let mut policy = policy(&[1; 5]);
    for (candidate, name) in policy.candidates.iter_mut().zip(NAMES) {
        candidate.name = name.to_owned();
        candidate.space =
            name.split_once('/').filter(|(whose, _)| *whose != "anthropic").map(|(_, model)| Space::of(model));
    }
    policy
}

/// Who is asked for vectors, in order, where these candidates are out.
fn asked(policy: &Policy, model: &str, out: &[(usize, Reason)]) -> Vec<usize> {
    let facts = RequestFacts { operation: Operation::Embeddings, model: model.to_owned(), ..facts() };
    let now = Now { mono: Tick::ZERO, wall: ringmain_core::WallTime(0) };
    let mut view = view(&Health::default(), policy, Some(&facts), now);
    for (at, reason) in out {
        view.exclude(*at, *reason);
    }
    plan(policy, &facts, &view, now, Seed(1)).order
}

#[test]
fn only_one_model_answers() {
    let policy = policy_of_names();
    assert_eq!(asked(&policy, "embed", &[]), [1, 3], "the first that makes vectors, and who serves the same model");
    assert_eq!(asked(&policy, "voyage-3.5", &[]), [2], "the model that is named");
    assert_eq!(asked(&policy, "azure/text-embedding-3-small", &[]), [1, 3]);
    let mixed = Policy { mixes_vectors: true, ..policy.clone() };
    assert_eq!(asked(&mixed, "embed", &[]), [0, 1, 2, 3, 4]);
}

#[test]
fn an_outage_moves_no_vectors() {
    let policy = policy_of_names();
    let until = Tick(1);
    for reason in [Reason::BreakerOpen { until }, Reason::CannotCarry, Reason::Limited { until }, Reason::OverBudget] {
        assert_eq!(asked(&policy, "embed", &[(1, reason)]), [3], "{reason}");
        assert_eq!(asked(&policy, "embed", &[(1, reason), (3, reason)]), [0; 0], "{reason}");
    }
    // One whose provider has no embeddings at all never said where vectors are.
    assert_eq!(asked(&policy, "embed", &[(1, Reason::Unserved)]), [2]);
}

#[test]
fn each_is_told_why() {
    let policy = policy_of_names();
    let facts = RequestFacts { operation: Operation::Embeddings, model: "embed".to_owned(), ..facts() };
    let now = Now { mono: Tick::ZERO, wall: ringmain_core::WallTime(0) };
    let view = view(&Health::default(), &policy, Some(&facts), now);
    let plan = plan(&policy, &facts, &view, now, Seed(1));
    let reasons: Vec<_> = plan.verdicts.iter().map(Verdict::reason).collect();
    assert_eq!(reasons, [Some(Reason::Unserved), None, Some(Reason::OtherVectors), None, Some(Reason::OtherVectors)]);
    // Anything else than vectors is nobody's business here.
    let chat = RequestFacts { operation: Operation::Chat, ..facts };
    assert_eq!(super::super::plan(&policy, &chat, &view, now, Seed(1)).order.len(), 5);
    assert!(matches!(view.rows[0].standing, Standing::Ready));
}

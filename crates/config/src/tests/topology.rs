//! Numbers, and policies made of them.

use std::time::Duration;

use ringmain_core::Operation;
use ringmain_routing::{HostIx, KeyIx, TargetIx};
use secrecy::ExposeSecret;

use super::{config, facts};
use crate::{MAX_TARGETS, Topology};

const TEXT: &str = "
providers:
  openai: { keys: ['${OPENAI_API_KEY}', { key: '${OPENAI_KEY_2}', weight: 2 }] }
  local: { kind: openai-compatible, base_url: 'http://localhost:11434/v1' }
routes:
  - name: mixed
    targets:
      - { to: openai/gpt-4o, weight: 3 }
      - openai/gpt-4o-mini
      - { to: local/a, tier: 2 }
      - { to: local/b, tier: 2 }
  - { name: ordered, targets: [openai/o3, local/a] }
  - { name: even, balance: weighted, targets: [openai/o3, local/a], timeouts: { race_after: 10s } }
";

#[test]
fn numbers_outlive_a_configuration() {
    let mut topology = Topology::new();
    let before = config(TEXT);
    let selection = before.route_selection(before.route("mixed").unwrap().0).unwrap();
    let first = before.policy(&selection, &mut topology);
    // The keys change places, and a provider is new.
    let after = config(
        "
providers:
  local: { kind: openai-compatible, base_url: 'http://localhost:11434/v1' }
  anthropic: { keys: ['${ANTHROPIC_API_KEY}'] }
  openai: { keys: ['${OPENAI_KEY_2}', '${OPENAI_API_KEY}'] }
routes: [{ name: mixed, targets: [anthropic/claude-sonnet-4-5, openai/gpt-4o] }]
",
    );
    let selection = after.route_selection(0).unwrap();
    let second = after.policy(&selection, &mut topology);
    let (old, new) = (&first.policy.candidates[0], &second.policy.candidates[1]);
    assert_eq!((old.target, old.host), (new.target, new.host));
    assert_eq!([old.keys[0].key, old.keys[1].key], [new.keys[1].key, new.keys[0].key]);
    let place = second.place(new.target).unwrap();
    let key = place.key(&after, new.keys[0].key).unwrap();
    assert_eq!((key.label.as_str(), key.secret().unwrap().expose_secret()), ("openai#1", "openai-secret-2"));
    assert_eq!(place.provider(&after).unwrap().name, "openai");
    assert_eq!(topology.target_name(new.target).unwrap().to_string(), "openai/gpt-4o");
    assert_eq!(topology.host_name(HostIx(0)), Some(("openai", "https://api.openai.com/v1")));
    assert_eq!(topology.key_label(KeyIx(0)), Some("openai#1"));
}

#[test]
fn weights_windows_and_clocks() {
    let config = config(TEXT);
    let mut topology = Topology::new();
    let mut policy = |name: &str| {
        let selection = config.select(&facts(Operation::Chat, name), &|_| None).unwrap();
        config.policy(&selection, &mut topology).policy
    };
    let weights = |policy: &ringmain_routing::Policy| policy.candidates.iter().map(|c| c.weight).collect::<Vec<_>>();
    let mixed = policy("mixed");
    assert_eq!(weights(&mixed), [3.0, 0.0, 1.0, 0.0]);
    assert_eq!(mixed.candidates[0].context_window, Some(128_000));
    assert_eq!(mixed.candidates[2].capabilities, None);
    assert_eq!(mixed.candidates[2].keys.len(), 1);
    assert_eq!(mixed.candidates[0].keys.iter().map(|key| key.weight).collect::<Vec<_>>(), [1.0, 2.0]);
    let ordered = policy("ordered");
    assert_eq!(ordered.candidates[0].race_after, Some(Duration::from_secs(60)));
    assert_eq!(ordered.candidates[1].race_after, None);
    let even = policy("even");
    assert_eq!(weights(&even), [1.0, 1.0]);
    assert_eq!(even.candidates[0].race_after, None);
}

#[test]
fn callers_cannot_make_it_grow_for_ever() {
    let mut topology = Topology::new();
    for n in 0..MAX_TARGETS + 100 {
        topology.target("openai", &format!("made-up-{n}"));
    }
    assert_eq!(topology.targets(), MAX_TARGETS + 1);
    let shared = topology.target("openai", "one-more");
    assert_eq!(shared, TargetIx(u32::try_from(MAX_TARGETS).unwrap()));
    assert_eq!(topology.target_name(shared).unwrap().to_string(), "openai/*");
    assert_eq!(topology.target("openai", "made-up-7"), TargetIx(7));
    assert_ne!(topology.target("other", "x"), shared);
}

use std::sync::Arc;

use ringmain_catalog::Catalog;

use crate::{check, make, run};

fn catalog() -> Arc<Catalog> {
    Catalog::embedded().unwrap()
}

#[test]
fn a_few_worlds_hold() {
    let catalog = catalog();
    for seed in 1..=25 {
        let world = make(seed);
        let seen = run(&world, &catalog).unwrap();
        let broken = check(&world, &seen);
        assert!(broken.is_empty(), "world {seed}: {broken:#?}");
    }
}

/// The same seed, the same end: to the byte of every answer and the nanosecond of its time.
#[test]
fn a_world_ends_the_same_way_each_time() {
    let catalog = catalog();
    for seed in [3, 14, 15] {
        let end = || {
            let seen = run(&make(seed), &catalog).unwrap();
            let got = seen.callers.iter().map(|got| (got.status, got.body.clone(), got.ended));
            got.collect::<Vec<_>>()
        };
        let (first, again) = (end(), end());
        let other = first.iter().zip(&again).position(|(first, again)| first != again);
        assert_eq!(other, None, "world {seed}: this caller's end is another");
    }
}

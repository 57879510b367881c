//! Every seed, each of its beginnings, what was recorded, and every input that once broke something.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::fs;
use std::path::Path;

use ringmain_fuzz::{TARGETS, recorded, recordings, seeds, target};

#[test]
fn seeds_hold() {
    for (name, seed) in seeds() {
        target(name).unwrap().run(&seed);
    }
}

#[test]
fn every_target_has_seeds() {
    let seeds = seeds();
    for target in TARGETS {
        assert!(seeds.iter().any(|(name, _)| *name == target.name), "{} has no seeds", target.name);
    }
}

/// A stream is cut, a body comes short: beginnings are the commonest broken input there is.
#[test]
fn beginnings_of_seeds_hold() {
    for (name, seed) in seeds() {
        let target = target(name).unwrap();
        // Reading rules is slow; a few places will do.
        let step = if name == "rules" { 37 } else { 1 + seed.len() / 200 };
        for len in (0..seed.len()).step_by(step) {
            target.run(&seed[..len]);
        }
    }
}

/// What providers and callers really said, and a few changes of it.
#[test]
fn recordings_and_changes_of_them_hold() {
    let inputs = recorded(&recordings());
    if inputs.is_empty() {
        println!("skipped: no recordings beside the repository");
    }
    for (draw, (name, input)) in (0..).zip(&inputs) {
        let target = target(name).unwrap();
        target.run(input);
        if let Some(changed) = target.mutated(input, draw, input.len() * 2) {
            target.run(&changed);
        }
    }
    println!("{} inputs", inputs.len());
}

/// `found/TARGET/NAME`: inputs that once broke a target, and what fuzzing kept as worth keeping.
#[test]
fn what_was_found_holds() {
    let found = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/found"));
    let mut inputs = 0;
    for target in TARGETS {
        let Ok(files) = fs::read_dir(found.join(target.name)) else { continue };
        for file in files {
            target.run(&fs::read(file.unwrap().path()).unwrap());
            inputs += 1;
        }
    }
    println!("{inputs} inputs");
}

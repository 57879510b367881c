//! Gives libFuzzer one of the targets of `ringmain-fuzz`, named by `RINGMAIN_FUZZ`; writes its seeds to the folder
//! `RINGMAIN_FUZZ_SEEDS` first, recordings among them.
#![no_main]

use std::path::PathBuf;
use std::sync::OnceLock;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use ringmain_fuzz::{Target, recorded, recordings, seeds, target};

static TARGET: OnceLock<&Target> = OnceLock::new();

fn begin() {
    let name = std::env::var("RINGMAIN_FUZZ").expect("RINGMAIN_FUZZ names a target");
    let target = TARGET.get_or_init(|| target(&name).expect("no such target"));
    let Some(folder) = std::env::var_os("RINGMAIN_FUZZ_SEEDS").map(PathBuf::from) else { return };
    let all = seeds().into_iter().chain(recorded(&recordings()));
    for (at, (_, seed)) in all.filter(|(name, _)| *name == target.name).enumerate() {
        std::fs::write(folder.join(format!("seed-{at}")), seed).expect("the folder of seeds can be written");
    }
}

fuzz_target!(init: begin(), |data: &[u8]| {
    if let Some(target) = TARGET.get() {
        target.run(data);
    }
});

/// Of so many inputs one is changed byte by byte, the others in what they say.
const BYTES_OF: u32 = 4;

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let changed = TARGET.get().filter(|_| seed % BYTES_OF != 0);
    match changed.and_then(|target| target.mutated(&data[..size], seed, max_size)) {
        Some(changed) => {
            data[..changed.len()].copy_from_slice(&changed);
            changed.len()
        }
        None => fuzzer_mutate(data, size, max_size),
    }
});

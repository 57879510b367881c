//! Gives libFuzzer one of the targets of `ringmain-fuzz`, named by `RINGMAIN_FUZZ`; writes its seeds to the folder
//! `RINGMAIN_FUZZ_SEEDS` first.
#![no_main]

use std::path::PathBuf;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use ringmain_fuzz::{Target, seeds, target};

static TARGET: OnceLock<&Target> = OnceLock::new();

fn begin() {
    let name = std::env::var("RINGMAIN_FUZZ").expect("RINGMAIN_FUZZ names a target");
    let target = TARGET.get_or_init(|| target(&name).expect("no such target"));
    let Some(folder) = std::env::var_os("RINGMAIN_FUZZ_SEEDS").map(PathBuf::from) else { return };
    for (at, (_, seed)) in seeds().into_iter().filter(|(name, _)| *name == target.name).enumerate() {
        std::fs::write(folder.join(format!("seed-{at}")), seed).expect("the folder of seeds can be written");
    }
}

fuzz_target!(init: begin(), |data: &[u8]| {
    if let Some(target) = TARGET.get() {
        target.run(data);
    }
});

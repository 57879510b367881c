//! What must hold whatever bytes come in: from a caller, from a provider, from a file of rules.
//!
//! A target is a function that takes any bytes and panics when something does not hold. `cargo xtask fuzz` drives them
//! with libFuzzer (the `fuzz/` folder is only that bridge); the tests here run every seed, its truncations and every
//! input that once broke something, so that `cargo test` keeps what fuzzing found.
#![expect(clippy::panic, clippy::expect_used, reason = "a target speaks by panicking")]

mod chunks;
mod codecs;
mod framers;
mod mutate;
mod recorded;
mod rules;
mod seeds;

use mutate::Form;
use ringmain_core::Seed;

pub use recorded::recorded;
pub use ringmain_pairs::folder as recordings;
pub use seeds::seeds;

/// The largest input that is looked at, in bytes: enough for every construct, small enough for many runs a second.
pub const INPUT_MAX: usize = 64 * 1024;

/// Something to be fuzzed.
pub struct Target {
    /// Its name on the command line and of its corpus folder.
    pub name: &'static str,
    form: Form,
    run: fn(&[u8]),
}

impl Target {
    /// Runs it.
    ///
    /// # Panics
    /// Something does not hold for these bytes.
    pub fn run(&self, data: &[u8]) {
        if data.len() <= INPUT_MAX {
            (self.run)(data);
        }
    }

    /// Another input like this one, no longer than `max` bytes; the same for the same `draw`. `None` where its bytes are
    /// all there is to change.
    #[must_use]
    pub fn mutated(&self, data: &[u8], draw: u32, max: usize) -> Option<Vec<u8>> {
        mutate::mutated(self.form, data, Seed(draw.into()), max)
    }
}

/// Every target.
pub const TARGETS: [Target; 11] = [
    Target { name: "sse", form: Form::Bytes, run: framers::sse },
    Target { name: "event-stream", form: Form::Bytes, run: framers::event_stream },
    Target { name: "json-array", form: Form::Bytes, run: framers::json_array },
    Target { name: "json", form: Form::Json, run: framers::json },
    Target { name: "openai-chat", form: Form::Codec, run: codecs::openai_chat },
    Target { name: "openai-responses", form: Form::Codec, run: codecs::openai_responses },
    Target { name: "anthropic-messages", form: Form::Codec, run: codecs::anthropic_messages },
    Target { name: "gemini", form: Form::Codec, run: codecs::gemini },
    Target { name: "bedrock-converse", form: Form::Codec, run: codecs::bedrock_converse },
    Target { name: "cohere-v2", form: Form::Codec, run: codecs::cohere_v2 },
    Target { name: "rules", form: Form::Json, run: rules::rules },
];

/// The target of this name.
#[must_use]
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

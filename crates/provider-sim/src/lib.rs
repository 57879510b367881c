//! Simulated AI providers: `OpenAI`, Anthropic, Gemini and Bedrock Converse over plain HTTP/1.1 on loopback, with faults on demand.
//!
//! For the demo, tests and benches, and for anyone who rehearses an outage. The README has the table of faults, the
//! script format and a worked example.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use ringmain_provider_sim::{Behavior, Fault, Sim, SimConfig};
//! let sim = Sim::start(SimConfig::default()).await?;
//! sim.set("anthropic", Behavior::failing(Fault::Cut(5)));
//! println!("{}", sim.base_url("anthropic"));
//! # Ok(())
//! # }
//! ```

mod api;
mod ask;
mod audio;
mod behavior;
mod choose;
mod control;
mod dialogue;
mod error;
mod fault;
mod log;
mod media;
mod memory;
mod recordings;
mod reply;
mod respond;
mod schema;
mod script;
mod server;
mod sim;
mod span;
mod stream;
mod text;
mod vertex;

pub use api::Vendor;
pub use behavior::Behavior;
pub use dialogue::{Line, LineCall};
pub use fault::{ErrorKind, FAULTS, Fault, FaultDoc, RetryAfter, UnknownFault, fault_in_model};
pub use log::{Ended, LogEntry};
pub use memory::MemorySim;
pub use script::{KeyRule, Provider, Script, ScriptError, Step};
pub use sim::{Sim, SimConfig};
pub use text::{DEFAULT_WORDS, expected_reasoning, expected_text, expected_text_with_images, key_hash, text_hash};

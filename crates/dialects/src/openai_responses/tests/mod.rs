//! What the codec does with recorded traffic, and with what no recording holds.

mod faults;
mod recorded;
mod requests;
mod streams;

use crate::tests::{Recording, recordings};

/// Every recorded API of this dialect.
const APIS: [&str; 6] = [
    "azure.responses",
    "bedrock_openai.responses",
    "deepseek.responses",
    "openai.responses",
    "openrouter.responses",
    "xai.responses",
];

fn all() -> Vec<Recording> {
    APIS.iter().flat_map(|api| recordings(api)).collect()
}

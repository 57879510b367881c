//! What AWS wants of a request: a signature over it, and a credential from wherever this machine has one.

mod chain;
mod credentials;
mod profile;
mod remote;
mod sign;
#[cfg(test)]
mod tests;

pub use chain::AwsChain;
pub use credentials::AwsCredentials;
pub use sign::{Scope, sign};

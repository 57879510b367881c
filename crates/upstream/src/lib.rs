//! The only crate that opens outbound sockets: address, dial, TLS, pool, exchange; and what AWS wants of a request.
//!
//! ```text
//! Upstream::send(origin, request) -> Exchange { head, body }
//! ```
//! A connection is driven by the request that uses it, not by a task of its own: dropping an [`Exchange`] closes the
//! provider's connection at once, a slow caller slows the provider, and no request pays for waking a second task. An
//! idle connection is looked at again when it is taken out. See `docs/adr/0002-connections-without-tasks.md`.

mod address;
mod aws;
mod body;
mod dial;
mod dns;
mod error;
mod exchange;
mod origin;
mod pool;
mod tls;

pub use aws::{AwsCredentials, CredentialChain, NoCredentials, Scope, sign};
pub use body::{Broken, Flowing, RequestBody};
pub use dial::{Dial, Dialed, Io, NetDialer};
pub use error::{SendError, Stage};
pub use exchange::{AnswerBody, Exchange, Upstream};
pub use origin::{BadOrigin, Origin};

#[cfg(test)]
mod tests;

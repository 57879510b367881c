//! The only crate that opens outbound sockets: address, proxy, dial, TLS, pool, exchange; and what AWS and
//! Google want of a request.
//!
//! ```text
//! Upstream::send(origin, request) -> Exchange { head, body }
//! ```
//! A connection is driven by the request that uses it, not by a task of its own: dropping an [`Exchange`] closes the
//! provider's connection at once, a slow caller slows the provider, and no request pays for waking a second task. An
//! idle connection is looked at again when it is taken out. See `docs/adr/0002-connections-without-tasks.md`.

mod address;
mod ask;
mod aws;
mod body;
mod date;
mod dial;
mod dns;
mod error;
mod exchange;
mod eyeballs;
mod file;
mod google;
mod grpc;
mod kept;
mod origin;
mod pool;
mod proxy;
mod tls;
mod tunnel;

pub use ask::{Place, Question, Reply};
pub use aws::{AwsChain, AwsCredentials, Scope, sign};
pub use body::{Broken, Flowing, RequestBody};
pub use dial::{Dial, Dialed, Io, NetDialer};
pub use error::{SendError, Stage};
pub use exchange::{AnswerBody, Exchange, Upstream};
pub use google::{GoogleSource, GoogleToken};
pub use grpc::{Called, Grpc};
pub use kept::{Ends, Kept, NoCredential, Source};
pub use origin::{BadOrigin, Origin};
pub use proxy::{BadProxy, Proxies};
pub use tls::{Roots, root_store};

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

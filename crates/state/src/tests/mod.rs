//! One suite over every backend.

mod analytics;
mod keys;
mod patience;
mod postgres;
mod quotas;
pub(crate) mod records;
mod redis;
mod servers;
mod shared;
mod tls;
mod tokens;
mod upgrade;

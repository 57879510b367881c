//! One suite over every backend.

mod analytics;
mod keys;
mod quotas;
mod records;
#[cfg(feature = "redis")]
mod redis;

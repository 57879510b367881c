//! One suite over every backend.

mod analytics;
mod keys;
mod patience;
mod postgres;
mod quotas;
mod records;
mod redis;
mod servers;
mod shared;
mod tls;
mod tokens;
mod upgrade;

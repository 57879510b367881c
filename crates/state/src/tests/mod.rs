//! One suite over every backend.

mod analytics;
mod keys;
mod quotas;
mod records;
mod tokens;
mod upgrade;

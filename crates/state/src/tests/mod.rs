//! One suite over every backend.

mod keys;
mod records;

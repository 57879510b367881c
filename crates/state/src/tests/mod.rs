//! One suite over every backend.

mod records;

//! The configuration file: spanned raw form, resolved form, and every problem at once.

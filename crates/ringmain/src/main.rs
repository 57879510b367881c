//! The Ringmain binary.
fn main() {}

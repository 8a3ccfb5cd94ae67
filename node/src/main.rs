//! The node's binary.
fn main() {}

//! via-benches.

//! via-consensus.

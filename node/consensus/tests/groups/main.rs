//! Whole groups, from one node alone to three nodes whose links fail.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod full_log;
mod journal;
mod one_node;
mod three_nodes;

//! Whole groups, from one node alone to three nodes whose links fail.

mod journal;
mod one_node;

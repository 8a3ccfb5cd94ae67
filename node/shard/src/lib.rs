//! via-shard.

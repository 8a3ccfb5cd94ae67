//! What the data plane may use and how often it saves.

use std::time::Duration;

use via_types::pressure::{Bounds, Policy, Strategy};
use via_types::{NodeId, limit};

/// Plain settings of a [`crate::Host`]; `cluster-config` validates them.
#[derive(Clone, Debug)]
pub struct Options {
    /// This node.
    pub node: NodeId,
    /// The version of its engine: another than this build's only where an upgrade
    /// is simulated.
    pub engine: u32,
    /// Shards of the default pool; a power of two.
    pub shards: u16,
    /// Memory for live profiles of all shards, bytes; colder ones go to the store.
    pub memory_bytes: usize,
    /// Shares of `memory_bytes` at which memory is called short.
    pub bounds: Bounds,
    /// Which profiles leave memory first.
    pub policy: Policy,
    /// What gives way first when memory is short.
    pub strategy: Strategy,
    /// Time between checkpoint rounds of a busy shard.
    pub checkpoint_interval: Duration,
    /// Events in a shard's log tail that start a round early: bounds recovery.
    pub checkpoint_events: u64,
    /// Most bytes waiting for commit, all shards together.
    pub queue_bytes: usize,
    /// Longest wait for a batch's commit; beyond it its fate is unknown.
    pub write_deadline: Duration,
    /// Time between ticks of a shard with live profiles: how late silence is seen.
    pub tick_interval: Duration,
    /// Detections kept, all shards together.
    pub keep_detections: usize,
    /// Longest time a detection is kept.
    pub keep_for: Duration,
    /// Live-feed changes buffered for slow subscribers before they read from the store.
    pub feed_buffer: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            node: NodeId::new(1),
            engine: via_engine::VERSION,
            shards: limit::SHARDS,
            memory_bytes: 4 << 30,
            bounds: Bounds::default(),
            policy: Policy::default(),
            strategy: Strategy::default(),
            checkpoint_interval: Duration::from_secs(60),
            checkpoint_events: 20_000_000,
            queue_bytes: 128 << 20,
            write_deadline: Duration::from_secs(10),
            tick_interval: Duration::from_secs(10),
            keep_detections: 200_000,
            keep_for: Duration::from_secs(30 * 86_400),
            feed_buffer: 1_024,
        }
    }
}

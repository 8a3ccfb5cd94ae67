//! Durable bytes: the log of all groups of a node, and the state store that
//! can be rebuilt from it. Owns files, checksums and recovery; refuses to know
//! what the bytes mean. Consensus calls the log, shard and control the store.
//! Invariants D-6 and D-7 hold here: bounded queues, nothing unchecked is read.

pub mod disk;
pub mod error;
pub mod keys;
pub mod log;
pub mod metrics;
pub mod store;

pub use error::Error;
pub use keys::Space;
pub use log::{Done, Log, MemoryLog, SegmentedLog, Slot};
pub use store::{MemoryStore, Order, SimulatedStore, SledStore, Store, Write};

//! What is anomalous, and why. Owns profiles of entities, the detectors that
//! judge events against them, calibration, detections and their explanation.
//! Knows no clock, no I/O, no thread (invariant E-1): the shard calls it with
//! batches whose place in the log and time are given.

mod budget;
mod calibration;
mod calm;
mod close;
mod course;
pub mod detector;
mod engine;
mod ensemble;
mod episode;
mod event;
mod execute;
mod explain;
mod group;
mod grove;
mod history;
mod index;
mod judge;
mod learn;
mod lifecycle;
mod math;
mod meta;
mod minded;
mod newcomer;
#[cfg(test)]
mod noise;
mod peers;
mod plan;
mod precedent;
mod prefetch;
mod profile;
mod record;
mod rule;
mod series;
mod slab;
mod sparing;
mod template;
mod tick;
mod verdict;
mod view;
mod weigh;

pub use engine::Engine;
pub use lifecycle::Leaving;
pub use meta::lesson;
pub use record::Record;
pub use template::{
    Assigned, LineReader, News, Source, Template, TemplateId, TemplateOptions, Templates,
};

use via_types::detection::Change;
use via_types::receipt::{RowReason, Scored};
use via_types::{LogIndex, ShardId};

/// The engine's version, named in every detection: it changes whenever the
/// same profile, events and configuration could give other scores.
pub const VERSION: u32 = 9;

/// How much an engine may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Memory for profiles, bytes, of which forests have a fixed part; at the limit
    /// events of new entities are refused as [`RowReason::TableFull`] (invariant
    /// D-6).
    pub memory_bytes: usize,
    /// Whether new entities are refused at that limit. Not where the caller does
    /// it: what leaves memory when is not in the log, so whom that refuses must be.
    pub is_bounded: bool,
    /// Profiles expected; a hint that sizes nothing before they come.
    pub expected_profiles: usize,
    /// Shards that entities are spread over, 1..65535: each has an equal share of
    /// what a stream as a whole may be told of.
    pub shards: u16,
    /// What detections name as the version that made them: another than
    /// [`VERSION`] only where an upgrade is simulated.
    pub version: u32,
}

impl Default for Options {
    fn default() -> Self {
        let (memory_bytes, expected_profiles) = (1 << 30, 1 << 16);
        Self { memory_bytes, is_bounded: true, expected_profiles, shards: 1, version: VERSION }
    }
}

/// Where in the log the events being executed stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The shard.
    pub shard: ShardId,
    /// The entry's log index.
    pub index: LogIndex,
    /// The offset of the batch's first event in the entry.
    pub base: u32,
}

/// How much is answered for each event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Counts, refusals and detections.
    Counts,
    /// A verdict with its explanation for each applied event too.
    Scores,
}

/// What came of a batch or of passing time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Events that changed a profile, now or before a restored record was made.
    pub accepted: u32,
    /// Rows that were not applied, and why.
    pub refused: Vec<(u32, RowReason)>,
    /// One verdict per applied row; filled for [`Answer::Scores`].
    pub scored: Vec<Scored>,
    /// One score per row, NaN where the row was not applied; filled for
    /// [`Answer::Scores`].
    pub scores: Vec<f32>,
    /// Detections opened and grown, in the order they were made.
    pub changes: Vec<Change>,
}

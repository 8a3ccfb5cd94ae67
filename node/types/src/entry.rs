//! The entries of a shard's log (DESIGN: leader executes, log replicates).

use serde::{Deserialize, Serialize};

use crate::detection::Change;
use crate::feedback::Lesson;
use crate::pressure::Regime;
use crate::{
    Batch, Column, EntityHash, LogIndex, Revision, RowReason, StreamId, TenantId, Timestamp,
};

/// One entry of a shard's log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ShardEntry {
    /// Executed by the leader whose id its log id carries; kept by the others.
    Events(Events),
    /// Stored by all, then published by the leader.
    Detections(Detections),
    /// Profiles made durable; stored by all.
    Checkpoint(Chunk),
    /// The log below `upto` may be purged.
    CheckpointDone(CheckpointDone),
    /// From here on the stream's events are judged by this configuration.
    StreamConfig(StreamConfigured),
    /// A deed on stored and live state.
    Command(Command),
    /// Like `Events`, while memory is short.
    Pressed(Pressed),
}

/// Batches merged into one proposal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Events {
    /// The leader's clock when it proposed; never goes back within a shard.
    pub stamp: Timestamp,
    /// The requests' batches.
    pub batches: Vec<Batch>,
    /// Positions in `batches` whose requests asked for scores; ascending.
    pub scored: Vec<u32>,
}

/// Events, and how they are executed while memory is short: what the leader
/// decided of that when it proposed them (invariant E-1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pressed {
    /// The events.
    pub events: Events,
    /// How sparing they are executed.
    pub regime: Regime,
    /// New entities that there is no room for, by batch.
    pub turned_away: Vec<TurnedAway>,
}

/// An entity whose events in one batch are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnedAway {
    /// The batch, by its position in [`Events::batches`].
    pub batch: u32,
    /// The entity, by its position in the batch's keys.
    pub key: u32,
    /// Why.
    pub reason: RowReason,
}

impl Pressed {
    /// Says whether they are executed like any others.
    pub fn is_plain(&self) -> bool {
        self.regime == Regime::Full && self.turned_away.is_empty()
    }

    /// Returns who is turned away of a batch.
    pub fn turned_away_of(&self, batch: u32) -> &[TurnedAway] {
        let from = self.turned_away.partition_point(|one| one.batch < batch);
        let upto = self.turned_away.partition_point(|one| one.batch <= batch);
        &self.turned_away[from..upto]
    }
}

impl From<Events> for Pressed {
    fn from(events: Events) -> Self {
        Self { events, regime: Regime::Full, turned_away: Vec::new() }
    }
}

/// Detections recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detections {
    /// Every detection caused by an entry at or below this index is in this or
    /// an earlier `Detections` entry; replay does not propose it again.
    pub covers: LogIndex,
    /// New and grown detections, in the order they were made.
    pub changes: Vec<Change>,
}

/// Some profiles of a checkpoint round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chunk {
    /// The profiles.
    pub profiles: Vec<ProfileImage>,
}

/// One profile at rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProfileImage {
    /// Whose stream.
    pub stream: StreamId,
    /// Whose profile.
    pub entity: EntityHash,
    /// True as of this log index: replay skips entries up to it.
    pub as_of: LogIndex,
    /// The record, encoded.
    pub record: Column<u8>,
}

/// A finished checkpoint round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckpointDone {
    /// The boundary B of the round.
    pub upto: LogIndex,
    /// The term and leader of the entry at `upto`, to name it in a snapshot.
    pub upto_term: crate::Term,
    /// See `upto_term`.
    pub upto_leader: crate::NodeId,
    /// The shard's ledger (producers, unique ids, counters) as of `upto`,
    /// encoded by the shard.
    pub ledger: Column<u8>,
}

/// A stream's configuration, switched at this index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamConfigured {
    /// Which stream.
    pub stream: StreamId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The catalog revision that set it (invariant C-1).
    pub revision: Revision,
    /// The configuration as JSON, so that fields may be added.
    pub config: String,
}

/// A deed on a shard's state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Time passes: silent entities are judged. Stamped by the leader.
    Tick {
        /// The leader's clock.
        stamp: Timestamp,
    },
    /// Forgets what was learned of an entity.
    Reset {
        /// Whose stream.
        stream: StreamId,
        /// The entity's key.
        entity: String,
    },
    /// Keeps what somebody says of a detection of this shard, and learns from it.
    Label {
        /// What it teaches; its version is this entry's index.
        lesson: Box<Lesson>,
        /// In the author's words.
        note: String,
        /// Who said it.
        author: String,
        /// The leader's clock.
        stamp: Timestamp,
    },
    /// Learns from what was said of a detection of another shard.
    Learn {
        /// What it teaches.
        lesson: Box<Lesson>,
    },
}

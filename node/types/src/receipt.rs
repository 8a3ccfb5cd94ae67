//! What the shard answers for one batch.

use serde::{Deserialize, Serialize};

use crate::detection::Contribution;
use crate::{DetectionId, LogIndex, ShardId};

/// Why one event of a committed batch was not applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowReason {
    /// Older than the stream's bounded lateness allows.
    Late,
    /// Its unique id was seen before within the window.
    Duplicate,
    /// Memory for profiles is short and the entity is new.
    TableFull,
    /// Memory for profiles is short, the entity is new and of low priority.
    LowPriority,
}

/// One event's verdict, returned when scores were asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// The event's row in its batch.
    pub row: u32,
    /// 0..1, calibrated.
    pub score: f64,
    /// The profile is still learning; the score is provisional.
    pub warming: bool,
    /// What the value was expected to be, and its range.
    pub expected: Option<crate::detection::Expected>,
    /// The lane that `expected` is about when it is not the value: its place among
    /// the stream's lanes, in the order in which their names came. Peers are not
    /// told.
    #[serde(skip)]
    pub lane: Option<u16>,
    /// What made up the score, largest first.
    pub contributions: Vec<Contribution>,
    /// One sentence; empty when nothing is remarkable.
    pub reason: String,
    /// The detection it opened or belongs to.
    pub detection: Option<DetectionId>,
}

/// What became of a committed batch (invariants D-1, D-5): every row is
/// accepted, or listed in `refused`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// The shard and log index that hold it.
    pub position: Option<(ShardId, LogIndex)>,
    /// How many events changed state, now or when the batch first came.
    pub accepted: u32,
    /// The whole batch had been applied before; nothing changed now.
    pub repeated: bool,
    /// Rows that were not applied, and why.
    pub refused: Vec<(u32, RowReason)>,
    /// One per applied row, when asked for.
    pub scores: Vec<Scored>,
}

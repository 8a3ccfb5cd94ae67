//! What kinds of version 2 were in version 1, so that old bytes stay readable.
//! Owns the shapes of then and what they are now; writes none of them.

use serde::Deserialize;
use via_types::detection::{self, Circumstance, State};
use via_types::entry::{self, CheckpointDone, Chunk, Command, Events, StreamConfigured};
use via_types::{
    Contribution, DetectionId, Detector, Direction, LogIndex, Revision, Severity, StreamId,
    Timestamp,
};

/// How relevant a circumstance was is not known of version 1.
const UNTOLD: f64 = 0.5;

/// A detection without relevance and without similar ones.
#[derive(Clone, Debug, Deserialize)]
pub struct Detection {
    id: DetectionId,
    stream: StreamId,
    entity: String,
    started: Timestamp,
    peaked: Timestamp,
    last: Timestamp,
    state: State,
    events: u64,
    score: f64,
    evidence: f64,
    threshold: f64,
    severity: Severity,
    detector: Detector,
    direction: Direction,
    value: f64,
    expected: Option<detection::Expected>,
    percentile: Option<f64>,
    contributions: Vec<Contribution>,
    context: Vec<String>,
    counterfactual: Option<detection::Counterfactual>,
    actions: Vec<String>,
    reason: String,
    attributes: String,
    revision: Revision,
    engine: u32,
}

impl From<Detection> for via_types::Detection {
    fn from(first: Detection) -> Self {
        let told = |text| Circumstance { text, relevance: UNTOLD };
        Self {
            id: first.id,
            stream: first.stream,
            entity: first.entity,
            started: first.started,
            peaked: first.peaked,
            last: first.last,
            state: first.state,
            events: first.events,
            score: first.score,
            evidence: first.evidence,
            threshold: first.threshold,
            severity: first.severity,
            detector: first.detector,
            direction: first.direction,
            value: first.value,
            expected: first.expected,
            percentile: first.percentile,
            contributions: first.contributions,
            context: first.context.into_iter().map(told).collect(),
            similar: Vec::new(),
            counterfactual: first.counterfactual,
            actions: first.actions,
            reason: first.reason,
            attributes: first.attributes,
            revision: first.revision,
            engine: first.engine,
        }
    }
}

/// What was recorded of one.
#[derive(Deserialize)]
pub(crate) enum Change {
    Opened(Box<Detection>),
    Grown(Box<Detection>),
}

impl From<Change> for detection::Change {
    fn from(first: Change) -> Self {
        match first {
            Change::Opened(one) => Self::Opened(Box::new((*one).into())),
            Change::Grown(one) => Self::Grown(Box::new((*one).into())),
        }
    }
}

/// Detections recorded.
#[derive(Deserialize)]
pub(crate) struct Detections {
    covers: LogIndex,
    changes: Vec<Change>,
}

/// An entry of a shard's log.
#[derive(Deserialize)]
pub(crate) enum ShardEntry {
    Events(Events),
    Detections(Detections),
    Checkpoint(Chunk),
    CheckpointDone(CheckpointDone),
    StreamConfig(StreamConfigured),
    Command(Command),
}

impl From<ShardEntry> for entry::ShardEntry {
    fn from(first: ShardEntry) -> Self {
        match first {
            ShardEntry::Events(events) => Self::Events(events),
            ShardEntry::Detections(Detections { covers, changes }) => {
                let changes = changes.into_iter().map(Into::into).collect();
                Self::Detections(entry::Detections { covers, changes })
            }
            ShardEntry::Checkpoint(chunk) => Self::Checkpoint(chunk),
            ShardEntry::CheckpointDone(done) => Self::CheckpointDone(done),
            ShardEntry::StreamConfig(configured) => Self::StreamConfig(configured),
            ShardEntry::Command(command) => Self::Command(command),
        }
    }
}

//! What can be asked about one entity.

use serde::{Deserialize, Serialize};

use crate::{Detector, Timestamp};

/// How far something is from being able to judge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Warmup {
    /// It judges.
    pub ready: bool,
    /// 0..1.
    pub progress: f64,
    /// Why it does not judge yet, in words; empty when ready.
    pub reason: String,
}

/// One learned or measured figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// What it is: "rate", "mean", "season period".
    pub name: String,
    /// How much.
    pub value: f64,
    /// Of what: "1/s", "s", "" for the value's own unit.
    pub unit: String,
}

/// One detector's state for one entity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetectorState {
    /// Which.
    pub detector: Detector,
    /// Off by configuration when false.
    pub enabled: bool,
    /// Its warm-up.
    pub warmup: Warmup,
    /// Its latest evidence.
    pub evidence: f64,
    /// Its weight in the ensemble.
    pub weight: f64,
    /// What it has learned.
    pub facts: Vec<Fact>,
}

/// What VIA has learned of one entity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProfileView {
    /// The entity's key.
    pub entity: String,
    /// Event time of the first event.
    pub first: Timestamp,
    /// Newest event time.
    pub last: Timestamp,
    /// Events applied.
    pub events: u64,
    /// Events refused as late.
    pub late: u64,
    /// Latest score, 0..1.
    pub score: f64,
    /// Whether it judges yet.
    pub warmup: Warmup,
    /// What is normal, in figures.
    pub normal: Vec<Fact>,
    /// Each detector's state.
    pub detectors: Vec<DetectorState>,
}

/// One bucket of an entity's recent past, or one of its first events.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesPoint {
    /// When the bucket began.
    pub at: Timestamp,
    /// How long it was, seconds; 0 for an event.
    pub width_secs: f64,
    /// Events in it.
    pub count: f64,
    /// Their mean value.
    pub mean: f64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// The value expected.
    pub expected: f64,
    /// Lower end of the expected band.
    pub low: f64,
    /// Upper end of the expected band.
    pub high: f64,
    /// Highest score in it, 0..1.
    pub score: f64,
}

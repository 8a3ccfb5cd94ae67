//! What VIA says: that something is not normal, how sure it is, and why.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{DetectionId, Feedback, Revision, StreamId, Timestamp};

/// A statistical test on a profile. The order is the order in records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detector {
    /// Event rate against level, trend and season.
    Volume,
    /// Value against the fading histogram of past values.
    Distribution,
    /// Number of distinct attribute values against its past.
    Cardinality,
    /// Time between events against its past.
    Burst,
    /// The rhythm of closed buckets: what stands out of their spectrum.
    Spectral,
    /// Since when a series has been as it is.
    ChangePoint,
    /// How far several quantities together are from a sample of their past.
    Forest,
    /// The level at horizons from seconds to weeks.
    MultiScale,
    /// What an entity is like, against its own past.
    Behavioural,
    /// Whether a level has moved for good.
    Drift,
}

impl Detector {
    /// Every detector, in record order.
    pub const ALL: [Self; 10] = [
        Self::Volume,
        Self::Distribution,
        Self::Cardinality,
        Self::Burst,
        Self::Spectral,
        Self::ChangePoint,
        Self::Forest,
        Self::MultiScale,
        Self::Behavioural,
        Self::Drift,
    ];

    /// Returns the name used in configuration, API and documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Volume => "volume",
            Self::Distribution => "distribution",
            Self::Cardinality => "cardinality",
            Self::Burst => "burst",
            Self::Spectral => "spectral",
            Self::ChangePoint => "change_point",
            Self::Forest => "forest",
            Self::MultiScale => "multi_scale",
            Self::Behavioural => "behavioural",
            Self::Drift => "drift",
        }
    }
}

impl fmt::Display for Detector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A word is not one of the names allowed here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is not one of {allowed}")]
pub struct UnknownName {
    word: String,
    allowed: &'static str,
}

impl UnknownName {
    pub(crate) fn new(word: &str, allowed: &'static str) -> Self {
        Self { word: word.to_owned(), allowed }
    }
}

impl FromStr for Detector {
    type Err = UnknownName;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|detector| detector.name() == word).ok_or_else(|| UnknownName {
            word: word.to_owned(),
            allowed: "volume, distribution, cardinality, burst, spectral, change_point, forest, \
                      multi_scale, behavioural, drift",
        })
    }
}

/// How much a detection matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Low,
    /// Worth a look today.
    Medium,
    /// Worth a look now.
    High,
    /// Worth waking somebody.
    Critical,
}

impl Severity {
    /// Every severity, mildest first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// Returns the name used in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Severity {
    type Err = UnknownName;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|severity| severity.name() == word).ok_or_else(|| UnknownName {
            word: word.to_owned(),
            allowed: "low, medium, high, critical",
        })
    }
}

/// Which way something deviated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// More than expected.
    Above,
    /// Less than expected.
    Below,
    /// Different, in no direction.
    Changed,
}

/// One term of a score: contributions of a detection sum to its `evidence`
/// (invariant E-2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contribution {
    /// Which test spoke.
    pub detector: Detector,
    /// What it looked at: "value", a lane's name, "rate", "gap", "distinct",
    /// "new entity".
    pub feature: String,
    /// Its share of the evidence (may be negative).
    pub evidence: f64,
    /// What it measured, in its own unit.
    pub observed: f64,
    /// What it expected, in the same unit.
    pub expected: f64,
}

/// A circumstance of a detection, and how much it has to do with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Circumstance {
    /// One phrase.
    pub text: String,
    /// How much it bears on the detection, 0..1.
    pub relevance: f64,
}

/// An earlier detection of the same entity that was like this one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Similar {
    /// Which; it may no longer be kept.
    pub id: DetectionId,
    /// Event time at which it began.
    pub at: Timestamp,
    /// How much alike, 0..1: by test, feature, direction, size and duration.
    pub similarity: f64,
    /// Its highest score.
    pub score: f64,
}

/// What was expected of the deviating quantity.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    /// The most likely figure.
    pub value: f64,
    /// Lower end of the normal range.
    pub low: f64,
    /// Upper end of the normal range.
    pub high: f64,
}

/// The smallest change that would have made it unremarkable; the engine gives
/// the promised score when fed with it (invariant E-2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Counterfactual {
    /// Which quantity to change: "value", a lane's name, "gap" (seconds since
    /// the event before) or "distinct" (new distinct values in the bucket).
    pub feature: String,
    /// What it should have been.
    pub value: f64,
    /// The score it would then have had.
    pub score: f64,
}

/// Whether the anomaly goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It may still grow.
    Open,
    /// It ended.
    Closed,
}

/// A scored event or closed window at or above its stream's threshold, with
/// its explanation. An anomaly that goes on is one detection that grows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// Where it was made.
    pub id: DetectionId,
    /// Whose stream.
    pub stream: StreamId,
    /// About whom.
    pub entity: String,
    /// Event time at which it began.
    pub started: Timestamp,
    /// Event time of the highest score.
    pub peaked: Timestamp,
    /// Event time of its newest anomalous event or window.
    pub last: Timestamp,
    /// Whether it goes on.
    pub state: State,
    /// Anomalous events or windows in it.
    pub events: u64,
    /// Highest score, 0..1, calibrated.
    pub score: f64,
    /// What the score is made of: the sum of `contributions`.
    pub evidence: f64,
    /// The threshold in force.
    pub threshold: f64,
    /// How much it matters.
    pub severity: Severity,
    /// The strongest test.
    pub detector: Detector,
    /// Which way.
    pub direction: Direction,
    /// The value at the peak.
    pub value: f64,
    /// What was expected of it.
    pub expected: Option<Expected>,
    /// Share of past observations that were less extreme, 0..1.
    pub percentile: Option<f64>,
    /// The terms of the score, largest first.
    pub contributions: Vec<Contribution>,
    /// Circumstances worth knowing, most relevant first.
    pub context: Vec<Circumstance>,
    /// Up to five earlier detections of the entity that were like it, most
    /// alike first.
    pub similar: Vec<Similar>,
    /// The smallest change that would have made it normal.
    pub counterfactual: Option<Counterfactual>,
    /// What one might do.
    pub actions: Vec<String>,
    /// One plain sentence.
    pub reason: String,
    /// The event's attributes as a JSON object; empty when it had none.
    pub attributes: String,
    /// The configuration that made it (invariant C-1).
    pub revision: Revision,
    /// The engine's version that made it.
    pub engine: u32,
}

/// How a detection that was already told has grown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Change {
    /// A new one.
    Opened(Box<Detection>),
    /// The same one again, whole, after it grew or ended.
    Grown(Box<Detection>),
    /// The same one again, after somebody said something of it.
    Labelled(Box<Detection>, Feedback),
}

impl Change {
    /// Returns the detection as it is now.
    pub fn detection(&self) -> &Detection {
        match self {
            Self::Opened(detection) | Self::Grown(detection) | Self::Labelled(detection, _) => {
                detection
            }
        }
    }

    /// Returns what was said, where that is the change.
    pub fn feedback(&self) -> Option<&Feedback> {
        match self {
            Self::Opened(_) | Self::Grown(_) => None,
            Self::Labelled(_, feedback) => Some(feedback),
        }
    }
}

//! What nodes answer, as types. Further members may appear; what is absent is empty.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What became of many events: each is in one of the three.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Written {
    /// Events that changed state, now or when the same request came first.
    pub accepted: u64,
    /// Events whose unique id had been seen.
    pub duplicates: u64,
    /// Events that were not applied.
    pub refused: u64,
    /// The first thousand of them.
    #[serde(default)]
    pub refusals: Vec<Refusal>,
}

/// One event that the node did not apply.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Refusal {
    /// Its place in its batch, from 1.
    pub line: u64,
    /// A stable code: `value_not_finite`, `entity_missing`, ….
    pub code: String,
    /// One sentence.
    pub reason: String,
}

/// What was expected of a quantity.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Expected {
    /// The most likely figure.
    pub value: f64,
    /// Lower end of the normal range.
    pub low: f64,
    /// Upper end of the normal range.
    pub high: f64,
}

/// One term of a score; the terms sum to the evidence.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Contribution {
    /// Which test spoke.
    pub detector: String,
    /// What it looked at.
    pub feature: String,
    /// Its share of the evidence; may be negative.
    pub evidence: f64,
    /// What it measured, in its own unit.
    pub observed: f64,
    /// What it expected, in the same unit.
    pub expected: f64,
}

/// One event's verdict.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Score {
    /// Its place in the request, from 1.
    pub line: u64,
    /// 0..1, calibrated: the same number means the same rarity everywhere.
    pub score: f64,
    /// The entity is still being learned; the score is provisional.
    pub warming: bool,
    /// What the value was expected to be.
    pub expected: Option<Expected>,
    /// What made up the score, largest first.
    pub contributions: Vec<Contribution>,
    /// One sentence; empty when nothing is remarkable.
    pub reason: String,
    /// The detection that it opened or belongs to.
    pub detection: Option<String>,
}

/// A circumstance, and how much it has to do with a detection.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Circumstance {
    /// One phrase.
    pub text: String,
    /// How much it bears on the detection, 0..1.
    pub relevance: f64,
}

/// An earlier detection of the same entity that was like this one.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Similar {
    /// Its name; it may no longer be kept.
    pub id: String,
    /// Event time at which it began, RFC 3339.
    pub at: String,
    /// How much alike, 0..1.
    pub similarity: f64,
    /// Its highest score, 0..1.
    pub score: f64,
}

/// The smallest change that would have made an event unremarkable.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Counterfactual {
    /// Which quantity to change.
    pub feature: String,
    /// What it should have been.
    pub value: f64,
    /// The score it would then have had, 0..1.
    pub score: f64,
}

/// What somebody said of a detection.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Feedback {
    /// `confirmed`, `false_alarm` or `expected`.
    pub label: String,
    /// In the author's words.
    pub note: String,
    /// Who said it; empty when nobody is named.
    pub author: String,
    /// When, RFC 3339.
    pub at: String,
}

/// An anomaly, with its explanation.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Detection {
    /// Its name, like `d17-1042-3`; never changes.
    pub id: String,
    /// The stream's name.
    pub stream: String,
    /// The entity's key.
    pub entity: String,
    /// Event time at which it began, RFC 3339.
    pub started: String,
    /// Event time of the highest score, RFC 3339.
    pub peaked: String,
    /// Event time of its newest anomalous event, RFC 3339.
    pub last: String,
    /// `open` while it may still grow, then `closed`.
    pub state: String,
    /// Anomalous events or windows in it.
    pub events: u64,
    /// Highest score, 0..1, calibrated.
    pub score: f64,
    /// What the score is made of.
    pub evidence: f64,
    /// The threshold in force.
    pub threshold: f64,
    /// `low`, `medium`, `high` or `critical`.
    pub severity: String,
    /// The strongest test.
    pub detector: String,
    /// `above`, `below` or `changed`.
    pub direction: String,
    /// The value at the peak.
    pub value: f64,
    /// What was expected of it.
    pub expected: Option<Expected>,
    /// Share of past observations that were less extreme, 0..1.
    pub percentile: Option<f64>,
    /// The terms of the score, largest first.
    pub contributions: Vec<Contribution>,
    /// Circumstances worth knowing, most relevant first.
    pub context: Vec<String>,
    /// The same with how much each bears on the detection.
    pub circumstances: Vec<Circumstance>,
    /// Up to five earlier detections of the entity that were like it.
    pub similar: Vec<Similar>,
    /// The smallest change that would have made it normal.
    pub counterfactual: Option<Counterfactual>,
    /// What one might do.
    pub actions: Vec<String>,
    /// One plain sentence.
    pub reason: String,
    /// The event's attributes.
    pub attributes: Option<Value>,
    /// The configuration that made it: a catalog revision.
    pub revision: u64,
    /// The engine's version that made it.
    pub engine: u32,
    /// What somebody said of it.
    pub feedback: Option<Feedback>,
}

/// What can be said of a detection.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// It was one.
    Confirmed,
    /// It was none.
    FalseAlarm,
    /// It was one, and is fine.
    Expected,
}

/// A detection that was labelled, and what that changed.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Labelled {
    /// The detection with what is said of it now.
    pub detection: Detection,
    /// What each detector's evidence is multiplied by, before and now, as the node
    /// words it.
    pub taught: Value,
}

/// Which detections are wanted; every part that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this stream.
    pub stream: Option<String>,
    /// About this entity; needs `stream`.
    pub entity: Option<String>,
    /// At least this severe: `low`, `medium`, `high`, `critical`.
    pub severity: Option<String>,
    /// At least this score, 0..1.
    pub min_score: Option<f64>,
    /// Whose strongest test is this.
    pub detector: Option<String>,
    /// `open` or `closed`.
    pub state: Option<String>,
    /// Began at or after, RFC 3339.
    pub since: Option<String>,
    /// Began before, RFC 3339.
    pub until: Option<String>,
    /// `newest` (default), `oldest` or `score`.
    pub sort: Option<String>,
    /// So many at a time, 1 to 1,000; 100 where it is absent.
    pub page: Option<usize>,
}

/// One message of the live feed.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Message {
    /// Where the feed begins.
    Hello {
        /// Resume here.
        cursor: String,
    },
    /// A detection opened, grew or was labelled: the newest copy of an id replaces
    /// the one before.
    Detection {
        /// Resume after it.
        cursor: String,
        /// What happened to it.
        change: Change,
        /// The detection as it is now.
        detection: Box<Detection>,
    },
    /// Some detections could not be delivered; the listing has them.
    Gap {
        /// Resume after it.
        cursor: String,
    },
}

impl Message {
    /// Returns where to resume after it.
    pub fn cursor(&self) -> &str {
        let (Self::Hello { cursor } | Self::Detection { cursor, .. } | Self::Gap { cursor }) = self;
        cursor
    }
}

/// What happened to a detection.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is new.
    Opened,
    /// It grew, or ended.
    Grown,
    /// Somebody said something of it.
    Labelled,
    /// Something that this version does not know.
    #[serde(other)]
    Other,
}

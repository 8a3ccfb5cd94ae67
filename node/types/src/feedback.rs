//! What people say of detections, and what that changed. Plain data: the log
//! carries it, the engine learns from it, the gateway shows it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::detection::UnknownName;
use crate::{DetectionId, Detector, Direction, LogIndex, StreamId, Timestamp};

/// What somebody says of a detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// Something was wrong, and it was right to tell.
    Confirmed,
    /// Nothing was wrong.
    FalseAlarm,
    /// Somebody knew of it before: planned work, a test, a season's sale.
    Expected,
}

impl Label {
    /// Every label.
    pub const ALL: [Self; 3] = [Self::Confirmed, Self::FalseAlarm, Self::Expected];

    /// Returns the name used in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::FalseAlarm => "false_alarm",
            Self::Expected => "expected",
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Label {
    type Err = UnknownName;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownName::new(word, "confirmed, false_alarm, expected");
        Self::ALL.into_iter().find(|label| label.name() == word).ok_or_else(unknown)
    }
}

/// A label as it is kept with its detection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feedback {
    /// What was said; none when it was taken back.
    pub label: Option<Label>,
    /// In the author's words; empty when there are none.
    pub note: String,
    /// Who said it.
    pub author: String,
    /// When: the leader's clock.
    pub at: Timestamp,
    /// The log index, in the shard of the detection, at which it was said: the
    /// newest counts.
    pub version: LogIndex,
}

/// What a label teaches, apart from the detection it is of: all that the engine
/// needs, so that the log alone says what is learned (invariant E-1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lesson {
    /// Whose stream.
    pub stream: StreamId,
    /// The detection.
    pub id: DetectionId,
    /// The entity it is about.
    pub entity: String,
    /// What was said; none takes back what was said before.
    pub label: Option<Label>,
    /// Its evidence without what earlier labels added or took.
    pub evidence: f64,
    /// What each detector contributed to that.
    pub parts: Vec<(Detector, f64)>,
    /// The strongest.
    pub detector: Detector,
    /// Which way it deviated.
    pub direction: Direction,
    /// Event time of its newest anomalous event.
    pub last: Timestamp,
    /// See [`Feedback::version`].
    pub version: LogIndex,
}

/// How much of a detector's evidence counts before and after a label.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gain {
    /// Which.
    pub detector: Detector,
    /// What the evidence that it has beyond the ordinary was multiplied by where
    /// it spoke alone, 0.5..1.5; 1 is untouched.
    pub before: f64,
    /// What it is multiplied by now.
    pub after: f64,
}

/// What a label changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Taught {
    /// Labels that count, this one among them.
    pub labels: u32,
    /// Every detector, in record order.
    pub gains: Vec<Gain>,
    /// What the same detection would have scored before the label, 0..1.
    pub before: f64,
    /// What it would score now.
    pub after: f64,
    /// Until when, in event time, deviations of its kind of its entity are
    /// expected; none when they are not.
    pub expected_until: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_reads_back_from_its_name() {
        for label in Label::ALL {
            assert_eq!(label.name().parse(), Ok(label));
        }
        let error = "wrong".parse::<Label>().expect_err("no label").to_string();
        assert!(error.contains("false_alarm"), "{error}");
    }
}

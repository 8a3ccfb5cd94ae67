//! One anomaly, one detection: it opens, grows and ends. Owns the hold, the
//! growth worth telling and the taking of a lasting change for normal; refuses
//! to know how a detection is worded, which is `explain`'s.

use bytemuck::Zeroable;
use serde::{Deserialize, Serialize};
use via_types::detection::{Change, Similar, State};
use via_types::{Detection, DetectionId, Severity, Timestamp};

use crate::explain::{Case, Lasting, ceiling, explain, kind, severity};
use crate::history::History;
use crate::precedent::{Kind, Precedents, duration};
use crate::profile::{Cold, Feature, Hot, OPEN};

/// Quiet events that end a detection; as many usual gaps must pass as well.
const QUIET: u32 = 12;
/// Evidence below this share of the limit is quiet; between it and the limit
/// the anomaly neither goes on nor ends.
const CALM: f32 = 0.6;
/// Anomalous events after which a change counts as lasting.
const LASTING: u64 = 128;
/// Likewise of several values together, which have no other way to be normal
/// again: a multiple of [`LASTING`].
const LASTING_TOGETHER: u64 = 4096;
/// Share of what is missing to 1 that a score must gain to be told again.
const NOTABLE: f64 = 0.25;
/// Evidence by which a new peak must exceed the old to be explained anew.
const HIGHER: f64 = 0.25;

/// An open detection and what was told of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Episode {
    pub(crate) detection: Detection,
    told_score: f64,
    told_severity: Severity,
    quiet: u32,
    /// The most it may matter, known when it opened.
    ceiling: Severity,
    /// What its peak was about: a feature, a named value, how far off.
    about: (u8, u32, f32),
}

impl Episode {
    /// Returns the memory it holds, roughly, bytes.
    pub(crate) fn bytes(&self) -> usize {
        let detection = &self.detection;
        size_of::<Self>()
            + detection.reason.len()
            + detection.attributes.len()
            + detection.contributions.len() * 80
            + (detection.context.len() + detection.actions.len()) * 80
            + detection.similar.len() * size_of::<Similar>()
    }
}

/// Opens a detection for `case`; returns it as told.
pub(crate) fn open(case: &Case<'_>, id: DetectionId, attributes: &str) -> Episode {
    let mut detection = explain(case, id);
    detection.attributes = attributes.to_owned();
    let told_score = detection.score;
    let told_severity = detection.severity;
    let (ceiling, about) = (ceiling(case), about(kind(case)));
    Episode { detection, told_score, told_severity, quiet: 0, ceiling, about }
}

fn about(kind: Kind) -> (u8, u32, f32) {
    (kind.feature as u8, kind.name, kind.size)
}

impl Episode {
    /// Takes in one more anomalous event; says whether it is worth telling.
    pub(crate) fn grow(&mut self, case: &Case<'_>) -> bool {
        self.quiet = 0;
        let old = &self.detection;
        let events = old.events + 1;
        if f64::from(case.verdict.evidence) > old.evidence + HIGHER {
            let peak = explain(case, old.id);
            let old = std::mem::replace(&mut self.detection, peak);
            self.detection.started = old.started;
            self.detection.attributes = old.attributes;
            self.about = about(kind(case));
        }
        let detection = &mut self.detection;
        detection.events = events;
        detection.last = Timestamp::from_nanos(case.sample.at).max(detection.last);
        let lasting = Lasting { events, secs: duration(detection) };
        let severity = severity(case, detection.evidence, lasting).min(self.ceiling);
        detection.severity = severity.max(self.told_severity);
        let gained = detection.score - self.told_score > NOTABLE * (1.0 - self.told_score);
        let is_worse = detection.severity > self.told_severity;
        if gained || is_worse {
            self.told_score = detection.score;
            self.told_severity = detection.severity;
        }
        gained || is_worse
    }

    /// Takes in an event below the limit; says whether the anomaly has ended.
    pub(crate) fn rest(&mut self, evidence: f32, limit: f32, at: i64, gap_secs: f32) -> bool {
        if evidence >= limit * CALM {
            return false;
        }
        self.quiet = self.quiet.saturating_add(1);
        let hold = (f64::from(gap_secs) * f64::from(QUIET) * 1e9) as i64;
        self.quiet >= QUIET && at.saturating_sub(self.detection.last.as_nanos()) >= hold
    }

    /// Ends it and remembers it; returns what is told.
    pub(crate) fn end(mut self, hot: &Hot, cold: &mut Cold) -> Change {
        let detection = &mut self.detection;
        detection.state = State::Closed;
        let (feature, name, size) = self.about;
        let direction = detection.direction;
        if let Some(feature) = Feature::ALL.get(usize::from(feature)).copied() {
            let kind = Kind { feature, name, direction, size };
            let history =
                cold.history.get_or_insert_with(|| Box::new(History::new(hot.level.mean)));
            let ended = history.ended.get_or_insert_with(|| Box::new(Precedents::zeroed()));
            if !detection.similar.is_empty() {
                // Now it is known how long it lasted.
                detection.similar = ended.similar(kind, Some(duration(detection)));
            }
            ended.keep(kind, detection);
        }
        Change::Grown(Box::new(self.detection))
    }

    /// Returns what is told of it as it is now.
    pub(crate) fn told(&self) -> Change {
        Change::Grown(Box::new(self.detection.clone()))
    }
}

/// Takes a change that has lasted for the new normal, so that detections stop.
pub(crate) fn adopt_if_lasting(hot: &mut Hot, cold: &mut Cold) {
    let Some(episode) = &cold.episode else { return };
    let events = episode.detection.events;
    if !events.is_multiple_of(LASTING) || !hot.is(OPEN) {
        return;
    }
    hot.level.adopt();
    hot.gaps.adopt();
    if events.is_multiple_of(LASTING_TOGETHER)
        && let Some(lanes) = &mut cold.lanes
    {
        lanes.adopt();
    }
}

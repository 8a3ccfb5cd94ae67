//! Detections, profiles and counts in the words of the API. External names are
//! chosen here; internal types may change without changing them.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use via_catalog::View;
use via_shard::Recorded;
use via_types::detection::{Circumstance, Contribution, Counterfactual, Expected, Similar, State};
use via_types::profile::{DetectorState, Fact, ProfileView, SeriesPoint, Warmup};
use via_types::{Detection, Feedback, Timestamp};

use crate::gate::Gate;
use crate::http::feedback::FeedbackView;

/// Writes a time as RFC 3339 in UTC.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    let nanos = i128::from(at.as_nanos());
    jiff::Timestamp::from_nanosecond(nanos).map_or_else(|_| nanos.to_string(), |at| at.to_string())
}

/// What was expected of a quantity.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ExpectedView {
    /// The most likely figure.
    value: f64,
    /// Lower end of the normal range.
    low: f64,
    /// Upper end of the normal range.
    high: f64,
}

impl From<Expected> for ExpectedView {
    fn from(Expected { value, low, high }: Expected) -> Self {
        Self { value, low, high }
    }
}

/// One term of a score; the terms sum to the evidence.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ContributionView {
    /// Which test spoke: volume, distribution, cardinality, burst, spectral,
    /// change_point, forest, multi_scale, behavioural, drift.
    detector: &'static str,
    /// What it looked at: value, a named value, rate, gap, distinct.
    feature: String,
    /// Its share of the evidence; may be negative.
    evidence: f64,
    /// What it measured, in its own unit.
    observed: f64,
    /// What it expected, in the same unit.
    expected: f64,
}

impl From<&Contribution> for ContributionView {
    fn from(term: &Contribution) -> Self {
        Self {
            detector: term.detector.name(),
            feature: term.feature.clone(),
            evidence: term.evidence,
            observed: term.observed,
            expected: term.expected,
        }
    }
}

/// The smallest change that would have made it unremarkable.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct CounterfactualView {
    /// Which quantity to change.
    feature: String,
    /// What it should have been.
    value: f64,
    /// The score it would then have had.
    score: f64,
}

impl From<&Counterfactual> for CounterfactualView {
    fn from(Counterfactual { feature, value, score }: &Counterfactual) -> Self {
        Self { feature: feature.clone(), value: *value, score: *score }
    }
}

/// A circumstance, and how much it has to do with the detection.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct CircumstanceView {
    /// One phrase.
    text: String,
    /// How much it bears on the detection, 0..1.
    relevance: f64,
}

impl From<&Circumstance> for CircumstanceView {
    fn from(Circumstance { text, relevance }: &Circumstance) -> Self {
        Self { text: text.clone(), relevance: *relevance }
    }
}

/// An earlier detection of the same entity that was like this one.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct SimilarView {
    /// Its name, for `GET /api/v1/detections/{id}`; it may no longer be kept.
    id: String,
    /// Event time at which it began, RFC 3339.
    at: String,
    /// How much alike, 0..1: by test, feature, direction, size and duration.
    similarity: f64,
    /// Its highest score, 0..1.
    score: f64,
}

impl From<&Similar> for SimilarView {
    fn from(Similar { id, at, similarity, score }: &Similar) -> Self {
        Self { id: id.to_string(), at: rfc3339(*at), similarity: *similarity, score: *score }
    }
}

/// An anomaly, with its explanation.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct DetectionView {
    /// Its name, like `d17-1042-3`; never changes.
    id: String,
    /// The stream's name.
    stream: String,
    /// The entity's key.
    entity: String,
    /// Event time at which it began, RFC 3339.
    started: String,
    /// Event time of the highest score, RFC 3339.
    peaked: String,
    /// Event time of its newest anomalous event or window, RFC 3339.
    last: String,
    /// `open` while it may still grow, then `closed`.
    state: &'static str,
    /// Anomalous events or windows in it.
    events: u64,
    /// Highest score, 0..1, calibrated.
    score: f64,
    /// What the score is made of: the sum of the contributions.
    evidence: f64,
    /// The threshold in force.
    threshold: f64,
    /// low, medium, high or critical.
    severity: &'static str,
    /// The strongest test.
    detector: &'static str,
    /// above, below or changed.
    direction: Cow<'static, str>,
    /// The value at the peak.
    value: f64,
    /// What was expected of it.
    expected: Option<ExpectedView>,
    /// Share of past observations that were less extreme, 0..1.
    percentile: Option<f64>,
    /// The terms of the score, largest first.
    contributions: Vec<ContributionView>,
    /// Circumstances worth knowing, each one phrase, most relevant first.
    context: Vec<String>,
    /// The same with how much each bears on the detection.
    circumstances: Vec<CircumstanceView>,
    /// Up to five earlier detections of the entity that were like it, most alike
    /// first.
    similar: Vec<SimilarView>,
    /// The smallest change that would have made it normal.
    counterfactual: Option<CounterfactualView>,
    /// What one might do.
    actions: Vec<String>,
    /// One plain sentence.
    reason: String,
    /// The event's attributes.
    #[schema(value_type = Option<Object>)]
    attributes: Option<Value>,
    /// The configuration that made it: a catalog revision.
    revision: u64,
    /// The engine's version that made it.
    engine: u32,
    /// What somebody said of it; absent when nobody did.
    #[serde(skip_serializing_if = "Option::is_none")]
    feedback: Option<FeedbackView>,
}

impl DetectionView {
    /// Shows `detection`; `view` knows its stream's name.
    pub(crate) fn of(gate: &Gate, view: &View, detection: &Detection) -> Self {
        let direction = match detection.direction {
            via_types::Direction::Above => "above",
            via_types::Direction::Below => "below",
            via_types::Direction::Changed => "changed",
        };
        Self {
            id: detection.id.to_string(),
            stream: gate.stream_name(view, detection.stream),
            entity: detection.entity.clone(),
            started: rfc3339(detection.started),
            peaked: rfc3339(detection.peaked),
            last: rfc3339(detection.last),
            state: match detection.state {
                State::Open => "open",
                State::Closed => "closed",
            },
            events: detection.events,
            score: detection.score,
            evidence: detection.evidence,
            threshold: detection.threshold,
            severity: detection.severity.name(),
            detector: detection.detector.name(),
            direction: direction.into(),
            value: detection.value,
            expected: detection.expected.map(Into::into),
            percentile: detection.percentile,
            contributions: detection.contributions.iter().map(Into::into).collect(),
            context: detection.context.iter().map(|one| one.text.clone()).collect(),
            circumstances: detection.context.iter().map(Into::into).collect(),
            similar: detection.similar.iter().map(Into::into).collect(),
            counterfactual: detection.counterfactual.as_ref().map(Into::into),
            actions: detection.actions.clone(),
            reason: detection.reason.clone(),
            attributes: serde_json::from_str(&detection.attributes).ok(),
            revision: detection.revision.get(),
            engine: detection.engine,
            feedback: None,
        }
    }

    /// Shows a detection with what was said of it.
    pub(crate) fn recorded(gate: &Gate, view: &View, recorded: &Recorded) -> Self {
        Self::of(gate, view, &recorded.detection).said(recorded.feedback.as_ref())
    }

    /// Adds what was said of it.
    pub(crate) fn said(self, feedback: Option<&Feedback>) -> Self {
        Self { feedback: feedback.and_then(FeedbackView::of), ..self }
    }
}

/// How far something is from being able to judge.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct WarmupView {
    /// It judges.
    ready: bool,
    /// 0..1.
    progress: f64,
    /// Why it does not judge yet; empty when ready.
    reason: String,
}

impl From<Warmup> for WarmupView {
    fn from(Warmup { ready, progress, reason }: Warmup) -> Self {
        Self { ready, progress, reason }
    }
}

/// One learned or measured figure.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct FactView {
    /// What it is: rate, mean, season period, ….
    name: String,
    /// How much.
    value: f64,
    /// Of what; empty for the value's own unit.
    unit: String,
}

impl From<Fact> for FactView {
    fn from(Fact { name, value, unit }: Fact) -> Self {
        Self { name, value, unit }
    }
}

/// One detector's state for one entity.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct DetectorView {
    /// Which.
    detector: &'static str,
    /// Off by configuration when false.
    enabled: bool,
    /// Its warm-up.
    warmup: WarmupView,
    /// Its latest evidence.
    evidence: f64,
    /// Its weight in the ensemble.
    weight: f64,
    /// What it has learned.
    facts: Vec<FactView>,
}

impl From<DetectorState> for DetectorView {
    fn from(state: DetectorState) -> Self {
        Self {
            detector: state.detector.name(),
            enabled: state.enabled,
            warmup: state.warmup.into(),
            evidence: state.evidence,
            weight: state.weight,
            facts: state.facts.into_iter().map(Into::into).collect(),
        }
    }
}

/// What VIA has learned of one entity.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct EntityView {
    /// The stream's name.
    stream: String,
    /// The entity's key.
    entity: String,
    /// Event time of the first event, RFC 3339.
    first: String,
    /// Newest event time, RFC 3339.
    last: String,
    /// Events applied.
    events: u64,
    /// Events refused as late.
    late: u64,
    /// Latest score, 0..1.
    score: f64,
    /// Whether it judges yet, else why not and how far it is.
    warmup: WarmupView,
    /// What is normal, in figures.
    normal: Vec<FactView>,
    /// Each detector's state.
    detectors: Vec<DetectorView>,
}

impl EntityView {
    /// Shows a profile of the stream of that name.
    pub(crate) fn of(stream: &str, profile: ProfileView) -> Self {
        Self {
            stream: stream.to_owned(),
            entity: profile.entity,
            first: rfc3339(profile.first),
            last: rfc3339(profile.last),
            events: profile.events,
            late: profile.late,
            score: profile.score,
            warmup: profile.warmup.into(),
            normal: profile.normal.into_iter().map(Into::into).collect(),
            detectors: profile.detectors.into_iter().map(Into::into).collect(),
        }
    }
}

/// One bucket of an entity's recent past, or one of its first events.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct PointView {
    /// When the bucket began, RFC 3339.
    at: String,
    /// How long it was, seconds; 0 for an event.
    width_secs: f64,
    /// Events in it.
    count: f64,
    /// Their mean value.
    mean: f64,
    /// Smallest value.
    min: f64,
    /// Largest value.
    max: f64,
    /// The value expected.
    expected: f64,
    /// Lower end of the expected band.
    low: f64,
    /// Upper end of the expected band.
    high: f64,
    /// Highest score in it, 0..1.
    score: f64,
}

impl From<SeriesPoint> for PointView {
    fn from(point: SeriesPoint) -> Self {
        let SeriesPoint { at, width_secs, count, mean, min, max, expected, low, high, score } =
            point;
        let at = rfc3339(at);
        Self { at, width_secs, count, mean, min, max, expected, low, high, score }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_in_utc() {
        assert_eq!(rfc3339(Timestamp::from_nanos(0)), "1970-01-01T00:00:00Z");
        assert_eq!(
            rfc3339(Timestamp::from_nanos(1_700_000_000_500_000_000)),
            "2023-11-14T22:13:20.5Z"
        );
    }
}

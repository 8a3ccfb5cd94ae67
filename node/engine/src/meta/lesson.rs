//! From a detection to what a label of it teaches. Owns which figures of a
//! detection that is; a function of the detection alone, so that whoever asks
//! the log to learn it needs no profile.

use via_types::feedback::{Label, Lesson};
use via_types::{Detection, Detector, Direction, LogIndex};

use crate::judge::Judgement;
use crate::profile::{Feature, Hot};

/// What the contribution of labels is called.
pub(crate) const LABELS_TERM: &str = "labels of people";

/// Returns what `label` teaches of `detection`; none takes back what was said.
pub fn lesson(detection: &Detection, label: Option<Label>, version: LogIndex) -> Lesson {
    let mut parts: Vec<(Detector, f64)> = Vec::new();
    let own = detection.contributions.iter().filter(|term| term.feature != LABELS_TERM);
    for term in own {
        match parts.iter_mut().find(|(detector, _)| *detector == term.detector) {
            Some((_, part)) => *part += term.evidence,
            None => parts.push((term.detector, term.evidence)),
        }
    }
    let evidence: f64 = parts.iter().map(|(_, part)| part).sum();
    Lesson {
        stream: detection.stream,
        id: detection.id,
        entity: detection.entity.clone(),
        label,
        // Where a stream wants nothing explained, only the whole is known.
        evidence: if parts.is_empty() { detection.evidence } else { evidence },
        parts,
        detector: detection.detector,
        direction: detection.direction,
        last: detection.last,
        version,
    }
}

/// Returns a direction as a sign.
pub(super) fn leaning(direction: Direction) -> i8 {
    match direction {
        Direction::Above => 1,
        Direction::Below => -1,
        Direction::Changed => 0,
    }
}

/// Returns which way the strongest feature of an event deviated, where that is
/// told without a search.
pub(super) fn leaning_of(verdict: &Judgement, hot: &Hot, feature: Feature) -> i8 {
    let reading = &verdict.reading;
    let is = |one: Feature| feature == one;
    let off = if is(Feature::Value) || is(Feature::Pattern) {
        verdict.plain - hot.level.mean
    } else if is(Feature::Step) {
        reading.step.deviation
    } else if is(Feature::Level) {
        reading.level.deviation
    } else if is(Feature::Rate) {
        verdict.closing.rate.map_or(0.0, |counted| counted.z)
    } else if is(Feature::Distinct) {
        verdict.closing.distinct.map_or(0.0, |counted| counted.z)
    } else if is(Feature::Gap) {
        if verdict.gapped.is_faster() { 1.0 } else { -1.0 }
    } else {
        0.0
    };
    sign(off)
}

pub(super) fn sign(off: f64) -> i8 {
    i8::from(off > 0.0) - i8::from(off < 0.0)
}

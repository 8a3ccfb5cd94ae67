//! Between VIA's words and the protocol's messages.

use via_proto::v1;
use via_shard::Recorded;
use via_types::detection::{self, Change, State};
use via_types::{
    Contribution, Detection, Epoch, Fate, Feedback, Origin, ProducerId, Scored, Sequence,
};

use crate::gate::Gate;
use crate::ingest::writer::Tally;
use crate::problem::{Problem, retry_after_ms};

pub(super) fn origin(origin: v1::Origin) -> Origin {
    Origin {
        producer: ProducerId::new(origin.producer),
        epoch: Epoch::new(origin.epoch),
        sequence: Sequence::new(origin.sequence),
        part: 0,
    }
}

fn count(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

pub(super) fn written(tally: &Tally, tag: u64) -> v1::WriteResponse {
    let listed = tally.refusals.listed.iter();
    v1::WriteResponse {
        accepted: count(tally.accepted),
        duplicates: count(tally.duplicates),
        refused: count(tally.refusals.count),
        refusals: listed
            .map(|(row, fault)| v1::Refusal {
                row: count(*row),
                code: fault.code.name().to_owned(),
                reason: fault.reason.clone(),
                fate: fate(fault.code.fate()).into(),
                retry_after_ms: retry_after_ms(fault.code.fate()).unwrap_or(0),
            })
            .collect(),
        repeated: tally.is_repeated(),
        tag,
    }
}

pub(super) fn scored(tally: Tally, tag: u64) -> v1::ScoreResponse {
    let written = Some(written(&tally, tag));
    v1::ScoreResponse { written, scores: tally.scores.into_iter().map(score).collect() }
}

fn score((row, scored): (u64, Scored)) -> v1::Score {
    v1::Score {
        row: count(row),
        score: scored.score,
        warming: scored.warming,
        expected: scored.expected.map(expected),
        contributions: scored.contributions.iter().map(contribution).collect(),
        reason: scored.reason,
        detection: scored.detection.map(|id| id.to_string()).unwrap_or_default(),
    }
}

pub(super) fn failure(problem: Problem) -> v1::Failure {
    v1::Failure {
        code: problem.code.name().to_owned(),
        message: problem.detail,
        fate: fate(problem.fate).into(),
        retry_after_ms: retry_after_ms(problem.fate).unwrap_or(0),
    }
}

fn fate(fate: Fate) -> v1::Fate {
    match fate {
        Fate::Rejected => v1::Fate::Rejected,
        Fate::Retry(_) => v1::Fate::Retry,
        Fate::Unknown => v1::Fate::Unknown,
    }
}

fn expected(expected: detection::Expected) -> v1::Expected {
    let detection::Expected { value, low, high } = expected;
    v1::Expected { value, low, high }
}

fn contribution(term: &Contribution) -> v1::Contribution {
    v1::Contribution {
        detector: term.detector.name().to_owned(),
        feature: term.feature.clone(),
        evidence: term.evidence,
        observed: term.observed,
        expected: term.expected,
    }
}

pub(super) fn change(gate: &Gate, change: &Change) -> v1::Detection {
    let feedback = change.feedback().and_then(feedback);
    v1::Detection { feedback, ..detection(gate, change.detection()) }
}

pub(super) fn recorded(gate: &Gate, recorded: &Recorded) -> v1::Detection {
    let feedback = recorded.feedback.as_ref().and_then(feedback);
    v1::Detection { feedback, ..detection(gate, &recorded.detection) }
}

/// Shows what is said; nothing when it was taken back.
fn feedback(said: &Feedback) -> Option<v1::Feedback> {
    Some(v1::Feedback {
        label: said.label?.name().to_owned(),
        note: said.note.clone(),
        author: said.author.clone(),
        at: said.at.as_nanos(),
    })
}

fn circumstance(one: &detection::Circumstance) -> v1::Circumstance {
    v1::Circumstance { text: one.text.clone(), relevance: one.relevance }
}

fn similar(one: &detection::Similar) -> v1::Similar {
    let detection::Similar { id, at, similarity, score } = *one;
    v1::Similar { id: id.to_string(), at: at.as_nanos(), similarity, score }
}

fn detection(gate: &Gate, detection: &Detection) -> v1::Detection {
    let direction = match detection.direction {
        via_types::Direction::Above => v1::Direction::Above,
        via_types::Direction::Below => v1::Direction::Below,
        via_types::Direction::Changed => v1::Direction::Changed,
    };
    let severity = match detection.severity {
        via_types::Severity::Low => v1::Severity::Low,
        via_types::Severity::Medium => v1::Severity::Medium,
        via_types::Severity::High => v1::Severity::High,
        via_types::Severity::Critical => v1::Severity::Critical,
    };
    v1::Detection {
        id: detection.id.to_string(),
        stream: gate.stream_name(&gate.view(), detection.stream),
        entity: detection.entity.clone(),
        started: detection.started.as_nanos(),
        peaked: detection.peaked.as_nanos(),
        last: detection.last.as_nanos(),
        open: detection.state == State::Open,
        events: detection.events,
        score: detection.score,
        evidence: detection.evidence,
        threshold: detection.threshold,
        severity: severity.into(),
        detector: detection.detector.name().to_owned(),
        direction: direction.into(),
        value: detection.value,
        expected: detection.expected.map(expected),
        percentile: detection.percentile,
        contributions: detection.contributions.iter().map(contribution).collect(),
        context: detection.context.iter().map(|one| one.text.clone()).collect(),
        circumstances: detection.context.iter().map(circumstance).collect(),
        similar: detection.similar.iter().map(similar).collect(),
        counterfactual: detection.counterfactual.as_ref().map(|counter| v1::Counterfactual {
            feature: counter.feature.clone(),
            value: counter.value,
            score: counter.score,
        }),
        actions: detection.actions.clone(),
        reason: detection.reason.clone(),
        attributes: detection.attributes.clone(),
        revision: detection.revision.get(),
        engine: detection.engine,
        feedback: None,
    }
}

//! What people's labels teach about a stream's detections: which kinds of
//! evidence count for more, which for less. Owns the labels that count and the
//! model fitted to them; refuses to know how evidence is made. Called by `judge`.
//! It follows from the labels in force alone, whatever was said before them
//! (invariants E-1, E-2).
//!
//! A logistic regression with a ridge penalty (le Cessie and van Houwelingen,
//! Applied Statistics 41, 1992) on each detector's share of the evidence, stacked
//! on the detectors (Wolpert, Neural Networks 5, 1992), fitted coordinate by
//! coordinate below a quadratic bound, so that no step overshoots (Böhning and
//! Lindsay, Ann. Inst. Stat. Math. 40, 1988).

mod lesson;

use bytemuck::{Pod, Zeroable};
use via_types::feedback::{Gain, Label, Lesson, Taught};
use via_types::{Detector, EntityHash, Timestamp, limit};

pub(crate) use lesson::LABELS_TERM;
pub use lesson::lesson;

use crate::calibration::MOST;
use crate::course::TESTS;
use crate::ensemble::{HALF, score, shares};
use crate::explain::strongest;
use crate::judge::Judgement;
use crate::math::{exp2, smaller};
use crate::plan::Plan;
use crate::profile::{Cold, Feature, Hot};

/// How many detectors there are, and room for more in what rests.
const DETECTORS: usize = Detector::ALL.len();
const ROOM: usize = 16;
/// Evidence up to which labels change nothing: one in a hundred is no anomaly.
const ORDINARY: f32 = 2.0;
/// What is left of the evidence beyond it while a deviation is expected.
const EXPECTED_GAIN: f64 = 0.25;
/// What an expected anomaly counts, of a false alarm: it was one to see.
const HALF_WRONG: f64 = 0.5;
/// How many labels a detector's weight is held by; what is common to all
/// detectors and the size of evidence are held by more, for they concern all.
const RIDGE: f64 = 1.0;
const RIDGE_COMMON: f64 = 16.0;
const RIDGE_SIZE: f64 = 4.0;
/// Rounds of the fit.
const ROUNDS: usize = 40;
/// Places of the terms after the detectors' own.
const COMMON: usize = DETECTORS;
const SIZE: usize = DETECTORS + 1;
const TERMS: usize = DETECTORS + 2;

/// What was said: the label at rest. 0 is none.
const CONFIRMED: u8 = 1;
const FALSE_ALARM: u8 = 2;
const EXPECTED: u8 = 3;

/// One label with what it is of.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
struct Held {
    index: u64,
    version: u64,
    /// The entity, and until when deviations like this one are expected of it.
    low: u64,
    until: i64,
    offset: u32,
    shard: u16,
    label: u8,
    /// The strongest detector.
    detector: u8,
    /// Each detector's share of the evidence, of 255.
    shares: [u8; ROOM],
    /// How large the evidence was: -1..1.
    size: f32,
    /// Which way it deviated: -1, 0 for no way, 1.
    leaning: i8,
    unused: [u8; 3],
}

/// What labels taught a stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Meta {
    /// What each term adds to the logarithm of the odds that it was right to tell.
    weights: [f32; TERMS],
    /// Labels in force, and those of what was expected.
    said: u16,
    expecting: u16,
    /// In the order in which detections were labelled first.
    labels: Vec<Held>,
}

const _: () = assert!(DETECTORS <= ROOM && limit::LABELS < u16::MAX as usize);
const _: () = assert!(size_of::<Held>() == 64, "whole pieces of a record's words");

/// Returns the evidence beyond which labels count: below any threshold.
fn ordinary(plan: &Plan) -> f32 {
    plan.limit.map_or(ORDINARY, |limit| smaller(limit * 0.5, ORDINARY))
}

/// Returns `evidence` of which what is beyond `ordinary` counts `gain` times.
fn corrected(evidence: f32, gain: f64, ordinary: f32) -> f32 {
    if evidence <= ordinary || gain == 1.0 {
        return evidence;
    }
    smaller(ordinary + (evidence - ordinary) * gain as f32, MOST)
}

/// Returns how large evidence is beside that of a score of one half: -1..1.
fn size_of_evidence(evidence: f64) -> f64 {
    (evidence / HALF - 1.0).clamp(-1.0, 1.0)
}

/// Returns the share of 1 whose odds have the logarithm `x`.
fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + exp2(-x * std::f64::consts::LOG2_E))
}

impl Held {
    fn of(lesson: &Lesson) -> Self {
        let whole: f64 = lesson.parts.iter().map(|(_, part)| part.max(0.0)).sum();
        let mut shares = [0; ROOM];
        for (detector, part) in &lesson.parts {
            let share = if whole > 0.0 { part.max(0.0) / whole } else { 0.0 };
            shares[*detector as usize] = (share * 255.0 + 0.5) as u8;
        }
        if whole <= 0.0 {
            shares[lesson.detector as usize] = u8::MAX;
        }
        let until = limit::EXPECTED_SECS.saturating_mul(1_000_000_000) as i64;
        Self {
            index: lesson.id.index.get(),
            version: lesson.version.get(),
            low: EntityHash::of(lesson.stream, &lesson.entity).low(),
            until: lesson.last.as_nanos().saturating_add(until),
            offset: lesson.id.offset,
            shard: lesson.id.shard.get(),
            label: match lesson.label {
                None => 0,
                Some(Label::Confirmed) => CONFIRMED,
                Some(Label::FalseAlarm) => FALSE_ALARM,
                Some(Label::Expected) => EXPECTED,
            },
            detector: lesson.detector as u8,
            shares,
            size: size_of_evidence(lesson.evidence) as f32,
            leaning: lesson::leaning(lesson.direction),
            unused: [0; 3],
        }
    }

    fn is_of(&self, other: &Self) -> bool {
        (self.shard, self.index, self.offset) == (other.shard, other.index, other.offset)
    }

    /// Returns what it counts, and whether it was right to tell.
    fn counts(&self) -> (f64, f64) {
        match self.label {
            CONFIRMED => (1.0, 1.0),
            FALSE_ALARM => (1.0, 0.0),
            EXPECTED => (HALF_WRONG, 0.0),
            _ => (0.0, 0.0),
        }
    }

    fn terms(&self) -> [f64; TERMS] {
        let mut terms = [0.0; TERMS];
        for (term, share) in terms.iter_mut().zip(&self.shares[..DETECTORS]) {
            *term = f64::from(*share) / 255.0;
        }
        terms[COMMON] = 1.0;
        terms[SIZE] = f64::from(self.size);
        terms
    }
}

impl Meta {
    /// Says whether any label is in force.
    #[inline(always)]
    pub(crate) fn is_taught(&self) -> bool {
        self.said > 0
    }

    /// Returns what evidence of these terms is multiplied by: 0.5..1.5.
    fn gain(&self, terms: &[f64; TERMS]) -> f64 {
        let odds: f64 = self.weights.iter().zip(terms).map(|(w, x)| f64::from(*w) * x).sum();
        0.5 + logistic(odds)
    }

    /// Returns what evidence of one detector alone is multiplied by.
    fn gain_of(&self, detector: usize) -> f64 {
        let mut terms = [0.0; TERMS];
        terms[detector] = 1.0;
        terms[COMMON] = 1.0;
        self.gain(&terms)
    }

    /// Corrects the evidence that was weighed of an event at `at`.
    #[inline(never)]
    pub(crate) fn correct(
        &self,
        verdict: &mut Judgement,
        (hot, cold, plan): (&Hot, &Cold, &Plan),
        at: i64,
    ) {
        let ordinary = ordinary(plan);
        if verdict.evidence <= ordinary {
            return;
        }
        let mut terms = terms_of(verdict, cold, plan);
        terms[COMMON] = 1.0;
        terms[SIZE] = size_of_evidence(f64::from(verdict.evidence));
        let mut gain = self.gain(&terms);
        if self.expecting > 0 && self.expects(verdict, (hot, cold, plan), at) {
            gain = smaller(gain, EXPECTED_GAIN);
        }
        verdict.evidence = corrected(verdict.evidence, gain, ordinary);
        verdict.plain_evidence = corrected(verdict.plain_evidence, gain, ordinary);
    }

    fn expects(
        &self,
        verdict: &Judgement,
        (hot, cold, plan): (&Hot, &Cold, &Plan),
        at: i64,
    ) -> bool {
        let feature = strongest(verdict);
        let (detector, leaning) = match cold.course().filter(|_| feature == Feature::Course) {
            Some(course) => {
                let test = course.leading(plan);
                (TESTS[test], lesson::sign(f64::from(course.said(test).0.deviation)))
            }
            None => (feature.detector(), lesson::leaning_of(verdict, hot, feature)),
        };
        self.labels.iter().any(|held| {
            held.label == EXPECTED
                && held.low == hot.low
                && at < held.until
                && held.detector == detector as u8
                && held.leaning * leaning >= 0
        })
    }

    /// Takes a label in, unless a newer one of its detection is known.
    pub(crate) fn learn(&mut self, lesson: &Lesson) {
        let fresh = Held::of(lesson);
        match self.labels.iter_mut().find(|known| known.is_of(&fresh)) {
            Some(known) if known.version > fresh.version => return,
            Some(known) => *known = fresh,
            None => {
                if self.labels.len() >= limit::LABELS {
                    self.labels.remove(0);
                }
                self.labels.push(fresh);
            }
        }
        self.fit();
    }

    /// Follows from the labels.
    fn fit(&mut self) {
        let count = |is: &dyn Fn(u8) -> bool| {
            self.labels.iter().filter(|held| is(held.label)).count() as u16
        };
        (self.said, self.expecting) = (count(&|label| label != 0), count(&|one| one == EXPECTED));
        self.weights = fitted(&self.labels);
    }

    /// Returns how many labels are known, with those that were taken back.
    pub(crate) fn known(&self) -> usize {
        self.labels.len()
    }

    /// Returns how many bytes so many labels take at rest; none for too many.
    pub(crate) fn size_at_rest(labels: usize) -> Option<usize> {
        (labels <= limit::LABELS).then_some(labels * size_of::<Held>())
    }

    /// Returns the labels as they rest: all else follows from them.
    pub(crate) fn at_rest(&self) -> &[u8] {
        bytemuck::cast_slice(&self.labels)
    }

    /// Reads what [`Self::at_rest`] returned.
    pub(crate) fn open(memory: &[u8]) -> Option<Self> {
        let whole = memory.len().is_multiple_of(size_of::<Held>());
        let labels: Vec<Held> = whole.then(|| bytemuck::pod_collect_to_vec(memory))?;
        if labels.len() > limit::LABELS {
            return None;
        }
        let mut meta = Self { labels, ..Self::default() };
        meta.fit();
        Some(meta)
    }

    /// Returns what a detection like the lesson's scores now.
    fn score(&self, lesson: &Lesson, plan: &Plan) -> f64 {
        let held = Held::of(lesson);
        let mut gain = self.gain(&held.terms());
        let is_expected = |known: &Held| known.is_of(&held) && known.label == EXPECTED;
        if self.labels.iter().any(is_expected) {
            gain = smaller(gain, EXPECTED_GAIN);
        }
        score(f64::from(corrected(lesson.evidence as f32, gain, ordinary(plan))))
    }

    /// Takes a label in as [`Self::learn`] does, and says what it changed.
    pub(crate) fn be_taught(&mut self, lesson: &Lesson, plan: &Plan) -> Taught {
        let gains: Vec<f64> = (0..DETECTORS).map(|number| self.gain_of(number)).collect();
        let before = self.score(lesson, plan);
        self.learn(lesson);
        let until = Held::of(lesson).until;
        let is_expected = lesson.label == Some(Label::Expected);
        Taught {
            labels: u32::from(self.said),
            gains: Detector::ALL
                .into_iter()
                .zip(gains)
                .map(|(detector, before)| {
                    let after = self.gain_of(detector as usize);
                    Gain { detector, before, after }
                })
                .collect(),
            before,
            after: self.score(lesson, plan),
            expected_until: is_expected.then(|| Timestamp::from_nanos(until)),
        }
    }
}

/// Returns each detector's share of the evidence; the tests of the course have
/// theirs of what they say together.
fn terms_of(verdict: &Judgement, cold: &Cold, plan: &Plan) -> [f64; TERMS] {
    let parts = shares(&verdict.odds, &verdict.weights);
    let mut terms = [0.0; TERMS];
    for feature in Feature::ALL {
        let part = parts[feature as usize];
        match cold.course().filter(|_| feature == Feature::Course && part > 0.0) {
            Some(course) => {
                for (test, share) in TESTS.into_iter().zip(course.shares(plan)) {
                    terms[test as usize] += part * share;
                }
            }
            None => terms[feature.detector() as usize] += part,
        }
    }
    terms
}

/// Returns the weights that fit the labels best, held by the ridges.
fn fitted(labels: &[Held]) -> [f32; TERMS] {
    let mut ridges = [RIDGE; TERMS];
    ridges[COMMON] = RIDGE_COMMON;
    ridges[SIZE] = RIDGE_SIZE;
    let mut weights = [0.0f64; TERMS];
    let mut odds = [0.0f64; limit::LABELS];
    for _ in 0..ROUNDS {
        for (term, ridge) in ridges.into_iter().enumerate() {
            let (mut slope, mut bend) = (ridge * weights[term], ridge);
            for (held, odds) in labels.iter().zip(odds) {
                let (count, right) = held.counts();
                let x = held.terms()[term];
                if x != 0.0 && count > 0.0 {
                    slope += count * x * (logistic(odds) - right);
                    bend += 0.25 * count * x * x;
                }
            }
            let mut next = weights[term] - slope / bend;
            if term == SIZE {
                // That evidence is large never speaks against it.
                next = next.max(0.0);
            }
            let step = next - weights[term];
            weights[term] = next;
            for (held, odds) in labels.iter().zip(&mut odds) {
                *odds += step * held.terms()[term];
            }
        }
    }
    weights.map(|weight| weight as f32)
}

#[cfg(test)]
mod tests;

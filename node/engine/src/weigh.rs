//! What an event's evidence amounts to: features by the weights of their
//! detectors, then what people's labels say of such evidence. Owns how these are
//! put together; refuses to make evidence. Called by `judge` and `minded`.
//! Invariant E-2.

use std::f32::consts::LOG10_2;

use via_types::Detector;

use crate::calibration::MOST;
use crate::ensemble::mix;
use crate::judge::{Judgement, believable};
use crate::math::{larger, rough_exp2, smaller};
use crate::meta::Meta;
use crate::plan::Plan;
use crate::profile::{Cold, FEATURES, Feature, Hot};

/// Share of its detector's weight that each statistic has: averages over many
/// events have few independent pasts to be calibrated by.
const RELIANCE: [f32; FEATURES] = [1.0, 1.0, 0.6, 0.6, 1.0, 1.0, 1.0, 1.0, 0.0, 0.15, 1.0];

/// Weighs what was said of an event at `at`.
#[inline(always)]
pub(crate) fn weigh(
    verdict: &mut Judgement,
    (hot, cold, plan): (&Hot, &Cold, &Plan),
    meta: &Meta,
    at: i64,
) {
    // The course knows the weights of its tests.
    for feature in &Feature::ALL[..FEATURES - 1] {
        let detector = feature.detector() as usize;
        let trust = 1.0 - hot.doubt.get(detector).copied().unwrap_or(0.0);
        let reliance = RELIANCE[*feature as usize];
        verdict.weights[*feature as usize] *= plan.weights[detector] * trust * reliance;
    }
    verdict.mixed = mix(&verdict.odds, &verdict.weights);
    let sensitivity = plan.threshold.sensitivity as f32;
    // Several values speak with one voice, which is calibrated already.
    let is_joint = verdict.weights[Feature::Lanes as usize] > 0.0;
    let mixed = if is_joint { verdict.mixed } else { hot.joint.correct(verdict.mixed) };
    let mut most = (mixed, mixed);
    if plan.weights[Detector::Distribution as usize] > 0.0 && verdict.point.is_some() {
        weigh_pattern(verdict, hot, mixed);
        most = (larger(mixed, verdict.novelty.evidence), larger(mixed, verdict.novelty.plain));
    }
    verdict.evidence = smaller(most.0 * sensitivity, MOST);
    verdict.plain_evidence = smaller(most.1 * sensitivity, MOST);
    mind_labels(verdict, (hot, cold, plan), meta, at);
}

/// Minds what people said of evidence like this.
#[inline(always)]
fn mind_labels(
    verdict: &mut Judgement,
    (hot, cold, plan): (&Hot, &Cold, &Plan),
    meta: &Meta,
    at: i64,
) {
    verdict.unlabelled = verdict.evidence;
    if meta.is_taught() {
        meta.correct(verdict, (hot, cold, plan), at);
    }
}

/// Puts together anew what is left of an event's evidence.
pub(crate) fn combine(
    verdict: &mut Judgement,
    (hot, cold, plan): (&Hot, &Cold, &Plan),
    meta: &Meta,
    at: i64,
) {
    let pattern = std::mem::take(&mut verdict.weights[Feature::Pattern as usize]);
    let mixed = mix(&verdict.odds, &verdict.weights);
    verdict.weights[Feature::Pattern as usize] = pattern;
    let is_joint = verdict.weights[Feature::Lanes as usize] > 0.0;
    let mixed = if is_joint { mixed } else { hot.joint.correct(mixed) };
    let sensitivity = plan.threshold.sensitivity as f32;
    let whole = |pattern: f32| smaller(larger(mixed, pattern) * sensitivity, MOST);
    verdict.evidence = whole(verdict.novelty.evidence);
    verdict.plain_evidence = whole(verdict.novelty.plain);
    mind_labels(verdict, (hot, cold, plan), meta, at);
}

/// Adds what the pattern says, with what all others say.
fn weigh_pattern(verdict: &mut Judgement, hot: &Hot, others: f32) {
    let mut novelty = verdict.novelty.joined(others);
    if verdict.reading.flat {
        let most = believable(hot, verdict.reading.step.deviation);
        novelty.evidence = smaller(novelty.evidence, most);
        novelty.plain = smaller(novelty.plain, most);
    }
    verdict.novelty = novelty;
    verdict.nominal[Feature::Pattern as usize] = novelty.rarity;
    verdict.odds[Feature::Pattern as usize] = rough_exp2(smaller(novelty.evidence, MOST) / LOG10_2);
    // It knows its own history and needs no other's consent.
    verdict.weights[Feature::Pattern as usize] = verdict.weights.iter().sum();
}

//! Why: a detection in figures and words. Owns contributions, expected range,
//! direction and severity; changes no profile. Called when a detection opens or
//! peaks and for events whose scores were asked for. Invariant E-2: the
//! contributions sum to the evidence.

mod context;
mod counterfactual;
mod sentence;

use via_types::config::{Explain, Priority};
use via_types::detection::{Contribution, Direction, Expected, State};
use via_types::{Detection, DetectionId, Detector, Severity, StreamId, Timestamp};

use crate::VERSION;
use crate::ensemble::{score, shares};
use crate::judge::{FROM_ZERO, Judgement, Sample};
use crate::math::exp2;
use crate::meta::LABELS_TERM;
use crate::peers::Habits;
use crate::plan::Plan;
use crate::profile::{Cold, FEATURES, Feature, Hot};

/// Lanes named in an explanation; the rest are one term.
const NAMED: usize = 8;
/// Shares below this are left to the rest.
const NEGLIGIBLE: f64 = 1e-4;
/// Standard deviations of the range called normal.
const NORMAL: f64 = 3.0;

/// Ranges no wider than this, relative to their middle, are those of a line that
/// never moved.
const UNMOVED: f64 = 1e-8;

/// An event with everything that was known when it was judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case<'a> {
    pub(crate) hot: &'a Hot,
    pub(crate) cold: &'a Cold,
    pub(crate) plan: &'a Plan,
    pub(crate) habits: &'a Habits,
    pub(crate) sample: &'a Sample<'a>,
    pub(crate) verdict: &'a Judgement,
    /// The stream's lane names, by number.
    pub(crate) names: &'a [String],
    /// Evidence from which on there is a detection.
    pub(crate) limit: f32,
}

/// Returns the detection of an event; `attributes` are the caller's to add.
pub(crate) fn explain(case: &Case<'_>, id: DetectionId) -> Detection {
    let at = Timestamp::from_nanos(case.sample.at);
    let terms = contributions(case);
    let evidence: f64 = terms.iter().map(|term| term.evidence).sum();
    let feature = strongest(case.verdict);
    let level = case.plan.explain;
    let is_value = feature.detector() == Detector::Distribution && feature != Feature::Lanes;
    // Of several values the one that deviates most, as what was expected is.
    let lane = if feature == Feature::Lanes { hottest(case) } else { None };
    let percentile = is_value.then(|| case.hot.values.percentile(case.sample.value));
    Detection {
        id,
        stream: StreamId::new(case.hot.stream),
        entity: case.cold.key.to_string(),
        started: at,
        peaked: at,
        last: at,
        state: State::Open,
        events: 1,
        score: score(evidence),
        evidence,
        threshold: score(f64::from(case.limit)),
        severity: severity(case, evidence, 1),
        detector: feature.detector(),
        direction: direction(case, feature),
        value: lane.map_or(case.sample.value, |(_, value)| value),
        expected: if level == Explain::None { None } else { expected(case, feature) },
        percentile: if level == Explain::None { None } else { percentile },
        context: if level == Explain::Full { context::context(case) } else { Vec::new() },
        counterfactual: if level == Explain::Full {
            counterfactual::counterfactual(case, feature, &terms)
        } else {
            None
        },
        actions: if level == Explain::Full {
            context::actions(feature, direction(case, feature))
        } else {
            Vec::new()
        },
        reason: sentence::sentence(case, feature, &terms),
        contributions: if level == Explain::None { Vec::new() } else { terms },
        attributes: String::new(),
        revision: case.plan.revision,
        engine: VERSION,
    }
}

/// Returns the sentence for an event that is remarkable.
pub(crate) fn reason(case: &Case<'_>) -> String {
    sentence::sentence(case, strongest(case.verdict), &contributions(case))
}

/// Returns the feature with the largest share.
pub(crate) fn strongest(verdict: &Judgement) -> Feature {
    let parts = shares(&verdict.odds, &verdict.weights);
    let mut best = 0;
    for feature in 1..FEATURES {
        if parts[feature] > parts[best] {
            best = feature;
        }
    }
    Feature::ALL[best]
}

/// Returns what labels add to the evidence or take from it, if anything.
fn labels_term(verdict: &Judgement) -> Option<Contribution> {
    let (evidence, whole) = (f64::from(verdict.evidence), f64::from(verdict.unlabelled));
    (evidence != whole).then(|| Contribution {
        detector: strongest(verdict).detector(),
        feature: LABELS_TERM.to_owned(),
        evidence: evidence - whole,
        observed: evidence,
        expected: whole,
    })
}

/// Returns the terms of the evidence, largest first, then what labels changed
/// (invariant E-2).
pub(crate) fn contributions(case: &Case<'_>) -> Vec<Contribution> {
    let verdict = case.verdict;
    let whole = f64::from(verdict.unlabelled);
    let parts = shares(&verdict.odds, &verdict.weights);
    let mut terms = Vec::with_capacity(FEATURES);
    let mut rest = 0.0;
    for feature in Feature::ALL {
        let share = parts[feature as usize];
        if share <= NEGLIGIBLE {
            rest += share;
        } else if feature == Feature::Lanes {
            lane_terms(case, share * whole, &mut terms);
        } else {
            terms.push(term(case, feature, share * whole));
        }
    }
    if let Some(first) = terms.first_mut() {
        first.evidence += rest * whole;
    }
    terms.sort_by(|a, b| b.evidence.total_cmp(&a.evidence));
    terms.extend(labels_term(verdict));
    terms
}

fn term(case: &Case<'_>, feature: Feature, evidence: f64) -> Contribution {
    let (observed, expected) = measured(case, feature);
    let feature_name = feature.name().to_owned();
    Contribution {
        detector: feature.detector(),
        feature: feature_name,
        evidence,
        observed,
        expected,
    }
}

/// Returns what a feature measured and what it expected, in the same unit.
fn measured(case: &Case<'_>, feature: Feature) -> (f64, f64) {
    let (hot, verdict) = (case.hot, case.verdict);
    let reading = &verdict.reading;
    let width = hot.width_secs();
    match feature {
        Feature::Value => (case.sample.value, hot.usual()),
        Feature::Step => (case.sample.value, reading.step.expected + hot.offset),
        Feature::Level => {
            let expected = reading.level.expected + hot.offset;
            (expected + reading.level.deviation, expected)
        }
        Feature::Spread => (exp2(reading.spread.deviation), 1.0),
        Feature::Pattern => {
            let point = verdict.point.unwrap_or(case.sample.value);
            let series = case.cold.series.as_ref();
            (point, series.map_or(point, |series| series.patterns.similar(&verdict.novelty)))
        }
        Feature::Gap => (f64::from(hot.gaps.quick), f64::from(hot.gaps.mean)),
        Feature::Lanes => {
            let usual = case.cold.lanes.as_ref().map_or(0.0, |lanes| lanes.joint.usual());
            (verdict.joined.heat(), usual)
        }
        Feature::Rate => {
            let expected = verdict.closing.rate.map_or(0.0, |counted| counted.expected);
            (verdict.closing.observed / width, expected / width)
        }
        Feature::Distinct => {
            let expected = verdict.closing.distinct.map_or(0.0, |counted| counted.expected);
            (verdict.closing.marks, expected)
        }
    }
}

/// Splits the evidence of the lanes together by their share of the heat.
fn lane_terms(case: &Case<'_>, evidence: f64, terms: &mut Vec<Contribution>) {
    let Some(lanes) = &case.cold.lanes else { return };
    let mut heats: Vec<(usize, f64, f64)> = case
        .sample
        .lanes
        .values()
        .filter_map(|(number, value)| {
            let deviation = lanes.lanes.get(number)?.assess(value);
            Some((number, value, deviation.heat))
        })
        .collect();
    heats.sort_by(|a, b| b.2.total_cmp(&a.2).then(a.0.cmp(&b.0)));
    let whole: f64 = heats.iter().map(|(_, _, heat)| heat).sum();
    let mut told = 0.0;
    for (number, value, heat) in heats.into_iter().take(NAMED) {
        if whole > 0.0 && heat > 0.0 {
            let part = evidence * heat / whole;
            told += part;
            terms.push(Contribution {
                detector: Detector::Distribution,
                feature: case.names.get(number).cloned().unwrap_or_default(),
                evidence: part,
                observed: value,
                expected: lanes.lanes[number].assess(value).mean,
            });
        }
    }
    if (evidence - told).abs() > 1e-9 {
        let mut others = term(case, Feature::Lanes, evidence - told);
        others.feature = "other values".to_owned();
        terms.push(others);
    }
}

/// Returns the range that would have been normal for the value, whatever else
/// deviated; none before there are two values to know it from.
pub(crate) fn expected(case: &Case<'_>, feature: Feature) -> Option<Expected> {
    if case.hot.level.count < 2.0 {
        return None;
    }
    let is_forecast = feature == Feature::Step;
    Some(value_range(case, if is_forecast { feature } else { Feature::Value }))
}

/// Returns the range that would have been normal for a feature, in its unit.
pub(crate) fn normal(case: &Case<'_>, feature: Feature) -> Option<Expected> {
    let hot = case.hot;
    let range = match feature {
        Feature::Value | Feature::Step | Feature::Level | Feature::Spread | Feature::Pattern => {
            return (hot.level.count >= 2.0).then(|| value_range(case, feature));
        }
        Feature::Rate => {
            let season = hot.bucket.season;
            let (low, high) = hot.rate.range(NORMAL as f32, season);
            let value = hot.rate.range(0.0, season).0;
            let width = hot.width_secs();
            Expected { value: value / width, low: low / width, high: high / width }
        }
        Feature::Distinct => {
            let (low, high) = hot.distinct.range(NORMAL as f32);
            Expected { value: hot.distinct.range(0.0).0, low, high }
        }
        Feature::Gap => {
            let mean = f64::from(hot.gaps.mean);
            Expected { value: mean, low: 0.0, high: mean * 4.0 }
        }
        Feature::Lanes => {
            let (number, value) = hottest(case)?;
            let deviation = case.cold.lanes.as_ref()?.lanes.get(number)?.assess(value);
            let reach = NORMAL * deviation.sd;
            Expected {
                value: deviation.mean,
                low: deviation.mean - reach,
                high: deviation.mean + reach,
            }
        }
    };
    Some(range)
}

fn value_range(case: &Case<'_>, feature: Feature) -> Expected {
    let hot = case.hot;
    let reading = &case.verdict.reading;
    if feature == Feature::Step {
        return around(reading.step.expected + hot.offset, reading.scale);
    }
    if feature == Feature::Level {
        // Means of many values stray less than values do.
        return around(reading.level.expected + hot.offset, reading.level_scale);
    }
    let range = around(hot.level.mean + hot.offset, hot.level.deviation());
    let seen = hot.values.quantile(0.005).zip(hot.values.quantile(0.995));
    match seen {
        Some((least, most))
            if feature == Feature::Value && least <= range.value && range.value <= most =>
        {
            Expected { low: range.low.max(least), high: range.high.min(most), ..range }
        }
        Some(_) | None => range,
    }
}

/// Returns the normal range around `value`; of a line that never moved, a point.
fn around(value: f64, deviation: f64) -> Expected {
    let reach = NORMAL * deviation;
    let reach = if reach <= value.abs() * UNMOVED + 1e-30 { 0.0 } else { reach };
    Expected { value, low: value - reach, high: value + reach }
}

/// Returns the lane that deviates most, and its value.
pub(crate) fn hottest(case: &Case<'_>) -> Option<(usize, f64)> {
    let lanes = case.cold.lanes.as_ref()?;
    let mut best: Option<(usize, f64, f64)> = None;
    for (number, value) in case.sample.lanes.values() {
        let heat = lanes.lanes.get(number).map_or(0.0, |lane| lane.assess(value).heat);
        if best.is_none_or(|(_, _, most)| heat > most) {
            best = Some((number, value, heat));
        }
    }
    best.map(|(number, value, _)| (number, value))
}

/// Returns which way a feature deviated.
pub(crate) fn direction(case: &Case<'_>, feature: Feature) -> Direction {
    let verdict = case.verdict;
    let sign = match feature {
        Feature::Value | Feature::Step | Feature::Pattern => {
            let (observed, expected) = measured(case, feature);
            observed - expected
        }
        Feature::Level => verdict.reading.level.deviation,
        Feature::Spread => verdict.reading.spread.deviation,
        Feature::Gap if verdict.gapped.is_faster() => 1.0,
        Feature::Gap => -1.0,
        Feature::Rate => verdict.closing.rate.map_or(0.0, |counted| counted.z),
        Feature::Distinct => verdict.closing.distinct.map_or(0.0, |counted| counted.z),
        Feature::Lanes => hottest(case).map_or(0.0, |(number, value)| {
            let lane = case.cold.lanes.as_ref().and_then(|lanes| lanes.lanes.get(number));
            lane.map_or(0.0, |lane| value - lane.assess(value).mean)
        }),
    };
    if sign > 0.0 {
        Direction::Above
    } else if sign < 0.0 {
        Direction::Below
    } else {
        Direction::Changed
    }
}

/// Returns how much it matters: from how far evidence exceeds the limit, how
/// long it lasts, and how large the deviation is for somebody who looks at it.
pub(crate) fn severity(case: &Case<'_>, evidence: f64, events: u64) -> Severity {
    let excess = evidence / f64::from(case.limit.max(0.5));
    let mut rank = if excess >= 3.0 {
        3
    } else if excess >= 2.0 {
        2
    } else {
        usize::from(excess >= 1.3)
    };
    if events >= 16 {
        rank += 1;
    }
    let most = ceiling(case);
    let feature = strongest(case.verdict);
    let (observed, expected) = measured(case, feature);
    let size = expected.abs().max(case.hot.level.deviation());
    let relative = (observed - expected).abs() / size.max(1e-30);
    let is_value = matches!(feature, Feature::Value | Feature::Step | Feature::Level);
    if is_value && relative < 0.05 {
        rank = rank.min(1);
    }
    let rank = match case.plan.priority {
        Priority::Low => rank.saturating_sub(1),
        Priority::Normal => rank,
        Priority::High => rank + 1,
    };
    Severity::ALL[rank.min(3)].min(most)
}

/// Returns the most an anomaly may matter: nobody knows what a step of a line
/// that never moved means, unless it is large for the line.
pub(crate) fn ceiling(case: &Case<'_>) -> Severity {
    let feature = strongest(case.verdict);
    if feature.detector() != Detector::Distribution || !case.hot.level.is_flat() {
        return Severity::Critical;
    }
    let usual = case.hot.usual().abs();
    let relative = (case.sample.value - case.hot.usual()).abs() / usual.max(1e-300);
    let is_large = relative > 1.0 && relative < FROM_ZERO;
    if is_large { Severity::High } else { Severity::Medium }
}

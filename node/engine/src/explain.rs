//! Why: a detection in figures and words. Owns contributions, expected range,
//! direction and severity; changes no profile. Called when a detection opens or
//! peaks and for events whose scores were asked for. Invariant E-2: the
//! contributions sum to the evidence.

pub(crate) mod columns;
mod context;
mod counterfactual;
mod course;
mod forest;
mod sentence;
mod severity;

pub(crate) use columns::shown_lane;
use columns::{hottest, lane_terms};
use severity::relative;
use via_types::calendar::Calendar;
use via_types::config::Explain;
use via_types::detection::{Contribution, Direction, Expected, Similar, State};
use via_types::{Detection, DetectionId, Detector, StreamId, Timestamp};

pub(crate) use severity::{Lasting, ceiling, severity};

use crate::ensemble::{score, shares};
use crate::judge::{Judgement, Sample};
use crate::math::exp2;
use crate::meta::LABELS_TERM;
use crate::newcomer::NEW_ENTITY;
use crate::peers::Habits;
use crate::plan::Plan;
use crate::precedent::{Kind, number_of};
use crate::profile::{Cold, FEATURES, Feature, Hot};

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
    /// What the stream's owner knows of time.
    pub(crate) calendar: &'a Calendar,
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
    let is_full = level == Explain::Full;
    // Of several values the one that deviates most, as what was expected is.
    let lane = shown_lane(case, feature);
    let is_value = feature.detector() == Detector::Distribution && lane.is_none();
    let percentile = is_value.then(|| case.hot.values.percentile(case.sample.value));
    let similar = if is_full { similar(case) } else { Vec::new() };
    let context = if is_full { context::context(case, feature, &similar) } else { Vec::new() };
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
        severity: severity(case, evidence, Lasting::default()),
        detector: detector(case, feature),
        direction: direction(case, feature),
        value: lane.map_or(case.sample.value, |(_, value)| value),
        expected: if level == Explain::None { None } else { expected(case, feature) },
        percentile: if level == Explain::None { None } else { percentile },
        context,
        similar,
        counterfactual: if is_full {
            counterfactual::counterfactual(case, feature, &terms)
        } else {
            None
        },
        actions: if is_full { context::actions(case, feature) } else { Vec::new() },
        reason: sentence::sentence(case, feature, &terms),
        contributions: if level == Explain::None { Vec::new() } else { terms },
        attributes: String::new(),
        revision: case.plan.revision,
        engine: case.plan.version,
    }
}

/// Returns the detector that speaks by a feature.
fn detector(case: &Case<'_>, feature: Feature) -> Detector {
    let test = if feature == Feature::Course { course::leading(case) } else { None };
    test.map_or(feature.detector(), |test| test.detector())
}

/// Returns what the detection is about, to compare it with others.
pub(crate) fn kind(case: &Case<'_>) -> Kind {
    let feature = strongest(case.verdict);
    let named = if feature == Feature::Lanes { hottest(case) } else { None };
    let name = named.and_then(|(number, _)| case.names.get(number));
    Kind {
        feature,
        name: name.map_or(0, |name| number_of(name)),
        direction: direction(case, feature),
        size: relative(case, feature) as f32,
    }
}

fn similar(case: &Case<'_>) -> Vec<Similar> {
    let ended = case.cold.history.as_ref().and_then(|history| history.ended.as_ref());
    ended.map_or_else(Vec::new, |ended| ended.similar(kind(case), None))
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
fn labels_term(case: &Case<'_>) -> Option<Contribution> {
    let verdict = case.verdict;
    let (evidence, whole) = (f64::from(verdict.evidence), f64::from(verdict.unlabelled));
    (evidence != whole).then(|| Contribution {
        detector: detector(case, strongest(verdict)),
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
        } else if feature == Feature::Forest {
            forest::terms(case, share * whole, &mut terms);
        } else if feature == Feature::Course {
            course::terms(case, share * whole, &mut terms);
        } else {
            terms.push(term(case, feature, share * whole));
        }
    }
    if let Some(first) = terms.first_mut() {
        first.evidence += rest * whole;
    }
    terms.sort_by(|a, b| b.evidence.total_cmp(&a.evidence));
    terms.extend(labels_term(case));
    terms
}

fn term(case: &Case<'_>, feature: Feature, evidence: f64) -> Contribution {
    let (observed, expected) = measured(case, feature);
    let is_new = feature == Feature::Distinct && case.verdict.newcomer.is_some();
    Contribution {
        detector: feature.detector(),
        feature: if is_new { NEW_ENTITY } else { feature.name() }.to_owned(),
        evidence,
        observed,
        expected,
    }
}

/// Returns what a feature measured and what it expected, in the same unit.
pub(crate) fn measured(case: &Case<'_>, feature: Feature) -> (f64, f64) {
    let (hot, verdict) = (case.hot, case.verdict);
    let reading = &verdict.reading;
    let width = counted_secs(case);
    match feature {
        Feature::Value => (case.sample.value, hot.usual()),
        Feature::Step => (case.sample.value, reading.step.expected + hot.offset),
        Feature::Level => {
            let expected = reading.level.expected + hot.offset;
            (expected + reading.level.deviation, expected)
        }
        Feature::Spread => (exp2(reading.spread.deviation), 1.0),
        Feature::Pattern => (verdict.point.unwrap_or(case.sample.value), next(case)),
        Feature::Gap => (f64::from(hot.gaps.quick), f64::from(hot.gaps.mean)),
        Feature::Forest => forest::measured(case),
        Feature::Course => course::leading(case).map_or((0.0, 0.0), |test| test.measured(case)),
        Feature::Lanes => {
            let usual = case.cold.lanes.as_ref().map_or(0.0, |lanes| lanes.joint.usual());
            (verdict.joined.heat(), usual)
        }
        Feature::Rate => {
            let expected = verdict.closing.rate.map_or(0.0, |counted| counted.expected);
            (verdict.closing.observed / width, expected / width)
        }
        Feature::Distinct => match &verdict.newcomer {
            Some(newcomer) => newcomer.measured(),
            None => {
                let expected = verdict.closing.distinct.map_or(0.0, |counted| counted.expected);
                (verdict.closing.marks, expected)
            }
        },
    }
}

/// Returns what was expected of the next point: by its forecast where each event
/// is one, else the level.
fn next(case: &Case<'_>) -> f64 {
    let (hot, verdict) = (case.hot, case.verdict);
    if verdict.closing.mean.is_some() {
        return hot.level.mean + hot.offset;
    }
    verdict.reading.step.expected + hot.offset
}

/// Returns the width of the bucket whose counts are judged, seconds: one that has
/// ended may have been narrower or wider than the next.
pub(crate) fn counted_secs(case: &Case<'_>) -> f64 {
    let closing = &case.verdict.closing;
    if closing.has_ended {
        (1u64 << closing.shift.min(62)) as f64 / 1e9
    } else {
        case.hot.width_secs()
    }
}

/// Returns the range that would have been normal for what is shown as the value,
/// whatever else deviated; none before there are two values to know it from. The
/// one range there is of a detection: its sentence names no other.
pub(crate) fn expected(case: &Case<'_>, feature: Feature) -> Option<Expected> {
    if shown_lane(case, feature).is_some() {
        return lane_range(case);
    }
    if case.hot.level.count < 2.0 {
        return None;
    }
    let is_forecast = feature == Feature::Step;
    Some(value_range(case, if is_forecast { feature } else { Feature::Value }))
}

/// Returns the normal range of the lane that deviates most.
fn lane_range(case: &Case<'_>) -> Option<Expected> {
    let (number, value) = hottest(case)?;
    let deviation = case.cold.lanes.as_ref()?.lanes.get(number)?.assess(value);
    let reach = NORMAL * deviation.sd;
    Some(Expected {
        value: deviation.mean,
        low: deviation.mean - reach,
        high: deviation.mean + reach,
    })
}

fn value_range(case: &Case<'_>, feature: Feature) -> Expected {
    let range = any_value_range(case, feature);
    let least = case.hot.least_normal();
    Expected {
        value: range.value.max(least),
        low: range.low.max(least),
        high: range.high.max(least),
    }
}

fn any_value_range(case: &Case<'_>, feature: Feature) -> Expected {
    let hot = case.hot;
    let reading = &case.verdict.reading;
    let seen = hot.values.quantile(0.005).zip(hot.values.quantile(0.995));
    let range = if feature == Feature::Step {
        around(reading.step.expected + hot.offset, reading.scale)
    } else {
        around(hot.level.mean + hot.offset, hot.level.deviation())
    };
    match seen {
        Some((least, most))
            if feature == Feature::Value && least <= range.value && range.value <= most =>
        {
            Expected { low: range.low.max(least), high: range.high.min(most), ..range }
        }
        // What was never below zero is not expected there.
        Some((least, _)) if least >= 0.0 && range.value >= 0.0 => {
            Expected { low: range.low.max(0.0), ..range }
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

/// Returns which way a feature deviated.
pub(crate) fn direction(case: &Case<'_>, feature: Feature) -> Direction {
    let verdict = case.verdict;
    let sign = match feature {
        Feature::Course => {
            return course::leading(case).map_or(Direction::Changed, |test| test.direction());
        }
        Feature::Forest if !case.sample.lanes.lanes.is_empty() => {
            return direction(case, Feature::Lanes);
        }
        Feature::Value | Feature::Step | Feature::Pattern | Feature::Forest => {
            let (observed, expected) = measured(case, feature);
            observed - expected
        }
        Feature::Level => verdict.reading.level.deviation,
        Feature::Spread => verdict.reading.spread.deviation,
        Feature::Gap if verdict.gapped.is_faster() => 1.0,
        Feature::Gap => -1.0,
        Feature::Rate => verdict.closing.rate.map_or(0.0, |counted| counted.z),
        Feature::Distinct if verdict.newcomer.is_some() => 1.0,
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

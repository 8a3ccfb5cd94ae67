//! Several named values of one event: which of them are off, and what each adds.
//! Owns what is named and what is the rest; refuses to judge.

use via_types::{Contribution, Detector};

use crate::explain::{Case, term};
use crate::profile::Feature;

/// Lanes named in an explanation; the rest are one term.
pub(crate) const NAMED: usize = 8;
/// Heat from which on a lane is off itself, rather than beside one that is.
const OFF: f64 = 3.0;

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

/// Splits the evidence of the lanes together by their share of the heat. Lanes
/// that are not off are not named: they are the rest.
pub(crate) fn lane_terms(case: &Case<'_>, evidence: f64, terms: &mut Vec<Contribution>) {
    let Some(lanes) = &case.cold.lanes else { return };
    let mut heats: Vec<(usize, f64, f64)> = case
        .sample
        .lanes
        .values()
        .filter_map(|(number, value)| {
            let heat = lanes.lanes.get(number)?.assess(value).heat;
            // A tie that breaks is in both its lanes, though neither is off.
            let is_apart = case.verdict.joined.apart.is_some_and(|pair| pair.contains(&number));
            Some((number, value, if is_apart { heat.max(OFF) } else { heat }))
        })
        .collect();
    heats.sort_by(|a, b| b.2.total_cmp(&a.2).then(a.0.cmp(&b.0)));
    let whole: f64 = heats.iter().map(|(_, _, heat)| heat).sum();
    let mut told = 0.0;
    for (place, (number, value, heat)) in heats.into_iter().take(NAMED).enumerate() {
        if whole > 0.0 && (heat >= OFF || place == 0 && heat > 0.0) {
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

/// Says whether the lane of this name is off itself, and by half as much as the
/// hottest at least: what chance has moved a little is innocent.
pub(crate) fn is_off(case: &Case<'_>, name: &str) -> bool {
    let Some(lanes) = &case.cold.lanes else { return false };
    let (mut most, mut own) = (0.0f64, 0.0);
    for (number, value) in case.sample.lanes.values() {
        let heat = lanes.lanes.get(number).map_or(0.0, |lane| lane.assess(value).heat);
        most = most.max(heat);
        if case.names.get(number).is_some_and(|known| known == name) {
            own = heat;
        }
    }
    own >= OFF && own >= 0.5 * most
}

/// Returns the lane that is shown as the value, if one is: the hottest, where the
/// lanes are what deviates or all that the event has.
pub(crate) fn shown_lane(case: &Case<'_>, feature: Feature) -> Option<(usize, f64)> {
    let is_of_lanes = matches!(feature, Feature::Lanes | Feature::Forest);
    let has_only_lanes = || case.hot.level.is_flat() && case.sample.value == case.hot.usual();
    if is_of_lanes || has_only_lanes() { hottest(case) } else { None }
}

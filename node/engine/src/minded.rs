//! Which deviations a stream minds: those of the side and of the size that its
//! configuration asks for, however rare others are. Owns what is left of an
//! event's evidence without the others; refuses to know when evidence is enough.
//! Called by `verdict` when a detection would open or go on and by `explain` for
//! counterfactuals (invariant E-2).

use via_types::config::{Side, Threshold};
use via_types::detection::Direction;

use crate::explain::columns::hottest;
use crate::explain::{Case, direction, measured};
use crate::judge::Judgement;
use crate::plan::Plan;
use crate::profile::Feature;
use crate::weigh::combine;

/// Says whether a threshold asks for more than rarity.
pub(crate) fn is_choosy(threshold: &Threshold) -> bool {
    let least = threshold.min_deviation;
    threshold.direction != Side::Any || least.absolute > 0.0 || least.relative > 0.0
}

/// Returns what `case` says without the deviations that are not minded; its other
/// figures stay as they are.
pub(crate) fn minded(case: &Case<'_>) -> Judgement {
    let mut verdict = *case.verdict;
    for feature in Feature::ALL {
        let speaks = verdict.odds[feature as usize] > 1.0;
        if speaks && !is_minded(case, feature) {
            verdict.odds[feature as usize] = 1.0;
            if feature == Feature::Pattern {
                verdict.novelty.evidence = 0.0;
                verdict.novelty.plain = 0.0;
            }
        }
    }
    let (entity, meta) = ((case.hot, case.cold, case.plan), &case.habits.meta);
    combine(&mut verdict, entity, meta, case.sample.at);
    verdict
}

/// Says whether the deviation of a feature is minded.
fn is_minded(case: &Case<'_>, feature: Feature) -> bool {
    let threshold = asking(case.plan, feature);
    // Scatter has no side: what made it does.
    let feature = if feature == Feature::Spread { Feature::Step } else { feature };
    let is_side = match threshold.direction {
        Side::Any => true,
        Side::Above => direction(case, feature) == Direction::Above,
        Side::Below => direction(case, feature) == Direction::Below,
    };
    is_side && is_large(case, feature, threshold)
}

/// Returns the threshold that a feature has to meet: its detector's own, where it
/// has one.
fn asking(plan: &Plan, feature: Feature) -> &Threshold {
    plan.own[feature.detector() as usize].as_ref().unwrap_or(&plan.threshold)
}

fn is_large(case: &Case<'_>, feature: Feature, threshold: &Threshold) -> bool {
    let least = threshold.min_deviation;
    let (observed, expected) = match hottest(case) {
        // Of several values the one that deviates most.
        Some((number, value)) if feature == Feature::Lanes => {
            let lane = case.cold.lanes.as_ref().and_then(|lanes| lanes.lanes.get(number));
            (value, lane.map_or(value, |lane| lane.assess(value).mean))
        }
        Some(_) | None => measured(case, feature),
    };
    let size = (observed - expected).abs();
    // Times and counts are not in the value's unit.
    let is_value = matches!(
        feature,
        Feature::Value | Feature::Step | Feature::Level | Feature::Pattern | Feature::Lanes
    );
    (!is_value || size >= least.absolute) && size >= least.relative * expected.abs()
}

//! How much a detection matters. Owns the ranks; refuses to know budgets and
//! thresholds, which decide whether there is one.

use via_types::config::Priority;
use via_types::{Detector, Severity};

use crate::explain::{Case, measured, strongest};
use crate::judge::FROM_ZERO;
use crate::profile::Feature;

/// Events and seconds after which an anomaly lasts: a burst of many events within
/// a moment does not.
const LASTS: (u64, f32) = (16, 10.0);
/// Deviations below this, relative to what was expected, hardly matter.
const SLIGHT: f64 = 0.05;

/// How long an anomaly has lasted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Lasting {
    pub(crate) events: u64,
    pub(crate) secs: f32,
}

/// Returns how much it matters: from how far evidence exceeds the limit, how
/// long it lasts, and how large the deviation is for somebody who looks at it.
pub(crate) fn severity(case: &Case<'_>, evidence: f64, lasting: Lasting) -> Severity {
    let excess = evidence / f64::from(case.limit.max(0.5));
    let mut rank = if excess >= 3.0 {
        3
    } else if excess >= 2.0 {
        2
    } else {
        usize::from(excess >= 1.3)
    };
    rank += usize::from(lasting.events >= LASTS.0 && lasting.secs >= LASTS.1);
    let feature = strongest(case.verdict);
    let is_amount = match feature {
        Feature::Value | Feature::Step | Feature::Level => true,
        Feature::Rate | Feature::Distinct | Feature::Gap => true,
        // Courses, scatter and several values have no amount of their own.
        Feature::Pattern | Feature::Spread | Feature::Lanes => false,
        Feature::Forest | Feature::Course => false,
    };
    if is_amount && relative(case, feature) < SLIGHT {
        rank = rank.min(1);
    }
    let rank = match case.plan.priority {
        Priority::Low => rank.saturating_sub(1),
        Priority::Normal => rank,
        Priority::High => rank + 1,
    };
    Severity::ALL[rank.min(3)].min(ceiling(case))
}

/// Returns how far off a feature is, relative to what was expected, or to how
/// values usually deviate where that is more.
pub(crate) fn relative(case: &Case<'_>, feature: Feature) -> f64 {
    let (observed, expected) = measured(case, feature);
    let scale = if is_of_values(feature) { case.hot.level.deviation() } else { 0.0 };
    let size = expected.abs().max(scale).max(1e-30);
    (observed - expected).abs() / size
}

fn is_of_values(feature: Feature) -> bool {
    feature.detector() == Detector::Distribution && feature != Feature::Lanes
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

//! What the forest has to say, in figures and words: which of the values stand
//! apart. Owns the split of its evidence among them; refuses to judge.

use via_types::Detector;
use via_types::detection::Contribution;

use crate::explain::Case;
use crate::explain::columns::{NAMED, hottest};
use crate::explain::sentence::figure;
use crate::judge::with_row;
use crate::profile::Feature;

/// Shares below this are left to the largest.
const NEGLIGIBLE: f64 = 0.02;

/// Returns the value and what it usually is: of named values, those of the one
/// that deviates most.
pub(crate) fn measured(case: &Case<'_>) -> (f64, f64) {
    if let Some((number, value)) = hottest(case)
        && let Some(lane) = case.cold.lanes.as_ref().and_then(|lanes| lanes.lanes.get(number))
    {
        return (value, lane.assess(value).mean);
    }
    (case.verdict.point.unwrap_or(case.sample.value), case.hot.usual())
}

/// Appends the terms of `evidence`: one of a series, one for each named value
/// with a share of it.
pub(crate) fn terms(case: &Case<'_>, evidence: f64, terms: &mut Vec<Contribution>) {
    let Some(grove) = case.cold.grove() else { return };
    let (observed, expected) = measured(case);
    let whole = Contribution {
        detector: Detector::Forest,
        feature: Feature::Forest.name().to_owned(),
        evidence,
        observed,
        expected,
    };
    let Some(lanes) = case.cold.lanes.as_ref().filter(|_| case.verdict.point.is_none()) else {
        terms.push(whole);
        return;
    };
    let shares = with_row(None, case.sample, case.cold, |row| grove.shares(row));
    let mut told: Vec<(usize, f64)> =
        shares.into_iter().enumerate().filter(|(_, share)| *share >= NEGLIGIBLE).collect();
    told.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    told.truncate(NAMED);
    let sum: f64 = told.iter().map(|(_, share)| share).sum();
    if told.is_empty() || sum <= 0.0 {
        terms.push(whole);
        return;
    }
    for (number, share) in told {
        let present = case.sample.lanes.values().find(|(lane, _)| *lane == number);
        let (observed, expected) = present
            .and_then(|(_, value)| Some((value, lanes.lanes.get(number)?.assess(value).mean)))
            .unwrap_or_default();
        terms.push(Contribution {
            detector: Detector::Forest,
            feature: case.names.get(number).cloned().unwrap_or_default(),
            evidence: evidence * share / sum,
            observed,
            expected,
        });
    }
}

/// Returns one sentence.
pub(crate) fn sentence(case: &Case<'_>) -> String {
    let (observed, expected) = measured(case);
    match hottest(case) {
        Some((number, _)) => {
            let name = case.names.get(number).map_or("a value", String::as_str);
            format!(
                "its values stand together as never before, first of all {name} {} where about {} is usual",
                figure(observed),
                figure(expected)
            )
        }
        None => {
            format!("the last values together are unlike any before, now {}", figure(observed))
        }
    }
}

//! The smallest change that would have made an event unremarkable. Owns the
//! search; asks `judge` again with other values. Invariant E-2: the engine,
//! fed with the promised value instead, gives the promised score.

use via_types::detection::{Contribution, Counterfactual};

use crate::ensemble::quiet_score;
use crate::explain::{Case, hottest};
use crate::judge::{Judgement, Sample, judge};
use crate::profile::Feature;

/// Halvings of the interval between normal and observed.
const HALVINGS: usize = 40;

/// Returns the value nearest to the observed one that would have stayed below
/// the limit; none when no value of one quantity would have.
pub(crate) fn counterfactual(
    case: &Case<'_>,
    feature: Feature,
    terms: &[Contribution],
) -> Option<Counterfactual> {
    match feature {
        Feature::Value | Feature::Step | Feature::Level | Feature::Spread | Feature::Pattern => {
            let hot = case.hot;
            let starts = [
                case.verdict.reading.step.expected + hot.offset,
                hot.values.quantile(0.5).unwrap_or(hot.level.mean),
                hot.level.mean + hot.offset,
            ];
            let observed = case.sample.value;
            let ask = |value: f64| evidences(case, &Sample { value, ..*case.sample });
            let value =
                starts.into_iter().find_map(|start| nearest(case, start, observed, &ask))?;
            let score = promised(case, ask(value));
            Some(Counterfactual { feature: "value".to_owned(), value, score })
        }
        Feature::Lanes => {
            let (number, observed) = hottest(case)?;
            let start = case.cold.lanes.as_ref()?.lanes.get(number)?.assess(observed).mean;
            let ask = |value: f64| {
                let mut sample = *case.sample;
                sample.lanes.instead = Some((number, value));
                evidences(case, &sample)
            };
            let value = nearest(case, start, observed, &ask)?;
            let score = promised(case, ask(value));
            let name = case.names.get(number).cloned();
            let feature = name.or_else(|| terms.first().map(|term| term.feature.clone()))?;
            Some(Counterfactual { feature, value, score })
        }
        Feature::Gap | Feature::Rate | Feature::Distinct => None,
    }
}

/// Returns the score of an event of such evidences, of which nothing is told.
fn promised(case: &Case<'_>, (_, plain): (f32, f32)) -> f64 {
    let is_point = case.verdict.point.is_some();
    f64::from(quiet_score(case.cold.stirred(case.sample, plain, is_point), case.limit))
}

/// Returns the evidence by which a detection opens, and that by which an event
/// is scored, which does not mind what was told before.
fn evidences(case: &Case<'_>, sample: &Sample<'_>) -> (f32, f32) {
    let mut verdict = Judgement::after(case.verdict.closing);
    judge(case.hot, case.cold, (case.plan, case.habits), sample, &mut verdict);
    (verdict.evidence, verdict.plain_evidence)
}

/// Searches between an unremarkable `start` and the observed value.
fn nearest(
    case: &Case<'_>,
    start: f64,
    observed: f64,
    ask: &dyn Fn(f64) -> (f32, f32),
) -> Option<f64> {
    if !start.is_finite() || ask(start).0 >= case.limit {
        return None;
    }
    let (mut calm, mut odd) = (start, observed);
    for _ in 0..HALVINGS {
        let middle = calm + (odd - calm) * 0.5;
        if ask(middle).0 >= case.limit {
            odd = middle;
        } else {
            calm = middle;
        }
    }
    Some(calm)
}

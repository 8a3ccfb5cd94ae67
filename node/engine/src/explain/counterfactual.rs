//! The smallest change that would have made an event unremarkable. Owns the
//! search; asks `judge` again with other figures. Invariant E-2: the engine, fed
//! with what is promised instead, gives the promised score.
//!
//! A rate promises nothing: fewer events or more are other gaps and another course
//! of values as well, of which nobody can say how they would have been judged.

use via_types::detection::{Contribution, Counterfactual};

use crate::close;
use crate::ensemble::quiet_score;
use crate::explain::Case;
use crate::explain::columns::hottest;
use crate::judge::{Closing, Judgement, Sample, judge};
use crate::minded::minded;
use crate::profile::{Cold, Feature, Hot};

/// Halvings of the interval between normal and observed.
const HALVINGS: usize = 40;

/// What the engine would have said.
#[derive(Clone, Copy, Debug)]
struct Asked {
    /// By which a detection opens.
    evidence: f32,
    /// By which an event is scored, which does not mind what was told before.
    plain: f32,
    is_point: bool,
}

/// What nobody may be promised.
const REFUSED: Asked = Asked { evidence: f32::INFINITY, plain: f32::INFINITY, is_point: false };

/// Returns the value nearest to the observed one that would have stayed below
/// the limit; none when no value of one quantity would have.
pub(crate) fn counterfactual(
    case: &Case<'_>,
    feature: Feature,
    terms: &[Contribution],
) -> Option<Counterfactual> {
    let is_of_lanes = feature == Feature::Forest && !case.sample.lanes.lanes.is_empty();
    match if is_of_lanes { Feature::Lanes } else { feature } {
        Feature::Value
        | Feature::Step
        | Feature::Level
        | Feature::Spread
        | Feature::Pattern
        | Feature::Forest => {
            let hot = case.hot;
            let starts = [
                case.verdict.reading.step.expected + hot.offset,
                hot.values.quantile(0.5).unwrap_or(hot.level.mean),
                hot.level.mean + hot.offset,
            ];
            let observed = case.sample.value;
            let ask = |value: f64| with_sample(case, &Sample { value, ..*case.sample });
            let found = starts.into_iter().find_map(|start| nearest(case, start, observed, &ask));
            Some(promise(case, "value", found?))
        }
        Feature::Lanes => {
            let (number, observed) = hottest(case)?;
            let start = case.cold.lanes.as_ref()?.lanes.get(number)?.assess(observed).mean;
            let ask = |value: f64| {
                let mut sample = *case.sample;
                sample.lanes.instead = Some((number, value));
                with_sample(case, &sample)
            };
            let found = nearest(case, start, observed, &ask)?;
            let name = case.names.get(number).map(String::as_str);
            let name = name.or_else(|| terms.first().map(|term| term.feature.as_str()))?;
            Some(promise(case, name, found))
        }
        Feature::Gap => gap(case),
        Feature::Distinct => distinct(case),
        Feature::Rate | Feature::Course => None,
    }
}

fn promise(case: &Case<'_>, feature: &str, (value, asked): (f64, Asked)) -> Counterfactual {
    Counterfactual { feature: feature.to_owned(), value, score: score(case, asked) }
}

/// Returns the score of an event of which nothing is told.
fn score(case: &Case<'_>, asked: Asked) -> f64 {
    let stirred = case.cold.stirred(case.sample, asked.plain, asked.is_point);
    f64::from(quiet_score(stirred, case.limit))
}

fn ask(case: &Case<'_>, (hot, cold): (&Hot, &Cold), sample: &Sample<'_>, after: Closing) -> Asked {
    let mut verdict = Judgement::after(after);
    judge(hot, cold, (case.plan, case.habits), sample, &mut verdict);
    if case.plan.is_choosy && verdict.evidence >= case.limit {
        verdict = minded(&Case { hot, cold, sample, verdict: &verdict, ..*case });
    }
    let Judgement { evidence, plain_evidence, point, .. } = verdict;
    Asked { evidence, plain: plain_evidence, is_point: point.is_some() }
}

fn with_sample(case: &Case<'_>, sample: &Sample<'_>) -> Asked {
    ask(case, (case.hot, case.cold), sample, case.verdict.closing)
}

/// Asks what would be if the event had come another time since the one before.
fn with_gap(case: &Case<'_>, secs: f64) -> Asked {
    let at = case.hot.last.saturating_add((secs * 1e9 + 0.5) as i64);
    let sample = Sample { at, ..*case.sample };
    let ended = case.verdict.closing.has_ended;
    if at < case.hot.bucket.end() {
        // Whether an earlier one would have closed the bucket is not known any more.
        let is_known = !ended || at >= case.hot.bucket.start;
        let after = if ended { case.verdict.closing } else { Closing::default() };
        return if is_known { ask(case, (case.hot, case.cold), &sample, after) } else { REFUSED };
    }
    if ended {
        return REFUSED;
    }
    let (mut hot, mut cold) = (*case.hot, case.cold.clone());
    let closing = close::close(&mut hot, &mut cold, (case.plan, case.habits), at);
    ask(case, (&hot, &cold), &sample, closing)
}

/// Searches for the time since the event before, seconds.
fn gap(case: &Case<'_>) -> Option<Counterfactual> {
    case.verdict.gap?;
    let observed = case.sample.at.saturating_sub(case.hot.last) as f64 * 1e-9;
    let usual = f64::from(case.hot.gaps.mean);
    let ask = |secs: f64| with_gap(case, secs);
    let starts =
        if case.verdict.gapped.is_faster() { [1.0, 2.0, 4.0, 8.0] } else { [1.0, 0.5, 0.25, 0.0] };
    let found = starts.into_iter().find_map(|share| nearest(case, usual * share, observed, &ask));
    let (secs, _) = found?;
    // Whole nanoseconds, as times are.
    let secs = ((secs * 1e9 + 0.5) as i64) as f64 * 1e-9;
    let asked = with_gap(case, secs);
    (asked.evidence < case.limit).then(|| promise(case, "gap", (secs, asked)))
}

/// Searches for the number of distinct marks that were new in the bucket.
fn distinct(case: &Case<'_>) -> Option<Counterfactual> {
    let closing = case.verdict.closing;
    // What the closed bucket was compared with has been learned since.
    let judged = closing.distinct.filter(|judged| judged.z > 0.0 && !closing.has_ended)?;
    let marks = |less: u32| closing.marks - f64::from(less);
    let told = |less: u32| Some(case.hot.distinct.assess(marks(less)));
    // The count is the only thing that is looked at of the bucket.
    let hot = Hot { varied_at: 0.0, ..*case.hot };
    let ask = |distinct| {
        let after = Closing { distinct, ..closing };
        ask(case, (&hot, case.cold), case.sample, after)
    };
    let most = (closing.marks - judged.expected) as u32;
    let less = fewest(most, |less| ask(told(less)).evidence < case.limit)?;
    let is_seen = case.cold.sketch.estimate() - f64::from(less) >= f64::from(case.hot.varied_at);
    let asked = ask(if is_seen { told(less) } else { None });
    Some(promise(case, "distinct", (marks(less), asked)))
}

/// Returns the fewest from 1 to `most` that are enough, where more always are.
fn fewest(most: u32, is_enough: impl Fn(u32) -> bool) -> Option<u32> {
    if most == 0 || !is_enough(most) {
        return None;
    }
    let (mut short, mut enough) = (0, most);
    while enough - short > 1 {
        let middle = short + (enough - short) / 2;
        if is_enough(middle) {
            enough = middle;
        } else {
            short = middle;
        }
    }
    Some(enough)
}

/// Searches between an unremarkable `start` and the observed figure; returns the
/// last that is unremarkable, and what would be said of it.
fn nearest(
    case: &Case<'_>,
    start: f64,
    observed: f64,
    ask: &dyn Fn(f64) -> Asked,
) -> Option<(f64, Asked)> {
    if !start.is_finite() || ask(start).evidence >= case.limit {
        return None;
    }
    let (mut calm, mut odd) = (start, observed);
    for _ in 0..HALVINGS {
        let middle = calm + (odd - calm) * 0.5;
        if ask(middle).evidence >= case.limit {
            odd = middle;
        } else {
            calm = middle;
        }
    }
    Some((calm, ask(calm)))
}

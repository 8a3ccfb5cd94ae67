//! Taking one event into a profile after it was judged. Owns what is learned
//! and when; refuses to judge. Called by `execute` for every applied event.

use via_types::Detector;

use crate::calibration::{COMMON_MOST, COMMON_ODDS};
use crate::detector::memory::Memory;
use crate::detector::pattern::Hour;
use crate::judge::{Judgement, Sample, is_turn, is_turn_of, note, turns, with_row};
use crate::math::{larger, smaller};
use crate::plan::Plan;
use crate::profile::{Cold, Feature, HINTS, Hot, MARKED, NEGATIVE, UNSAFE};
use crate::series::is_begun;

/// Values after which the histogram's bins are laid out.
const LAID_OUT: u64 = 8;
/// Standard deviations on each side that the first bins cover.
const REACH: f64 = 4.0;
/// The bins are looked at at one event in 2^6, and whether all that is common
/// together might be a detection.
const TENDED: u32 = 6;
const COMPARED: u32 = 6;
/// How much of its usual weight an event of an open detection has.
const ODD_PACE: f32 = 0.125;
/// Memory of how often a detector speaks up, events.
const WOLF: f32 = 1.0 / 1024.0;
/// Evidence that counts as speaking up.
const SPOKEN: f32 = 3.0;

/// Takes `sample`, judged as `verdict`, into the profile.
#[inline(always)]
pub(crate) fn learn(
    hot: &mut Hot,
    cold: &mut Cold,
    plan: &Plan,
    sample: &Sample<'_>,
    verdict: &Judgement,
) {
    // During an open detection only events in turn teach what is usual: a long
    // anomaly must not make all later ones normal.
    let is_odd = verdict.was_open;
    if !is_odd || is_turn(hot) {
        note(hot, verdict, 1);
        listen(hot, verdict);
    }
    compare(hot, plan, sample, verdict);
    learn_value(hot, plan, sample, verdict);
    if let Some(gap) = verdict.gap {
        hot.gaps.learn(gap, verdict.gapped, plan.pace);
    }
    if !sample.lanes.lanes.is_empty() {
        let lanes = cold.lanes.get_or_insert_default();
        lanes.learn(sample.lanes.values(), sample.at, verdict.joined, memory(plan, verdict));
        // Rows are judged by averages over many: noted in turn, as all such are.
        if !is_odd && is_turn(hot) {
            lanes.joint.tail.note(verdict.nominal[Feature::Lanes as usize], 1);
        }
    }
    if sample.mark != 0 && plan.weights[Detector::Cardinality as usize] > 0.0 {
        hot.flags |= MARKED;
        cold.sketch.insert(sample.mark, plan.precision);
        hot.compare_marks(&cold.sketch);
    }
    if sample.mark != 0
        && (!is_odd || is_turn(hot))
        && let Some(marks) = cold.marks()
    {
        marks.take(sample.mark, 1);
    }
    if let Some(point) = verdict.point
        && is_begun(hot)
    {
        let hour = Hour::of(sample.at, plan.period);
        cold.series_mut().patterns.learn(point, hour, &verdict.novelty);
    }
    learn_forest(cold, plan, sample, verdict);
    show(hot, verdict);
    fill(hot, sample);
    if hot.events == 0 {
        hot.first = sample.at;
        hot.last = sample.at;
    } else if sample.at < hot.last {
        hot.first = hot.first.min(sample.at);
    } else {
        hot.last = sample.at;
    }
    hot.events += 1;
}

/// Takes what the forest looks at into it, where the entity has one.
#[inline(always)]
fn learn_forest(cold: &mut Cold, plan: &Plan, sample: &Sample<'_>, verdict: &Judgement) {
    let is_whole = verdict.point.is_some() || !sample.lanes.lanes.is_empty();
    if !is_whole || plan.weights[Detector::Forest as usize] == 0.0 || cold.grove().is_none() {
        return;
    }
    let Some(mut history) = cold.history.take() else { return };
    if let Some(grove) = &mut history.grove {
        with_row(verdict.point, sample, cold, |row| grove.learn(row, verdict.apart.as_ref()));
    }
    cold.history = Some(history);
}

#[inline(always)]
fn learn_value(hot: &mut Hot, plan: &Plan, sample: &Sample<'_>, verdict: &Judgement) {
    hot.level.learn(verdict.plain, &verdict.reading, memory(plan, verdict));
    if hot.values.is_ready() {
        hot.values.learn(sample.value, plan.growth);
        tend(hot, plan);
    } else if hot.events + 1 >= LAID_OUT {
        lay_out(hot, plan);
    }
}

/// Looks at the histogram's bins, now and then.
#[inline(always)]
pub(crate) fn tend(hot: &mut Hot, plan: &Plan) {
    if is_turn_of(hot, TENDED) {
        if hot.flags & HINTS != plan.hinted {
            // Other hints than before: the same mass in other bins.
            lay_out(hot, plan);
        }
        let mean = hot.level.mean + hot.offset;
        hot.values.tend(mean, hot.level.deviation());
    }
}

/// Returns how fast levels follow: slowly while a detection is open.
#[inline(always)]
fn memory(plan: &Plan, verdict: &Judgement) -> Memory {
    Memory { values: plan.memory, pace: if verdict.was_open { ODD_PACE } else { 1.0 } }
}

/// Lays the histogram's bins out around the first values, or as hinted.
fn lay_out(hot: &mut Hot, plan: &Plan) {
    hot.flags = hot.flags & !HINTS | plan.hinted;
    if hot.values.is_ready() && plan.hinted == 0 {
        // Without hints the bins follow the data, from wherever they are.
        return;
    }
    let mean = hot.level.mean + hot.offset;
    let least = (mean.abs() * 1e-6).max(1e-30);
    let reach = (REACH * hot.level.deviation()).max(least);
    let low = plan.hints.0.filter(|low| low.is_finite()).unwrap_or(mean - reach);
    let high = plan.hints.1.filter(|high| *high > low && high.is_finite());
    let high = high.unwrap_or((mean + reach).max(low + reach));
    hot.values.lay_out(low, high);
}

/// Learns what is common from an event that was weighed, before it is learned
/// itself.
#[inline(always)]
pub(crate) fn compare(hot: &mut Hot, plan: &Plan, sample: &Sample<'_>, verdict: &Judgement) {
    let is_common = |feature: Feature| verdict.odds[feature as usize] <= COMMON_ODDS;
    let bound = |feature: Feature| hot.tails[feature as usize].common_up_to();
    hot.level.compare(&verdict.reading, is_common(Feature::Step), || bound(Feature::Step));
    if hot.values.is_ready() {
        hot.values.compare(sample.value, is_common(Feature::Value));
    }
    if verdict.gap.is_some() && hot.gaps.is_ready() {
        let bound = || hot.tails[Feature::Gap as usize].common_up_to();
        hot.gaps.compare(verdict.gapped, is_common(Feature::Gap), plan.pace, bound);
    }
    if is_turn_of(hot, COMPARED) {
        let most = hot.joint.correct(COMMON_MOST) * plan.threshold.sensitivity as f32;
        let is_safe = plan.limit.is_some_and(|limit| most < limit);
        hot.flags = hot.flags & !UNSAFE | if is_safe { 0 } else { UNSAFE };
    }
}

/// Counts the event in its bucket.
#[inline(always)]
pub(crate) fn fill(hot: &mut Hot, sample: &Sample<'_>) {
    let value = sample.value as f32;
    let is_first = hot.count == 0;
    hot.flags |= if value < 0.0 { NEGATIVE } else { 0 };
    hot.least = if is_first { value } else { smaller(hot.least, value) };
    hot.most = if is_first { value } else { larger(hot.most, value) };
    hot.count = hot.count.saturating_add(1);
    hot.sum += sample.value;
    if hot.alarm > 0.0 && hot.count as f32 >= hot.alarm {
        // Looked at: again when a quarter more has come.
        hot.alarm = hot.count as f32 * 1.25;
    }
}

/// Keeps the newest rarity of each detector for those who ask.
#[inline(always)]
pub(crate) fn show(hot: &mut Hot, verdict: &Judgement) {
    let odds = &verdict.odds;
    let value = odds[Feature::Value as usize].max(odds[Feature::Step as usize]);
    let drift = odds[Feature::Level as usize].max(odds[Feature::Spread as usize]);
    let joint = odds[Feature::Lanes as usize].max(odds[Feature::Pattern as usize]);
    hot.odds[Detector::Distribution as usize] = value.max(drift).max(joint);
    hot.odds[Detector::Burst as usize] = odds[Feature::Gap as usize];
    if verdict.closing.rate.is_some() {
        hot.odds[Detector::Volume as usize] = odds[Feature::Rate as usize];
    }
    if verdict.closing.distinct.is_some() {
        hot.odds[Detector::Cardinality as usize] = odds[Feature::Distinct as usize];
    }
}

/// Remembers how often each detector speaks up: one that judges buckets, once
/// for each that ended.
#[inline(always)]
pub(crate) fn listen(hot: &mut Hot, verdict: &Judgement) {
    if is_turn(hot) {
        let fade = turns(hot) as f32 * WOLF;
        for wolf in &mut hot.wolf {
            *wolf -= fade * *wolf;
        }
    }
    if verdict.mixed >= SPOKEN - 1.0 {
        for feature in Feature::ALL {
            let is_of_buckets = matches!(feature, Feature::Rate | Feature::Distinct);
            let counts = !is_of_buckets || verdict.closing.has_ended;
            // How often patterns may be told is limited already; forests and courses
            // know how often they speak.
            let counts = counts && (feature as usize) < Feature::Pattern as usize;
            if counts && verdict.calibrated(feature) >= SPOKEN {
                hot.wolf[feature.detector() as usize] += WOLF;
            }
        }
    }
}

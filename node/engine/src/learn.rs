//! Taking one event into a profile after it was judged. Owns what is learned
//! and when; refuses to judge. Called by `execute` for every applied event.

use via_types::Detector;

use crate::close::turn_slot;
use crate::detector::forecast::Memory;
use crate::judge::{Judgement, SLOW, Sample, is_turn, note};
use crate::plan::Plan;
use crate::profile::{Cold, Feature, Hot, MARKED};

/// Values after which the histogram's bins are laid out.
const LAID_OUT: u64 = 8;
/// Standard deviations on each side that the first bins cover.
const REACH: f64 = 4.0;
/// Events between looks at the bins.
const TENDED: u64 = 64;
/// How much of its usual weight an event of an open detection has.
const ODD_PACE: f32 = 0.125;
/// Memory of how often a detector speaks up, events.
const WOLF: f32 = 1.0 / 1024.0;
/// Evidence that counts as speaking up.
const SPOKEN: f32 = 3.0;

/// Takes `sample`, judged as `verdict`, into the profile.
#[inline]
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
    let is_passed_over = verdict.is_calm && !is_turn(hot);
    if !is_passed_over && (!is_odd || is_turn(hot)) {
        note(hot, verdict);
        listen(hot, verdict);
    }
    learn_value(hot, cold, plan, sample, verdict);
    if let Some(gap) = verdict.gap {
        hot.gaps.learn(gap, verdict.gapped, plan.pace);
    }
    if !sample.lanes.lanes.is_empty() {
        let lanes = cold.lanes.get_or_insert_default();
        lanes.learn(sample.lanes.values(), verdict.joined, memory(plan, verdict));
        if !is_odd {
            lanes.joint.tail.note(verdict.nominal[Feature::Lanes as usize], 1);
        }
    }
    if sample.mark != 0 && plan.weights[Detector::Cardinality as usize] > 0.0 {
        hot.flags |= MARKED;
        cold.sketch.insert(sample.mark, plan.precision);
    }
    if !is_passed_over {
        show(hot, verdict);
    }
    fill(hot, sample);
    hot.first = if hot.events == 0 { sample.at } else { hot.first.min(sample.at) };
    hot.last = if hot.events == 0 { sample.at } else { hot.last.max(sample.at) };
    hot.events += 1;
}

#[inline]
fn learn_value(
    hot: &mut Hot,
    cold: &mut Cold,
    plan: &Plan,
    sample: &Sample<'_>,
    verdict: &Judgement,
) {
    hot.level.learn(verdict.plain, &verdict.reading, memory(plan, verdict));
    if hot.values.is_ready() {
        hot.values.learn(sample.value, plan.growth);
        if hot.events.is_multiple_of(TENDED) {
            let mean = hot.level.mean + hot.offset;
            hot.values.tend(mean, hot.level.deviation());
        }
    } else if hot.events + 1 >= LAID_OUT {
        lay_out(hot, plan);
    }
    if sample.at >= hot.slot_end {
        turn_slot(hot, cold, plan, sample.at);
    }
    hot.slot_sum += sample.value;
    hot.slot_count += 1;
}

/// Returns how fast levels follow: slowly while a detection is open.
#[inline]
fn memory(plan: &Plan, verdict: &Judgement) -> Memory {
    Memory { values: plan.memory, pace: if verdict.was_open { ODD_PACE } else { 1.0 } }
}

/// Lays the histogram's bins out around the first values, or as hinted.
fn lay_out(hot: &mut Hot, plan: &Plan) {
    let mean = hot.level.mean + hot.offset;
    let least = (mean.abs() * 1e-6).max(1e-30);
    let reach = (REACH * hot.level.deviation()).max(least);
    let low = plan.hints.0.filter(|low| low.is_finite()).unwrap_or(mean - reach);
    let high = plan.hints.1.filter(|high| *high > low && high.is_finite());
    let high = high.unwrap_or((mean + reach).max(low + reach));
    hot.values.lay_out(low, high);
}

/// Counts the event in its bucket.
#[inline]
fn fill(hot: &mut Hot, sample: &Sample<'_>) {
    let bucket = &mut hot.bucket;
    let value = sample.value as f32;
    if bucket.count == 0 {
        bucket.least = value;
        bucket.most = value;
    } else {
        bucket.least = bucket.least.min(value);
        bucket.most = bucket.most.max(value);
    }
    bucket.count = bucket.count.saturating_add(1);
    bucket.sum += sample.value;
    if bucket.alarm > 0.0 && bucket.count as f32 >= bucket.alarm {
        // Looked at: again when a quarter more has come.
        bucket.alarm = bucket.count as f32 * 1.25;
    }
}

/// Keeps the newest rarity of each detector for those who ask.
#[inline]
fn show(hot: &mut Hot, verdict: &Judgement) {
    let odds = &verdict.odds;
    let value = odds[Feature::Value as usize].max(odds[Feature::Step as usize]);
    let drift = odds[Feature::Level as usize].max(odds[Feature::Spread as usize]);
    hot.odds[Detector::Distribution as usize] = value.max(drift).max(odds[Feature::Lanes as usize]);
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
#[inline]
fn listen(hot: &mut Hot, verdict: &Judgement) {
    if is_turn(hot) {
        for wolf in &mut hot.wolf {
            *wolf -= SLOW as f32 * WOLF * *wolf;
        }
    }
    if verdict.mixed >= SPOKEN - 1.0 {
        for feature in Feature::ALL {
            let is_of_buckets = matches!(feature, Feature::Rate | Feature::Distinct);
            let counts = !is_of_buckets || verdict.closing.has_ended;
            if counts && verdict.calibrated(feature) >= SPOKEN {
                hot.wolf[feature.detector() as usize] += WOLF;
            }
        }
    }
}

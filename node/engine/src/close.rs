//! Time moving on for one profile: buckets and seasonal slots that end. Owns
//! the width of buckets and what is learned when one closes; refuses to judge
//! single events. Called before an event is judged and when time passes.

use crate::detector::season::Season;
use crate::detector::volume::{Width, stabilise};
use crate::history::{Closed, History};
use crate::judge::Closing;
use crate::plan::Plan;
use crate::profile::{Cold, Hot, MARKED, SEASONAL};

/// Widths of buckets: 2^24 ns (17 ms) to 2^55 ns (417 days).
const NARROWEST: u32 = 24;
pub(crate) const WIDEST: u32 = 55;
/// Width before the pace is known: a second.
const FIRST: u32 = 30;
/// Width from which on a bucket is a point of a series: about a second.
const POINT: u32 = 30;
/// Events in a bucket, on average, below which it is doubled, above which halved.
const FEW: f64 = 16.0;
const FEW_LOG2: u32 = 4;
const MANY: f64 = 192.0;
/// Buckets between looks at the width once it has settled.
const SETTLED: u32 = 8;
/// Empty buckets learned one by one; the rest of a longer run teaches nothing.
const LEARNED_RUN: u32 = 64;
/// How much slower silence teaches.
const SILENT_PACE: f32 = 0.25;
/// Standard deviations from which on a count is worth a look before the end.
const ALARM: f32 = 4.0;
/// Events before history is kept: charts of a handful of events are not charts.
const HISTORY_AFTER: u64 = 32;
/// Standard deviations of the band drawn in charts.
const BAND: f64 = 3.0;

/// Begins the first bucket, or fits its width once the second event is known.
pub(crate) fn begin(hot: &mut Hot, at: i64) {
    if hot.events == 0 {
        open(hot, at, FIRST);
    } else {
        let gap = at.saturating_sub(hot.first).max(1) as u64;
        let shift = (gap.ilog2() + 1 + FEW_LOG2).clamp(NARROWEST, WIDEST);
        open(hot, hot.first, shift);
    }
}

/// Makes a bucket of width 2^shift that begins at `start` the current one.
fn open(hot: &mut Hot, start: i64, shift: u32) {
    hot.bucket.shift = shift;
    hot.bucket.start = start;
    hot.wake = hot.bucket.end().min(hot.slot.end);
}

/// Closes every bucket that ends at or before `at`, of which there is one at least.
pub(crate) fn close(hot: &mut Hot, cold: &mut Cold, plan: &Plan, at: i64) -> Closing {
    let mut closing = Closing { has_ended: true, ..Closing::default() };
    // A bucket that time alone has opened and that stayed empty is silence.
    let stayed_empty = hot.count == 0;
    if !stayed_empty {
        close_filled(hot, cold, plan, &mut closing);
    }
    let ended = if stayed_empty { hot.bucket.start } else { hot.bucket.end() };
    let empty = (at.saturating_sub(ended) >> hot.bucket.shift).min(i64::from(u32::MAX)) as u32;
    if empty > 0 {
        close_empty(hot, cold, plan, ended, empty, &mut closing);
    }
    let start = ended.saturating_add(i64::from(empty) << hot.bucket.shift);
    // A slot of a season that was made shorter ends sooner.
    hot.slot.end = hot.slot.end.min(slot_end(plan, at));
    fit_width(hot, cold, empty);
    open(
        hot,
        if at < start.saturating_add(1 << hot.bucket.shift) { start } else { at },
        hot.bucket.shift,
    );
    expect(hot, cold, plan);
    closing
}

fn close_filled(hot: &mut Hot, cold: &mut Cold, plan: &Plan, closing: &mut Closing) {
    let bucket = hot.bucket;
    let count = f64::from(hot.count);
    if bucket.shift >= POINT {
        closing.mean = Some(hot.sum / count);
    }
    // The first bucket began before the entity was known.
    if bucket.closed > 0 {
        let season = bucket.season;
        let counted = hot.rate.assess(count, season);
        if hot.rate.is_ready() {
            closing.rate = Some(counted);
            closing.observed = count;
            hot.rate_tail.note(counted.nominal.min(30.0), 1);
        }
        fold_rate(hot, cold, plan, count);
        hot.rate.learn(count, season, plan.smoothing, 1.0);
        close_marks(hot, cold, plan, closing);
    }
    if hot.events >= HISTORY_AFTER {
        keep(hot, cold);
    }
    doubt(hot);
    hot.bucket.closed = hot.bucket.closed.saturating_add(1);
    hot.bucket.silent = 0;
    hot.fill_slot();
    hot.empty_bucket();
}

fn close_marks(hot: &mut Hot, cold: &mut Cold, plan: &Plan, closing: &mut Closing) {
    if !hot.is(MARKED) {
        return;
    }
    if hot.distinct.is_ready() {
        let fresh = hot.distinct.fresh(&cold.sketch);
        let counted = hot.distinct.assess(fresh);
        closing.distinct = Some(counted);
        closing.marks = fresh;
        hot.distinct_tail.note(counted.nominal.min(30.0), 1);
    }
    hot.distinct.learn(&mut cold.sketch, plan.smoothing);
}

fn close_empty(
    hot: &mut Hot,
    cold: &mut Cold,
    plan: &Plan,
    from: i64,
    empty: u32,
    closing: &mut Closing,
) {
    let before = hot.bucket.silent;
    hot.bucket.silent = before.saturating_add(empty);
    if hot.bucket.closed == 0 {
        return;
    }
    let mut worst = crate::detector::volume::Counted::default();
    for number in 0..empty.min(LEARNED_RUN) {
        let start = from.saturating_add(i64::from(number) << hot.bucket.shift);
        let season = season_at(hot, cold, plan, start);
        let counted = hot.rate.assess_silence(before + number + 1, season);
        if counted.nominal >= worst.nominal {
            worst = counted;
        }
        if before + number < LEARNED_RUN {
            hot.rate.learn(0.0, season, plan.smoothing, SILENT_PACE);
        }
    }
    if hot.rate.is_ready() {
        hot.rate_tail.note(worst.nominal.min(30.0), 1);
        if closing.rate.is_none_or(|counted| counted.nominal < worst.nominal) {
            closing.rate = Some(worst);
            closing.observed = 0.0;
        }
    }
}

/// Keeps the closed bucket for charts.
fn keep(hot: &Hot, cold: &mut Cold) {
    let bucket = &hot.bucket;
    let history = cold.history.get_or_insert_with(|| Box::new(History::new(hot.level.mean)));
    let count = hot.count.max(1);
    history.push(Closed {
        start: bucket.start,
        shift: bucket.shift,
        count: hot.count,
        mean: hot.sum / f64::from(count),
        least: f64::from(hot.least),
        most: f64::from(hot.most),
        expected: hot.level.mean + hot.offset,
        reach: BAND * hot.level.deviation(),
        score: hot.worst,
    });
}

/// Adapts how much each detector is trusted: one that speaks up far more often
/// than calibrated evidence should is doubted.
fn doubt(hot: &mut Hot) {
    for (doubt, wolf) in hot.doubt.iter_mut().zip(hot.wolf) {
        *doubt = if wolf <= 0.01 { 0.0 } else { (1.0 - 0.01 / wolf).min(0.8) };
    }
}

/// Fits the bucket's width to the pace; silence that was counted in buckets of
/// the old width is from then on counted in those of the new one.
fn fit_width(hot: &mut Hot, cold: &mut Cold, empty: u32) {
    let before = hot.bucket.shift;
    choose_width(hot, cold, empty);
    let bucket = &mut hot.bucket;
    bucket.silent = match bucket.shift.checked_sub(before) {
        Some(wider) => bucket.silent.checked_shr(wider).unwrap_or(0),
        None => bucket.silent.saturating_mul(1 << (before - bucket.shift)),
    };
}

/// Doubles or halves the bucket's width when its usual count asks for it.
fn choose_width(hot: &mut Hot, cold: &mut Cold, empty: u32) {
    let young = hot.bucket.closed < SETTLED;
    if young && empty >= FEW as u32 {
        // The first events came together; the pace is known only now.
        hot.bucket.shift = (hot.bucket.shift + empty.ilog2()).min(WIDEST);
        hot.rate = bytemuck::Zeroable::zeroed();
        hot.distinct = bytemuck::Zeroable::zeroed();
        cold.sketch.clear();
        return;
    }
    if hot.rate.buckets < 1.0 || !young && !hot.bucket.closed.is_multiple_of(SETTLED) {
        return;
    }
    let usual = hot.rate.range(0.0, 0.0).0;
    let (direction, root) = if usual < FEW && hot.bucket.shift < WIDEST {
        hot.bucket.shift += 1;
        (Width::Doubled, std::f32::consts::SQRT_2)
    } else if usual > MANY && hot.bucket.shift > NARROWEST {
        hot.bucket.shift -= 1;
        (Width::Halved, std::f32::consts::FRAC_1_SQRT_2)
    } else {
        return;
    };
    hot.rate.rescale(direction);
    hot.distinct.rescale(&mut cold.sketch, direction);
    if let Some(season) = &mut cold.rate_season {
        season.scale(root);
    }
}

fn season_at(hot: &Hot, cold: &Cold, plan: &Plan, start: i64) -> f32 {
    let middle = start.saturating_add(1 << hot.bucket.shift >> 1);
    cold.rate_season.as_ref().map_or(0.0, |season| season.offset(middle, plan.period))
}

fn fold_rate(hot: &Hot, cold: &mut Cold, plan: &Plan, count: f64) {
    let width = 1i64 << hot.bucket.shift;
    if width > plan.period.nanos / 6 || hot.rate.buckets < 8.0 {
        return;
    }
    let middle = hot.bucket.start.saturating_add(width >> 1);
    let deviation = stabilise(count) - hot.rate.level();
    let season = cold.rate_season.get_or_insert_with(|| Box::new(Season::new(middle)));
    season.fold(middle, deviation, plan.gamma, plan.period);
}

/// Prepares what the new bucket is compared with.
fn expect(hot: &mut Hot, cold: &Cold, plan: &Plan) {
    let season = season_at(hot, cold, plan, hot.bucket.start);
    hot.bucket.season = season;
    let ready = hot.rate.is_ready() && hot.rate.buckets >= 6.0;
    hot.alarm = if ready { hot.rate.range(ALARM, season).1.max(4.0) as f32 } else { 0.0 };
    let ready = hot.distinct.is_ready();
    let many = hot.distinct.range(ALARM).1.max(4.0);
    hot.varied_at = if ready { hot.distinct.with(many) } else { 0.0 };
}

/// Returns when the seasonal slot ends that `at` is in.
fn slot_end(plan: &Plan, at: i64) -> i64 {
    let width = plan.period.slot_nanos();
    (at - at.rem_euclid(width)).saturating_add(width)
}

/// Ends the value's seasonal slot when `at` is beyond it: learns what it held
/// and looks up what the next one should add.
pub(crate) fn turn_slot(hot: &mut Hot, cold: &mut Cold, plan: &Plan, at: i64) {
    let width = plan.period.slot_nanos();
    let middle = hot.slot.end.saturating_sub(width / 2);
    let end = slot_end(plan, at);
    let mean = hot.end_slot(end);
    if let Some(mean) = mean
        && hot.level.count >= 16.0
    {
        let deviation = mean - hot.level.mean;
        let held = cold.series_mut().season_mut();
        if held.unit == 0.0 {
            held.unit = hot.level.deviation().max(1e-30);
            held.season = Season::new(middle);
        }
        let relative = (deviation / held.unit).clamp(-1e6, 1e6) as f32;
        held.season.fold(middle, relative, plan.gamma, plan.period);
    }
    hot.offset = 0.0;
    hot.flags &= !SEASONAL;
    if let Some(held) = cold.series.as_ref().and_then(|series| series.season()) {
        let offset = held.season.offset(end.saturating_sub(width - width / 2), plan.period);
        if offset != 0.0 {
            hot.flags |= SEASONAL;
            hot.offset = f64::from(offset) * held.unit;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_keeps_its_length_when_the_buckets_widen() {
        let mut hot: Hot = bytemuck::Zeroable::zeroed();
        let mut cold = Cold::default();
        hot.bucket.shift = 30;
        hot.bucket.closed = 1;
        hot.bucket.silent = 64;
        fit_width(&mut hot, &mut cold, 16);
        assert!(hot.bucket.shift > 30, "the first events came together: wider buckets");
        assert_eq!(i64::from(hot.bucket.silent) << hot.bucket.shift, 64 << 30);
    }
}

//! Time moving on for one profile: buckets and seasonal slots that end. Owns
//! the width of buckets and what is learned when one closes; refuses to judge
//! single events. Called before an event is judged and when time passes.

use bytemuck::Zeroable as _;

use crate::calibration::Tail;
use crate::course::{Part, Turn};
use crate::detector::season::{Season, Span};
use crate::detector::volume::{Width, stabilise};
use crate::history::{Closed, History};
use crate::judge::{Closing, Sample};
use crate::peers::Habits;
use crate::plan::Plan;
use crate::profile::{Cold, Hot, MARKED, OPEN, SEASONAL, SPARED};
use via_types::Detector;

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
/// Different marks in a window up to which they are categories.
const CATEGORIES: f64 = 24.0;
/// Events before the course of buckets is judged.
const COURSE_AFTER: u64 = 32;
/// Slots of silence that teach when events are usual.
const LEARNED_SLOTS: usize = 48;
/// Values before slots are learned.
const YOUNG: f32 = 16.0;
/// Steps in which the value's season is followed within a slot.
const STEPS: i64 = 64;
/// Deviations beyond which a slot's mean is not believed.
const FARTHEST: f64 = 16.0;
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
pub(crate) fn close(
    hot: &mut Hot,
    cold: &mut Cold,
    (plan, habits): (&Plan, &Habits),
    at: i64,
) -> Closing {
    let shift = hot.bucket.shift;
    let mut closing = Closing { has_ended: true, shift, ..Closing::default() };
    // A bucket that time alone has opened and that stayed empty is silence.
    let stayed_empty = hot.count == 0;
    if !stayed_empty {
        close_filled(hot, cold, (plan, habits), &mut closing);
    }
    let ended = if stayed_empty { hot.bucket.start } else { hot.bucket.end() };
    let empty = (at.saturating_sub(ended) >> hot.bucket.shift).min(i64::from(u32::MAX)) as u32;
    if empty > 0 {
        close_empty(hot, cold, (plan, habits), (ended, empty), &mut closing);
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
    expect(hot, cold);
    closing
}

fn close_filled(
    hot: &mut Hot,
    cold: &mut Cold,
    (plan, habits): (&Plan, &Habits),
    closing: &mut Closing,
) {
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
            note(hot, |hot| &mut hot.rate_tail, counted.nominal);
        }
        hot.rate.learn(count, season, plan.smoothing, 1.0);
        fold_rate(hot, cold, plan, count);
        close_marks(hot, cold, plan, closing);
    }
    keep(hot, cold);
    let sum = hot.sum - hot.offset * count;
    follow(hot, cold, (plan, habits), (bucket.start, bucket.end(), sum), closing);
    doubt(hot);
    hot.bucket.closed = hot.bucket.closed.saturating_add(1);
    hot.bucket.silent = 0;
    hot.fill_slot();
    hot.empty_bucket();
}

/// Notes what a bucket said, unless it is of an open detection: an attack's buckets
/// must not make the next attack's normal.
fn note(hot: &mut Hot, tail: fn(&mut Hot) -> &mut Tail, nominal: f32) {
    if !hot.is(OPEN) {
        tail(hot).note(nominal.min(30.0), 1);
    }
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
        note(hot, |hot| &mut hot.distinct_tail, counted.nominal);
    }
    keep_mix(hot, cold, plan);
    hot.distinct.learn(&mut cold.sketch, plan.smoothing);
}

/// Keeps how marks are mixed from the first window on that had few different ones,
/// until there are more.
fn keep_mix(hot: &Hot, cold: &mut Cold, plan: &Plan) {
    let different = cold.sketch.estimate();
    let Some(history) = &mut cold.history else { return };
    let is_off = plan.weights[Detector::Behavioural as usize] == 0.0 || hot.is(SPARED);
    if is_off || different > CATEGORIES {
        history.marks = None;
    } else if history.marks.is_none() && different > 1.0 && hot.distinct.ends_window() {
        history.marks = Some(Box::default());
    }
}

fn close_empty(
    hot: &mut Hot,
    cold: &mut Cold,
    (plan, habits): (&Plan, &Habits),
    (from, empty): (i64, u32),
    closing: &mut Closing,
) {
    let before = hot.bucket.silent;
    hot.bucket.silent = before.saturating_add(empty);
    if hot.bucket.closed == 0 {
        return;
    }
    let width = i64::from(empty) << hot.bucket.shift;
    hot.count = 0;
    follow(hot, cold, (plan, habits), (from, from.saturating_add(width), 0.0), closing);
    let mut worst = crate::detector::volume::Counted::default();
    for number in 0..empty.min(LEARNED_RUN) {
        let start = from.saturating_add(i64::from(number) << hot.bucket.shift);
        let season = season_at(hot, cold, start);
        let counted = hot.rate.assess_silence(before + number + 1, season);
        if counted.nominal >= worst.nominal {
            worst = counted;
        }
        if before + number < LEARNED_RUN {
            hot.rate.learn(0.0, season, plan.smoothing, SILENT_PACE);
        }
    }
    let until = from.saturating_add(i64::from(empty) << hot.bucket.shift);
    fold_silence(hot, cold, plan, (from, until));
    if hot.rate.is_ready() {
        note(hot, |hot| &mut hot.rate_tail, worst.nominal);
        if closing.rate.is_none_or(|counted| counted.nominal < worst.nominal) {
            closing.rate = Some(worst);
            closing.observed = 0.0;
        }
    }
}

/// Takes a closed bucket into the course, and what the course says of it.
fn follow(
    hot: &mut Hot,
    cold: &mut Cold,
    (plan, habits): (&Plan, &Habits),
    (start, end, sum): (i64, i64, f64),
    closing: &mut Closing,
) {
    if hot.events < COURSE_AFTER || hot.is(SPARED) {
        return;
    }
    let Some(history) = &mut cold.history else { return };
    let course = history.course.get_or_insert_with(|| Box::new(bytemuck::Zeroable::zeroed()));
    let part = Part { start, end, events: hot.count, sum, is_flat: hot.level.is_flat() };
    let Turn { is_judged, has_drifted, told } =
        course.take(part, (plan, &habits.beside), history.marks.as_deref_mut());
    closing.has_course |= is_judged;
    closing.told = told.or(closing.told);
    if has_drifted && hot.is(OPEN) {
        // What was told and has lasted is the new normal.
        course.adopt();
        if !course.is_rate() {
            hot.level.adopt();
        }
    }
}

/// Keeps the closed bucket for charts, as far as its events are not kept one by
/// one.
fn keep(hot: &Hot, cold: &mut Cold) {
    let history = cold.history.get_or_insert_with(|| Box::new(History::new(hot.level.mean)));
    if let Some(closed) = history.rest_of(&in_bucket(hot)) {
        history.push(closed);
    }
}

/// Keeps an event of a young entity for charts: its first bucket is not a series.
pub(crate) fn keep_event(hot: &Hot, cold: &mut Cold, sample: &Sample<'_>) {
    let value = sample.value;
    let history = cold.history.get_or_insert_with(|| Box::new(History::new(value)));
    history.push_event(&Closed {
        start: sample.at,
        shift: 0,
        count: 1,
        mean: value,
        least: value,
        most: value,
        score: hot.score,
        ..in_bucket(hot)
    });
}

/// Returns what the bucket being filled holds.
pub(crate) fn in_bucket(hot: &Hot) -> Closed {
    Closed {
        start: hot.bucket.start,
        shift: hot.bucket.shift,
        count: hot.count,
        mean: hot.sum / f64::from(hot.count.max(1)),
        least: f64::from(hot.least),
        most: f64::from(hot.most),
        expected: hot.level.mean + hot.offset,
        reach: BAND * hot.level.deviation(),
        score: hot.worst,
    }
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
        season.scale(f64::from(root));
    }
}

fn season_at(hot: &Hot, cold: &Cold, start: i64) -> f32 {
    let middle = start.saturating_add(1 << hot.bucket.shift >> 1);
    cold.rate_season.as_ref().map_or(0.0, |season| season.offset(middle)) as f32
}

/// Teaches the rate's season what the bucket being filled held.
fn fold_rate(hot: &mut Hot, cold: &mut Cold, plan: &Plan, count: f64) {
    if is_seasonal(hot, plan) {
        let (from, until) = (hot.bucket.start, hot.bucket.end());
        let season = cold.rate_season.get_or_insert_with(|| Box::new(Season::zeroed()));
        fold(hot, season, plan, Span { from, until, mean: f64::from(stabilise(count)) });
    }
}

/// Teaches the rate's season that nothing happened in buckets of a known one.
fn fold_silence(hot: &mut Hot, cold: &mut Cold, plan: &Plan, (from, until): (i64, i64)) {
    let Some(season) = cold.rate_season.as_mut().filter(|_| is_seasonal(hot, plan)) else {
        return;
    };
    let width = plan.period.slot_nanos().max(1 << hot.bucket.shift);
    let mut start = from;
    for _ in 0..LEARNED_SLOTS {
        if start >= until {
            return;
        }
        let next = (start.div_euclid(width) + 1).saturating_mul(width).min(until);
        fold(hot, season, plan, Span { from: start, until: next, mean: f64::from(stabilise(0.0)) });
        start = next;
    }
}

/// Teaches the rate's season; where it comes into use by that or goes out of it,
/// the rate's level is what is left without it.
fn fold(hot: &mut Hot, season: &mut Season, plan: &Plan, span: Span) {
    let middle = span.from.midpoint(span.until);
    let before = season.offset(middle);
    if season.fold(span, plan.gamma, plan.period) {
        hot.rate.rebase((season.offset(middle) - before) as f32);
    }
}

fn is_seasonal(hot: &Hot, plan: &Plan) -> bool {
    1i64 << hot.bucket.shift <= plan.period.nanos / 6 && hot.rate.buckets >= 8.0
}

/// Prepares what the new bucket is compared with.
fn expect(hot: &mut Hot, cold: &Cold) {
    let season = season_at(hot, cold, hot.bucket.start);
    hot.bucket.season = season;
    let ready = hot.rate.is_ready() && hot.rate.buckets >= 6.0;
    hot.alarm = if ready { hot.rate.range(ALARM, season).1.max(4.0) as f32 } else { 0.0 };
    let ready = hot.distinct.is_ready();
    let many = hot.distinct.range(ALARM).1.max(4.0);
    hot.varied_at = if ready { hot.distinct.with(many) } else { 0.0 };
    hot.compare_marks(&cold.sketch);
}

/// Returns when the seasonal slot ends that `at` is in.
fn slot_end(plan: &Plan, at: i64) -> i64 {
    let width = plan.period.slot_nanos();
    (at - at.rem_euclid(width)).saturating_add(width)
}

/// Ends the value's seasonal slot when `at` is beyond it and learns what it held;
/// looks up what the season adds around `at`, until [`Hot::slot`] ends.
pub(crate) fn turn_slot(hot: &mut Hot, cold: &mut Cold, plan: &Plan, at: i64) {
    let width = plan.period.slot_nanos();
    let held = hot.slot.end.saturating_sub(1).div_euclid(width);
    let number = at.div_euclid(width);
    if number != held
        && let Some(mean) = hot.end_slot()
        && hot.level.count >= YOUNG
    {
        let from = held.saturating_mul(width);
        let span = Span { from, until: from.saturating_add(width), mean };
        // Part of a slot is not like the whole.
        if hot.first.saturating_sub(from) <= width / 8 {
            learn_slot(hot, cold, plan, (span, at));
        }
    }
    let start = number.saturating_mul(width);
    let used = cold.series.as_ref().map(|series| &series.season).filter(|season| season.is_used());
    let Some(season) = used else {
        hot.offset = 0.0;
        hot.flags &= !SEASONAL;
        hot.next_slot(start.saturating_add(width));
        return;
    };
    let step = (width / STEPS).max(1);
    let passed = (at - start) / step * step;
    hot.offset = season.offset(start.saturating_add(passed + step / 2));
    hot.flags |= SEASONAL;
    let end = if passed + 2 * step > width { width } else { passed + step };
    hot.next_slot(start.saturating_add(end));
}

/// Learns what a slot held; where the season comes into use by that or goes out
/// of it, the level is measured anew from what is left without it.
fn learn_slot(hot: &mut Hot, cold: &mut Cold, plan: &Plan, (mut span, at): (Span, i64)) {
    let season = &mut cold.series_mut().season;
    let before = *season;
    // No further from what is usual than one wild value should be able to move it.
    let middle = span.from.midpoint(span.until);
    let usual = hot.level.mean + season.offset(middle);
    let reach = FARTHEST * hot.level.deviation();
    span.mean = span.mean.clamp(usual - reach, usual + reach);
    if !season.fold(span, plan.gamma, plan.period) {
        return;
    }
    let after = *season;
    let gap = (f64::from(hot.gaps.mean) * 1e9) as i64;
    hot.level.rebase(plan.memory, |values| {
        let then = at.saturating_sub(gap.saturating_mul(values as i64));
        (before.offset(then), after.offset(then))
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::Judgement;
    use crate::learn::listen;
    use crate::profile::Feature;

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

    #[test]
    fn who_cries_wolf_loses_weight_and_gets_it_back() {
        let (burst, other) = (Detector::Burst as usize, Detector::Volume as usize);
        let mut hot: Hot = bytemuck::Zeroable::zeroed();
        let cry = |hot: &mut Hot, events: u64, one_in: u64| {
            for event in 0..events {
                let mut verdict = Judgement { mixed: 2.5, ..Judgement::default() };
                let is_cry = one_in > 0 && event % one_in == 0;
                verdict.odds[Feature::Gap as usize] = if is_cry { 1e4 } else { 1.0 };
                listen(hot, &verdict);
                hot.events += 1;
            }
            doubt(hot);
            [hot.doubt[burst], hot.doubt[other]]
        };
        assert_eq!(cry(&mut hot, 8192, 1000), [0.0; 2], "as often as such evidence should come");
        let [doubted, trusted] = cry(&mut hot, 8192, 20);
        assert!(doubted > 0.6 && trusted == 0.0, "fifty times as often: {doubted}");
        assert_eq!(cry(&mut hot, 16_384, 0), [0.0; 2], "it is quiet again");
    }
}

//! What time of day and week does to a quantity: the mean course of a period
//! around level and trend, switched on only while it predicts better than doing
//! without. Owns periods and slots (UTC); refuses to know what the quantity is.
//!
//! Sources: additive level, trend and season as in Winters, Management Science 6,
//! 1960; first two periods as in classical decomposition; season strength as in
//! Wang, Smith, Hyndman, DMKD 13, 2006 (1 − residual variance with the season /
//! without it), measured out of sample; the course within a slot from the means
//! of slots, jumps kept: Colella, Woodward, J. Comput. Phys. 54, 1984, §1.

mod course;

use bytemuck::{Pod, Zeroable};

use crate::math::{rounded, single, within};
pub(crate) use course::Course;

/// Slots of the short period: hours, for a day.
const SHORT_SLOTS: usize = 24;
/// Slots of the week: six hours each.
const WEEK_SLOTS: usize = 28;
/// Slots of the short period in one of the week, when that is a day.
const HOURS_EACH: usize = SHORT_SLOTS * 7 / WEEK_SLOTS;
/// A day, nanoseconds.
const DAY: i64 = 86_400_000_000_000;
/// Residual variance, relative, below which a season is used when many slots
/// have told, and above which it is dropped again.
const USE_BELOW: f64 = 0.7;
const DROP_ABOVE: f64 = 0.9;
/// Slots that must have told, and those that halve what is asked for.
const LEAST_TESTS: f32 = 12.0;
const HALF_TESTS: f32 = 24.0;
/// Slots that the residual variance averages.
const TESTS: f32 = 48.0;
/// Per slot: how fast the level follows, and of that the trend.
const FOLLOW: f64 = 0.1;
const LEAN: f64 = 0.1;
/// A slot teaches no more than so many standard deviations.
const CLIP: f64 = 4.0;
/// A season this much worse than none was learned from something else.
const ABSURD: f64 = 4.0;
/// Binary digits of 24 that slots do without.
const SPARE: u32 = 12;

/// One period: its slots, and the level and trend they are relative to.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
struct Cycle {
    /// The configured length it was learned with, nanoseconds, and the periods it
    /// was gathered from; 0 before the first fold.
    length: i64,
    blocks: u32,
    unused: u32,
    /// Level at the last slot and trend per slot; while the first periods are
    /// gathered, the first slot's mean, and the trend so far.
    level: f64,
    trend: f64,
    /// The level that does without the season.
    bare: f64,
    /// Mean square of the deviation from that, and of what is left of it with the
    /// season and its own level.
    plain: f64,
    left: f64,
    /// Sum of what the slot being filled held.
    sum: f64,
    /// The last slot that ended and the one being filled, since 1970.
    ended: i64,
    filled: i64,
    count: u32,
    /// Slots learned.
    folds: u32,
    /// Slots that were predicted before they were learned.
    tests: f32,
    /// 1 while it predicts better than doing without.
    used: u32,
    slots: [f32; WEEK_SLOTS],
}

/// Seasons of one quantity: a day (or the configured period), and a week.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Season {
    cycles: [Cycle; 2],
}

/// The length of a season's short period; the other is a week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Period {
    pub(crate) nanos: i64,
    /// Set by configuration: used as soon as it was seen once.
    pub(crate) is_given: bool,
}

/// How a period is divided.
#[derive(Clone, Copy, Debug)]
struct Clock {
    /// Nanoseconds of the whole, and of a slot.
    length: i64,
    width: i64,
    slots: usize,
    /// Periods gathered before the season is known.
    blocks: usize,
    is_given: bool,
}

/// Part of a quantity's past: when it began and ended, and its mean.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) from: i64,
    pub(crate) until: i64,
    pub(crate) mean: f64,
}

impl Period {
    /// Returns the period to use for a configured season length.
    pub(crate) fn of(season_secs: Option<f64>) -> Self {
        match season_secs {
            Some(secs) if secs >= 1.0 => {
                Self { nanos: (secs.min(3.2e8) * 1e9) as i64, is_given: true }
            }
            Some(_) | None => Self { nanos: DAY, is_given: false },
        }
    }

    /// Returns the length of the shortest slot, nanoseconds.
    pub(crate) fn slot_nanos(self) -> i64 {
        (self.nanos / SHORT_SLOTS as i64).max(1)
    }

    fn clocks(self) -> [Clock; 2] {
        let blocks = if self.is_given { 1 } else { 2 };
        let (length, width, is_given) = (self.nanos, self.slot_nanos(), self.is_given);
        let short = Clock { length, width, slots: SHORT_SLOTS, blocks, is_given };
        let (length, width) = (7 * DAY, 7 * DAY / WEEK_SLOTS as i64);
        [short, Clock { length, width, slots: WEEK_SLOTS, blocks: 2, is_given: false }]
    }
}

impl Clock {
    fn slot(self, number: i64) -> usize {
        number.rem_euclid(self.slots as i64) as usize
    }
}

impl Season {
    /// Returns the deviation expected at `at`: by the lengths that were learned,
    /// until the first fold of another one.
    pub(crate) fn offset(&self, at: i64) -> f64 {
        let [day, week] = &self.cycles;
        let place = |cycle: &Cycle, slots: usize| {
            let width = (cycle.length / slots as i64).max(1);
            let inside = at.rem_euclid(width) as f64 / width as f64;
            (at.div_euclid(width).rem_euclid(slots as i64) as usize, inside as f32)
        };
        let mut offset = 0.0;
        if day.used == 1 {
            let (slot, inside) = place(day, SHORT_SLOTS);
            let value = |slot: usize| day.slots[slot % SHORT_SLOTS];
            offset += f64::from(Course::of(value, SHORT_SLOTS, slot).at(inside));
        }
        if week.used == 1 {
            let (slot, inside) = place(week, WEEK_SLOTS);
            let known = day.known();
            let value = |slot: usize| week.slots[slot % WEEK_SLOTS] - known.of(slot) as f32;
            offset += f64::from(Course::of(value, WEEK_SLOTS, slot).at(inside));
        }
        offset
    }

    /// Takes in the quantity's mean over `span`; says whether what is used of the
    /// season has changed.
    pub(crate) fn fold(&mut self, span: Span, gamma: f32, period: Period) -> bool {
        let [hours, quarters] = period.clocks();
        let [day, week] = &mut self.cycles;
        let before = (day.used, week.used);
        day.follow(hours);
        week.follow(quarters);
        let nothing = Known { slots: None };
        day.fold(span, (hours, nothing), f64::from(gamma));
        week.fold(span, (quarters, day.known()), f64::from(gamma));
        before != (day.used, week.used)
    }

    /// Says whether any of it is in use.
    pub(crate) fn is_used(&self) -> bool {
        self.cycles.iter().any(|cycle| cycle.used == 1)
    }

    /// Scales what was learned, when the quantity's unit changes.
    pub(crate) fn scale(&mut self, factor: f64) {
        for cycle in &mut self.cycles {
            cycle.plain = single(cycle.plain * factor * factor);
            cycle.left = single(cycle.left * factor * factor);
            cycle.trend = single(cycle.trend * factor);
            for part in [&mut cycle.level, &mut cycle.bare, &mut cycle.sum] {
                *part *= factor;
            }
            for place in &mut cycle.slots {
                *place = rounded(*place * factor as f32, SPARE);
            }
        }
    }

    /// Returns the period in use, seconds, and its strength 0..1.
    pub(crate) fn strength(&self, period: Period) -> Option<(f64, f64)> {
        let is_used =
            |(cycle, clock): &(&Cycle, Clock)| cycle.used == 1 && cycle.length == clock.length;
        let (used, clock) = self.cycles.iter().zip(period.clocks()).find(is_used)?;
        let strength = 1.0 - used.left / used.plain.max(f64::MIN_POSITIVE);
        Some((clock.length as f64 / 1e9, strength.clamp(0.0, 1.0)))
    }
}

/// What the shorter season says of a slot of the week.
#[derive(Clone, Copy)]
struct Known<'a> {
    slots: Option<&'a [f32; WEEK_SLOTS]>,
}

impl Known<'_> {
    fn of(self, slot: usize) -> f64 {
        self.slots.map_or(0.0, |hours| {
            let first = slot * HOURS_EACH % SHORT_SLOTS;
            let sum: f32 = hours[first..first + HOURS_EACH].iter().sum();
            f64::from(sum) / HOURS_EACH as f64
        })
    }
}

impl Cycle {
    fn known(&self) -> Known<'_> {
        let is_known = self.used == 1 && self.length == DAY;
        Known { slots: is_known.then_some(&self.slots) }
    }

    /// Begins again where another length is configured than what is known was
    /// learned with; so does what is half gathered from other periods.
    fn follow(&mut self, clock: Clock) {
        let is_gathered = self.blocks > 0 && self.folds as usize >= self.gathered(clock);
        let is_alike = self.blocks as usize == clock.blocks || is_gathered;
        if self.length != clock.length || !is_alike {
            *self = Self::begun(clock);
        }
    }

    /// Returns one of which nothing is known.
    fn begun(clock: Clock) -> Self {
        Self { length: clock.length, blocks: clock.blocks as u32, ..Self::zeroed() }
    }

    /// Returns how many slots are gathered before the season is known.
    fn gathered(&self, clock: Clock) -> usize {
        self.blocks as usize * clock.slots
    }

    fn fold(&mut self, span: Span, (clock, known): (Clock, Known<'_>), gamma: f64) {
        let number = span.from.midpoint(span.until).div_euclid(clock.width);
        if self.count > 0 && number != self.filled {
            self.end((clock, known), gamma);
        }
        self.filled = number;
        self.sum += span.mean;
        self.count += 1;
        if span.until.div_euclid(clock.width) > number {
            self.end((clock, known), gamma);
        }
    }

    /// Ends the slot being filled.
    fn end(&mut self, (clock, known): (Clock, Known<'_>), gamma: f64) {
        let (number, y) = (self.filled, self.sum / f64::from(self.count));
        self.sum = 0.0;
        self.count = 0;
        let missed = number.saturating_sub(self.ended).saturating_sub(1);
        let gathered = self.gathered(clock);
        if self.folds == 0 || missed > clock.slots as i64 / 4 && self.folds < gathered as u32 {
            *self = Self { level: y, ended: number - 1, ..Self::begun(clock) };
        } else if missed < 0 {
            return;
        }
        if self.folds < gathered as u32 {
            // Nothing is known yet of what was missed: as what came after.
            for number in self.ended + 1..=number {
                self.gather(number, y, clock);
            }
        } else {
            self.learn(number, y, (clock, known), gamma);
        }
        self.ended = number;
    }

    /// Adds a slot to those of the first periods.
    fn gather(&mut self, number: i64, y: f64, clock: Clock) {
        let size = clock.slots as f64;
        let off = y - self.level;
        let slot = &mut self.slots[clock.slot(number)];
        *slot = rounded(*slot + off as f32, SPARE);
        if clock.blocks > 1 {
            let is_second = self.folds as usize >= clock.slots;
            let off = if is_second { off } else { -off };
            self.trend = single(self.trend + off / (size * size));
        }
        self.folds += 1;
        if self.folds as usize == clock.blocks * clock.slots {
            self.begin(number, clock);
        }
    }

    /// Parts level, trend and season when the first periods are gathered; the
    /// last slot of them is `number`.
    fn begin(&mut self, number: i64, clock: Clock) {
        let (size, blocks) = (clock.slots as f64, clock.blocks as f64);
        let sum: f64 = self.slots.iter().map(|slot| f64::from(*slot)).sum();
        let mean = sum / (size * blocks);
        for place in 0..clock.slots {
            let slot = &mut self.slots[clock.slot(number + 1 + place as i64)];
            let leaning = self.trend * (place as f64 - 0.5 * (size - 1.0));
            *slot = rounded((f64::from(*slot) / blocks - mean - leaning) as f32, SPARE);
        }
        self.level += mean + self.trend * 0.5 * (size * blocks - 1.0);
        self.bare = self.level;
        self.used = u32::from(clock.is_given);
    }

    /// Compares a slot with what was expected of it, and learns from it.
    fn learn(&mut self, number: i64, y: f64, (clock, known): (Clock, Known<'_>), gamma: f64) {
        let passed = number.saturating_sub(self.ended);
        let place = clock.slot(number);
        let slot = f64::from(self.slots[place]);
        let without = y - known.of(place);
        if passed > clock.slots as i64 {
            self.level = y - slot;
            self.bare = without;
            return;
        }
        self.level += self.trend * passed as f64;
        self.bare += self.trend * passed as f64;
        let (plain, left) = self.test(without - self.bare, y - self.level - slot);
        let limit = if self.used == 1 {
            DROP_ABOVE
        } else {
            USE_BELOW * f64::from(self.tests / (self.tests + HALF_TESTS))
        };
        let is_clear = self.tests >= LEAST_TESTS && self.left < limit * self.plain;
        self.used = u32::from(clock.is_given || is_clear);
        if self.tests >= TESTS && self.left > ABSURD * self.plain {
            *self = Self::begun(clock);
            return;
        }
        self.folds = self.folds.saturating_add(1);
        let seen = f64::from(self.folds) / clock.slots as f64;
        let learned = slot + gamma.max(1.0 / (seen + 1.0)) * left;
        self.slots[place] = rounded(learned as f32, SPARE);
        self.level += FOLLOW * left;
        self.bare += FOLLOW * plain;
        self.trend = single(self.trend + FOLLOW * LEAN / clock.slots as f64 * left);
    }

    /// Notes what is missing to a slot without and with the season; returns how
    /// much of it is believed.
    fn test(&mut self, plain: f64, left: f64) -> (f64, f64) {
        self.tests = (self.tests + 1.0).min(1e6);
        let rate = 1.0 / f64::from(self.tests.min(TESTS));
        let believed = |off: f64, square: f64| {
            let reach = CLIP * square.sqrt();
            if rate < 0.2 { within(off, -reach, reach) } else { off }
        };
        let (plain, left) = (believed(plain, self.plain), believed(left, self.left));
        self.plain = single(self.plain + rate * (plain * plain - self.plain));
        self.left = single(self.left + rate * (left * left - self.left));
        (plain, left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::normals;

    const HOUR: i64 = DAY / 24;
    const PERIOD: Period = Period { nanos: DAY, is_given: false };

    /// Teaches hourly means of `value`, which is given the time in days, from the
    /// hour `from` until `until`.
    fn teach(season: &mut Season, (from, until): (i64, i64), mut value: impl FnMut(f64) -> f64) {
        for hour in from..until {
            let span = Span {
                from: hour * HOUR,
                until: (hour + 1) * HOUR,
                mean: value((hour as f64 + 0.5) / 24.0),
            };
            season.fold(span, 0.1, PERIOD);
        }
    }

    fn wave(day: f64) -> f64 {
        50.0 * libm::sin(day * std::f64::consts::TAU)
    }

    #[test]
    fn a_trend_is_no_season_and_hides_none() {
        let mut season = Season::zeroed();
        teach(&mut season, (5, 24 * 30), |day| 1000.0 * day);
        assert!(!season.is_used(), "{:?}", season.cycles);
        let mut season = Season::zeroed();
        teach(&mut season, (5, 5 + 24 * 3), |day| 100.0 * day + wave(day));
        assert!(season.is_used(), "within three days");
        for hour in 0..48 {
            let at = 24 * 40 * HOUR + hour * HOUR / 2;
            let expected = wave(at as f64 / DAY as f64);
            let found = season.offset(at);
            assert!((found - expected).abs() < 1.0, "{found} for {expected} at {hour}");
        }
        assert!(season.strength(PERIOD).unwrap().1 > 0.95);
    }

    #[test]
    fn chance_is_hardly_ever_taken_for_a_season() {
        let mut used = 0;
        for seed in 0..40 {
            let (mut noise, mut walk) = (normals(seed), 0.0);
            let mut season = Season::zeroed();
            teach(&mut season, (0, 24 * 14), |_| {
                walk += noise();
                walk
            });
            used += u32::from(season.is_used());
        }
        assert!(used <= 2, "{used} of 40 random walks");
    }

    #[test]
    fn a_shape_that_moves_is_learned_again_and_one_that_ends_is_dropped() {
        let mut season = Season::zeroed();
        let mut noise = normals(7);
        teach(&mut season, (0, 24 * 20), |day| wave(day) + noise());
        teach(&mut season, (24 * 20, 24 * 50), |day| wave(day + 1.0 / 24.0) + noise());
        let at = 24 * 50 * HOUR + HOUR / 2;
        let found = season.offset(at);
        let expected = wave((at + HOUR) as f64 / DAY as f64);
        assert!((found - expected).abs() < 3.0, "{found} for {expected}");
        teach(&mut season, (24 * 50, 24 * 120), |_| noise());
        let left = (0..24).map(|hour| season.offset(hour * HOUR).abs());
        assert!(left.fold(0.0, f64::max) < 3.0, "{:?}", season.cycles[0]);
    }

    #[test]
    fn another_length_begins_its_cycle_anew_and_the_other_goes_on() {
        let mut season = Season::zeroed();
        let mut noise = normals(9);
        let weekly = |day: f64| if day as i64 % 7 < 2 { -30.0 } else { 0.0 };
        teach(&mut season, (0, 24 * 49), |day| wave(day) + weekly(day) + noise());
        let before = season;
        let given = Period { nanos: 4 * HOUR, is_given: true };
        assert!(before.strength(PERIOD).is_some_and(|(secs, _)| secs == 86_400.0));
        assert!(before.strength(given).is_some_and(|(secs, _)| secs == 7.0 * 86_400.0));
        let span = Span { from: 49 * DAY, until: 49 * DAY + HOUR / 6, mean: 0.0 };
        assert!(season.fold(span, 0.1, given), "the day is out of use");
        let [day, week] = &season.cycles;
        assert!(day.used == 0 && day.folds <= 1 && day.length == given.nanos);
        assert_eq!((week.used, week.folds), (1, before.cycles[1].folds));
        // A day that is given is the same day: what was learned of it stays.
        let mut season = before;
        season.fold(span, 0.1, Period { nanos: DAY, is_given: true });
        assert_eq!(season.cycles[0].slots, before.cycles[0].slots);
    }

    #[test]
    fn days_of_the_week_add_to_those_of_the_day() {
        let mut season = Season::zeroed();
        let mut noise = normals(8);
        let weekly = |day: f64| if day as i64 % 7 < 2 { -30.0 } else { 0.0 };
        teach(&mut season, (0, 24 * 49), |day| wave(day) + weekly(day) + noise());
        for day in [0.5, 1.5, 3.5, 5.5] {
            let at = (49.0 * DAY as f64 + day * DAY as f64) as i64;
            let found = season.offset(at) - season.offset(at + 2 * DAY);
            let expected = weekly(day) - weekly(day + 2.0);
            assert!((found - expected).abs() < 8.0, "{found} for {expected} on {day}");
        }
    }
}

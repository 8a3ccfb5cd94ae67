//! Patterns never seen before: each point of a series, in its context and beside
//! the same hour of the days before, is compared with what is known; what is far
//! from all is new, and known from then on. Owns scale, context and how alarming
//! one more is; refuses to know other detectors. Serves the distribution detector.
//!
//! Sources: incremental k-centre clustering (Charikar, Chekuri, Feder, Motwani,
//! STOC 1997); a category that has to be created as the sign of novelty
//! (Carpenter, Grossberg, Rosen, Neural Networks 4, 1991).

mod book;
mod day;

use book::{Book, Found, Side, gridded, value_at};
use bytemuck::{Pod, Zeroable};
pub(crate) use day::Hour;
use day::{Day, Habit};

use crate::ensemble::HALF;
use crate::math::{asinh, larger, single, sinh, smaller, within};

/// The course: the value, the one before, means of about the last 4, 16 and 64,
/// and how much neighbours differ.
const COURSE: usize = 6;
/// Values that the means average.
const SPANS: [f32; 3] = [4.0, 16.0, 64.0];
/// Values over which the difference of neighbours is averaged.
const STIR: f32 = 16.0;
/// Beside the days before: the difference, and its means over about 4 and 16.
const BESIDE: usize = 3;
/// Values that scale and centre average.
const MEMORY: f32 = 4096.0;
/// Units beyond which one value is not believed to show the scale.
const WILD: f64 = 256.0;
/// The last value on the grid.
const END: f32 = 127.0 / 16.0;
/// Wild values of late from which on they are the scale.
const BELIEVED: f32 = 1.5;
/// Points before the scale is known.
const UNSCALED: f32 = 16.0;
/// The scale may change by this factor, and the centre move by that share of
/// it, before patterns are measured anew.
const STRETCH: f64 = 1.5;
const SHIFT: f64 = 0.25;
/// Evidence of novelty, in its own decades, that is worth telling as long as
/// nothing was; what a course says alone counts so much.
const BAR: f32 = 1.8;
const ALONE: f32 = 0.75;
/// What other statistics say of the same event beyond one in ten, up to so many
/// decades, counts by this share.
const SUPPORT: f32 = 0.3;
const MOST_SUPPORT: f32 = 4.0;
/// Novelty of neighbouring points adds up, fading, and counts by this share.
const LASTS: f32 = 0.8;
const ADDED: f32 = 0.4;
/// Evidence below which novelty is common, and less rare than its size says.
const COMMON: f32 = 1.5;
/// The most evidence of novelty.
const MOST: f32 = 30.0;
/// How much each alarm raises the bar, and how many points bring it back.
const RAISED: f32 = 0.1;
const CALMING: f32 = 4000.0;
/// A pattern is told only if it is newer by so much than the last that was;
/// what was told fades by half within 200 points.
const NEWER: f32 = 0.5;
const FADE: f32 = 0.996_540_25;

/// The patterns known of one series.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Patterns {
    mean: f64,
    variance: f64,
    /// What values are relative to.
    centre: f64,
    unit: f64,
    points: f32,
    context: Context,
    /// The last that was told, fading, and how much alarms have raised the bar.
    told: f32,
    raised: f32,
    /// Novelty of the last points together.
    together: f32,
    /// Wild values of late, fading.
    wild: f32,
    course: Book,
    beside: Book,
    day: Day,
    courses: [Side; COURSE],
    besides: [Side; BESIDE],
}

/// What was before a point, compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C)]
struct Context {
    last: f32,
    means: [f32; SPANS.len()],
    stir: f32,
    /// Means of the difference to the days before.
    beside: [f32; BESIDE - 1],
}

/// What a point says of the patterns.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Novelty {
    /// How rare so much novelty is among the series' past, decades.
    pub(crate) rarity: f32,
    /// Rarity from which on it is told.
    bar: f32,
    together: f32,
    /// Evidence that it is worth telling.
    pub(crate) evidence: f32,
    /// Evidence if nothing had been told before.
    pub(crate) plain: f32,
    context: Context,
    course: ([i8; COURSE], Found),
    beside: Option<([i8; BESIDE], Found)>,
    distance: f32,
    habit: Habit,
    /// Rarity with what is usual at the hour.
    whole: f32,
}

impl Patterns {
    /// Returns how new `x` is in its context.
    pub(crate) fn assess(&self, x: f64, hour: Hour) -> Novelty {
        if self.points < UNSCALED {
            return Novelty::default();
        }
        let moments = self.moments(x);
        if self.fits(moments) {
            return self.measure(x, hour);
        }
        let mut scaled = *self;
        scaled.rescale(moments);
        scaled.measure(x, hour)
    }

    /// Takes `x` in, judged as `novelty`.
    pub(crate) fn learn(&mut self, x: f64, hour: Hour, novelty: &Novelty) {
        let moments = self.moments(x);
        let is_wild = (x - self.mean).abs() > self.reach();
        self.wild += f32::from(u8::from(is_wild)) - self.wild / MEMORY;
        if self.points < UNSCALED {
            (self.mean, self.variance) = moments;
            self.points += 1.0;
            return;
        }
        self.follow(novelty.rarity);
        self.together = novelty.together;
        let whole = novelty.whole;
        let novelty = if self.fits(moments) {
            *novelty
        } else {
            self.rescale(moments);
            self.measure(x, hour)
        };
        (self.mean, self.variance) = moments;
        self.points = smaller(self.points + 1.0, 1e7);
        self.context = novelty.context;
        let (point, found) = &novelty.course;
        self.course.learn(&mut self.courses, point, *found);
        if let Some((point, found)) = &novelty.beside {
            self.beside.learn(&mut self.besides, point, *found);
        }
        self.day.learn(novelty.distance, hour, whole);
    }

    /// Moves the bar on: up when a point of such rarity was told, else down.
    fn follow(&mut self, rarity: f32) {
        let is_told = rarity >= self.bar();
        self.told *= FADE;
        self.raised = larger(self.raised - RAISED / CALMING, 0.0);
        if is_told {
            self.told = larger(self.told, rarity);
            self.raised += RAISED;
        }
    }

    /// Returns the rarity from which on the next point is told.
    fn bar(&self) -> f32 {
        let told = self.told * FADE;
        let again = if told > 0.5 * BAR { told + NEWER } else { 0.0 };
        larger(BAR + larger(self.raised - RAISED / CALMING, 0.0), again)
    }

    /// Returns mean and variance with `x`.
    fn moments(&self, x: f64) -> (f64, f64) {
        let rate = f64::from(larger(1.0 / (self.points + 1.0), 1.0 / MEMORY));
        let (off, reach) = (x - self.mean, self.reach());
        let is_believed = self.wild >= BELIEVED || self.points < UNSCALED;
        let off = if is_believed { off } else { within(off, -reach, reach) };
        (self.mean + rate * off, single((1.0 - rate) * (self.variance + rate * off * off)))
    }

    /// Returns how far from the mean a value is wild: one such must not be what
    /// all others are measured by. Of a flat series nothing is.
    fn reach(&self) -> f64 {
        let is_flat = self.variance <= 1e-12 * self.mean * self.mean;
        if is_flat { f64::MAX } else { WILD * unit_of(self.mean, self.variance) }
    }

    /// Says whether patterns may stay as they were measured.
    fn fits(&self, (mean, variance): (f64, f64)) -> bool {
        let unit = unit_of(mean, variance);
        let is_scaled = unit < self.unit * STRETCH && self.unit < unit * STRETCH;
        is_scaled && (mean - self.centre).abs() < SHIFT * larger(unit, self.unit)
    }

    /// Measures everything anew, relative to another mean and scale.
    fn rescale(&mut self, (mean, variance): (f64, f64)) {
        let (centre, unit) = (self.centre, self.unit);
        self.centre = mean;
        self.unit = single(unit_of(mean, variance));
        let shrunk = unit / self.unit;
        let moved = (centre - self.centre) / self.unit;
        let again = |value: f32| asinh(moved + shrunk * sinh(f64::from(value))) as f32;
        let beside = |value: f32| asinh(shrunk * sinh(f64::from(value))) as f32;
        self.context.last = again(self.context.last);
        self.context.means = self.context.means.map(again);
        self.context.beside = self.context.beside.map(beside);
        for side in &mut self.courses[..COURSE - 1] {
            for place in &mut side[..self.course.held()] {
                // What lies beyond the grid stays there.
                if value_at(*place).abs() < END {
                    *place = gridded(again(value_at(*place)));
                }
            }
        }
        for place in self.besides.iter_mut().flat_map(|side| &mut side[..self.beside.held()]) {
            if value_at(*place).abs() < END {
                *place = gridded(beside(value_at(*place)));
            }
        }
        self.day.rescale(moved as f32, shrunk as f32);
    }

    fn measure(&self, x: f64, hour: Hour) -> Novelty {
        let distance = (x - self.centre) / self.unit;
        let value = within(asinh(distance) as f32, -END, END);
        let is_first = self.course.held() == 0;
        let mut context = self.context;
        let last = if is_first { value } else { context.last };
        context.last = value;
        for (mean, span) in context.means.iter_mut().zip(SPANS) {
            *mean = if is_first { value } else { *mean + (value - *mean) / span };
        }
        context.stir += ((value - last).abs() - context.stir) / STIR;
        let [few, some, many] = context.means;
        let course = [value, last, few, some, many, context.stir].map(gridded);
        let found = self.course.assess(&self.courses, &course);
        let beside = self.day.usual(hour).map(|usual| {
            let off = distance - f64::from(usual);
            let flat = distance - f64::from(self.day.middle(hour.number).unwrap_or(usual));
            let off = asinh(if flat.abs() < off.abs() { flat } else { off }) as f32;
            let off = within(off, -END, END);
            for (mean, span) in context.beside.iter_mut().zip(SPANS) {
                *mean += (off - *mean) / span;
            }
            let point = [off, context.beside[0], context.beside[1]].map(gridded);
            (point, self.beside.assess(&self.besides, &point))
        });
        let alone = found.rarity.unwrap_or(0.0);
        let rarity = match beside.and_then(|(_, found)| found.rarity) {
            Some(beside) => 0.5 * (alone + beside),
            None => ALONE * alone,
        };
        Novelty {
            rarity,
            bar: self.bar(),
            together: self.together * LASTS,
            evidence: 0.0,
            plain: 0.0,
            context,
            course: (course, found),
            beside,
            distance: distance as f32,
            habit: self.day.habit(hour),
            whole: 0.0,
        }
    }
}

impl Novelty {
    /// Returns it with what the other statistics say of the event, and with what
    /// the points before said.
    pub(crate) fn joined(mut self, others: f32) -> Self {
        if self.bar > 0.0 {
            let own = self.rarity + SUPPORT * within(others - 1.0, 0.0, MOST_SUPPORT);
            self.whole = own;
            let own = self.habit.beyond(own);
            self.together += own;
            self.rarity = smaller(larger(own, ADDED * self.together), MOST);
            self.evidence = calibrated(HALF as f32 * self.rarity / self.bar);
            self.plain = HALF as f32 * self.rarity / BAR;
        }
        self
    }
}

/// Returns evidence of novelty as rare as it says where it is common: on normal
/// data of all kinds half of the points have a decade's half.
fn calibrated(evidence: f32) -> f32 {
    if evidence < COMMON { evidence * evidence / COMMON } else { evidence }
}

/// Returns the scale of values with such moments, never 0.
fn unit_of(mean: f64, variance: f64) -> f64 {
    larger(variance.sqrt(), mean.abs() * 1e-6 + 1e-30)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: Hour = Hour { number: 3, period: 0, inside: 0.5 };

    fn taught(values: impl IntoIterator<Item = f64>) -> Patterns {
        let mut patterns = Patterns::zeroed();
        for value in values {
            let novelty = patterns.assess(value, HOUR).joined(0.0);
            patterns.learn(value, HOUR, &novelty);
        }
        patterns
    }

    /// A wave of 24 points that keeps its crest for a while.
    fn wave(point: usize) -> f64 {
        [0.0, 1.0, 4.0, 9.0, 12.0, 12.0, 9.0, 4.0][point / 3 % 8] + 0.1 * (point % 7) as f64
    }

    #[test]
    fn a_course_that_was_never_taken_is_new_once() {
        let mut patterns = taught((0..2000).map(wave));
        let flat = |patterns: &mut Patterns| {
            let mut most = 0.0f32;
            for _ in 0..32 {
                let novelty = patterns.assess(12.0, HOUR).joined(0.0);
                most = most.max(novelty.rarity);
                patterns.learn(12.0, HOUR, &novelty);
            }
            most
        };
        let first = flat(&mut patterns);
        assert!(first > 1.0, "each value is usual, the course is not: {first}");
        for point in 0..400 {
            let novelty = patterns.assess(wave(point), HOUR).joined(0.0);
            patterns.learn(wave(point), HOUR, &novelty);
        }
        let again = flat(&mut patterns);
        assert!(again < 0.5 * first, "known by now: {again} after {first}");
    }

    #[test]
    fn each_alarm_asks_more_of_the_next() {
        let mut patterns = taught((0..1000).map(wave));
        let bar = patterns.bar();
        let novelty = patterns.assess(80.0, HOUR).joined(0.0);
        assert!(novelty.evidence > HALF as f32 && novelty.plain >= novelty.evidence);
        patterns.learn(80.0, HOUR, &novelty);
        assert!(patterns.bar() > bar + NEWER);
        for point in 0..4000 {
            let novelty = patterns.assess(wave(point), HOUR).joined(0.0);
            patterns.learn(wave(point), HOUR, &novelty);
        }
        assert!(patterns.bar() < bar + RAISED, "it comes back");
    }

    proptest! {
        #[test]
        fn nothing_becomes_infinite(values in prop::collection::vec(-1e37f64..1e37, 1..200),
                                    scale in prop::sample::select(vec![1e-37, 1.0])) {
            let patterns = taught(values.iter().map(|value| value * scale));
            let novelty = patterns.assess(values[0], HOUR).joined(0.0);
            prop_assert!(novelty.evidence.is_finite());
            prop_assert!(patterns.unit >= 0.0 && patterns.unit.is_finite());
        }

        #[test]
        fn the_unit_does_not_matter(values in prop::collection::vec(-5.0f64..5.0, 50..200)) {
            let plain = taught(values.iter().copied());
            let scaled = taught(values.iter().map(|value| value * 1024.0));
            prop_assert_eq!(plain.courses, scaled.courses);
        }
    }
}

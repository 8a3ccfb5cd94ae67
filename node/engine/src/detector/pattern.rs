//! Patterns never seen before: each point of a series in its context is compared
//! with the patterns known of it; one far from all is new, and is known from
//! then on. Owns patterns, what they are measured in and how alarming one more
//! is; refuses to know time and other detectors. Serves the distribution detector.
//!
//! Sources: incremental k-centre clustering (Charikar, Chekuri, Feder, Motwani,
//! STOC 1997); a category that has to be created as the sign of novelty
//! (Carpenter, Grossberg, Rosen, Neural Networks 4, 1991).

use bytemuck::{Pod, Zeroable};

use crate::ensemble::HALF;
use crate::math::{asinh, larger, rough_log2, sinh, smaller, student_evidence};

/// Patterns kept.
const KEPT: usize = 64;
/// What a pattern consists of: the value, the one before, means of about the
/// last 4, 16 and 64, and how much neighbours differ.
const SIDES: usize = 6;
/// Values that the means average.
const SPANS: [f32; 3] = [4.0, 16.0, 64.0];
/// Values over which the difference of neighbours is averaged.
const STIR: f32 = 16.0;
/// Values that scale and centre average.
const MEMORY: f32 = 4096.0;
/// Steps of the grid per unit of the compressed value.
const GRID: f32 = 16.0;
/// Patterns so close, squared grid steps, are the same: a quarter of a unit.
const SAME: i32 = 16;
/// The scale may change by this factor, and the centre move by that share of
/// it, before patterns are measured anew.
const STRETCH: f64 = 1.5;
const SHIFT: f64 = 0.25;
/// Points whose distances are averaged to know the usual one, at most.
const USUAL: f32 = 4096.0;
/// Points before patterns are kept: their scale is not known earlier; and before
/// distances are judged.
const UNSCALED: f32 = 16.0;
const YOUNG: f32 = 48.0;
/// Neighbouring points, which are alike, that count as one.
const ALIKE: f32 = 8.0;
/// Added to distances, which are often zero, before the logarithm: grid steps.
const SOFT: f32 = 8.0;
/// Least variance of the logarithm of distances.
const STEADIEST: f32 = 0.01;
/// Evidence of novelty, in the statistic's own decades, that is worth telling
/// as long as nothing was.
const BAR: f32 = 2.0;
/// How much each alarm raises the bar, and how many points bring it back.
const RAISED: f32 = 0.1;
const CALMING: f32 = 2000.0;
/// A pattern is told only if it is newer by so much than the last that was;
/// what was told fades by half within 200 points.
const NEWER: f32 = 0.5;
const FADE: f32 = 0.996_540_25;
/// The most evidence of novelty.
const MOST: f32 = 30.0;

/// A point in its context, on the grid.
type Pattern = [i8; SIDES];

/// The patterns known of one series.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Patterns {
    mean: f64,
    variance: f64,
    /// What the compressed values are relative to.
    centre: f64,
    unit: f64,
    /// The last compressed value and the means.
    last: f32,
    means: [f32; SPANS.len()],
    stir: f32,
    points: f32,
    /// Mean and variance of the logarithm of distances.
    usual: f32,
    variety: f32,
    /// The last that was told, fading, and how much alarms have raised the bar.
    told: f32,
    raised: f32,
    /// Patterns closer than this, squared grid steps, are taken for one.
    radius: i32,
    held: u32,
    /// By side, so that all are compared at once.
    sides: [[i8; KEPT]; SIDES],
}

/// What a point says of the patterns.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Novelty {
    /// How rare so much novelty is among the series' past, decades.
    pub(crate) rarity: f32,
    /// Evidence that it is worth telling.
    pub(crate) evidence: f32,
    /// Evidence if nothing had been told before.
    pub(crate) plain: f32,
    step: Step,
}

/// A point as it is taken in.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Step {
    value: f32,
    means: [f32; SPANS.len()],
    stir: f32,
    pattern: Pattern,
    distance: i32,
    log: f32,
}

impl Patterns {
    /// Returns how new `x` is in its context.
    pub(crate) fn assess(&self, x: f64) -> Novelty {
        if self.points < UNSCALED {
            return Novelty::default();
        }
        let moments = self.moments(x);
        if self.fits(moments) {
            return self.measure(x);
        }
        let mut scaled = *self;
        scaled.rescale(moments);
        scaled.measure(x)
    }

    /// Takes `x` in, judged as `novelty`.
    pub(crate) fn learn(&mut self, x: f64, novelty: &Novelty) {
        let moments = self.moments(x);
        if self.points < UNSCALED {
            (self.mean, self.variance) = moments;
            self.points += 1.0;
            return;
        }
        let Novelty { rarity, step, .. } = if self.fits(moments) {
            *novelty
        } else {
            self.rescale(moments);
            self.measure(x)
        };
        (self.mean, self.variance) = moments;
        self.follow(rarity);
        self.points = smaller(self.points + 1.0, 1e7);
        let rate = larger(1.0 / (self.points - UNSCALED), 1.0 / USUAL);
        let off = step.log - self.usual;
        self.usual += rate * off;
        self.variety = (1.0 - rate) * (self.variety + rate * off * off);
        self.last = step.value;
        self.means = step.means;
        self.stir = step.stir;
        if step.distance > larger(self.radius, SAME) || self.held == 0 {
            self.keep(step.pattern);
        }
    }

    /// Returns the value of the pattern known that is most like that of `novelty`.
    pub(crate) fn similar(&self, novelty: &Novelty) -> f64 {
        let squares = self.squares(novelty.step.pattern);
        let mut nearest = 0;
        for number in 1..self.held as usize {
            if squares[number] < squares[nearest] {
                nearest = number;
            }
        }
        let value = f64::from(self.sides[0][nearest]) / f64::from(GRID);
        self.centre + self.unit * sinh(value)
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
        let off = x - self.mean;
        (self.mean + rate * off, (1.0 - rate) * (self.variance + rate * off * off))
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
        self.unit = unit_of(mean, variance);
        let again = |value: f32| {
            let x = centre + unit * sinh(f64::from(value));
            asinh((x - self.centre) / self.unit) as f32
        };
        self.last = again(self.last);
        self.means = self.means.map(again);
        for side in &mut self.sides[..SIDES - 1] {
            for place in &mut side[..self.held as usize] {
                *place = gridded(again(f32::from(*place) / GRID));
            }
        }
    }

    fn measure(&self, x: f64) -> Novelty {
        let value = asinh((x - self.centre) / self.unit) as f32;
        let is_first = self.held == 0;
        let last = if is_first { value } else { self.last };
        let mut means = self.means;
        for (mean, span) in means.iter_mut().zip(SPANS) {
            *mean = if is_first { value } else { *mean + (value - *mean) / span };
        }
        let stir = self.stir + ((value - last).abs() - self.stir) / STIR;
        let pattern = [value, last, means[0], means[1], means[2], stir].map(gridded);
        let held = self.held as usize;
        let distance = if held == 0 { 0 } else { self.nearest(pattern, held) };
        let log = rough_log2((distance as f32).sqrt() + SOFT) * std::f32::consts::LN_2;
        let deviation = (log - self.usual) / (self.variety + STEADIEST).sqrt();
        let is_judged = self.points >= YOUNG && deviation > 0.0;
        let rarity = if is_judged {
            smaller(student_evidence(deviation, (self.points - UNSCALED) / ALIKE), MOST)
        } else {
            0.0
        };
        Novelty {
            rarity,
            evidence: HALF as f32 * rarity / self.bar(),
            plain: HALF as f32 * rarity / BAR,
            step: Step { value, means, stir, pattern, distance, log },
        }
    }

    /// Returns the squared distance from `pattern` to the nearest of the oldest
    /// `count` patterns, or to some place where none is.
    #[inline]
    fn nearest(&self, pattern: Pattern, count: usize) -> i32 {
        self.squares(pattern)[..count]
            .iter()
            .fold(i32::MAX, |least, square| smaller(least, *square))
    }

    /// Returns the squared distance from `pattern` to each place.
    #[inline(always)]
    fn squares(&self, pattern: Pattern) -> [i32; KEPT] {
        let mut squares = [0i32; KEPT];
        for (side, place) in self.sides.iter().zip(pattern) {
            for (square, known) in squares.iter_mut().zip(side) {
                let off = i16::from(*known) - i16::from(place);
                *square += i32::from(off) * i32::from(off);
            }
        }
        squares
    }

    /// Keeps a new pattern; where there are too many, the younger one of the two
    /// most alike gives way, and what is as much alike is one from then on.
    fn keep(&mut self, pattern: Pattern) {
        if self.held as usize == KEPT {
            let mut closest = self.nearest(pattern, KEPT);
            let mut younger = KEPT;
            for number in 1..KEPT {
                let square = self.nearest(self.at(number), number);
                if square < closest {
                    (closest, younger) = (square, number);
                }
            }
            self.radius = larger(self.radius, closest);
            if younger == KEPT {
                return;
            }
            for side in &mut self.sides {
                side.copy_within(younger + 1.., younger);
            }
            self.held -= 1;
        }
        for (side, place) in self.sides.iter_mut().zip(pattern) {
            side[self.held as usize] = place;
        }
        self.held += 1;
    }

    fn at(&self, number: usize) -> Pattern {
        let mut pattern = [0; SIDES];
        for (place, side) in pattern.iter_mut().zip(&self.sides) {
            *place = side[number];
        }
        pattern
    }
}

/// Returns the scale of values with such moments, never 0.
fn unit_of(mean: f64, variance: f64) -> f64 {
    larger(variance.sqrt(), mean.abs() * 1e-6 + 1e-30)
}

/// Returns the place of a compressed value on the grid.
fn gridded(value: f32) -> i8 {
    let steps = value * GRID;
    (steps + if steps < 0.0 { -0.5 } else { 0.5 }) as i8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn taught(values: impl IntoIterator<Item = f64>) -> Patterns {
        let mut patterns = Patterns::zeroed();
        for value in values {
            let novelty = patterns.assess(value);
            patterns.learn(value, &novelty);
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
                let novelty = patterns.assess(12.0);
                most = most.max(novelty.rarity);
                patterns.learn(12.0, &novelty);
            }
            most
        };
        let first = flat(&mut patterns);
        assert!(first > 0.9 * BAR, "each value is usual, the course is not: {first}");
        for point in 0..400 {
            let novelty = patterns.assess(wave(point));
            patterns.learn(wave(point), &novelty);
        }
        let again = flat(&mut patterns);
        assert!(again < 0.5 * first, "known by now: {again} after {first}");
    }

    #[test]
    fn each_alarm_asks_more_of_the_next() {
        let mut patterns = taught((0..1000).map(wave));
        let bar = patterns.bar();
        let novelty = patterns.assess(80.0);
        assert!(novelty.evidence > HALF as f32 && novelty.plain >= novelty.evidence);
        patterns.learn(80.0, &novelty);
        assert!(patterns.bar() > bar + NEWER);
        for point in 0..4000 {
            let novelty = patterns.assess(wave(point));
            patterns.learn(wave(point), &novelty);
        }
        assert!(patterns.bar() < bar + RAISED, "it comes back");
    }

    #[test]
    fn what_is_most_alike_is_a_value_that_was_seen() {
        let patterns = taught((0..500).map(|point| if point % 5 < 2 { 10.0 } else { 90.0 }));
        let similar = patterns.similar(&patterns.assess(11.0));
        assert!((similar - 10.0).abs() < 8.0, "{similar}");
    }

    proptest! {
        #[test]
        fn nothing_becomes_infinite(values in prop::collection::vec(-1e37f64..1e37, 1..200),
                                    scale in prop::sample::select(vec![1e-37, 1.0])) {
            let patterns = taught(values.iter().map(|value| value * scale));
            let novelty = patterns.assess(values[0]);
            prop_assert!(novelty.evidence.is_finite() && patterns.similar(&novelty).is_finite());
            prop_assert!(patterns.usual.is_finite() && patterns.variety.is_finite());
            prop_assert!(patterns.unit >= 0.0 && patterns.unit.is_finite());
        }

        #[test]
        fn the_nearest_is_that_of_a_plain_search(values in prop::collection::vec(-5.0f64..5.0, 100..400)) {
            let patterns = taught(values.iter().copied());
            let held = patterns.held as usize;
            prop_assert!(held <= KEPT);
            let pattern = patterns.assess(values[0]).step.pattern;
            let plain = (0..held).map(|number| {
                let known = patterns.at(number);
                (0..SIDES).map(|side| (i32::from(known[side]) - i32::from(pattern[side])).pow(2)).sum::<i32>()
            }).min().unwrap();
            prop_assert_eq!(patterns.nearest(pattern, held), plain);
        }

        #[test]
        fn the_unit_does_not_matter(values in prop::collection::vec(-5.0f64..5.0, 50..200)) {
            let plain = taught(values.iter().copied());
            let scaled = taught(values.iter().map(|value| value * 1024.0));
            prop_assert_eq!(plain.sides, scaled.sides);
        }
    }
}

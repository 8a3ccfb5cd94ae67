//! What is usual by hour of the day, or part of the period that was configured:
//! the mean, the course through it, and how rare the rarest is time and again.
//! Owns hours; refuses to know patterns. Called by `pattern`.

use bytemuck::{Pod, Zeroable};

use super::NEWER;
use crate::detector::season::{Course, Period};
use crate::math::{larger, within};

/// Parts of a day, or of the period that was configured.
const HOURS: usize = 24;
/// Parts of a unit in which hours are kept.
const PARTS: f32 = 128.0;
/// How much an hour teaches of its like.
const TAUGHT: f32 = 0.25;
/// How much the rarest point of an hour teaches of its like, and parts of a
/// decade in which that is kept.
const RECALLED: f32 = 0.75;
const PEAKS: f32 = 16.0;
/// Units beyond which a value teaches its hour no more.
const FARTHEST: f32 = 16.0;
/// 2^64 over the golden ratio: spreads numbers.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// What is usual by hour, in parts of a unit from the centre.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Day {
    hours: [i16; HOURS],
    /// One bit for each hour that is known.
    known: u32,
    /// The hour being filled, and of which period it is.
    hour: u32,
    period: u32,
    sum: f32,
    count: f32,
    /// The greatest rarity when each hour last was, and what it is time and
    /// again, in parts of a decade; that of the hour being filled.
    peaks: [u8; HOURS],
    habits: [u8; HOURS],
    peak: f32,
    /// The course within the hour being filled.
    course: Course,
}

/// When a point is, by hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Hour {
    pub(super) number: u32,
    /// Tells one configured period from another; 0 for none.
    pub(super) period: u32,
    /// How much of it is over, 0..1.
    pub(super) inside: f32,
}

impl Hour {
    /// Returns the hour of `at` in `period`.
    pub(crate) fn of(at: i64, period: Period) -> Self {
        let width = (period.nanos / HOURS as i64).max(1);
        let number = at.div_euclid(width).rem_euclid(HOURS as i64) as u32;
        let spread = (period.nanos as u64).wrapping_mul(GOLDEN) >> 32;
        let given = if period.is_given { spread as u32 | 1 } else { 0 };
        Self { number, period: given, inside: at.rem_euclid(width) as f32 / width as f32 }
    }
}

/// How rare the rarest is at an hour, day by day, and how much more so than at
/// other hours.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Habit {
    usual: f32,
    excess: f32,
}

impl Habit {
    /// Returns what of `rarity` the hour does not explain: all of what was never
    /// so rare.
    pub(super) fn beyond(self, rarity: f32) -> f32 {
        let known = within((self.usual + NEWER - rarity) / NEWER, 0.0, 1.0);
        larger(rarity - self.excess * known, 0.0)
    }
}

impl Day {
    /// Returns what is usual in the middle of an hour, in units; none before it
    /// was once.
    pub(super) fn middle(&self, hour: u32) -> Option<f32> {
        let kept = f32::from(self.hours[hour as usize % HOURS]) / PARTS;
        (self.known >> hour & 1 == 1).then_some(kept)
    }

    /// Returns what is usual at that time of an hour, by its course once all hours
    /// are known; none before it was once.
    pub(super) fn usual(&self, hour: Hour) -> Option<f32> {
        if hour.period != self.period {
            return None;
        }
        if self.known.count_ones() as usize != HOURS {
            return self.middle(hour.number);
        }
        let is_held = hour.number == self.hour;
        let course = if is_held { self.course } else { self.course_of(hour.number) };
        Some(course.at(hour.inside))
    }

    fn course_of(&self, hour: u32) -> Course {
        let usual = |hour: usize| f32::from(self.hours[hour % HOURS]) / PARTS;
        Course::of(usual, HOURS, hour as usize)
    }

    /// Takes a point in; when another hour begins, what the last one held.
    pub(super) fn learn(&mut self, distance: f32, hour: Hour, rarity: f32) {
        if hour.period != self.period {
            // Hours of another period are other hours.
            *self = Self { hour: hour.number, period: hour.period, ..Self::zeroed() };
        }
        if hour.number != self.hour && self.count > 0.0 {
            let mean = self.sum / self.count;
            let usual = self.middle(self.hour).unwrap_or(mean);
            let place = self.hour as usize % HOURS;
            self.hours[place] = parted(usual + TAUGHT * (mean - usual));
            self.known |= 1 << place;
            // Once is no habit.
            let peak = (self.peak * PEAKS) as u8;
            let both = f32::from(peak.min(self.peaks[place]));
            let habit = f32::from(self.habits[place]);
            self.habits[place] = (habit + RECALLED * (both - habit) + 0.5) as u8;
            self.peaks[place] = peak;
            self.peak = 0.0;
            self.sum = 0.0;
            self.count = 0.0;
        }
        if hour.number != self.hour {
            self.course = self.course_of(hour.number);
        }
        self.hour = hour.number;
        // One wild value must not be what the hour is remembered by.
        self.sum += within(distance, -FARTHEST, FARTHEST);
        self.count += 1.0;
        self.peak = larger(self.peak, rarity);
    }

    /// Returns how rare the rarest is at that hour.
    pub(super) fn habit(&self, hour: Hour) -> Habit {
        if hour.period != self.period {
            return Habit::default();
        }
        let all: u32 = self.habits.iter().map(|habit| u32::from(*habit)).sum();
        let usual = f32::from(self.habits[hour.number as usize % HOURS]) / PEAKS;
        Habit { usual, excess: larger(usual - all as f32 / HOURS as f32 / PEAKS, 0.0) }
    }

    pub(super) fn rescale(&mut self, moved: f32, shrunk: f32) {
        self.sum = moved * self.count + shrunk * self.sum;
        self.course = self.course.scaled(moved, shrunk);
        self.hours = self.hours.map(|usual| parted(moved + shrunk * f32::from(usual) / PARTS));
    }
}

/// Returns what is kept of an hour; far beyond what is usual, the most there is.
fn parted(usual: f32) -> i16 {
    let parts = usual * PARTS;
    (parts + if parts < 0.0 { -0.5 } else { 0.5 }) as i16
}

//! Whether the mean of a series has drifted for good: a window that grows while
//! its values agree and is cut where an older and a newer part no longer do.
//! Owns the window's buckets; refuses to know what a cut is good for.
//!
//! Source: Bifet, Gavaldà, SDM 2007 (ADWIN2, §3.2: exponential histogram; the
//! cut of eq. 3.1 with the variance of the window).

use bytemuck::{Pod, Zeroable};

use crate::detector::Finding;
use crate::math::{larger, ln, log10, rounded, single, smaller, student_evidence, within};

/// Buckets of one size.
const WIDE: usize = 2;
/// Sizes: bucket `r` holds 2^r values, so the window at most 2·(2^12 − 1).
const ROWS: usize = 12;
/// Values a part must hold before it is compared.
const LEAST: f32 = 5.0;
/// Values kept before any cut, and before the unit is known.
const YOUNG: u32 = 16;
/// Values are no further from the long level than so many units: the bound that
/// the cut needs, and what a single outlier can do.
const BOUND: f64 = 4.0;
/// Values over which the unit averages.
const MEMORY: f32 = 256.0;
/// The least variance of the window, square units.
const STEADIEST: f32 = 1e-3;
/// Binary digits of 24 that buckets do without.
const SPARE: u32 = 8;
/// The most evidence.
const MOST: f32 = 1e6;

/// Some consecutive values.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
struct Bucket {
    mean: f32,
    /// Sum of squared deviations from the mean.
    squares: f32,
}

impl Bucket {
    /// Returns one with the digits that are kept.
    fn of(mean: f32, squares: f32) -> Self {
        Self { mean: rounded(mean, SPARE), squares: rounded(squares, SPARE) }
    }
}

/// The window of one series.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Window {
    /// Values are kept relative to this, in these units.
    anchor: f64,
    unit: f64,
    /// Mean square of half the squared change, in units.
    square: f32,
    last: f32,
    count: u32,
    /// Cuts so far.
    cuts: u32,
    /// Buckets held of each size.
    held: [u8; 12],
    /// Buckets by size, the newest of a size first.
    rows: [[Bucket; WIDE]; ROWS],
    pad: u32,
}

/// How sure a cut must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Caution {
    /// The probability of a false cut, the paper's δ.
    pub delta: f64,
}

impl Default for Caution {
    fn default() -> Self {
        Self { delta: 0.002 }
    }
}

/// What the window says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Drift {
    /// Evidence that the parts differ that differ most; deviation and
    /// expectation are of the mean.
    pub finding: Finding,
    /// Where the window is to be cut.
    pub cut: Option<Cut>,
}

/// Two parts of a window that differ.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cut {
    /// Values of the older and the newer part.
    pub widths: [u32; 2],
    /// Their means.
    pub means: [f64; 2],
}

/// Values taken together: how many, their mean, their squared deviations.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    width: f32,
    mean: f32,
    squares: f32,
}

impl Part {
    /// Adds values (Chan, Golub, LeVeque, COMPSTAT 1982, eq. 2.1).
    fn add(&mut self, width: f32, bucket: Bucket) {
        let all = self.width + width;
        let off = bucket.mean - self.mean;
        self.squares += bucket.squares + off * off * self.width * width / all;
        self.mean += off * width / all;
        self.width = all;
    }

    /// Returns this without `other`, which is a part of it.
    fn without(self, other: Self) -> Self {
        let width = larger(self.width - other.width, 1.0);
        let mean = self.mean + (self.mean - other.mean) * other.width / width;
        Self { width, mean, squares: 0.0 }
    }
}

/// The two parts of a window that differ most.
#[derive(Clone, Copy, Debug)]
struct Split {
    older: Part,
    newer: Part,
    /// Their difference over the cut's threshold.
    ratio: f32,
    /// Their difference over its standard deviation.
    z: f32,
}

impl Default for Window {
    fn default() -> Self {
        Self::zeroed()
    }
}

impl Window {
    /// Returns how many values the window holds.
    pub fn width(&self) -> u32 {
        let sizes = self.held.iter().zip(0..ROWS);
        sizes.map(|(held, row)| u32::from(*held) << row).sum()
    }

    /// Returns the mean of the window.
    pub fn mean(&self) -> f64 {
        self.anchor + f64::from(self.whole().mean) * self.unit
    }

    /// Returns how many cuts there were.
    pub fn cuts(&self) -> u32 {
        self.cuts
    }

    /// Judges `x` as the next value: what the window would say with it.
    pub fn judge(&self, x: f64, caution: Caution) -> Drift {
        if self.count < YOUNG || self.unit <= 0.0 {
            return Drift::default();
        }
        let mut next = *self;
        next.push(next.in_units(x));
        let Some(split) = next.split(caution) else {
            return Drift::default();
        };
        let Cut { widths, means } = next.cut(&split);
        let tried = log10(larger(ln(f64::from(next.width())), 1.0)) as f32;
        let nominal = student_evidence(split.z, next.width() as f32 - 1.0) - tried;
        let finding = Finding {
            nominal: within(nominal, 0.0, MOST),
            deviation: means[1] - means[0],
            expected: means[0],
        };
        Drift { finding, cut: (split.ratio > 1.0).then_some(Cut { widths, means }) }
    }

    /// Takes `x` in, and cuts the window for as long as its parts differ.
    /// Returns the first cut.
    pub fn learn(&mut self, x: f64, caution: Caution) -> Option<Cut> {
        self.count = self.count.saturating_add(1);
        if self.count == 1 {
            self.anchor = x;
        }
        if self.unit <= 0.0 {
            let change = single(smaller((x - self.anchor).abs(), 1e37));
            if change <= 1e-9 * self.anchor.abs() {
                return None;
            }
            // The first change of the value is the first unit.
            (self.unit, self.count) = (change, 1);
        }
        self.push(self.in_units(x));
        if self.count < YOUNG {
            return None;
        }
        let mut first = None;
        while let Some(split) = self.split(caution).filter(|split| split.ratio > 1.0) {
            first = first.or(Some(self.cut(&split)));
            // As in the paper the oldest bucket goes, and all is looked at again.
            self.drop_oldest();
        }
        self.cuts = self.cuts.saturating_add(u32::from(first.is_some()));
        first
    }

    /// Returns what `split` says, in the unit of the values.
    fn cut(&self, split: &Split) -> Cut {
        let parts = [split.older, split.newer];
        Cut {
            widths: parts.map(|part| part.width as u32),
            means: parts.map(|part| self.anchor + f64::from(part.mean) * self.unit),
        }
    }

    /// Returns `x` in units, no further out than the window's mean and the bound.
    fn in_units(&self, x: f64) -> f32 {
        let level = f64::from(self.whole().mean);
        let reach = BOUND * larger(f64::from(self.square).sqrt(), 1e-3);
        let z = (x - self.anchor) / self.unit;
        if self.count < YOUNG {
            within(z, -1e6, 1e6) as f32
        } else {
            within(z, level - reach, level + reach) as f32
        }
    }

    /// Follows the size of changes; when the unit turns out wrong it is put right.
    fn follow(&mut self, z: f32) {
        let change = z - self.last;
        let square = 0.5 * change * change;
        let rate = 1.0 / smaller(self.count as f32, MEMORY);
        self.square += rate * (square - self.square);
        self.last = z;
        let size = self.square.sqrt();
        if self.count >= YOUNG && size > 0.0 && !(1e-3..1e3).contains(&size) {
            self.scale(1.0 / size);
        }
    }

    fn scale(&mut self, factor: f32) {
        self.unit = single(self.unit / f64::from(factor));
        self.square *= factor * factor;
        self.last *= factor;
        for bucket in self.rows.as_flattened_mut() {
            let squares = smaller(bucket.squares * factor * factor, 1e30);
            *bucket = Bucket::of(bucket.mean * factor, squares);
        }
    }

    /// Takes a value in; full rows hand their two oldest buckets on as one.
    fn push(&mut self, z: f32) {
        self.stack(z);
        self.follow(z);
    }

    fn stack(&mut self, z: f32) {
        let mut new = Bucket::of(z, 0.0);
        for row in 0..ROWS {
            let held = usize::from(self.held[row]);
            let buckets = &mut self.rows[row];
            if held < WIDE {
                buckets.copy_within(0..held, 1);
                buckets[0] = new;
                self.held[row] += 1;
                return;
            }
            let (a, b) = (buckets[WIDE - 2], buckets[WIDE - 1]);
            buckets.copy_within(0..WIDE - 2, 1);
            buckets[0] = new;
            buckets[WIDE - 1] = Bucket::zeroed();
            self.held[row] = WIDE as u8 - 1;
            let width = (1u32 << row) as f32;
            let mut both = Part { width, mean: b.mean, squares: b.squares };
            both.add(width, a);
            new = Bucket::of(both.mean, both.squares);
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(row) = self.held.iter().rposition(|held| *held > 0) {
            self.held[row] -= 1;
            self.rows[row][usize::from(self.held[row]) % WIDE] = Bucket::zeroed();
        }
    }

    /// Goes over buckets and their sizes, the oldest first.
    fn oldest_first(&self) -> impl Iterator<Item = (f32, Bucket)> {
        (0..ROWS).rev().flat_map(move |row| {
            let held = usize::from(self.held[row]).min(WIDE);
            self.rows[row][..held].iter().rev().map(move |bucket| ((1u32 << row) as f32, *bucket))
        })
    }

    fn whole(&self) -> Part {
        let mut all = Part::default();
        self.oldest_first().for_each(|(width, bucket)| all.add(width, bucket));
        all
    }

    /// Returns the two parts whose difference is largest for the threshold of
    /// eq. 3.1, with δ' = δ / ln n as the paper uses in practice.
    fn split(&self, caution: Caution) -> Option<Split> {
        let all = self.whole();
        let variance = larger(all.squares / all.width, STEADIEST * self.square);
        let tried = larger(ln(f64::from(larger(all.width, 1.0))), 1.0);
        let doubt = ln(2.0 * tried / within(caution.delta, 1e-12, 0.5)) as f32;
        let bound = BOUND as f32 * larger(self.square, 1e-6).sqrt();
        let mut older = Part::default();
        let mut best: Option<Split> = None;
        for (width, bucket) in self.oldest_first() {
            older.add(width, bucket);
            if older.width < LEAST || all.width - older.width < LEAST {
                continue;
            }
            let newer = all.without(older);
            let per_value = 1.0 / older.width + 1.0 / newer.width;
            let limit =
                (2.0 * per_value * variance * doubt).sqrt() + 2.0 / 3.0 * per_value * doubt * bound;
            let off = (older.mean - newer.mean).abs();
            let ratio = off / limit;
            if best.is_none_or(|best| ratio > best.ratio) {
                best = Some(Split { older, newer, ratio, z: off / (per_value * variance).sqrt() });
            }
        }
        best
    }
}

#[cfg(test)]
mod tests;

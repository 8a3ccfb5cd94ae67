//! Since when a series has been as it is: the probability of each run length,
//! with what values of that run are like. Owns at most 16 runs; refuses to know
//! time, which its caller counts in observations.
//!
//! Source: Adams, MacKay, arXiv 0710.3742, 2007 (algorithm 1, constant hazard);
//! Murphy, Conjugate Bayesian analysis of the Gaussian distribution, 2007, §3
//! (normal-inverse-gamma, Student predictive). A share of values is taken for
//! strays that say nothing of their run, so that one outlier is no change.

use bytemuck::{Pod, Zeroable};

use crate::detector::Finding;
use crate::math::{exp2, larger, log2, log10, rounded, single, smaller, within};

/// Runs kept.
const RUNS: usize = 16;
/// A change is news while its run is no longer than this.
const RECENT: u32 = 64;
/// Runs shorter than this are not merged: nothing is known of them yet.
const TENDER: u32 = 8;
/// Values before the unit is known and any is judged.
const YOUNG: u32 = 16;
/// Pseudo-observations behind the prior mean, and half of those behind the
/// prior variance.
const KAPPA: f64 = 0.04;
const ALPHA: f64 = 1.5;
/// How far strays lie, in long standard deviations.
const STRAY: f64 = 10.0;
/// Values over which the unit averages, and what it ignores beyond.
const MEMORY: f32 = 512.0;
const CLIP: f32 = 4.0;
/// A run varies by no less than this share of the unit.
const STEADIEST: f32 = 0.05;
/// Binary digits of 24 that runs do without: less than the least that a value
/// teaches of one.
const SPARE: u32 = 8;
/// The most evidence.
const MOST: f64 = 30.0;
/// Values that a run's mean and variance average at most: it may drift.
const WEIGHTIEST: f32 = 4096.0;
/// The largest deviation, in units, that is told from larger ones.
const FAR: f64 = 1e6;

/// One run: it began so many observations ago.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
struct Run {
    /// Its probability.
    mass: f32,
    mean: f32,
    /// Sum of squared deviations from the mean, the prior's with it.
    beta: f32,
    /// Observations that are no strays.
    weight: f32,
    length: u32,
}

/// The state of one series.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Runs {
    /// Values are kept relative to this, in these units.
    anchor: f64,
    unit: f64,
    /// Long level and mean square of half the squared change, in units.
    level: f32,
    square: f32,
    last: f32,
    /// What the run before the last change was like.
    before: f32,
    before_sd: f32,
    count: u32,
    held: u32,
    /// Observations since the first run began.
    steps: u32,
    runs: [Run; RUNS],
}

/// What is expected of changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hazard {
    /// Observations between changes, on average.
    pub gap: f64,
    /// Share of values that are strays.
    pub strays: f64,
}

impl Default for Hazard {
    fn default() -> Self {
        Self { gap: 500.0, strays: 0.01 }
    }
}

/// What is known of the last change.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Change {
    /// Evidence against there having been none lately; deviation and
    /// expectation are of the level.
    pub finding: Finding,
    /// The probability of one within the last 64 observations.
    pub probability: f64,
    /// Observations since, the newest among them, in the likeliest case.
    pub since: u32,
    /// The change of the level in standard deviations of what was before.
    pub magnitude: f64,
}

/// Returns ln Γ(x + 1/2) − ln Γ(x) for positive `x` (asymptotic series after
/// two steps of the recurrence; error below 1e-5 from 1/2 on).
fn gamma_ratio_ln(x: f64) -> f64 {
    let y = x + 2.0;
    let cube = y * y * y;
    let series =
        0.5 * ln(y) - 1.0 / (8.0 * y) + 1.0 / (192.0 * cube) - 1.0 / (640.0 * cube * y * y);
    series - ln((x + 0.5) * (x + 1.5) / (x * (x + 1.0)))
}

fn ln(x: f64) -> f64 {
    log2(x) * std::f64::consts::LN_2
}

fn exp(x: f64) -> f64 {
    exp2(x * std::f64::consts::LOG2_E)
}

impl Run {
    fn fresh(state: &Runs) -> Self {
        let beta = (ALPHA - 0.5) as f32 * larger(state.square, f32::MIN_POSITIVE);
        let (mean, beta) = (rounded(state.level, SPARE), rounded(beta, SPARE));
        Self { mass: 0.0, mean, beta, weight: 0.0, length: 0 }
    }

    fn variance(&self) -> f64 {
        f64::from(self.beta) / (ALPHA + 0.5 * f64::from(self.weight))
    }

    /// Returns the density of `x` as the run's next value: Student's, with
    /// 2α degrees of freedom.
    fn density(&self, x: f64, floor: f64) -> f64 {
        let alpha = ALPHA + 0.5 * f64::from(self.weight);
        let kappa = KAPPA + f64::from(self.weight);
        let square = larger(self.variance(), floor) * (1.0 + 1.0 / kappa);
        let off = x - f64::from(self.mean);
        let ln_scale = gamma_ratio_ln(alpha) - 0.5 * ln(std::f64::consts::TAU * alpha * square);
        exp(ln_scale - (alpha + 0.5) * ln(1.0 + off * off / (2.0 * alpha * square)))
    }

    /// Takes `x` in, which belongs to the run with probability `belief`.
    fn learn(&mut self, x: f64, belief: f64) {
        let kappa = KAPPA + f64::from(self.weight);
        let off = x - f64::from(self.mean);
        let gain = belief / (kappa + belief);
        let beta = (f64::from(self.beta) + 0.5 * kappa * gain * off * off) as f32;
        self.beta = rounded(beta, SPARE);
        self.mean = rounded((f64::from(self.mean) + gain * off) as f32, SPARE);
        self.weight = rounded(self.weight + belief as f32, SPARE);
        if self.weight > WEIGHTIEST {
            let keep = f64::from(WEIGHTIEST / self.weight);
            let beta = (self.variance() * (ALPHA + 0.5 * f64::from(WEIGHTIEST))) as f32;
            self.beta = rounded(beta, SPARE);
            self.weight = rounded((f64::from(self.weight) * keep) as f32, SPARE);
        }
    }
}

impl Default for Runs {
    fn default() -> Self {
        Self::zeroed()
    }
}

impl Runs {
    /// Judges `x` as the next value.
    pub fn judge(&self, x: f64, hazard: Hazard) -> Change {
        if self.count < YOUNG || self.unit <= 0.0 {
            return Change::default();
        }
        let mut next = *self;
        next.step(next.in_units(x), hazard);
        next.told()
    }

    /// Takes `x` in.
    pub fn learn(&mut self, x: f64, hazard: Hazard) {
        if self.count == 0 {
            self.anchor = x;
        }
        self.count = self.count.saturating_add(1);
        if self.unit <= 0.0 {
            // The first change of the value is the first unit.
            self.unit = single(smaller((x - self.anchor).abs(), 1e37));
            if self.unit <= 1e-9 * self.anchor.abs() {
                self.unit = 0.0;
            }
            return;
        }
        let z = self.in_units(x);
        self.step(z, hazard);
        self.follow(z);
        self.settle();
    }

    fn in_units(&self, x: f64) -> f64 {
        within((x - self.anchor) / self.unit, -FAR, FAR)
    }

    /// Returns the least variance of a run.
    fn floor(&self) -> f64 {
        f64::from(larger(self.square * STEADIEST * STEADIEST, 1e-12))
    }

    /// Goes one observation on (algorithm 1, steps 3 to 8).
    fn step(&mut self, x: f64, hazard: Hazard) {
        let chance = 1.0 / larger(hazard.gap, 2.0);
        let floor = self.floor();
        let spread = larger(f64::from(self.square), floor).sqrt();
        let off = (x - f64::from(self.level)) / (STRAY * spread);
        // Strays: Cauchy about the long level, so that none is impossible.
        let wide = 1.0 / (std::f64::consts::PI * STRAY * spread * (1.0 + off * off));
        let stray = within(hazard.strays, 0.0, 0.5);
        if self.held == 0 {
            self.runs[0] = Run { mass: 1.0, ..Run::fresh(self) };
            self.held = 1;
        } else {
            self.begin(chance);
        }
        self.steps = self.steps.saturating_add(1);
        let mut total = 0.0;
        let mut joint = [0.0; RUNS];
        for (run, joint) in self.runs.iter_mut().zip(&mut joint).take(self.held as usize) {
            let own = (1.0 - stray) * run.density(x, floor);
            let all = own + stray * wide;
            *joint = f64::from(run.mass) * all;
            total += *joint;
            run.learn(x, if all > 0.0 { own / all } else { 0.0 });
            run.length = run.length.saturating_add(1);
        }
        if total > 0.0 {
            for (run, joint) in self.runs.iter_mut().zip(joint).take(self.held as usize) {
                run.mass = rounded(larger(joint / total, 1e-36) as f32, SPARE);
            }
        }
    }

    /// Gives a share of all runs' probability to a new one, which comes first.
    /// Where all places are taken, two must make room.
    fn begin(&mut self, chance: f64) {
        if self.held as usize == RUNS {
            self.merge();
        }
        let held = self.held as usize;
        self.runs.copy_within(0..held, 1);
        for run in &mut self.runs[1..=held] {
            run.mass = rounded(run.mass * (1.0 - chance) as f32, SPARE);
        }
        self.runs[0] = Run { mass: rounded(chance as f32, SPARE), ..Run::fresh(self) };
        self.held += 1;
    }

    /// Merges the two neighbours whose difference matters least.
    fn merge(&mut self) {
        let (mut best, mut least) = (RUNS - 1, f32::INFINITY);
        for (place, pair) in self.runs.windows(2).enumerate() {
            let (younger, older) = (pair[0], pair[1]);
            if older.length >= TENDER {
                let apart = (older.length - younger.length) as f32 / older.length as f32;
                let cost = smaller(younger.mass, older.mass) * apart;
                if cost < least {
                    (best, least) = (place + 1, cost);
                }
            }
        }
        let (younger, older) = (self.runs[best - 1], self.runs[best]);
        let kept = if younger.mass > older.mass { younger } else { older };
        let mass = rounded(younger.mass + older.mass, SPARE);
        self.runs[best - 1] = Run { mass, ..kept };
        self.runs.copy_within(best + 1.., best);
        self.held -= 1;
    }

    /// Follows the long level and the size of changes; both ignore outliers.
    fn follow(&mut self, x: f64) {
        let x = x as f32;
        let rate = 1.0 / smaller(self.count as f32, MEMORY);
        let change = x - self.last;
        let square = 0.5 * change * change;
        let most = CLIP * CLIP * larger(self.square, 1e-12);
        let is_young = self.count <= YOUNG;
        self.square += rate * (if is_young { square } else { smaller(square, most) } - self.square);
        let reach = CLIP * larger(self.square, 1e-12).sqrt();
        let off = x - self.level;
        self.level += rate * if is_young { off } else { within(off, -reach, reach) };
        self.last = x;
        if is_young {
            // Runs begun before the unit was known would not know it.
            for run in &mut self.runs[..self.held as usize] {
                run.beta = rounded(larger(run.beta, self.square), SPARE);
            }
        }
    }

    /// Remembers what the present run is like once it is old, and puts the unit
    /// right where it was not.
    fn settle(&mut self) {
        let likeliest = self.held().iter().reduce(|a, b| if b.mass > a.mass { b } else { a });
        if let Some(run) = likeliest.copied().filter(|run| !self.is_news(run)) {
            self.before = run.mean;
            self.before_sd = larger(run.variance(), self.floor()).sqrt() as f32;
        }
        let size = self.square.sqrt();
        if self.count > YOUNG && !(1e-4..1e4).contains(&size) && size > 0.0 {
            self.scale(1.0 / size);
        }
    }

    fn scale(&mut self, factor: f32) {
        self.unit = single(self.unit / f64::from(factor));
        let far = |x: f32| within(x * factor, -FAR as f32, FAR as f32);
        let square = |x: f32| smaller(x * factor * factor, 1e30);
        (self.level, self.last, self.before) = (far(self.level), far(self.last), far(self.before));
        (self.square, self.before_sd) = (square(self.square), self.before_sd * factor);
        for run in &mut self.runs {
            run.mean = rounded(far(run.mean), SPARE);
            run.beta = rounded(square(run.beta), SPARE);
        }
    }

    /// Says whether `run` began with a change, and lately.
    fn is_news(&self, run: &Run) -> bool {
        run.length <= RECENT && run.length < self.steps
    }

    fn held(&self) -> &[Run] {
        &self.runs[..self.held as usize]
    }

    /// Says what the runs tell together.
    fn told(&self) -> Change {
        let (mut old, mut newest) = (0.0, None);
        for run in self.held() {
            if !self.is_news(run) {
                old += f64::from(run.mass);
            } else if newest.is_none_or(|best: &Run| run.mass > best.mass) {
                newest = Some(run);
            }
        }
        let Some(run) = newest else {
            return Change::default();
        };
        let before = f64::from(self.before);
        let moved = f64::from(run.mean) - before;
        let old = within(old, 1e-36, 1.0);
        Change {
            finding: Finding {
                nominal: within(-log10(old), 0.0, MOST) as f32,
                deviation: moved * self.unit,
                expected: self.anchor + before * self.unit,
            },
            probability: 1.0 - old,
            since: run.length,
            magnitude: moved / larger(f64::from(self.before_sd), 1e-9),
        }
    }
}

#[cfg(test)]
mod tests;

//! Whether the newest bucket stands out of the rhythm of the last 122: what is
//! left when the usual shape of their spectrum is taken away. Owns those
//! buckets; refuses to know how long one is and what was counted.
//!
//! Source: Ren et al., KDD 2019, §3.2 (spectral residual; the estimated points
//! after the newest, eq. 6 and 7; the score, eq. 5).

mod fourier;

use bytemuck::{Pod, Zeroable};

use self::fourier::{Complex, LENGTH, backward, forward};
use crate::detector::Finding;
use crate::math::{larger, rough_exp2, rough_log2, smaller, student_evidence};

/// Estimated points after the newest.
const ESTIMATED: usize = 5;
/// Points the gradient is taken over.
const GRADIENT: usize = 5;
/// Buckets kept; the newest is judged with them.
const HELD: usize = LENGTH - ESTIMATED - 1;
/// Where the newest bucket is in the window.
const NEWEST: usize = HELD;
/// Preceding saliences the newest is compared with.
const LOCAL: usize = 21;
/// Buckets before any is judged.
const YOUNG: u32 = 32;
/// Amplitudes below this share of the largest are rounding.
const FAINT: f32 = 1e-5;
/// Judged buckets over which the newest residual's usual size averages, how many
/// the assumption that it is like the others counts for, and how many times its
/// usual size it teaches at most.
const MEMORY: f32 = 1024.0;
const PRIOR: f32 = 8.0;
const CLIP: f32 = 4.0;
/// Values further from the mean than so many mean deviations are cut: they
/// would drown all others' amplitudes.
const FAR: f64 = 1e4;

/// The last buckets of one entity.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Rhythm {
    /// What values are kept relative to: their mean when the ring last went round.
    anchor: f64,
    /// The upper halves of floats, rounded: eight significant bits of the distance
    /// from the anchor, far finer than what is judged.
    values: [u16; HELD],
    /// Where the oldest value is.
    oldest: u32,
    count: u32,
    /// Mean square of the newest residual in units of the others: the window
    /// ends behind it, which makes it larger than they are.
    usual: f32,
    /// Buckets that were judged.
    judged: f32,
    pad: u32,
}

/// What the newest bucket says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Salience {
    /// Evidence against the residuals of the others; what was expected is the
    /// extrapolation from the values before.
    pub finding: Finding,
    /// The salience over the mean of the preceding ones, less one: the paper's
    /// score, which it holds against 3.
    pub score: f32,
    /// The residual over the root mean square of the others.
    ratio: f32,
}

impl Default for Rhythm {
    fn default() -> Self {
        Self::zeroed()
    }
}

impl Rhythm {
    /// Judges the bucket `x` as the newest.
    pub fn judge(&self, x: f64) -> Salience {
        if self.count < YOUNG {
            return Salience::default();
        }
        let Some(window) = self.window(x) else {
            return Salience::default();
        };
        let residual = residuals(&window.values);
        let known = (self.count as usize).min(HELD);
        let past = &residual[NEWEST - known..NEWEST];
        let mean_square = past.iter().map(|y| y * y).sum::<f32>() / known as f32;
        let size = residual[NEWEST].abs();
        let local = &residual[NEWEST - LOCAL..NEWEST];
        let usual = local.iter().map(|y| y.abs()).sum::<f32>() / LOCAL as f32;
        let score = size / larger(usual, f32::MIN_POSITIVE) - 1.0;
        let ratio = smaller(size / larger(mean_square.sqrt(), f32::MIN_POSITIVE), 1e6);
        let usual = larger((self.usual * self.judged + PRIOR) / (self.judged + PRIOR), 1.0);
        let nominal = student_evidence(ratio / usual.sqrt(), larger(self.judged, PRIOR));
        let finding =
            Finding { nominal, deviation: x - window.expected, expected: window.expected };
        Salience { finding, score: smaller(score, 1e6), ratio }
    }

    /// Takes the bucket `x` in, judged as `salience`.
    pub fn learn(&mut self, x: f64, salience: &Salience) {
        if salience.ratio > 0.0 {
            self.judged = smaller(self.judged + 1.0, MEMORY);
            let known = larger(self.usual, 1.0);
            let square = smaller(salience.ratio * salience.ratio, CLIP * CLIP * known);
            self.usual += (square - self.usual) / self.judged;
        }
        if self.count == 0 {
            self.anchor = x;
        }
        if self.oldest == 0 && self.count > 0 {
            self.move_anchor();
        }
        self.values[self.oldest as usize % HELD] = half(x - self.anchor);
        self.oldest = (self.oldest + 1) % HELD as u32;
        self.count = self.count.saturating_add(1);
    }

    /// Returns the value `back` buckets before the newest kept.
    fn before(&self, back: usize) -> f32 {
        whole(self.values[(self.oldest as usize + 2 * HELD - 1 - back) % HELD])
    }

    /// Keeps values relative to their mean: a level far from the anchor would leave
    /// no bits for what moves.
    fn move_anchor(&mut self) {
        let sum: f64 = self.values.iter().map(|value| f64::from(whole(*value))).sum();
        let mean = sum / HELD as f64;
        for value in &mut self.values {
            *value = half(f64::from(whole(*value)) - mean);
        }
        self.anchor += mean;
    }

    /// Returns the window that ends with `x` and the estimated points, about
    /// its mean and in units of its mean deviation; none where all are alike.
    fn window(&self, x: f64) -> Option<Window> {
        let known = (self.count as usize).min(HELD);
        let x = (x - self.anchor).clamp(-1e37, 1e37);
        let mean = (0..known).map(|back| f64::from(self.before(back))).sum::<f64>() / known as f64;
        let off = |back| (f64::from(self.before(back)) - mean).abs();
        let deviation = (0..known).map(off).sum::<f64>() / known as f64;
        if deviation <= 1e-9 * (mean.abs() + (x - mean).abs() * 1e-6) {
            return None;
        }
        let unit = |value: f64| ((value - mean) / deviation).clamp(-FAR, FAR) as f32;
        let mut values = [0.0; LENGTH];
        for back in 0..known {
            values[NEWEST - 1 - back] = unit(f64::from(self.before(back)));
        }
        values[NEWEST] = unit(x);
        let estimated = extrapolate(&values);
        values[NEWEST + 1..].fill(estimated);
        let expected = f64::from(estimated) * deviation + mean + self.anchor;
        Some(Window { values, expected })
    }
}

/// Returns the upper half of the float nearest to `x`.
fn half(x: f64) -> u16 {
    let x = x.clamp(-1e37, 1e37) as f32;
    (x.to_bits().saturating_add(0x8000) >> 16) as u16
}

fn whole(half: u16) -> f32 {
    f32::from_bits(u32::from(half) << 16)
}

/// What is transformed.
struct Window {
    values: [f32; LENGTH],
    expected: f64,
}

/// Returns the value estimated from the gradients between the last point before
/// the newest and the ones before that (eq. 6 and 7). The newest has no part in
/// it: a spike must not be carried on beyond the end, where it would be no spike.
fn extrapolate(values: &[f32; LENGTH]) -> f32 {
    let last = values[NEWEST - 1];
    let steeper = |back: usize| (last - values[NEWEST - 1 - back]) / back as f32;
    // The mean gradient over as many steps as there are gradients is their sum.
    values[NEWEST - GRADIENT] + (1..=GRADIENT).map(steeper).sum::<f32>()
}

/// Returns the residual at each place: the window with each amplitude divided by
/// the geometric mean of it and its neighbours, phases kept. That is the paper's
/// exp(log A − mean of log A) with the phase, without an angle being computed.
/// The mean of the window is left out, and taken to be as loud as the next.
fn residuals(window: &[f32; LENGTH]) -> [f32; LENGTH] {
    let mut spectrum = forward(window);
    let mut logs = spectrum.map(Complex::size);
    let loudest = logs[1..].iter().fold(f32::MIN_POSITIVE, |most, size| larger(most, *size));
    for log in &mut logs {
        *log = rough_log2(larger(*log, loudest * FAINT));
    }
    logs[0] = logs[1];
    let last = logs.len() - 1;
    for (k, value) in spectrum.iter_mut().enumerate() {
        // The spectrum goes on as its own mirror image at both ends.
        let below = logs[if k == 0 { 1 } else { k - 1 }];
        let above = logs[if k == last { last - 1 } else { k + 1 }];
        *value = value.scaled(rough_exp2(-(below + logs[k] + above) / 3.0));
    }
    spectrum[0] = Complex::default();
    backward(&spectrum)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The method in the paper's own terms: angles, logarithms, direct sums.
    fn naive(window: &[f32; LENGTH]) -> Vec<f64> {
        let n = LENGTH;
        let turn = |k: usize| std::f64::consts::TAU * (k % n) as f64 / n as f64;
        let spectrum: Vec<(f64, f64)> = (0..n)
            .map(|k| {
                let sum = |part: fn(f64) -> f64| {
                    let terms = window.iter().enumerate();
                    terms.map(|(t, x)| f64::from(*x) * part(turn(k * t))).sum::<f64>()
                };
                (sum(libm::cos), -sum(libm::sin))
            })
            .collect();
        let size = |k: usize| libm::hypot(spectrum[k].0, spectrum[k].1);
        let loudest = (1..n).map(size).fold(0.0, f64::max);
        let mut logs: Vec<f64> =
            (0..n).map(|k| libm::log(size(k).max(loudest * f64::from(FAINT)))).collect();
        logs[0] = logs[1];
        let residual =
            |k: usize| logs[k] - (logs[(k + n - 1) % n] + logs[k] + logs[(k + 1) % n]) / 3.0;
        (0..n)
            .map(|t| {
                let (mut re, mut im) = (0.0, 0.0);
                for (k, (real, imaginary)) in spectrum.iter().enumerate().skip(1) {
                    let angle = libm::atan2(*imaginary, *real) + turn(k * t);
                    re += libm::exp(residual(k)) * libm::cos(angle) / n as f64;
                    im += libm::exp(residual(k)) * libm::sin(angle) / n as f64;
                }
                libm::hypot(re, im)
            })
            .collect()
    }

    fn taught(count: u32, value: impl Fn(u32) -> f64) -> Rhythm {
        let mut rhythm = Rhythm::default();
        for number in 0..count {
            let judged = rhythm.judge(value(number));
            rhythm.learn(value(number), &judged);
        }
        rhythm
    }

    /// A daily wave with some disorder.
    fn wave(number: u32) -> f64 {
        let disorder = f64::from(number.wrapping_mul(2_654_435_761) >> 16) / 65_536.0 - 0.5;
        1e6 + 100.0 * libm::sin(f64::from(number) * 0.2618) + 20.0 * disorder
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn residuals_are_those_of_the_paper(x in prop::collection::vec(-10f32..10.0, LENGTH)) {
            let x: [f32; LENGTH] = x.try_into().expect("as many as asked");
            for (found, exact) in residuals(&x).iter().zip(naive(&x)) {
                prop_assert!((f64::from(found.abs()) - exact).abs() < 5e-3, "{found} {exact}");
            }
        }

        #[test]
        fn nothing_said_is_beyond_measure(x in prop::collection::vec(prop::num::f64::NORMAL, 40..200)) {
            let mut rhythm = Rhythm::default();
            for x in x {
                let x = x.clamp(-1e37, 1e37);
                let judged = rhythm.judge(x);
                let Salience { finding, score, .. } = judged;
                prop_assert!(finding.nominal.is_finite() && finding.nominal >= 0.0);
                prop_assert!(score.is_finite() && finding.expected.is_finite());
                rhythm.learn(x, &judged);
            }
        }
    }

    #[test]
    fn a_spike_stands_out_of_a_wave_and_the_wave_does_not() {
        for spike in [150.0, -150.0] {
            let rhythm = taught(500, wave);
            let spiked = rhythm.judge(wave(500) + spike);
            assert!(spiked.score > 3.0 && spiked.finding.nominal > 4.0, "{spiked:?}");
            assert!(spiked.finding.deviation * spike > 0.0);
        }
        let mut rhythm = taught(200, wave);
        let mut loud = 0;
        for number in 200..1200 {
            let judged = rhythm.judge(wave(number));
            loud += u32::from(judged.finding.nominal > 3.0);
            rhythm.learn(wave(number), &judged);
        }
        assert!(loud <= 5, "{loud} of 1000");
    }

    #[test]
    fn the_unit_does_not_matter() {
        let plain = taught(300, wave).judge(wave(300) + 70.0);
        let large = taught(300, |number| 1e4 * wave(number)).judge(1e4 * (wave(300) + 70.0));
        assert!((plain.score - large.score).abs() < 0.02 * plain.score, "{plain:?} {large:?}");
    }

    #[test]
    fn a_line_says_nothing_and_the_young_are_spared() {
        assert_eq!(taught(400, |_| 7.0).judge(8.0), Salience::default());
        assert_eq!(taught(20, wave).judge(1e9), Salience::default());
    }

    #[test]
    fn it_is_small() {
        assert!(size_of::<Rhythm>() <= 512);
    }
}

//! Several named values of one entity: each against its own level and recent
//! drift, all against how far off they usually are together. Owns per-lane
//! moments and the joint statistic; refuses to know names, which the stream
//! keeps. Serves the distribution detector of multivariate entities.
//!
//! A lane's heat is how many standard deviations it is off, now or on average of
//! the last 8 or 64 rows, bounded so that one that shouts does not drown the
//! rest. Judged are the mean heat of all, now and lately, and the heat of the
//! hottest. Deviations teach no more than two standard deviations (winsorised),
//! and an unusual mean heat teaches hardly (a redescending influence: Huber and
//! Ronchetti, Robust Statistics, 2nd ed., 2009, §4.8): what lasts stays remarkable.

use bytemuck::{Pod, Zeroable};

use crate::detector::memory::Memory;
use crate::math::{exp2, log2, student_evidence};

/// Values over which a lane's fast levels average.
const HORIZONS: [f64; 2] = [8.0, 64.0];
/// Deviations beyond which one value is not believed to show the scale: lanes that
/// are mostly zero have bursts of thousands.
const WILD: f64 = 4096.0;
/// Deviations beyond so many standard deviations teach no more than that.
const CLIP: f64 = 2.0;
/// The most heat a lane can have.
const HOTTEST: f64 = 12.0;
/// Lanes remember so many times longer than a single value: there is nothing
/// but their long level to tell a lasting anomaly by.
const LONGER: f32 = 16.0;
/// What is usual of all together is remembered so many times longer still.
const JOINTLY: f32 = 10.0;
/// Standard deviations that the joint statistic has at least: of now, and of
/// lately in units of the first.
const RESTLESS: f64 = 0.03;
const LATELY: f64 = 0.5;
/// Rows before lanes are judged together.
const YOUNG: f32 = 8.0;
/// Rows that a level is worth once a lasting change was taken for normal, and
/// rows until which every row teaches fully.
const RENEWED: f32 = 8.0;
const SETTLED: f32 = 64.0;

/// One lane's moments.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Lane {
    mean: f64,
    variance: f64,
    /// Mean absolute deviation, unclipped: tells a scale that was never seen
    /// from one that is.
    absolute: f64,
    fast: [f64; 2],
    drift: [f64; 2],
    count: f32,
    pad: u32,
}

/// The state of a multivariate entity; lanes are numbered by the stream.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lanes {
    pub(crate) lanes: Vec<Lane>,
    pub(crate) joint: Joint,
}

impl Default for Lanes {
    fn default() -> Self {
        Self { lanes: Vec::new(), joint: Joint::zeroed() }
    }
}

/// What is usual of all lanes together.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Joint {
    /// Of the logarithm of their mean heat.
    all: Usual,
    /// Likewise of the hottest lane alone.
    hottest: Usual,
    /// How far off all were lately, in standard deviations, and its usual square.
    lately: f64,
    lately_square: f64,
    rows: f32,
    pub(crate) tail: crate::calibration::Tail,
    pad: u32,
}

/// A fading mean and variance that learn little from what exceeds them.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
struct Usual {
    mean: f64,
    variance: f64,
}

/// What a row of lanes says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Joined {
    pub(crate) nominal: f32,
    /// Logarithm of the mean heat over lanes.
    warmth: f64,
    /// Logarithm of the heat of the hottest lane.
    most: f64,
}

/// How a lane deviates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Deviation {
    /// How many standard deviations it is off.
    pub(crate) heat: f64,
    pub(crate) mean: f64,
    pub(crate) sd: f64,
}

impl Lane {
    fn floor(&self) -> f64 {
        let size = self.mean.abs() * 1e-6;
        size * size + 1e-72
    }

    /// Judges `x`.
    pub(crate) fn assess(&self, x: f64) -> Deviation {
        let variance = self.variance.max(self.floor());
        if self.count < 2.0 {
            return Deviation { heat: 0.0, mean: self.mean, sd: variance.sqrt() };
        }
        let count = f64::from(self.count);
        let off = x - self.mean;
        let mut square = off * off / variance;
        for (horizon, (fast, drift)) in HORIZONS.iter().zip(self.fast.iter().zip(self.drift)) {
            let moved = fast + (x - fast) / horizon - self.mean;
            let usual = drift.max(variance / (2.0 * horizon));
            let trust = count / (count + 4.0 * horizon);
            square = square.max(moved * moved / usual * trust);
        }
        let square = (square * count / (count + 4.0)).min(HOTTEST * HOTTEST);
        Deviation { heat: square.sqrt(), mean: self.mean, sd: variance.sqrt() }
    }

    fn learn(&mut self, x: f64, memory: Memory) {
        if self.count == 0.0 {
            *self = Self { mean: x, fast: [x; 2], count: 1.0, ..Self::zeroed() };
            return;
        }
        self.count = (self.count + 1.0).min(1e7);
        let pace = if self.count < SETTLED { 1.0 } else { memory.pace };
        let rate = Memory { pace, ..memory }.rate(f64::from(self.count));
        let is_young = self.count < 16.0;
        // One wild value, such as a marker for a missing one, must pass neither
        // for the scale nor for the level.
        let reach = WILD * self.variance.max(self.floor()).sqrt().max(self.absolute);
        let has_moved = self.absolute > 0.0 && !is_young;
        let x = if has_moved { x.clamp(self.mean - reach, self.mean + reach) } else { x };
        self.absolute += rate * ((x - self.mean).abs() - self.absolute);
        let most = CLIP * self.variance.max(self.floor()).sqrt().max(self.absolute);
        let clip = |off: f64| if is_young { off } else { off.clamp(-most, most) };
        let off = clip(x - self.mean);
        self.variance += rate * (off * off * (1.0 - rate) - self.variance);
        self.mean += rate * off;
        for (i, horizon) in HORIZONS.iter().enumerate() {
            self.fast[i] += f64::max(1.0 / horizon, rate) * (x - self.fast[i]);
            let moved = clip(self.fast[i] - self.mean);
            self.drift[i] += rate * (moved * moved - self.drift[i]);
        }
    }

    fn adopt(&mut self) {
        self.mean = self.fast[1];
        self.count = self.count.min(RENEWED);
    }
}

impl Usual {
    /// Returns how many standard deviations `x` is above what is usual.
    fn assess(&self, x: f64) -> f64 {
        (x - self.mean) / self.variance.max(RESTLESS * RESTLESS).sqrt()
    }

    fn learn(&mut self, x: f64, rate: f64, is_young: bool) {
        let (z, off) = (self.assess(x), x - self.mean);
        let doubt = if is_young { 0.0 } else { z.max(0.0) / CLIP };
        let off = if is_young || z.abs() < CLIP { off } else { off * CLIP / z.abs() };
        let rate = rate / (1.0 + doubt * doubt);
        self.variance += rate * (off * off * (1.0 - rate) - self.variance);
        self.mean += rate * off;
    }
}

impl Joint {
    /// Returns the nominal evidence of the logarithms of the mean heat and of
    /// the hottest lane's.
    fn assess(&self, warmth: f64, most: f64) -> f32 {
        if self.rows < YOUNG {
            return 0.0;
        }
        let now = self.all.assess(warmth);
        let lately = self.next_lately(now) / self.lately_square.sqrt().max(LATELY);
        let z = now.max(lately).max(self.hottest.assess(most)).max(0.0);
        student_evidence(z as f32, self.rows).min(1e6)
    }

    fn next_lately(&self, now: f64) -> f64 {
        self.lately + (now - self.lately) / HORIZONS[1]
    }

    fn learn(&mut self, joined: Joined, memory: Memory) {
        let memory = Memory { values: memory.values * JOINTLY, ..memory };
        self.rows = (self.rows + 1.0).min(1e7);
        let rate = memory.rate(f64::from(self.rows));
        if self.rows >= YOUNG {
            self.lately = self.next_lately(self.all.assess(joined.warmth));
            let most = CLIP * CLIP * self.lately_square.max(LATELY * LATELY);
            let square = (self.lately * self.lately).min(most);
            self.lately_square += rate * (square - self.lately_square);
        }
        let is_young = self.rows < 16.0;
        self.all.learn(joined.warmth, rate, is_young);
        self.hottest.learn(joined.most, rate, is_young);
    }

    /// Returns the mean heat that is usual.
    pub(crate) fn usual(&self) -> f64 {
        exp2(self.all.mean) - 1.0
    }
}

impl Joined {
    /// Returns the mean heat over lanes.
    pub(crate) fn heat(&self) -> f64 {
        exp2(self.warmth) - 1.0
    }
}

impl Lanes {
    /// Judges a row: pairs of lane number and value, absent ones left out.
    pub(crate) fn assess(&self, row: impl Iterator<Item = (usize, f64)>) -> Joined {
        let (mut sum, mut most, mut present) = (0.0, 0.0f64, 0u32);
        for (number, value) in row {
            if let Some(lane) = self.lanes.get(number) {
                let heat = lane.assess(value).heat;
                sum += heat;
                most = most.max(heat);
                present += 1;
            }
        }
        if present == 0 {
            return Joined::default();
        }
        let warmth = log2(1.0 + sum / f64::from(present));
        let most = log2(1.0 + most);
        Joined { nominal: self.joint.assess(warmth, most), warmth, most }
    }

    /// Takes a row in, judged as `joined`.
    pub(crate) fn learn(
        &mut self,
        row: impl Iterator<Item = (usize, f64)>,
        joined: Joined,
        memory: Memory,
    ) {
        let memory = Memory { values: memory.values * LONGER, ..memory };
        for (number, value) in row {
            if number >= self.lanes.len() {
                self.lanes.resize(number + 1, Lane::zeroed());
            }
            self.lanes[number].learn(value, memory);
        }
        self.joint.learn(joined, memory);
    }

    /// Takes a change that has lasted for the new normal.
    pub(crate) fn adopt(&mut self) {
        for lane in &mut self.lanes {
            lane.adopt();
        }
        self.joint.lately = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::Noise;

    /// Takes a row in as the engine does, slowly while a detection is open.
    fn take(lanes: &mut Lanes, row: &[(usize, f64)]) -> f32 {
        let joined = lanes.assess(row.iter().copied());
        let pace = if joined.nominal >= 4.2 { 0.125 } else { 1.0 };
        lanes.learn(row.iter().copied(), joined, Memory { values: 1024.0, pace });
        joined.nominal
    }

    /// Feeds `rows` rows of `width` lanes of noise, each shifted as told, and
    /// returns the nominal evidence of each.
    fn feed(
        lanes: &mut Lanes,
        noise: &mut Noise,
        (rows, width): (usize, usize),
        shift: impl Fn(usize) -> f64,
    ) -> Vec<f32> {
        let mut said = Vec::new();
        for _ in 0..rows {
            let row: Vec<_> = (0..width).map(|lane| (lane, noise.next() + shift(lane))).collect();
            said.push(take(lanes, &row));
        }
        said
    }

    fn mean(said: &[f32]) -> f32 {
        said.iter().sum::<f32>() / said.len() as f32
    }

    #[test]
    fn a_small_shift_of_many_lanes_and_a_large_one_of_a_single_lane_are_seen() {
        let (mut lanes, mut noise) = (Lanes::default(), Noise(7));
        feed(&mut lanes, &mut noise, (2000, 12), |_| 0.0);
        let quiet = feed(&mut lanes.clone(), &mut noise, (64, 12), |_| 0.0);
        assert!(quiet.iter().all(|nominal| *nominal < 5.0), "{quiet:?}");
        let all = feed(&mut lanes.clone(), &mut noise, (64, 12), |_| 0.5);
        assert!(mean(&all[16..]) > 6.0, "{all:?}");
        let one = feed(&mut lanes, &mut noise, (64, 12), |lane| if lane == 3 { 5.0 } else { 0.0 });
        assert!(one[0] > 6.0, "{one:?}");
    }

    #[test]
    fn an_anomaly_as_long_as_half_of_what_was_known_stays_remarkable() {
        let (mut lanes, mut noise) = (Lanes::default(), Noise(11));
        feed(&mut lanes, &mut noise, (1000, 8), |_| 0.0);
        let shifted = feed(&mut lanes, &mut noise, (500, 8), |lane| 2.0 * (lane % 2) as f64);
        assert!(mean(&shifted[400..]) > 8.0, "{:?}", &shifted[400..]);
        let after = feed(&mut lanes, &mut noise, (500, 8), |_| 0.0);
        assert!(mean(&after[400..]) < 2.0, "{:?}", &after[400..]);
    }

    #[test]
    fn an_adopted_change_is_soon_normal() {
        let (mut lanes, mut noise) = (Lanes::default(), Noise(13));
        feed(&mut lanes, &mut noise, (4000, 8), |_| 0.0);
        feed(&mut lanes, &mut noise, (200, 8), |_| 5.0);
        lanes.adopt();
        let after = feed(&mut lanes, &mut noise, (400, 8), |_| 5.0);
        assert!(mean(&after[300..]) < 1.5, "{:?}", &after[300..]);
    }

    #[test]
    fn a_lane_that_begins_to_move_is_seen_until_it_is_adopted() {
        let (mut lanes, mut noise) = (Lanes::default(), Noise(17));
        for _ in 0..2000 {
            take(&mut lanes, &[(0, 1.0), (1, noise.next())]);
        }
        let moving = feed(&mut lanes, &mut noise, (200, 2), |_| 0.0);
        assert!(mean(&moving) > 3.0, "{moving:?}");
        lanes.adopt();
        feed(&mut lanes, &mut noise, (200, 2), |_| 0.0);
        assert!(lanes.lanes[0].assess(0.3).heat < 4.0, "{:?}", lanes.lanes[0]);
    }
}

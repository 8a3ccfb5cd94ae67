//! Several named values of one entity: each against its own level and recent
//! drift, all against how far off they usually are together. Owns per-lane
//! moments and the joint statistic; refuses to know names, which the stream
//! keeps. Serves the distribution detector of multivariate entities.
//!
//! A lane's heat is how many standard deviations it is off, now or on average of
//! the last 8 or 64 rows. The joint statistic is the mean heat of all lanes, each
//! bounded so that one that shouts does not drown the rest, against its own fading
//! mean and variance; the hottest lane is judged likewise, unbounded. Deviations
//! teach no more than two standard deviations (winsorised, as Huber, Ann. Math.
//! Stat. 35, 1964): a long anomaly does not soon become what is usual.

use bytemuck::{Pod, Zeroable};

use crate::detector::forecast::Memory;
use crate::math::{log2, student_evidence};

/// Values over which a lane's fast levels average.
const HORIZONS: [f64; 2] = [8.0, 64.0];
/// Deviations beyond so many standard deviations teach no more than that.
const CLIP: f64 = 2.0;
/// Likewise of the joint statistic.
const JOINT_CLIP: f64 = 4.0;
/// Heat of one lane that counts among all of them.
const HOTTEST: f64 = 10.0;
/// Squared heat beyond any that is told apart.
const MOST: f64 = 1e12;
/// Lanes remember so many times longer than a single value: there is nothing
/// but their long level to tell a lasting anomaly by.
const LONGER: f32 = 16.0;
/// Rows before lanes are judged together.
const YOUNG: f32 = 8.0;
/// Rows that a level is worth once a lasting change was taken for normal.
const RENEWED: f32 = 64.0;

/// One lane's moments.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Lane {
    mean: f64,
    variance: f64,
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
    mean: f64,
    variance: f64,
    /// Likewise of the hottest lane alone.
    most_mean: f64,
    most_variance: f64,
    rows: f32,
    pub(crate) tail: crate::calibration::Tail,
    pad: u32,
}

/// What a row of lanes says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Joined {
    pub(crate) nominal: f32,
    /// Logarithm of the mean heat over lanes, each bounded.
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
        let square = (square * count / (count + 4.0)).min(MOST);
        Deviation { heat: square.sqrt(), mean: self.mean, sd: variance.sqrt() }
    }

    fn learn(&mut self, x: f64, memory: Memory) {
        if self.count == 0.0 {
            *self = Self { mean: x, fast: [x; 2], count: 1.0, ..Self::zeroed() };
            return;
        }
        self.count = (self.count + 1.0).min(1e7);
        let rate = memory.rate(f64::from(self.count));
        let sd = self.variance.max(self.floor()).sqrt();
        let is_young = self.count < 16.0;
        let clip = |off: f64| if is_young { off } else { off.clamp(-CLIP * sd, CLIP * sd) };
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

impl Joint {
    fn assess(&self, warmth: f64, most: f64) -> f32 {
        if self.rows < YOUNG {
            return 0.0;
        }
        let mut nominal = 0.0f32;
        for (off, variance) in
            [(warmth - self.mean, self.variance), (most - self.most_mean, self.most_variance)]
        {
            let z = (off / variance.max(1e-4).sqrt()) as f32;
            if z > 0.0 {
                nominal = nominal.max(student_evidence(z, self.rows).min(1e6));
            }
        }
        nominal
    }

    fn learn(&mut self, joined: Joined, memory: Memory) {
        self.rows = (self.rows + 1.0).min(1e7);
        let rate = memory.rate(f64::from(self.rows));
        let is_young = self.rows < 16.0;
        for (seen, mean, variance) in [
            (joined.warmth, &mut self.mean, &mut self.variance),
            (joined.most, &mut self.most_mean, &mut self.most_variance),
        ] {
            let most = JOINT_CLIP * variance.max(1e-4).sqrt();
            let off = seen - *mean;
            let off = if is_young { off } else { off.clamp(-most, most) };
            *variance += rate * (off * off * (1.0 - rate) - *variance);
            *mean += rate * off;
        }
    }

    /// Returns the mean heat that is usual.
    pub(crate) fn usual(&self) -> f64 {
        crate::math::exp2(self.mean) - 1.0
    }
}

impl Joined {
    /// Returns the mean heat over lanes.
    pub(crate) fn heat(&self) -> f64 {
        crate::math::exp2(self.warmth) - 1.0
    }
}

impl Lanes {
    /// Judges a row: pairs of lane number and value, absent ones left out.
    pub(crate) fn assess(&self, row: impl Iterator<Item = (usize, f64)>) -> Joined {
        let (mut sum, mut most, mut present) = (0.0, 0.0f64, 0u32);
        for (number, value) in row {
            if let Some(lane) = self.lanes.get(number) {
                let heat = lane.assess(value).heat;
                sum += heat.min(HOTTEST);
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
    }
}

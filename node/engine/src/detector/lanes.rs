//! Several named values of one entity: each against its own level and recent
//! drift, all against how restless they usually are together. Owns per-lane
//! moments and the joint statistic; refuses to know names, which the stream
//! keeps. Serves the distribution detector of multivariate entities.
//!
//! The joint statistic is the sum over lanes of log(1 + squared deviation over
//! its own usual size), judged against its own fading mean and variance: with
//! many lanes some are always restless, so a plain maximum would cry wolf. The
//! most restless lane is judged likewise, against what its like usually is.

use bytemuck::{Pod, Zeroable};

use crate::detector::forecast::Memory;
use crate::math::{log2, student_evidence};

/// Values over which a lane's fast level averages.
const HORIZON: f64 = 8.0;
/// Deviations beyond so many standard deviations teach no more than that.
const CLIP: f64 = 4.0;
/// Rows before lanes are judged together.
const YOUNG: f32 = 8.0;

/// One lane's moments.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Lane {
    mean: f64,
    variance: f64,
    fast: f64,
    drift: f64,
    /// Usual size of the squared deviation.
    heat: f32,
    count: f32,
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
    /// Likewise of the most restless lane alone.
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
    /// The joint statistic itself: the mean over lanes.
    pub(crate) heat: f64,
    /// The heat of the most restless lane.
    most: f64,
}

/// How a lane deviates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Deviation {
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
        let trust = f64::from(self.count) / (f64::from(self.count) + 4.0);
        let off = x - self.mean;
        let moved = self.fast + (x - self.fast) / HORIZON - self.mean;
        let point = off * off / variance;
        let shift = moved * moved / self.drift.max(variance / (2.0 * HORIZON));
        let square = (point.max(shift) * trust).min(1e12) / f64::from(self.heat.max(1.0));
        Deviation { heat: log2(1.0 + square), mean: self.mean, sd: variance.sqrt() }
    }

    fn learn(&mut self, x: f64, heat: f64, memory: Memory) {
        if self.count == 0.0 {
            *self = Self { mean: x, fast: x, count: 1.0, ..Self::zeroed() };
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
        self.fast += f64::max(1.0 / HORIZON, rate) * (x - self.fast);
        let moved = clip(self.fast - self.mean);
        self.drift += rate * (moved * moved - self.drift);
        // The heat was measured relative to the usual one: undo that.
        let usual = self.heat.max(1.0);
        let square = crate::math::exp2(heat.min(10.0)) as f32 * usual - usual;
        self.heat += rate as f32 * (square.min(1e4) - self.heat);
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
        let heat = sum / f64::from(present);
        let mut nominal = 0.0f32;
        if self.joint.rows >= YOUNG {
            let joint = &self.joint;
            for (off, variance) in
                [(heat - joint.mean, joint.variance), (most - joint.most_mean, joint.most_variance)]
            {
                let z = (off / variance.max(1e-4).sqrt()) as f32;
                if z > 0.0 {
                    nominal = nominal.max(student_evidence(z, joint.rows).min(1e6));
                }
            }
        }
        Joined { nominal, heat, most }
    }

    /// Takes a row in, judged as `joined`.
    pub(crate) fn learn(
        &mut self,
        row: impl Iterator<Item = (usize, f64)>,
        joined: Joined,
        memory: Memory,
    ) {
        for (number, value) in row {
            if number >= self.lanes.len() {
                self.lanes.resize(number + 1, Lane::zeroed());
            }
            let lane = &mut self.lanes[number];
            let heat = lane.assess(value).heat;
            lane.learn(value, heat, memory);
        }
        let joint = &mut self.joint;
        joint.rows = (joint.rows + 1.0).min(1e7);
        let rate = memory.rate(f64::from(joint.rows));
        let is_young = joint.rows < 16.0;
        for (seen, mean, variance) in [
            (joined.heat, &mut joint.mean, &mut joint.variance),
            (joined.most, &mut joint.most_mean, &mut joint.most_variance),
        ] {
            let sd = variance.max(1e-4).sqrt();
            let off = seen - *mean;
            let off = if is_young { off } else { off.clamp(-CLIP * sd, CLIP * sd) };
            *variance += rate * (off * off * (1.0 - rate) - *variance);
            *mean += rate * off;
        }
    }
}

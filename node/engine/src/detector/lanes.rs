//! Several named values of one entity: each against its own level and recent
//! drift, all against how far off they usually are together. Owns per-lane
//! moments and the joint statistic; refuses to know names, which the stream
//! keeps. Serves the distribution detector of multivariate entities.
//!
//! A lane's heat is how many standard deviations it is off, now or on average of
//! the last 8 or 64 rows, bounded so that one that shouts does not drown the
//! rest. Judged are the mean heat of all, now and lately, the heat of the hottest,
//! the hottest pair (`together`), and the mean evidence of all lanes at horizons
//! from seconds to weeks (`horizons`). Deviations teach no more than two standard deviations (winsorised),
//! and an unusual mean heat teaches hardly (a redescending influence: Huber and
//! Ronchetti, Robust Statistics, 2nd ed., 2009, §4.8): what lasts stays remarkable.

use bytemuck::{Pod, Zeroable};
use via_types::limit;

use crate::detector::horizons::{HorizonLanes, Horizons};
use crate::detector::memory::Memory;
use crate::detector::together::{Pair, Together};
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
/// Likewise of the logarithm of the heat of ties, which is next to nothing where
/// they are close.
const LOOSE: f64 = 0.3;
/// Likewise of the logarithm of the mean evidence of all horizons, mostly none.
const RARE: f64 = 0.2;
/// Share of the evidence that all horizons have.
const FAR: f32 = 0.25;
/// Ties of two lanes are judged after so many rows that had any, and what they
/// say counts so many standard deviations less: many ties are looked at.
const KNOWN: f32 = 256.0;
const DOUBTED: f64 = 2.0;
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
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Lanes {
    pub(crate) lanes: Vec<Lane>,
    pub(crate) far: HorizonLanes,
    pub(crate) together: Together,
    pub(crate) joint: Joint,
}

impl Default for Joint {
    fn default() -> Self {
        Self::zeroed()
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
    /// Likewise of the hottest pair, and of the mean evidence at all horizons.
    pair: Usual,
    far: Usual,
    /// How far off all were lately, in standard deviations, and its usual square.
    lately: f64,
    lately_square: f64,
    rows: f32,
    /// Rows in which a pair could be judged.
    tied: f32,
    pub(crate) tail: crate::calibration::Tail,
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
    /// Logarithm of the heat of the hottest pair.
    pair: f64,
    /// Logarithm of the mean evidence at all horizons.
    far: f64,
    /// The lanes of the hottest pair, where it says more than any lane.
    pub(crate) apart: Option<[usize; 2]>,
}

/// How a lane deviates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Deviation {
    /// How many standard deviations it is off.
    pub(crate) heat: f64,
    pub(crate) mean: f64,
    pub(crate) sd: f64,
}

impl Deviation {
    /// Returns the standard score of `x`.
    fn score(&self, x: f64) -> f32 {
        ((x - self.mean) / self.sd) as f32
    }
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
        self.assess_from(x, RESTLESS)
    }

    /// Likewise, where a standard deviation is `least` at least.
    fn assess_from(&self, x: f64, least: f64) -> f64 {
        (x - self.mean) / self.variance.max(least * least).sqrt()
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
    /// Fills in the nominal evidence of the logarithms of what is joined.
    fn assess(&self, joined: &mut Joined) {
        if self.rows < YOUNG {
            return;
        }
        let now = self.all.assess(joined.warmth);
        let lately = self.next_lately(now) / self.lately_square.sqrt().max(LATELY);
        let heat = now.max(lately).max(self.hottest.assess(joined.most)).max(0.0);
        let is_known = self.tied >= KNOWN;
        let pair = self.pair.assess_from(joined.pair, LOOSE) - DOUBTED;
        let pair = if is_known { pair } else { 0.0 };
        if pair <= heat {
            joined.apart = None;
        }
        let far = self.far.assess_from(joined.far, RARE).max(0.0);
        let near = heat.max(pair);
        // Shares of evidence, not of deviations: what is blatant now stays so.
        let evidence = |z: f64| student_evidence(z as f32, self.rows).min(1e6);
        joined.nominal = evidence(near) * (1.0 - FAR) + evidence(far) * FAR;
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
        if joined.pair > 0.0 {
            self.tied = (self.tied + 1.0).min(1e7);
            let rate = memory.rate(f64::from(self.tied));
            self.pair.learn(joined.pair, rate, self.tied < SETTLED);
        }
        self.far.learn(joined.far, rate, is_young);
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
    /// Judges a row seen at event time `at`: pairs of lane number and value, absent
    /// ones left out.
    pub(crate) fn assess(
        &self,
        row: impl Iterator<Item = (usize, f64)> + Clone,
        at: i64,
    ) -> Joined {
        let (mut sum, mut most, mut present) = (0.0, 0.0f64, 0u32);
        let mut scores = [f32::NAN; limit::LANES];
        for (number, value) in row.clone() {
            if let Some(lane) = self.lanes.get(number) {
                let deviation = lane.assess(value);
                scores[number] = deviation.score(value);
                sum += deviation.heat;
                most = most.max(deviation.heat);
                present += 1;
            }
        }
        if present == 0 {
            return Joined::default();
        }
        let pair = self.together.assess(&scores[..self.lanes.len()]);
        let far = self.far.judge(row, at);
        let mut joined = Joined {
            nominal: 0.0,
            warmth: log2(1.0 + sum / f64::from(present)),
            most: log2(1.0 + most),
            pair: pair.map_or(0.0, |(heat, _)| log2(1.0 + f64::from(heat))),
            far: log2(1.0 + f64::from(far.nominal)),
            apart: pair.map(|(_, lanes)| lanes),
        };
        self.joint.assess(&mut joined);
        joined
    }

    /// Takes a row in, seen at event time `at` and judged as `joined`.
    pub(crate) fn learn(
        &mut self,
        row: impl Iterator<Item = (usize, f64)> + Clone,
        at: i64,
        joined: Joined,
        memory: Memory,
    ) {
        let memory = Memory { values: memory.values * LONGER, ..memory };
        let mut scores = [f32::NAN; limit::LANES];
        for (number, value) in row.clone() {
            if number >= self.lanes.len() {
                self.lanes.resize(number + 1, Lane::zeroed());
            }
            scores[number] = self.lanes[number].assess(value).score(value);
            self.lanes[number].learn(value, memory);
        }
        self.together.learn(&scores[..self.lanes.len()]);
        self.far.learn(row, at);
        self.joint.learn(joined, memory);
    }

    /// Returns what it holds outside of itself, bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.lanes.capacity() * size_of::<Lane>()
            + self.far.lanes.capacity() * size_of::<Horizons>()
            + self.together.pairs.capacity() * size_of::<Pair>()
    }

    /// Takes a change that has lasted for the new normal.
    pub(crate) fn adopt(&mut self) {
        for lane in &mut self.lanes {
            lane.adopt();
        }
        self.together.adopt();
        self.far.adopt();
        self.joint.lately = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::Noise;

    /// Takes a row in as the engine does, slowly while a detection is open.
    fn take(lanes: &mut Lanes, row: &[(usize, f64)]) -> f32 {
        // A row a second, whatever was before.
        let at = lanes.joint.rows as i64 * 1_000_000_000;
        let joined = lanes.assess(row.iter().copied(), at);
        let pace = if joined.nominal >= 4.2 { 0.125 } else { 1.0 };
        lanes.learn(row.iter().copied(), at, joined, Memory { values: 1024.0, pace });
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
    fn a_tie_that_breaks_is_seen_and_its_lanes_are_named() {
        let (mut lanes, mut noise) = (Lanes::default(), Noise(23));
        let mut row = |tied: bool| -> Vec<(usize, f64)> {
            let common = noise.next();
            (0..6)
                .map(|lane| {
                    let own = noise.next();
                    let joint = if lane == 4 && !tied { -common } else { common };
                    (lane, if lane < 2 || lane == 4 { joint + 0.1 * own } else { own })
                })
                .collect()
        };
        for _ in 0..4000 {
            take(&mut lanes, &row(true));
        }
        let quiet: Vec<f32> = (0..200).map(|_| take(&mut lanes, &row(true))).collect();
        assert!(quiet.iter().all(|nominal| *nominal < 6.0), "{quiet:?}");
        let loud: Vec<f32> = (0..200).map(|_| take(&mut lanes, &row(false))).collect();
        assert!(loud.iter().any(|nominal| *nominal > 12.0), "{loud:?}");
        let at = lanes.joint.rows as i64 * 1_000_000_000;
        let apart = lanes.assess(row(false).into_iter(), at).apart.unwrap();
        assert!(apart.contains(&4), "{apart:?}");
    }

    #[test]
    fn an_adopted_change_is_soon_normal() {
        let (mut lanes, mut noise) = (Lanes::default(), Noise(13));
        feed(&mut lanes, &mut noise, (4000, 8), |_| 0.0);
        feed(&mut lanes, &mut noise, (200, 8), |_| 5.0);
        lanes.adopt();
        let after = feed(&mut lanes, &mut noise, (400, 8), |_| 5.0);
        assert!(mean(&after[300..]) < 2.5, "{:?}", &after[300..]);
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

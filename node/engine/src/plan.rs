//! A stream's configuration, compiled for the per-event path: plain numbers,
//! looked up once per batch. Owns defaults' translation and the meaning of
//! names; refuses to know profiles. Called by the engine.

use via_types::config::{EntityConfig, Explain, Priority, Threshold};
use via_types::{Detector, Revision, StreamConfig};

use crate::calibration::COMMON_MOST;
use crate::detector::burst::Pace;
use crate::detector::distribution::growth;
use crate::detector::season::Period;
use crate::detector::volume::Smoothing;
use crate::profile::HINTS;
use crate::rule::fixed_limit;

/// 2^64 over the golden ratio: spreads numbers.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
/// The lowest bit of [`HINTS`].
const LEAST_HINT: u32 = HINTS & HINTS.wrapping_neg();

/// How one stream's events are judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) revision: Revision,
    /// Weight per detector, 0 when off.
    pub(crate) weights: [f32; Detector::ALL.len()],
    pub(crate) threshold: Threshold,
    /// Evidence from which on there is a detection, where that never changes.
    pub(crate) limit: Option<f32>,
    /// Whether events that cannot be a detection are told at a glance.
    pub(crate) has_calm: bool,
    /// Thresholds of single detectors.
    pub(crate) own: [Option<Threshold>; Detector::ALL.len()],
    /// Whether any detector has one.
    pub(crate) has_own: bool,
    pub(crate) explain: Explain,
    pub(crate) smoothing: Smoothing,
    pub(crate) gamma: f32,
    pub(crate) period: Period,
    pub(crate) growth: f32,
    /// Values the long level averages.
    pub(crate) memory: f32,
    pub(crate) hints: (Option<f64>, Option<f64>),
    /// Tells these hints from others, within [`HINTS`]; 0 for none.
    pub(crate) hinted: u32,
    pub(crate) precision: u8,
    pub(crate) pace: Pace,
    pub(crate) lateness: i64,
    pub(crate) warmup: u64,
    pub(crate) priority: Priority,
}

impl Plan {
    /// Compiles a configuration.
    pub(crate) fn of(revision: Revision, config: &StreamConfig) -> Self {
        let detectors = &config.detectors;
        let (volume, distribution) = (&detectors.volume, &detectors.distribution);
        let (cardinality, burst) = (&detectors.cardinality, &detectors.burst);
        let weight = |enabled: bool, weight: f64| {
            if enabled { weight.clamp(0.0, 10.0) as f32 } else { 0.0 }
        };
        let own =
            [volume.threshold, distribution.threshold, cardinality.threshold, burst.threshold];
        let limit = fixed_limit(&config.threshold);
        let most = COMMON_MOST * config.threshold.sensitivity as f32;
        let has_own = own.iter().any(Option::is_some);
        Self {
            revision,
            weights: [
                weight(volume.enabled, volume.weight),
                weight(distribution.enabled, distribution.weight),
                weight(cardinality.enabled, cardinality.weight),
                weight(burst.enabled, burst.weight),
            ],
            threshold: config.threshold,
            limit,
            has_calm: !has_own && limit.is_some_and(|limit| limit > most),
            own,
            has_own,
            explain: config.explain,
            smoothing: Smoothing { alpha: unit(volume.alpha), beta: unit(volume.beta) },
            gamma: unit(volume.gamma),
            period: Period::of(volume.season_secs),
            growth: growth(distribution.half_life_events.clamp(16.0, 1e6)),
            memory: (distribution.half_life_events.clamp(16.0, 1e6) * 0.5) as f32,
            hints: (distribution.min, distribution.max),
            hinted: hinted(distribution.min, distribution.max),
            precision: cardinality.precision.clamp(10, 18),
            pace: Pace { alpha: unit(burst.alpha), slack: burst.slack.clamp(0.0, 5.0) as f32 },
            lateness: (config.timing.lateness_secs.clamp(0.0, 9e9) * 1e9) as i64,
            warmup: u64::from(config.timing.warmup_events.max(2)),
            priority: Priority::Normal,
        }
    }

    /// Returns the plan of an entity that has something different.
    pub(crate) fn with(&self, own: &EntityConfig) -> Self {
        let mut plan = *self;
        for (detector, different) in &own.detectors {
            let weight = &mut plan.weights[*detector as usize];
            match (different.enabled, different.weight) {
                (Some(false), _) => *weight = 0.0,
                (Some(true), None) if *weight <= 0.0 => *weight = 1.0,
                // One that is off in the stream stays off unless it is switched on.
                (None, Some(_)) if *weight <= 0.0 => {}
                (_, Some(given)) => *weight = given.clamp(0.0, 10.0) as f32,
                (_, None) => {}
            }
            let threshold = &mut plan.own[*detector as usize];
            *threshold = different.threshold.or(*threshold);
        }
        plan.threshold = own.threshold.over(plan.threshold);
        plan.explain = own.explain.unwrap_or(plan.explain);
        plan.priority = own.priority.unwrap_or(plan.priority);
        plan.settle();
        plan
    }

    /// Brings what follows from thresholds up to date with them.
    fn settle(&mut self) {
        self.limit = fixed_limit(&self.threshold);
        self.has_own = self.own.iter().any(Option::is_some);
        let most = COMMON_MOST * self.threshold.sensitivity as f32;
        self.has_calm = !self.has_own && self.limit.is_some_and(|limit| limit > most);
    }
}

/// Returns what tells hints from others.
fn hinted(min: Option<f64>, max: Option<f64>) -> u32 {
    if min.is_none() && max.is_none() {
        return 0;
    }
    let bits = |hint: Option<f64>| hint.map_or(u64::MAX, f64::to_bits);
    let mixed = bits(min).wrapping_mul(GOLDEN).rotate_left(29) ^ bits(max);
    // None of them is 0, which is no hints at all.
    (mixed.wrapping_mul(GOLDEN) >> 32) as u32 & HINTS | LEAST_HINT
}

fn unit(share: f64) -> f32 {
    share.clamp(0.0, 1.0) as f32
}

//! A stream's configuration, compiled for the per-event path: plain numbers,
//! looked up once per batch. Owns defaults' translation and the meaning of
//! names; refuses to know profiles. Called by the engine.

use via_types::config::{EntityConfig, Explain, Priority, Threshold};
use via_types::{Detector, Revision, StreamConfig};

use crate::budget::is_kept;
use crate::calibration::COMMON_MOST;
use crate::course::Manner;
use crate::detector::behaviour::Spans;
use crate::detector::burst::Pace;
use crate::detector::changepoint::Hazard;
use crate::detector::distribution::growth;
use crate::detector::drift::Caution;
use crate::detector::season::Period;
use crate::detector::volume::Smoothing;
use crate::minded::is_choosy;
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
    /// Whether any of these keeps a budget.
    pub(crate) has_budget: bool,
    /// Whether any of these asks for more than rarity.
    pub(crate) is_choosy: bool,
    /// What of a stream's budget is this shard's.
    pub(crate) share: f64,
    /// What detections name as the version that made them.
    pub(crate) version: u32,
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
    /// Whether entities never seen before may be detections.
    pub(crate) greets: bool,
    pub(crate) pace: Pace,
    pub(crate) manner: Manner,
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
        let (spectral, change_point) = (&detectors.spectral, &detectors.change_point);
        let (forest, multi_scale) = (&detectors.forest, &detectors.multi_scale);
        let (behavioural, drift) = (&detectors.behavioural, &detectors.drift);
        let each = [
            (volume.enabled, volume.weight, volume.threshold),
            (distribution.enabled, distribution.weight, distribution.threshold),
            (cardinality.enabled, cardinality.weight, cardinality.threshold),
            (burst.enabled, burst.weight, burst.threshold),
            (spectral.enabled, spectral.weight, spectral.threshold),
            (change_point.enabled, change_point.weight, change_point.threshold),
            (forest.enabled, forest.weight, forest.threshold),
            (multi_scale.enabled, multi_scale.weight, multi_scale.threshold),
            (behavioural.enabled, behavioural.weight, behavioural.threshold),
            (drift.enabled, drift.weight, drift.threshold),
        ];
        let own = each.map(|(_, _, threshold)| threshold);
        let mut plan = Self {
            revision,
            weights: each.map(|(enabled, share, _)| weight(enabled, share)),
            threshold: config.threshold,
            limit: None,
            has_calm: false,
            own,
            has_own: false,
            has_budget: false,
            is_choosy: false,
            share: 1.0,
            version: crate::VERSION,
            explain: config.explain,
            smoothing: Smoothing { alpha: unit(volume.alpha), beta: unit(volume.beta) },
            gamma: unit(volume.gamma),
            period: Period::of(volume.season_secs),
            growth: growth(distribution.half_life_events.clamp(16.0, 1e6)),
            memory: (distribution.half_life_events.clamp(16.0, 1e6) * 0.5) as f32,
            hints: (distribution.min, distribution.max),
            hinted: hinted(distribution.min, distribution.max),
            precision: cardinality.precision.clamp(10, 18),
            greets: cardinality.new_entities.unwrap_or(config.mapping.line_from.is_some()),
            pace: Pace { alpha: unit(burst.alpha), slack: burst.slack.clamp(0.0, 5.0) as f32 },
            manner: Manner {
                hazard: Hazard {
                    gap: change_point.gap_buckets.clamp(10.0, 1e6),
                    ..Hazard::default()
                },
                spans: Spans {
                    recent: behavioural.recent_buckets.clamp(8.0, 1e4) as f32,
                    past: behavioural.past_buckets.clamp(32.0, 1e6) as f32,
                },
                caution: Caution { delta: drift.delta.clamp(1e-9, 0.5) },
            },
            lateness: (config.timing.lateness_secs.clamp(0.0, 9e9) * 1e9) as i64,
            warmup: u64::from(config.timing.warmup_events.max(2)),
            priority: config.priority,
        };
        plan.settle();
        plan
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
        let (threshold, own) = (&self.threshold, &self.own);
        self.has_budget = is_kept(threshold) || own.iter().flatten().any(is_kept);
        self.is_choosy = is_choosy(threshold) || own.iter().flatten().any(is_choosy);
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

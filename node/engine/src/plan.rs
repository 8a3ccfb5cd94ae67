//! A stream's configuration, compiled for the per-event path: plain numbers,
//! looked up once per batch. Owns defaults' translation and the meaning of
//! names; refuses to know profiles. Called by the engine.

use via_types::config::{Explain, Threshold};
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
use crate::rule::fixed_limit;

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
    pub(crate) explain: Explain,
    pub(crate) smoothing: Smoothing,
    pub(crate) gamma: f32,
    pub(crate) period: Period,
    pub(crate) growth: f32,
    /// Values the long level averages.
    pub(crate) memory: f32,
    pub(crate) hints: (Option<f64>, Option<f64>),
    pub(crate) precision: u8,
    pub(crate) pace: Pace,
    pub(crate) manner: Manner,
    pub(crate) lateness: i64,
    pub(crate) warmup: u64,
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
        let limit = fixed_limit(&config.threshold);
        let most = COMMON_MOST * config.threshold.sensitivity as f32;
        let has_own = own.iter().any(Option::is_some);
        Self {
            revision,
            weights: each.map(|(enabled, share, _)| weight(enabled, share)),
            threshold: config.threshold,
            limit,
            has_calm: !has_own && limit.is_some_and(|limit| limit > most),
            own,
            has_own,
            has_budget: is_kept(&config.threshold) || own.iter().flatten().any(is_kept),
            is_choosy: is_choosy(&config.threshold) || own.iter().flatten().any(is_choosy),
            share: 1.0,
            explain: config.explain,
            smoothing: Smoothing { alpha: unit(volume.alpha), beta: unit(volume.beta) },
            gamma: unit(volume.gamma),
            period: Period::of(volume.season_secs),
            growth: growth(distribution.half_life_events.clamp(16.0, 1e6)),
            memory: (distribution.half_life_events.clamp(16.0, 1e6) * 0.5) as f32,
            hints: (distribution.min, distribution.max),
            precision: cardinality.precision.clamp(10, 18),
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
        }
    }
}

fn unit(share: f64) -> f32 {
    share.clamp(0.0, 1.0) as f32
}

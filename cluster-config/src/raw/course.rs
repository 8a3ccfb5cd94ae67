//! The sections of the detectors that look at the course of closed buckets, or
//! at several values together. Mirrors `via_types::config`, whose defaults it
//! takes; adds the ranges and the words.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use via_types::config;

use crate::raw::detectors::Overrides;

/// What stands out of the rhythm of the last 122 closed buckets (spectral residual).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Spectral {
    /// Whether it runs.
    pub(crate) enabled: bool,
    /// Its weight against the other detectors.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub(crate) weight: f64,
    /// This detector's own rule; what is unset is taken from `[thresholds]`.
    pub(crate) threshold: Overrides,
}

impl Default for Spectral {
    fn default() -> Self {
        let config::Spectral { enabled, weight, .. } = config::Spectral::default();
        Self { enabled, weight, threshold: Overrides::default() }
    }
}

/// Since when a series is as it is (Bayesian online change-point detection).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ChangePoint {
    /// Whether it runs.
    pub(crate) enabled: bool,
    /// Its weight against the other detectors.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub(crate) weight: f64,
    /// Closed buckets between changes, as expected on average.
    #[schemars(range(min = 10.0, max = 1e6), extend("x-unit" = "buckets"))]
    pub(crate) gap_buckets: f64,
    /// This detector's own rule; what is unset is taken from `[thresholds]`.
    pub(crate) threshold: Overrides,
}

impl Default for ChangePoint {
    fn default() -> Self {
        let config::ChangePoint { enabled, weight, gap_buckets, .. } =
            config::ChangePoint::default();
        Self { enabled, weight, gap_buckets, threshold: Overrides::default() }
    }
}

/// Named values together against a sample of their past (random cut forest).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Forest {
    /// Whether it runs.
    pub(crate) enabled: bool,
    /// Its weight against the other detectors.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub(crate) weight: f64,
    /// This detector's own rule; what is unset is taken from `[thresholds]`.
    pub(crate) threshold: Overrides,
}

impl Default for Forest {
    fn default() -> Self {
        let config::Forest { enabled, weight, .. } = config::Forest::default();
        Self { enabled, weight, threshold: Overrides::default() }
    }
}

/// The level at ten horizons from seconds to weeks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MultiScale {
    /// Whether it runs.
    pub(crate) enabled: bool,
    /// Its weight against the other detectors.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub(crate) weight: f64,
    /// This detector's own rule; what is unset is taken from `[thresholds]`.
    pub(crate) threshold: Overrides,
}

impl Default for MultiScale {
    fn default() -> Self {
        let config::MultiScale { enabled, weight, .. } = config::MultiScale::default();
        Self { enabled, weight, threshold: Overrides::default() }
    }
}

/// What an entity is like: moments of recent buckets against the past.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Behavioural {
    /// Whether it runs.
    pub(crate) enabled: bool,
    /// Its weight against the other detectors.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub(crate) weight: f64,
    /// Closed buckets that are recent.
    #[schemars(range(min = 8.0, max = 1e4), extend("x-unit" = "buckets"))]
    pub(crate) recent_buckets: f64,
    /// Closed buckets that the past averages.
    #[schemars(range(min = 32.0, max = 1e6), extend("x-unit" = "buckets"))]
    pub(crate) past_buckets: f64,
    /// This detector's own rule; what is unset is taken from `[thresholds]`.
    pub(crate) threshold: Overrides,
}

impl Default for Behavioural {
    fn default() -> Self {
        let config::Behavioural { enabled, weight, recent_buckets, past_buckets, .. } =
            config::Behavioural::default();
        Self { enabled, weight, recent_buckets, past_buckets, threshold: Overrides::default() }
    }
}

/// Whether a level has moved for good (adaptive windowing).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Drift {
    /// Whether it runs.
    pub(crate) enabled: bool,
    /// Its weight against the other detectors.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub(crate) weight: f64,
    /// Probability of taking chance for a lasting change.
    #[schemars(range(min = 1e-9, max = 0.5))]
    pub(crate) delta: f64,
    /// This detector's own rule; what is unset is taken from `[thresholds]`.
    pub(crate) threshold: Overrides,
}

impl Default for Drift {
    fn default() -> Self {
        let config::Drift { enabled, weight, delta, .. } = config::Drift::default();
        Self { enabled, weight, delta, threshold: Overrides::default() }
    }
}

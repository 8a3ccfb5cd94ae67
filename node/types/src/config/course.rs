//! Parameters of the detectors that look at the course of closed buckets, or at
//! several values together. Plain data, as all of a stream's configuration.

use serde::{Deserialize, Serialize};

use crate::config::Threshold;

/// Spectral residual of the last 122 closed buckets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Spectral {
    /// Whether it runs.
    pub enabled: bool,
    /// Weight in the ensemble, 0..10.
    pub weight: f64,
    /// Overrides the stream's threshold for this detector alone.
    pub threshold: Option<Threshold>,
}

impl Default for Spectral {
    fn default() -> Self {
        Self { enabled: true, weight: 1.0, threshold: None }
    }
}

/// Bayesian online change-point detection on closed buckets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChangePoint {
    /// Whether it runs.
    pub enabled: bool,
    /// Weight in the ensemble, 0..10.
    pub weight: f64,
    /// Buckets between changes, as expected on average, 10..1e6.
    pub gap_buckets: f64,
    /// Overrides the stream's threshold for this detector alone.
    pub threshold: Option<Threshold>,
}

impl Default for ChangePoint {
    fn default() -> Self {
        Self { enabled: true, weight: 1.0, gap_buckets: 500.0, threshold: None }
    }
}

/// Robust random cut forest over the named values of one entity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Forest {
    /// Whether it runs.
    pub enabled: bool,
    /// Weight in the ensemble, 0..10.
    pub weight: f64,
    /// Overrides the stream's threshold for this detector alone.
    pub threshold: Option<Threshold>,
}

impl Default for Forest {
    fn default() -> Self {
        Self { enabled: true, weight: 1.0, threshold: None }
    }
}

/// Levels at ten horizons from seconds to weeks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MultiScale {
    /// Whether it runs.
    pub enabled: bool,
    /// Weight in the ensemble, 0..10.
    pub weight: f64,
    /// Overrides the stream's threshold for this detector alone.
    pub threshold: Option<Threshold>,
}

impl Default for MultiScale {
    fn default() -> Self {
        Self { enabled: true, weight: 1.0, threshold: None }
    }
}

/// Moments of recent buckets against those of the past.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behavioural {
    /// Whether it runs.
    pub enabled: bool,
    /// Weight in the ensemble, 0..10.
    pub weight: f64,
    /// Buckets that are recent, 8..1e4.
    pub recent_buckets: f64,
    /// Buckets that the past averages, 32..1e6.
    pub past_buckets: f64,
    /// Overrides the stream's threshold for this detector alone.
    pub threshold: Option<Threshold>,
}

impl Default for Behavioural {
    fn default() -> Self {
        Self {
            enabled: true,
            weight: 1.0,
            recent_buckets: 32.0,
            past_buckets: 1024.0,
            threshold: None,
        }
    }
}

/// Adaptive windowing on closed buckets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Drift {
    /// Whether it runs.
    pub enabled: bool,
    /// Weight in the ensemble, 0..10.
    pub weight: f64,
    /// Probability of taking chance for a lasting change, 1e-9..0.5.
    pub delta: f64,
    /// Overrides the stream's threshold for this detector alone.
    pub threshold: Option<Threshold>,
}

impl Default for Drift {
    fn default() -> Self {
        Self { enabled: true, weight: 1.0, delta: 0.002, threshold: None }
    }
}

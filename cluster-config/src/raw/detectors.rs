//! The sections about judgement: `[detectors.*]`, `[detectors.*.threshold]`
//! and `[thresholds]`. Mirrors `via_types::config`, whose defaults it takes;
//! adds the ranges and the words. The engine owns the meaning.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use via_types::config;

use crate::raw::course::{Behavioural, ChangePoint, Drift, Forest, MultiScale, Spectral};
use crate::units::Span;

/// The statistical tests, each with its own parameters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Detectors {
    /// Event rate against its level, trend and season (Holt-Winters).
    pub(crate) volume: Volume,
    /// Values against the fading histogram of past values.
    pub(crate) distribution: Distribution,
    /// Number of distinct attribute values against its past (HyperLogLog).
    pub(crate) cardinality: Cardinality,
    /// Time between events against its past (EWMA and two-sided CUSUM).
    pub(crate) burst: Burst,
    /// What stands out of the rhythm of the last 122 closed buckets (spectral residual).
    pub(crate) spectral: Spectral,
    /// Since when a series is as it is (Bayesian online change-point detection).
    pub(crate) change_point: ChangePoint,
    /// Named values together against a sample of their past (random cut forest).
    pub(crate) forest: Forest,
    /// The level at ten horizons from seconds to weeks.
    pub(crate) multi_scale: MultiScale,
    /// What an entity is like: moments of recent buckets against the past.
    pub(crate) behavioural: Behavioural,
    /// Whether a level has moved for good (adaptive windowing).
    pub(crate) drift: Drift,
}

impl Detectors {
    /// Returns the name of each, whether it runs, and its own rule.
    pub(crate) fn each(&self) -> [(&'static str, bool, &Overrides); 10] {
        [
            ("volume", self.volume.enabled, &self.volume.threshold),
            ("distribution", self.distribution.enabled, &self.distribution.threshold),
            ("cardinality", self.cardinality.enabled, &self.cardinality.threshold),
            ("burst", self.burst.enabled, &self.burst.threshold),
            ("spectral", self.spectral.enabled, &self.spectral.threshold),
            ("change_point", self.change_point.enabled, &self.change_point.threshold),
            ("forest", self.forest.enabled, &self.forest.threshold),
            ("multi_scale", self.multi_scale.enabled, &self.multi_scale.threshold),
            ("behavioural", self.behavioural.enabled, &self.behavioural.threshold),
            ("drift", self.drift.enabled, &self.drift.threshold),
        ]
    }

    pub(crate) fn fill_with_examples(&mut self) {
        let example = Overrides::example();
        self.volume.season = Some(Span::from_secs(86_400));
        self.distribution.min = Some(0.0);
        self.distribution.max = Some(1000.0);
        self.cardinality.new_entities = Some(true);
        self.volume.threshold = example.clone();
        self.distribution.threshold = example.clone();
        self.cardinality.threshold = example.clone();
        self.burst.threshold = example.clone();
        self.spectral.threshold = example.clone();
        self.change_point.threshold = example.clone();
        self.forest.threshold = example.clone();
        self.multi_scale.threshold = example.clone();
        self.behavioural.threshold = example.clone();
        self.drift.threshold = example;
    }
}

/// Event rate against its level, trend and season (Holt-Winters).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Volume {
    /// Whether it runs.
    pub(crate) enabled: bool,
    /// Its weight against the other detectors.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub(crate) weight: f64,
    /// How fast the level follows, per bucket.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(crate) alpha: f64,
    /// How fast the trend follows, per bucket.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(crate) beta: f64,
    /// How fast the season follows, per period.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(crate) gamma: f64,
    /// Length of the season. When unset it is found in the data.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "366d"))]
    pub(crate) season: Option<Span>,
    /// This detector's own rule; what is unset is taken from `[thresholds]`.
    pub(crate) threshold: Overrides,
}

impl Default for Volume {
    fn default() -> Self {
        let config::Volume { enabled, weight, alpha, beta, gamma, .. } = config::Volume::default();
        let threshold = Overrides::default();
        Self { enabled, weight, alpha, beta, gamma, season: None, threshold }
    }
}

/// Values against the fading histogram of past values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Distribution {
    /// Whether it runs.
    pub(crate) enabled: bool,
    /// Its weight against the other detectors.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub(crate) weight: f64,
    /// Events after which an observation counts half.
    #[schemars(range(min = 16.0, max = 1e6), extend("x-unit" = "events"))]
    pub(crate) half_life_events: f64,
    /// Hint: the smallest value to be expected. Smaller ones are accepted.
    #[schemars(range(min = -1e300, max = 1e300), extend("x-unit" = "of the value"))]
    pub(crate) min: Option<f64>,
    /// Hint: the largest value to be expected. Larger ones are accepted.
    #[schemars(range(min = -1e300, max = 1e300), extend("x-unit" = "of the value"))]
    pub(crate) max: Option<f64>,
    /// This detector's own rule; what is unset is taken from `[thresholds]`.
    pub(crate) threshold: Overrides,
}

impl Default for Distribution {
    fn default() -> Self {
        let config::Distribution { enabled, weight, half_life_events, min, max, .. } =
            config::Distribution::default();
        Self { enabled, weight, half_life_events, min, max, threshold: Overrides::default() }
    }
}

/// Number of distinct attribute values against its past (HyperLogLog).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Cardinality {
    /// Whether it runs.
    pub(crate) enabled: bool,
    /// Its weight against the other detectors.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub(crate) weight: f64,
    /// Two to the power of this many registers: each step more halves the
    /// counting error's square and doubles the memory of busy entities.
    #[schemars(range(min = 10, max = 18))]
    pub(crate) precision: u8,
    /// Whether an entity never seen before may be a detection, in streams that
    /// seldom have new ones. When unset, in streams of log lines alone.
    pub(crate) new_entities: Option<bool>,
    /// This detector's own rule; what is unset is taken from `[thresholds]`.
    pub(crate) threshold: Overrides,
}

impl Default for Cardinality {
    fn default() -> Self {
        let config::Cardinality { enabled, weight, precision, new_entities, .. } =
            config::Cardinality::default();
        Self { enabled, weight, precision, new_entities, threshold: Overrides::default() }
    }
}

/// Time between events against its past (EWMA and two-sided CUSUM).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Burst {
    /// Whether it runs.
    pub(crate) enabled: bool,
    /// Its weight against the other detectors.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub(crate) weight: f64,
    /// How fast the mean follows, per event.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(crate) alpha: f64,
    /// Deviation that the running sum lets pass.
    #[schemars(range(min = 0.0, max = 5.0), extend("x-unit" = "standard deviations"))]
    pub(crate) slack: f64,
    /// This detector's own rule; what is unset is taken from `[thresholds]`.
    pub(crate) threshold: Overrides,
}

impl Default for Burst {
    fn default() -> Self {
        let config::Burst { enabled, weight, alpha, slack, .. } = config::Burst::default();
        Self { enabled, weight, alpha, slack, threshold: Overrides::default() }
    }
}

/// The rule by which a score becomes a detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MethodName {
    EwmaSigma,
    Percentile,
    Mad,
    Ensemble,
    Budget,
    StreamBudget,
}

impl MethodName {
    pub(crate) const NAMES: [&str; 6] =
        ["ewma_sigma", "percentile", "mad", "ensemble", "budget", "stream_budget"];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::EwmaSigma => "ewma_sigma",
            Self::Percentile => "percentile",
            Self::Mad => "mad",
            Self::Ensemble => "ensemble",
            Self::Budget => "budget",
            Self::StreamBudget => "stream_budget",
        }
    }
}

impl JsonSchema for MethodName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Method".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "via-method",
            "pattern": "^(ewma_sigma|percentile|mad|ensemble|budget|stream_budget)(\\([0-9.eE+-]+\\))?$",
        })
    }
}

/// When a score becomes a detection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Thresholds {
    /// The rule. Its figure is the key of the same name below, or follows in
    /// parentheses: `"percentile(0.99)"`.
    pub(crate) method: MethodName,
    /// `ewma_sigma`: evidence above its own running mean by this much.
    #[schemars(range(min = 0.1, max = 100.0), extend("x-unit" = "standard deviations"))]
    pub(crate) ewma_sigma: f64,
    /// `percentile`: evidence above this quantile of the entity's own past.
    #[schemars(range(min = 0.5, max = 0.999_999))]
    pub(crate) percentile: f64,
    /// `mad`: evidence above its running median by this much.
    #[schemars(range(min = 0.1, max = 1000.0), extend("x-unit" = "median absolute deviations"))]
    pub(crate) mad: f64,
    /// `ensemble`: the calibrated score at or above which it is a detection.
    #[schemars(range(min = 0.01, max = 1.0))]
    pub(crate) ensemble: f64,
    /// `budget`: detections allowed while nothing is wrong.
    #[schemars(range(min = 1e-6, max = 10_000.0), extend("x-unit" = "per entity and day"))]
    pub(crate) budget: f64,
    /// `stream_budget`: detections allowed while nothing is wrong, of all entities
    /// of a stream together. Each shard has an equal share of it.
    #[schemars(range(min = 1e-3, max = 1e6), extend("x-unit" = "per stream and day"))]
    pub(crate) stream_budget: f64,
    /// Multiplies the evidence before the rule: 2 alarms earlier, 0.5 later.
    #[schemars(range(min = 0.1, max = 10.0))]
    pub(crate) sensitivity: f64,
    /// How fast the rules that adapt follow: 0 never, 1 at once.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(crate) adaptive_factor: f64,
    /// Which way a deviation has to go to be told.
    pub(crate) direction: Side,
    /// How large a deviation has to be to be told, however rare it is.
    pub(crate) min_deviation: MinDeviation,
}

impl Default for Thresholds {
    fn default() -> Self {
        let config::Threshold { sensitivity, adaptive_factor, .. } = config::Threshold::default();
        Self {
            method: MethodName::Ensemble,
            ewma_sigma: 4.0,
            percentile: 0.999,
            mad: 6.0,
            ensemble: 0.5,
            budget: 1.0,
            stream_budget: 10.0,
            sensitivity,
            adaptive_factor,
            direction: Side::Any,
            min_deviation: MinDeviation::default(),
        }
    }
}

/// Which way a deviation has to go to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Side {
    /// Either way, or in no direction.
    Any,
    /// More than expected: larger values, more events, more distinct values.
    Above,
    /// Less than expected.
    Below,
}

/// How large a deviation has to be to be told; both are asked of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MinDeviation {
    /// From the expected value; 0 asks for none. How often events come and how
    /// varied they are is not measured by it.
    #[schemars(range(min = 0.0, max = 1e300), extend("x-unit" = "of the value"))]
    pub(crate) absolute: f64,
    /// From what was expected, in parts of it: 0.05 is five percent; 0 asks for
    /// none.
    #[schemars(range(min = 0.0, max = 1e6))]
    pub(crate) relative: f64,
}

/// Of this detector's deviations; what is unset is taken from
/// `[thresholds.min_deviation]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MinDeviationOverrides {
    /// From the expected value.
    #[schemars(range(min = 0.0, max = 1e300), extend("x-unit" = "of the value"))]
    pub(crate) absolute: Option<f64>,
    /// From what was expected, in parts of it.
    #[schemars(range(min = 0.0, max = 1e6))]
    pub(crate) relative: Option<f64>,
}

/// This detector's own rule; what is unset is taken from `[thresholds]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Overrides {
    /// The rule, as in `[thresholds]`, but for this detector's evidence alone.
    pub(crate) method: Option<MethodName>,
    /// Figure of `ewma_sigma`.
    #[schemars(range(min = 0.1, max = 100.0), extend("x-unit" = "standard deviations"))]
    pub(crate) ewma_sigma: Option<f64>,
    /// Figure of `percentile`.
    #[schemars(range(min = 0.5, max = 0.999_999))]
    pub(crate) percentile: Option<f64>,
    /// Figure of `mad`.
    #[schemars(range(min = 0.1, max = 1000.0), extend("x-unit" = "median absolute deviations"))]
    pub(crate) mad: Option<f64>,
    /// Figure of `ensemble`.
    #[schemars(range(min = 0.01, max = 1.0))]
    pub(crate) ensemble: Option<f64>,
    /// Figure of `budget`.
    #[schemars(range(min = 1e-6, max = 10_000.0), extend("x-unit" = "per entity and day"))]
    pub(crate) budget: Option<f64>,
    /// Figure of `stream_budget`.
    #[schemars(range(min = 1e-3, max = 1e6), extend("x-unit" = "per stream and day"))]
    pub(crate) stream_budget: Option<f64>,
    /// Multiplies this detector's evidence before the rule.
    #[schemars(range(min = 0.1, max = 10.0))]
    pub(crate) sensitivity: Option<f64>,
    /// How fast the rules that adapt follow.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(crate) adaptive_factor: Option<f64>,
    /// Which way a deviation has to go to be told.
    pub(crate) direction: Option<Side>,
    /// How large a deviation has to be to be told.
    pub(crate) min_deviation: MinDeviationOverrides,
}

impl Overrides {
    fn example() -> Self {
        let Thresholds { ewma_sigma, percentile, mad, ensemble, budget, stream_budget, .. } =
            Thresholds::default();
        Self {
            method: Some(MethodName::EwmaSigma),
            ewma_sigma: Some(ewma_sigma),
            percentile: Some(percentile),
            mad: Some(mad),
            ensemble: Some(ensemble),
            budget: Some(budget),
            stream_budget: Some(stream_budget),
            sensitivity: Some(1.0),
            adaptive_factor: Some(0.01),
            direction: Some(Side::Above),
            min_deviation: MinDeviationOverrides { absolute: Some(1.0), relative: Some(0.05) },
        }
    }
}

//! How one stream's events are judged. Plain data: `cluster-config` documents,
//! bounds and validates what operators write; the catalog versions it; the log
//! carries it as JSON, so fields may be added with a default.

mod course;

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, IgnoredAny, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::Detector;
use crate::calendar::{BusinessHours, CalendarEvent};
pub use course::{Behavioural, ChangePoint, Drift, Forest, MultiScale, Spectral};

/// Everything the engine needs to know about a stream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StreamConfig {
    /// Each detector's parameters.
    pub detectors: Detectors,
    /// When a score becomes a detection.
    pub threshold: Threshold,
    /// How much is explained.
    pub explain: Explain,
    /// What the gateway derives an event's entity and mark from.
    pub mapping: Mapping,
    /// Event-time discipline and warm-up.
    pub timing: Timing,
    /// How much its entities matter that say nothing of their own.
    #[serde(skip_serializing_if = "Priority::is_normal")]
    pub priority: Priority,
    /// What single entities, by key, have different from the rest.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub entities: BTreeMap<String, EntityConfig>,
    /// When people are at work: said in explanations, changes no score.
    pub business_hours: BusinessHours,
    /// Known events: said in explanations, changes no score.
    pub calendar: Vec<CalendarEvent>,
}

/// What one entity of a stream has different; what is left out is the stream's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EntityConfig {
    /// Detectors that it has different.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub detectors: BTreeMap<Detector, EntityDetector>,
    /// When a score becomes a detection.
    #[serde(skip_serializing_if = "EntityThreshold::is_empty")]
    pub threshold: EntityThreshold,
    /// How much is explained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explain: Option<Explain>,
    /// How much it matters beside the other entities of its stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
}

/// What one entity has different of one detector.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EntityDetector {
    /// Whether it runs; one that the stream has off runs with weight 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Weight in the ensemble, 0..10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    /// Overrides the entity's threshold for this detector alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<Threshold>,
}

/// What one entity has different of its stream's threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EntityThreshold {
    /// The rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// Multiplies evidence before the rule, 0.1..10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sensitivity: Option<f64>,
    /// How fast the adaptive rules follow, 0..1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adaptive_factor: Option<f64>,
    /// Which way a deviation has to go to be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Side>,
    /// How large a deviation has to be to be told; replaces the stream's as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_deviation: Option<MinDeviation>,
}

impl EntityThreshold {
    /// Says whether it has nothing different.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns `threshold` with what is different.
    pub fn over(&self, threshold: Threshold) -> Threshold {
        Threshold {
            method: self.method.unwrap_or(threshold.method),
            sensitivity: self.sensitivity.unwrap_or(threshold.sensitivity),
            adaptive_factor: self.adaptive_factor.unwrap_or(threshold.adaptive_factor),
            direction: self.direction.unwrap_or(threshold.direction),
            min_deviation: self.min_deviation.unwrap_or(threshold.min_deviation),
        }
    }
}

/// How much an entity matters beside others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Its detections are one step less severe; it gives way first when memory is
    /// short.
    Low,
    /// As all others.
    #[default]
    Normal,
    /// Its detections are one step more severe; it gives way last when memory is
    /// short.
    High,
}

impl Priority {
    /// Says whether it is that of all others.
    pub fn is_normal(&self) -> bool {
        *self == Self::Normal
    }
}

/// The detectors of a stream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Detectors {
    /// Event rate.
    pub volume: Volume,
    /// Values.
    pub distribution: Distribution,
    /// Distinct marks.
    pub cardinality: Cardinality,
    /// Gaps between events.
    pub burst: Burst,
    /// Rhythm of closed buckets.
    pub spectral: Spectral,
    /// Time of change.
    pub change_point: ChangePoint,
    /// Several quantities together.
    pub forest: Forest,
    /// Level at many horizons.
    pub multi_scale: MultiScale,
    /// What an entity is like.
    pub behavioural: Behavioural,
    /// Lasting change.
    pub drift: Drift,
}

/// Holt-Winters on the event rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Volume {
    /// Whether it runs.
    pub enabled: bool,
    /// Weight in the ensemble, 0..10.
    pub weight: f64,
    /// Level smoothing per bucket, 0..1.
    pub alpha: f64,
    /// Trend smoothing per bucket, 0..1.
    pub beta: f64,
    /// Season smoothing per period, 0..1.
    pub gamma: f64,
    /// Season length, seconds; none means detect it.
    pub season_secs: Option<f64>,
    /// Overrides the stream's threshold for this detector alone.
    pub threshold: Option<Threshold>,
}

impl Default for Volume {
    fn default() -> Self {
        Self {
            enabled: true,
            weight: 1.0,
            alpha: 0.1,
            beta: 0.01,
            gamma: 0.1,
            season_secs: None,
            threshold: None,
        }
    }
}

/// Fading histogram of values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Distribution {
    /// Whether it runs.
    pub enabled: bool,
    /// Weight in the ensemble, 0..10.
    pub weight: f64,
    /// Events after which an observation's weight has halved, 16..1e6.
    pub half_life_events: f64,
    /// Hint for the smallest value; a wall only to nobody.
    pub min: Option<f64>,
    /// Hint for the largest value.
    pub max: Option<f64>,
    /// Overrides the stream's threshold for this detector alone.
    pub threshold: Option<Threshold>,
}

impl Default for Distribution {
    fn default() -> Self {
        Self {
            enabled: true,
            weight: 1.0,
            half_life_events: 2048.0,
            min: None,
            max: None,
            threshold: None,
        }
    }
}

/// HyperLogLog of marks per window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cardinality {
    /// Whether it runs.
    pub enabled: bool,
    /// Weight in the ensemble, 0..10.
    pub weight: f64,
    /// Registers: 2^precision, 10..18.
    pub precision: u8,
    /// Whether an entity never seen before may be a detection where such are
    /// rare; none means in streams of log lines alone.
    pub new_entities: Option<bool>,
    /// Overrides the stream's threshold for this detector alone.
    pub threshold: Option<Threshold>,
}

impl Default for Cardinality {
    fn default() -> Self {
        Self { enabled: true, weight: 1.0, precision: 12, new_entities: None, threshold: None }
    }
}

/// EWMA and two-sided CUSUM on inter-arrival time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Burst {
    /// Whether it runs.
    pub enabled: bool,
    /// Weight in the ensemble, 0..10.
    pub weight: f64,
    /// EWMA smoothing per event, 0..1.
    pub alpha: f64,
    /// CUSUM slack, standard deviations, 0..5.
    pub slack: f64,
    /// Overrides the stream's threshold for this detector alone.
    pub threshold: Option<Threshold>,
}

impl Default for Burst {
    fn default() -> Self {
        Self { enabled: true, weight: 1.0, alpha: 0.05, slack: 0.5, threshold: None }
    }
}

/// By what rule a score becomes a detection.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Evidence above its own running mean by this many standard deviations.
    EwmaSigma(f64),
    /// Evidence above this quantile of the entity's own past, 0.5..1.
    Percentile(f64),
    /// Evidence above its running median by this many median absolute deviations.
    Mad(f64),
    /// Calibrated score at or above this, 0..1.
    Ensemble(f64),
    /// At most this many detections per entity-day while nothing is wrong.
    Budget(f64),
    /// At most this many detections per day of the stream's all entities while
    /// nothing is wrong; each shard has an equal share.
    StreamBudget(f64),
}

impl<'de> Deserialize<'de> for Method {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MethodForm)
    }
}

/// Reads a [`Method`], and says which forms are allowed when it is none.
struct MethodForm;

impl<'de> Visitor<'de> for MethodForm {
    type Value = Method;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "an object of one rule and its figure, like {\"mad\": 6.0}; the rules are \
             ewma_sigma, percentile, mad, ensemble, budget, stream_budget",
        )
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Method, M::Error> {
        let many = |count| M::Error::invalid_length(count, &self);
        let rule: String = map.next_key()?.ok_or_else(|| many(0))?;
        let make = match rule.as_str() {
            "ewma_sigma" => Method::EwmaSigma,
            "percentile" => Method::Percentile,
            "mad" => Method::Mad,
            "ensemble" => Method::Ensemble,
            "budget" => Method::Budget,
            "stream_budget" => Method::StreamBudget,
            other => return Err(M::Error::invalid_value(Unexpected::Str(other), &self)),
        };
        let method = make(map.next_value()?);
        let further: Option<IgnoredAny> = map.next_key()?;
        if further.is_some() { Err(many(2)) } else { Ok(method) }
    }
}

/// A stream's (or a detector's) threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Threshold {
    /// The rule.
    pub method: Method,
    /// Multiplies evidence before the rule: 2 alarms earlier, 0.5 later; 0.1..10.
    pub sensitivity: f64,
    /// How fast the adaptive rules follow, 0 (never) .. 1 (at once).
    pub adaptive_factor: f64,
    /// Which way a deviation has to go to be told.
    pub direction: Side,
    /// How large a deviation has to be to be told, however rare it is.
    pub min_deviation: MinDeviation,
}

impl Default for Threshold {
    fn default() -> Self {
        Self {
            method: Method::Ensemble(0.5),
            sensitivity: 1.0,
            adaptive_factor: 0.01,
            direction: Side::default(),
            min_deviation: MinDeviation::default(),
        }
    }
}

/// Which way a deviation has to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Either way, or in no direction.
    #[default]
    Any,
    /// More than expected: larger values, more events, more distinct marks.
    Above,
    /// Less than expected: smaller values, fewer events, fewer distinct marks.
    Below,
}

/// How large a deviation has to be: what is 0 is not asked, and each other is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MinDeviation {
    /// From what was expected, in the value's unit, 0..1e300; asked of values
    /// alone, not of how often or how varied events are.
    pub absolute: f64,
    /// From what was expected, in parts of it, 0..1e6.
    pub relative: f64,
}

/// How much of a detection is explained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Explain {
    /// Score and reason only.
    None,
    /// Contributions and expected range too.
    Basic,
    /// Context, counterfactual and recommended actions too.
    #[default]
    Full,
}

/// What the gateway reads out of an event's attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mapping {
    /// Attributes whose values, joined by `/`, name the entity of an event
    /// that names none; empty means such events are refused.
    pub entity_from: Vec<String>,
    /// The attribute whose distinct values are counted; none means all
    /// attributes together, or the value when there are none; of a log line,
    /// none at all.
    pub distinct_of: Option<String>,
    /// The attribute that holds a log line, whose template is the entity of an
    /// event that names none; none means that events are no log lines.
    pub line_from: Option<String>,
    /// The attribute that says which service logs; lines of different ones
    /// share no template.
    pub service_from: Option<String>,
    /// The attribute that says how severe a line is; likewise.
    pub severity_from: Option<String>,
}

/// Event-time discipline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timing {
    /// Events older than the entity's newest by more than this are refused, seconds.
    pub lateness_secs: f64,
    /// Events before an entity is judged, 2..1e6.
    pub warmup_events: u32,
}

impl Default for Timing {
    fn default() -> Self {
        Self { lateness_secs: 600.0, warmup_events: 10 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_read_as_it_is_written_and_any_other_form_is_told_the_allowed_ones() {
        for method in [
            Method::EwmaSigma(4.0),
            Method::Percentile(0.99),
            Method::Mad(6.0),
            Method::Ensemble(0.5),
            Method::Budget(1.0),
            Method::StreamBudget(20.0),
        ] {
            let text = serde_json::to_string(&method).expect("plain data");
            assert_eq!(serde_json::from_str::<Method>(&text).expect("its own text"), method);
        }
        let odd = [r#""mad""#, "5", "[]", "{}", r#"{"mod":6}"#, r#"{"mad":6,"budget":1}"#, "null"];
        for text in odd {
            let error = serde_json::from_str::<Method>(text).expect_err(text).to_string();
            assert!(
                error.contains(r#"like {"mad": 6.0}"#) && error.contains("ewma_sigma"),
                "{error}"
            );
        }
        assert!(serde_json::from_str::<Method>(r#"{"mad":"6"}"#).is_err());
    }
}

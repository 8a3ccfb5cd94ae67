//! The shape of a stream's configuration, as documented. It is read as
//! `via_types::StreamConfig`, which knows nothing of OpenAPI; a test holds the
//! two together.

#![expect(dead_code, reason = "schemas only: configurations are read as StreamConfig")]

use std::collections::BTreeMap;

use serde::Deserialize;
use utoipa::ToSchema;

/// How a stream's events are judged. Whatever is left out follows the defaults.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfigDocument {
    /// Each detector's parameters.
    detectors: Option<DetectorsDocument>,
    /// When a score becomes a detection.
    threshold: Option<ThresholdDocument>,
    /// How much is explained.
    explain: Option<ExplainDocument>,
    /// What an event's entity and mark are derived from.
    mapping: Option<MappingDocument>,
    /// Event-time discipline and warm-up.
    timing: Option<TimingDocument>,
    /// How much its entities matter that say nothing of their own.
    priority: Option<PriorityDocument>,
    /// What single entities, by key, have different from the rest; at most 256.
    entities: Option<BTreeMap<String, EntityDocument>>,
    /// When people are at work: said in explanations, changes no score.
    business_hours: Option<BusinessHoursDocument>,
    /// Known events, such as sales and holidays: said in explanations, change no score.
    #[schema(max_items = 100)]
    calendar: Option<Vec<CalendarEventDocument>>,
}

/// What one entity has different. Whatever is left out is the stream's.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EntityDocument {
    /// Detectors that it has different, by name.
    detectors: Option<BTreeMap<String, EntityDetectorDocument>>,
    /// When a score becomes a detection.
    threshold: Option<ThresholdDocument>,
    /// How much is explained.
    explain: Option<ExplainDocument>,
    /// How much it matters beside other entities.
    priority: Option<PriorityDocument>,
}

/// What one entity has different of one detector.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EntityDetectorDocument {
    /// Whether it runs; one that the stream has off runs with weight 1.
    enabled: Option<bool>,
    /// Its weight against the other detectors.
    #[schema(minimum = 0, maximum = 10)]
    weight: Option<f64>,
    /// Its own rule.
    threshold: Option<ThresholdDocument>,
}

/// How much an entity matters.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PriorityDocument {
    /// Its detections are one step less severe; gives way first when memory is short.
    Low,
    /// As all others.
    Normal,
    /// Its detections are one step more severe; gives way last when memory is short.
    High,
}

/// When people are usually at work.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BusinessHoursDocument {
    /// Offset of local time from UTC, minutes; times in explanations and dates of
    /// the calendar are local. Summer time is not known.
    #[schema(minimum = -840, maximum = 840)]
    utc_offset_minutes: Option<i16>,
    /// Working days: mon, tue, wed, thu, fri, sat, sun.
    days: Option<Vec<String>>,
    /// When work begins, `HH:MM`.
    from: Option<String>,
    /// When it ends, `HH:MM`; before `from` means on the next day.
    to: Option<String>,
}

/// Something that is known to happen.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CalendarEventDocument {
    /// What it is called.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    /// When it begins: a date or an RFC 3339 time.
    from: String,
    /// When it ends: a date, whose day still belongs to it, or an RFC 3339 time.
    to: String,
    /// How often it comes again: none, day, week or year.
    every: Option<EveryDocument>,
}

/// How often a known event comes again.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EveryDocument {
    /// Never.
    None,
    /// At the same time each day.
    Day,
    /// At the same time each week.
    Week,
    /// On the same date each year.
    Year,
}

/// The detectors of a stream.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DetectorsDocument {
    /// Event rate.
    volume: Option<VolumeDocument>,
    /// Values.
    distribution: Option<DistributionDocument>,
    /// Distinct marks.
    cardinality: Option<CardinalityDocument>,
    /// Gaps between events.
    burst: Option<BurstDocument>,
    /// What stands out of the rhythm of the last 122 closed buckets (spectral residual).
    spectral: Option<SpectralDocument>,
    /// Since when a series is as it is (Bayesian online change-point detection).
    change_point: Option<ChangePointDocument>,
    /// Named values together against a sample of their past (random cut forest).
    forest: Option<ForestDocument>,
    /// The level at ten horizons from seconds to weeks.
    multi_scale: Option<MultiScaleDocument>,
    /// What an entity is like: moments of recent buckets against the past.
    behavioural: Option<BehaviouralDocument>,
    /// Whether a level has moved for good (adaptive windowing).
    drift: Option<DriftDocument>,
}

/// Event rate against level, trend and season (Holt-Winters).
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VolumeDocument {
    /// Whether it runs.
    enabled: Option<bool>,
    /// Its weight against the other detectors.
    #[schema(minimum = 0, maximum = 10)]
    weight: Option<f64>,
    /// How fast the level follows, per bucket.
    #[schema(minimum = 0, maximum = 1)]
    alpha: Option<f64>,
    /// How fast the trend follows, per bucket.
    #[schema(minimum = 0, maximum = 1)]
    beta: Option<f64>,
    /// How fast the season follows, per period.
    #[schema(minimum = 0, maximum = 1)]
    gamma: Option<f64>,
    /// Length of the season, seconds; null detects it.
    #[schema(minimum = 1, maximum = 31_622_400)]
    season_secs: Option<f64>,
    /// Its own rule; null takes the stream's.
    threshold: Option<ThresholdDocument>,
}

/// Values against a fading histogram of past ones.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DistributionDocument {
    /// Whether it runs.
    enabled: Option<bool>,
    /// Its weight against the other detectors.
    #[schema(minimum = 0, maximum = 10)]
    weight: Option<f64>,
    /// Events after which an observation counts half.
    #[schema(minimum = 16, maximum = 1_000_000)]
    half_life_events: Option<f64>,
    /// Smallest value to be expected; a hint.
    min: Option<f64>,
    /// Largest value to be expected; a hint, above `min`.
    max: Option<f64>,
    /// Its own rule; null takes the stream's.
    threshold: Option<ThresholdDocument>,
}

/// Number of distinct attribute values per window (HyperLogLog).
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CardinalityDocument {
    /// Whether it runs.
    enabled: Option<bool>,
    /// Its weight against the other detectors.
    #[schema(minimum = 0, maximum = 10)]
    weight: Option<f64>,
    /// Registers, as a power of two.
    #[schema(minimum = 10, maximum = 18)]
    precision: Option<u8>,
    /// Whether an entity never seen before may be a detection, in streams that
    /// seldom have new ones; null does so in streams of log lines alone.
    new_entities: Option<bool>,
    /// Its own rule; null takes the stream's.
    threshold: Option<ThresholdDocument>,
}

/// Time between events (EWMA and two-sided CUSUM).
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BurstDocument {
    /// Whether it runs.
    enabled: Option<bool>,
    /// Its weight against the other detectors.
    #[schema(minimum = 0, maximum = 10)]
    weight: Option<f64>,
    /// How fast the mean follows, per event.
    #[schema(minimum = 0, maximum = 1)]
    alpha: Option<f64>,
    /// Deviation that the running sum lets pass, standard deviations.
    #[schema(minimum = 0, maximum = 5)]
    slack: Option<f64>,
    /// Its own rule; null takes the stream's.
    threshold: Option<ThresholdDocument>,
}

/// What stands out of the rhythm of the last 122 closed buckets (spectral residual).
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SpectralDocument {
    /// Whether it runs.
    enabled: Option<bool>,
    /// Its weight against the other detectors.
    #[schema(minimum = 0, maximum = 10)]
    weight: Option<f64>,
    /// Its own rule; null takes the stream's.
    threshold: Option<ThresholdDocument>,
}

/// Since when a series is as it is (Bayesian online change-point detection).
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangePointDocument {
    /// Whether it runs.
    enabled: Option<bool>,
    /// Its weight against the other detectors.
    #[schema(minimum = 0, maximum = 10)]
    weight: Option<f64>,
    /// Closed buckets between changes, as expected on average.
    #[schema(minimum = 10, maximum = 1_000_000)]
    gap_buckets: Option<f64>,
    /// Its own rule; null takes the stream's.
    threshold: Option<ThresholdDocument>,
}

/// Named values together against a sample of their past (random cut forest).
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForestDocument {
    /// Whether it runs.
    enabled: Option<bool>,
    /// Its weight against the other detectors.
    #[schema(minimum = 0, maximum = 10)]
    weight: Option<f64>,
    /// Its own rule; null takes the stream's.
    threshold: Option<ThresholdDocument>,
}

/// The level at ten horizons from seconds to weeks.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MultiScaleDocument {
    /// Whether it runs.
    enabled: Option<bool>,
    /// Its weight against the other detectors.
    #[schema(minimum = 0, maximum = 10)]
    weight: Option<f64>,
    /// Its own rule; null takes the stream's.
    threshold: Option<ThresholdDocument>,
}

/// What an entity is like: moments of recent buckets against the past.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BehaviouralDocument {
    /// Whether it runs.
    enabled: Option<bool>,
    /// Its weight against the other detectors.
    #[schema(minimum = 0, maximum = 10)]
    weight: Option<f64>,
    /// Closed buckets that are recent.
    #[schema(minimum = 8, maximum = 10_000)]
    recent_buckets: Option<f64>,
    /// Closed buckets that the past averages.
    #[schema(minimum = 32, maximum = 1_000_000)]
    past_buckets: Option<f64>,
    /// Its own rule; null takes the stream's.
    threshold: Option<ThresholdDocument>,
}

/// Whether a level has moved for good (adaptive windowing).
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DriftDocument {
    /// Whether it runs.
    enabled: Option<bool>,
    /// Its weight against the other detectors.
    #[schema(minimum = 0, maximum = 10)]
    weight: Option<f64>,
    /// Probability of taking chance for a lasting change.
    #[schema(minimum = 0.000_000_001, maximum = 0.5)]
    delta: Option<f64>,
    /// Its own rule; null takes the stream's.
    threshold: Option<ThresholdDocument>,
}

/// When a score becomes a detection.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ThresholdDocument {
    /// The rule and its figure, like `{"ensemble": 0.5}`.
    method: Option<MethodDocument>,
    /// Multiplies the evidence before the rule: 2 alarms earlier, 0.5 later.
    #[schema(minimum = 0.1, maximum = 10)]
    sensitivity: Option<f64>,
    /// How fast the rules that adapt follow: 0 never, 1 at once.
    #[schema(minimum = 0, maximum = 1)]
    adaptive_factor: Option<f64>,
    /// Which way a deviation has to go to be told.
    direction: Option<SideDocument>,
    /// How large a deviation has to be to be told, however rare it is.
    min_deviation: Option<MinDeviationDocument>,
}

/// Which way a deviation has to go.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SideDocument {
    /// Either way, or in no direction.
    Any,
    /// More than expected: larger values, more events, more distinct marks.
    Above,
    /// Less than expected.
    Below,
}

/// How large a deviation has to be; both are asked of it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MinDeviationDocument {
    /// From the expected value, in its unit; 0 asks for none.
    #[schema(minimum = 0, maximum = 1e300)]
    absolute: Option<f64>,
    /// From what was expected, in parts of it; 0 asks for none.
    #[schema(minimum = 0, maximum = 1_000_000)]
    relative: Option<f64>,
}

/// A rule and its figure: exactly one of these.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MethodDocument {
    /// Evidence above its own running mean by so many standard deviations.
    EwmaSigma(f64),
    /// Evidence above this quantile of the entity's own past.
    Percentile(f64),
    /// Evidence above its running median by so many median absolute deviations.
    Mad(f64),
    /// The calibrated score at or above which it is a detection.
    Ensemble(f64),
    /// Detections allowed per entity and day while nothing is wrong.
    Budget(f64),
    /// Detections allowed per day of all entities together while nothing is wrong.
    StreamBudget(f64),
}

/// How much of a detection is explained.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ExplainDocument {
    /// Score and reason only.
    None,
    /// Contributions and expected range too.
    Basic,
    /// Context, counterfactual and recommended actions too.
    Full,
}

/// What is read out of an event's attributes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MappingDocument {
    /// Attributes whose values, joined by `/`, name the entity of an event that
    /// names none; empty refuses such events.
    #[schema(max_items = 16)]
    entity_from: Option<Vec<String>>,
    /// The attribute whose distinct values are counted; null counts all
    /// attributes together, or the value when there are none; of a log line,
    /// nothing.
    distinct_of: Option<String>,
    /// The attribute that holds a log line, whose template is the entity of an
    /// event that names none; null means that events are no log lines.
    #[schema(min_length = 1, max_length = 256)]
    line_from: Option<String>,
    /// The attribute that says which service logs; null for one for all.
    #[schema(min_length = 1, max_length = 256)]
    service_from: Option<String>,
    /// The attribute that says how severe a line is; null for one for all.
    #[schema(min_length = 1, max_length = 256)]
    severity_from: Option<String>,
}

/// Event-time discipline and warm-up.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TimingDocument {
    /// How much older than the entity's newest an event may be, seconds.
    #[schema(minimum = 0, maximum = 2_592_000)]
    lateness_secs: Option<f64>,
    /// Events before an entity is judged.
    #[schema(minimum = 2, maximum = 1_000_000)]
    warmup_events: Option<u32>,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use via_types::StreamConfig;
    use via_types::config::{Priority, Threshold};

    use crate::routes;

    fn resolve<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
        let one_of = schema["oneOf"]
            .as_array()
            .and_then(|all| all.iter().find(|one| one["$ref"].is_string()));
        let schema = one_of.unwrap_or(schema);
        match schema["$ref"].as_str() {
            Some(to) => document.pointer(&to[1..]).expect("it leads somewhere"),
            None => schema,
        }
    }

    fn same(document: &Value, schema: &Value, value: &Value, key: &str) {
        let schema = resolve(document, schema);
        let choices = [".method", ".explain", ".priority"];
        if choices.iter().any(|choice| key.ends_with(choice)) {
            return;
        }
        let Some(object) = value.as_object() else { return };
        if schema["properties"].is_null() {
            // Named by whoever writes it.
            for value in object.values() {
                same(document, &schema["additionalProperties"], value, &format!("{key}.*"));
            }
            return;
        }
        let known = schema["properties"].as_object().unwrap_or_else(|| panic!("{key}: {schema}"));
        let (known_keys, keys): (Vec<_>, Vec<_>) =
            (known.keys().collect(), object.keys().collect());
        let sorted = |mut keys: Vec<_>| {
            keys.sort();
            keys
        };
        assert_eq!(sorted(known_keys), sorted(keys), "{key}");
        assert_eq!(schema["additionalProperties"], json!(false), "{key}");
        assert!(schema["required"].is_null(), "{key}: everything may be left out");
        for (word, value) in object {
            assert!(known[word].to_string().contains("description"), "{key}.{word}");
            same(document, &known[word], value, &format!("{key}.{word}"));
        }
    }

    #[test]
    fn the_schema_has_every_setting_of_a_stream_and_no_other() {
        let document = serde_json::to_value(routes::document()).expect("JSON");
        let mut config = StreamConfig { priority: Priority::Low, ..StreamConfig::default() };
        config.detectors.volume.threshold = Some(Threshold::default());
        config.detectors.distribution.threshold = Some(Threshold::default());
        config.detectors.cardinality.threshold = Some(Threshold::default());
        config.detectors.burst.threshold = Some(Threshold::default());
        let own = r#"{"threshold":{"method":{"mad":3},"sensitivity":1,"adaptive_factor":0,
            "direction":"above","min_deviation":{}},
            "detectors":{"burst":{"enabled":true,"weight":1,"threshold":{}}},
            "explain":"none","priority":"low"}"#;
        let own = serde_json::from_str(own).expect("its shape is right");
        config.entities.insert("e".to_owned(), own);
        config.detectors.spectral.threshold = Some(Threshold::default());
        config.detectors.change_point.threshold = Some(Threshold::default());
        config.detectors.forest.threshold = Some(Threshold::default());
        config.detectors.multi_scale.threshold = Some(Threshold::default());
        config.detectors.behavioural.threshold = Some(Threshold::default());
        config.detectors.drift.threshold = Some(Threshold::default());
        let value = serde_json::to_value(config).expect("JSON");
        same(&document, &json!({"$ref": "#/components/schemas/ConfigDocument"}), &value, "config");
    }
}

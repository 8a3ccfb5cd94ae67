//! The judgement of one stream's configuration as clients send it: the same
//! ranges as for operators, under the client's names. Called by the gateway
//! through a function handed to it. Knows which client's key is which setting.

use std::time::Duration;

use serde_json::Value as Json;
use toml::Value;
use via_types::calendar::Calendar;
use via_types::{StreamConfig, limit};

use crate::manual::{Field, Kind, Manual};
use crate::problem::shown;
use crate::rule;
use crate::units::Span;

/// Checks that every figure of a stream's configuration is in the range that
/// the manual states for it.
///
/// # Errors
/// Everything that is wrong, one `key = value: what is allowed` each, separated
/// by semicolons.
pub fn check_stream(config: &StreamConfig) -> Result<(), String> {
    let json = serde_json::to_value(config).map_err(|error| error.to_string())?;
    let mut wrong = Vec::new();
    judge(&json, "", &mut wrong);
    // Single entities have the same settings under the same names.
    for (entity, own) in json["entities"].as_object().into_iter().flatten() {
        judge(own, &format!("entities.{entity}."), &mut wrong);
        if entity.is_empty() || entity.len() > limit::ENTITY_KEY_BYTES {
            wrong.push(format!("entities: keys have 1 to {} bytes", limit::ENTITY_KEY_BYTES));
        }
    }
    if config.entities.len() > limit::ENTITY_CONFIGS {
        let (many, most) = (config.entities.len(), limit::ENTITY_CONFIGS);
        wrong.push(format!("entities: {many} are given, at most {most} are allowed"));
    }
    let distribution = &config.detectors.distribution;
    if distribution.min.zip(distribution.max).is_some_and(|(min, max)| min >= max) {
        wrong.push("detectors.distribution.min: must be below max".to_owned());
    }
    if let Err(faults) = Calendar::of(&config.business_hours, &config.calendar) {
        // Of hours the same may have been said already.
        let news: Vec<_> = faults.into_iter().filter(|fault| !wrong.contains(fault)).collect();
        wrong.extend(news);
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

/// Adds what is out of range in `json`, whose keys stand behind `above`.
fn judge(json: &Json, above: &str, wrong: &mut Vec<String>) {
    leaves(json, "", &mut |key, value| {
        let Some(field) = Manual::get().field(&setting(key)) else { return };
        // Known events are judged as a whole, by those who read them.
        if field.kind == Kind::Events {
            return;
        }
        if value.is_null() && field.default.is_none() {
            return;
        }
        let said = plain(field, value);
        if let Err(fault) = rule::check(field, &said) {
            wrong.push(match in_seconds(field) {
                Some(allowed) => format!("{above}{key} = {value}: {allowed}"),
                None => format!("{above}{key} = {}: {fault}", shown(&said)),
            });
        }
    });
}

/// Says what is allowed for a time, which clients give as a number.
fn in_seconds(field: &Field) -> Option<String> {
    let secs = |bound: Option<&str>| Some(bound?.parse::<Span>().ok()?.duration().as_secs_f64());
    if field.kind != Kind::Span {
        return None;
    }
    let low = secs(field.minimum.as_deref()).unwrap_or(0.0);
    let high = secs(field.maximum.as_deref()).map(|high| format!(" to {high}"));
    Some(format!("must be a number of seconds, from {low}{}", high.unwrap_or_default()))
}

fn leaves(json: &Json, above: &str, leaf: &mut dyn FnMut(&str, &Json)) {
    let Some(object) = json.as_object() else { return leaf(above, json) };
    for (word, value) in object {
        let key = if above.is_empty() { word.clone() } else { format!("{above}.{word}") };
        leaves(value, &key, leaf);
    }
}

/// Returns the operator's name of what a client calls `key`.
fn setting(key: &str) -> String {
    let key = key.replace(".method.", ".");
    let key = key.strip_suffix("_secs").unwrap_or(&key);
    match key.split_once('.') {
        Some(("threshold", word)) => format!("thresholds.{word}"),
        Some(("mapping" | "timing", word)) => format!("engine.{word}"),
        Some(_) => key.to_owned(),
        None if key == "calendar" => "calendar.events".to_owned(),
        None => format!("engine.{key}"),
    }
}

/// Returns the value in the notation of a file; what has none (a number that is
/// none) becomes one that every range refuses.
fn plain(field: &Field, json: &Json) -> Value {
    match json {
        Json::Null => Value::Float(f64::NAN),
        Json::Bool(truth) => Value::Boolean(*truth),
        Json::String(text) => Value::String(text.clone()),
        Json::Number(number) if field.kind == Kind::Span => {
            let secs = number.as_f64().unwrap_or(f64::NAN);
            match Duration::try_from_secs_f64(secs) {
                Ok(span) => Value::String(format!("{}ns", span.as_nanos())),
                Err(_) => Value::Float(secs),
            }
        }
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Integer(whole),
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::Array(items) => Value::Array(items.iter().map(|item| plain(field, item)).collect()),
        Json::Object(_) => Value::Table(toml::Table::new()),
    }
}

#[cfg(test)]
mod tests {
    use via_types::config::{Method, Threshold};

    use super::*;

    fn full() -> StreamConfig {
        let mut config = StreamConfig::default();
        config.detectors.volume.season_secs = Some(3600.0);
        config.detectors.volume.threshold = Some(Threshold::default());
        config.detectors.distribution.threshold = Some(Threshold::default());
        config.detectors.cardinality.threshold = Some(Threshold::default());
        config.detectors.spectral.threshold = Some(Threshold::default());
        config.detectors.change_point.threshold = Some(Threshold::default());
        config.detectors.forest.threshold = Some(Threshold::default());
        config.detectors.multi_scale.threshold = Some(Threshold::default());
        config.detectors.behavioural.threshold = Some(Threshold::default());
        config.detectors.drift.threshold = Some(Threshold::default());
        config.detectors.distribution.min = Some(0.0);
        config.detectors.distribution.max = Some(1.0);
        config.detectors.burst.threshold =
            Some(Threshold { method: Method::Mad(3.0), ..Threshold::default() });
        config.mapping.entity_from = vec!["user.id".to_owned()];
        config.mapping.distinct_of = Some("client.address".to_owned());
        config.mapping.line_from = Some("body".to_owned());
        config.mapping.service_from = Some("service.name".to_owned());
        config.mapping.severity_from = Some("severity_text".to_owned());
        config.detectors.cardinality.new_entities = Some(true);
        config
    }

    #[test]
    fn the_default_and_a_full_one_are_accepted() {
        assert_eq!(check_stream(&StreamConfig::default()), Ok(()));
        assert_eq!(check_stream(&full()), Ok(()));
    }

    #[test]
    fn every_part_of_a_stream_s_configuration_is_a_setting() {
        let json = serde_json::to_value(full()).expect("is plain data");
        leaves(&json, "", &mut |key, _| {
            assert!(Manual::get().field(&setting(key)).is_some(), "{key} is no setting");
        });
    }

    #[test]
    fn what_single_entities_have_different_is_judged_alike() {
        let read = |own: &str| {
            let config: StreamConfig = serde_json::from_str(own).expect("its shape is right");
            check_stream(&config)
        };
        let fine = r#"{"entities":{"a.b":{"threshold":{"sensitivity":2.0},"priority":"high",
            "detectors":{"burst":{"weight":0.5,"threshold":{"method":{"mad":3.0}}}}}}}"#;
        assert_eq!(read(fine), Ok(()));
        let odd = r#"{"entities":{"a.b":{"threshold":{"sensitivity":99.0},
            "detectors":{"burst":{"weight":-1.0}}}}}"#;
        let said = read(odd).expect_err("is refused");
        for key in
            ["entities.a.b.threshold.sensitivity = 99.0: ", "detectors.burst.weight = -1.0: "]
        {
            assert!(said.contains(key), "{key} is not in {said}");
        }
        assert!(read(r#"{"entities":{"":{}}}"#).is_err());
        let many: Vec<String> = (0..257).map(|number| format!("\"e{number}\":{{}}")).collect();
        assert!(read(&format!("{{\"entities\":{{{}}}}}", many.join(","))).is_err());
    }

    #[test]
    fn everything_out_of_range_is_told() {
        let mut config = full();
        config.detectors.volume.alpha = 2.0;
        config.detectors.volume.season_secs = Some(-1.0);
        config.detectors.distribution.max = Some(-1.0);
        config.detectors.cardinality.precision = 30;
        config.detectors.burst.slack = f64::NAN;
        config.threshold.method = Method::Percentile(1.5);
        config.timing.lateness_secs = 1e12;
        config.threshold.min_deviation.relative = -0.5;
        config.timing.warmup_events = 1;
        config.mapping.entity_from = vec!["x".to_owned(); 17];
        config.business_hours.from = "8 am".to_owned();
        config.business_hours.utc_offset_minutes = 900;
        let said = check_stream(&config).expect_err("is refused");
        for key in [
            "business_hours.from = \"8 am\": must be a time like \"08:00\"",
            "business_hours.utc_offset_minutes = 900: must be a whole number, from -840 to 840",
            "detectors.volume.alpha = 2.0: must be a number, from 0 to 1",
            "detectors.volume.season_secs = -1.0: ",
            "detectors.distribution.min: must be below max",
            "detectors.cardinality.precision = 30: ",
            "detectors.burst.slack = nan: ",
            "threshold.method.percentile = 1.5: ",
            "threshold.min_deviation.relative = -0.5: ",
            "timing.lateness_secs = 1000000000000.0: must be a number of seconds, from 0 to ",
            "timing.warmup_events = 1: ",
            "mapping.entity_from = ",
        ] {
            assert!(said.contains(key), "{key} is not in {said}");
        }
        assert_eq!(said.split("; ").filter(|part| part.contains(": ")).count(), 12, "{said}");
    }
}

//! From what a stream says itself to the configuration in force: the defaults,
//! overlaid. Both are JSON texts, so that a setting never mentioned stays open
//! to change and one that equals today's default does not.

use serde_json::Value;
use via_types::{StreamConfig, limit};

use crate::refusal::Refusal;

/// The one object that is a choice among forms: replaced whole.
const CHOICE: &str = "method";

/// Returns the configuration in force for a stream that says `own`, read and as
/// the text it is read from.
pub(crate) fn in_force(defaults: &str, own: &str) -> Result<(StreamConfig, String), Refusal> {
    // Read by itself first: overlaid, a key that is there twice would not show.
    let _: StreamConfig = read(own)?;
    let (below, above): (Value, Value) = (read(defaults)?, read(own)?);
    if !above.is_object() {
        return Err(Refusal::Unreadable { why: "it is not an object".to_owned() });
    }
    let text = overlaid(below, above).to_string();
    Ok((read(&text)?, text))
}

/// Reads a text as every replica does.
pub(crate) fn read<'a, T: serde::Deserialize<'a>>(json: &'a str) -> Result<T, Refusal> {
    if json.len() > limit::CONFIG_BYTES {
        return Err(Refusal::ConfigTooLong { bytes: json.len() });
    }
    serde_json::from_str(json).map_err(|why| Refusal::Unreadable { why: why.to_string() })
}

fn overlaid(below: Value, above: Value) -> Value {
    match (below, above) {
        (Value::Object(mut below), Value::Object(above)) => {
            for (key, over) in above {
                let under = below.remove(&key).filter(|_| key != CHOICE);
                let merged = under.map(|under| overlaid(under, over.clone()));
                below.insert(key, merged.unwrap_or(over));
            }
            Value::Object(below)
        }
        (_, above) => above,
    }
}

#[cfg(test)]
mod tests {
    use via_types::config::{Explain, Method};

    use super::*;

    fn text(config: &StreamConfig) -> String {
        serde_json::to_string(config).expect("plain data")
    }

    #[test]
    fn what_is_said_holds_and_the_rest_is_the_defaults() {
        let mut defaults = StreamConfig::default();
        defaults.timing.warmup_events = 77;
        defaults.detectors.volume.season_secs = Some(60.0);
        defaults.threshold.sensitivity = 2.0;
        let own = r#"{"detectors":{"volume":{"season_secs":null}},"mapping":{"entity_from":["a"]},
            "threshold":{"method":{"mad":3.5}},"explain":"full"}"#;
        let (config, json) = in_force(&text(&defaults), own).unwrap();
        assert_eq!(config.timing.warmup_events, 77);
        assert_eq!(config.detectors.volume.season_secs, None, "null says: none");
        assert_eq!(config.threshold.method, Method::Mad(3.5), "a choice is replaced");
        assert_eq!(config.threshold.sensitivity, 2.0, "what stands beside it is not");
        assert_eq!(config.mapping.entity_from, ["a"]);
        assert_eq!(serde_json::from_str::<StreamConfig>(&json).unwrap(), config);
        defaults.explain = Explain::None;
        let (config, _) = in_force(&text(&defaults), own).unwrap();
        assert_eq!(config.explain, Explain::Full, "said, though it was the default once");
    }

    #[test]
    fn nothing_said_is_the_defaults_exactly() {
        let defaults = StreamConfig::default();
        assert_eq!(in_force(&text(&defaults), "{}").unwrap().0, defaults);
        assert_eq!(in_force("{}", "{}").unwrap().0, defaults);
        assert_eq!(in_force("{}", &text(&defaults)).unwrap().0, defaults);
    }

    #[test]
    fn refuses_what_is_no_configuration() {
        for own in [
            "[]",
            "5",
            "",
            r#"{"explian":"full"}"#,
            r#"{"timing":5}"#,
            r#"{"explain":"full","explain":"none"}"#,
        ] {
            let refused = in_force("{}", own).unwrap_err();
            assert!(matches!(refused, Refusal::Unreadable { .. }), "{own}: {refused:?}");
        }
        let long = format!("{{}}{}", " ".repeat(limit::CONFIG_BYTES));
        assert!(matches!(in_force("{}", &long), Err(Refusal::ConfigTooLong { .. })));
    }
}

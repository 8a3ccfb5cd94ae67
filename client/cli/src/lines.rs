//! Events as lines of NDJSON in a file, as the interface takes them.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Map, Value};
use via_client::Event;

/// One line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    #[serde(default)]
    entity: Option<Value>,
    #[serde(default)]
    timestamp: Option<Value>,
    #[serde(default = "one")]
    value: f64,
    #[serde(default)]
    unique_id: Option<String>,
    #[serde(default)]
    attributes: Map<String, Value>,
    #[serde(default)]
    values: Map<String, Value>,
}

fn one() -> f64 {
    1.0
}

impl Line {
    /// Reads a line.
    pub(crate) fn read(text: &str) -> Result<Self> {
        let mut line: Self = serde_json::from_str(text)?;
        // A whole number names an entity by its digits.
        let entity = line.entity.take().filter(|entity| !entity.is_null());
        line.entity = entity
            .map(|it| Value::String(it.as_str().map_or_else(|| it.to_string(), str::to_owned)));
        Ok(line)
    }

    /// Makes the event.
    pub(crate) fn event(&self) -> Result<Event<'_>> {
        let entity = self.entity.as_ref().and_then(Value::as_str).unwrap_or_default();
        let mut event = Event::new(entity, self.value);
        if let Some(at) = &self.timestamp {
            event = event.at_nanos(nanos(at)?);
        }
        if let Some(id) = &self.unique_id {
            event = event.unique_id(id);
        }
        for (name, value) in &self.attributes {
            event = event.attribute(name, value);
        }
        for (name, value) in &self.values {
            let number = value.as_f64().with_context(|| format!("{name} is no number"))?;
            event = event.value(name, number);
        }
        Ok(event)
    }
}

/// Reads a time: RFC 3339, or s, ms, µs or ns since 1970, told apart by magnitude.
fn nanos(at: &Value) -> Result<i64> {
    if let Some(text) = at.as_str() {
        let at: jiff::Timestamp = text.parse()?;
        return Ok(i64::try_from(at.as_nanosecond())?);
    }
    let Some(count) = at.as_i64() else { bail!("a timestamp is RFC 3339 or a whole number") };
    let unit = match count.unsigned_abs() {
        0..100_000_000_000 => 1_000_000_000,
        100_000_000_000..100_000_000_000_000 => 1_000_000,
        100_000_000_000_000..100_000_000_000_000_000 => 1_000,
        _ => 1,
    };
    Ok(count * unit)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_time_is_told_apart_by_its_magnitude() {
        let nanos_of = |at: Value| nanos(&at).unwrap();
        let same = 1_764_538_595_123_456_000;
        for at in
            [json!(1_764_538_595_123_456_i64), json!(same), json!("2025-11-30T21:36:35.123456Z")]
        {
            assert_eq!(nanos_of(at.clone()), same, "{at}");
        }
        assert_eq!(nanos_of(json!(1_764_538_595)), 1_764_538_595_000_000_000);
        assert_eq!(nanos_of(json!(1_764_538_595_123_i64)), 1_764_538_595_123_000_000);
        assert!(nanos(&json!("soon")).is_err());
    }

    #[test]
    fn what_a_line_should_not_say_is_refused() {
        assert!(
            Line::read(r#"{"entity":7,"value":2,"values":{"lag":1}}"#).unwrap().event().is_ok()
        );
        assert!(Line::read(r#"{"entty":"a"}"#).is_err());
        assert!(Line::read(r#"{"entity":"a","values":{"lag":"x"}}"#).unwrap().event().is_err());
    }
}

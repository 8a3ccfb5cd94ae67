//! Whether one value may stand for one setting: its type, its range, its form.
//! Also reads the plain texts of variables and flags as values. Total: any value
//! gives the value to use or what is wrong with it. Knows no places.

use std::net::SocketAddr;

use toml::Value;
use via_types::calendar::{BusinessHours, Calendar, Day};

use crate::manual::{Field, Kind};
use crate::nearest::nearest;
use crate::problem::Fault;
use crate::raw::{Event, MethodName};
use crate::settings::LogLevel;
use crate::units::{Size, Span};

/// Returns the value in the one form the settings are read from, or what is
/// wrong with it.
pub(crate) fn check(field: &Field, value: &Value) -> Result<Value, Fault> {
    let outside = || Fault::OutOfRange { allowed: field.allowed(), nearest: None };
    let mistyped = || Fault::WrongType { found: found(value), allowed: field.allowed() };
    match (&field.kind, value) {
        (Kind::Bool, Value::Boolean(_)) => Ok(value.clone()),
        (Kind::Integer, Value::Integer(number)) => {
            let fits = within(field, *number, |bound| bound.parse().ok());
            let power = u64::try_from(*number).is_ok_and(u64::is_power_of_two);
            (fits && (power || !field.power_of_two)).then(|| value.clone()).ok_or_else(outside)
        }
        (Kind::Number, Value::Integer(number)) => number_within(field, *number as f64),
        (Kind::Number, Value::Float(number)) => number_within(field, *number),
        (Kind::Texts, Value::Array(items)) => {
            if items.iter().any(|item| !item.is_str()) {
                return Err(mistyped());
            }
            let named = items.iter().all(|item| item.as_str() != Some(""));
            let fits = within(field, items.len() as u64, |bound| bound.parse().ok());
            (named && fits).then(|| value.clone()).ok_or_else(outside)
        }
        (Kind::Days, Value::Array(items)) => {
            let days: Result<Vec<Day>, _> = value.clone().try_into();
            let fits = within(field, items.len() as u64, |bound| bound.parse().ok());
            (days.is_ok() && fits).then(|| value.clone()).ok_or_else(outside)
        }
        (Kind::Events, Value::Array(items)) => events(items),
        (Kind::Size, Value::Integer(bytes)) => {
            let size = u64::try_from(*bytes).map(Size::from_bytes).map_err(|_| outside())?;
            amount(field, size).ok_or_else(outside)
        }
        (Kind::Size, Value::String(text)) => {
            text.parse::<Size>().ok().and_then(|size| amount(field, size)).ok_or_else(outside)
        }
        (Kind::Span, Value::String(text)) => {
            text.parse::<Span>().ok().and_then(|span| amount(field, span)).ok_or_else(outside)
        }
        (_, Value::String(text)) => word(field, text).unwrap_or_else(|| Err(mistyped())),
        (_, _) => Err(mistyped()),
    }
}

/// Checks known events; dates may be written as TOML has them.
fn events(items: &[Value]) -> Result<Value, Fault> {
    let items: Vec<Value> = items.iter().map(with_texts).collect();
    let value = Value::Array(items);
    let unreadable = |why: String| Fault::Unreadable(why);
    let read: Result<Vec<Event>, _> = value.clone().try_into();
    let read = read.map_err(|error| unreadable(error.message().to_owned()))?;
    let known: Vec<_> = read.iter().map(Event::meant).collect();
    match Calendar::of(&BusinessHours::default(), &known) {
        Ok(_) => Ok(value),
        Err(faults) => Err(unreadable(faults.join("; ").replace("calendar[", "events["))),
    }
}

/// Returns a table with the dates in it as texts.
fn with_texts(item: &Value) -> Value {
    let text = |value: &Value| match value.as_datetime() {
        Some(time) => Value::String(time.to_string()),
        None => value.clone(),
    };
    match item.as_table() {
        Some(table) => {
            Value::Table(table.iter().map(|(key, value)| (key.clone(), text(value))).collect())
        }
        None => item.clone(),
    }
}

/// Checks a text that stands for a word; none when the setting is no text.
fn word(field: &Field, text: &str) -> Option<Result<Value, Fault>> {
    let refuse = |nearest| Fault::OutOfRange { allowed: field.allowed(), nearest };
    let fits = match &field.kind {
        Kind::Choice(choices) => {
            let words = || choices.iter().map(|choice| choice.word.as_str());
            if words().any(|word| word == text) {
                return Some(Ok(Value::String(text.to_owned())));
            }
            let meant = nearest(text, words()).map(|word| format!("\"{word}\""));
            return Some(Err(refuse(meant)));
        }
        Kind::Method => {
            let name = text.split_once('(').map_or(text, |(name, _)| name).trim();
            if MethodName::NAMES.contains(&text) {
                return Some(Ok(Value::String(text.to_owned())));
            }
            let meant = nearest(name, MethodName::NAMES.into_iter())
                .filter(|near| *near != name)
                .map(|name| format!("\"{name}\""));
            return Some(Err(refuse(meant)));
        }
        Kind::Text => !text.contains(char::is_control),
        Kind::Path => !text.contains('\0'),
        Kind::Address => text.parse::<SocketAddr>().is_ok(),
        Kind::Clock => {
            let hours = BusinessHours { from: text.to_owned(), ..BusinessHours::default() };
            Calendar::of(&hours, &[]).is_ok()
        }
        Kind::Filter => text.split(',').all(is_directive),
        Kind::Bool | Kind::Integer | Kind::Number | Kind::Texts | Kind::Span | Kind::Size => {
            return None;
        }
        Kind::Days | Kind::Events => return None,
    };
    let length = within(field, text.len() as u64, |bound| bound.parse().ok());
    Some((fits && length).then(|| Value::String(text.to_owned())).ok_or_else(|| refuse(None)))
}

fn is_directive(text: &str) -> bool {
    let Some((target, level)) = text.split_once('=') else { return false };
    let target = target.trim();
    let levels =
        [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];
    !target.is_empty()
        && target.chars().all(|c| c.is_ascii_alphanumeric() || "_:-".contains(c))
        && (level.trim() == "off" || levels.iter().any(|known| known.name() == level.trim()))
}

fn number_within(field: &Field, number: f64) -> Result<Value, Fault> {
    let fits = number.is_finite() && within(field, number, |bound| bound.parse().ok());
    fits.then_some(Value::Float(number))
        .ok_or_else(|| Fault::OutOfRange { allowed: field.allowed(), nearest: None })
}

fn amount<T: PartialOrd + ToString + std::str::FromStr>(field: &Field, amount: T) -> Option<Value> {
    let text = amount.to_string();
    within(field, amount, |bound| bound.parse().ok()).then_some(Value::String(text))
}

fn within<T: PartialOrd>(field: &Field, value: T, read: impl Fn(&str) -> Option<T>) -> bool {
    let low = field.minimum.as_deref().and_then(&read);
    let high = field.maximum.as_deref().and_then(&read);
    low.is_none_or(|low| value >= low) && high.is_none_or(|high| value <= high)
}

fn found(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date or time",
        Value::Array(_) => "a list",
        Value::Table(_) => "a section",
    }
}

/// Reads the text of a variable or flag as a value for `field`. What does not
/// fit stays a text, for [`check`] to refuse.
pub(crate) fn read(field: &Field, text: &str) -> Value {
    let trimmed = text.trim();
    let value = match &field.kind {
        Kind::Bool => trimmed.parse().ok().map(Value::Boolean),
        Kind::Integer => trimmed.parse().ok().map(Value::Integer),
        Kind::Number => trimmed.parse().ok().map(Value::Float),
        Kind::Size => trimmed.parse().ok().map(Value::Integer),
        Kind::Texts | Kind::Days | Kind::Events => list(trimmed),
        Kind::Choice(_)
        | Kind::Span
        | Kind::Address
        | Kind::Filter
        | Kind::Clock
        | Kind::Method => Some(Value::String(trimmed.to_owned())),
        Kind::Text | Kind::Path => None,
    };
    value.unwrap_or_else(|| Value::String(text.to_owned()))
}

fn list(text: &str) -> Option<Value> {
    if text.starts_with('[') {
        let mut table: toml::Table = toml::from_str(&format!("list = {text}")).ok()?;
        return (table.len() == 1).then(|| table.remove("list")).flatten();
    }
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    Some(Value::Array(items.map(|item| Value::String(item.to_owned())).collect()))
}

/// Splits `percentile(0.99)` into the method's name and its figure; none when
/// the text is not of that form.
pub(crate) fn figure(text: &str) -> Option<(&'static str, f64)> {
    let (name, rest) = text.trim().split_once('(')?;
    let known = MethodName::NAMES.into_iter().find(|known| *known == name.trim())?;
    Some((known, rest.strip_suffix(')')?.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manual::Manual;

    fn judged(key: &str, text: &str) -> Result<Value, Fault> {
        let field = Manual::get().field(key).expect("exists");
        check(field, &read(field, text))
    }

    #[test]
    fn accepts_what_the_manual_allows() {
        for (key, text) in [
            ("engine.shards", "1"),
            ("engine.shards", "1024"),
            ("node.memory_limit", "68719476736"),
            ("node.memory_limit", "64 GiB"),
            ("listen.address", "[::1]:0"),
            ("detectors.burst.slack", "0"),
            ("detectors.volume.enabled", "false"),
            ("engine.entity_from", "user.id, client.address"),
            ("engine.entity_from", "[\"a,b\"]"),
            ("engine.entity_from", ""),
            ("observability.log_filter", "via_shard=debug, openraft::raft=warn,h2=off"),
            ("detectors.distribution.min", "-1e9"),
        ] {
            assert!(judged(key, text).is_ok(), "{key} = {text}: {:?}", judged(key, text));
        }
    }

    #[test]
    fn refuses_what_it_does_not() {
        for (key, text) in [
            ("engine.shards", "48"),
            ("engine.shards", "0"),
            ("engine.shards", "2048"),
            ("engine.shards", "-4"),
            ("engine.shards", "64.0"),
            ("node.memory_limit", "-1"),
            ("node.memory_limit", "1MiB"),
            ("node.memory_limit", "much"),
            ("node.data_directory", ""),
            ("listen.address", "8080"),
            ("listen.address", "localhost:8080"),
            ("detectors.burst.slack", "nan"),
            ("detectors.distribution.max", "inf"),
            ("detectors.volume.enabled", "yes"),
            ("engine.entity_from", "[1]"),
            ("engine.entity_from", "[]\nshards = 3"),
            ("observability.log_filter", "loud"),
            ("observability.log_level", "INFO"),
            ("thresholds.method", "percentile(0.99"),
        ] {
            assert!(judged(key, text).is_err(), "{key} = {text}: {:?}", judged(key, text));
        }
    }

    #[test]
    fn suggests_the_word_that_was_meant() {
        let fault = judged("observability.log_format", "jsn").expect_err("is refused");
        assert_eq!(fault.to_string(), "must be \"text\" or \"json\"; did you mean \"json\"?");
        let fault = judged("thresholds.method", "percentil").expect_err("is refused");
        assert!(fault.to_string().ends_with("did you mean \"percentile\"?"), "{fault}");
    }

    #[test]
    fn a_figure_follows_its_method() {
        assert_eq!(figure("percentile(0.99)"), Some(("percentile", 0.99)));
        assert_eq!(figure(" mad( 5 ) "), Some(("mad", 5.0)));
        for text in ["mad", "mad()", "mad(5", "mad(5))", "median(5)", ""] {
            assert_eq!(figure(text), None, "{text:?}");
        }
    }
}

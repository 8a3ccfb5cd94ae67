//! What an event's fields mean together: its entity, time, value, marks and
//! attributes, checked against every bound (invariant D-6). Owns the meaning of
//! a stream's mapping; knows neither transport nor shards.

use std::borrow::Cow;

use via_engine::LineReader;
use via_types::batch::column_hash;
use via_types::config::Mapping;
use via_types::limit;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::event::RawEvent;
use super::refusal::{Fault, RowCode};
use super::stamp::Era;

/// One checked event, borrowed from its text and the composer's buffers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    /// The entity's key.
    pub(crate) key: &'a str,
    /// Nanoseconds since 1970.
    pub(crate) at: i64,
    /// Finite.
    pub(crate) value: f64,
    /// Hash of what is counted as distinct; 0 absent.
    pub(crate) mark: u64,
    /// Hash of the unique id; 0 absent.
    pub(crate) unique: u64,
    /// A JSON object of texts, or empty.
    pub(crate) attributes: &'a str,
    /// Named values, finite.
    pub(crate) lanes: &'a [(Cow<'a, str>, f64)],
}

/// The attributes of one event: names and texts.
type Attributes<'a> = [(Cow<'a, str>, Cow<'a, str>)];

/// Names the entities of events that name none; its buffers keep their room.
#[derive(Debug)]
pub(crate) struct Namer<'c> {
    mapping: &'c Mapping,
    lines: LineReader,
    key: String,
}

/// Makes rows of one stream's events.
#[derive(Debug)]
pub(crate) struct Composer<'c> {
    mapping: &'c Mapping,
    era: Era,
    namer: Namer<'c>,
    json: Vec<u8>,
}

impl<'c> Composer<'c> {
    /// Makes a composer for one request.
    pub(crate) fn new(mapping: &'c Mapping, era: Era) -> Self {
        Self { mapping, era, namer: Namer::new(mapping), json: Vec::new() }
    }

    /// Checks `raw` and makes a row of it.
    pub(crate) fn compose<'r>(&'r mut self, raw: &'r RawEvent<'_>) -> Result<Row<'r>, Fault> {
        let at = match &raw.stamp {
            None => self.era.now,
            Some(stamp) => stamp.nanos()?,
        };
        self.era.check(at)?;
        let value = raw.value.unwrap_or(1.0);
        if !value.is_finite() || raw.values.iter().any(|lane| !lane.1.is_finite()) {
            return Err(RowCode::ValueNotFinite.into());
        }
        let unique = match raw.unique.as_deref() {
            None | Some("") => 0,
            Some(id) if id.len() > limit::UNIQUE_ID_BYTES => {
                return Err(RowCode::UniqueIdTooLong.into());
            }
            Some(id) => column_hash(id),
        };
        let mark = mark(self.mapping, &raw.attributes);
        self.json.clear();
        write_attributes(self.mapping, &raw.attributes, &mut self.json)?;
        let key = match raw.entity.as_deref() {
            Some(key) if !key.is_empty() => key,
            Some(_) | None => self.namer.name(&raw.attributes)?,
        };
        check_key(key)?;
        let attributes = str::from_utf8(&self.json).expect("JSON is written as UTF-8");
        Ok(Row { key, at, value, mark, unique, attributes, lanes: &raw.values })
    }
}

impl<'c> Namer<'c> {
    /// Makes one for a stream.
    pub(crate) fn new(mapping: &'c Mapping) -> Self {
        Self { mapping, lines: LineReader::default(), key: String::new() }
    }

    /// Returns the entity of an event with these attributes: the template of its
    /// log line, else what the attributes say.
    pub(crate) fn name(&mut self, attributes: &Attributes<'_>) -> Result<&str, Fault> {
        let Mapping { line_from, service_from, severity_from, .. } = self.mapping;
        let of = |wanted: &Option<String>| text_of(attributes, wanted.as_deref()?);
        if let Some(line) = of(line_from) {
            let service = of(service_from).unwrap_or_default();
            let severity = of(severity_from).unwrap_or_default();
            let key = self.lines.key(service, severity, line);
            let blank = || Fault::new(RowCode::EntityMissing, "the log line is blank".to_owned());
            return key.ok_or_else(blank);
        }
        if let (Some(wanted), []) = (line_from, &self.mapping.entity_from[..]) {
            let words = format!("no entity is named and attribute {wanted:?} is absent");
            return Err(Fault::new(RowCode::EntityMissing, words));
        }
        self.key.clear();
        for (position, wanted) in self.mapping.entity_from.iter().enumerate() {
            let Some(text) = text_of(attributes, wanted) else {
                let words = format!("no entity is named and attribute {wanted:?} is absent");
                return Err(Fault::new(RowCode::EntityMissing, words));
            };
            if position > 0 {
                self.key.push('/');
            }
            self.key.push_str(text);
        }
        Ok(&self.key)
    }
}

fn text_of<'a>(attributes: &'a Attributes<'_>, wanted: &str) -> Option<&'a str> {
    attributes.iter().find(|(name, _)| name == wanted).map(|(_, text)| text.as_ref())
}

/// Refuses keys that are empty or too long.
pub(crate) fn check_key(key: &str) -> Result<(), RowCode> {
    if key.is_empty() {
        Err(RowCode::EntityMissing)
    } else if key.len() > limit::ENTITY_KEY_BYTES {
        Err(RowCode::EntityTooLong)
    } else {
        Ok(())
    }
}

/// Writes attributes as one JSON object of texts; nothing when there are none. Of
/// a log line as much is kept as is read.
pub(crate) fn write_attributes(
    mapping: &Mapping,
    attributes: &Attributes<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    for (position, (name, text)) in attributes.iter().enumerate() {
        let is_line = mapping.line_from.as_deref() == Some(name.as_ref());
        let most = if is_line { LineReader::MOST_BYTES } else { text.len() };
        out.push(if position == 0 { b'{' } else { b',' });
        write_text(name, out);
        out.push(b':');
        write_text(&text[..text.floor_char_boundary(most)], out);
    }
    if !attributes.is_empty() {
        out.push(b'}');
    }
    if out.len() > limit::ATTRIBUTE_BYTES { Err(RowCode::AttributesTooLong.into()) } else { Ok(()) }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    if text.bytes().any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        serde_json::to_writer(out, text).expect("writing to memory succeeds");
    } else {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    }
}

/// Returns the hash of what the cardinality detector counts: the configured
/// attribute, or all attributes together whatever their order. Log lines hardly
/// ever repeat as a whole: of them nothing is counted unless it is configured.
pub(crate) fn mark(mapping: &Mapping, attributes: &Attributes<'_>) -> u64 {
    let is_line = || mapping.line_from.as_deref().and_then(|name| text_of(attributes, name));
    match &mapping.distinct_of {
        Some(wanted) => text_of(attributes, wanted).map_or(0, column_hash),
        None if attributes.is_empty() || is_line().is_some() => 0,
        None => attributes
            .iter()
            .map(|(name, text)| xxh3_64_with_seed(text.as_bytes(), xxh3_64(name.as_bytes())))
            .fold(0, u64::wrapping_add)
            .max(1),
    }
}

#[cfg(test)]
mod tests {
    use via_types::Timestamp;

    use super::*;

    const NOW: i64 = 1_700_000_000_000_000_000;

    fn compose<T>(
        mapping: &Mapping,
        line: &str,
        look: impl FnOnce(Result<Row<'_>, Fault>) -> T,
    ) -> T {
        let mut raw = RawEvent::default();
        raw.read(line.as_bytes()).expect("readable");
        let mut composer = Composer::new(mapping, Era::at(Timestamp::from_nanos(NOW)));
        look(composer.compose(&raw))
    }

    fn code(mapping: &Mapping, line: &str) -> RowCode {
        compose(mapping, line, |row| row.expect_err(line).code)
    }

    #[test]
    fn absent_time_is_now_and_absent_value_is_one() {
        compose(&Mapping::default(), r#"{"entity":"a"}"#, |row| {
            let row = row.expect("valid");
            assert_eq!((row.key, row.at, row.value), ("a", NOW, 1.0));
            assert_eq!((row.mark, row.unique, row.attributes), (0, 0, ""));
        });
    }

    #[test]
    fn the_mapping_derives_entity_and_mark() {
        let mapping = Mapping {
            entity_from: vec!["service".to_owned(), "host".to_owned()],
            distinct_of: Some("ip".to_owned()),
            ..Mapping::default()
        };
        let line = r#"{"attributes":{"host":"h1","service":"db","ip":"1.2.3.4"}}"#;
        compose(&mapping, line, |row| {
            let row = row.expect("valid");
            assert_eq!(row.key, "db/h1");
            assert_eq!(row.mark, column_hash("1.2.3.4"));
            assert_eq!(row.attributes, r#"{"host":"h1","service":"db","ip":"1.2.3.4"}"#);
        });
        assert_eq!(code(&mapping, r#"{"attributes":{"host":"h1"}}"#), RowCode::EntityMissing);
    }

    fn of_lines() -> Mapping {
        Mapping {
            line_from: Some("body".to_owned()),
            service_from: Some("service.name".to_owned()),
            severity_from: Some("severity".to_owned()),
            ..Mapping::default()
        }
    }

    #[test]
    fn the_entity_of_a_log_line_is_its_template() {
        let mapping = of_lines();
        let line = r#"{"attributes":{"severity":"warn","body":"disk 7 of 10.0.0.1 is full",
            "service.name":"store"}}"#;
        compose(&mapping, line, |row| {
            let row = row.expect("valid");
            assert_eq!(row.key, "[store] warn: disk <*> of <*> is full");
            assert_eq!(row.mark, 0, "whole lines hardly ever repeat");
        });
        let bare = r#"{"attributes":{"body":"up"}}"#;
        compose(&mapping, bare, |row| assert_eq!(row.expect("valid").key, "[-] up"));
        let named = r#"{"entity":"e","attributes":{"body":"up"}}"#;
        compose(&mapping, named, |row| assert_eq!(row.expect("valid").key, "e"));
        for odd in [r#"{"attributes":{"body":"  "}}"#, r#"{"attributes":{"k":"v"}}"#, "{}"] {
            assert_eq!(code(&mapping, odd), RowCode::EntityMissing, "{odd}");
        }
        let both = Mapping { entity_from: vec!["k".to_owned()], ..of_lines() };
        compose(&both, r#"{"attributes":{"k":"v"}}"#, |row| {
            assert_eq!(row.expect("valid").key, "v", "what is no line is named as before");
        });
    }

    #[test]
    fn a_long_line_is_kept_as_far_as_it_is_read() {
        let line = format!(r#"{{"attributes":{{"body":"{}"}}}}"#, "word ä".repeat(20_000));
        compose(&of_lines(), &line, |row| {
            let row = row.expect("it is not refused");
            assert!(row.attributes.len() <= LineReader::MOST_BYTES + 16);
            assert!(row.key.len() <= limit::ENTITY_KEY_BYTES);
        });
    }

    #[test]
    fn the_order_of_attributes_does_not_change_the_mark() {
        let mark = |line: &str| compose(&Mapping::default(), line, |row| row.expect("valid").mark);
        let there = mark(r#"{"entity":"a","attributes":{"x":"1","y":"2"}}"#);
        let back = mark(r#"{"entity":"a","attributes":{"y":"2","x":"1"}}"#);
        let swapped = mark(r#"{"entity":"a","attributes":{"x":"2","y":"1"}}"#);
        assert_eq!(there, back);
        assert_ne!(there, swapped);
    }

    #[test]
    fn bounds_on_entity_id_and_attributes_hold() {
        let mapping = Mapping::default();
        let long = "x".repeat(257);
        assert_eq!(code(&mapping, r#"{"value":1}"#), RowCode::EntityMissing);
        assert_eq!(code(&mapping, r#"{"entity":""}"#), RowCode::EntityMissing);
        assert_eq!(code(&mapping, &format!(r#"{{"entity":"{long}"}}"#)), RowCode::EntityTooLong);
        let line = format!(r#"{{"entity":"a","unique_id":"{long}"}}"#);
        assert_eq!(code(&mapping, &line), RowCode::UniqueIdTooLong);
        let line = format!(r#"{{"entity":"a","attributes":{{"k":"{}"}}}}"#, "y".repeat(4_096));
        assert_eq!(code(&mapping, &line), RowCode::AttributesTooLong);
    }

    #[test]
    fn kept_attributes_are_valid_json_whatever_they_hold() {
        let line = r#"{"entity":"a","attributes":{"q\"":"a\nb\u0001","n":1}}"#;
        compose(&Mapping::default(), line, |row| {
            let kept = row.expect("valid").attributes.to_owned();
            let value: serde_json::Value = serde_json::from_str(&kept).expect("JSON");
            assert_eq!(value, serde_json::json!({"q\"": "a\nb\u{1}", "n": "1"}));
        });
    }
}

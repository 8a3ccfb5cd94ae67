//! One JSON event as it was written, borrowed from the text. Owns the reading
//! of fields and their types; what the fields mean together is for
//! [`super::row`]. Called once per line with buffers that are used again.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use via_types::limit;

use super::refusal::{Fault, RowCode};
use super::stamp::Stamp;

/// The fields of one event; buffers keep their room from line to line.
#[derive(Debug, Default)]
pub(crate) struct RawEvent<'a> {
    /// Who it is about.
    pub(crate) entity: Option<Cow<'a, str>>,
    /// When it happened.
    pub(crate) stamp: Option<Stamp<'a>>,
    /// What was observed.
    pub(crate) value: Option<f64>,
    /// The client's id of it.
    pub(crate) unique: Option<Cow<'a, str>>,
    /// Names and texts, each name once, in the order given.
    pub(crate) attributes: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Named numbers.
    pub(crate) values: Vec<(Cow<'a, str>, f64)>,
    fault: Option<Fault>,
}

impl<'a> RawEvent<'a> {
    /// Reads one event from `line`, replacing what was read before.
    pub(crate) fn read(&mut self, line: &'a [u8]) -> Result<(), Fault> {
        self.entity = None;
        self.stamp = None;
        self.value = None;
        self.unique = None;
        self.attributes.clear();
        self.values.clear();
        self.fault = None;
        let mut json = serde_json::Deserializer::from_slice(line);
        let read = Fields(self).deserialize(&mut json).and_then(|()| json.end());
        read.map_err(|error| self.fault.take().unwrap_or_else(|| explain(&error, line)))
    }

    /// Reads attributes alone from a JSON object, replacing those read before.
    pub(crate) fn read_attributes(&mut self, text: &'a str) -> Result<(), Fault> {
        self.attributes.clear();
        self.fault = None;
        let mut json = serde_json::Deserializer::from_str(text);
        let read = Attributes(self).deserialize(&mut json).and_then(|()| json.end());
        read.map_err(|error| self.fault.take().unwrap_or_else(|| explain(&error, text.as_bytes())))
    }

    fn refuse<E: serde::de::Error>(&mut self, fault: impl Into<Fault>) -> E {
        self.fault = Some(fault.into());
        E::custom("refused")
    }
}

/// Turns the reader's words into a code and a sentence.
fn explain(error: &serde_json::Error, line: &[u8]) -> Fault {
    if str::from_utf8(line).is_err() {
        return RowCode::BadUtf8.into();
    }
    let words = error.to_string();
    // The reader counts lines inside this one line: only the column helps.
    let words = words.replace(" at line 1 column ", " at column ");
    let code = if words.starts_with("number out of range") {
        RowCode::NumberOutOfRange
    } else if error.is_data() {
        RowCode::BadField
    } else {
        RowCode::BadJson
    };
    Fault::new(code, words)
}

enum Field {
    Entity,
    Timestamp,
    Value,
    UniqueId,
    Attributes,
    Values,
    Unknown(String),
}

struct FieldName;

impl<'de> DeserializeSeed<'de> for FieldName {
    type Value = Field;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Field, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for FieldName {
    type Value = Field;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Field, E> {
        Ok(match name {
            "entity" => Field::Entity,
            "timestamp" => Field::Timestamp,
            "value" => Field::Value,
            "unique_id" => Field::UniqueId,
            "attributes" => Field::Attributes,
            "values" => Field::Values,
            other => Field::Unknown(other.chars().take(64).collect()),
        })
    }
}

struct Fields<'r, 'a>(&'r mut RawEvent<'a>);

impl<'a> DeserializeSeed<'a> for Fields<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Fields<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event: an object with entity, timestamp, value, …")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<(), M::Error> {
        let raw = self.0;
        let (mut attributes, mut values) = (None, None);
        while let Some(field) = map.next_key_seed(FieldName)? {
            match field {
                Field::Entity => {
                    let text = map.next_value_seed(OptionalText)?;
                    once(&mut raw.entity, text, "entity")?;
                }
                Field::UniqueId => {
                    let text = map.next_value_seed(OptionalText)?;
                    once(&mut raw.unique, text, "unique_id")?;
                }
                Field::Timestamp => {
                    let scalar = map.next_value_seed(AnyScalar)?;
                    let stamp = stamp(scalar).ok_or_else(|| raw.refuse(RowCode::BadTimestamp))?;
                    once(&mut raw.stamp, stamp, "timestamp")?;
                }
                Field::Value => {
                    let number = number(map.next_value_seed(AnyScalar)?);
                    let wrong = "value must be a finite number; leave it out for 1";
                    let number =
                        number.ok_or_else(|| raw.refuse(Fault::new(RowCode::BadField, wrong)))?;
                    once(&mut raw.value, Some(number), "value")?;
                }
                Field::Attributes => {
                    once(&mut attributes, Some(()), "attributes")?;
                    map.next_value_seed(Attributes(raw))?;
                }
                Field::Values => {
                    once(&mut values, Some(()), "values")?;
                    map.next_value_seed(Values(raw))?;
                }
                Field::Unknown(name) => {
                    let words = format!(
                        "field {name:?} is unknown; allowed are entity, timestamp, value, \
                         unique_id, attributes, values"
                    );
                    return Err(raw.refuse(Fault::new(RowCode::BadField, words)));
                }
            }
        }
        Ok(())
    }
}

fn once<T, E: serde::de::Error>(
    slot: &mut Option<T>,
    given: Option<T>,
    name: &'static str,
) -> Result<(), E> {
    if slot.is_some() {
        return Err(E::duplicate_field(name));
    }
    *slot = given;
    Ok(())
}

/// A JSON value that is neither array nor object.
enum Scalar<'a> {
    Null,
    Bool(bool),
    Whole(i64),
    Large(u64),
    Real(f64),
    Text(Cow<'a, str>),
}

fn stamp(scalar: Scalar<'_>) -> Option<Option<Stamp<'_>>> {
    match scalar {
        Scalar::Null => Some(None),
        Scalar::Whole(number) => Some(Some(Stamp::Whole(number))),
        Scalar::Real(number) => Some(Some(Stamp::Real(number))),
        Scalar::Text(text) => Some(Some(Stamp::Text(text))),
        Scalar::Bool(_) | Scalar::Large(_) => None,
    }
}

fn number(scalar: Scalar<'_>) -> Option<f64> {
    match scalar {
        Scalar::Whole(number) => Some(number as f64),
        Scalar::Large(number) => Some(number as f64),
        Scalar::Real(number) => Some(number),
        Scalar::Null | Scalar::Bool(_) | Scalar::Text(_) => None,
    }
}

struct AnyScalar;

impl<'a> DeserializeSeed<'a> for AnyScalar {
    type Value = Scalar<'a>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Scalar<'a>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for AnyScalar {
    type Value = Scalar<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, a number or a boolean")
    }

    fn visit_unit<E>(self) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Whole(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Scalar<'a>, E> {
        Ok(i64::try_from(value).map_or(Scalar::Large(value), Scalar::Whole))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Real(value))
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }
}

struct OptionalText;

impl<'a> DeserializeSeed<'a> for OptionalText {
    type Value = Option<Cow<'a, str>>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        match deserializer.deserialize_any(AnyScalar)? {
            Scalar::Null => Ok(None),
            Scalar::Text(text) => Ok(Some(text)),
            Scalar::Whole(number) => Ok(Some(number.to_string().into())),
            Scalar::Large(number) => Ok(Some(number.to_string().into())),
            Scalar::Bool(_) | Scalar::Real(_) => {
                Err(D::Error::custom("entity and unique_id must be text"))
            }
        }
    }
}

struct Name;

impl<'a> DeserializeSeed<'a> for Name {
    type Value = Cow<'a, str>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Cow<'a, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for Name {
    type Value = Cow<'a, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

struct Attributes<'r, 'a>(&'r mut RawEvent<'a>);

impl<'a> DeserializeSeed<'a> for Attributes<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Attributes<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("attributes: an object of texts, numbers and booleans")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<(), M::Error> {
        let raw = self.0;
        while let Some(name) = map.next_key_seed(Name)? {
            let text = match map.next_value_seed(AnyScalar)? {
                Scalar::Null => continue,
                Scalar::Bool(value) => Cow::Borrowed(if value { "true" } else { "false" }),
                Scalar::Whole(number) => number.to_string().into(),
                Scalar::Large(number) => number.to_string().into(),
                Scalar::Real(number) => number.to_string().into(),
                Scalar::Text(text) => text,
            };
            match raw.attributes.iter().position(|known| known.0 == name) {
                Some(known) => raw.attributes[known].1 = text,
                None if raw.attributes.len() == limit::ATTRIBUTES => {
                    return Err(raw.refuse(RowCode::TooManyAttributes));
                }
                None => raw.attributes.push((name, text)),
            }
        }
        Ok(())
    }
}

struct Values<'r, 'a>(&'r mut RawEvent<'a>);

impl<'a> DeserializeSeed<'a> for Values<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Values<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("values: an object of named numbers")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<(), M::Error> {
        let raw = self.0;
        while let Some(name) = map.next_key_seed(Name)? {
            let scalar = map.next_value_seed(AnyScalar)?;
            if matches!(scalar, Scalar::Null) {
                continue;
            }
            if name.is_empty() || name.len() > limit::UNIQUE_ID_BYTES {
                let words = "a named value's name must have 1 to 128 bytes";
                return Err(raw.refuse(Fault::new(RowCode::BadField, words)));
            }
            let Some(number) = number(scalar) else {
                let words = format!("named value {name:?} must be a number");
                return Err(raw.refuse(Fault::new(RowCode::BadField, words)));
            };
            match raw.values.iter().position(|known| known.0 == name) {
                Some(known) => raw.values[known].1 = number,
                None if raw.values.len() == limit::LANES => {
                    return Err(raw.refuse(RowCode::TooManyValues));
                }
                None => raw.values.push((name, number)),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &[u8]) -> Result<RawEvent<'_>, Fault> {
        let mut raw = RawEvent::default();
        raw.read(line).map(|()| raw)
    }

    fn code(line: &[u8]) -> RowCode {
        read(line).expect_err(&String::from_utf8_lossy(line)).code
    }

    #[test]
    fn reads_every_field_without_copying_plain_text() {
        let line = br#"{"entity":"host-1","timestamp":1700000000,"value":2.5,"unique_id":"u",
            "attributes":{"ip":"10.0.0.1","code":200,"ok":true,"none":null,"f":1.5},
            "values":{"cpu":0.5,"mem":3,"gone":null}}"#;
        let raw = read(line).expect("well formed");
        assert!(matches!(raw.entity, Some(Cow::Borrowed("host-1"))));
        assert_eq!(raw.stamp, Some(Stamp::Whole(1_700_000_000)));
        assert_eq!((raw.value, raw.unique.as_deref()), (Some(2.5), Some("u")));
        let attributes: Vec<_> =
            raw.attributes.iter().map(|(name, text)| (name.as_ref(), text.as_ref())).collect();
        assert_eq!(attributes, [("ip", "10.0.0.1"), ("code", "200"), ("ok", "true"), ("f", "1.5")]);
        assert_eq!(raw.values, [("cpu".into(), 0.5), ("mem".into(), 3.0)]);
    }

    #[test]
    fn escaped_text_is_copied_and_later_names_win() {
        let raw = read(br#"{"entity":"a\nb","attributes":{"k":"1","k":"2"}}"#).expect("fine");
        assert_eq!(raw.entity.as_deref(), Some("a\nb"));
        assert_eq!(raw.attributes, [("k".into(), "2".into())]);
    }

    #[test]
    fn buffers_forget_the_line_before() {
        let mut raw = RawEvent::default();
        raw.read(br#"{"entity":"a","value":1,"attributes":{"k":"v"},"values":{"x":1}}"#)
            .expect("fine");
        raw.read(b"{}").expect("fine");
        assert!(raw.entity.is_none() && raw.value.is_none());
        assert!(raw.attributes.is_empty() && raw.values.is_empty());
    }

    #[test]
    fn each_kind_of_bad_line_has_its_code() {
        assert_eq!(code(b"{"), RowCode::BadJson);
        for twice in [
            br#"{"entity":"a","entity":"b"}"#.as_slice(),
            br#"{"entity":"a","attributes":{"k":"1"},"attributes":{"l":"2"}}"#,
            br#"{"entity":"a","values":{"k":1},"values":{"l":2}}"#,
        ] {
            assert_eq!(code(twice), RowCode::BadField, "which of them is meant?");
        }
        assert_eq!(code(b"{\"entity\":\"a\"} x"), RowCode::BadJson);
        assert_eq!(code(b"{\"value\":NaN}"), RowCode::BadJson);
        assert_eq!(code(b"{\"value\":Infinity}"), RowCode::BadJson);
        assert_eq!(code(b"{\"value\":1e999}"), RowCode::NumberOutOfRange);
        assert_eq!(code(b"{\"entity\":\"\xff\"}"), RowCode::BadUtf8);
        assert_eq!(code(b"[1]"), RowCode::BadField);
        assert_eq!(code(b"{\"value\":\"5\"}"), RowCode::BadField);
        assert_eq!(code(b"{\"value\":null}"), RowCode::BadField);
        assert_eq!(code(b"{\"value\":1,\"value\":2}"), RowCode::BadField);
        assert_eq!(code(b"{\"timestmap\":1}"), RowCode::BadField);
        assert_eq!(code(b"{\"timestamp\":true}"), RowCode::BadTimestamp);
        assert_eq!(code(b"{\"attributes\":{\"a\":[1]}}"), RowCode::BadField);
        assert_eq!(code(b"{\"values\":{\"a\":\"x\"}}"), RowCode::BadField);
    }

    #[test]
    fn deep_nesting_is_refused_without_descending() {
        let mut line = b"{\"attributes\":".to_vec();
        line.extend(std::iter::repeat_n(b'[', 1_000_000));
        assert_eq!(code(&line), RowCode::BadField);
    }

    #[test]
    fn too_many_attributes_and_values_are_refused() {
        let many = |field: &str| {
            let items: Vec<String> = (0..65).map(|i| format!("\"k{i}\":{i}")).collect();
            format!("{{\"{field}\":{{{}}}}}", items.join(","))
        };
        assert_eq!(code(many("attributes").as_bytes()), RowCode::TooManyAttributes);
        assert_eq!(code(many("values").as_bytes()), RowCode::TooManyValues);
    }
}

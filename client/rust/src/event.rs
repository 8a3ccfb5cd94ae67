//! An event as it is captured: checked here, encoded here. Knows no batch.

use std::time::SystemTime;

use crate::clock;
use crate::json;

/// Most named values of one event: no request has more columns of them.
pub(crate) const LANES: usize = 64;
/// Longest name of a value, bytes.
const LANE_NAME: usize = 128;

/// What a few attributes take, bytes.
const TEXTS: usize = 96;

/// One observation of an entity.
///
/// ```
/// use via_client::Event;
/// let event = Event::new("host-1", 12.5).attribute("route", "/login").value("lag", 0.25);
/// ```
#[derive(Clone, Debug)]
pub struct Event<'a> {
    pub(crate) entity: &'a str,
    pub(crate) value: f64,
    /// Nanoseconds since 1970.
    pub(crate) at: Option<i64>,
    pub(crate) unique_id: Option<&'a str>,
    /// The members of a JSON object, without its braces.
    pub(crate) attributes: String,
    pub(crate) values: Vec<(&'a str, f64)>,
    is_sound: bool,
}

impl<'a> Event<'a> {
    /// Makes an event about an entity (1 to 256 bytes; an empty one is derived from
    /// the attributes, where the stream's mapping says how) with its value, which
    /// must be finite to be sent.
    pub fn new(entity: &'a str, value: f64) -> Self {
        Self {
            entity,
            value,
            at: None,
            unique_id: None,
            attributes: String::new(),
            values: Vec::new(),
            is_sound: true,
        }
    }

    /// Says when it happened; otherwise it is when it is captured.
    #[must_use]
    pub fn at(self, time: SystemTime) -> Self {
        self.at_nanos(clock::nanos_of(time))
    }

    /// Says when it happened, in nanoseconds since 1970.
    #[must_use]
    pub fn at_nanos(mut self, nanos: i64) -> Self {
        self.at = Some(nanos);
        self
    }

    /// Gives it an id of your own, up to 128 bytes: a repeat for the same entity
    /// counts as a duplicate while the node remembers it.
    #[must_use]
    pub fn unique_id(mut self, id: &'a str) -> Self {
        self.unique_id = Some(id);
        self
    }

    /// Adds an attribute: a text, a number or a truth.
    #[must_use]
    pub fn attribute(mut self, name: &str, value: impl Attribute) -> Self {
        if self.attributes.is_empty() {
            self.attributes.reserve(TEXTS);
        } else {
            self.attributes.push(',');
        }
        json::quote(name, &mut self.attributes);
        self.attributes.push(':');
        self.is_sound &= value.write(&mut self.attributes);
        self
    }

    /// Adds a further named value (a name of 1 to 128 bytes), which is judged
    /// together with the event's own; the last one of a name holds.
    #[must_use]
    pub fn value(mut self, name: &'a str, value: f64) -> Self {
        match self.values.iter_mut().find(|known| known.0 == name) {
            Some(known) => known.1 = value,
            None => self.values.push((name, value)),
        }
        self
    }

    /// Says whether a node can ever be told of it.
    pub(crate) fn is_sendable(&self) -> bool {
        let is_lane = |(name, value): &(&str, f64)| {
            value.is_finite() && (1..=LANE_NAME).contains(&name.len())
        };
        self.is_sound
            && self.value.is_finite()
            && self.values.len() <= LANES
            && self.values.iter().all(is_lane)
    }

    /// Returns a bound on the bytes of its line, with the line's end.
    pub(crate) fn line_len(&self, at: i64) -> usize {
        // {"entity":,"timestamp":,"value":}\n
        let mut size = 35 + json::quoted_len(self.entity);
        size += json::time_len(at) + json::number_len(self.value);
        if let Some(id) = self.unique_id {
            size += 13 + json::quoted_len(id);
        }
        if !self.attributes.is_empty() {
            size += 16 + self.attributes.len();
        }
        if !self.values.is_empty() {
            let lane =
                |(name, value): &(&str, f64)| json::quoted_len(name) + 2 + json::number_len(*value);
            size += 12 + self.values.iter().map(lane).sum::<usize>();
        }
        size
    }

    /// Writes its line, without the line's end.
    pub(crate) fn write_line(&self, at: i64, out: &mut String) {
        out.push_str("{\"entity\":");
        json::quote(self.entity, out);
        out.push_str(",\"timestamp\":");
        json::time(at, out);
        out.push_str(",\"value\":");
        json::number(self.value, out);
        if let Some(id) = self.unique_id {
            out.push_str(",\"unique_id\":");
            json::quote(id, out);
        }
        if !self.attributes.is_empty() {
            out.push_str(",\"attributes\":{");
            out.push_str(&self.attributes);
            out.push('}');
        }
        if !self.values.is_empty() {
            let mut before = ",\"values\":{";
            for (name, value) in &self.values {
                out.push_str(before);
                json::quote(name, out);
                out.push(':');
                json::number(*value, out);
                before = ",";
            }
            out.push('}');
        }
        out.push('}');
    }
}

/// What an attribute may be: texts, numbers, truths.
pub trait Attribute {
    /// Writes it as JSON; says no where it has no such form.
    #[doc(hidden)]
    fn write(&self, out: &mut String) -> bool;
}

impl Attribute for &str {
    fn write(&self, out: &mut String) -> bool {
        json::quote(self, out);
        true
    }
}

impl Attribute for &String {
    fn write(&self, out: &mut String) -> bool {
        self.as_str().write(out)
    }
}

impl Attribute for String {
    fn write(&self, out: &mut String) -> bool {
        self.as_str().write(out)
    }
}

impl Attribute for f64 {
    fn write(&self, out: &mut String) -> bool {
        json::number(*self, out);
        self.is_finite()
    }
}

macro_rules! plain_attributes {
    ($($kind:ty),*) => {$(
        impl Attribute for $kind {
            fn write(&self, out: &mut String) -> bool {
                use std::fmt::Write;
                write!(out, "{self}").is_ok()
            }
        }
    )*};
}

plain_attributes!(bool, i32, i64, u32, u64, usize);

impl Attribute for &serde_json::Value {
    fn write(&self, out: &mut String) -> bool {
        use std::fmt::Write;
        write!(out, "{self}").is_ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn line(event: &Event) -> Value {
        let mut out = String::new();
        event.write_line(1_764_538_595_123_456_000, &mut out);
        serde_json::from_str(&out).unwrap()
    }

    #[test]
    fn a_line_says_what_was_captured() {
        let event = Event::new("host-1", 12.5)
            .attribute("route", "/login")
            .attribute("ok", true)
            .attribute("n", 3)
            .value("lag", 1.0)
            .value("lag", 0.25)
            .unique_id("u");
        let said = json!({"entity": "host-1", "timestamp": 1_764_538_595_123_456_u64, "value": 12.5,
            "unique_id": "u", "attributes": {"route": "/login", "ok": true, "n": 3},
            "values": {"lag": 0.25}});
        assert_eq!(line(&event), said);
    }

    #[test]
    fn what_no_node_can_be_told_is_known() {
        assert!(Event::new("", 0.0).is_sendable());
        assert!(!Event::new("e", f64::NAN).is_sendable());
        assert!(!Event::new("e", f64::INFINITY).is_sendable());
        assert!(!Event::new("e", 1.0).value("lag", f64::NAN).is_sendable());
        assert!(!Event::new("e", 1.0).value("", 1.0).is_sendable());
        assert!(!Event::new("e", 1.0).attribute("a", f64::NAN).is_sendable());
        let names: Vec<String> = (0..65).map(|nth| format!("v{nth}")).collect();
        let wide = names.iter().fold(Event::new("e", 1.0), |event, name| event.value(name, 1.0));
        assert!(!wide.is_sendable());
    }

    proptest! {
        #[test]
        fn no_line_is_longer_than_told(entity in ".*", id in ".*", value in any::<f64>(), lane in any::<f64>(), at in any::<i64>()) {
            prop_assume!(value.is_finite() && lane.is_finite());
            let at = at.rem_euclid(4_000_000_000_000_000_000);
            let event = Event::new(&entity, value).attribute("ж\"", &id).unique_id(&id).value("l\n", lane);
            for at in [at, at / 1_000 * 1_000, 1_764_538_595_123_456_000] {
                let mut out = String::new();
                event.write_line(at, &mut out);
                prop_assert!(out.len() < event.line_len(at), "{} of {}: {out}", event.line_len(at), out.len());
            }
        }
    }
}

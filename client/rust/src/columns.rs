//! Events of one stream as the columns of a `WriteRequest`. Filled where events are
//! captured, so a batch is ready to be sent when it is sealed.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use bytes::Bytes;
use via_proto::v1::{Lane, WriteRequest};
use xxhash_rust::xxh3::xxh3_64;

use crate::event::{Event, LANES};

/// Most bytes of a request: a message has at most 4 MiB.
const WIRE_BYTES: usize = 3 << 20;
/// What an event takes beside its texts and its named values.
const ROW: usize = 4 + 8 + 8 + 8 + 2;
/// What a text takes beside itself.
const TEXT: usize = 6;

/// Keys are hashed before they are looked up.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// Columns that grow by one event at a time.
#[derive(Default)]
pub(crate) struct Columns {
    events: usize,
    positions: HashMap<u64, u32, BuildHasherDefault<Hashed>>,
    keys: Vec<u8>,
    /// Where each key ends.
    ends: Vec<usize>,
    entity: Vec<u8>,
    at: Vec<u8>,
    value: Vec<u8>,
    /// Empty until an event has an id.
    unique: Vec<u8>,
    /// Empty until an event has attributes.
    attributes: Vec<String>,
    lanes: Vec<(String, Vec<u8>)>,
    text_bytes: usize,
}

impl Columns {
    pub(crate) fn with_capacity(events: usize) -> Self {
        Self {
            positions: HashMap::with_capacity_and_hasher(events, <_>::default()),
            ends: Vec::with_capacity(events),
            entity: Vec::with_capacity(events * 4),
            at: Vec::with_capacity(events * 8),
            value: Vec::with_capacity(events * 8),
            ..Self::default()
        }
    }

    pub(crate) fn events(&self) -> usize {
        self.events
    }

    /// Says whether an event keeps the request within what one message may hold.
    pub(crate) fn fits(&self, event: &Event) -> bool {
        if self.events == 0 {
            return true;
        }
        let is_new = |(name, _): &&(&str, f64)| self.lanes.iter().all(|known| known.0 != *name);
        let lanes = self.lanes.len() + event.values.iter().filter(is_new).count();
        let texts = self.text_bytes + event.entity.len() + event.attributes.len() + 2 * TEXT;
        lanes <= LANES && (self.events + 1) * (ROW + 8 * lanes) + texts <= WIRE_BYTES
    }

    /// Adds an event that happened at that nanosecond.
    pub(crate) fn push(&mut self, event: &Event, at: i64) {
        let key = self.key(event.entity.as_bytes());
        self.entity.extend_from_slice(&key.to_le_bytes());
        self.at.extend_from_slice(&at.to_le_bytes());
        self.value.extend_from_slice(&event.value.to_le_bytes());
        let unique = event.unique_id.filter(|id| !id.is_empty());
        if unique.is_some() || !self.unique.is_empty() {
            self.unique.resize(self.events * 8, 0);
            let hash = unique.map_or(0, |id| xxh3_64(id.as_bytes()));
            self.unique.extend_from_slice(&hash.to_le_bytes());
        }
        if !event.attributes.is_empty() {
            self.attributes.resize(self.events, String::new());
            let mut text = String::with_capacity(event.attributes.len() + 2);
            text.push('{');
            text.push_str(&event.attributes);
            text.push('}');
            self.attributes.push(text);
            self.text_bytes += event.attributes.len() + TEXT;
        }
        for (name, value) in &event.values {
            self.lane(name).extend_from_slice(&value.to_le_bytes());
        }
        self.events += 1;
    }

    fn key(&mut self, key: &[u8]) -> u32 {
        let hash = xxh3_64(key);
        if let Some(position) = self.positions.get(&hash)
            && self.key_at(*position as usize) == key
        {
            return *position;
        }
        let position = u32::try_from(self.ends.len()).expect("a batch has fewer keys than that");
        self.keys.extend_from_slice(key);
        self.ends.push(self.keys.len());
        self.text_bytes += key.len() + TEXT;
        self.positions.insert(hash, position);
        position
    }

    fn key_at(&self, position: usize) -> &[u8] {
        let start = position.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.keys[start..self.ends[position]]
    }

    fn lane(&mut self, name: &str) -> &mut Vec<u8> {
        let known = self.lanes.iter().position(|lane| lane.0 == name);
        let nth = known.unwrap_or_else(|| {
            self.text_bytes += name.len() + TEXT;
            self.lanes.push((name.to_owned(), Vec::new()));
            self.lanes.len() - 1
        });
        let values = &mut self.lanes[nth].1;
        pad(values, self.events);
        values
    }

    /// Makes the request, without the first `skipped` events, which were dropped.
    pub(crate) fn into_request(mut self, stream: &str, skipped: usize) -> WriteRequest {
        let events = self.events;
        for lane in &mut self.lanes {
            pad(&mut lane.1, events);
        }
        if !self.attributes.is_empty() {
            self.attributes.resize(events, String::new());
        }
        if !self.unique.is_empty() {
            self.unique.resize(events * 8, 0);
        }
        let keys = Bytes::from(self.keys);
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let cut = |column: Vec<u8>, width: usize| {
            let from = (skipped * width).min(column.len());
            Bytes::from(column).slice(from..)
        };
        let lanes = self.lanes.into_iter();
        WriteRequest {
            stream: stream.to_owned(),
            keys: starts.zip(&self.ends).map(|(from, to)| keys.slice(from..*to)).collect(),
            entity: cut(self.entity, 4),
            at: cut(self.at, 8),
            value: cut(self.value, 8),
            unique: cut(self.unique, 8),
            attributes: self.attributes.into_iter().skip(skipped).collect(),
            lanes: lanes.map(|(name, values)| Lane { name, values: cut(values, 8) }).collect(),
            ..WriteRequest::default()
        }
    }
}

/// Says of the events before that they have no such value.
fn pad(values: &mut Vec<u8>, events: usize) {
    while values.len() < events * 8 {
        values.extend_from_slice(&f64::NAN.to_le_bytes());
    }
}

/// Returns the text of one event of a request, as far as the request has it.
pub(crate) fn line(request: &WriteRequest, row: usize) -> String {
    let eight = |column: &[u8]| column.as_chunks::<8>().0.get(row).copied();
    let position = request.entity.as_chunks::<4>().0.get(row).copied();
    let key = position.and_then(|at| request.keys.get(u32::from_le_bytes(at) as usize));
    let entity = key.map(|key| String::from_utf8_lossy(key)).unwrap_or_default();
    let value = eight(&request.value).map_or(1.0, f64::from_le_bytes);
    let mut event = Event::new(&entity, value);
    if let Some(text) = request.attributes.get(row) {
        text.trim_start_matches('{').trim_end_matches('}').clone_into(&mut event.attributes);
    }
    for lane in &request.lanes {
        let value = eight(&lane.values).map_or(f64::NAN, f64::from_le_bytes);
        if !value.is_nan() {
            event.values.push((&lane.name, value));
        }
    }
    let mut out = String::new();
    event.write_line(eight(&request.at).map_or(0, i64::from_le_bytes), &mut out);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What an event is made of: entity, value, id, attribute, named values.
    type Plan = (u8, f64, Option<u8>, Option<u8>, Vec<(u8, f64)>);

    fn plans() -> impl Strategy<Value = Vec<Plan>> {
        let number = -1e9..1e9_f64;
        let lanes = prop::collection::vec((0..4_u8, number.clone()), 0..3);
        let one = (0..6_u8, number, prop::option::of(0..9_u8), prop::option::of(0..9_u8), lanes);
        prop::collection::vec(one, 1..40)
    }

    fn with_event<T>(plan: &Plan, run: impl FnOnce(&Event) -> T) -> T {
        let (entity, value, unique, attribute, lanes) = plan;
        let (entity, unique) = (format!("e-{entity}"), unique.map(|id| format!("id-{id}")));
        let lanes: Vec<_> = lanes.iter().map(|lane| (format!("l{}", lane.0), lane.1)).collect();
        let mut event = Event::new(&entity, *value);
        if let Some(id) = &unique {
            event = event.unique_id(id);
        }
        if let Some(nth) = attribute {
            event = event.attribute("a", i64::from(*nth));
        }
        event = lanes.iter().fold(event, |event, (name, value)| event.value(name, *value));
        run(&event)
    }

    fn u64_at(column: &[u8], row: usize) -> u64 {
        column.as_chunks::<8>().0.get(row).map_or(0, |eight| u64::from_le_bytes(*eight))
    }

    proptest! {
        #[test]
        fn every_row_is_the_event_that_was_pushed(plans in plans(), skipped in 0..40_usize) {
            let skipped = skipped.min(plans.len() - 1);
            let mut columns = Columns::default();
            for (nth, plan) in plans.iter().enumerate() {
                with_event(plan, |event| columns.push(event, nth as i64 * 1_000));
            }
            let request = columns.into_request("web", skipped);
            prop_assert_eq!(request.entity.len(), (plans.len() - skipped) * 4);
            for (row, plan) in plans[skipped..].iter().enumerate() {
                let told = line(&request, row);
                let nth = (row + skipped) as i64;
                let unique = plan.2.map_or(0, |id| xxh3_64(format!("id-{id}").as_bytes()));
                prop_assert_eq!(u64_at(&request.unique, row), unique);
                let mut said = with_event(plan, |event| {
                    let mut out = String::new();
                    let mut bare = event.clone();
                    bare.unique_id = None;
                    bare.write_line(nth * 1_000, &mut out);
                    serde_json::from_str::<serde_json::Value>(&out).unwrap()
                });
                let mut got: serde_json::Value = serde_json::from_str(&told).unwrap();
                for json in [&mut said, &mut got] {
                    // The order of named values is the request's.
                    json.sort_all_objects();
                }
                prop_assert_eq!(got, said);
            }
        }
    }

    #[test]
    fn no_request_has_more_lanes_than_a_node_takes() {
        let names: Vec<String> = (0..65).map(|nth| format!("v{nth}")).collect();
        let mut columns = Columns::default();
        let all =
            names[..64].iter().fold(Event::new("e", 1.0), |event, name| event.value(name, 1.0));
        columns.push(&all, 0);
        assert!(columns.fits(&all));
        assert!(!columns.fits(&Event::new("e", 1.0).value(&names[64], 1.0)));
    }

    #[test]
    fn a_request_stays_within_a_message() {
        let long = "x".repeat(4_000);
        let mut columns = Columns::default();
        let event = Event::new("e", 1.0).attribute("a", &long);
        while columns.fits(&event) {
            columns.push(&event, 0);
        }
        let request = columns.into_request("web", 0);
        let size =
            request.attributes.iter().map(String::len).sum::<usize>() + request.entity.len() * 7;
        assert!((2 << 20..4 << 20).contains(&size), "{size}");
    }
}

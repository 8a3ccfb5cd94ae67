//! A columnar gRPC batch, checked and cut by shard. Owns the meaning of the
//! byte columns of `via.v1.WriteRequest`; each distinct key is hashed once.

use std::borrow::Cow;

use bytes::Bytes;
use via_proto::v1::WriteRequest;
use via_types::config::Mapping;
use via_types::{Origin, limit};

use super::event::RawEvent;
use super::refusal::{Fault, Refusals, RowCode};
use super::row::{self, Namer, Row, check_key};
use super::split::{Entity, Piece, Splitter};
use super::stamp::Era;
use crate::problem::{Code, Problem};

/// A request's columns, of equal length or absent.
struct Columns<'a> {
    events: usize,
    keys: Vec<&'a str>,
    entity: &'a [[u8; 4]],
    at: &'a [[u8; 8]],
    value: &'a [[u8; 8]],
    mark: &'a [[u8; 8]],
    unique: &'a [[u8; 8]],
    attributes: &'a [String],
    lanes: Vec<(&'a str, &'a [[u8; 8]])>,
}

/// Returns how many bytes of columns and texts a request has.
pub(crate) fn bytes(request: &WriteRequest) -> u64 {
    let WriteRequest { keys, entity, at, value, mark, unique, attributes, lanes, .. } = request;
    let columns = [entity, at, value, mark, unique].map(Bytes::len).iter().sum::<usize>();
    let texts = keys.iter().map(Bytes::len).chain(attributes.iter().map(String::len));
    let lanes = lanes.iter().map(|lane| lane.name.len() + lane.values.len());
    (columns + texts.chain(lanes).sum::<usize>()) as u64
}

/// Cuts `request` into pieces and says which events cannot be taken.
pub(crate) fn split(
    request: &WriteRequest,
    origin: Option<Origin>,
    mapping: &Mapping,
    era: Era,
    splitter: &mut Splitter,
) -> Result<(Vec<Piece>, Refusals), Problem> {
    let columns = Columns::of(request)?;
    let mut refusals = Refusals::default();
    let mut entities: Vec<Option<Result<Entity, RowCode>>> = vec![None; request.keys.len()];
    let (raw, json) = (RawEvent::default(), Vec::new());
    let mut reader = Reader { mapping, era, namer: Namer::new(mapping), raw, json };
    let mut lanes = Vec::with_capacity(columns.lanes.len());
    splitter.begin(origin, 0, columns.events);
    for event in 0..columns.events {
        let key = u32::from_le_bytes(columns.entity[event]) as usize;
        let pushed = match entities.get_mut(key) {
            None => Err(RowCode::EntityPosition.into()),
            Some(known) => {
                let text = columns.keys[key];
                let make = || check_key(text).map(|()| splitter.entity(text));
                let entity =
                    if text.is_empty() { None } else { Some(known.get_or_insert_with(make)) };
                let entity = entity.map_or(Ok(None), |known| known.map(Some)).map_err(Fault::from);
                entity.and_then(|entity| {
                    let row = reader.row(&columns, event, text, &mut lanes)?;
                    // The key of one that names none is known only now.
                    let entity = entity.unwrap_or_else(|| splitter.entity(row.key));
                    splitter.push(entity, &row, event as u32).map_err(Fault::from)
                })
            }
        };
        if let Err(fault) = pushed {
            refusals.push(event as u64, || fault);
        }
    }
    Ok((splitter.finish(), refusals))
}

struct Reader<'m, 'a> {
    mapping: &'m Mapping,
    era: Era,
    namer: Namer<'m>,
    raw: RawEvent<'a>,
    json: Vec<u8>,
}

impl<'a> Reader<'_, 'a> {
    fn row<'r>(
        &'r mut self,
        columns: &Columns<'a>,
        event: usize,
        key: &'r str,
        lanes: &'r mut Vec<(Cow<'a, str>, f64)>,
    ) -> Result<Row<'r>, Fault> {
        let at = columns.at.get(event).map_or(self.era.now, |at| i64::from_le_bytes(*at));
        self.era.check(at)?;
        let value = columns.value.get(event).map_or(1.0, |value| f64::from_le_bytes(*value));
        lanes.clear();
        for (name, values) in &columns.lanes {
            let number = f64::from_le_bytes(values[event]);
            if !number.is_nan() {
                lanes.push((Cow::Borrowed(*name), number));
            }
        }
        if !value.is_finite() || lanes.iter().any(|lane| lane.1.is_infinite()) {
            return Err(RowCode::ValueNotFinite.into());
        }
        self.json.clear();
        self.raw.attributes.clear();
        if let Some(text) = columns.attributes.get(event).filter(|text| !text.is_empty()) {
            self.raw.read_attributes(text)?;
            row::write_attributes(self.mapping, &self.raw.attributes, &mut self.json)?;
        }
        let mark = match columns.mark.get(event) {
            Some(mark) => u64::from_le_bytes(*mark),
            None => row::mark(self.mapping, &self.raw.attributes),
        };
        let unique = columns.unique.get(event).map_or(0, |unique| u64::from_le_bytes(*unique));
        let attributes = str::from_utf8(&self.json).expect("JSON is written as UTF-8");
        let key = if key.is_empty() { self.namer.name(&self.raw.attributes)? } else { key };
        check_key(key)?;
        Ok(Row { key, at, value, mark, unique, attributes, lanes })
    }
}

impl<'a> Columns<'a> {
    fn of(request: &'a WriteRequest) -> Result<Self, Problem> {
        let (entity, rest) = request.entity.as_chunks::<4>();
        let events = entity.len();
        if !rest.is_empty() {
            return Err(misfit("entity", request.entity.len(), events));
        }
        if events > limit::BATCH_EVENTS || request.keys.len() > limit::BATCH_EVENTS {
            let words = format!(
                "{events} events and {} keys; a batch holds at most {}",
                request.keys.len(),
                limit::BATCH_EVENTS
            );
            return Err(Problem::new(Code::TooLarge, words));
        }
        if !request.attributes.is_empty() && request.attributes.len() != events {
            return Err(misfit("attributes", request.attributes.len(), events));
        }
        if request.lanes.len() > limit::LANES {
            let words = format!("{} lanes; at most {}", request.lanes.len(), limit::LANES);
            return Err(Problem::new(Code::TooLarge, words));
        }
        let mut lanes: Vec<(&str, _)> = Vec::with_capacity(request.lanes.len());
        for lane in &request.lanes {
            let name = lane.name.as_str();
            let is_known = lanes.iter().any(|known| known.0 == name);
            if name.is_empty() || name.len() > limit::UNIQUE_ID_BYTES || is_known {
                let words = format!("lane name {name:?} must be unique and have 1 to 128 bytes");
                return Err(Problem::new(Code::BadBatch, words));
            }
            let values = column(&lane.values, events, "lane")?;
            if values.len() != events {
                return Err(misfit(name, values.len(), events));
            }
            lanes.push((name, values));
        }
        Ok(Self {
            events,
            keys: texts(&request.keys)?,
            entity,
            at: column(&request.at, events, "at")?,
            value: column(&request.value, events, "value")?,
            mark: column(&request.mark, events, "mark")?,
            unique: column(&request.unique, events, "unique")?,
            attributes: &request.attributes,
            lanes,
        })
    }
}

fn texts(keys: &[Bytes]) -> Result<Vec<&str>, Problem> {
    let text = |(number, key)| {
        str::from_utf8(key)
            .map_err(|_| Problem::new(Code::BadBatch, format!("key {number} is not text in UTF-8")))
    };
    keys.iter().map(Bytes::as_ref).enumerate().map(text).collect()
}

fn column<'a>(bytes: &'a [u8], events: usize, name: &str) -> Result<&'a [[u8; 8]], Problem> {
    let (elements, rest) = bytes.as_chunks::<8>();
    if !rest.is_empty() || (!elements.is_empty() && elements.len() != events) {
        return Err(misfit(name, bytes.len(), events));
    }
    Ok(elements)
}

fn misfit(name: &str, size: usize, events: usize) -> Problem {
    let words = format!("column {name} of size {size} does not fit {events} events");
    Problem::new(Code::BadBatch, words)
}

#[cfg(test)]
mod tests {
    use via_proto::v1::Lane;
    use via_types::{StreamId, Timestamp};

    use super::*;

    const NOW: i64 = 1_700_000_000_000_000_000;

    fn cut(request: &WriteRequest) -> Result<(Vec<Piece>, Refusals), Problem> {
        let era = Era::at(Timestamp::from_nanos(NOW));
        let mut splitter = Splitter::new(StreamId::new(1), 4);
        split(request, None, &Mapping::default(), era, &mut splitter)
    }

    fn floats(values: &[f64]) -> bytes::Bytes {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    fn positions(values: &[u32]) -> bytes::Bytes {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    fn request() -> WriteRequest {
        WriteRequest {
            keys: vec!["a".into(), "b".into()],
            entity: positions(&[0, 1, 0]),
            value: floats(&[1.0, 2.0, 3.0]),
            ..WriteRequest::default()
        }
    }

    fn codes(refusals: &Refusals) -> Vec<(u64, RowCode)> {
        refusals.listed.iter().map(|(line, fault)| (*line, fault.code)).collect()
    }

    #[test]
    fn columns_become_batches_by_shard() {
        let (pieces, refusals) = cut(&request()).expect("fits");
        assert_eq!(refusals.count, 0);
        let mut values: Vec<(String, f64, i64)> = Vec::new();
        for mut piece in pieces {
            piece.batch.seal().expect("columns fit");
            for row in 0..piece.batch.len() {
                let key = piece.batch.key(row).to_owned();
                values.push((key, piece.batch.value[row], piece.batch.at[row]));
            }
        }
        values.sort_by(|a, b| a.1.total_cmp(&b.1));
        let expected =
            [("a".to_owned(), 1.0, NOW), ("b".to_owned(), 2.0, NOW), ("a".to_owned(), 3.0, NOW)];
        assert_eq!(values, expected);
    }

    #[test]
    fn bad_events_are_named_and_the_others_kept() {
        let mut request = request();
        request.entity = positions(&[0, 7, 0, 1]);
        request.value = floats(&[f64::NAN, 1.0, 5.0, 1.0]);
        request.keys[1] = "x".repeat(300).into();
        let (pieces, refusals) = cut(&request).expect("fits");
        assert_eq!(
            codes(&refusals),
            [
                (0, RowCode::ValueNotFinite),
                (1, RowCode::EntityPosition),
                (3, RowCode::EntityTooLong)
            ]
        );
        assert_eq!(pieces.iter().map(|piece| piece.batch.len()).sum::<usize>(), 1);
    }

    #[test]
    fn lanes_and_attributes_come_along() {
        let mut request = request();
        request.lanes =
            vec![Lane { name: "cpu".to_owned(), values: floats(&[0.5, f64::NAN, 0.7]) }];
        let attributes = [r#"{"ip":"1"}"#, "", "[1]"];
        request.attributes = attributes.map(str::to_owned).to_vec();
        let (pieces, refusals) = cut(&request).expect("fits");
        assert_eq!(codes(&refusals), [(2, RowCode::BadField)]);
        let with_a = pieces.iter().find(|piece| piece.batch.key(0) == "a").expect("there");
        assert_eq!(with_a.batch.attributes.get(0), r#"{"ip":"1"}"#);
        assert_ne!(with_a.batch.mark[0], 0);
        assert_eq!(*with_a.batch.lanes[0].values, [0.5]);
    }

    #[test]
    fn an_empty_key_is_derived_as_over_http() {
        let mut request = request();
        request.keys[0] = bytes::Bytes::new();
        let attributes = [r#"{"body":"try 1"}"#, "", r#"{"body":"try 2"}"#];
        request.attributes = attributes.map(str::to_owned).to_vec();
        let mapping = Mapping { line_from: Some("body".to_owned()), ..Mapping::default() };
        let mut splitter = Splitter::new(StreamId::new(1), 1);
        let era = Era::at(Timestamp::from_nanos(NOW));
        let (pieces, refusals) = split(&request, None, &mapping, era, &mut splitter).expect("fits");
        assert_eq!(refusals.count, 0);
        let keys: Vec<_> = (0..3).map(|row| pieces[0].batch.key(row)).collect();
        assert_eq!(keys, ["[-] try <*>", "b", "[-] try <*>"]);
        request.attributes.clear();
        let (_, refusals) = split(&request, None, &mapping, era, &mut splitter).expect("fits");
        assert_eq!(codes(&refusals), [(0, RowCode::EntityMissing), (2, RowCode::EntityMissing)]);
    }

    #[test]
    fn columns_that_do_not_fit_are_refused_as_a_whole() {
        let mut torn = request();
        torn.entity = torn.entity.slice(..5);
        let mut short = request();
        short.value = floats(&[1.0]);
        let mut lanes = request();
        lanes.lanes = vec![Lane { name: "cpu".to_owned(), values: floats(&[1.0]) }];
        let mut keys = request();
        keys.keys[1] = bytes::Bytes::from_static(b"\xff\xfe");
        for request in [torn, short, lanes, keys] {
            assert_eq!(cut(&request).expect_err("misfit").code, Code::BadBatch);
        }
        let mut huge = request();
        huge.entity = positions(&vec![0; limit::BATCH_EVENTS + 1]);
        assert_eq!(cut(&huge).expect_err("too large").code, Code::TooLarge);
    }
}

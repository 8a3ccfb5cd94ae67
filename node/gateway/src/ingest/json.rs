//! A JSON body: one event, or an array of events. The whole body is checked to
//! be JSON before anything of it is applied; each event is then taken or
//! refused by itself, as a line of NDJSON would be.

use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;
use via_types::Origin;

use super::event::RawEvent;
use super::lines::PART_LINES;
use super::refusal::Refusals;
use super::row::Composer;
use super::split::{Piece, Splitter};
use crate::problem::{Code, Problem};

/// Cuts `body` into pieces and says which events cannot be taken. Events are
/// numbered from 1; more than `most` of them are too many.
pub(crate) fn split(
    body: &[u8],
    most: usize,
    origin: Option<Origin>,
    composer: &mut Composer<'_>,
    splitter: &mut Splitter,
) -> Result<(Vec<Piece>, Refusals), Problem> {
    let mut events = Events {
        most,
        origin,
        composer,
        splitter,
        raw: RawEvent::default(),
        count: 0,
        pieces: Vec::new(),
        refusals: Refusals::default(),
    };
    let mut json = serde_json::Deserializer::from_slice(body);
    let is_array = body.trim_ascii_start().first() == Some(&b'[');
    let read = if is_array {
        json.deserialize_seq(&mut events).and_then(|()| json.end())
    } else {
        serde::Deserialize::deserialize(&mut json)
            .and_then(|event: &RawValue| json.end().map(|()| events.take(event)))
    };
    if events.count > most {
        return Err(Problem::new(Code::TooLarge, format!("at most {most} events are taken here")));
    }
    read.map_err(|error| {
        let words = if str::from_utf8(body).is_err() {
            "it is not UTF-8".into()
        } else {
            error.to_string()
        };
        Problem::new(Code::BadJson, words)
    })?;
    events.end_part();
    Ok((events.pieces, events.refusals))
}

struct Events<'e, 'c, 'a> {
    most: usize,
    origin: Option<Origin>,
    composer: &'e mut Composer<'c>,
    splitter: &'e mut Splitter,
    raw: RawEvent<'a>,
    count: usize,
    pieces: Vec<Piece>,
    refusals: Refusals,
}

impl<'a> Events<'_, '_, 'a> {
    fn take(&mut self, event: &'a RawValue) {
        let nth = self.count % PART_LINES;
        if nth == 0 {
            self.end_part();
            let part = (self.count / PART_LINES) as u32;
            let origin = self.origin.map(|origin| Origin { part, ..origin });
            self.splitter.begin(origin, self.count as u64 + 1, 0);
        }
        self.count += 1;
        let text = event.get().as_bytes();
        let pushed = super::push(text, nth as u32, &mut self.raw, self.composer, self.splitter);
        if let Err(fault) = pushed {
            self.refusals.push(self.count as u64, || fault);
        }
    }

    fn end_part(&mut self) {
        self.pieces.extend(self.splitter.finish());
    }
}

impl<'a> Visitor<'a> for &mut Events<'_, '_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array of events")
    }

    fn visit_seq<S: SeqAccess<'a>>(self, mut events: S) -> Result<(), S::Error> {
        while let Some(event) = events.next_element::<&'a RawValue>()? {
            if self.count == self.most {
                self.count += 1;
                return Err(S::Error::custom("too many events"));
            }
            self.take(event);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use via_types::config::Mapping;
    use via_types::{StreamId, Timestamp};

    use super::*;
    use crate::ingest::refusal::RowCode;
    use crate::ingest::stamp::Era;

    fn cut(body: &[u8]) -> Result<(Vec<Piece>, Refusals), Problem> {
        let mapping = Mapping::default();
        let mut composer = Composer::new(&mapping, Era::at(Timestamp::from_nanos(1 << 60)));
        split(body, 100_000, None, &mut composer, &mut Splitter::new(StreamId::new(1), 4))
    }

    fn events(pieces: &[Piece]) -> usize {
        pieces.iter().map(|piece| piece.batch.len()).sum()
    }

    #[test]
    fn one_event_or_many() {
        let (pieces, _) = cut(br#" {"entity":"a"} "#).expect("one");
        assert_eq!(events(&pieces), 1);
        let (pieces, refusals) =
            cut(br#"[{"entity":"a"}, 5, {"entity":"b","value":1e999}]"#).expect("three");
        assert_eq!(events(&pieces), 1);
        let codes: Vec<_> =
            refusals.listed.iter().map(|(line, fault)| (*line, fault.code)).collect();
        assert_eq!(codes, [(2, RowCode::BadField), (3, RowCode::NumberOutOfRange)]);
        assert_eq!(events(&cut(b"[]").expect("none").0), 0);
    }

    #[test]
    fn a_body_that_is_not_json_is_refused_as_a_whole() {
        let deep = "[".repeat(1_000_000);
        let nested = format!(r#"[{{"entity":"a"}},{deep}"#);
        for body in [
            r#"[{"entity":"a"},"#.as_bytes(),
            br#"[{"entity":"a"}] tail"#,
            br#"{"entity":"a"}{"entity":"b"}"#,
            b"",
            b"NaN",
            b"[\"\xff\"]",
            nested.as_bytes(),
        ] {
            let problem =
                cut(body).expect_err(&String::from_utf8_lossy(&body[..body.len().min(40)]));
            assert_eq!(problem.code, Code::BadJson);
        }
    }

    #[test]
    fn too_many_events_are_refused_before_any_is_applied() {
        let mapping = Mapping::default();
        let mut composer = Composer::new(&mapping, Era::at(Timestamp::from_nanos(1 << 60)));
        let mut splitter = Splitter::new(StreamId::new(1), 4);
        let body = br#"[{"entity":"a"},{"entity":"a"},{"entity":"a"}]"#;
        let problem = split(body, 2, None, &mut composer, &mut splitter).expect_err("three");
        assert_eq!(problem.code, Code::TooLarge);
    }

    #[test]
    fn a_long_array_is_cut_into_numbered_parts() {
        let body = format!("[{}]", vec![r#"{"entity":"a"}"#; PART_LINES + 1].join(","));
        let (pieces, _) = cut(body.as_bytes()).expect("fine");
        let firsts: Vec<u64> = pieces.iter().map(|piece| piece.first_line).collect();
        assert_eq!(firsts, [1, PART_LINES as u64 + 1]);
    }
}

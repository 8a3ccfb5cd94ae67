//! Bodies of JSON or NDJSON, rendered beforehand: only the digits of their
//! times are written again when they are sent. Called by `http`.

use std::fmt::Write as _;

use bytes::{Bytes, BytesMut};

use crate::pace::Times;
use crate::workload::{Draw, key};

/// Digits of a time in nanoseconds, from 2001 to 2262.
const DIGITS: usize = 19;

/// How events are put together to a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// One per line.
    Lines,
    /// One array.
    Array,
}

/// One body and where its times are.
#[derive(Debug)]
pub(crate) struct Body {
    text: BytesMut,
    times: Vec<u32>,
    /// Without times the node uses the time of arrival.
    events: usize,
}

impl Body {
    /// Renders the events of a draw; with `times` unlike `Arrival`, with a time
    /// in each.
    pub(crate) fn new(form: Form, draw: &Draw, times: Times) -> Self {
        let mut text = String::new();
        let mut marks = Vec::new();
        for (row, (position, value)) in draw.entity.iter().zip(&draw.value).enumerate() {
            text.push_str(match (form, row) {
                (Form::Lines, _) => "",
                (Form::Array, 0) => "[",
                (Form::Array, _) => ",",
            });
            let entity = key(draw.keys[*position as usize]);
            let _infallible = write!(text, "{{\"entity\":\"{entity}\",");
            if let Times::Spread { .. } = times {
                text.push_str("\"timestamp\":");
                marks.push(text.len() as u32);
                text.push_str("1000000000000000000,");
            }
            let _infallible = write!(text, "\"value\":{value}}}");
            if form == Form::Lines {
                text.push('\n');
            }
        }
        if form == Form::Array {
            text.push(']');
        }
        Self { text: text.as_bytes().into(), times: marks, events: draw.value.len() }
    }

    /// Returns how many events it holds.
    pub(crate) fn events(&self) -> usize {
        self.events
    }

    /// Writes the times and hands the text out; [`Self::give_back`] returns it.
    pub(crate) fn take(&mut self, times: Times) -> Bytes {
        if let Times::Spread { first, spacing } = times {
            for (row, start) in self.times.iter().enumerate() {
                let start = *start as usize;
                let time = first + row as i64 * spacing;
                write_digits(&mut self.text[start..start + DIGITS], time.unsigned_abs());
            }
        }
        std::mem::take(&mut self.text).freeze()
    }

    /// Takes the text back after it was sent.
    pub(crate) fn give_back(&mut self, text: Bytes) {
        self.text = text.try_into_mut().unwrap_or_else(|held| BytesMut::from(&held[..]));
    }
}

fn write_digits(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Skew, Workload};

    const TIMES: Times = Times::Spread { first: 1_763_000_000_000_000_000, spacing: 7 };

    fn draw() -> Draw {
        Workload::new(9, Skew::Uniform, 3).unwrap().draw(20)
    }

    #[test]
    fn every_line_is_an_event_with_its_time() {
        let draw = draw();
        let mut body = Body::new(Form::Lines, &draw, TIMES);
        for round in 0..2 {
            let times = Times::Spread { first: 1_763_000_000_000_000_000 + round, spacing: 7 };
            let text = body.take(times);
            let lines: Vec<serde_json::Value> = str::from_utf8(&text)
                .unwrap()
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect();
            assert_eq!(lines.len(), 20);
            assert_eq!(lines[19]["timestamp"], 1_763_000_000_000_000_133_i64 + round);
            assert_eq!(lines[19]["value"], draw.value[19]);
            assert_eq!(lines[0]["entity"], key(draw.keys[draw.entity[0] as usize]));
            body.give_back(text);
        }
    }

    #[test]
    fn an_array_holds_them_all() {
        let text = Body::new(Form::Array, &draw(), Times::Arrival).take(Times::Arrival);
        let events: Vec<serde_json::Value> = serde_json::from_slice(&text).unwrap();
        assert_eq!(events.len(), 20);
        assert!(events[3].get("timestamp").is_none());
    }

    #[test]
    fn a_text_still_held_is_copied() {
        let mut body = Body::new(Form::Lines, &draw(), TIMES);
        let text = body.take(TIMES);
        let held = text.clone();
        body.give_back(text);
        assert_eq!(body.take(TIMES), held);
    }
}

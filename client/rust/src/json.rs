//! One event as one line of NDJSON, and how long that is: written without a tree,
//! since it is done for every event.

use std::fmt::Write;

/// A number of microseconds within these is read as such by every node, and is
/// exact in every reader of JSON.
const PLAIN_MICROS: std::ops::Range<i64> = 100_000_000_000_000..(1 << 53);
/// The longest text of a finite number.
const NUMBER: usize = 24;

/// Writes a text with its quotes.
pub(crate) fn quote(text: &str, out: &mut String) {
    out.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[from..at]);
        from = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\t' => out.push_str("\\t"),
            b'\r' => out.push_str("\\r"),
            _ => write!(out, "\\u{byte:04x}").expect("a String takes everything"),
        }
    }
    out.push_str(&text[from..]);
    out.push('"');
}

/// Returns the length of a text with its quotes.
pub(crate) fn quoted_len(text: &str) -> usize {
    let extra = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\t' | b'\r' => 1,
        0..0x20 => 5,
        _ => 0,
    };
    2 + text.len() + text.bytes().map(extra).sum::<usize>()
}

/// Writes a finite number, so that reading it gives the same.
pub(crate) fn number(value: f64, out: &mut String) {
    out.push_str(&serde_json::Number::from_f64(value).map_or_else(String::new, |n| n.to_string()));
}

/// Returns a bound on the length of a finite number.
pub(crate) fn number_len(value: f64) -> usize {
    let size = value.abs();
    if value.trunc() != value || size >= 1e15 {
        return NUMBER;
    }
    let digits = (size as u64).checked_ilog10().map_or(1, |log| log as usize + 1);
    digits + 2 + usize::from(value.is_sign_negative())
}

/// Writes a time, nanoseconds since 1970: whole microseconds as a number, a finer
/// one as RFC 3339.
pub(crate) fn time(nanos: i64, out: &mut String) {
    let micros = nanos.div_euclid(1_000);
    if nanos.rem_euclid(1_000) == 0 && PLAIN_MICROS.contains(&micros) {
        write!(out, "{micros}").expect("a String takes everything");
        return;
    }
    let (seconds, fraction) = (nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000));
    let (day, clock) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, date) = civil(day);
    let (hour, minute, second) = (clock / 3_600, clock / 60 % 60, clock % 60);
    write!(
        out,
        "\"{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}.{fraction:09}Z\""
    )
    .expect("a String takes everything");
}

/// Returns a bound on the length of a time.
pub(crate) fn time_len(nanos: i64) -> usize {
    let is_plain = nanos % 1_000 == 0 && PLAIN_MICROS.contains(&(nanos / 1_000));
    if is_plain { 16 } else { 32 }
}

/// Year, month and day of a day since 1970 in the Gregorian calendar: years are
/// counted from March, so that a leap day is the last of its year.
fn civil(day: i64) -> (i64, i64, i64) {
    let from_march = day + 719_468;
    let (era, of_era) = (from_march.div_euclid(146_097), from_march.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let is_next_year = month >= 10;
    (
        era * 400 + year + i64::from(is_next_year),
        if is_next_year { month - 9 } else { month + 3 },
        date,
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut String)) -> String {
        let mut out = String::new();
        write(&mut out);
        out
    }

    proptest! {
        #[test]
        fn every_text_is_read_back_and_as_long_as_told(text in ".*|[\\x00-\\x7f]*") {
            let json = written(|out| quote(&text, out));
            prop_assert_eq!(json.len(), quoted_len(&text));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }

        #[test]
        fn every_number_is_no_longer_than_told(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            for value in [value, value.trunc(), (bits >> 20) as f64] {
                let json = written(|out| number(value, out));
                prop_assert!(json.len() <= number_len(value), "{json}");
                prop_assert_eq!(json.parse::<f64>().unwrap().to_bits(), value.to_bits());
            }
        }

        #[test]
        fn every_time_is_read_back(nanos in 0..4_000_000_000_000_000_000_i64) {
            for nanos in [nanos, nanos / 1_000 * 1_000] {
                let json = written(|out| time(nanos, out));
                prop_assert!(json.len() <= time_len(nanos), "{json}");
                let back = match json.parse::<i64>() {
                    Ok(micros) => micros * 1_000,
                    Err(_) => {
                        let at: jiff::Timestamp = json.trim_matches('"').parse().unwrap();
                        i64::try_from(at.as_nanosecond()).unwrap()
                    }
                };
                prop_assert_eq!(back, nanos);
            }
        }
    }
}

//! When an event happened: RFC 3339 or a number whose magnitude tells its
//! unit. Owns the reading of time stamps and the bounds on event time; reads no
//! clock itself: "now" is given.

use std::borrow::Cow;
use std::io::Write as _;
use std::time::Duration;

use jiff::civil::DateTime;
use via_types::{Timestamp, limit};

use super::refusal::{Fault, RowCode};

/// A time stamp as it was written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Stamp<'a> {
    /// A whole number of an unnamed unit.
    Whole(i64),
    /// A number with a fraction.
    Real(f64),
    /// Text.
    Text(Cow<'a, str>),
}

/// Below this a number counts seconds (year 5138), below a thousand times it
/// milliseconds, and so on.
const SECONDS_BELOW: u64 = 100_000_000_000;

/// Returns how many nanoseconds one unit of a number of this magnitude has.
const fn unit(magnitude: u64) -> i64 {
    if magnitude < SECONDS_BELOW {
        1_000_000_000
    } else if magnitude < SECONDS_BELOW * 1_000 {
        1_000_000
    } else if magnitude < SECONDS_BELOW * 1_000_000 {
        1_000
    } else {
        1
    }
}

impl Stamp<'_> {
    /// Reads it as nanoseconds since 1970.
    pub(crate) fn nanos(&self) -> Result<i64, Fault> {
        match self {
            Self::Whole(number) => Ok(number.saturating_mul(unit(number.unsigned_abs()))),
            Self::Real(number) => real(*number).ok_or_else(|| RowCode::BadTimestamp.into()),
            Self::Text(text) => text_nanos(text),
        }
    }
}

fn real(number: f64) -> Option<i64> {
    let magnitude = number.abs();
    if !number.is_finite() || magnitude >= 9.2e18 {
        return None;
    }
    if magnitude < 1e-9 {
        return Some(0);
    }
    // The shortest decimal that means this double is what was written, unless it
    // had more digits than a double holds; arithmetic would add false ones.
    let mut text = [0; 48];
    let mut rest = &mut text[..];
    write!(rest, "{number}").ok()?;
    let unused = rest.len();
    decimal(str::from_utf8(&text[..text.len() - unused]).ok()?)
}

/// Reads digits with a fraction exactly, to the nanosecond.
fn decimal(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !plain(whole) || !plain(fraction) {
        return None;
    }
    let whole: i64 = whole.parse().ok()?;
    let mut place = unit(whole.unsigned_abs());
    let mut nanos = whole.saturating_mul(place);
    for digit in fraction.bytes() {
        if place == 1 {
            nanos = nanos.saturating_add(i64::from(digit >= b'5'));
            break;
        }
        place /= 10;
        nanos = nanos.saturating_add(i64::from(digit - b'0') * place);
    }
    Some(sign * nanos)
}

fn text_nanos(text: &str) -> Result<i64, Fault> {
    let bad = || {
        let shown: String = text.chars().take(64).collect();
        Fault::new(
            RowCode::BadTimestamp,
            format!("timestamp {shown:?} is neither RFC 3339 nor epoch s, ms, µs or ns"),
        )
    };
    if let Ok(number) = text.parse::<i64>() {
        return Stamp::Whole(number).nanos();
    }
    if text.len() > 64 {
        return Err(bad());
    }
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        // Beyond the representable years is far in the future or past.
        return Ok(time.as_nanosecond().clamp(i64::MIN.into(), i64::MAX.into()) as i64);
    }
    // The last day that can be written is beyond the range of an instant; who writes
    // it means for ever.
    let civil = text.strip_suffix(['Z', 'z']).and_then(|text| text.parse::<DateTime>().ok());
    if civil.is_some_and(|civil| civil.year() == 9999) {
        return Ok(i64::MAX);
    }
    decimal(text).or_else(|| text.parse::<f64>().ok().and_then(real)).ok_or_else(bad)
}

/// The event times accepted at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Era {
    /// What an event without a time gets.
    pub(crate) now: i64,
    earliest: i64,
    latest: i64,
}

impl Era {
    /// Makes the bounds that hold at `now`.
    pub(crate) fn at(now: Timestamp) -> Self {
        Self {
            now: now.as_nanos(),
            earliest: limit::EARLIEST_SECS * 1_000_000_000,
            latest: now.saturating_add(Duration::from_secs(limit::FUTURE_SECS)).as_nanos(),
        }
    }

    /// Refuses a time outside the bounds.
    pub(crate) fn check(&self, at: i64) -> Result<(), RowCode> {
        if at > self.latest {
            Err(RowCode::TimestampInFuture)
        } else if at < self.earliest {
            Err(RowCode::TimestampTooOld)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_700_000_000_000_000_000;

    #[test]
    fn a_number_says_its_unit_by_its_magnitude() {
        for number in [1_700_000_000, 1_700_000_000_000, 1_700_000_000_000_000, NOON] {
            assert_eq!(Stamp::Whole(number).nanos(), Ok(NOON));
        }
        assert_eq!(Stamp::Real(1_700_000_000.25).nanos(), Ok(NOON + 250_000_000));
        assert_eq!(Stamp::Real(1_700_000_000_000.5).nanos(), Ok(NOON + 500_000));
        assert_eq!(Stamp::Whole(-1).nanos(), Ok(-1_000_000_000));
        assert_eq!(Stamp::Whole(0).nanos(), Ok(0));
    }

    #[test]
    fn a_fraction_keeps_its_digits_and_gains_none() {
        for (text, nanos) in [
            ("1700000000.395", NOON + 395_000_000),
            ("1700000000.1", NOON + 100_000_000),
            ("1700000000.000001", NOON + 1_000),
            ("1700000000395.25", NOON + 395_250_000),
            ("1700000000395250.5", NOON + 395_250_500),
            ("0.3", 300_000_000),
            ("-0.3", -300_000_000),
        ] {
            assert_eq!(Stamp::Real(text.parse().unwrap()).nanos(), Ok(nanos), "{text}");
            assert_eq!(Stamp::Text(text.into()).nanos(), Ok(nanos), "{text} as text");
        }
        let exact = Stamp::Text("1700000000.1234567894".into());
        assert_eq!(exact.nanos(), Ok(NOON + 123_456_789));
        assert_eq!(Stamp::Text("1700000000.1234567895".into()).nanos(), Ok(NOON + 123_456_790));
        assert_eq!(Stamp::Real(1e-300).nanos(), Ok(0));
        assert_eq!(Stamp::Real(1.7e9).nanos(), Ok(NOON));
    }

    #[test]
    fn text_is_rfc_3339_or_a_number() {
        assert_eq!(Stamp::Text("2023-11-14T22:13:20Z".into()).nanos(), Ok(NOON));
        assert_eq!(Stamp::Text("2023-11-14T23:13:20.000000001+01:00".into()).nanos(), Ok(NOON + 1));
        for far in ["2999-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999Z"] {
            assert_eq!(Stamp::Text(far.into()).nanos(), Ok(i64::MAX), "{far}");
        }
        assert_eq!(Stamp::Text("1700000000".into()).nanos(), Ok(NOON));
        assert_eq!(Stamp::Text("1700000000.5".into()).nanos(), Ok(NOON + 500_000_000));
    }

    #[test]
    fn what_iso_8601_allows_beyond_that_is_read_if_it_names_its_offset() {
        for text in
            ["2023-11-14 22:13:20Z", "20231114T221320Z", "2023-11-14T23:13:20+01:00[Europe/Paris]"]
        {
            assert_eq!(Stamp::Text(text.into()).nanos(), Ok(NOON), "{text}");
        }
        assert_eq!(Stamp::Text("2023-11-14T22:13Z".into()).nanos(), Ok(NOON - 20_000_000_000));
        assert!(Stamp::Text("2023-11-14T22:13:20".into()).nanos().is_err(), "where?");
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in [
            "",
            "yesterday",
            "2023-02-30T00:00:00Z",
            "NaN",
            "1e999",
            "2023-11-14",
            "9999-13-31T23:59:59Z",
        ] {
            let fault = Stamp::Text(text.into()).nanos().expect_err(text);
            assert_eq!(fault.code, RowCode::BadTimestamp, "{text}");
        }
        assert!(Stamp::Text("1".repeat(10_000).into()).nanos().is_err());
        assert!(Stamp::Real(f64::NAN).nanos().is_err());
    }

    #[test]
    fn refuses_times_far_ahead_and_before_1970() {
        let era = Era::at(Timestamp::from_nanos(NOON));
        assert_eq!(era.check(NOON + 300_000_000_000), Ok(()));
        assert_eq!(era.check(NOON + 300_000_000_001), Err(RowCode::TimestampInFuture));
        assert_eq!(era.check(0), Ok(()));
        assert_eq!(era.check(-1), Err(RowCode::TimestampTooOld));
    }
}

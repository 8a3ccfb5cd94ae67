//! Times as people write them in tables: which form a column has, and reading
//! it. Knows nothing of columns' names or of the engine.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use via_types::Timestamp;

/// Epoch numbers of this many digits or fewer count that unit; today's dates
/// have 10, 13, 16 and 19.
const UNITS: [(f64, i64); 3] = [(1e11, 1_000_000_000), (1e14, 1_000_000), (1e17, 1_000)];
/// 2000-01-01 and 2100-01-01, seconds since the epoch.
const PLAUSIBLE_SECS: std::ops::RangeInclusive<f64> = 946_684_800.0..=4_102_444_800.0;

/// How a column writes time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// RFC 3339, or `YYYY-MM-DD HH:MM:SS` taken as UTC.
    Calendar,
    /// A number counting units of this many nanoseconds since 1970.
    Epoch(i64),
}

/// Returns the form that nine in ten of the texts have: a clock that failed
/// once makes no other column of it. None when there is none, or no text.
pub(crate) fn form_of<'a>(texts: impl Iterator<Item = &'a str> + Clone) -> Option<Form> {
    let total = texts.clone().count();
    let is_most = |part: usize| total > 0 && part * 10 >= total * 9;
    if is_most(texts.clone().filter(|text| calendar(text).is_some()).count()) {
        return Some(Form::Calendar);
    }
    let numbers = texts.filter_map(super::columns::number);
    if !is_most(numbers.clone().count()) {
        return None;
    }
    let largest = numbers.fold(0.0f64, |largest, number| largest.max(number.abs()));
    let unit = UNITS.iter().find(|(bound, _)| largest < *bound).map_or(1, |(_, unit)| *unit);
    Some(Form::Epoch(unit))
}

impl Form {
    /// Reads one time; none when the text is not of this form or does not fit.
    pub(crate) fn read(self, text: &str) -> Option<Timestamp> {
        match self {
            Self::Calendar => calendar(text),
            Self::Epoch(unit) => epoch(text.trim(), unit),
        }
    }

    /// Says whether a number column reads like dates of this century, so that
    /// it may be taken for time without its name saying so.
    pub(crate) fn is_plausible(self, text: &str) -> bool {
        match self {
            Self::Calendar => true,
            Self::Epoch(_) => {
                self.read(text).is_some_and(|at| PLAUSIBLE_SECS.contains(&at.as_secs_f64()))
            }
        }
    }

    /// Returns its name for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Calendar => "date and time",
            Self::Epoch(1_000_000_000) => "seconds since 1970",
            Self::Epoch(1_000_000) => "milliseconds since 1970",
            Self::Epoch(1_000) => "microseconds since 1970",
            Self::Epoch(_) => "nanoseconds since 1970",
        }
    }
}

fn calendar(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    // The shortest is a bare date; this also keeps numbers from being dates.
    if text.len() < 10 || text.as_bytes()[4] != b'-' {
        return None;
    }
    let instant = match text.parse::<jiff::Timestamp>() {
        Ok(instant) => instant,
        Err(_) => text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp(),
    };
    i64::try_from(instant.as_nanosecond()).ok().map(Timestamp::from_nanos)
}

/// Reads whole digits exactly and keeps nine digits of a fraction.
fn epoch(text: &str, unit: i64) -> Option<Timestamp> {
    if let Ok(whole) = text.parse::<i64>() {
        return whole.checked_mul(unit).map(Timestamp::from_nanos);
    }
    let number: f64 = text.parse().ok()?;
    let nanos = number * unit as f64;
    if !nanos.is_finite() || nanos.abs() >= i64::MAX as f64 {
        return None;
    }
    let exact = text.split_once('.').and_then(|(whole, fraction)| {
        if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let whole: i64 = whole.parse().ok()?;
        let fraction: f64 = format!("0.{fraction}").parse().ok()?;
        let part = (fraction * unit as f64).round() as i64;
        let part = if text.starts_with('-') { -part } else { part };
        whole.checked_mul(unit)?.checked_add(part)
    });
    Some(Timestamp::from_nanos(exact.unwrap_or(nanos as i64)))
}

/// Writes a time for people: to the second, or as precisely as it is.
pub(crate) fn show(at: Timestamp) -> String {
    let Ok(instant) = jiff::Timestamp::from_nanosecond(i128::from(at.as_nanos())) else {
        return at.to_string();
    };
    let civil = instant.to_zoned(TimeZone::UTC).datetime();
    civil.to_string().replacen('T', " ", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(texts: &[&str]) -> Option<Form> {
        form_of(texts.iter().copied())
    }

    #[test]
    fn every_documented_form_is_recognised_and_means_the_same() {
        let expected = Timestamp::from_nanos(1_396_310_400_000_000_000);
        for text in [
            "2014-04-01 00:00:00",
            "2014-04-01T00:00:00Z",
            "2014-04-01T02:00:00+02:00",
            "2014-04-01 00:00:00.000",
            "2014-04-01",
            "1396310400",
            "1396310400.0",
            "1396310400000",
            "1396310400000000",
            "1396310400000000000",
        ] {
            let form = form(&[text]).expect(text);
            assert_eq!(form.read(text), Some(expected), "{text} as {}", form.name());
            assert!(form.is_plausible(text));
        }
    }

    #[test]
    fn a_fraction_of_a_second_is_kept_exactly() {
        let form = Form::Epoch(1_000_000_000);
        assert_eq!(
            form.read("1396310400.25"),
            Some(Timestamp::from_nanos(1_396_310_400_250_000_000))
        );
        assert_eq!(form.read("-1.5"), Some(Timestamp::from_nanos(-1_500_000_000)));
        assert_eq!(form.read("1.5e3"), Some(Timestamp::from_nanos(1_500_000_000_000)));
    }

    #[test]
    fn what_is_not_a_time_is_refused() {
        assert_eq!(form(&[]), None);
        assert_eq!(form(&["yesterday"]), None);
        assert_eq!(form(&["2014-04-01 00:00:00", "1"]), None);
        assert_eq!(Form::Calendar.read("2014-13-01 00:00:00"), None);
        assert_eq!(Form::Epoch(1_000_000_000).read("9999999999999999999"), None);
        assert_eq!(Form::Epoch(1).read("NaN"), None);
        assert!(!Form::Epoch(1_000_000_000).is_plausible("42"));
    }

    #[test]
    fn a_time_is_shown_as_people_write_it() {
        assert_eq!(show(Timestamp::from_nanos(1_396_310_400_000_000_000)), "2014-04-01 00:00:00");
    }
}

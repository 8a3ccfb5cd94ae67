//! Dates as people spell them, with the year first or the month in letters, and
//! what may stand around them: a weekday, a time of day, a zone. Refuses what
//! may mean two days; figures with the year last are `moment`'s.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use via_types::Timestamp;

use super::moment::hour;

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
/// Years that eight digits in a row may begin with, so that numbers stay numbers.
const COMPACT_YEARS: std::ops::RangeInclusive<i16> = 1900..=2100;

/// Reads `2024/01/15 00:00`, `2024-01-15 12:00:00 AM`, `20240115T000000Z`,
/// `15 Jan 2024 00:00:00 +0100`, `Jan 15, 2024`, `15/Jan/2024:00:00:00 +0000` and
/// the like; UTC when no zone is named.
pub(super) fn read(text: &str) -> Option<Timestamp> {
    let (text, offset_secs) = zone(text.trim());
    let mut words = text
        .split([' ', ','])
        .filter(|word| !word.is_empty())
        .skip_while(|word| position(&DAYS, word).is_some());
    let (date, beside) = date(words.next()?, &mut words)?;
    let mut time = beside.to_owned();
    for word in words {
        if !time.is_empty() {
            time.push(' ');
        }
        time.push_str(word);
    }
    let time = if time.is_empty() { Time::midnight() } else { clock(&time)? };
    let instant = date.to_datetime(time).to_zoned(TimeZone::UTC).ok()?.timestamp();
    let nanos = instant.as_nanosecond() - i128::from(offset_secs) * 1_000_000_000;
    i64::try_from(nanos).ok().map(Timestamp::from_nanos)
}

/// Takes the zone from the end of a text: its offset from UTC in seconds.
fn zone(text: &str) -> (&str, i64) {
    for name in [" UTC", " GMT", " Z", "Z"] {
        if let Some(rest) = text.strip_suffix(name) {
            return (rest.trim_end(), 0);
        }
    }
    // Only behind a time of day: a date has such signs of its own.
    let found = text.rfind(['+', '-']).filter(|at| text[..*at].contains(':'));
    let offset = found.and_then(|at| {
        let figures = text[at + 1..].replacen(':', "", 1);
        let is_figures = figures.bytes().all(|byte| byte.is_ascii_digit());
        let (hours, minutes) = match figures.len() {
            2 if is_figures => (figures.parse::<i64>().ok()?, 0),
            4 if is_figures => (figures[..2].parse().ok()?, figures[2..].parse::<i64>().ok()?),
            _ => return None,
        };
        let secs = (hours * 60 + minutes) * 60;
        Some((text[..at].trim_end(), if text[at..].starts_with('-') { -secs } else { secs }))
    });
    offset.unwrap_or((text, 0))
}

/// Reads the date that begins with `first`, and what else that word holds.
fn date<'a>(first: &'a str, words: &mut impl Iterator<Item = &'a str>) -> Option<(Date, &'a str)> {
    if let Some(found) = compact(first) {
        return Some(found);
    }
    if let Some(month) = position(&MONTHS, first) {
        let (day, year) = (words.next()?, words.next()?);
        return Some((dated(year, month, day)?, ""));
    }
    let Some(sign) = ['/', '-', '.'].into_iter().find(|sign| first.contains(*sign)) else {
        let (month, year) = (position(&MONTHS, words.next()?)?, words.next()?);
        return Some((dated(year, month, first)?, ""));
    };
    // A time may follow without a space: after `T`, or as web servers write it.
    let is_joined = first.as_bytes().get(10) == Some(&b'T');
    let (day, beside) = if is_joined {
        (&first[..10], &first[11..])
    } else {
        first.split_once(':').unwrap_or((first, ""))
    };
    let mut parts = day.split(sign);
    let (one, two, three) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let found = match position(&MONTHS, two) {
        Some(month) => dated(three, month, one)?,
        None => dated(one, figure(two)?, three)?,
    };
    Some((found, beside))
}

/// Reads `YYYYMMDD`, and hours, minutes and seconds behind it.
fn compact(word: &str) -> Option<(Date, &str)> {
    let (day, rest) = word.split_at_checked(8).filter(|(day, _)| is_digits(day))?;
    let rest = rest.strip_prefix('T').unwrap_or(rest);
    let is_time = rest.is_empty() || (matches!(rest.len(), 4 | 6) && is_digits(rest));
    let year = day[..4].parse().ok().filter(|year| COMPACT_YEARS.contains(year));
    let date = Date::new(year?, day[4..6].parse().ok()?, day[6..].parse().ok()?).ok()?;
    is_time.then_some((date, rest))
}

fn dated(year: &str, month: i8, day: &str) -> Option<Date> {
    let is_year = year.len() == 4 && is_digits(year);
    Date::new(year.parse().ok().filter(|_| is_year)?, month, figure(day)?).ok()
}

/// Reads a day or a month of one figure or two.
fn figure(text: &str) -> Option<i8> {
    text.parse().ok().filter(|_| text.len() <= 2 && is_digits(text))
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Reads `HHMM` and `HHMMSS`, and what has colons.
fn clock(text: &str) -> Option<Time> {
    if !is_digits(text) {
        return hour(text);
    }
    let part = |from: usize| figure(text.get(from..from + 2)?);
    let seconds = if text.len() == 6 { part(4)? } else { 0 };
    let is_clock = matches!(text.len(), 4 | 6);
    Time::new(part(0).filter(|_| is_clock)?, part(2)?, seconds, 0).ok()
}

/// Returns which of the names a word is or begins, by three letters at least; from 1.
fn position(names: &[&str], word: &str) -> Option<i8> {
    let word = word.trim_end_matches('.').to_ascii_lowercase();
    let found = names.iter().position(|name| word.len() >= 3 && name.starts_with(&word));
    found.and_then(|at| i8::try_from(at + 1).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_moment_is_read_however_it_is_spelled() {
        let expected = Timestamp::from_nanos(1_705_322_130_000_000_000);
        for text in [
            "2024/01/15 12:35:30",
            "2024.01.15 12:35:30",
            "2024/1/15 12:35:30",
            "2024/01/15T12:35:30",
            "2024-01-15 12:35:30 UTC",
            "2024-01-15 14:35:30 +0200",
            "2024-01-15 14:35:30 +02:00",
            "2024-01-15 11:05:30 -0130",
            "2024-01-15 12:35:30 PM",
            "20240115123530",
            "20240115T123530",
            "20240115T123530Z",
            "20240115 12:35:30",
            "15-Jan-2024 12:35:30",
            "15 Jan 2024 12:35:30",
            "15 January 2024 12:35:30 GMT",
            "Jan 15, 2024 12:35:30",
            "January 15 2024 12:35:30 PM",
            "Mon, 15 Jan 2024 12:35:30 +0000",
            "Monday 2024-01-15 12:35:30",
            "15/Jan/2024:12:35:30 +0000",
            "15/Jan/2024:13:35:30 +01",
        ] {
            assert_eq!(read(text), Some(expected), "{text}");
        }
        let midnight = Some(Timestamp::from_nanos(1_705_276_800_000_000_000));
        for text in ["2024/01/15", "20240115", "15-JAN-2024", "Jan 15, 2024", "20240115 0000"] {
            assert_eq!(read(text), midnight, "{text}");
        }
    }

    #[test]
    fn what_may_mean_two_moments_or_none_is_refused() {
        for odd in [
            "",
            "2024/13/15",
            "2024/02/30 00:00",
            "15/01/2024",
            "24/01/15",
            "15 Jan 24",
            "Jan 2024",
            "15 Foo 2024",
            "Ma 15 2024",
            "2024/01/15 25:00",
            "2024/01/15 12:35 CET",
            "2024/01/15 12:35 1",
            "2024/01/15/16",
            "18240115",
            "20241315",
            "1700000000",
            "1700000000000",
            "2024011512",
            "5.25",
            "10.0.0.1",
            "a-b-c",
            "é/é/éé",
        ] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }
}

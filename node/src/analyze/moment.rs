//! Times as people write them in tables: which form a column has, and reading
//! it. Knows nothing of columns' names or of the engine.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use via_types::Timestamp;

use super::civil;
use super::decimal::Decimal;

/// Epoch numbers of this many digits or fewer count that unit; today's dates
/// have 10, 13, 16 and 19.
const UNITS: [(f64, i64); 3] = [(1e11, 1_000_000_000), (1e14, 1_000_000), (1e17, 1_000)];
/// 2000-01-01 and 2100-01-01, seconds since the epoch.
const PLAUSIBLE_SECS: std::ops::RangeInclusive<f64> = 946_684_800.0..=4_102_444_800.0;

/// How a column writes time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// RFC 3339, `YYYY-MM-DD HH:MM:SS` taken as UTC, or what else begins with the
    /// year or has the month in letters.
    Calendar,
    /// `DD.MM.YYYY`, with `-` or `/` as well, and a time or none; taken as UTC.
    DayFirst,
    /// `MM/DD/YYYY`, likewise.
    MonthFirst,
    /// A number counting units of this many nanoseconds since 1970.
    Epoch(i64),
}

/// What the texts of a column say about its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// This one.
    Is(Form),
    /// Days and months in figures, and no day above the 12th to tell which is
    /// which.
    DayOrMonth,
}

/// Returns the form that nine in ten of the texts have: a clock that failed
/// once makes no other column of it. None when there is none, or no text.
pub(crate) fn form_of<'a>(texts: impl Iterator<Item = &'a str> + Clone) -> Option<Told> {
    if is_most_of(texts.clone(), |text| calendar(text).is_some()) {
        return Some(Told::Is(Form::Calendar));
    }
    let mut orders = Orders::default();
    texts.clone().for_each(|text| orders.add(text));
    if orders.are_dates() {
        return orders.told();
    }
    if !is_most_of(texts.clone(), |text| Decimal::Point.read(text).is_some()) {
        return None;
    }
    let numbers = texts.filter_map(|text| Decimal::Point.read(text));
    let largest = numbers.fold(0.0f64, |largest, number| largest.max(number.abs()));
    let unit = UNITS.iter().find(|(bound, _)| largest < *bound).map_or(1, |(_, unit)| *unit);
    Some(Told::Is(Form::Epoch(unit)))
}

/// Says whether nine in ten texts, of at least one, are as wanted.
pub(crate) fn is_most_of<'a>(
    texts: impl Iterator<Item = &'a str> + Clone,
    is_wanted: impl Fn(&str) -> bool,
) -> bool {
    let total = texts.clone().count();
    is_most(texts.filter(|text| is_wanted(text)).count(), total)
}

fn is_most(part: usize, total: usize) -> bool {
    total > 0 && part * 10 >= total * 9
}

/// Whether days or months come first in a column of figures.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Orders {
    total: usize,
    dates: usize,
    /// Dates that would be other ones the other way round.
    differing: usize,
    day_first: usize,
    month_first: usize,
    /// Dates whose year has two figures, read with the day, the month and the year
    /// first.
    short: [Span; 3],
}

/// The first and the last of some dates.
#[derive(Clone, Copy, Debug, Default)]
struct Span(Option<(i64, i64)>);

impl Span {
    fn add(&mut self, at: Timestamp) {
        let at = at.as_nanos();
        self.0 = Some(self.0.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
    }

    fn length(self) -> Option<i64> {
        self.0.map(|(first, last)| last.saturating_sub(first))
    }
}

impl Orders {
    /// Looks at one more text.
    pub(crate) fn add(&mut self, text: &str) {
        self.total += 1;
        let (day, month) = (Form::DayFirst.read(text), Form::MonthFirst.read(text));
        self.dates += usize::from(day.is_some() || month.is_some());
        self.differing += usize::from(day != month);
        self.day_first += usize::from(month.is_none() && day.is_some());
        self.month_first += usize::from(day.is_none() && month.is_some());
        if let Some(year_first) = year_first(text) {
            let read = [day, month, Some(year_first)];
            for (span, read) in self.short.iter_mut().zip(read) {
                read.into_iter().for_each(|at| span.add(at));
            }
        }
    }

    /// Says whether two figures that might be a year stand first rather than last:
    /// read so, the dates lie closer together. Such a form is not read at all.
    fn is_year_first(&self) -> bool {
        let [day, month, year] = self.short.map(Span::length);
        let last = day.into_iter().chain(month).min();
        year.zip(last).is_some_and(|(first, last)| first < last)
    }

    fn are_dates(&self) -> bool {
        is_most(self.dates, self.total)
    }

    /// Returns what the texts so far say; none when they contradict each other.
    fn told(&self) -> Option<Told> {
        if self.is_year_first() {
            return None;
        }
        let telling = self.day_first + self.month_first;
        if telling == 0 {
            Some(Told::DayOrMonth)
        } else if is_most(self.day_first, telling) {
            Some(Told::Is(Form::DayFirst))
        } else {
            is_most(self.month_first, telling).then_some(Told::Is(Form::MonthFirst))
        }
    }

    /// Returns the form, given that no more texts follow; none when both are
    /// possible and differ.
    pub(crate) fn decide(&self) -> Option<Form> {
        match self.told()? {
            Told::Is(form) => Some(form),
            Told::DayOrMonth => (self.differing == 0).then_some(Form::DayFirst),
        }
    }
}

impl Form {
    /// Reads one time; none when the text is not of this form or does not fit.
    pub(crate) fn read(self, text: &str) -> Option<Timestamp> {
        match self {
            Self::Calendar => calendar(text),
            Self::DayFirst => figures(text, |day, month, year| Date::new(year, month, day).ok()),
            Self::MonthFirst => figures(text, |month, day, year| Date::new(year, month, day).ok()),
            Self::Epoch(unit) => epoch(text.trim(), unit),
        }
    }

    /// Says whether a number column reads like dates of this century, so that
    /// it may be taken for time without its name saying so.
    pub(crate) fn is_plausible(self, text: &str) -> bool {
        match self {
            Self::Calendar | Self::DayFirst | Self::MonthFirst => true,
            Self::Epoch(_) => {
                self.read(text).is_some_and(|at| PLAUSIBLE_SECS.contains(&at.as_secs_f64()))
            }
        }
    }

    /// Returns its name for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Calendar => "date and time",
            Self::DayFirst => "day, month, year",
            Self::MonthFirst => "month, day, year",
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
        return civil::read(text);
    }
    let instant = text
        .parse::<jiff::Timestamp>()
        .ok()
        .or_else(|| Some(text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp()));
    let Some(instant) = instant else { return civil::read(text) };
    i64::try_from(instant.as_nanosecond()).ok().map(Timestamp::from_nanos)
}

/// Reads `YY/MM/DD`, to tell whether it is that.
fn year_first(text: &str) -> Option<Timestamp> {
    let date = |year: i8, month: i8, day: i16| {
        Date::new(century(year.into()), month, i8::try_from(day).ok()?).ok()
    };
    let day = text.trim().split([' ', 'T']).next().unwrap_or_default();
    let last = day.rsplit(['.', '/', '-']).next().unwrap_or_default();
    if last.len() == 2 { figures_of(text, 1..=2, date) } else { None }
}

/// Returns the year that two figures mean: 1969 to 2068, as POSIX has it.
fn century(year: i16) -> i16 {
    if year < 69 { 2000 + year } else { 1900 + year }
}

/// Reads a date of three figures, the year last, and the time behind it.
fn figures(text: &str, date: impl Fn(i8, i8, i16) -> Option<Date>) -> Option<Timestamp> {
    let whole = figures_of(text, 4..=4, &date);
    whole.or_else(|| figures_of(text, 2..=2, |one, two, year| date(one, two, century(year))))
}

fn figures_of(
    text: &str,
    lengths: std::ops::RangeInclusive<usize>,
    date: impl Fn(i8, i8, i16) -> Option<Date>,
) -> Option<Timestamp> {
    let text = text.trim();
    let (day, time) = match text.split_once([' ', 'T']) {
        Some((day, time)) => (day, hour(time.trim_start())?),
        None => (text, Time::midnight()),
    };
    let sign = ['.', '/', '-'].into_iter().find(|sign| day.contains(*sign))?;
    let mut parts = day.split(sign);
    let mut figure = |lengths: std::ops::RangeInclusive<usize>| {
        let part = parts.next()?;
        let is_figure = part.bytes().all(|byte| byte.is_ascii_digit());
        (is_figure && lengths.contains(&part.len())).then(|| part.parse::<i16>().ok())?
    };
    let (first, second, year) = (figure(1..=2)?, figure(1..=2)?, figure(lengths)?);
    if parts.next().is_some() {
        return None;
    }
    let date = date(i8::try_from(first).ok()?, i8::try_from(second).ok()?, year)?;
    let instant = date.to_datetime(time).to_zoned(TimeZone::UTC).ok()?.timestamp();
    i64::try_from(instant.as_nanosecond()).ok().map(Timestamp::from_nanos)
}

/// Reads a time of day, whose hour may have one figure and may be counted to
/// twelve: `12:00 AM` is midnight.
pub(super) fn hour(text: &str) -> Option<Time> {
    let half = text.len().checked_sub(2).and_then(|at| text.split_at_checked(at));
    let afternoon = half.and_then(|(_, word)| match word.to_ascii_uppercase().as_str() {
        "AM" => Some(0),
        "PM" => Some(12),
        _ => None,
    });
    let Some((afternoon, (clock, _))) = afternoon.zip(half) else { return whole_hour(text) };
    let time = whole_hour(clock.trim_end()).filter(|time| (1..=12).contains(&time.hour()))?;
    time.with().hour(time.hour() % 12 + afternoon).build().ok()
}

fn whole_hour(text: &str) -> Option<Time> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || b":.".contains(&byte));
    let colon = text.find(':').filter(|_| is_plain)?;
    let padded = if colon == 1 { format!("0{text}") } else { text.to_owned() };
    padded.parse().ok()
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
        match form_of(texts.iter().copied())? {
            Told::Is(form) => Some(form),
            Told::DayOrMonth => None,
        }
    }

    fn decide(texts: &[&str]) -> Option<Form> {
        let mut orders = Orders::default();
        texts.iter().for_each(|text| orders.add(text));
        orders.decide()
    }

    #[test]
    fn a_day_above_the_twelfth_tells_the_order_of_figures() {
        assert_eq!(form(&["01.02.2020", "13.02.2020"]), Some(Form::DayFirst));
        assert_eq!(form(&["1/2/2020 7:05", "1/13/2020 17:05"]), Some(Form::MonthFirst));
        let both = ["01-02-2020 00:00", "02-02-2020 00:00"];
        assert_eq!(form_of(both.into_iter()), Some(Told::DayOrMonth));
        assert_eq!(decide(&both), None);
        assert_eq!(form(&["13.02.2020", "02.13.2020"]), None, "they contradict each other");
        assert_eq!(decide(&["01.01.2020", "02.02.2020"]), Some(Form::DayFirst), "either way");
    }

    #[test]
    fn figures_are_read_with_any_sign_and_time() {
        let expected = Timestamp::from_nanos(1_396_310_400_000_000_000);
        for text in ["01.04.2014", "1-4-2014 0:00", "01/04/2014 00:00:00", "01.04.2014T00:00:00.0"]
        {
            assert_eq!(Form::DayFirst.read(text), Some(expected), "{text}");
        }
        assert_eq!(Form::MonthFirst.read("4/1/2014"), Some(expected));
        for odd in [
            "32.01.2014",
            "1.4.4",
            "1.4.014",
            "1.4-2014",
            "1.4.2014.1",
            "1.4.2014 noon",
            "1.4.2014 00:00Z",
        ] {
            assert_eq!(Form::DayFirst.read(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_year_of_two_figures_is_read_where_it_is_last() {
        let expected = Timestamp::from_nanos(1_396_310_400_000_000_000);
        assert_eq!(Form::DayFirst.read("01.04.14"), Some(expected));
        assert_eq!(Form::MonthFirst.read("4/1/14 0:00"), Some(expected));
        assert!(Form::DayFirst.read("01.04.70").expect("a date") < expected, "of the last century");
        assert_eq!(form(&["30.01.24", "31.01.24", "01.02.24"]), Some(Form::DayFirst));
        assert_eq!(form(&["1/30/24", "1/31/24", "2/1/24"]), Some(Form::MonthFirst));
        for first in [["24/01/15", "24/01/16"], ["24-01-31", "24-02-01"]] {
            assert_eq!(form_of(first.into_iter()), None, "the year is first: {first:?}");
        }
    }

    #[test]
    fn a_clock_of_twelve_hours_is_read() {
        let midnight = Form::MonthFirst.read("03/01/2024").expect("a date");
        for (text, hours) in [
            ("03/01/2024 12:00 AM", 0.0),
            ("3/1/2024 1:30 am", 1.5),
            ("03/01/2024 12:00PM", 12.0),
            ("03/01/2024 12:30:00 PM", 12.5),
            ("03/01/2024 11:00 pm", 23.0),
        ] {
            let read = Form::MonthFirst.read(text);
            let expected = midnight.as_secs_f64() + hours * 3_600.0;
            assert_eq!(read.map(Timestamp::as_secs_f64), Some(expected), "{text}");
        }
        for odd in ["03/01/2024 13:00 PM", "03/01/2024 0:30 AM", "03/01/2024 AM", "03/01/2024 9 AM"]
        {
            assert_eq!(Form::MonthFirst.read(odd), None, "{odd}");
        }
        assert_eq!(form(&["03/13/2024 12:00 AM", "03/14/2024 1:00 PM"]), Some(Form::MonthFirst));
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

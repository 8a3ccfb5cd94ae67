//! What a stream's owner knows of time: business hours and events such as sales,
//! holidays and maintenance. Owns their notation and whether a moment lies within
//! them; refuses to know scores, which they never change. Days are those of a
//! fixed offset from UTC: summer time is not known here.

use serde::{Deserialize, Serialize};

/// Most known events of one stream.
pub const MOST_EVENTS: usize = 100;
/// Longest name of one, bytes.
const NAME_BYTES: usize = 64;
/// A day, seconds.
const DAY: i64 = 86_400;
/// The farthest offset from UTC, minutes.
const FARTHEST: i16 = 14 * 60;

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl Day {
    /// Every day, Monday first.
    pub const ALL: [Self; 7] =
        [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun];

    /// Returns its English name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mon => "Monday",
            Self::Tue => "Tuesday",
            Self::Wed => "Wednesday",
            Self::Thu => "Thursday",
            Self::Fri => "Friday",
            Self::Sat => "Saturday",
            Self::Sun => "Sunday",
        }
    }
}

/// When people are usually at work, and which day it is for them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BusinessHours {
    /// Offset of local time from UTC, minutes, -840..840.
    pub utc_offset_minutes: i16,
    /// Working days.
    pub days: Vec<Day>,
    /// When work begins, `HH:MM`.
    pub from: String,
    /// When it ends, `HH:MM`; before `from` means on the next day.
    pub to: String,
}

impl Default for BusinessHours {
    fn default() -> Self {
        Self {
            utc_offset_minutes: 0,
            days: Day::ALL[..5].to_vec(),
            from: "08:00".to_owned(),
            to: "18:00".to_owned(),
        }
    }
}

/// How often a known event comes again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Every {
    /// Never.
    #[default]
    None,
    /// At the same time each day.
    Day,
    /// At the same time each week.
    Week,
    /// On the same date each year.
    Year,
}

/// Something that is known to happen: a sale, a holiday, a maintenance window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalendarEvent {
    /// What it is called, 1..64 bytes.
    pub name: String,
    /// When it begins: a date or an RFC 3339 time.
    pub from: String,
    /// When it ends: a date, whose day still belongs to it, or an RFC 3339 time.
    pub to: String,
    /// How often it comes again.
    #[serde(default)]
    pub every: Every,
}

/// A moment as people at the place see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    /// Day of the week.
    pub day: Day,
    /// Minute of the day.
    pub minute: u16,
    /// Offset from UTC, minutes.
    pub offset_minutes: i16,
    /// People are at work.
    pub is_business: bool,
}

/// What a stream's owner knows of time, ready to be asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Calendar {
    offset_minutes: i16,
    /// One bit a working day, Monday first.
    days: u8,
    /// Minutes of the day.
    from: u16,
    to: u16,
    events: Vec<Known>,
}

/// An event as spans of seconds since 1970.
#[derive(Clone, Debug, PartialEq)]
struct Known {
    name: String,
    from: i64,
    to: i64,
    every: Every,
    /// Local date of the begin.
    date: (i64, i64, i64),
}

impl Default for Calendar {
    fn default() -> Self {
        Self::usual()
    }
}

impl Calendar {
    /// Returns Monday to Friday, 08:00 to 18:00 UTC, without known events.
    pub const fn usual() -> Self {
        Self { offset_minutes: 0, days: 0b1_1111, from: 8 * 60, to: 18 * 60, events: Vec::new() }
    }

    /// Reads what a configuration says.
    ///
    /// # Errors
    /// What cannot be understood, one `key: what is allowed` each.
    pub fn of(hours: &BusinessHours, events: &[CalendarEvent]) -> Result<Self, Vec<String>> {
        let mut wrong = Vec::new();
        let mut clock = |key: &str, text: &str| {
            minute(text).unwrap_or_else(|| {
                wrong.push(format!(
                    "business_hours.{key} = {text:?}: must be a time like \"08:00\""
                ));
                0
            })
        };
        let (from, to) = (clock("from", &hours.from), clock("to", &hours.to));
        let offset_minutes = hours.utc_offset_minutes;
        if !(-FARTHEST..=FARTHEST).contains(&offset_minutes) {
            wrong.push(format!(
                "business_hours.utc_offset_minutes = {offset_minutes}: must be a whole number, \
                 from -{FARTHEST} to {FARTHEST}"
            ));
        }
        let days = hours.days.iter().fold(0, |days, day| days | 1 << *day as u8);
        let mut calendar = Self {
            offset_minutes: offset_minutes.clamp(-FARTHEST, FARTHEST),
            days,
            from,
            to,
            events: Vec::new(),
        };
        if events.len() > MOST_EVENTS {
            wrong.push(format!("calendar: must have at most {MOST_EVENTS} events"));
        }
        for (number, event) in events.iter().take(MOST_EVENTS).enumerate() {
            match calendar.known(event) {
                Ok(known) => calendar.events.push(known),
                Err(why) => wrong.push(format!("calendar[{number}].{why}")),
            }
        }
        if wrong.is_empty() { Ok(calendar) } else { Err(wrong) }
    }

    fn known(&self, event: &CalendarEvent) -> Result<Known, String> {
        let CalendarEvent { name, from, to, every } = event;
        if name.trim().is_empty() || name.len() > NAME_BYTES || name.contains(char::is_control) {
            return Err(format!("name = {name:?}: must be a text of 1 to {NAME_BYTES} bytes"));
        }
        let offset = self.offset_secs();
        let read = |key: &str, text: &str| {
            instant(text, offset).ok_or_else(|| {
                format!("{key} = {text:?}: must be a date like \"2026-11-27\" or an RFC 3339 time")
            })
        };
        let (begin, _) = read("from", from)?;
        let (end, is_date) = read("to", to)?;
        let end = if is_date { end + DAY } else { end };
        let most = match every {
            Every::None => i64::MAX,
            Every::Day => DAY,
            Every::Week => 7 * DAY,
            Every::Year => 365 * DAY,
        };
        if end <= begin {
            return Err(format!("to = {to:?}: must be after from"));
        }
        if end - begin > most {
            return Err(format!("to = {to:?}: must come before the event comes again"));
        }
        let date = civil((begin + offset).div_euclid(DAY));
        Ok(Known { name: name.trim().to_owned(), from: begin, to: end, every: *every, date })
    }

    fn offset_secs(&self) -> i64 {
        i64::from(self.offset_minutes) * 60
    }

    /// Returns how people at the place see the moment `secs` seconds after 1970.
    pub fn local(&self, secs: i64) -> Local {
        let here = secs.saturating_add(self.offset_secs());
        let (day, minute) = (here.div_euclid(DAY), (here.rem_euclid(DAY) / 60) as u16);
        // 1970 began on a Thursday.
        let weekday = |day: i64| (day + 3).rem_euclid(7) as usize;
        let works = |day: i64| self.days >> weekday(day) & 1 == 1;
        let is_business = if self.from <= self.to {
            works(day) && (self.from..self.to).contains(&minute)
        } else {
            works(day) && minute >= self.from || works(day - 1) && minute < self.to
        };
        let day = Day::ALL[weekday(day)];
        Local { day, minute, offset_minutes: self.offset_minutes, is_business }
    }

    /// Says whether `day` is a working day.
    pub fn is_working(&self, day: Day) -> bool {
        self.days >> day as u8 & 1 == 1
    }

    /// Returns the names of the known events that the moment lies within.
    pub fn events(&self, secs: i64) -> impl Iterator<Item = &str> {
        let offset = self.offset_secs();
        let is_within = move |known: &&Known| known.contains(secs, offset);
        self.events.iter().filter(is_within).map(|known| known.name.as_str())
    }
}

impl Known {
    fn contains(&self, secs: i64, offset: i64) -> bool {
        let length = self.to - self.from;
        let since = secs.saturating_sub(self.from);
        if since < 0 {
            return false;
        }
        match self.every {
            Every::None => since < length,
            Every::Day => since % DAY < length,
            Every::Week => since % (7 * DAY) < length,
            Every::Year => {
                let (_, month, day) = self.date;
                let into_day = (self.from + offset).rem_euclid(DAY);
                let (year, _, _) = civil((secs + offset).div_euclid(DAY));
                [year - 1, year].into_iter().any(|year| {
                    let begin = days(year, month, day) * DAY + into_day - offset;
                    (0..length).contains(&(secs - begin))
                })
            }
        }
    }
}

/// Returns the days from 1970-01-01 to a date; the 29th of February of other
/// years is the 1st of March. Counts years from March, as Zeller did.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Returns year, month and day of the date so many days after 1970-01-01.
fn civil(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let (era, of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let of_era_year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * of_era_year + of_era_year / 4 - of_era_year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + of_era_year + i64::from(month <= 2);
    (year, month, of_year - (153 * shifted + 2) / 5 + 1)
}

/// Reads figures of an exact number.
fn figures(text: Option<&str>, length: usize) -> Option<i64> {
    let text = text?;
    let is_plain = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_plain { text.parse().ok() } else { None }
}

/// Reads `HH:MM`.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = (figures(text.get(..2), 2)?, figures(text.get(3..), 2)?);
    let is_time = text.get(2..3) == Some(":") && hour < 24 && minute < 60;
    is_time.then_some((hour * 60 + minute) as u16)
}

/// Reads a date, which begins at midnight of the place, or an RFC 3339 time;
/// says which it was.
fn instant(text: &str, offset: i64) -> Option<(i64, bool)> {
    let (year, month, day) =
        (figures(text.get(..4), 4)?, figures(text.get(5..7), 2)?, figures(text.get(8..10), 2)?);
    let midnight = days(year, month, day);
    let is_date = text.get(4..5) == Some("-") && text.get(7..8) == Some("-");
    // Whatever does not come back the same is no date.
    if !is_date || !(1..=12).contains(&month) || civil(midnight) != (year, month, day) {
        return None;
    }
    let midnight = midnight * DAY;
    let Some(rest) = text.get(10..).filter(|rest| !rest.is_empty()) else {
        return Some((midnight - offset, true));
    };
    let clock = minute(rest.get(1..6)?)?;
    let second = figures(rest.get(7..9), 2)?;
    let zone = rest.get(9..)?.trim_start_matches(|byte: char| byte == '.' || byte.is_ascii_digit());
    let is_time = matches!(rest.get(..1)?, "T" | "t" | " ") && rest.get(6..7) == Some(":");
    let zone = match zone {
        "Z" | "z" => 0,
        _ => {
            let away = i64::from(minute(zone.get(1..)?)?) * 60;
            match zone.get(..1)? {
                "+" => away,
                "-" => -away,
                _ => return None,
            }
        }
    };
    (is_time && second < 61).then_some((midnight + i64::from(clock) * 60 + second - zone, false))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event(from: &str, to: &str, every: Every) -> CalendarEvent {
        CalendarEvent { name: "sale".to_owned(), from: from.to_owned(), to: to.to_owned(), every }
    }

    fn at(text: &str) -> i64 {
        instant(text, 0).unwrap().0
    }

    fn holds(event: CalendarEvent, text: &str) -> bool {
        let calendar = Calendar::of(&BusinessHours::default(), &[event]).unwrap();
        calendar.events(at(text)).count() == 1
    }

    proptest! {
        #[test]
        fn dates_and_days_are_inverse(day in -1_000_000i64..1_000_000) {
            let (year, month, date) = civil(day);
            prop_assert_eq!(days(year, month, date), day);
            prop_assert!((1..=12).contains(&month) && (1..=31).contains(&date));
        }

        #[test]
        fn no_text_is_too_odd(text in ".{0,40}") {
            let _ = instant(&text, 0);
            let _ = minute(&text);
        }
    }

    #[test]
    fn what_is_usual_is_the_default() {
        let usual = Calendar::of(&BusinessHours::default(), &[]);
        assert_eq!(usual, Ok(Calendar::default()));
    }

    #[test]
    fn times_are_read_as_rfc_3339_says() {
        assert_eq!(at("1970-01-02"), DAY);
        assert_eq!(at("2000-03-01T00:00:00Z"), 951_868_800);
        assert_eq!(at("2023-11-14T23:13:20.75+01:00"), 1_700_000_000);
        for odd in ["2026-02-30", "2026-13-01", "2026-1-1", "26-01-01", "2026-01-01T10:00", "x", ""]
        {
            assert_eq!(instant(odd, 0), None, "{odd}");
        }
    }

    #[test]
    fn a_date_lasts_to_its_end_and_events_come_again() {
        let once = || event("2026-11-27", "2026-11-30", Every::None);
        assert!(holds(once(), "2026-11-27T00:00:00Z") && holds(once(), "2026-11-30T23:59:59Z"));
        assert!(!holds(once(), "2026-12-01") && !holds(once(), "2027-11-27"));
        let yearly = || event("2024-12-24", "2025-01-06", Every::Year);
        assert!(holds(yearly(), "2030-12-24") && holds(yearly(), "2031-01-06T10:00:00Z"));
        assert!(!holds(yearly(), "2031-01-07") && !holds(yearly(), "2023-12-25"), "not before");
        let nightly = || event("2026-01-01T23:00:00Z", "2026-01-02T01:00:00Z", Every::Day);
        assert!(
            holds(nightly(), "2026-06-01T00:30:00Z") && !holds(nightly(), "2026-06-01T01:00:00Z")
        );
        let weekly = || event("2026-01-04T02:00:00Z", "2026-01-04T03:00:00Z", Every::Week);
        assert!(
            holds(weekly(), "2026-02-01T02:59:59Z") && !holds(weekly(), "2026-02-02T02:30:00Z")
        );
        assert!(holds(event("2024-02-29", "2024-02-29", Every::Year), "2025-03-01T12:00:00Z"));
    }

    #[test]
    fn business_hours_are_local_and_may_pass_midnight() {
        let hours = BusinessHours { utc_offset_minutes: 120, ..BusinessHours::default() };
        let calendar = Calendar::of(&hours, &[]).unwrap();
        let monday = calendar.local(at("2023-11-13T06:30:00Z"));
        assert_eq!((monday.day, monday.minute, monday.is_business), (Day::Mon, 510, true));
        assert!(!calendar.local(at("2023-11-13T17:00:00Z")).is_business);
        assert_eq!(calendar.local(at("2023-11-12T22:30:00Z")).day, Day::Mon);
        let night = BusinessHours {
            days: vec![Day::Fri],
            from: "22:00".to_owned(),
            to: "06:00".to_owned(),
            ..BusinessHours::default()
        };
        let calendar = Calendar::of(&night, &[]).unwrap();
        assert!(calendar.local(at("2023-11-17T23:00:00Z")).is_business);
        assert!(calendar.local(at("2023-11-18T05:59:00Z")).is_business, "Friday's shift");
        assert!(!calendar.local(at("2023-11-17T05:00:00Z")).is_business, "Thursday's");
    }

    #[test]
    fn whatever_is_wrong_is_told() {
        let hours = BusinessHours {
            utc_offset_minutes: 900,
            from: "8:00".to_owned(),
            ..BusinessHours::default()
        };
        let mut events = vec![
            event("2026-11-27", "2026-11-26", Every::None),
            event("2026-11-27", "2026-11-29", Every::Day),
            event("soon", "2026-11-29", Every::None),
        ];
        events.push(CalendarEvent { name: " ".to_owned(), ..events[0].clone() });
        let wrong = Calendar::of(&hours, &events).unwrap_err().join("; ");
        for part in [
            "business_hours.from = \"8:00\"",
            "business_hours.utc_offset_minutes = 900",
            "calendar[0].to = \"2026-11-26\": must be after",
            "calendar[1].to = \"2026-11-29\": must come before",
            "calendar[2].from = \"soon\"",
            "calendar[3].name",
        ] {
            assert!(wrong.contains(part), "{part} is not in {wrong}");
        }
    }
}

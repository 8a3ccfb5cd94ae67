//! The sections of what is known of time: `[business_hours]` and `[calendar]`.
//! Mirrors `via_types::calendar`, which owns the notation and the defaults; adds
//! the words.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use via_types::calendar::{self, Day, MOST_EVENTS};

/// When people are usually at work: said in explanations, changes no score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct BusinessHours {
    /// Offset of local time from UTC; times in explanations and dates of the
    /// calendar are local. Summer time is not known.
    #[schemars(range(min = -840, max = 840), extend("x-unit" = "minutes"))]
    pub(crate) utc_offset_minutes: i16,
    /// Working days.
    #[schemars(with = "Vec<String>", length(max = 7), extend("format" = "via-days"))]
    pub(crate) days: Vec<Day>,
    /// When work begins.
    #[schemars(extend("format" = "via-clock"))]
    pub(crate) from: String,
    /// When it ends; before `from` means on the next day.
    #[schemars(extend("format" = "via-clock"))]
    pub(crate) to: String,
}

impl Default for BusinessHours {
    fn default() -> Self {
        let calendar::BusinessHours { utc_offset_minutes, days, from, to } =
            calendar::BusinessHours::default();
        Self { utc_offset_minutes, days, from, to }
    }
}

impl BusinessHours {
    /// Returns them as the engine knows them.
    pub(crate) fn meant(&self) -> calendar::BusinessHours {
        let Self { utc_offset_minutes, days, from, to } = self.clone();
        calendar::BusinessHours { utc_offset_minutes, days, from, to }
    }
}

/// Known events, such as sales, holidays and maintenance: a detection within one
/// says so, and its score stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CalendarSection {
    /// The events. A date as `to` lasts to its end; `every` is `none`, `day`, `week`
    /// or `year`. Each may also be a section `[[calendar.events]]` of its own.
    #[schemars(length(max = MOST_EVENTS), extend("format" = "via-calendar"))]
    pub(crate) events: Vec<Event>,
}

/// Something that is known to happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Event {
    /// What it is called.
    #[schemars(length(min = 1, max = 64))]
    pub(crate) name: String,
    /// When it begins: a date or an RFC 3339 time.
    pub(crate) from: String,
    /// When it ends: a date, whose day still belongs to it, or an RFC 3339 time.
    pub(crate) to: String,
    /// How often it comes again.
    #[serde(default)]
    pub(crate) every: Every,
}

/// How often a known event comes again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Every {
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

impl CalendarSection {
    /// Returns them as the engine knows them.
    pub(crate) fn meant(&self) -> Vec<calendar::CalendarEvent> {
        self.events.iter().map(Event::meant).collect()
    }
}

impl Event {
    /// Returns it as the engine knows it.
    pub(crate) fn meant(&self) -> calendar::CalendarEvent {
        let Self { name, from, to, every } = self.clone();
        let every = match every {
            Every::None => calendar::Every::None,
            Every::Day => calendar::Every::Day,
            Every::Week => calendar::Every::Week,
            Every::Year => calendar::Every::Year,
        };
        calendar::CalendarEvent { name, from, to, every }
    }
}

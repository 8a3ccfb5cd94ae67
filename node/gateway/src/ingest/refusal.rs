//! Why one event of a request was not applied: the codes clients may rely on.
//! Owns their names and meanings; a request that fails as a whole has a
//! [`crate::problem::Problem`] instead (invariant D-5: each event has one fate).

use std::fmt;
use std::time::Duration;

use via_types::{Fate, RowReason, limit};

macro_rules! row_codes {
    ($($name:ident = $code:literal: $help:expr,)*) => {
        /// A stable reason for refusing one event.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum RowCode {
            $(#[doc = $code] $name,)*
        }

        impl RowCode {
            /// Every code, in the order of the documents.
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)*];

            /// Returns the stable name.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// Returns what it means, in one sentence.
            pub(crate) fn help(self) -> &'static str {
                match self { $(Self::$name => $help,)* }
            }
        }
    };
}

row_codes! {
    BadJson = "bad_json": "The line is not one JSON object.",
    BadUtf8 = "bad_utf8": "The line is not UTF-8.",
    BadField = "bad_field": "A field is unknown, given twice, or of the wrong type.",
    LineTooLong = "line_too_long": "The line is longer than the limit; it was skipped unread.",
    NumberOutOfRange = "number_out_of_range": "A number does not fit a 64-bit float.",
    ValueNotFinite = "value_not_finite": "A value is NaN or infinite.",
    EntityMissing = "entity_missing": "No entity is named, and the stream's mapping derives none.",
    EntityTooLong = "entity_too_long": "The entity's key is longer than 256 bytes.",
    EntityPosition = "entity_position": "The event points beyond the batch's keys.",
    BadTimestamp = "bad_timestamp": "The timestamp is neither RFC 3339 nor epoch s, ms, µs or ns.",
    TimestampInFuture = "timestamp_in_future": "The event's time is more than 300 s ahead of the node's clock.",
    TimestampTooOld = "timestamp_too_old": "The event's time lies before 1970.",
    UniqueIdTooLong = "unique_id_too_long": "The unique id is longer than 128 bytes.",
    TooManyAttributes = "too_many_attributes": "The event has more than 64 attributes.",
    AttributesTooLong = "attributes_too_long": "The event's attributes together exceed 4,096 bytes.",
    TooManyValues = "too_many_values": "The event has more than 64 named values, or its request too many different names.",
    Late = "late": "The event is older than the stream's lateness allows.",
    Duplicate = "duplicate": "An event with this unique id was applied before.",
    TableFull = "table_full": "The node's memory for profiles is nearly full and the entity is new; send it again later.",
    LowPriority = "low_priority": "The node's memory for profiles is nearly full and the entity is new and of low priority; send it again later.",
}

/// How long to wait before an event is sent again that memory was too short for:
/// profiles leave within tenths of a second, many of them within seconds.
const MEMORY: Duration = Duration::from_secs(1);

impl RowCode {
    /// Returns what to believe and do about the event (invariant D-5).
    pub(crate) const fn fate(self) -> Fate {
        match self {
            Self::TableFull | Self::LowPriority => Fate::Retry(MEMORY),
            Self::BadJson
            | Self::BadUtf8
            | Self::BadField
            | Self::LineTooLong
            | Self::NumberOutOfRange
            | Self::ValueNotFinite
            | Self::EntityMissing
            | Self::EntityTooLong
            | Self::EntityPosition
            | Self::BadTimestamp
            | Self::TimestampInFuture
            | Self::TimestampTooOld
            | Self::UniqueIdTooLong
            | Self::TooManyAttributes
            | Self::AttributesTooLong
            | Self::TooManyValues
            | Self::Late
            | Self::Duplicate => Fate::Rejected,
        }
    }
}

impl fmt::Display for RowCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<RowReason> for RowCode {
    fn from(reason: RowReason) -> Self {
        match reason {
            RowReason::Late => Self::Late,
            RowReason::Duplicate => Self::Duplicate,
            RowReason::TableFull => Self::TableFull,
            RowReason::LowPriority => Self::LowPriority,
        }
    }
}

/// Why an event cannot be taken, before it is known where it stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The stable reason.
    pub(crate) code: RowCode,
    /// One sentence for a reader.
    pub(crate) reason: String,
}

impl Fault {
    /// Makes a fault with words of its own.
    pub(crate) fn new(code: RowCode, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }
}

impl From<RowCode> for Fault {
    fn from(code: RowCode) -> Self {
        Self { code, reason: code.help().to_owned() }
    }
}

/// Most refusals described in one answer; the rest are counted (invariant D-6).
pub(crate) const LISTED: usize = 1_000;

/// The refused events of one request: all counted, the first listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refusals {
    /// How many.
    pub(crate) count: u64,
    /// Some of them with their line, at most [`LISTED`].
    pub(crate) listed: Vec<(u64, Fault)>,
}

impl Refusals {
    /// Counts one refusal and lists it while there is room.
    pub(crate) fn push(&mut self, line: u64, fault: impl FnOnce() -> Fault) {
        self.count += 1;
        if self.listed.len() < LISTED {
            self.listed.push((line, fault()));
        }
    }

    /// Adds the refusals of another part of the request.
    pub(crate) fn append(&mut self, other: Self) {
        self.count += other.count;
        let room = LISTED - self.listed.len();
        self.listed.extend(other.listed.into_iter().take(room));
    }
}

const _: () = {
    assert!(limit::ENTITY_KEY_BYTES == 256, "the help texts name the limit");
    assert!(limit::UNIQUE_ID_BYTES == 128, "the help texts name the limit");
    assert!(limit::ATTRIBUTES == 64, "the help texts name the limit");
    assert!(limit::ATTRIBUTE_BYTES == 4_096, "the help texts name the limit");
    assert!(limit::LANES == 64, "the help texts name the limit");
    assert!(limit::FUTURE_SECS == 300, "the help texts name the limit");
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_passes_by_itself_is_to_be_sent_again() {
        let passing: Vec<_> =
            RowCode::ALL.iter().filter(|code| matches!(code.fate(), Fate::Retry(_))).collect();
        assert_eq!(passing, [&RowCode::TableFull, &RowCode::LowPriority]);
    }

    #[test]
    fn counts_every_refusal_but_lists_a_bounded_number() {
        let mut refusals = Refusals::default();
        for line in 0..3_000 {
            refusals.push(line, || RowCode::Late.into());
        }
        let mut more = Refusals::default();
        more.push(1, || RowCode::BadJson.into());
        refusals.append(more);
        assert_eq!(refusals.count, 3_001);
        assert_eq!(refusals.listed.len(), LISTED);
    }
}

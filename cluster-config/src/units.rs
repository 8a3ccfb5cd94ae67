//! Lengths of time and amounts of memory as operators write them: `"30s"`,
//! `"64MiB"`. Owns reading and writing those texts and nothing else; called by
//! the raw settings and by the rules. Reading is total: no text panics.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// What a length of time looks like, for messages and the manual.
pub(crate) const SPAN_FORM: &str =
    "a whole number and a unit: ns, us, ms, s, m, h or d, like \"30s\"";
/// What an amount looks like, for messages and the manual.
pub(crate) const SIZE_FORM: &str = "a whole number of bytes, or one with a unit: B, KB, MB, GB, TB, KiB, MiB, GiB or TiB, like \"64MiB\"";

const SPAN_UNITS: [(&str, u64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];
const SIZE_UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

/// A text that is not an amount of the expected kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not {0}")]
pub(crate) struct NotAnAmount(&'static str);

fn read(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let factor = units.iter().find(|(name, _)| *name == unit.trim_start())?.1;
    number.parse::<u64>().ok()?.checked_mul(factor)
}

fn write(f: &mut fmt::Formatter<'_>, amount: u64, units: &[(&str, u64)]) -> fmt::Result {
    let fits = |factor: u64| amount != 0 && amount.is_multiple_of(factor);
    let (name, factor) = units.iter().find(|(_, factor)| fits(*factor)).unwrap_or_else(|| {
        units.iter().find(|(name, _)| matches!(*name, "s" | "B")).unwrap_or(&units[0])
    });
    write!(f, "{}{name}", amount / factor)
}

/// A length of time, nanosecond resolution, at most 584 years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Span(u64);

impl Span {
    pub(crate) const fn from_secs(secs: u64) -> Self {
        Self(secs * 1_000_000_000)
    }

    pub(crate) const fn duration(self) -> Duration {
        Duration::from_nanos(self.0)
    }
}

/// Reads a span as settings write it, like `30m` or `1h 30m`.
///
/// # Errors
/// Says in words how a span is written.
pub fn span(text: &str) -> Result<Duration, String> {
    text.parse::<Span>().map(Span::duration).map_err(|error| error.to_string())
}

impl FromStr for Span {
    type Err = NotAnAmount;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        read(text, &SPAN_UNITS).map(Self).ok_or(NotAnAmount(SPAN_FORM))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.0, &SPAN_UNITS)
    }
}

impl TryFrom<String> for Span {
    type Error = NotAnAmount;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

impl JsonSchema for Span {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "via-span",
            "pattern": "^\\s*[0-9]+\\s*(ns|us|ms|s|m|h|d)\\s*$",
        })
    }
}

/// An amount of memory or disk, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Size(u64);

impl Size {
    pub(crate) const fn from_mib(mib: u64) -> Self {
        Self(mib << 20)
    }

    pub(crate) const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    pub(crate) const fn bytes(self) -> u64 {
        self.0
    }

    pub(crate) fn in_memory(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for Size {
    type Err = NotAnAmount;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        read(text, &SIZE_UNITS).map(Self).ok_or(NotAnAmount(SIZE_FORM))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.0, &SIZE_UNITS)
    }
}

impl TryFrom<String> for Size {
    type Error = NotAnAmount;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Size> for String {
    fn from(size: Size) -> Self {
        size.to_string()
    }
}

impl JsonSchema for Size {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "format": "via-size",
            "pattern": "^\\s*[0-9]+\\s*([KMGT]i?)?B\\s*$",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_operators_write() {
        assert_eq!("30s".parse(), Ok(Span::from_secs(30)));
        assert_eq!(" 10 m ".parse(), Ok(Span::from_secs(600)));
        assert_eq!("64MiB".parse(), Ok(Size::from_mib(64)));
        assert_eq!("1GB".parse(), Ok(Size(1_000_000_000)));
    }

    #[test]
    fn refuses_amounts_without_unit_or_beyond_measure() {
        for text in ["", "s", "30", "-1s", "1.5s", "30 parsecs", "99999999999d", "1µs"] {
            assert!(text.parse::<Span>().is_err(), "{text:?}");
        }
        assert!("64".parse::<Size>().is_err());
        assert!("99999999999TiB".parse::<Size>().is_err());
    }

    #[test]
    fn writes_the_largest_unit_that_is_exact() {
        assert_eq!(Span::from_secs(90).to_string(), "90s");
        assert_eq!(Span::from_secs(86_400).to_string(), "1d");
        assert_eq!(Span(0).to_string(), "0s");
        assert_eq!(Size::from_mib(2048).to_string(), "2GiB");
        assert_eq!(Size(1_000_000).to_string(), "1MB");
        assert_eq!(Size(0).to_string(), "0B");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(amount: u64) {
            prop_assert_eq!(Span(amount).to_string().parse(), Ok(Span(amount)));
            prop_assert_eq!(Size(amount).to_string().parse(), Ok(Size(amount)));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = text.parse::<Span>().map(|span| span.to_string());
            let _ = text.parse::<Size>().map(|size| size.to_string());
        }
    }
}

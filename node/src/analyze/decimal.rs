//! Numbers as people write them in tables, with a decimal point or a decimal
//! comma. Decides once per column and never by one field alone: 1,234 is two
//! different numbers. Knows nothing of columns' names or of files.

/// How a column writes the fraction of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decimal {
    /// `1234.5`, or `1,234.5`, in which the signs tell each other apart
    Point,
    /// `1234.5` or `1,234.5` or `1,234`
    Grouped,
    /// `1234,5` or `1.234,5`
    Comma,
    /// Only whole numbers so far, between separators that leave the comma free:
    /// `1234.5` or `1234,5`, without groups.
    Either,
}

impl Decimal {
    /// Tells it from the texts of a column. Where fields are separated by `;` a
    /// comma is a decimal comma unless most say otherwise; elsewhere it stands in
    /// a quoted field, and is one only if some text cannot be grouped thousands.
    pub(crate) fn of<'a>(texts: impl Iterator<Item = &'a str> + Clone, delimiter: u8) -> Self {
        let with = |sign: char| texts.clone().any(|text| text.contains(sign));
        let is_free = delimiter == b';';
        if !with(',') {
            return if is_free && !with('.') { Self::Either } else { Self::Point };
        }
        let commas = || texts.clone().filter(|text| text.contains(','));
        let decimal = commas().filter(|text| Self::Comma.read(text).is_some()).count();
        let telling = commas().filter(|text| tells_comma(text)).count();
        let is_decimal = decimal * 2 > commas().count();
        if is_decimal && (is_free || telling > 0) {
            return Self::Comma;
        }
        let grouped = commas().filter(|text| Self::Grouped.read(text).is_some()).count();
        let is_grouped =
            grouped == commas().count() && commas().any(|text| with_groups(text).is_some());
        if is_grouped { Self::Grouped } else { Self::Point }
    }

    /// Reads a finite number.
    pub(crate) fn read(self, text: &str) -> Option<f64> {
        let text = text.trim();
        let number = match (self, text.split_once(',')) {
            (Self::Point | Self::Grouped | Self::Either, None) => text.parse(),
            (Self::Point, Some(_)) => return with_groups(text),
            (Self::Grouped, Some(_)) => {
                let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
                if !is_grouped(whole, ',') || fraction.contains(',') {
                    return None;
                }
                text.replace(',', "").parse()
            }
            (Self::Comma, None) if is_grouped(text, '.') => text.replace('.', "").parse(),
            (Self::Comma, None) => text.parse(),
            (Self::Comma | Self::Either, Some((whole, fraction))) => {
                let is_odd =
                    whole.contains('.') && !(self == Self::Comma && is_grouped(whole, '.'));
                if is_odd || fraction.contains([',', '.']) {
                    return None;
                }
                format!("{}.{fraction}", whole.replace('.', "")).parse()
            }
        };
        number.ok().filter(|number: &f64| number.is_finite())
    }
}

/// Says whether a text is a number, whichever way it is written.
pub(crate) fn is_number(text: &str) -> bool {
    Decimal::Point.read(text).is_some() || Decimal::Comma.read(text).is_some()
}

/// Says whether a sign parts the digits into thousands.
fn is_grouped(text: &str, sign: char) -> bool {
    let mut groups = text.trim_start_matches(['+', '-']).split(sign);
    let is_digits = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
    let first = groups.next().unwrap_or_default();
    let mut later = groups.peekable();
    later.peek().is_some()
        && (1..=3).contains(&first.len())
        && is_digits(first)
        && later.all(|group| group.len() == 3 && is_digits(group))
}

/// Reads a number whose commas can only part thousands: there are several, or a
/// decimal point follows.
fn with_groups(text: &str) -> Option<f64> {
    let text = text.trim();
    let is_plain = text.contains('.') || text.matches(',').count() > 1;
    if is_plain { Decimal::Grouped.read(text) } else { None }
}

/// Says whether the comma of a text cannot part thousands.
fn tells_comma(text: &str) -> bool {
    let Some((whole, fraction)) = text.trim().split_once(',') else { return false };
    let whole = whole.trim_start_matches(['+', '-']);
    let may_group = fraction.len() == 3 && (1..=3).contains(&whole.len()) && whole != "0";
    Decimal::Comma.read(text).is_some() && !may_group
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&str], delimiter: u8) -> Decimal {
        Decimal::of(texts.iter().copied(), delimiter)
    }

    #[test]
    fn a_comma_between_semicolons_is_a_decimal_one() {
        let decimal = of(&["1,234", "7", "2,5", "-0,25"], b';');
        assert_eq!(decimal, Decimal::Comma);
        for (text, number) in [
            ("1,234", 1.234),
            ("-0,5", -0.5),
            ("1.234,5", 1_234.5),
            ("-1.234.567", -1_234_567.0),
            ("1,5e3", 1_500.0),
            ("12", 12.0),
            ("2.5", 2.5),
        ] {
            assert_eq!(decimal.read(text), Some(number), "{text}");
        }
        for odd in ["1,2,3", "1,234.5", "12.34,5", ",", "", "1,NaN", "inf"] {
            assert_eq!(decimal.read(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_comma_in_quotes_must_tell_what_it_is() {
        assert_eq!(of(&["1,234", "5,678"], b','), Decimal::Point, "thousands, or thousandths");
        assert_eq!(of(&["1,234", "5,67"], b','), Decimal::Comma);
        assert_eq!(of(&["0,123"], b','), Decimal::Comma);
        assert_eq!(of(&["1,234.5", "2,345.6", "1,5"], b','), Decimal::Point);
        assert_eq!(Decimal::Point.read("1,234"), None);
    }

    #[test]
    fn commas_that_part_thousands_are_told_by_a_point_or_by_each_other() {
        let grouped = of(&["950.5", "1,150.123", "2,000", "-1,234,567"], b',');
        assert_eq!(grouped, Decimal::Grouped);
        for (text, number) in [
            ("1,150.123", 1_150.123),
            ("2,000", 2_000.0),
            ("-1,234,567", -1_234_567.0),
            ("950.5", 950.5),
        ] {
            assert_eq!(grouped.read(text), Some(number), "{text}");
        }
        for odd in ["1,15.3", "1,5", "12,34,567", ",123", "1,150.1,2", "1,150.123.4"] {
            assert_eq!(grouped.read(odd), None, "{odd}");
        }
        // Later rows may be larger than those by which the column was told.
        assert_eq!(of(&["950.5"], b','), Decimal::Point);
        assert_eq!(Decimal::Point.read("1,150.123"), Some(1_150.123));
        assert_eq!(Decimal::Point.read("1,150"), None, "thousands, or thousandths");
        assert!(is_number("1,150.123"));
    }

    #[test]
    fn whole_numbers_leave_it_open_where_a_comma_is_free() {
        let open = of(&["1", "20"], b';');
        assert_eq!(open, Decimal::Either);
        assert_eq!((open.read("1,5"), open.read("1.5")), (Some(1.5), Some(1.5)));
        assert_eq!(open.read("1.234,5"), None);
        assert_eq!(of(&["1", "20"], b','), Decimal::Point);
        assert_eq!(of(&["1.5", "20"], b';'), Decimal::Point);
    }
}

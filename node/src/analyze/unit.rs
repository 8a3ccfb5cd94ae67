//! What stands beside the numbers of a column: a unit behind them, or a currency
//! before. Decides once per column, and only where all of its first fields agree:
//! two units are two scales. Knows nothing of columns' names or of files.

use super::decimal::is_number;
use super::sample::{Fields, filled, is_absent};

/// Longest unit, bytes: longer words are no units.
const LONGEST: usize = 12;

/// What all numbers of a column have beside them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    before: String,
    after: String,
}

impl Unit {
    /// Returns the number's text without its unit; none when it has another.
    pub(crate) fn strip<'a>(&self, text: &'a str) -> Option<&'a str> {
        let text = text.trim();
        let inner = text.strip_prefix(&*self.before)?.strip_suffix(&*self.after)?.trim();
        parts(text).is_some_and(|(_, number, _)| number == inner).then_some(inner)
    }

    /// Returns it for people.
    pub(crate) fn name(&self) -> &str {
        if self.after.is_empty() { &self.before } else { &self.after }
    }
}

/// Cuts a text into what is before its number, the number, and what is behind.
fn parts(text: &str) -> Option<(&str, &str, &str)> {
    let text = text.trim();
    let is_figure = |sign: char| sign.is_ascii_digit() || "+-.,".contains(sign);
    let begin = text.find(is_figure)?;
    let end = text.rfind(|sign: char| sign.is_ascii_digit())? + 1;
    let (before, number, after) = (&text[..begin], text.get(begin..end)?, &text[end..]);
    let is_currency = |text: &str| text.is_empty() || matches!(text.trim(), "$" | "€" | "£" | "¥");
    let is_unit = |text: &str| {
        let is_sign = |sign: char| sign.is_alphabetic() || "%°/‰$€£¥".contains(sign);
        text.len() <= LONGEST && text.chars().all(is_sign)
    };
    let fits = is_currency(before) && is_unit(after.trim()) && is_number(number);
    fits.then(|| (before.trim(), number, after.trim()))
}

/// Says what all filled fields of a column have beside their numbers; none when
/// they are bare, or differ.
fn of(sample: &[Fields], column: usize) -> Option<Unit> {
    let mut fields = filled(sample, column);
    let (before, _, after) = parts(fields.next()?)?;
    let unit = Unit { before: before.to_owned(), after: after.to_owned() };
    let is_bare = before.is_empty() && after.is_empty();
    (!is_bare && fields.all(|text| unit.strip(text).is_some())).then_some(unit)
}

/// Takes the units off a table's first rows, and says which there are.
pub(super) fn take(sample: &mut [Fields], columns: usize) -> Vec<Option<Unit>> {
    let units: Vec<Option<Unit>> = (0..columns).map(|column| of(sample, column)).collect();
    for row in sample {
        for (text, unit) in row.iter_mut().zip(&units) {
            if let Some(number) = unit.as_ref().and_then(|unit| unit.strip(text))
                && !is_absent(text.trim())
            {
                *text = number.to_owned();
            }
        }
    }
    units
}

/// Says in which rows, counted from 1, a column of numbers has two units, and what
/// stands there; none when it has no two.
pub(super) fn differing(sample: &[Fields], column: usize) -> Option<String> {
    let beside = |row: &Fields| {
        let text = row.get(column).filter(|text| !is_absent(text.trim()))?;
        parts(text).map(|(before, _, after)| (before.to_owned(), after.to_owned(), text.clone()))
    };
    let mut rows = sample.iter().enumerate().filter_map(|(at, row)| Some((at + 1, beside(row)?)));
    let (first, (before, after, one)) = rows.next()?;
    let (row, (_, _, other)) = rows.find(|(_, (b, a, _))| (b, a) != (&before, &after))?;
    Some(format!("its numbers have several units: {one:?} in row {first}, {other:?} in row {row}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(texts: &[&str]) -> Vec<Fields> {
        texts.iter().map(|text| vec![(*text).to_owned()]).collect()
    }

    #[test]
    fn a_unit_that_all_share_is_taken_off() {
        for (texts, name, first) in [
            (&["12.5 ms", "13 ms", "-", "1,400.5 ms"][..], "ms", "12.5"),
            (&["45%", "46.5 %"], "%", "45"),
            (&["$1,234.50", "$ 7"], "$", "1,234.50"),
            (&["5 €", "6 €"], "€", "5"),
            (&["-3 °C", "4 °C"], "°C", "-3"),
            (&["10 req/s"], "req/s", "10"),
        ] {
            let mut sample = rows(texts);
            let units = take(&mut sample, 1);
            assert_eq!(units[0].as_ref().map(Unit::name), Some(name), "{texts:?}");
            assert_eq!(sample[0][0], first, "{texts:?}");
        }
    }

    #[test]
    fn what_is_bare_differs_or_is_no_number_stays() {
        for texts in [
            &["1", "2.5"][..],
            &["12 ms", "1.2 s"],
            &["12 ms", "13"],
            &["1e5", "2e6"],
            &["10.0.0.1", "10.0.0.2"],
            &["2020-01-01T00:00:00Z"],
            &["web-1", "web-2"],
            &["12 milliseconds and more"],
        ] {
            let mut sample = rows(texts);
            assert_eq!(take(&mut sample, 1), [None], "{texts:?}");
            assert_eq!(sample, rows(texts));
        }
        let said = differing(&rows(&["12 ms", "-", "1.2 s"]), 0).expect("they differ");
        assert!(
            said.contains("\"12 ms\" in row 1") && said.contains("\"1.2 s\" in row 3"),
            "{said}"
        );
        assert_eq!(differing(&rows(&["a", "b"]), 0), None);
    }
}
